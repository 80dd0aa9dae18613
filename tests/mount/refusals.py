#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the reference's adapters get wrong without a word is refused, and the message names a tensor that it is about.

usage: refusals.py LENSFS [WORD ...]

First by name: each row is a small checkpoint that is read, and a change after which it must not be.  Then of every recipe: an FP8 weight that is used is used with
its scale; and without one, its codes do not become values.  WORD: rows whose name holds it.
"""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import generate  # noqa: E402
import language as lang  # noqa: E402
from generate import WIDTH  # noqa: E402

LENSFS = sys.argv[1]
E = 3  # experts
FP8 = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}


@dataclass
class Row:
    name: str
    recipe: str
    config: dict
    tensors: str  # "key dtype dimension ..." a line; {0-2} stands for each number, {a,b} for each word
    change: str  # lines as above, or "-key" for a tensor that is not there
    key: str  # that the message names
    why: str  # what else it says, a regular expression
    reverse: bool = False


def flat(kind, count="num_experts", **more):
    return {"model_type": kind, "torch_dtype": "bfloat16", "num_hidden_layers": 2, count: E, **more}


def nested(kind, count="num_experts", text={}, **more):
    return {"model_type": kind, "dtype": "bfloat16", "text_config": {"dtype": "bfloat16", "num_hidden_layers": 2, count: E, **text}, **more}


def split(at, names="gate_proj,up_proj", down="down_proj", dtype="BF16", scale=""):
    """Experts one by one; with the suffix of scales, those too."""
    lines = f"{at}.{{0-2}}.{{{names}}}.weight {dtype} 5 6\n{at}.{{0-2}}.{down}.weight {dtype} 6 5\n"
    return lines + (f"{at}.{{0-2}}.{{{names},{down}}}.weight{scale} F32 1 1\n" if scale else "")


# FP8 experts none of which has a scale ----------------------------------------------------------------------------------

LLM, TEXT = "model.layers.1.mlp.experts", "model.language_model.layers.1.mlp.experts"
W123 = {"names": "w1,w3", "down": "w2"}
PLAIN = "model.norm.weight BF16 6\n"
MIMO = {"hybrid_layer_pattern": [0, 1], "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "v_head_dim": 2,
        "swa_num_attention_heads": 4, "swa_num_key_value_heads": 2, "swa_head_dim": 4, "swa_v_head_dim": 2}
BY_ITSELF = [
    ("deepseek_v3", flat("deepseek_v3", "n_routed_experts", **FP8), LLM, {}),
    ("deepseek_v32", flat("deepseek_v32", "n_routed_experts", **FP8), LLM, {}),
    ("kimi_k2", flat("kimi_k2", "n_routed_experts", **FP8), LLM, {}),
    ("glm_moe_dsa", flat("glm_moe_dsa", "n_routed_experts", **FP8), LLM, {}),
    ("glm5_next", nested("glm5_next", "n_routed_experts", **FP8), TEXT, {}),
    ("mimo_v2_flash", flat("mimo_v2", "n_routed_experts", **MIMO, **FP8), LLM, {}),
    ("mimo_v25", flat("mimo_v2", "n_routed_experts", **MIMO, **FP8), LLM, {}),
    ("minimax_m2", flat("minimax_m2", "num_local_experts", **FP8), "model.layers.1.block_sparse_moe.experts", W123),
    ("minimax_m3_vl", flat("minimax_m3", "num_local_experts"), "model.layers.1.block_sparse_moe.experts", W123),
    ("kimivl", nested("kimi_vl", "n_routed_experts", **FP8), "language_model.model.layers.1.mlp.experts", {}),
    ("kimi_k25_vl", nested("kimi_k25", "n_routed_experts"), "language_model.model.layers.1.mlp.experts", {}),
    ("kimi_k3", nested("kimi_k3", text={"linear_attn_config": {"num_heads": 2}}), "language_model.model.layers.1.block_sparse_moe.experts", W123),
    ("deepseek_v4", flat("deepseek_v4", "n_routed_experts"), "layers.1.ffn.experts", W123),
    ("deepseek_v41", nested("deepseek_v41", "n_routed_experts"), "layers.1.ffn.experts", W123),
    ("qwen3_moe", flat("qwen3_moe"), LLM, {}),
    ("glm4_moe", flat("glm4_moe", "n_routed_experts"), LLM, {}),
    ("qwen3_5_moe", nested("qwen3_5_moe"), TEXT, {}),
]
ROWS = [Row(f"{recipe}: experts in FP8 of which none has a scale", recipe, config, PLAIN, split(at, dtype="F8_E4M3", **how),
            f"{at}.0", "FP8|F8_E4M3") for recipe, config, at, how in BY_ITSELF]
ROWS += [
    Row(f"{recipe}: one expert of several without its scale", recipe, config,
        PLAIN + split(at, dtype="F8_E4M3", scale="_scale_inv", **how), f"-{at}.1.{how.get('down', 'down_proj')}.weight_scale_inv",
        f"{at}.1.{how.get('down', 'down_proj')}.weight", "FP8|F8_E4M3")
    for recipe, config, at, how in BY_ITSELF
    if recipe not in ("kimi_k3", "minimax_m3_vl", "deepseek_v4", "deepseek_v41", "qwen3_moe", "glm4_moe")]

# DeepSeek V4: of a layer that lacks an expert the reference drops the merged tensor, and scales leak ----------------------

V4 = flat("deepseek_v4", "n_routed_experts", num_nextn_predict_layers=1)
FP4 = """
    norm.weight BF16 64
    {layers.1,mtp.0}.ffn.experts.{0-2}.{w1,w3}.weight I8 32 32
    {layers.1,mtp.0}.ffn.experts.{0-2}.w2.weight I8 64 16
    {layers.1,mtp.0}.ffn.experts.{0-2}.{w1,w3}.scale F8_E8M0 32 2
    {layers.1,mtp.0}.ffn.experts.{0-2}.w2.scale F8_E8M0 64 1
