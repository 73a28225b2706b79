#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's lspci and lsblk, unmodified, print the devices of a machine as they are: they know /sys and /proc as Linux has them.
Its ls, useradd, passwd, su and sudo do what they do on Debian, with PAM, and say nothing of what is not there (extended attributes,
audit's sockets). Prints KTAP.

usage: tools_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs-debian
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import disk_images                  # noqa: E402
from machine import Machine         # noqa: E402
from shell_run import Run, report   # noqa: E402

# Below a root port a network card with messages; a serial card behind a bridge behind a bridge; a disk with two partitions.
DEVICES = ("-device pcie-root-port,id=express,chassis=1,addr=6 -device e1000e,bus=express "
           "-device pci-bridge,id=outer,chassis_nr=2,addr=7 -device pci-bridge,id=inner,chassis_nr=3,bus=outer,addr=1 "
           "-device pci-serial,bus=inner,addr=2 "
           "-drive if=none,id=a,format=raw,file={disk} -device virtio-blk-pci,drive=a,addr=9,serial=first").split()
MIB = 1 << 20
PARTS = [(2048, 2048, "first"), (8192, 16385, "odd")]


# The files that an administrator has: PAM's rules, with its modules by their whole names, and who may log in with what.
SECURITY = {"x86_64": "/lib/x86_64-linux-gnu/security", "aarch64": "/lib/aarch64-linux-gnu/security"}
SETTING_UP = ["S=/debian/bin",
              "mkdir -p /etc/pam.d /etc/default /etc/skel /home /var/mail; chmod 4755 /debian/bin/su",
              "for t in auth account password session; do echo \"$t required {security}/pam_unix.so\"; done > /etc/pam.d/passwd",
              "(echo \"auth sufficient {security}/pam_rootok.so\"; cat /etc/pam.d/passwd) > /etc/pam.d/su",
              "echo 'root:*:19000:0:99999:7:::' > /etc/shadow; echo 'root:*::' > /etc/gshadow; chmod 600 /etc/shadow /etc/gshadow",
              "cp /etc/pam.d/passwd /etc/pam.d/sudo; chmod 4755 /debian/bin/sudo",
              "(for p in policy io audit; do echo Plugin sudoers_$p {security}/../sudo/sudoers.so; done) > /etc/sudo.conf",
              "(echo Defaults use_pty; for u in root guest; do echo $u 'ALL=(ALL)' ALL; done) > /etc/sudoers; chmod 440 /etc/sudoers",
              "(echo UID_MIN 1000; echo GID_MIN 1000; echo USERGROUPS_ENAB yes; echo ENCRYPT_METHOD SHA512) > /etc/login.defs"]


def boot(machine):
    place = machine.build / "results" / "devices" / f"tools-{machine.arch}"
    disk = place.with_suffix(".disk")
    disk.parent.mkdir(parents=True, exist_ok=True)
    disk.write_bytes(disk_images.gpt(1, 16 * MIB, PARTS))
    setting_up = [line.format(security=SECURITY[machine.arch]) for line in SETTING_UP]
    run = Run(machine, place, machine.facts["machine"][1], lines=[*setting_up, *EXPECTED, "poweroff -f"], initramfs="initramfs-debian",
              devices=[word.format(disk=disk) for word in DEVICES])
    disk.unlink()
    return run

# What the lines of a command must be, in this order; HOST and BRIDGE are the machine's own names.
HOST = {"x86_64": "Intel Corporation 82G33/G31/P35/P31 Express DRAM Controller", "aarch64": "Red Hat, Inc. QEMU PCIe Host bridge"}
EXPECTED = {
    "lspci -tv": [r"-\[0000:00\]-\+-00\.0  {host}", r" +\+-06\.0-\[01\]----00\.0  Intel Corporation 82574L Gigabit Network Connection",
                  r" +\+-07\.0-\[02-03\]----01\.0-\[03\]----02\.0  Red Hat, Inc\. QEMU PCI 16550A Adapter",
                  r" +[+\\]-09\.0  Red Hat, Inc\. Virtio block device"],
    "lspci -k": [r"00:09\.0 SCSI storage controller: Red Hat, Inc\. Virtio block device", r"\tSubsystem: Red Hat, Inc\. Device 0002",
                 r"\tKernel driver in use: virtio_pci", r"01:00\.0 Ethernet controller: Intel .*", r"\tSubsystem: Intel Corporation Device 0000",
                 r"02:01\.0 PCI bridge: Red Hat, Inc\. QEMU PCI-PCI bridge", r"03:02\.0 Serial controller: Red Hat, Inc\. .*"],
    "lspci -vv": [r"00:06\.0 PCI bridge: .* \(prog-if 00 \[Normal decode\]\)", r"\tBus: primary=00, secondary=01, subordinate=01, sec-latency=0",
                  r"\tCapabilities: \[54\] Express \(v2\) Root Port \(Slot\+\), MSI 00", r"\tCapabilities: \[100 v2\] Advanced Error Reporting",
                  r"00:09\.0 SCSI storage controller: .*", r"\tControl: I/O. Mem\+ BusMaster\+ .*DisINTx\+",
                  r"\tRegion 1: Memory at [0-9a-f]+ \(32-bit, non-prefetchable\) \[size=4K\]",
                  r"\tRegion 4: Memory at [0-9a-f]+ \(64-bit, prefetchable\) \[size=16K\]",
                  r"\tCapabilities: \[98\] MSI-X: Enable\+ Count=3 Masked-", r"\tCapabilities: \[40\] Vendor Specific Information: VirtIO: CommonCfg",
                  r"\tKernel driver in use: virtio_pci",
                  r"01:00\.0 Ethernet controller: .*", r"\tRegion 0: Memory at [0-9a-f]+ \(32-bit, non-prefetchable\) .*\[size=128K\]",
                  r"\tCapabilities: \[a0\] MSI-X: Enable\+ Count=5 Masked-", r"\tCapabilities: \[140 v1\] Device Serial Number 52-54-00-.*",
                  r"\tKernel driver in use: e1000e",
                  r"02:01\.0 PCI bridge: .*", r"\tBus: primary=02, secondary=03, subordinate=03, sec-latency=0"],
    # From /proc/bus/pci instead.
    "lspci -A linux-proc -n": [r"00:00\.0 0600: .*", r"00:06\.0 0604: 1b36:000c", r"00:09\.0 0100: 1af4:1001", r"01:00\.0 0200: 8086:10d3",
                               r"02:01\.0 0604: 1b36:0001", r"03:02\.0 0700: 1b36:0002 \(rev 01\)"],
    "lsblk": [r"NAME +MAJ:MIN +RM +SIZE RO TYPE MOUNTPOINTS", r"vd. +254:\d+ +0 +16M  0 disk ?", r"\|-vd.1 +254:\d+ +0 +1M  0 part ?",
              r"`-vd.2 +254:\d+ +0 +8M  0 part ?"],
    "lsblk -b -n -o NAME,SIZE,TYPE,RO,MAJ:MIN": [r"vd. +16777216 disk +0 +254:\d+ *", r"\|-vd.1 +1048576 part +0 +254:\d+ *",
                                                 r"`-vd.2 +8389120 part +0 +254:\d+ *"],
    # One line for each file, so no complaint. (What is typed has to fit into a line of the terminal.)
    "$S/ls -l /etc/passwd": [r"-rw-r--r-- 1 root root +\d+ \w+ +\d+ +\S+ /etc/passwd"],
    "$S/ls -lZ /etc/passwd /dev/null /proc/1 2>&1 | grep -c cannot": ["0"],
    "$S/useradd -m -s /bin/sh guest 2>&1; echo status $?": ["status 0"],
    "tail -n 1 /etc/passwd; $S/ls -ld /home/guest": [r"guest:x:1000:1000::/home/guest:/bin/sh", r"drwx\S+ +2 guest guest .* /home/guest"],
    "printf 'Xy7.quite\\nXy7.quite\\n' | $S/passwd guest 2>&1": [r".*passwd: password updated successfully"],
    "$S/su guest -c id": [r"uid=1000\(guest\) gid=1000\(guest\) groups=1000\(guest\)"],
    "$S/su guest -c \"echo Xy7.quite | $S/su guest -c 'id -un'\" 2>&1": [r"(Password: *)?guest"],
    "$S/su guest -c \"echo another | $S/su guest -c 'id -un'\" 2>&1": [r"(Password: *)?su: Authentication failure"],
    # In a terminal of its own (use_pty).
    "$S/sudo -u guest id -un": ["guest"],
    "$S/su guest -c \"echo Xy7.quite | $S/sudo -S id -u\" 2>&1": [r"(.*: *)?0"],
    "$S/su guest -c \"$S/sudo -k; echo another | $S/sudo -S id -u\" 2>&1": [r".*sudo: (no password was provided|1 incorrect password attempt)"],
    "$S/su guest -c \"$S/sudo -n id\" 2>&1; echo status $?": ["sudo: a password is required", "status 1"],
    "$S/sudo -u guest sh -c 'exit 5'; echo status $?": ["status 5"],
    "$S/useradd guest 2>&1; echo status $?": [r".*'guest' already exists", "status 9"],
}


def said(text, command):
    """What the command printed, in lines."""
    begin = text.find(f"{command}\n")
    return text[begin:text.find("\n~ # ", begin)].split("\n")[1:] if begin >= 0 else []


def complaint(run, command, host):
    lines = iter(said(run.text, command))
    for pattern in EXPECTED[command]:
        pattern = pattern.replace("{host}", re.escape(host))
        if not any(re.fullmatch(pattern, line) for line in lines):
            return f"{command} does not print, after what was found before it: {pattern}"
    return run.has()


def cases():
    machine = Machine.from_environment()
    run = boot(machine)
    for command in EXPECTED:
        yield command, lambda command=command: complaint(run, command, HOST[machine.arch])


if __name__ == "__main__":
    sys.exit(report(cases()))
