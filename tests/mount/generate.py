# SPDX-License-Identifier: Apache-2.0
"""Random checkpoints that fit a recipe, made from the recipe: its patterns, ops, parameters and expressions.

A group is what one entry takes together: one key of a rename, all experts of a stack.  Its keys and shapes are drawn until the
model of the language (language.py) says that they go through the entry and come back as they were.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import language as lang
from language import Misfit, as_list, fits, render

WIDTH = {"BF16": 2, "F16": 2, "F32": 4, "I64": 8, "U8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "I32": 4, "F8_E8M0": 1}
TRIES = 400
HEADS = ["", "model.", "layers.1.", "model.layers.0.", "model.layers.2.", "model.language_model.layers.1.", "language_model.model.layers.0.",
         "mtp.layers.0.", "backbone.layers.1.", "vision_model.", "language_model.layers.2.", "model.visual.", "thinker.model.layers.0."]
TAILS = ["", ".weight", ".bias", ".0.proj.weight", ".norm.weight", ".layers.3.attn.qkv_proj.bias", ".language_model.norm.weight", ".embed_tokens.weight"]
LOOSE = ["lm_head.weight", "model.norm.weight", "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"]


@dataclass
class Group:
    entries: set[str]  # that it passes through: where they stand in the recipe
    keys: dict[str, list[int]]  # of the source: shapes
    native: list[str]
    dtype: str
    zeros: int | None = None  # what is behind so many columns must be 0


@dataclass
class Checkpoint:
    recipe: str
    config: dict
    options: list[str]
    groups: list[Group] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)  # entries all of whose keys the recipe drops
    tensors: dict = field(default_factory=dict)  # key: (dtype, shape, bytes)


def folder(what):
    """One of its own, in memory where there is such a place: convert syncs each file that it writes."""
    return Path(tempfile.mkdtemp(prefix=f"lensfs-{what}-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def write(path, tensors, metadata=None):
    """As the reference's writer lays a file out."""
    order = sorted(tensors, key=lambda k: (-RANK[tensors[k][0]], k.encode()))
    header, at = {"__metadata__": metadata or {"format": "pt"}}, 0
    for k in order:
        dtype, shape, raw = tensors[k]
        header[k] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(tensors[k][2] for k in order))