"""
ROWS += [Row(f"deepseek_v4: {at} lacks expert 1's {name}", "deepseek_v4", V4, FP4,
             f"-{at}.ffn.experts.1.{name}.weight\n-{at}.ffn.experts.1.{name}.scale", r"layers\.\d\.ffn\.experts\.1\." + name + r"\.weight", "missing")
         for at in ("layers.1", "mtp.0") for name in ("w1", "w2", "w3")]
ROWS += [
    Row("deepseek_v4: no expert 1 at all", "deepseek_v4", V4, FP4,
        "".join(f"-layers.1.ffn.experts.1.{n}.{x}\n" for n in ("w1", "w2", "w3") for x in ("weight", "scale")),
        "ffn.experts.1.", "missing"),
    Row("deepseek_v4: the last expert is missing", "deepseek_v4", V4, FP4,
        "".join(f"-layers.1.ffn.experts.2.{n}.{x}\n" for n in ("w1", "w2", "w3") for x in ("weight", "scale")),
        "ffn.experts.2.", "missing"),
    Row("deepseek_v4: codes without a scale", "deepseek_v4", V4, FP4, "-layers.1.ffn.experts.1.w1.scale", "layers.1.ffn.experts.1.w1.weight", "scale"),
    Row("deepseek_v4: a scale without codes", "deepseek_v4", V4, FP4, "-layers.1.ffn.experts.1.w1.weight", "layers.1.ffn.experts.1.w1", "scale|missing"),
]

# A scale is dropped, and what it belongs to is not decoded ----------------------------------------------------------------

TURNED = "{at}.gate_up_proj BF16 3 10 6\n{at}.down_proj BF16 3 6 5\n"
QKV = "model.language_model.layers.1.self_attn.q_proj.weight"
FLASH = nested("qwen3_8_flash_next", text={"split_ngram_parts": 12, "ple_layer_ids": [2]})
TABLE = "model.language_model.layers.1.ple.ple_embedding.ngram_embedding"
PARTS = f"{TABLE}.shard_{{0-11}}.weight BF16 3 2\n"
for recipe, config in (("qwen3_5_moe", nested("qwen3_5_moe")), ("qwen3_8_flash_next", FLASH), ("qwen3_vl_moe", nested("qwen3_vl_moe"))):
    base = TURNED.replace("{at}", TEXT) + (PARTS if recipe == "qwen3_8_flash_next" else "")
    for what, key in (("attention", QKV), ("vision", "model.visual.blocks.0.attn.qkv.weight"), ("a shared expert", TEXT[:-1].replace("expert", "shared_expert") + ".up_proj.weight"),
                      ("the head", "lm_head.weight")):
        ROWS.append(Row(f"{recipe}: {what} in FP8 with a scale", recipe, config, base, f"{key} F8_E4M3 5 6\n{key}_scale_inv BF16 1 1", key, "FP8"))
    ROWS.append(Row(f"{recipe}: attention in FP8 without a scale", recipe, config, base, f"{QKV} F8_E4M3 5 6", QKV, "FP8"))
    ROWS.append(Row(f"{recipe}: stacked experts in FP8", recipe, config, base,
                    f"{TEXT}.down_proj F8_E4M3 3 6 5\n{TEXT}.down_proj_scale_inv BF16 3 1 1", f"{TEXT}.down_proj", "FP8"))
    ROWS.append(Row(f"{recipe}: one expert more than config.json says", recipe, config, base, f"{TEXT}.down_proj BF16 4 6 5", f"{TEXT}.down_proj", "as many experts"))
    ROWS.append(Row(f"{recipe}: one expert less", recipe, config, base, f"{TEXT}.down_proj BF16 2 6 5", f"{TEXT}.down_proj", "as many experts"))
ROWS += [
    Row(f"{recipe}: attention in FP8 with a scale", recipe, config, PLAIN, f"{key} F8_E4M3 5 6\n{key}_scale_inv F32 1 1", key, "FP8")
    for recipe, config, key in (
        ("qwen3_moe", flat("qwen3_moe"), "model.layers.0.self_attn.o_proj.weight"),
        ("qwen3_next", flat("qwen3_next"), "model.layers.0.self_attn.o_proj.weight"),
        ("glm4_moe", flat("glm4_moe", "n_routed_experts"), "model.layers.0.self_attn.o_proj.weight"),
        ("ling_v2", flat("bailing_moe_v2", num_attention_heads=2, num_key_value_heads=1, head_dim=2), "model.layers.0.attention.dense.weight"),
        ("nemotron_v3", flat("nemotron_h", "n_routed_experts"), "backbone.layers.0.mixer.in_proj.weight"),
        ("hunyuan_image3", flat("hunyuan_image_3_moe", moe_intermediate_size=5), "model.layers.0.self_attn.o_proj.weight"),
        ("inkling", nested("inkling_mm_model", "n_routed_experts"), "model.llm.layers.0.attn.wo_ud.weight"),
        ("step3p7", nested("step3p7"), "vision_model.blocks.0.attn.weight"),
    )
]
ROWS += [
    Row("step3p5: FP8 beside a scale that the reference takes for the weight", "step3p5", flat("step3p5"),
        "model.layers.0.moe.{gate_proj,up_proj}.weight BF16 3 5 6\nmodel.layers.0.moe.down_proj.weight BF16 3 6 5\n",
        "model.layers.0.moe.gate_proj.weight F8_E4M3 3 5 6\nmodel.layers.0.moe.gate_proj.weight_scale_inv F32 3 1 1",
        "model.layers.0.moe.gate_proj.weight", "F8_E4M3|FP8"),
    Row("gemma4_moe: one expert more than config.json says", "gemma4_moe", nested("gemma4", text={"enable_moe_block": True}),
        "{at}.gate_up_proj BF16 3 10 6\n{at}.down_proj BF16 3 6 5\n".replace("{at}", "model.language_model.layers.1.experts")
        + "model.language_model.layers.1.router.per_expert_scale BF16 3\n",
        "model.language_model.layers.1.experts.gate_up_proj BF16 4 10 6", "model.language_model.layers.1.experts.gate_up_proj", "as many experts"),
    Row("inkling: one expert more than config.json says", "inkling", nested("inkling_mm_model", "n_routed_experts"),
        "model.llm.layers.1.mlp.experts.w13_weight BF16 3 10 6\n", "model.llm.layers.1.mlp.experts.w13_weight BF16 4 10 6",
        "model.llm.layers.1.mlp.experts.w13_weight", "as many experts"),
    Row("qwen3_moe: one expert more than config.json says", "qwen3_moe", flat("qwen3_moe"), PLAIN + split(LLM),
        f"{LLM}.3.down_proj.weight BF16 6 5", f"{LLM}.3.down_proj.weight", "one too many"),
]

# The n-gram table of Qwen 3.8 Flash Next, and qkv of MiMo ------------------------------------------------------------------

NATIVE = f"{TABLE}.weight BF16 {{rows}} 2\n"
ROWS += [
    Row("qwen3_8_flash_next: 39 rows that 12 parts do not divide", "qwen3_8_flash_next", FLASH, NATIVE.replace("{rows}", "36"),
        NATIVE.replace("{rows}", "39"), f"{TABLE}.weight", "39 and can't be split into 12 equal parts", reverse=True),
    Row("qwen3_8_flash_next: a part is missing", "qwen3_8_flash_next", FLASH, PARTS, f"-{TABLE}.shard_7.weight", f"{TABLE}.shard_7.weight", "missing"),
    Row("qwen3_8_flash_next: the last part is missing", "qwen3_8_flash_next", FLASH, PARTS, f"-{TABLE}.shard_11.weight", f"{TABLE}.shard_11.weight", "missing"),
    Row("qwen3_8_flash_next: a part too many", "qwen3_8_flash_next", FLASH, PARTS, f"{TABLE}.shard_12.weight BF16 3 2", f"{TABLE}.shard_12.weight", "one too many"),
    Row("qwen3_8_flash_next: parts of unequal size", "qwen3_8_flash_next", FLASH, PARTS, f"{TABLE}.shard_11.weight BF16 2 2", f"{TABLE}.shard_11.weight", "differ"),
    Row("mimo_v25: qkv in FP8 without a scale", "mimo_v25", flat("mimo_v2", "n_routed_experts", **MIMO, **FP8),
        "model.layers.0.self_attn.qkv_proj.weight F8_E4M3 28 6\nmodel.layers.0.self_attn.qkv_proj.weight_scale_inv F32 2 1",
        "-model.layers.0.self_attn.qkv_proj.weight_scale_inv", "model.layers.0.self_attn.qkv_proj.weight", "F8_E4M3"),
    Row("mimo_v2_flash: MXFP4 codes without a scale", "mimo_v2_flash", flat("mimo_v2", "n_routed_experts", **MIMO),
        f"{LLM}.{{0-2}}.{{gate_proj,up_proj,down_proj}}.weight U8 32 16\n{LLM}.{{0-2}}.{{gate_proj,up_proj,down_proj}}.weight_scale U8 32 1\n",
        f"-{LLM}.1.up_proj.weight_scale", f"{LLM}.1.up_proj.weight", "scale"),
]


def lines(text):
    """(key, dtype, shape) of each line, words and numbers set in; "-key": (key, None, None)."""
    for line in filter(str.strip, text.splitlines()):
        key, *rest = line.split()
        todo = [key]
        while any("{" in k for k in todo):
            todo = [f"{k[: m.start()]}{x}{k[m.end() :]}" for k in todo for m in [re.search(r"\{([^}]*)\}", k)]
                    for x in (map(str, range(int(m[1].split("-")[0]), int(m[1].split("-")[1]) + 1)) if re.fullmatch(r"\d+-\d+", m[1]) else m[1].split(","))]
        for k in todo:
            yield (k[1:], None, None) if k[0] == "-" else (k, rest[0], [int(d) for d in rest[1:]])


def some(key, dtype, shape, salt=""):
    """Values that depend on the key alone, of which none is NaN: exponents and scales near 1."""
    n = lang.product(shape)
    raw = b"".join(hashlib.sha256(f"{key} {salt} {i}".encode()).digest() for i in range(n * WIDTH[dtype] // 32 + 1))
    if dtype == "F32":
        return b"".join(bytes([b, 0, 0x80 | b & 0x7F, 0x3F]) for b in raw[:n])
    if dtype == "F8_E8M0":
        return bytes(120 + b % 8 for b in raw[:n])
    if dtype == "BF16":
        return b"".join(bytes([b, 0x3F]) for b in raw[:n])
    return bytes(b & 0x6F for b in raw[: n * WIDTH[dtype]])


class Failed(Exception):
    pass


def convert(work, recipe, config, tensors, *options):
    """The view's tensors, or None; and what was said."""
    src, out = work / "src", work / "out"
    subprocess.run(["rm", "-rf", src, out], check=True)
    src.mkdir()
    generate.write(src / "model.safetensors", tensors)
    (src / "config.json").write_text(json.dumps(config))
    r = subprocess.run([LENSFS, "convert", "-q", "--recipe", recipe, *options, src, out], capture_output=True, text=True, errors="replace", timeout=60)
    if r.returncode not in (0, 1):
        raise Failed(f"exit {r.returncode}: {r.stderr[-300:]}")
    return (None, r.stderr) if r.returncode else (generate.read(out), r.stderr)


