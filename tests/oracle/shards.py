# SPDX-License-Identifier: Apache-2.0
"""Sharded saves, as training writes them: four gloo processes on the CPU and the real storage writers.

A tensor is given whole, with how it is placed: "rows" and "cols" cut dimension 0 and 1 over all ranks, "grid" both, over two by
two; "same" is a DTensor that all ranks have, "plain" an ordinary tensor that they all have, a number one that only that rank has.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from oracle import Failed

RANKS = 4
WRITERS = ("torch", "automodel")


def storage_writer(name: str, folder: str):
    if name == "torch":
        from torch.distributed.checkpoint import HuggingFaceStorageWriter

        return HuggingFaceStorageWriter(path=folder, save_distributed=True)
    import reference  # noqa: F401  (what AutoModel imports may not be there)
    from nemo_automodel.components.checkpoint._backports.hf_storage import _HuggingFaceStorageWriter

    return _HuggingFaceStorageWriter(path=folder, save_sharded=True)


def placed(tensor: torch.Tensor, how: str | int, rank: int, flat, grid) -> torch.Tensor | None:
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    if isinstance(how, int):
        return tensor if how == rank else None
    if how == "plain":
        return tensor
    mesh = grid if how == "grid" else flat
    return distribute_tensor(tensor, mesh, {"rows": [Shard(0)], "cols": [Shard(1)], "grid": [Shard(0), Shard(1)],
                                            "same": [Replicate()]}[how], src_data_rank=None)


def save_rank(rank: int, work: str) -> None:
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch.distributed.device_mesh import init_device_mesh

    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=RANKS, init_method=f"file://{work}/rendezvous")
    flat, grid = init_device_mesh("cpu", (RANKS,)), init_device_mesh("cpu", (2, RANKS // 2))
    for i, (writer, tensors, how) in enumerate(torch.load(f"{work}/jobs.pt")):
        state = {k: placed(t, how[k], rank, flat, grid) for k, t in tensors.items()}
        dcp.save({k: t for k, t in state.items() if t is not None}, storage_writer=storage_writer(writer, f"{work}/{i}"),
                 planner=dcp.DefaultSavePlanner())
    dist.destroy_process_group()


@dataclass
class Job:
    folder: Path
    writer: str
    tensors: dict[str, torch.Tensor]
    how: dict[str, str | int]


def save_sharded(jobs: list[Job]) -> str:
    """The shard files, and nothing else, into each job's folder."""
    with tempfile.TemporaryDirectory(prefix="lensfs-ranks-") as work:
        torch.save([(j.writer, {k: v.contiguous() for k, v in j.tensors.items()}, j.how) for j in jobs], f"{work}/jobs.pt")
        ranks = [subprocess.Popen([sys.executable, __file__, str(i), work], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for i in range(RANKS)]
        told = [r.communicate(timeout=300)[1] for r in ranks]
        if any(r.returncode for r in ranks):
            raise Failed(f"a rank failed: {[t[-500:] for t in told]}")
        for i, job in enumerate(jobs):
            job.folder.mkdir(parents=True)
            for file in sorted(Path(work, str(i)).glob("*.safetensors")):
                shutil.copyfile(file, job.folder / file.name)
    return f"{len(jobs)} saves on {RANKS} ranks"


def placements(tensors: dict[str, torch.Tensor], rng: random.Random) -> dict[str, str | int]:
    """At random, as far as their dimensions go."""
    how = {}
    for key, t in tensors.items():
        kinds = ["same", "plain", rng.randrange(RANKS)]
        if t.dim() and t.numel():
            kinds += ["rows"] * 4
        if t.dim() > 1 and t.numel():
            kinds += ["cols"] * 3 + ["grid"] * 2
        how[key] = rng.choice(kinds)
    return how


def boxes(shard: Path) -> dict[str, list[tuple[int, int]]]:
    """What part of each tensor a shard holds: a range for each dimension."""
    with open(shard, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
    info = json.loads(header.pop("__metadata__")["DCP_SHARDING_INFO"])
    return {k: [(o, o + n) for o, n in zip(info[k]["saved_offsets"], e["shape"])] for k, e in header.items()}


if __name__ == "__main__":
    save_rank(int(sys.argv[1]), sys.argv[2])
