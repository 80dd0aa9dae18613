#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command in README.md, docs/*.md and packaging/README.md, run as it stands there, by the program as it is installed.

usage: commands.py LENSFS MAKE_CHECKPOINT --build DIR --version VERSION [--update] [PAGE...]

In a page a block of "sh" is a script that must succeed.  A block of "console" has commands behind "$ ", and below each what it
says: "..." is any text in a line, and alone in one any lines.  In a block of "console fails" each command must fail.  Blocks of
text, json and yaml are no commands; a recipe among them is there as a file of its name.  All blocks of a page are run in their order, in a world of its own (world.py), where programs
that are not here have stand-ins (standins.py); a command that is neither there nor has one fails.

--update writes what commands of console blocks say into the page, where it has no "...".
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "packaging/README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.S | re.M)
COMMANDS = {"sh", "console", "console fails"}
# Shown as it is with a model of the size that is published.
PUBLISHED = {"README.md"}


def said(block):
    """[(command, what the page says that it says)]; a command goes on behind a backslash."""
    out = []
    for line in block.splitlines():
        if out and out[-1][0].endswith("\\"):
            out[-1][0] += "\n" + line
        elif line.startswith("$ "):
            out.append([line[2:], []])
        elif not out:
            raise ValueError(f"'{line}' is no command")
        else:
            out[-1][1].append(line)
    return out


def fits(want, got):
    """Lines of the page against those of the command."""
    if not want:
        return not got
    if want[0] == "...":
        return any(fits(want[1:], got[i:]) for i in range(len(got) + 1))
    pattern = ".*".join(map(re.escape, want[0].split("...")))
    return bool(got) and re.fullmatch(pattern, got[0].rstrip()) is not None and fits(want[1:], got[1:])


class Page:
    def __init__(self, name, world, update):
        self.name, self.world, self.update = name, world, update
        self.text = (ROOT / name).read_text()
        self.wrong, self.ran = [], 0

    def line(self, match):
        return self.text[: match.start()].count("\n") + 1

    def run(self):
        new = FENCE.sub(self.block, self.text)
        if len(re.findall(r"^\s*```", self.text, re.M)) != 2 * len(FENCE.findall(self.text)):
            self.wrong.append("a fence is not closed, or not at the start of its line")
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " fuse.lensfs " in line]
        for point in mounts:
            if point.startswith(f"{self.world.root}/"):
                self.wrong.append(f"{point} is left mounted: the page does not say how to end it")
        if self.update and new != self.text:
            (ROOT / self.name).write_text(new)

    def block(self, match):
        kind, text = match[1], match[2]
        where = f"{self.name}:{self.line(match)}"
        if kind not in COMMANDS | {"text", "json", "yaml"}:
            self.wrong.append(f"{where}: '{kind}' is no kind of block")
        if kind == "json" and '"lens-recipe"' in text:
            name = re.search(r'"name": "(\w+)"', text)[1]
            (self.world.home / f"lensfs/{name}.json").write_text(text)
        if kind not in COMMANDS:
            if re.search(r"^\$ ", text, re.M):
                self.wrong.append(f"{where}: commands in a block of {kind}")
            return match[0]
        if kind == "sh":
            status, got = self.world.shell(text)
            self.ran += 1
            if status:
                self.wrong.append(f"{where}: exit {status}: {got[-1500:]}")
            return match[0]
        return f"```{kind}\n" + "".join(self.command(where, kind, *x) for x in said(text)) + "```"

    def command(self, where, kind, command, want):
        status, got = self.world.shell(command)
        self.ran += 1
        lines = got.splitlines()
        if (status != 0) != (kind == "console fails"):
            self.wrong.append(f"{where}: $ {command}: exit {status}: {got[-1500:]}")
        elif not fits(want, lines) and not self.update:
            self.wrong.append(f"{where}: $ {command}: it says:\n{got[-3000:]}")
        keep = fits(want, lines) or not self.update or any("..." in x for x in want)
        return "".join(f"{x}\n" for x in [f"$ {command}", *(want if keep else [x.rstrip() for x in lines])])


def inside(args):
    """In namespaces of our own: one page."""
    import world

    (name,) = args.pages
    there = Path(tempfile.mkdtemp(prefix="lensfs-docs-"))
    try:
        page = Page(name, world.World(there, args.lensfs, args.make, args.build, args.version, name in PUBLISHED), args.update)
        page.run()
        subprocess.run(["umount", "-l", there])
    finally:
        subprocess.run(f"umount -l '{there}' 2>/dev/null; rmdir '{there}'", shell=True)
    print("\n".join(page.wrong) or page.ran)
    return 1 if page.wrong else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("lensfs")
    p.add_argument("make")
    p.add_argument("--build", required=True)
    p.add_argument("--version", required=True)
    p.add_argument("--update", action="store_true")
    p.add_argument("--inside", action="store_true")
    p.add_argument("pages", nargs="*")
    args = p.parse_intermixed_args()
    if args.inside:
        return inside(args)
    if os.geteuid() or not Path("/dev/fuse").exists() or subprocess.run(["unshare", "-mpf", "true"], capture_output=True).returncode:
        print("1..0 # SKIP needs root, /dev/fuse and namespaces")
        return 0
    pages = args.pages or PAGES
    print(f"1..{len(pages)}", flush=True)
    failed = 0
    for i, name in enumerate(pages, 1):
        words = [*sys.argv[1 : len(sys.argv) - len(args.pages)], "--inside", name]
        r = subprocess.run(["unshare", "-mpf", "--kill-child", sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)
        failed += r.returncode != 0
        print(f"{'not ok' if r.returncode else 'ok'} {i} - {name}" + (f": {r.stdout.strip()} commands and scripts" if not r.returncode else ""))
        if r.returncode:
            print("".join(f"# {x}\n" for x in r.stdout.splitlines()), end="", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
