# SPDX-License-Identifier: Apache-2.0
"""What the view of a Mistral 4 checkpoint must be, worked out slowly and by itself.  Standard library only.

Knows what tests/tools/make-checkpoint writes: BF16, or FP8 with one BF16 scale a tensor or an expert.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

SIZE = {"F8_E4M3": 1, "BF16": 2, "F32": 4}
ORDER = ["F32", "BF16", "F8_E4M3"]  # larger elements lie first in a file


@dataclass
class Tensor:
    key: str
    dtype: str
    shape: list
    file: str = ""
    offset: int = 0  # in the file
    source: "Tensor" = None
    scale: "Tensor" = None
    turned: bool = False

    @property
    def size(self):
        return math.prod(self.shape) * SIZE[self.dtype]


def source_of(folder):
    """Every tensor of a checkpoint, by key."""
    out = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with open(path, "rb") as f:
            n = int.from_bytes(f.read(8), "little")
            for key, t in json.loads(f.read(n)).items():
                if key != "__metadata__":
                    out[key] = Tensor(key, t["dtype"], t["shape"], path.name, 8 + n + t["data_offsets"][0])
    return out


def native(key):
    for old, new in (("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."),
                     ("vision_tower.", "model.vision_tower."), ("multi_modal_projector.", "model.multi_modal_projector.")):
        if key.startswith(old):
            key = new + key[len(old):]
            break
    return key.replace(".experts.gate_up_proj", ".experts.gate_and_up_projs").replace(".experts.down_proj", ".experts.down_projs")


def view_of(source, to_hf=False):
    """The tensors of the view: in the native layout, or with their names as they are."""
    out = []
    for key, t in source.items():
        if key.endswith(("_scale_inv", "activation_scale")):
            continue
        scale = source.get(key + "_scale_inv")
        v = Tensor(key, "BF16" if scale else t.dtype, list(t.shape), source=t, scale=scale)
        if not to_hf:
            v.key = native(key)
            if ".experts." in key and len(t.shape) == 3:
                v.shape[1:] = v.shape[:0:-1]
                v.turned = True
            if key.endswith(".mlp.gate.weight"):
                out.append(Tensor(v.key.replace("gate.weight", "gate.e_score_correction_bias"), "F32", t.shape[:1]))
        out.append(v)
    return sorted(out, key=natural)


def natural(tensor):
    parts = []
    for part in tensor.key.split("."):
        text = part.rstrip("0123456789")
        digits = part[len(text):]
        parts.append((0, int(part)) if part.isdigit() else (1, text, int(digits)) if digits else (1, text))
    return parts


def files_of(view, limit=5_000_000_000):
    """{file name: (bytes of its header, tensors)}, and sets where each tensor lies."""
    shards, current, size = [], [], 0
    for t in view:
        if t.size > limit:
            shards.append([t])
            continue
        if size + t.size > limit:
            shards.append(current)
            current, size = [], 0
        current.append(t)
        size += t.size
    if current:
        shards.append(current)
    out = {}
    for i, tensors in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        tensors.sort(key=lambda t: (ORDER.index(t.dtype), t.key.encode()))
        entries, at = {"__metadata__": {"format": "pt"}}, 0
        for t in tensors:
            entries[t.key] = {"dtype": t.dtype, "shape": t.shape, "data_offsets": [at, at + t.size]}
            t.file, t.offset = name, at
            at += t.size
        text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        for t in tensors:
            t.offset += 8 + len(text)
        out[name] = len(text).to_bytes(8, "little") + text, tensors
    return out


def index_of(view):
    where = {t.key: t.file for t in sorted(view, key=lambda t: t.file)}
    return json.dumps({"metadata": {"total_size": sum(t.size for t in view)}, "weight_map": where}, indent=2)


# Values -------------------------------------------------------------------------------------------------------------


def e4m3(code):
    sign, exponent, fraction = -1.0 if code & 0x80 else 1.0, code >> 3 & 15, code & 7
    if code & 0x7F == 0x7F:
        return math.nan
    return sign * (fraction / 8 * 2.0**-6 if exponent == 0 else (1 + fraction / 8) * 2.0 ** (exponent - 7))


def to_bf16(value):
    """A product, exact in a double, rounded to F32, then to BF16."""
    if value != value:
        return b"\xc0\x7f"
    try:
        bits = struct.unpack("<I", struct.pack("<f", value))[0]
    except OverflowError:
        bits = 0x7F800000 | (0x80000000 if value < 0 else 0)
    return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF)


def of_bf16(raw):
    return struct.unpack("<f", b"\0\0" + raw)[0]


class Values:
    """Bytes of a view's tensors, from the files of the source; matrices are kept while they are near."""

    def __init__(self, folder):
        self.folder, self.files, self.matrices, self.tables = Path(folder), {}, {}, {}

    def read(self, t, off, n):
        if t.file not in self.files:
            self.files[t.file] = open(self.folder / t.file, "rb")
        f = self.files[t.file]
        f.seek(t.offset + off)
        return f.read(n)

    def table(self, t, expert):
        """What each code becomes, with the scale of this expert."""
        scale = of_bf16(self.read(t, 2 * expert, 2))
        return [to_bf16(e4m3(code) * scale) for code in range(256)]

    def matrix(self, t, expert):
        """One matrix of a tensor's source, as stored."""
        if (t.key, expert) not in self.matrices:
            if len(self.matrices) > 3:
                self.matrices.pop(next(iter(self.matrices)))
            n = t.source.size // (t.shape[0] if len(t.shape) == 3 else 1)
            self.matrices[t.key, expert] = self.read(t.source, expert * n, n)
        return self.matrices[t.key, expert]

    def line(self, t, expert, row):
        """One row of one matrix of the view."""
        stored, width = self.matrix(t, expert), SIZE[t.source.dtype]
        rows, cols = t.shape[-2:]
        if not t.turned:
            data = stored[row * cols * width : (row + 1) * cols * width]
        elif width == 1:
            data = stored[row::rows]
        else:
            data = b"".join(stored[(c * rows + row) * 2 : (c * rows + row) * 2 + 2] for c in range(cols))
        if not t.scale:
            return data
        expert = expert if math.prod(t.scale.shape) > 1 else 0
        table = self.tables.setdefault((t.key, expert), None) or self.table(t.scale, expert)
        self.tables[t.key, expert] = table
        return b"".join(map(table.__getitem__, data))

    def span(self, t, off, n):
        """Bytes [off, off + n) of a tensor of the view."""
        if t.source is None:
            return bytes(n)
        if len(t.shape) < 2:
            return self.read(t.source, off, n) if not t.scale else None
        rows, cols = t.shape[-2:]
        width = cols * SIZE[t.dtype]
        out = b""
        for line in range(off // width, -(-(off + n) // width)):
            out += self.line(t, *divmod(line, rows))
        return out[off % width : off % width + n]
