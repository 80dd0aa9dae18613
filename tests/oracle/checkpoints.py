# SPDX-License-Identifier: Apache-2.0
"""Random checkpoints of Mistral 4, made with torch, and what the released state-dict adapters make of them.

Sizes are odd and all different, so that a mix-up shows.  Whatever is only moved has random bits, NaN payloads included;
codes and scales may be anything that a file can hold.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file

from reference import Mistral4MultimodalStateDictAdapter, Mistral4StateDictAdapter, natural, save

FP8 = torch.float8_e4m3fn
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
NAMES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
SCALES = [torch.bfloat16, torch.float32, torch.float16]
BLOCK = 128


@dataclass
class Spec:
    """What kind of checkpoint; everything else is drawn from its seed."""

    seed: int
    multimodal: bool = False
    grain: str = "tensor"  # of scales: none (BF16), tensor, expert, block, mixed
    out: str = "bf16"
    said_by: str = "dtype"  # who says `out`: option, or the config's dtype, torch_dtype, or nested
    names: str = "documented"  # of the multimodal view
    prefix: str = "language_model."
    shards: int = 1
    shard_size: int | None = None
    mebibytes: float = 0  # about how large the view should be; 0: small
    options: list[str] = field(default_factory=list)

    def title(self) -> str:
        kind = "multimodal " + self.names if self.multimodal else "text"
        return f"seed {self.seed}: {kind}, scales by {self.grain}, {self.out} by {self.said_by}, {self.shards} shards"


class Maker:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.rng = random.Random(spec.seed)
        self.gen = torch.Generator().manual_seed(spec.seed)
        self.tensors: dict[str, torch.Tensor] = {}
        odd = lambda low, high: self.rng.randrange(low, high) | 1
        wide = spec.grain in ("block", "mixed")
        self.hidden, self.inter = (odd(150, 400), odd(130, 300)) if wide else (odd(17, 90), odd(9, 60))
        self.experts, self.layers = self.rng.randrange(2, 7), self.rng.randrange(1, 3)
        if spec.mebibytes:
            self.grow(spec.mebibytes * 2**20)
        self.q, self.kv, self.heads = odd(11, 40), odd(7, 30), odd(20, 90)
        self.vocab = odd(30, 200)

    def grow(self, size: float) -> None:
        """Wider, then deeper, until the experts alone are about `size` bytes of the view."""
        self.hidden, self.inter = 1381, 683
        width = {"f32": 4}.get(self.spec.out, 2)
        self.experts = 5
        self.layers = max(1, round(size / (3 * self.experts * self.hidden * self.inter * width)))

    # tensors ------------------------------------------------------------------------------------------------------

    def bits(self, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        """Random bits; for FP8, any code, one tensor in two without NaN."""
        size = torch.empty((), dtype=dtype).element_size()
        raw = torch.randint(0, 256, (*shape, size), generator=self.gen, dtype=torch.uint8)
        if dtype == FP8 and self.rng.random() < 0.5:
            raw = torch.where((raw & 0x7F) == 0x7F, raw - 1, raw)
        return raw.view(dtype).reshape(shape)

    def scale(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """As published, or (one in six) anything: zeros, denormals, infinities, NaN, negative."""
        dtype = dtype or self.rng.choice(SCALES)
        if self.rng.random() < 1 / 6:
            return self.bits(dtype, *shape)
        exponent = torch.randint(-14, 2, shape, generator=self.gen)
        return torch.ldexp(1 + torch.rand(shape, generator=self.gen), exponent).to(dtype)

    def linear(self, key: str, rows: int, cols: int) -> None:
        grain = self.spec.grain
        if grain == "none":
            self.tensors[key + ".weight"] = self.bits(torch.bfloat16, rows, cols)
            return
        if grain == "mixed":
            grain = self.rng.choice(["none", "tensor", "block"])
        # Some tensors that have a scale are not FP8, and some FP8 ones have none.
        dtype = torch.bfloat16 if self.rng.random() < 0.04 else FP8
        self.tensors[key + ".weight"] = self.bits(dtype, rows, cols)
        if grain != "none":
            self.tensors[key + ".weight_scale_inv"] = self.linear_scale(grain, rows, cols)
        if self.rng.random() < 0.9:
            self.tensors[key + ".activation_scale"] = self.scale()

    def linear_scale(self, grain: str, rows: int, cols: int) -> torch.Tensor:
        down, across = -(-rows // BLOCK), -(-cols // BLOCK)
        # The adapter trips over grids of one row or column; a larger grid than needed it takes.
        if grain == "block" and down > 1 and across > 1:
            extra = self.rng.random() < 0.1
            return self.scale(down + extra, across + 2 * extra)
        return self.scale(*self.rng.choice([(), (1,), (1, 1)]))

    def expert(self, key: str, rows: int, cols: int) -> None:
        if self.spec.grain == "none":
            self.tensors[key] = self.bits(torch.bfloat16, self.experts, rows, cols)
            return
        self.tensors[key] = self.bits(FP8, self.experts, rows, cols)
        e = self.experts + self.rng.choice([0, 0, 0, 2])  # scales that are left over
        shapes = [(e, 1, 1), (e,), (e, 1)] if self.spec.grain != "tensor" else [(), (1, 1, 1), (e, 1, 1)]
        self.tensors[key + "_scale_inv"] = self.scale(*self.rng.choice(shapes))
        self.tensors[key + "_activation_scale"] = self.scale(self.experts)

    def layer(self, key: str) -> None:
        h, t = self.hidden, self.tensors
        t[key + "input_layernorm.weight"] = self.bits(torch.bfloat16, h)
        t[key + "post_attention_layernorm.weight"] = self.bits(torch.bfloat16, h)
        self.linear(key + "self_attn.q_a_proj", self.q, h)
        t[key + "self_attn.q_a_layernorm.weight"] = self.bits(torch.float32, self.q)
        self.linear(key + "self_attn.q_b_proj", self.heads, self.q)
        self.linear(key + "self_attn.kv_a_proj_with_mqa", self.kv, h)
        t[key + "self_attn.kv_a_layernorm.weight"] = self.bits(torch.float16, self.kv)
        self.linear(key + "self_attn.kv_b_proj", self.heads + 8, self.kv)
        self.linear(key + "self_attn.o_proj", h, self.inter)
        t[key + "mlp.gate.weight"] = self.bits(torch.bfloat16, self.experts, h)
        if self.rng.random() < 0.3:
            t[key + "mlp.gate.e_score_correction_bias"] = self.bits(torch.float32, self.experts)
        for name in ("gate_proj", "up_proj"):
            self.linear(f"{key}mlp.shared_experts.{name}", self.inter, h)
        self.linear(key + "mlp.shared_experts.down_proj", h, self.inter)
        self.expert(key + "mlp.experts.gate_up_proj", 2 * self.inter, h)
        self.expert(key + "mlp.experts.down_proj", h, self.inter)

    def make(self) -> dict[str, torch.Tensor]:
        base = "language_model." if self.spec.multimodal else self.spec.prefix
        self.tensors[base + "model.embed_tokens.weight"] = self.bits(torch.bfloat16, self.vocab, self.hidden)
        for i in range(self.layers):
            # Numbers of more digits, too: their order is not that of the text.
            self.layer(f"{base}model.layers.{i * 7}.")
        self.tensors[base + "model.norm.weight"] = self.bits(torch.bfloat16, self.hidden)
        self.tensors[base + "lm_head.weight"] = self.bits(torch.bfloat16, self.vocab, self.hidden)
        if self.spec.multimodal:
            self.vision()
        return self.tensors

    def vision(self) -> None:
        t = self.tensors
        t["vision_tower.patch_conv.weight"] = self.bits(torch.bfloat16, 6, 3, 5, 5)
        for i in (0, 10, 2):
            for name in ("q_proj", "o_proj"):
                t[f"vision_tower.transformer.layers.{i}.attention.{name}.weight"] = self.bits(torch.bfloat16, 6, 7)
        t["multi_modal_projector.norm.weight"] = self.bits(torch.bfloat16, 9)
        t["multi_modal_projector.linear_1.weight"] = self.bits(torch.bfloat16, self.hidden, 9)

    # the config ---------------------------------------------------------------------------------------------------

    def config(self) -> dict:
        spec = self.spec
        text = {"model_type": "mistral4", "hidden_size": self.hidden, "moe_intermediate_size": self.inter,
                "n_routed_experts": self.experts, "num_hidden_layers": self.layers, "vocab_size": self.vocab}
        top = {"architectures": ["Mistral4ForCausalLM"], **text}
        if spec.multimodal:
            top = {"architectures": ["Mistral3ForConditionalGeneration"], "model_type": "mistral3", "text_config": text}
        if spec.said_by in ("dtype", "torch_dtype"):
            top[spec.said_by] = NAMES[spec.out]
        elif spec.said_by == "nested":
            text["dtype"] = NAMES[spec.out]
            top["dtype"] = "float32" if spec.out == "bf16" else "bfloat16"
            top |= {} if spec.multimodal else {"dtype": NAMES[spec.out]}
        if spec.grain != "none":
            top["quantization_config"] = {"quant_method": "fp8", "activation_scheme": "static",
                                          "weight_block_size": [128, 128] if spec.grain == "block" else None}
        return top


# The reference ------------------------------------------------------------------------------------------------------


def view_of(tensors: dict[str, torch.Tensor], spec: Spec, experts: int) -> dict[str, torch.Tensor]:
    """What the real adapter makes; a NaN that it computed has the one spelling that a view has."""
    cls = Mistral4MultimodalStateDictAdapter if spec.multimodal else Mistral4StateDictAdapter
    adapter = cls(SimpleNamespace(), SimpleNamespace(n_routed_experts=experts), None, dtype=DTYPES[spec.out])
    made = dict(adapter.from_hf({k: v.clone() for k, v in tensors.items()}))
    for key, tensor in tensors.items():
        if key + "_scale_inv" in tensors:
            (native,) = adapter.from_hf({key: torch.zeros((1,) * tensor.dim())})
            made[native] = one_nan(made[native])
    return documented(made) if spec.multimodal and spec.names == "documented" else made


def one_nan(tensor: torch.Tensor) -> torch.Tensor:
    kind, bits = {torch.bfloat16: (torch.int16, 0x7FC0), torch.float16: (torch.int16, 0x7E00),
                  torch.float32: (torch.int32, 0x7FC00000)}[tensor.dtype]
    return torch.where(tensor.isnan(), torch.tensor(bits, dtype=kind), tensor.contiguous().view(kind)).view(tensor.dtype)


def documented(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The adapter's own names to those of the model's documentation."""
    out = {}
    for key, tensor in tensors.items():
        for old, new in (("model.language_model.model.", "model.language_model."), ("model.language_model.lm_head.", "lm_head.")):
            if key.startswith(old):
                key = new + key.removeprefix(old)
                break
        out[key] = tensor
    return out


