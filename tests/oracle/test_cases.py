#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stored cases of tests/data/cases, converted and mounted: what the reference libraries made of small checkpoints.

usage: test_cases.py [GLOB ...]

A case is a folder: case.json (recipe, options, `expect` ok or refuse, and `why`: words that the refusal must have), src/, and
want/, which must come out byte for byte; config.json must say what want/'s says, and be the source's text with parts cut out.
Standard library only.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from oracle import ROOT, Failed, Tap, lensfs

CASES = ROOT / "tests/data/cases"


def command(verb: str, case: Path, meta: dict, out: Path) -> subprocess.CompletedProcess:
    # What follows --like is a folder of the case.
    given = [case / o if i and meta["options"][i - 1] == "--like" else o for i, o in enumerate(meta["options"])]
    argv = [lensfs(), verb, "--recipe", meta["recipe"], *given, case / "src", out]
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors="replace", timeout=60)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def same(want: Path, got: Path, source: Path, put: bool) -> None:
    """@source's config.json is what the view's is cut from; @put: and something else is put in."""
    a, b = files(want), files(got)
    if set(a) != set(b):
        raise Failed(f"files {sorted(b)}, want {sorted(a)}")
    for name, data in a.items():
        if name == "config.json":
            left = iter((source / name).read_bytes())
            if json.loads(data) != json.loads(b[name]) or not (put or all(c in left for c in b[name])):
                raise Failed("config.json says something else, or is not the source's with parts cut out")
        elif data != b[name]:
            at = next((i for i, (x, y) in enumerate(zip(data, b[name])) if x != y), min(len(data), len(b[name])))
            raise Failed(f"{name} differs from byte {at} on")


def refused(r: subprocess.CompletedProcess, meta: dict) -> None:
    if r.returncode != 1 or r.stdout:
        raise Failed(f"exit {r.returncode}, not 1; on stdout: '{r.stdout[:200]}'")
    if not r.stderr.startswith("lensfs: ") or meta["why"] not in r.stderr:
        raise Failed(f"no '{meta['why']}' in: {r.stderr.strip()[:500]}")


def dress(case: Path, meta: dict) -> tuple[Path, bool]:
    like = case / "orig"
    return (like if like.exists() else case / "src"), "--quantize" in meta["options"] and not like.exists()


def by_convert(case: Path, meta: dict, work: Path) -> None:
    r = command("convert", case, meta, work / "out")
    if meta["expect"] == "refuse":
        refused(r, meta)
        if (work / "out").exists():
            raise Failed("it left something behind")
        return
    if r.returncode:
        raise Failed(f"exit {r.returncode}: {r.stderr.strip()[-500:]}")
    same(case / "want", work / "out", *dress(case, meta))


def by_mount(case: Path, meta: dict, work: Path) -> None:
    mnt = work / "mnt"
    mnt.mkdir()
    r = command("mount", case, meta, mnt)
    mounted = os.path.ismount(mnt)
    try:
        if meta["expect"] == "refuse":
            refused(r, meta)
            if mounted:
                raise Failed("it left a mount behind")
        elif r.returncode or not mounted:
            raise Failed(f"exit {r.returncode}: {r.stderr.strip()[-500:]}")
        else:
            same(case / "want", mnt, *dress(case, meta))
    finally:
        if mounted and subprocess.run([lensfs(), "umount", str(mnt)]).returncode:
            subprocess.run(["umount", "-l", str(mnt)])
            raise Failed("umount failed")


def main() -> int:
    globs = sys.argv[1:] or ["*"]
    ways = [by_convert]
    if os.access("/dev/fuse", os.R_OK | os.W_OK):
        ways.append(by_mount)
    tap = Tap()
    for case in sorted(p.parent for p in CASES.glob("*/case.json")):
        meta = json.loads((case / "case.json").read_text())
        for way in ways:
            if any(fnmatch.fnmatch(case.name, g) for g in globs):
                work = Path(tempfile.mkdtemp(prefix="lensfs-cases-"))
                tap.check(f"{case.name} {way.__name__}", way, case, meta, work)
                if not os.path.ismount(work / "mnt"):
                    shutil.rmtree(work)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
