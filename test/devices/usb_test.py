#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""USB behind an xHCI controller: keyboards, mice, tablets and disks, at the root and behind a hub, as QEMU has them. Keys reach a shell
on a text console, disks are read and written, both are plugged and pulled while they are used, and the drivers of the controller, of
hubs and of the devices begin anew, by order and after strays, in the middle. Prints KTAP.

usage: usb_test.py [ROUNDS]     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs
"""
import json
import re
import sys

import plugging
from disk_test import MIB, sha, wants
from input_test import Reader, key, keys, mouse, same, send
from input_test import A, KEY
from machine import Machine
from plug_test import Prompt
import consoles     # noqa: E402  (plug_test says where it is)
import disk_images  # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 12
WARM = 4    # rounds after which all that stays for good is there
PARTS = [(2048, 8192, "first"), (12288, 4096, "second")]
NAMES = {"keyboard": "QEMU QEMU USB Keyboard", "mouse": "QEMU QEMU USB Mouse", "tablet": "QEMU QEMU USB Tablet"}
SCREENS = {"x86_64": "bochs-display", "aarch64": "ramfb"}
STICK_KIB, PLUGGED_KIB = 16384, 8192
HELD = ("awk '$1 ~ /^(usb|xhci|usb_hub|usb_hid|usb_storage|device|block|input|pci)$/ {print \"held\", $1, $5, $8, $9}' /proc/components; "
        "awk '!/Reserved/ {print \"held\", $1, $2, 0, 0}' /proc/dma_memory")


def named(variable, kib):
    """A disk of that size, whatever the machine calls it: it has others."""
    return f"{variable}=$(awk '$3 == {kib} && $4 ~ /^sd[a-z]$/ {{print $4}}' /proc/partitions)"


class Stick:
    """The image of a disk, which the machine may change."""

    def __init__(self, place):
        self.path = place / "usb-stick.raw"
        self.data = bytes(disk_images.gpt(21, STICK_KIB * 1024, PARTS))
        self.path.write_bytes(self.data)
        self.options = ["-blockdev", json.dumps({"node-name": "stick", "driver": "raw", "file": {"driver": "file", "filename": str(self.path)}})]


def options(machine, stick):
    return ["-device", SCREENS[machine.arch], "-device", "qemu-xhci,id=usb,p2=8,p3=8", "-device", "usb-hub,bus=usb.0,port=3,id=hub",
            *stick.options, "-device", "usb-storage,bus=usb.0,port=1,drive=stick,id=stick,serial=STICK-1",
            "-device", "usb-kbd,bus=usb.0,port=2,id=keyboard", "-device", "usb-mouse,bus=usb.0,port=3.1,id=mouse",
            "-device", "usb-tablet,bus=usb.0,port=3.2,id=tablet"]


def held(shell):
    return re.findall(r"^held ([\w:]+) (\d+) (\d+) (\d+)$", shell.type(HELD), re.MULTILINE)


def listed(shell):
    """What is there, as /sys tells it."""
    text = shell.type(f"until {named('S', STICK_KIB)}; [ -b /dev/${{S}}2 ]; do sleep 0.1; done; cd /sys/bus/usb/devices; for d in *-*[0-9]; do [ -f $d/speed ] && "
                      "echo at $d $(cat $d/speed $d/idVendor $d/idProduct $d/product); done; for l in */driver; do echo by $(basename $(readlink $l)); done | sort | uniq -c; cd; "
                      "ls /dev/input/by-id")
    return wants(text, r"^at 1-\d+ 5000 46f4 0001 QEMU USB HARDDRIVE$", r"^at 1-\d+ 480 0627 0001 QEMU USB Keyboard$",
                 r"^at 1-\d+ 12 0409 55aa QEMU USB Hub$", r"^at 1-\d+\.1 12 0627 0001 QEMU USB Mouse$", r"^ +3 by usb_hid$", r"^ +2 by usb_hub$", r"^ +1 by usb_storage$", "usb-QEMU_QEMU_USB_Keyboard-event-kbd")


def typed(shell, qmp):
    """The shell on the text console that is in front obeys keys."""
    # What the case before typed is a line, too.
    for name in ["ret", "t", "o", "u", "c", "h", "spc", "slash", "t", "m", "p", "slash", "k", "7", "ret"]:
        answer = qmp.call("send-key", keys=[{"type": "qcode", "data": name}], **{"hold-time": 20})
        if answer != {}:
            return f"send-key: {answer}"
        shell.type("sleep 0.1")
    return wants(shell.type("for n in $(seq 200); do [ -e /tmp/k7 ] && break; sleep 0.1; done; ls /tmp/k7"), "^/tmp/k7$")


def disk(shell, stick):
    """All of it, and its partitions; what is written is what the host finds."""
    first, blocks, _ = PARTS[0]
    part = stick.data[first * 512:(first + blocks) * 512]
    complaint = wants(shell.type("sha256sum /dev/$S; sha256sum /dev/${S}1; cat /sys/block/$S/size"), sha(stick.data), sha(part),
                      f"^{len(stick.data) // 512}$")
    if complaint:
        return complaint
    text = shell.type("dd if=/dev/urandom of=/tmp/news bs=64k count=16 2>&-; sha256sum </tmp/news; dd if=/tmp/news of=/dev/${S}2 bs=32k conv=fsync 2>&- && echo written")
    found = re.search(r"^([0-9a-f]{64}) ", text, re.MULTILINE)
    if not found or "written" not in text:
        return text
    offset = PARTS[1][0] * 512
    data = stick.path.read_bytes()
    changed = data[offset:offset + MIB]
    if sha(changed) != found[1] or data[:offset] != stick.data[:offset]:
        return "the host does not find what was written"
    stick.data = data
    return None


UP = ("until awk '$4 == \"{0}\" {{n++; if ($5 != \"up\") bad = 1}} END {{exit !(n >= {1} && !bad)}}' /proc/hardware; do sleep 0.1; done; ")


def begun_anew(shell, stick, driver, count, order, event=lambda: None):
    """A driver begins anew while the disk is read, after an event: what is read is right, and all comes back."""
    rounds = "$(awk -v d=" + driver + " '$4 == d {n += $6 + $7} END {print n + 0}' /proc/hardware)"
    shell.type(f"echo 3 >/proc/sys/vm/drop_caches; before={rounds}; {order}")
    event()
    text = shell.type(f"sha256sum /dev/$S; until [ {rounds} -gt $before ]; do sleep 0.1; done; " + UP.format(driver, count) +
                      UP.format("usb_hid", 3) + UP.format("usb_storage", 1) + "echo all up; echo none >/proc/stray_points")
    return wants(text, sha(stick.data), "^all up$")


# Fault point, the thread that passes it, how often before it faults, whose it is, how many devices the driver has, and what has it
# passed beside reading.
STRAYS = [("driver_xhci_event", "$x", 20, "xhci", 1, ""), ("driver_xhci_submit", "$s", 20, "xhci", 1, ""),
          ("driver_xhci_command", "$h", 1, "xhci", 1, "echo restart usb_hub >/proc/components"),
          ("driver_usb_hub_port", "$h", 2, "usb_hub", 2, "echo restart usb_hub >/proc/components"),
          ("driver_usb_hid_report", "$k", 1, "usb_hid", 3, "key"), ("driver_usb_storage_submit", "sha256sum", 20, "usb_storage", 1, ""),
          ("driver_usb_storage_command", "$s", 20, "usb_storage", 1, ""), ("driver_usb_storage_finish", "$s", 20, "usb_storage", 1, "")]


def strays(shell, stick, qmp):
    """A stray write in each of the drivers, in the middle of reading: it is blamed, and the disk's content is right."""
    names = ("x=$(awk '$4 == \"xhci\" {print $1}' /proc/hardware); s=$(awk '$4 == \"usb_storage\" {print $1}' /proc/hardware); "
             "h=$(ls /sys/bus/usb/devices | grep '^[0-9]*-0:'); "
             "k=$(basename $(dirname $(grep -l Keyboard /sys/bus/usb/devices/*-*/product))):1.0; ")
    for point, thread, passes, driver, count, how in STRAYS:
        order = (f"{names} seen=$(dmesg | grep -c 'stray access caught: write by {driver} '); "
                 f"echo {point} thread {thread} pass {passes} faults 1 >/proc/stray_points; {how if how != 'key' else ''}")

        def press(how=how):
            if how == "key":
                send(qmp, key("a", True))
                send(qmp, key("a", False))

        complaint = begun_anew(shell, stick, driver, count, order, press)
        complaint = complaint or wants(shell.type(f"[ $(dmesg | grep -c 'stray access caught: write by {driver} ') -gt $seen ] && "
                                                  "echo it was blamed"), "^it was blamed$")
        if complaint:
            return f"{point}: {complaint}"
    return None


