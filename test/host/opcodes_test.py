#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/check-opcodes refuses what it must. Every case is one function of a
small image; the refusal of each must name that function and contain the given words."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SCRIPT = """SECTIONS {
    .nucleus 0xffffffff80000000 : { BYTE(0xc3) }
    .gates 0xffffffff80800000 : { *(.gates) }
    .elevated 0xffffffff80802000 : { *(.elevated) }
    .text 0xffffffff80810000 : { *(.text) }
    nucleus = 0xffffffff80000000;
}
ENTRY(nucleus)
"""

# Bodies of functions in .text.
LOWERED_GOOD = [
    "push %rax; pushfq; pop %rax; pop %rax; mov %rax, 8(%rsp)",
    "rdtsc; cpuid; rep movsb; lock incl (%rdi); xchg %rax, (%rdi)",
    "mov %cs, %eax; mov %gs:16, %rax; int3; ud2",
]
PRIVILEGED = """in %dx, %eax|in $0x60, %al|out %al, %dx|rep outsb|rep insw|cli|sti|hlt|wrmsr|rdmsr|rdpmc|lgdt (%rax)
lidt (%rax)|lldt %ax|ltr %ax|sgdt (%rax)|sidt (%rax)|str %ax|lmsw %ax|smsw %ax|clts|invlpg (%rax)|invpcid (%rax), %rbx
invd|wbinvd|swapgs|iretq|sysretq|sysretl|sysexitq|sysenter|wrgsbase %rax|wrfsbase %rax|popfq|lretq|int $0x80|xsetbv
wrpkru|stac|clac|monitor|mwait|vmcall|vmlaunch|skinit|xsaves (%rax)|xrstors64 (%rax)|lcall *(%rax)|ljmp *(%rax)"""
LOWERED_BAD = [(text, "privileged instruction outside a bracket") for text in re.split(r"[|\n]", PRIVILEGED)] + [
    ("mov %cr3, %rax", "control or debug register outside a bracket"),
    ("mov %rax, %cr8", "control or debug register outside a bracket"),
    ("mov %rax, %dr7", "control or debug register outside a bracket"),
    ("mov %ax, %gs", "segment register load outside a bracket"),
    ("pop %fs", "segment register load outside a bracket"),
    (".byte 0x06", "no instruction outside a bracket"),
    ("syscall", "gate instruction outside .gates and .elevated"),
    ("call nucleus", "direct branch into the nucleus"),
    ("jz nucleus", "direct branch into the nucleus"),
]

# Bodies of brackets.
BRACKET_GOOD = [
    "out %al, %dx; mov (%rsp), %rdx; cmpq $0, 8(%rsp); mov %rdx, (%rdi)",
    "3: in %dx, %al; test $0x20, %al; jz 3b; wrmsr; mov %rax, %cr3; testb $1, (%rsi); jnz 2f",
]
BRACKET_BAD = [
    ("call other", "call in a bracket"), ("call *%rax", "call in a bracket"),
    ("ret", "return in a bracket"), ("iretq", "return in a bracket"), ("lretq", "return in a bracket"),
    ("push %rax", "stack write in a bracket"), ("pushfq", "stack write in a bracket"),
    ("mov %rax, 8(%rsp)", "stack write in a bracket"), ("movl $1, -8(%rbp)", "stack write in a bracket"),
    ("mov %rax, 8(%rsp,%rcx,8)", "stack write in a bracket"), ("addq $1, -16(%rbp)", "stack write in a bracket"),
    ("mov %rax, (%rcx,%rbp)", "stack write in a bracket"),
    ("incl (%rsp)", "stack write in a bracket"), ("xchg %rax, (%rsp)", "stack write in a bracket"),
    ("lock cmpxchg %rcx, -8(%rbp)", "stack write in a bracket"), ("lock xadd %rcx, (%rsp)", "stack write in a bracket"),
    ("setz (%rsp)", "stack write in a bracket"), ("enter $8, $0", "stack write in a bracket"),
    ("pop %rax", "stack pointer changed in a bracket"), ("leave", "stack pointer changed in a bracket"),
    ("sub $16, %rsp", "stack pointer changed in a bracket"),
    ("jmp *%rax", "indirect branch in a bracket"), ("jmp *(%rax,%rcx,8)", "indirect branch in a bracket"),
    ("jmp other", "leaves its function"), ("jz other", "leaves its function"),
    ("syscall", "second elevation in a bracket"),
]

# Whole functions in .elevated.
ELEVATED_BAD = [
    ("out %al, %dx; syscall; lea 2f(%rip), %rcx; sysretq; 2: ret", "privileged instruction outside a bracket"),
    ("syscall; lea 2f(%rip), %rcx; sysretq; 2: cli; ret", "privileged instruction outside a bracket"),
    ("syscall; jz 3f; sysretq; 2: ret; 3: wrmsr; ret", "return in a bracket"),
    ("syscall; out %al, %dx; ret", "return in a bracket"),
    ("syscall; out %al, %dx", "leaves its function"),
    ("sysretq; ret", "privileged instruction outside a bracket"),
]


def function(name, section, body):
    return (f'.section {section},"ax"\n.globl {name}\n.type {name}, @function\n{name}: {body}\n'
            f".size {name}, . - {name}\n")


def bracket(body):
    return f"mov %cs, %eax; test $3, %al; jz 1f; syscall; 1: {body}; lea 2f(%rip), %rcx; sysretq; 2: ret"


def cases():
    """Yields (section, body, words expected or None)."""
    yield ".gates", "syscall; ret", None
    for body in LOWERED_GOOD:
        yield ".text", body + "; ret", None
    for body, why in LOWERED_BAD:
        yield ".text", body + "; ret", why
    for body in BRACKET_GOOD:
        yield ".elevated", bracket(body), None
    for body, why in BRACKET_BAD:
        yield ".elevated", bracket(body), why
    for body, why in ELEVATED_BAD:
        yield ".elevated", body, why


def check(functions, exempt=""):
    """Assembles, links and checks; returns the exit status and the messages."""
    with tempfile.TemporaryDirectory() as folder:
        script, obj, elf, listed = (os.path.join(folder, name)
                                    for name in ("image.lds", "image.o", "image.elf", "exempt"))
        pathlib.Path(listed).write_text(exempt)
        pathlib.Path(script).write_text(SCRIPT)
        text = "\n".join(functions) + function("other", ".elevated", "ret")
        subprocess.run([os.environ.get("CLANG", "clang-19"), "-target", "x86_64-unknown-none-elf", "-x", "assembler",
                        "-c", "-", "-o", obj], input=text, text=True, check=True)
        subprocess.run([os.environ.get("LD", "ld.lld-19"), "-T", script, "-o", elf, obj], check=True)
        done = subprocess.run([sys.executable, "tools/check-opcodes", "--arch", "x86_64", "--exempt", listed,
                               "--objdump", os.environ.get("OBJDUMP", "llvm-objdump-19"), elf],
                              capture_output=True, text=True)
        return done.returncode, done.stderr.splitlines()


def main():
    table = [(f"case_{n}", *case) for n, case in enumerate(cases())]
    good_status, good_messages = check([function(name, section, body)
                                        for name, section, body, why in table if why is None])
    bad_status, messages = check([function(name, section, body) for name, section, body, _ in table])
    excused, _ = check([function("stray", ".text", "cli; ret")], "stray\tshows that cli faults\n")
    refused, _ = check([function("stray", ".elevated", "cli; ret")], "stray\tshows that cli faults\n")
    results = [(good_status == 0 and not good_messages, "an image of allowed code passes", good_messages),
               (bad_status == 1, "an image with forbidden code is refused", []),
               (excused == 0, "a listed function is exempt", []),
               (refused == 1, "a bracket function is never exempt", [])]
    for name, section, body, why in table:
        mine = [line for line in messages if f" {name}:" in line]
        results.append((not mine if why is None else any(why in line for line in mine),
                        f"{section} {body}", [f"expected: {why}", *mine]))
    print(f"1..{len(results)}")
    for number, (passed, name, notes) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} {name.replace('#', '')}")
        for note in [] if passed else notes:
            print(f"# {note}")


if __name__ == "__main__":
    main()
