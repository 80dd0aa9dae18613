#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The picture in the README: one tensor as it is stored, and as it is seen through lensfs.

usage: picture.py >picture.svg

It has a background of its own, and another set of colours where the reader's are dark.
"""

WIDTH, HEIGHT = 900, 372
ROWS, COLS = 4, 7
STYLE = """
  text { font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .mono { font: 12.5px ui-monospace, 'DejaVu Sans Mono', monospace }
  .head { font-weight: 600; font-size: 14px }
  .quiet { fill: #59636e }
  .middle { text-anchor: middle }
  .page { fill: #ffffff; stroke: #d1d9e0 }
  .panel { fill: #f6f8fa; stroke: #d1d9e0 }
  .ray { fill: #0a6cbd; opacity: .10 }
  .glass { fill: #cfe6fb; stroke: #0a6cbd; stroke-width: 2 }
  .edge { stroke: #f6f8fa }
  .scale { fill: #bc6b00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .page { fill: #0d1117; stroke: #3d444d }
    .panel { fill: #151b23; stroke: #3d444d }
    .ray { fill: #58a6ff; opacity: .16 }
    .glass { fill: #16324f; stroke: #58a6ff }
    .edge { stroke: #151b23 }
    .scale { fill: #f0a93b }
  }
"""
out = []


def put(line):
    out.append("  " + line)


def text(x, y, words, kind=""):
    put(f'<text x="{x}" y="{y}" class="{kind}">{words}</text>')


def value(row, col):
    """Something between 0 and 1 for each element, that makes rows and columns be told apart."""
    return ((row * 37 + col * 61) % 101) / 100


def colour(v):
    """From a dark blue to a light green: readable on white and on black."""
    low, high = (35, 84, 160), (116, 205, 150)
    return "#" + "".join(f"{round(a + (b - a) * v):02x}" for a, b in zip(low, high))


def panel(x, width, title, lines):
    put(f'<rect x="{x}" y="26" width="{width}" height="292" rx="8" class="panel"/>')
    text(x + 16, 52, title, "mono head")
    for i, line in enumerate(lines):
        text(x + 16, 74 + 18 * i, line, "quiet")


def cells(x, y, width, height, turned):
    """The matrix: an element of 8 bits is half as wide as one of 16."""
    for row in range(ROWS):
        for col in range(COLS):
            i, j = (row, col) if turned else (col, row)
            put(f'<rect x="{x + i * width}" y="{y + j * height}" width="{width}" height="{height}" class="edge" '
                f'fill="{colour(value(row, col))}"/>')


def stored():
    panel(24, 286, "~/models/Mistral-Small-4", ["as published: 120 GB of FP8"])
    text(40, 112, "…experts.down_proj", "mono")
    text(40, 130, "[128, 4096, 2048]  F8_E4M3", "mono quiet")
    cells(48, 150, 15, 22, False)
    put('<rect x="170" y="168" width="20" height="22" rx="3" class="scale"/>')
    text(198, 184, "its scale")
    text(40, 270, "…experts.down_proj_scale_inv", "mono")
    text(40, 288, "[128, 1, 1]  BF16", "mono quiet")


def seen():
    panel(590, 286, "/mnt/native", ["as training wants it: 238 GB of BF16"])
    text(606, 112, "…experts.down_projs", "mono")
    text(606, 130, "[128, 2048, 4096]  BF16", "mono quiet")
    cells(642, 146, 30, 19, True)
    text(606, 302, "for safe_open, mmap, pread, cp, ...", "quiet")


def lens():
    x, top, bottom = 450, 60, 284
    middle = (top + bottom) // 2
    put(f'<path d="M 153 150 L {x} {top + 14} L 642 146 L 642 279 L {x} {bottom - 14} L 153 238 Z" class="ray"/>')
    put(f'<path d="M {x} {top} C {x + 58} {middle - 60} {x + 58} {middle + 60} {x} {bottom} '
        f'C {x - 58} {middle + 60} {x - 58} {middle - 60} {x} {top} Z" class="glass"/>')
    for i, word in enumerate(("rename", "decode", "turn", "stack")):
        text(x, middle - 32 + 24 * i, word, "middle")
    text(x, 44, "lensfs", "mono head middle")
    text(x, 306, "a recipe, in JSON,", "quiet middle")
    text(x, 324, "read in either direction", "quiet middle")


def main():
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">')
    print("<title>A directory of FP8 tensors, seen through lensfs as one of BF16 tensors in another layout</title>")
    print(f"<style>{STYLE}</style>")
    put(f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10" class="page"/>')
    stored()
    seen()
    lens()
    text(WIDTH // 2, 352, "Computed while it is read, byte for byte what the reference libraries would have written. "
         "No copy on disk.", "middle")
    print("\n".join(out))
    print("</svg>")


main()
