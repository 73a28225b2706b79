#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The order in which the two table registers of aarch64 are written (nucleus/arch/aarch64/entry.S): at no moment may a page
of the lowered kernel be cached under a process's address-space number (DDI 0487, D8.13), and where process views show the
kernel closed to EL0 (dynpriv=drivers), nothing of them under the kernel's. An emulated TLB forgives every order, so the
registers themselves are looked at.

In the image: behind each write comes an ISB or ERET before anything else that could write again, on every path. So what
is seen at one write holds at the next. In the machine: a debugger stops every CPU at every write, which tells the value
written; both registers are then known at every moment.

usage: view_order_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints TAP.

needs: kernel boot initramfs
"""
import subprocess
import sys

import gdbstub
from elf import Elf
from machine import Machine

# What runs, by mode. privtop switches accounting on: the gates that count are other code. Programs at the same time make
# both CPUs change between threads of drivers and those of processes, which see different tables.
RUNS = {"full": "/bin/privtop -b -n 2", "drivers": "/bin/xargs -P 3 -n 1 -a /etc/passwd /bin/ls"}
# Before there is a process, or when there is none any more.
UNWATCHED = {"view_first_switch", "view_first_switch_physical", "console_last_words", "reach"}
# Watched, but passed only when the numbers have run out; what writes there is view_load, inlined.
RARE = {"roll_over", "view_ttbr0"}
NUMBER_SHIFT, NUMBER_BETWEEN = 48, 1
ROOT_MASK = 0x0000fffffffffffe


class Writes:
    """The instructions that write TTBR0_EL1 or TTBR1_EL1 in the nucleus (DDI 0487, C4.1, C5.2)."""

    def __init__(self, path):
        elf = Elf(path)
        section = elf.sections[elf.names.index(".nucleus.text")]
        self.base, offset, size = section[3], section[4], section[5]
        self.words = [int.from_bytes(elf.data[at:at + 4], "little") for at in range(offset, offset + size, 4)]
        symbols = [(value, name) for name, value, _, _, _, index in elf.symbols() if index and not name.startswith("$")]
        self.symbols = sorted(symbol for symbol in symbols if self.base <= symbol[0] < self.base + size)
        self.data = {name: value for value, name in symbols}
        # address: (which of the two, number of the general register)
        self.at = {self.base + 4 * i: (word >> 5 & 1, word & 31) for i, word in enumerate(self.words) if word & 0xffffffc0 == 0xd5182000}

    def place(self, address):
        value, name = next((s for s in reversed(self.symbols) if s[0] <= address), (address, "?"))
        return f"{address:#x} {name}+{address - value:#x}"

    def function(self, address):
        return next((name for value, name in reversed(self.symbols) if value <= address), "?")

    def word(self, address):
        index = (address - self.base) // 4
        return self.words[index] if 0 <= index < len(self.words) else 0

    def successors(self, address):
        """Where control may go next within the function; None: anywhere."""
        word = self.word(address)

        def target(bits, shift):
            distance = word >> shift & ((1 << bits) - 1)
            return address + 4 * (distance - (1 << bits) if distance >> (bits - 1) else distance)

        if word & 0xfc000000 == 0x14000000:                                         # B
            return [target(26, 0)]
        if word & 0xff000000 == 0x54000000 or word & 0x7e000000 == 0x34000000:      # B.cond, CBZ, CBNZ
            return [address + 4, target(19, 5)]
        if word & 0x7e000000 == 0x36000000:                                         # TBZ, TBNZ
            return [address + 4, target(14, 5)]
        if word & 0xfc000000 == 0x94000000 or word & 0xfe000000 == 0xd6000000:      # BL; BR, BLR, RET
            return None
        return [address + 4]

    def unsynchronised(self, start):
        """Where a write's effect is not yet certain though it matters; None: nowhere."""
        seen, todo = set(), [start + 4]
        while todo:
            address = todo.pop()
            word = self.word(address)
            # ISB and ERET synchronise (B2.3.11, D1.4).
            if address in seen or word & 0xfffff0ff == 0xd50330df or word == 0xd69f03e0:
                continue
            seen.add(address)
            following = self.successors(address)
            if address in self.at or following is None or not word:
                return address
            todo += following
        return None


