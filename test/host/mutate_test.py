#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/mutate tells a kill from a hang, a survivor and a broken patch, and
knows which architecture a patch is for. It runs on a small tree with a `make` of its own
that says what the mutated file tells it to."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]

# Says what the file `nucleus/verdict` names, as run-tests would; nothing is wrong with "good".
MAKE = """#!/bin/bash
arch=x86_64 goal= test=
for word; do
    case $word in
    ARCH=*) arch=${word#ARCH=} ;;
    TEST=*) test=${word#TEST=} ;;
    objects|test) goal=$word ;;
    esac
done
said=$(cat nucleus/verdict nucleus/arch/$arch/verdict | grep -v good | head -1)
if [ $goal = objects ]; then
    case $said in
    compile) echo "x.c:1:1: error: expected ';'"; exit 1 ;;
    analysis) echo "x.c:1:1: error: calling function [-Werror,-Wthread-safety-analysis]"; exit 1 ;;
    esac
    exit 0
fi
[ "$test" = lost ] && exit 1
[ "$STOP_EARLY" = 1 ] || { echo "0 passed, 1 failed"; exit 1; }
case $said in
"") echo "  ok   $test 3 passed (0.1 s)"; echo "3 passed, 0 failed"; exit 0 ;;
fails) echo "  FAIL $test 2 passed, 1 FAILED (0.1 s)"; echo "       - spaces: an overlap is refused"
    echo "           # spaces.c:9: not so: refused" ;;
slow) echo "  FAIL $test 1 passed, 2 FAILED (9.0 s)"; echo "       - 3 tests planned, 1 reported"
    echo "       - did not end within 9 s" ;;
slow-and-fails) echo "  FAIL $test 1 passed, 2 FAILED (9.0 s)"; echo "       - spaces: an overlap is refused"
    echo "       - did not end within 9 s" ;;
programs) echo "  FAIL $test 0 passed, 1 FAILED (0.1 s)"; [ "$UTEST" = "a b:c" ] || { echo "1 passed, 0 failed"; exit 0; }
    echo "       - only a and b:c were run" ;;
stuck) echo "  FAIL $test 1 passed, 1 FAILED (60.0 s)"; echo "       - park: wakes up"
    echo "           # ktest.c:91: not so: the case did not end in time" ;;
proofs) echo "  FAIL make kernel-ktest"; echo "check-opcodes: cli outside of a bracket" ;;
disk) echo "  FAIL make initramfs"; echo "cp: error writing 'initramfs.cpio': No space left on device" ;;
link) echo "  FAIL make kernel-ktest"; echo "ld.lld-19: error: undefined symbol: f" ;;
esac
echo "2 passed, 1 failed"
exit 1
"""

# Name, file, verdict that the patch writes, header, {arch: (fault?, verdict)}.
X, A = "x86_64", "aarch64"
SHARED = "nucleus/verdict"
CASES = [
    ("killed", SHARED, "fails", "test: t", {X: (False, "killed"), A: (False, "killed")}),
    ("survivor", SHARED, "goodgood", "test: t", {X: (True, "survived"), A: (True, "survived")}),
    ("hang", SHARED, "slow", "test: t", {X: (True, "timed out"), A: (True, "timed out")}),
    ("hang-allowed", SHARED, "slow", "test: t\nkill: hang", {X: (False, "timed out"), A: (False, "timed out")}),
    ("hang-unknown", SHARED, "slow", "test: t\nkill: slow", {X: (True, "broken"), A: (True, "broken")}),
    ("hang-of-a-case", SHARED, "stuck", "test: t", {X: (True, "timed out"), A: (True, "timed out")}),
    ("hang-and-failure", SHARED, "slow-and-fails", "test: t", {X: (False, "killed"), A: (False, "killed")}),
    ("not-compiled", SHARED, "compile", "test: t", {X: (True, "broken"), A: (True, "broken")}),
    ("refused-by-analysis", SHARED, "analysis", "test: t", {X: (False, "killed"), A: (False, "killed")}),
    ("refused-by-proofs", SHARED, "proofs", "test: t", {X: (False, "killed"), A: (False, "killed")}),
    ("not-built", SHARED, "disk", "test: t", {X: (True, "broken"), A: (True, "broken")}),
    ("not-linked", SHARED, "link", "test: t", {X: (True, "broken"), A: (True, "broken")}),
    ("no-test", SHARED, "fails", "why: none", {X: (True, "broken"), A: (True, "broken")}),
    ("survivor-explained", SHARED, "goodgood", "test: t\nsurvives: it changes nothing", {X: (False, "survived"), A: (False, "survived")}),
    ("killed-though-explained", SHARED, "fails", "test: t\nsurvives: not so", {X: (True, "killed"), A: (True, "killed")}),
    ("programs", SHARED, "programs", "test: t\nprograms: a b:c", {X: (False, "killed"), A: (False, "killed")}),
    ("one-arch", "nucleus/arch/x86_64/verdict", "fails", "test: t", {X: (False, "killed")}),
    ("other-arch", "nucleus/arch/aarch64/verdict", "fails", "test: t", {A: (False, "killed")}),
    ("one-arch-says-its-head", SHARED, "fails", "test: t\narch: x86_64", {X: (False, "killed")}),
    ("arch-unknown", SHARED, "fails", "test: t\narch: x86", {X: (True, "broken"), A: (True, "broken")}),
    ("test-of-one-arch", SHARED, "fails", "test-x86_64: t", {X: (False, "killed"), A: (True, "broken")}),
]


