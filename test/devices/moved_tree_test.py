#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots aarch64 with device trees that describe QEMU's virt machine in other ways: proves that the kernel takes interrupt
controller, timer, UART, firmware calls and CPUs from the tree and knows no machine beforehand.

QEMU's own tree is dumped, turned inside out by this program, compiled by dtc and given to the kernel by limine.conf's
dtb_path (the firmware, which does know the machine, keeps its own). Then the shell is used over the interrupt-driven
UART. In the control case the tree does not offer the UART, and nothing of the kernel may arrive on it.

usage: moved_tree_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints KTAP.

needs: kernel boot initramfs
"""
import pathlib
import re
import subprocess
import sys

from machine import Machine

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from shell_run import Run, report  # noqa: E402

GIC, PERIPHERALS = 0x08000000, 0x09000000     # what virt has; only this test knows


class Node:
    def __init__(self, name, properties=(), children=()):
        self.name, self.properties, self.children = name, dict(properties), list(children)

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def child(self, start):
        return next((child for child in self.children if child.name.startswith(start)), None)

    def take(self, start):
        """Removes the child whose name starts so."""
        found = self.child(start)
        self.children.remove(found)
        return found

    def cells(self, name):
        return [int(cell, 16) for cell in self.properties[name].strip("<>").split()]

    def set_cells(self, name, cells):
        self.properties[name] = "<" + " ".join(hex(cell) for cell in cells) + ">"

    def text(self):
        lines = [f"{name} = {value};" if value is not None else f"{name};" for name, value in self.properties.items()]
        return f"{self.name} {{\n" + "\n".join(lines + [child.text() for child in self.children]) + "\n};"


def parse(text):
    """What dtc prints: one property, or one brace, a line."""
    top = Node("")
    stack = [top]
    for line in map(str.strip, text.splitlines()):
        if line.endswith("{"):
            node = Node(line[:-1].strip())
            stack[-1].children.append(node)
            stack.append(node)
        elif line == "};":
            stack.pop()
        elif line.endswith(";") and not line.startswith("/"):
            name, _, value = line[:-1].partition(" = ")
            stack[-1].properties[name] = value or None
    return top.children[0]


def work(machine):
    folder = machine.build / "results" / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def own_tree(machine, options):
    """QEMU's description of that machine."""
    dump = work(machine) / "virt.dtb"
    subprocess.run([machine.facts["qemu"], "-machine", f"virt,{options},dumpdtb={dump}", "-cpu", machine.cpu_model(), "-smp", machine.smp,
                    "-m", machine.mem, "-display", "none"], check=True, capture_output=True)
    return parse(subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", str(dump)], check=True, capture_output=True, text=True).stdout)


def regions(node, count=2):
    """(address, size) of each region of a node below the root of QEMU's tree, which has two cells for each."""
    cells = node.cells("reg")
    return [(cells[i] << 32 | cells[i + 1], cells[i + 2] << 32 | cells[i + 3]) for i in range(0, len(cells), 2 * count)]


def renumber(root):
    """Other phandles."""
    numbers = {}
    for node in root.walk():
        if "phandle" in node.properties:
            numbers[node.cells("phandle")[0]] = 0x7000 - len(numbers)
    for node in root.walk():
        for name in ("phandle", "interrupt-parent", "msi-parent", "clocks", "cpu", "gpios"):
            if name in node.properties:
                node.set_cells(name, [numbers.get(cell, cell) if name != "gpios" or i == 0 else cell
                                      for i, cell in enumerate(node.cells(name))])


def move_controller(root):
    """Onto a bus with one cell for addresses, at another address there."""
    gic = root.take("intc@")
    gic.name = "lines@100000"
    for node in gic.walk():
        node.set_cells("reg", [part for address, size in regions(node) for part in (address - GIC + 0x100000, size)])
        if node.children:
            node.set_cells("#address-cells", [1])
            node.set_cells("#size-cells", [1])
    return gic


def move_uart(root, gic):
    """Onto a bus of that bus, with two cells."""
    uart = root.take("pl011@")
    (address, size), = regions(uart)
    uart.name = "port@500000000"
    uart.set_cells("reg", [5, address - PERIPHERALS, size])
    uart.set_cells("interrupts-extended", gic.cells("phandle") + uart.cells("interrupts"))
    del uart.properties["interrupts"]
    return uart


def turn_inside_out(root):
    renumber(root)
    root.take("pcie@")
    root.children = [child for child in root.children if not child.name.startswith("platform-bus@")]
    gic = move_controller(root)
    uart = move_uart(root, gic)
    island = Node("island@3000000", {"#address-cells": "<2>", "#size-cells": "<1>", "ranges": "<5 0 0x3000000 0x100000>"}, [uart])
    fabric = Node("fabric", {"#address-cells": "<1>", "#size-cells": "<1>",
                             "ranges": f"<0x100000 0 {GIC:#x} 0x1000000 0x3000000 0 {PERIPHERALS:#x} 0x100000>"}, [island, gic])
    # The root has one cell for sizes now, and no default controller.
    for child in root.children:
        if "reg" in child.properties:
            child.set_cells("reg", [part for address, size in regions(child) for part in (address >> 32, address & 0xffffffff, size)])
    root.set_cells("#size-cells", [1])
    default = root.properties.pop("interrupt-parent")
    for child in root.children:
        if "interrupts" in child.properties:
            child.properties["interrupt-parent"] = default
    timer = root.child("timer")
    timer.name = "clockwork"
    cells = timer.cells("interrupts")
    timer.set_cells("interrupts", cells[6:9] + cells[3:6] + cells[0:3])
    timer.properties["interrupt-names"] = '"virt", "phys", "sec-phys"'
    cpus = root.child("cpus")
    cpus.set_cells("#address-cells", [2])
    for cpu in cpus.children:
        if cpu.properties.get("device_type") == '"cpu"':
            cpu.name = cpu.name.replace("cpu@", "core@")
            cpu.set_cells("reg", [0] + cpu.cells("reg"))
    calls = root.take("psci")
    calls.name = "calls"
    root.children.insert(0, Node("firmware", children=[calls]))
    root.children.append(Node("aliases", {"line": f'"/{fabric.name}/{island.name}/{uart.name}"'}))
    root.child("chosen").properties["stdout-path"] = '"line:115200n8"'
    root.children.append(fabric)
    return root


def compile_tree(root, path):
    done = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(path)], input="/dts-v1/;\n" + root.text(), capture_output=True,
                          text=True)
    if done.returncode:
        sys.exit(f"Bail out! dtc refuses the tree: {done.stderr}")
    return path


