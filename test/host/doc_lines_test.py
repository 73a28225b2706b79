#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the references of doc/*.md: `file:line` followed by `symbol` means that the symbol stands
on that line of that file. With --fix the lines are corrected (to the first line that has the symbol). Pages that lead
through the tree (WALKS) must have references, and every page of that kind a link from where newcomers look."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = re.compile(r"`([\w./-]+\.[\w]+):(\d+)`(\s+)`([^`]+)`")

# Pages that lead through the tree, and who must link to them.
WALKS = {"syscall-walk*.md": "README.md", "add-a-*.md": "CONTRIBUTING.md"}


def find(path, symbol):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if symbol in line:
            return number
    return 0


def check_walk(doc):
    """A case for a page that leads through the tree: (whether it does and is linked to, name); none for others."""
    for pattern, index in WALKS.items():
        if doc.match(pattern):
            good = REFERENCE.search(doc.read_text()) and f"(doc/{doc.name})" in (TOP / index).read_text()
            return [(bool(good), f"{doc.name}: names lines, and {index} links to it")]
    return []


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
        cases += check_walk(doc)
    print("TAP version 14")
    print(f"1..{len(cases)}")
    for number, (good, name) in enumerate(cases, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print("# mend it with: test/host/doc_lines_test.py --fix")
    return 0 if cases and all(good for good, _ in cases) else 1


if __name__ == "__main__":
    sys.exit(main())
