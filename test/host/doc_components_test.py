#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tries tools/components-table on small images with manifests of their own: what is said of each, what is refused, and how; and sees that
doc/components.md is what the kernel's image says, where one was built.

arch: each
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOOL = pathlib.Path("tools/components-table").resolve()
ARCH = os.environ.get("STELLUX_ARCH", "x86_64")
BUILD = pathlib.Path(os.environ.get("STELLUX_BUILD", f"build/{ARCH}-debug"))
CLANG = shutil.which("clang-19") or "clang"
LLD = shutil.which("ld.lld-19") or "ld.lld"
INCLUDES = ["-Ikernel/include", f"-Ikernel/arch/{ARCH}/include", "-Inucleus/include", f"-Inucleus/arch/{ARCH}/include", "-I."]

# An image of two components: `one`, as the case has it, and `two`, which is as it should be.
SOURCE = """
#include "service.h"
#include <kernel/thread/component_part.h>
[[gnu::section(".text")]] void loop(void) {}
static int begin(void) { return 0; }
static uint32_t turn(void) { return 4; }
uint32_t (*const unused_turn)(void) __attribute__((used)) = turn;
static void end(void) {}
DEFINE_COMPONENT(two, .users = "nobody sees it", .stays = "it is small");
DEFINE_COMPONENT(one, .stage = STAGE_CORE, %(manifest)s);
%(more)s
#define BODY(ident) {#ident, {}, &component_##ident}
struct { char name[16]; unsigned long ranges[8]; struct component *manifest; }
	const bodies[] __attribute__((section(".bodies"), used)) = {BODY(one), BODY(two)};
int (*const unused[])(void) __attribute__((used)) = {begin};
void (*const unused_too[])(void) __attribute__((used)) = {end};
"""
SCRIPT = """
SECTIONS {
	. = 0x100000;
	.text : { body_core_text = .; *(.text .text.*) lowered_text_end = .; }
	.rodata : { *(.rodata .rodata.*) . = ALIGN(16); __component_bodies_start = .; *(.bodies) __component_bodies_end = .;
		    . = ALIGN(8); __drivers_start = .; KEEP(*(.drivers)) __drivers_end = .;
		    __component_parts_start = .; KEEP(*(.component_parts)) __component_parts_end = .; }
	.data : { *(.components) *(.data .data.*) }
	.bss : { *(.bss .bss.*) }
}
"""
DRIVER = """static const struct { const char *name; struct component *component; unsigned long more[4]; }
	driver __attribute__((section(".drivers"), used)) = {"quick", &component_one};"""
SERVICE = """static struct service sweeper __attribute__((used)) = {.name = "sweeper", .component = &component_one, .loop = loop%s};"""
PART = 'COMPONENT_PART(one, .what = "its wheels", .restart = turn);'
USERS, STAYS = '.users = "they wait"', '.stays = "it is large"'

CASES = [
    # name, manifest, what else is in the image, the row of `one`, or what is said
    ("it stays", f"{USERS}, {STAYS}", "", "| one | - | stays: it is large | they wait | - / - |", None),
    ("a thread of its own", USERS, SERVICE % "", "| one | sweeper | anew: its threads | they wait | - / - |", None),
    ("a thread that ends", USERS, SERVICE % ", .ends = true", "| one | sweeper, which ends | anew: its threads | they wait | - / - |", None),
    ("a driver", USERS, DRIVER, "| one | those of each device of quick | anew: its devices' drivers | they wait | - / - |", None),
    ("start and stop", f"{USERS}, .start = begin, .stop = end", "", "| one | - | anew: stop, start | they wait | - / - |", None),
    ("resettable", f"{USERS}, .resettable = true", "", "| one | - | anew: its data as in the image | they wait | - / - |", None),
    ("parts that are asked to", USERS, PART, "| one | - | anew: its wheels | they wait | - / - |", None),
    ("without users", STAYS, "", None, ["one: its manifest, DEFINE_COMPONENT(one, …), must say what who uses it sees", "add .users ="]),
    ("without a reason", USERS, "", None, ["one: its manifest", "must say why it stays", "add .stays ="]),
    ("a start alone", f"{USERS}, .start = begin", "", None, ["must say why it stays"]),
    ("a reason in vain", f"{USERS}, {STAYS}", SERVICE % "", None, ["it can begin anew: its threads; take .stays out"]),
]


