# SPDX-License-Identifier: MIT
"""What gdb does not know of Stellux by itself. `make connect-gdb-ARCH` loads it.

Connects to the machine that waits on the port of the variable $gdb_port, or to the stub on the line $gdb_line. $entry_page names the symbols of x86_64's entry code, of which each
CPU has a copy.

A backtrace ends where the nucleus, or the lowered kernel, was entered: tables beside the code say so (.cfi_undefined in entry.S and
gates.S). The code that was left is in the thread's record, not on a stack: `lowered-backtrace` shows it.
"""
import contextlib

import gdb

ARCH = gdb.parse_and_eval("$stellux_arch").string()
MASK = (1 << 64) - 1
PSTATE_PAN = 1 << 22
# nucleus/arch/x86_64/cpu_offsets.h, cpu.h: the CPUs' areas, each with its entry code, data and nucleus stack.
CPU_AREA_STRIDE, CPU_DATA_OFFSET, CPU_AREAS_BASE, CPU_AREAS_END = 0x10000, 0x1000, 0xffffd00040000000, 0xffffd00040400000


def this_cpu():
    """The CPU that gdb's thread is, while it runs the nucleus."""
    if ARCH == "aarch64":
        address = int(gdb.parse_and_eval("$TPIDR_EL1")) & MASK
    else:
        sp = int(gdb.newest_frame().read_register("rsp")) & MASK
        if not CPU_AREAS_BASE <= sp < CPU_AREAS_END:
            raise gdb.GdbError("this CPU does not run on a stack of the nucleus's")
        address = (sp & -CPU_AREA_STRIDE) + CPU_DATA_OFFSET
    return gdb.Value(address).cast(gdb.lookup_type("struct cpu").pointer()).dereference()


def place(pc):
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    line = gdb.find_pc_line(pc)
    if not line.symtab:
        return "??"
    # Assembly has no block.
    symbol = block.function.name if block else gdb.execute(f"info symbol {pc}", to_string=True).split(" ")[0]
    return f"{symbol} at {line.symtab.filename}:{line.line}"


@contextlib.contextmanager
def reaching_lowered_memory():
    """QEMU reads memory for gdb with the rights of the CPU's present state, so in the nucleus PAN hides what EL0 can read."""
    state = int(gdb.parse_and_eval("$cpsr")) if ARCH == "aarch64" else 0
    if state & PSTATE_PAN:
        gdb.execute(f"set $cpsr = {state & ~PSTATE_PAN:#x}")
    try:
        yield
    finally:
        if state & PSTATE_PAN:
            gdb.execute(f"set $cpsr = {state:#x}")


class LoweredBacktrace(gdb.Command):
    """Shows the backtrace of the lowered code that made the nucleus call which this CPU serves.
lowered-backtrace [CONTEXT]
With an argument, such as `c` in trap_handle: of the code whose registers that struct context holds."""

    def __init__(self):
        super().__init__("lowered-backtrace", gdb.COMMAND_STACK, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if argument:
            context = gdb.parse_and_eval(argument).dereference()
            if int(context["is_process"]):
                raise gdb.GdbError("this context is a process's, not lowered code's")
        else:
            current = this_cpu()["current"]
            if not int(current):
                raise gdb.GdbError("this CPU is between two threads")
            context = current.dereference()["kernel"]
        pc, frame = (context["rip"], context["rbp"]) if ARCH == "x86_64" else (context["pc"], context["x"][29])
        with reaching_lowered_memory():
            self.walk(int(pc) & MASK, int(frame) & MASK)

    def walk(self, pc, frame):
        word = gdb.lookup_type("unsigned long").pointer()
        for number in range(64):
            print(f"#{number:<3} {pc:#018x} in {place(pc - (number > 0))}")
            words = gdb.Value(frame).cast(word)
            # The outermost function returns nowhere.
            if not frame or not int(words[1]) or not gdb.find_pc_line((int(words[1]) & MASK) - 1).symtab:
                break
            frame, pc = int(words[0]) & MASK, int(words[1]) & MASK


def connect_line(line):
    try:
        gdb.execute("set remotetimeout 60")
        gdb.execute(f"target remote {line}")
    except gdb.error as error:
        print(f"connect-gdb-serial: no stub answers on {line} ({error}).\n"
              "Boot with enable-gdb-stub on the kernel's command line; GDB_LINE= names the line (doc/debugging.md).")
        gdb.execute("quit 1")


def connect():
    line = gdb.parse_and_eval("$gdb_line")
    if line.type.code != gdb.TYPE_CODE_VOID:
        connect_line(line.string())
        return
    port = int(gdb.parse_and_eval("$gdb_port"))
    try:
        gdb.execute("set tcp auto-retry off")
        gdb.execute("set remotetimeout 120")    # a busy host stops QEMU for seconds
        gdb.execute(f"target remote 127.0.0.1:{port}")
    except gdb.error as error:
        print(f"connect-gdb: no machine waits for a debugger on port {port} ({error}).\n"
              f"Start one in another terminal: make run-qemu-{ARCH}-debug-headless\n"
              "For another port than 1234 give both commands the same GDB_PORT=.")
        gdb.execute("quit 1")


def name_entry_pages():
    path = gdb.parse_and_eval("$entry_page").string()
    # Of the machine's own stub, threads that no CPU runs have numbers above.
    cpus = sum(thread.ptid[1] <= 64 for thread in gdb.selected_inferior().threads())
    for cpu in range(cpus if path else 0):
        gdb.execute(f"add-symbol-file {path} {CPU_AREAS_BASE + cpu * CPU_AREA_STRIDE:#x}", to_string=True)


connect()
name_entry_pages()
LoweredBacktrace()
