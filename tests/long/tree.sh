# SPDX-License-Identifier: Apache-2.0
# What tests share that need a whole Debian: trees made by debootstrap, in a
# mount namespace that goes with the test.  Sourced first, never run; who does
# has its arguments in "$@" still.
# shellcheck shell=bash disable=SC2034 # some names are for who sources this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ "$(id -u)" != 0 ] || [ ! -e /dev/fuse ] || ! command -v debootstrap >/dev/null; then
	echo "needs root, /dev/fuse and debootstrap"
	exit 77
fi
# Mounts of this test are seen by nobody else and go with it.
if [ -z "${LENSFS_TEST_UNSHARED:-}" ]; then
	LENSFS_TEST_UNSHARED=1 exec unshare -m --propagation private "$BASH" "$0" "$@"
fi
fail() { echo "FAIL: $*"; exit 1; }
work=$(mktemp -d)
tidy()
{
	local point
	trap - EXIT
	awk -v at="$work/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r point; do umount -l "$point"; done
	rm -rf --one-file-system "$work"
}
trap tidy EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"

# debian RELEASE TREE: a fresh one, which can fetch packages as this host does.
debian()
{
	debootstrap --variant=minbase --include=ca-certificates "$1" "$2" >"$work/out" 2>&1 ||
		fail "debootstrap: $(tail -n 5 "$work/out")"
	cp /etc/resolv.conf "$2/etc/" 2>/dev/null || true
	# Other settings belong to packages of here.
	apt-config dump | grep -E '^Acquire::(http|https|Retries|Check)' >"$2/etc/apt/apt.conf.d/99host" || true
}

# opened TREE: with what a system has besides its files.
opened()
{
	mount -t proc proc "$1/proc"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
	touch "$1/dev/fuse"
	mount --bind /dev/fuse "$1/dev/fuse"
	ln -sf /proc/self/mounts "$1/etc/mtab" # systemd's, on a whole system
}

# sources FOLDER: lensfs as it is committed, and no more.
sources()
{
	mkdir -p "$1"
	git -C "$root" archive HEAD | tar -x -C "$1"
}

# enter TREE COMMAND...: in the tree, with nothing of this environment.
enter()
{
	local tree=$1
	shift
	chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@" </dev/null
}

# inside TREE COMMAND...: the same, its output kept until it fails.
inside()
{
	local tree=$1
	shift
	enter "$tree" DEBIAN_FRONTEND=noninteractive "$@" >"$work/out" 2>&1 || fail "$*: $(tail -n 30 "$work/out")"
}
