#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--to hf of random tensors against the libraries that own the formats, bit for bit: compressed-tensors 0.20 for its own,
for FP8 blocks and for AWQ; transformers for gpt-oss' MXFP4, for FP4 in I8 and for scales that are exponents.

usage: test_dequant.py [--seed N] [--rounds N]

No code or scale is one for which the libraries' own NaNs differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from oracle import Mount, Tap, lensfs, need_libraries, need_mounts, run, skip

need_libraries()
need_mounts()
if any(importlib.util.find_spec(name) is None for name in ("compressed_tensors", "transformers")):
    skip("no compressed_tensors or no transformers (tests/run --oracle installs them)")

import torch  # noqa: E402
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32  # noqa: E402
from compressed_tensors.entrypoints.convert import (  # noqa: E402
    AutoAWQConverter,
    CompressedTensorsDequantizer,
    FP8BlockDequantizer,
)
from compressed_tensors.quantization import QuantizationArgs  # noqa: E402
from compressed_tensors.quantization.lifecycle.forward import dequantize  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers.integrations.finegrained_fp8 import Fp8Dequantize  # noqa: E402
from transformers.integrations.mxfp4 import convert_moe_packed_tensors  # noqa: E402

from compare import same_tensors  # noqa: E402

Tensors = dict[str, torch.Tensor]
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
NAMES = {BF16: "bf16", F16: "f16", F32: "f32"}
KEY = "model.layers.3.mlp.up_proj"


