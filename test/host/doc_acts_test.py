#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that three lists of the acts of the component stray agree, for each architecture: the tables of doc/privilege.md, what
test/boundary/kernel expects of each in each mode, and the acts that the sources have, which is what `privdemo --list` prints."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
ARCHES = ("x86_64", "aarch64")
CHAPTER = "### Which forbidden act is caught in which mode\n"
HEAD = "| act | full | drivers | off |\n|---|---|---|---|\n"
# One in the sources: by a macro, or written out.
ACT = re.compile(r"(?:\w+_CASE\(|\.name = )\"([\w-]+)\",\s*(?:\"|\.what)")


def rows(table):
    """[(act, outcomes)] of a table: the names stand in front of the colon."""
    out = []
    for line in table.splitlines():
        what, *outcomes = (cell.strip() for cell in line.strip("|").split(" | "))
        out += [(name, tuple(outcomes)) for name in re.findall(r"`([\w-]+)`", what.partition(":")[0])]
    return out


def documented(arch):
    text = (TOP / "doc/privilege.md").read_text().partition(CHAPTER)[2].partition("\n## ")[0]
    both, *own = (part.partition("\n\n")[0] for part in text.split(HEAD)[1:])
    return rows(both) + rows(own[ARCHES.index(arch)])


def expected(arch):
    lines = (TOP / f"test/boundary/kernel/modes-{arch}.txt").read_text().splitlines()
    return [(line.split()[0], tuple(line.split()[1:])) for line in lines if line and not line.startswith("#")]


def in_sources(arch):
    files = [*(TOP / "kernel/component/stray").glob("*.c"), *(TOP / f"kernel/arch/{arch}/stray").glob("*.c")]
    return [name for file in files for name in ACT.findall(file.read_text())]


def differences(name, found, wanted):
    return [f"{name} lacks {act}" for act in wanted if act not in found] + [f"{name} alone has {act}" for act in found if act not in wanted] \
        + ([] if len(found) == len(set(found)) else [f"{name} names an act twice"])


def main():
    print(f"TAP version 14\n1..{2 * len(ARCHES)}")
    failed = False
    for number, arch in enumerate(ARCHES):
        table, acts = documented(arch), in_sources(arch)
        for at, (name, bad) in enumerate((("the test expects what the table of doc/privilege.md says", differences("the table", table, expected(arch))),
                                          ("the table has the program's acts", differences("the table", [name for name, _ in table], acts)
                                           + ([] if len(acts) > 20 else ["the sources have hardly any"]))), 1):
            print("".join(f"# {line}\n" for line in bad) + f"{'not ok' if bad else 'ok'} {2 * number + at} - {arch}: {name}")
            failed = failed or bool(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
