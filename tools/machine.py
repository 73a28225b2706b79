# SPDX-License-Identifier: MIT
"""QEMU machines for tests: makes a bootable image and gives the command that runs it.

Host-side test scripts use it too:

    machine = Machine.from_environment()
    image = machine.make_image(path, "initramfs", cmdline)
    text, ended = machine.run(image)
    subprocess.Popen(machine.command(image), stdin=PIPE, stdout=PIPE)

The serial line is on standard input and output; the machine ends when it is powered
off (or reset: -no-reboot). The firmware's own output precedes the kernel's.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import time

ARCHITECTURES = {
    "x86_64": {"qemu": "qemu-system-x86_64", "machine": ["-machine", "q35"], "efi": "BOOTX64.EFI", "console": "ttyS0",
               "firmware": ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd"), "cpu_options": {}},
    # With less patience of its menu the firmware boots sooner. QEMU's own pointer authentication is quick, the architecture's is not.
    "aarch64": {"qemu": "qemu-system-aarch64", "machine": ["-machine", "virt", "-boot", "menu=on,splash-time=1"],
                "efi": "BOOTAA64.EFI", "console": "ttyAMA0",
                "firmware": ("/usr/share/qemu-efi-aarch64/QEMU_EFI.fd", "/usr/share/AAVMF/AAVMF_CODE.fd"),
                "cpu_options": {"max": "pauth-impdef=on"}},
}


# How long a script waits for one answer of a machine, or for a short boot: only what hangs takes so long. One that shares two
# cores with several others takes ten times what it needs alone.
LIMIT_S = 240


ESCAPE = re.compile(r"\x1b\[[0-9;?=]*[a-zA-Z]")


def plain(data):
    """The text in what came over a serial line: without escape sequences and carriage returns."""
    return ESCAPE.sub("", data.decode("utf-8", "replace").replace("\r", ""))


class Limit:
    """A time that is over only when it was looked at, too: half as often as it has seconds."""

    def __init__(self, seconds):
        self.seconds, self.end, self.looks = seconds, time.monotonic() + seconds, 0

    def is_over(self):
        self.looks += 1
        return time.monotonic() > self.end and self.looks >= self.seconds / 2


def ends(process, limit_s):
    """Waits for a process, which is killed when its time is over: whether it ended by itself."""
    limit = Limit(limit_s)
    while True:
        try:
            process.wait(1)
            return True
        except subprocess.TimeoutExpired:
            if limit.is_over():
                process.kill()
                process.wait()
                return False


class MachineError(Exception):
    pass


class Machine:
    def __init__(self, arch, build, cpu="max", smp="1", mem="512M"):
        self.arch, self.build, self.cpu, self.smp, self.mem = arch, pathlib.Path(build), cpu, str(smp), mem
        self.facts = ARCHITECTURES[arch]

    @classmethod
    def from_environment(cls):
        """The machine that the row of test/matrix.txt describes."""
        get = os.environ.get
        return cls(get("STELLUX_ARCH", "x86_64"), get("STELLUX_BUILD", "build/x86_64-debug"),
                   get("STELLUX_CPU", "max"), get("STELLUX_SMP", "1"), get("STELLUX_MEM", "512M"))

    def firmware(self):
        for path in filter(None, (os.environ.get("FIRMWARE"), *self.facts["firmware"])):
            if os.path.exists(path):
                return path
        raise MachineError("no UEFI firmware: install it with: make deps")

    def memory(self):
        """Only reserved, so that a small host can run a large machine."""
        return ["-m", self.mem, "-object", f"memory-backend-ram,id=ram,size={self.mem},reserve=off",
                "-machine", "memory-backend=ram"]

    def cpu_model(self):
        options = self.facts["cpu_options"].get(self.cpu)
        return f"{self.cpu},{options}" if options else self.cpu

    def command(self, image, extra=()):
        return [self.facts["qemu"], *self.facts["machine"], "-bios", self.firmware(), *self.memory(),
                "-smp", self.smp, "-cpu", self.cpu_model(), "-no-reboot", "-nodefaults",
                "-drive", f"file={image},format=raw,snapshot=on", "-display", "none", "-monitor", "none",
                "-serial", "stdio", *extra]

    def run(self, image, extra=(), limit_s=LIMIT_S, raw=False):
        """Lets the machine run until it ends, with nobody at its serial line: (its text, or all that came over the line, whether
        it ended well and in time)."""
        with tempfile.TemporaryFile() as out:
            with subprocess.Popen(self.command(image, extra), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as process:
                ended = ends(process, limit_s)
            out.seek(0)
            text = out.read()
            return text if raw else plain(text), ended and process.returncode == 0

    def make_image(self, image, initramfs, cmdline, kernel="stellux", dtb=None, firmware=None):
        """Makes a disk image; `initramfs` is initramfs, initramfs-test or none, `kernel` stellux, stellux-ktest or stellux-strike;
        `dtb` is a device tree that the kernel gets in place of the firmware's, `firmware` an EFI program that comes before
        the loader and finds it as /LOADER.EFI."""
        image = pathlib.Path(image)
        image.parent.mkdir(parents=True, exist_ok=True)
        modules = [] if initramfs == "none" else [self.build / f"{initramfs}.cpio"]
        config = image.with_suffix(".conf")
        if os.environ.get("PERTURB"):
            cmdline = f"perturb={os.environ['PERTURB']} {cmdline}"
        environment = {**os.environ, "KERNEL": f"{kernel}.elf", "ERROR_TIMEOUT": "0", "DTB": pathlib.Path(dtb).name if dtb else ""}
        config.write_text(subprocess.run(["tools/mkconf", cmdline, *(m.name for m in modules)], check=True,
                                         capture_output=True, text=True, env=environment).stdout)
        loader = self.build / self.facts["efi"]
        done = subprocess.run(["tools/mkimage", "--arch", self.arch, "--efi", str(firmware or loader),
                               *(("--file", f"/LOADER.EFI={loader}") if firmware else ()),
                               "--kernel", str(self.build / f"{kernel}.elf"), *(part for m in modules for part in ("--module", str(m))),
                               *(("--file", f"/{pathlib.Path(dtb).name}={dtb}") if dtb else ()),
                               "--config", str(config), "-o", str(image)], capture_output=True, text=True)
        if done.returncode:
            raise MachineError(f"mkimage failed: {done.stderr.strip()}")
        return image
