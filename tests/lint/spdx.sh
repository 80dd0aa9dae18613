#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each source file says its licence in its first lines.
cd "$(dirname "$0")/../.." || exit 2
status=0
while IFS= read -r file; do
	case "$file" in
	*.c | *.h | *.sh | *.py | *meson.build | meson_options.txt | *.1 | *.5 | tests/run | .ci/run) ;;
	*) continue ;;
	esac
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$file has no SPDX line"; status=1; }
done < <(git ls-files 2>/dev/null || find . -type f -not -path './.git/*' | sed 's|^\./||')
exit $status
