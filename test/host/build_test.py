#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that the build refuses a kernel whose halves are not kept apart (invariant I1),
and that it is reproducible: the real Makefile builds a kernel of a few lines, then
wrong variants of it, each of which must fail with the given words."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

SCRIPT = """
#include <nucleus/layout.h>
ENTRY(nucleus_entry)
SECTIONS {
    . = IMAGE_BASE;
    .nucleus : { *nucleus.o(.text .text.* .rodata .data .bss) nucleus_end = .; }
    . = GATES_BASE;
    .gates : { *(.gates) }
    .elevated : { *[/]bracket[/]*.o(.text) }
    .text : { *(.text) }
    .data : { *(.rodata) *(.data) *(.bss) }
    .symtab_blob : { *(.symtab_blob) }
    .comment 0 : { *(.comment) }
    .debug_abbrev 0 : { *(.debug_abbrev) } .debug_info 0 : { *(.debug_info) } .debug_line 0 : { *(.debug_line) }
    .debug_line_str 0 : { *(.debug_line_str) } .debug_str 0 : { *(.debug_str) } .debug_addr 0 : { *(.debug_addr) }
    .debug_str_offsets 0 : { *(.debug_str_offsets) } .debug_frame 0 : { *(.debug_frame) }
    .debug_loclists 0 : { *(.debug_loclists) } .debug_rnglists 0 : { *(.debug_rnglists) }
    .symtab 0 : { *(.symtab) } .shstrtab 0 : { *(.shstrtab) } .strtab 0 : { *(.strtab) }
    /DISCARD/ : { *(.note.*) *(.llvm_addrsig) }
}
"""
GOOD = {
    "mk/image.lds.S": SCRIPT,
    "nucleus/entry.syms": "nucleus_entry\n",
    "nucleus/include/nucleus/layout.h": "#define IMAGE_BASE 0xffffffff80000000\n#define GATES_BASE 0xffffffff80800000\n"
                                        "#define BRACKETS_BASE 0xffffffff80802000\n",
    "nucleus/mmu/private.h": "int nucleus_private(void);\n",
    "nucleus/mmu/one.c": "#include <boot/limine_protocol.h>\n#include <lib/add.h>\n#include \"private.h\"\nextern char nucleus_end[];\nvoid nucleus_entry(void);\n"
                         "int nucleus_private(void) { return add(1, *nucleus_end); }\n"
                         "void nucleus_entry(void) { nucleus_private(); }\n",
    "kernel/floors.txt": "lib lib/\nbase kernel/base/\nprocess kernel/process/\n",
    "kernel/components.txt": "core kernel/base/\nprocess kernel/process/\n",
    "kernel/include/kernel/two.h": "int kernel_two(void);\n",
    "kernel/base/two.c": "#include <kernel/two.h>\n#include <lib/add.h>\n#include <nucleus/layout.h>\n"
                         "int kernel_two(void) { return add(2, 2); }\n",
    "boot/limine_protocol.h": "#define PROTOCOL 1\n",
    "boot/boot.h": "#define BOOT 1\n",
    "lib/add.h": "int add(int a, int b);\n",
    "lib/add.c": "#include <lib/add.h>\nint add(int a, int b) { return a + b; }\n",
    "test/opcodes.exempt": "",
}
# Name, changed files, words that the failure must contain (None: the build must pass).
VARIANTS = [
    ("the two halves build", {}, None),
    ("nucleus calls the kernel", {"nucleus/mmu/x.c": "int kernel_two(void);\nint x(void);\nint x(void) { return kernel_two(); }\n"},
     "the nucleus needs `kernel_two`"),
    ("nucleus refers weakly to the kernel",
     {"nucleus/mmu/x.c": "[[gnu::weak]] extern int kernel_two(void);\nint x(void);\nint x(void) { return kernel_two ? 1 : 0; }\n"},
     "the nucleus needs `kernel_two`"),
    ("kernel calls an unlisted nucleus function",
     {"kernel/base/x.c": "int nucleus_private(void);\nint x(void);\nint x(void) { return nucleus_private(); }\n"},
     "undefined symbol: nucleus_private"),
    ("kernel includes a private nucleus header", {"kernel/base/x.c": "#include <nucleus/mmu/private.h>\nint x;\n"},
     "only nucleus/include/ is public"),
    ("kernel includes one by a path upwards", {"kernel/base/x.c": "#include \"../../nucleus/mmu/private.h\"\nint x;\n"},
     "only nucleus/include/ is public"),
    ("nucleus includes a kernel header", {"nucleus/mmu/x.c": "#include <kernel/include/kernel/two.h>\nint x;\n"},
     "the nucleus includes nothing of kernel/"),
    ("nucleus includes more of the loader than the protocol", {"nucleus/mmu/x.c": "#include <boot/boot.h>\nint x;\n"},
     "of boot/ the nucleus includes boot/limine_protocol.h"),
    ("kernel includes the boot protocol", {"kernel/base/x.c": "#include <boot/limine_protocol.h>\nint x;\n"},
     "and the kernel nothing"),
    ("lib includes a nucleus header", {"lib/add.c": "#include <lib/add.h>\n#include <nucleus/layout.h>\nint add(int a, int b) { return a + b; }\n"},
     "lib/ stands alone"),
    ("a section that the script does not place", {"kernel/base/x.c": "[[gnu::section(\".stray\")]] int x = 1;\n"},
     ".stray"),
    ("privileged instruction in the kernel",
     {"kernel/base/x.c": "void x(void);\nvoid x(void) { __asm__ volatile(\"cli\"); }\n"}, "privileged instruction outside a bracket"),
    ("a climb to a higher floor", {"kernel/base/x.c": "int above(void);\nint x(void);\nint x(void) { return above(); }\n",
                                   "kernel/process/y.c": "int above(void);\nint above(void) { return 1; }\n"},
     "kernel/base/x.c (base) climbs to kernel/process/y.c (process) for above"),
    ("a file of no component", {"kernel/driver/x.c": "int x;\n", "kernel/floors.txt": "lib lib/\nbase kernel/base/\ndriver kernel/driver/\n"},
     "kernel/driver/x.c is of no component"),
    ("a manifest in another's body", {"kernel/base/x.c": "int component_process = 1;\n"},
     "kernel/base/x.c has the manifest of process, but is of core"),
    ("a manifest without a body", {"kernel/base/x.c": "int component_ghost = 1;\n"},
     "kernel/base/x.c has the manifest of ghost, but is of core"),
    ("two components of one path", {"kernel/components.txt": "core kernel/base/\nprocess kernel/base/one/\n"},
     "kernel/base/one/ is of process and of core"),
    ("the date in the image", {"kernel/base/x.c": "const char *x = __DATE__;\n"}, "date-time"),
]


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


