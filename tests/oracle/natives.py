# SPDX-License-Identifier: Apache-2.0
"""Random native trees of Mistral 4, as a training run has them, and what the released adapters' to_hf makes of them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch

from reference import Mistral4MultimodalStateDictAdapter, Mistral4StateDictAdapter, natural, save

FP8 = torch.float8_e4m3fn
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32


@dataclass
class Tree:
    """What kind of native tree; everything else is drawn from its seed."""

    seed: int
    multimodal: bool = False
    names: str = "documented"
    values: str = "bits"  # of weights: any bits, or (what can be quantized) finite "numbers"
    dtypes: tuple = (BF16, F16, F32)
    shard_size: int | None = None  # of the source's files
    odd_keys: bool = True

    def title(self) -> str:
        kind = "multimodal " + self.names if self.multimodal else "text"
        return f"seed {self.seed}: {kind}, {self.values}"


class NativeMaker:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.rng = random.Random(tree.seed)
        self.gen = torch.Generator().manual_seed(tree.seed)
        odd = lambda low, high: self.rng.randrange(low, high) | 1
        self.hidden, self.inter, self.vocab = odd(33, 300), odd(21, 160), odd(40, 150)
        self.experts, self.layers = self.rng.randrange(2, 7), self.rng.randrange(1, 3)
        self.tensors: dict[str, torch.Tensor] = {}

    def bits(self, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        size = torch.empty((), dtype=dtype).element_size()
        raw = torch.randint(0, 256, (*shape, size), generator=self.gen, dtype=torch.uint8)
        return raw.view(dtype).reshape(shape)

    def numbers(self, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        """Bell-shaped, of any magnitude of the dtype: its subnormals, too; one tensor in eight is nothing but zeros, and
        one expert of every second stack."""
        values = torch.randn(shape, generator=self.gen)
        if self.rng.random() < 1 / 8:
            return (values * 0).to(dtype)  # of either sign
        low, high = {F16: (-22, 12), BF16: (-130, 120), F32: (-140, 120)}[dtype]
        power = self.rng.choice([-6, 0, self.rng.uniform(low, high)])
        values = values.double() * 2.0**power
        spread = torch.randint(-12, 1, shape, generator=self.gen)
        values = torch.where(torch.rand(shape, generator=self.gen) < 0.3, torch.ldexp(values, spread.double()), values)
        if len(shape) == 3 and self.rng.random() < 1 / 2:
            values[self.rng.randrange(shape[0])] *= 0
        limit = torch.finfo(dtype).max
        return values.clamp(-limit, limit).to(dtype)

    def weight(self, key: str, *shape: int) -> None:
        dtype = self.rng.choice(self.tree.dtypes)
        self.tensors[key] = (self.bits if self.tree.values == "bits" else self.numbers)(dtype, *shape)

    def moved(self, key: str, *shape: int) -> None:
        """What is never quantized; of any dtype a file can hold."""
        kinds = [BF16, F16, F32, torch.float64, torch.int64, torch.uint8, torch.int16, torch.float8_e5m2]
        self.tensors[key] = self.bits(self.rng.choice(kinds), *shape)

    def layer(self, p: str) -> None:
        h, m, e = self.hidden, self.inter, self.experts
        self.moved(p + "input_layernorm.weight", h)
        self.moved(p + "post_attention_layernorm.weight", h)
        for name, rows, cols in (("q_a_proj", 19, h), ("q_b_proj", 70, 19), ("kv_a_proj_with_mqa", 23, h),
                                 ("kv_b_proj", 78, 23), ("o_proj", h, m)):
            self.weight(f"{p}self_attn.{name}.weight", rows, cols)
        self.moved(p + "self_attn.q_a_layernorm.weight", 19)
        self.moved(p + "self_attn.kv_a_layernorm.weight", 23)
        self.moved(p + "mlp.gate.weight", e, h)
        if self.rng.random() < 0.8:
            self.tensors[p + "mlp.gate.e_score_correction_bias"] = torch.zeros(e)
        self.weight(p + "mlp.shared_experts.gate_proj.weight", m, h)
        self.weight(p + "mlp.shared_experts.down_proj.weight", h, m)
        self.weight(p + "mlp.experts.gate_and_up_projs", e, h, 2 * m)
        self.weight(p + "mlp.experts.down_projs", e, m, h)

    def oddities(self, p: str) -> None:
        """Other ranks, and keys that only resemble."""
        self.weight(p + "self_attn.conv.weight", 3, 5, 2, 7)
        self.weight(p + "self_attn.stack.weight", 4, 3, 9)
        self.weight(p + "self_attn.row.weight", 131)
        self.moved(p + "self_attn.o_proj.bias", self.hidden)
        self.moved(p + "mlp.experts.gate_and_up_projs_more", 2, 7, 5)
        self.moved(p + "mlp.experts.down_projs.bias", 3, 2, 9)
        self.moved(p + "mlp.gate_norm.weights", 11)
        self.moved(p + "self_attn.vision_tower.weight", 5, 4)
        self.moved("other.weight_norm.count")
        self.moved("none.bias", 0, 3)

    def make(self) -> dict[str, torch.Tensor]:
        t = self.tree
        body, head = {
            (False, "documented"): ("model.", "lm_head."),
            (True, "documented"): ("model.language_model.", "lm_head."),
            (True, "automodel"): ("model.language_model.model.", "model.language_model.lm_head."),
        }[t.multimodal, t.names]
        self.moved(body + "embed_tokens.weight", self.vocab, self.hidden)
        for i in range(self.layers):
            self.layer(f"{body}layers.{9 * i + 2}.")
        self.moved(body + "norm.weight", self.hidden)
        self.moved(head + "weight", self.vocab, self.hidden)
        if t.odd_keys:
            self.oddities(body + "layers.2.")
        if t.multimodal:
            self.moved("model.vision_tower.patch_conv.weight", 4, 3, 5, 5)
            self.moved("model.vision_tower.transformer.layers.10.attention.q_proj.weight", 6, 7)
            self.moved("model.multi_modal_projector.linear_1.weight", self.hidden, 9)
        return self.tensors

    def config(self) -> dict:
        text = {"model_type": "mistral4", "n_routed_experts": self.experts, "hidden_size": self.hidden}
        if not self.tree.multimodal:
            return {"architectures": ["Mistral4ForCausalLM"], **text, "dtype": "bfloat16"}
        return {"model_type": "mistral3", "text_config": text, "dtype": "bfloat16"}

    def write(self, folder: Path) -> None:
        folder.mkdir()
        ordered = {k: self.tensors[k] for k in sorted(self.tensors, key=natural)}
        save(ordered, folder, max_shard_size=self.tree.shard_size or "5GB")
        (folder / "config.json").write_text(json.dumps(self.config(), indent=2))


def to_hf(tensors: dict[str, torch.Tensor], tree: Tree, **how) -> dict[str, torch.Tensor]:
    """What the real adapter exports."""
    cls = Mistral4MultimodalStateDictAdapter if tree.multimodal else Mistral4StateDictAdapter
    adapter = cls(SimpleNamespace(), SimpleNamespace(n_routed_experts=0), None)
    if tree.multimodal and tree.names == "documented":
        tensors = {adapters_name(k): v for k, v in tensors.items()}
    return adapter.to_hf(dict(tensors), **how)


def adapters_name(key: str) -> str:
    """A documented name to that of the adapter's own module."""
    for old, new in (("model.language_model.", "model.language_model.model."), ("lm_head.", "model.language_model.lm_head.")):
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def quantized_config(config: dict, tree: Tree, scheme: str, block: int | None = None) -> dict:
    kept = ["model.vision_tower", "model.multi_modal_projector"] if tree.multimodal else []
    return config | {"quantization_config": {
        "quant_method": "fp8", "activation_scheme": scheme, "weight_block_size": [block, block] if block else None,
        "dequantize": False, "modules_to_not_convert": [*kept, "lm_head"]}}
