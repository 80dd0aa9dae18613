#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A terabyte in 200 shards and 100,000 tensors: mounted in two seconds, with
# the few descriptors that a shell gives, in bounded memory.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
python3 "$here/scale.py" make "$src" || fail "make"
[ "$(du -s --block-size=1M "$src" | cut -f1)" -lt 200 ] || skip "this filesystem has no holes"

sanitized() { grep -qE 'lib(asan|tsan|ubsan)' "/proc/$server/maps"; }
ulimit -Sn 64 || skip "no limit of descriptors"
for to in --recipe=identity --to=hf; do
	begin=$EPOCHREALTIME
	serve "$to"
	took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
	# Other programs take their share of the time: what counts is the server's own.
	busy=$(awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / hz) }' "/proc/$server/stat")
	timeout 100 python3 "$here/scale.py" check "$src" "$mnt" || fail "$to"
	# 476 tensors of 10.5 MB fit 5 GB; the index and config.json stand beside the files.
	[ "$(timeout 20 find "$mnt" -type f | wc -l)" = $((100000 / 476 + 1 + 2)) ] || fail "$to: $(find "$mnt" -type f | wc -l) files"
	[ "$(timeout 20 wc -l <"$mnt/.lens/plan")" = 100000 ] || fail "$to: .lens/plan has other lines"
	peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
	echo "$to: mounted in $took ms, of which it was busy for $busy, $peak MiB at most"
	# 0.5 to 0.6 s on a quiet machine; a core shared with others is slower, though.
	sanitized || [ "$busy" -lt 3000 ] || fail "$to: mounting took it $busy ms"
	sanitized || [ "$peak" -lt 400 ] || fail "$to: took $peak MiB"
	umount "$mnt" || fail "umount"
	ended 0
done
