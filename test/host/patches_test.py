#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every patch of test/mutation applies to the tree as it is, exactly: one that does not proves nothing any more."""
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]


def problem(patch):
    """What keeps the patch from applying; nothing if it does."""
    text = patch.read_text()
    start = text.find("\n--- ")
    if start < 0:
        return "has no diff"
    done = subprocess.run(["patch", "-p1", "--dry-run", "--fuzz=0", "--force", "--quiet"], cwd=TOP, input=text[start + 1:],
                          capture_output=True, text=True)
    return (done.stdout.strip() or "does not apply") if done.returncode else ""


def main():
    patches = sorted((TOP / "test" / "mutation").glob("*.patch"))
    print("TAP version 14")
    print(f"1..{len(patches)}")
    for number, patch in enumerate(patches, 1):
        why = problem(patch)
        print(f"{'not ok' if why else 'ok'} {number} - {patch.name}")
        for line in why.splitlines():
            print(f"# {line}")


if __name__ == "__main__":
    main()
