#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ends of a mount while eight readers are at it: a signal, a lazy unmount, a
# second signal, killed readers.  Who had a file open gets its bytes.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
"$make" --layers 2 --experts 8 --hidden 512 --inter 384 --shards 3 "$src" >/dev/null || fail "make-checkpoint"
"$lensfs" convert -q --shard-size 8MB "$src" "$want" || fail "convert"
names=()
for file in "$want"/*.safetensors; do names+=("$(basename "$file")"); done

# Eight readers, each of which has read something; panels are made all the time.
read_all()
{
	local i
	rm -f "$work"/ready.* "$work/stop"
	serve --shard-size 8MB --cache-size 0
	readers=()
	for i in {0..7}; do
		name=${names[i % ${#names[@]}]}
		python3 "$here/reader.py" "$mnt/$name" "$want/$name" "$work/ready.$i" "$work/stop" >"$work/said.$i" 2>&1 &
		readers+=($!)
	done
	for i in {0..7}; do soon "reader $i reads nothing: $(cat "$work/said.$i")" [ -e "$work/ready.$i" ]; done
}

# All of them end, with a status of those in $1.
read_ends()
{
	local i status
	for i in {0..7}; do
		soon "reader $i hangs" not kill -0 "${readers[i]}" 2>/dev/null
		wait "${readers[i]}"
		status=$?
		[[ " $1 " = *" $status "* ]] || fail "$how: reader $i ends with $status: $(cat "$work/said.$i")"
	done
}
unmounted() { ! mountpoint -q "$mnt"; }
running() { kill -0 "$server" 2>/dev/null; }

for how in 'kill -TERM $server' 'kill -INT $server' 'umount -l "$mnt"'; do
	read_all
	eval "$how" || fail "$how"
	soon "$how: still mounted" unmounted
	sleep 0.3
	running || fail "$how: the server left its readers"
	touch "$work/stop"
	read_ends 0
	ended 0
done

# the command waits for them
read_all
(sleep 1; touch "$work/stop") &
timeout 20 "$lensfs" umount "$mnt" || fail "umount of a busy mount"
how=umount
read_ends 0
ended 0
refuses "nothing is mounted there" umount "$mnt"
umount "$mnt" 2>/dev/null && fail "unmounted twice"

# a second signal: readers fail, at once, and none gets a wrong byte
how='two signals'
read_all
kill -TERM "$server"
soon "$how: still mounted" unmounted
kill -TERM "$server"
ended 130
read_ends 3

# killed readers leave nothing behind
how='killed readers'
serve --shard-size 8MB --cache-size 0
cat "$mnt"/* >/dev/null || fail "read"
# Not those of /dev/fuse: each thread has one, and threads come with the load.
held() { find "/proc/$server/fd" -type l ! -lname /dev/fuse | wc -l; }
before=$(held)
kill -TERM "$server"
ended 0
read_all
kill -KILL "${readers[@]}"
read_ends 137
[ "$(held)" -le "$before" ] || fail "$how: $(held) descriptors, $before before"
same "$mnt" "$want"
begin=$EPOCHREALTIME
umount "$mnt" || fail "$how: the mount is busy"
ended 0
took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
[ "$took" -lt 3000 ] || fail "$how: the end took $took ms"
