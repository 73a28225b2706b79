#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tries tools/check-layers on a small tree of its own: what stands, what climbs by a call or an include, what is listed,
what is listed in vain, and what stands nowhere."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOOL = pathlib.Path("tools/check-layers").resolve()
CLANG = shutil.which("clang-19") or "clang"
FLOORS = "low kernel/low/ kernel/include/kernel/low/\nhigh kernel/high/ kernel/include/kernel/high/\n"
BASE = {
    "kernel/include/kernel/low/low.h": "void low(void);\n",
    "kernel/include/kernel/high/high.h": "void high(void);\n",
    "kernel/include/shared.h": "\n",
    "kernel/low/low.c": "#include <shared.h>\n#include <kernel/low/low.h>\nvoid low(void) {}\n",
    "kernel/high/high.c": "#include <kernel/low/low.h>\n#include <kernel/high/high.h>\nvoid high(void) { low(); }\n",
}
CALLS = {"kernel/low/low.c": "void high(void);\nvoid low(void) { high(); }\n"}
OTHERS = "build/third_party/other/other.c"
INCLUDES = {"kernel/low/low.c": "#include <kernel/high/high.h>\nvoid low(void) {}\n"}


def run(files, floors, *options):
    """(exit status, output) of the tool on a tree of these files."""
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        for name, text in {**BASE, **files}.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        for source in sorted(top.rglob("*.c")):
            name = source.relative_to(top)
            target = top / "build/k" / f"{name}.o"
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([CLANG, "-Ikernel/include", "-MMD", "-MP", "-c", str(name), "-o", str(target)], cwd=top, check=True)
        (top / "floors").write_text(floors)
        done = subprocess.run([sys.executable, str(TOOL), "--floors", "floors", *options, "build"], cwd=top, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


CASES = [
    # name, files beside BASE, floors, options, exit status, words that must be said
    ("what stands", {}, FLOORS, (), 0, []),
    ("a call climbs", CALLS, FLOORS, (), 1, ["kernel/low/low.c (low) climbs to kernel/high/high.c (high) for high"]),
    ("an include climbs", INCLUDES, FLOORS, (), 1, ["kernel/low/low.c (low)", "kernel/include/kernel/high/high.h (high) for kernel/high/high.h"]),
    ("a call that is listed", CALLS, FLOORS + "climbs:\nlow high high\n", (), 0, []),
    ("an include that is listed", INCLUDES, FLOORS + "climbs:\nlow high kernel/high/high.h\n", (), 0, []),
    ("listed in vain", {}, FLOORS + "climbs:\nlow high high\n", (), 1, ["floors:4", "take the line out"]),
    ("listed is no climb", {}, FLOORS + "climbs:\nhigh low low\n", (), 1, ["floors:4", "is no climb"]),
    ("stands nowhere", {"kernel/attic/attic.c": "void attic(void) {}\n"}, FLOORS, (), 1, ["kernel/attic/attic.c: stands on no floor"]),
    ("the longest path counts", {"kernel/low/porch/porch.c": "void high(void);\nvoid porch(void) { high(); }\n"},
     FLOORS.replace("high ", "high kernel/low/porch/ ", 1), (), 0, []),
    ("an architecture", {"kernel/arch/any/one.c": "void high(void);\nvoid one(void) { high(); }\n"},
     FLOORS.replace("low ", "low kernel/arch/*/one.c ", 1), (), 1, ["kernel/arch/any/one.c (low) climbs"]),
    ("a circle", CALLS, FLOORS, ("--circle",), 0, ["2 of 2 files", "kernel/high/high.c", "kernel/low/low.c"]),
    ("a circle that is allowed", CALLS, FLOORS + "circle: 2\nclimbs:\nlow high high\n", (), 0, []),
    ("a circle that is not", CALLS, FLOORS + "circle: 1\nclimbs:\nlow high high\n", (), 1,
     ["2 files all reach each other by calls, 1 may", "kernel/high/high.c kernel/low/low.c"]),
    ("no circle", {}, FLOORS, ("--circle",), 0, ["1 of 2 files"]),
    ("a library climbs", {"lib/text.c": "void low(void);\nvoid text(void) { low(); }\n"}, "library lib/\n" + FLOORS, (), 1,
     ["lib/text.c (library) climbs to kernel/low/low.c (low) for low"]),
    ("sources of others climb", {OTHERS: "void high(void);\nvoid other(void) { high(); }\n"},
     FLOORS.replace("low ", "low build/third_party/other/ ", 1), (), 1, [f"{OTHERS} (low) climbs to kernel/high/high.c (high) for high"]),
    ("a circle through sources of others", {OTHERS: "void high(void);\nvoid low(void);\nvoid other(void) { high(); low(); }\n",
                                            "kernel/low/low.c": "void other(void);\nvoid low(void) { other(); }\n",
                                            "kernel/high/high.c": "void other(void);\nvoid high(void) { other(); }\n"},
     FLOORS, ("--circle",), 0, ["2 of 2 files", "kernel/high/high.c", "kernel/low/low.c"]),
]


def undescribed():
    """Floors of the tree that the table of kernel/README.md does not have."""
    names = {row.split("|")[1] for row in pathlib.Path("kernel/README.md").read_text().splitlines() if row.startswith("| `")}
    floors = [line.split()[0] for line in pathlib.Path("kernel/floors.txt").read_text().partition("circle:")[0].splitlines()
              if line and not line.startswith("#")]
    return [floor for floor in floors if not any(f"`{floor}/" in name for name in names)] if floors else ["any"]


def main():
    print(f"TAP version 13\n1..{len(CASES) + 1}")
    bad = 0
    for number, (name, files, floors, options, status, words) in enumerate(CASES, 1):
        got, text = run(files, floors, *options)
        good = got == status and all(word in text for word in words)
        print(f"{'ok' if good else 'not ok'} {number} {name}")
        if not good:
            bad += 1
            print("\n".join(f"# {line}" for line in (f"status {got}, {status} expected", *text.splitlines())))
    missing = undescribed()
    print(f"{'not ok' if missing else 'ok'} {len(CASES) + 1} kernel/README.md describes each floor")
    if missing:
        print(f"# not {', '.join(missing)}")
    return 1 if bad or missing else 0


if __name__ == "__main__":
    sys.exit(main())
