#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's own tests on the other kind of virt machine than test/matrix.txt boots: GICv3, device tree, entry at EL2.
What needs a device tree to find its devices runs only here. The tree is QEMU's, but that its host bridge has no msi-map: as in
older trees, msi-parent alone says where messages go.

usage: kernel_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints the serial line, with the kernel's KTAP in it.

needs: kernel-ktest boot
"""
import os
import pathlib
import sys

from machine import Machine

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from moved_tree_test import compile_tree, own_tree  # noqa: E402

LIMIT_S = 240 if os.environ.get("KTEST") else 900    # the whole of it
OPTIONS = "gic-version=3,virtualization=on,acpi=off"
# Functions behind bridges, whose wires only the tree knows, and one beside them (test/kernel/pci_bus.c).
DEVICES = ("-device pcie-root-port,id=express,chassis=1,addr=6 -device nec-usb-xhci,bus=express "
           "-device pci-bridge,id=outer,chassis_nr=2,addr=7 -device pci-bridge,id=inner,chassis_nr=3,bus=outer,addr=1 "
           "-device e1000-82545em,bus=inner,addr=2 -device edu,addr=4,dma_mask=0xffffffffffff -device edu,addr=8 -device e1000e,addr=5 "
           "-device pci-testdev,membar=1M,addr=10").split()


def old_tree(machine, path):
    root = own_tree(machine, OPTIONS)
    bridge = root.child("pcie@")
    bridge.set_cells("msi-parent", [bridge.cells("msi-map")[1], 0])
    del bridge.properties["msi-map"]
    return compile_tree(root, path)


def main():
    machine = Machine.from_environment()
    cmdline = "ktest" + (f"={os.environ['KTEST']}" if os.environ.get("KTEST") else "") + " senders nodriver=e1000e"
    place = machine.build / "results" / "devices" / "kernel.img"
    place.parent.mkdir(parents=True, exist_ok=True)
    image = machine.make_image(place, "none", cmdline, kernel="stellux-ktest", dtb=old_tree(machine, place.with_suffix(".dtb")))
    text, ended = machine.run(image, ["-machine", OPTIONS, *DEVICES], LIMIT_S)
    image.unlink()
    sys.stdout.write(text)
    if not ended:
        print(f"\nBail out! the machine did not switch itself off within {LIMIT_S} s")
    return not ended


if __name__ == "__main__":
    sys.exit(main())
