# SPDX-License-Identifier: Apache-2.0
"""A folder that lensfs made beside the one that must come out: files, tensors, bytes."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open

import reading
from oracle import Failed


def same_folder(got: Path, want: Path) -> None:
    """The same names; the same bytes, but for config.json, which must say the same."""
    a, b = (sorted(p.name for p in folder.iterdir()) for folder in (got, want))
    if a != b:
        raise Failed(f"files: {a}, want {b}")
    if json.loads((got / "config.json").read_text()) != json.loads((want / "config.json").read_text()):
        raise Failed("config.json says something else")
    with reading.Pairs(got, want) as pairs:
        reading.whole(pairs)


def same_tensors(got: Path, made: dict[str, torch.Tensor]) -> None:
    """As a training script reads: safe_open, by its map and by its pread."""
    for backend in ("mmap", "pread"):
        same_by(backend, got, made)


def same_by(backend: str, got: Path, made: dict[str, torch.Tensor]) -> None:
    left = set(made)
    for path in sorted(got.glob("*.safetensors")):
        with safe_open(str(path), framework="pt", backend=backend) as f:
            for key in f.keys():
                tensor, want = f.get_tensor(key), made[key]
                left.remove(key)
                if tensor.dtype != want.dtype or tensor.shape != want.shape:
                    raise Failed(f"{key}: {tensor.dtype} {tuple(tensor.shape)}, want {want.dtype} {tuple(want.shape)}")
                if not as_bytes(tensor).equal(as_bytes(want)):
                    raise Failed(first_difference(key, tensor, want))
    if left:
        raise Failed(f"missing: {sorted(left)[:5]}")


def as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def first_difference(key: str, tensor: torch.Tensor, want: torch.Tensor) -> str:
    size = tensor.element_size()
    bad = (as_bytes(tensor) != as_bytes(want)).reshape(-1, size).any(1).nonzero()
    i = int(bad[0])
    at = torch.unravel_index(bad[0][0], tensor.shape)
    bits = [as_bytes(t)[i * size : (i + 1) * size].flip(0).numpy().tobytes().hex() for t in (tensor, want)]
    return f"{key}{[int(x) for x in at]}: {bits[0]}, want {bits[1]} ({len(bad)} of {tensor.numel()} differ)"


def same_files(got: Path, want: Path) -> None:
    """The same names and bytes, config.json's included."""
    a, b = (sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) for folder in (got, want))
    if a != b:
        raise Failed(f"files: {a}, want {b}")
    for name in b:
        x, y = (got / name).read_bytes(), (want / name).read_bytes()
        if x != y:
            at = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
            raise Failed(f"{name}: {len(x)} bytes, want {len(y)}; differs from byte {at} on")
