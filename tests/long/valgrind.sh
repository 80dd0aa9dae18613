#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# valgrind over the unit tests: no error, no leak.  Arguments: the test programs.
set -u
if ! command -v valgrind >/dev/null; then
	echo "needs valgrind"
	exit 77
fi
status=0
for test in "$@"; do
	echo "== $(basename "$test")"
	# check(1) forks by default; a leak in a child that was killed is none.
	CK_FORK=no CK_DEFAULT_TIMEOUT=0 CK_TIMEOUT_MULTIPLIER=100 LENS_FEW=1 LENS_NO_OPENAT2=1 valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite "$test" 2>&1 | tail -n 25
	[ "${PIPESTATUS[0]}" = 0 ] || status=1
done
exit $status
