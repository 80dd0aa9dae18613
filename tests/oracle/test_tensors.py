#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
""".lens/tensors of random tensors of every dtype that torch and safetensors have: NumPy loads each data.npy, whose values are
those that the reference library reads, and each summary says what NumPy computes of them.

usage: test_tensors.py [--seed N]
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

from oracle import Failed, Mount, Tap, need_libraries, need_mounts

need_libraries()
need_mounts()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

WIDENED = (
    torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e8m0fnu, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)
SAME = (
    torch.bool, torch.uint8, torch.int8, torch.uint16, torch.int16, torch.float16, torch.uint32, torch.int32, torch.float32,
    torch.complex64, torch.uint64, torch.int64, torch.float64)
SHAPES = ((), (0,), (1,), (7,), (3, 0, 2), (5, 130), (2, 3, 517))
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=np.float32)


def numbers(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    """Any bytes at all, where the sums of what they mean are not beyond a double."""
    if dtype == torch.bool:
        return torch.randint(0, 2, shape).bool()
    if dtype == torch.float64:
        return torch.where(torch.rand(shape) < 0.02, math.inf, torch.randn(shape, dtype=dtype) * 1e100)
    size = torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 256, (math.prod(shape) * size,), dtype=torch.uint8)
    return raw.view(dtype).reshape(shape).clone()


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def expected(t: torch.Tensor) -> np.ndarray:
    """As NumPy has it: torch widens what NumPy lacks."""
    if t.dtype == torch.float4_e2m1fn_x2:
        raw = t.view(torch.uint8).numpy()
        return E2M1[np.stack([raw & 15, raw >> 4], axis=-1).reshape(*raw.shape[:-1], 2 * raw.shape[-1])]
    return t.float().numpy() if t.dtype in WIDENED else t.numpy()


def same_values(folder: Path, want: np.ndarray, keeps_bits: bool) -> None:
    got = np.load(folder / "data.npy", allow_pickle=False)
    if got.dtype != want.dtype or got.shape != want.shape:
        raise Failed(f"{folder}: {got.dtype} {got.shape}, not {want.dtype} {want.shape}")
    if keeps_bits and got.tobytes() != want.tobytes():
        raise Failed(f"{folder}: other bytes")
    if not np.array_equal(got, want, equal_nan=got.dtype.kind in "fc"):
        raise Failed(f"{folder}: other values")
    real = got.dtype.kind == "f"
    if real and not np.array_equal(np.signbit(got) & ~np.isnan(got), np.signbit(want) & ~np.isnan(want)):
        raise Failed(f"{folder}: other signs")
    mapped = np.load(folder / "data.npy", mmap_mode="r")
    if mapped.tobytes() != got.tobytes():
        raise Failed(f"{folder}: other bytes when it is mapped")


def close(said: str, want: float, scale: float) -> bool:
    return abs(float(said) - want) <= 1e-8 * scale


def same_summary(folder: Path, want: np.ndarray) -> None:
    head, table = (folder / "summary").read_text().split("\n\n")
    said = {line[:8].strip(): line[8:].strip() for line in head.splitlines()[3:]}
    said["values"] = said["values"].removesuffix(" (real and imaginary parts)")
    x = np.ascontiguousarray(want).reshape(-1)
    if x.dtype.kind == "c":
        x = x.view(np.float32)
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float64)
    finite = np.isfinite(wide)
    counts = {
        "values": x.size, "NaN": np.isnan(wide).sum(), "Inf": np.isposinf(wide).sum(), "-Inf": np.isneginf(wide).sum(),
        "zero": (x == 0).sum(), "below 0": (wide[finite] < 0).sum(), "above 0": (wide[finite] > 0).sum()}
    for what, n in counts.items():
        if said[what] != str(n):
            raise Failed(f"{folder}: {what} {said[what]}, not {n}")
    if not finite.any():
        if {said[what] for what in ("min", "max", "mean", "std")} != {"-"}:
            raise Failed(f"{folder}: numbers of nothing: {said}")
        return
    parse = int if x.dtype.kind in "iub" else x.dtype.type
    if parse(said["min"]) != x[finite].min() or parse(said["max"]) != x[finite].max():
        raise Failed(f"{folder}: {said['min']} .. {said['max']}, not {x[finite].min()} .. {x[finite].max()}")
    mean, std = wide[finite].mean(), wide[finite].std()
    if not close(said["mean"], mean, abs(mean) + 1e-6 * std) or not close(said["std"], std, std):
        raise Failed(f"{folder}: mean {said['mean']}, std {said['std']}, not {mean}, {std}")
    same_binades(folder, table.splitlines()[1:], wide[finite & (wide != 0)])


def same_binades(folder: Path, lines: list[str], x: np.ndarray) -> None:
    left = {sign: sum(np.sign(x) == sign) for sign in (-1, 1)}
    exponents = np.frexp(x)[1] - 1
    if x.size and int(lines[0].split()[0].removeprefix("2^")) != exponents.max():
        raise Failed(f"{folder}: begins at {lines[0].split()[0]}, not at 2^{exponents.max()}")
    for line in lines[:-1]:
        words = line.split()
        e = int(words[0].removeprefix("2^"))
        for sign, said in ((-1, words[2]), (1, words[3])):
            n = int(((exponents == e) & (np.sign(x) == sign)).sum())
            left[sign] -= n
            if said != str(n):
                raise Failed(f"{folder}: 2^{e}: {said} of sign {sign}, not {n}")
    if lines[-1].split()[:3] != ["smaller", str(left[-1]), str(left[1])]:
        raise Failed(f"{folder}: {lines[-1]}, not {left}")


def one(mnt: Path, src: Path, dtype: torch.dtype) -> str:
    most = 0
    with safe_open(src / "model.safetensors", framework="pt") as f:
        for key in (k for k in f.keys() if k.split(".")[0] == name(dtype)):
            t = f.get_tensor(key)
            if t.dtype != dtype:
                raise Failed(f"{key}: the library reads {t.dtype}")
            folder = mnt / ".lens/tensors" / key.replace(".", "/")
            same_values(folder, expected(t), dtype in SAME)
            same_summary(folder, expected(t))
            most = max(most, t.numel())
    return f"up to {most} values" if most else ""


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    torch.manual_seed(p.parse_args().seed)
    torch.set_num_threads(2)
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="lensfs-oracle-") as folder:
        src = Path(folder) / "src"
        src.mkdir()
        tensors = {f"{name(d)}.{i}": numbers(d, shape) for d in (*SAME, *WIDENED) for i, shape in enumerate(SHAPES)}
        for i, shape in enumerate(((1,), (3, 0, 2), (5, 65), (2, 3, 259))):
            raw = torch.randint(0, 256, shape, dtype=torch.uint8)
            tensors[f"{name(torch.float4_e2m1fn_x2)}.{i}"] = raw.view(torch.float4_e2m1fn_x2)
        save_file(tensors, src / "model.safetensors", {"format": "pt"})
        with Mount(src, ["--recipe", "identity"], Path(folder)) as mnt:
            for dtype in (*SAME, *WIDENED, torch.float4_e2m1fn_x2):
                tap.check(name(dtype), one, mnt, src, dtype)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
