#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stock gdb on a serial line debugs the running machine (doc/debugging.md): from before lowered code runs, coming to a machine that
runs, in faults and in a panic. What gdb does is in test/gdb_line_session.py.

usage: gdb_line_test.py [ROUNDS]     (from the project's root; the machine comes from the environment, see tools/machine.py)
ROUNDS is how often it continues to a breakpoint (100). Prints TAP.

needs: kernel boot initramfs
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

from machine import LIMIT_S, Limit, Machine, plain

CARD = "0x0002"     # QEMU's pci-serial
GDB = {"x86_64": "gdb", "aarch64": "gdb-multiarch"}

# Of all sessions together.
RESULTS = 39


class Console:
    def __init__(self, process):
        self.process, self.data, self.changed = process, b"", threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while chunk := self.process.stdout.read1(65536):
            with self.changed:
                self.data += chunk
                self.changed.notify_all()

    def text(self):
        return plain(self.data)

    def waits_for(self, word, since=0):
        limit = Limit(LIMIT_S)
        with self.changed:
            while word not in self.text()[since:]:
                if self.process.poll() is not None or limit.is_over():
                    return False
                self.changed.wait(1)
        return True

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()


class Test:
    def __init__(self, machine, folder, rounds):
        self.machine, self.folder, self.rounds, self.number = machine, folder, rounds, 0

    def result(self, good, name, more=""):
        self.number += 1
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}", flush=True)
        if not good:
            print("".join(f"# {line}\n" for line in more.splitlines()), end="", flush=True)

    def session(self, part, console):
        """Has gdb do one part."""
        gdb = subprocess.Popen([GDB[self.machine.arch], "-nx", "-batch", "-ex", f"file {self.machine.build / 'stellux.elf'}",
                                "-ex", f'set $line = "{self.folder / "line"}"', "-ex", f'set $arch = "{self.machine.arch}"',
                                "-ex", f'set $part = "{part}"', "-ex", f"set $rounds = {self.rounds}", "-ex", f"set $cpus = {self.machine.smp}",
                                "-x", "test/gdb_line_session.py"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace")
        watch = threading.Timer(LIMIT_S + 2 * self.rounds, gdb.kill)
        watch.start()
        said, ended = "", False
        for line in gdb.stdout:
            said += line
            line = line.rstrip("\n")
            if line.startswith(("@ok ", "@not ok ")):
                self.result(line.startswith("@ok"), line.split(" ", 1)[1].removeprefix("ok ").split(" # ")[0], line)
            elif line.startswith("@type "):
                console.type(line[6:])
            elif line == "@end":
                ended = True
            if os.environ.get("VERBOSE"):
                print("|", line, flush=True)
        watch.cancel()
        gdb.wait()
        if not ended:
            self.result(False, f"the session `{part}` came to its end", said[-3000:] + console.text()[-1500:])

    def start(self, options):
        (self.folder / "line").unlink(missing_ok=True)
        image = self.machine.make_image(self.folder / "gdb.img", "initramfs", f'console={self.machine.facts["console"]} {options}')
        command = self.machine.command(image, ["-chardev", f"socket,id=line,path={self.folder / 'line'},server=on,wait=off",
                                               "-device", "pci-serial,chardev=line"])
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return process, Console(process)

    def devices(self, console):
        """The numbers of all PCI devices that the lowered kernel knows."""
        since = len(console.text())
        console.type("cat /sys/bus/pci/devices/*/device; echo that is al''l")
        console.waits_for("that is all", since)
        return console.text()[since:].replace("al''l", "").split()

    def without(self):
        """Nobody asked for a stub: the card is the lowered kernel's, and what comes over it stops nothing."""
        process, console = self.start("")
        try:
            up = console.waits_for("# ")
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(self.folder / "line"))
                line.sendall(b"\x03+$qSupported:swbreak+#14\x03")
                devices = self.devices(console)
                self.result(up and CARD in devices and "all" in devices, "without enable-gdb-stub there is none", console.text()[-1500:])
        finally:
            process.kill()
            process.wait()

    def run(self):
        self.without()
        process, console = self.start("enable-gdb-stub gdb-stub=pci-serial0,115200,faults gdb-wait")
        try:
            self.result(console.waits_for("gdb: waiting for it"), "it waits at boot", console.text()[-2000:])
            self.session("at_boot", console)
            self.result(console.waits_for("# "), "it goes on, to a shell", console.text()[-2000:])
            devices = self.devices(console)
            self.result("nobody knows" not in console.text(), "the kernel knows the options", console.text()[-3000:])
            self.result(CARD not in devices and "all" in devices, "the stub's card is not there for others", console.text()[-1500:])
            self.session("running", console)
            self.session("vanishes", console)
            self.session("anew", console)
            since = len(console.text())
            console.type("echo it go''es on")
            self.result(console.waits_for("it goes on", since), "it goes on after that", console.text()[-2000:])
            self.session("faults", console)
            since = len(console.text())
            console.type("echo it still go''es on")
            self.result(console.waits_for("it still goes on", since), "both faults were contained", console.text()[-3000:])
            self.session("panic", console)
            self.result(console.waits_for("=== nucleus panic"), "the panic was told", console.text()[-2000:])
        finally:
            process.kill()
            process.wait()
            if os.environ.get("VERBOSE"):
                print(console.text())


def main():
    print(f"TAP version 14\n1..{RESULTS}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        Test(Machine.from_environment(), pathlib.Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 100).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
