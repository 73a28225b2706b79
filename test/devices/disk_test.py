#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks that nobody here formatted, behind each virtio transport of the machine and behind NVMe controllers: programs read what the
host wrote and write what the host finds, partitions are where their tables say, errors and slowness of the device come out as such,
and a driver that is broken in the middle of a checksum comes back, and the checksum is right. Prints KTAP.

usage: disk_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs
"""
import hashlib
import json
import os
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "session")]
import consoles     # noqa: E402
import disk_images  # noqa: E402
import serial_steps  # noqa: E402
from machine import LIMIT_S, Machine, ends  # noqa: E402
from session import at_prompt  # noqa: E402

MIB = 1 << 20
MMIO = ["-machine", "acpi=off", "-global"]
WIRES = ["-global", "virtio-blk-pci.vectors=0", "-global", "virtio-rng-pci.vectors=0"]
NVME, AHCI = "nvme", "ahci"
# name, QEMU's options, how its devices' names end, or NVME, or AHCI
TRANSPORTS = {
    "aarch64": [("virtio over MMIO", [*MMIO, "virtio-mmio.force-legacy=false"], "device"),
                ("legacy virtio over MMIO", [*MMIO, "virtio-mmio.force-legacy=true"], "device"),
                ("virtio over PCI, its messages by the translation service", ["-machine", "gic-version=3"], "pci"), ("NVMe", [], NVME),
                ("AHCI", [], AHCI)],
    "x86_64": [("virtio over PCI", [], "pci"), ("virtio over PCI, by its wires", WIRES, "pci"), ("NVMe", [], NVME),
               ("AHCI", [], AHCI)],
}
FIRST = TRANSPORTS[os.environ.get("STELLUX_ARCH", "x86_64")][0][0]
GPT_PARTS = [(2048, 20480, "first"), (22528, 40001, "odd")]
MBR_PARTS = {1: (2048, 4096), 5: (8193, 2048), 6: (10243, 4099)}
BAD_READ, BAD_WRITE = 2051, 4099    # sectors
COPIED = 3 * MIB + 512


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Disks:
    """The images of one boot, and QEMU's options for them: vda GPT, vdb MBR, vdc to be written, vdd with errors, vde slow, and of
    NVMe vdf with blocks of 4096 bytes. No two have the same size: the machine may find them in another order. NVMe has two
    controllers: one with vda, of one pair of queues, and one with all others as its namespaces. AHCI has two, too: one with vda, one
    with all others at its ports, of which some are empty."""

    def __init__(self, place, device):
        place.mkdir(parents=True, exist_ok=True)
        self.driver = device if device in (NVME, AHCI) else "virtio_blk"
        self.gpt = bytes(disk_images.gpt(7, 64 * MIB, GPT_PARTS))
        self.mbr = bytes(disk_images.mbr(8, 16 * MIB, MBR_PARTS[1], (8192, 8192), [MBR_PARTS[5], MBR_PARTS[6]]))
        self.bad = bytes(disk_images.content(9, 5 * MIB))
        self.slow = bytes(disk_images.content(10, 6 * MIB))
        self.place, self.device, self.options, self.paths, self.blocks = place, device, [], [], {}
        self.add("a", self.gpt)
        self.add("b", self.mbr)
        self.add("c", bytes(4 * MIB))
        self.add("d", self.bad, "blkdebug", {"image": None, "inject-error": [
            {"event": "read_aio", "errno": 5, "sector": BAD_READ, "once": False},
            {"event": "write_aio", "errno": 5, "sector": BAD_WRITE, "once": False}]})
        self.options += ["-object", "throttle-group,id=slow,x-iops-total=100"]
        self.add("e", self.slow, "throttle", {"throttle-group": "slow", "file": None})
        if device == NVME:
            self.trace = place / "disk-trace.txt"
            self.options += ["-D", str(self.trace), "-trace", "enable=pci_nvme_flush_ns", "-trace",
                             "enable=pci_nvme_mmio_shutdown_set"]
            self.paths.append(self.trace)
            self.large = bytes(disk_images.content(12, 7 * MIB))
            self.add("f", self.large)
            return
        if device == AHCI:
            self.trace = place / "disk-trace.txt"
            self.options += ["-D", str(self.trace), "-trace", "enable=ide_exec_cmd", "-trace", "enable=process_ncq_command"]
            self.paths.append(self.trace)
            return
        self.random = bytes(disk_images.content(11, MIB))
        self.paths.append(place / "random.raw")
        self.paths[-1].write_bytes(self.random)
        self.options += ["-object", f"rng-random,id=random,filename={self.paths[-1]}", "-device", f"virtio-rng-{device},rng=random"]

    def add(self, letter, data, driver=None, options=None):
        path = self.place / f"disk-{letter}.raw"
        path.write_bytes(data)
        self.paths.append(path)
        self.blocks[len(data) // 1024] = letter
        node = {"driver": "file", "filename": str(path)}
        if driver:
            node = {"driver": driver, **{key: node if value is None else value for key, value in options.items()}}
        self.options += ["-blockdev", json.dumps({"node-name": letter, "driver": "raw", "file": node, "discard": "unmap"})]
        if self.device in (NVME, AHCI):
            self.options += self.namespace(letter) if self.device == NVME else self.port(letter)
            return
        queues = ",num-queues=2" if letter == "a" else ""
        self.options += ["-device", f"virtio-blk-{self.device},drive={letter},serial=disk-{letter},id=device-{letter}{queues}"]

    def namespace(self, letter):
        """Numbers with holes in between."""
        number = {"a": 1, "b": 1, "c": 2, "d": 5, "e": 17, "f": 256}[letter]
        options = {"a": ["-device", "nvme,id=first,serial=disk-a,max_ioqpairs=1"],
                   "b": ["-device", "nvme,id=second,serial=others,mdts=5"]}.get(letter, [])
        blocks = ",logical_block_size=4096,physical_block_size=4096" if letter == "f" else ""
        return [*options, "-device", f"nvme-ns,bus={'first' if letter == 'a' else 'second'},drive={letter},nsid={number}{blocks}"]

    @staticmethod
    def port(letter):
        controller, number = {"a": ("first", 2), "b": ("second", 0), "c": ("second", 1), "d": ("second", 3), "e": ("second", 5)}[letter]
        options = {"a": ["-device", "ich9-ahci,id=first"], "b": ["-device", "ich9-ahci,id=second"]}.get(letter, [])
        return [*options, "-device", f"ide-hd,bus={controller}.{number},drive={letter},serial=disk-{letter}"]

    def discard(self):
        for path in self.paths:
            path.unlink(missing_ok=True)


LOG_LINES = re.compile(rb"(?:\[ *\d+\.\d{6}\] [^\r\n]*\r?\n)+\Z")


class Shell:
    """The machine's shell, for which and by which disks are called as above, whatever the machine calls them."""

    def __init__(self, machine, name, options, disks):
        image = machine.make_image(machine.build / "results" / "devices" / f"disk-{machine.arch}.img", "initramfs",
                                   f"console={machine.facts['console']}")
        self.console = consoles.open_machine(machine.command(image, options))
        self.name, self.ours, self.theirs, self.driver, self.console_name = name, {}, {}, disks.driver, machine.facts["console"]
        self.collect()
        for blocks, disk in re.findall(r"^ *\d+ +\d+ +(\d+) ([sv]d[a-z]|nvme\d+n\d+)$", self.type("cat /proc/partitions"), re.MULTILINE):
            if int(blocks) in disks.blocks:
                self.ours[disk] = f"vd{disks.blocks[int(blocks)]}"
        self.theirs = {ours: disk for disk, ours in self.ours.items()}

    @staticmethod
    def translate(text, names):
        """Names of disks and partitions; where a disk's ends with a digit, p is between."""
        def other(found):
            name = names.get(found[1], found[1])
            return name + ("p" if found[2] and name[-1].isdigit() else "") + found[2]

        return re.sub(r"\b([sv]d[a-z]|nvme\d+n\d+)(?:p?(?<=[a-z])|\b)(\d*)\b", other, text)

    def collect(self):
        # What the kernel says meanwhile may come behind the prompt.
        data, done = self.console.collect(lambda data: at_prompt(LOG_LINES.sub(b"", data)), LIMIT_S)
        if not done:
            raise consoles.ConsoleError(f"{self.name}: no prompt within {LIMIT_S} s; the last was {data[-300:]!r}")
        text = re.sub(r"\x1b\[[0-9;?=]*[a-zA-Z]", "", data.decode(errors="replace").replace("\r", ""))
        return self.translate(text, self.ours)

    def type(self, line):
        self.console.send(self.translate(line, self.theirs).encode() + b"\r")
        return self.collect()

    def device_of_first(self):
        """The device whose thread finishes vda's requests, or None."""
        text = self.type(f"for d in $(awk '$4 == \"{self.driver}\" {{print $1}}' /proc/hardware); do "
                         f"echo driver_{self.driver}_finish thread $d pass 1000000 >/proc/stray_points; "
                         "dd if=/dev/vda bs=512 count=1 of=/dev/null 2>&-; "
                         "grep -q 'passed [1-9]' /proc/stray_points && echo first $d; done")
        found = re.search(r"^first ([\w:.]+)$", text, re.MULTILINE)
        return found[1] if found else None


