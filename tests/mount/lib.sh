# SPDX-License-Identifier: Apache-2.0
# What the mount tests share: a folder of their own, a server whose end they
# see, readers that compare, and nothing left behind.  Sourced, never run.
# shellcheck shell=bash disable=SC2034 # some names are for who sources this
lensfs=${LENSFS:?} make=${MAKE_CHECKPOINT:?}
export LENSFS_CONF= # none of this machine's
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() { echo "FAIL: $*"; exit 1; }
skip() { echo "$*"; exit 77; }
[ "$(id -u)" = 0 ] && [ -e /dev/fuse ] || skip "needs root and /dev/fuse"
command -v python3 >/dev/null || skip "needs python3"
work=$(realpath "$(mktemp -d)") mnt=$work/mnt src=$work/src want=$work/want
mkdir "$mnt"

# The mounts below the work folder, the last one first.
mounts() { awk -v at="$work/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | tac; }

tidy()
{
	local point pid
	trap - EXIT
	cd /
	for point in $(mounts); do umount -l "$point"; done
	for pid in $(jobs -p); do kill -KILL "$pid"; done 2>/dev/null
	wait
	rm -rf "$work"
}
trap tidy EXIT
trap 'exit 1' INT TERM

# soon MESSAGE COMMAND...: the command comes true within ten seconds.
soon()
{
	local what=$1
	shift
	for _ in {1..200}; do
		"$@" && return
		sleep 0.05
	done
	fail "$what"
}
not() { ! "$@"; }

# Mount in the foreground of a job: its number is $server.
serve()
{
	: >"$work/err"
	"$lensfs" mount -f "$@" "$src" "$mnt" 2>"$work/err" &
	server=$!
	soon "no mount appears: $(cat "$work/err")" mountpoint -q "$mnt"
}

# ended STATUS: the server ends by itself, with this status.
ended()
{
	local status
	soon "the server stays" not kill -0 "$server" 2>/dev/null
	wait "$server"
	status=$?
	[ "$status" = "$1" ] || fail "the server ends with $status, not $1: $(cat "$work/err")"
}

# refuses WHY ARGUMENT...: lensfs fails in time, says WHY, and mounts nothing.
refuses()
{
	local why=$1 before status
	shift
	before=$(mounts)
	timeout 20 "$lensfs" "$@" >"$work/out" 2>"$work/err"
	status=$?
	[ "$status" = 1 ] || [ "$status" = 2 ] || fail "$*: exit $status: $(cat "$work/err")"
	grep -qF -- "$why" "$work/err" || fail "$*: no '$why' in: $(cat "$work/err")"
	[ "$(mounts)" = "$before" ] || fail "$*: refused, and mounted all the same"
}

# same GOT WANT: the same names and bytes, read in time.
same()
{
	timeout 60 diff -r "$1" "$2" >"$work/out" 2>&1 || fail "$1 differs from $2, or hangs: $(head -n 3 "$work/out")"
	[ "$(cd "$1" && find . | sort)" = "$(cd "$2" && find . | sort)" ] || fail "$1 has other names than $2"
}
