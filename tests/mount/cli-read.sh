#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ls, cat, plan, recipes and help: what they print, and their exit statuses.
lensfs=${LENSFS:?} make=${MAKE_CHECKPOINT:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }
cd "$work" || exit 2
"$make" src >/dev/null || fail "make-checkpoint"
key=model.layers.1.mlp.experts.down_projs
status()
{
	local want=$1 got
	shift
	"$lensfs" "$@" >out 2>err
	got=$?
	[ "$got" = "$want" ] || fail "$*: exit $got, not $want: $(cat err)"
}
prints() { grep -qF -- "$1" out || fail "no '$1' in: $(head -n 30 out)"; }
says() { grep -qF -- "$1" err || fail "no '$1' in: $(cat err)"; }

# usage
status 2
status 2 frob
says "'frob': no such command (see 'lensfs --help')"
status 2 mount src
says "(see 'lensfs mount --help')"
status 2 ls --frob src
status 2 plan --quantize fp8 src
says "--quantize: only with --reverse"
status 2 plan --reverse --scales unit src
says "--scales: only with --quantize"
status 2 plan --reverse --block 128 src
says "--block: only with --quantize"
status 2 plan --reverse --quantize fp8 --scales unit --block 128 src
says "--block: only of --scales amax"
status 2 plan --reverse --quantize int4 src
says "--quantize: 'int4' is not fp8"
status 2 plan --reverse --quantize fp8 --scales like src
says "--scales like: of which directory? --like says it"
status 2 plan --reverse --quantize fp8 --scales amax --like src src
says "--like: its scales are taken"
status 2 plan --like src src
says "--like: only with --reverse"
status 2 plan --reverse --cast src
says "--cast: only with --like"
status 0 --version
grep -qE '^lensfs [0-9]+\.[0-9]+\.[0-9]+$' out || fail "--version: $(cat out)"
status 0 --help
for command in $("$lensfs" --list-commands | cut -f1); do
	status 0 --help
	prints "  $command "
	status 0 "$command" --help
	prints "usage: lensfs $command "
	prints "For example: lensfs $command"
	[ "$(wc -l <out)" -le 24 ] && [ "$(wc -L <out)" -le 80 ] || fail "the help of $command does not fit a screen"
	"$lensfs" --list-options | grep -q "^$command	--help	" || fail "--list-options lacks $command"
done
"$lensfs" --list-options | awk -F'\t' 'NF != 5 || !$4 { print; bad = 1 } END { exit bad }' || fail "--list-options"

# messages
status 0 ls -v src
for word in 'recipe: mistral4, because' 'source: ' 'view: ' 'opened in '; do says "lensfs: $word"; done
status 0 ls -vq src
[ -s err ] && fail "-q: $(cat err)"
if command -v python3 >/dev/null; then
	"$lensfs" ls -v --log-format json src >out 2>err || fail "--log-format json"
	"$lensfs" ls --log-format json "$(printf 'none\n"')" 2>>err && fail "a source that is not there"
	"$lensfs" frob --log-format json 2>>err && fail "no command"
	python3 - <<'END' || fail "--log-format json: $(cat err)"
