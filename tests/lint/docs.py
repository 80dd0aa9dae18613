#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manuals name every command, option, op, codec and recipe key that there is, and nothing that there is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
wrong, seen = [], 0


def lensfs(*words):
    out = subprocess.run([os.environ["LENSFS"], *words], check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def sections(page):
    """{heading: lines} of an mdoc page."""
    out, name = {}, ""
    for line in (ROOT / "docs" / page).read_text().splitlines():
        if line.startswith(".Sh "):
            name = line[4:]
        out.setdefault(name, []).append(line)
    return out


def items(lines):
    return [line[4:] for line in lines if line.startswith(".It ")]


def flags(item):
    """-f and --flag as an item spells them."""
    words, out = item.split(), set()
    while words:
        if words.pop(0) == "Fl" and words:
            long = words[0] == "Fl"
            out.add("--" + words[1] if long else "-" + words[0])
            del words[: 1 + long]
    return out


def same(what, has, manual):
    global seen
    seen += len(has)
    wrong.extend(f"the manual lacks {what} {x}" for x in sorted(set(has) - set(manual)))
    wrong.extend(f"the manual has {what} {x}, which is none" for x in sorted(set(manual) - set(has)))


def properties(schema):
    """Every name that an object of the schema may have."""
    if isinstance(schema, list):
        return set().union(*map(properties, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | set().union(set(), *map(properties, schema.values()))


def commands_and_options():
    page = sections("lensfs.1")
    commands = {row[0] for row in lensfs("--list-commands")}
    same("command", commands, {m[1] for x in items(page["COMMANDS"]) if (m := re.match(r"Cm (\w+)", x))})
    same("in its synopsis, command", commands, {m[1] for x in page["SYNOPSIS"] if (m := re.match(r"\.Cm (\w+)$", x))})
    documented = set().union(*map(flags, items(page["OPTIONS"])))
    same("option", {row[1] for row in lensfs("--list-options")}, documented)


def recipe_language():
    page = sections("lensfs-recipe.5")
    ops = {row[0].split()[0] for row in lensfs("recipes", "--ops")}
    codecs = {row[0].split()[0] for row in lensfs("recipes", "--codecs")}
    schema = json.loads((ROOT / "docs/recipe.schema.json").read_text())
    named = {x.removeprefix("Cm ") for lines in page.values() for x in items(lines) if x.startswith("Cm ")}
    said = set(re.findall(r"^\.(?:It )?Cm ([a-z0-9-]+)", "\n".join(sum(page.values(), [])), re.M))
    keys = properties(schema) - ops - codecs
    same("op", ops, {x.removeprefix("Cm ") for x in items(page["OPS"]) if x.startswith("Cm ")})
    same("recipe key", keys, (said & keys) | (named - ops - codecs))
    wrong.extend(f"the schema lacks {x}" for x in sorted((ops | codecs) - properties(schema)))
    wrong.extend(f"the manual lacks codec {x}" for x in sorted(codecs - named))
    sources = "".join(p.read_text() for p in (ROOT / "src").rglob("*.c"))
    wrong.extend(f"the schema has {x}, which no code looks for" for x in sorted(keys) if f'"{x}"' not in sources)


def families():
    """The table of recipes in the README is the program's, and the manual has its rows."""
    rows = [line for (line,) in lensfs("recipes", "--table")]
    if "\n".join(rows) not in (ROOT / "README.md").read_text():
        wrong.append("README.md lacks the table that `lensfs recipes --table` prints")
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in rows[2:]]
    page = "\n".join(sections("lensfs.1")["RECIPES"])
    same(
        "in RECIPES, row",
        {f"{name.strip('` ')}: {back}" + ("" if sources == "no" else f"; {sources}") for name, _, back, sources, _ in cells},
        {f"{name}: {text}" for name, text in re.findall(r"^\.It (\S+)\n(.*)", page, re.M)},
    )


commands_and_options()
recipe_language()
families()
if seen < 60:
    wrong.append(f"only {seen} names were looked at")
sys.exit("\n".join(wrong) or 0)