# What runs make itself, and by which tool: `make -n` shows it and does not do it.
SHOWN = {"test": "tools/run-tests", "test-stalled": "tools/stalled", "mutate": "tools/mutate", "fuzz": "tools/fuzz"}


def make(folder, *words):
    environment = {name: value for name, value in os.environ.items() if name not in ("ARCH", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")}
    done = subprocess.run(["make", *(words or ("-j2", "kernel"))], cwd=folder, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout + done.stderr


def prepare(folder):
    for name in ("Makefile", "mk", "tools"):
        source = pathlib.Path(name)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    write(folder, GOOD)


def digest(folder):
    return hashlib.sha256((folder / "build/x86_64-debug/stellux.elf").read_bytes()).hexdigest()


def command_line(folder, text):
    """What the loader is told to hand to the kernel."""
    done = subprocess.run(["make", "build/x86_64-debug/limine.conf", "CMDLINE=console=none", f"APPEND={text}"], cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr + (folder / "build/x86_64-debug/limine.conf").read_text()


def shown_only(folder, goal, tool):
    """Tools that leave a mark where they run take the place of the real ones."""
    folder.mkdir()
    prepare(folder)
    mark = folder / "it ran"
    for name in SHOWN.values():
        (folder / name).write_text(f"open({str(mark)!r}, 'w')\n")
    status, text = make(folder, "-n", goal)
    return status == 0 and f"python3 {tool}" in text and not mark.exists()


def main():
    print(f"1..{len(VARIANTS) + 3 + len(SHOWN)}")
    with tempfile.TemporaryDirectory() as top:
        folder = pathlib.Path(top) / "tree"
        folder.mkdir()
        prepare(folder)
        first = None
        for number, (name, files, expected) in enumerate(VARIANTS, 1):
            write(folder, files)
            (folder / "build/x86_64-debug/stellux.elf").unlink(missing_ok=True)
            status, text = make(folder)
            passed = status == 0 if expected is None else status != 0 and expected in text \
                and not (folder / "build/x86_64-debug/stellux.elf").exists()
            print(f"{'ok' if passed else 'not ok'} {number} {name}")
            if not passed:
                print("".join(f"# {line}\n" for line in text.splitlines()[-10:]), end="")
            if first is None and status == 0:
                first = digest(folder)
            for changed in files:
                if changed in GOOD:
                    write(folder, {changed: GOOD[changed]})
                else:
                    (folder / changed).unlink()
        other = pathlib.Path(top) / "elsewhere/and/deeper"
        other.mkdir(parents=True)
        prepare(other)
        status, text = make(other)
        same = status == 0 and digest(other) == first
        print(f"{'ok' if same else 'not ok'} {len(VARIANTS) + 1} built in another place, the image is the same")
        odd = "a'b \"c d\" (e) ;f"
        found = command_line(folder, odd)
        passed = f"cmdline: console=none {odd}\n" in found
        print(f"{'ok' if passed else 'not ok'} {len(VARIANTS) + 2} what APPEND= says reaches the kernel as it is")
        # The one word for the kernel's path that all of Limine 8.x and 9.x take.
        paths = [line.strip() for line in found.splitlines() if "path:" in line and "module" not in line]
        named = paths == ["kernel_path: boot():/stellux.elf"]
        print(f"{'ok' if named else 'not ok'} {len(VARIANTS) + 3} the real Limine finds the kernel's path in the configuration")
        if not passed:
            print("".join(f"# {line}\n" for line in found.splitlines()[-10:]), end="")
        for number, (goal, tool) in enumerate(SHOWN.items(), len(VARIANTS) + 4):
            passed = shown_only(pathlib.Path(top) / goal, goal, tool)
            print(f"{'ok' if passed else 'not ok'} {number} make -n {goal} shows what it would run, and runs nothing")


if __name__ == "__main__":
    main()