def wants(text, *patterns):
    """The first pattern that is not found, with what was there; or nothing."""
    for pattern in patterns:
        if not re.search(pattern, text, re.MULTILINE):
            return f"not found: {pattern}\n{text}"
    return None


def part(image, first, count):
    return image[first * 512:(first + count) * 512]


def whole(shell, disks):
    return wants(shell.type("sha256sum /dev/vda /dev/vdb"), f"^{sha(disks.gpt)}  /dev/vda$", f"^{sha(disks.mbr)}  /dev/vdb$")


def partitions(shell, disks):
    parts = {**{f"vda{n}": part(disks.gpt, first, count) for n, (first, count, _) in enumerate(GPT_PARTS, 1)},
             **{f"vdb{n}": part(disks.mbr, *place) for n, place in MBR_PARTS.items()}}
    return wants(shell.type("sha256sum " + " ".join(f"/dev/{name}" for name in parts)),
                 *(f"^{sha(data)}  /dev/{name}$" for name, data in parts.items()))


def odd_pieces(shell, disks):
    text = shell.type("dd if=/dev/vda bs=3001 skip=7 count=1000 2>&- | sha256sum; "
                      "dd if=/dev/vda bs=4608 skip=5 count=300 2>&- | sha256sum; "
                      "dd if=/dev/vda2 bs=512 skip=40000 count=9 2>&- | sha256sum")
    return wants(text, *(f"^{sha(data)}  -$" for data in (disks.gpt[7 * 3001:1007 * 3001], disks.gpt[5 * 4608:305 * 4608],
                                                           part(disks.gpt, 22528 + 40000, 1))))


