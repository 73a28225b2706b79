#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A disk as programs see it (test/user/alone_block.c, alone_direct.c), behind each transport of the machine; then what they left is on it.

usage: block_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints KTAP.

needs: kernel boot initramfs
"""
import re
import sys

from machine import LIMIT_S, Machine

SECTORS = 16389
LEFT, LEFT_BYTES = 6 << 20, 100_000
OF_PROGRAM = 21     # cases of both programs
VTD = ["-device", "intel-iommu,intremap=on"]
TRANSPORTS = {
    "aarch64": [("virtio over MMIO", ["-machine", "acpi=off", "-global", "virtio-mmio.force-legacy=false"], "virtio-blk-device"),
                ("virtio over PCI", [], "virtio-blk-pci"), ("NVMe", [], "nvme")],
    "x86_64": [("virtio over PCI", [], "virtio-blk-pci"), ("NVMe", [], "nvme"),
               ("confined virtio over PCI", VTD, "virtio-blk-pci,iommu_platform=on,disable-legacy=on"),
               ("confined NVMe", VTD, "nvme")],
}


def pattern(at, size):
    return bytes((n * 7 + n // 512 * 31 + n // 65536) & 255 for n in range(at, at + size))


def boot(machine, place, options, device, content):
    """What the machine printed, and the disk afterwards."""
    place.parent.mkdir(parents=True, exist_ok=True)
    disk = place.with_suffix(".raw")
    disk.write_bytes(content)
    image = machine.make_image(place.with_suffix(".img"), "initramfs-test",
                               f'console={machine.facts["console"]} init.run="/test/run alone_block alone_direct"')
    drive = ["-drive", f"file={disk},format=raw,if=none,id=disk,discard=unmap", "-device", f"{device},drive=disk,serial=block-test"]
    text, _ = machine.run(image, [*options, *drive], 2 * LIMIT_S)
    after = disk.read_bytes()
    disk.unlink()
    image.unlink()
    place.with_suffix(".txt").write_text(text)
    return text, after


def main():
    machine = Machine.from_environment()
    content = pattern(0, SECTORS * 512)
    left = bytes(255 - byte for byte in pattern(LEFT + 1, LEFT_BYTES))
    transports = TRANSPORTS[machine.arch]
    number = failed = 0
    print(f"1..{len(transports) * (OF_PROGRAM + 1)}", flush=True)
    for count, (name, options, device) in enumerate(transports):
        place = machine.build / "results" / "devices" / f"block-{machine.arch}-{count}"
        text, after = boot(machine, place, options, device, content)
        cases = dict((case, good == "ok") for good, case in re.findall(r"^ +(ok|not ok) \d+ - (\w+)$", text, re.MULTILINE))
        results = [*sorted(cases.items())][:OF_PROGRAM]
        results += [("a case did not run", False)] * (OF_PROGRAM - len(results))
        results.append(("the host finds what was left", after[LEFT + 1:LEFT + 1 + LEFT_BYTES] == left and
                        after[LEFT] == content[LEFT] and len(after) == len(content)))
        for what, good in results:
            number += 1
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {name}: {what}", flush=True)
        if not all(good for _, good in results):
            print("".join(f"# {line}\n" for line in text.splitlines() if line.strip())[-6000:], end="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
