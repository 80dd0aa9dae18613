#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# warm reads all of a mount, or as much as it may; stat tells what was read.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
"$make" --shards 2 --hidden 512 --inter 300 "$src" >/dev/null || fail "make-checkpoint"
mkdir "$src/sub"
head -c 100000 /dev/urandom >"$src/sub/file"
files() { find "$mnt" -path "$mnt/.lens" -prune -o -type f "$@"; }
size() { files -printf '%s\n' | awk '{ n += $1 } END { print n }'; }
# What the kernel has of the mount.
cached() { files -exec fincore -bno RES {} + | awk '{ n += $1 } END { print n + 0 }'; }
counter() { awk -v name="lensfs_$1" '$1 == name { print $2 }' "$mnt/.lens/stats"; }
command -v fincore >/dev/null || skip "needs fincore"

serve --inspect --shard-size 4MB
all=$(size)
[ "$(cached)" -lt $((all / 2)) ] || fail "cached before: $(cached) of $all"
"$lensfs" warm --jobs 3 --max 3MB "$mnt" 2>"$work/err" || fail "warm --max: $(cat "$work/err")"
grep -qE "^lensfs: warm: '$mnt': [0-9]+ of them fit, .* would all need; --max allows no more$" "$work/err" || fail "--max: $(cat "$work/err")"
[ "$(counter served_bytes_total)" -lt 4500000 ] || fail "--max 3MB: $(counter served_bytes_total) were read"
"$lensfs" warm "$mnt" 2>"$work/err" || fail "warm: $(cat "$work/err")"
grep -qE "^lensfs: warm: '$mnt': $(files -print | wc -l) files, [0-9.]+ MB in [0-9:]+ \(" "$work/err" || fail "warm: $(cat "$work/err")"
grep -q "fit" "$work/err" && fail "all of it was to fit"
[ "$(cached)" -ge "$all" ] || fail "cached: $(cached) of $all"
# and the tree of .lens was left alone
[ "$(counter served_bytes_total)" -lt $((all + 1000000)) ] || fail "it read more than the files: $(counter served_bytes_total) of $all"
"$lensfs" warm -q --max 100% "$mnt" 2>"$work/err" || fail "warm again"
[ -s "$work/err" ] && fail "-q: $(cat "$work/err")"

"$lensfs" stat --once "$mnt" >"$work/out" || fail "stat"
served=$(awk '$1 == "served" { print $2 }' "$work/out")
awk -v got="$served" -v want="$(counter served_bytes_total)" 'BEGIN { exit !(got * 1e6 - want < 2e5 && want - got * 1e6 < 2e5) }' ||
	fail "stat: $(cat "$work/out")"
grep -q '^errors  *0$' "$work/out" || fail "stat: $(cat "$work/out")"
grep -q "$(printf '\033')" "$work/out" && fail "stat: colours into a pipe"
"$lensfs" stat "$mnt" | cut -c 1-10 | cmp - <(cut -c 1-10 "$work/out") || fail "stat into a pipe is not as --once"
# live, until it is told to end, and until the mount ends
python3 - "$lensfs" "$mnt" <<'END' || fail "stat, live"
import os, pty, signal, subprocess, sys, time

def live(end):
    master, slave = pty.openpty()
    p = subprocess.Popen([sys.argv[1], "stat", sys.argv[2]], stdout=slave, env={"TERM": "xterm"}, stderr=subprocess.PIPE)
    os.close(slave)
    seen = b""
    while seen.count(b"\x1b[H") < 2:
        seen += os.read(master, 65536)
    end(p)
    os.close(master)
    assert b"/s" in seen and b"\x1b[1mserved" in seen, seen
    return p.wait(timeout=10), p.stderr.read()

assert live(lambda p: p.send_signal(signal.SIGINT)) == (0, b"")
END
for command in warm stat; do
	refuses "it is no mount of lensfs" "$command" "$src"
	refuses "No such file or directory" "$command" "$work/none"
done
kill -TERM "$server"
ended 0