def by_name(work, row):
    options = ["--reverse"] if row.reverse else []
    tensors = {k: (d, s, some(k, d, s)) for k, d, s in lines(row.tensors)}
    view, said = convert(work, row.recipe, row.config, tensors, *options)
    if view is None:
        raise Failed(f"as it is: {said.strip()}")
    for key, dtype, shape in lines(row.change):
        if dtype is None:
            del tensors[key]
        else:
            tensors[key] = dtype, shape, some(key, dtype, shape)
    view, said = convert(work, row.recipe, row.config, tensors, *options)
    if view is not None:
        raise Failed("not refused")
    if not (row.key in said or re.search(row.key, said)) or not re.search(row.why, said):
        raise Failed(f"refused, but: {said.strip()}")
    return said.strip().partition(": ")[2]


# Of every recipe ------------------------------------------------------------------------------------------------------------

SCALES = [("_scale_inv", "F32"), ("_scale", "BF16"), (".scale", "F8_E8M0")]


def weights(ck):
    """Two matrices of a checkpoint that FP8 might have: of an expert, and of none."""
    found = {}
    for key in sorted(k for k, (dtype, shape, _) in ck.tensors.items() if len(shape) == 2 and k.endswith(".weight")):
        found.setdefault("experts" in key, key)
    return found.values()


