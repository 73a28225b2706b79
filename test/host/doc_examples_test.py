#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles, for each architecture, what doc/add-a-*.md have their readers write into kernel/: a new file (a block of code under
"into `kernel/….c`:"), or lines behind one that is there (under "behind `LINE` in `kernel/….c`:"). A component of theirs says what
tools/components-table asks of each; without, the reader's build would end there."""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
NEW = re.compile(r"`(kernel/[\w/]+\.c)`:$")
BEHIND = re.compile(r"behind\s+`([^`]+)`\s+in\s+`(kernel/[\w/]+\.c)`:$")
MANIFEST = re.compile(r"(?s)\bDEFINE_COMPONENT\(.*?\);")
NEIGHBOUR = "kernel/process/uname.c"    # whose command compiles any file of the lowered kernel
WANTED = {"add-a-component.md", "add-a-driver.md", "add-a-filesystem.md", "add-a-system-call.md"}


def examples(page):
    """(file, its text, the folder of what it includes) of each block of code that says where it goes."""
    paragraphs = re.split(r"\n\n(?=\S)", page.read_text())
    for before, code in re.findall(r"(?s)((?:[^\n]+\n)+)\n((?:(?:    |\t)[^\n]*\n|\n)+)", "\n\n".join(paragraphs) + "\n"):
        said = before.strip()
        code = re.sub(r"(?m)^    ", "", code)
        behind, new = BEHIND.search(said), NEW.search(said)
        if behind:
            line, path = behind.groups()
            text = (TOP / path).read_text()
            if text.count(line + "\n") != 1:
                yield path, None
            yield path, text.replace(line + "\n", f"{line}\n\n{code}", 1)
        elif new and code.startswith("/* SPDX"):
            yield new[1], code


def command(arch):
    """The compiler and its flags, as make has them."""
    build = f"build/{arch}-debug"
    made = subprocess.run(["make", "-n", "-W", NEIGHBOUR, f"ARCH={arch}", "BUILD=build", "RELEASE=0", f"{build}/k/{NEIGHBOUR}.o"], cwd=TOP,
                          capture_output=True, text=True,
                          env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))})
    line = next(line for line in made.stdout.replace("\\\n", " ").splitlines() if f"-c {NEIGHBOUR} " in line)
    words = shlex.split(line)
    for name, count in (("-MMD", 1), ("-MP", 1), ("-MJ", 2), ("-c", 2), ("-o", 2)):
        at = words.index(name)
        del words[at:at + count]
    return words


def compiles(words, path, text, place):
    """What the compiler says against it."""
    if text is None:
        return f"{path} does not have the line once"
    for manifest in MANIFEST.findall(text):
        if ".users = " not in manifest:
            return f"{path}: the manifest has no .users: {manifest}"
    source = place / pathlib.Path(path).name
    source.write_text(text)
    done = subprocess.run([*words, "-iquote", str((TOP / path).parent), "-c", str(source), "-o", str(place / "object")], cwd=TOP,
                          capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else None


def main():
    cases, seen = [], set()
    with tempfile.TemporaryDirectory() as place:
        for arch in ("x86_64", "aarch64"):
            words = command(arch)
            for page in sorted((TOP / "doc").glob("add-a-*.md")):
                for path, text in examples(page):
                    seen.add(page.name)
                    cases.append((f"{arch}: {page.name}: {path}", compiles(words, path, text, pathlib.Path(place))))
            broken = compiles(words, "kernel/broken.c", "int nobody(void);\n#error it is seen\n", pathlib.Path(place))
            cases.append((f"{arch}: a file that is wrong is refused", None if "it is seen" in (broken or "") else "it is not"))
    missing = WANTED - seen
    cases.append(("each page has an example", f"not {', '.join(sorted(missing))}" if missing else None))
    print(f"TAP version 14\n1..{len(cases)}")
    for number, (name, complaint) in enumerate(cases, 1):
        print(f"{'not ok' if complaint else 'ok'} {number} - {name}")
        if complaint:
            print("# " + complaint.strip().replace("\n", "\n# "))
    return 1 if any(complaint for _, complaint in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
