#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verify and hash beside convert: the same view made three ways in turn, all in memory (/dev/shm).

usage: verify.py LENSFS MAKE_CHECKPOINT [--check] [--rounds N]

2.1 GB of FP8 experts, 4.2 GB of BF16 as a view.  With --check: both at 80 % of convert's speed or more, by medians.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def timed(*words):
    began = time.monotonic()
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def main():
    lensfs, maker = sys.argv[1:3]
    rounds = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else 5
    with tempfile.TemporaryDirectory(prefix="lensfs-bench-", dir="/dev/shm") as d:
        src, out, new = (Path(d) / name for name in ("src", "out", "new"))
        subprocess.run([maker, "--layers", "5", "--experts", "16", "--hidden", "4096", "--inter", "2048", "--vocab", "128",
                        "--shards", "4", str(src)], check=True, capture_output=True)
        timed(lensfs, "convert", "-q", "--shard-size", "1GB", src, out)
        size = sum(f.stat().st_size for f in out.glob("*.safetensors")) / 1e9
        took = {"convert": [], "verify": [], "hash": []}
        for _ in range(rounds):
            took["convert"].append(timed(lensfs, "convert", "-q", "--shard-size", "1GB", src, new))
            shutil.rmtree(new)
            took["verify"].append(timed(lensfs, "verify", "-q", src, out))
            took["hash"].append(timed(lensfs, "hash", "-q", src))
    median = {name: statistics.median(t) for name, t in took.items()}
    print(f"{size:.2f} GB, medians of {rounds}")
    for name, t in median.items():
        print(f"{name:8} {t:6.2f} s  {size / t:5.2f} GB/s  {100 * median['convert'] / t:4.0f} % of convert (least {min(took[name]):.2f} s)")
    return 1 if "--check" in sys.argv and max(median["verify"], median["hash"]) > median["convert"] / 0.8 else 0


if __name__ == "__main__":
    sys.exit(main())
