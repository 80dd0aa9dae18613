#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A model of published size (36 layers, 128 experts: 120 GB of FP8, 239 GB of
# BF16) in files of holes: mounted in two seconds, and right around the 2^31st
# and 2^32nd byte.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
published=(--sparse --layers 36 --experts 128 --hidden 4096 --inter 2048 --vocab 131072 --shards 3)

try()
{
	local kind=$1 begin took how
	how="a model of published size: $*"
	shift
	rm -rf "$src"
	# shellcheck disable=SC2086 # words
	"$make" "${published[@]}" $kind "$src" || fail "make-checkpoint"
	[ "$(du -s --block-size=1M "$src" | cut -f1)" -lt 10 ] || skip "this filesystem has no holes"
	python3 "$here/published.py" fill "$src" || fail "$how: fill"
	begin=$EPOCHREALTIME
	"$lensfs" mount "$@" "$src" "$mnt" || fail "$how: mount"
	took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
	echo "$how: mounted in $took ms"
	[ "$took" -lt 2000 ] || fail "$how: mounted in $took ms"
	timeout 100 python3 "$here/published.py" check "$src" "$mnt" "${@:+--to-hf}" || fail "$how"
	"$lensfs" umount "$mnt" || fail "umount"
}

try ""
try "--multimodal" --to hf
try "--multimodal --bf16"
