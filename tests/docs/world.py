# SPDX-License-Identifier: Apache-2.0
"""The machine that the pages are written for: the names that they use exist in it, and nothing done there is done here.

A root of its own, in a mount and a process namespace: this machine's /usr and libraries, devices, and else only what is made here.
What a page leaves mounted or running ends with the namespace.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOME = "/home/me"
SIZES = {"BF16": 2, "F32": 4, "F8_E4M3": 1}
# Of the size that is published: in files of holes, so that it needs no disk.
PUBLISHED = "--sparse --layers 36 --experts 128 --hidden 4096 --inter 2048 --vocab 131072 --shards 25".split()
MODEL = "models/Mistral-Small-4"


def run(*words, **more):
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL, **more)


def mount(*words):
    run("mount", *words)


class World:
    def __init__(self, root, lensfs, make, build, version, published):
        self.root, self.lensfs, self.make, self.version = root, lensfs, make, version
        self.home = root / HOME[1:]
        mount("-t", "tmpfs", "-o", "mode=755", "world", root)
        self.system()
        self.programs(build)
        self.repository()
        self.models(published)

    def system(self):
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr"):
            there = Path("/", name)
            if there.is_symlink():
                (self.root / name).symlink_to(os.readlink(there))
            elif there.is_dir():
                (self.root / name).mkdir()
                mount("--rbind", there, self.root / name)
        for name in ("proc", "sys", "dev", "tmp", "run", "mnt", "srv", "data", "lustre", "var/tmp", "root", HOME[1:]):
            (self.root / name).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        shutil.copytree("/etc", self.root / "etc", symlinks=True, ignore_dangling_symlinks=True,
                        ignore=shutil.ignore_patterns("lensfs*", "shadow*", "gshadow*", "ssl", "ssh", "alternatives"))
        mount("-t", "proc", "proc", self.root / "proc")
        mount("--rbind", "/sys", self.root / "sys")
        for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("fuse", 10, 229)):
            os.mknod(self.root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            (self.root / "dev" / name).chmod(0o666)
        (self.root / "dev/fd").symlink_to("/proc/self/fd")

    def programs(self, build):
        """lensfs as it is installed, and what stands in for programs that are not here."""
        here = self.root / "standins"
        here.mkdir()
        shutil.copy(HERE / "standins.py", here)
        for name in self.standins():
            (here / name).write_text(f'#!/bin/sh\nexec /usr/bin/python3 /standins/standins.py {name} "$@"\n')
            (here / name).chmod(0o755)
        (here / "version").write_text(self.version)
        module = here / "modules/sglang"
        module.mkdir(parents=True)
        (module / "__init__.py").touch()
        program = "import runpy, sys\nsys.argv[:1] = ['/standins/standins.py', {!r}]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
        (module / "launch_server.py").write_text(program.format("sglang"))
        (self.home / "llama.cpp").mkdir()
        (self.home / "llama.cpp/convert_hf_to_gguf.py").write_text(program.format("convert_hf_to_gguf"))
        install = shutil.which("meson")
        self.bin = "/usr/local/bin"
        if not (install and subprocess.run([install, "install", "-C", build, "--no-rebuild", "--destdir", self.root / "installed"],
                                           stdout=subprocess.DEVNULL).returncode == 0):
            sys.exit("meson install failed")
        (found,) = [p for p in (self.root / "installed").rglob("lensfs") if p.is_file() and os.access(p, os.X_OK)]
        # Where mount(8) looks, which hands its helpers no PATH of ours.
        (self.root / "bin-of-lensfs").mkdir()
        shutil.copy(found, self.root / "bin-of-lensfs/lensfs")
        mount("--bind", self.root / "bin-of-lensfs", self.root / "usr/local/bin")

    @staticmethod
    def standins():
        import standins

        return sorted(standins.PROGRAMS)

    def repository(self):
        """As much of it as the pages use; what would build and test it all over stands in."""
        tree = self.home / "lensfs"
        for part in ("packaging", "docs", "tests/tools"):
            shutil.copytree(ROOT / part, tree / part)
        for script in ("tests/tools/quickstart.sh", "tests/run"):
            (tree / script).write_text(f'#!/bin/sh\nexec /usr/bin/python3 /standins/standins.py {Path(script).name} "$@"\n')
            (tree / script).chmod(0o755)

    def models(self, published):
        model = self.home / MODEL
        model.parent.mkdir()
        run(self.make, "--multimodal", *(PUBLISHED if published else ["--seed", "7"]), model)
        (self.root / "srv/models").mkdir()
        for other in ("srv/models/fp8", "lustre/fp8"):
            run(self.make, "--seed", "8", self.root / other)
        (self.root / "mnt/native").mkdir()
        for name in ("bf16", "hf", "fp8"):
            (self.root / "mnt" / name).mkdir()
        if not published:
            self.training_runs(model)
        (self.home / "train.yaml").write_text("recipe: FinetuneRecipeForVLM\n")
        sys.path.insert(0, str(HERE.parent / "mount"))
        import family

        family.write(self.home / "models/Example-MoE", family.make()[0], family.CONFIG)

    def training_runs(self, model):
        """Two runs of the model, as they are after a save by two ranks: one that keeps native keys, one of Hugging Face's."""
        for name, view in (("run", []), ("run-hf", ["--to", "hf"])):
            whole = self.home / "whole"
            run(self.lensfs, "convert", "-q", *view, model, whole)
            step = self.home / name / "epoch_0_step_1000"
            save(whole, step / "model")
            (step / "optim").mkdir()
            (step.parent / "LATEST").symlink_to(step.name)
            shutil.rmtree(whole)

    def environment(self):
        return {"HOME": HOME, "USER": "me", "PATH": f"/standins:{self.bin}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                "TZ": "UTC", "TERM": "dumb", "PYTHONPATH": "/standins/modules", "PYTHONDONTWRITEBYTECODE": "1"}

    def shell(self, text):
        """Exit status and all that was said."""
        def enter():
            os.chroot(self.root)
            os.chdir(f"{HOME}/lensfs")

        # To a file: a mount's server that kept a pipe open would be waited for.
        with tempfile.TemporaryFile() as out:
            p = subprocess.Popen(["/bin/bash", "-euc", text], preexec_fn=enter, env=self.environment(), stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, start_new_session=True)
            try:
                status = p.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
                status = 124
            out.seek(0)
            return status, out.read().decode() + ("it does not end" if status == 124 else "")


def tensors(file):
    """key: (dtype, shape, bytes)."""
    raw = file.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    for key, t in json.loads(raw[8 : 8 + n]).items():
        if key != "__metadata__":
            a, b = t["data_offsets"]
            yield key, (t["dtype"], t["shape"], raw[8 + n + a : 8 + n + b])


def save(whole, folder):
    """A sharded save: rank 0 has the first half of each tensor's rows, rank 1 the others, and one tensor has been trained."""
    (folder / ".hf_metadata").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(whole / name, folder / ".hf_metadata")
    every = {k: t for f in sorted(whole.glob("*.safetensors")) for k, t in tensors(f)}
    for rank in range(2):
        header, data, places = {}, b"", {}
        for key, (dtype, shape, body) in every.items():
            half = shape[0] // 2
            rows = (half, shape[0] - half)[rank]
            if key.endswith("model.norm.weight"):
                body = bytes(len(body))
            width = len(body) // shape[0]
            part = body[half * width * rank :][: rows * width]
            header[key] = {"dtype": dtype, "shape": [rows, *shape[1:]], "data_offsets": [len(data), len(data) + len(part)]}
            places[key] = {"saved_offsets": [half * rank] + [0] * (len(shape) - 1)}
            data += part
        header["__metadata__"] = {"DCP_SHARDING_INFO": json.dumps(places), "DCP_VERSION": "1.0", "format": "pt"}
        text = json.dumps(header).encode()
        (folder / f"shard-{rank + 1:05d}-model-00001-of-00001.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
