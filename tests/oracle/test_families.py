#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random checkpoints of model families against the released state-dict adapters, there and back, bit for bit.

usage: test_families.py [--seed N] [--rounds N] [RECIPE ...]

families.py is the table.  What from_hf makes of a checkpoint is what its view must hold; what a new adapter's to_hf makes of
that is what the view of the native tree in reverse must hold.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import random
import re
import shutil
import sys
import tempfile
import types
from pathlib import Path

from oracle import Failed, Tap, lensfs, need_libraries, run

need_libraries()

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import reference  # noqa: E402,F401  stand-ins for what the adapters import and don't use
from compare import same_tensors  # noqa: E402
from families import FAMILIES, Family, Sizes  # noqa: E402

MODELS = "nemo_automodel.components.models"


class Draw:
    """Sizes and tensors of one checkpoint."""

    def __init__(self, family: Family, seed: int) -> None:
        rng = random.Random(f"{family.recipe} {family.title} {seed}")
        self.gen = torch.Generator().manual_seed(rng.randrange(2**31))
        wide = "fp8" in family.tensors

        def size(low: int, high: int) -> int:
            return rng.randrange(low, high) | 1 if family.multiple == 1 else family.multiple * rng.randrange(1, 4)

        self.sizes: Sizes = {
            "H": size(130, 300) if wide else size(9, 60), "I": size(129, 200) if wide else size(5, 40), "D": size(5, 20),
            "V": size(9, 40), "E": rng.choice([2, 3, 11]), "layers": family.layers}
        self.scale = rng.choice([torch.float32, torch.bfloat16])

    def values(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.randn(shape, generator=self.gen).to(dtype)

    def bytes(self, *shape: int, high: int = 256) -> torch.Tensor:
        return torch.randint(0, high, shape, generator=self.gen, dtype=torch.uint8)

    def codes(self, *shape: int) -> torch.Tensor:
        raw = self.bytes(*shape)
        return torch.where((raw & 0x7F) == 0x7F, raw - 1, raw).view(torch.float8_e4m3fn)

    def exponents(self, *shape: int) -> torch.Tensor:
        raw = torch.randint(100, 140, shape, generator=self.gen, dtype=torch.uint8)
        return torch.where(self.bytes(*shape) < 16, torch.zeros_like(raw), raw)

    def grid(self, rows: int, cols: int) -> tuple[int, int]:
        return -(-rows // 128), -(-cols // 128)

    def make(self, key: str, shape: list[int], kind: str) -> dict[str, torch.Tensor]:
        base = key.removesuffix(".weight")
        if kind == "fp8":
            scale = (self.values(*self.grid(*shape), dtype=torch.float32).abs() + 2**-9).to(self.scale)
            return {key: self.codes(*shape), key + "_scale_inv": scale}
        if kind == "fp8dot":
            return {key: self.codes(*shape), base + ".scale": self.exponents(*self.grid(*shape)).view(torch.float8_e8m0fnu)}
        if kind == "fp4":
            return {key: self.bytes(shape[0], shape[1] // 2).view(torch.int8),
                    base + ".scale": self.exponents(shape[0], shape[1] // 32).view(torch.float8_e8m0fnu)}
        if kind == "mxfp4":
            groups = shape[-1] // 32
            return {key + "_blocks": self.bytes(*shape[:-1], groups, 16), key + "_scales": self.exponents(*shape[:-1], groups)}
        if kind == "int4":
            packed = torch.randint(-2**31, 2**31, (shape[0], shape[1] // 8), generator=self.gen, dtype=torch.int64)
            return {key + "_packed": packed.to(torch.int32), key + "_scale": self.values(shape[0], shape[1] // 32),
                    key + "_shape": torch.tensor(shape)}
        return {key: self.values(*shape, dtype={"f32": torch.float32, "f16": torch.float16}.get(kind, torch.bfloat16))}

    def dims(self, text: str) -> list[int]:
        return [eval(d, {}, self.sizes) for d in text.split()]  # noqa: S307  products of the table's letters


def keys(template: str, sizes: Sizes):
    """Every key that a line of the table stands for."""
    runs = {"{L}": range(sizes["layers"]), "{E}": range(sizes["E"])}
    words = {m[0]: m[1].split(",") for m in re.finditer(r"\{\w:([^}]*)\}", template)}
    names = [n for n in (*runs, *words) if n in template]
    for choice in itertools.product(*({**runs, **words}[n] for n in names)):
        key = template
        for name, value in zip(names, choice):
            key = key.replace(name, str(value))
        yield key


def checkpoint(family: Family, draw: Draw) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for line in filter(str.strip, family.tensors.splitlines()):
        template, dims, kind = re.fullmatch(r"(\S+)\s+((?:(?:\d\*)?[HIDVE]\b\s*)+)(\w*)", line.strip()).groups()
        for key in keys(template, draw.sizes):
            tensors |= draw.make(key, draw.dims(dims), kind)
    return tensors


def attributes(config: dict):
    return types.SimpleNamespace(**{k: attributes(v) if k.endswith("_config") and k != "quantization_config" else v
                                    for k, v in config.items()})


def adapter(family: Family, config: dict, sizes: Sizes):
    from nemo_automodel.components.models.common import BackendConfig
    from nemo_automodel.components.moe.config import MoEConfig

    module, name = family.adapter.split(":")
    moe = MoEConfig(n_routed_experts=sizes["E"], n_shared_experts=1, n_activated_experts=1, n_expert_groups=1, n_limited_groups=1,
                    train_gate=True, gate_bias_update_factor=0.0, aux_loss_coeff=0.0, score_func="sigmoid", route_scale=1.0,
                    dim=sizes["H"], inter_dim=sizes["I"], moe_inter_dim=sizes["I"], norm_topk_prob=True,
                    expert_activation=family.activation)
    backend = BackendConfig(attn="sdpa", linear="torch", rms_norm="torch", rope_fusion=False, experts="torch", dispatcher="torch")
    made = getattr(importlib.import_module(f"{MODELS}.{module}"), name)
    return made(attributes(config), moe, backend, dtype=torch.bfloat16, **family.arguments)


def write(folder: Path, tensors: dict[str, torch.Tensor], config: dict) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})


def view(work: Path, family: Family, tensors: dict, config: dict, want: dict, *options: str) -> None:
    write(work / "src", tensors, config)
    shutil.rmtree(work / "out", ignore_errors=True)
    run(lensfs(), "convert", "--recipe", family.recipe, *options, work / "src", work / "out")
    same_tensors(work / "out", want)


def there_and_back(work: Path, family: Family, seed: int) -> str:
    draw = Draw(family, seed)
    config, tensors = family.config(draw.sizes), checkpoint(family, draw)
    copy = lambda t: {k: v.clone() for k, v in t.items()}
    native = adapter(family, config, draw.sizes).from_hf(copy(tensors))
    view(work, family, tensors, config, native)
    if not family.reverse:
        return f"{len(tensors)} tensors"
    back = adapter(family, config, draw.sizes).to_hf(copy(native), exclude_key_regex=r".*_extra_state.*", quantization=False)
    view(work, family, native, config, back, "--reverse")
    if family.exact:
        view(work, family, native, config, tensors, "--reverse")
    return f"{len(tensors)} tensors to {len(native)} and back to {len(back)}"


def one_too_many(work: Path, family: Family, seed: int) -> str:
    """Stacked experts beyond config.json's number are refused, not cut off as the reference does."""
    draw = Draw(family, seed)
    config, tensors = family.config(draw.sizes), checkpoint(family, draw)
    key = next(k for k in tensors if k.endswith("experts.gate_up_proj"))
    write(work / "src", tensors | {key: torch.cat([tensors[key], tensors[key][:1]])}, config)
    shutil.rmtree(work / "out", ignore_errors=True)
    try:
        run(lensfs(), "convert", "--recipe", family.recipe, work / "src", work / "out")
    except Failed as e:
        if key in str(e) and "as many experts" in str(e):
            return ""
        raise
    raise Failed(f"{key}: not refused")


def main() -> int:
    p = argparse.ArgumentParser(usage=__doc__.split("\n")[3][7:])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("recipes", nargs="*")
    a = p.parse_args()
    tap = Tap()
    work = Path(tempfile.mkdtemp(prefix="lensfs-families-"))
    try:
        for family in FAMILIES:
            if a.recipes and family.recipe not in a.recipes:
                continue
            for i in range(a.rounds):
                name = f"{family.recipe} {family.title}".strip()
                tap.check(f"{name}, seed {a.seed + i}", there_and_back, work, family, a.seed + i)
            if family.cuts:
                tap.check(f"{family.recipe}, one expert too many", one_too_many, work, family, a.seed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
