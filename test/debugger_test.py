#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starts a machine with `make run-qemu-ARCH-debug-headless`, connects to it with `make connect-gdb-ARCH`, and checks that
breakpoints in both halves are met and that every backtrace ends where the kernel was entered; that a nucleus which is sent
to a wild address says so before it halts, in hex that tools/decode-report reads; and that without a machine the debugger
says how to start one.

usage: debugger_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints TAP.

needs: image
"""
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

from machine import LIMIT_S

ARCH = os.environ["STELLUX_ARCH"]
BUILD = pathlib.Path(os.environ["STELLUX_BUILD"])

GATE = {"x86_64": "entry_syscall_full", "aarch64": "gates_full"}[ARCH]
# Breakpoint, what it shows, functions that must be in the backtrace in this order, the last of them at its end.
STOPS = [
    ("nucleus_entry", "the nucleus's first instruction", ["nucleus_entry"]),
    ("boot_main", "the nucleus on the loader's stack", ["boot_main", "nucleus_entry"]),
    ("kernel_main", "the first lowered thread", ["kernel_main", "gate_start"]),
    ("call_space_create", "a nucleus call", ["call_space_create", GATE]),
    ("trap_handle", "an interrupt or exception", ["trap_handle", "trap_common"]),
    ("syscall_dispatch", "a process's system call", ["syscall_dispatch", "upcall_syscall"]),
    ("process_event", "a process's fault", ["process_event", "upcall_event"]),
]
# What lowered-backtrace must show in the nucleus call.
CALLER = re.compile(r"#0 +\S+ in nucleus_call_gate at \./kernel/arch/.*\n(?:#\d+ .*\n)*#\d+ +\S+ in init_main at .*\n#\d+ +\S+ in thread_main at "
                    r"\./kernel/thread/thread.c:\d+\n(?!#)")
# A wild jump of the nucleus, here: no code is at WILD in any address space, and nothing is mapped there.
PANIC_IN, WILD = "call_space_create", 0x10
PANIC = {"x86_64": rf"exception 14 in the nucleus, error 0x10, address {WILD:#x} ===",
         "aarch64": rf"exception in the nucleus, syndrome 0x86[0-9a-f]+, address {WILD:#x} ==="}[ARCH]
FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(", re.MULTILINE)


def make(*goals, **options):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
    release = ["RELEASE=1"] if BUILD.name.endswith("-release") else []
    return subprocess.Popen(["make", "--no-print-directory", f"BUILD={BUILD.parent}", *release, *goals], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", env=environment, start_new_session=True, **options)


def end(process):
    """Also what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Without connecting, which would be a debugger's coming and going for QEMU."""
    return re.search(rf"^ *\d+: 0100007F:{port:04X} \d+:0+ 0A ", pathlib.Path("/proc/net/tcp").read_text(), re.MULTILINE)


def debug(port, commands):
    """What gdb says."""
    script = BUILD / "results" / "debugger.gdb"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(commands)
    gdb = make(f"connect-gdb-{ARCH}", f"GDB_PORT={port}", f"GDB_EXTRA=-batch -x {shlex.quote(str(script))}", stdin=subprocess.DEVNULL)
    try:
        return gdb.communicate(timeout=2 * LIMIT_S)[0], gdb.returncode
    except subprocess.TimeoutExpired:
        end(gdb)
        return gdb.communicate()[0], None


def read_until(machine, line):
    """The console's text up to the line, or what there is if it stays away."""
    watch = threading.Timer(2 * LIMIT_S, end, [machine])
    watch.start()
    said = ""
    for text in machine.stdout:
        said += text
        if line in text:
            break
    watch.cancel()
    return said


def stops():
    commands = "".join(f"tbreak {name}\ncontinue\necho @@ {name}\\n\nbacktrace\n" for name, _, _ in STOPS)
    commands = commands.replace("call_space_create\\n\nbacktrace\n", "call_space_create\\n\nbacktrace\necho @@ caller\\n\nlowered-backtrace\n")
    text, _, reason = session(commands + "echo @@\\n\nkill\n")
    return text, reason


