# SPDX-License-Identifier: MIT
"""Boots to the shell and uses it; for the scripts beside this one."""
import os
import re
import select
import subprocess

from gdb_remote import Stub
from machine import LIMIT_S, Limit, plain

PROMPT = b"# \x1b[6n"      # the shell asks the terminal where the cursor is when it has printed its prompt


class Run:
    """One boot of the initramfs's shell; `lines` are typed at its prompts, `options` are QEMU's -machine, `tree` a device tree in
    place of the firmware's, `firmware` an EFI program that comes before the loader. `end` matches the last line of a machine that cannot
    switch itself off. With `meddle` the machine waits for a gdb stub, with which it is called (tools/gdb_remote.py). Image and
    transcript are made at `place`, with suffixes; the image does not stay. `devices` are further options of QEMU's."""

    def __init__(self, machine, place, options, tree=None, lines=(), append="", firmware=None, end=None, meddle=None,
                 initramfs="initramfs", devices=()):
        self.text = b""
        self.end, self.trouble = end, None
        image = machine.make_image(place.with_suffix(".img"), initramfs, append, dtb=tree, firmware=firmware)
        stub = Stub() if meddle else None
        self.process = subprocess.Popen(machine.command(image, ["-machine", options, *devices, *(stub.options if stub else ())]),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if stub:
            self.meddle(stub, meddle)
        self.ended = self.converse(list(lines))
        image.unlink()
        self.text = plain(self.text)
        place.with_suffix(".txt").write_text(self.text)

    def meddle(self, stub, what):
        try:
            stub.connect()
            what(stub)
        except (EOFError, OSError, RuntimeError) as error:
            self.trouble = f"gdb's protocol: {error or type(error).__name__}"
            self.process.kill()
        finally:
            stub.leave()

    def converse(self, lines):
        """Whether the machine came to its end."""
        limit, read = Limit(LIMIT_S), 0
        while not limit.is_over():
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    return self.process.wait() == 0
                self.text += data
                if self.end and re.search(self.end.encode(), self.text, re.MULTILINE):
                    self.process.kill()
                    self.process.wait()
                    return True
            if lines and self.text.find(PROMPT, read) >= 0:
                read = len(self.text)
                self.process.stdin.write(lines.pop(0).encode() + b"\n")
                self.process.stdin.flush()
        self.process.kill()
        self.process.wait()
        return False

    def has(self, *patterns):
        """Complaint, or None when every pattern is found."""
        if self.trouble:
            return self.trouble
        for pattern in patterns:
            if not re.search(pattern, self.text, re.MULTILINE):
                return f"not on the serial line: {pattern}"
        return None if self.ended else "the machine did not switch itself off"


def report(cases):
    """Runs (name, function) pairs; a function returns a complaint or None. Prints KTAP; whether one failed."""
    cases, failed = list(cases), False
    print(f"TAP version 14\n1..{len(cases)}", flush=True)
    for number, (name, case) in enumerate(cases, 1):
        complaint = case()
        print(f"{'not ok' if complaint else 'ok'} {number} - {name}", flush=True)
        if complaint:
            print(f"# {complaint}", flush=True)
            failed = True
    return failed
