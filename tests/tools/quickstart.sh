#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# quickstart.sh - install what is needed (Debian 12 or 13, as root or with
# sudo), build lensfs, make a small FP8 checkpoint, and look at it through a
# mount.  Leaves the build folder, and nothing else.
set -eu

packages="gcc libc6-dev meson ninja-build pkg-config fuse3 libfuse3-dev
	libcjson-dev liblz4-dev libpcre2-dev libssl-dev check"
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}

# Show a command, then run it.
run()
{
	printf '\n$ %s\n' "$*"
	"$@"
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=
for package in $packages; do
	dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
		grep -q '^install ok installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	run as_root apt-get update -q
	# shellcheck disable=SC2086 # it is a list
	run as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -qy --no-install-recommends $missing
fi
if [ ! -e "$build/build.ninja" ]; then
	run meson setup "$build" "$root"
fi
run ninja -C "$build" src/lensfs tests/tools/make-checkpoint

work=$(mktemp -d)
mnt=$work/native
lensfs=$build/src/lensfs
tidy()
{
	if mountpoint -q "$mnt"; then "$lensfs" umount "$mnt"; fi
	rm -rf "$work"
}
trap tidy EXIT
trap 'exit 1' HUP INT TERM

mkdir "$mnt"
run "$build/tests/tools/make-checkpoint" "$work/fp8"
run "$lensfs" plan "$work/fp8"
run "$lensfs" mount "$work/fp8" "$mnt"
run ls -l "$mnt"
run "$lensfs" ls "$work/fp8"
key=$("$lensfs" ls "$work/fp8" '*experts*' | awk 'NR == 1 { print $4 }')
folder=$mnt/.lens/tensors/$(echo "$key" | tr . /)
run cat "$folder/info"
printf '\n$ head -c 64 %s/raw | od -A d -t x2\n' "$folder"
head -c 64 "$folder/raw" | od -A d -t x2
run "$lensfs" umount "$mnt"
