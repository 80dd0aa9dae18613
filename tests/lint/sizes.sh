#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No C file is past 800 lines.
cd "$(dirname "$0")/../.." || exit 2
find src include tests -name '*.[ch]' -exec wc -l {} + |
	awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines"; bad = 1 } END { exit bad }'
