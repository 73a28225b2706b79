#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lets the kernel fault while it replaces PID 1's program, three times in a row, and types on: PID 1 is started anew, the shell
that was there goes on with what it knew, and when it ends a new one comes. Prints TAP.

usage: anew_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs
"""
import os
import re
import sys

import consoles
from machine import LIMIT_S, Machine
from session import at_prompt

FAULTS = "echo exec_commit thread init pass 1 faults 3 >/proc/stray_points; kill -QUIT 1"
SAID = "dmesg | grep -c 'is started anew as PID 1'"
ORPHANS = "ps | grep -c '[s]leep 0$'"


def until(command, wanted):
    """A line for the shell: waits for what the command prints, which comes when the machine gets to it, and prints it."""
    return f"n=0; while [ $n -lt 500 ] && [ $({command}) != {wanted} ]; do sleep 0.1; n=$((n+1)); done; {command}"


def type_line(console, line):
    """What came back up to the next prompt."""
    console.send(line.encode() + b"\r")
    data, done = console.collect(at_prompt, LIMIT_S)
    if not done:
        print(f"# no prompt after `{line}`")
    return data.decode(errors="replace")


def main():
    machine = Machine.from_environment()
    cmdline = os.environ.get("STELLUX_CMDLINE", f"console={machine.facts['console']}")
    console = consoles.open_machine(machine.command(machine.make_image(machine.build / "test" / "anew.img", "initramfs", cmdline)))
    print("TAP version 14\n1..4", flush=True)
    try:
        console.collect(at_prompt, LIMIT_S)
        type_line(console, "kept=before")
        text = type_line(console, f"{FAULTS}; {until(SAID, 3)}")
        results = [(bool(re.search(r"(?m)^3\r?$", text)), "PID 1 was started anew after each fault")]
        text = type_line(console, "echo answer $((6 * 7)) $kept $(cat /proc/1/comm)")
        results.append(("answer 42 before init" in text, "its shell goes on"))
        console.send(b"exit\r")
        console.collect(at_prompt, LIMIT_S)
        text = type_line(console, "echo answer $((6 * 8)) ${kept-new}")
        results.append(("answer 48 new" in text, "a new shell comes when it ends"))
        text = type_line(console, f"(sleep 0 & :); {until(ORPHANS, 0)}")
        results.append((bool(re.search(r"(?m)^0\r?$", text)), "orphans are reaped"))
        for number, (good, name) in enumerate(results, 1):
            print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
        if not all(good for good, _ in results):
            print("".join(f"# | {line}\n" for line in console.log.decode(errors="replace").splitlines()[-40:]), end="")
    finally:
        consoles.discard(console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
