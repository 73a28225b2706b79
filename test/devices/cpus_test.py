#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPUs that are not alike, that do not answer, and that wait in a spin table: the kernel must come up with those that it can
use, and say why it does without the others.

QEMU makes all CPUs of a machine alike. So this program, by way of gdb's protocol, stands between a CPU's identification
registers and the nucleus, which judges them on the first CPU (features_admit in nucleus/arch/aarch64/features.c).

usage: cpus_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints KTAP.

needs: kernel boot initramfs
"""
import os
import pathlib
import re
import subprocess
import sys

from machine import Machine

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "loader" / "spin_table")]
from shell_run import Run, report  # noqa: E402
import spin_table  # noqa: E402

# struct arm_id_registers (lib/arm_features.h): where each stands
PFR1, ISAR0, CTR = (8 * n for n in (1, 2, 7))
ARCH = os.environ.get("STELLUX_ARCH", "aarch64")
X0, PC = 0, {"aarch64": 32, "x86_64": 16}[ARCH]      # gdb's numbers of registers
WORK = "for i in 1 2 3 4; do sha256sum /bin/busybox & done | sort -u | wc -l"
LINES = ["echo cpus $(nproc) $(grep -c ^processor /proc/cpuinfo)", f"echo sums $({WORK})", "sleep 1 && echo slept $((6 * 7))"]


def place(machine, name):
    folder = machine.build / "results" / "cpus"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def symbol(machine, name):
    table = subprocess.run([os.environ.get("NM", "llvm-nm-19"), str(machine.build / "stellux.elf")], check=True, capture_output=True,
                           text=True).stdout
    return int(re.search(rf"^(\w+) \w {name}$", table, re.MULTILINE).group(1), 16)


def change(stub, offset, bits, to):
    """A field of the identification that x0 points to."""
    at = stub.register(X0) + offset
    value = int.from_bytes(stub.read(at, 8), "little")
    stub.write(at, (value & ~bits | to).to_bytes(8, "little"))


def working(count):
    """What a machine of so many CPUs says."""
    return rf"^boot: {count} CPUs?,", rf"^cpus {count} {count}$", r"^sums 1$", r"^slept 42$"


def lesser(machine):
    """The second CPU has no BTI, the fourth none of the newer atomic instructions: one cannot be used, of the other only those are told
    to programs that all have."""
    def meddle(stub):
        admit = symbol(machine, "features_admit")
        stub.run_to(admit)
        change(stub, PFR1, 0xf, 0)
        stub.step_over(admit)
        stub.step_over(admit)
        change(stub, ISAR0, 0xf << 20, 0)

    run = Run(machine, place(machine, "lesser"), "gic-version=3", meddle=meddle,
              lines=[*LINES, "echo features $(grep -cw atomics /proc/cpuinfo) $(grep -cw crc32 /proc/cpuinfo)", "poweroff -f"])
    return run.has(r"^boot: the CPU with MPIDR 1 lacks BTI, which the first CPU has in use: it stays off$", *working(3), r"^features 0 3$")


def caches(machine):
    """The third CPU has smaller lines: programs read those on every CPU, and code that they write is what runs."""
    def meddle(stub):
        admit = symbol(machine, "features_admit")
        stub.run_to(admit)
        stub.step_over(admit)
        change(stub, CTR, 0xf << 16 | 0xf, 2 << 16 | 3)

    run = Run(machine, place(machine, "caches"), "gic-version=2", meddle=meddle, initramfs="initramfs-test",
              append="init.run=/test/run cpu code")
    return run.has(r"^boot: the CPUs' caches are not alike: programs are told of 16 and 32 bytes a line$", r"CTR_EL0 is 0x[0-9a-f]{3}2...3 on 4 CPUs$",
                   r"^ok 1 - cpu$", r"^ok 2 - code$")


def silent(machine):
    """The second CPU loops elsewhere when it is called."""
    shape, name = {"aarch64": ("gic-version=3", "MPIDR"), "x86_64": ("hpet=on", "APIC id")}[ARCH]

    def meddle(stub):
        stub.run_to(symbol(machine, "mp_admit_cpus"))
        stub.choose(2)
        stub.set_register(PC, symbol(machine, "idle_loop"))

    run = Run(machine, place(machine, "silent"), shape, meddle=meddle, lines=[*LINES, "poweroff -f"])
    return run.has(rf"^boot: the CPU with {name} 1 does not answer: the system goes on without it$", *working(3))


def waiting(machine):
    """All of it as firmware without PSCI has it, from EL2."""
    options, cpus = "acpi=off,virtualization=on", int(machine.smp)
    where = place(machine, "spin-table")
    firmware = spin_table.firmware(where.parent, cpus, "smc")
    tree = spin_table.tree(machine.command(firmware, ["-machine", options]), where.with_suffix(".dtb"), cpus)
    end = r"power: the firmware offers no way to switch the machine off"
    run = Run(machine, where, options, tree, firmware=firmware, end=end, lines=[*LINES, "poweroff -f"])
    return run.has(r"^psci: not there", *working(cpus), end)


# On a PC only the third: its CPUs are not judged, and never wait in a spin table.
CASES = [
    ("a CPU that lacks something is named and stays off, the others move up", lesser),
    ("unequal caches: programs are told what suits all CPUs", caches),
    ("a CPU that does not answer is named, the others move up", silent),
    ("CPUs that wait in a spin table", waiting),
]


if __name__ == "__main__":
    shape = Machine.from_environment()
    sys.exit(report((name, lambda case=case: case(shape)) for name, case in CASES if ARCH == "aarch64" or case is silent))
