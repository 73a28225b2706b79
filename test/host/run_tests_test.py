#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves what tools/run-tests takes for a failure of a machine's run besides its results."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile

sys.path.insert(0, "tools")
loader = importlib.machinery.SourceFileLoader("run_tests", "tools/run-tests")
run_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
loader.exec_module(run_tests)

PASSED = "1..1\r\nok 1 - a\r\n"
BROKEN = "locks: the order is broken: rank 10 is taken under rank 18 by thread"
# Name, what the machine prints, the expected errors.
CASES = [
    ("nothing else", f"{PASSED}[    1.000000] core: off\r\n", []),
    ("a panic", f"{PASSED}[    1.000000] kernel panic: x\r\n", ["the kernel panicked"]),
    ("a complaint about locks", f"[    0.500000] {BROKEN} init at 0x1\r\n{PASSED}", [f"{BROKEN} init at 0x1"]),
    ("the complaint that a test provokes", f"[    0.500000] {BROKEN} breaks-order at 0x1\r\n{PASSED}", []),
    ("all CPUs", f"boot: 2 CPUs, counter 1 kHz\r\n{PASSED}", []),
    ("a CPU that did not come up", f"boot: 1 CPU, counter 1 kHz\r\n{PASSED}", ["1 of 2 CPUs came up"]),
]


def errors_of(text, folder):
    suite = run_tests.Suite("x86_64", "machine", ["printf", "%s", text], 60, [], panic_fails=True)
    suite.cpus = 2
    suite.run(pathlib.Path(folder))
    return suite.errors


def errors_after(script, limit_s, silence_s, folder):
    """Of a machine that passes and then does something more."""
    suite = run_tests.Suite("x86_64", "machine", ["sh", "-c", f"printf '1..1\\nok 1 - a\\n'; {script}"], limit_s, [])
    suite.silence_s = silence_s or limit_s
    suite.run(pathlib.Path(folder))
    return suite.errors


# What it does, its limit, how long it may say nothing if that is less, the expected errors.
SILENCES = [("sleep 1", 30, 0, []),
            ("sleep 60", 1, 0, ["did not end in time: silent for 1 s"]),
            ("sleep 60", 30, 1, ["did not end in time: silent for 1 s"]),
            ("while :; do echo '#'; sleep 0.1; done", 1, 60, ["did not end within 4 s"])]


def main():
    print(f"1..{len(CASES) + len(SILENCES)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, text, expected) in enumerate(CASES, 1):
            found = errors_of(text, folder)
            print(f"{'ok' if found == expected else 'not ok'} {number} {name}")
            if found != expected:
                print(f"# expected {expected}, found {found}")
        for number, (script, limit_s, silence_s, expected) in enumerate(SILENCES, len(CASES) + 1):
            found = errors_after(script, limit_s, silence_s, folder)
            print(f"{'ok' if found == expected else 'not ok'} {number} {script}, with {limit_s} s, silent for {silence_s or limit_s} s")
            if found != expected:
                print(f"# expected {expected}, found {found}")


if __name__ == "__main__":
    main()
