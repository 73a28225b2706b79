#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what lib/symtab.c reads from a table made by tools/mksymtab with what LLVM
says about the same image: names and sizes with llvm-nm, lines and inlined calls with
llvm-symbolizer. The image is lib/ itself, compiled as the kernel is."""
import ctypes
import glob
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CLANG = os.environ.get("CLANG", "clang-19")
KERNEL = ("-target x86_64-unknown-none-elf -std=c23 -ffreestanding -mcmodel=kernel -mgeneral-regs-only -O2 -gdwarf-5 "
          "-I. -fdebug-compilation-dir=.").split()


class Symbol(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("address", ctypes.c_uint64), ("size", ctypes.c_uint64),
                ("function", ctypes.c_bool)]


class Place(ctypes.Structure):
    _fields_ = [("symbol", Symbol), ("offset", ctypes.c_uint64), ("file", ctypes.c_char_p), ("line", ctypes.c_uint32)]


class Inline(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("call_file", ctypes.c_char_p), ("call_line", ctypes.c_uint32)]


LIBFDT = ("<libfdt.h>", '"devicetree.h"', "<lib/devicetree.h>")  # what a file includes that needs that library


def tool(name):
    return os.environ.get(name.upper(), f"llvm-{name.lower()}-19")


def make(folder):
    """Builds image, table and reader; returns (path of the image, table, reader)."""
    objects = []
    for source in sorted(glob.glob("lib/*.c")):
        needs_libfdt = any(f"#include {header}" in pathlib.Path(source).read_text() for header in LIBFDT)
        if not needs_libfdt and not source.endswith(("_test.c", "_fuzz.c")):
            objects.append(os.path.join(folder, os.path.basename(source) + ".o"))
            subprocess.run([CLANG, *KERNEL, "-c", source, "-o", objects[-1]], check=True)
    assembly = os.path.join(folder, "s.S")
    pathlib.Path(assembly).write_text(".globl asm_function\n.type asm_function, @function\nasm_function:\n"
                                      "\tnop\n\tret\nasm_label:\n\tnop\n\tret\n.data\n.globl asm_data\nasm_data: .quad 1, 2\n")
    objects.append(assembly + ".o")
    subprocess.run([CLANG, *KERNEL, "-c", assembly, "-o", objects[-1]], check=True)
    elf = os.path.join(folder, "image.elf")
    subprocess.run([os.environ.get("LD", "ld.lld-19"), "-Ttext=0xffffffff80000000", "-e0", "-o", elf, *objects], check=True)
    blob = os.path.join(folder, "blob")
    subprocess.run([sys.executable, "tools/mksymtab", "--dwarfdump", tool("dwarfdump"), "--gsymutil",
                    "llvm-gsymutil-19", "-o", blob, elf], check=True)
    library = os.path.join(folder, "symtab.so")
    subprocess.run([CLANG, "-std=c23", "-O1", "-fPIC", "-shared", "-I.", "lib/symtab.c", "-o", library], check=True)
    reader = ctypes.CDLL(library)
    reader.symtab_lookup.restype = ctypes.c_bool
    reader.symtab_inlined.restype = ctypes.c_size_t
    return elf, pathlib.Path(blob).read_bytes(), reader


def lookup(reader, blob, address):
    place = Place()
    reader.symtab_lookup(blob, ctypes.c_size_t(len(blob)), ctypes.c_uint64(address), ctypes.byref(place))
    return place


def chain(reader, blob, address):
    """[(function, file, line)], innermost first, as the reader tells it."""
    place, frames = lookup(reader, blob, address), (Inline * 16)()
    count = reader.symtab_inlined(blob, ctypes.c_size_t(len(blob)), ctypes.c_uint64(address), frames, ctypes.c_size_t(16))
    names = [frames[i].name for i in range(count)] + [place.symbol.name]
    lines = [(place.file, place.line)] + [(frames[i].call_file, frames[i].call_line) for i in range(count)]
    return [(name.decode(), (file or b"").decode(), line) for name, (file, line) in zip(names, lines)]


def symbolize(elf, addresses):
    """address -> the same chain, as llvm-symbolizer tells it."""
    text = subprocess.run([tool("symbolizer"), f"--obj={elf}", "--output-style=JSON", "--inlines"],
                          input="".join(f"{a:#x}\n" for a in addresses), capture_output=True, text=True, check=True).stdout
    result = {}
    for line in text.splitlines():
        entry = json.loads(line)
        result[int(entry["Address"], 16)] = [
            (frame["FunctionName"], os.path.normpath(frame["FileName"]) if frame["FileName"] else "", frame["Line"])
            for frame in entry["Symbol"]]
    return result


def compare_symbols(elf, blob, reader):
    wrong = []
    text = subprocess.run([tool("nm"), "--print-size", elf], capture_output=True, text=True, check=True).stdout
    for address, size, kind, name in re.findall(r"^(\w{16}) (\w{16}) (\w) (\S+)$", text, flags=re.MULTILINE):
        address, size = int(address, 16), int(size, 16)
        for offset in {0, size // 2, size - 1} if size else ():
            place = lookup(reader, blob, address + offset)
            if (place.symbol.name != name.encode() or place.offset != offset or place.symbol.size != size
                    or place.symbol.function != (kind in "tT")):
                wrong.append(f"{name}+{offset}: {place.symbol.name}+{place.offset} of {place.symbol.size}")
    return wrong


def compare_lines(elf, blob, reader):
    wrong, checked = [], 0
    text = subprocess.run([tool("objdump"), "-d", "--no-show-raw-insn", elf], capture_output=True, text=True, check=True).stdout
    addresses = [int(a, 16) for a in re.findall(r"^\s*(\w{16}):", text, flags=re.MULTILINE)]
    for address, theirs in symbolize(elf, addresses).items():
        if not lookup(reader, blob, address).symbol.name:
            continue        # padding behind a function
        ours = chain(reader, blob, address)
        if any(line == 0 for _, _, line in theirs) or theirs[0][1].endswith("s.S"):
            continue        # made by the compiler: we keep the line before
        checked += 1
        if ours != theirs:
            wrong.append(f"{address:#x}: {ours} instead of {theirs}")
    return wrong if checked > 1000 else [f"only {checked} addresses compared"]


def compare_assembly(elf, blob, reader):
    text = subprocess.run([tool("nm"), elf], capture_output=True, text=True, check=True).stdout
    where = {name: int(address, 16) for address, name in re.findall(r"^(\w+) \w (asm_\w+)$", text, flags=re.MULTILINE)}
    expected = [(where["asm_function"] + 1, b"asm_function", 5), (where["asm_label"] + 1, b"asm_label", 8),
                (where["asm_data"] + 9, b"asm_data", 0)]
    return [f"{name}: {place.symbol.name} line {place.line}" for address, name, line in expected
            for place in [lookup(reader, blob, address)] if (place.symbol.name, place.line) != (name, line)]


def main():
    tests = [("names and sizes agree with nm", compare_symbols),
             ("lines and inlined calls agree with the symbolizer", compare_lines),
             ("assembly is named", compare_assembly)]
    print(f"1..{len(tests)}")
    with tempfile.TemporaryDirectory() as folder:
        elf, blob, reader = make(folder)
        for number, (name, compare) in enumerate(tests, 1):
            wrong = compare(elf, blob, reader)
            for line in wrong[:8]:
                print(f"# {line}")
            print(f"{'not ok' if wrong else 'ok'} {number} {name}")


if __name__ == "__main__":
    main()
