#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hugging Face -> native -> Hugging Face comes back byte for byte, through mounts of mounts, with no file written.

usage: test_roundtrip.py [--seed N] [--only N]

BF16 checkpoints return by `--exclude` of the router bias that reading adds, or by `--like`; FP8 ones by `--quantize fp8 --scales
like --like`: codes, scales of any magnitude from 4.6e-38 to 8.1e35 and of either sign, headers and index of whatever writer.
"""

from __future__ import annotations

import argparse
import json
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
from safetensors.torch import load_file  # noqa: E402

from checkpoints import FP8, Maker, Spec  # noqa: E402
from compare import same_files  # noqa: E402
from reference import natural, save  # noqa: E402

BIAS = r".*e_score_correction_bias"
SMALLEST, LARGEST = 4.6e-38, 8.1e35  # of a BF16 scale whose every code survives BF16
DTYPES = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", FP8: "F8_E4M3"}


class Published(Maker):
    """What can come back: FP8 without NaN, scales that can be divided by."""

    def bits(self, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        t = super().bits(dtype, *shape)
        if dtype != FP8:
            return t
        raw = t.view(torch.uint8)
        return torch.where(raw & 0x7F == 0x7F, raw ^ 1, raw).view(FP8)

    def scale(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        dtype = dtype or self.rng.choice([torch.bfloat16] * 4 + [torch.float32, torch.float16])
        if dtype == torch.bfloat16:  # every one in the range has the same chance
            low, high = (int(torch.tensor(x, dtype=dtype).view(torch.int16)) for x in (SMALLEST, LARGEST))
            s = torch.randint(low + 1, high, shape, generator=self.gen, dtype=torch.int16).view(dtype)
        else:
            s = torch.ldexp(1 + torch.rand(shape, generator=self.gen), torch.randint(-14, 14, shape, generator=self.gen)).to(dtype)
        return torch.where(torch.rand(shape, generator=self.gen) < 0.3, -s, s)

    def linear(self, key: str, rows: int, cols: int) -> None:
        super().linear(key, rows, cols)
        weight = self.tensors[key + ".weight"]
        if weight.dtype != FP8 and key + ".weight_scale_inv" in self.tensors:
            self.tensors[key + ".weight"] = self.bits(FP8, rows, cols)  # a product would not come back


def strange_header(tensors: dict[str, torch.Tensor], rng: random.Random) -> bytes:
    """A file as some other writer lays it out: any order of keys and of data, any metadata, spacing and padding."""
    placed, data, keys = {}, bytearray(), list(tensors)
    rng.shuffle(keys)
    for key in keys:
        t = tensors[key]
        begin = len(data)
        data += t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        fields = [("shape", list(t.shape)), ("dtype", DTYPES[t.dtype]), ("data_offsets", [begin, len(data)])]
        rng.shuffle(fields)
        placed[key] = dict(fields)
    rng.shuffle(keys)
    entries = [(k, placed[k]) for k in keys]
    if rng.random() < 0.7:
        told = rng.choice([{"format": "pt"}, {"writer": "another \u00e9", "format": "pt", "n": "1"}, {}])
        entries.insert(rng.choice([0, len(entries)]), ("__metadata__", told))
    header = json.dumps(dict(entries), separators=rng.choice([None, (",", ":"), (" , ", " : ")]), ensure_ascii=rng.random() < 0.5)
    text = header.encode() + b" " * rng.choice([0, -len(header.encode()) % 8, 64])
    return len(text).to_bytes(8, "little") + bytes(text) + bytes(data)


def write_strange(folder: Path, tensors: dict[str, torch.Tensor], spec: Spec, rng: random.Random) -> None:
    files = [{} for _ in range(spec.shards)]
    keys = list(tensors)
    rng.shuffle(keys)
    for i, key in enumerate(keys):
        files[i if i < len(files) else rng.randrange(len(files))][key] = tensors[key]
    where = {}
    for i, part in enumerate(files, 1):
        name = "model.safetensors" if len(files) == 1 else f"model-{i:05d}-of-{len(files):05d}.safetensors"
        (folder / name).write_bytes(strange_header(part, rng))
        where |= dict.fromkeys(part, name)
    if len(files) > 1:
        index = {"weight_map": where}
        if rng.random() < 0.5:
            index = {"metadata": {"total_size": 1.5, "note": "of another writer"}, **index}
        text = json.dumps(index, indent=rng.choice([None, 2, 4])) + rng.choice(["", "\n"])
        (folder / "model.safetensors.index.json").write_text(text)


def write(folder: Path, tensors: dict[str, torch.Tensor], maker: Maker, strange: bool) -> None:
    spec, rng = maker.spec, random.Random(maker.spec.seed)
    folder.mkdir()
    if strange:
        write_strange(folder, tensors, spec, rng)
    else:
        ordered = {k: tensors[k].clone().contiguous() for k in sorted(tensors, key=natural)}
        save(ordered, folder, max_shard_size=spec.shard_size or "5GB")
    (folder / "config.json").write_text(json.dumps(maker.config(), indent=rng.choice([1, 2, 3])) + rng.choice(["", "\n"]))
    (folder / "tokenizer.json").write_bytes(rng.randbytes(rng.randrange(1, 9000)))
    (folder / "assets").mkdir()
    (folder / "assets/notes.txt").write_bytes(rng.randbytes(300))


def there_and_back(work: Path, spec: Spec, how: str, strange: bool) -> str:
    for name in ("orig", "out"):
        shutil.rmtree(work / name, ignore_errors=True)
    maker = Published(spec)
    tensors = maker.make()
    if how == "exclude":
        tensors = {k: v for k, v in tensors.items() if not k.endswith("e_score_correction_bias")}
    orig = work / "orig"
    write(orig, tensors, maker, strange)
    forward = ["--set", "names=automodel"] if spec.multimodal and spec.names == "automodel" else []
    forward += ["--shard-size", "77777"] if spec.seed % 2 else []
    back = {"exclude": ["--exclude", BIAS] + (["--shard-size", str(spec.shard_size)] if spec.shard_size else []),
            "like": ["--like", orig], "fp8": ["--quantize", "fp8", "--scales", "like", "--like", orig]}[how]
    with Mount(orig, forward, work) as native:
        with Mount(native, ["--reverse", *back], work) as hf:
            same_files(hf, orig)
            if spec.grain != "none" and spec.seed % 3 == 0:  # and once more around
                with Mount(hf, forward, work) as again, Mount(again, ["--reverse", *back], work) as last:
                    same_files(last, orig)
        run(lensfs(), "convert", "--quiet", "--reverse", *back, native, work / "out")
    same_files(work / "out", orig)
    return f"{len(tensors)} tensors in {len(list(orig.glob('*.safetensors')))} files"


def every_scale(work: Path, dtype: torch.dtype, low: float, high: float) -> str:
    """Every finite code with every BF16 scale between the two, of either sign, an expert for each scale."""
    shutil.rmtree(work / "orig", ignore_errors=True)
    orig = work / "orig"
    orig.mkdir()
    bits = torch.arange(1, 0x7F80, dtype=torch.int16).view(torch.bfloat16)
    bits = bits[(bits.float() >= low) & (bits.float() <= high)]
    scales = torch.cat([bits, -bits])
    codes = torch.tensor([c for c in range(256) if c & 0x7F != 0x7F], dtype=torch.uint8).view(FP8)
    n, key = len(scales), "language_model.model.layers.0.mlp.experts.down_proj"
    save({key: codes.view(torch.uint8).repeat(n, 1).view(FP8).reshape(n, 2, 127), key + "_scale_inv": scales.reshape(n, 1, 1)}, orig)
    (orig / "config.json").write_text(json.dumps({"model_type": "mistral4", "n_routed_experts": n}))
    told = ["--dtype", {torch.bfloat16: "bf16", torch.float16: "f16"}[dtype]]
    with Mount(orig, told, work) as native:
        with Mount(native, ["--reverse", "--quantize", "fp8", "--like", orig], work) as hf:
            same_files(hf, orig)
    return f"{n} scales"


def changed(work: Path, scale: float, value: float, code: int | None) -> str:
    """One value of a native tree that is not finite: the largest code if that reads as infinity, too, and else refused."""
    for name in ("orig", "src", "out"):
        shutil.rmtree(work / name, ignore_errors=True)
    key = "model.layers.0.self_attn.o_proj.weight"
    for folder in ("orig", "src"):
        (work / folder).mkdir()
        (work / folder / "config.json").write_text('{"model_type": "mistral4", "n_routed_experts": 2}')
    weights = torch.zeros(3, 5, dtype=torch.bfloat16)
    save({"language_model." + key: weights.to(FP8), f"language_model.{key}_scale_inv": torch.tensor(scale)}, work / "orig")
    weights[1, 2] = value
    save({key: weights}, work / "src")
    argv = [lensfs(), "convert", "-q", "--reverse", "--quantize", "fp8", "--like", work / "orig", work / "src", work / "out"]
    r = subprocess.run([str(x) for x in argv], capture_output=True, text=True)
    if code is None:
        if r.returncode != 1 or f"'language_model.{key}'" not in r.stderr or (work / "out").exists():
            raise Failed(f"exit {r.returncode}, not 1, or the key is not named, or something is left: {r.stderr}")
        return r.stderr.strip()
    if r.returncode:
        raise Failed(f"exit {r.returncode}: {r.stderr}")
    got = load_file(work / "out/model.safetensors")["language_model." + key].view(torch.uint8)
    want = torch.full_like(got, 0x80 if scale < 0 else 0)  # 0 / -1 is -0
    want[1, 2] = code
    if not got.equal(want):
        raise Failed(f"{got.tolist()}, want {want.tolist()}")
    return ""


def trips(first: int) -> list[tuple[Spec, str, bool]]:
    out = []
    for i in range(30):
        how = ("exclude", "like", "fp8", "fp8", "fp8")[i % 5]
        grain = ("tensor", "expert", "block", "mixed")[i % 4] if how == "fp8" else "none"
        spec = Spec(seed=first * 1000 + 700 + i, multimodal=i // 2 % 2 == 1, grain=grain, said_by=("dtype", "nested")[i % 2],
                    names=("documented", "automodel")[i // 3 % 2], prefix="" if how != "exclude" and i % 3 == 1 else "language_model.",
                    shards=(1, 3, 6)[i // 2 % 3], shard_size=(None, 20_000, 150_000)[i % 3])
        out.append((spec, how, how != "exclude" and i % 7 > 1))
    return out


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int)
    a = p.parse_args()
    torch.set_num_threads(2)
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        for i, (spec, how, strange) in enumerate(trips(a.seed)):
            if a.only in (None, i):
                title = f"{spec.title()}, back by {how}{', of another writer' if strange else ''}"
                tap.check(title, there_and_back, Path(folder), spec, how, strange)
        if a.only is not None:
            return tap.end()
        for dtype, low, high in ((torch.bfloat16, SMALLEST, LARGEST), (torch.float16, 3.0e-5, 157)):
            tap.check(f"every BF16 scale from {low} to {high}, by way of {dtype}", every_scale, Path(folder), dtype, low, high)
        inf, nan = float("inf"), float("nan")
        for scale, value, code in ((8e35, inf, 0x7E), (8e35, -inf, 0xFE), (-8e35, inf, 0xFE), (7.5e35, inf, None), (1.0, -inf, None),
                                   (8e35, nan, None), (1.0, nan, None)):
            tap.check(f"{value} with a scale of {scale}", changed, Path(folder), scale, value, code)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
