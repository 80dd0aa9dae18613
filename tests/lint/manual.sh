#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mandoc finds nothing to complain of in the manual pages, no quotation ends
# twice (Ql quotes all that stands behind it in its line), and man, where it is,
# breaks every line.
cd "$(dirname "$0")/../../docs" || exit 2
if ! command -v mandoc >/dev/null; then
	echo "mandoc is not there"
	[ "${CI:-}" != true ] || exit 1
	exit 77
fi
# Which other pages are installed is this machine's affair.
found=$(mandoc -T lint -W style ./*.[15] 2>&1 | grep -vE 'referenced manual not found|outdated mandoc.db')
found+=$(for page in ./*.[15]; do mandoc -T utf8 "$page" | sed 's/.\x08//g' | grep -n '’[.,;)]*’' | sed "s|^|$page: |"; done)
if command -v man >/dev/null; then
	found+=$(for page in ./*.[15]; do MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null; done)
fi
[ -z "$found" ] || { echo "$found"; exit 1; }
