# SPDX-License-Identifier: MIT
"""Disks that are plugged into and pulled out of slots of PCI Express while the machine runs, for the scripts beside this one."""
import json
import pathlib
import re
import socket
import tempfile
import time

from machine import LIMIT_S

SECTORS = 8192
# device_add's options of a disk, without what it holds; each kind has a slot.
KINDS = {"virtio": {"driver": "virtio-blk-pci"}, "nvme": {"driver": "nvme", "serial": "plugged"}}
NAMES = {"virtio": r"vd[a-z]", "nvme": r"nvme\d+n1"}


class Qmp:
    """QEMU's machine protocol over a socket of its own (docs/interop/qmp-spec)."""

    def __init__(self):
        self.place = pathlib.Path(tempfile.mkdtemp())
        self.path = self.place / "qmp"
        self.options = ["-qmp", f"unix:{self.path},server=on,wait=off"]
        self.socket, self.data, self.plugged = None, b"", 0

    def message(self, limit):
        self.socket.settimeout(limit)
        while b"\n" not in self.data:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("QEMU closed its protocol")
            self.data += data
        line, self.data = self.data.split(b"\n", 1)
        return json.loads(line)

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(self.path))
        self.message(LIMIT_S)
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        """Its answer, or the text of its error."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = self.message(LIMIT_S)
            if "error" in answer:
                return answer["error"]["desc"]
            if "return" in answer:
                return answer["return"]

    def add(self, kind):
        """A disk into its slot. What it holds is its own: an NVMe controller of QEMU 7.2 that is taken out with a request under way
        is never freed (who maps a request's memory holds the controller, and a reset forgets the request), nor is what it held."""
        self.plugged += 1
        node = f"plugged-{self.plugged}"
        answer = self.call("blockdev-add", **{"node-name": node, "driver": "null-co", "size": SECTORS * 512, "read-zeroes": True})
        if answer == {}:
            answer = self.call("device_add", id=f"plug-{kind}", bus=f"slot-{list(KINDS).index(kind)}", drive=node, **KINDS[kind])
        return answer

    def left(self, kind):
        """Waits until the slot is empty. Whether it is."""
        end = time.monotonic() + LIMIT_S
        while any(child["name"] == f"plug-{kind}" for child in self.call("qom-list", path="/machine/peripheral")):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        self.call("blockdev-del", **{"node-name": f"plugged-{self.plugged}"})
        return True

    def close(self):
        if self.socket:
            self.socket.close()
        self.path.unlink(missing_ok=True)
        self.place.rmdir()


def options():
    """QEMU's options for a slot for each kind."""
    words = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
    for n in range(len(KINDS)):
        words += ["-device", f"pcie-root-port,id=slot-{n},chassis={n + 8},addr={n + 20:x}"]
    return words


def plug(type_line, qmp, kind):
    """Plugs one in and waits for it. Its name and a complaint, one of which is None."""
    answer = qmp.add(kind)
    return arrived(type_line, kind) if answer == {} else (None, f"QEMU adds no {kind}: {answer}")


def arrived(type_line, kind):
    """Waits for one that was plugged in, as plug does."""
    begins = NAMES[kind][:2]
    text = type_line(f"until set -- $(grep ' {SECTORS // 2} {begins}' /proc/partitions); [ -b \"/dev/$4\" ]; do sleep 0.1; done; echo it is $4")
    found = re.search(rf"^it is ({NAMES[kind]})$", text, re.MULTILINE)
    return (found[1], None) if found else (None, f"no disk came: {text}")


def pull(type_line, qmp, kind, disk):
    """Pulls one out. A complaint, or None."""
    complaint = taken_out(qmp, kind)
    if complaint:
        return complaint
    text = type_line(f"ls -d /dev/{disk} /sys/block/{disk} /sys/class/block/{disk} 2>&- | wc -l")
    return None if re.search("^0$", text, re.MULTILINE) else f"left of {disk}: {text}"


def unplug(qmp, kind):
    """Asks for one to be taken out; its slot is given up a little later. A complaint, or None."""
    end = time.monotonic() + LIMIT_S
    # QEMU refuses while the slot's light blinks: power comes or goes.
    while (answer := qmp.call("device_del", id=f"plug-{kind}")) != {}:
        if "busy" not in answer or time.monotonic() > end:
            return f"device_del: {answer}"
        time.sleep(0.02)
    return None


def taken_out(qmp, kind):
    """Takes one out and waits until its slot is empty. A complaint, or None."""
    return unplug(qmp, kind) or (None if qmp.left(kind) else "the slot was not given up")


def early_round(type_line, qmp, kind, wait_s):
    """Plugs one in and pulls it out while it is being found. A complaint, or None."""
    answer = qmp.add(kind)
    if answer != {}:
        return f"QEMU adds no {kind}: {answer}"
    time.sleep(wait_s)
    complaint = taken_out(qmp, kind)
    if complaint:
        return complaint
    text = type_line(f"while grep -q ' {SECTORS // 2} {NAMES[kind][:2]}' /proc/partitions || awk '$4 == \"pcie_port\" {{port[$1]}} $2 in port' /proc/hardware | grep -q .; "
                     "do sleep 0.1; done; echo gone")
    return None if "gone" in text else f"left of {kind}: {text}"


def round_of(type_line, qmp, kind):
    """Plugs one in, has it read and written, and pulls it out meanwhile. A complaint, or None."""
    disk, complaint = plug(type_line, qmp, kind)
    if complaint:
        return complaint
    type_line(f"exec 7<>/dev/{disk}; dd bs=512 count=1 <&7 2>&- | wc -c; "
              f"(while dd if=/dev/{disk} of=/dev/null bs=64k iflag=direct 2>&-; do :; done; echo reader >>/tmp/left) &")
    type_line(f"(while dd if=/dev/zero of=/proc/self/fd/7 bs=16k count=64 conv=fsync 2>&-; do :; done; echo writer >>/tmp/left) &")
    complaint = pull(type_line, qmp, kind, disk)
    if complaint:
        return complaint
    # Who reads and writes comes to an end, and the file that is open says why: also of what was read before.
    text = type_line("wait; l=$(sort /tmp/left | tr '\\n' ' '); rm /tmp/left; d=$(dd bs=512 count=1 iflag=direct <&7 2>&1 >/dev/null | "
                     "grep -c 'No such device'); c=$(dd bs=512 count=1 <&7 2>&1 >/dev/null | grep -c 'No such device'); exec 7>&-; "
                     "echo over: $l$d $c")
    return None if re.search("^over: reader writer 1 1$", text, re.MULTILINE) else f"{kind}: {text}"
