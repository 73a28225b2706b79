#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hands tools/decode-report records that the compiler laid out from nucleus/include/nucleus/report.h, for both architectures, as the
nucleus prints them, and compares what it says with what was put in. The image is a small one of two functions."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CLANG, LD = os.environ.get("CLANG", "clang-19"), os.environ.get("LD", "ld.lld-19")
NM, OBJCOPY = os.environ.get("NM", "llvm-nm-19"), os.environ.get("OBJCOPY", "llvm-objcopy-19")
PROGRAM = """
int guilty(int *p);
int guilty(int *p)
{
	return *p;
}
int outer(int *p);
int outer(int *p)
{
	return guilty(p) + 1;
}
"""
# Every field has a value of its own.
RECORD = """
#include <nucleus/report.h>
extern const char guilty[], outer[], variable[];
struct report record = {
	.number = 7, .kind = REPORT_FAULT, .flags = REPORT_RETURNED | REPORT_PRIVILEGED, .component = 3, .returns_count = 2,
	.cpu = 5, .thread = 1234, .fault = 0xe, .lost = 6, .name = "somebody", .pc = PC, .caller = CALLER,
	.code = 0x17, .address = ADDRESS,
	.victim = {.kind = VICTIM_FRAME, .type = FRAME_PAGE_TABLE, .level = 2, .owned = 1, .owner = 99, .number = 0x4321, .name = "sh"},
	.transitions = {{.us_ago = 11, .pc = PC, .detail = 1, .kind = TRACE_UPCALL}, {.us_ago = 22, .pc = PC, .detail = 77, .kind = TRACE_SWITCH}},
	.registers = {[0] = 0x1111, [REPORT_REGISTERS - 1] = 0x2222},
	.returns = {CALLER, CALLER},
};
const unsigned long size = sizeof(struct report) - sizeof(record.returns);
"""
FIRST_AND_LAST = {"x86_64": ("r15", "cr3"), "aarch64": ("x0", "ttbr1")}
TARGET = {"x86_64": "x86_64-unknown-none-elf", "aarch64": "aarch64-unknown-none-elf"}
INCLUDES = "-Inucleus/include -Inucleus/arch/{0}/include -I.".split()


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def make(folder, arch):
    """(image, what the console showed)"""
    flags = ["-target", TARGET[arch], "-std=c23", "-ffreestanding", "-O1", "-gdwarf-5", "-fno-optimize-sibling-calls"]
    source, image = folder / "program.c", folder / "image.elf"
    source.write_text(PROGRAM)
    run(CLANG, *flags, "-fno-inline", "-c", str(source), "-o", str(folder / "program.o"))
    run(LD, "-Ttext=0x400000", "-e0", "-o", str(image), str(folder / "program.o"))
    symbols = {line.split()[2]: int(line.split()[0], 16) for line in run(NM, str(image), capture_output=True, text=True).stdout.splitlines()}
    values = {"PC": symbols["guilty"], "CALLER": symbols["outer"] + 8, "ADDRESS": 0x123456}
    (folder / "record.c").write_text(RECORD)
    run(CLANG, *flags, *(include.format(arch) for include in INCLUDES), *(f"-D{name}={value:#x}" for name, value in values.items()),
        "-c", str(folder / "record.c"), "-o", str(folder / "record.o"))
    run(OBJCOPY, "-O", "binary", "--only-section=.data", str(folder / "record.o"), str(folder / "record.bin"))
    run(OBJCOPY, "-O", "binary", "--only-section=.rodata", str(folder / "record.o"), str(folder / "size.bin"))
    size = int.from_bytes((folder / "size.bin").read_bytes()[:8], "little") + 2 * 8
    raw = (folder / "record.bin").read_bytes()[:size]
    words = [f"{int.from_bytes(raw[i:i + 8], 'little'):x}" for i in range(0, len(raw), 8)]
    lines = [" ".join(words[i:i + 8]) for i in range(0, len(words), 8)]
    return image, "noise\r\n=== report 7 in hex: pc 0, address 0, thread x[1]; tools/decode-report knows more ===\r\n" + \
        "\r\n".join(lines) + "\r\n=== end of hex ===\r\nmore noise\r\n"


def decode(image, text):
    done = subprocess.run([sys.executable, "tools/decode-report", "--elf", str(image)], input=text, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    cases = []
    for arch, (first, last) in FIRST_AND_LAST.items():
        with tempfile.TemporaryDirectory() as top:
            image, text = make(pathlib.Path(top), arch)
            status, said = decode(image, text)
            for name, wanted in (
                    ("who", r"report 7: fault by thread somebody\[1234\] of component 3 on CPU 5, privileged"),
                    ("what", r"number 0xe, code 0x17, address 0x123456: level-2 page table of sh\[99\]"),
                    ("what was lost", r"\b6 reports"), ("the return", r"the return address was overwritten"),
                    ("where", r"#0 guilty\+0x0 \(.*program\.c:\d+\)"), ("the callers", r"#1 outer\+0x8 \(.*program\.c:\d+\)\n    #2 outer"),
                    ("no more callers than there are", r"#2 [^\n]*\n  registers"),
                    ("the first register", rf"^    {first} 0000000000001111\b"), ("the last register", rf"\b{last} 0000000000002222$"),
                    ("the transitions", r"11 us ago, guilty.*: upcall to the kernel, page fault\n *22 us ago, guilty.*: switch away from thread 77\n?$")):
                cases.append((f"{arch}: {name}", status == 0 and re.search(wanted, said, re.MULTILINE), said))
            stamped = "".join(f"[    1.234567] {line}\n" for line in text.replace("\r", "").splitlines())
            cases.append((f"{arch}: from the kernel's log", decode(image, stamped) == (status, said), said))
            cut = "\r\n".join(line for line in text.splitlines() if not line.startswith("0 0"))
            cases.append((f"{arch}: a record that is cut short is no record", "too short" in decode(image, cut)[1], said))
            cases.append((f"{arch}: no record at all", decode(image, "nothing\n")[0] == 1, said))
    print(f"1..{len(cases)}")
    for number, (name, good, said) in enumerate(cases, 1):
        print(f"{'ok' if good else 'not ok'} {number} {name}")
        if not good:
            print("".join(f"# {line}\n" for line in said.splitlines()), end="")


if __name__ == "__main__":
    main()
