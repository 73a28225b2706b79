#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/stalled stops machines and threads of them, and nothing else, lets them go on, and says how the command
ended."""
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

# Shells that call themselves so stand for machines. Each says how often it was let go on. Both end when the one was, or after a
# long time.
COUNT = 'n=0; trap "n=\\$((n+1))" CONT; i=0; while %s && [ $i -lt 2000 ]; do sleep 0.1; i=$((i+1)); done; echo $0 $n'


def run(*command):
    done = subprocess.run([sys.executable, "tools/stalled", "--seed", "3", *command], capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout


def load_tool():
    loader = importlib.machinery.SourceFileLoader("stalled", "tools/stalled")
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("stalled", loader))
    loader.exec_module(tool)
    return tool


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def thread_stops():
    """(whether a thread stands still and goes on, whether one that is killed meanwhile is let go); None: nobody may trace here."""
    tool, answers, good = load_tool(), [], []
    for killed in (False, True):
        process = subprocess.Popen(["sleep", "1000"])
        # Whoever traces a thread is the thread that stops it.
        stopper = threading.Thread(target=lambda pid=process.pid: answers.append(tool.stop_thread_for(pid, 1.5)))
        stopper.start()
        while stopper.is_alive() and state_of(process.pid) != "t":
            time.sleep(0.01)
        if killed:
            # Not by Popen's kill, which asks first whether the process has ended: that may take the news of the stop from the stopper.
            os.kill(process.pid, signal.SIGKILL)
        stopper.join()
        good.append(killed or state_of(process.pid) != "t")
        process.kill()
        process.wait(timeout=60)
    return good if answers[0] else None


def main():
    with tempfile.TemporaryDirectory() as folder:
        shell = subprocess.run(["sh", "-c", "command -v bash"], check=True, capture_output=True, text=True).stdout.strip()
        for name in ("qemu-system-test", "other"):
            pathlib.Path(folder, name).symlink_to(shell)
        machine, other = COUNT % "[ $n -lt 2 ]", COUNT % f"[ ! -e {folder}/over ]"
        status, text = run("sh", "-c", f"{{ {folder}/qemu-system-test -c '{machine}' machine; touch {folder}/over; }} & "
                           f"{folder}/other -c '{other}' other; wait; exit 7")
    stops = int((re.search(r"stood still, whole or in part, (\d+) times \(--seed 3\)$", text, re.MULTILINE) or [0, 0])[1])
    counts = dict(re.findall(r"^(machine|other) (\d+)$", text, re.MULTILINE))
    results = [(stops > 0, "a machine is stopped"), (int(counts.get("machine", 0)) > 0, "and goes on"),
               (counts.get("other") == "0", "others are not"), (status == 7, "the exit status is the command's")]
    alone = thread_stops()
    reason = " # SKIP nobody may trace here" if alone is None else ""
    results += [(reason or alone[0], f"a thread stands still and goes on{reason}"),
                (reason or alone[1], f"one that is killed meanwhile is let go{reason}")]
    print(f"1..{len(results)}")
    for number, (good, name) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} {name}")
    if not all(good for good, _ in results):
        print("".join(f"# {line}\n" for line in text.splitlines()), end="")


if __name__ == "__main__":
    main()
