# SPDX-License-Identifier: Apache-2.0
"""The recipe language, as its manual tells it: what a recipe does to keys, shapes and dtypes, without lensfs.

Just as much as is needed to make checkpoints that fit a recipe and to say which of their keys come back.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[2] / "src/recipes"
SECTIONS = ("drop", "refuse", "codecs", "names", "rules", "casts", "fill", "alias", "compute")
OTHER = {"hf": "native", "native": "hf"}
ONE_WAY = {"hf": "back", "native": "forward"}  # what an entry must not be to count, from that side on
DTYPES = {"bfloat16": "BF16", "bf16": "BF16", "float16": "F16", "f16": "F16", "float32": "F32", "f32": "F32"}


class Misfit(Exception):
    """What is at hand does not fit the recipe."""


# Recipes as one list of entries a section ---------------------------------------------------------------------------


def as_list(x):
    return x if isinstance(x, list) else [] if x is None else [x]


def text_of(name):
    return json.loads((RECIPES / f"{name}.json").read_text())


def prefixed(entry, scope):
    """An entry of a scope, as if the prefixes stood in front of each pattern."""
    out = dict(entry)
    for side in ("hf", "native"):
        if side in entry:
            p = scope[side]
            out[side] = [p + x for x in entry[side]] if isinstance(entry[side], list) else p + entry[side]
    for member in ("except", "beside", "of"):
        if member in entry:
            p = scope["native" if "native" in entry and "hf" not in entry else "hf"]
            out[member] = [p + x for x in as_list(entry[member])] if member == "except" else p + entry[member]
    if "when" in scope:
        out["when"] = {**scope["when"], **entry.get("when", {})}
    return out


def alike(entry):
    """Where one side gives a capture alternatives, they hold on the other side too."""
    out, kinds = dict(entry), {}
    sides = [s for s in ("hf", "native") if s in entry]
    for s in sides:
        for p in as_list(entry[s]):
            kinds |= {n: k for n, k in names_in(p).items() if k}
    for s in sides:
        full = [CAPTURE.sub(lambda m: "{" + m[1] + kinds.get(m[1], "") + "}", p) for p in as_list(entry[s])]
        out[s] = full if isinstance(entry[s], list) else full[0]
    return out


def parts(r, whose):
    """Entries by section, own ones first, then those of scopes, then those of what it extends; and parameters."""
    out = {s: [dict(alike(e) if s in ("names", "rules") else e, where=f"{whose}: {s}[{i}]") for i, e in enumerate(r.get(s, []))] for s in SECTIONS}
    params = dict(r.get("params", {}))
    for scope in r.get("scopes", []):
        inner, more = parts(scope, f"{whose}, scope {scope['hf']}")
        if inner["names"]:
            inner["names"].append({"hf": "{scoped*}", "native": "{scoped*}", "where": ""})
        for s in SECTIONS:
            out[s] += [prefixed(e, scope) for e in inner[s]]
        params = {**more, **params}
    for name in as_list(r.get("extends")):
        inner, more = parts(text_of(name), name)
        for s in SECTIONS:
            out[s] += inner[s]
        params = {**more, **params}
    return out, params


# Patterns -----------------------------------------------------------------------------------------------------------


CAPTURE = re.compile(r"\{(\w+)(\*|:[^}]*)?\}")


def regex(pattern):
    out, at, seen = "", 0, set()
    for m in CAPTURE.finditer(pattern):
        out += re.escape(pattern[at : m.start()])
        name, kind = m[1], m[2] or ""
        inside = (".*?" if kind == "*" else "|".join(map(re.escape, kind[1:].split("|"))) if kind
                  else r"0|[1-9]\d*" if name[0].isupper() else r"[^.]+?")
        out += f"(?P={name})" if name in seen else f"(?P<{name}>{inside})"
        seen.add(name)
        at = m.end()
    return re.compile(out + re.escape(pattern[at:]), re.S)


KNOWN = {}


def match(pattern, key):
    if pattern not in KNOWN:
        KNOWN[pattern] = regex(pattern)
    m = KNOWN[pattern].fullmatch(key)
    return m.groupdict() if m else None


def names_in(pattern):
    return {m[1]: m[2] or "" for m in CAPTURE.finditer(pattern)}


def render(pattern, caps):
    return CAPTURE.sub(lambda m: str(caps[m[1]]), pattern)


# Expressions and conditions -----------------------------------------------------------------------------------------


class Whole(int):
    """Division must leave no remainder."""

    def __add__(self, o):
        return Whole(int(self) + int(o))

    def __sub__(self, o):
        return Whole(int(self) - int(o))

    def __mul__(self, o):
        return Whole(int(self) * int(o))

    def __truediv__(self, o):
        if not o or int(self) % int(o):
            raise Misfit(f"{self} / {o}")
        return Whole(int(self) // int(o))


class Values(dict):
    """Of an expression's names: a number has elements, too."""

    def __missing__(self, name):
        raise Misfit(f"{name} has no value")


