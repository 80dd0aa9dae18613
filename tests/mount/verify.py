#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verify and hash: what is equal however it is stored, each way of being different, and where.

usage: verify.py LENSFS MAKE_CHECKPOINT
"""

import hashlib
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LENSFS, MAKE = sys.argv[1:]
SEED = int.from_bytes(os.urandom(4), "little")
rnd = random.Random(SEED)
EXPERTS = "model.layers.0.mlp.experts.gate_and_up_projs"  # [5, 64, 64]


def lensfs(*words, status=0):
    p = subprocess.run([LENSFS, *map(str, words)], capture_output=True, text=True, check=False)
    assert p.returncode == status, (words, p.returncode, p.stdout[-500:], p.stderr)
    return p.stdout, p.stderr


def load(folder):
    """{key: [dtype, shape, bytes]}"""
    out = {}
    for path in sorted(folder.glob("*.safetensors")):
        raw = path.read_bytes()
        n = int.from_bytes(raw[:8], "little")
        for key, t in json.loads(raw[8 : 8 + n]).items():
            if key != "__metadata__":
                begin, end = t["data_offsets"]
                out[key] = [t["dtype"], t["shape"], raw[8 + n + begin : 8 + n + end]]
    return out


def write(path, tensors, metadata=None):
    """Tensors in the order given, their header entries in any."""
    entries, at = [], 0
    for key, (dtype, shape, data) in tensors:
        entries.append((key, {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}))
        at += len(data)
    rnd.shuffle(entries)
    if metadata:
        entries.append(("__metadata__", metadata))
    head = json.dumps(dict(entries)).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"".join(t[2] for _, t in tensors))


def store(folder, tensors, files=1):
    """As a checkpoint of so many files, in any order."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    items = list(tensors.items())
    rnd.shuffle(items)
    where = {}
    for i in range(files):
        name = "model.safetensors" if files == 1 else f"part-{i}.safetensors"
        write(folder / name, items[i::files])
        where.update((key, name) for key, _ in items[i::files])
    if files > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def store_save(folder, tensors):
    """As two ranks save them, each half of the rows."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for rank in range(2):
        mine, info = [], {}
        for key, (dtype, shape, data) in tensors.items():
            rows = shape[0] if shape else 0
            cut = (rows + 1) // 2
            if rows < 2:
                if rank == 0:
                    mine.append((key, (dtype, shape, data)))
                    info[key] = {"saved_offsets": [0] * len(shape)}
                continue
            row = len(data) // rows
            lo, hi = (0, cut) if rank == 0 else (cut, rows)
            mine.append((key, (dtype, [hi - lo, *shape[1:]], data[lo * row : hi * row])))
            info[key] = {"saved_offsets": [lo] + [0] * (len(shape) - 1)}
        write(folder / f"shard-{rank + 1:05d}-model-00001-of-00001.safetensors", mine,
              {"DCP_SHARDING_INFO": json.dumps(info), "format": "pt"})


def bf16(data, i):
    return struct.unpack("<f", b"\0\0" + data[2 * i : 2 * i + 2])[0]


def difference(shape, want, got):
    """Of BF16 values: first index, count, largest errors; slowly."""
    at = [i for i in range(len(want) // 2) if want[2 * i : 2 * i + 2] != got[2 * i : 2 * i + 2]]
    absolute = relative = 0.0
    for i in at:
        a, b = bf16(want, i), bf16(got, i)
        if math.isnan(a) and math.isnan(b):
            continue
        error = abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
        absolute = max(absolute, error)
        if error:
            relative = max(relative, error / abs(a) if a and math.isfinite(a) else math.inf)
    first, index = at[0], []
    for n in reversed(shape):
        index.insert(0, first % n)
        first //= n
    return index, len(at), absolute, relative


def verify(src, folder, *options, status=1):
    out, _ = lensfs("verify", "--json", *options, src, folder, status=status)
    return json.loads(out)


def number(x):
    return math.inf if x is None else x


def differs(src, folder, key, want, got, *options):
    """DIR's @key differs from the view's in values, and as worked out here."""
    told = verify(src, folder, *options)
    assert told["equal"] == told["tensors"] - 1 and len(told["differences"]) == 1, told
    d = told["differences"][0]
    index, count, absolute, relative = difference(want[1], want[2], got[2])
    assert (d["key"], d["kind"], d["first"], d["count"]) == (key, "values", index, count), (d, index, count)
    assert number(d["max_absolute"]) == absolute, (d, absolute)
    assert math.isclose(number(d["max_relative"]), relative, rel_tol=1e-12), (d, relative)
    text, err = lensfs("verify", src, folder, status=1)
    assert text.startswith(f"{key}: differs first at {json.dumps(index, separators=(',', ':'))} ("), text
    assert f"in {count} of {len(want[2]) // 2} elements" in text, text
    assert f"of {told['tensors']} tensors 1 differs and 0 are missing; 0 are extra" in err, err


def equal(src, work, view):
    where = work / "other"
    for jobs in (1, 3):
        for files in (1, 4):
            store(where, view, files)
            _, err = lensfs("verify", "--jobs", jobs, src, where)
            assert f"{len(view)} tensors are equal, " in err, err
    store_save(where, view)
    assert verify(src, where, status=0) == {"tensors": len(view), "equal": len(view), "differences": []}
    lensfs("verify", "--sample", 2, src, where)
    out, err = lensfs("verify", "-q", src, where)
    assert out == err == "", (out, err)


def changed(src, work, view):
    where = work / "other"
    dtype, shape, data = view[EXPERTS]
    n = len(data) // shape[0]

    def put(got):
        store(where, view | {EXPERTS: [dtype, shape, got]}, rnd.randint(1, 3))
        differs(src, where, EXPERTS, view[EXPERTS], [dtype, shape, got])
        differs(src, where, EXPERTS, view[EXPERTS], [dtype, shape, got], "--jobs", 5, "--cache-size", 0)

    flipped = bytearray(data)
    flipped[rnd.randrange(len(data))] ^= 1 << rnd.randrange(8)
    put(bytes(flipped))
    # to a NaN, and to infinity
    put(data[:1000] + b"\xc0\x7f\x80\x7f" + data[1004:])
    a, b = sorted(rnd.sample(range(shape[0]), 2))
    parts = [data[i * n : (i + 1) * n] for i in range(shape[0])]
    parts[a], parts[b] = parts[b], parts[a]
    put(b"".join(parts))
    # a square matrix, transposed
    assert shape[1] == shape[2], shape
    rows, turned = shape[1], bytearray()
    for i in range(rows):
        for j in range(rows):
            turned += data[2 * (j * rows + i) : 2 * (j * rows + i) + 2]
    put(bytes(turned) + data[n:])


def other_forms(src, work, view):
    where = work / "other"
    key, more = rnd.choice(sorted(set(view) - {EXPERTS})), "z\x1b[31m\\"
    dtype, shape, data = view[key]
    form = f"{dtype} [{','.join(map(str, shape))}]"

    def told(tensors, *want):
        store(where, tensors, 2)
        assert verify(src, where)["differences"] == [dict(w) for w in want]
        return lensfs("verify", src, where, status=1)[0]

    lost = {k: t for k, t in view.items() if k != key}
    assert told(lost, {"key": key, "kind": "missing", "want": form}) == f"{key}: missing ({form})\n"
    text = told(view | {more: ["U8", [2, 1], b"ab"]}, {"key": more, "kind": "extra", "got": "U8 [2,1]"})
    assert text == "z\\x1b[31m\\\\: extra (U8 [2,1])\n", text
    bytes_ = f"U8 [{len(data)}]"
    text = told(view | {key: ["U8", [len(data)], data]}, {"key": key, "kind": "form", "want": form, "got": bytes_})
    assert text == f"{key}: {bytes_} instead of {form}\n", text
    told({EXPERTS: view[EXPERTS], more: ["U8", [0], b""]},
         *[{"key": k, "kind": "missing", "want": f"{t[0]} [{','.join(map(str, t[1]))}]"}
           for k, t in view.items() if k != EXPERTS],
         {"key": more, "kind": "extra", "got": "U8 [0]"})


def sampled(src, work, view):
    """All wrong is seen in any sample; what is small is compared whole."""
    where = work / "other"
    dtype, shape, data = view[EXPERTS]
    store(where, view | {EXPERTS: [dtype, shape, bytes(b ^ 1 for b in data)]})
    found = verify(src, where, "--sample", 1)["differences"][0]
    assert found["key"] == EXPERTS and 0 < found["count"] <= 16384 < len(data) // 2, found
    key = min(view, key=lambda k: (len(view[k][2]), k))
    dtype, shape, data = view[key]
    store(where, view | {key: [dtype, shape, data[:-1] + bytes([data[-1] ^ 1])]})
    assert verify(src, where, "--sample", 1)["differences"][0]["count"] == 1


def sums(src, work, view, order):
    out, err = lensfs("hash", src)
    lines = out.splitlines()
    assert f"{len(view)} tensors, " in err, err
    for line, key in zip(lines, order, strict=False):
        dtype, shape, data = view[key]
        want = [hashlib.sha256(data).hexdigest(), dtype, json.dumps(shape, separators=(",", ":")), key]
        assert line.split("\t") == want, (line, want)
    above = out[: out.rindex("\n", 0, -1) + 1]
    assert len(lines) == len(view) + 1 and lines[-1] == hashlib.sha256(above.encode()).hexdigest() + "\tall"
    told = json.loads(lensfs("hash", "--json", "--jobs", 1, src)[0])
    assert [f"{t['sha256']}\t{t['dtype']}\t{json.dumps(t['shape'], separators=(',', ':'))}\t{t['key']}"
            for t in told["tensors"]] == lines[:-1] and told["all"] == lines[-1][:64]
    file = work / "sums"
    file.write_text(out)
    hashes(work, view, file, out, lines)


def hashes(work, view, file, out, lines):
    where = work / "other"
    store_save(where, view)
    _, err = lensfs("verify", "--hashes", file, where)
    assert f"{len(view)} tensors are equal, " in err, err
    key = rnd.choice(list(view))
    dtype, shape, data = view[key]
    form = f"{dtype} [{','.join(map(str, shape))}]"
    lost = {k: t for k, t in view.items() if k != key}
    for tensors, line in (
        (view | {key: [dtype, shape, data[:-1] + bytes([data[-1] ^ 128])]}, f"{key}: other bytes (its SHA-256 differs)"),
        (lost, f"{key}: missing ({form})"),
        (view | {"z\n": ["U8", [1], b"a"]}, "z\\x0a: extra (U8 [1])"),
        (view | {key: ["U8", [len(data)], data]}, f"{key}: U8 [{len(data)}] instead of {form}"),
    ):
        store(where, tensors, 3)
        text, _ = lensfs("verify", "--hashes", file, where, status=1)
        assert text == line + "\n", (text, line)
        json.loads(lensfs("verify", "--json", "--hashes", file, where, status=1)[0])
    for text, why in (
        ("", "its last line is not the digest of all"),
        ("\n".join(lines[:-1]) + "\n", "its last line is not the digest of all"),
        (out[:-1], "its last line is not the digest of all"),
        ("\n".join(lines[1:]) + "\n", "it was changed"),
        (out.replace("\t", " ", 1), "it was changed"),
        (out.replace("\t", "\0", 1), "it holds a NUL"),
        (forged(lines[:1] * 2), f"line 2: '{lines[0].split(chr(9))[3]}' is there twice"),
        (forged([lines[0].replace("\t", " ")]), "line 1: it is not digest, dtype, shape and key"),
        (forged([lines[0][1:]]), "line 1: it is not digest"),
    ):
        file.write_text(text)
        _, err = lensfs("verify", "--hashes", file, where, status=1)
        assert why in err, (text[-200:], why, err)
    _, err = lensfs("verify", "--hashes", work / "none", where, status=1)
    assert "No such file" in err, err


def forged(lines):
    """Any lines, with the right last one."""
    text = "".join(line + "\n" for line in lines)
    return text + hashlib.sha256(text.encode()).hexdigest() + "\tall\n"


def main():
    work = Path(tempfile.mkdtemp())
    try:
        src, out = work / "src", work / "out"
        subprocess.run([MAKE, "--experts", "5", src], check=True, stdout=subprocess.DEVNULL)
        lensfs("convert", "-q", src, out)
        view = load(out)
        order = [t["key"] for t in json.loads(lensfs("ls", "--json", src)[0])["tensors"]]
        assert sorted(order) == sorted(view) and len(view) > 20
        view = {key: view[key] for key in order}
        equal(src, work, view)
        changed(src, work, view)
        other_forms(src, work, view)
        sampled(src, work, view)
        sums(src, work, view, order)
        _, err = lensfs("verify", src, work / "none", status=1)
        assert "there is no such directory" in err, err
    finally:
        shutil.rmtree(work)


print("seed", SEED)
main()
