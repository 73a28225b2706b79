#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keys and mice of a machine, as QEMU's protocol moves them and programs read them: virtio's behind slots for plugging, and a PC's own
when those are pulled out. Their drivers begin anew while a key is down. Prints KTAP.

usage: input_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs
"""
import re
import sys

import plugging
from disk_test import wants
from machine import LIMIT_S, Machine
from plug_test import Prompt
import consoles     # noqa: E402  (plug_test says where it is)

EVENT = 24
KEY, REL, ABS, MSC, SYN, LED, REP = 1, 2, 3, 4, 0, 0x11, 0x14
A, B, LEFT_SHIFT, UP, BTN_LEFT = 30, 48, 42, 103, 0x110
NAMES = {"keyboard": "QEMU Virtio Keyboard", "mouse": "QEMU Virtio Mouse", "tablet": "QEMU Virtio Tablet"}
PC_NAMES = {"keyboard": "AT Translated Set 2 keyboard", "mouse": "PS/2 wheel mouse"}


def options():
    words = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
    for n, kind in enumerate(NAMES):
        words += ["-device", f"pcie-root-port,id=input-{n},chassis={n + 8},addr={n + 20:x}", "-device", f"virtio-{kind}-pci,bus=input-{n},id={kind}"]
    return words


class Reader:
    """A file of an input device that the shell has open as descriptor 7, and the events that come to it."""

    def __init__(self, shell, name):
        self.shell, self.left = shell, []
        text = shell.type(f"for e in /sys/class/input/event*; do grep -qxF '{name}' $e/device/name && echo found ${{e##*/}}; done")
        found = re.search(r"^found (event\d+)$", text, re.MULTILINE)
        if not found:
            raise consoles.ConsoleError(f"no input device {name}: {text}")
        self.node = found[1]
        shell.type(f"exec 7<>/dev/input/{self.node}")

    def events(self, count):
        """So many events, without scan codes and ends of reports; it waits for them."""
        while len(self.left) < count:
            text = self.shell.type(f"dd bs={EVENT} count=1 <&7 2>&- | hexdump -v -e '24/1 \"%02x\" \"\\n\"'")
            found = re.search(r"^([0-9a-f]{48})$", text, re.MULTILINE)
            if not found:
                raise consoles.ConsoleError(f"no event of {self.node}: {text}")
            data = bytes.fromhex(found[1])[16:]
            kind, code, value = (int.from_bytes(data[at:at + size], "little", signed=size == 4) for at, size in ((0, 2), (2, 2), (4, 4)))
            if kind == MSC or (kind, code) == (SYN, 0):
                continue
            self.left.append((kind, code, value))
        got, self.left = self.left[:count], self.left[count:]
        return got

    def close(self):
        self.shell.type("exec 7<&-")


def send(qmp, *events):
    answer = qmp.call("input-send-event", events=list(events))
    if answer != {}:
        raise consoles.ConsoleError(f"input-send-event: {answer}")


def key(name, down):
    return {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}}


def button(name, down):
    return {"type": "btn", "data": {"down": down, "button": name}}


def move(kind, axis, value):
    return {"type": kind, "data": {"axis": axis, "value": value}}


def same(got, wanted):
    return None if got == wanted else f"events are {got}, not {wanted}"


def keys(shell, qmp, name, driver):
    """Keys, and a driver that begins anew while one is down: it comes up, and the open file goes on."""
    reader = Reader(shell, name)
    # The shell is slow: keys must not repeat.
    shell.type(r"printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\024\0\001\0\0\0\0\0' >&7")
    send(qmp, key("shift", True), key("a", True))
    complaint = same(reader.events(3), [(REP, 1, 0), (KEY, LEFT_SHIFT, 1), (KEY, A, 1)])
    send(qmp, key("a", False), key("shift", False), key("up", True), key("up", False))
    complaint = complaint or same(reader.events(4), [(KEY, A, 0), (KEY, LEFT_SHIFT, 0), (KEY, UP, 1), (KEY, UP, 0)])
    # A lamp, by what is written to the device.
    shell.type(r"printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\021\0\001\0\001\0\0\0' >&7")
    send(qmp, key("b", True))
    complaint = complaint or same(reader.events(2), [(LED, 1, 1), (KEY, B, 1)])
    if complaint:
        return complaint
    shell.type(f"echo restart {driver} >/proc/components")
    complaint = same(reader.events(1), [(KEY, B, 0)])
    text = shell.type(f"while awk '$4 == \"{driver}\" && $5 != \"up\"' /proc/hardware | grep -q .; do sleep 0.1; done; echo again")
    complaint = complaint or wants(text, "^again$")
    send(qmp, key("b", False), key("a", True), key("a", False))
    complaint = complaint or same(reader.events(2), [(KEY, A, 1), (KEY, A, 0)])
    reader.close()
    return complaint


def lost(shell, qmp, name, driver):
    """All interrupts of a keyboard are lost: its driver looks by itself, a few seconds later, and no key is kept for good."""
    reader = Reader(shell, name)
    shell.type(f"d=$(readlink -f /sys/class/input/{reader.node} | sed 's|/input/.*||; s|.*/||'); "
               f"echo driver_{driver}_interrupt thread $d pass 1 faults 1000000 >/proc/stray_points")
    send(qmp, key("a", True))
    complaint = same(reader.events(1), [(KEY, A, 1)])
    text = shell.type("grep ^armed /proc/stray_points; echo none >/proc/stray_points")
    complaint = complaint or wants(text, rf"^armed driver_{driver}_interrupt passed \d+ faulted [1-9]")
    send(qmp, key("a", False))
    complaint = complaint or same(reader.events(1), [(KEY, A, 0)])
    reader.close()
    return complaint


def mouse(shell, qmp, name):
    reader = Reader(shell, name)
    send(qmp, move("rel", "x", 5), move("rel", "y", -3))
    complaint = same(reader.events(2), [(REL, 0, 5), (REL, 1, -3)])
    send(qmp, button("left", True))
    complaint = complaint or same(reader.events(1), [(KEY, BTN_LEFT, 1)])
    send(qmp, button("left", False))
    complaint = complaint or same(reader.events(1), [(KEY, BTN_LEFT, 0)])
    send(qmp, button("wheel-up", True), button("wheel-up", False))
    complaint = complaint or same(reader.events(1), [(REL, 8, 1)])
    reader.close()
    return complaint


def tablet(shell, qmp, name):
    reader = Reader(shell, name)
    send(qmp, move("abs", "x", 1000), move("abs", "y", 32767))
    complaint = same(reader.events(2), [(ABS, 0, 1000), (ABS, 1, 32767)])
    reader.close()
    # QEMU has one of two devices with buttons, and says not which.
    return complaint or pulled(shell, qmp, "tablet")


def pulled(shell, qmp, kind):
    answer = qmp.call("device_del", id=kind)
    if answer != {}:
        return f"device_del: {answer}"
    return wants(shell.type(f"while grep -q '{NAMES[kind]}' /proc/bus/input/devices; do sleep 0.1; done; echo pulled"), "^pulled$")


def unplugged(shell, qmp):
    """Who reads one that is pulled out while a key is down is told so, and nothing is left of it."""
    reader = Reader(shell, NAMES["keyboard"])
    send(qmp, key("a", True))
    complaint = same(reader.events(1), [(KEY, A, 1)])
    complaint = complaint or pulled(shell, qmp, "keyboard") or pulled(shell, qmp, "mouse")
    text = shell.type(f"dd bs={EVENT} count=1 <&7 2>&1 >/dev/null | grep -c 'No such device'; [ -e /dev/input/{reader.node} ] || echo gone")
    reader.close()
    return complaint or wants(text, "^1$", "^gone$")


def main():
    machine = Machine.from_environment()
    (machine.build / "results" / "devices").mkdir(parents=True, exist_ok=True)
    qmp, shell = plugging.Qmp(), None
    cases = [("virtio: keys, lamps, and a driver that begins anew", lambda: keys(shell, qmp, NAMES["keyboard"], "virtio_input")),
             ("virtio: lost interrupts", lambda: lost(shell, qmp, NAMES["keyboard"], "virtio_input")),
             ("virtio: a tablet", lambda: tablet(shell, qmp, NAMES["tablet"])),
             ("virtio: a mouse with a wheel", lambda: mouse(shell, qmp, NAMES["mouse"])),
             ("virtio: pulled out", lambda: unplugged(shell, qmp))]
    if machine.arch == "x86_64":
        cases += [("PS/2: keys, lamps, and a driver that begins anew", lambda: keys(shell, qmp, PC_NAMES["keyboard"], "i8042")),
                  ("PS/2: lost interrupts", lambda: lost(shell, qmp, PC_NAMES["keyboard"], "i8042")),
                  ("PS/2: a mouse with a wheel", lambda: mouse(shell, qmp, PC_NAMES["mouse"]))]
    failed = 0
    print(f"TAP version 14\n1..{len(cases)}", flush=True)
    try:
        shell = Prompt(machine, options() + qmp.options)
        qmp.connect()
        for number, (name, case) in enumerate(cases, 1):
            complaint = case()
            failed += complaint is not None
            print(f"{'not ok' if complaint else 'ok'} {number} - {name}", flush=True)
            if complaint:
                print("# " + complaint.replace("\n", "\n# "), flush=True)
    except (consoles.ConsoleError, EOFError, OSError) as error:
        failed += 1
        print(f"Bail out! {error}", flush=True)
    finally:
        if shell:
            shell.console.close()
        qmp.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
