#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What does not fit is refused or seen: of small checkpoints one tensor at a time is taken away, renamed, reshaped or retyped.

usage: misfit.py LENSFS [RECIPE ...] [--cases FOLDER] [--part I/N]

The checkpoints are made from each recipe (generate.py) and taken from the stored cases.  Allowed: it is refused and the message
names a tensor that the change concerns; or the view differs only in what that tensor is in, and there only where its own bytes
are; or that is not there any more; or is a source's tensor, passed through, or a constant that the recipe fills in.
"""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import generate  # noqa: E402
import language as lang  # noqa: E402
from generate import WIDTH  # noqa: E402

LENSFS = sys.argv[1]
CASES = Path(__file__).resolve().parents[1] / "data/cases"
# Without them a format is another one, and may be meant where config.json speaks of no order (desc_act, actorder).
OPTIONAL = ("_g_idx", ".g_idx")
MOST = 6  # tensors of a checkpoint that are changed


class Failed(Exception):
    pass


class Source:
    """A checkpoint and how it is read; and what its view is."""

    def __init__(self, work, recipe, options, tensors, files):
        self.work, self.recipe, self.options, self.tensors, self.files = work, recipe, options, tensors, files
        self.view, said = self.convert(tensors)
        if self.view is None:
            raise Failed(f"as it is: {said}")
        self.other = {k: self.disturbed(k) for k in tensors}
        # What each tensor of the view is made of: what it changes with.
        self.made = {name: {k for k, views in self.other.items() if any(v.get(name) != t for v in views)}
                     for name, t in self.view.items()}

    def disturbed(self, key):
        """Views of the same checkpoint with other bytes in a tensor: where they differ from the view, it is this tensor's."""
        dtype, shape, raw = self.tensors[key]
        out = []
        for data in (bytes(b ^ 0x15 for b in raw), b"\xff" * len(raw)):
            view, _ = self.convert({**self.tensors, key: (dtype, shape, data)})
            out += [view] if view is not None else []
        return out

    def write(self, tensors):
        src = self.work / "src"
        shutil.rmtree(src, ignore_errors=True)
        src.mkdir(parents=True)
        generate.write(src / self.files.get("weights", "model.safetensors"), tensors)
        (src / "config.json").write_bytes(self.files["config.json"])
        return src

    def convert(self, tensors):
        """The view's tensors; or None, and what was said."""
        src, out = self.write(tensors), self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        r = subprocess.run([LENSFS, "convert", "-q", "--recipe", self.recipe, *self.options, src, out],
                           capture_output=True, text=True, errors="replace", timeout=60)
        if r.returncode not in (0, 1):
            raise Failed(f"exit {r.returncode}: {r.stderr[-300:]}")
        return (None, r.stderr) if r.returncode else (generate.read(out), r.stderr)


# Changes ------------------------------------------------------------------------------------------------------------


def cut(shape, raw, dtype, d, n):
    """Another length of dimension d: rows cut off, or the last one again."""
    inner = lang.product(shape[d + 1 :]) * WIDTH[dtype]
    rows = [raw[i : i + inner] for i in range(0, len(raw), inner)] if inner else []
    out = []
    for i in range(0, len(rows), shape[d]):
        mine = rows[i : i + shape[d]]
        out += (mine + mine[-1:] * n)[:n]
    return [*shape[:d], n, *shape[d + 1 :]], b"".join(out)


