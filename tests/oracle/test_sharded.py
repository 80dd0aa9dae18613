#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sharded saves that real writers made on four ranks: put together bit for bit, and refused when a shard is gone.

usage: test_sharded.py [--seed N]

By torch.distributed.checkpoint's HuggingFaceStorageWriter and by AutoModel's; keys as published (recipe identity), and native.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from oracle import Failed, Mount, Tap, lensfs, need_libraries, need_mounts, run

need_libraries()
need_mounts()

import torch  # noqa: E402

import reading  # noqa: E402
from compare import same_files, same_folder, same_tensors  # noqa: E402
from natives import NativeMaker, Tree, to_hf  # noqa: E402
from reference import natural, save  # noqa: E402
from shards import RANKS, WRITERS, Job, boxes, placements, save_sharded  # noqa: E402

IDENTITY = ["--reverse", "--recipe", "identity"]


def consolidated(folder: Path, tensors: dict[str, torch.Tensor], config: dict, limit: int | None = None) -> None:
    folder.mkdir()
    ordered = {k: tensors[k].clone().contiguous() for k in sorted(tensors, key=natural)}
    save(ordered, folder, max_shard_size=limit or "5GB")
    (folder / "config.json").write_text(json.dumps(config))


def odd_sizes(rng: random.Random) -> tuple[dict[str, torch.Tensor], dict[str, str | int]]:
    """Every placement, with sizes that four ranks can't share evenly, one row and no row for some, and 0-d tensors."""
    gen = torch.Generator().manual_seed(rng.randrange(1 << 30))
    tensors, how = {}, {}

    def add(key: str, dtype: torch.dtype, placement: str | int, *shape: int) -> None:
        size = torch.empty((), dtype=dtype).element_size()
        raw = torch.randint(0, 256, (math.prod(shape), size), generator=gen, dtype=torch.uint8)
        tensors[key] = raw.view(dtype).reshape(shape)
        how[key] = placement

    odd = lambda: rng.randrange(9, 90) | 1
    for i, dtype in enumerate((torch.bfloat16, torch.float32, torch.float16, torch.int64, torch.uint8)):
        p = f"model.layers.{i}."
        add(p + "rows.weight", dtype, "rows", odd(), odd())
        add(p + "cols.weight", dtype, "cols", odd(), odd())
        add(p + "grid.weight", dtype, "grid", odd(), odd())
        add(p + "experts", dtype, "rows", 5, odd(), odd())
        add(p + "experts_wide", dtype, "cols", 3, odd(), odd())
        add(p + "bias", dtype, "rows", odd())
        add(p + "few", dtype, "rows", 2, 3)
        add(p + "one", dtype, "rows", 1)
        add(p + "same", dtype, "same", 7, 3)
        add(p + "scalar", dtype, "plain")
        add(p + "scalar_same", dtype, "same")
        add(p + "plain", dtype, "plain", 3, 1, 5)
        add(p + "only", dtype, i % RANKS, 3, 5)
    return tensors, how


def published(work: Path, tensors: dict[str, torch.Tensor], rng: random.Random) -> str:
    config = {"model_type": "any", "hidden_size": 3}
    (work / "save/config.json").write_text(json.dumps(config))
    for limit in (None, 40_000):
        for name in ("want", "out"):
            shutil.rmtree(work / name, ignore_errors=True)
        consolidated(work / "want", tensors, config, limit)
        options = IDENTITY + (["--shard-size", str(limit)] if limit else [])
        run(lensfs(), "convert", "--quiet", *options, work / "save", work / "out")
        same_folder(work / "out", work / "want")
        with Mount(work / "save", options, work) as mnt:
            same_folder(mnt, work / "want")
            same_tensors(mnt, tensors)
            with reading.Pairs(mnt, work / "want") as pairs:
                reading.pread(pairs, rng, 200)
                reading.mapped(pairs, rng, 50)
    return f"{len(tensors)} tensors in {len(list((work / 'save').glob('*.safetensors')))} shards"


def lost(work: Path, rank: int) -> str:
    """One shard gone: the part that is named is one of those it held."""
    shutil.rmtree(work / "less", ignore_errors=True)
    shutil.copytree(work / "save", work / "less")
    shard = sorted((work / "less").glob("*.safetensors"))[rank]
    held = boxes(shard)
    shard.unlink()
    (work / "mnt").mkdir(exist_ok=True)
    told = set()
    for verb, out in (("convert", work / "none"), ("mount", work / "mnt")):
        r = subprocess.run([str(x) for x in (lensfs(), verb, *IDENTITY, work / "less", out)], capture_output=True, text=True)
        if r.returncode != 1 or (work / "none").exists():
            raise Failed(f"{verb}: exit {r.returncode}, not 1, or something is left: {r.stderr}")
        m = re.search(r"tensor '(\S+)': its part \[([0-9:, ]*)\] is in no shard", r.stderr)
        if not m:
            raise Failed(f"{verb} names no tensor and part: {r.stderr.strip()}")
        told.add(m[0])
        part = [tuple(int(x) for x in p.split(":")) for p in m[2].split(", ")]
        box = held.get(m[1])
        if not box or len(box) != len(part) or any(not a <= c < d <= b for (a, b), (c, d) in zip(box, part)):
            raise Failed(f"{m[0]}: what was lost of it is {box}")
    if len(told) != 1:
        raise Failed(f"convert and mount differ: {told}")
    return told.pop()


def native(work: Path, maker: NativeMaker) -> str:
    """A native save is the whole tree, quantized or not."""
    tree, tensors = maker.tree, maker.tensors
    (work / "save/config.json").write_text(json.dumps(maker.config(), indent=2))
    consolidated(work / "want", to_hf(tensors, tree), maker.config())
    with Mount(work / "save", ["--reverse"], work) as mnt:
        same_folder(mnt, work / "want")
    maker.write(work / "whole")
    block = ["--block", "128"] if tree.seed % 2 else []
    fp8 = ["--reverse", "--quantize", "fp8", *block]
    run(lensfs(), "convert", "--quiet", *fp8, work / "whole", work / "out")
    with Mount(work / "save", fp8, work) as mnt:
        same_files(mnt, work / "out")
    return f"{len(tensors)} tensors"


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(2)
    tap, jobs, checks = Tap(), [], []
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        for i, writer in enumerate(WRITERS):
            work, rng = Path(folder, f"{writer}"), random.Random(a.seed * 10 + i)
            tensors, how = odd_sizes(rng)
            jobs.append(Job(work / "save", writer, tensors, how))
            checks.append((f"a save by {writer}'s writer", published, work, tensors, rng))
            checks += [(f"without the shard of rank {rank}", lost, work, rank) for rank in range(RANKS)]
            for j in range(2):
                tree = Tree(seed=a.seed * 1000 + 300 + 2 * i + j, multimodal=j == 1, names=("documented", "automodel")[i * j],
                            values="numbers", odd_keys=j == 0)
                work, maker = Path(folder, f"{writer}-{j}"), NativeMaker(tree)
                jobs.append(Job(work / "save", writer, maker.make(), placements(maker.tensors, maker.rng)))
                checks.append((f"a native save by {writer}'s writer, {tree.title()}", native, work, maker))
        tap.check("the saves", save_sharded, jobs)
        for check in checks if not tap.bad else []:
            tap.check(*check)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
