#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reverse views of random native trees against to_hf of nemo-automodel 0.7.0's Mistral 4 adapters, bit for bit.

usage: test_to_hf.py [--seed N] [--only N]

Both classes, both names of the multimodal one, exclude_key_regex, quantization (--scales unit) on and off.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from oracle import Mount, Tap, lensfs, need_libraries, need_mounts, run

need_libraries()
need_mounts()

import torch  # noqa: E402

from compare import same_folder, same_tensors  # noqa: E402
from natives import FP8, NativeMaker, Tree, quantized_config, to_hf  # noqa: E402
from reference import natural, save  # noqa: E402

COUNT = 24
EXCLUDE = [None, r".*e_score_correction_bias", r"language_model\.model\.layers\.2\.", r".*\.(q_a_proj|down_proj)(\.weight)?$",
           r"(?!language_model)", r".*mlp\.experts\.(?P<x>gate)_up_pro(?=j$)"]


def one_nan(tensor: torch.Tensor) -> torch.Tensor:
    """The adapter computed this tensor: its NaN has the one spelling that a view has."""
    raw = tensor.view(torch.uint8)
    return torch.where(raw & 0x7F == 0x7F, torch.tensor(0x7F, dtype=torch.uint8), raw).view(FP8)


def small(work: Path, tree: Tree, quantize: bool, exclude: str | None, shard_size: int | None) -> str:
    for name in ("src", "want", "out"):
        shutil.rmtree(work / name, ignore_errors=True)
    maker = NativeMaker(tree)
    native = maker.make()
    maker.write(work / "src")
    made = to_hf(native, tree, exclude_key_regex=exclude, quantization=quantize)
    options = ["--reverse"] + (["--shard-size", str(shard_size)] if shard_size else [])
    options += ["--exclude", exclude] if exclude else []
    config = maker.config()
    if quantize:
        options += ["--quantize", "fp8", "--scales", "unit"]
        config = quantized_config(config, tree, "static")
        plain = to_hf(native, tree)  # FP8 that stays is only moved
        made = {k: one_nan(v) if v.dtype == FP8 != plain[k].dtype else v for k, v in made.items()}
    (work / "want").mkdir()
    save({k: made[k].clone().contiguous() for k in sorted(made, key=natural)}, work / "want", max_shard_size=shard_size or "5GB")
    (work / "want/config.json").write_text(json.dumps(config))
    run(lensfs(), "convert", "--quiet", *options, work / "src", work / "out")
    same_folder(work / "out", work / "want")
    with Mount(work / "src", options, work) as mnt:
        same_folder(mnt, work / "want")
        same_tensors(mnt, made)
    return f"{len(native)} tensors, {len(made)} made"


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int)
    a = p.parse_args()
    torch.set_num_threads(2)
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        for i in range(COUNT):
            if a.only not in (None, i):
                continue
            tree = Tree(seed=a.seed * 1000 + i, multimodal=i % 3 > 0, names=("documented", "documented", "automodel")[i % 3],
                        values=("bits", "numbers")[i // 2 % 2], shard_size=(None, 50_000, 400_000)[i // 3 % 3])
            if tree.values == "bits":
                tree.dtypes += (FP8,)
            quantize, exclude = i % 2 == 1, EXCLUDE[i // 2 % len(EXCLUDE)]
            size = (None, 30_000, 250_000)[i // 5 % 3]
            name = f"{tree.title()}{', quantized' if quantize else ''}{', without ' + exclude if exclude else ''}"
            tap.check(name, small, Path(folder), tree, quantize, exclude, size)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
