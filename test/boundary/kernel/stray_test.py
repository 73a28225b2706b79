#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots privdemo, which makes the component stray misbehave in every way it knows, and checks the reports on the
serial line: the culprit's function, file and line against llvm-symbolizer's words for the address in the report,
the victim against the image's symbols, the backtrace, and that the machine goes on. test/boundary/kernel/modes-ARCH.txt
says what must become of each case in the mode of privilege that the kernel's command line names.

usage: stray_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)
Prints KTAP.

needs: kernel boot initramfs
"""
import os
import pathlib
import re
import subprocess
import sys

from machine import Machine

LIMIT_S = 500     # the whole of it
SEED = os.environ.get("SEED", "7")
HERE = pathlib.Path("test/boundary/kernel")
MODES = ("full", "drivers", "off")
REPORT = re.compile(r"\n=== (?:stray access caught|nucleus call refused): (?P<what>.*?) by (?P<by>\S+) ===\n(?P<body>.*?)=== end of report[^\n]*===\n",
                    re.DOTALL)
RESULT = re.compile(r"^(\S+) \(seed \d+\): trying to [^\n]*\n\s+(caught|survived|refused) victim=(\S+) culprit=(\S+)$", re.MULTILINE)
TRANSITION = re.compile(r" +\d+ us ago, pc [0-9a-f]{16}: (?:fault, (?:vector \d+|exception class 0x[0-9a-f]+)|violation at a gate"
                        r"|upcall to the kernel, [a-z][a-z ]+|switch away from thread \d+)")
# What the report says of the victim, by case; None: it has none.
VICTIMS = {
    "write-page-table": r"level-(?P<level>\d) page table of .*, entry (?P<entry>\d+) \(in the window\)",
    "write-nucleus-data": r"nucleus variable (?P<symbol>\S+)\+(?P<offset>0x[0-9a-f]+)",
    "write-nucleus-text": r"nucleus text (?P<symbol>\S+)\+(?P<offset>0x[0-9a-f]+)",
    "write-kernel-text": r"kernel text (?P<symbol>\S+)\+(?P<offset>0x[0-9a-f]+)",
    "write-thread-record": r"record of thread \d+ \(.+\)",
    "write-entry-page": r"entry data page of CPU (?P<cpu>\d+)",
    **dict.fromkeys(("write-by-memset", "list-remove", "inline", "inline-by-address", "callback", "jump-nucleus", "smash-return", "smash-stack"),
                    r"nucleus text (?P<symbol>\S+)\+(?P<offset>0x[0-9a-f]+)"),
    **dict.fromkeys(("call-refused", "claim-memory"), r"nucleus frame (?P<frame>0x[0-9a-f]+)"),
    "map-config-space": r"device or absent memory, physical (?P<fact>0x[0-9a-f]+)",
    **dict.fromkeys(("claim-host-bridge", "master-bus", "move-bar", "forge-message"),
                    r"register 0x[0-9a-f]+ of PCI function (?P<segment>\w+):(?P<bus>\w+):(?P<device>\w+)\.(?P<function>\d)"),
}

# What the report says was done, by case; the others are not looked at.
DEEDS = {
    "write-page-table": "write", "write-nucleus-data": "write", "write-kernel-text": "write", "jump-nucleus": "jump",
    "wrmsr": "privileged instruction wrmsr", "cli": "privileged instruction cli", "out": "privileged instruction out",
    "mov-cr3": "privileged instruction mov to or from a control register",
    "msr": "privileged instruction msr", "mrs": "privileged instruction mrs", "daifset": "privileged instruction msr (immediate)",
    "msr-ttbr": "privileged instruction msr", "tlbi": "privileged instruction tlbi", "at": "privileged instruction at",
    "dc-ivac": "privileged cache instruction", "eret": "privileged instruction eret", "hvc": "privileged instruction hvc",
    "smc": "privileged instruction smc", "elevate-unlisted": "elevation from an unlisted address",
    "elevate-denied": "elevation without the right",
    "call-refused": "kmap", "claim-memory": "device_claim", "map-config-space": "device_map", "claim-host-bridge": "device_claim",
    "master-bus": "pci_write", "move-bar": "pci_bars", "forge-message": "pci_write", "exit-gate": "return to a process from a thread that has none",
    "smash-return": "jump", "smash-stack": "jump",
}

# What is inlined into the culprit and does it.
INLINED = {"list-remove": "list_remove", "inline": "bitmap_set"}

# Reports that no exception caused: they have no registers and no transitions.
CALLS = {"call-refused", "claim-memory", "map-config-space", "claim-host-bridge", "master-bus", "move-bar", "forge-message"}
# Cases whose culprit is not on the stack any more.
SMASHED = {"smash-return", "smash-stack"}


def bodies(arch):
    """{path: component} of kernel/components.txt."""
    out = {}
    for line in pathlib.Path("kernel/components.txt").read_text().splitlines():
        name, *paths = line.split("#")[0].split() or [None]
        out.update((path.replace("*", arch), name) for path in paths)
    return out


class Image:
    """Names of the kernel image, from tools that are not ours."""

    def __init__(self, path):
        self.path = str(path)
        self.symbols, self.extents = {}, []
        listing = subprocess.run([os.environ.get("NM", "llvm-nm-19"), "-S", self.path], check=True, capture_output=True, text=True).stdout
        for line in listing.splitlines():
            field = line.split()
            self.symbols.setdefault(field[-1], []).append(int(field[0], 16))
            if len(field) == 4:
                self.extents.append((int(field[0], 16), int(field[1], 16)))

    def names(self, address):
        return any(start <= address < start + size for start, size in self.extents)

    def chain(self, address):
        """[(function, file, line)] of the address: what is inlined, innermost first, then the function that it is in."""
        out = subprocess.run([os.environ.get("SYMBOLIZER", "llvm-symbolizer-19"), "--obj=" + self.path, hex(address)], check=True,
                             capture_output=True, text=True).stdout.strip().splitlines()
        places = [re.match(r"(?:\./)?(.*):(\d+):\d+$", place).groups() for place in out[1::2]]
        return [(name, os.path.normpath(file), int(line)) for name, (file, line) in zip(out[::2], places)]

    def place(self, address):
        """(function that the address is in, file and line of the instruction: of what is inlined from a header, where)"""
        chain = self.chain(address)
        _, file, line = next((place for place in chain if place[1].endswith((".c", ".S"))), chain[-1])
        return chain[-1][0], file, line


def boot(machine, mode):
    work = machine.build / "results"
    image = machine.make_image(work / f"boundary-{mode}.img", "initramfs-test",
                               os.environ.get("STELLUX_CMDLINE", f"dynpriv={mode}") + f" init.run=/bin/privdemo all --seed {SEED}")
    text, ended = machine.run(image, limit_s=LIMIT_S)
    (work / f"boundary-{mode}.txt").write_text(text)
    return text, ended


def check_culprit(image, arch, report, case, culprit):
    """Complaints about the report's culprit."""
    match = re.search(r"^  culprit: component (\S+), function (\S+), (\S+):(\d+)$", report, re.MULTILINE)
    if not match:
        return ["the report names no culprit"]
    component, function, file, line = match.group(1), match.group(2), match.group(3).removeprefix("./"), int(match.group(4))
    bad = []
    if function != culprit:
        bad.append(f"the culprit is {function}, not {culprit}")
    if component != "stray":
        bad.append(f"the component is {component}")
    if culprit == "?":
        return bad
    owner = next((name for path, name in bodies(arch).items() if file == path or path.endswith("/") and file.startswith(path)), None)
    if component != owner:
        bad.append(f"component {component} of a function in {file}, which is of {owner}")
    # Where the backtrace has the culprit: the first is where it is, the others are where they return to.
    places, chains = set(), []
    for number, name, offset in re.findall(r"^    #(\d+) (\S+)\+(0x[0-9a-f]+) ", report, re.MULTILINE):
        if name == culprit and not places:
            address = [start + int(offset, 16) - (number != "0") for start in image.symbols[name]]
            places = {place[1:] for place in map(image.place, address) if place[0] == culprit}
            chains = [chain[:-1] for chain in map(image.chain, address) if chain[-1][0] == culprit]
    if (file, line) not in places:
        bad.append(f"the culprit is at {file}:{line}, not at {places or 'what the backtrace shows'}")
    told = [(name, path.removeprefix("./"), int(at)) for name, path, at in re.findall(r"^  inlined: (\S+) \((\S+):(\d+)\)$", report, re.MULTILINE)]
    if told not in chains or case in INLINED and INLINED[case] not in [name for name, _, _ in told]:
        bad.append(f"{told} is told to be inlined, not {chains}")
    return bad


