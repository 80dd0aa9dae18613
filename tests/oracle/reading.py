# SPDX-License-Identifier: Apache-2.0
"""Read the files of a folder in every way there is, and compare each byte with the files of another.

The page cache is dropped at random in between, so that what is compared was made again.
"""

from __future__ import annotations

import mmap
import os
import random
import threading
from pathlib import Path

from oracle import Failed

LARGEST = 4 << 20
KEEP = 64  # of so many reads one is preceded by dropping the file from the page cache
KEEP_ALL = 8000  # of so many, one by dropping the whole cache


class Pair:
    """One file as it is shown, and as it should be."""

    def __init__(self, got: Path, want: Path, flags: int = 0) -> None:
        self.name = want.name
        self.fd = os.open(got, os.O_RDONLY | os.O_CLOEXEC | flags)
        with open(want, "rb") as f:
            self.size = os.fstat(f.fileno()).st_size
            self.want = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) if self.size else b""
        if os.fstat(self.fd).st_size != self.size:
            raise Failed(f"{self.name}: {os.fstat(self.fd).st_size} bytes, not {self.size}")

    def close(self) -> None:
        os.close(self.fd)
        if self.size:
            self.want.close()

    def compare(self, data: bytes, at: int, n: int, how: str) -> None:
        want = self.want[at : at + n]
        if data == want:
            return
        if len(data) != len(want):
            raise Failed(f"{how}: {self.name}: {n} bytes at {at}: {len(data)} came, not {len(want)}")
        i = next(i for i, (x, y) in enumerate(zip(data, want)) if x != y)
        raise Failed(f"{how}: {self.name}: {n} bytes at {at}: byte {at + i} is {data[i]:#04x}, not {want[i]:#04x}")

    def drop(self) -> None:
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)


class Pairs:
    """with Pairs(got, want) as pairs: all files of `want` that hold bytes."""

    def __init__(self, got: Path, want: Path, flags: int = 0) -> None:
        self.got, self.want_folder, self.flags = got, want, flags
        self.pairs: list[Pair] = []

    def __enter__(self) -> list[Pair]:
        for path in sorted(self.want_folder.iterdir()):
            if path.is_file() and path.stat().st_size and path.name != "config.json":
                self.pairs.append(Pair(self.got / path.name, path, self.flags))
        return self.pairs

    def __exit__(self, *_) -> None:
        for p in self.pairs:
            p.close()


def drop_everything() -> None:
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1\n")
    except OSError:
        pass  # not root, or a container: the files' own pages are dropped all the same


def random_piece(rng: random.Random, pairs: list[Pair]) -> tuple[Pair, int, int]:
    """A file, by its size; an offset, as a rule odd; a size, log-uniform from 1 byte to LARGEST."""
    pair = rng.choices(pairs, [p.size for p in pairs])[0]
    size = int(2 ** rng.uniform(0, 22))
    if rng.random() < 0.05:  # the end of the file, and past it
        return pair, max(0, pair.size - rng.randrange(1, size + 1)), size
    return pair, rng.randrange(pair.size) | 1, size


def pread(pairs: list[Pair], rng: random.Random, count: int, how: str = "pread") -> int:
    total = 0
    for _ in range(count):
        pair, at, size = random_piece(rng, pairs)
        if rng.randrange(KEEP) == 0:
            pair.drop()
        if rng.randrange(KEEP_ALL) == 0:
            drop_everything()
        pair.compare(os.pread(pair.fd, size, at), at, size, how)
        total += size
    return total


def direct(pairs: list[Pair], rng: random.Random, count: int) -> int:
    """O_DIRECT, into memory of the reader's own, at any offset."""
    total = 0
    with mmap.mmap(-1, LARGEST) as buf, memoryview(buf) as view:
        for _ in range(count):
            pair, at, size = random_piece(rng, pairs)
            n = os.preadv(pair.fd, [view[:size]], at)
            pair.compare(bytes(view[:n]), at, size, "O_DIRECT")
            total += n
    return total


def mapped(pairs: list[Pair], rng: random.Random, count: int) -> int:
    """Through maps of the files, advised in every way."""
    advice = [mmap.MADV_NORMAL, mmap.MADV_RANDOM, mmap.MADV_SEQUENTIAL]
    maps = {p.name: mmap.mmap(p.fd, 0, prot=mmap.PROT_READ) for p in pairs}
    total = 0
    for _ in range(count):
        pair, at, size = random_piece(rng, pairs)
        if rng.randrange(KEEP) == 0:
            maps[pair.name].close()  # mapped pages are not dropped
            pair.drop()
            maps[pair.name] = mmap.mmap(pair.fd, 0, prot=mmap.PROT_READ)
            maps[pair.name].madvise(rng.choice(advice))
        pair.compare(maps[pair.name][at : at + size], at, size, "mmap")
        total += size
    for m in maps.values():
        m.close()
    return total


def together(got: Path, want: Path, seed: int, count: int, threads: int = 8) -> int:
    """Several readers at once, each with files of its own: random pieces, and from two ends to the other."""
    wrong: list[Failed] = []
    totals = [0] * threads

    def reader(i: int) -> None:
        rng = random.Random(seed * threads + i)
        try:
            with Pairs(got, want) as pairs:
                if i % 4 == 3:
                    totals[i] += whole(pairs, i % 8 == 3)
                totals[i] += pread(pairs, rng, count // threads, f"reader {i} of {threads}")
        except Failed as e:
            wrong.append(e)

    all_threads = [threading.Thread(target=reader, args=(i,)) for i in range(threads)]
    for t in all_threads:
        t.start()
    for t in all_threads:
        t.join()
    if wrong:
        raise wrong[0]
    return sum(totals)


def whole(pairs: list[Pair], backwards: bool = False) -> int:
    """Every byte once, 1 MiB at a time."""
    for pair in pairs:
        at = list(range(0, pair.size, 1 << 20))
        for begin in reversed(at) if backwards else at:
            pair.compare(os.pread(pair.fd, 1 << 20, begin), begin, 1 << 20, "whole")
    return sum(p.size for p in pairs)
