#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quantizing on export, `--quantize fp8 --scales amax`, against the same arithmetic in torch, bit for bit.

usage: test_amax.py [--seed N] [--only N]

A scale is amax / 448 in f32, of a tensor, an expert or a block of 128x128, and 1 where that is 0; a code is w / scale in f32,
clamped to +-448 and rounded to nearest even.  Also what a weight that is not finite does, and what is read of the source.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from oracle import Failed, Mount, Tap, lensfs, need_libraries, need_mounts, run

need_libraries()
need_mounts()

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from compare import same_folder, same_tensors  # noqa: E402
from natives import BF16, F16, F32, FP8, NativeMaker, Tree, quantized_config, to_hf  # noqa: E402
from reference import natural, save  # noqa: E402

COUNT, BLOCK = 18, 128
AMAX = ["--reverse", "--quantize", "fp8"]
SOURCE_BYTES = "lensfs_source_bytes_total"


# The arithmetic -----------------------------------------------------------------------------------------------------


def over_blocks(values: torch.Tensor, rows: int, cols: int) -> torch.Tensor:
    """A value for each block, spread over its elements."""
    return values.repeat_interleave(BLOCK, -2).repeat_interleave(BLOCK, -1)[..., :rows, :cols]


def amax_of(w: torch.Tensor, block: bool) -> torch.Tensor:
    if block and w.dim() in (2, 3):
        rows, cols = w.shape[-2:]
        down, across = -(-rows // BLOCK), -(-cols // BLOCK)
        full = torch.zeros(*w.shape[:-2], down * BLOCK, across * BLOCK)
        full[..., :rows, :cols] = w.abs()
        return full.unflatten(-1, (across, BLOCK)).unflatten(-3, (down, BLOCK)).amax((-3, -1))
    return w.abs().amax((1, 2), keepdim=True) if w.dim() == 3 else w.abs().amax()


def quantize(w: torch.Tensor, block: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes and scales."""
    scale = amax_of(w.float(), block) / 448
    scale = torch.where(scale == 0, 1.0, scale)
    spread = over_blocks(scale, *w.shape[-2:]) if block and w.dim() in (2, 3) else scale
    return (w.float() / spread).clamp(-448, 448).to(FP8), scale


def expected(native: dict, tree: Tree, block: bool) -> dict[str, torch.Tensor]:
    """What is quantized says the adapter."""
    plain, skeleton = to_hf(native, tree), to_hf(native, tree, quantization=True)
    out = {}
    for key, tensor in plain.items():
        if key + "_scale_inv" in skeleton:
            out[key], out[key + "_scale_inv"] = quantize(tensor, block)
        elif key in skeleton:
            out[key] = tensor
    return out


def within_half_a_step(made: dict, plain: dict) -> str:
    """|code * scale - w| is at most half a step of E4M3 times the scale, at every element.

    Products are exact in f64; w / scale was rounded to f32 before it was to E4M3, which may cost 2**-24 of it.  A scale that
    is subnormal has lost digits of amax / 448 itself, and promises less.
    """
    worst = count = 0
    for key, w in plain.items():
        scale = made.get(key + "_scale_inv")
        if scale is None or not w.numel():
            continue
        if scale.shape[-2:] != (1, 1) and scale.dim() >= 2:
            scale = over_blocks(scale, *w.shape[-2:])
        scale, w = scale.double().expand(w.shape), w.double()
        x = (w / scale).abs()
        step = torch.exp2(x.clamp(min=2.0**-6).log2().floor() - 3)
        off = (made[key].double() - w / scale).abs()
        told = scale >= 2.0**-126
        if (off > step / 2 + x * 2.0**-24)[told].any():
            raise Failed(f"{key}: off by {float((off / step)[told].max())} steps")
        worst, count = max(worst, float((off / step)[told].max()) if told.any() else 0), count + int(told.sum())
    return f"{count} elements, {worst:.6f} steps at most"


def small(work: Path, tree: Tree, block: bool, shard_size: int | None) -> str:
    for name in ("src", "want", "out"):
        shutil.rmtree(work / name, ignore_errors=True)
    maker = NativeMaker(tree)
    native = maker.make()
    maker.write(work / "src")
    made = expected(native, tree, block)
    told = within_half_a_step(made, to_hf(native, tree))
    options = AMAX + (["--block", "128"] if block else []) + (["--shard-size", str(shard_size)] if shard_size else [])
    (work / "want").mkdir()
    save({k: made[k].clone().contiguous() for k in sorted(made, key=natural)}, work / "want", max_shard_size=shard_size or "5GB")
    config = quantized_config(maker.config(), tree, "dynamic", BLOCK if block else None)
    (work / "want/config.json").write_text(json.dumps(config))
    run(lensfs(), "convert", "--quiet", *options, work / "src", work / "out")
    same_folder(work / "out", work / "want")
    with Mount(work / "src", options, work) as mnt:
        same_tensors(mnt, made)
        same_folder(mnt, work / "want")
    return told


# What is not finite -------------------------------------------------------------------------------------------------


class File:
    """One file of a view, its tensors read exactly: without the page cache, which would read on."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        size = int.from_bytes(os.pread(self.fd, 8, 0), "little")
        self.header = json.loads(os.pread(self.fd, size, 8))
        self.start = 8 + size

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_) -> None:
        os.close(self.fd)

    def read(self, key: str, begin: int = 0, n: int | None = None) -> bytes:
        low, high = self.header[key]["data_offsets"]
        n = high - low - begin if n is None else n
        out = bytearray()
        while len(out) < n:
            out += os.pread(self.fd, n - len(out), self.start + low + begin + len(out))
        return bytes(out)

    def fails(self, key: str, *where: int) -> None:
        try:
            self.read(key, *where)
        except OSError as e:
            if e.errno != errno.EIO:
                raise Failed(f"{key}: {e}, not EIO") from None
        else:
            raise Failed(f"{key}: was read")


LINEAR, EXPERTS = "model.layers.2.self_attn.o_proj.weight", "model.layers.2.mlp.experts.down_projs"
BAD = [(LINEAR, "nan"), (LINEAR, "inf"), (EXPERTS, "nan"), (EXPERTS, "-inf")]


def not_finite(work: Path, key: str, value: str, dtype: torch.dtype, block: bool) -> str:
    for name in ("src", "out"):
        shutil.rmtree(work / name, ignore_errors=True)
    tree = Tree(seed=77, values="numbers", dtypes=(dtype,), odd_keys=False)
    maker = NativeMaker(tree)
    native = maker.make()
    rng = random.Random(f"{key}{value}{dtype}")
    at = tuple(rng.randrange(n) for n in native[key].shape)
    made = expected(native, tree, block)
    native[key][at] = float(value)
    maker.write(work / "src")
    hf = "language_model." + key.replace("down_projs", "down_proj")
    options = AMAX + (["--block", "128"] if block else [])
    r = subprocess.run([lensfs(), "convert", *options, work / "src", work / "out"], capture_output=True, text=True)
    if r.returncode != 1 or hf not in r.stderr:
        raise Failed(f"exit {r.returncode}, not 1, or no '{hf}' in: {r.stderr.strip()[-400:]}")
    if (work / "out").exists():
        raise Failed(f"it left {sorted(p.name for p in (work / 'out').iterdir())}")
    with Mount(work / "src", options, work) as mnt, File(mnt / "model.safetensors") as f:
        for again in range(2):
            f.fails(hf)
            f.fails(hf + "_scale_inv")
            if key == EXPERTS:  # that one's, whichever part is read
                size = math.prod(native[key].shape[1:])
                f.fails(hf, at[0] * size, 1)
                f.fails(hf, at[0] * size + size - 1, 1)
            others = [k for k in made if k not in (hf, hf + "_scale_inv")]
            for k in others:
                if f.read(k) != made[k].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes():
                    raise Failed(f"{k} is not as it should be")
    return f"{at}; {len(others)} others read"


# What is read of the source ------------------------------------------------------------------------------------------


def counter(mnt: Path, name: str = SOURCE_BYTES) -> int:
    for line in (mnt / ".lens/stats").read_text().splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise Failed(f".lens/stats has no {name}")


def one_expert(work: Path, dtype: torch.dtype, block: bool) -> str:
    """Its codes cost its source twice at most, and once when its scale is there; no other tensor is touched."""
    shutil.rmtree(work / "src", ignore_errors=True)
    (work / "src").mkdir()
    e, inter, hidden = 5, 389, 1021
    key = "model.layers.0.mlp.experts.down_projs"
    gen = torch.Generator().manual_seed(5)
    tensors = {key: torch.randn(e, inter, hidden, generator=gen).to(dtype),
               "model.layers.0.mlp.experts.gate_and_up_projs": torch.randn(e, hidden, 2 * inter, generator=gen).to(dtype),
               "model.layers.0.self_attn.o_proj.weight": torch.randn(hidden, 999, generator=gen).to(dtype)}
    save_file(tensors, work / "src/model.safetensors")
    (work / "src/config.json").write_text(json.dumps({"model_type": "mistral4", "n_routed_experts": e}))
    hf = "language_model.model.layers.0.mlp.experts.down_proj"
    want, _ = quantize(tensors[key].transpose(1, 2).contiguous(), block)
    size, told = inter * hidden, []
    source = size * want.element_size() * tensors[key].element_size()
    with Mount(work / "src", AMAX + (["--block", "128"] if block else []), work) as mnt:
        with File(mnt / "model.safetensors") as f:
            for i in (3, 0, 3):
                before = counter(mnt)
                if f.read(hf, i * size, size) != want[i].view(torch.uint8).numpy().tobytes():
                    raise Failed(f"expert {i}: wrong codes")
                told.append((counter(mnt) - before) / source)
    if not 1 <= min(told[:2]) <= max(told[:2]) <= 2 or told[2] > 1:
        raise Failed(f"experts 3, 0, 3 again cost their source {told} times")
    return ", ".join(f"{x:.3f}" for x in told) + " times its source"


def sequential(work: Path, dtype: torch.dtype, block: bool) -> str:
    """All files from end to end cost the source 2.05 times at most."""
    shutil.rmtree(work / "src", ignore_errors=True)
    (work / "src").mkdir()
    e, inter, hidden = 6, 517, 1283
    gen = torch.Generator().manual_seed(6)
    tensors = {}
    for i in range(4):
        p = f"model.layers.{i}."
        for name, shape in (("mlp.experts.down_projs", (e, inter, hidden)), ("mlp.experts.gate_and_up_projs", (e, hidden, 2 * inter)),
                            ("self_attn.o_proj.weight", (hidden, 999)), ("input_layernorm.weight", (hidden,))):
            tensors[p + name] = torch.randn(shape, generator=gen).to(dtype)
    save(tensors, work / "src", max_shard_size=60_000_000)
    (work / "src/config.json").write_text(json.dumps({"model_type": "mistral4", "n_routed_experts": e}))
    total = sum(t.nbytes for t in tensors.values())
    options = AMAX + ["--cache-size", "64MiB", "--shard-size", "20MB"] + (["--block", "128"] if block else [])
    with Mount(work / "src", options, work) as mnt:
        before = counter(mnt)
        for path in sorted(mnt.glob("*.safetensors")):
            with open(path, "rb", buffering=0) as f:
                while f.read(1 << 20):
                    pass
        cost = (counter(mnt) - before) / total
        if not 1.9 < cost <= 2.05:
            raise Failed(f"{cost:.3f} times the source's {total} bytes")
    return f"{cost:.3f} times {total / 1e6:.0f} MB"


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int)
    a = p.parse_args()
    torch.set_num_threads(2)
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        work = Path(folder)
        for i in range(COUNT):
            if a.only not in (None, i):
                continue
            tree = Tree(seed=a.seed * 1000 + 500 + i, multimodal=i % 3 > 0, names=("documented", "documented", "automodel")[i % 3],
                        values="numbers", shard_size=(None, 100_000)[i // 3 % 2],
                        dtypes=((BF16,), (F16,), (F32,), (BF16, F16, F32))[i % 4])
            block, size = i // 2 % 2 == 1, (None, 30_000, 250_000)[i // 5 % 3]
            tap.check(tree.title() + (", blocks" if block else ""), small, work, tree, block, size)
        if a.only is not None:
            return tap.end()
        for i, (key, value) in enumerate(BAD):
            for block in (False, True):
                dtype = (BF16, F16, F32)[(i + block) % 3]
                tap.check(f"{value} in {key}, {dtype}{', blocks' if block else ''}", not_finite, work, key, value, dtype, block)
        for dtype, block in ((BF16, False), (F32, True)):
            tap.check(f"one expert, {dtype}{', blocks' if block else ''}", one_expert, work, dtype, block)
            tap.check(f"from end to end, {dtype}{', blocks' if block else ''}", sequential, work, dtype, block)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
