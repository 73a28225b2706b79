#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks whose medium fails, by QEMU's blkdebug, at the first, a middle and the last sector of what is read, written and discarded in
one piece, past the cache and through it, and at each flush; and one that is slow, by its throttle: behind virtio-blk, NVMe and AHCI. Who
asks is told EIO, of that and of nothing else; nothing hangs, no driver is restarted, and nothing stays lent.

usage: blkdebug_test.py     (make test-blkdebug; the machine comes from the environment, see tools/machine.py)
Prints KTAP; a line more of doc/results/blkdebug-ARCH.md says what came of it. Not part of make test: block_errors of test/kernel
fails each request of a disk in its turn, and disks has one read and one write that fail.

needs: kernel boot initramfs
"""
import datetime
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "session")]
import consoles     # noqa: E402
import disk_images  # noqa: E402
from disk_test import Shell, sha  # noqa: E402
from machine import Machine  # noqa: E402

REGION = 256 << 10
SECTORS, PAGES = REGION // 512, REGION // 4096
POSITIONS = {"first": 0, "middle": SECTORS // 2 + 3, "last": SECTORS - 1}
# Which region has its bad sector where; the last ones are good.
KINDS = ("read", "write", "discard")
BAD = {(kind, where): 3 * k + p for k, kind in enumerate(KINDS) for p, where in enumerate(POSITIONS)}
GOOD, REGIONS = len(BAD), len(BAD) + 2
FRONTS = {"virtio-blk": ("virtio-blk-pci", "/dev/vd{}"), "nvme": ("nvme", "/dev/nvme{}n1"),
          "ahci": ("ide-hd,bus=sata.{}", "/dev/sd{}")}


class Disks:
    """The first fails at sectors, the second at flushes, the third is slow. No two have the same size."""
    driver, blocks = None, {}

    def __init__(self, place, front):
        place.mkdir(parents=True, exist_ok=True)
        self.data = bytes(disk_images.content(21, REGIONS * REGION))
        sectors = [{"event": "none", "iotype": kind, "errno": 5, "once": False, "sector": region * SECTORS + POSITIONS[where]}
                   for (kind, where), region in BAD.items()]
        flushes = [{"event": "none", "iotype": "flush", "errno": 5, "once": False}]
        self.paths, self.options = [], ["-object", "throttle-group,id=slow,x-iops-total=40"]
        self.options += ["-device", "ich9-ahci,id=sata"] if "sata" in front else []
        for n, (driver, more) in enumerate((("blkdebug", {"image": None, "inject-error": sectors}),
                                            ("blkdebug", {"image": None, "inject-error": flushes}),
                                            ("throttle", {"throttle-group": "slow", "file": None}))):
            path = place / f"blkdebug-{n}.raw"
            path.write_bytes(self.data + bytes(n << 20))
            self.paths.append(path)
            node = {"driver": "file", "filename": str(path), "discard": "unmap"}
            debug = {"driver": driver, "discard": "unmap", **{key: node if value is None else value for key, value in more.items()}}
            self.options += ["-blockdev", json.dumps({"node-name": f"d{n}", "driver": "raw", "file": debug, "discard": "unmap"}),
                             "-device", f"{front.format(n)},drive=d{n},serial=d{n}"]

    def discard(self):
        for path in self.paths:
            path.unlink(missing_ok=True)


class Run:
    def __init__(self, shell, disks, name):
        self.shell, self.disks, self.devices = shell, disks, 1 if "sd" in name else 3
        # The order in which the machine finds them is its own, and it may have others.
        text = shell.type(f"for d in {name.format('[0-9a-f]')}; do echo size $d $(blockdev --getsize64 $d); done")
        by_size = {int(size): disk for disk, size in re.findall(r"^size (\S+) (\d+)$", text, re.MULTILINE)}
        self.bad, self.unflushed, self.slow = (by_size[len(disks.data) + (n << 20)] for n in range(3))

    def fails(self, command, error=True):
        """Complaint or nothing: the command ends with EIO, or as it should."""
        text = self.shell.type(f"{command} 2>/tmp/said; echo status $?; grep -c 'put/output error' /tmp/said")
        # What the kernel says of it may come in between.
        found = re.search(r"^status (\d+)\n(?:\[.*\n)*(\d+)$", text, re.MULTILINE)
        if not found or (int(found[1]) != 0, int(found[2]) != 0) != (error, error):
            return f"{command}: {'no error' if error else 'an error'}\n{text}"
        return None

    def transfers(self, kind, where):
        """Past the cache and through it; then the region behind the bad ones, which is none of them."""
        at, d = BAD[kind, where], self.bad
        if kind == "discard":
            tries = [(f"blkdiscard -o {at * REGION} -l {REGION} {d}", True), (f"blkdiscard -o {GOOD * REGION} -l {REGION} {d}", False)]
        elif kind == "read":
            tries = [(f"dd if={d} of=/dev/null bs={REGION} count=1 skip={at} iflag=direct", True),
                     (f"dd if={d} of=/dev/null bs={REGION} count=1 skip={GOOD} iflag=direct", False)]
        else:
            tries = [(f"dd if={d} of={d} bs={REGION} count=1 skip={GOOD + 1} seek={at} oflag=direct", True),
                     (f"dd if={d} of={d} bs={REGION} count=1 skip={GOOD + 1} seek={at} conv=fsync", True),
                     (f"dd if={d} of={d} bs={REGION} count=1 skip={GOOD + 1} seek={GOOD} conv=fsync", False)]
        for command, error in tries:
            complaint = self.fails(command, error)
            if complaint:
                return complaint
        return self.read_until(at, where) if kind == "read" else None

    def read_until(self, at, where):
        """Through the cache: all pages before the bad one, and all behind it."""
        before = POSITIONS[where] // 8
        text = self.shell.type(f"dd if={self.bad} bs=4k skip={at * PAGES} count={PAGES} 2>&- | sha256sum; "
                               f"dd if={self.bad} bs=4k skip={at * PAGES + before + 1} count={PAGES - before - 1} 2>&- | sha256sum")
        start, page = at * REGION, 4096
        first = self.disks.data[start:start + before * page]
        rest = self.disks.data[start + (before + 1) * page:start + REGION]
        sums = re.findall(r"^([0-9a-f]{64})  -$", text, re.MULTILINE)
        return None if sums == [sha(first), sha(rest)] else f"other bytes than those around the bad page\n{text}"

    def flushes(self):
        """What is written arrives, that it stays nobody promises."""
        d = self.unflushed
        return self.fails(f"dd if=/dev/zero of={d} bs=4k count=3 oflag=direct", False) or \
            self.fails(f"dd if=/dev/zero of={d} bs=4k count=3 seek=8 conv=fsync") or \
            self.fails(f"dd if=/dev/zero of={d} bs=64k count=2 seek=1 oflag=direct conv=fsync") or \
            self.fails(f"dd if={d} of=/dev/null bs=64k count=3", False)

    def slowness(self):
        """A device that takes its time is waited for, whatever it is asked."""
        d = self.slow
        text = self.shell.type(f"dd if={d} bs=4k count=40 iflag=direct 2>&- | sha256sum; "
                               f"dd if={d} bs=64k count=8 2>&- | sha256sum")
        sums = re.findall(r"^([0-9a-f]{64})  -$", text, re.MULTILINE)
        if sums != [sha(self.disks.data[:40 * 4096]), sha(self.disks.data[:8 << 16])]:
            return f"other bytes than the disk has\n{text}"
        return self.fails(f"dd if={d} of={d} bs=4k count=20 seek=200 oflag=direct conv=fsync", False) or \
            self.fails(f"dd if={d} of={d} bs=4k count=60 seek=300 conv=fsync", False) or \
            self.fails(f"blkdiscard -o {REGION} -l {REGION} {d}", False)

    def nothing_left(self):
        text = self.shell.type("cat /proc/dma_memory; awk '$4 ~ /^(nvme|virtio_blk|ahci)$/ {print \"row\", $5, $6, $7}' /proc/hardware; "
                               "echo 3 >/proc/sys/vm/drop_caches; grep -E '^(Dirty|Writeback):' /proc/meminfo")
        for wanted in (r"^Lent: +0 kB$", r"^Quarantined: +0 kB$", r"^Writeback: +0 kB$", rf"^(row up 0 0\n){{{self.devices},}}(?!row)"):
            if not re.search(wanted, text, re.MULTILINE):
                return f"not found: {wanted}\n{text}"
        return None


def boot(machine, front):
    device, name = FRONTS[front]
    disks, shell = Disks(machine.build / "results" / "devices", device), None
    try:
        shell = Shell(machine, front, disks.options, disks)
        run = Run(shell, disks, name)
        for kind, where in BAD:
            yield f"{front}: {kind}, the {where} sector", run.transfers(kind, where)
        yield f"{front}: flush", run.flushes()
        yield f"{front}: slowness", run.slowness()
        yield f"{front}: nothing is left", run.nothing_left()
    except (consoles.ConsoleError, OSError, KeyError) as error:
        yield f"{front}: the machine goes on", repr(error)
    finally:
        if shell:
            consoles.discard(shell.console)
        disks.discard()


def write_result(machine, passed, failed):
    path = pathlib.Path("doc/results") / f"blkdebug-{machine.arch}.md"
    if not path.exists():
        path.write_text(f"# Disks that fail and are slow by QEMU's blkdebug and throttle, {machine.arch}\n\n`make test-blkdebug`\n\n"
                        "| date | passed | failed |\n|---|---|---|\n")
    with path.open("a") as file:
        file.write(f"| {datetime.date.today()} | {passed} | {'; '.join(failed) or 'none'} |\n")


def main():
    machine = Machine.from_environment()
    count = len(FRONTS) * (len(BAD) + 3)
    number, failed = 0, []
    print(f"TAP version 14\n1..{count}", flush=True)
    for front in FRONTS:
        for title, complaint in boot(machine, front):
            number += 1
            failed += [title] if complaint else []
            print(f"{'not ok' if complaint else 'ok'} {number} - {title}", flush=True)
            print("".join(f"# {line}\n" for line in (complaint or "").splitlines()), end="", flush=True)
    write_result(machine, number - len(failed), failed)
    return 1 if failed or number != count else 0


if __name__ == "__main__":
    sys.exit(main())