def make_tree(top):
    for name in (SHARED, "nucleus/arch/x86_64/verdict", "nucleus/arch/aarch64/verdict"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("good\n")
    (top / "test/mutation").mkdir(parents=True)
    (top / "make").write_text(MAKE)
    (top / "make").chmod(0o755)
    for name, file, verdict, head, _ in CASES:
        (top / f"test/mutation/{name}.patch").write_text(
            f"{head}\n\n--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-good\n+{verdict}\n")
    (top / "test/mutation/displaced.patch").write_text(
        f"test: t\n\n--- a/{SHARED}\n+++ b/{SHARED}\n@@ -1 +1 @@\n-bad\n+worse\n")


def main():
    results = []
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        make_tree(top)
        # As the program would with both architectures, whichever are there by now.
        program = ("import sys, runpy; sys.path.insert(0, sys.argv[1]); import machine; "
                   "machine.ARCHITECTURES.setdefault('aarch64', {}); sys.argv[:2] = [sys.argv[1] + '/mutate']; "
                   "runpy.run_path(sys.argv[0], run_name='__main__')")
        done = subprocess.run([sys.executable, "-c", program, str(TOP / "tools"), "--arch", X, "--arch", A, "--jobs", "2",
                               "--make", str(top / "make"), "--folder", str(top / "build/mutate")],
                              cwd=top, capture_output=True, text=True, env={k: v for k, v in os.environ.items() if k not in ("KTEST", "UTEST")})
        print("".join(f"# {line}\n" for line in (done.stdout + done.stderr).splitlines()))
        said = {(arch, name): (bool(fault), verdict.strip()) for fault, verdict, arch, name in
                re.findall(r"\] (FAULT )?(killed|timed out|survived|broken) +(\w+) ([\w-]+):", done.stdout)}
        for name, _, _, _, expected in (*CASES, ("displaced", "", "", "", {X: (True, "broken"), A: (True, "broken")})):
            for arch in (X, A):
                results.append((said.pop((arch, name), None) == expected.get(arch), f"{name} on {arch}"))
        results.append((not said, f"nothing else was run {sorted(said)}"))
        results.append((done.stdout.endswith("16 killed, 6 timed out, 4 survived, 15 broken\n"), "the last line counts them"))
        results.append((done.returncode == 1, "faults make it fail"))
        page = (top / f"doc/results/mutation-{X}.md").read_text()
        results.append(("| `killed` | killed | " in page and "21 tried: 9 killed, 3 timed out, 2 survived, 7 broken." in page,
                        "a page says what became of each"))
        results.append(("- `survivor-explained`: it changes nothing\n- `survivor`: a fault" in page or
                        "- `survivor`: a fault of the tests\n- `survivor-explained`: it changes nothing\n" in page,
                        "and why it survived"))
        sources = [path.read_text() for path in top.glob("build/mutate/*/nucleus/**/verdict")]
        results.append((sources == ["good\n"] * 6, "every change was taken back"))
        calm = subprocess.run([sys.executable, str(TOP / "tools/mutate"), "--arch", X, "--select", "hang-allowed",
                               "--make", str(top / "make"), "--folder", str(top / "build/mutate")],
                              cwd=top, capture_output=True, text=True)
        results.append((calm.returncode == 0 and "0 killed, 1 timed out, 0 survived, 0 broken" in calm.stdout,
                        "a hang that the patch allows is no fault"))
    print(f"1..{len(results)}")
    for number, (good, name) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")


if __name__ == "__main__":
    main()
