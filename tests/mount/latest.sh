#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A training run's directory, mounted in reverse: the step that LATEST names is shown, and stays when LATEST moves on.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
run=$src
for step in 9 20; do
	"$make" --layers 1 --experts 2 --hidden 64 --inter 32 --seed "$step" "hf$step" >/dev/null || fail "make-checkpoint"
	mkdir -p "$run/epoch_0_step_$step/optim"
	"$lensfs" convert -q "hf$step" "$run/epoch_0_step_$step/model" || fail "convert"
	: >"$run/epoch_0_step_$step/optim/__0_0.distcp"
	"$lensfs" convert -q --reverse "$run/epoch_0_step_$step/model" "want$step" || fail "convert --reverse"
done
cmp -s want9/model.safetensors want20/model.safetensors && fail "the steps are the same"
ln -s epoch_0_step_9 "$run/LATEST"

serve --reverse --strict
grep -qF "lensfs: mount: '$run': reading its 'epoch_0_step_9/model', which LATEST names" "$work/err" || fail "which step: $(cat "$work/err")"
same "$mnt" want9
grep -qF epoch_0_step_9/model "$mnt/.lens/README" || fail "the README does not tell the step: $(cat "$mnt/.lens/README")"
ln -sfn epoch_0_step_20 "$run/LATEST"
same "$mnt" want9
kill -TERM "$server"
ended 0
serve --reverse
same "$mnt" want20
kill -TERM "$server"
ended 0

# the other commands, and the other pointer
rm "$run/LATEST"
echo epoch_0_step_9 >"$run/LATEST.txt"
"$lensfs" convert --reverse "$run" made 2>err || fail "convert: $(cat err)"
grep -qF "reading its 'epoch_0_step_9/model', which LATEST.txt names" err || fail "convert: $(cat err)"
same made want9
"$lensfs" plan --reverse "$run" >out.txt 2>/dev/null || fail "plan"
grep -q "^source .*/epoch_0_step_9/model$" out.txt || fail "plan: $(head -n 1 out.txt)"
"$lensfs" ls -q --reverse --source "$run" >out.txt || fail "ls --source"
grep -q "lm_head.weight" out.txt || fail "ls --source: $(head -n 3 out.txt)"
"$lensfs" cat -q --reverse "$run" model.safetensors | cmp - want9/model.safetensors || fail "cat"
refuses "it is in the source" convert --reverse "$run" "$run/epoch_0_step_9/model/out"
refuses "a training run (LATEST.txt); --reverse shows its step" mount "$run" "$mnt"

# what is refused, before anything is mounted
touch "$run/epoch_0_step_9/.incomplete"
refuses "'LATEST.txt' names 'epoch_0_step_9', whose save is incomplete" mount --reverse "$run" "$mnt"
refuses "the save is incomplete" mount --reverse "$run/epoch_0_step_9" "$mnt"
echo epoch_0_step_10 >"$run/LATEST.txt"
refuses "'LATEST.txt' names 'epoch_0_step_10', which is not there" mount --reverse "$run" "$mnt"
echo ../hf9 >"$run/LATEST.txt"
refuses "'LATEST.txt' names '../hf9', which leads out of the directory (--follow-links allows it)" mount --reverse "$run" "$mnt"
ln -s "$run/epoch_0_step_20/optim" "$run/LATEST"
refuses "which leads out of the directory" mount --reverse "$run" "$mnt"
ln -sfn epoch_0_step_20/optim "$run/LATEST"
refuses "a torch distributed checkpoint (.distcp), which is pickled; save safetensors" mount --reverse "$run" "$mnt"
rm "$run/LATEST" "$run/LATEST.txt"
refuses "give one, such as its 'epoch_0_step_20'" mount --reverse "$run" "$mnt"
ln -s "$work/other/step" "$run/LATEST"
mkdir other && mv "$run/epoch_0_step_20" other/step
"$lensfs" convert -q --reverse --follow-links "$run" made20 || fail "--follow-links"
same made20 want20
refuses "it is in the source" convert --reverse --follow-links "$run" other/step/model/out
[ ! -e other/step/model/out ] || fail "it was made in the source"
