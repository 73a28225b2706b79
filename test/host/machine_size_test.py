#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that make refuses machines that cannot boot before it builds or starts anything, names the value and says what
would do; and that those it starts are of the size, and wait for the debugger at the port, that was asked for."""
import os
import subprocess

CASES = [
    ("SMP=0", "SMP=0: give the number of CPUs, at least 1"),
    ("SMP=two", "SMP=two: give the number of CPUs"),
    ("MEM=64M", "MEM=64M: an x86_64 machine needs at least 128M"),
    ("MEM=64", "MEM=64: an x86_64 machine needs at least 128M"),
    ("MEM=lots", "MEM=lots: give the size of memory"),
    ("MEM=999999999T", "MEM=999999999T: no machine has so much memory"),
    ("MEM=99999999999999999999", "MEM=99999999999999999999: no machine has so much memory"),
    ("MEM=5'12", "MEM=5'12: give the size of memory"),
    ("MEM=128m ARCH=aarch64", "MEM=128m: an aarch64 machine needs at least 256M"),
    ("MEM=128 SMP=1", None),
    ("MEM=64g SMP=8", None),
    ("MEM=256M ARCH=aarch64", None),
]


# What the commands of a machine must be: goal, variables, words.
COMMANDS = [
    ("run MEM=256", "-m 256M "),
    ("run MEM=256", "size=256M,"),
    ("run MEM=1g", "size=1g,"),
    ("run-qemu-aarch64-debug GDB_PORT=4711", 'run "make connect-gdb-aarch64 GDB_PORT=4711" in'),
    ("run-qemu-aarch64-debug-headless GDB_PORT=4711", 'run "make connect-gdb-aarch64 GDB_PORT=4711" in'),
    ("run-qemu-x86_64-debug", 'run "make connect-gdb-x86_64" in'),
]


def main():
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("ARCH", "SMP", "MEM", "GDB_PORT", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")}
    print(f"1..{len(CASES) + len(COMMANDS) + 2}")
    for number, (words, expected) in enumerate(CASES, 1):
        done = subprocess.run(["make", "--no-print-directory", "machine-check", *words.split()], capture_output=True, text=True, env=environment)
        good = done.returncode == 0 if expected is None else done.returncode != 0 and expected in done.stderr
        print(f"{'ok' if good else 'not ok'} {number} {words}")
        if not good:
            print(f"# {done.returncode}: {done.stdout}{done.stderr}".rstrip().replace("\n", "\n# "))
    for number, goal in enumerate(("run", "run-headless"), len(CASES) + 1):
        done = subprocess.run(["make", "-n", "--no-print-directory", goal], capture_output=True, text=True, env=environment)
        asks = done.stdout.find("at least 1"), done.stdout.find("qemu-system")
        print(f"{'ok' if 0 <= asks[0] < asks[1] else 'not ok'} {number} make {goal} asks first")
    for number, (words, expected) in enumerate(COMMANDS, len(CASES) + 3):
        done = subprocess.run(["make", "-n", "--no-print-directory", *words.split()], capture_output=True, text=True, env=environment)
        print(f"{'ok' if expected in done.stdout else 'not ok'} {number} make {words} says {expected.strip()}")


if __name__ == "__main__":
    main()
