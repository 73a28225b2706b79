#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Types one BusyBox session twice, on this machine and on Stellux's serial console, and compares what came back,
byte by byte. Prints KTAP, one result a section.
needs: kernel boot initramfs

usage: session.py [--steps FILE] [--only SECTION] [--command COMMAND] [--keep FOLDER]

--command runs another machine whose console is its standard input and output (to try the script on another kernel);
--keep leaves both transcripts in FOLDER.

steps.txt holds the session, a step a line:

    = NAME     a section
    $ TEXT     types a line and waits for the prompt
    ! TEXT     types a line for which no prompt comes (a program that goes on, or a line to be continued)
    key TEXT   types keys; \\r, \\x03, \\x1b and so on are understood
    applets    `--help` of every applet, ten to a line

Where this machine cannot run the other's BusyBox, it runs that of its own architecture from the same package; what must
differ then (the machine's name, the binary's checksum) is translated in what came back here, and everything else is
compared as ever.

This machine goes first. A step without a prompt ends there when nothing more comes and all processes sleep; on Stellux, when
as much has come.
filter.txt lists what is replaced before the comparison: pattern<TAB>replacement<TAB>reason.
"""
import argparse
import hashlib
import os
import pathlib
import re
import shlex
import subprocess
import sys

import consoles
from machine import LIMIT_S, Machine

HERE = pathlib.Path(__file__).parent
# The shell asks the terminal where the cursor is when it has printed its prompt: then it reads.
PROMPT = re.compile(rb"(?:^|[\r\n])[^\r\n]*[#$] \x1b\[6n$")
QUIET_S = 0.05
APPLETS_PER_STEP = 10


DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


def busybox_for(arch):
    """The BusyBox of the locked package for this architecture."""
    folder = pathlib.Path(f"build/third_party/busybox-static-{DEBIAN[arch]}")
    subprocess.run([sys.executable, "tools/fetch", "busybox-static", DEBIAN[arch], str(folder)], check=True)
    return next(path for path in (folder / "bin/busybox", folder / "usr/bin/busybox") if path.exists())


def translations(here, there):
    """[(bytes that this machine's session shows, bytes that the other must show)]"""
    def checksum(arch):
        return hashlib.sha256(busybox_for(arch).read_bytes()).hexdigest().encode()

    return [(here.encode(), there.encode()), (checksum(here), checksum(there))]


class Step:
    def __init__(self, kind, text, data):
        self.kind, self.text, self.data = kind, text, data
        self.golden = self.actual = b""


def applet_steps(archive):
    names = sorted({path.name for path in (archive / "bin").iterdir() if path.is_symlink()} |
                   {path.name for path in (archive / "sbin").iterdir() if path.is_symlink()} - {"init"})
    for start in range(0, len(names), APPLETS_PER_STEP):
        some = " ".join(names[start:start + APPLETS_PER_STEP])
        yield f'for a in {some}; do echo "== $a"; busybox $a --help </dev/null 2>&1; echo "status $?"; done'


def read_steps(path, archive):
    """Returns {section: [Step]}."""
    sections, current = {}, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        kind, _, text = line.partition(" ")
        if not line.strip() or kind == "#":
            continue
        if kind == "=":
            current = sections.setdefault(text, [])
        elif kind == "$":
            current.append(Step("$", text, text.encode() + b"\r"))
        elif kind == "!":
            current.append(Step("!", text, text.encode() + b"\r"))
        elif kind == "key":
            current.append(Step("key", text, text.encode("latin-1").decode("unicode_escape").encode("latin-1")))
        elif kind == "applets":
            current += [Step("$", text, text.encode() + b"\r") for text in applet_steps(archive)]
        else:
            sys.exit(f"{path}:{number}: no such step: {line}")
    return sections


def read_filters(path):
    filters = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            field = line.split("\t")
            if len(field) != 3:
                sys.exit(f"{path}:{number}: pattern, replacement and reason expected")
            filters.append((re.compile(field[0].encode()), field[1].encode()))
    return filters


def filtered(data, filters):
    for pattern, replacement in filters:
        data = pattern.sub(replacement, data)
    return data


def at_prompt(data):
    return PROMPT.search(data[-200:]) is not None


def record_golden(console, sections):
    for name, steps in sections.items():
        for step in steps:
            console.send(step.data)
            if step.kind == "$":
                step.golden, done = console.collect(at_prompt, LIMIT_S)
                if not done:
                    sys.exit(f"Bail out! on this machine there was no prompt after: {step.text}\n# {step.golden[-300:]!r}")
            else:
                step.golden = console.collect_quiet(QUIET_S)


def replay(console, step):
    """Returns whether the step ended as it did on this machine."""
    console.send(step.data)
    if step.kind == "$":
        step.actual, done = console.collect(at_prompt, LIMIT_S)
    else:
        step.actual, done = console.collect(lambda data: len(data) >= len(step.golden), LIMIT_S)
    return done


def recover(console):
    """Tries to come back to a prompt after a step that went wrong."""
    for key in (b"\x03", b"\x1b", b"\x1b:q!\r", b"\x03\r"):
        console.send(key)
        _, done = console.collect(at_prompt, 30)
        if done:
            return True
    return False


def describe(step, done, filters):
    print(f"    # step: {step.kind} {step.text}")
    if not done:
        print("    # it did not end")
    here, there = filtered(step.golden, filters), filtered(step.actual, filters)
    at = next((i for i, (a, b) in enumerate(zip(here, there)) if a != b), min(len(here), len(there)))
    print(f"    # they part at byte {at} of {len(here)} here, {len(there)} there")
    print(f"    # here:  {here[max(0, at - 60):at + 160]!r}")
    print(f"    # there: {there[max(0, at - 60):at + 160]!r}", flush=True)


def compare(console, sections, filters, record_again):
    """How many sections failed. A busy machine may make a session differ from itself: a step that ended, but otherwise than here,
    is right if a second session here, which record_again() yields, has what the machine said."""
    failed, lost, again = 0, False, None
    for number, (name, steps) in enumerate(sections.items(), 1):
        good = not lost
        for index, step in enumerate(steps if not lost else ()):
            done = replay(console, step)
            if done and filtered(step.golden, filters) == filtered(step.actual, filters):
                continue
            if done and step.kind == "$":
                again = again or record_again()
                if filtered(again[name][index].golden, filters) == filtered(step.actual, filters):
                    print(f"    # this machine said two things to: {step.text}", flush=True)
                    continue
            describe(step, done, filters)
            good = False
            if not done or step.kind != "$":
                lost = not recover(console)
                break
        print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
        failed += not good
    return failed


def first_prompt(console, limit_s):
    """Waits for the shell. Returns what it said from its banner on."""
    data, done = console.collect(at_prompt, limit_s)
    if not done:
        print(f"Bail out! {console.name} gave no prompt in {limit_s} s; it said: {data[-600:]!r}", flush=True)
        sys.exit(1)
    banner = data.rfind(b"BusyBox v")
    return data[banner:] if banner >= 0 else data


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", default=str(HERE / "steps.txt"))
    parser.add_argument("--only", default="")
    parser.add_argument("--command")
    parser.add_argument("--archive")
    parser.add_argument("--keep")
    return parser.parse_args()


def record(args, archive, machine):
    """What a session here says: (the first prompt, its sections, the console)."""
    here = os.uname().machine
    foreign = here != machine.arch
    host = consoles.open_host(archive, busybox_for(here) if foreign else None)
    try:
        sections = read_steps(pathlib.Path(args.steps), host.folder / "tree")
        if args.only:
            sections = {name: steps for name, steps in sections.items() if args.only in name}
        greeting = Step("$", "(the first prompt)", b"")
        greeting.golden = first_prompt(host, LIMIT_S)
        record_golden(host, sections)
        for mine, theirs in translations(here, machine.arch) if foreign else ():
            for step in (step for steps in sections.values() for step in steps):
                step.golden = step.golden.replace(mine, theirs)
    except BaseException:
        consoles.discard(host)
        raise
    return greeting, sections, host


def record_again(args, archive, machine):
    _, sections, host = record(args, archive, machine)
    consoles.discard(host)
    return sections


def main():
    args = arguments()
    machine = Machine.from_environment()
    archive = args.archive or machine.build / "initramfs.cpio"
    filters = read_filters(HERE / "filter.txt")
    host = target = None
    try:
        greeting, sections, host = record(args, archive, machine)
        command = shlex.split(args.command) if args.command else machine.command(
            machine.make_image(machine.build / "test" / "session.img", "initramfs",
                               os.environ.get("STELLUX_CMDLINE", f"console={machine.facts['console']}")))
        target = consoles.open_machine(command)
        print(f"KTAP version 1\n1..{len(sections)}", flush=True)
        greeting.actual = first_prompt(target, LIMIT_S)
        failed = compare(target, sections, filters, lambda: record_again(args, archive, machine))
        if greeting.golden != greeting.actual:
            describe(greeting, True, filters)
            failed += 1
        return 1 if failed else 0
    except consoles.ConsoleError as error:
        print(f"Bail out! {error}", flush=True)
        return 1
    finally:
        for name, console in (("here", host), ("there", target)):
            if console is None:
                continue
            if args.keep:
                pathlib.Path(args.keep, name).write_bytes(console.log)
            consoles.discard(console)


if __name__ == "__main__":
    sys.exit(main())