def changes(key, t):
    dtype, shape, raw = t
    yield "deleted", None, None
    yield "renamed", key + ".x", t
    number = re.search(r"\.(\d+)\.(?!.*\.\d+\.)", key)
    if number:
        yield "renumbered", f"{key[: number.start(1)]}{int(number[1]) + 17}{key[number.end(1) :]}", t
    if shape and raw:
        for d in range(len(shape)):
            for n in (shape[d] + 1, shape[d] - 1):
                if n > 0:
                    new, data = cut(shape, raw, dtype, d, n)
                    yield f"dimension {d} {n}", key, (dtype, new, data)
        yield "flattened", key, (dtype, [lang.product(shape)], raw)
        yield "in one more dimension", key, (dtype, [1, *shape], raw)
        if len(shape) > 1 and shape[-1] != shape[-2]:
            yield "turned", key, (dtype, [*shape[:-2], shape[-1], shape[-2]], raw)
    n = lang.product(shape)
    for other in ("F32", "BF16", "F16", "F8_E4M3", "U8", "I32"):
        if other != dtype:
            yield other, key, (other, shape, (raw * 4)[: n * WIDTH[other]])


# Judgement ----------------------------------------------------------------------------------------------------------


def judge(source, key, new_key, new):
    """Why this is not allowed; None if it is."""
    if new_key is None and key.endswith(OPTIONAL):
        print(f"# not judged: {key} deleted")
        return None
    changed = {k: v for k, v in source.tensors.items() if k != key}
    if new is not None:
        if new_key in changed:
            return None
        changed[new_key] = new
    got, said = source.convert(changed)
    if got is None:
        concerned = {key, new_key} | {k for t, keys in source.made.items() if key in keys for k in (t, *keys)}
        named = re.sub(r"\d+", "", said)
        if not any(k and re.sub(r"\d+", "", k) in named for k in concerned | {stem(key)}):
            return f"refused, but not by name: {said.strip()[:300]}"
        return None
    for name in sorted(set(source.view) | set(got)):
        why = one(source, name, source.view.get(name), got.get(name), key, new_key, changed)
        if why:
            return f"{name}: {why}"
    return None


def stem(key):
    """The key of the tensor that a companion belongs to."""
    return re.sub(r"(_scale_inv|_scale|_scale_2|_global_scale|\.scale|_packed|_blocks|_scales|_shape|_zero_point|_g_idx"
                  r"|\.qweight|\.qzeros|\.scales|\.g_idx)$", "", key)


def as_codes(t, weight):
    """Without its scale a weight stays as it is (FP8 codes: its dtype says so), but perhaps turned."""
    return weight is not None and t[0] == weight[0] and sorted(t[2]) == sorted(weight[2])


def one(source, name, before, after, key, new_key, changed):
    """Of one tensor of the view."""
    mine, renamed = key in source.made.get(name, ()), new_key != key
    if before == after or after in changed.values():
        return None  # the same, or a tensor of the source, passed through
    if after is None:
        # A constant goes with what it stood beside.
        return None if mine or not source.other[key] or not source.made[name] else "is gone, and had nothing of it"
    if stem(key) != key and as_codes(after, source.tensors.get(stem(key))):
        return None
    if before is None:
        return None if new_key else "is new, and no tensor of the source"
    if not mine:
        return None if renamed and new_key else "is another, and had nothing of it"
    if {stem(k) for k in source.made[name]} == {stem(key)}:
        return None if new_key or constant(after) else "is there without it"
    if renamed:
        return "is there without it"
    if after[0] != before[0]:
        return f"is {after[:2]}, was {before[:2]}, and has {len(source.made[name])} tensors in it"
    return others_kept(source, name, before, after, key)


def constant(t):
    return len(set(t[2])) <= 1


def others_kept(source, name, before, after, key):
    """What is of other tensors must be there as it was: at its place, or, in another shape, in its order."""
    w = WIDTH[after[0]]
    old, new = ([t[2][i : i + w] for i in range(0, len(t[2]), w)] for t in (before, after))
    free = [False] * len(old)
    for view in source.other[key]:
        v = view[name][2] if name in view and view[name][1] == before[1] else b""
        free = [f or v[i * w : i * w + w] != old[i] for i, f in enumerate(free)]
    if before[1] == after[1]:
        bad = [i for i, f in enumerate(free) if not f and old[i] != new[i]]
        return f"element {bad[0]} is another, and it is not of that tensor" if bad else None
    left = iter(new)
    return None if all(x in left for x, f in zip(old, free) if not f) else f"is {after[1]}, was {before[1]}, and others' values changed"


