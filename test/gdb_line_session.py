# SPDX-License-Identifier: MIT
"""What gdb does in test/gdb_line_test.py: it runs this file, with the symbols of the image loaded. Each `@ok` or `@not ok` line is a
result, `@type TEXT` is for the machine's console, `@end` ends.

Variables of gdb: $line, the socket of the machine's serial line; $arch; $rounds, how many continues; $part, which session this is.
"""
import os
import signal
import threading
import time
import traceback

import gdb

ARCH = gdb.parse_and_eval("$arch").string()
LINE = gdb.parse_and_eval("$line").string()
PART = gdb.parse_and_eval("$part").string()
ROUNDS = int(gdb.parse_and_eval("$rounds"))
MASK = (1 << 64) - 1
PC, SP = {"x86_64": ("$rip", "$rsp"), "aarch64": ("$pc", "$sp")}[ARCH]
CPUS = int(gdb.parse_and_eval("$cpus"))


def say(text):
    print(text, flush=True)


def check(name, good, why=""):
    why = why.replace("\n", " | ")
    say(f"@{'ok' if good else 'not ok'} {name}" + (f" # {why}" if not good else ""))


def run(command):
    return gdb.execute(command, to_string=True)


def value(text):
    return int(gdb.parse_and_eval(text)) & MASK


def pc():
    return value(f"(unsigned long){PC}")


def address(symbol):
    return value(f"(unsigned long)&{symbol}")


def here():
    frame = gdb.newest_frame()
    return frame.name() or "?"


def privileged():
    return value("$cs") & 3 == 0 if ARCH == "x86_64" else value("$cpsr") & 12 != 0


def connect():
    run(f"target remote {LINE}")


def note(event):
    """Why it stopped."""
    global reason
    if isinstance(event, gdb.BreakpointEvent):
        kinds = {gdb.BP_BREAKPOINT: "breakpoint", gdb.BP_HARDWARE_WATCHPOINT: "watchpoint"}
        reason = kinds.get(event.breakpoints[0].type, "hardware breakpoint")
    elif isinstance(event, gdb.SignalEvent):
        reason = event.stop_signal
    else:
        reason = "stop"


reason = ""
gdb.events.stop.connect(note)


def go(after_s=None):
    """Lets it run until it stops; with an interrupt after so long. Why it stopped."""
    global reason
    reason = "nothing"
    timer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT)) if after_s else None
    if timer:
        timer.start()
    try:
        run("continue")
    finally:
        if timer:
            timer.cancel()
    return reason


def until(command, location, limit=1):
    breakpoint = gdb.Breakpoint(location, **command)
    text = go()
    for _ in range(limit - 1):
        text = go()
    breakpoint.delete()
    return text


SOFT, HARD = {"type": gdb.BP_BREAKPOINT}, {"type": gdb.BP_HARDWARE_BREAKPOINT}


def watch(expression):
    return gdb.Breakpoint(expression, type=gdb.BP_WATCHPOINT, wp_class=gdb.WP_WRITE)


def threads():
    return run("info threads")


def names():
    """What the stub says of its threads."""
    return [thread.details or "" for thread in gdb.selected_inferior().threads()] if hasattr(gdb.InferiorThread, "details") else [threads()]


def steps(name, count):
    """Steps, each of which must lead somewhere near."""
    before, moved = pc(), 0
    for _ in range(count):
        run("stepi")
        moved += pc() != before
        before = pc()
    check(name, moved >= count - 1, f"{moved} of {count} steps moved, the last to {before:#x}")


