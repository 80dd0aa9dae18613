#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every option of every command, through the installed program: what it changes is looked at, not only that it is taken.

usage: options.py BUILD MAKE_CHECKPOINT

The options are the program's own list; one without a case here, and a case without an option, fail.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD, MAKE = map(Path, sys.argv[1:])
WORK = Path(tempfile.mkdtemp(prefix="lensfs-options-"))
ENV = {**os.environ, "LENSFS_CONF": "", "NO_COLOR": "1"}
VIEWS = ("mount", "convert", "ls", "cat", "plan", "verify", "hash")
MOUNTS = ("mount", "umount", "warm", "stat")
SRC, SAVE, MULTI, WARN, LINKS, LOST, WIDE = (WORK / n for n in ("src", "native", "multi", "warn", "links", "lost", "wide"))
OUT, DIR, MNT, LOG = WORK / "out", WORK / "dir", WORK / "mnt", WORK / "log"
DOWN = "model.layers.0.mlp.experts.down_proj"
GATE = "model.layers.0.mlp.gate.weight"
HF = "language_model."  # what --reverse puts in front


def run(*words, status=0):
    p = subprocess.run([LENSFS, *map(str, words)], capture_output=True, text=True, env=ENV, stdin=subprocess.DEVNULL, timeout=60)
    assert p.returncode == status, (words, p.returncode, p.stdout[-300:], p.stderr[-600:])
    return p.stdout, p.stderr


def headers(folder):
    """{key: (dtype, shape)} of a directory, and how many files."""
    out, files = {}, sorted(folder.glob("*.safetensors"))
    for path in files:
        with open(path, "rb") as f:
            head = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        out |= {k: (t["dtype"], t["shape"]) for k, t in head.items() if k != "__metadata__"}
    return out, len(files)


def counter(name):
    return int(re.search(rf"^{re.escape(name)} +(\d+)$", (MNT / ".lens/stats").read_text(), re.M)[1])


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def table(lines, key, dtype, shape):
    rows = [line.split("\t") for line in lines]
    return {r[key]: (r[dtype], json.loads(r[shape])) for r in rows}


def look(command, source, *options, status=0):
    """The view as @command shows it, and what it says: {key: (dtype, shape)}, stderr."""
    words = [*options, "-v", source]
    if command == "convert":
        _, err = run(command, *words, fresh(OUT), status=status)
        return (headers(OUT)[0] if not status else None), err
    if command == "verify":
        if status:
            return None, run(command, *words, SRC, status=status)[1]
        run("convert", "-q", *options, source, fresh(DIR))
        return headers(DIR)[0], run(command, *words, DIR)[1]
    if command == "mount":
        LOG.unlink(missing_ok=True)
        _, err = run("mount", "--log", LOG, *words, MNT, status=status)
        if status:
            return None, err
        try:
            return headers(MNT)[0], err + LOG.read_text()
        finally:
            run("umount", MNT)
    if command == "ls":
        out, err = run("ls", "--json", *words, status=status)
        return out and {t["key"]: (t["dtype"], t["shape"]) for t in json.loads(out)["tensors"]}, err
    out, err = run(command, *words, *([".lens/plan"] if command == "cat" else []), *(["-l"] if command == "plan" else []), status=status)
    lines = [line for line in out.splitlines() if line.count("\t")]
    if command == "hash":
        return table(lines[:-1], 3, 1, 2), err
    if command == "plan":
        lines = [line for line in lines if re.match(r"[^\t]+\t[A-Z0-9_]+\t\[", line)]
    return table(lines, 0, 1, 2), err


# --- options of all that open a source: command, the option as it is spelt ---

def decoded(command, option):
    view, _ = look(command, SRC, option, "hf" if option == "--to" else "dequant")
    plain, _ = look(command, SRC)
    assert view[DOWN][0] == "BF16" and DOWN not in plain, view


def dtype(command, option):
    assert look(command, SRC, option, "f32")[0][f"{DOWN}s"][0] == "F32"
    assert look(command, SRC)[0][f"{DOWN}s"][0] == "BF16"


def parameter(command, option):
    names = [set(look(command, MULTI, *o)[0]) for o in ((), (option, "names=automodel"))]
    assert names[0] != names[1] and any(k.startswith("model.language_model.lm_head") for k in names[1] - names[0]), names[1] - names[0]


