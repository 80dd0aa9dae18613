#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# convert goes on where it was stopped, and many share the work: the tree is the same whatever happened on the way.
lensfs=${LENSFS:?} make=${MAKE_CHECKPOINT:?}
work=$(mktemp -d)
pids=()
tidy()
{
	cd /
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
	mountpoint -q "$work/small" && umount -l "$work/small"
	rm -rf "$work"
}
trap tidy EXIT
fail() { echo "FAIL: $*"; exit 1; }
cd "$work" || exit 2
"$make" --layers 4 --experts 12 --hidden 1024 --inter 512 --shards 3 src >/dev/null || fail "make-checkpoint"
mkdir -p src/sub/deeper src/empty
echo text >src/sub/deeper/file
touch -d '2001-02-03 04:05:06.789' src/sub/deeper/file
options=(--shard-size 12MB)
"$lensfs" convert -q "${options[@]}" src want || fail "convert"
files=$(find want -name '*.safetensors' | wc -l)
[ "$files" -ge 8 ] || fail "only $files files: nothing to share"

# the same bytes, names and times, and nothing else
same()
{
	diff -r want out || fail "$1: differs"
	[ "$(cd want && find . -printf '%p %y %s\n' | sort)" = "$(cd out && find . -printf '%p %y %s\n' | sort)" ] || fail "$1: other names: $(find out)"
	[ "$(cd want && find . -type f -printf '%p %TY%Tm%Td%TH%TM%TS\n' | sort)" = "$(cd out && find . -type f -printf '%p %TY%Tm%Td%TH%TM%TS\n' | sort)" ] ||
		fail "$1: other times"
	[ ! -e out/.lensfs-convert ] || fail "$1: the work folder stays"
}

