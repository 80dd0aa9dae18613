#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Includes go down the list of modules only (docs/architecture.md).
cd "$(dirname "$0")/../.." || exit 2
order=(base st kernel codec op recipe plan cache tree log fuse cli)
status=0 seen=0
allowed=" json expr "
for module in "${order[@]}"; do
	allowed+="$module "
	for file in "include/lens/$module.h" src/"$module"/*.[ch]; do
		[ -e "$file" ] || continue
		for used in $(sed -n 's|^#include "lens/\(.*\)\.h".*|\1|p; s|^#include "\([a-z]*\)/.*|\1|p' "$file"); do
			seen=$((seen + 1))
			[ "$used" = lens ] && continue
			case "$allowed" in
			*" $used "*) ;;
			*) echo "$file includes $used, which is above it"; status=1 ;;
			esac
		done
	done
done
[ "$seen" -gt 50 ] || { echo "only $seen includes were looked at"; status=1; }
exit $status
