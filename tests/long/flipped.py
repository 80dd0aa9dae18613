#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verify finds the one bit that differs in a view of 4 GB, and says where.

usage: flipped.py LENSFS MAKE_CHECKPOINT
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LENSFS, MAKE = sys.argv[1:]
ROOM = 7 << 30


def main():
    if not os.path.isdir("/dev/shm") or shutil.disk_usage("/dev/shm").free < ROOM:
        print("needs 7 GiB in /dev/shm")
        return 77
    seed = random.SystemRandom().randrange(1 << 32)
    rnd = random.Random(seed)
    print("seed", seed)
    with tempfile.TemporaryDirectory(prefix="lensfs-flipped-", dir="/dev/shm") as d:
        src, out = Path(d) / "src", Path(d) / "out"
        subprocess.run([MAKE, "--layers", "5", "--experts", "16", "--hidden", "4096", "--inter", "2048", "--vocab", "128",
                        "--shards", "4", src], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([LENSFS, "convert", "-q", src, out], check=True)
        subprocess.run([LENSFS, "verify", "-q", src, out], check=True)
        listed = json.loads(subprocess.run([LENSFS, "ls", "--json", src], check=True, capture_output=True).stdout)["tensors"]
        assert sum(t["bytes"] for t in listed) > 4e9
        t = rnd.choice([t for t in listed if "experts.gate_and_up" in t["key"]])
        at, bit = rnd.randrange(t["bytes"]), rnd.randrange(8)
        with open(out / t["file"], "r+b") as f:
            f.seek(t["offset"] + at)
            byte = f.read(1)[0]
            f.seek(t["offset"] + at)
            f.write(bytes([byte ^ 1 << bit]))
        p = subprocess.run([LENSFS, "verify", "--json", src, out], capture_output=True, text=True, check=False)
        told = json.loads(p.stdout)
        index, first = [], at // 2  # BF16
        for n in reversed(t["shape"]):
            index.insert(0, first % n)
            first //= n
        found = told["differences"]
        assert p.returncode == 1 and len(found) == 1 and told["equal"] == told["tensors"] - 1, told
        assert (found[0]["key"], found[0]["first"], found[0]["count"]) == (t["key"], index, 1), (found, t, index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
