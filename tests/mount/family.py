#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipe in docs/adding-a-family.md, taken from the page and run over a checkpoint: there, and back.  Then weights in a
file of another name, which a recipe may know.

usage: family.py LENSFS

Values are BF16 bit patterns, worked on as numbers.  Standard library only.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
H, I, E, HEADS, KV, DIM, LAYERS = 6, 5, 11, 3, 1, 2, 2
SIZE = {"BF16": 2, "F32": 4}
CONFIG = {"model_type": "example_moe", "torch_dtype": "bfloat16", "num_hidden_layers": LAYERS, "num_experts": E,
          "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": DIM}


def write(folder, tensors, config):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    header, data = {}, b""
    for key, (dtype, shape, values) in tensors.items():
        raw = b"".join(v.to_bytes(SIZE[dtype], "little") for v in values)
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def read(folder):
    raw = (folder / "model.safetensors").read_bytes()
    n = int.from_bytes(raw[:8], "little")
    out = {}
    for key, t in json.loads(raw[8 : 8 + n]).items():
        if key == "__metadata__":
            continue
        a, b, size = *t["data_offsets"], SIZE[t["dtype"]]
        body = raw[8 + n + a : 8 + n + b]
        out[key] = (t["dtype"], t["shape"], [int.from_bytes(body[i : i + size], "little") for i in range(0, len(body), size)])
    return out


def make():
    """A checkpoint, and its native tree."""
    rng = random.Random(3)
    hf, native = {}, {}

    def new(key, *shape):
        n = 1
        for d in shape:
            n *= d
        hf[key] = ("BF16", list(shape), [rng.randrange(0x7F80) for _ in range(n)])
        return hf[key][2]

    native["model.embed_tokens.weight"] = ("BF16", [4, H], new("transformer.wte.weight", 4, H))
    for layer in range(LAYERS):
        p, q = f"transformer.h.{layer}", f"model.layers.{layer}"
        at, qkv = 0, new(f"{p}.attn.qkv.weight", (HEADS + 2 * KV) * DIM, H)
        for name, rows in (("q", HEADS * DIM), ("k", KV * DIM), ("v", KV * DIM)):
            native[f"{q}.self_attn.{name}_proj.weight"] = ("BF16", [rows, H], qkv[at * H : (at + rows) * H])
            at += rows
        gates, ups, downs = ([new(f"{p}.moe.{e}.{x}.weight", *s) for e in range(E)]
                             for x, s in (("gate", (I, H)), ("up", (I, H)), ("down", (H, I))))
        native[f"{q}.mlp.experts.gate_and_up_projs"] = (
            "BF16", [E, H, 2 * I], [m[i * H + h] for e in range(E) for h in range(H) for m in (gates[e], ups[e]) for i in range(I)])
        native[f"{q}.mlp.experts.down_projs"] = ("BF16", [E, I, H], [d[h * I + i] for d in downs for i in range(I) for h in range(H)])
        native[f"{q}.decay"] = ("F32", [3], [v << 16 for v in new(f"{p}.decay", 3)])
    back = {k: v for k, v in hf.items() if not k.endswith(".decay")}
    back |= {f"transformer.h.{n}.decay": native[f"model.layers.{n}.decay"] for n in range(LAYERS)}
    new(f"transformer.h.{LAYERS}.decay", 3)
    return hf, native, back


def other_name(lensfs, work):
    """ema.safetensors is read by the recipe that names it, and by no other."""
    source = work / "other"
    write(source, {"vit_pos_embed.pos_embed": ("BF16", [2], [1, 2])}, {"model_type": "bagel"})
    (source / "model.safetensors").rename(source / "ema.safetensors")
    convert = lambda *words: subprocess.run([lensfs, "convert", *map(str, words)], capture_output=True, text=True)
    r = convert(source, work / "out-other")
    assert r.returncode == 0, r.stderr
    assert read(work / "out-other") == {"model.vit_pos_embed.pos_embed": ("BF16", [2], [1, 2])}
    (source / "config.json").write_text(json.dumps({"model_type": "llama"}))
    for words, why in (((), "recipe llama does not read 'ema.safetensors'"), (("--recipe", "identity"), "neither model.safetensors")):
        r = convert(*words, source, work / "out-none")
        assert r.returncode == 1 and why in r.stderr, r.stderr


def main(lensfs):
    page = (ROOT / "docs/adding-a-family.md").read_text()
    (recipe,) = re.findall(r"^```json\n(.*?)^```$", page, re.S | re.M)
    hf, native, back = make()
    with tempfile.TemporaryDirectory(prefix="lensfs-family-") as name:
        work = Path(name)
        (work / "example_moe.json").write_text(recipe)
        run = lambda *options: subprocess.run(
            [lensfs, "convert", "--recipe", str(work / "example_moe.json"), *map(str, options)], capture_output=True, text=True)
        write(work / "hf", hf, CONFIG)
        write(work / "native", native, CONFIG)
        for source, want, options in (("hf", native, ()), ("native", back, ("--reverse",))):
            r = run(*options, work / source, work / f"out-{source}")
            assert r.returncode == 0, r.stderr
            got = read(work / f"out-{source}")
            assert got.keys() == want.keys(), sorted(got.keys() ^ want.keys())
            for key in want:
                assert got[key] == want[key], key
        del hf["transformer.h.1.moe.4.up.weight"]
        write(work / "torn", hf, CONFIG)
        r = run(work / "torn", work / "out-torn")
        assert r.returncode == 1 and "model.layers.1.moe.4.up.weight" in r.stderr, r.stderr
        other_name(lensfs, work)


if __name__ == "__main__":
    main(sys.argv[1])