def plug(qmp, **device):
    answer = qmp.call("device_add", **device)
    return None if answer == {} else f"device_add: {answer}"


def pull(qmp, name):
    answer = qmp.call("device_del", id=name)
    return None if answer == {} else f"device_del: {answer}"


def one_round(shell, qmp, number):
    """A keyboard with a key down, and a disk that is being read, come and go."""
    kind, bus = ("usb-kbd", "3.3") if number % 2 == 0 else ("usb-kbd", "5")
    if number % 3 == 2:
        complaint = plug(qmp, id="more", driver="usb-hub", bus="usb.0", port="6")
        kind, bus = "usb-kbd", "6.1"
        if complaint:
            return complaint
    qmp.call("blockdev-add", **{"node-name": f"round{number}", "driver": "null-co", "size": PLUGGED_KIB * 1024, "read-zeroes": True})
    complaint = (plug(qmp, id="key", driver=kind, bus="usb.0", port=bus) or
                 plug(qmp, id="disk", driver="usb-storage", bus="usb.0", port="7", drive=f"round{number}"))
    if complaint:
        return complaint
    text = shell.type(f"until {named('N', PLUGGED_KIB)}; [ -b \"/dev/$N\" ] && [ $(grep -c '{NAMES['keyboard']}' /proc/bus/input/devices) = 2 ]; do sleep 0.1; done; "
                      "exec 7</dev/$N; dd bs=64k count=4 iflag=direct <&7 2>&- | wc -c; (cat <&7 >/dev/null 2>/tmp/err; echo ended >>/tmp/err) & sleep 0.1; echo there")
    complaint = wants(text, "^262144$", "^there$")
    complaint = complaint or pull(qmp, "disk") or pull(qmp, "key") or (pull(qmp, "more") if number % 3 == 2 else None)
    text = shell.type(f"exec 7<&-; while [ -e /dev/$N ] || [ $(grep -c '{NAMES['keyboard']}' /proc/bus/input/devices) != 1 ]; do sleep 0.1; done; "
                      "until grep -q ended /tmp/err; do sleep 0.1; done; echo gone")
    complaint = complaint or wants(text, "^gone$")
    qmp.call("blockdev-del", **{"node-name": f"round{number}"})
    return complaint


