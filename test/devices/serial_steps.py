# SPDX-License-Identifier: MIT
"""A serial line whose driver is broken in the middle of a long text, out of the machine and into it: for scripts whose shell (disk_test.py's)
talks over that line. The reports come over it as well."""
import re

import consoles
from machine import LIMIT_S

# What is not the text: reports, which are printed past the terminal. (The kernel's log would be broken by the text, and is kept from it.)
REPORT = re.compile(r"\n?=== .*? ===\n.*?=== end of report[^\n]*===\n", re.DOTALL)
FIRST, COUNT = 10000, 3000
NUMBERS = [str(n) for n in range(FIRST, FIRST + COUNT)]
TEXT = "".join(f"{n}\n" for n in NUMBERS)


def line_of(shell):
    """(name of the device, its driver, its terminal)."""
    text = shell.type("awk '($4 == \"ns16550\" || $4 == \"pl011\") && $5 == \"up\" {print \"line\", $1, $4}' /proc/hardware; "
                      "echo over $(basename $(tty))")
    device, driver = consoles.found(r"^line (\S+) (\S+)$", text).groups()
    return device, driver, consoles.found(r"^over (\w+)$", text)[1]


def out_of_it(shell, order):
    """What the machine says while it prints the text with a point armed."""
    return shell.type(f"seq {FIRST} {FIRST + COUNT - 1} >/tmp/text; echo {order} >/proc/stray_points; cat /tmp/text")


def into_it(shell, order):
    """The same while it takes the text: `same` if it has it all."""
    shell.console.send(f"seq {FIRST} {FIRST + COUNT - 1} >/tmp/text; stty -echo; echo {order} >/proc/stray_points; echo wai''ting; "
                       f"head -n {COUNT} >/tmp/taken; stty echo; cmp /tmp/text /tmp/taken && echo sa''me\r".encode())
    before, there = shell.console.collect(lambda data: b"waiting" in data, LIMIT_S)
    if there:
        shell.console.send(TEXT.encode())
    return before.decode(errors="replace").replace("\r", "") + shell.collect()


def complete(text):
    """Whether the numbers are there, each once and in their order, when all else is taken out."""
    return "".join(NUMBERS) in re.sub(r"\s", "", REPORT.sub("", text))


def cost(log, terminal):
    """Instructions from the last report to the terminal that is there again; the clock counts them."""
    times = [re.findall(rf"^\[ *([0-9.]+)\] {what}", log, re.MULTILINE)
             for what in ("=== stray access caught: write by serial", rf"serial: {terminal} is a ")]
    return round((float(times[1][-1]) - float(times[0][-1])) * 1e9) if all(times) else 0


def broken(shell, point, how, through, line):
    """Complaint or None."""
    device, driver, terminal = line
    text = through(shell, f"{point} thread {device} pass 100 faults 1 {how}")
    armed, log = shell.type("grep ^armed /proc/stray_points; echo none >/proc/stray_points"), shell.type("dmesg")
    instructions = cost(log, terminal)
    wanted = {"the report": "=== stray access caught: write by serial ===" in text,
              "the culprit": re.search(rf"culprit: component serial, function \w+, \S*kernel/driver/serial/{driver}/", text),
              "the victim": f"victim:  {'nothing: no mapping' if how else 'nucleus text'}" in text,
              "a new round": re.search(rf"device: {device}: .*{driver} is attached anew", log),
              "one fault": re.search(rf"^armed {point} passed \d+ faulted 1$", armed, re.MULTILINE),
              "the whole text": complete(text) if through is out_of_it else re.search("^same$", text, re.MULTILINE),
              "the times of both ends": instructions > 0}
    missing = [name for name, there in wanted.items() if not there]
    if missing:
        return f"not there: {', '.join(missing)}\n{armed}\n{log}\n{text}"
    print(f"# serial: instructions from the report of a fault in {point} to the terminal that is there again: {instructions}, a pause "
          "included", flush=True)
    return None


def lost(shell, line):
    text = into_it(shell, f"serial_interrupt thread {line[0]} pass 40 faults 1")
    armed = shell.type("grep ^armed /proc/stray_points; echo none >/proc/stray_points")
    good = re.search("^same$", text, re.MULTILINE) and re.search(r"^armed serial_interrupt passed \d+ faulted 1$", armed, re.MULTILINE)
    return None if good else f"not taken whole, or no interrupt was lost: {armed}\n{text}"


NAMES = ("a stray write in the middle of a long output", "a wild pointer in the middle of a long input", "an interrupt lost in one")


def steps(shell):
    """(name, complaint) of each, as of NAMES."""
    line = line_of(shell)
    shell.type("dmesg -n 1")
    yield NAMES[0], broken(shell, "driver_serial_send", "", out_of_it, line)
    yield NAMES[1], broken(shell, "driver_serial_receive", "wild", into_it, line)
    yield NAMES[2], lost(shell, line)