def of_recipe(work, name):
    tried = []
    for seed in range(30):
        g = generate.Generator(name, seed)
        try:
            ck = g.make(1)
        except lang.Misfit:
            continue
        keys = list(weights(ck))
        for key in keys if not tried or len(keys) > 1 else []:
            tried.append(key)
            for suffix, dtype in [("", ""), *SCALES]:
                one_scale(work, ck, key, suffix, dtype)
        if len(keys) > 1 or seed > 12 and tried:
            break
    return f"{len(tried)} weights"


def one_scale(work, ck, key, suffix, dtype):
    """Is the weight of a changed view, so is its scale; without a scale codes stay codes."""
    shape = ck.tensors[key][1]
    scale = (key + suffix if suffix[:1] == "_" else key.removesuffix(".weight") + suffix) if suffix else None

    def view(weight="", factor=""):
        tensors = {**ck.tensors, key: ("F8_E4M3", shape, some(key, "F8_E4M3", shape, weight))}
        if scale:
            tensors[scale] = dtype, [1, 1], some(scale, dtype, [1, 1], factor)
        return convert(work, ck.recipe, ck.config, tensors, *ck.options)

    plain, said = view()
    if plain is None:
        if key not in said and (not scale or scale not in said):
            raise Failed(f"{key}, {scale}: refused, and not by name: {said.strip()}")
        return
    other = view(weight="another")[0]
    if other == plain:
        return  # it is not in the view
    if not scale:
        bad = [k for k in other if other[k] != plain.get(k) and other[k][0] != "F8_E4M3"]
        if bad:
            raise Failed(f"{key}: codes without a scale are values of {bad[0]}, {other[bad[0]][:2]}")
    elif view(factor="another")[0] == plain:
        raise Failed(f"{key} is in the view, and {scale} is not")


def built_in():
    out = subprocess.run([LENSFS, "recipes"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in out.splitlines() if line.strip()]


def main():
    words = [w for w in sys.argv[2:] if not w.startswith("-")]
    jobs = [(r.name, by_name, r) for r in ROWS] + [(f"{n}: no weight without its scale", of_recipe, n) for n in built_in()]
    jobs = [j for j in jobs if not words or any(w in j[0] for w in words)]
    status, work = 0 if jobs else 1, generate.folder("refusals")
    print(f"1..{len(jobs)}")
    for i, (name, fn, what) in enumerate(jobs, 1):
        try:
            said = fn(work, what)
            print(f"ok {i} - {name}" + (f"\n# {said}" if said else ""), flush=True)
        except Failed as e:
            status = 1
            print(f"not ok {i} - {name}\n# {str(e)[:700]}", flush=True)
    subprocess.run(["rm", "-rf", work], check=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