class Same(int):
    def __getitem__(self, i):
        return Whole(self)


def evaluate(text, env):
    text = re.sub(r"\btensor\.(rank|shape)\b", r"tensor_\1", str(text))
    text = re.sub(r"(ceil|floor)\(", r"\1_(", text)
    # What is divided within ceil and floor may leave a remainder.
    text = re.sub(r"(ceil|floor)_\(((?:[^()]|\([^()]*\))*?)\s/\s((?:[^()]|\([^()]*\))*)\)", r"\1_(\2, \3)", text)
    for _ in range(2):
        text = re.sub(r"(ceil|floor)_\(((?:[^()]|\w+_\([^()]*\))*?)\s/\s([^()]*)\)", r"\1_(\2, \3)", text)
    values = Values({n: [Whole(x) for x in v] if isinstance(v, list) else v for n, v in env.items()})
    for n, v in values.items():
        if isinstance(v, (int, str)) and re.fullmatch(r"-?\d+", str(v)):
            values[n] = Whole(v)
            if re.search(rf"\b{n}\[", text):
                values[n] = Same(v)
    values |= {"ceil_": lambda a, b: Whole(-(-a // b)), "floor_": lambda a, b: Whole(int(a) // int(b)),
               "min": min, "max": max, "find": lambda v, x: v.index(x)}
    text = re.sub(r"(?<![\w.])(\d+)\b", r"Whole_(\1)", text)
    values["Whole_"] = Whole
    try:
        return int(eval(text, {"__builtins__": {}}, values))  # noqa: S307 (recipes of this repository)
    except (IndexError, ValueError, TypeError, ZeroDivisionError) as e:
        raise Misfit(f"{text}: {e}") from None


def holds(when, params, env):
    for name, want in (when or {}).items():
        if not one_holds(name, want, params, env):
            return False
    return True


def one_holds(name, want, params, env):
    if name in ("tensor.dtype", "tensor.codec"):
        got = env[name]
    elif name in params:
        got = params[name]
    else:
        got = evaluate(name, {**params, **env})
    if isinstance(want, dict) and "not" in want:
        return not one_holds(name, want["not"], params, env)
    if isinstance(want, dict):
        got = evaluate(str(got), {**params, **env})
        return ("at-least" not in want or got >= evaluate(want["at-least"], {**params, **env})) and (
            "below" not in want or got < evaluate(want["below"], {**params, **env}))
    for w in want if isinstance(want, list) else [want]:
        if w is None:
            if got is None:
                return True
        elif got is not None and str(got) == str(w):
            return True
        elif name not in params and isinstance(got, int) and got == evaluate(w, {**params, **env}):
            return True
    return False


def lets(entry, caps, params):
    out = dict(caps)
    for name, text in entry.get("let", {}).items():
        if name not in out:
            v = evaluate(text, {**params, **out})
            if v < 0:
                return None
            out[name] = str(v)
    return out


def fits(entry, side, key, params, tensor):
    """Captures, if the entry counts for the key."""
    for pattern in as_list(entry.get(side)):
        caps = match(pattern, key)
        if caps is None or any(match(x, key) is not None for x in as_list(entry.get("except"))):
            continue
        caps = lets(entry, caps, params)
        if caps is not None and holds(entry.get("when"), params, {**caps, **tensor}):
            return caps
    return None


# Ops on shapes ------------------------------------------------------------------------------------------------------


def number(d, shape):
    if not -len(shape) <= d < len(shape):
        raise Misfit(f"dimension {d} of {shape}")
    return d % len(shape)


def apply(op, shapes, env):
    """One op, from hf to native, on the shapes at hand (one a pattern; what is stacked is counted by `count`)."""
    ((name, arg),) = op.items()
    if name == "cast":
        return shapes
    if name == "order":
        return [shapes[i] for i in arg]
    if name == "stack":
        ((_, n),) = arg.items()
        return [[env["count"] if n is None else evaluate(n, env), *s] for s in shapes]
    if name == "transpose":
        out = [list(s) for s in shapes]
        for s in out:
            a, b = number(arg[0], s), number(arg[1], s)
            s[a], s[b] = s[b], s[a]
        return out
    if name == "squeeze":
        out = [list(s) for s in shapes]
        if any(s.pop(number(arg, s)) != 1 for s in out):
            raise Misfit("squeeze")
        return out
    if name == "unsqueeze":
        return [[*s[: arg % (len(s) + 1)], 1, *s[arg % (len(s) + 1) :]] for s in shapes]
    if name in ("interleave", "deinterleave"):
        if any(s[number(arg, s)] % 2 for s in shapes):
            raise Misfit(name)
        return shapes
    dim = arg["dim"] if isinstance(arg, dict) else arg
    dims = [number(dim, s) for s in shapes]
    first, d = list(shapes[0]), dims[0]
    if name in ("slice", "pad"):
        n = evaluate(arg["count"], env)
        if first[d] < n if name == "slice" else first[d] > n:
            raise Misfit(name)
        return [[*first[:d], n, *first[d + 1 :]]]
    if name == "concat":
        if isinstance(arg, dict) and "over" in arg:
            return [[*first[:d], first[d] * evaluate(arg["count"], env), *first[d + 1 :]]]
        if isinstance(arg, dict) and [evaluate(x, env) for x in arg["sizes"]] != [s[d] for s in shapes]:
            raise Misfit(name)
        return [[*first[:d], sum(s[d] for s in shapes), *first[d + 1 :]]]
    if name in ("split", "deal"):
        ranks = evaluate(arg.get("ranks", 1), env)
        sizes = ([first[d] // arg["parts"]] * arg["parts"] if "parts" in arg else [evaluate(x, env) for x in arg["sizes"]])
        if sum(sizes) * ranks != first[d] or not min(sizes):
            raise Misfit(name)
        return [[*first[:d], n * ranks, *first[d + 1 :]] for n in sizes]
    raise Misfit(f"op {name}")


def sizes_of(ops, env):
    """Numbers that ops speak of, and their sums: good lengths of a dimension."""
    out = set()
    for op in ops:
        for arg in op.values():
            if isinstance(arg, dict):
                try:
                    each = [evaluate(x, env) for x in arg.get("sizes", [])]
                    out |= {*each, sum(each), sum(each) * evaluate(arg.get("ranks", 1), env)}
                    out |= {evaluate(arg[m], env) for m in ("count", "back") if m in arg}
                except Misfit:
                    continue
    return [n for n in out if 0 < n < 5000]


def stacked(ops):
    """The captures that run, and how many there must be."""
    for op in ops:
        if "stack" in op:
            return next(iter(op["stack"].items()))
        if isinstance(op.get("concat"), dict) and "over" in op["concat"]:
            return op["concat"]["over"], op["concat"]["count"]
    return None


def product(shape):
    return math.prod(shape)
