#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and passes on Debian 13, against libfuse 3.17: in a fresh tree made by
# debootstrap, with real mounts through this kernel.  As root.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
	echo "needs root and debootstrap"
	exit 77
fi
tree=$(mktemp -d)
tidy()
{
	for m in dev/fuse sys proc; do mountpoint -q "$tree/$m" && umount -l "$tree/$m"; done
	rm -rf --one-file-system "$tree"
}
trap tidy EXIT
debootstrap --variant=minbase --include=ca-certificates trixie "$tree" >"$tree.log" 2>&1 || { tail -n 5 "$tree.log"; rm -f "$tree.log"; exit 1; }
rm -f "$tree.log"
cp /etc/resolv.conf "$tree/etc/" 2>/dev/null || true
[ -d /etc/apt/apt.conf.d ] && cp -r /etc/apt/apt.conf.d/. "$tree/etc/apt/apt.conf.d/"
mkdir "$tree/lensfs"
git -C "$root" archive HEAD | tar -x -C "$tree/lensfs"
mount -t proc proc "$tree/proc"
mount --rbind --make-rslave /sys "$tree/sys"
touch "$tree/dev/fuse"
mount --bind /dev/fuse "$tree/dev/fuse"
chroot "$tree" env -u CI PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 bash -c 'cd /lensfs && dpkg -l ca-certificates >/dev/null && tests/run --quick'
