#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The block cache seen through a mount: what .lens/stats counts is what was asked for.

usage: cache.py LENSFS MAKE_CHECKPOINT

Reads with O_DIRECT are one request each, so every count can be foretold.
"""

import json
import mmap
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MIB = 1 << 20
EXPERTS, HIDDEN, INTER = 24, 2048, 1024
PANEL = HIDDEN * 2 * INTER  # bytes of codes; the output has twice as many


def run(*argv):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True).stdout


def stats(point):
    found = {}
    for line in (point / ".lens/stats").read_text().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(None, 1)
            found[name.strip()] = float(value)
    return found


class View:
    def __init__(self, lensfs, source, work, *options):
        self.lensfs, self.point = lensfs, Path(tempfile.mkdtemp(dir=work))
        tensors = json.loads(run(lensfs, "ls", "--json", source))["tensors"]
        self.t = next(t for t in tensors if t["key"].endswith("layers.0.mlp.experts.gate_and_up_projs"))
        run(lensfs, "mount", *options, source, self.point)
        self.fd = os.open(self.point / self.t["file"], os.O_RDONLY | os.O_DIRECT)

    def read(self, off, n=MIB):
        buf = mmap.mmap(-1, n)
        got = os.preadv(self.fd, [buf], self.t["offset"] + off)
        assert got == n, (off, got)
        return buf[:n]

    def end(self):
        os.close(self.fd)
        run(self.lensfs, "umount", self.point)


def two_readers(lensfs, source, work, want):
    v = View(lensfs, source, work, "--cache-size", "256MiB")
    wrong = []

    def reader(begin):
        n = v.t["bytes"]
        for k in range(0, n, MIB):
            at = (begin + k) % n
            if v.read(at) != want[at : at + MIB]:
                wrong.append(at)

    try:
        threads = [threading.Thread(target=reader, args=(b,)) for b in (0, v.t["bytes"] // 2)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        s = stats(v.point)
    finally:
        v.end()
    assert not wrong, f"wrong bytes at {wrong[:3]}"
    assert s["lensfs_cache_made_bytes_total"] == EXPERTS * PANEL, s["lensfs_cache_made_bytes_total"]
    assert s['lensfs_cache_reads_total{how="miss"}'] == EXPERTS
    assert s['lensfs_cache_reads_total{how="bypass"}'] == 0


def crowd(lensfs, source, work, *options):
    """Half of each panel, so that none is read to its end; then the first ones again, which had to make room."""
    v = View(lensfs, source, work, "--cache-size", "64MiB", *options)
    try:
        for e in range(EXPERTS):
            for k in range(4):
                v.read(e * 2 * PANEL + k * MIB)
            time.sleep(0.11)
        first = stats(v.point)
        for e in range(4):
            for k in range(4):
                v.read(e * 2 * PANEL + k * MIB)
            time.sleep(0.11)
        return first, stats(v.point)
    finally:
        v.end()


def main():
    lensfs, maker = sys.argv[1:3]
    shape = ["--layers", 1, "--experts", EXPERTS, "--hidden", HIDDEN, "--inter", INTER, "--shards", 1]
    kept = 64 * MIB // PANEL
    with tempfile.TemporaryDirectory(prefix="lensfs-cache-", dir="/dev/shm") as d:
        work = Path(d)
        run(maker, *shape, work / "random")
        run(maker, *shape, "--zeros", work / "zeros")
        want = run(lensfs, "cat", "--cache-size", 0, work / "random", "model.layers.0.mlp.experts.gate_and_up_projs")
        two_readers(lensfs, work / "random", work, want)

        first, last = crowd(lensfs, work / "zeros", work)
        gone = EXPERTS - kept
        assert first['lensfs_cache_reads_total{how="miss"}'] == EXPERTS
        assert first['lensfs_cache_reads_total{how="hit"}'] == 3 * EXPERTS
        assert first["lensfs_cache_evictions_total"] >= gone, first
        assert first['lensfs_lz4_bytes_total{side="in"}'] == first["lensfs_cache_evictions_total"] * PANEL
        assert first['lensfs_lz4_bytes_total{side="in"}'] > 50 * first['lensfs_lz4_bytes_total{side="out"}']
        assert first['lensfs_cache_held_bytes{tier="cold"}'] == first['lensfs_lz4_bytes_total{side="out"}']
        assert (first["lensfs_lz4_tried_total"], first["lensfs_lz4_refused_total"]) == (1, 0)
        assert last["lensfs_cache_cold_hits_total"] == 4, last["lensfs_cache_cold_hits_total"]
        assert last['lensfs_cache_reads_total{how="hit"}'] == 3 * EXPERTS + 16
        assert last["lensfs_cache_made_bytes_total"] == EXPERTS * PANEL
        assert last["lensfs_cache_peak_bytes"] <= 64 * MIB

        first, last = crowd(lensfs, work / "random", work)
        assert (first["lensfs_lz4_tried_total"], first["lensfs_lz4_refused_total"]) == (1, 1), first
        assert last['lensfs_lz4_bytes_total{side="in"}'] == 0 and last["lensfs_cache_cold_hits_total"] == 0
        assert (last["lensfs_lz4_tried_total"], last["lensfs_lz4_refused_total"]) == (1, 1)
        assert last["lensfs_cache_made_bytes_total"] == (EXPERTS + 4) * PANEL
    print("two readers, packed zeros and noise: as counted")


if __name__ == "__main__":
    main()
