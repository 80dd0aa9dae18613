#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a shell offers: commands, each one's options, values, files.
lensfs=${LENSFS:?}
scripts=$(cd "$(dirname "$0")/../../packaging/completion" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }
cd "$work" || exit 2
mkdir bin folder
touch file.json
ln -s "$lensfs" bin/lensfs
export PATH=$work/bin:$PATH HOME=$work
commands=$(lensfs --list-commands | cut -f1 | sort)

# bash: offers WORD...: what is offered for the last of them
# shellcheck source=/dev/null
. "$scripts/lensfs.bash"
compopt() { :; } # only while a shell completes by itself
bash_offers()
{
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_lensfs
	printf '%s\n' "${COMPREPLY[@]}" | sort
}

# zsh, at a terminal of its own, asked to list what it would offer
zsh_offers()
{
	python3 - "$scripts" "$*" <<'END'
import os, pty, re, select, sys, time
pid, fd = pty.fork()
if not pid:
    os.execvp("zsh", ["zsh", "-f", "-i"])
def until(mark, seconds=20):
    seen, end = "", time.time() + seconds
    while mark not in seen and time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 65536).decode(errors="replace")
    return seen
def put(text):
    os.write(fd, text.encode())
put(f"PS1='$ '; fpath=({sys.argv[1]} $fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' list-colors ''\n")
put("setopt no_beep no_always_last_prompt; LISTMAX=0; COLUMNS=200; LINES=100; bindkey '^X' list-choices; echo rea''dy\n")
until("ready")
put(sys.argv[2] + "\x18")
out = until(sys.argv[2])
while select.select([fd], [], [], 1)[0]:
    out += os.read(fd, 65536).decode(errors="replace")
os.close(fd)
print(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", out))
END
}

fish_offers() { fish --no-config -c "source $scripts/lensfs.fish; complete -C '$*'" | cut -f1 | sort; }

offers()
{
	[ "$(bash_offers lensfs '')" = "$commands" ] || fail "bash: commands: $(bash_offers lensfs '')"
	for command in $commands; do
		want=$(lensfs --list-options | awk -F'\t' -v c="$command" '$1 == c { print $2 }' | sort)
		[ "$(bash_offers lensfs "$command" -)" = "$want" ] || fail "bash: options of $command: $(bash_offers lensfs "$command" -)"
	done
	[ "$(bash_offers lensfs con)" = convert ] || fail "bash: con"
	[ "$(bash_offers lensfs cat --as '' | xargs)" = "npy raw safetensors text" ] || fail "bash: --as"
	[ "$(bash_offers lensfs cat --as = t | xargs)" = text ] || fail "bash: --as=t: $(bash_offers lensfs cat --as = t)"
	[ "$(bash_offers lensfs cat --as = | xargs)" = "npy raw safetensors text" ] || fail "bash: --as="
	[ "$(bash_offers lensfs plan --dtype '' | xargs)" = "bf16 f16 f32" ] || fail "bash: --dtype"
	[ "$(bash_offers lensfs plan --recipe deq | xargs)" = dequant ] || fail "bash: --recipe"
	[ "$(bash_offers lensfs plan --recipe fil | xargs)" = file.json ] || fail "bash: --recipe FILE"
	[ "$(bash_offers lensfs mount --like f | xargs)" = folder ] || fail "bash: --like"
	[ "$(bash_offers lensfs verify --hashes f | xargs)" = "file.json folder" ] || fail "bash: --hashes"
	[ "$(bash_offers lensfs -q ls fo | xargs)" = folder ] || fail "bash: operands"
	[ "$(bash_offers lensfs recipes deq | xargs)" = dequant ] || fail "bash: recipes"
	[ "$(bash_offers lensfs -V | xargs)" = -V ] || fail "bash: without a command"
}
offers

if command -v fish >/dev/null; then
	[ "$(fish_offers lensfs '')" = "$commands" ] || fail "fish: commands: $(fish_offers lensfs '')"
	for command in $commands; do
		want=$(lensfs --list-options | awk -F'\t' -v c="$command" '$1 == c && $2 ~ /^--/ { print $2 }' | sort)
		got=$(fish_offers lensfs "$command" -- | grep '^--' | sed 's/=$//')
		[ "$got" = "$want" ] || fail "fish: options of $command: $got"
	done
	[ "$(fish_offers lensfs cat --as '' | xargs)" = "npy raw safetensors text" ] || fail "fish: --as"
	fish_offers lensfs plan --recipe deq | grep -qx dequant || fail "fish: --recipe"
	[ "$(fish_offers lensfs ls fo | xargs)" = folder/ ] || fail "fish: operands: $(fish_offers lensfs ls fo)"
else
	echo "fish is not there"
fi

if command -v zsh >/dev/null; then
	zsh -n "$scripts/_lensfs" || fail "zsh: syntax"
	zsh_offers 'lensfs ' >out
	for command in $commands; do grep -qE "(^|[[:space:]])$command " out || fail "zsh: no $command in: $(cat -v out)"; done
	zsh_offers 'lensfs cat --' >out
	for option in --as --head --recipe; do grep -q -e "$option" out || fail "zsh: no $option in: $(cat -v out)"; done
	grep -q -e --part out && fail "zsh: cat has --part: $(cat -v out)"
	zsh_offers 'lensfs cat --as ' >out
	for value in npy raw safetensors text; do grep -q "$value" out || fail "zsh: no $value in: $(cat -v out)"; done
else
	echo "zsh is not there"
fi
