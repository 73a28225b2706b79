#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's own tests on the other kind of virt machine than test/matrix.txt boots: GICv3, device tree, entry at EL2.
What needs a device tree to find its devices runs only here.

usage: kernel_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints the serial line, with the kernel's KTAP in it.

needs: kernel-ktest boot
"""
import os
import subprocess
import sys

from machine import Machine

LIMIT_S = 240 if os.environ.get("KTEST") else 900    # the whole of it
OPTIONS = "gic-version=3,virtualization=on,acpi=off"


def main():
    machine = Machine.from_environment()
    cmdline = "ktest" + (f"={os.environ['KTEST']}" if os.environ.get("KTEST") else "")
    image = machine.make_image(machine.build / "results" / "devices" / "kernel.img", "none", cmdline, kernel="stellux-ktest")
    try:
        done = subprocess.run(machine.command(image, ["-machine", OPTIONS]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S)
        output, ended = done.stdout, done.returncode == 0
    except subprocess.TimeoutExpired as expired:
        output, ended = expired.stdout or b"", False
    image.unlink()
    sys.stdout.write(output.decode("utf-8", "replace"))
    if not ended:
        print(f"\nBail out! the machine did not switch itself off within {LIMIT_S} s")
    return not ended


if __name__ == "__main__":
    sys.exit(main())
