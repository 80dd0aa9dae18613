#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""transformers loads a --to hf mount of a quantized checkpoint as an ordinary model: the logits are those of the same model
loaded from files that the test has decoded itself.

usage: test_load.py [--seed N]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from oracle import Failed, Mount, Tap, need_libraries, need_mounts, skip

need_libraries()
need_mounts()
if importlib.util.find_spec("transformers") is None:
    skip("no transformers (tests/run --oracle installs it)")

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    DeepseekV3Config,
    GptOssConfig,
    PreTrainedConfig,
    Qwen3MoeConfig,
)
from transformers.integrations.mxfp4 import convert_moe_packed_tensors  # noqa: E402
from transformers.utils import logging  # noqa: E402

Tensors = dict[str, torch.Tensor]
BF16 = torch.bfloat16
COMMON = {"vocab_size": 199, "num_hidden_layers": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def latent() -> PreTrainedConfig:
    return DeepseekV3Config(
        hidden_size=144, intermediate_size=200, moe_intermediate_size=136, num_attention_heads=4, num_key_value_heads=4,
        n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, n_group=2, topk_group=1, q_lora_rank=40,
        kv_lora_rank=24, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=20, first_k_dense_replace=1, **COMMON)


def grouped() -> PreTrainedConfig:
    return Qwen3MoeConfig(
        hidden_size=144, intermediate_size=200, moe_intermediate_size=136, num_attention_heads=4, num_key_value_heads=2,
        head_dim=40, num_experts=4, num_experts_per_tok=2, decoder_sparse_step=1, **COMMON)


def interleaved() -> PreTrainedConfig:
    return GptOssConfig(
        hidden_size=96, intermediate_size=64, num_local_experts=4, num_experts_per_tok=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=24, sliding_window=16, layer_types=["sliding_attention", "full_attention"], **COMMON)


def save_random(config: PreTrainedConfig, folder: Path) -> Tensors:
    """As the library saves it, its weights large enough to matter."""
    model = AutoModelForCausalLM.from_config(config, dtype=BF16)
    for name, p in model.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(p, std=0.1)
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def blocks(tensors: Tensors) -> tuple[dict, Tensors, Tensors]:
    """FP8 in blocks of 128, as published: linears below layers, but not the router."""
    src, want = {}, {}
    for key, w in tensors.items():
        if w.dim() != 2 or "layers." not in key or not key.endswith(".weight") or ".gate." in key:
            src[key] = want[key] = w
            continue
        rows, cols = w.shape
        grid = torch.zeros(-(-rows // 128), -(-cols // 128))
        wide = torch.zeros(rows, cols)
        for i in range(grid.shape[0]):
            for j in range(grid.shape[1]):
                part = (slice(128 * i, 128 * i + 128), slice(128 * j, 128 * j + 128))
                grid[i, j] = w[part].float().abs().max() / 448
                wide[part] = w[part].float() / grid[i, j]
        codes = wide.clamp(-448, 448).to(torch.float8_e4m3fn)
        scale = grid.repeat_interleave(128, 0)[:rows].repeat_interleave(128, 1)[:, :cols]
        src |= {key: codes, f"{key}_scale_inv": grid}
        want[key] = (codes.float() * scale).to(BF16)
    return {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}, src, want


def mxfp4(tensors: Tensors) -> tuple[dict, Tensors, Tensors]:
    """Experts of random codes, and exponents about those of weights."""
    src, want = {}, {}
    for key, w in tensors.items():
        if not re.search(r"experts\.(gate_up|down)_proj$", key):
            src[key] = want[key] = w
            continue
        experts, cols, rows = w.shape
        codes = torch.randint(0, 256, (experts, rows, cols // 32, 16), dtype=torch.uint8)
        scales = torch.randint(118, 124, (experts, rows, cols // 32), dtype=torch.uint8)
        src |= {f"{key}_blocks": codes, f"{key}_scales": scales}
        want[key] = convert_moe_packed_tensors(codes, scales).contiguous()
    return {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, src, want


def logits(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=BF16, output_loading_info=True, attn_implementation="eager")
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[what]:
            raise Failed(f"{what}: {sorted(map(str, info[what]))[:5]}")
    with torch.no_grad():
        return model.eval()(ids).logits


def one(work: Path, config: PreTrainedConfig, quantize) -> str:
    plain, src = work / "plain", work / "src"
    for folder in (plain, src):
        shutil.rmtree(folder, ignore_errors=True)
    tensors = save_random(config, plain)
    quantization, codes, want = quantize(tensors)
    if len(codes) == len(want):
        raise Failed(f"nothing was quantized of {sorted(want)[:20]}")
    shutil.copytree(plain, src)
    save_file(codes, src / "model.safetensors", {"format": "pt"})
    save_file(want, plain / "model.safetensors", {"format": "pt"})
    said = json.loads((src / "config.json").read_text())
    (src / "config.json").write_text(json.dumps(said | {"quantization_config": quantization}, indent=2))
    ids = torch.randint(3, 199, (2, 23))
    expected = logits(plain, ids)
    with Mount(src, ["--to", "hf"], work) as mnt:
        got = logits(mnt, ids)
    if not got.view(torch.int16).equal(expected.view(torch.int16)):
        raise Failed(f"logits differ by up to {(got.float() - expected.float()).abs().max()}")
    return f"{len(codes) - len(want)} scales, logits up to {float(expected.abs().max()):.2f}"


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    torch.manual_seed(p.parse_args().seed)
    torch.set_num_threads(2)
    logging.disable_progress_bar()
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        for config, quantize in ((latent(), blocks), (grouped(), blocks), (interleaved(), mxfp4)):
            tap.check(f"{type(config).__name__}, {quantize.__name__}", one, Path(folder), config, quantize)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
