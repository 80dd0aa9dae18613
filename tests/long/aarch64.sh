#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library and its unit tests for aarch64 (scalar kernels), under qemu-user, which lacks openat2.
# As root: installs Debian's arm64 libraries beside the native ones.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ "$(id -u)" != 0 ]; then
	echo "needs root to install arm64 libraries"
	exit 77
fi
dpkg --print-foreign-architectures | grep -qx arm64 || dpkg --add-architecture arm64
packages="check:arm64 libcjson-dev:arm64 liblz4-dev:arm64 libpcre2-dev:arm64 qemu-user gcc-aarch64-linux-gnu"
missing=
for package in $packages; do
	dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	apt-get update -q
	# shellcheck disable=SC2086 # a list
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/cross" <<'X'
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkg-config = 'pkg-config'
exe_wrapper = 'qemu-aarch64'
[built-in options]
pkg_config_path = '/usr/lib/aarch64-linux-gnu/pkgconfig'
[properties]
pkg_config_libdir = ['/usr/lib/aarch64-linux-gnu/pkgconfig', '/usr/share/pkgconfig']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
X
meson setup "$work/build" "$root" --cross-file "$work/cross" -Dfuse=disabled
ninja -C "$work/build"
LENS_EXPECT_CPU=scalar LENS_NO_OPENAT2=1 meson test -C "$work/build" --no-rebuild --suite unit -t 20 --print-errorlogs
