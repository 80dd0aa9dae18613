#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Readers that are killed while a scale is made: they are gone at once, whoever
# wants the scale still waits, others are served, and unmounting works.
[ -w /dev/shm ] && export TMPDIR=/dev/shm # where holes cost no memory
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
python3 "$here/killed.py" make "$src" || fail "make"
[ "$(du -s --block-size=1M "$src" | cut -f1)" -lt 50 ] || skip "this filesystem has no holes"

fp8=(--reverse --quantize fp8 --shard-size 1) # a file for each tensor
for jobs in 1 8; do
	serve "${fp8[@]}" --jobs $jobs
	timeout 100 python3 "$here/killed.py" kill "$mnt" "$server" || fail "--jobs $jobs"
	umount "$mnt" || fail "--jobs $jobs: umount"
	ended 0
done

# Those that have a file open are gone when lensfs umount returns, too.
serve "${fp8[@]}"
timeout 60 python3 "$here/killed.py" leave "$mnt" "$server" || fail "leave"
timeout 20 "$lensfs" umount "$mnt" || fail "lensfs umount"
ended 0