def make_image(folder, manifest, more):
    """The image's path."""
    source, script, image = folder / "image.c", folder / "image.lds", folder / "image.elf"
    source.write_text(SOURCE % {"manifest": manifest, "more": more})
    script.write_text(SCRIPT)
    subprocess.run([CLANG, "-target", f"{ARCH}-unknown-none-elf", "-std=c23", "-ffreestanding", "-fno-pic", "-O1", "-w", "-DSTELLUX_DEBUG=1",
                    *INCLUDES, "-Ikernel/thread", "-c", str(source), "-o", str(folder / "image.o")], check=True)
    subprocess.run([LLD, "-static", "-e", "loop", "-T", str(script), "-o", str(image), str(folder / "image.o")], check=True)
    return image


def table(image, *words):
    """(exit status, output) of the tool."""
    done = subprocess.run([sys.executable, str(TOOL), str(image), *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def run_case(manifest, more, row, said):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        image, page, names = make_image(folder, manifest, more), folder / "page.md", folder / "components.txt"
        if said:
            status, text = table(image)
            return status == 1 and all(words in text for words in said), text
        # One of another architecture keeps its row; one that is gone loses it.
        rows = "| other | x |\n| gone | x |\n"
        page.write_text(f"before\n<!-- tools/components-table begins -->\n{rows}<!-- tools/components-table ends -->\nafter\n")
        names.write_text("# names\n\ntwo a/\nother b/\none c/\n")
        options = ["--results", folder, "--list", names]
        stale, complaint = table(image, "--check", page, *options)
        written, text = table(image, "--write", page, *options)
        good, again = table(image, "--check", page, *options)
        lines = page.read_text().splitlines()
        wanted = ["| two | - | stays: it is small | nobody sees it | - / - |", "| other | x |", row]
        return ((stale, written, good) == (1, 0, 0) and "make components-table" in complaint and row in complaint and lines[4:7] == wanted
                and (lines[0], lines[-1]) == ("before", "after") and len(lines) == 9), complaint + text + again + page.read_text()


def run_results():
    """Instructions that a service took to be there again: of who served only."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        image, page, names = make_image(folder, f"{USERS}, {STAYS}", ""), folder / "page.md", folder / "components.txt"
        names.write_text("one c/\ntwo a/\n")
        page.write_text("<!-- tools/components-table begins -->\n<!-- tools/components-table ends -->\n")
        (folder / "strikes-x86_64.md").write_text("| one | 2026-01-02 | 200 | 7 | 1 | 900 | 123000 | 456000 | served |\n"
                                                  "| two | 2026-01-02 | 200 | 7 | 1 | 900 | 124000 | 456000 | hangs |\n")
        _, text = table(image, "--write", page, "--results", folder, "--list", names)
        good = re.search(r"^\| one .* 123,000 / - \|$", page.read_text(), re.MULTILINE) and "124" not in page.read_text()
        return bool(good), text + page.read_text()


def main():
    checks = [(f"{name}: {'said' if row else 'refused'}", lambda case=case: run_case(*case))
              for name, *case in CASES for row in [case[2]]]
    checks.append(("what was measured stands in the row of who served", run_results))
    image = BUILD / "stellux.elf"
    if image.exists():
        checks.append(("doc/components.md is what the image says", lambda: (lambda done: (done[0] == 0, done[1]))(
            table(image, "--check", "doc/components.md"))))
    print(f"1..{len(checks)}")
    bad = 0
    for number, (name, check) in enumerate(checks, 1):
        good, text = check()
        bad += not good
        if not good:
            print("".join(f"# {line}\n" for line in text.splitlines()), end="")
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    return 1 if bad else 0


sys.exit(main())