def no_more(now, before):
    return len(now) == len(before) and all(one[0] == other[0] and all(int(n) <= int(m) for n, m in zip(one[1:], other[1:]))
                                           for one, other in zip(now, before))


def rounds(shell, qmp):
    before = None
    for number in range(ROUNDS):
        complaint = one_round(shell, qmp, number)
        if complaint:
            return f"round {number}: {complaint}"
        # What ended last is given back a little later.
        if number == WARM - 1:
            shell.type("sleep 1")
            before = held(shell)
    for _ in range(100):
        after = held(shell)
        if no_more(after, before):
            return None
        shell.type("sleep 0.1")
    return f"held after {WARM} rounds {before}, after {ROUNDS} {after}"


def pulled(shell, qmp):
    """The hub with all that is behind it, and the disk and the keyboard at the root: nothing is left of them."""
    reader = Reader(shell, NAMES["keyboard"])
    send(qmp, key("a", True))
    complaint = same(reader.events(1), [(KEY, A, 1)])
    reader.close()
    complaint = complaint or pull(qmp, "hub") or pull(qmp, "stick") or pull(qmp, "keyboard")
    text = shell.type("while grep -q 'QEMU USB' /proc/bus/input/devices || [ -e /dev/$S ]; do sleep 0.1; done; ls /sys/bus/usb/devices | wc -w")
    return complaint or wants(text, "^2$")