class Random:
    """Sizes and tensors of one round."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.gen = torch.Generator().manual_seed(seed)

    def size(self, most: int, step: int = 1) -> int:
        return step * self.pick.randint(1, max(1, most // step))

    def codes(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=self.gen, dtype=torch.int32)

    def bytes(self, *shape: int) -> torch.Tensor:
        return self.codes(0, 256, *shape).to(torch.uint8)

    def words(self, *shape: int) -> torch.Tensor:
        return torch.randint(-(2**31), 2**31, shape, generator=self.gen, dtype=torch.int64).to(torch.int32)

    def fp8(self, *shape: int) -> torch.Tensor:
        raw = self.bytes(*shape)
        return torch.where(raw & 127 == 127, raw ^ 1, raw).view(torch.float8_e4m3fn)

    def scale(self, *shape: int, dtype: torch.dtype = F32) -> torch.Tensor:
        wide = torch.exp2(torch.rand(shape, generator=self.gen) * 30 - 20)
        return (wide * torch.randn(shape, generator=self.gen).sign()).to(dtype)

    def exponents(self, *shape: int) -> torch.Tensor:
        return self.codes(0, 255, *shape).to(torch.uint8)


def scheme(form: str = "pack-quantized", **weights) -> dict:
    group = {"targets": ["Linear"], "format": form, "weights": {"dynamic": False, "symmetric": True, **weights}}
    if form in ("float-quantized", "int-quantized"):  # without them the library leaves integers as they are
        group["input_activations"] = {"dynamic": True, "num_bits": 8, "strategy": "token", "symmetric": True,
                                      "type": weights["type"]}
    return {"quant_method": "compressed-tensors", "quantization_status": "compressed", "ignore": ["lm_head"], "format": form,
            "config_groups": {"group_0": group}}


def by_library(tensors: Tensors, quantization: dict, dtype: torch.dtype) -> Tensors:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps({"quantization_config": quantization}))
        return CompressedTensorsDequantizer(folder, dtype=dtype).process({k: v.clone() for k, v in tensors.items()})


def packed(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    bits, zero = r.pick.choice((2, 3, 4, 4, 4, 5, 6, 7, 8)), r.pick.random() < 0.5
    group = r.pick.choice((None, 8, 16, 32, 128))
    rows, cols = r.size(300), r.size(700, group or 1)
    low, high = -(1 << bits - 1), 1 << bits - 1
    scales = r.scale(rows, cols // group if group else 1, dtype=r.pick.choice((BF16, F16, F32)))
    src = {f"{KEY}.weight_packed": pack_to_int32(r.codes(low, high, rows, cols).to(torch.int8), bits),
           f"{KEY}.weight_scale": scales, f"{KEY}.weight_shape": torch.tensor([rows, cols])}
    if zero:
        points = r.codes(low, high, *scales.shape).to(torch.int8)
        src[f"{KEY}.weight_zero_point"] = pack_to_int32(points, bits, packed_dim=0).contiguous()
    q = scheme(num_bits=bits, type="int", symmetric=not zero, strategy="group" if group else "channel", group_size=group)
    return q, src, by_library(src, q, dtype)


def naive(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    rows, cols, kind = r.size(300), r.size(500), r.pick.choice(("float", "int"))
    strategy = r.pick.choice(("tensor", "channel", "block")) if kind == "float" else "channel"
    block = (r.pick.choice((16, 48, 128)), r.pick.choice((32, 128)))
    shape = {"tensor": (1,), "channel": (rows, 1), "block": (-(-rows // block[0]), -(-cols // block[1]))}[strategy]
    codes = r.fp8(rows, cols) if kind == "float" else r.codes(-128, 128, rows, cols).to(torch.int8)
    src = {f"{KEY}.weight": codes, f"{KEY}.weight_scale": r.scale(*shape, dtype=r.pick.choice((BF16, F16, F32)))}
    zero = kind == "int" and r.pick.random() < 0.5
    if zero:
        src[f"{KEY}.weight_zero_point"] = r.codes(-128, 128, rows, 1).to(torch.int8)
    q = scheme(f"{kind}-quantized", num_bits=8, type=kind, strategy=strategy, symmetric=not zero,
               **({"block_structure": list(block)} if strategy == "block" else {}))
    return q, src, by_library(src, q, dtype)


def mxfp8(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    rows, cols = r.size(200), r.size(500, 32)
    src = {f"{KEY}.weight": r.fp8(rows, cols), f"{KEY}.weight_scale": r.exponents(rows, cols // 32)}
    q = scheme("mxfp8-quantized", num_bits=8, type="float", strategy="group", group_size=32, scale_dtype="torch.uint8")
    return q, src, by_library(src, q, dtype)


def mxfp4(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    rows, cols = r.size(200), r.size(900, 32)
    src = {f"{KEY}.weight_packed": r.bytes(rows, cols // 2), f"{KEY}.weight_scale": r.exponents(rows, cols // 32)}
    q = scheme("mxfp4-pack-quantized", num_bits=4, type="float", strategy="group", group_size=32, scale_dtype="torch.uint8")
    return q, src, by_library(src, q, dtype)


def nvfp4(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    rows, cols = r.size(200), r.size(900, 16)
    src = {f"{KEY}.weight_packed": r.bytes(rows, cols // 2), f"{KEY}.weight_scale": r.fp8(rows, cols // 16),
           f"{KEY}.weight_global_scale": torch.rand(1, generator=r.gen) * 5000 + 100}
    q = scheme("nvfp4-pack-quantized", num_bits=4, type="float", strategy="tensor_group", group_size=16,
               scale_dtype="torch.float8_e4m3fn", zp_dtype="torch.float8_e4m3fn")
    return q, src, by_library(src, q, dtype)


def fp8_blocks(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    block = (r.pick.choice((16, 32, 128)), r.pick.choice((8, 32, 128)))
    rows, cols = r.size(400), r.size(400)
    grid = -(-rows // block[0]), -(-cols // block[1])
    src = {f"{KEY}.weight": r.fp8(rows, cols), f"{KEY}.weight_scale_inv": r.scale(*grid, dtype=r.pick.choice((BF16, F32)))}
    q = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": list(block)}
    made = FP8BlockDequantizer(weight_block_size=block, dtype=dtype).process({k: v.clone() for k, v in src.items()})
    return q, src, made


def exponents(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    """Of FP8 experts, a grid each."""
    block, experts = (16, 32), r.size(4)
    rows, cols = r.size(200, 16), r.size(300, 32)
    raw = r.exponents(experts, rows // 16, cols // 32)
    scale = raw if r.pick.random() < 0.5 else raw.view(torch.float8_e8m0fnu)
    weight = r.fp8(experts, rows, cols)
    q = {"quant_method": "fp8", "weight_block_size": list(block), "scale_fmt": "ue8m0"}
    key = "model.layers.0.mlp.experts.down_proj"
    return q, {key: weight, f"{key}_scale_inv": scale}, {key: Fp8Dequantize(None)._dequantize_one(weight, scale, dtype)}


def fp4_in_i8(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    rows, cols = r.size(200), r.size(500, 32)
    weight = r.bytes(rows, cols // 2).view(torch.int8)
    scale = r.exponents(rows, cols // 32).view(torch.float8_e8m0fnu)
    key = "layers.0.ffn.experts.0.w1"
    made = Fp8Dequantize(None)._dequantize_one(weight, scale, dtype)
    q = {"quant_method": "fp8", "weight_block_size": [128, 128], "scale_fmt": "ue8m0"}
    return q, {f"{key}.weight": weight, f"{key}.scale": scale}, {f"{key}.weight": made}


def blocks(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    shape = r.size(4), r.size(300), r.size(12)
    src = {f"{KEY}_blocks": r.bytes(*shape, 16), f"{KEY}_scales": r.exponents(*shape)}
    made = convert_moe_packed_tensors(src[f"{KEY}_blocks"], src[f"{KEY}_scales"], dtype=BF16).to(dtype).contiguous()
    return {"quant_method": "mxfp4"}, src, {KEY: made}


def awq(r: Random, dtype: torch.dtype) -> tuple[dict, Tensors, Tensors]:
    group = r.pick.choice((32, 64))
    rows, cols = r.size(400, 8), r.size(300, group)
    qweight, qzeros = r.words(cols, rows // 8), r.words(cols // group, rows // 8)
    scales = r.scale(cols // group, rows, dtype=F16)
    codes, wide, zeros = AutoAWQConverter(bits=4, group_size=group)._convert_gemm_module(qweight, scales, qzeros)
    args = QuantizationArgs(num_bits=4, type="int", symmetric=False, strategy="group", group_size=group)
    made = dequantize(codes, wide, zeros, args).to(dtype).contiguous()
    q = {"quant_method": "awq", "bits": 4, "group_size": group, "version": "gemm", "zero_point": True}
    return q, {f"{KEY}.qweight": qweight, f"{KEY}.qzeros": qzeros, f"{KEY}.scales": scales}, {f"{KEY}.weight": made}


Maker = Callable[[Random, torch.dtype], tuple[dict, Tensors, Tensors]]
# What the library rounds to BF16 whatever it is asked for has no other result to compare with.
FORMATS: list[tuple[str, Maker, tuple[torch.dtype, ...]]] = [
    ("packed integers", packed, (BF16, F16, F32)), ("codes of a byte", naive, (BF16, F16, F32)), ("MXFP8", mxfp8, (BF16,)),
    ("MXFP4", mxfp4, (BF16,)), ("NVFP4", nvfp4, (BF16,)), ("FP8 blocks", fp8_blocks, (BF16, F16, F32)),
    ("scales that are exponents", exponents, (BF16, F32)), ("FP4 in I8", fp4_in_i8, (BF16,)),
    ("gpt-oss blocks", blocks, (BF16, F32)), ("AWQ", awq, (BF16, F16, F32)),
]


def one(work: Path, make: Maker, seed: int, dtype: torch.dtype) -> str:
    src = work / "src"
    shutil.rmtree(src, ignore_errors=True)
    src.mkdir()
    quantization, tensors, made = make(Random(seed), dtype)
    save_file({k: v.contiguous() for k, v in tensors.items()}, src / "model.safetensors")
    (src / "config.json").write_text(json.dumps({"quantization_config": quantization, "dtype": "bfloat16"}))
    options = ["--to", "hf", "--dtype", NAMES[dtype]]
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    run(lensfs(), "convert", "--quiet", *options, src, out)
    same_tensors(out, made)
    with Mount(src, options, work) as mnt:
        same_tensors(mnt, made)
    return ", ".join(f"{list(v.shape)}" for v in made.values())


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--rounds", type=int, default=6)
    a = p.parse_args()
    torch.set_num_threads(2)
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        for i, (name, make, dtypes) in enumerate(FORMATS):
            for n in range(a.rounds):
                dtype = dtypes[n % len(dtypes)]
                seed = a.seed * 100_000 + i * 1000 + n
                tap.check(f"{name} as {NAMES[dtype]}, seed {seed}", one, Path(folder), make, seed, dtype)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