def at_boot():
    connect()
    text = threads()
    check("all CPUs are threads", text.count("CPU ") >= CPUS, text)
    check("it waits before lowered code runs", "debug_begin" in run("backtrace"), run("backtrace"))
    text = until(SOFT, "kernel_main")
    check("a breakpoint in the lowered kernel", here() == "kernel_main" and not privileged(), text)
    steps("steps in the lowered kernel", 20)
    text = until(HARD, "call_space_create")
    check("a hardware breakpoint in the nucleus", here() == "call_space_create" and privileged(), text)
    steps("steps in the nucleus", 20)
    text = until(SOFT, "sched_unpark")
    check("a breakpoint in the nucleus", here() == "sched_unpark" and privileged(), text)
    point = watch("machine_time")
    text = go()
    check("a watchpoint in the nucleus", text == "watchpoint" and privileged(), text)
    point.delete()
    memory()
    registers()
    bracket()
    lowered_watch()
    process()
    rounds()
    lost = threads()
    check("threads of the kernel have names", "parked" in lost and "log[" in lost or "init" in lost, lost)


def memory():
    inferior = gdb.selected_inferior()
    place = value(SP) - 4096
    kept = bytes(inferior.read_memory(place, 64))
    inferior.write_memory(place, b"written by a debugger")
    check("memory is written and read", bytes(inferior.read_memory(place, 21)) == b"written by a debugger")
    inferior.write_memory(place, kept)
    wrong = []
    for nowhere in (0, 8, 0xffff800000000000, 0xffffffffffffffff, 0x123456789abcdef0, 0xffffb07ffffff000, 0xffffd00080000000):
        try:
            inferior.read_memory(nowhere, 16)
            wrong.append(hex(nowhere))
        except gdb.MemoryError:
            pass
    check("what is not there is an error", not wrong, f"{wrong} can be read")
    code = bytes(inferior.read_memory(address("trap_contain"), 16))
    point = gdb.Breakpoint("*trap_contain")
    check("breakpoints do not show in memory", bytes(inferior.read_memory(address("trap_contain"), 16)) == code)
    point.delete()
    try:
        gdb.Breakpoint("*debug_event")
        check("no breakpoint in the stub itself", False, go(2))
    except gdb.error as error:
        check("no breakpoint in the stub itself", "Cannot insert" in str(error) or "aborted" in str(error), str(error))
    run("delete")


def registers():
    if ARCH == "x86_64":
        kept = value("$rbx")
        run("set $rbx = 0x1122334455667788")
        check("registers are written and read", value("$rbx") == 0x1122334455667788)
        run(f"set $rbx = {kept}")
        run("set $xmm7.v2_int64[0] = 0x1900aabbccddeeff")
        run("set $xmm7.v2_int64[1] = 0x1122334455667788")
        run("maintenance flush register-cache")
        check("vector registers are", "0x11223344556677881900aabbccddeeff" in run("p/x $xmm7.uint128"), run("p/x $xmm7"))
        check("and the x87's", "st0" in run("info float").lower() or "R7" in run("info float"), run("info float"))
    else:
        kept = value("$x20")
        run("set $x20 = 0x1122334455667788")
        check("registers are written and read", value("$x20") == 0x1122334455667788)
        run(f"set $x20 = {kept}")
        run("set $v7.q.u = 0x11223344556677889900aabbccddeeff")
        check("vector registers are", "aabbccddeeff" in run("p/x $v7.q"), run("p/x $v7"))


def bracket():
    """From lowered code into a bracket and out of it, instruction by instruction."""
    name = {"x86_64": "portio_read8", "aarch64": "counter_frequency"}[ARCH]
    text = until(SOFT, f"*{name}")
    inside = outside = False
    for _ in range(60):
        run("stepi")
        inside |= privileged() and here() == name
        outside |= inside and not privileged()
        if outside:
            break
    check("steps into a bracket and out of it", inside and outside, f"{text} inside {inside}, outside {outside}, {here()}")
    # Behind the gate: the instruction that needs privilege.
    text = run(f"disassemble {name}")
    line = next((l for l in text.splitlines() if "in " in l and "%dx" in l), None)
    if line:
        at = line.split()[0] if not line.startswith("=>") else line.split()[1]
        for command, what in ((SOFT, "breakpoint"), (HARD, "hardware breakpoint")):
            text = until(command, f"*{at}")
            check(f"a {what} in a bracket", pc() == int(at, 16) and privileged(), text)


