#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read pieces of a file of a mount at random, and compare each byte.

usage: reader.py FILE WANT READY STOP

READY is made after the first piece.  When STOP is there, the whole file is read once more, and it ends.
Exit status: 0 all was right; 1 a byte was wrong; 3 a read failed.
"""

import os
import random
import sys
from pathlib import Path

PIECE = 1 << 20


def check(fd: int, want: bytes, at: int, n: int) -> None:
    end = min(at + n, len(want))
    while at < end:  # the system may give less, and say why the next time
        got = os.pread(fd, end - at, at)
        if not got or got != want[at : at + len(got)]:
            print(f"wrong bytes: {len(got)} of {end - at} at {at}")
            sys.exit(1)
        at += len(got)


def main(path: str, want_path: str, ready: str, stop: str) -> None:
    want = Path(want_path).read_bytes()
    rng = random.Random(path)
    fd = os.open(path, os.O_RDONLY)
    while not os.path.exists(stop):
        if rng.randrange(4) == 0:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        check(fd, want, rng.randrange(len(want)), rng.randrange(1, PIECE))
        Path(ready).touch()
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for at in range(0, len(want), PIECE):
        check(fd, want, at, PIECE)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as e:
        print(f"a read failed: {e}")
        sys.exit(3)
