#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves what tools/run-tests takes for a failure of a machine's run besides its results, and which suite it runs beside which."""
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
            ("sleep 60", 5, 0, ["did not end in time: silent for 5 s"]),
            ("sleep 60", 30, 5, ["did not end in time: silent for 5 s"]),
            ("while :; do echo '#'; sleep 0.1; done", 2, 60, ["did not end within 8 s"])]


# How many CPUs each suite keeps busy, in the order of the matrix, and in which order two cores get them if the one that is next to
# end is always the one that began first.
ORDERS = [("a great one beside a small one", (1, 2, 1, 2), (2, 1, 2, 1)),
          ("more CPUs than there are count as all", (1, 2, 8, 1), (2, 1, 8, 1)),
          ("only great ones", (2, 8, 2), (2, 8, 2)),
          ("only small ones", (1, 1, 1), (1, 1, 1))]


def order(loads):
    queue, running, taken = run_tests.Queue([Loaded(load) for load in loads], 2), [], []
    while suite := queue.take():
        taken.append(suite.load)
        running.append(suite)
        if len(running) == 2:
            queue.done(running.pop(0))
    return tuple(taken)


class Loaded:
    def __init__(self, load):
        self.load = load


def runs_all():
    """Each suite once, two at a time; what goes wrong in one is not lost."""
    ran = []
    run_tests.run_all([Loaded(load) for load in (1, 2, 3)], 2, 2, lambda suite: ran.append(suite.load))
    try:
        run_tests.run_all([Loaded(1)], 2, 2, lambda suite: 1 // 0)
    except ZeroDivisionError:
        return sorted(ran) == [1, 2, 3]
    return False


def main():
    print(f"1..{len(CASES) + len(SILENCES) + len(ORDERS) + 1}")
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
    for number, (name, loads, expected) in enumerate(ORDERS, len(CASES) + len(SILENCES) + 1):
        print(f"{'ok' if order(loads) == expected else 'not ok'} {number} order: {name}\n# {order(loads)}")
    print(f"{'ok' if runs_all() else 'not ok'} {len(CASES) + len(SILENCES) + len(ORDERS) + 1} all are run")


if __name__ == "__main__":
    main()
