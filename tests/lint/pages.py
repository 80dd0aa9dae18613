#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages in Markdown: links and paths lead somewhere, commands in the text are lensfs's, doctor's lines are all explained, and
the picture is what its script draws.  What stands in blocks of commands is run by tests/docs."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "packaging/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```.*?^```$", re.S | re.M)
wrong, seen = [], {"links": 0, "commands": 0, "paths": 0, "checks": 0}


def headings(page):
    """As a forge makes anchors of them."""
    lines = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", x.lower()).replace(" ", "-") for x in lines}


def links(page, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        seen["links"] += 1
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", target):
            wrong.append(f"{page.name}: {target} is not in the tree")
        elif not there.exists() or ROOT not in there.parents:
            wrong.append(f"{page.name}: {target} does not exist")
        elif anchor and anchor not in headings(there):
            wrong.append(f"{page.name}: {target}: there is no such heading")


def program():
    """{command: its options}."""
    rows = [line.split("\t") for line in subprocess.run([os.environ["LENSFS"], "--list-options"], check=True, capture_output=True,
                                                        text=True).stdout.splitlines()]
    out = {}
    for command, option, *_ in rows:
        out.setdefault(command, set()).add(option)
    return out


def commands(page, text, known):
    """`lensfs ...` in the text, and in blocks that are only looked at; and options that stand alone."""
    every = set().union(*known.values())
    shown = "\n".join(m for m in BLOCK.findall(text) if m.startswith("```text"))
    for line in re.findall(r"`(lensfs [a-z][^`]*)`", BLOCK.sub("", text)) + re.findall(r"^lensfs [a-z][^#\n]*", shown, re.M):
        words = re.split(r"   |[<>|]", line)[0].split()
        seen["commands"] += 1
        if words[1] not in known:
            wrong.append(f"{page.name}: `{line}`: there is no command {words[1]}")
            continue
        for word in words[2:]:
            if word.startswith("-") and word.partition("=")[0] not in known[words[1]]:
                wrong.append(f"{page.name}: `{line}`: {words[1]} has no {word}")
    for option in re.findall(r"`(--[a-z-]+)[^`]*`", BLOCK.sub("", text)):
        if option not in every | OTHERS:
            wrong.append(f"{page.name}: `{option}` is no option")


# Of other programs, that pages speak of in their text.
OTHERS = {"--safetensors-load-strategy", "--model-loader-extra-config", "--weight-loader-prefetch-checkpoints", "--device", "--cap-add",
          "--security-opt", "--requeue", "--array", "--export"}


def paths(page, text):
    """Files and folders of the tree that a page names: `src/...`, `tests/...`."""
    for path in re.findall(r"`((?:src|include|tests|docs|packaging)/[\w./<>@-]*)`", BLOCK.sub("", text)):
        seen["paths"] += 1
        if not ("<" in path or "NAME" in path or (ROOT / path).exists()):
            wrong.append(f"{page.name}: `{path}` does not exist")


def architecture(text):
    """The chain of modules is the tree's, and files that its table names by themselves are somewhere."""
    chain = set(re.findall(r"\w+", re.search(r"^base <- .*$", text, re.M)[0]))
    tree = {p.name for p in (ROOT / "src").iterdir() if p.is_dir()} - {"recipes"}
    wrong.extend(f"architecture.md and src differ in {x}" for x in sorted(chain ^ tree))
    names = {p.name for p in ROOT.rglob("*.[ch]")}
    for name in re.findall(r"`(?:[a-z]+/)*([a-z_0-9]+\.[ch])`", text):
        seen["paths"] += 1
        if name not in names:
            wrong.append(f"architecture.md: there is no {name}")


def doctor():
    lines = re.findall(r'say\(l, "([^"]+)"', (ROOT / "src/cli/doctor.c").read_text())
    page = (ROOT / "docs/howto/troubleshooting.md").read_text()
    explained = re.findall(r"^## (.*)$", page.split("\n# What else")[0], re.M)
    seen["checks"] = len(set(lines))
    wrong.extend(f"troubleshooting.md lacks doctor's '{x}'" for x in sorted(set(lines) - set(explained)))
    wrong.extend(f"troubleshooting.md has '{x}', which doctor does not" for x in sorted(set(explained) - set(lines)))


def picture():
    made = subprocess.run([sys.executable, ROOT / "docs/picture.py"], check=True, capture_output=True, text=True).stdout
    if made != (ROOT / "docs/picture.svg").read_text():
        wrong.append("docs/picture.svg is not what docs/picture.py draws")


known = program()
for page in PAGES:
    text = page.read_text()
    links(page, text)
    commands(page, text, known)
    paths(page, text)
architecture((ROOT / "docs/architecture.md").read_text())
doctor()
picture()
for what, least in (("links", 20), ("commands", 15), ("paths", 15), ("checks", 12)):
    if seen[what] < least:
        wrong.append(f"only {seen[what]} {what} were looked at")
sys.exit("\n".join(wrong) or 0)