def check_registers(report, arch, case, name):
    """The gate's user is recognised by what it called the gate with."""
    if case != "exit-gate":
        return []
    number = int(name.removeprefix("number-"), 16)
    found = re.search({"x86_64": r" rdi ([0-9a-f]{16})", "aarch64": r"^    x0  ([0-9a-f]{16})"}[arch], report, re.MULTILINE)
    return [] if found and int(found.group(1), 16) == number else [f"the argument was {number:#x}, and the registers do not show it"]


def check_victim(image, report, case, name):
    wanted = VICTIMS.get(case)
    match = re.search(r"^  victim:  (.*?)(?: at (0x[0-9a-f]+))?$", report, re.MULTILINE)
    if wanted is None:
        return []
    if not match or (match.group(2) is None) != (case in CALLS):
        return ["the report names no victim"]
    text, address = match.group(1), int(match.group(2) or "0", 16)
    unnamed = re.fullmatch(r"(?:nucleus|kernel) (?:variable|text) without a name, behind (\S+) \(\+(0x[0-9a-f]+)\)", text)
    if unnamed:
        if image.names(address):
            return [f"{address:#x} has a name, but the report does not say it"]
        return [] if address - int(unnamed.group(2), 16) in image.symbols.get(unnamed.group(1), []) else \
            [f"{unnamed.group(1)} is not at {address:#x} less {unnamed.group(2)}"]
    found = re.fullmatch(wanted, text)
    if not found:
        return [f"the victim is called `{text}`"]
    fact = found.groupdict()
    if "symbol" in fact and address - int(fact["offset"], 16) not in image.symbols.get(fact["symbol"], []):
        return [f"{fact['symbol']} is not at {address:#x} less {fact['offset']}"]
    if "frame" in fact and f"nucleus-frame-{fact['frame']}" != name:
        return [f"frame {fact['frame']} was not the victim, but {name}"]
    if "fact" in fact and not name.endswith(fact["fact"]):
        return [f"{fact['fact']} was not the victim, but {name}"]
    if "bus" in fact:
        number = int(fact["segment"], 16) << 16 | int(fact["bus"], 16) << 8 | int(fact["device"], 16) << 3 | int(fact["function"])
        if not name.endswith(f"-{number:#x}"):
            return [f"function {number:#x} was not the victim, but {name}"]
    if "level" in fact and f"-level-{fact['level']}-entry-{fact['entry']}" not in name:
        return [f"level {fact['level']}, entry {fact['entry']} was not the victim, but {name}"]
    if "cpu" in fact and f"cpu-{fact['cpu']}+" not in name:
        return [f"CPU {fact['cpu']} was not the victim, but {name}"]
    return []


