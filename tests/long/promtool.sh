#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# .lens/stats is what Prometheus takes: its own promtool (of Debian's package,
# unpacked, for a server is not wanted here) finds nothing to say about it.
# usage: promtool.sh LENSFS MAKE_CHECKPOINT
LENSFS=$1 MAKE_CHECKPOINT=$2
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/../mount/lib.sh"
tool=$(command -v promtool)
if [ -z "$tool" ]; then
	(cd "$work" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb tool) >"$work/apt.log" 2>&1 ||
		skip "no promtool, and its package can't be had: $(tail -n 1 "$work/apt.log")"
	tool=$work/tool/usr/bin/promtool
fi

accepts()
{
	"$tool" check metrics <"$mnt/.lens/stats" >"$work/out" 2>&1 && [ ! -s "$work/out" ] ||
		fail "$1: $(head -n 5 "$work/out")"
}
"$make" --layers 1 --experts 4 --shards 1 "$src" >/dev/null || fail "make"
serve
accepts "before any read"
cat "$mnt"/*.safetensors >/dev/null || fail "read"
find "$mnt/.lens/tensors" -name summary -exec cat {} + >/dev/null || fail "summaries"
accepts "after reads"
# What it can't parse it tells.
sed 's/^lensfs_served_bytes_total /lensfs_served bytes_total /' "$mnt/.lens/stats" >"$work/bad"
! "$tool" check metrics <"$work/bad" >/dev/null 2>&1 || fail "promtool takes anything"
umount "$mnt" || fail "umount"
ended 0
