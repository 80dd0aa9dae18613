#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes from hf to native comes back: each recipe with random checkpoints that are made from it, byte for byte.

usage: property.py LENSFS [RECIPE ...] [--seeds N] [--keep]

A rename or rule that is not "one-way" must have been seen to come back; one that can't come back has to say that it is.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import generate  # noqa: E402
import language as lang  # noqa: E402

LENSFS = sys.argv[1]
SEEDS = int(sys.argv[sys.argv.index("--seeds") + 1]) if "--seeds" in sys.argv else 3
MOST_SEEDS = 40


class Failed(Exception):
    pass


def convert(*argv):
    r = subprocess.run([LENSFS, "convert", "-q", *map(str, argv)], capture_output=True, text=True, errors="replace", timeout=60)
    if r.returncode:
        raise Failed(f"convert {' '.join(map(str, argv))}: {r.stderr.strip()[-400:]}")


def write_source(ck, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generate.write(folder / "model.safetensors", ck.tensors)
    (folder / "config.json").write_text(json.dumps(ck.config))


def round_trip(ck, work):
    src, native, back = work / "src", work / "native", work / "back"
    write_source(ck, src)
    for f in (native, back):
        shutil.rmtree(f, ignore_errors=True)
    how = ["--recipe", ck.recipe, *ck.options]
    convert(*how, src, native)
    convert(*how, "--reverse", native, back)
    got, made = generate.read(back), generate.read(native)
    for g in ck.groups:
        for key in g.native:
            if key not in made:
                raise Failed(f"{sorted(g.entries)}: no {key} in the native view; of {sorted(g.keys)[:3]}")
    for key in sorted(set(ck.tensors) | set(got)):
        a, b = ck.tensors.get(key), got.get(key)
        if a is None or b is None or (a[0], a[1], a[2]) != (b[0], b[1], b[2]):
            raise Failed(f"{key}: {a and a[:2]} came back as {b and b[:2]}")
    for f in ("model.safetensors", "config.json"):
        if (src / f).read_bytes() != (back / f).read_bytes():
            raise Failed(f"{f} came back with other bytes")


def recipe(name, work):
    """How many entries were seen, of how many; how many tensors."""
    todo, tensors, good = None, 0, 0
    for seed in range(MOST_SEEDS):
        g = generate.Generator(name, seed)
        if todo is None:
            todo = all_ = {e["where"] for _, e in g.entries()}
        try:
            ck = g.make()
        except lang.Misfit:
            continue
        if not ck.tensors:
            continue
        round_trip(ck, work)
        good += 1
        tensors += len(ck.tensors)
        todo = todo - ck.dropped - {w for x in ck.groups for w in x.entries}
        if good >= SEEDS and not todo:
            break
    if not good:
        raise Failed("no checkpoint could be made of it")
    if todo:
        raise Failed(f"never seen to come back: {sorted(todo)}")
    return f"{len(all_)} entries, {tensors} tensors in {good} checkpoints"


def built_in():
    out = subprocess.run([LENSFS, "recipes"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in out.splitlines() if line.strip()]


def main():
    given = [a for i, a in enumerate(sys.argv[2:], 2) if not a.startswith("--") and sys.argv[i - 1] != "--seeds"]
    names, bad = given or built_in(), 0
    print(f"1..{len(names)}")
    for i, name in enumerate(names, 1):
        work = generate.folder("property")
        try:
            said = recipe(name, work)
            print(f"ok {i} - {name}: {said}", flush=True)
        except (Failed, lang.Misfit) as e:
            bad += 1
            print(f"not ok {i} - {name}\n# {str(e).replace(chr(10), ' ')[:900]}", flush=True)
            if "--keep" in sys.argv:
                print(f"# {work}")
        finally:
            if "--keep" not in sys.argv:
                shutil.rmtree(work)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
