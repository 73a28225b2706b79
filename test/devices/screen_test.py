#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Screens as programs see them (test/user/alone_screen.c, alone_consoles.c), on each display of the machine.

usage: screen_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints KTAP.

needs: kernel boot initramfs
"""
import re
import sys

from machine import LIMIT_S, Machine

OF_PROGRAM = 24     # cases of both programs
DISPLAYS = {"x86_64": ["bochs-display", "VGA"], "aarch64": ["ramfb"]}


def boot(machine, display):
    place = machine.build / "results" / "devices" / f"screen-{machine.arch}-{display}"
    place.parent.mkdir(parents=True, exist_ok=True)
    image = machine.make_image(place.with_suffix(".img"), "initramfs-test",
                               f'console={machine.facts["console"]} init.run="/test/run alone_screen alone_consoles"')
    text, _ = machine.run(image, ["-device", display], 2 * LIMIT_S)
    image.unlink()
    place.with_suffix(".txt").write_text(text)
    return text


def main():
    machine = Machine.from_environment()
    displays = DISPLAYS[machine.arch]
    number = failed = 0
    print(f"TAP version 14\n1..{len(displays) * OF_PROGRAM}", flush=True)
    for display in displays:
        text = boot(machine, display)
        found = re.findall(r"^ +(ok|not ok) \d+ - (\w+)$", text, re.MULTILINE)[:OF_PROGRAM]
        for good, case in found + [("not ok", "a case did not run")] * (OF_PROGRAM - len(found)):
            number += 1
            print(f"{good} {number} - {display}: {case}", flush=True)
            failed += good != "ok"
        if any(good != "ok" for good, _ in found) or len(found) < OF_PROGRAM:
            print("# " + text[-4000:].replace("\n", "\n# "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
