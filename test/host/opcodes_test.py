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


class X86:
    """Bodies for x86_64."""
    name = "x86_64"
    target = ["x86_64-unknown-none-elf"]
    end = "ret"
    gate = "syscall; ret"
    stray = "cli; ret"

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

    @staticmethod
    def bracket(body):
        return f"mov %cs, %eax; test $3, %al; jz 1f; syscall; 1: {body}; lea 2f(%rip), %rcx; sysretq; 2: ret"


class A64:
    """Bodies for aarch64."""
    name = "aarch64"
    target = ["aarch64-unknown-none-elf", "-march=armv8.5-a"]
    end = "ret"
    gate = "svc #0; ret"
    stray = "msr daifset, #15; ret"

    LOWERED_GOOD = [
        "stp x29, x30, [sp, #-16]!; bl other_text; ldp x29, x30, [sp], #16; brk #1; udf #0",
        "mrs x0, tpidrro_el0; mrs x1, cntvct_el0; mrs x2, ctr_el0; mrs x3, dczid_el0; mrs x4, nzcv; msr nzcv, x4",
        "dc zva, x0; dc cvau, x0; ic ivau, x0; dc civac, x1; wfi; wfe; yield; isb; dmb ish; clrex; bti c",
        "tbz w0, #3, 1f; blr x1; cbnz x2, 1f; b.ne 1f; 1: br x16",
    ]
    PRIVILEGED = """tlbi vmalle1|tlbi vae1is, x0|at s1e1r, x0|eret|drps|hvc #0|smc #0|hlt #1|dcps1|dc isw, x0|dc ivac, x0|ic iallu
ic ialluis|dc cisw, x0|sys #0, c7, c8, #0, x0|sysl x0, #0, c7, c8, #0|dc csw, x1"""
    LOWERED_BAD = [(text, "privileged instruction outside a bracket") for text in re.split(r"[|\n]", PRIVILEGED)] + [
        (text, "system register outside a bracket") for text in (
            "msr daifset, #2", "msr daifclr, #2", "msr spsel, #1", "msr ttbr0_el1, x0", "mrs x0, ttbr1_el1", "msr vbar_el1, x0",
            "mrs x0, daif", "msr tpidrro_el0, x0", "msr tpidr_el0, x0", "mrs x0, midr_el1", "msr sp_el0, x0", "mrs x0, tpidr_el1",
            "msr sctlr_el1, xzr", "mrs x0, S3_0_C15_C0_0", "mrs x0, cntpct_el0", "msr cntv_ctl_el0, x0", "msr elr_el1, x1")] + [
        (".inst 0xffffffff", "no instruction outside a bracket"),
        ("svc #0", "gate instruction outside .gates and .elevated"),
        ("svc #7", "gate instruction outside .gates and .elevated"),
        ("bl nucleus", "direct branch into the nucleus"),
        ("b nucleus", "direct branch into the nucleus"),
    ]
    BRACKET_GOOD = [
        "msr cntv_ctl_el0, x0; ldr x1, [sp]; ldp x2, x3, [sp, #16]; str x1, [x0]; tlbi vmalle1; isb",
        "3: mrs x0, isr_el1; tbz x0, #7, 3b; cbnz x1, 2f; cmp sp, x1; ldr x2, [x29, #16]",
        "mov x8, sp; ldr x9, [x8, #8]; mov x8, x0; str x1, [x8]; add x10, x9, #8; str x1, [x10]",
    ]
    BRACKET_BAD = [
        ("bl other", "call in a bracket"), ("blr x0", "call in a bracket"), ("ret", "return in a bracket"),
        ("ret x3", "return in a bracket"), ("drps", "return in a bracket"), ("br x0", "indirect branch in a bracket"),
        ("str x0, [sp, #8]", "stack write in a bracket"), ("stp x0, x1, [sp, #16]", "stack write in a bracket"),
        ("stur x0, [x29, #-8]", "stack write in a bracket"), ("strb w0, [sp]", "stack write in a bracket"),
        ("str x0, [sp, x1]", "stack write in a bracket"), ("stlr x0, [sp]", "stack write in a bracket"),
        ("stxr w2, x0, [sp]", "stack write in a bracket"), ("swp x0, x1, [sp]", "stack write in a bracket"),
        ("ldaddal x0, x1, [x29]", "stack write in a bracket"), ("casal x0, x1, [sp]", "stack write in a bracket"),
        ("str x0, [sp, #-16]!", "stack write in a bracket"), ("ldr x0, [sp], #16", "stack pointer changed in a bracket"),
        ("ldp x0, x1, [sp, #16]!", "stack pointer changed in a bracket"), ("sub sp, sp, #16", "stack pointer changed in a bracket"),
        ("mov sp, x0", "stack pointer changed in a bracket"), ("msr spsel, #1", "stack pointer changed in a bracket"),
        ("msr sp_el0, x0", "stack pointer changed in a bracket"),
        ("mov x8, sp; str x0, [x8]", "stack write in a bracket"), ("add x8, sp, #16; str x0, [x8, #8]", "stack write in a bracket"),
        ("sub x8, x29, #16; mov x9, x8; stp x0, x1, [x9]", "stack write in a bracket"),
        ("mov x8, x0; cbz x1, 3f; mov x8, sp; 3: str x0, [x8]", "stack write in a bracket"),
        ("mov x8, x0; 3: str x0, [x8]; add x8, x29, x1; cbnz x1, 3b", "stack write in a bracket"),
        ("mov x8, sp; ldr x1, [x8], #8; str x0, [x8]", "stack write in a bracket"),
        ("b other", "leaves its function"), ("cbz x0, other", "leaves its function"), ("tbnz x0, #1, other", "leaves its function"),
        ("svc #0", "second elevation in a bracket"), ("hvc #0", "second elevation in a bracket"),
    ]
    ELEVATED_BAD = [
        ("tlbi vmalle1; svc #0; adr x16, 2f; eret; 2: ret", "privileged instruction outside a bracket"),
        ("svc #0; adr x16, 2f; eret; 2: msr daifset, #2; ret", "system register outside a bracket"),
        ("svc #0; cbz x0, 3f; eret; 2: ret; 3: tlbi vmalle1; ret", "return in a bracket"),
        ("svc #0; tlbi vmalle1; ret", "return in a bracket"),
        ("svc #0; tlbi vmalle1", "leaves its function"),
        ("eret; ret", "privileged instruction outside a bracket"),
    ]

    @staticmethod
    def bracket(body):
        return f"svc #0; {body}; msr daifset, #15; adr x16, 2f; msr elr_el1, x16; msr spsr_el1, xzr; eret; 2: ret"