def shard_size(command, option):
    counts = [int(re.search(r"view: .* in (\d+) file", look(command, SRC, *o)[1])[1]) for o in ((), (option, "20KB"))]
    assert counts[0] == 1 < counts[1], counts


def exclude(command, option):
    left, whole = look(command, SRC, option, ".*experts")[0], look(command, SRC)[0]
    assert left and set(left) == {k for k in whole if not re.match(".*experts", k)} != set(whole), left


def reverse(command, option):
    assert HF + DOWN in look(command, SAVE, option)[0] and f"{DOWN}s" in look(command, SAVE, "--recipe", "identity")[0]


def like(command, option):
    want = headers(WORK / "bf16")[0]
    assert look(command, SAVE, "--reverse", option, WORK / "bf16")[0] == want
    assert look(command, SAVE, "--reverse")[0] != want  # the router's bias


def allow_missing(command, option):
    _, err = look(command, LOST, "--reverse", "--like", WORK / "bf16", status=1)
    assert GATE in err, err
    assert GATE in look(command, LOST, "--reverse", "--like", WORK / "bf16", option)[0]


def cast(command, option):
    _, err = look(command, WIDE, "--reverse", "--like", WORK / "bf16", status=1)
    assert "--cast" in err, err
    assert look(command, WIDE, "--reverse", "--like", WORK / "bf16", option)[0][DOWN][0] == "BF16"


def quantize(command, option):
    assert look(command, SAVE, "--reverse", option, "fp8")[0][HF + DOWN][0] == "F8_E4M3"


def scales(command, option):
    views = [look(command, SAVE, "--reverse", "--quantize", "fp8", *o)[0] for o in ((), (option, "unit"))]
    assert not any("activation_scale" in k for k in views[0]) and any("activation_scale" in k for k in views[1]), views[1]


def block(command, option):
    grids = [look(command, SAVE, "--reverse", "--quantize", "fp8", *o)[0][f"{HF}model.layers.0.self_attn.o_proj.weight_scale_inv"][1]
             for o in ((), (option, "128"))]
    assert [len(g) for g in grids] == [0, 2], grids


def strict(command, option):
    if command == "plan":
        assert "in a shard and not in" in run(command, WARN)[0]
    else:
        assert "warning: " in look(command, WARN)[1]
    assert "--strict" in look(command, WARN, option, status=1)[1]


def follow_links(command, option):
    assert option in look(command, LINKS, status=1)[1]
    assert look(command, LINKS, option)[0] == look(command, SRC)[0]


def cache_size(command, option):
    assert "cache 8.0 MB" in look(command, SRC, option, "8MB")[1]


def compress(command, option):
    """What is shown is the same, and in a mount its counters tell of it."""
    assert look(command, SRC, option, "always")[0] == look(command, SRC, option, "never")[0]
    assert "not auto, always or never" in run(command, option, "so", SRC, *([DIR] if command != "ls" else []), status=2)[1]
    if command != "mount":
        return
    counts = []
    for how in ("always", "never"):
        run("mount", "--cache-size", "64KiB", option, how, SRC, MNT)
        for path in MNT.glob("*.safetensors"):
            with open(path, "rb", buffering=0) as f:
                while f.read(4096):
                    pass
        counts.append(counter('lensfs_lz4_bytes_total{side="in"}'))
        run("umount", MNT)
    assert counts[0] >= counts[1], counts


def jobs(command, option):
    assert look(command, SRC, option, "1")[0] == look(command, SRC, option, "3")[0]
    assert "from 1 to 256" in run(command, option, "0", SRC, DIR, status=2)[1]


def verbose(command, option):
    words = {"convert": [fresh(OUT)], "verify": [SAVE], "cat": ["config.json"]}.get(command, [])
    if command == "mount":
        err = run(command, option, SRC, MNT)[1]
        run("umount", MNT)
    else:
        err = run(command, option, SRC, *words)[1]
    assert "recipe: mistral4, because" in err and "opened in" in err, err


# --- options of all commands ---

