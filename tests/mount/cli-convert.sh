#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# convert: what a mount shows, whole or not at all, and never into its source.
lensfs=${LENSFS:?} make=${MAKE_CHECKPOINT:?}
work=$(mktemp -d)
tidy()
{
	cd /
	mountpoint -q "$work/mnt" && umount -l "$work/mnt"
	mountpoint -q "$work/small" && umount -l "$work/small"
	rm -rf "$work"
}
trap tidy EXIT
fail() { echo "FAIL: $*"; exit 1; }
cd "$work" || exit 2
"$make" --shards 3 src >/dev/null || fail "make-checkpoint"
mkdir -p src/sub/deeper src/empty mnt
echo text >src/sub/deeper/file
touch -d '2001-02-03 04:05:06.789' src/sub/deeper/file

# equal to a mount, whatever the threads, the cache and the shards
if [ "$(id -u)" = 0 ] && [ -e /dev/fuse ]; then
	"$lensfs" mount --shard-size 50KB src mnt || fail "mount"
	for options in '' '--jobs 1' '--jobs 9 --cache-size 0' '--cache-size 1MiB --cache-compress always'; do
		# shellcheck disable=SC2086 # they are words
		"$lensfs" convert -q --shard-size 50KB $options src out || fail "convert $options"
		diff -r mnt out || fail "$options: differs from the mount"
		[ "$(find mnt | sort | sed 's/^mnt//')" = "$(find out | sort | sed 's/^out//')" ] || fail "other names"
		rm -r out
	done
	"$lensfs" umount mnt || fail "umount"
fi

# times, modes, an empty destination that is there, the last word
mkdir out
(umask 027 && "$lensfs" convert src out/) 2>err || fail "into an empty directory"
grep -qE "^lensfs: convert: 'out/': [0-9]+ files?, [0-9.]+ [kKMG]?B in [0-9:]+ \(" err || fail "the last word: $(cat err)"
[ "$(stat -c '%y %a' out/sub/deeper/file)" = "$(stat -c %y src/sub/deeper/file) 640" ] || fail "time or mode"
[ "$(stat -c %a out/config.json)" = 640 ] || fail "mode of a made file"
[ -d out/empty ] || fail "an empty folder"
[ -z "$(find out -name '.*' ! -name out)" ] || fail "names that begin with a dot"

refuses()
{
	local why=$1
	shift
	"$lensfs" convert "$@" 2>err && fail "accepted: $*"
	grep -qF -- "$why" err || fail "$*: no '$why' in: $(cat err)"
}
ln -s src/empty link
for dest in src src/ src/new src/empty src/sub/deeper/new link link/new ./mnt/../src/new; do
	refuses "it is in the source" src "$dest"
done
[ -e src/new ] && fail "src/new is there"
refuses "it is not empty" src out
refuses "it is no directory" src err
refuses "No such file or directory" src none/new
refuses "there is no such directory" none new
refuses "no recipe is called 'frob'" --recipe frob src new
[ -e new ] && fail "a refusal left its destination behind"

# what is written last may not be read: said before the first weight is written
cp -r src closed && chmod 0 closed/sub/deeper/file && chmod 755 . && install -d -m 777 open && cp "$lensfs" lensfs
as_user=()
[ "$(id -u)" = 0 ] && as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/)
"${as_user[@]}" ./lensfs convert closed open/out 2>err && fail "accepted: an unreadable file"
grep -q "'sub/deeper/file':.*Permission denied" err || fail "unreadable: $(cat err)"
[ -e open/out ] && fail "an unreadable file left the destination behind"

# no room: told before anything is written, or nothing stays
[ "$(id -u)" = 0 ] || exit 0
mkdir small
mount -t tmpfs -o size=100k tmpfs small || { echo "can't mount a tmpfs"; exit 77; }
refuses "are free" src small/new
refuses "are free" src small
[ -z "$(ls -A small)" ] || fail "no room, and files are left"
umount small

# signals: 1 and nothing left; 130 at the second
"$make" --layers 4 --experts 16 --hidden 2048 --inter 1024 --zeros big >/dev/null || fail "make-checkpoint"
signalled()
{
	local want=$1 status
	shift
	"$lensfs" convert --jobs 1 big new 2>err &
	pid=$!
	for _ in {1..400}; do
		[ -n "$(ls -A new 2>/dev/null)" ] && break
		sleep 0.005
	done
	kill -STOP "$pid" # so that two signals are two
	for signal; do kill "-$signal" "$pid"; done
	kill -CONT "$pid"
	wait "$pid"
	status=$?
	[ "$status" = "$want" ] || fail "$*: exit $status, not $want: $(cat err)"
}
for signal in INT TERM HUP; do
	signalled 1 "$signal"
	grep -q interrupted err || fail "$signal: $(cat err)"
	[ -e new ] && fail "$signal: something is left"
done
signalled 130 INT TERM
rm -r new
