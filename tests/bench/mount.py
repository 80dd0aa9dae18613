#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a mount costs, beside a FUSE server that has nothing to do.

usage: mount.py LENSFS NULL_FUSE READ_SPAN MAKE_CHECKPOINT [--passes N] [--check]

Checkpoints are made in memory (/dev/shm): of large projections, of stacked experts, of experts one by one in FP8 blocks, few
of DeepSeek-V3's size and many small ones; what is quantized has values as training leaves them.  Their views and the null
server are read in turn, cold (out of the page cache, the sources in it; by a server that has served other tensors before, as
the null server's memory has been touched before) and hot, and the medians are printed with the ratio to null.
With --check the figures that must be reached are checked, and the exit status tells.
"""

import array
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

GOALS = {
    "null again": (0.0, "noise"),
    "dequantized, cold": (0.75, "0.75"),
    "transposed, cold": (0.50, "0.50"),
    "transposed, of BF16, cold": (0.50, "0.50"),
    "split experts, cold": (0.50, "0.50"),
    "256 small split experts, cold": (0.45, "0.45"),
    "reverse, transposed, cold": (0.50, "0.50"),
    "reverse, quantized rows, cold": (0.40, "0.40"),
    "reverse, quantized, cold": (0.40, "0.40"),
    "reverse, in blocks, cold": (0.40, "0.40"),
    "dequantized, hot": (0.95, "0.95"),
}


def run(*argv):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


def make_split(folder, experts, inter, hidden):
    """One layer of experts one by one: FP8 in blocks of 128x128, F32 scales."""
    folder.mkdir()
    header, at, some = {}, 0, os.urandom(inter * hidden)
    with open(folder / "data", "wb") as f:
        for kind in ("weight", "weight_scale_inv"):
            for e in range(experts):
                for name, rows, cols in (("gate", inter, hidden), ("up", inter, hidden), ("down", hidden, inter)):
                    scale = kind != "weight"
                    shape = [-(-rows // 128), -(-cols // 128)] if scale else [rows, cols]
                    data = struct.pack("<f", 0.5) * (shape[0] * shape[1]) if scale else some[e:] + some[:e]
                    f.write(data)
                    header[f"model.layers.0.mlp.experts.{e}.{name}_proj.{kind}"] = {
                        "dtype": "F32" if scale else "F8_E4M3", "shape": shape, "data_offsets": [at, at + len(data)]}
                    at += len(data)
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
    with open(folder / "model.safetensors", "ab") as f, open(folder / "data", "rb") as data:
        shutil.copyfileobj(data, f, 1 << 20)
    (folder / "data").unlink()
    (folder / "config.json").write_text(json.dumps({
        "model_type": "deepseek_v3", "torch_dtype": "bfloat16", "n_routed_experts": experts,
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}))


def make_weights(folder):
    """Values as training leaves them, bell-shaped, in all large BF16 tensors; made ones have what FP8 codes can be, each as often."""
    rng = random.Random(1)
    raw = array.array("f", (rng.gauss(0, 0.02) for _ in range(1 << 20))).tobytes()
    some = bytearray(len(raw) // 2)
    some[0::2], some[1::2] = raw[2::4], raw[3::4]
    for path in folder.glob("*.safetensors"):
        with open(path, "r+b") as f:
            n = int.from_bytes(f.read(8), "little")
            for name, t in json.loads(f.read(n)).items():
                begin, end = t["data_offsets"] if name != "__metadata__" else (0, 0)
                if end - begin < len(some) or t["dtype"] != "BF16":
                    continue
                f.seek(8 + n + begin)
                for at in range(begin, end, len(some)):
                    f.write(some[:end - at])


class Mounts:
    def __init__(self, lensfs, null, work):
        self.lensfs, self.work, self.null = lensfs, work, None
        point = work / "null"
        point.mkdir()
        self.null = subprocess.Popen([null, str(8 << 30), str(point)])
        while not os.path.ismount(point):
            if self.null.poll() is not None:
                sys.exit("the null server did not start")
        self.points = []

    def mount(self, source, *options):
        point = self.work / f"view{len(self.points)}"
        point.mkdir()
        run(self.lensfs, "mount", *options, source, point)
        self.points.append(point)
        return point

    def again(self, source, point, *options):
        """Mount anew: nothing is left of the pass before, in the page cache or in ours."""
        run(self.lensfs, "umount", point)
        run(self.lensfs, "mount", *options, source, point)

    def end(self):
        for p in self.points:
            subprocess.run([self.lensfs, "umount", p])
        self.null.terminate()
        self.null.wait()


def largest(lensfs, source, word, *options):
    tensors = json.loads(run(lensfs, "ls", "--json", *options, source))["tensors"]
    return max((t for t in tensors if word in t["key"]), key=lambda t: t["bytes"])


def source_bytes(point):
    for line in (point / ".lens/stats").read_text().splitlines():
        if line.startswith("lensfs_source_bytes_total"):
            return float(line.split()[-1])
    sys.exit("no lensfs_source_bytes_total in the stats")


def main():
    lensfs, null, reader, maker = sys.argv[1:5]
    passes = int(sys.argv[sys.argv.index("--passes") + 1]) if "--passes" in sys.argv else 7
    with tempfile.TemporaryDirectory(prefix="lensfs-bench-", dir="/dev/shm") as d:
        work = Path(d)
        run(maker, "--layers", 2, "--experts", 1, "--inter", 16, "--hidden", 16384, "--vocab", 128, "--shards", 1, work / "wide")
        run(maker, "--layers", 2, "--experts", 16, "--hidden", 4096, "--inter", 2048, "--vocab", 128, "--shards", 1, work / "experts")
        make_split(work / "split", 10, 2048, 7168)
        make_split(work / "small", 256, 512, 1024)
        m = Mounts(lensfs, null, work)
        try:
            wide, experts = m.mount(work / "wide"), m.mount(work / "experts")
            # What the experts were made into, read backwards.
            run(lensfs, "convert", "-q", work / "experts", work / "native")
            run(lensfs, "convert", "-q", work / "wide", work / "rows")
            make_weights(work / "native")
            run(lensfs, "convert", "-q", "--reverse", work / "native", work / "hf")
            make_weights(work / "rows")
            w, x = largest(lensfs, work / "wide", "o_proj"), largest(lensfs, work / "experts", "layers.1.mlp.experts.gate_and_up")

            def span(path, begin, n, cold=True):
                return n / float(run(reader, *(["--drop"] if cold else []), path, begin, n)) / 1e9

            def twice():
                """The second time, as the null server's: memory that nobody used for a while is not there at once."""
                span(wide / w["file"], w["offset"], w["bytes"])
                return span(wide / w["file"], w["offset"], w["bytes"])

            def anew(source, word, *options):
                """A view that is mounted anew, whose earlier tensors are read, and whose scales are made, before its largest is."""
                view = m.mount(work / source, *options)
                t = largest(lensfs, work / source, word, *options)

                def timed():
                    m.again(work / source, view, *options)
                    run(reader, view / t["file"], 0, t["offset"])
                    return span(view / t["file"], t["offset"], t["bytes"])
                return timed

            fp8 = ("--reverse", "--quantize", "fp8")
            hf, native = "layers.1.mlp.experts.gate_up_proj", "layers.1.mlp.experts.gate_and_up"
            spans = {
                "null": lambda: span(m.work / "null/file", 4096, x["bytes"]),
                "null again": lambda: span(m.work / "null/file", 4096, x["bytes"]),
                "dequantized, cold": twice,
                "transposed, cold": anew("experts", native),
                "transposed, of BF16, cold": anew("hf", native),
                "split experts, cold": anew("split", "gate_and_up"),
                "256 small split experts, cold": anew("small", "gate_and_up"),
                "reverse, transposed, cold": anew("native", hf, "--reverse"),
                "reverse, quantized rows, cold": anew("rows", "layers.1.self_attn.o_proj.weight", *fp8),
                "reverse, quantized, cold": anew("native", hf, *fp8),
                "reverse, in blocks, cold": anew("native", hf, *fp8, "--block", "128"),
                "null, hot": lambda: span(m.work / "null/file", 4096, x["bytes"], cold=False),
                "dequantized, hot": lambda: span(wide / w["file"], w["offset"], w["bytes"], cold=False),
            }
            hot = ("null, hot", "dequantized, hot")
            got = {name: [] for name in spans}
            # A whole file once: what lies at the borders of a span belongs to somebody.
            size = (experts / x["file"]).stat().st_size
            run(reader, "--drop", experts / x["file"], 0, size)
            needed = sum(t["bytes"] for t in json.loads(run(lensfs, "ls", "--source", "--json", work / "experts"))["tensors"])
            amplification = source_bytes(experts) / needed
            for name in spans:
                spans[name]()  # memory touched once
            for _ in range(passes):
                spans["null"]()
                for name in spans:
                    if name not in hot:
                        got[name].append(spans[name]())
                spans["null"](), spans["dequantized, cold"]()
                for name in hot * 4:  # these are short
                    got[name].append(spans[name]())
        finally:
            m.end()
    bad = 0
    print(f"{'GB/s, median of ' + str(passes):32}{'median':>8}{'least':>8}{'most':>8}{'/ null':>9}  goal")
    for name, values in got.items():
        if name in hot:  # each beside its own: both swing by two
            ratio = statistics.median(v / base for v, base in zip(values, got["null, hot"]))
        else:
            ratio = statistics.median(values) / statistics.median(got["null"])
        goal = GOALS.get(name, (0, ""))
        bad += ratio < goal[0]
        print(f"{name:32}{statistics.median(values):8.2f}{min(values):8.2f}{max(values):8.2f}{ratio:9.2f}  {goal[1]}")
    print(f"{'source bytes a byte needed':32}{amplification:8.3f}{'':25}  1.05")
    bad += amplification > 1.05
    return 1 if bad and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
