#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the kernel, a sandbox or an emulator has no openat2: plain files are read, and of links it is said why they are not.

usage: no-openat2.py LENSFS MAKE_CHECKPOINT
"""

import ctypes
import errno
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LENSFS, MAKE = sys.argv[1:3]
OPENAT2 = 437  # on every architecture
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7fff0000, 0x00050000
WHY = "where there is no openat2 (--follow-links does not ask)"


def without_openat2():
    program = b"".join(struct.pack("HBBI", *i) for i in (
        (LOAD, 0, 0, 0), (EQUAL, 0, 1, OPENAT2), (RETURN, 0, 0, ERROR | errno.ENOSYS), (RETURN, 0, 0, ALLOW)))
    kept = ctypes.create_string_buffer(program)
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(kept)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filters):  # no new privileges, a filter
        os._exit(99)


def run(*args):
    done = subprocess.run([LENSFS, "ls", *map(str, args)], capture_output=True, text=True, preexec_fn=without_openat2)
    return done.returncode, done.stderr


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as d:
        work = Path(d)
        plain, links, step = work / "plain", work / "links", work / "step"
        subprocess.run([MAKE, "--shards", "1", plain], check=True)
        links.mkdir()
        (links / "config.json").write_bytes((plain / "config.json").read_bytes())
        (links / "weights").write_bytes((plain / "model.safetensors").read_bytes())
        (links / "model.safetensors").symlink_to("weights")
        step.mkdir()
        (step / "model").symlink_to(plain, target_is_directory=True)
        inside = work / "inside"
        inside.mkdir()
        os.rename(step, inside / "s1")
        (inside / "LATEST").symlink_to("s1")
        run_of = ("--reverse", "--recipe", "identity")
        tried = (
            ("plain files are read", (plain,), None),
            ("a link is not followed, and why", (links,), "'model.safetensors': it is a link, and whether"),
            ("with --follow-links it is", (links, "--follow-links"), None),
            ("a run's model is not entered, and why", (inside / "s1", *run_of), "'model': whether"),
            ("nor its last step", (inside, *run_of), "'LATEST' names 's1': whether"),
            ("with --follow-links it is", (inside, *run_of, "--follow-links"), None))
        for i, (what, args, why) in enumerate(tried, 1):
            code, text = run(*args)
            ok = code == 0 if why is None else code != 0 and why in text and WHY in text
            bad += not ok
            print(f"{'ok' if ok else 'not ok'} {i} - {what}")
            if not ok:
                print(f"# {code}: {text}")
    print(f"1..{len(tried)}")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
