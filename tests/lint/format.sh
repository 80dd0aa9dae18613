#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format 14 has nothing to change (other versions format differently).
cd "$(dirname "$0")/../.." || exit 2
if ! command -v clang-format-14 >/dev/null; then
	echo "clang-format-14 is not there"
	[ "${CI:-}" != true ] || exit 1
	exit 77
fi
find src include tests -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run -Werror 2>&1 | head -n 20
exit "${PIPESTATUS[1]}"
