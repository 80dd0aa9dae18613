#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An ordinary user mounts, by fusermount3, and only what that user may; so does
# the root of a user namespace.
#
# In a mount namespace of its own: there /dev/fuse is for all, as where udev runs.
if [ "$(id -u)" = 0 ] && [ -z "${LENSFS_TEST_UNSHARED:-}" ] && unshare -m true 2>/dev/null; then
	LENSFS_TEST_UNSHARED=1 exec unshare -m "$BASH" "$0"
fi
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
for program in fusermount3 setpriv; do command -v $program >/dev/null || skip "needs $program"; done
[ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not setuid"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "PATH=$PATH")
if [ -n "${LENSFS_TEST_UNSHARED:-}" ]; then
	mknod -m 666 "$work/fuse" c 10 229 && mount --bind "$work/fuse" /dev/fuse
fi 2>/dev/null

chmod 755 "$work"
"${nobody[@]}" sh -c 'exec 3<>/dev/fuse' 2>/dev/null || skip "/dev/fuse is for root only"
cp "$lensfs" "$work/lensfs"
lensfs=$work/lensfs
own=$work/own
mkdir "$own"
"$make" --shards 2 --hidden 512 --inter 300 "$src" >/dev/null || fail "make-checkpoint"
"$lensfs" convert -q "$src" "$want" || fail "convert"
chown 65534:65534 "$own"
user() { timeout 30 "${nobody[@]}" "$@"; }
daemon() { pgrep -u 65534 -f "^$lensfs mount"; }
running() { [ -n "$(daemon)" ]; }

user "$lensfs" mount "$src" "$own" 2>"$work/err" || fail "mount: $(cat "$work/err")"
[ -s "$work/err" ] && fail "it said: $(cat "$work/err")"
grep " $own " /proc/self/mountinfo | grep -q 'nosuid,nodev.*user_id=65534' || fail "mounted otherwise: $(grep " $own " /proc/self/mountinfo)"
user diff -r "$own" "$want" >"$work/out" || fail "the user sees something else: $(head -n 3 "$work/out")"
user cat "$own/.lens/stats" >/dev/null || fail ".lens"
cat "$own/config.json" >/dev/null 2>&1 && fail "others see it without allow_other"
user "$lensfs" umount "$own" 2>"$work/err" || fail "umount: $(cat "$work/err")"
soon "the daemon stays" not running

# a signal takes it away, too
user "$lensfs" mount "$src" "$own" || fail "mount"
kill -TERM "$(daemon)"
soon "still mounted" not mountpoint -q "$own"
soon "the daemon stays" not running

# what the user may not
user_refuses()
{
	local why=$1
	shift
	user "$lensfs" "$@" 2>"$work/err" && fail "accepted: $*"
	grep -qF -- "$why" "$work/err" || fail "$*: no '$why' in: $(cat "$work/err")"
	[ -z "$(mounts)" ] || fail "$*: refused, and mounted"
	[ -z "$(daemon)" ] || fail "$*: refused, and a daemon is there"
}
user_refuses "'$mnt'" mount "$src" "$mnt"
chmod 600 "$src"/model-00001-*
user_refuses "model-00001-of-00002.safetensors" mount "$src" "$own"
user_refuses "Permission denied" mount "$src" "$own"
chmod 644 "$src"/model-00001-*
grep -qs '^user_allow_other' /etc/fuse.conf || user_refuses "allow_other" mount -o allow_other "$src" "$own"
mount -t tmpfs none "$mnt" || fail "tmpfs"
user "$lensfs" umount "$mnt" 2>/dev/null && fail "a user unmounted what is root's"
mountpoint -q "$mnt" || fail "a user unmounted what is root's"
umount "$mnt"

# for others, where fuse.conf lets users say so
if [ -n "${LENSFS_TEST_UNSHARED:-}" ] && [ -e /etc/fuse.conf ]; then
	echo user_allow_other >"$work/fuse.conf"
	mount --bind "$work/fuse.conf" /etc/fuse.conf || fail "fuse.conf"
	user "$lensfs" mount -o allow_other "$src" "$own" || fail "allow_other, which fuse.conf lets users say"
	same "$own" "$want"
	user "$lensfs" umount "$own" || fail "umount"
	umount /etc/fuse.conf
	soon "the daemon stays" not running
fi

# root of a user namespace, as in a rootless container
if user unshare -Urm true 2>/dev/null; then
	# shellcheck disable=SC2016 # expanded within
	user unshare -Urm "$BASH" -c '"$1" mount "$2" "$3" && diff -r "$3" "$4" && "$1" umount "$3"' - \
		"$lensfs" "$src" "$own" "$want" >"$work/out" 2>&1 || fail "in a user namespace: $(head -n 5 "$work/out")"
	soon "the daemon stays" not running
fi
[ -z "$(mounts)" ] || fail "left mounted: $(mounts)"
