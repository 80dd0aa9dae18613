#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Views of random Mistral 4 checkpoints against the state-dict adapters of nemo-automodel 0.7.0, bit for bit.

usage: test_mistral4.py [--long] [--seed N] [--only N]

--long: a view of 1 GB, and ten times as many reads.  --only: that one of the small checkpoints.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from oracle import Mount, Tap, lensfs, need_libraries, need_mounts, run

need_libraries()
need_mounts()

import torch  # noqa: E402

import reading  # noqa: E402
from compare import same_folder, same_tensors  # noqa: E402
from checkpoints import Maker, Spec, view_of, write_source, write_want  # noqa: E402

SMALL = 24


def specs(first: int) -> list[Spec]:
    """Every grain with every output dtype, in both classes; the rest in turn."""
    out = []
    for i in range(SMALL):
        multimodal = i % 2 == 1
        out.append(Spec(
            seed=first * 1000 + i, multimodal=multimodal,
            grain=("tensor", "expert", "block", "none", "mixed")[i % 5], out=("bf16", "f16", "f32")[i // 2 % 3],
            said_by=("dtype", "option", "torch_dtype", "nested")[i // 3 % 4],
            names=("documented", "automodel")[i // 4 % 2], prefix=("language_model.", "")[i // 2 % 2],
            shards=(1, 3, 7)[i % 3], shard_size=(None, None, 30_000, 200_000)[i % 4]))
    return out


def options(spec: Spec) -> list[str]:
    said = ["--dtype", spec.out] if spec.said_by == "option" else []
    names = ["--set", "names=automodel"] if spec.multimodal and spec.names == "automodel" else []
    size = ["--shard-size", str(spec.shard_size)] if spec.shard_size else []
    return said + names + size + spec.options


def prepare(work: Path, spec: Spec) -> tuple[Path, Path, dict[str, torch.Tensor]]:
    for name in ("src", "want"):
        shutil.rmtree(work / name, ignore_errors=True)
    maker = Maker(spec)
    tensors = maker.make()
    write_source(work / "src", tensors, maker.config(), spec)
    made = view_of(tensors, spec, maker.experts)
    write_want(work / "want", made, work / "src", spec)
    return work / "src", work / "want", made


def small(work: Path, spec: Spec) -> str:
    src, want, made = prepare(work, spec)
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    run(lensfs(), "convert", "--quiet", *options(spec), src, out)
    same_folder(out, want)
    rng = random.Random(spec.seed)
    with Mount(src, options(spec), work) as mnt:
        same_folder(mnt, want)
        same_tensors(mnt, made)
        with reading.Pairs(mnt, want) as pairs:
            reading.pread(pairs, rng, 100)
            reading.mapped(pairs, rng, 20)
    return f"{len(made)} tensors"


def large(tap: Tap, work: Path, spec: Spec, reads: int) -> None:
    """One view, read in every way."""
    src, want, made = prepare(work, spec)
    rng = random.Random(spec.seed)
    size = sum(p.stat().st_size for p in want.iterdir())
    rate = lambda n: f"{n / 1e6:.0f} MB"
    # A small cache, so that panels are made, dropped and made again.
    with Mount(src, ["--cache-size", "64MiB", *options(spec)], work) as mnt:
        tap.check(f"{spec.title()}, {size / 1e6:.0f} MB: its files are the writer's", same_folder, mnt, want)
        tap.check("safe_open", same_tensors, mnt, made)
        with reading.Pairs(mnt, want) as pairs:
            tap.check(f"{reads} reads by pread", lambda: rate(reading.pread(pairs, rng, reads)))
            tap.check(f"{reads // 20} reads of maps", lambda: rate(reading.mapped(pairs, rng, reads // 20)))
        with reading.Pairs(mnt, want, flags=reading.os.O_DIRECT) as pairs:
            tap.check(f"{reads // 10} reads by O_DIRECT", lambda: rate(reading.direct(pairs, rng, reads // 10)))
        tap.check(f"8 threads, {reads // 4} reads", lambda: rate(reading.together(mnt, want, spec.seed, reads // 4)))


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--long", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int)
    a = p.parse_args()
    torch.set_num_threads(2)
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        work = Path(folder)
        for i, spec in enumerate(specs(a.seed)):
            if a.only in (None, i):
                tap.check(spec.title(), small, work, spec)
        if a.only is None:
            large(tap, work, Spec(seed=a.seed, grain="expert", shards=3, mebibytes=80, shard_size=30_000_000), 20_000)
        if a.long:
            big = Spec(seed=a.seed + 1, multimodal=True, grain="expert", shards=4, mebibytes=1000, shard_size=400_000_000)
            large(tap, work, big, 200_000)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
