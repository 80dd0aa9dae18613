#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a run of `meson test` came to: failures with the end of what they said, skips with their reason.

usage: results.py TESTLOG.json

A test that speaks TAP counts as its subtests.  The last line is three numbers: passed, failed, skipped.
"""

import json
import re
import sys

OK, NOT_OK = re.compile(r"^ok\b", re.M), re.compile(r"^not ok\b", re.M)
SKIP, PLAN = re.compile(r"^ok\b.*#\s*skip\b.*", re.M | re.I), re.compile(r"^1\.\.\d+", re.M)


def count(test):
    """(passed, failed, skipped) of one test."""
    said = test.get("stdout") or ""
    if test["result"] == "SKIP":
        return 0, 0, 1
    if not PLAN.search(said):
        return (1, 0, 0) if test["result"] in ("OK", "EXPECTEDFAIL") else (0, 1, 0)
    good, bad, skipped = (len(r.findall(said)) for r in (OK, NOT_OK, SKIP))
    if test["result"] not in ("OK", "EXPECTEDFAIL"):
        bad = max(bad, 1)  # it died, or ran past its time
    return good - skipped, bad, skipped


def tell(test):
    said = (test.get("stdout") or "") + (test.get("stderr") or "")
    lines = said.strip().splitlines() or ["it said nothing"]
    if test["result"] == "SKIP":
        print(f"skipped: {test['name']}: {lines[-1]}")
    for line in SKIP.findall(test.get("stdout") or ""):
        print(f"skipped: {test['name']}: {line}")
    if test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP"):
        print(f"FAILED: {test['name']}: {test['result']}, exit status {test.get('returncode')}, {test['duration']:.0f} s")
        wrong = [i for i, line in enumerate(lines) if line.startswith("not ok")]
        for line in [x for i in wrong[:10] for x in lines[i : i + 3]] or lines[-40:]:
            print(f"    {line[:500]}")


def main():
    total = [0, 0, 0]
    with open(sys.argv[1], encoding="utf-8", errors="replace") as f:
        for test in map(json.loads, f):
            tell(test)
            total = [a + b for a, b in zip(total, count(test))]
    print(*total)


if __name__ == "__main__":
    main()