def quiet(command, option):
    if command == "plan":  # they are what it is asked for
        assert run(command, option, WARN) == run(command, WARN)
    elif command in VIEWS:
        words = {"convert": [OUT], "verify": [DIR], "cat": ["config.json"], "mount": [MNT]}.get(command, [])
        run("convert", "-q", WARN, fresh(DIR))
        for given in ((), (option,)):
            fresh(OUT)
            err = run(command, *given, WARN, *words)[1]
            if command == "mount":
                run("umount", MNT)
            assert ("warning: " in err) == (not given), (given, err)
    elif command in ("umount", "warm", "stat"):
        run("mount", SRC, MNT)
        try:
            assert run(command, option, *(["--once"] if command == "stat" else []), MNT)[1] == ""
        finally:
            if command != "umount":
                run("umount", MNT)
    else:
        p = subprocess.run([LENSFS, command, option], capture_output=True, text=True, env=ENV)
        assert p.stdout and not p.stderr, p


def log_format(command, option):
    words = {"recipes": ["none"], "doctor": ["none"], "ls": ["none"], "plan": ["none"], "hash": ["none"], "umount": [SRC], "warm": [SRC], "stat": [SRC]}
    p = subprocess.run([LENSFS, command, option, "json", *words.get(command, ["none", MNT])], capture_output=True, text=True, env=ENV, cwd=WORK)
    assert p.returncode in (1, 2) and p.stderr, p
    told = [json.loads(line) for line in p.stderr.splitlines()]
    assert told[-1]["level"] == "error" and list(told[-1]) == ["time", "level", "message"], told
    p = subprocess.run([LENSFS, command, option, "text", *words.get(command, ["none", MNT])], capture_output=True, text=True, env=ENV, cwd=WORK)
    assert p.stderr.startswith("lensfs: "), p


def help_of(command, option):
    out, _ = run(command, option)
    assert f"usage: lensfs {command}" in out and "For example: lensfs" in out
    lines = out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80, out


# --- one command's own ---

def version(_, option):
    assert re.fullmatch(r"lensfs \d+\.\d+\.\d+\n", run(option)[0])


def foreground(command, option):
    p = subprocess.Popen([LENSFS, command, option, SRC, MNT], env=ENV, stderr=subprocess.PIPE)
    try:
        for _ in range(200):
            if os.path.ismount(MNT):
                break
            time.sleep(0.05)
        assert os.path.ismount(MNT) and p.poll() is None
    finally:
        run("umount", MNT)
    assert p.wait(20) == 0
    p.stderr.close()


def with_o(command, option):
    run(command, option, "ro,recipe=dequant,shard_size=20KB", SRC, MNT)
    view, files = headers(MNT)
    run("umount", MNT)
    assert DOWN in view and files > 1, files
    assert "no such option" in run(command, option, "frob", SRC, MNT, status=2)[1]
    told = json.loads(run(command, option, "log_format=json,recipe=frob", SRC, MNT, status=1)[1])
    assert told["level"] == "error" and "frob" in told["message"], told


def log(command, option):
    LOG.unlink(missing_ok=True)
    run(command, option, LOG, WARN, MNT)
    run("umount", MNT)
    assert LOG.exists()


def inspect(command, option):
    shown = []
    for given in ((), (option,)):
        run(command, *given, SRC, MNT)
        shown.append(".lens" in os.listdir(MNT))
        run("umount", MNT)
    assert shown == [False, True]


def ls_detail(command, option):
    row, plain = (run(command, *o, SRC, GATE)[0].split() for o in ((option,), ()))
    assert row[3] == "model.safetensors" and row[-1] == plain[-1] == GATE and len(row) == len(plain) + 2, row
    place = json.loads(run(command, "--json", SRC, GATE)[0])["tensors"][0]
    assert int(row[4]) == place["offset"]


def ls_source(command, option):
    keys = {line.split()[-1] for line in run(command, option, SRC)[0].splitlines()}
    assert keys == set(headers(SRC)[0])


def ls_tree(command, option):
    lines = run(command, option, SRC)[0].splitlines()
    assert any(line.endswith("layers.{0..1}") for line in lines) and lines[-1].endswith("in all"), lines
    total = sum(t["bytes"] for t in json.loads(run("ls", "--json", SRC)[0])["tensors"])
    assert lines[-1].split()[2] == str(total), lines[-1]


def is_json(command, option):
    words = {"ls": [SRC], "plan": [SRC], "hash": [SRC], "verify": [SRC, SAVE]}.get(command, [])
    p = subprocess.run([LENSFS, command, option, *words], capture_output=True, text=True, env=ENV)
    told = json.loads(p.stdout)
    need = {"ls": "tensors", "hash": "all", "verify": "equal", "recipes": "recipes"}.get(command)
    assert isinstance(told, dict) and told and (not need or need in told), list(told)


