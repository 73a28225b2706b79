#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/ktap.py counts what was reported, and that nothing missing passes."""
import sys

sys.path.insert(0, "tools")
import ktap  # noqa: E402

# Name, text, expected (passed, failed, skipped, errors).
CASES = [
    ("a plain plan", "TAP version 13\n1..2\nok 1 - a\nok 2 - b\n", (2, 0, 0, 0)),
    ("other lines between", "firmware\r\n[0.1] boot\r\nKTAP version 1\r\n1..2\r\n[0.2] x\r\nok 1 a\r\nok 2 b\r\n[0.3] off\r\n",
     (2, 0, 0, 0)),
    ("a failure", "1..2\nok 1 a\n# why: 3 != 4\nnot ok 2 b\n", (1, 1, 0, 0)),
    ("no plan", "ok 1 a\n", (0, 0, 0, 1)),
    ("a failure before the plan", "not ok 1 - start\n1..1\nok 1 a\n", (1, 1, 0, 0)),
    ("an indented failure before the plan", "  not ok - start\n1..1\nok 1 a\n", (1, 1, 0, 0)),
    ("a failure without a plan", "# why\nnot ok 1 a\n", (0, 1, 0, 1)),
    ("prose before the plan", "ok, now to the tests\n1..1\nok 1 a\n", (1, 0, 0, 0)),
    ("nothing at all", "", (0, 0, 0, 1)),
    ("fewer than planned", "1..3\nok 1 a\nok 2 b\n", (2, 0, 0, 1)),
    ("more than planned", "1..1\nok 1 a\nok 2 b\n", (2, 0, 0, 1)),
    ("a lost line", "1..3\nok 1 a\nok 3 c\n", (2, 0, 0, 1)),
    ("a skip with a reason", "1..1\nok 1 - a # SKIP no PCID here\n", (0, 0, 1, 0)),
    ("two documents", "KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..2\nok 1 a\nnot ok 2 b\n", (2, 1, 0, 0)),
    ("second document cut short", "KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..2\nok 1 a\n", (2, 0, 0, 1)),
    ("subtests", "KTAP version 1\n1..2\n  KTAP version 1\n  1..2\n  ok 1 a\n  ok 2 b\nok 1 first\n"
     "  KTAP version 1\n  1..1\n  not ok 1 c\nnot ok 2 second\n", (2, 1, 0, 0)),
    ("a parent fails though its subtests pass", "KTAP version 1\n1..1\n  1..1\n  ok 1 a\nnot ok 1 crashed at the end\n",
     (1, 1, 0, 0)),
    ("a subtest plan cut short", "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 a\nok 1 first\n", (1, 0, 0, 1)),
    ("bailing out", "1..1\nok 1 a\nBail out! no memory\n", (1, 0, 0, 1)),
    ("the end inside subtests", "KTAP version 1\n1..2\n  KTAP version 1\n  1..1\n  ok 1 a\n", (1, 0, 0, 1)),
]


def count(text):
    parsed = ktap.parse(text)
    skipped = sum(result.skip is not None for result in parsed.results)
    failed = sum(not result.passed for result in parsed.results)
    return len(parsed.results) - skipped - failed, failed, skipped, len(parsed.errors)


def main():
    print(f"1..{len(CASES)}")
    for number, (name, text, expected) in enumerate(CASES, 1):
        found = count(text)
        print(f"{'ok' if found == expected else 'not ok'} {number} {name}")
        if found != expected:
            print(f"# expected {expected}, found {found}: {ktap.parse(text).errors}")


if __name__ == "__main__":
    main()