def strays_in_the_bus(shell, stick):
    """One in the bus itself, while a hub that begins anew looks what is in its ports: no address at the controller is lost by it."""
    for point in ("driver_usb_met", "driver_usb_forget"):
        order = (f"h=$(awk '$4 == \"usb_hub\" {{print $1; exit}}' /proc/hardware); echo {point} thread $h pass 1 faults 1 >/proc/stray_points; "
                 "(sleep 0.2; echo restart usb_hub >/proc/components) & true")
        complaint = begun_anew(shell, stick, "usb_hub", 2, order)
        if complaint:
            return f"{point}: {complaint}"
    return None


def main():
    machine = Machine.from_environment()
    place = machine.build / "results" / "devices"
    place.mkdir(parents=True, exist_ok=True)
    stick, qmp, shell = Stick(place), plugging.Qmp(), None
    cases = [("what is there is listed, each with its driver", lambda: listed(shell)),
             ("a disk is read and written", lambda: disk(shell, stick)),
             ("keys, lamps, and a driver that begins anew", lambda: keys(shell, qmp, NAMES["keyboard"], "usb_hid")),
             ("keys reach a shell on a text console", lambda: typed(shell, qmp)),
             ("the disk's driver begins anew in the middle of reading",
              lambda: begun_anew(shell, stick, "usb_storage", 1, "(sleep 0.2; echo restart usb_storage >/proc/components) & true")),
             ("the hubs' driver does", lambda: begun_anew(shell, stick, "usb_hub", 2, "(sleep 0.2; echo restart usb_hub >/proc/components) & true")),
             ("the controller's driver does", lambda: begun_anew(shell, stick, "xhci", 1, "(sleep 0.2; echo restart xhci >/proc/components) & true")),
             ("strays in the drivers", lambda: strays(shell, stick, qmp)),
             ("strays in the bus", lambda: strays_in_the_bus(shell, stick)),
             ("a tablet behind a hub", lambda: tablet_behind(shell, qmp)),
             ("a mouse behind a hub", lambda: mouse(shell, qmp, NAMES["mouse"])),
             (f"{ROUNDS} rounds of plugging and pulling", lambda: rounds(shell, qmp)),
             ("all is pulled out", lambda: pulled(shell, qmp))]
    failed = 0
    print(f"TAP version 14\n1..{len(cases)}", flush=True)
    try:
        shell = Prompt(machine, options(machine, stick) + qmp.options)
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
        stick.path.unlink(missing_ok=True)
    return 1 if failed else 0


def tablet_behind(shell, qmp):
    """Its axes; then it is pulled, since QEMU has one of two devices with buttons, and says not which."""
    reader = Reader(shell, NAMES["tablet"])
    send(qmp, {"type": "abs", "data": {"axis": "x", "value": 1000}}, {"type": "abs", "data": {"axis": "y", "value": 32767}})
    complaint = same(reader.events(2), [(3, 0, 1000), (3, 1, 32767)])
    reader.close()
    complaint = complaint or pull(qmp, "tablet")
    text = shell.type(f"while grep -q '{NAMES['tablet']}' /proc/bus/input/devices; do sleep 0.1; done; echo pulled")
    return complaint or wants(text, "^pulled$")


if __name__ == "__main__":
    sys.exit(main())