def plan_detail(command, option):
    out, _ = run(command, option, SRC)
    assert re.search(rf"^{DOWN}\tmapped\t{DOWN}s\t", out, re.M) and f"{DOWN}\tmapped" not in run(command, SRC)[0]


def plan_html(command, option):
    page = WORK / "page.html"
    run(command, option, page, SRC)
    text = page.read_text()
    assert text.lower().startswith("<!doctype html>") and "http-equiv" not in text.lower() or len(text) > 10000, text[:200]
    assert "down_projs" in text and "embed_tokens" in text


def cat_as(command, option):
    raw, npy = (subprocess.run([LENSFS, command, option, how, SRC, GATE], capture_output=True, env=ENV).stdout for how in ("raw", "npy"))
    dtype, shape = headers(SAVE)[0][GATE]
    assert dtype == "BF16" and len(raw) == 2 * shape[0] * shape[1] and npy.startswith(b"\x93NUMPY")
    assert len(run(command, option, "text", SRC, GATE)[0].splitlines()) == shape[0] * shape[1]


def cat_head(command, option):
    whole = run(command, "--as", "text", SRC, GATE)[0].splitlines()
    assert run(command, option, "5", SRC, GATE)[0].splitlines() == whole[:5]


def verify_hashes(command, option):
    sums = WORK / "sums"
    sums.write_text(run("hash", SRC)[0])
    assert "tensors are equal" in run(command, option, sums, SAVE)[1]
    assert "missing" in run(command, option, sums, SRC, status=1)[0]


def verify_sample(command, option):
    assert "where they were sampled" in run(command, option, "2", SRC, SAVE)[1]
    assert "from 1 to 1000000" in run(command, option, "0", SRC, SAVE, status=2)[1]


def part(command, option):
    fresh(OUT)
    run(command, "--shard-size", "20KB", option, "0/2", SRC, OUT)
    half = headers(OUT)[1]
    run(command, "--shard-size", "20KB", option, "1/2", SRC, OUT)
    assert 0 < half < headers(OUT)[1] and headers(OUT)[0] == headers(SAVE)[0], half


def warm_max(command, option):
    run("mount", SRC, MNT)
    try:
        assert "1.0 KB" in "".join(run(command, option, "1KB", MNT)) or "stop" in "".join(run(command, option, "1KB", MNT))
        assert "not from 1% to 100%" in run(command, option, "0%", MNT, status=2)[1]
    finally:
        run("umount", MNT)


def warm_jobs(command, option):
    run("mount", SRC, MNT)
    try:
        run(command, option, "2", MNT)
        assert counter("lensfs_served_bytes_total") >= sum(f.stat().st_size for f in SAVE.glob("*.safetensors"))
        assert "from 1 to 256" in run(command, option, "0", MNT, status=2)[1]
    finally:
        run("umount", MNT)


def stat_once(command, option):
    run("mount", SRC, MNT)
    try:
        assert run(command, option, MNT)[0]
    finally:
        run("umount", MNT)


def recipe_lists(command, option):
    out = run(command, option)[0]
    assert {"--ops": "transpose", "--codecs": "fp8", "--table": "| `mistral4` |"}[option] in out, out[:500]


OF_VIEWS = {"--recipe": decoded, "--to": decoded, "--dtype": dtype, "--set": parameter, "--shard-size": shard_size, "--exclude": exclude,
            "--reverse": reverse, "--like": like, "--allow-missing": allow_missing, "--cast": cast, "--quantize": quantize,
            "--scales": scales, "--block": block, "--strict": strict, "--follow-links": follow_links, "--cache-size": cache_size,
            "--cache-compress": compress, "--jobs": jobs, "-v": verbose, "--verbose": verbose}
OF_ALL = {"-q": quiet, "--quiet": quiet, "-h": help_of, "--help": help_of, "--log-format": log_format, "--json": is_json}
OWN = {("lensfs", "-V"): version, ("lensfs", "--version"): version, ("mount", "-f"): foreground, ("mount", "-o"): with_o,
       ("mount", "--log"): log, ("mount", "--inspect"): inspect, ("ls", "-l"): ls_detail, ("ls", "--source"): ls_source,
       ("ls", "--tree"): ls_tree, ("plan", "-l"): plan_detail, ("plan", "--html"): plan_html, ("cat", "--as"): cat_as,
       ("cat", "--head"): cat_head, ("verify", "--hashes"): verify_hashes, ("verify", "--sample"): verify_sample,
       ("convert", "--part"): part, ("warm", "--max"): warm_max, ("warm", "--jobs"): warm_jobs, ("stat", "--once"): stat_once,
       ("recipes", "--ops"): recipe_lists, ("recipes", "--codecs"): recipe_lists, ("recipes", "--table"): recipe_lists}


