#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows: no line wider than it, colours only where they are wanted, and nothing left of a bar.

usage: terminal.py LENSFS MAKE_CHECKPOINT
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import unicodedata
from pathlib import Path

LENSFS, MAKE = sys.argv[1:]
CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def terminal(columns, *words, **environment):
    """All that @words write to a terminal of so many columns."""
    me, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", "LC_ALL": "C.UTF-8", "LENSFS_CONF": ""} | environment
    p = subprocess.Popen([LENSFS, *map(str, words)], stdin=other, stdout=other, stderr=other, env=env)
    os.close(other)
    out = b""
    while True:
        try:
            part = os.read(me, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        out += part
    os.close(me)
    assert p.wait(60) in (0, 1), (words, out[-500:])
    return out.decode()


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def lines(text):
    """As they stand on the screen at any time: a return begins one anew."""
    for line in re.split(r"\r?\n", CODE.sub("", text)):
        yield from line.split("\r")


def shown(text):
    """What stays: behind a return, what was there is written over or erased."""
    out = []
    for line in text.replace("\r\n", "\n").split("\n"):
        now = ""
        for part in line.split("\r"):
            if part.startswith("\x1b[K"):
                now, part = "", part[3:]
            plain = CODE.sub("", part)
            now = plain if part.endswith("\x1b[K") else plain + now[len(plain) :]
        out.append(now)
    return out


def looks(source, name, *words, wide=False):
    """One command at several widths; @wide: its long words may pass the end."""
    for columns in (80, 200, 120):
        text = terminal(columns, *words)
        assert text, words
        for line in lines(text):
            assert wide or width(line) <= columns, (columns, words, line)
        bare = terminal(columns, *words, NO_COLOR="1")
        assert not CODE.search(bare), (words, bare[:300])
        assert not CODE.search(terminal(columns, *words, TERM="dumb")), words
        assert CODE.sub("", text) == bare, words
        yield text
    piped = subprocess.run([LENSFS, *map(str, words)], capture_output=True, text=True)
    assert "\x1b" not in piped.stdout + piped.stderr and "\r" not in piped.stdout + piped.stderr, words


def bars(work, src):
    """While it runs there is a bar as wide as it may be; at the end, a sentence."""
    for columns in (80, 200):
        for words in (("convert", src, work / "out"), ("hash", src), ("verify", src, work / "out")):
            text = terminal(columns, *words)
            assert "%" in text, (words, text[-300:])
            assert all(width(line) < columns for line in lines(text) if "%" in line), (columns, words)
            stays = shown(text)
            assert not any("%" in line for line in stays), (words, stays)
            assert "GB" in stays[-2] or "MB" in stays[-2], stays[-3:]
        assert terminal(columns, "hash", "-q", src).count("%") == 0
        shutil.rmtree(work / "out")


def main():
    work = Path(tempfile.mkdtemp(prefix="lensfs-terminal-"))
    try:
        src = work / "src"
        subprocess.run([MAKE, src], check=True, stdout=subprocess.DEVNULL)
        seen = [t for w in (["ls", src], ["ls", "-l", src], ["ls", "--tree", src], ["ls", "--source", src], ["plan", src], ["doctor"],
                            ["recipes"], ["recipes", "--ops"], ["recipes", "--codecs"]) for t in looks(src, *w[:1], *w)]
        seen += list(looks(src, "recipes", "recipes", "--table", wide=True))  # Markdown, to be copied
        assert any(CODE.search(t) for t in seen)
        narrow = terminal(80, "ls", "-l", src)
        assert "..." in narrow and "..." not in terminal(200, "ls", "-l", src), narrow
        assert all(line.split()[-1].endswith(("s", "weight", "bias")) for line in lines(narrow) if line), narrow
        piped = subprocess.run([LENSFS, "ls", "-l", src], capture_output=True, text=True, env=os.environ | {"COLUMNS": "40"}).stdout
        assert "..." not in piped and max(map(len, piped.splitlines())) > 80, piped
        big = work / "big"
        subprocess.run([MAKE, "--experts", "6", "--hidden", "2048", "--inter", "2048", big], check=True, stdout=subprocess.DEVNULL)
        bars(work, big)
    finally:
        shutil.rmtree(work)


main()
