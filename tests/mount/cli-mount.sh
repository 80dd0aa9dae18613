#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mount and umount as commands: the daemon, its exit statuses, every way of
# calling, and refusals that leave nothing mounted.
lensfs=${LENSFS:?} make=${MAKE_CHECKPOINT:?}
work=$(mktemp -d) mnt=$work/mnt src=$work/src
tidy()
{
	while mountpoint -q "$mnt"; do umount -l "$mnt" || break; done
	rm -rf "$work"
}
trap tidy EXIT
fail() { echo "FAIL: $*"; exit 1; }
[ "$(id -u)" = 0 ] && [ -e /dev/fuse ] || { echo "needs root and /dev/fuse"; exit 77; }
mkdir "$mnt"
"$make" "$src" >/dev/null || fail "make-checkpoint"

# The daemon's number: the one that has the source open.
daemon()
{
	local fd
	for fd in /proc/[0-9]*/fd/*; do
		[ "$(readlink "$fd")" = "$src" ] && echo "${fd#/proc/}" | cut -d/ -f1
	done 2>/dev/null | sort -u
}
gone()
{
	for _ in {1..100}; do
		[ -z "$(daemon)" ] && return
		sleep 0.05
	done
	fail "the daemon stays: $1"
}
mounted()
{
	for _ in {1..100}; do
		mountpoint -q "$mnt" && return
		sleep 0.05
	done
	fail "no mount appears: $1"
}

# what the daemon is like
exec 9>"$work/lock"
(cd "$work" && "$lensfs" mount --log messages src mnt) || fail "mount"
exec 9>&-
[ -s "$mnt/config.json" ] || fail "reads do not work when mount returns"
pid=$(daemon)
[ -n "$pid" ] || fail "there is no daemon"
for fd in 0 1 2; do
	[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ] || fail "descriptor $fd is $(readlink "/proc/$pid/fd/$fd")"
done
[ "$(readlink "/proc/$pid/cwd")" = / ] || fail "its directory is not /"
[ "$(cut -d' ' -f6 "/proc/$pid/stat")" = "$pid" ] || fail "it has no session of its own"
readlink "/proc/$pid"/fd/* | grep -qx "$work/lock" && fail "it keeps the caller's descriptors"
readlink "/proc/$pid"/fd/* | grep -qx "$work/messages" || fail "it has no log"
[ "$(ulimit -Hn)" = "$(awk '/open files/ { print $4 }' "/proc/$pid/limits")" ] || fail "its limit of files is not raised"
grep " $mnt " /proc/self/mountinfo | grep -q 'fuse.lensfs.*allow_other' || fail "not open to all, for root"
"$lensfs" umount "$mnt" || fail "umount"
gone umount

# called by others
"$lensfs" "$src" "$mnt" -o rw,dev,suid,recipe=identity || fail "without a command"
cmp "$src/config.json" "$mnt/config.json" || fail "-o recipe=identity"
"$lensfs" umount -q "$mnt" || fail "umount -q"
ln -s "$lensfs" "$work/mount.lensfs"
"$work/mount.lensfs" "$src" "$mnt" -n -o ro,noauto || fail "mount.lensfs"
"$lensfs" umount "$mnt" || fail "umount"
"$work/mount.lensfs" "$src" "$mnt" -f || fail "mount.lensfs -f"
mountpoint -q "$mnt" && fail "mount.lensfs -f mounted"
if command -v mount.fuse3 >/dev/null; then
	ln -s "$lensfs" "$work/lensfs"
	PATH=$PATH:$work mount.fuse3 "lensfs#$src" "$mnt" -o ro,recipe=dequant || fail "mount.fuse3"
	[ -s "$mnt/config.json" ] || fail "mount.fuse3 mounts nothing"
	"$lensfs" umount "$mnt" || fail "umount"
fi
"$lensfs" mount "$src" "$mnt" <&- >&- 2>&- || fail "with closed descriptors"
[ "$(readlink "/proc/$(daemon)/fd/2")" = /dev/null ] || fail "descriptor 2 of a caller without one"
"$lensfs" umount "$mnt" || fail "umount"
said=$(timeout 10 "$lensfs" mount "$src" "$mnt" 2>&1) || fail "a caller that reads the output hangs"
[ -z "$said" ] || fail "it said '$said'"
"$lensfs" umount "$mnt" || fail "umount"
gone forms

# in the foreground: exit statuses
ends()
{
	local want=$1 how=$2 status
	"$lensfs" mount -f "$src" "$mnt" 2>"$work/err" &
	pid=$!
	mounted -f
	eval "$how"
	wait "$pid"
	status=$?
	[ "$status" = "$want" ] || fail "$how: exit $status, not $want: $(cat "$work/err")"
	mountpoint -q "$mnt" && fail "$how: still mounted"
	:
}
ends 0 'kill -TERM $pid'
ends 0 'kill -INT $pid'
ends 0 'umount "$mnt"'
ends 0 '"$lensfs" umount "$mnt"'
ends 130 'exec 8<"$mnt/config.json"; kill -TERM $pid; for _ in {1..100}; do mountpoint -q "$mnt" || break; sleep 0.05; done; kill -TERM $pid; sleep 0.1; exec 8<&-'

# a reader is waited for
"$lensfs" mount "$src" "$mnt" || fail "mount"
(exec 8<"$mnt/config.json"; sleep 1) &
sleep 0.2
begin=$EPOCHREALTIME
"$lensfs" umount "$mnt" || fail "umount of a busy mount"
took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
[ "$took" -ge 500 ] && [ "$took" -lt 8000 ] || fail "a busy mount went in $took ms"
wait

# a dead one is told and removed
"$lensfs" mount "$src" "$mnt" || fail "mount"
kill -KILL "$(daemon)"
gone KILL
"$lensfs" mount "$src" "$mnt" 2>"$work/err" && fail "mounted over a dead mount"
grep -q 'lensfs umount' "$work/err" || fail "no cure: $(cat "$work/err")"
"$lensfs" umount "$mnt" || fail "umount of a dead mount"

refuses()
{
	local why=$1
	shift
	"$lensfs" "$@" 2>"$work/err" && fail "accepted: $*"
	grep -qF -- "$why" "$work/err" || fail "$*: no '$why' in: $(cat "$work/err")"
	mountpoint -q "$mnt" && fail "$*: left a mount behind"
	:
}
refuses "no recipe is called 'frob'" mount --recipe frob "$src" "$mnt"
refuses "'$work/none'" mount "$work/none" "$mnt"
refuses "'$work/none'" mount "$src" "$work/none"
refuses "it is no directory" mount "$src" "$src/config.json"
refuses "nothing is mounted there" umount "$mnt"
refuses "it is no lensfs mount but one of type proc" umount /proc
refuses "--log: '/nonexistent/log'" mount --log /nonexistent/log "$src" "$mnt"
printf x >>"$src/$(cd "$src" && ls ./*.safetensors | head -n 1)"
refuses "safetensors" mount "$src" "$mnt"
gone refusals

# systemd is told
command -v python3 >/dev/null || exit 0
rm -r "$src"
"$make" "$src" >/dev/null
python3 - "$lensfs" "$src" "$mnt" "$work" <<'END' || fail "sd_notify"
import os, socket, subprocess, sys
lensfs, src, mnt, work = sys.argv[1:]
for name in (work + "/notify", "\0" + work):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(name)
    s.settimeout(20)
    env = dict(os.environ, NOTIFY_SOCKET=name.replace("\0", "@"))
    p = subprocess.Popen([lensfs, "mount", "-f", src, mnt], env=env)
    assert s.recv(200).decode().split("\n") == ["READY=1", f"MAINPID={p.pid}"]
    assert os.path.ismount(mnt)
    p.terminate()
    assert s.recv(200).startswith(b"STOPPING=1\n")
    assert p.wait() == 0
END
