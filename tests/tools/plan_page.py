# SPDX-License-Identifier: Apache-2.0
"""The page of `lensfs plan --html`, read without a browser; and checkpoints whose names are meant to break out of it."""

import json
import re

# Keys as strangers may write them.
HOSTILE = [
    "<script>window.broken = 1</script>", "</script><script>window.broken = 2</script>", "<!--<script>", "]]>", "<img src=x onerror=window.broken=3>",
    "&lt;b&gt;&amp;", "\"'`><svg onload=window.broken=4>", "\\u003cscript\\u003e\\", "a\tb\nc\rd\x01\x1b[31m\x7f\x85", "line\u2028and\u2029page",
    "\u202egnp.exe", "\u200b\ufeff", "{{data}}", "${1}", "%3Cscript%3E", "javascript:window.broken=5", "https://example.invalid/x.js",
    "__proto__.constructor", "toString", "hasOwnProperty.0.__proto__", "a", "a.b", "a..b", ".", "...", " ", "00.1", "0.1", "1.1", "\u00e91", "\u00e92",
    "\u00e9\u00e8", "\U0001f600.a", "\U0001f600.b", "\u0130stanbul", ".".join("d" * 2000),
]
HOSTILE_FILE = "<img src=x onerror=window.broken=6>&\u2028'\".safetensors"


def write(path, tensors):
    """{key: (dtype, shape, bytes)}"""
    header, data = {}, b""
    for key, (dtype, shape, raw) in tensors.items():
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_hostile(folder):
    """Each key a tensor of its own shape; and a warning that names one more."""
    folder.mkdir(parents=True)
    tensors = {key: ("U8", [i + 1], bytes(i + 1)) for i, key in enumerate(HOSTILE)}
    more = {"</script>left out<script>": ("U8", [1], b"a")}
    write(folder / HOSTILE_FILE, tensors | more)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(tensors, HOSTILE_FILE)}))
    (folder / "config.json").write_text(json.dumps({"model_type": "</script><script>window.broken = 7</script>"}))
    return tensors


def split(html):
    """The page without its data, and the data's text."""
    m = re.search(r'(<script type="application/json" id="data">)(.*?)(</script>)', html, re.S)
    assert m, "there is no data in the page"
    return html[: m.start(2)] + html[m.end(2) :], m[2]


def facts(data):
    """What the page's data says, in the words of plan --json."""
    raw = json.loads(data)

    def keys(side):
        out, last = [], ""
        for same, part, rest in zip(side["same"], side["part"], side["rest"], strict=True):
            last = last[:same] + part + raw["words"][rest]
            out.append(last)
        return out

    tensors, sources = keys(raw["tensors"]), keys(raw["keys"])
    out = {"recipe": raw["plan"], "why": raw["why"], "warnings": raw["warnings"], "tensors": [], "keys": []}
    side = raw["tensors"]
    for i, key in enumerate(tensors):
        dtype, shape, n = raw["forms"][side["form"][i]]
        out["tensors"].append({
            "key": key, "dtype": dtype, "shape": shape, "bytes": n, "file": raw["view-files"][side["file"][i]], "offset": side["offset"][i],
            "ops": raw["words"][side["ops"][i]], "codec": raw["words"][side["codec"][i]],
            "sources": [sources[k] for k in side["sources"][i]]})
    side = raw["keys"]
    for i, key in enumerate(sources):
        into = side["into"][i]
        out["keys"].append({"key": key, "fate": raw["fates"][side["fate"][i]], "into": None if into < 0 else tensors[into],
                            "rule": raw["words"][side["rule"][i]] or None})
    return out, raw