# Files --------------------------------------------------------------------------------------------------------------


def write_source(folder: Path, tensors: dict[str, torch.Tensor], config: dict, spec: Spec) -> None:
    """As a checkpoint is published; keys fall into shards at random."""
    folder.mkdir()
    rng = random.Random(spec.seed)
    files = [{} for _ in range(spec.shards)]
    keys = list(tensors)
    rng.shuffle(keys)
    for i, key in enumerate(keys):
        files[i if i < len(files) else rng.randrange(len(files))][key] = tensors[key]
    where = {}
    for i, part in enumerate(files, 1):
        name = "model.safetensors" if len(files) == 1 else f"model-{i:05d}-of-{len(files):05d}.safetensors"
        save_file(part, str(folder / name), metadata={"format": "pt"})
        where |= dict.fromkeys(part, name)
    if len(files) > 1:
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "tokenizer.json").write_bytes(rng.randbytes(rng.randrange(1, 5000)))


def write_want(folder: Path, made: dict[str, torch.Tensor], source: Path, spec: Spec) -> None:
    """The folder that must come out, by the reference's own writer."""
    folder.mkdir()
    ordered = {k: made[k].clone().contiguous() for k in sorted(made, key=natural)}
    save(ordered, folder, max_shard_size=spec.shard_size or "5GB")
    config = json.loads((source / "config.json").read_text())
    config.pop("quantization_config", None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
