#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks are plugged into slots of PCI Express and pulled out again while they are read and written: they come and go, an open file says
that its device is gone, and nothing is left of them. The slots' driver begins anew meanwhile. Prints KTAP.

usage: plug_test.py [ROUNDS [SEED]]     (from the project's root; the machine comes from the environment, see tools/machine.py)

With a seed (make test-plug) a line more of doc/results/plug-ARCH.md says what came of it. A thousand rounds are more than the nucleus
has claims and interrupts: one that was not given back would be missed.

needs: kernel boot initramfs
"""
import datetime
import pathlib
import random
import re
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "session")]
import consoles     # noqa: E402
import plugging     # noqa: E402
from disk_test import Shell     # noqa: E402
from machine import Machine     # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else None
WARM = 8    # rounds after which all that stays for good is there
RESTARTS = 8    # while a disk comes, and while it goes
EARLY_S = 0.4   # until then a disk of an early round is pulled out: before, while and after its driver attaches
KINDS = list(plugging.KINDS)
# Threads and allocations of those that disks and slots concern, and memory that devices are told of.
HELD = ("awk '$1 ~ /^(pci|device|block|virtio|virtio_blk|nvme|pcie_port)$/ {print \"held\", $1, $5, $8, $9}' /proc/components; "
        "awk '!/Reserved/ {print \"held\", $1, $2, 0, 0}' /proc/dma_memory")


class Prompt(Shell):
    """The shell of a machine without disks of which the names matter; no line of the log comes between its answers."""

    def __init__(self, machine, options):
        image = machine.make_image(machine.build / "results" / "devices" / f"plug-{machine.arch}.img", "initramfs",
                                   f"console={machine.facts['console']} loglevel=1")
        self.name, self.ours, self.theirs = "plug", {}, {}
        self.console = consoles.open_machine(machine.command(image, options))
        self.collect()


def held(shell):
    return re.findall(r"^held ([\w:]+) (\d+) (\d+) (\d+)$", shell.type(HELD), re.MULTILINE)


def rounds(shell, qmp, state):
    """What ended last is given back a little later: it is looked at until it is as it was."""
    chance = random.Random(SEED or 1)
    for number in range(ROUNDS):
        kind = chance.choice(KINDS) if number >= WARM else KINDS[number % len(KINDS)]
        if number % 4 == 3:
            complaint = plugging.early_round(shell.type, qmp, kind, chance.uniform(0, EARLY_S))
        else:
            complaint = plugging.round_of(shell.type, qmp, kind)
        if complaint:
            return f"round {number}: {complaint}"
        state["rounds"] = number + 1
        if number == WARM - 1:
            state["before"] = settled(shell)
    after = settled(shell, state["before"])
    return None if no_more(after, state["before"]) else f"held after {WARM} rounds {state['before']}, after {ROUNDS} {after}"


def no_more(now, before):
    """Whether nobody holds more than before: what ended just then may have been held still, if a thread of the machine stood."""
    return len(now) == len(before) and all(one[0] == other[0] and all(int(n) <= int(m) for n, m in zip(one[1:], other[1:]))
                                           for one, other in zip(now, before))


def settled(shell, wanted=None):
    last = held(shell)
    for _ in range(600):
        shell.type("sleep 0.1")
        now = held(shell)
        if now == last if wanted is None else no_more(now, wanted):
            return now
        last = now
    return last


# The slots' driver begins anew, and has done so.
RESTART = ("set -- $(awk '$4 == \"pcie_port\" {n += $7} END {print n + 2}' /proc/hardware); echo restart pcie_port >/proc/components; "
           "until awk -v want=$1 '$4 == \"pcie_port\" && $5 == \"up\" {up++; n += $7} END {exit !(up == 2 && n >= want)}' /proc/hardware; "
           "do sleep 0.1; done")


def restarted(shell, qmp, _):
    """The driver of the slots begins anew with a disk in one of them, which is there all the time, and goes when it is to."""
    disk, complaint = plugging.plug(shell.type, qmp, "virtio")
    if complaint:
        return complaint
    text = shell.type(f"exec 7</dev/{disk}; {RESTART}; dd bs=4k count=8 iflag=direct <&7 2>&- | wc -c; exec 7<&-; echo again")
    if "32768\nagain" not in text:
        return text
    return plugging.pull(shell.type, qmp, "virtio", disk) or plugging.round_of(shell.type, qmp, "nvme")


def restarted_between(shell, qmp, _):
    """The driver begins anew while a disk is being plugged in, and while it is being taken out: it comes, and it goes."""
    chance = random.Random(SEED or 1)
    for number in range(RESTARTS):
        kind = KINDS[number % len(KINDS)]
        if (answer := qmp.add(kind)) != {}:
            return f"QEMU adds no {kind}: {answer}"
        time.sleep(chance.uniform(0, EARLY_S))
        shell.type(RESTART)
        disk, complaint = plugging.arrived(shell.type, kind)
        complaint = complaint or plugging.unplug(qmp, kind)
        if complaint:
            return f"{kind} {number}: {complaint}"
        time.sleep(chance.uniform(0, EARLY_S / 8))
        shell.type(RESTART)
        if not qmp.left(kind):
            return f"{kind} {number}: the slot was not given up"
        text = shell.type(f"ls -d /dev/{disk} /sys/block/{disk} 2>&- | wc -l")
        if not re.search("^0$", text, re.MULTILINE):
            return f"left of {disk}: {text}"
    return plugging.round_of(shell.type, qmp, "nvme")


CASES = [("disks come and go while they are read and written", rounds),
         ("the slots' driver begins anew, and the disk stays", restarted),
         ("the slots' driver begins anew while disks come and go", restarted_between)]


def write_result(machine, count, failed):
    path = pathlib.Path("doc/results") / f"plug-{machine.arch}.md"
    if not path.exists():
        path.write_text(f"# Disks plugged into slots of PCI Express and pulled out under load, {machine.arch}\n\n`make test-plug`\n\n"
                        "| date | seed | rounds | failed |\n|---|---|---|---|\n")
    with path.open("a") as file:
        file.write(f"| {datetime.date.today()} | {SEED} | {count} | {'; '.join(failed) or 'none'} |\n")


def main():
    machine = Machine.from_environment()
    place = machine.build / "results" / "devices"
    place.mkdir(parents=True, exist_ok=True)
    qmp, shell, state, failed = plugging.Qmp(), None, {"rounds": 0}, []
    print(f"TAP version 14\n1..{len(CASES)}", flush=True)
    try:
        shell = Prompt(machine, plugging.options() + qmp.options)
        qmp.connect()
        for number, (name, case) in enumerate(CASES, 1):
            complaint = case(shell, qmp, state)
            print(f"{'not ok' if complaint else 'ok'} {number} - {name}", flush=True)
            if complaint:
                print("# " + complaint.replace("\n", "\n# "), flush=True)
                print("# " + shell.type("cat /proc/hardware; dmesg | tail -40").replace("\n", "\n# "), flush=True)
                failed.append(name)
    except (consoles.ConsoleError, EOFError, OSError) as error:
        print(f"Bail out! {error}", flush=True)
        failed.append(str(error).splitlines()[0])
    finally:
        if shell:
            shell.console.close()
        qmp.close()
    if SEED is not None:
        write_result(machine, state["rounds"], failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