class Mode:
    """A machine in one mode of privilege, each write of which is watched."""

    def __init__(self, writes, mode):
        self.writes, self.mode = writes, mode
        self.watched = {address: which for address, which in writes.at.items() if writes.function(address) not in UNWATCHED}
        self.loaded = {}        # CPU: [TTBR0, TTBR1], None where not known yet
        self.count, self.passed = 0, set()

    def broken_rule(self, ttbr0, ttbr1):
        if ttbr0 is None or ttbr1 is None:
            return None
        number, root = ttbr0 >> NUMBER_SHIFT, ttbr1 & ROOT_MASK
        if root == self.kernel_root and number > NUMBER_BETWEEN:
            return f"the lowered kernel's tables are loaded under number {number}, a process's"
        if root == self.process_root and number == 0 and self.mode == "drivers":
            return "a process view's tables are loaded under the kernel's number"
        if root not in (self.kernel_root, self.process_root):
            return f"the tables at {root:#x} are neither the kernel's nor those of process views"
        return None

    def watch(self, stub):
        """Returns what broke a rule, or None when all was seen."""
        for address in self.watched:
            stub.set_breakpoint(address)
        while (cpu := stub.go_on()) is not None:
            registers = stub.registers()
            address = registers[32]
            if address not in self.watched:
                raise gdbstub.StubError(f"stopped at {address:#x}, where no breakpoint is")
            if not self.count:
                # Set before any CPU leaves the loader's tables.
                self.kernel_root = stub.read_word(self.writes.data["kernel_root_phys"])
                self.process_root = stub.read_word(self.writes.data["view_process_ttbr1"])
            which, register = self.watched[address]
            loaded = self.loaded.setdefault(cpu, [None, None])
            before = list(loaded)
            loaded[which] = registers[register] if register < 31 else 0
            self.count += 1
            self.passed.add(address)
            why = self.broken_rule(*loaded)
            if why:
                return (f"{self.writes.place(address)} on CPU {int(cpu, 16) - 1}: {why} "
                        f"(TTBR{which} becomes {loaded[which]:#x}, TTBR{1 - which} is {before[1 - which]:#x})")
            if stub.step(cpu) is None:
                break
        return None


def watch(machine, writes, mode):
    """(the Mode with what it saw, what broke a rule or went wrong)"""
    watcher = Mode(writes, mode)
    cmdline = f"console={machine.facts['console']} dynpriv={mode} init.run=\"{RUNS[mode]}\""
    folder = machine.build / "results"
    image = machine.make_image(folder / f"view-order-{mode}.img", "initramfs", cmdline)
    stub, options = gdbstub.attach()
    log = folder / f"view-order-{mode}.log"
    with open(log, "wb") as out:
        qemu = subprocess.Popen(machine.command(image, options), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                pass_fds=stub.pass_fds)
        try:
            stub.begin()
            why = watcher.watch(stub)
        except (gdbstub.StubError, OSError) as error:
            why = f"{error}; the console: {log}"
        finally:
            qemu.kill()
            qemu.wait()
            image.unlink()
    if not why and len(watcher.loaded) < int(machine.smp):
        why = f"only {len(watcher.loaded)} of {machine.smp} CPUs wrote a table register"
    return watcher, why


def result(number, name, problems, notes=()):
    print(f"{'not ok' if problems else 'ok'} {number} - {name}")
    for line in (*problems, *notes):
        print(f"# {line}")
    sys.stdout.flush()


def main():
    machine = Machine.from_environment()
    writes = Writes(machine.build / "stellux.elf")
    print(f"TAP version 14\n1..{2 + len(RUNS)}")
    loose = [f"{writes.place(a)} writes TTBR{writes.at[a][0]}: no ISB or ERET before {writes.place(b)}"
             for a in sorted(writes.at) if (b := writes.unsynchronised(a)) is not None]
    result(1, "each write of a table register takes effect before the next", loose or ["no write was found"] * (not writes.at),
           [f"{len(writes.at)} writes"])
    passed = set()
    for number, mode in enumerate(RUNS, 2):
        watcher, why = watch(machine, writes, mode)
        passed |= watcher.passed
        result(number, f"{mode}: each view's tables are loaded under numbers of its own", [why] if why else [],
               [f"{watcher.count} writes on {len(watcher.loaded)} CPUs seen"])
    missed = [f"{writes.place(a)} writes TTBR{writes.at[a][0]} and was never passed" for a in sorted(watcher.watched)
              if a not in passed and writes.function(a) not in RARE]
    result(2 + len(RUNS), "every place was watched in one mode or the other", missed)


if __name__ == "__main__":
    sys.exit(main())
