# SPDX-License-Identifier: Apache-2.0
"""What the oracle tests share: a Python that has the reference libraries, results in TAP, and lensfs as a command.

A test that is started by a Python without them goes on in the one that LENSFS_ORACLE_PYTHON names, or in venv/ at the top of
the repository.  Where there is none either it is skipped, but fails if LENSFS_REQUIRE_ORACLE=1.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("torch", "safetensors", "numpy", "packaging", "nemo_automodel")


def skip(why: str) -> None:
    """End the whole test as one that did not run."""
    if os.environ.get("LENSFS_REQUIRE_ORACLE") == "1":
        print(f"Bail out! {why}")
        sys.exit(1)
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def need_libraries() -> None:
    """Return in a Python that has the reference libraries, or not at all."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return
    other = os.environ.get("LENSFS_ORACLE_PYTHON") or str(ROOT / "venv/bin/python")
    if os.access(other, os.X_OK) and os.environ.get("LENSFS_ORACLE_IN") != other:
        os.environ["LENSFS_ORACLE_IN"] = other
        sys.stdout.flush()
        os.execv(other, [other, *sys.argv])
    skip(f"no Python with {', '.join(missing)} (tests/run --oracle installs them)")


def need_mounts() -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse can't be opened")


class Failed(AssertionError):
    """A check that failed, with what to say."""


class Tap:
    """Numbered results on stdout; the plan comes last."""

    def __init__(self) -> None:
        self.count = self.bad = 0

    def check(self, name: str, fn, *args) -> None:
        """fn(*args) passes unless it raises Failed, or cannot read; what it returns is told beside the name."""
        self.count += 1
        start = time.monotonic()
        try:
            told = fn(*args)
        except (Failed, OSError) as e:
            self.bad += 1
            print(f"not ok {self.count} - {name}")
            for line in str(e).splitlines():
                print(f"# {line}")
        else:
            told = f": {told}" if told else ""
            print(f"ok {self.count} - {name}{told} ({time.monotonic() - start:.1f} s)")
        sys.stdout.flush()

    def end(self) -> int:
        print(f"1..{self.count}")
        return 1 if self.bad or not self.count else 0


def lensfs() -> str:
    return os.path.abspath(os.environ.get("LENSFS", "lensfs"))


def run(*argv, seconds: float = 120) -> str:
    """Run a command that must succeed; what it printed."""
    try:
        r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[1]}: no answer in {seconds} s") from None
    if r.returncode:
        raise Failed(f"{' '.join(map(str, argv))}: exit {r.returncode}: {r.stderr.strip()[-500:]}")
    return r.stdout


class Mount:
    """with Mount(source, options) as folder: ..."""

    def __init__(self, source: Path, options=(), work: Path | None = None) -> None:
        self.source, self.options = source, list(options)
        self.point = Path(tempfile.mkdtemp(prefix="mnt-", dir=work))

    def __enter__(self) -> Path:
        run(lensfs(), "mount", *self.options, self.source, self.point)
        return self.point

    def __exit__(self, *_) -> None:
        try:
            run(lensfs(), "umount", self.point)
            if os.path.ismount(self.point):
                raise Failed(f"{self.point}: umount said 0, and it is still mounted")
        finally:
            if os.path.ismount(self.point):
                subprocess.run(["umount", "-l", str(self.point)], check=False)
        self.point.rmdir()
