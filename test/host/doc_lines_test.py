#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the references of doc/*.md: `file:line` followed by `symbol` means that the symbol stands
on that line of that file. With --fix the lines are corrected (to the first line that has the symbol)."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = re.compile(r"`([\w./-]+\.[\w]+):(\d+)`(\s+)`([^`]+)`")


def find(path, symbol):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if symbol in line:
            return number
    return 0


def main():
    fix, cases = "--fix" in sys.argv[1:], []
    for doc in sorted((TOP / "doc").glob("*.md")):
        def replace(match):
            name, line, space, symbol = match.groups()
            path = TOP / name
            lines = path.read_text().splitlines() if path.exists() else []
            good = 0 < int(line) <= len(lines) and symbol in lines[int(line) - 1]
            found = find(path, symbol) if lines else 0
            if fix and found and not good:
                line, good = found, True
            cases.append((good, f"{doc.name}: {name}:{line} {symbol}"))
            return f"`{name}:{line}`{space}`{symbol}`"
        text = doc.read_text()
        changed = REFERENCE.sub(replace, text)
        if fix and changed != text:
            doc.write_text(changed)
    print("TAP version 14")
    print(f"1..{len(cases)}")
    for number, (good, name) in enumerate(cases, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print("# mend it with: test/host/doc_lines_test.py --fix")
    return 0 if cases and all(good for good, _ in cases) else 1


if __name__ == "__main__":
    sys.exit(main())
