#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manual names every command, option, op, codec, codec option and recipe
# key that there is, and nothing that there is not.
cd "$(dirname "$0")/../.." || exit 2
lensfs=${LENSFS:?}
status=0 seen=0
manual=docs/lensfs.1 language=docs/lensfs-recipe.5
miss() { echo "$*"; status=1; }

# what the program has, in the manual
while IFS=$'\t' read -r command option _; do
	seen=$((seen + 1))
	flag=${option#-}
	flag=${flag#-}
	case "$option" in
	--*) grep -qE "(Fl Fl|Fl -)${flag}( |$)|Fl Fl ${flag//-/[-]}" "$manual" || miss "$manual lacks $command $option" ;;
	*) grep -qE "Fl ([A-Za-z -]+ )?$flag" "$manual" || miss "$manual lacks $command $option" ;;
	esac
done < <("$lensfs" --list-options)
while IFS=$'\t' read -r command _; do
	seen=$((seen + 1))
	grep -qE "^\.(It|Ss|Sh) (Cm|Nm|Ic)? ?$command" "$manual" || miss "$manual lacks command $command"
done < <("$lensfs" --list-commands)
while read -r name _; do
	seen=$((seen + 1))
	grep -q "^\.It Cm $name$" "$language" || miss "$language lacks $name"
done < <("$lensfs" recipes --ops; "$lensfs" recipes --codecs)

# what the manual has, in the program
for option in $(sed -n 's/^\.It Fl Fl \([a-z-]*\).*/\1/p' "$manual" | sort -u); do
	"$lensfs" --list-options | cut -f2 | grep -qx -e "--$option" || miss "$manual has --$option, which is no option"
done
# recipe keys: the schema's and the manual's
keys=$(sed -n 's/^    "\([a-z-]*\)": .*/\1/p' docs/recipe.schema.json | sort -u)
for key in $keys; do
	case "$key" in pattern | patterns | strings | when) continue ;; esac
	seen=$((seen + 1))
	grep -q "^\.It Cm $key$" "$language" || miss "$language lacks key $key"
done
[ "$seen" -gt 60 ] || miss "only $seen names were looked at"
exit $status