import datetime, json
lines = [json.loads(line) for line in open("err")]
assert [list(l) for l in lines] == [["time", "level", "message"]] * 6, lines
assert [l["level"] for l in lines] == ["info"] * 4 + ["error"] * 2, lines
assert lines[0]["message"].startswith("recipe: mistral4, because"), lines
assert "none\\x0a\"" in lines[4]["message"] and "no such command" in lines[5]["message"], lines
for l in lines:
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.strptime(l["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(age.total_seconds()) < 60, l
END
fi

# ls
status 0 ls src
[ "$(grep -c . out)" = "$("$lensfs" plan src | sed -n 's/^view *\([0-9]*\) tensors.*/\1/p')" ] || fail "ls and plan count differently"
awk '{ print $4 }' out >keys
status 0 ls -l src "$key"
read -r dtype _ bytes file offset name <out
[ "$dtype/$name" = "BF16/$key" ] || fail "ls -l: $(cat out)"
status 0 ls src '*.1.*down_projs'
[ "$(awk '{ print $4 }' out)" = "$key" ] || fail "a pattern: $(cat out)"
status 1 ls src 'down_projs'
says "no key matches"
status 0 ls --source src '*_scale_inv'
prints "model.layers.1.mlp.experts.down_proj_scale_inv"
status 1 ls --source --recipe frob src
status 0 ls --tree src
grep -qE '^ +[0-9]+ tensors +[0-9]+  +layers\.\{0\.\.1\}$' out || fail "ls --tree: no layers in: $(cat out)"
grep -qE '^BF16 +2 x \[4,64,64\] +65536  +gate_and_up_projs$' out || fail "ls --tree: no experts in: $(cat out)"
[ "$(tail -n 1 out | awk '{ print $1, $3, $4, $5 }')" = "$(wc -l <keys) $("$lensfs" ls src | awk '{ n += $3 } END { print n }') in all" ] ||
	fail "ls --tree: its last line"
status 0 ls --tree --source src '*.experts.*'
prints "2 x [4,64,64]"
# colours on a terminal only, and if they are wanted
if command -v script >/dev/null; then
	for options in '' --tree; do
		TERM=xterm script -qec "'$lensfs' ls $options src" /dev/null </dev/null | grep -q "$(printf '\033\\[36m')BF16" || fail "ls $options: no colours"
		TERM=xterm NO_COLOR=1 script -qec "'$lensfs' ls $options src" /dev/null </dev/null | grep -q "$(printf '\033')" && fail "NO_COLOR"
		TERM=dumb script -qec "'$lensfs' ls $options src" /dev/null </dev/null | grep -q "$(printf '\033')" && fail "TERM=dumb"
		"$lensfs" ls $options src | grep -q "$(printf '\033')" && fail "ls $options: colours into a pipe"
	done
fi
if command -v python3 >/dev/null; then
	"$lensfs" ls --json src >out || fail "ls --json"
	python3 - "$key" "$bytes" "$file" "$offset" <<'END' || fail "ls --json"
import json, sys
key, size, file, offset = sys.argv[1:]
tensors = json.load(open("out"))["tensors"]
assert [t["key"] for t in tensors] == open("keys").read().split()
t = next(t for t in tensors if t["key"] == key)
assert list(t) == ["key", "dtype", "shape", "bytes", "file", "offset"], t
assert t["bytes"] == int(size) and t["file"] == file and t["offset"] == int(offset), t
END
	for options in "ls --source" "plan" "ls --to=hf"; do
		# shellcheck disable=SC2086 # they are words
		"$lensfs" $options --json src | python3 -m json.tool >/dev/null || fail "$options --json is not JSON"
	done
	for options in "" --ops --codecs; do
		# shellcheck disable=SC2086 # it may be none
		"$lensfs" recipes --json $options | python3 -m json.tool >/dev/null || fail "recipes --json $options"
	done
fi

# cat
"$lensfs" convert -q src view || fail "convert"
"$lensfs" cat src "$file" | cmp - "view/$file" || fail "cat of a file"
"$lensfs" cat src "$key" >raw || fail "cat of a tensor"
[ "$(stat -c %s raw)" = "$bytes" ] || fail "cat: $(stat -c %s raw) bytes, not $bytes"
tail -c +$((offset + 1)) "view/$file" | head -c "$bytes" | cmp - raw || fail "cat of a tensor: other bytes"
"$lensfs" cat --as safetensors src "$key" | tail -c "$bytes" | cmp - raw || fail "--as safetensors"
"$lensfs" cat --as safetensors src "$key" | head -c 200 | grep -aqF "{\"__metadata__\":{\"format\":\"pt\"},\"$key\":" || fail "--as safetensors: its header"
"$lensfs" cat --as npy src "$key" | head -c 80 | grep -aqF "'descr': '<f4'" || fail "--as npy"
status 0 cat --as text src "$key"
[ "$(wc -l <out)" = $((bytes / 2)) ] || fail "--as text: $(wc -l <out) lines"
head -n 7 out >seven
status 0 cat --head 7 src "$key"
cmp out seven || fail "--head"
if command -v python3 >/dev/null; then
	python3 - <<'END' || fail "--as text"
import struct
for line, bits in zip(open("seven"), struct.unpack("<7H", open("raw", "rb").read(14)), strict=True):
    value = struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    assert line == f"{value:.4g}\n", (line, value)
END
fi
"$lensfs" cat --as raw --head 7 src "$key" | cmp - <(head -c 14 raw) || fail "--as raw --head"
status 0 cat --as raw --head 99999999 src "$key"
cmp out raw || fail "--head beyond the end"
status 1 cat --head 7 src config.json
says "no tensor of the view is called that"
status 0 cat src .lens/plan
prints "$key"
status 1 cat src frob
says "no tensor and no file of the view is called that"
status 1 cat src .lens
says "it is a directory"
for command in "ls src" "cat src config.json" --help; do
	# shellcheck disable=SC2086 # they are words
	"$lensfs" $command >/dev/full 2>err && fail "$command: a full disk goes unseen"
	says "No space left on device"
done

# plan
status 0 plan src
prints "recipe   mistral4, because"
prints "warnings: none"
status 0 plan -l src
grep -q "^$key	BF16	" out || fail "plan -l lacks a tensor"
grep -q "^model.layers.1.mlp.experts.down_proj	mapped	$key	" out || fail "plan -l lacks a source key"
status 0 plan --exclude '.*experts' src
prints "left out by --exclude"
status 1 plan --exclude '(' src

# a recipe of one's own
status 0 recipes
prints "mistral4"
"$lensfs" recipes mistral4 >own.json || fail "recipes NAME"
"$lensfs" convert -q --recipe ./own.json src own || fail "--recipe FILE"
diff -r view own || fail "a copy of a recipe makes another view"
status 1 recipes frob
