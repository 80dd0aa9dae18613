#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every test file is named in the meson.build beside it: none lies there unrun.
cd "$(dirname "$0")/.." || exit 2
status=0 seen=0
look()
{
	local build=$1 name
	shift
	for file in "$@"; do
		[ -e "$file" ] || continue
		seen=$((seen + 1))
		name=$(basename "$file")
		name=${name%.*}
		name=${name#test-}
		name=${name#fuzz-}
		grep -qE "'(test-|fuzz-)?$name(\.[a-z]+)?'" "$build" || { echo "tests/$file is not in tests/$build"; status=1; }
	done
}
look unit/meson.build unit/test-*.c
look fuzz/meson.build fuzz/fuzz-*.c
look lint/meson.build lint/*.sh lint/*.py
look mount/meson.build $(ls mount/*.sh | grep -v /lib.sh)
look oracle/meson.build oracle/test_*.py
look bench/meson.build bench/*.c bench/*.sh bench/*.py
look long/meson.build $(ls long/*.sh | grep -v /tree.sh) long/*.py
[ "$seen" -gt 20 ] || { echo "only $seen test files were found"; status=1; }
exit $status
