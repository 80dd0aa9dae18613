# SPDX-License-Identifier: Apache-2.0
"""The reference: the released adapters, and the writer of sharded checkpoints.

The adapters' package imports transformers and huggingface_hub, to name types that no conversion touches.  Where they are not
installed, empty modules stand in for them, and the writer's partition and order are worked out here; each file is always
written by safetensors itself.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path

from safetensors.torch import save_file

LIGHT = [name for name in ("transformers", "huggingface_hub") if importlib.util.find_spec(name) is None]


class Empty(types.ModuleType):
    """A module in which every name is a class of its own, with nothing in it."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in LIGHT else None

    def create_module(self, spec):
        return Empty(spec.name)

    def exec_module(self, module) -> None:
        pass


if LIGHT:
    sys.meta_path.append(StandIns())

from nemo_automodel.components.models.mistral4.state_dict_adapter import (  # noqa: E402, F401
    Mistral4MultimodalStateDictAdapter,
    Mistral4StateDictAdapter,
)


def natural(key: str) -> list[tuple]:
    """layers.2 before layers.10: a number is one, a text ends in its number."""
    parts = []
    for part in key.split("."):
        text = part.rstrip("0123456789")
        digits = part[len(text) :]
        parts.append((0, int(part)) if not text else (1, text, int(digits) if digits else -1))
    return parts


def split(tensors: dict, limit: int) -> list[list[str]]:
    """Keys of each file: filled in order; what is over the limit has one of its own."""
    files, current, size = [], [], 0
    for key, tensor in tensors.items():
        if tensor.nbytes > limit:
            files.append([key])
            continue
        if size + tensor.nbytes > limit:
            files.append(current)
            current, size = [], 0
        current.append(key)
        size += tensor.nbytes
    return files + [current] if current else files


def save(tensors: dict, folder: Path, max_shard_size: int | str = "5GB") -> None:
    limit = int(max_shard_size[:-2]) * 10**9 if isinstance(max_shard_size, str) else max_shard_size
    files = split(tensors, limit)
    where = {}
    for i, keys in enumerate(files, 1):
        name = "model.safetensors" if len(files) == 1 else f"model-{i:05d}-of-{len(files):05d}.safetensors"
        save_file({k: tensors[k] for k in keys}, str(folder / name), metadata={"format": "pt"})
        where |= dict.fromkeys(keys, name)
    if len(files) > 1:
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


if not LIGHT:
    from huggingface_hub import save_torch_state_dict as save  # noqa: F811
    from transformers.core_model_loading import dot_natural_key as natural  # noqa: F811
