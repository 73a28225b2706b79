#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that each number of the tables of system calls has one answer: a function (SYSCALL), or a line with the
reason in the table of absent calls; and that neither names a call twice or one that the table of numbers lacks."""
import pathlib
import re

KERNEL = pathlib.Path("kernel")
ARCHES = ["aarch64", "x86_64"]


def calls(arch):
    """Names registered for arch, with repeats: legacy calls count where the architecture registers them."""
    legacy = "SYSCALL(name_)" in (KERNEL / f"arch/{arch}/include/arch/syscall_numbers.h").read_text()
    found = []
    for path in sorted(KERNEL.rglob("*.c")):
        if "arch" in path.parts and arch not in path.parts:
            continue
        for kind, name in re.findall(r"^SYSCALL(_LEGACY)?\((\w+)\);", path.read_text(), re.M):
            if not kind or legacy:
                found.append(name)
    return found


def names(*paths, pattern):
    return [n for p in paths for n in re.findall(pattern, (KERNEL / p).read_text())]


print("1..%d" % (2 * len(ARCHES)))
for index, arch in enumerate(ARCHES):
    numbers = set(names(f"arch/{arch}/include/arch/syscall_numbers.h", "include/kernel/base/syscall_numbers.h",
                        pattern=r"\bNR_([a-z_]\w*) ="))
    absent = names("process/absent.c", f"arch/{arch}/include/arch/absent_calls.h", pattern=r"ABSENT\((\w+), ")
    absent = [n for n in absent if n != "name_"]
    answered = calls(arch)
    unanswered = sorted(numbers - set(absent) - set(answered))
    twice = sorted(n for n in set(absent + answered) if (absent + answered).count(n) > 1 or n not in numbers)
    for offset, (what, wrong) in enumerate([("every number has an answer", unanswered), ("none has two", twice)]):
        print("%s %d - %s: %s" % ("not ok" if wrong else "ok", 2 * index + offset + 1, arch, what))
        if wrong:
            print("# " + " ".join(wrong))
