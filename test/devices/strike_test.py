#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Strikes every component of the kernel at functions that the seed chooses, in the middle of a mixed workload (shell, disks, terminal,
files, /proc, /sys), each on a machine of its own: test/boundary/alone_components.c says what has to be true afterwards. The disks are
this machine's files, whose sectors tell where they are, and so must they in the end.

usage: strike_test.py [COMPONENT...]     (make test-strikes; the machine comes from the environment, see tools/machine.py)
STRIKES= in the environment says how often each is struck (200), SEED= where. The clock counts instructions (QEMU's -icount), so how long
a service was away does, too: from the fault to a process that was given it again, pauses included, which pass at a nanosecond each.
Prints KTAP; doc/results/strikes-ARCH.md says what came of it. Not part of make test.

needs: kernel kernel-strike boot initramfs
"""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

from machine import Machine, plain

STRIKES, SEED = int(os.environ.get("STRIKES", "200")), int(os.environ.get("SEED", "7"))
LIMIT_S = 3600
SECTORS = 16384
# A hub, a keyboard behind it, and a disk.
USB = ["-device", "qemu-xhci,id=usb", "-device", "usb-hub,bus=usb.0,port=1", "-device", "usb-kbd,bus=usb.0,port=1.1",
       "-blockdev", "null-co,node-name=d3,size=4194304,read-zeroes=on", "-device", "usb-storage,bus=usb.0,port=2,drive=d3"]
PROGRAM = pathlib.Path("test/boundary/alone_components.c")


def components():
    """In the order of the program's list."""
    return re.findall(r"x\((\w+)\)", re.search(r"#define OF_EACH\(x\)(.*?)\n[A-Z]", PROGRAM.read_text(), re.DOTALL)[1])


def make_archive(machine):
    """The programs of a user's machine, and the one that strikes."""
    lines = (machine.build / "initramfs.list").read_text()
    lines += f"dir /test 755\nfile /test/run {machine.build}/test/run 755\n"
    lines += f"file /test/alone_components {machine.build}/test/alone_components 755\n"
    (machine.build / "strikes.list").write_text(lines)
    subprocess.run([sys.executable, "tools/mkcpio", str(machine.build / "strikes.list"), str(machine.build / "strikes.cpio")], check=True)


def make_devices(arch, place):
    place.mkdir(parents=True, exist_ok=True)
    data = b"".join(n.to_bytes(8, "little") * 64 for n in range(SECTORS))
    options = ["-device", "ich9-ahci,id=sata"]
    for n, front in enumerate(("virtio-blk-pci,drive=d0", "nvme,drive=d1,serial=d1", "ide-hd,bus=sata.0,drive=d2")):
        path = place / f"strikes-{n}.raw"
        path.write_bytes(data)
        node = {"node-name": f"d{n}", "driver": "raw", "file": {"driver": "file", "filename": str(path)}}
        options += ["-blockdev", json.dumps(node), "-device", front]
    return data, options + ["-object", "rng-builtin,id=random", "-device", "virtio-rng-pci,rng=random", "-device", "pcie-root-port,id=rootport,chassis=1",
                            "-device", "ramfb" if arch == "aarch64" else "bochs-display", "-device", "virtio-keyboard-pci",
                            *USB, "-netdev", f"user,id=net,tftp={place}", "-device", "virtio-net-pci,netdev=net,romfile="]


def strike(machine, component, place):
    """(complaint or None, functions, median and most instructions)."""
    data, options = make_devices(machine.arch, place)
    image = machine.make_image(place / "strikes.img", "strikes", f"console={machine.facts['console']} quiet=1 ramdisk=1M strikes={STRIKES} seed={SEED} "
                               f'init.run="/test/run alone_components:{component}_is_struck"', kernel="stellux-strike")
    command = machine.command(image, [*options, "-icount", "shift=0,sleep=off"])
    try:
        output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S).stdout
    except subprocess.TimeoutExpired as error:
        return f"hangs\n{plain(error.stdout or b'')[-2000:]}", 0, 0, 0
    text = plain(output)
    found = re.search(rf"# {component} struck (\d+) functions (\d+) faults -?\d+ served-after-us median (\d+) most (\d+)", text)
    if not found or int(found[1]) != STRIKES:
        said = re.search(rf"# {component}_is_struck: (.*)", text)
        return said[1] if said else f"no result\n{text[-2000:]}", 0, 0, 0
    for n in range(3):
        if (place / f"strikes-{n}.raw").read_bytes() != data:
            return f"the content of disk {n} has changed", 0, 0, 0
    return None, *(int(number) for number in found.groups()[1:])


def write_result(machine, rows):
    page = pathlib.Path(f"doc/results/strikes-{machine.arch}.md")
    old = {name: line for line, name in re.findall(r"^(\| (\w+) \| \d.*)$", page.read_text(), re.MULTILINE)} if page.exists() else {}
    old.update(rows)
    page.write_text(f"# Components struck on {machine.arch}\n\nWritten by `make test-strikes` (test/devices/strike_test.py): for each component how often a function "
                    "of it was made to fault\nin the middle of a mixed workload, of how many calls the seed chose, and how many instructions it took "
                    "from the fault to a\nprocess that was served again, pauses included.\n\n| component | date | strikes | seed | CPUs | calls | median instructions | most | "
                    "what came of it |\n|---|---|---|---|---|---|---|---|---|\n" + "".join(f"{old[name]}\n" for name in components() if name in old))


def main():
    machine = Machine.from_environment()
    make_archive(machine)
    place = machine.build / "results" / "strikes"
    chosen, bad, rows = sys.argv[1:] or components(), 0, {}
    print(f"1..{len(chosen)}")
    for number, component in enumerate(chosen, 1):
        complaint, functions, median, most = strike(machine, component, place)
        bad += complaint is not None
        if complaint:
            print("".join(f"# {line}\n" for line in complaint.splitlines()), end="")
        print(f"{'not ' if complaint else ''}ok {number} - {component}: struck {STRIKES} times, and all is served", flush=True)
        rows[component] = (f"| {component} | {datetime.date.today().isoformat()} | {STRIKES} | {SEED} | {machine.smp} | {functions} | "
                           f"{median * 1000} | {most * 1000} | {complaint.splitlines()[0][:120] if complaint else 'served'} |")
        write_result(machine, rows)
    subprocess.run([sys.executable, "tools/components-table", str(machine.build / "stellux.elf"), "--write", "doc/components.md"], check=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
