#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks behind an IOMMU, of virtio and NVMe: what they hold is right; a driver that has its device told of memory which nobody lent to it
is blamed, that memory stays whole, and the driver comes back with the right data. Without an IOMMU the same act does its damage
silently, which is shown, too. Prints KTAP.

usage: iommu_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs
"""
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "session")]
import consoles     # noqa: E402
import disk_images  # noqa: E402
from disk_test import Shell, sha, wants  # noqa: E402
from machine import Machine  # noqa: E402

MIB = 1 << 20
AT, BLOCK = 517, 4096       # what is read while the driver errs; nobody has read it before
SMMU = "gic-version=3,iommu=smmuv3"
# name, QEMU's options, whether devices are confined
MACHINES = {
    "aarch64": [("an SMMUv3 of ACPI", ["-machine", SMMU], True), ("an SMMUv3 of a device tree", ["-machine", f"{SMMU},acpi=off"], True),
                ("an SMMUv3 beside a GICv2", ["-machine", "gic-version=2,iommu=smmuv3"], True), ("no IOMMU", ["-machine", "gic-version=3"], False)],
    "x86_64": [("VT-d", ["-machine", "kernel-irqchip=split", "-device", "intel-iommu,intremap=on"], True), ("no IOMMU", [], False)],
}
# driver, our name for its disk, its size, by which it is known whatever the machine calls it, QEMU's device
DISKS = [("virtio_blk", "vda", 4 * MIB, "virtio-blk-pci,disable-legacy=on"), ("nvme", "vdb", 5 * MIB, "nvme")]


class Disks:
    """A disk behind each driver."""

    def __init__(self, place, confined):
        place.mkdir(parents=True, exist_ok=True)
        self.driver, self.blocks, self.options, self.data, self.paths = None, {}, [], {}, {}
        for driver, name, size, front in DISKS:
            self.data[name] = bytes(disk_images.content(size // MIB, size))
            self.blocks[size // 1024] = name[-1]
            self.paths[name] = place / f"iommu-{name}.raw"
            self.paths[name].write_bytes(self.data[name])
            platform = ",iommu_platform=on" if confined and driver == "virtio_blk" else ""
            self.options += ["-drive", f"file={self.paths[name]},format=raw,if=none,id={name}", "-device",
                             f"{front}{platform},drive={name},serial={name}"]

    def discard(self):
        for path in self.paths.values():
            path.unlink(missing_ok=True)


def told(shell, confined):
    """What the log says of the machine."""
    log = shell.type("dmesg")
    if not confined:
        return wants(log, r"dma: unconfined: no IOMMU is used")
    lent = re.findall(r"pci: \S+ reaches only memory that is lent to it", log)
    return wants(log, r"iommu: (VT-d|SMMUv3)") or (None if len(lent) >= len(DISKS) else f"confined devices: {lent}\n{log}")


def whole(shell, disks):
    names = list(disks.data)
    return wants(shell.type("sha256sum " + " ".join(f"/dev/{name}" for name in names)),
                 *(f"^{sha(disks.data[name])}  /dev/{name}$" for name in names))


def written(shell, disks):
    """Each disk gets a piece of the other; the host finds it."""
    one, other = disks.data
    text = shell.type(f"dd if=/dev/{one} of=/dev/{other} bs=64k count=3 seek=9 conv=fsync; "
                      f"dd if=/dev/{other} of=/dev/{one} bs=4k count=5 seek=77 oflag=direct conv=fsync; sync")
    for target, source, at, size in ((other, one, 9 * 65536, 3 * 65536), (one, other, 77 * 4096, 5 * 4096)):
        image = bytearray(disks.data[target])
        image[at:at + size] = disks.data[source][:size]
        disks.data[target] = bytes(image)
        if disks.paths[target].read_bytes() != disks.data[target]:
            return f"the host finds another content of {target}\n{text}"
    return None


def read(name, where):
    return f"dd if=/dev/{name} bs={BLOCK} skip={AT} count=1 iflag=direct of={where} 2>&-"


def act(shell, driver, name):
    """One read during which the driver has its device told of the wrong memory, and one after it: all that was said. The first may well
    be answered as if nothing was wrong: what a device writes is not confirmed to it. Reports may come in between."""
    shell.type(f"echo driver_{driver}_address thread dd pass 1 faults 1 >/proc/stray_points; {read(name, '/tmp/first')}; "
               f"{read(name, '/tmp/second')}")
    return shell.type("sha256sum /tmp/first /tmp/second; egrep '^(armed|victim)' /proc/stray_points; echo none >/proc/stray_points; "
                      "rm /tmp/first /tmp/second")


def block_of(disks, name):
    return disks.data[name][AT * BLOCK:(AT + 1) * BLOCK]


def strays_and_is_caught(shell, disks, driver, name):
    text = act(shell, driver, name)
    shell.type(f"for i in $(seq 600); do dmesg | grep -q '{name}: resumed' && break; sleep 0.1; done")
    text += shell.type("dmesg; cat /proc/dma_memory")
    victim = consoles.found(r"^victim (0x[0-9a-f]+) overwritten", text)[1]
    return wants(text, f"^{sha(block_of(disks, name))}  /tmp/second$", rf"^armed driver_{driver}_address passed \d+ faulted 1$",
                 f"^victim {victim} overwritten 0$", r"=== stray access of a device caught: write by \w+ ===",
                 r"  culprit: component \w+, PCI function [0-9a-f:.]+", rf"  victim:  kernel frame.* at {victim}",
                 rf"(culprit: component {driver},|carries \S+, which {driver} drives)", r"device: \S+: its DMA strayed.* is attached anew",
                 rf"{name}: resumed", r"^Lent: +0 kB$", r"^Quarantined: +0 kB$")


def strays_and_does_damage(shell, disks, driver, name):
    """The data are where they should not be, and nobody says so."""
    before = shell.type("dmesg | grep -c 'caught'; true")
    text = act(shell, driver, name)
    complaint = wants(text, rf"^armed driver_{driver}_address passed \d+ faulted 1$", f"^{sha(block_of(disks, name))}  /tmp/second$")
    overwritten = int(consoles.found(r"^victim 0x[0-9a-f]+ overwritten (\d+)$", text)[1])
    if complaint or overwritten < BLOCK // 2 or f"{sha(block_of(disks, name))}  /tmp/first" in text:
        return complaint or f"no damage: {overwritten} bytes of the victim overwritten\n{text}"
    if shell.type("dmesg | grep -c 'caught'; true") != before:
        return "somebody noticed"
    print(f"# {driver}, without an IOMMU: {overwritten} bytes of another component's memory were overwritten, and nothing told of it",
          flush=True)
    return None


def steps(confined):
    yield "the log says what holds", lambda shell, disks: told(shell, confined)
    yield "disks have the host's checksums", whole
    yield "what is written is on the host's disks", written
    for driver, name, _, _ in DISKS:
        if confined:
            yield (f"{driver}: a wrong address in a descriptor is kept back, blamed, and the driver comes back",
                   lambda shell, disks, driver=driver, name=name: strays_and_is_caught(shell, disks, driver, name))
        else:
            yield (f"{driver}: a wrong address in a descriptor does its damage silently",
                   lambda shell, disks, driver=driver, name=name: strays_and_does_damage(shell, disks, driver, name))
    yield "and once more their checksums", whole


def boot(machine, name, options, confined):
    """Runs the steps on one machine: (name, complaint) of each."""
    disks = Disks(machine.build / "results" / "devices", confined)
    shell = None
    try:
        shell = Shell(machine, name, [*options, *disks.options], disks)
        for title, step in steps(confined):
            yield f"{name}: {title}", step(shell, disks)
    except (consoles.ConsoleError, OSError) as error:
        yield f"{name}: the machine goes on", str(error)
    finally:
        if shell:
            consoles.discard(shell.console)
        disks.discard()


def main():
    machine = Machine.from_environment()
    machines = MACHINES[machine.arch]
    only = os.environ.get("STELLUX_IOMMU")     # part of a machine's name, by hand
    machines = [one for one in machines if not only or only in one[0]]
    print(f"1..{sum(len(list(steps(confined))) for _, _, confined in machines)}", flush=True)
    number = failed = 0
    for name, options, confined in machines:
        for title, complaint in boot(machine, name, options, confined):
            number += 1
            failed += bool(complaint)
            print(f"{'not ok' if complaint else 'ok'} {number} - {title}", flush=True)
            for line in (complaint or "").splitlines():
                print(f"# {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
