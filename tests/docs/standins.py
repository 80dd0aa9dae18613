#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for programs that pages name and that are not here: each takes the arguments that the real one takes, no others, and
looks whether the directories and files that it is given are what it would need.  Where it can, it does what the real one would.

usage: standins.py PROGRAM ARGUMENT...
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

NAME = "stand-in"


def wrong(why):
    sys.exit(f"{NAME}: {why}")


def options(words, known):
    """Operands, and the options' values: known says of each its values: None (none), a list, or a pattern."""
    operands, given = [], {}
    words = list(words)
    while words:
        word = words.pop(0)
        name, sep, value = word.partition("=")
        if not word.startswith("-"):
            operands.append(word)
            continue
        if name not in known:
            wrong(f"it has no option {name}")
        if known[name] is None:
            if sep:
                wrong(f"{name} takes no value")
            given[name] = True
            continue
        if not sep:
            if not words:
                wrong(f"{name}: a value is missing")
            value = words.pop(0)
        if not re.fullmatch(known[name], value):
            wrong(f"{name}: {value!r} is none of its values")
        given.setdefault(name, []).append(value)
    return operands, given


def one(operands, what):
    if len(operands) != 1:
        wrong(f"{what} is wanted, not {operands}")
    return operands[0]


def tree(path):
    """A directory that a Hugging Face loader reads: its config, and the keys of its weights."""
    folder = Path(path)
    config = json.loads((folder / "config.json").read_bytes())
    index = folder / "model.safetensors.index.json"
    names = set(json.loads(index.read_bytes())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    keys = {}
    for name in names:
        with open(folder / name, "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
            f.seek(-1, os.SEEK_END)
            if len(f.read(1)) != 1:
                wrong(f"{name}: no last byte")
        keys |= {k: t["dtype"] for k, t in header.items() if k != "__metadata__"}
    if index.exists() and set(json.loads(index.read_bytes())["weight_map"]) != set(keys):
        wrong(f"{path}: the index has other keys than the files")
    return config, keys


def plain(path):
    config, keys = tree(path)
    if "F8_E4M3" in keys.values() or "quantization_config" in config:
        wrong(f"{path} is quantized")
    return keys


def vllm(words):
    """vllm serve DIR"""
    operands, _ = options(words, {"--safetensors-load-strategy": "lazy|eager|prefetch|torchao", "--tensor-parallel-size": r"\d+",
                                  "--served-model-name": ".+"})
    if operands[:1] != ["serve"]:
        wrong("serve is wanted")
    tree(one(operands[1:], "a model"))


def sglang(words):
    operands, given = options(words, {"--model-path": ".+", "--tp": r"\d+", "--weight-loader-prefetch-checkpoints": None,
                                      "--weight-loader-prefetch-num-threads": r"\d+"})
    if operands or "--model-path" not in given:
        wrong("--model-path is wanted, and no operand")
    tree(given["--model-path"][0])


def convert_hf_to_gguf(words):
    operands, given = options(words, {"--outfile": ".+", "--outtype": "f32|f16|bf16|q8_0|tq1_0|tq2_0|auto"})
    plain(one(operands, "a model"))
    Path(given["--outfile"][0]).write_bytes(b"GGUF")


def automodel(words):
    """automodel CONFIG: what is under model and checkpoint may be said on the command line."""
    operands, given = options(words, {
        "--nproc-per-node": r"\d+", "--model.pretrained_model_name_or_path": ".+", "--model.backend.enable_hf_state_dict_adapter": "true|false",
        "--checkpoint.checkpoint_dir": ".+", "--checkpoint.save_consolidated": "true|false|final", "--checkpoint.model_save_format": "safetensors"})
    if not Path(one(operands, "a config")).read_text().startswith("recipe:"):
        wrong("the config names no recipe")
    keys = plain(given["--model.pretrained_model_name_or_path"][0])
    native = any(k.endswith("mlp.experts.gate_and_up_projs") for k in keys)
    if native != (given.get("--model.backend.enable_hf_state_dict_adapter") == ["false"]):
        wrong("with its adapter it reads Hugging Face's layout, without it its own")


def hf(words):
    """hf upload REPO DIR"""
    operands, _ = options(words, {"--private": None})
    if operands[:1] != ["upload"] or len(operands) != 3 or not re.fullmatch(r"[\w.-]+/[\w.-]+", operands[1]):
        wrong("upload, a repository and a folder are wanted")
    tree(operands[2])


def sbatch(words):
    """Runs the script as the array would, a task after the other."""
    words, given = list(words), {}
    while words and words[0].startswith("-"):
        for name in ("array", "export", "cpus-per-task", "time", "partition"):
            if words[0].startswith(f"--{name}="):
                given[name] = words.pop(0).partition("=")[2]
                break
        else:
            wrong(f"it has no option {words[0]}")
    script = Path(words[0])
    said = re.search(r"^#SBATCH --array=(.*)$", script.read_text(), re.M)
    exported = dict(x.split("=", 1) for x in given.get("export", "ALL").split(",") if "=" in x)
    ids = []
    for part in given.get("array", said[1]).split(","):
        a, _, b = part.partition("-")
        ids += range(int(a), int(b or a) + 1)
    for task in ids:
        task_of = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_MAX": str(max(ids)), "SLURM_ARRAY_TASK_COUNT": str(len(ids))}
        subprocess.run(["bash", *words], check=True, env=os.environ | exported | task_of)
    print("Submitted batch job 1")


def squeue(words):
    options(words, {"--me": None})


def kubectl(words):
    """apply -f FILE: the arguments in it are ones that lensfs takes; others only look."""
    operands, given = options(words, {"-f": ".+", "--for": "condition=complete|condition=Ready", "--timeout": r"\d+[smh]"})
    if operands[0] == "apply" and not operands[1:]:
        text = Path(given["-f"][0]).read_text()
        if not re.search(r"^kind: \w+$", text, re.M) or "lensfs" not in text:
            wrong(f"{given['-f'][0]} is no manifest")
    elif operands[0] not in ("wait", "logs", "get", "delete") or len(operands) != 2 or not re.fullmatch(r"(job|pod)/[a-z-]+", operands[1]):
        wrong(f"it does not do {operands}")
    else:
        kind, name = operands[1].split("/")
        files = Path("packaging/kubernetes").glob("*.yaml")
        if not any(re.search(rf"^kind: {kind}$.*^  name: {name}$", f.read_text(), re.M | re.S | re.I) for f in files):
            wrong(f"no manifest has a {operands[1]}")


def container(words):
    """build, and run: lensfs, with the folders where they are said to be."""
    if words[0] == "build":
        operands, given = options(words[1:], {"-f": ".+", "-t": r"lensfs:[\d.]+"})
        if not Path(given["-f"][0]).is_file() or operands != ["."]:
            wrong("build -f FILE -t NAME . is wanted")
        return
    known = {"--rm": None, "-v": r"/[^:]*:/[^:]*(:ro|:rshared)?", "--device": "/dev/fuse", "--cap-add": "SYS_ADMIN",
             "--security-opt": "apparmor=unconfined", "--entrypoint": "sh", "--user": r"\d+:\d+", "-d": None, "--name": ".+"}
    at = next(i for i, w in enumerate(words) if w.startswith("lensfs:"))
    operands, given = options(words[1:at], known)
    version = Path("/standins/version").read_text()
    if words[0] != "run" or operands or words[at] != f"lensfs:{version}":
        wrong(f"run [OPTION...] lensfs:{version} is wanted")
    binds = [v.split(":") for v in given.get("-v", [])]
    script = "".join(f"mkdir -p {b[1]}\nmount --bind {b[0]} {b[1]}\n" for b in binds)
    command = [given["--entrypoint"][0] if "--entrypoint" in given else "lensfs", *words[at + 1 :]]
    if {"mount", "-c"} & set(command) and not {"--device", "--cap-add"} <= set(given):
        wrong("a mount needs --device and --cap-add")
    sys.exit(subprocess.run(["unshare", "-m", "sh", "-ec", script + 'exec "$@"', "sh", *command]).returncode)


def systemctl(words):
    """enable --now UNIT: what its settings say can be mounted."""
    operands, _ = options(words, {"--now": None})
    if operands == ["daemon-reload"]:
        return
    if len(operands) != 2 or operands[0] not in ("enable", "start", "stop", "status", "restart", "disable"):
        wrong(f"it does not do {operands}")
    unit = re.fullmatch(r"lensfs@(.*)\.service", operands[1])
    conf = Path("/etc/lensfs", unit[1].replace("-", "/") + ".conf").read_text() if unit else wrong("no such unit")
    settings = dict(line.split("=", 1) for line in conf.splitlines())
    subprocess.run(["lensfs", "plan", "-q", *settings.get("OPTIONS", "").split(), settings["SOURCE"]], check=True, stdout=subprocess.DEVNULL)


def systemd_escape(words):
    operands, given = options(words, {"--path": None})
    if "--path" not in given:
        wrong("--path is wanted")
    print(one(operands, "a path").strip("/").replace("/", "-"))


def apt_get(words):
    operands, _ = options(words, {"-y": None, "--no-install-recommends": None})
    version = Path("/standins/version").read_text()
    if operands[:1] not in (["install"], ["build-dep"], ["update"]):
        wrong(f"it does not do {operands[:1]}")
    for name in operands[1:]:
        if not re.fullmatch(rf"\./|\.\./lensfs_{re.escape(version)}_amd64\.deb|fuse3", name):
            wrong(f"{name} is no package that is known here")
    if operands[0] == "build-dep" and not Path("debian/control").exists():
        wrong("there is no debian/control")


def dpkg_buildpackage(words):
    options(words, {"-b": None, "-us": None, "-uc": None})
    if not Path("debian/rules").exists():
        wrong("there is no debian/rules")


def meson(words):
    operands, given = options(words, {"-C": "build", "--benchmark": None, "--verbose": None})
    if not (operands == ["setup", "build"] or (operands in (["install"], ["test"]) and given)):
        wrong(f"setup build, install -C build or test -C build is wanted, not {words}")


def ninja(words):
    operands, given = options(words, {"-C": "build"})
    if operands or not given:
        wrong("-C build is wanted")


def quickstart(words):
    if len(words) > 1:
        wrong("at most a build folder")


def tests_run(words):
    options(words, {"--quick": None, "--oracle": None, "--long": None, "--fuzz": r"\d+", "--build": ".+"})


def modprobe(words):
    if words != ["fuse"]:
        wrong("fuse is wanted")


def sysctl(words):
    if [w for w in words if not re.fullmatch(r"fs\.fuse\.max_pages_limit=\d+", w)]:
        wrong(f"{words} is not known here")


def sudo(words):
    os.execvp(words[0], words)


PROGRAMS = {"vllm": vllm, "automodel": automodel, "hf": hf, "sbatch": sbatch, "squeue": squeue, "kubectl": kubectl, "podman": container,
            "docker": container, "systemctl": systemctl, "systemd-escape": systemd_escape, "apt-get": apt_get,
            "dpkg-buildpackage": dpkg_buildpackage, "meson": meson, "ninja": ninja, "modprobe": modprobe, "sysctl": sysctl, "sudo": sudo}
OTHERS = {"sglang": sglang, "convert_hf_to_gguf": convert_hf_to_gguf, "quickstart.sh": quickstart, "run": tests_run}

if __name__ == "__main__":
    NAME = f"stand-in for {sys.argv[1]}"
    (PROGRAMS | OTHERS)[sys.argv[1]](sys.argv[2:])
