#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of a terabyte: 100,000 tensors in 200 shards, whose files are holes.

usage: scale.py make SOURCE		write it
       scale.py check SOURCE VIEW	each key where the index says; a few that hold something
"""

import json
import os
import sys
from pathlib import Path

SHARDS, EACH, ROWS, COLS = 200, 500, 2048, 2560
SIZE = 2 * ROWS * COLS


def key(shard, i):
    return f"model.layers.{shard}.mlp.experts.{i}.down_proj.weight"


def mark(shard, i):
    """What the last bytes of a tensor are, in one tensor of a hundred; others are zero."""
    return f"<{shard}/{i}>".encode().rjust(16) if i % 100 == 7 else bytes(16)


def make(folder):
    folder.mkdir()
    where = {}
    for s in range(SHARDS):
        name = f"model-{s + 1:05d}-of-{SHARDS:05d}.safetensors"
        header = {key(s, i): {"dtype": "BF16", "shape": [ROWS, COLS], "data_offsets": [i * SIZE, (i + 1) * SIZE]}
                  for i in range(EACH)}
        text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / name, "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text)
            f.truncate(8 + len(text) + EACH * SIZE)
            for i in range(7, EACH, 100):
                f.seek(8 + len(text) + (i + 1) * SIZE - 16)
                f.write(mark(s, i))
        where |= dict.fromkeys(header, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (folder / "config.json").write_text('{"model_type": "none"}\n')


def check(view):
    index = json.loads((view / "model.safetensors.index.json").read_text())
    if index["metadata"]["total_size"] != SHARDS * EACH * SIZE or len(index["weight_map"]) != SHARDS * EACH:
        sys.exit("the index has another size, or another number of keys")
    seen = 0
    for name in sorted(set(index["weight_map"].values())):
        with open(view / name, "rb") as f:
            n = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(n))
            del header["__metadata__"]
            if {index["weight_map"][k] for k in header} != {name}:
                sys.exit(f"{name}: the index places its keys elsewhere")
            if os.fstat(f.fileno()).st_size != 8 + n + len(header) * SIZE:
                sys.exit(f"{name}: another size")
            seen += len(header)
            for k, t in header.items():
                parts = k.split(".")
                shard, i = int(parts[2]), int(parts[5])
                if i % 100 in (7, 8) and i < 100:
                    f.seek(8 + n + t["data_offsets"][1] - 16)
                    if f.read(16) != mark(shard, i):
                        sys.exit(f"{k}: other bytes")
    if seen != SHARDS * EACH:
        sys.exit(f"{seen} tensors")


if __name__ == "__main__":
    make(Path(sys.argv[2])) if sys.argv[1] == "make" else check(Path(sys.argv[3]))
