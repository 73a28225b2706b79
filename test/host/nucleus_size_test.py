#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The nucleus keeps its size: as many lines, both architectures together, and as many calls as the design gives it, by the count
of tools/privilege-report; and that count counts lines of code, and nothing else."""
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = """/* A head
 * of two lines. */
int f(void) // with a word

{
\tcall(1, /* in the middle */ 2);
/* before */ } /* and
behind */
"""
FILES = {"a.c": SAMPLE, "arch/one/b.S": "ret\n", "arch/two/b.S": "ret\nret\n", "arch/one/iommu/c.c": SAMPLE, "arch/one/debug/c.c": SAMPLE,
         "debug/a.c": SAMPLE, "a_test.c": SAMPLE,
         "README.md": "words\n", "calls.def": "CALL(a, long, (void), ())\n"}


def report():
    sys.path.insert(0, str(TOP / "tools"))
    loader = importlib.machinery.SourceFileLoader("privilege_report", str(TOP / "tools" / "privilege-report"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("privilege_report", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def counts_what_it_should(tool):
    """(lines of all architectures, of one) of a small tree."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tool.folder_lines(folder, None), tool.folder_lines(folder, "one")


def main():
    tool = report()
    os.chdir(TOP)
    lines, calls = tool.folder_lines("nucleus", None), len(tool.calls_of(pathlib.Path("nucleus/calls.def")))
    counted = counts_what_it_should(tool)
    cases = [(counted == (4 + 1 + 2 + 1, 4 + 1 + 1), f"lines of code are counted ({counted})"),
             (0 < lines <= tool.LINES_MAX, f"{lines} lines of at most {tool.LINES_MAX}"),
             (0 < calls <= tool.CALLS_MAX, f"{calls} calls of at most {tool.CALLS_MAX}")]
    print("TAP version 14")
    print(f"1..{len(cases)}")
    for number, (good, name) in enumerate(cases, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")


if __name__ == "__main__":
    main()
