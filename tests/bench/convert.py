#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""convert beside the reference: the adapter in torch loads, converts and saves the same checkpoint, in the same run.

usage: convert.py LENSFS MAKE_CHECKPOINT [--check]    (with a Python that has torch, safetensors and nemo-automodel)

A checkpoint of 2.1 GB of FP8 experts, 4.2 GB of BF16 as a view; everything in memory (/dev/shm).  With --check: at least ten
times as fast, and convert's PSS under 192 MiB with a cache of 64 MiB.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracle"))


def pss(pid):
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def convert(lensfs, src, out, watch):
    """Seconds, and, watched (which takes time of its own), the most memory in MiB."""
    began, most = time.monotonic(), 0.0
    p = subprocess.Popen([lensfs, "convert", "-q", "--cache-size", "64MiB", "--shard-size", "1GB", src, out])
    while watch and p.poll() is None:
        most = max(most, pss(p.pid))
        time.sleep(0.02)
    if p.wait():
        sys.exit("convert failed")
    return time.monotonic() - began, most


def adapter(src, out):
    """In a process of its own: what a script does today."""
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).resolve().parent.parent / 'oracle')!r})
began = time.monotonic()
import json, torch
from pathlib import Path
from types import SimpleNamespace
from safetensors.torch import load_file
import reference
loaded = time.monotonic()
config = json.loads(Path({str(src)!r}, 'config.json').read_text())
sd = {{}}
for f in sorted(Path({str(src)!r}).glob('*.safetensors')):
    sd.update(load_file(f))
moe = SimpleNamespace(n_routed_experts=config.get('n_routed_experts', 1))
out = reference.Mistral4StateDictAdapter(SimpleNamespace(), moe, None, dtype=torch.bfloat16).from_hf(sd)
out = {{k: v.contiguous() for k, v in out.items()}}
Path({str(out)!r}).mkdir()
reference.save(out, Path({str(out)!r}))
print(time.monotonic() - loaded)
"""
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()[-1])


def main():
    if not importlib.util.find_spec("torch"):
        print("skipped: there is no torch to compare with")
        return 77
    lensfs, maker = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="lensfs-bench-", dir="/dev/shm") as d:
        work = Path(d)
        subprocess.run([maker, "--layers", "5", "--experts", "16", "--hidden", "4096", "--inter", "2048", "--vocab", "128",
                        "--shards", "4", str(work / "src")], check=True, capture_output=True)
        size = sum(f.stat().st_size for f in (work / "src").glob("*.safetensors"))
        times, most = [], 0.0
        for watch in (True, False, False, False):
            t, m = convert(lensfs, str(work / "src"), str(work / "out"), watch)
            times += [] if watch else [t]
            most = max(most, m)
            made = sum(f.stat().st_size for f in (work / "out").glob("*.safetensors"))
            subprocess.run(["rm", "-r", str(work / "out")], check=True)
        took = adapter(work / "src", work / "want")
    ours = sorted(times)[1]
    print(f"{size / 1e9:.2f} GB to {made / 1e9:.2f} GB")
    print(f"lensfs convert    {ours:7.2f} s  ({made / 1e9 / ours:.2f} GB/s), PSS {most:.0f} MiB of 192")
    print(f"adapter in torch  {took:7.2f} s  ({made / 1e9 / took:.2f} GB/s), {took / ours:.1f} times as long (goal 10)")
    return 1 if "--check" in sys.argv and (took < 10 * ours or most > 192) else 0


if __name__ == "__main__":
    sys.exit(main())
