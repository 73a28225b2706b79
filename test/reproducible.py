#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the disk image a second time, from a copy of the sources in another folder,
and compares the checksums of all parts with those of the first build.
cpus: 2
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

LEFT_OUT = {".git", "build", "images", "compile_commands.json"}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "(missing)"


def build(folder):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    release = ["RELEASE=1"] if os.environ["STELLUX_BUILD"].endswith("-release") else []
    return subprocess.run(["make", f"-j{os.cpu_count()}", *release, f"ARCH={os.environ['STELLUX_ARCH']}", "image"],
                          cwd=folder, capture_output=True, text=True, env=environment)


def main():
    name = pathlib.Path(os.environ["STELLUX_BUILD"]).name
    first = pathlib.Path(os.environ["STELLUX_BUILD"])
    parts = sorted(path.name for path in first.glob("BOOT*.EFI")) + ["stellux.elf", "initramfs.cpio", "stellux.img"]
    build(".")
    with tempfile.TemporaryDirectory() as top:
        folder = pathlib.Path(top) / "somewhere-else"
        shutil.copytree(".", folder, ignore=lambda where, names: LEFT_OUT & set(names) if where == "." else set())
        shutil.copytree("build/third_party", folder / "build/third_party", symlinks=True)
        done = build(folder)
        second = folder / "build" / name
        print(f"1..{len(parts) + 1}")
        for number, part in enumerate(parts, 1):
            same = digest(first / part) == digest(second / part) != "(missing)"
            print(f"{'ok' if same else 'not ok'} {number} {part} {digest(first / part)[:16]} {digest(second / part)[:16]}")
        here = re.compile(re.escape(os.path.abspath(".")).encode() + b"/")
        leaks = [part for part in parts if (first / part).exists() and here.search((first / part).read_bytes())]
        print(f"{'not ok' if leaks else 'ok'} {len(parts) + 1} no part names the folder it was built in {leaks or ''}")
        if done.returncode:
            print("".join(f"# {line}\n" for line in done.stderr.splitlines()[-10:]), end="")


if __name__ == "__main__":
    main()
