#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs rounds of twenty mixed commands (soak.sh) and compares every counter of /proc/components and /proc/meminfo with
where it was when the system had warmed up. Prints TAP.

usage: soak_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
SOAK_ROUNDS= in the environment says how many rounds; SOAK_LIMIT_S= when the machine hangs. With SOAK_RESULTS= what came of it
is a line more of doc/results/soak-ARCH.md.

Objects of the kernel are compared one by one. Memory is held back for later by every CPU, and slabs are not given back while one
object of theirs is in use, so pages may differ by SLACK_KIB, whatever the number of rounds.

needs: kernel boot initramfs user
"""
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from machine import Machine

HERE = pathlib.Path(__file__).parent
ROUNDS = int(os.environ.get("SOAK_ROUNDS", "60"))
LIMIT_S = int(os.environ.get("SOAK_LIMIT_S", "1500"))
# From here on nothing is done for the first time.
WARM = 4
SLACK_KIB = 192
# Programs of the test image, of which every third round runs the next.
PROGRAMS = dict(enumerate(("signals", "sessions", "memory", "locks", "mounts", "threads", "epoll", "pipes")))
# Of /proc/meminfo: what is not a sum of pages in use.
FIXED = {"MemTotal", "Buffers", "SwapCached", "SwapTotal", "SwapFree"}


def make_archive(build):
    lines = (build / "initramfs.list").read_text()
    lines += "dir /soak 755\nfile /soak/soak.sh test/soak/soak.sh 755\n"
    lines += "".join(f"file /soak/{name} {build}/test/{program} 755\n" for name, program in PROGRAMS.items())
    (build / "soak.list").write_text(lines)
    subprocess.run([sys.executable, "tools/mkcpio", str(build / "soak.list"), str(build / "soak.cpio")], check=True)


def read_counters(text, when):
    """{name: value} of one of soak.sh's listings; None: it is not there."""
    found = re.search(rf"^counters {when}$(.*?)^counters end$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    counters = {}
    for line in found[1].splitlines():
        words = line.split()
        if len(words) == 9 and words[1].isdigit():
            for name, value in zip(("threads", "faults", "restarts", "allocations", "bytes"), words[4:]):
                counters[f"component {words[0]} {name}"] = int(value)
        elif line.startswith("file-nr"):
            counters["open files"] = int(words[1])
        elif line.startswith("loadavg"):
            counters["threads of processes"] = int(words[4].split("/")[1])
        elif len(words) == 3 and words[2] == "kB" and words[0].rstrip(":") not in FIXED:
            counters[f"meminfo {words[0].rstrip(':')}"] = int(words[1])
    return counters


def differs(name, before, after):
    # What was put away only after the first count is no leak; one loses something in every round.
    if not name.startswith("meminfo"):
        return after > before
    return after < before - SLACK_KIB if name in ("meminfo MemFree", "meminfo MemAvailable") else after > before + SLACK_KIB


def write_result(machine, seconds, what):
    page = pathlib.Path(f"doc/results/soak-{machine.arch}.md")
    page.parent.mkdir(parents=True, exist_ok=True)
    if not page.exists():
        page.write_text(f"# Soaking on {machine.arch}\n\nWritten by `make soak`: one line for each machine.\n\n"
                        "| date | rounds | seconds | processor | CPUs | memory | what came of it |\n|---|---|---|---|---|---|---|\n")
    with open(page, "a") as out:
        out.write(f"| {datetime.date.today().isoformat()} | {ROUNDS} | {seconds:.0f} | {machine.cpu} | {machine.smp} | {machine.mem} | {what} |\n")


def main():
    machine = Machine.from_environment()
    make_archive(machine.build)
    with tempfile.TemporaryDirectory() as folder:
        console = machine.facts["console"]
        image = machine.make_image(pathlib.Path(folder) / "soak.img", "soak", f'console={console} init.run="/soak/soak.sh {ROUNDS} {WARM}"')
        began = time.monotonic()
        text, ended = machine.run(image, limit_s=LIMIT_S)
        seconds = time.monotonic() - began
    print("1..2")
    before, after = read_counters(text, "before"), read_counters(text, "after")
    if not ended or before is None or after is None:
        if "SOAK_RESULTS" in os.environ:
            write_result(machine, seconds, "it ended early" if ended else "it hung or ended badly")
        print("".join(f"# {line}\n" for line in text.splitlines()[-30:]), end="")
        print(f"not ok 1 - {ROUNDS} rounds end{'' if ended else ' (they hung, or the machine ended badly)'}\nnot ok 2 - every counter is back")
        return 1
    print(f"ok 1 - {ROUNDS} rounds end")
    moved = [f"{name}: {before[name]} before, {after.get(name)} after" for name in before if name not in after or differs(name, before[name], after[name])]
    print("".join(f"# {line}\n" for line in moved), end="")
    if "SOAK_RESULTS" in os.environ:
        write_result(machine, seconds, "; ".join(moved) or f"all {len(before)} counters are back")
    print(f"{'not ' if moved else ''}ok 2 - every counter is back ({len(before)} of them)")
    return 1 if moved else 0


if __name__ == "__main__":
    sys.exit(main())