def check_deed(report, case):
    what = REPORT.match(report).group("what")
    return [] if what == DEEDS.get(case, what) else [f"the report says `{what}`, not `{DEEDS[case]}`"]


def check_backtrace(report, case, culprit):
    frames = re.findall(r"^    #\d+ (\S+)\+0x[0-9a-f]+ \((\S+):(\d+)\)$", report, re.MULTILINE)
    names = [frame[0] for frame in frames]
    if case == "smash-stack":
        return []
    # What faulted may be a tool of the culprit, but a gate is nobody's frame.
    first = names[:1] if case in CALLS or case == "exit-gate" else names[:2]
    bad = [] if case in SMASHED or culprit in first else [f"the backtrace begins with {names[:2]}"]
    # The way from the thread's beginning to the culprit; the last call may have been a jump.
    return bad + [f"{name} is not in the backtrace" for name in ("guard_call", "run_thread") if name not in names]


def check_transitions(report):
    """Each line says how long ago, where, and what its number means."""
    lines = re.search(r"^  last transitions of CPU \d+, newest first, without gates:\n((?:    .*\n)*)", report, re.MULTILINE)
    if not lines or not lines.group(1):
        return ["the report shows no transitions"]
    return [f"what does `{line}` mean?" for line in lines.group(1).splitlines() if not TRANSITION.fullmatch(line)]


def main():
    machine = Machine.from_environment()
    mode = re.search(r"dynpriv=(\w+)", os.environ.get("STELLUX_CMDLINE", "dynpriv=full"))
    mode = mode.group(1) if mode else "full"
    expected = {}
    for line in (HERE / f"modes-{machine.arch}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *outcomes = line.split()
            expected[name] = dict(zip(MODES, outcomes))[mode]
    image = Image(machine.build / "stellux.elf")
    text, ended = boot(machine, mode)
    reports = [match.group(0) for match in REPORT.finditer(text)]
    # The console is shared: with the reports out, the program's lines are whole again.
    results = {name: (outcome, victim, culprit) for name, outcome, victim, culprit in RESULT.findall(REPORT.sub("", text))}

    print(f"KTAP version 1\n1..{len(expected) + 1}")
    for number, (case, outcome) in enumerate(expected.items(), 1):
        bad = []
        if case not in results:
            bad.append("no result")
        else:
            got, victim, culprit = results[case]
            if got != outcome:
                bad.append(f"{got}, not {outcome}")
            if got == "caught":
                # Cases run one after the other: the first report that is left is this one's.
                report = reports.pop(0) if reports else ""
                bad += check_culprit(image, machine.arch, report, case, culprit) + check_victim(image, report, case, victim) \
                    + check_backtrace(report, case, culprit) + check_registers(report, machine.arch, case, victim) \
                    + ([] if case in CALLS else check_transitions(report)) + check_deed(report, case) if report else ["no report"]
        for line in bad:
            print(f"# {line}")
        print(f"{'not ok' if bad else 'ok'} {number} - {case} is {outcome}")
    total = re.search(r"(\d+) of (\d+) caught", REPORT.sub("", text))
    caught = sum(outcome == "caught" for outcome in expected.values())
    good = ended and total and int(total.group(1)) == caught and not reports and "nucleus panic" not in text
    if not good:
        print(f"# ended: {ended}; {total.group(0) if total else 'no total'}; {len(reports)} further reports")
    print(f"{'ok' if good else 'not ok'} {len(expected) + 1} - the machine goes on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
