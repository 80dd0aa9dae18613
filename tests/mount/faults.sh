#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A shard of the source changes under a mount: its tensors fail with EIO, each
# with one line in the log, and the others do not notice.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
"$make" --layers 2 --experts 4 --hidden 512 --inter 256 --shards 4 "$work/good" >/dev/null || fail "make-checkpoint"
shard=model-00002-of-00004.safetensors

check() { timeout 60 python3 "$here/faults.py" "$src" "$mnt" "$want" "$shard" >"$work/lost" 2>"$work/said" || fail "$how: $(cat "$work/said")"; }

# The log has a line for each tensor that failed, and no other.
one_line_each()
{
	local key
	[ "$(wc -l <"$work/log")" = "$(wc -l <"$work/lost")" ] || fail "$how: $(wc -l <"$work/lost") tensors fail, and the log says: $(head -n 5 "$work/log")"
	while read -r key; do
		[ "$(grep -cF "tensor '$key': " "$work/log")" = 1 ] || fail "$how: no one line of '$key' in: $(head -n 5 "$work/log")"
	done <"$work/lost"
	[ "$(grep -cF "'$shard': " "$work/log")" = "$(wc -l <"$work/lost")" ] || fail "$how: the shard is not named: $(head -n 5 "$work/log")"
}

# broken FAULT [READ FIRST]
broken()
{
	how=$1
	rm -rf "$src" "$work/log"
	cp -a "$work/good" "$src"
	: >"$work/log"
	serve --log "$work/log" "${options[@]}"
	# Panels of the changed shard that are kept must not be served either.
	[ -z "$2" ] || same "$mnt" "$want"
	(cd "$src" && eval "$how") || fail "$how: it does not work here"
	check
	check
	one_line_each
	cmp "$mnt/config.json" "$want/config.json" || fail "$how: config.json"
	[ -s "$mnt/.lens/stats" ] || fail "$how: no stats"
	grep -qE 'errors_total.*"io"[^0-9]*[1-9]' "$mnt/.lens/stats" || fail "$how: stats count no error"
	kill -TERM "$server"
	ended 0
}

for recipe in dequant mistral4; do
	options=(--recipe "$recipe" --shard-size 1)
	rm -rf "$want"
	"$lensfs" convert -q "${options[@]}" "$work/good" "$want" || fail "convert"
	for first in '' 'read first'; do
		broken 'truncate -s 100000 $shard' "$first"
		broken 'truncate -s 0 $shard' "$first"
		broken 'printf x >>$shard' "$first"
		broken 'cp $shard new && mv new $shard' "$first"
		broken 'rm $shard' "$first"
		broken 'touch $shard' "$first"
		broken 'printf x | dd of=$shard bs=1 seek=90000 conv=notrunc status=none' "$first"
		broken 'printf x | dd of=$shard bs=1 seek=90000 conv=notrunc status=none && touch -r $work/good/$shard $shard' "$first"
	done
done

# while eight read: right bytes or an error, and nobody hangs
how='truncated while eight read'
rm -rf "$src"
cp -a "$work/good" "$src"
options=(--shard-size 4MB)
rm -rf "$want"
"$lensfs" convert -q "${options[@]}" "$src" "$want" || fail "convert"
serve --log "$work/log" --cache-size 0 "${options[@]}"
pids=()
for file in "$want"/*.safetensors; do
	name=$(basename "$file")
	python3 "$here/reader.py" "$mnt/$name" "$file" "$work/ready.$name" "$work/stop" >"$work/said.$name" 2>&1 &
	pids+=($!)
done
for file in "$want"/*.safetensors; do soon "nothing is read" [ -e "$work/ready.$(basename "$file")" ]; done
truncate -s 100000 "$src/$shard"
touch "$work/stop"
failed=0 right=0
for pid in "${pids[@]}"; do
	soon "$how: a reader hangs" not kill -0 "$pid" 2>/dev/null
	wait "$pid"
	case $? in
	0) right=$((right + 1)) ;;
	3) failed=$((failed + 1)) ;;
	*) fail "$how: $(cat "$work"/said.*)" ;;
	esac
done
[ "$failed" -gt 0 ] && [ "$right" -gt 0 ] || fail "$how: $failed failed, $right were right"
kill -TERM "$server"
ended 0
