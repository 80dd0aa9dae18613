#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tiny Mistral 4 with vision that transformers saved goes native and back through mounts, and transformers loads it from there.

usage: test_transformers.py

No key may be missing, unexpected or mismatched, and logits must be those of the model that was saved, bit for bit.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

from oracle import Failed, Mount, Tap, need_libraries, need_mounts, skip

need_libraries()
need_mounts()
if importlib.util.find_spec("transformers") is None:
    skip("no transformers (tests/run --oracle installs it)")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import Mistral3Config, Mistral3ForConditionalGeneration  # noqa: E402

from compare import same_files  # noqa: E402

IMAGE_TOKEN, PATCH, SIDE = 10, 4, 24
BIAS = r".*e_score_correction_bias"


def config() -> Mistral3Config:
    text = {
        "model_type": "mistral4", "vocab_size": 211, "hidden_size": 48, "intermediate_size": 56, "moe_intermediate_size": 24,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "n_routed_experts": 6,
        "num_experts_per_tok": 2, "kv_lora_rank": 16, "q_lora_rank": 24, "qk_rope_head_dim": 8, "qk_nope_head_dim": 12,
        "v_head_dim": 14, "max_position_embeddings": 512}
    vision = {"model_type": "pixtral", "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
              "num_attention_heads": 4, "head_dim": 8, "image_size": SIDE, "patch_size": PATCH}
    return Mistral3Config(text_config=text, vision_config=vision, image_token_index=IMAGE_TOKEN, spatial_merge_size=2,
                          tie_word_embeddings=False)


def logits(model: torch.nn.Module) -> list[torch.Tensor]:
    """Of text alone, and of text with an image."""
    gen = torch.Generator().manual_seed(3)
    words = torch.randint(20, 211, (2, 17), generator=gen)
    picture = torch.full((1, (SIDE // PATCH // 2) ** 2), IMAGE_TOKEN)
    pixels = torch.randn(1, 3, SIDE, SIDE, generator=gen).to(model.dtype)
    with torch.no_grad():
        return [model(input_ids=words).logits,
                model(input_ids=torch.cat([words[:1], picture, words[1:]], 1), pixel_values=pixels,
                      image_sizes=torch.tensor([[SIDE, SIDE]])).logits]


def loads(folder: Path, saved: torch.nn.Module, want: list[torch.Tensor]) -> str:
    model, info = Mistral3ForConditionalGeneration.from_pretrained(folder, dtype=saved.dtype, output_loading_info=True)
    wrong = {k: list(v)[:5] for k, v in info.items() if v}
    if wrong:
        raise Failed(f"loading says {wrong}")
    weights, theirs = model.state_dict(), saved.state_dict()
    if weights.keys() != theirs.keys():
        raise Failed(f"keys differ: {sorted(weights.keys() ^ theirs.keys())[:5]}")
    for key, tensor in theirs.items():
        if weights[key].dtype != tensor.dtype or not torch.equal(weights[key], tensor):
            raise Failed(f"{key} differs")
    for name, got, one in zip(("text", "image"), logits(model.eval()), want):
        if not one.isfinite().all() or one.std() == 0:
            raise Failed(f"{name}: the saved model's logits tell nothing")
        if got.dtype != one.dtype or not torch.equal(got, one):
            raise Failed(f"{name}: logits differ by {float((got - one).abs().max())}")
    return f"{len(weights)} tensors"


def round_trip(work: Path, saved: Path, forward: list[str], back: list, model: torch.nn.Module, want: list[torch.Tensor]) -> str:
    with Mount(saved, forward, work) as native, Mount(native, ["--reverse", *back], work) as hf:
        if "--like" in back:
            same_files(hf, saved)
        return loads(hf, model, want)


def main() -> int:
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        for dtype, size in ((torch.bfloat16, "40KB"), (torch.float32, "5GB")):
            work = Path(folder, str(dtype))
            work.mkdir()
            torch.manual_seed(11)
            model = Mistral3ForConditionalGeneration(config()).to(dtype).eval()
            for p in model.parameters():  # norms and biases too: a swap must show
                p.data += torch.randn_like(p) * 0.05
            saved = work / "saved"
            model.save_pretrained(saved, max_shard_size=size)
            # Tables of the rotary embedding stay in f32 when it is loaded.
            want = logits(Mistral3ForConditionalGeneration.from_pretrained(saved, dtype=dtype).eval())
            files = len(list(saved.glob("*.safetensors")))
            tap.check(f"{dtype}, {files} files: as saved", loads, saved, model, want)
            for names in ("documented", "automodel"):
                forward = ["--set", f"names={names}"]
                for back in (["--exclude", BIAS], ["--like", saved]):
                    tap.check(f"{dtype}, {names} names, back by {back[0]}", round_trip, work, saved, forward, back,
                              model, want)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
