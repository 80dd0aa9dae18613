#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of 91,985 tensors (61 layers and one more, 256 experts each by itself, FP8 with scales) in 163 files of holes:
planned and mounted in two seconds and 400 MB, its view listed in one.

usage: split-scale.py LENSFS
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES, LAYERS, EXPERTS, H, I = 163, 61, 256, 7168, 2048
SIZE = {"F8_E4M3": 1, "BF16": 2, "F32": 4}


def tensors():
    def fp8(key, rows, cols):
        yield key, "F8_E4M3", (rows, cols)
        yield key + "_scale_inv", "F32", (-(-rows // 128), -(-cols // 128))

    yield "model.embed_tokens.weight", "BF16", (129280, H)
    yield "lm_head.weight", "BF16", (129280, H)
    yield "model.norm.weight", "BF16", (H,)
    for layer in range(LAYERS + 1):
        p = f"model.layers.{layer}."
        for name, n in (("input_layernorm", H), ("post_attention_layernorm", H), ("self_attn.q_a_layernorm", 1536), ("self_attn.kv_a_layernorm", 512)):
            yield f"{p}{name}.weight", "BF16", (n,)
        for name, rows, cols in (("q_a_proj", 1536, H), ("q_b_proj", 24576, 1536), ("kv_a_proj_with_mqa", 576, H), ("kv_b_proj", 32768, 512), ("o_proj", H, 16384)):
            yield from fp8(f"{p}self_attn.{name}.weight", rows, cols)
        wide = 18432 if layer < 3 else I
        for name, rows, cols in (("gate", wide, H), ("up", wide, H), ("down", H, wide)):
            if layer < 3:
                yield from fp8(f"{p}mlp.{name}_proj.weight", rows, cols)
                continue
            yield from fp8(f"{p}mlp.shared_experts.{name}_proj.weight", rows, cols)
            for e in range(EXPERTS):
                yield from fp8(f"{p}mlp.experts.{e}.{name}_proj.weight", rows, cols)
        if layer >= 3:
            yield f"{p}mlp.gate.weight", "BF16", (EXPERTS, H)
            yield f"{p}mlp.gate.e_score_correction_bias", "F32", (EXPERTS,)


def write(folder):
    all_of_them, index = list(tensors()), {}
    each = -(-len(all_of_them) // FILES)
    for i in range(FILES):
        name, header, at = f"model-{i + 1:05d}-of-{FILES:05d}.safetensors", {}, 0
        for key, dtype, shape in all_of_them[i * each : (i + 1) * each]:
            n = SIZE[dtype]
            for d in shape:
                n *= d
            header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
            at += n
            index[key] = name
        text = json.dumps(header, separators=(",", ":")).encode()
        with open(folder / name, "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text)
            f.truncate(8 + len(text) + at)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "torch_dtype": "bfloat16",
        "num_hidden_layers": LAYERS, "n_routed_experts": EXPERTS,
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}))
    return len(all_of_them)


def timed(*argv):
    start = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def sanitized(lensfs):
    """Instrumented code takes times as long, and memory."""
    libraries = subprocess.run(["ldd", lensfs], capture_output=True, text=True).stdout
    return "libasan" in libraries or "libtsan" in libraries or "libubsan" in libraries


def main(lensfs):
    with tempfile.TemporaryDirectory(prefix="lensfs-split-") as name:
        source, point = Path(name) / "source", Path(name) / "mnt"
        source.mkdir()
        point.mkdir()
        n = write(source)
        assert n > 91000, n
        if sum(p.stat().st_blocks for p in source.iterdir()) * 512 > 1 << 30:
            print("this filesystem has no holes")
            return 77
        plan = min(timed(lensfs, "plan", source) for _ in range(3))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{n} tensors: planned in {plan:.2f} s, {peak:.0f} MiB")
        # Under 2 and 1 s on a quiet machine; others take their share of this one.
        bounded = not sanitized(lensfs)
        assert not bounded or (plan < 4 and peak < 400), (plan, peak)
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            return 0
        mount = timed(lensfs, "mount", source, point)
        try:
            ls = timed("ls", "-lR", point)
        finally:
            subprocess.run([lensfs, "umount", point], check=True)
        print(f"mounted in {mount:.2f} s, listed in {ls:.2f} s")
        assert not bounded or (mount < 5 and ls < 3), (mount, ls)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
