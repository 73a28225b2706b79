#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots QEMU's virt machine in other shapes than test/matrix.txt has: both interrupt controllers, device tree and ACPI, entry
at EL1 and EL2, several CPUs and sizes of memory. Each time all CPUs must be there, do work at once, sleep, and the firmware
must switch the machine off (or reset it, which ends QEMU too).

usage: machines_test.py     (from the project's root; STELLUX_BUILD names the build folder, see tools/machine.py)
Prints KTAP.

needs: kernel boot initramfs
cpus: 2
"""
import os
import pathlib
import sys

from machine import Machine

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from shell_run import Run, report  # noqa: E402

TREE, TABLES = r"^platform: described by device tree$", r"^platform: described by ACPI$"
V2, V3 = r"^gic: version 2", r"^gic: version 3"
ITS = r"^gic: translation service at 8080000: messages of PCI functions$"
# QEMU's tables tell of it even where it is not.
NO_ITS = r"^gic: translation service at 8080000: nothing answers there$"
HVC, SMC = r"^psci: .* by HVC$", r"^psci: .* by SMC$"

# CPU, -smp, memory, -machine options, what the kernel must say
MACHINES = [
    ("cortex-a57", 1, "256M", "gic-version=2,acpi=off", (TREE, V2, HVC)),
    ("cortex-a72", 5, "514M", "gic-version=3", (TABLES, V3, ITS, HVC)),
    ("cortex-a72", 8, "1G", "gic-version=2", (TABLES, V2, HVC)),
    ("max", 3, "512M", "gic-version=3,acpi=off", (TREE, V3, ITS, HVC)),
    ("cortex-a57", 2, "333M", "gic-version=2,virtualization=on,acpi=off", (TREE, V2, SMC)),
    ("max", 8, "64G", "gic-version=3,virtualization=on", (TABLES, V3, SMC)),
    ("max", 2, "512M", "gic-version=4,virtualization=on,acpi=off", (TREE, V3, SMC)),
    ("cortex-a72", 12, "512M", "gic-version=3,its=off", (TABLES, V3, NO_ITS, HVC)),
]


def boot(cpu, smp, memory, options, patterns, last):
    build = pathlib.Path(os.environ.get("STELLUX_BUILD", "build/aarch64-debug"))
    machine = Machine(os.environ.get("STELLUX_ARCH", "aarch64"), build, cpu, smp, memory)
    place = build / "results" / "devices" / f"{cpu}-{smp}-{memory}-{options.replace(',', '-').replace('=', '')}"
    work = f"for i in $(seq {smp}); do sha256sum /bin/busybox & done | sort -u | wc -l"
    run = Run(machine, place, options, lines=["echo cpus $(nproc)", f"echo sums $({work})", "sleep 1 && echo slept $((6 * 7))", last])
    return run.has(*patterns, rf"^boot: {smp} CPUs?,", rf"^cpus {smp}$", r"^sums 1$", r"^slept 42$")


def cases():
    for number, (cpu, smp, memory, options, patterns) in enumerate(MACHINES):
        last = "reboot -f" if number % 2 else "poweroff -f"
        yield f"{cpu}, {smp} CPUs, {memory}, {options}", lambda a=(cpu, smp, memory, options, patterns, last): boot(*a)


if __name__ == "__main__":
    sys.exit(report(cases()))