def panic():
    """Why the nucleus's last words are not what they must be, and these."""
    text, said, reason = session(f"tbreak {PANIC_IN}\ncontinue\ncontinue\nset $pc = {WILD}\ndetach\n", "=== halted ===")
    if reason:
        return reason, text
    said = said.replace("\r", "")
    if not re.search(rf"=== nucleus panic on CPU \d+: {PANIC}", said) or "=== halted ===" not in said:
        return "no panic was said, or no halt", text + said
    decoded = subprocess.run([sys.executable, "tools/decode-report", "--elf", str(BUILD / "stellux.elf"), "--symbolizer",
                              os.environ.get("SYMBOLIZER", "llvm-symbolizer")], input=said, capture_output=True, text=True)
    said += decoded.stdout + decoded.stderr
    frames = [line.strip() for line in decoded.stdout.splitlines()]
    at = [next((n for n, line in enumerate(frames) if name in line), None) for name in (GATE, "init_main", "thread_main")]
    if decoded.returncode or None in at or at != sorted(at):
        return f"decode-report does not lead from {GATE} to thread_main", said
    return None, said


def session(commands, until=None, tries=3):
    """(what gdb showed, what the machine's console said up to `until`, why there is nothing to show)"""
    port = free_port()
    machine = make(f"run-qemu-{ARCH}-debug-headless", f"GDB_PORT={port}", stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not listens(port):
            if machine.poll() is not None or time.monotonic() > deadline:
                end(machine)
                said = machine.stdout.read()[-400:]
                # Somebody else has taken the port meanwhile.
                if tries > 1 and "Address already in use" in said:
                    return session(commands, until, tries - 1)
                return "", "", "the machine did not start: " + said
            time.sleep(0.1)
        text = debug(port, commands)[0]
        return text, read_until(machine, until) if until else "", None
    finally:
        end(machine)


def complaint(text, name, wanted):
    part = re.search(rf"^@@ {name}\n(.*?)^@@", text, re.MULTILINE | re.DOTALL)
    if not part:
        return "not reached"
    frames = FRAME.findall(part.group(1).replace(" entry_template (", " entry_syscall_full ("))     # both are its first byte
    found = [frame for frame in frames if frame in wanted]
    if found != wanted or frames[-1] != wanted[-1]:
        return f"{' < '.join(frames)} instead of {' < … < '.join(wanted)}"
    odd = re.search(r"^.*(?:\?\?|Backtrace stopped|corrupt|Cannot access).*$", part.group(1), re.MULTILINE)
    return odd.group() if odd else None


def main():
    print(f"TAP version 14\n1..{len(STOPS) + 3}", flush=True)
    text, reason = stops()
    failed = False
    for number, (name, what, wanted) in enumerate(STOPS, 1):
        wrong = reason or complaint(text, name, wanted)
        failed |= bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}: {what}" + (f"\n# {wrong}" if wrong else ""), flush=True)
    caller = reason or not CALLER.search(text) and "lowered-backtrace does not lead from nucleus_call_gate to thread_main"
    failed |= bool(caller)
    print(f"{'not ok' if caller else 'ok'} {len(STOPS) + 1} - who made the nucleus call" + (f"\n# {caller}" if caller else ""), flush=True)
    if failed:
        print("".join(f"# | {line}\n" for line in text.splitlines()[-40:]), end="")
    wrong, said = panic()
    print(f"{'not ok' if wrong else 'ok'} {len(STOPS) + 2} - a panic's hex is read by decode-report" + (f"\n# {wrong}" if wrong else ""), flush=True)
    if wrong:
        print("".join(f"# | {line}\n" for line in said.splitlines()[-60:]), end="")
    port = free_port()
    text, status = debug(port, "")
    good = status and f"no machine waits for a debugger on port {port}" in text and f"make run-qemu-{ARCH}-debug-headless" in text
    print(f"{'ok' if good else 'not ok'} {len(STOPS) + 3} - without a machine: how to start one" + ("" if good else f"\n# {text!r}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
