#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of published size whose files are holes, and its view.

usage: published.py fill SOURCE			put random codes and scales where check will look
       published.py check SOURCE VIEW [--to-hf]	sizes, index, headers; bytes around 2^31 and 2^32
"""

import json
import math
import os
import random
import sys
from pathlib import Path

import model

EXPERTS = (0, 1, 63, 64, 127)  # 2^31 and 2^32 lie between 63 and 64, and behind 127
LAYERS = (0, 35)
MARKS = (1 << 30, 1 << 31, 3 << 30, 1 << 32)


def looked_at(key):
    return any(f"layers.{i}.mlp.experts." in key for i in LAYERS)


def fill(folder):
    rng = random.Random(5)
    no_nan = bytes(c ^ 1 if c & 0x7F == 0x7F else c for c in range(256))
    small = bytes(0x3A + (c & 3) for c in range(256))
    for key, t in model.source_of(folder).items():
        if not looked_at(key):
            continue
        with open(Path(folder) / t.file, "r+b") as f:
            if key.endswith("_scale_inv"):
                raw = bytearray(rng.randbytes(t.size))
                raw[1::2] = raw[1::2].translate(small)
                f.seek(t.offset)
                f.write(raw)
            elif len(t.shape) == 3:
                n = t.size // t.shape[0]
                for e in EXPERTS:
                    f.seek(t.offset + e * n)
                    f.write(rng.randbytes(n).translate(no_nan) if t.dtype == "F8_E4M3" else rng.randbytes(n))


def same(what, got, want):
    if got != want:
        at = next((i for i, (x, y) in enumerate(zip(got, want)) if x != y), min(len(got), len(want)))
        sys.exit(f"{what}: {len(got)} bytes, want {len(want)}; they differ from byte {at} on")


def check_layout(view, folder):
    files = model.files_of(view)
    want = {name: len(header) + sum(t.size for t in tensors) for name, (header, tensors) in files.items()}
    want["model.safetensors.index.json"] = len(model.index_of(view))
    got = {p.name: p.stat().st_size for p in folder.iterdir()}
    if {k: v for k, v in got.items() if "safetensors" in k} != want:
        sys.exit(f"files and sizes: {set(got.items()) ^ set(want.items())}")
    same("index", (folder / "model.safetensors.index.json").read_text(), model.index_of(view))
    for name, (header, _) in files.items():
        with open(folder / name, "rb") as f:
            same(f"{name}: header", f.read(len(header)), header)


def pieces(t):
    """Spans of a tensor about the marks, counted in the tensor, in the file and in the source."""
    rng = random.Random(t.key)
    middles = {0, t.size // 2, t.size}
    middles |= set(MARKS) | {m - t.offset for m in MARKS}
    width = model.SIZE[t.dtype] // model.SIZE[t.source.dtype]
    middles |= {(m - t.source.offset) * width for m in MARKS}
    for m in sorted(middles):
        for n in (1, 2, 4097, 300_001):
            at = m - rng.randrange(n + 1)
            if 0 <= at and at + n <= t.size:
                yield at, n


def check_bytes(view, source, folder):
    values, looked = model.Values(source), 0
    for t in view:
        if not looked_at(t.key) or len(t.shape) != 3:
            continue
        fd = os.open(folder / t.file, os.O_RDONLY)
        for at, n in pieces(t):
            want = values.span(t, at, n)
            same(f"{t.key}: {n} bytes at {at}", os.pread(fd, n, t.offset + at), want)
            looked += any(want)
        os.close(fd)
        check_inspection(t, values, folder)
    if looked < 40:
        sys.exit(f"only {looked} of the spans hold anything")


def widened(bf16):
    """To F32; what is computed has one NaN."""
    nan = int.from_bytes(bf16, "little") & 0x7FFF > 0x7F80
    return b"\0\0\xc0\x7f" if nan else b"\0\0" + bf16


def check_inspection(t, values, folder):
    """The same through .lens, where data.npy is twice as large."""
    here = folder / ".lens/tensors" / t.key.replace(".", "/")
    at, n = t.size // 2 - 4095, 8190
    want = values.span(t, at - 1, n + 1)
    with open(here / "raw", "rb") as f:
        f.seek(at)
        same(f"{t.key}: raw", f.read(n), want[1:])
    if os.stat(here / "raw").st_size != t.size:
        sys.exit(f"{t.key}: raw has not {t.size} bytes")
    with open(here / "data.npy", "rb") as f:
        f.seek(8)
        header = 10 + int.from_bytes(f.read(2), "little")
        f.seek(header + 2 * (at - 1))
        wide = b"".join(widened(want[i : i + 2]) for i in range(0, n, 2))
        same(f"{t.key}: data.npy", f.read(len(wide)), wide)
    if os.stat(here / "data.npy").st_size != header + 2 * t.size:
        sys.exit(f"{t.key}: data.npy has another size")


def main():
    if sys.argv[1] == "fill":
        fill(sys.argv[2])
        return
    source, folder = Path(sys.argv[2]), Path(sys.argv[3])
    view = model.view_of(model.source_of(source), "--to-hf" in sys.argv)
    largest = max(t.size for t in view)
    if largest != 1 << 32 or math.prod(max(view, key=lambda t: t.size).shape) != 1 << 31:
        sys.exit(f"the largest tensor has {largest} bytes: this is not the published size")
    check_layout(view, folder)
    check_bytes(view, source, folder)
    config = json.loads((folder / "config.json").read_text())
    if "quantization_config" in config:
        sys.exit("config.json still claims quantized weights")


if __name__ == "__main__":
    main()
