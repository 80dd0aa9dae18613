#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# doctor: what it finds here, for root and for a user, and that it leaves nothing.
if [ "$(id -u)" = 0 ] && [ -z "${LENSFS_TEST_UNSHARED:-}" ] && unshare -m true 2>/dev/null; then
	LENSFS_TEST_UNSHARED=1 exec unshare -m "$BASH" "$0"
fi
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
line() { grep -E "^(ok|limits you|broken) +$1  " "$work/out" || fail "no line $1 in: $(cat "$work/out")"; }
chmod 755 "$work"
mkdir -m 777 "$work/tmp"
export TMPDIR=$work/tmp
before=$(mounts)
"$lensfs" doctor >"$work/out" || fail "root: $(cat "$work/out")"
line mount | grep -q '^ok .* a trial worked$' || fail "mount: $(cat "$work/out")"
[ "$(mounts)" = "$before" ] || fail "it left a mount"
[ -z "$(ls -A "$TMPDIR")" ] || fail "it left a folder"
[ "$(grep -cvE '^((ok|limits you|broken) |  +-> )' "$work/out")" = 0 ] || fail "lines of another kind: $(cat "$work/out")"
[ "$(grep -c '^  *-> ' "$work/out")" = "$(grep -cv '^\(ok\|  \)' "$work/out")" ] || fail "cures and ills: $(cat "$work/out")"
"$lensfs" doctor --json | python3 -c '
import json, sys
checks = json.load(sys.stdin)["checks"]
assert len(checks) > 9 and all(list(c) == ["name", "health", "text", "cure"] for c in checks), checks
assert all((c["health"] == "ok") == (c["cure"] is None) for c in checks), checks' || fail "--json"
LENS_CPU_MASK=0 "$lensfs" doctor >"$work/out"
line vectors | grep -q '^limits you' || fail "LENS_CPU_MASK=0: $(cat "$work/out")"
(ulimit -n 1000 && "$lensfs" doctor >"$work/out")
line 'open files' | grep -q '^limits you .* 1000 at most' || fail "ulimit: $(cat "$work/out")"
TMPDIR=$work/none "$lensfs" doctor >"$work/out" && fail "no TMPDIR, and all is well"
line mount | grep -q "^broken .* No such file" || fail "no TMPDIR: $(cat "$work/out")"
[ "${LENSFS_TEST_UNSHARED:-}" ] || exit 0

# without the device; and a user without fusermount3
cp "$lensfs" "$work/lensfs"
user() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "$@" "$work/lensfs" doctor >"$work/out" 2>"$work/err"; }
command -v setpriv >/dev/null || exit 0
mknod -m 666 "$work/fuse" c 10 229 && mount --bind "$work/fuse" /dev/fuse || skip "can't make a device"
if [ -u "$(command -v fusermount3)" ]; then
	user || fail "a user: $(cat "$work/out")"
	line fusermount3 | grep -q "^ok .*/fusermount3" || fail "a user: $(cat "$work/out")"
	[ "$(mounts)" = "$before" ] || fail "it left a mount"
	[ -z "$(ls -A "$TMPDIR")" ] || fail "it left a folder"
fi
program=$(realpath "$(command -v fusermount3)") || exit 0
mount --bind /dev/null "$program" || skip "can't hide fusermount3"
user && fail "no fusermount3, and all is well"
line fusermount3 | grep -q '^broken' || fail "no fusermount3: $(cat "$work/out")"
line mount | grep -q '^broken' || fail "no fusermount3: $(cat "$work/out")"
umount "$program"
[ -s "$work/err" ] && fail "it said: $(cat "$work/err")"
chmod 600 "$work/fuse"
user && fail "no access, and all is well"
line device | grep -q '^broken .* Permission denied' || fail "no access: $(cat "$work/out")"
for conf in user_allow_other '#user_allow_other'; do
	echo "$conf" >"$work/conf"
	[ -e /etc/fuse.conf ] && mount --bind "$work/conf" /etc/fuse.conf || break
	user
	line allow_other | grep -q "^$([ "$conf" = user_allow_other ] && echo ok || echo limits)" || fail "$conf: $(cat "$work/out")"
	umount /etc/fuse.conf
done
umount /dev/fuse
