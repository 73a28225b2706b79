# SPDX-License-Identifier: MIT
"""Makes QEMU's virt machine one whose CPUs wait in a spin table: the application that starts them (firmware.c) and the
device tree that says where, in which nothing is left of PSCI."""
import os
import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).parent
PAGE, SLOTS, SLOT_BYTES = 0x48000000, 0x800, 16     # the page is free when virt's firmware starts an application; see firmware.h


def slot(cpu):
    """The address that the CPU polls."""
    return PAGE + SLOTS + cpu * SLOT_BYTES


def run(*command):
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def firmware(folder, cpus, call="hvc", late_cpu=0):
    """Compiles the application, by the loader's rules; returns its path."""
    clang, link = os.environ.get("CLANG", "clang-19"), os.environ.get("LLD_LINK", "lld-link-19")
    flags = "-target aarch64-unknown-windows -march=armv8-a -mgeneral-regs-only -std=c23 -ffreestanding -fshort-wchar -fno-stack-protector " \
        f"-O2 -Wall -Wextra -Werror -I. -Iboot -DCPUS={cpus} -DPAGE_ADDRESS={PAGE:#x} -DLATE_CPU={late_cpu}".split()
    objects = []
    for source in (SOURCE / "firmware.c", SOURCE / "wait.S", "lib/string.c"):
        objects.append(str(folder / f"spin-table-{pathlib.Path(source).name}.obj"))
        run(clang, *flags, f'-DCALL="{call} #0"', "-c", str(source), "-o", objects[-1])
    path = folder / "spin-table.efi"
    run(link, "-subsystem:efi_application", "-entry:efi_main", "-nodefaultlib", "-machine:arm64", f"-out:{path}", *objects)
    return path


def tree(command, path, cpus):
    """QEMU's own tree of the machine that `command` runs, with the spin table."""
    run(*command, "-machine", f"dumpdtb={path}")
    for cpu in range(cpus):
        run("fdtput", "-t", "s", str(path), f"/cpus/cpu@{cpu}", "enable-method", "spin-table")
        run("fdtput", "-t", "x", str(path), f"/cpus/cpu@{cpu}", "cpu-release-addr", f"{slot(cpu) >> 32:x}", f"{slot(cpu) & 0xffffffff:x}")
    run("fdtput", "-r", str(path), "/psci")
    return path
