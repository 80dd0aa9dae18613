# SPDX-License-Identifier: Apache-2.0
# Completion of lensfs for bash.  It knows nothing by itself: lensfs lists its
# commands, options and their values.

# Field N, from 0, of a line with tabs, into REPLY.
_lensfs_field()
{
	REPLY=$1
	local n
	for ((n = $2; n > 0; n--)); do REPLY=${REPLY#*$'\t'}; done
	REPLY=${REPLY%%$'\t'*}
}

# What may stand behind an option: what it takes, its values, the word so far.
_lensfs_values()
{
	case $1 in
	*FILE) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$3") ;;
	DIR) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$3") ;;
	esac
	[ "$1" != 'NAME|FILE' ] ||
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$("$lensfs" recipes | cut -d' ' -f1)" -- "$3")
	[ -z "$2" ] || mapfile -t COMPREPLY < <(compgen -W "${2//|/ }" -- "$3")
}

_lensfs()
{
	local lensfs=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local known command=lensfs word line option takes names='' REPLY
	COMPREPLY=()
	known=" $("$lensfs" --list-commands | cut -f1 | tr '\n' ' ')"
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $command != lensfs || $known != *" $word "* ]] || command=$word
	done
	# bash cuts --option=value at the sign.
	if [ "$cur" = = ]; then
		cur=''
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	while IFS= read -r line; do
		[[ $line == "$command"$'\t'* ]] || continue
		_lensfs_field "$line" 1 && option=$REPLY
		_lensfs_field "$line" 2 && takes=$REPLY
		names+=" $option"
		if [ "$takes" ] && [ "$option" = "$prev" ]; then
			_lensfs_field "$line" 4
			_lensfs_values "$takes" "$REPLY" "$cur"
			return
		fi
	done < <("$lensfs" --list-options)
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur")
	elif [ "$command" = lensfs ]; then
		mapfile -t COMPREPLY < <(compgen -W "$known" -- "$cur")
	elif [ "$command" = recipes ]; then
		_lensfs_values 'NAME|FILE' '' "$cur"
	else
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
} 2>/dev/null

complete -F _lensfs lensfs
