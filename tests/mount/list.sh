#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 200,000 tensors in .lens/tensors: their names list in two seconds, and who
# goes into their folders costs no memory either.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir "$src"
python3 - "$src" <<'END' || fail "make"
import json, struct, sys
empty = {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}
text = json.dumps({f"m.{a}.{b}": empty for a in range(200) for b in range(1000)}).encode()
with open(sys.argv[1] + "/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text)
END
serve --recipe identity
timeout 100 python3 - "$mnt" "$server" <<'END' || fail "it does not list, or not in time"
import os, sys, time

point, pid = sys.argv[1:]
tensors = point + "/.lens/tensors/m"

def server():
    """Its seconds of CPU, and its memory in MiB."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    rss = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss / 1024

def took(what, want, fn):
    """CPU of both sides: other programs take their share of the clock's time."""
    busy, own, clock = server()[0], time.process_time(), time.monotonic()
    n = fn()
    assert n == want, (what, n)
    cpu = server()[0] - busy + time.process_time() - own
    print(f"{n} {what}: {time.monotonic() - clock:.2f} s, {cpu:.2f} s of CPU")
    return cpu

before = server()[1]
bound = 20 if "libasan" in open(f"/proc/{pid}/maps").read() else 2
folders = [f"{tensors}/{a}" for a in os.listdir(tensors)]
assert took("tensors", 200000, lambda: sum(len(os.listdir(f)) for f in folders)) < bound
assert took("lines of the plan", 200000, lambda: open(point + "/.lens/plan").read().count("\n")) < bound
took("files", 20000, lambda: sum(len(os.listdir(f"{folders[0]}/{b % 1000}")) for b in range(5000)))
grown = server()[1] - before
print(f"{grown:.0f} MiB more")
assert bound > 2 or grown < 100, grown
END
umount "$mnt" || fail "umount"
ended 0
