#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that the compiler refuses wrong brackets (invariant I2): small functions with
the kernel's own header and warnings; each wrong one must be refused with the words."""
import os
import subprocess

ARCH = os.environ.get("STELLUX_ARCH", "x86_64")
TARGET = {"x86_64": "-target x86_64-unknown-none-elf -mcmodel=kernel", "aarch64": "-target aarch64-unknown-none-elf"}[ARCH]
FLAGS = (f"{TARGET} -std=c23 -ffreestanding -mgeneral-regs-only -Wall -Wextra "
         f"-Werror -Wthread-safety -Werror=thread-safety -Inucleus/include -Ikernel/include -Ikernel/arch/{ARCH}/include "
         f"-Inucleus/arch/{ARCH}/include -I. -DSTELLUX_DEBUG=1 -fsyntax-only -x c -").split()
HEADER = """
#include <arch/privilege.h>
#include <kernel/base/lock.h>
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>
#include <nucleus/calls.h>
void privileged_helper(void) REQUIRES(privilege);
void may_sleep(void) EXCLUDES(privilege);
void f(int a);
void f(int a) { (void)a; %s }
"""
CASES = [
    ("a bracket", "elevate(); privileged_helper(); lower();", None),
    ("two brackets", "elevate(); lower(); may_sleep(); elevate(); lower();", None),
    ("a bracket in a branch", "if (a) { elevate(); privileged_helper(); lower(); }", None),
    ("privilege without a bracket", "privileged_helper();", "requires holding"),
    ("privilege behind a bracket", "elevate(); lower(); privileged_helper();", "requires holding"),
    ("a bracket that is not closed", "elevate();", "still held"),
    ("a bracket closed in one branch only", "elevate(); if (a) lower();", "not held on every path"),
    ("a return out of a bracket", "elevate(); if (a) return; lower();", "not held on every path"),
    ("a doubled elevate", "elevate(); elevate(); lower();", "already held"),
    ("a doubled lower", "elevate(); lower(); lower();", "was not held"),
    ("a lower alone", "lower();", "was not held"),
    ("sleeping in a bracket", "elevate(); may_sleep(); lower();", "cannot call function"),
    ("a nucleus call in a bracket", "elevate(); nucleus_yield(); lower();", "cannot call function"),
    ("parking in a bracket", "elevate(); thread_park(0); lower();", "cannot call function"),
    ("allocating in a bracket", "elevate(); kfree(nullptr); lower();", "cannot call function"),
    ("a lock in a bracket", "static struct mutex m; elevate(); mutex_lock(&m); mutex_unlock(&m); lower();", "cannot call function"),
]


def main():
    print(f"1..{len(CASES)}")
    for number, (name, body, expected) in enumerate(CASES, 1):
        done = subprocess.run([os.environ.get("CLANG", "clang-19"), *FLAGS], input=HEADER % body, capture_output=True, text=True)
        passed = done.returncode == 0 if expected is None else done.returncode != 0 and expected in done.stderr
        print(f"{'ok' if passed else 'not ok'} {number} {name}")
        if not passed:
            print("".join(f"# {line}\n" for line in (done.stderr.splitlines() or ["it compiled"])[:8]), end="")


if __name__ == "__main__":
    main()
