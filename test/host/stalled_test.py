#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/stalled stops machines, and nothing else, lets them go on, and says how the command ended."""
import pathlib
import re
import subprocess
import sys
import tempfile

# Shells that call themselves so stand for machines. Each says how often it was let go on.
COUNT = 'n=0; trap "n=\\$((n+1))" CONT; i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; echo $0 $n'


def run(*command):
    done = subprocess.run([sys.executable, "tools/stalled", "--seed", "3", *command], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        shell = subprocess.run(["sh", "-c", "command -v bash"], check=True, capture_output=True, text=True).stdout.strip()
        for name in ("qemu-system-test", "other"):
            pathlib.Path(folder, name).symlink_to(shell)
        status, text = run("sh", "-c", f"{folder}/qemu-system-test -c '{COUNT}' machine & {folder}/other -c '{COUNT}' other; wait; exit 7")
    stops = int((re.search(r"stood still (\d+) times \(--seed 3\)$", text, re.MULTILINE) or [0, 0])[1])
    counts = dict(re.findall(r"^(machine|other) (\d+)$", text, re.MULTILINE))
    results = [(stops > 0, "a machine is stopped"), (int(counts.get("machine", 0)) > 0, "and goes on"),
               (counts.get("other") == "0", "others are not"), (status == 7, "the exit status is the command's")]
    print(f"1..{len(results)}")
    for number, (good, name) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} {name}")
    if not all(good for good, _ in results):
        print("".join(f"# {line}\n" for line in text.splitlines()), end="")


if __name__ == "__main__":
    main()
