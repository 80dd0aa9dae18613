#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill readers that wait for a scale which takes long to make.

usage: killed.py make SOURCE | kill MNT SERVER | leave MNT SERVER

make: a tree with a weight of two terabytes, all holes.  kill: in every way to read and to kill, one of several readers and then all.
leave: they are killed, and nothing is looked at; what
the kernel reads ahead goes on, for nobody, until the mount ends.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

LAYER = "model.layers.{}.self_attn.o_proj.weight"
LARGE = 1 << 20
READER = """
import mmap, os, sys
how, path = sys.argv[1:]
fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if how == "direct" else 0))
end = os.fstat(fd).st_size
print("ready", flush=True)
if how == "mmap":
    got = mmap.mmap(fd, 0, prot=mmap.PROT_READ)[end - 1]
else:
    got = os.pread(fd, 1, end - 1)
"""


def make(source: Path) -> None:
    source.mkdir()
    tensors = [(LAYER.format(0), "BF16", [LARGE, LARGE]), (LAYER.format(1), "BF16", [2, 3]), ("model.norm.weight", "BF16", [5])]
    header, at = {}, 0
    for key, dtype, shape in tensors:
        size = 2
        for n in shape:
            size *= n
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(source / "model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
        f.seek(8 + len(text) + 2 * LARGE * LARGE)
        f.write(b"\x80\x3f" * 11)  # ones
    (source / "config.json").write_text('{"model_type": "mistral4", "n_routed_experts": 2}')


def files(mnt: Path) -> dict:
    """The file of each tensor."""
    lines = [line.split("\t") for line in (mnt / ".lens/plan").read_text().splitlines()]
    return {line[0].removeprefix("language_model."): mnt / line[3] for line in lines}


def busy(server: int) -> float:
    """Seconds that the server has worked."""
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def soon(what: str, fn, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not fn():
        if time.monotonic() > end:
            sys.exit(f"not in {seconds} s: {what}")
        time.sleep(0.02)


def start(how: str, paths: list, server: int) -> list:
    """Readers that wait: a scale is being made."""
    before = busy(server)
    readers = [subprocess.Popen([sys.executable, "-c", READER, how, p], stdout=subprocess.PIPE, text=True) for p in paths]
    for r in readers:
        assert r.stdout.readline() == "ready\n"
    soon("the server works", lambda: busy(server) > before + 0.1)
    time.sleep(0.1)
    for r in readers:
        if r.poll() is not None:
            sys.exit(f"{how}: a reader ended with {r.poll()}, and did not wait")
    return readers


def end(readers: list, sig: int) -> None:
    for r in readers:
        r.send_signal(sig)
    for r in readers:
        soon(f"a reader ends by signal {sig}", lambda: r.poll() is not None)
        if r.poll() != -sig:
            sys.exit(f"a reader ended with {r.poll()}, not by signal {sig}")


def served(where: dict, mnt: Path) -> None:
    """What needs no scale is read while one is made."""
    data = subprocess.run(["cat", where["model.norm.weight"], mnt / ".lens/stats"], capture_output=True, timeout=10, check=True).stdout
    if b"\x80\x3f" * 5 not in data or b"lensfs_scales_made_total" not in data:
        sys.exit("the norm, or the stats, are not as they should be")


def idle(server: int) -> bool:
    before = busy(server)
    time.sleep(0.3)
    return busy(server) - before < 0.05


def rest(how: str, server: int) -> None:
    """Nobody waits, and no scale is made.  What the kernel reads ahead for its cache is nobody's, and can't be called off."""
    if how == "direct":
        soon("the server rests", lambda: idle(server))


def kill(mnt: Path, server: int) -> None:
    where = files(mnt)
    codes, scale = where[LAYER.format(0)], where[LAYER.format(0) + "_scale_inv"]
    for how in ("direct", "buffered", "mmap"):
        for sig in (signal.SIGKILL, signal.SIGTERM):
            end(start(how, [scale], server), sig)
            served(where, mnt)
            rest(how, server)
            readers = start(how, [scale, codes, scale, codes, codes], server)
            end(readers[:1], sig)
            end(readers[3:4], sig)
            served(where, mnt)
            left = [r for r in readers if r.poll() is None]
            if len(left) != 3 or idle(server):
                sys.exit(f"{how}: {len(left)} readers wait after two of five are gone, and the server {busy(server)}")
            end(left, sig)
            rest(how, server)
        if how == "direct":
            small = where[LAYER.format(1) + "_scale_inv"].read_bytes()[-4:]
            if small != struct.pack("<f", 1 / 448):
                sys.exit(f"the small tensor's scale is {small.hex()}")


def leave(mnt: Path, server: int) -> None:
    where = files(mnt)
    codes, scale = where[LAYER.format(0)], where[LAYER.format(0) + "_scale_inv"]
    for how in ("direct", "buffered"):
        end(start(how, [scale, codes, codes], server), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        {"kill": kill, "leave": leave}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
