#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A whole view read by eight readers at once keeps the daemon within its budget.

usage: memory.py LENSFS MAKE_CHECKPOINT

A checkpoint of more than 2 GB in FP8 (4 GB in the view) is read whole by eight processes, each a part of every file, for
cache budgets of 64 MiB and 1 GiB; then the native tree, as it would be quantized again, by tensors and by blocks, for 64 MiB.
The daemon's proportional set size is sampled all the while and must stay under budget + 64 MiB + 2 MiB a thread; what was read
must be what `convert` writes (by SHA-256 of samples of it), and the small budget must not take more than six times as long as the
large one.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MIB = 1 << 20


def run(*argv):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


def daemon_of(point):
    for p in Path("/proc").iterdir():
        try:
            if p.name.isdigit() and os.fsencode(str(point)) in (p / "cmdline").read_bytes().split(b"\0"):
                return int(p.name)
        except OSError:
            pass
    sys.exit("the daemon was not found")


def sample(pid, stop, seen, threads):
    while not stop.is_set():
        try:
            threads.append(len(os.listdir(f"/proc/{pid}/task")))
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    seen.append(int(line.split()[1]) * 1024)
        except OSError:
            return
        time.sleep(0.02)


READER = """
import os, sys, hashlib
path, part, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
size = os.path.getsize(path)
at, end = size * part // parts, size * (part + 1) // parts
fd, h = os.open(path, os.O_RDONLY), hashlib.sha256()
while at < end:
    data = os.pread(fd, min(1 << 20, end - at), at)
    h.update(data[:4096])
    at += len(data)
print(h.hexdigest())
"""


def digests(path, parts=8):
    readers = [subprocess.Popen([sys.executable, "-c", READER, path, str(i), str(parts)], stdout=subprocess.PIPE, text=True)
               for i in range(parts)]
    return [r.communicate()[0].strip() for r in readers]


def watched(lensfs, options, budget, source, point, least):
    """Digests of all files of a mount, and the time it took; None if the daemon took too much."""
    point.mkdir()
    run(lensfs, "mount", "--cache-size", budget, *options, source, point)
    try:
        pid, stop, seen, threads = daemon_of(point), threading.Event(), [], []
        t = threading.Thread(target=sample, args=(pid, stop, seen, threads))
        t.start()
        start = time.monotonic()
        files = sorted(point.glob("*.safetensors"))
        results = [digests(f) for f in files]
        seconds = time.monotonic() - start
        stop.set()
        t.join()
        total = sum(f.stat().st_size for f in files)
    finally:
        run(lensfs, "umount", point)
    limit = budget + 64 * MIB + 2 * MIB * max(threads)
    print(f"{' '.join(options)} budget {budget // MIB} MiB: {total / 1e9:.1f} GB in {seconds:.1f} s, PSS {max(seen) / MIB:.0f} MiB of "
          f"{limit / MIB:.0f} ({len(seen)} samples, at most {max(threads)} threads)")
    if total < least or len(seen) < 20 or max(seen) > limit:
        return None, seconds
    return results, seconds


def converted(lensfs, options, source, out):
    run(lensfs, "convert", "--cache-size", "256MiB", *options, source, out)
    return [digests(f) for f in sorted(out.glob("*.safetensors"))]


def main():
    lensfs, maker = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="lensfs-memory-", dir="/dev/shm") as d:
        work = Path(d)
        run(maker, "--layers", 6, "--experts", 14, "--hidden", 4096, "--inter", 2048, "--vocab", 512, "--shards", 2, work / "src")
        seconds, results = {}, {}
        for budget in (64 * MIB, 1024 * MIB):
            results[budget], seconds[budget] = watched(lensfs, [], budget, work / "src", work / f"mnt{budget}", 4e9)
            if not results[budget]:
                return 1
        want = converted(lensfs, [], work / "src", work / "native")
        if want != results[64 * MIB] or want != results[1024 * MIB]:
            print("what was read is not what convert writes")
            return 1
        if seconds[64 * MIB] > 6 * seconds[1024 * MIB]:
            print("the small budget crawls")
            return 1
        for name, block in (("tensors", []), ("blocks", ["--block", "128"])):
            fp8 = ["--reverse", "--quantize", "fp8", *block]
            got, _ = watched(lensfs, fp8, 64 * MIB, work / "native", work / f"mnt-{name}", 2e9)
            if not got:
                return 1
            if got != converted(lensfs, fp8, work / "native", work / name):
                print("what was read, quantized, is not what convert writes")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
