#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read a view of one tensor a file, one shard of whose source is gone bad.

usage: faults.py SOURCE MNT WANT SHARD

What lies in SHARD must fail with EIO, all else must be as in WANT.  Prints the keys that fail, sorted.  The source's index
tells where each lies; a view's names are the source's, but for those of RENAMED.
"""

import errno
import json
import os
import sys
from pathlib import Path

PIECE = 60_001
RENAMED = {"gate_and_up_projs": "gate_up_proj", "down_projs": "down_proj"}


def header(path: Path) -> tuple[dict, int]:
    with open(path, "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        return json.loads(f.read(n)), 8 + n


def pieces(path: Path, begin: int, want: bytes) -> tuple[int, int]:
    """How many reads from `begin` on succeed, and fail with EIO; a wrong byte ends it all."""
    good = bad = 0
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for at in range(begin, len(want), PIECE):
        try:
            got = os.pread(fd, PIECE, at)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            bad += 1
            continue
        if got != want[at : at + PIECE]:
            sys.exit(f"{path.name}: wrong bytes at {at}: {len(got)} came")
        good += 1
    os.close(fd)
    return good, bad


def main(source: Path, mnt: Path, want: Path, shard: str) -> None:
    where = json.loads((source / "model.safetensors.index.json").read_text())["weight_map"]
    lost = []
    for path in sorted(want.glob("*.safetensors")):
        tensors, begin = header(path)
        (key,) = [k for k in tensors if k != "__metadata__"]
        parent, _, last = key.rpartition(".")
        name = f"{parent}.{RENAMED.get(last, last)}"
        # A tensor that is filled in lies nowhere.
        fails = shard in (where.get(name), where.get(name + "_scale_inv"))
        good, bad = pieces(mnt / path.name, begin, path.read_bytes())
        if (good if fails else bad) or not good + bad:
            sys.exit(f"{path.name} ('{key}'): {good} reads succeed and {bad} fail; {'all' if fails else 'none'} should fail")
        lost += [key] * fails
    if not 0 < len(lost) < len(where):
        sys.exit(f"{shard}: {len(lost)} tensors need it: this is no test")
    print("\n".join(sorted(lost)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), sys.argv[4])