def moved(machine, name, options, *patterns):
    root = turn_inside_out(own_tree(machine, options))
    tree = compile_tree(root, work(machine) / f"{name}.dtb")
    run = Run(machine, work(machine) / name, options, tree, ["echo cpus $(nproc)", "sleep 1 && echo slept $((6 * 7))", "poweroff -f"])
    return run.has(r"^platform: described by device tree$", rf"^cpus {machine.smp}$", r"^slept 42$", r"serial: ttyAMA0 is a PL011 at 0x9000000",
                   *patterns)


def no_uart(machine):
    """The tree says that the UART is not to be used: nothing of the kernel may arrive on it."""
    options = "gic-version=2,acpi=off"
    root = own_tree(machine, options)
    root.child("pl011@").properties["status"] = '"disabled"'
    run = Run(machine, work(machine) / "control", options, compile_tree(root, work(machine) / "control.dtb"), append="init.run=/bin/true")
    if re.search(r"stellux: booting|platform:", run.text):
        return "the kernel writes to a UART that the tree does not offer"
    return run.has("BdsDxe: starting")


def half_a_tree(machine):
    """A tree without a timer: ACPI has to do."""
    options = "gic-version=3"
    root = own_tree(machine, options)
    root.take("timer")
    run = Run(machine, work(machine) / "half", options, compile_tree(root, work(machine) / "half.dtb"), ["poweroff -f"])
    return run.has(r"^platform: the device tree has no generic timer$", r"^platform: described by ACPI$", r"^gic: version 3")


def no_tree(machine):
    path = work(machine) / "none.dtb"
    path.write_bytes(b"\xd0\x0d\xfe\xed" + bytes(60))
    run = Run(machine, work(machine) / "none", "gic-version=2", path)
    return run.has(r"/none.dtb: not a well-formed device tree \(named in /limine.conf:\d+\)")


CASES = [
    ("GICv2, calls by HVC", lambda m: moved(m, "gic-v2", "gic-version=2,acpi=off", r"^gic: version 2", r"^psci: .* HVC$")),
    ("GICv3, the tree goes before ACPI", lambda m: moved(m, "gic-v3", "gic-version=3", r"^gic: version 3", r"^psci: .* HVC$")),
    ("from EL2, calls by SMC", lambda m: moved(m, "smc", "gic-version=3,acpi=off,virtualization=on", r"^psci: .* SMC$")),
    ("a UART that the tree does not offer is let alone", no_uart),
    ("a tree that lacks something gives way to ACPI", half_a_tree),
    ("a file that is no tree is refused by name", no_tree),
]


if __name__ == "__main__":
    shape = Machine.from_environment()
    sys.exit(report((name, lambda case=case: case(shape)) for name, case in CASES))
