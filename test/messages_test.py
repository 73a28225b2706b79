#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots with what cannot work, and checks that the console names the thing, the value and the way out, and that no machine
is left standing: a command line with wrong names, a loader that does not tell of the memory.

usage: messages_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints TAP.

needs: kernel boot initramfs
"""
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "session"))
import consoles                             # noqa: E402
from machine import LIMIT_S, Machine, ends  # noqa: E402

# The request for the memory map, as the Limine protocol numbers it (PROTOCOL.md, Memory Map Feature).
MEMORY_MAP_ID = struct.pack("<2Q", 0x67cf3d9d378a806f, 0xe304acdfc50c3c62)
RUN = "init.run=/bin/true"

# What asks to elevate: drivers of ports do, those of registers in memory do not. The machine of arm64 has one serial line of its own.
ARCH = os.environ.get("STELLUX_ARCH", "x86_64")
ASKS = {"x86_64": "serial", "aarch64": "measure"}[ARCH]
OFF_WORDS = {"x86_64": [r"serial: the ports of com1 need the right to elevate, which elevate= refuses", r"tty: no terminal was found: the console is the nucleus's",
                        "/bin/true exited with status 0"],
             "aarch64": ["/bin/true exited with status 0"]}[ARCH]
NOBODY_WORDS = [*OFF_WORDS[:-1], r"(?m)^.*measure.*refused"]
GRANTED = {"x86_64": "i8042, serial, measure", "aarch64": "measure"}[ARCH]
# Those that ask, but for the component `measure`.
OTHERS = {"x86_64": "serial", "aarch64": "off"}[ARCH]
# What becomes of an option that one architecture knows; cortex-a72 has numbers of 16 bits.
ASID_WORDS = {"x86_64": [r"nobody knows the option asid_bits=9 "], "aarch64": [r"asid_bits=9 is none of 8, 16; using 16"]}[ARCH]
NO_ASID_WORDS = {"x86_64": [r"nobody knows the option asid_bits= "], "aarch64": [r"asid_bits= is none of 8, 16; using 16"]}[ARCH]
TWO_LINES = ARCH == "x86_64"

# What QEMU is told of further serial lines; {0} and {1} are the files that what they say goes to, {dbg2} has a table of firmware's.
CARD = ["-chardev", "null,id=first", "-chardev", "file,id=second,path={0}", "-device", "pci-serial-2x,chardev1=first,chardev2=second"]
# One of the PC's own, and one that the debug port table tells of.
PORTS = ["-serial", "file:{0}", "-chardev", "file,id=debug,path={1}", "-device", "isa-serial,iobase=0x3e8,irq=5,chardev=debug",
         "-acpitable", "sig=DBG2,data={dbg2}"]
# DBG2 (Microsoft Debug Port Table 2) without its header: one device, a 16550 of eight ports at 0x3e8, called ".".
DBG2 = struct.pack("<2I", 44, 1) + struct.pack("<BHB9H", 0, 22 + 12 + 4 + 2, 1, 2, 38, 0, 0, 0x8000, 0, 0, 22, 34) \
    + struct.pack("<4BQ", 1, 8, 0, 1, 0x3e8) + struct.pack("<I", 8) + b".\0"


def four(port):
    chardevs = ",".join(f"chardev{n}={'file' if n == port else name}" for n, name in zip(range(1, 5), "abcd"))
    others = [word for name in "abcd" for word in ("-chardev", f"null,id={name}")]
    return [*others, "-chardev", "file,id=file,path={0}", "-device", f"pci-serial-4x,{chardevs}"]


# Name, command line, kernel, further serial lines, what the first line must say, what the others.
CASES = [
    ("a component that is none, and one that does not ask, in elevate=", f"elevate=nosuch,core,serial {RUN}", "stellux", [],
     [rf"elevate=nosuch: no component is called that, so .*all, off.* {ASKS}", r"elevate=core: that component does not ask", "powering off"]),
    ("nothing but a wrong name in elevate=: nobody elevates", f"elevate=nosuch {RUN}", "stellux", [],
     [rf"elevate=nosuch: no component is called that, so nobody gets the right by it; .*all, off.* {ASKS}", *OFF_WORDS,
      "privilege: mode full, elevation for no component", "powering off"]),
    ("nobody in elevate= who asks: nobody elevates", 'elevate=core init.run="/bin/cat /proc/components"', "stellux", [],
     [r"elevate=core: that component does not ask", *NOBODY_WORDS, "powering off"]),
    ("elevate=off: a serial line that ports are needed for says why it falls silent", f"elevate=off {RUN}", "stellux", [],
     [*OFF_WORDS, "privilege: mode full, elevation for no component", "powering off"]),
    ("one that elevates without the right is reported, and who asked it to is told",
     f"elevate={OTHERS} init.run=/bin/sh -c echo$IFS'elevate'$IFS'1'>/proc/measure", "stellux", [],
     [r"stray access caught: elevation without the right by measure", r"/bin/sh exited with status 1", "powering off"]),
    ("a mode that is none in dynpriv=", f"dynpriv=wrong {RUN}", "stellux", [],
     [r"dynpriv=wrong is none of full, drivers, off; using full", "powering off"]),
    ("an option that nobody knows", f"dynprv=off {RUN}", "stellux", [],
     [r"nobody knows the option dynprv=off ", "powering off"]),
    ("asid_bits= with a length that is none", f"asid_bits=9 {RUN}", "stellux", [], [*ASID_WORDS, "powering off"]),
    ("asid_bits= without a length", f"asid_bits= {RUN}", "stellux", [], [*NO_ASID_WORDS, "powering off"]),
    ("a first program that is none", "init=/nosuch", "stellux", [],
     [r"cannot execute /nosuch, the first process \(error -2\): name another with init= .*; the machine is switched off"]),
    ("the mode, and who may elevate: what the nucleus granted", f"dynpriv=drivers {RUN}", "stellux", [],
     [rf"privilege: mode drivers, elevation for {GRANTED}[\r\n]", "powering off"]),
    ("a terminal that is none in console=: every terminal is told", f"console=nosuch {RUN}", "stellux", PORTS if TWO_LINES else [],
     [*([r"serial: ttyS2 is a 16550A at 0x3e8[\r\n]"] if TWO_LINES else []),
      r"console=nosuch names no terminal; there are:.*; the console is ", "/bin/true exited with status 0", "powering off"],
     *([[r"console=nosuch names no terminal; there are:.*; the console is "]] * 2 if TWO_LINES else [])),
    # Eight registers behind the first.
    *([("a console on the second port of a PCI card", f"console=ttyS5 {RUN}", "stellux", CARD,
        [], [r"serial: ttyS5 is a 16550A at 0x[0-9a-f]*8\b", "/bin/true exited with status 0", "powering off"]),
       ("a console on the first port of a card with four", f"console=ttyS4 {RUN}", "stellux", four(1),
        [], [r"serial: ttyS4 is a 16550A", "/bin/true exited with status 0", "powering off"]),
       ("a console on the last port of a card with four", f"console=ttyS7 {RUN}", "stellux", four(4),
        [], [r"serial: ttyS7 is a 16550A", "/bin/true exited with status 0", "powering off"])] if ARCH == "x86_64" else
      # The card's ports are in memory where the host bridge shows them, which the tree says; ACPI's tables do not.
      [("a console on the second port of a PCI card", f"console=ttyS1 {RUN}", "stellux", [*CARD, "-machine", "acpi=off"],
        [], [r"serial: ttyS1 is a 16550A at 0x3ef[0-9a-f]*8\b", "/bin/true exited with status 0", "powering off"]),
       # Beside another card, in one page with it; which of the two comes first is open.
       ("two PCI cards whose ports share a page", f"console=ttyAMA0 {RUN}", "stellux",
        ["-device", "pci-serial", "-machine", "acpi=off", *four(4)],
        [r"serial: ttyS0 is a 16550A at 0x3ef", r"serial: ttyS4 is a 16550A at 0x3ef", "/bin/true exited with status 0", "powering off"], []),
       # Nor is there anything but AML for the wire of a device that has no messages.
       ("a card whose ports nobody says the place of, and one whose wire", f"console=nosuch {RUN}", "stellux",
        ["-device", "pci-serial", "-device", "virtio-rng-pci,vectors=0"],
        [r"serial: \S+ has its registers behind ports: where such are in memory firmware does not say",
         r"pci: \S+: where its wire INT[A-D] leads is not known", "/bin/true exited with status 0"])]),
    ("a loader that tells of no memory", RUN, "stellux-blind", [],
     [r"cannot boot: the boot loader does not provide a memory map; boot with .*", "the machine is switched off"]),
]


def blind_kernel(build):
    """A kernel whose request for the memory map no loader knows."""
    image = (build / "stellux.elf").read_bytes()
    assert image.count(MEMORY_MAP_ID) == 1
    (build / "stellux-blind.elf").write_bytes(image.replace(MEMORY_MAP_ID, bytes(len(MEMORY_MAP_ID))))


def boot(machine, number, cmdline, kernel, further, lines):
    """(whether it switched itself off, what came over each of the serial lines)"""
    folder = machine.build / "results"
    image = machine.make_image(folder / f"messages-{number}.img", "initramfs", cmdline, kernel)
    others = [folder / f"messages-{number}-line{n}.log" for n in range(1, lines)]
    dbg2 = folder / "messages.dbg2"
    dbg2.write_bytes(DBG2)
    text, ended = machine.run(image, [word.format(*others, dbg2=dbg2) for word in further], raw=True)
    return ended, text.decode(errors="replace"), *(other.read_text(errors="replace") for other in others)


def connect(path, process):
    """A connection to what QEMU has at that path, once it is there."""
    while process.poll() is None:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(path)
            return line
        except OSError:
            line.close()
            time.sleep(0.1)
    raise consoles.ConsoleError("the machine has ended")


def typed(machine):
    """A shell over the second port of a card: what is typed there comes to it, in lines longer than the card's FIFO. Complaint or None."""
    number, options = ("5", []) if TWO_LINES else ("1", ["-machine", "acpi=off"])
    image = machine.make_image(machine.build / "results" / "messages-typed.img", "initramfs", f"console=ttyS{number}")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/line"
        card = ["-chardev", "null,id=first", "-chardev", f"socket,id=second,path={path},server=on,wait=off", "-device",
                "pci-serial-2x,chardev1=first,chardev2=second", *options]
        with subprocess.Popen(machine.command(image, card), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.STDOUT) as process:
            try:
                line = connect(path, process)
                console = consoles.Console("the card's line", process, line.fileno(), line.fileno())
                numbers = " ".join(map(str, range(1000, 1060)))
                steps = [(b"", b"# "), (f"basename $(tty); set -- {numbers}; echo $# of $*\r".encode(), f"ttyS{number}\r\n60 of {numbers}".encode())]
                for text, answer in steps:
                    console.send(text)
                    said, there = console.collect(lambda data, answer=answer: answer in data, LIMIT_S)
                    if not there:
                        return f"{text!r} is answered by {said!r}"
                console.send(b"poweroff -f\r")
                return None if ends(process, LIMIT_S) else "the machine does not switch itself off"
            except consoles.ConsoleError as error:
                return str(error)
            finally:
                process.kill()


def main():
    machine = Machine.from_environment()
    blind_kernel(machine.build)
    print("TAP version 14")
    print(f"1..{len(CASES) + 1}")
    for number, (name, cmdline, kernel, further, *words) in enumerate(CASES, 1):
        ended, *texts = boot(machine, number, cmdline, kernel, further, len(words))
        missing = [word for text, wanted in zip(texts, words) for word in wanted if not re.search(word, text)]
        print(f"{'ok' if ended and not missing else 'not ok'} {number} - {name}", flush=True)
        if not ended:
            print("# the machine did not switch itself off")
        for word in missing:
            print(f"# not said: {word}")
        if not ended or missing:
            print("".join(f"# | {line}\n" for line in texts[0].splitlines()[-6:]), end="")
    bad = typed(machine)
    print(f"# {bad}\nnot ok {len(CASES) + 1} - a shell on a card" if bad else f"ok {len(CASES) + 1} - a shell on a card")
    return 0


if __name__ == "__main__":
    sys.exit(main())
