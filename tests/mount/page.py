#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plan --html without a browser: the page says what plan --json says, keys can't end what they stand in, nothing is fetched,
and the file appears whole or not at all.

usage: page.py LENSFS MAKE_CHECKPOINT
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/tools"))
import plan_page  # noqa: E402

LENSFS, MAKE = sys.argv[1:]


def plan(*words, status=0):
    p = subprocess.run([LENSFS, "plan", *map(str, words)], capture_output=True, check=False)
    assert p.returncode == status, (words, p.returncode, p.stdout[-300:], p.stderr)
    return p.stdout.decode(), p.stderr.decode()


def inert(html):
    """Nothing in it is fetched, and no key is markup; the data."""
    frame, data = plan_page.split(html)
    assert not set("<>&\u2028\u2029") & set(data), "the data holds what a tag is made of"
    assert not re.search(r"https?:|//\w+\.|@import|url\(|\bimport\b|fetch\(|XMLHttpRequest|innerHTML|insertAdjacentHTML|document\.write|\beval\b", frame)
    assert len(re.findall(r"<script", frame)) == len(re.findall(r"</script>", frame)) == 2
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]*)"', frame)[1]
    for name, tag in (("style-src", r"<style>(.*?)</style>"), ("script-src", r"<script>(.*?)</script>")):
        digest = base64.b64encode(hashlib.sha256(re.search(tag, frame, re.S)[1].encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy, (policy, digest)
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy, policy
    return data


def same(*words):
    """The page and --json say the same; it, and how many tensors there are."""
    html, _ = plan("-q", "--html", "-", *words)
    said = json.loads(plan("-q", "--json", *words)[0])
    told, raw = plan_page.facts(inert(html))
    for t in said["tensors"]:
        t.pop("made")
    for what in said:
        assert said[what] == told[what], (words, what, [x for x in zip(said[what], told[what]) if x[0] != x[1]][:2])
    accounted(said)
    return said, raw, html


def accounted(said):
    """What became of the keys, and what tensors are made of, are the same story."""
    made = {t["key"]: set(t["sources"]) for t in said["tensors"]}
    fate = {k["key"]: k["fate"] for k in said["keys"]}
    for t in said["tensors"]:
        assert len(t["sources"]) == len(made[t["key"]]), t
        assert {fate[k] for k in t["sources"]} <= {"mapped", "passed", "companion"}, t
    for k in said["keys"]:
        if k["into"] is not None and "slice" not in str(said["recipe"]):
            assert k["key"] in made[k["into"]], k
        assert (k["into"] is None) == (k["fate"] in ("dropped", "excluded")), k


def cases():
    """Every stored case that is not refused."""
    n = 0
    for path in sorted((ROOT / "tests/data/cases").glob("*/case.json")):
        case, folder = json.loads(path.read_text()), path.parent
        if case["expect"] != "ok":
            continue
        words = [folder / w if case["options"][i - 1] == "--like" else w for i, w in enumerate(case["options"])]
        same(*([] if "--to" in words else ["--recipe", case["recipe"]]), *words, folder / "src")
        n += 1
    assert n > 30, n


def known(work):
    """What is written here by hand about some tensors."""
    src = work / "src"
    subprocess.run([MAKE, "--experts", "5", src], check=True, stdout=subprocess.DEVNULL)
    said, raw, html = same(src)
    t = {t["key"]: t for t in said["tensors"]}
    p = "model.layers.1.mlp.experts."
    assert t[p + "down_projs"]["sources"] == [p + "down_proj", p + "down_proj_scale_inv"], t[p + "down_projs"]
    assert (t[p + "down_projs"]["ops"], t[p + "down_projs"]["codec"]) == ("transpose[1,2]", "fp8>BF16"), t[p + "down_projs"]
    bias = t["model.layers.1.mlp.gate.e_score_correction_bias"]
    assert (bias["ops"], bias["codec"], bias["sources"]) == ("fill(0)", "", []), bias
    assert t["lm_head.weight"]["sources"] == ["lm_head.weight"] and t["lm_head.weight"]["ops"] == "", t["lm_head.weight"]
    assert raw["source"] == str(src) and len(html) < 100_000, len(html)
    native = work / "native"
    subprocess.run([LENSFS, "convert", "-q", src, native], check=True)
    said, _, _ = same("--reverse", "--recipe", "mistral4", "--quantize", "fp8", native)
    t = {t["key"]: t for t in said["tensors"]}
    weight, scale = t["language_model." + p + "down_proj"], t["language_model." + p + "down_proj_scale_inv"]
    assert weight["sources"] == scale["sources"] == [p + "down_projs"], (weight, scale)
    assert (weight["codec"], scale["ops"]) == ("quantize(amax)", "amax/448"), (weight, scale)
    split = ROOT / "tests/data/cases/deepseek_v3-fp8/src"
    experts = [t for t in same(split)[0]["tensors"] if t["key"].endswith("experts.gate_and_up_projs")]
    for t in experts:
        p = t["key"].removesuffix("gate_and_up_projs")
        want = [f"{p}{e}.{name}_proj.weight{tail}" for e in range(t["shape"][0]) for name in ("gate", "up") for tail in ("", "_scale_inv")]
        assert sorted(t["sources"]) == sorted(want), (t["sources"], want)
    assert experts


def hostile(work):
    folder = work / "hostile"
    tensors = plan_page.write_hostile(folder)
    said, raw, _ = same("--recipe", "identity", folder)
    assert {t["key"] for t in said["tensors"]} == {k["key"] for k in said["keys"]} == set(tensors)
    assert raw["source-files"] == [plan_page.HOSTILE_FILE]
    assert "left out" in raw["warnings"][0], raw["warnings"]
    html, err = plan("--html", "-", "--recipe", "identity", folder)
    assert "warning: " in err and html.startswith("<!doctype html>"), err
    strange = work / "\x1b<b>&\xff"
    folder.rename(os.fsencode(strange).decode("utf-8", "surrogateescape"))
    same("--recipe", "identity", strange)


def files(work):
    src, there = work / "src", work / "there"
    there.mkdir()
    want, _ = plan("--html", "-", src)
    page = there / "page.html"
    out, err = plan("--html", page, src)
    assert not out and f"'{page}': " in err and page.read_text() == want, err
    assert plan("-q", "--html", page, src) == ("", "")
    # In its place, with its permissions; what a link leads to, and not the link.
    page.write_text("old")
    page.chmod(0o640)
    (there / "link").symlink_to("page.html")
    plan("--html", there / "link", src)
    assert page.read_text() == want and page.stat().st_mode & 0o777 == 0o640 and (there / "link").is_symlink()
    # Not in the source, by whichever way one comes there.
    before = sorted(os.listdir(src))
    (there / "in").symlink_to(src)
    (src / "deep").mkdir()
    for path in (src / "page.html", there / "in/page.html", there / "../src/page.html", src / "deep/page.html", src / "config.json"):
        _, err = plan("--html", path, src, status=1)
        assert "it would be in the source" in err, err
    (src / "deep").rmdir()
    assert sorted(os.listdir(src)) == before
    for path, why in ((there, "it is a directory"), (there / "none/page.html", "No such file or directory"), ("/dev/full", "No space left on device"),
                      (f"{there}/new/", "it is a directory")):
        _, err = plan("--html", path, src, status=1)
        assert f"'{path}': {why}" in err or f"{path}: {why}" in err, err
    os.mkfifo(there / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((there / "pipe").read_text()))
    reader.start()
    plan("--html", there / "pipe", src)
    reader.join(30)
    assert got == [want]
    assert sorted(os.listdir(there)) == ["in", "link", "page.html", "pipe"], os.listdir(there)
    for words in (["--json"], ["-l"]):
        _, err = plan("--html", page, *words, src, status=2)
        assert "--html: neither with -l nor with --json" in err, err
    _, err = plan("--html", "", src, status=2)
    assert "it needs a file's name" in err, err
    _, err = plan("--html", page, "--exclude", "(", src, status=1)
    assert page.read_text() == want


with tempfile.TemporaryDirectory() as name:
    known(Path(name))
    hostile(Path(name))
    files(Path(name))
cases()