def rewrite(source, dest, change):
    """A copy of one file, @change made to its tensors: {key: [dtype, shape, bytes]}."""
    tensors, dest = {}, fresh(dest)
    dest.mkdir()
    for path in sorted(source.glob("*.safetensors")):
        raw = path.read_bytes()
        n = int.from_bytes(raw[:8], "little")
        tensors |= {k: [t["dtype"], t["shape"], raw[8 + n + t["data_offsets"][0] : 8 + n + t["data_offsets"][1]]]
                    for k, t in json.loads(raw[8 : 8 + n]).items() if k != "__metadata__"}
    change(tensors)
    head, at = {}, 0
    for k, (d, shape, data) in tensors.items():
        head[k] = {"dtype": d, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(head).encode()
    (dest / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t[2] for t in tensors.values()))
    shutil.copy(source / "config.json", dest)


def widen(tensors):
    """BF16 to F32, with bits that BF16 lacks."""
    d, shape, data = tensors[f"{DOWN}s"]
    tensors[f"{DOWN}s"] = ["F32", shape, b"".join(b"\1\0" + data[i : i + 2] for i in range(0, len(data), 2))]


def make_sources():
    MNT.mkdir()
    for folder, *options in ((SRC,), (WORK / "bf16", "--bf16"), (MULTI, "--multimodal"), (WARN,)):
        subprocess.run([MAKE, *options, folder], check=True, stdout=subprocess.DEVNULL)
    run("convert", "-q", SRC, SAVE)
    index = json.loads((WARN / "model.safetensors.index.json").read_text())
    del index["weight_map"]["lm_head.weight"]
    (WARN / "model.safetensors.index.json").write_text(json.dumps(index))
    shutil.copytree(SRC, LINKS)
    first = next(LINKS.glob("*.safetensors"))
    first.unlink()
    first.symlink_to(SRC / first.name)
    rewrite(SAVE, LOST, lambda t: t.pop(GATE))
    rewrite(SAVE, WIDE, widen)


def listed():
    return [tuple(line.split("\t")[:2]) for line in run("--list-options")[0].splitlines()]


def case_of(command, option):
    found = OWN.get((command, option))
    if not found and command in VIEWS:
        found = OF_VIEWS.get(option)
    return found or OF_ALL.get(option)


def main():
    global LENSFS
    subprocess.run(["meson", "install", "--no-rebuild", "--quiet", "--destdir", WORK / "root", "-C", BUILD], check=True, stdout=subprocess.DEVNULL)
    LENSFS = next(p for p in (WORK / "root").rglob("bin/lensfs") if p.is_file())
    make_sources()
    options, bad = listed(), 0
    stale = set(OWN) - set(options) | {o for o in {**OF_VIEWS, **OF_ALL} if o not in {o for _, o in options}}
    can_mount = os.geteuid() == 0 and os.path.exists("/dev/fuse")
    print(f"1..{len(options) + 1}")
    print(f"{'not ok' if stale else 'ok'} 1 every case has its option{': ' + str(stale) if stale else ''}")
    for i, (command, option) in enumerate(options, 2):
        case = case_of(command, option)
        if command in MOUNTS and not can_mount and option not in ("-h", "--help"):
            print(f"ok {i} {command} {option} # SKIP needs root and /dev/fuse")
            continue
        try:
            assert case, "no case"
            case(command, option)
            print(f"ok {i} {command} {option}")
        except (AssertionError, OSError, ValueError, KeyError, TypeError, IndexError, subprocess.TimeoutExpired) as e:
            bad += 1
            print(f"not ok {i} {command} {option}: {type(e).__name__} {str(e)[:700]!r}")
        finally:
            if os.path.ismount(MNT):
                subprocess.run(["umount", "-l", MNT], check=False)
    return 1 if bad or stale else 0


try:
    sys.exit(main())
finally:
    shutil.rmtree(WORK, ignore_errors=True)