# Checkpoints --------------------------------------------------------------------------------------------------------


def of_recipe(name, work):
    for seed in range(40):
        g = generate.Generator(name, seed)
        try:
            ck = g.make(1)
        except lang.Misfit:
            continue
        # One expert alone may have any shape.
        if seed > 20 or len(ck.tensors) > 3 and not any(".experts.0." in k and k.replace(".0.", ".1.") not in ck.tensors
                                                        and k.replace("experts.0.", "experts.1.") not in ck.tensors for k in ck.tensors):
            return Source(work, name, ck.options, ck.tensors, {"config.json": json.dumps(ck.config).encode()})
    raise Failed("no checkpoint could be made of it")


def of_case(case, work):
    meta = json.loads((case / "case.json").read_text())
    weights = [p.name for p in (case / "src").glob("*.safetensors")]
    files = {"config.json": (case / "src/config.json").read_bytes()}
    if len(weights) == 1:
        files["weights"] = weights[0]
    return Source(work, meta["recipe"], meta["options"], generate.read(case / "src"), files)


def cases(folder):
    """Stored ones that are read forward and fit; tp_size and the like stand in an index that is not written here."""
    for case in sorted(p.parent for p in folder.glob("*/case.json")):
        meta = json.loads((case / "case.json").read_text())
        index = case / "src/model.safetensors.index.json"
        if meta["expect"] == "ok" and not {"--reverse", "--like", "--shard-size", "--follow-links"} & set(meta["options"]) and not (
                index.exists() and set(json.loads(index.read_text())["metadata"]) - {"total_size"}):
            yield case


def representative(keys, rng):
    """Of keys that differ in numbers only one or two; at most so many."""
    kinds = {}
    for k in keys:
        kinds.setdefault(re.sub(r"\d+", "0", k), []).append(k)
    out = [k for ks in kinds.values() for k in (ks[0], ks[-1])]
    return sorted(set(rng.sample(out, MOST) if len(out) > MOST else out))


def try_all(source):
    tried, bad = 0, []
    for key in representative(sorted(source.tensors), random.Random(source.recipe)):
        for what, new_key, new in changes(key, source.tensors[key]):
            tried += 1
            why = judge(source, key, new_key, new)
            if why:
                bad.append(f"{key} {what}: {why}")
    return tried, bad


def main():
    args = sys.argv[2:]
    folder = Path(args[args.index("--cases") + 1]) if "--cases" in args else CASES
    part = args[args.index("--part") + 1] if "--part" in args else "0/1"
    i, n = map(int, part.split("/"))
    names = [a for j, a in enumerate(args) if not a.startswith("--") and (not j or not args[j - 1].startswith("--"))]
    out = subprocess.run([LENSFS, "recipes"], capture_output=True, text=True, check=True).stdout
    jobs = [(x, of_recipe, x) for x in (line.split()[0] for line in out.splitlines() if line.strip())]
    jobs += [(c.name, of_case, c) for c in cases(folder)]
    unknown = set(names) - {name for name, _, _ in jobs}
    jobs = [j for j in jobs if not names or j[0] in names][i::n]
    status = 1 if unknown else 0
    print(f"1..{len(jobs)}" if not unknown else f"Bail out! neither a recipe nor a case: {', '.join(sorted(unknown))}")
    for at, (name, make, what) in enumerate(jobs, 1):
        work = generate.folder("misfit")
        try:
            tried, bad = try_all(make(what, work))
        except Failed as e:
            tried, bad = 0, [str(e)]
        shutil.rmtree(work)
        print(f"{'not ok' if bad else 'ok'} {at} - {name} ({make.__name__}): {tried} changes", flush=True)
        for b in bad[:12]:
            print(f"# {b[:600]}", flush=True)
        status |= bool(bad)
    return status


if __name__ == "__main__":
    sys.exit(main())