def function(name, section, body):
    return (f'.section {section},"ax"\n.globl {name}\n.type {name}, @function\n{name}: {body}\n'
            f".size {name}, . - {name}\n")


def cases(arch):
    """Yields (section, body, words expected or None)."""
    yield ".gates", arch.gate, None
    for body in arch.LOWERED_GOOD:
        yield ".text", f"{body}; {arch.end}", None
    for body, why in arch.LOWERED_BAD:
        yield ".text", f"{body}; {arch.end}", why
    for body in arch.BRACKET_GOOD:
        yield ".elevated", arch.bracket(body), None
    for body, why in arch.BRACKET_BAD:
        yield ".elevated", arch.bracket(body), why
    for body, why in arch.ELEVATED_BAD:
        yield ".elevated", body, why


def check(arch, functions, exempt=""):
    """Assembles, links and checks; returns the exit status and the messages."""
    with tempfile.TemporaryDirectory() as folder:
        script, obj, elf, listed = (os.path.join(folder, name)
                                    for name in ("image.lds", "image.o", "image.elf", "exempt"))
        pathlib.Path(listed).write_text(exempt)
        pathlib.Path(script).write_text(SCRIPT)
        text = "\n".join(functions) + function("other", ".elevated", "ret") + function("other_text", ".text", "ret")
        subprocess.run([os.environ.get("CLANG", "clang-19"), "-target", *arch.target, "-x", "assembler",
                        "-c", "-", "-o", obj], input=text, text=True, check=True)
        subprocess.run([os.environ.get("LD", "ld.lld-19"), "-T", script, "-o", elf, obj], check=True)
        done = subprocess.run([sys.executable, "tools/check-opcodes", "--arch", arch.name, "--exempt", listed,
                               "--objdump", os.environ.get("OBJDUMP", "llvm-objdump-19"), elf],
                              capture_output=True, text=True)
        return done.returncode, done.stderr.splitlines()


def run(arch):
    """Yields (passed, name, notes) of all that is checked for one architecture."""
    table = [(f"case_{n}", *case) for n, case in enumerate(cases(arch))]
    status, notes = check(arch, [function(name, section, body) for name, section, body, why in table if why is None])
    yield status == 0 and not notes, "an image of allowed code passes", notes
    status, messages = check(arch, [function(name, section, body) for name, section, body, _ in table])
    yield status == 1, "an image with forbidden code is refused", []
    status, _ = check(arch, [function("stray", ".text", arch.stray)], "stray\tshows that it faults\n")
    yield status == 0, "a listed function is exempt", []
    status, _ = check(arch, [function("stray", ".elevated", arch.stray)], "stray\tshows that it faults\n")
    yield status == 1, "a bracket function is never exempt", []
    for name, section, body, why in table:
        mine = [line for line in messages if f" {name}:" in line]
        yield (not mine if why is None else any(why in line for line in mine), f"{section} {body}",
               [f"expected: {why}", *mine])


def main():
    results = [(passed, f"{arch.name}: {name}", notes) for arch in (X86, A64) for passed, name, notes in run(arch)]
    print(f"1..{len(results)}")
    for number, (passed, name, notes) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} {name.replace('#', '')}")
        for note in [] if passed else notes:
            print(f"# {note}")


if __name__ == "__main__":
    main()
