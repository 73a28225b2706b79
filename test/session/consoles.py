# SPDX-License-Identifier: MIT
"""The two consoles that a scripted session is typed into: BusyBox on a pseudo-terminal of this machine,
over the unpacked initramfs in namespaces of its own, and a machine's serial line.

A console takes bytes (`send`) and gives what came back (`collect`); it knows nothing of the script.
"""
import ctypes
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

ROWS, COLUMNS = 24, 80
# What init gives a login shell (user/init/init.c).
ENVIRONMENT = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh", "TERM": "vt102",
               "PATH": "/sbin:/usr/sbin:/bin:/usr/bin"}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

# Runs as process 1 of the namespaces. Mounts stay inside them. $1 is the unpacked tree.
SETUP = r"""
set -e
mount --make-rprivate /
top=$1/top
mkdir -p "$top"
mount -t tmpfs -o mode=755 none "$top"
cp -a "$1/tree/." "$top"
mount -t proc proc "$top/proc"
mount -t tmpfs -o mode=755 none "$top/dev"
for device in %s; do touch "$top/dev/$device"; mount --bind "/dev/$device" "$top/dev/$device"; done
touch "$top/dev/console"; mount --bind "$(tty)" "$top/dev/console"
mkdir -m 1777 "$top/dev/shm"
mount -t tmpfs -o mode=1777 none "$top/tmp"
mount -t tmpfs -o mode=755 none "$top/run"
hostname stellux
ip link set lo up 2>/dev/null || true
env -i %s chroot "$top" /bin/busybox setsid -c /bin/busybox sh -c 'cd /root; unset OLDPWD; SHLVL=0; exec -a -sh /bin/sh' || true
""" % (" ".join(DEVICES), " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()))


class ConsoleError(Exception):
    pass


def found(pattern, text):
    """The match on a line of what a machine said, which must be there."""
    match = re.search(pattern, text, re.MULTILINE)
    if not match:
        raise ConsoleError(f"not said: {pattern}, but:\n{text}")
    return match


class Console:
    """Bytes in and out of file descriptors."""

    def __init__(self, name, process, output, given):
        self.name, self.process, self.output, self.given = name, process, output, given
        self.log = b""

    def send(self, data):
        while data:
            data = data[os.write(self.given, data):]

    def receive(self, wait_s):
        """What has come within the time: empty when nothing did. Raises when the other side has ended."""
        ready, _, _ = select.select([self.output], [], [], wait_s)
        if not ready:
            return b""
        try:
            data = os.read(self.output, 65536)
        except OSError:
            data = b""
        if not data:
            raise ConsoleError(f"{self.name} has ended; it said: {self.log[-600:]!r}")
        self.log += data
        return data

    def collect(self, complete, limit_s):
        """Reads until complete(data) holds. Returns (data, whether it did). The time is over only when nothing is there to read:
        this program may have stood still itself."""
        data, end = b"", time.monotonic() + limit_s
        while not complete(data):
            left = end - time.monotonic()
            more = self.receive(max(0, min(left, 1)))
            if left <= 0 and not more:
                return data, False
            data += more
        return data, True

    def collect_quiet(self, quiet_s):
        """Reads until nothing has come for a while and every process of the session sleeps: a busy machine may be
        slow to answer, but it does not sleep meanwhile."""
        data, calm = b"", 0
        while calm < 2:
            more = self.receive(quiet_s)
            data += more
            calm = calm + 1 if not more and self.sleeps() else 0
        return data

    def sleeps(self):
        """Whether no process below the one that was started can run, or waits for a disk to bring what it is to run."""
        parents, states = {}, {}
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                with open(f"/proc/{entry.name}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            states[int(entry.name)], parents[int(entry.name)] = fields[0], int(fields[1])

        def ours(pid):
            while pid in parents and pid != self.process.pid:
                pid = parents[pid]
            return pid == self.process.pid
        return not any(state in "RD" for pid, state in states.items() if ours(pid))

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def unpack(archive, folder):
    """Unpacks a newc archive. Device nodes are left out: the session's /dev is made of the host's."""
    data, at = pathlib.Path(archive).read_bytes(), 0
    while True:
        if data[at:at + 6] not in (b"070701", b"070702"):
            raise ConsoleError(f"{archive}: bad magic at {at}")
        field = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, mtime, size, name_size = field[1], field[5], field[6], field[11]
        name = data[at + 110:at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) & ~3
        body = data[start:start + size]
        at = (start + size + 3) & ~3
        if name == "TRAILER!!!":
            return
        path = folder / name.lstrip("/")
        kind = mode & 0o170000
        if kind == 0o040000:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode & 0o7777)
        elif kind == 0o100000:
            path.write_bytes(body)
            path.chmod(mode & 0o7777)
        elif kind == 0o120000:
            path.symlink_to(body.decode())
        if kind != 0o120000 and path.exists():
            os.utime(path, (mtime, mtime))


def end_with_parent():
    """In the child: it is killed when this program ends, however that happens (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def own_terminal():
    """In the child: the slave becomes the controlling terminal. Who runs us may ignore what the keys send, and a shell
    keeps that."""
    for signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(signo, signal.SIG_DFL)
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    end_with_parent()


def open_host(archive, busybox=None):
    """A root login shell over the archive on a pseudo-terminal, in its own mount, PID, UTS, IPC and network namespaces.
    busybox: a binary for this machine in place of the archive's."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="stellux-session-"))
    (folder / "tree").mkdir()
    unpack(archive, folder / "tree")
    if busybox:
        there = (folder / "tree/bin/busybox").stat()
        shutil.copyfile(busybox, folder / "tree/bin/busybox")
        os.utime(folder / "tree/bin/busybox", (there.st_mtime, there.st_mtime))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    process = subprocess.Popen(["unshare", *rights, "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--kill-child",
                                "sh", "-c", SETUP, "sh", str(folder)],
                               stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
    os.close(slave)
    console = Console("the session on this machine", process, master, master)
    console.folder = folder
    return console


def open_machine(command):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, preexec_fn=end_with_parent)
    return Console("the machine", process, process.stdout.fileno(), process.stdin.fileno())


def discard(console):
    console.close()
    if hasattr(console, "folder"):
        shutil.rmtree(console.folder, ignore_errors=True)