def lowered_watch():
    """Of what the lowered kernel counts itself."""
    until(SOFT, "syscall_dispatch")
    point = gdb.Breakpoint(f"*(unsigned long *){value(SP) - 16:#x}", type=gdb.BP_WATCHPOINT, wp_class=gdb.WP_WRITE)
    text = go()
    check("a watchpoint in the lowered kernel", text == "watchpoint" and not privileged(), text)
    point.delete()


def process():
    text = until(SOFT, "syscall_dispatch")
    cpu = gdb.selected_thread().ptid[1] - 1
    base = 0xffffd00040000000 + cpu * 0x10000 + 0x1000
    r = gdb.Value(base).cast(gdb.lookup_type("struct cpu").pointer()).dereference()["current"].dereference()
    at = int(r["process"]["rip" if ARCH == "x86_64" else "pc"]) & MASK
    code = bytes(gdb.selected_inferior().read_memory(at - 4, 4))
    want = b"\x0f\x05" if ARCH == "x86_64" else (0xd4000001).to_bytes(4, "little")
    check("memory of a process", code.endswith(want), f"{code.hex()} at {at:#x}; {text}")


def rounds():
    point = gdb.Breakpoint("*sched_tick")
    begun, met = time.monotonic(), 0
    for _ in range(ROUNDS):
        go()
        met += pc() == address("sched_tick")
    point.delete()
    check(f"{ROUNDS} continues, each to the breakpoint", met == ROUNDS, f"{met} of them")
    say(f"# {time.monotonic() - begun:.1f} s")


def running():
    """A machine that runs is stopped by who comes; interrupted; left."""
    connect()
    check("it stops for who comes", threads().count("CPU ") >= CPUS, threads())
    check("threads of the kernel are shown", threads().count("parked") > 5, threads())
    text = go(2)
    check("an interrupt", text == "SIGINT", text)
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        if "parked" in threads().split("*")[1].split("\n")[0]:
            check("a parked thread's registers", here() != "?" , run("backtrace 3"))
            break
    run("detach")


def vanishes():
    """A debugger that is killed: it leaves a machine that stands still, with a breakpoint in it."""
    connect()
    run("set breakpoint always-inserted on")
    gdb.Breakpoint("*sched_tick")
    say("@end")
    os.kill(os.getpid(), signal.SIGKILL)


def anew():
    connect()
    text = go(2)
    check("the breakpoint of one that was killed stops nobody", text == "SIGINT", text)
    run("detach")


def faults():
    connect()
    say("@type echo case write-page-table seed 1 > /proc/stray")
    text = go()
    check("a blamed fault stops it", "SIGSEGV" in text and "stray" in run("backtrace"), text + run("backtrace"))
    # The lowered serial driver itself, on its way to send.
    say("@type echo hello")
    text = until(SOFT, {"x86_64": "ns16550.c:send", "aarch64": "pl011.c:send"}[ARCH])
    run(f"set {PC} = 0x18")
    text = go()
    check("a fault of the driver of the console stops it", "SIGSEGV" in text and pc() == 0x18, text)
    run("detach")


def panic():
    connect()
    say("@type ls /")
    until(SOFT, "call_space_create")
    run(f"set {PC} = 0x10")
    text = go()
    check("a panic of the nucleus drops into it", "SIGABRT" in text and pc() == 0x10, text)
    check("and others stand still", threads().count("CPU ") == CPUS, threads())


def main():
    run("set pagination off")
    run("set confirm off")
    run("set remotetimeout 60")
    run("set tcp auto-retry off")
    try:
        {"at_boot": at_boot, "running": running, "vanishes": vanishes, "anew": anew, "faults": faults, "panic": panic}[PART]()
        if PART == "at_boot":
            run("detach")
    except gdb.error as error:
        check(PART, False, f"{error} {traceback.format_exc()}".replace("\n", " | "))
    say("@end")


main()