# killed again and again, at any moment; then to the end
killed=0
for i in {1..12}; do
	"$lensfs" convert -q --jobs 1 "${options[@]}" src out 2>err &
	pid=$!
	sleep "0.0$((RANDOM % 9 + 1))"
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	status=$?
	[ $status = 137 ] && killed=$((killed + 1))
	[ $status = 0 ] && break
	[ $status = 137 ] || fail "killed: exit $status: $(cat err)"
	# no file has its name before it is whole
	for f in out/*.safetensors; do
		[ ! -e "$f" ] || cmp -s "$f" "want/${f#out/}" || fail "killed: half of $f has its name"
	done
done
[ $killed -gt 0 ] || fail "none was killed in time"
if [ "$status" != 0 ]; then
	[ -d out/.lensfs-convert ] || fail "nothing tells that it has begun"
	"$lensfs" convert -q "${options[@]}" src out 2>err || fail "go on: $(cat err)"
fi
same "killed $killed times"

# what is whole stays as it is
begin()
{
	rm -rf out
	"$lensfs" convert -q --part 0/3 "${options[@]}" src out 2>err || fail "part 0/3: $(cat err)"
	[ -d out/.lensfs-convert ] || fail "a part of three left no work folder"
}
begin
# shellcheck disable=SC2012 # the inode and the name
before=$(ls -i out/*.safetensors)
[ -n "$before" ] || fail "part 0 wrote nothing"
[ ! -e out/model.safetensors.index.json ] && [ ! -e out/config.json ] || fail "part 0 wrote what comes last"
refused()
{
	"$lensfs" convert -q "$@" out 2>err && fail "accepted: $*"
	grep -qF "'out': a conversion has begun there $why" err || fail "$*: $(cat err)"
}
why="with other options or another recipe (--shard-size 12MB): empty it"
refused --shard-size 13MB src
refused "${options[@]}" --dtype f32 src
refused --part 1/3 "${options[@]}" --exclude 'lm_head' src
cp -a src other
touch other/model-00001-of-00003.safetensors
why="from another source"
refused "${options[@]}" other
# written to, and its time put back
cp -a src kept
shard=src/model-00002-of-00003.safetensors
printf x | dd of=$shard bs=1 seek=90000 conv=notrunc status=none
touch -r kept/model-00002-of-00003.safetensors $shard
refused "${options[@]}" src
rm -rf src && mv kept src
refused "${options[@]}" src
begin
before=$(ls -i out/*.safetensors)
"$lensfs" convert "${options[@]}" src out 2>err || fail "the rest: $(cat err)"
# shellcheck disable=SC2012
[ "$(ls -i $(echo "$before" | awk '{print $2}'))" = "$before" ] || fail "what was whole was written again"
same "begun as a part, ended without"
"$lensfs" convert -q "${options[@]}" src out 2>err && fail "into what is whole"
grep -q "it is not empty" err || fail "into what is whole: $(cat err)"

# a file that was cut is made again
begin
f=$(find out -maxdepth 1 -name '*.safetensors' | head -1)
truncate -s -1 "$f"
"$lensfs" convert -q "${options[@]}" src out 2>err || fail "cut: $(cat err)"
same "cut"

# eight at once; the same part twice at once; some killed and run again
shared()
{
	rm -rf out
	pids=()
	for i in 0 1 2 3 4 5 6 7 "$@"; do
		"$lensfs" convert -q --jobs 1 --part "$i/8" "${options[@]}" src out 2>"err$i" &
		pids+=($!)
	done
}
for round in {1..3}; do
	shared 3 0
	for p in "${pids[@]}"; do wait "$p" || fail "eight parts: $(cat err*)"; done
	pids=()
	same "eight parts and two of them twice, round $round"
done
shared
sleep 0.05
for p in "${pids[@]:0:5}"; do kill -KILL "$p" 2>/dev/null; done
for p in "${pids[@]}"; do wait "$p" 2>/dev/null; done
pids=()
for i in {0..4}; do
	"$lensfs" convert -q --part "$i/8" "${options[@]}" src out 2>err || fail "part $i again: $(cat err)"
done
same "parts killed and run again"
# one that comes late finds it done; another conversion does not
before=$(stat -c '%i %Y' out/config.json out/*.safetensors)
"$lensfs" convert --part 2/8 "${options[@]}" src out 2>err || fail "late: $(cat err)"
grep -q "it is there already" err || fail "late: $(cat err)"
[ "$before" = "$(stat -c '%i %Y' out/config.json out/*.safetensors)" ] || fail "late: it wrote again"
"$lensfs" convert --part 2/8 "${options[@]}" --dtype f32 src out 2>err && fail "late with other options"
grep -q "it is not empty" err || fail "late with other options: $(cat err)"
# of the same sizes
"$lensfs" convert --part 2/8 "${options[@]}" --dtype f16 src out 2>err && fail "late with another dtype"
grep -q "it is not empty" err || fail "late with another dtype: $(cat err)"
# killed when nothing was left to do but take away the folder
mkdir out/.lensfs-convert
"$lensfs" convert "${options[@]}" --dtype f16 src out 2>err && fail "the folder is left, and another dtype"
grep -q "it is not empty" err || fail "the folder is left, and another dtype: $(cat err)"
"$lensfs" convert "${options[@]}" src out 2>err || fail "the folder is left: $(cat err)"
same "the folder is left"
mkdir out/.lensfs-convert
"$lensfs" convert --part 7/8 "${options[@]}" src out 2>err || fail "the folder is left, and a part: $(cat err)"
same "the folder is left, and a part"
# somebody has changed a byte of it: the part that it is of sees it
f=$(find out -maxdepth 1 -name '*.safetensors' | head -1)
cp -p "$f" whole
printf '\377\377' | dd of="$f" bs=1 seek="$(($(stat -c %s "$f") - 2))" conv=notrunc status=none
touch -r whole "$f"
found=0
for i in {0..7}; do
	"$lensfs" convert -q --part "$i/8" "${options[@]}" src out 2>err || found=$((found + 1))
done
[ $found = 1 ] || fail "$found parts see a changed byte"
cp -p whole "$f"
# more parts than files
rm -rf out
for i in {0..49}; do
	"$lensfs" convert -q --part "$i/50" "${options[@]}" src out 2>err || fail "part $i/50: $(cat err)"
done
same "fifty parts"
for part in 8/8 -1/8 1 1/0 a/2 1/2x; do
	"$lensfs" convert --part "$part" src none 2>err
	[ $? = 2 ] || fail "--part $part: $(cat err)"
done
[ ! -e none ] || fail "none is there"

# what it writes is taken away, as who is taken for dead would find it: it is made again
rm -rf out
"$lensfs" convert -q --jobs 1 "${options[@]}" src out 2>err &
pid=$!
pids=("$pid")
for _ in {1..2000}; do
	compgen -G 'out/.lensfs-convert/[0-9]*' >/dev/null && break
	sleep 0.001
done
kill -STOP "$pid"
rm -f out/.lensfs-convert/[0-9]* && kill -CONT "$pid"
wait "$pid" || fail "taken away: $(cat err)"
pids=()
same "taken away"

# small and quick, so that they begin and end on top of each other
"$make" --shards 3 tiny >/dev/null || fail "make-checkpoint"
"$lensfs" convert -q --shard-size 50KB tiny tinier || fail "convert"
for round in {1..10}; do
	rm -rf out
	pids=()
	for i in 0 1 2 0 1 2 0 0; do
		"$lensfs" convert -q --jobs 2 --part "$i/3" --shard-size 50KB tiny out 2>"err${#pids[@]}" &
		pids+=($!)
	done
	[ $((round % 2)) = 0 ] || { sleep "0.00$((RANDOM % 9))"; kill -KILL "${pids[0]}" "${pids[3]}" 2>/dev/null; }
	for k in "${!pids[@]}"; do
		wait "${pids[k]}" 2>/dev/null
		status=$?
		[ $status = 0 ] || [ $status = 137 ] || fail "round $round: $status: $(cat "err$k")"
	done
	pids=()
	if [ -e out/.lensfs-convert ]; then
		"$lensfs" convert -q --shard-size 50KB tiny out 2>err || fail "round $round: the rest: $(cat err)"
	fi
	diff -r tinier out || fail "round $round: differs"
done

# a limit on files' sizes is an error, not the end
rm -rf out
(ulimit -f 1000 && "$lensfs" convert -q "${options[@]}" src out 2>err)
status=$?
[ $status = 1 ] || fail "too large: exit $status"
grep -q "File too large" err || fail "too large: $(cat err)"
[ ! -e out ] || fail "too large: something is left: $(find out)"

# the disk fills up on the way; with more room it goes on
[ "$(id -u)" = 0 ] || exit 0
need=$(du -s --block-size=1K want | cut -f1)
mkdir small
mount -t tmpfs -o "size=$((need + 1000))k" tmpfs small || { echo "can't mount a tmpfs"; exit 77; }
"$lensfs" convert -q --jobs 1 "${options[@]}" src small/out 2>err &
pid=$!
for _ in {1..2000}; do
	[ -d small/out/.lensfs-convert ] && break
	sleep 0.001
done
head -c "$((need * 1024 / 2))" /dev/zero >small/filler 2>/dev/null
wait $pid && fail "it went through without room"
grep -q "No space left on device" err || fail "no room: $(cat err)"
for f in small/out/*.safetensors; do
	[ ! -e "$f" ] || cmp -s "$f" "want/${f##*/}" || fail "no room: half of $f has its name"
done
rm small/filler
"$lensfs" convert -q "${options[@]}" src small/out 2>err || fail "room again: $(cat err)"
ln -s small/out out2
rm -rf out && cp -a small/out out
same "no room, then room"
exit 0
