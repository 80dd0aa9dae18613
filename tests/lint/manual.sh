#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mandoc finds nothing to warn of in the manual pages.
cd "$(dirname "$0")/../../docs" || exit 2
if ! command -v mandoc >/dev/null; then
	echo "mandoc is not there"
	[ "${CI:-}" != true ] || exit 1
	exit 77
fi
found=$(mandoc -T lint -W warning ./*.[15] 2>&1)
[ -z "$found" ] || { echo "$found"; exit 1; }
