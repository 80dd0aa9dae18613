#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Model families are data: none is named in C.
cd "$(dirname "$0")/../.." || exit 2
words="mistral deepseek qwen kimi glm minimax nemotron llama gemma mixtral ernie inkling hunyuan gpt_oss gpt-oss step3 laguna bagel mimo"
for file in src/recipes/*.json; do
	name=$(basename "$file" .json)
	case "$name" in identity | dequant) continue ;; esac
	words+=" $name"
done
files=$(git ls-files -- 'src/*.c' 'src/*.h' 'include/*.h' 2>/dev/null || true)
[ -n "$files" ] || files=$(find src include -name '*.[ch]')
status=0
for word in $words; do
	# shellcheck disable=SC2086 # a list of files
	if grep -niF -e "$word" $files; then
		echo "a family's name in C: $word"
		status=1
	fi
done
exit $status
