#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots test/loader/kernel.c with the loader on machines of many shapes, and gives the loader bad
files: each must end in a message that names the file, the fault and the way out.

usage: loader_test.py [NAME]     (from the project's root; STELLUX_BUILD names the build folder)
Prints KTAP. The checks of each machine are made by the test kernel and appear as subtests.
needs: boot
"""
import os
import pathlib
import re
import select
import struct
import subprocess
import sys
import time

import machine
from gdb_remote import Stub
from machine import LIMIT_S

sys.path.insert(0, str(pathlib.Path(__file__).parent / "spin_table"))
import spin_table  # noqa: E402

ARCH = os.environ.get("STELLUX_ARCH", "x86_64")
BUILD = pathlib.Path(os.environ.get("STELLUX_BUILD", f"build/{ARCH}-debug"))
WORK = BUILD / "test" / "loader"
SOURCE = pathlib.Path("test/loader")
FIRST, SECOND = b"the first one.\n", bytes(i * i % 251 for i in range(3_000_001))

# name, CPU, -smp, memory, further options, what the kernel is to find
VIRT = ["-machine", "acpi=off"]
MACHINES = {
    "x86_64": [
        ("small", "qemu64", "1", "128M", [], {}),
        ("usual", "max", "2", "512M", ["-vga", "std"], {"screen": 1}),
        ("many CPUs", "qemu64", "8", "512M", ["-vga", "std"], {"screen": 1}),
        ("places for more CPUs", "max", "3,maxcpus=8", "512M", [], {}),
        ("large", "qemu64", "2", "64G", [], {}),
        ("other chipset", "max", "2", "1G", ["-machine", "pc", "-vga", "std"], {"screen": 1}),
    ],
    "aarch64": [
        ("small", "cortex-a57", "1", "256M", [], {}),
        ("usual", "max", "2", "512M", ["-device", "ramfb"], {"screen": 1, "reach": 5}),
        ("device tree", "cortex-a72", "5", "514M", VIRT, {"acpi": 0, "tree": 1}),
        ("from EL2", "max", "8", "1G", ["-machine", "virtualization=on,gic-version=3"], {"reach": 7}),
        ("from EL2, device tree", "cortex-a72", "2", "333M", ["-machine", "virtualization=on,acpi=off"], {"acpi": 0, "tree": 1}),
        ("large", "max", "2", "64G", ["-machine", "gic-version=3"], {"reach": 7}),
    ],
}[ARCH]
# What compiles the test kernel, what ends its machine, and a machine of which its ELF header can lie.
COMPILE, END, OTHER_ELF_MACHINE, PLAIN_CPU, LITTLE_MEMORY = {
    "x86_64": ("-target x86_64-unknown-none-elf -mcmodel=kernel -mno-red-zone", ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
               183, "qemu64", "128M"),
    "aarch64": ("-target aarch64-unknown-none-elf -march=armv8-a", ["-semihosting-config", "enable=on,target=native"],
                62, "cortex-a72", "192M"),
}[ARCH]

CONFIG = """timeout: 0
/Test
    protocol: limine
    path: boot():/kernel.elf
    cmdline: {cmdline}
    module_path: boot():/one.txt
    module_cmdline: first module
    module_path: boot():/two.bin
"""


def run(*command):
    subprocess.run(command, check=True)


def build_kernel():
    clang, ld = os.environ.get("CLANG", "clang-19"), os.environ.get("LD", "ld.lld-19")
    flags = f"{COMPILE} -std=c23 -ffreestanding -fno-builtin -fno-pic -mgeneral-regs-only -fno-stack-protector -O2 " \
        f"-Wall -Wextra -Werror -I{SOURCE}/arch/{ARCH} -I.".split()
    objects = []
    for name in (f"arch/{ARCH}/entry.S", f"arch/{ARCH}/machine.c", "kernel.c"):
        objects.append(str(WORK / (pathlib.Path(name).name + ".o")))
        # The entry records registers that compiled code may not use.
        run(clang, *(flag for flag in flags if not name.endswith(".S") or flag != "-mgeneral-regs-only"),
            "-c", str(SOURCE / name), "-o", objects[-1])
    run(ld, "-static", "-z", "max-page-size=4096", "-T", str(SOURCE / "kernel.lds"), "-o",
        str(WORK / "kernel.elf"), *objects)
    return (WORK / "kernel.elf").read_bytes()


def make_image(files, efi=None):
    """Makes a disk of {path: content} and the loader, or what is started in its place; returns its path."""
    command = ["tools/mkimage", "--arch", ARCH, "--efi", str(efi or BUILD / machine.ARCHITECTURES[ARCH]["efi"])]
    for number, (path, content) in enumerate(files.items()):
        source = WORK / f"file-{number}"
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
        command += ["--file", f"{path}={source}"]
    image = WORK / "disk.img"
    run(*command, "-o", str(image))
    return image


def boot(cpu, smp, mem, image, extra, last_line):
    """Runs the machine until a line matches or it ends; returns what it printed."""
    command = machine.Machine(ARCH, BUILD, cpu, smp, mem).command(image, [*END, *extra])
    process = subprocess.Popen(["timeout", str(LIMIT_S), *command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = ""
    for line in process.stdout:
        text += line.decode("utf-8", "replace").replace("\r", "")
        if last_line and re.search(last_line, text.splitlines()[-1]):
            process.terminate()
            break
    process.wait()
    process.stdout.close()
    return text


class Tap:
    def __init__(self, count):
        self.number, self.failed = 0, 0
        print(f"KTAP version 1\n1..{count}", flush=True)

    def result(self, good, name, notes=()):
        self.number += 1
        self.failed += not good
        for note in notes:
            print(f"# {note}")
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}", flush=True)


def test_machine(tap, kernel, row):
    name, cpu, smp, mem, extra, facts = row
    checksum = 0
    for byte in SECOND:
        checksum = checksum * 31 + byte & 0xFFFFFFFF
    mib = int(mem[:-1]) * (1024 if mem[-1] == "G" else 1)
    facts = {"cpus": smp.split(",")[0], "mem": mib, "screen": 0, "acpi": 1, "tree": 0, "reach": 0, **facts, "size": len(SECOND),
             "sum": checksum, "time": int(time.time())}
    image = make_image({
        "limine.conf": CONFIG.format(cmdline=" ".join(f"{k}={v}" for k, v in facts.items())),
        "kernel.elf": kernel, "one.txt": FIRST, "two.bin": SECOND})
    text = boot(cpu, smp, mem, image, extra, None)
    results = re.findall(r"^(?:not )?ok \d+ - .*$", text, re.M)
    plan = re.search(r"^1\.\.(\d+)$", text, re.M)
    print("    KTAP version 1")
    print(f"    1..{plan.group(1) if plan else len(results) + 1}")
    for line in text[text.find("KTAP version 1"):].splitlines():
        if line.startswith(("#", "ok ", "not ok ")):
            print("    " + line)
    good = plan and int(plan.group(1)) == len(results) and \
        all(line.startswith("ok") for line in results)
    tap.result(bool(good), f"boots: {name} ({cpu}, {smp} CPUs, {mem})",
               [] if plan else text.splitlines()[-12:])


def faults(kernel):
    """name, memory, files, what the message must contain"""
    entry = "/Test\nprotocol: limine\npath: boot():/kernel.elf\n"
    conf = "timeout: 0\n" + entry
    # Offset 18 is e_machine; 0x28 of the first program header (at 64) is its size in memory.
    other_machine = kernel[:18] + struct.pack("<H", OTHER_ELF_MACHINE) + kernel[20:]
    outside = kernel[:64 + 0x20] + struct.pack("<QQ", 1 << 40, 1 << 40) + kernel[64 + 0x30:]
    old = kernel.replace(struct.pack("<QQ", 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc), bytes(16))
    hhdm = struct.pack("<QQ", 0x48dcf1cb8ad2b852, 0x63984e959a98244b)
    memmap = struct.pack("<QQ", 0x67cf3d9d378a806f, 0xe304acdfc50c3c62)
    return [
        ("no configuration", "512M", {"kernel.elf": kernel}, ["limine.conf: file not found"]),
        ("malformed configuration", "512M", {"boot/limine.conf": conf + "junk\n", "kernel.elf": kernel},
         ["/boot/limine.conf:5: expected"]),
        ("path elsewhere", "512M", {"limine/limine.conf": conf.replace("boot()", "hdd(1:1)")},
         ["/limine/limine.conf:4: hdd\\(1:1\\):/kernel.elf: only paths"]),
        ("no kernel", "512M", {"EFI/BOOT/limine.conf": conf},
         ["/kernel.elf: file not found", "/EFI/BOOT/limine.conf:4"]),
        ("kernel is text", "512M", {"limine.conf": conf, "kernel.elf": "hello\n" * 100},
         ["/kernel.elf: not an ELF file"]),
        ("kernel for another machine", "512M", {"limine.conf": conf, "kernel.elf": other_machine},
         ["/kernel.elf: built for another architecture"]),
        ("truncated kernel", "512M", {"limine.conf": conf, "kernel.elf": kernel[:5000]},
         ["/kernel.elf: segment beyond the end of the file"]),
        ("segment outside", "512M", {"limine.conf": conf, "kernel.elf": outside},
         ["/kernel.elf: segment beyond the end of the file"]),
        ("kernel of an old protocol", "512M", {"limine.conf": conf, "kernel.elf": old},
         ["/kernel.elf: asks for base revision 0"]),
        ("request twice", "512M", {"limine.conf": conf, "kernel.elf": kernel.replace(memmap, hhdm)},
         ["/kernel.elf: request 48dcf1cb8ad2b852 is there twice"]),
        ("no module", "512M", {"limine.conf": conf + "module_path: boot():/lost.cpio\n",
                               "kernel.elf": kernel},
         ["/lost.cpio: file not found", "/limine.conf:5"]),
        ("malformed device tree", "512M", {"limine.conf": conf + "dtb_path: boot():/x.dtb\n", "kernel.elf": kernel,
                                           "x.dtb": b"\xd0\x0d\xfe\xed" + bytes(60)},
         ["/x.dtb: not a well-formed device tree", "/limine.conf:5"]),
        ("too little memory", LITTLE_MEMORY, {"limine.conf": conf + "module_path: boot():/big\n",
                                       "kernel.elf": kernel, "big": bytes(140 << 20)},
         ["too little memory: 143364 KiB for /big", "more memory"]),
    ]


def test_fault(tap, row):
    name, mem, files, wanted = row
    stopped = "stellux-boot: stopped"
    text = boot(PLAIN_CPU, "1", mem, make_image(files), [], stopped)
    missing = [part for part in (*wanted, "way out: ..........", stopped)
               if not re.search(part, text)]
    once = len(re.findall(stopped, text)) == 1
    notes = [f"missing: {part}" for part in missing] + ([] if once else ["printed more than once"])
    tap.result(not notes, f"message: {name}", notes + (text.splitlines()[-8:] if notes else []))


def test_power_off(tap, typed):
    """After an error the machine powers off: by itself if the configuration says so, else at a key."""
    conf = "timeout: 0\n/Test\nprotocol: limine\npath: boot():/kernel.elf\n"
    image = make_image({"limine.conf": conf if typed else "error_timeout: 1\n" + conf})
    command = machine.Machine(ARCH, BUILD, PLAIN_CPU, "1", "512M").command(image)
    process = subprocess.Popen(["timeout", str(LIMIT_S), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    text, sent = b"", False
    while part := process.stdout.read1(4096):
        text += part
        if typed and not sent and b"a key powers" in text:
            time.sleep(0.5)
            sent = process.poll() is None   # not before the key
            process.stdin.write(b"x")
            process.stdin.flush()
    status = process.wait()
    good = status == 0 and (sent if typed else b"in 1 s" in text) and b"/kernel.elf: file not found" in text
    tap.result(good, f"an error powers off {'at a key' if typed else 'when its time is over'}",
               [] if good else [f"status {status}", *text.decode("utf-8", "replace").splitlines()[-6:]])


def test_menu(tap, kernel):
    """Counts down, then boots the entry that default_entry names."""
    good = CONFIG.format(cmdline="cpus=1").replace("timeout: 0", "timeout: 1\ndefault_entry: 2\n"
                                                   "/Other\nprotocol: limine\npath: boot():/none")
    image = make_image({"limine.conf": good, "kernel.elf": kernel, "one.txt": FIRST,
                        "two.bin": SECOND})
    text = boot(PLAIN_CPU, "1", "512M", image, [], "KTAP version 1")
    tap.result("Entry 2 boots in 1 s" in text and "KTAP version 1" in text, "menu: default entry",
               [] if "KTAP version 1" in text else text.splitlines()[-6:])


def stop_at_trampoline(stub):
    """Lets a PC go on until one of its CPUs begins to execute the loader's trampoline, which lies on some page below 1 MiB. Not
    earlier: the firmware waits for all CPUs when its boot services end."""
    loader = (BUILD / machine.ARCHITECTURES[ARCH]["efi"]).read_bytes()
    pages, begin, pc, cs = set(range(0x1000, 0xa0000, 0x1000)), 16, 16, 18
    for page in pages:
        stub.ask(f"Z1,{page:x},1")
    while pages:
        stub.start("c")
        thread = stub.stopped()
        stub.choose(thread)
        at = (stub.register(cs) << 4) + stub.register(pc)
        ours = stub.read(at, begin) in loader
        for page in pages if ours else {at}:
            stub.ask(f"z1,{page:x},1")
        pages -= {at}
        if ours:
            return thread
    raise RuntimeError("no CPU comes to the trampoline")


def test_late_cpu(tap, kernel):
    """On a busy host a virtual CPU may not run for seconds; here one is held back while the loader starts it. A key ends the
    loader's countdown, which is too long to end before we are ready."""
    held_s, text, state = 2.5, b"", "waiting"
    image = make_image({"limine.conf": CONFIG.format(cmdline="cpus=3").replace("timeout: 0", f"timeout: {LIMIT_S}"), "kernel.elf": kernel,
                        "one.txt": FIRST, "two.bin": SECOND})
    stub = Stub()
    process = subprocess.Popen(["timeout", str(LIMIT_S), *machine.Machine(ARCH, BUILD, PLAIN_CPU, "3", "512M").command(image, [*END, *stub.options])],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    stub.connect()
    stub.start("c")
    while True:
        if select.select([process.stdout], [], [], 0.05)[0]:
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                break
            text += part
        if state == "waiting" and b"boots in " in text:
            stub.interrupt()
            process.stdin.write(b"x")
            process.stdin.flush()
            late = int((stop_at_trampoline(stub) if ARCH == "x86_64" else "2"), 16)
            stub.start("vCont;" + ";".join(f"c:{cpu}" for cpu in (1, 2, 3) if cpu != late))
            state, until = "held", time.monotonic() + held_s
        if state == "held" and time.monotonic() > until:
            stub.interrupt()
            stub.leave()
            state = "free"
    process.wait()
    process.stdout.close()
    found = re.search(r"^ok \d+ - number of CPUs\r?$", text.decode("utf-8", "replace"), re.M)
    tap.result(bool(found) and state == "free", "a CPU that a busy host holds back is waited for",
               [] if found else [f"state: {state}", *text.decode("utf-8", "replace").splitlines()[-12:]])


def test_lost_cpu(tap, kernel):
    """A CPU that the device tree lists and the firmware cannot start is named, on the serial port that the tree names, and left out."""
    tree, files = WORK / "lost.dtb", {"limine.conf": CONFIG.format(cmdline="cpus=2"), "kernel.elf": kernel,
                                      "one.txt": FIRST, "two.bin": SECOND}
    shape = machine.Machine(ARCH, BUILD, PLAIN_CPU, "3", "512M")
    image = make_image(files)
    subprocess.run([*shape.command(image, VIRT), "-machine", f"dumpdtb={tree}"], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    run("fdtput", "-t", "x", str(tree), "/cpus/cpu@2", "reg", "77")
    text = boot(PLAIN_CPU, "3", "512M", image, [*VIRT, "-dtb", str(tree)], "CPUs are distinct")
    missing = [part for part in ("stellux-boot: CPU 0x77 does not start and is left out", "ok \\d+ - number of CPUs\n")
               if not re.search(f"^{part}", text, re.M)]
    tap.result(not missing, "message: a CPU that does not start", [f"missing: {part}" for part in missing] +
               (text.splitlines()[-12:] if missing else []))


def test_spin_table(tap, kernel, late_cpu):
    """CPUs that wait in a spin table come, at EL1 and, with one that comes when it is no longer waited for, at EL2: the test
    kernel lets it go."""
    cpus = 4
    shape = machine.Machine(ARCH, BUILD, PLAIN_CPU, cpus, "512M")
    efi = spin_table.firmware(WORK, cpus, "smc" if late_cpu else "hvc", late_cpu)
    tree = spin_table.tree(shape.command(WORK / "disk.img", VIRT), WORK / "spin-table.dtb", cpus)
    facts = f"cpus={cpus - (late_cpu > 0)} late={spin_table.slot(late_cpu) if late_cpu else 0} late_s={LIMIT_S // 2}"
    image = make_image({"limine.conf": CONFIG.format(cmdline=facts) + "    dtb_path: boot():/spin-table.dtb\n", "kernel.elf": kernel,
                        "one.txt": FIRST, "two.bin": SECOND, "LOADER.EFI": (BUILD / machine.ARCHITECTURES[ARCH]["efi"]).read_bytes(),
                        "spin-table.dtb": tree.read_bytes()}, efi)
    text = boot(PLAIN_CPU, cpus, "512M", image, [*VIRT, *(["-machine", "virtualization=on"] if late_cpu else [])], "^# failed:")
    wanted = ["ok \\d+ - number of CPUs$", *["ok \\d+ - CPU comes$"] * (cpus - 1 - (late_cpu > 0))]
    if late_cpu:
        wanted += [f"stellux-boot: CPU 0x{late_cpu:x} does not start and is left out$", "ok \\d+ - the late CPU's page is reserved$",
                   "ok \\d+ - the late CPU stays there$"]
    missing = [part for part in dict.fromkeys(wanted) if len(re.findall(f"^{part}", text, re.M)) != wanted.count(part)]
    tap.result(not missing, f"spin table, {f'CPU {late_cpu} comes too late' if late_cpu else 'all CPUs'}",
               [f"missing: {part}" for part in missing] + (text.splitlines()[-12:] if missing else []))


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    WORK.mkdir(parents=True, exist_ok=True)
    kernel = build_kernel()
    machines = [row for row in MACHINES if pattern in row[0]]
    bad = [row for row in faults(kernel) if pattern in row[0]]
    menu = pattern in "menu"
    late_cpu = pattern in "late CPU"
    lost_cpu = ARCH == "aarch64" and pattern in "lost CPU"
    spin_tables = [late for late in (0, 2) if ARCH == "aarch64" and pattern in "spin table"]
    power = [typed for typed in (False, True) if pattern in "power off"]
    tap = Tap(len(machines) + len(bad) + menu + len(power) + late_cpu + lost_cpu + len(spin_tables))
    for row in machines:
        test_machine(tap, kernel, row)
    for row in bad:
        test_fault(tap, row)
    if menu:
        test_menu(tap, kernel)
    for typed in power:
        test_power_off(tap, typed)
    if late_cpu:
        test_late_cpu(tap, kernel)
    if lost_cpu:
        test_lost_cpu(tap, kernel)
    for late in spin_tables:
        test_spin_table(tap, kernel, late)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