def hexdump(shell, disks):
    at, lines = 1234560, []
    for offset in range(at, at + 64, 16):
        row = disks.gpt[offset:offset + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{offset:08x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}  |{text}|")
    return wants(shell.type(f"hexdump -C -s {at} -n 64 /dev/vda"), *(f"^{re.escape(line)}$" for line in lines))


def tables(shell, _):
    """This fdisk knows no GPT and prints the table that protects it."""
    return wants(shell.type("fdisk -l /dev/vda"), r"^/dev/vda1 .* 1 +131071 +131071 .* ee EFI GPT$") or \
        wants(shell.type("fdisk -l /dev/vdb"), r"^/dev/vdb1 .* 2048 +6143 +4096 ", r"^/dev/vdb2 .* 8192 +16383 +8192 .*Extended",
              r"^/dev/vdb5 .* 8193 +10240 +2048 ", r"^/dev/vdb6 .* 10243 +14341 +4099 ")


def sizes(shell, _):
    text = shell.type("for d in vda vda2 vdb6; do echo $d $(blockdev --getsize64 /dev/$d) $(blockdev --getsz /dev/$d) "
                      "$(blockdev --getss /dev/$d) $(blockdev --getro /dev/$d); done")
    return wants(text, f"^vda {64 * MIB} {64 * MIB // 512} 512 0$", f"^vda2 {40001 * 512} 40001 512 0$",
                 f"^vdb6 {4099 * 512} 4099 512 0$")


def written(shell, disks):
    """Whole blocks, direct ones, and a few bytes across two sectors; what was flushed is the host's to see."""
    count = COPIED // 512
    text = shell.type(f"dd if=/dev/vda of=/dev/vdc bs=512 count={count} conv=fsync; "
                      "dd if=/dev/vda2 of=/dev/vdc bs=64k count=2 seek=4 conv=fsync; "
                      "printf 'across two' | dd of=/dev/vdc bs=1 seek=5115 conv=fsync; sync; sha256sum /dev/vdc")
    image = bytearray(4 * MIB)
    image[:COPIED] = disks.gpt[:COPIED]
    image[4 * 65536:6 * 65536] = part(disks.gpt, 22528, 256)
    image[5115:5125] = b"across two"
    there = disks.paths[2].read_bytes()
    return wants(text, f"^{sha(image)}  /dev/vdc$") or (None if there == image else "the host finds another content of vdc")


def errors(shell, disks):
    """The page with the sector that cannot be read, or written, and no other: alone, and where it is one of many."""
    def page(sector):
        return [str(n) for n in range(sector // 8 * 8, sector // 8 * 8 + 8)]

    # Told at the end: what QEMU itself says of each error comes in between.
    text = shell.type(f"b=; for s in $(seq {BAD_READ - 19} {BAD_READ + 19}); do dd if=/dev/vdd bs=512 skip=$s count=1 "
                      "2>&1 >/dev/null | grep -q 'put/output error' && b=\"$b $s\"; done; echo bad $b")
    bad = (re.findall(r"^bad ([\d ]+)$", text, re.MULTILINE) or [""])[-1].split()
    if bad != page(BAD_READ):
        return f"sectors that cannot be read: {bad}\n{text}"
    before = BAD_READ // 8 * 4096
    text = shell.type(f"cat /dev/vdd >/tmp/read; echo cat $? $(wc -c </tmp/read); head -c {before} /dev/vdd | sha256sum; "
                      f"dd if=/dev/vdd bs=4k skip={BAD_READ // 8 + 1} 2>&- | sha256sum; rm /tmp/read")
    complaint = wants(text, rf"^cat 1 {before}$", f"^{sha(disks.bad[:before])}  -$", f"^{sha(disks.bad[before + 4096:])}  -$")
    if complaint:
        return complaint
    text = shell.type(f"b=; for s in $(seq {BAD_WRITE - 11} {BAD_WRITE + 11}); do dd if=/dev/zero of=/dev/vdd bs=512 seek=$s count=1 "
                      "conv=fsync 2>&1 | grep -q 'put/output error' && b=\"$b $s\"; done; echo bad $b")
    bad = (re.findall(r"^bad ([\d ]+)$", text, re.MULTILINE) or [""])[-1].split()
    return None if bad == page(BAD_WRITE) else f"sectors that cannot be written: {bad}"


def slow(shell, disks):
    return wants(shell.type("dd if=/dev/vde bs=4k count=200 2>&- | sha256sum"), f"^{sha(disks.slow[:200 * 4096])}  -$")


def bytes_of_host(shell, disks, count):
    """(what is typed for so many pieces of /dev/hwrng, complaint): each is the host's, and none comes twice."""
    text = shell.type(f"dd if=/dev/hwrng bs=32 count={count} iflag=fullblock of=/tmp/random 2>&-") + \
        shell.type("hexdump -v -e '32/1 \"%02x\" \"\\n\"' /tmp/random")
    rows = re.findall(r"^[0-9a-f]{64}$", text, re.MULTILINE)
    places = [disks.random.find(bytes.fromhex(row)) for row in rows]
    good = len(rows) == count and -1 not in places and len(set(places)) == count
    return text, None if good else f"bytes of the host's at {places}\n{text}"


def random_numbers(shell, disks):
    return bytes_of_host(shell, disks, 9)[1]


def source_broken(shell, disks, point, how, said):
    """The source's driver is broken while somebody reads: he gets all that he wants, from the driver that is attached anew."""
    device = re.search(r"^source (\S+)$", shell.type("awk '$4 == \"virtio_rng\" {print \"source\", $1}' /proc/hardware"), re.MULTILINE)
    if not device:
        return "there is no source"
    before = shell.type("dmesg | grep -c 'virtio_rng is attached anew'")
    shell.type(f"echo driver_virtio_rng_{point} thread {device[1]} pass 5 faults 1 {how} >/proc/stray_points")
    text, bad = bytes_of_host(shell, disks, 64)
    text += shell.type("grep ^armed /proc/stray_points; echo none >/proc/stray_points; cat /proc/dma_memory") + \
        shell.type("dmesg | grep -c 'virtio_rng is attached anew'")
    anew = int(re.findall(r"^(\d+)$", text, re.MULTILINE)[-1]) - int(consoles.found(r"^(\d+)$", before)[1])
    return bad or (None if anew == 1 else f"attached anew {anew} times\n{text}") or \
        wants(text, *said, rf"^armed driver_virtio_rng_{point} passed \d+ faulted 1$", r"^Lent: +0 kB$", r"^Quarantined: +0 kB$")


def source_stray(shell, disks):
    return source_broken(shell, disks, "ask", "", [*blame("virtio_rng", "random"), r"victim:  nucleus text"])


def source_wild(shell, disks):
    return source_broken(shell, disks, "take", "wild", [*blame("virtio_rng", "random"), r"victim:  nothing: no mapping"])


def source_lost(shell, disks):
    return source_broken(shell, disks, "interrupt", "", [r"an interrupt was lost .*; virtio_rng is attached anew"])


def no_elevations(shell, _):
    """A transfer, which is past the cache, needs no privilege: neither the process, the driver nor its bus, the floor of disks or that of
    devices elevates. Where the line that all this is typed on has ports, its driver does, so that it is seen that they are counted."""
    names = (shell.driver, "process", "virtio", "pci", "block", "device")
    text = shell.type("echo on >/proc/privilege; echo a line; dd if=/dev/vda of=/dev/null bs=1M iflag=direct 2>&-; "
                      "awk '$1 == \"component\" {print \"elevations\", $2, $4}' /proc/privilege; echo off >/proc/privilege")
    counted = [r"^elevations serial [1-9]\d*$"] if "ttyS0" in shell.console_name else []
    return wants(text, *(f"^elevations {name} 0$" for name in names), *counted)


LATE = re.compile("an interrupt was lost|a request was not finished in time")


def broken(shell, disks, point, thread, how, command, said):
    """Arms a fault point and runs a checksum of vda through it: the driver is attached anew, once, and the sum is right."""
    if not thread:
        return "no device is vda's"
    before = consoles.found(r"^(\d+)$", shell.type("dmesg | grep -c resumed"))[1]
    text = shell.type(f"echo {point} thread {thread} pass 20 faults 1 {how} >/proc/stray_points; {command}")
    text += shell.type("grep ^armed /proc/stray_points; echo none >/proc/stray_points; cat /proc/dma_memory; echo resumed "
                       "$(dmesg | grep -c resumed)")
    resumed = consoles.found(r"^resumed (\d+)$", text)[1]
    late = len(LATE.findall(text))     # the host may stand still for longer than a request may take, which is said
    if not int(before) < int(resumed) <= int(before) + 1 + late:
        return f"resumed {before} times before and {resumed} after, not once more\n{text}"
    return wants(text, f"^{sha(disks.gpt)}  ", *said, r"is attached anew", r"vda: resumed", rf"^armed {point} passed \d+ faulted 1$",
                 r"^Lent: +0 kB$", r"^Quarantined: +0 kB$")


def blame(driver, kind="block"):
    return [f"=== stray access caught: write by {driver} ===", rf"culprit: component {driver}, function \w+, kernel/driver/{kind}/{driver}/"]


DD = "dd if=/dev/vda bs=1M 2>&- | sha256sum"


def stray_write(shell, disks):
    return broken(shell, disks, f"driver_{shell.driver}_submit", "sha256sum", "", "sha256sum /dev/vda",
                  [*blame(shell.driver), r"victim:  nucleus text", r"vda: a fault in submit"])


def wild_pointer(shell, disks):
    return broken(shell, disks, f"driver_{shell.driver}_finish", shell.device_of_first(), "wild", DD,
                  [*blame(shell.driver), r"victim:  nothing: no mapping"])


def lost_interrupt(shell, disks):
    """How long a request may take is told, so that nobody waits for long; a stop of the host may then take too long for others, too,
    which are given again."""
    ms, said = (9000, "an interrupt was lost|vda: a request was not finished in time") if shell.driver == NVME else \
        (6000, "vda: a request was not finished in time")
    device = shell.device_of_first()
    knob = "/sys/block/vda/queue/io_timeout"
    bad = wants(shell.type(f"cat {knob}; echo 0 >{knob}; echo 1s >{knob}; echo {ms} >{knob}; cat {knob}"), r"^30000$", rf"^{ms}$")
    bad = bad or broken(shell, disks, f"driver_{shell.driver}_interrupt", device, "", DD, [said])
    shell.type(f"echo 30000 >{knob}")
    return bad


def late_answer(shell, disks):
    """The interrupt is lost, and the disk has done what it was asked for: that is found when the request is late, and nobody is
    restarted. The host may stand still for longer than a request may take, which is said: then once more."""
    device, knob, complaint = shell.device_of_first(), "/sys/block/vda/queue/io_timeout", None
    if not device:
        return "no device is vda's"
    shell.type(f"echo 6000 >{knob}")
    for _ in range(3):
        text = shell.type(f"echo before $(dmesg | grep -c resumed); echo driver_ahci_interrupt thread {device} pass 20 faults 1 "
                          ">/proc/stray_points; dd if=/dev/vda bs=256k iflag=direct 2>&- | sha256sum")
        text += shell.type("grep ^armed /proc/stray_points; echo none >/proc/stray_points; cat /proc/dma_memory; "
                           "echo after $(dmesg | grep -c resumed)")
        counts = re.findall(r"^(?:before|after) (\d+)$", text, re.MULTILINE)
        complaint = wants(text, f"^{sha(disks.gpt)}  ", r"a late answer was there",
                          r"^armed driver_ahci_interrupt passed \d+ faulted 1$", r"^Lent: +0 kB$", r"^Quarantined: +0 kB$")
        if not complaint and len(set(counts)) != 1:
            complaint = f"the disk was resumed: {counts}\n{text}"
        if not complaint:
            break
    shell.type(f"echo 30000 >{knob}")
    return complaint


def nothing_left(shell, _):
    """All faults and restarts were counted: perhaps more of them, if the host stood still while little time was given."""
    least = (4, 5) if shell.driver == NVME else (3, 3) if loses_interrupts(shell.name) else (2, 2)
    text = shell.type(f"cat /proc/dma_memory; awk '$4 == \"{shell.driver}\"' /proc/hardware")
    counts = [(int(faults), int(restarts)) for faults, restarts in re.findall(r" up +(\d+) +(\d+) ", text)]
    if not any(faults >= least[0] and restarts >= least[1] for faults, restarts in counts):
        return f"faults and restarts of no device are at least {least}: {counts}\n{text}"
    return wants(text, r"^Lent: +0 kB$", r"^Quarantined: +0 kB$")


def large_blocks(shell, disks):
    """A disk whose blocks have 4096 bytes: less than one is written through the cache, and whole ones past it."""
    text = shell.type("sha256sum /dev/vdf; blockdev --getss /dev/vdf; printf 'in a block' | dd of=/dev/vdf bs=1 seek=8191 "
                      "conv=fsync; dd if=/dev/vdf bs=4k skip=1 count=2 iflag=direct 2>&- | sha256sum; "
                      "cat /sys/block/vdf/queue/physical_block_size; dd if=/dev/vda of=/dev/vdf bs=8k count=3 seek=5 oflag=direct")
    image = bytearray(disks.large)
    image[8191:8201] = b"in a block"
    there = disks.paths[-1].read_bytes()
    complaint = wants(text, f"^{sha(disks.large)}  /dev/vdf$", r"^4096$", f"^{sha(image[4096:3 * 4096])}  -$", r"^4096\n3\+0")
    image[5 * 8192:8 * 8192] = disks.gpt[:3 * 8192]
    return complaint or (None if there == image else "the host finds another content of vdf")


STEPS = [("whole disks have the host's checksums", whole), ("partitions of GPT and MBR, extended ones too", partitions),
         ("pieces of any size and place", odd_pieces), ("hexdump prints what is there", hexdump), ("fdisk -l", tables),
         ("blockdev tells sizes", sizes), ("what is written is on the host's disk", written),
         ("errors of the device are EIO, there and nowhere else", errors), ("a slow device is waited for", slow),
         ("random numbers are the device's", random_numbers),
         ("a stray write while random numbers are asked for: the driver comes back", source_stray),
         ("a wild pointer while they are taken: the driver comes back", source_wild),
         ("an interrupt of theirs is lost: the driver comes back", source_lost), ("a transfer elevates nothing", no_elevations),
         ("a stray write in submit: the driver comes back", stray_write),
         ("a wild pointer in the device's thread: the driver comes back", wild_pointer),
         ("a lost interrupt: the driver comes back", lost_interrupt), ("nothing is left lent or lost", nothing_left)]
def old_answer(shell, disks):
    """The controller answers a command a second time, instead of the one that it was given."""
    return broken(shell, disks, "driver_nvme_answer", shell.device_of_first(), "", DD,
                  [r"an answer to a command that it does not have", r"the controller answers what it was not asked"])


def disturbed_attach(shell, disks):
    """The controller does not say of its namespace what it is, while the disk waits for its driver: it is asked again, and the disk
    kept."""
    device = shell.device_of_first()
    text = shell.type(f"exec 3</dev/vda; echo driver_nvme_identify thread {device} pass 3 faults 1 >/proc/stray_points; "
                      f"echo restart {device} >/proc/hardware; dd bs=1M <&3 2>&- | sha256sum; exec 3<&-; "
                      "grep ^armed /proc/stray_points; echo none >/proc/stray_points; "
                      "echo dropped $(dmesg | grep -c 'its device has it no more')")
    return wants(text, f"^{sha(disks.gpt)}  -$", r"vda: resumed", r"^armed driver_nvme_identify passed \d+ faulted 1$",
                 r"^dropped 0$")


def ncq_and_flush(shell, disks):
    """Reads are queued commands; fsync has the disk empty its cache; reading does not."""
    def seen():
        text = disks.trace.read_text(errors="replace")
        return len(re.findall(r"process_ncq_command", text)), len(re.findall(r"ide_exec_cmd .*cmd 0xea", text))

    queued, flushes = seen()
    shell.type("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vdc of=/dev/null bs=1M")
    after = seen()
    if after[0] <= queued or after[1] != flushes:
        return f"a read: {after[0] - queued} queued commands, {after[1] - flushes} flushes"
    shell.type("dd if=/dev/vda of=/dev/vdc bs=4k count=1 conv=fsync")
    last = seen()
    return None if last[1] > after[1] else f"fsync: {last[1] - after[1]} flushes"


def disks_told_of_power(shell, disks):
    """All five disks of ours, and no disk before, however often their driver was restarted."""
    def told():
        return len(re.findall(r"ide_exec_cmd .*cmd 0xe0", disks.trace.read_text(errors="replace")))

    before = told()
    shell.console.send(b"poweroff -f\r")
    if not ends(shell.console.process, LIMIT_S):
        return "the machine is not switched off"
    return None if before == 0 and told() >= 5 else f"told {before} times before and {told() - before} times in the end"


def flushed(shell, disks):
    """fsync has the controller empty its cache, of the namespace that was written to; reading does not."""
    def flushes(number):
        text = disks.trace.read_text(errors="replace")
        return len(re.findall(rf"^pci_nvme_flush_ns nsid {number:#x}$", text, re.MULTILINE))

    before = flushes(2), flushes(1)
    shell.type("dd if=/dev/vdc of=/dev/null bs=1M")
    if (flushes(2), flushes(1)) != before:
        return "flushed although nothing was written"
    shell.type("dd if=/dev/vda of=/dev/vdc bs=4k count=1 conv=fsync")
    after = flushes(2), flushes(1)
    return None if after[0] > before[0] and after[1] == before[1] else f"flushes before {before}, after {after}"


def described(shell, _):
    """What programs are told of the controllers, and lsblk of the disks."""
    text = shell.type("for n in 0 1; do cd /sys/class/nvme/nvme$n; echo $(cat model) $(cat serial) $(cat transport) $(cat state) "
                      "$(cat queue_count) $(cat subsysnqn) $(readlink -f device | sed 's/.*://'); ls -d nvme* | wc -w; done; cd /; "
                      "for d in vda vdf; do echo $d $(cat /sys/block/$d/device/serial) $(readlink /sys/block/$d | sed 's/.*nvme.nvme/in nvme/')"
                      "; done")
    return wants(text, r"^QEMU NVMe Ctrl disk-a pcie live 2 nqn\.2019-08\.org\.qemu:disk-a [0-9a-f]+\.0\n1$",
                 r"^QEMU NVMe Ctrl others pcie live 3 nqn\.2019-08\.org\.qemu:others [0-9a-f]+\.0\n5$",
                 r"^vda disk-a in nvme\d/vda$", r"^vdf others in nvme\d/vdf$")


def power_off(shell, disks):
    """Both controllers are told that power goes, which nothing else did before, however often their driver was restarted."""
    def told():
        return len(re.findall(r"^pci_nvme_mmio_shutdown_set", disks.trace.read_text(errors="replace"), re.MULTILINE))

    before = told()
    shell.console.send(b"poweroff -f\r")
    if not ends(shell.console.process, LIMIT_S):
        return "the machine is not switched off"
    return None if (before, told()) == (0, 2) else f"told {before} times before and {told() - before} times in the end"


NVME_STEPS = [("a second answer to a command is seen: the driver comes back", old_answer),
              ("an attach that is disturbed keeps the disk", disturbed_attach), ("fsync reaches the device", flushed),
              ("controllers in /sys", described), ("blocks of 4096 bytes", large_blocks)]
AHCI_STEPS = [("a lost interrupt: the answer is found when it is late", late_answer), ("commands are queued, and fsync reaches the disk", ncq_and_flush)]


def loses_interrupts(name):
    """A driver waits half a minute for an interrupt, and virtio's is the same behind each transport."""
    return name in (FIRST, "NVMe")


OF_SOURCE = (random_numbers, source_stray, source_wild, source_lost)


def steps_of(name, device):
    if device == AHCI:
        steps = [step for step in STEPS[:-1] if step[1] not in (*OF_SOURCE, lost_interrupt)]
        return [*steps, *AHCI_STEPS, STEPS[-1], ("disks are told that power goes", disks_told_of_power)]
    if device != NVME:
        return [step for step in STEPS if step[1] not in (lost_interrupt, source_lost) or loses_interrupts(name)]
    return [*(step for step in STEPS[:-1] if step[1] not in OF_SOURCE), *NVME_STEPS, STEPS[-1],
            ("controllers are told that power goes", power_off)]


def boot(machine, name, options, device):
    """Runs the steps on one machine: (name, complaint) of each."""
    disks = Disks(machine.build / "results" / "devices", device)
    shell = None
    try:
        shell = Shell(machine, name, [*options, *disks.options], disks)
        for title, step in steps_of(name, device):
            yield f"{name}: {title}", step(shell, disks)
    except (consoles.ConsoleError, OSError) as error:
        yield f"{name}: the machine goes on", str(error)
    finally:
        if shell:
            consoles.discard(shell.console)
        disks.discard()


class Small:
    """A disk behind each driver, on one machine; by their own names."""

    def __init__(self, place, device):
        place.mkdir(parents=True, exist_ok=True)
        self.trace = place / "small-trace.txt"
        self.driver, self.blocks, self.data, self.paths = None, {}, {}, [self.trace]
        self.options = ["-D", str(self.trace), "-trace", "enable=pci_nvme_mmio_shutdown_set", "-trace", "enable=virtio_set_status"]
        for name, seed, front in (("vda", 13, f"virtio-blk-{device}"), ("nvme0n1", 14, "nvme")):
            self.data[name] = bytes(disk_images.content(seed, 4 * MIB))
            self.paths.append(place / f"small-{name}.raw")
            self.paths[-1].write_bytes(self.data[name])
            self.options += ["-drive", f"file={self.paths[-1]},format=raw,if=none,id={name}", "-device",
                             f"{front},drive={name},serial={name}"]

    def discard(self):
        for path in self.paths:
            path.unlink(missing_ok=True)


def restart_cost(shell, disks, driver, name):
    """How many instructions there are from the report of a fault to the disk that goes on. Complaint or None."""
    text = shell.type(f"echo driver_{driver}_submit thread sha256sum pass 5 faults 1 >/proc/stray_points; sha256sum /dev/{name}")
    text += shell.type(f"dmesg | grep {name}:")
    complaint = wants(text, f"^{sha(disks.data[name])}  ", rf"\[ *[0-9.]+\] {name}: resumed$")
    if complaint:
        return complaint
    times = [float(consoles.found(rf"(?s:.*)\[ *([0-9.]+)\] {name}: {what}", text)[1]) for what in ("a fault in submit", "suspended", "resumed")]
    fault, silent, resumed = (round(at * 1e9) for at in times)
    print(f"# {driver}: instructions from the report of a fault: {silent - fault} until the disk takes no more, {resumed - fault} until "
          "it goes on, a pause included", flush=True)
    return None if fault < silent < resumed else f"the clock went back: {times}"


def end_of_init(shell, disks):
    """PID 1 ends, and no program asked for anything to be kept: what was written is on the host's disks, whose drivers are told."""
    at, words = 1000003, b"kept in the end"
    for number, name in enumerate(disks.data, 5):
        # Kept open: the last close would write it.
        shell.type(f"exec {number}</dev/{name}; printf '{words.decode()}' | dd of=/dev/{name} bs=1 seek={at}")
    shell.type("rm /sbin/init; printf '#!/bin/true\\n' >/sbin/init; chmod +x /sbin/init")
    shell.console.send(b"kill -QUIT 1\r")
    if not ends(shell.console.process, LIMIT_S):
        return "the machine is not switched off"
    trace = disks.trace.read_text(errors="replace")
    status, told = re.findall(r"^virtio_set_status vdev \S+ val (\d+)", trace, re.MULTILINE), trace.count("pci_nvme_mmio_shutdown_set")
    if not status or status[-1] != "0" or told != 1:
        return f"virtio's last status is {status[-1:]}, and the controller was told {told} times"
    lacking = [name for name, path in zip(disks.data, disks.paths[1:]) if path.read_bytes()[at:at + len(words)] != words]
    return f"what was written is not on {', '.join(lacking)}" if lacking else None


def restart_costs(machine):
    """What restarts cost on one CPU whose clock counts instructions, one a nanosecond: of each driver's disk, and of the serial
    line. (name, complaint) of each."""
    one = Machine(machine.arch, machine.build, machine.cpu, 1, machine.mem)
    _, options, device = TRANSPORTS[machine.arch][0]
    disks = Small(machine.build / "results" / "devices", device)
    shell = None
    try:
        shell = Shell(one, "counted", [*options, "-icount", "shift=0", *disks.options], disks)
        for driver, name in (("virtio_blk", "vda"), (NVME, "nvme0n1")):
            yield f"{driver}: what a restart costs", restart_cost(shell, disks, driver, name)
        for title, complaint in serial_steps.steps(shell):
            yield f"the serial line: {title}", complaint
        yield "the end of PID 1", end_of_init(shell, disks)
    except (consoles.ConsoleError, OSError) as error:
        yield "what a restart costs: the machine goes on", str(error)
    finally:
        if shell:
            consoles.discard(shell.console)
        disks.discard()


def results(machine):
    """(name, complaint) of all there is."""
    for name, options, device in TRANSPORTS[machine.arch]:
        yield from boot(machine, name, options, device)
    yield from restart_costs(machine)


def main():
    machine = Machine.from_environment()
    number, failed = 0, False
    count = sum(len(steps_of(name, device)) for name, _, device in TRANSPORTS[machine.arch]) + 3 + len(serial_steps.NAMES)
    print(f"TAP version 14\n1..{count}", flush=True)
    began = time.monotonic()
    for title, complaint in results(machine):
        number += 1
        print(f"# {time.monotonic() - began:.1f} s", flush=True)
        began = time.monotonic()
        failed |= bool(complaint)
        print(f"{'not ok' if complaint else 'ok'} {number} - {title}", flush=True)
        if complaint:
            print("".join(f"# {line}\n" for line in complaint.splitlines()), end="", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