# The order of dtypes in a file.
RANK = {d: i for i, d in enumerate(["BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
                                    "F8_E5M2FNUZ", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64"])}


def read(folder):
    """All tensors of a folder."""
    out = {}
    for path in sorted(folder.glob("*.safetensors")):
        raw = path.read_bytes()
        n = int.from_bytes(raw[:8], "little")
        for k, t in json.loads(raw[8 : 8 + n]).items():
            if k != "__metadata__":
                a, b = t["data_offsets"]
                out[k] = t["dtype"], t["shape"], raw[8 + n + a : 8 + n + b]
    return out


class Generator:
    def __init__(self, name, seed):
        self.name, self.rng = name, random.Random(f"{name} {seed}")
        recipe = lang.text_of(name)
        self.sections, self.declared = lang.parts(recipe, name)
        for e in self.sections["drop"]:
            e.setdefault("where", "")
        self.config, self.options = {}, []
        self.choose()

    # Parameters ---------------------------------------------------------------------------------------------------

    def choose(self):
        """A config with a value of each parameter."""
        text = json.dumps({s: self.sections[s] for s in lang.SECTIONS})
        self.assumed = {}
        for name, p in self.declared.items():
            if name == "dtype":
                value = self.rng.choice(["bfloat16", "float16", "float32"])
            else:
                value = self.draw(name, p, text)
            for side in ("hf", "native"):
                if f"{side}-has" in p:
                    self.assumed[name] = self.rng.choice([*p[f"{side}-has"], p.get("default")])
            if "option" in p and name != "dtype" and self.assumed.get(name):
                self.options += ["--set", f"{name}={self.assumed[name]}"]
            paths = as_list(p.get("config"))
            if paths and value is not None and not (("default" in p or name in self.nullable(text)) and self.rng.random() < 0.2):
                self.put(self.rng.choice(paths), value)

    def nullable(self, text):
        return re.findall(r'"(\w+)": \{"not": null\}', text)

    def draw(self, name, p, text):
        wanted = [e["when"][name] for s in lang.SECTIONS for e in self.sections[s] if name in e.get("when", {})]
        wanted = [x for w in wanted for x in as_list(w["not"] if isinstance(w, dict) and "not" in w else w)]
        words = [w for w in wanted if isinstance(w, str) and w]
        counted = re.search(rf'"[^"]*\b{name}\b[^"]*[-+*/\[(]|"{name}"', text.replace(f'"{name}":', ""))
        if words and not counted:
            return True if self.rng.choice(words) == "true" else self.rng.choice(words)
        if f"find({name}," in text:
            return [0, 2, 1]
        if re.search(rf"\b{name}\[", text):
            if "hybrid" in name or "==" in name:
                return [self.rng.randrange(2) for _ in range(3)]
            n = self.rng.randrange(1, 5)
            return [n] * 3 if "find" not in text and self.rng.random() < 0.5 else [n, n + 2, n + 1] if f"find(" in text else n if f"{name}[0]" not in text else [n]
        return self.rng.choice([1, 2, 3, 4, 6, *[w for w in wanted if isinstance(w, int)] * 5])

    def put(self, path, value):
        at = self.config
        *way, last = path.split(".")
        for w in way:
            at = at.setdefault(w, {})
            if not isinstance(at, dict):
                return
        at.setdefault(last, value)

    def get(self, path):
        at = self.config
        for w in path.split("."):
            if not isinstance(at, dict) or w not in at:
                return None
            at = at[w]
        return at

    def resolve(self, side, keys=None):
        """Parameters, read from a side; without keys those that depend on them are assumed."""
        out = {}
        for name, p in self.declared.items():
            out[name] = self.value(name, p, side, keys, out)
        return out

    def value(self, name, p, side, keys, before):
        set_ = [o.split("=", 1)[1] for o in self.options if o.startswith(name + "=")]
        if set_ and "option" in p:
            return set_[0]
        has = p.get(f"{side}-has")
        if has and keys is None:
            if self.assumed[name] in has:
                return self.assumed[name]
        elif has:
            for value, patterns in has.items():
                if any(lang.match(x, k) is not None for x in as_list(patterns) for k in keys):
                    return value
        for path in as_list(p.get("config")):
            v = self.get(path)
            if v is not None:
                return str(v).lower() if isinstance(v, bool) else v
        if "value" in p:
            return lang.evaluate(p["value"], before)
        return p.get("default")

    # Keys ---------------------------------------------------------------------------------------------------------

    def live(self, section, side):
        return [e for e in self.sections[section] if e.get("one-way") != lang.ONE_WAY[side]]

    def rename(self, side, key, params, tensor):
        """The names stage; and whether a one-way entry was passed."""
        for e in self.live("names", side):
            caps = fits(e, side, key, params, tensor)
            if caps is not None:
                return render(e[lang.OTHER[side]], caps), e
        return key, None

    def captured(self, pattern, caps):
        """Something for each capture of a pattern that has nothing yet."""
        for m in lang.CAPTURE.finditer(pattern):
            name, kind = m[1], m[2] or ""
            if name in caps:
                continue
            if kind == "*":
                begin = m.start() == 0
                pool = HEADS if begin else TAILS
                v = self.rng.choice(pool)
                v = v.rstrip(".") if pattern[m.end() : m.end() + 1] == "." else v
                v = v.lstrip(".") if pattern[m.start() - 1 : m.start()] == "." and not begin else v
                if not begin and m.end() < len(pattern) and self.rng.random() < 0.5:
                    v = self.rng.choice([".0.", "0", ".1"])
                if begin and m.end() == len(pattern):
                    v = self.anything()
            elif kind:
                v = self.rng.choice(kind[1:].split("|"))
            elif name[0].isupper():
                v = str(self.rng.choice([0, 1, 2, 3]))
            else:
                v = self.rng.choice(["linear", "q", "norm2"])
            caps[name] = v
        return caps

    def anything(self):
        """Any key; of a recipe that knows all of its keys, one of those."""
        known = [x for e in self.sections["refuse"] if e.get("hf") == "{k*}" for x in as_list(e.get("except"))]
        if not known:
            return self.rng.choice(LOOSE)
        pattern = self.rng.choice(known)
        return render(pattern, self.captured(pattern, {}))

    def sources(self, key, params, tensor):
        """Keys that the names stage may make into this one."""
        out = [key]
        for e in self.live("names", "hf"):
            caps = fits({"native": e["native"], "let": {}}, "native", key, params, tensor)
            if caps is not None and "let" not in e:
                out.append(render(as_list(e["hf"])[0], self.captured(as_list(e["hf"])[0], caps)))
        self.rng.shuffle(out)
        return out

    # Groups -------------------------------------------------------------------------------------------------------

    def group(self, section, entry, pf, pb):
        """Keys of one entry that come back, or Misfit."""
        caps, dtype = {}, self.rng.choice(["BF16", "F16", "F32", "F32", "BF16", "U8"])
        for p in as_list(entry["hf"]):
            self.captured(p, caps)
        caps = lang.lets(entry, caps, pf)
        if caps is None:
            raise Misfit("let")
        ops, env = entry.get("ops", []), {**pf, **caps}
        run = lang.stacked(ops)
        count = (lang.evaluate(run[1], env) if run[1] is not None else 3) if run else 1
        if not 0 < count < 9:
            raise Misfit("count")
        if any("cast" in op for op in ops):
            dtype = self.dtype_of(next(op["cast"] for op in ops if "cast" in op), pf)
        dims = [2, 3, 5, 4, 6, *lang.sizes_of(ops + entry.get("back", []), env) * 4]
        shape = [self.rng.choice(dims) for _ in range(self.rng.randrange(0 if not ops else 1, 5))]
        shapes = [shape] * len(as_list(entry["hf"]))
        out = shapes
        for op in ops:
            self.is_padded(op, out, env)
            out = lang.apply(op, out, {**env, "count": count})
        for op in entry.get("back", []):
            again = lang.apply(op, again if op is not entry["back"][0] else out, env)
        if "back" in entry and again != shapes:
            raise Misfit("back")
        tensor = {"tensor.dtype": dtype, "tensor.codec": "none", "tensor_rank": len(shape), "tensor_shape": shape}
        keys = {}
        for i in range(count):
            each = {**caps, run[0]: str(i)} if run else caps
            for p, s in zip(as_list(entry["hf"]), shapes):
                keys[render(p, each)] = s
        if section == "names":
            keys, after = keys, None
        else:
            after = set(keys)
            keys = self.before_names(keys, pf, tensor)
        native, passed = self.forward(keys, entry, section, pf, tensor, out, caps, after)
        self.back(keys, native, out, dtype, pb, entry)
        zeros = next((lang.evaluate(op["slice"]["count"], env) for op in ops if "slice" in op and "back" in op["slice"]), None)
        if zeros is not None and [op["slice"]["dim"] for op in ops if "slice" in op] != [-1]:
            raise Misfit("a slice of another dimension than the last")
        return Group(passed | {entry["where"]}, keys, native, dtype, zeros)

    @staticmethod
    def is_padded(op, shapes, env):
        """What is sliced off comes back as zeros, and just as many."""
        if "back" in op.get("slice", {}):
            d = lang.number(op["slice"]["dim"], shapes[0])
            if shapes[0][d] != lang.evaluate(op["slice"]["back"], env):
                raise Misfit("slice")

    def dtype_of(self, what, params):
        what = params.get(what, what) if what in self.declared else what
        return lang.DTYPES.get(str(what), what)

    def before_names(self, keys, params, tensor):
        out = {}
        for key, shape in keys.items():
            for s in self.sources(key, params, tensor):
                if self.rename("hf", s, params, tensor)[0] == key:
                    out[s] = shape
                    break
            else:
                raise Misfit("no source")
        return out

    def reject(self, side, key, params, tensor):
        """What a source of that side must not have: drops, refusals, what is made anyway."""
        for s in ("drop", "refuse"):
            for e in self.live(s, side):
                if fits(e, side, key, params, tensor) is not None:
                    raise Misfit(s)
        if "_extra_state" in key or not all(key.split(".")):
            raise Misfit("key")
        if any(key.endswith(x) for x in ("_scale_inv", ".scale", "_scale", "_packed", "_blocks", "_scales")):
            raise Misfit("a companion")

    def entry_of(self, side, key, params, tensor):
        for e in self.live("rules", side):
            caps = fits(e, side, key, params, tensor)
            if caps is not None:
                return e, caps
        return None, None

    def forward(self, keys, entry, section, params, tensor, shapes, caps, after):
        native, passed = set(), set()
        for key in keys:
            self.reject("hf", key, params, tensor)
            name, renamed = self.rename("hf", key, params, tensor)
            passed |= {renamed["where"]} if renamed else set()
            rule, found = self.entry_of("hf", name, params, tensor)
            if section == "names":
                if renamed is not entry:
                    raise Misfit("another rename")
                if rule and (rule.get("ops") or len(as_list(rule["hf"])) > 1 or len(as_list(rule["native"])) > 1):
                    raise Misfit("a rule with ops")
                native.add(render(as_list(rule["native"])[0], found) if rule else name)
            elif rule is not entry:
                raise Misfit("another rule")
        if section == "rules":
            native = {render(p, caps) for p in as_list(entry["native"])}
        return sorted(native), passed

    def back(self, keys, native, shapes, dtype, params, entry=None):
        """Native keys must come to the very keys, by the model of the language."""
        came = set()
        for i, key in enumerate(native):
            tensor = {"tensor.dtype": dtype, "tensor.codec": "none", "tensor_rank": len(shapes[0]), "tensor_shape": shapes[0]}
            self.reject("native", key, params, tensor)
            for s in ("alias", "compute"):
                if any(fits(e, "native", key, params, tensor) is not None for e in self.sections[s]):
                    raise Misfit(s)
            rule, caps = self.entry_of("native", key, params, tensor)
            after = [key]
            if rule and rule is not entry and (rule.get("ops") or "back" in rule):
                raise Misfit("another rule, backwards")
            if rule:
                run = lang.stacked(rule.get("ops", [])) if "back" not in rule else None
                n = len(keys) // len(as_list(rule["hf"])) if run else 1
                after = [render(p, {**caps, **({run[0]: e} if run else {})}) for e in range(n) for p in as_list(rule["hf"])]
            came |= {self.rename("native", k, params, tensor)[0] for k in after}
            for e in self.live("casts", "hf") + self.live("casts", "native"):
                side = "native" if "native" in e else "hf"
                for k in [key] if side == "native" else keys:
                    if fits(e, side, k, params, tensor) is not None and self.dtype_of(e["dtype"], params) != dtype:
                        raise Misfit("cast")
        if came != set(keys):
            raise Misfit(f"comes back as {sorted(came - set(keys))[:2]}")

    # Checkpoints --------------------------------------------------------------------------------------------------

    def entries(self):
        """What must be seen to come back: renames and rules that count in both directions."""
        return [(s, e) for s in ("names", "rules") for e in self.sections[s] if "one-way" not in e and e["where"]]

    def make(self, most=2):
        """A checkpoint of some groups of each entry."""
        pf, pb = self.resolve("hf"), self.resolve("native")
        ck = Checkpoint(self.name, self.config, self.options)
        used, natives = set(), set()
        for section, entry in [*self.entries(), *[("names", {"hf": k, "native": k, "where": "", "loose": True}) for k in LOOSE]]:
            got, why = 0, set()
            for _ in range(TRIES if not entry.get("loose") else 20):
                try:
                    g = self.loose(entry, pf, pb) if entry.get("loose") else self.group(section, entry, pf, pb)
                except Misfit as e:
                    why.add(str(e))
                    continue
                why.add("")
                if used & set(g.keys) or natives & set(g.native) or not self.keeps(g, pf, pb):
                    continue
                used |= set(g.keys)
                natives |= set(g.native)
                ck.groups.append(g)
                got += 1
                if got == most:
                    break
            ck.dropped |= {entry["where"]} if why == {"drop"} else set()
        self.beside(ck, used, natives, pf, pb)
        if self.resolve("hf", used) != pf or self.resolve("native", natives) != pb:
            raise Misfit("parameters that depend on keys are others")
        for g in ck.groups:
            for key, shape in g.keys.items():
                ck.tensors[key] = g.dtype, shape, self.bytes_of(g, shape)
        return ck

    def loose(self, entry, pf, pb):
        """A key that passes through, whatever its name becomes."""
        key = entry["hf"]
        shape, dtype = [self.rng.randrange(1, 5) for _ in range(2)], self.rng.choice(["BF16", "F32", "F16"])
        tensor = {"tensor.dtype": dtype, "tensor.codec": "none", "tensor_rank": 2, "tensor_shape": shape}
        self.reject("hf", key, pf, tensor)
        name, _ = self.rename("hf", key, pf, tensor)
        rule, caps = self.entry_of("hf", name, pf, tensor)
        if rule and rule.get("ops"):
            raise Misfit("ops")
        native = [render(as_list(rule["native"])[0], caps) if rule else name]
        self.back({key: shape}, native, [shape], dtype, pb)
        return Group(set(), {key: shape}, native, dtype)

    def keeps(self, g, pf, pb):
        """It does not change what parameters are that depend on keys."""
        for side, params, keys in (("hf", pf, g.keys), ("native", pb, g.native)):
            for name, p in self.declared.items():
                for value, patterns in p.get(f"{side}-has", {}).items():
                    if any(o.startswith(name + "=") for o in self.options):
                        continue
                    if str(params[name]) == value:
                        break
                    if any(lang.match(x, k) is not None for x in as_list(patterns) for k in keys):
                        return False
        return True

    def beside(self, ck, used, natives, pf, pb):
        """What would be filled in, and what an alias is of."""
        plain = {"tensor.dtype": "F32", "tensor.codec": "none", "tensor_rank": 1, "tensor_shape": [3]}
        need = []
        for e in self.live("fill", "hf"):
            for key in sorted(natives):
                caps = lang.match(e["beside"], key) if "native" in e else None
                if caps is not None:
                    need.append(render(e["native"], caps))
        need += [e["of"] for e in self.live("alias", "hf") if e.get("required")]
        for key in need:
            if key in natives:
                continue
            name = self.rename("native", key, pb, plain)[0]
            natives.add(key)
            used.add(name)
            ck.groups.append(Group(set(), {name: [3]}, [key], "F32"))

    def bytes_of(self, g, shape):
        n, width = lang.product(shape), WIDTH[g.dtype]
        if g.zeros is None:
            return self.rng.randbytes(n * width)
        row = shape[-1]
        return b"".join(self.rng.randbytes(g.zeros * width) + bytes((row - g.zeros) * width) for _ in range(n // row))
