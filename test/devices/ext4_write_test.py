#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ext4 is written in the running system: a tree is copied, changed, renamed, cut and removed by BusyBox on disks that mke2fs made, and
by the host's shell in a folder. After the unmount e2fsck finds nothing, and debugfs gets the host's tree out of the image. In between the
disk's driver begins anew, a disk is full and has room again, and a mount becomes read-only and writable. Prints TAP.
"""
import hashlib
import os
import pathlib
import random
import re
import shutil
import stat
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "test"), str(ROOT / "test" / "devices"), str(ROOT / "test" / "host" / "ext4")]
import images                       # noqa: E402
from machine import Machine         # noqa: E402
from shell_run import Run, report   # noqa: E402

MIB = images.UNIT
DISKS = [("blocks of 4096", ["-t", "ext4", "-b", "4096"]), ("blocks of 1024, Debian 13's features", ["-b", "1024", *images.DEBIAN_13])]
# In a folder $D that has `src`; each line by itself, in either shell.
WORK = [
    "cp -a $D/src $D/copy",
    "cp -r $D/src/many $D/many && rm -r $D/src/many",
    "mkdir -p $D/deep/er/and/deeper && echo there >$D/deep/er/and/deeper/file",
    "mv $D/copy/size-300001 $D/moved && mv $D/deep/er $D/up && mv $D/up/and/deeper/file $D/moved-too",
    "echo 1 >$D/one && echo 2 >$D/two && mv $D/one $D/two && ln $D/two $D/three && ln -s two $D/link && ln -s $(printf %0100d 7) $D/long",
    "dd if=/dev/zero of=$D/copy/size-4097 bs=1000 seek=3 count=2 conv=notrunc 2>/dev/null",
    "dd if=$D/moved of=$D/holes bs=7777 seek=20 2>/dev/null && truncate -s 100001 $D/holes && truncate -s 900000 $D/holes",
    "for n in $(seq 150); do echo $n >$D/copy/new-$n; done; rm $D/copy/new-1*; echo more >>$D/copy/new-2; chmod 640 $D/copy/new-3",
    "cat $D/moved $D/moved $D/moved $D/moved >$D/large && dd if=$D/large of=$D/parts bs=4096 count=100 2>/dev/null",
    "mkfifo $D/fifo; rm $D/copy/fifo; mkdir $D/empty; rmdir $D/empty; touch -d '2001-02-03 04:05:06' $D/moved",
]


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def tree_of(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = pathlib.Path(folder) / name
            info, shown = path.lstat(), str(path.relative_to(root))
            if shown.startswith("lost+found"):
                continue
            if stat.S_ISREG(info.st_mode):
                found[shown] = (oct(info.st_mode), info.st_size, digest(path.read_bytes()))
            elif stat.S_ISLNK(info.st_mode):
                found[shown] = ("link", os.readlink(path))
            else:
                found[shown] = (oct(stat.S_IFMT(info.st_mode)),)
    return found


class Test:
    def __init__(self, machine):
        self.machine, self.place = machine, machine.build / "results" / "devices" / f"ext4-write-{machine.arch}"
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        self.lines, self.files, self.expected = [], [], {}
        source = self.place / "source"
        self.make_source(source)
        for n, (_, options) in enumerate(DISKS):
            image = self.add(f"disk{n}", source, options, 40 + n)
            self.expected[image] = self.host(source, n)
            self.say(f"work{n}", f"D=/mnt; mount -t ext4 $(dev {40 + n}) /mnt && grep /mnt /proc/mounts")
            for k, line in enumerate(WORK):
                self.say(f"line{n}-{k}", line)
                if k == 4:
                    self.say(f"again{n}", "(sleep 1; echo restart virtio_blk >/proc/components) & cp -r $D/many $D/while; sync; wait; rm -r $D/while")
            self.say(f"end{n}", "sync; mount -o remount,ro /mnt && ! touch /mnt/no 2>/dev/null && mount -o remount,rw /mnt && touch /mnt/yes && rm /mnt/yes; "
                     "(exec 5>/mnt/gone; rm /mnt/gone; mount -o remount,ro /mnt 2>&1); touch /mnt/yet && rm /mnt/yet && umount /mnt && mount -t ext4 -o ro $(dev %d) /mnt && cat /mnt/large /mnt/holes | sha256sum; umount /mnt; dmesg | grep 'ext4:' | tail -5"
                     % (40 + n))
        self.full = self.add("full", None, ["-t", "ext4", "-b", "1024", "-m", "0"], 12)
        self.say("full", "mount -t ext4 $(dev 12) /mnt; dd if=/dev/zero of=/mnt/big bs=50000 2>&1 | head -1; for n in $(seq 30); do echo x >/mnt/small-$n; done 2>/dev/null; "
                 "df /mnt | tail -1; rm /mnt/big; sync; dd if=/dev/zero of=/mnt/fits bs=100000 count=30 && echo fits; umount /mnt")
        self.old = self.add("old", None, ["-t", "ext2"], 16)
        self.say("old", "mount -t ext4 -o rw $(dev 16) /mnt; grep -c /mnt /proc/mounts; umount /mnt; dmesg | grep 'not mounted to be written' | tail -1")
        self.fault = self.add("fault", None, ["-t", "ext4", "-b", "1024"], 20)
        self.say("fault", "V=$(dev 20); mount -t ext4 $V /mnt; echo kept >/mnt/kept; sync; echo 3 >/proc/sys/vm/drop_caches; umount /mnt; mount -t ext4 $V /mnt; "
                 "echo ext4_block thread touch pass 1 faults 1 >/proc/stray_points; touch /mnt/new; grep ^armed /proc/stray_points; echo none >/proc/stray_points; "
                 "touch /mnt/later; cat /mnt/kept; umount /mnt; mount -t ext4 $V /mnt && touch /mnt/after && cat /mnt/kept; umount /mnt; dmesg | grep 'ext4:' | tail -4")
        self.lost = self.add("lost", None, ["-t", "ext4", "-b", "1024"], 24)
        self.say("lost", "V=$(dev 24); mount -t ext4 $V /mnt; echo kept >/mnt/kept; sync; echo ext4_give thread dd pass 1 faults 1 >/proc/stray_points; "
                 "dd if=/dev/zero of=/mnt/lost bs=4k count=5 conv=fsync; grep ^armed /proc/stray_points; echo none >/proc/stray_points; "
                 "sync; touch /mnt/later; umount /mnt; mount -t ext4 $V /mnt && touch /mnt/after && cat /mnt/kept; umount /mnt")
        self.run()

    def make_source(self, source):
        rng = random.Random(9)
        (source / "src" / "many").mkdir(parents=True)
        for n in range(120):
            (source / "src" / "many" / f"a name of some length: {n:03}").write_bytes(rng.randbytes(n * 17))
        for size in (0, 1, 1023, 1024, 4095, 4096, 4097, 12288, 300001):
            (source / "src" / f"size-{size}").write_bytes(rng.randbytes(size))
        images.fill(source / "src" / "fragments", [(n * 8192, rng.randbytes(100)) for n in range(60)], 60 * 8192)
        (source / "src" / "link").symlink_to("size-1")
        os.mkfifo(source / "src" / "fifo")

    def host(self, source, n):
        folder = self.place / f"host{n}"
        shutil.copytree(source / "src", folder / "src", symlinks=True, ignore=shutil.ignore_patterns("fifo"))
        os.mkfifo(folder / "src" / "fifo")
        subprocess.run(["sh", "-ec", "umask 022\n" + "\n".join(WORK)], check=True, env={**os.environ, "D": str(folder)})
        return tree_of(folder)

    def add(self, name, source, options, size):
        image = self.place / name
        images.make(image, source, options, False, size * MIB)
        os.truncate(image, size * MIB)
        if source is None:
            image.unlink()
            image.touch()
            os.truncate(image, size * MIB)
            images.run("mke2fs", "-q", "-F", *options, image)
        self.files.append(image)
        return image

    def say(self, name, line):
        self.lines.append(f"echo BEGIN-{name}; {line}; echo END-{name} $?")

    def run(self):
        options = []
        for n, path in enumerate(self.files):
            options += ["-drive", f"file={path},format=raw,if=none,id=e{n}", "-device", f"virtio-blk-pci,drive=e{n}"]
        start = ["dev() { for d in /sys/block/*; do [ $(cat $d/size) = $(($1 * 2048)) ] && echo /dev/${d##*/}; done; }; mkdir -p /mnt; umask 022"]
        run = Run(self.machine, self.place / "run", self.machine.facts["machine"][1], lines=[*start, *self.lines, "poweroff -f"], devices=options)
        self.text, self.ended = run.text, run.ended

    def part(self, name):
        found = re.search(rf"^BEGIN-{name}$(.*?)^END-{name} \d+$", self.text.replace("\r", ""), re.MULTILINE | re.DOTALL)
        return found[1].strip() if found else f"nothing was said of {name}\n{self.text[-2500:]}"

    def check_clean(self, image):
        checked = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
        return None if checked.returncode == 0 else checked.stdout[-3000:]

    def check_disk(self, n):
        image = self.files[n]
        said = [line for k in range(len(WORK)) for line in self.part(f"line{n}-{k}").splitlines()] + self.part(f"again{n}").splitlines()
        if any("error" in line.lower() or "nothing was said" in line for line in said):
            return "\n".join(said)[-3000:]
        complaint = self.check_clean(image)
        if complaint:
            return complaint + self.part(f"end{n}")
        out = self.place / f"out{n}"
        out.mkdir()
        images.debugfs(image, f"rdump / {out}")
        found, wanted = tree_of(out), {p: v for p, v in self.expected[image].items() if v[0] != oct(stat.S_IFIFO)}
        found = {p: v for p, v in found.items() if v[0] != oct(stat.S_IFIFO)}
        wrong = [f"{p}: {found.get(p)} instead of {wanted.get(p)}" for p in sorted({*found, *wanted}) if found.get(p) != wanted.get(p)]
        return "\n".join(wrong[:20]) + self.part(f"end{n}") if wrong else None

    def check_end(self, n):
        text, image = self.part(f"end{n}"), self.files[n]
        sums = hashlib.sha256((self.place / f"host{n}" / "large").read_bytes() + (self.place / f"host{n}" / "holes").read_bytes()).hexdigest()
        if sums not in text:
            return text
        if "busy" not in text:
            return f"an open file without a name is no reason: {text}"
        said = images.run("dumpe2fs", "-h", image)
        return "needs_recovery is left" if "needs_recovery" in said else None if "journal_checksum_v3" in said else said

    def check_full(self):
        text = self.part("full")
        if "No space left" not in text or not re.search(r"^fits$", text, re.MULTILINE):
            return text
        return self.check_clean(self.full)

    def check_fault(self):
        text = self.part("fault")
        for pattern in (r"touch: /mnt/new: Bad address", r"^armed ext4_block passed \d+ faulted 1$", r"touch: /mnt/later: Read-only file system",
                        r"^kept\n(.*\n)*kept$", "read-only from now on"):
            if not re.search(pattern, text, re.MULTILINE):
                return f"{pattern} not in {text}"
        return self.check_clean(self.fault)

    def check_lost(self):
        text = self.part("lost")
        for pattern in (r"dd: .*nput/output error", r"^armed ext4_give passed \d+ faulted 1$", r"touch: /mnt/later: Read-only file system", r"^kept$"):
            if not re.search(pattern, text, re.MULTILINE):
                return f"{pattern} not in {text}"
        return self.check_clean(self.lost)

    def check_old(self):
        text = self.part("old")
        return None if re.search(r"without extents \(ext2, ext3\) it is not written", text) else text

    def cases(self):
        for n, (name, _) in enumerate(DISKS):
            yield f"{name}: e2fsck finds nothing, and the tree is the host's", lambda n=n: self.check_disk(n)
            yield f"{name}: read-only and back, and a clean unmount", lambda n=n: self.check_end(n)
        yield "a full disk says so, and has room again", self.check_full
        yield "a fault in the middle of a change costs the mount its writing, and the next mount goes on", self.check_fault
        yield "data that a fault keeps from the disk are waited for by nobody, and what tells of them is not committed", self.check_lost
        yield "ext2 is not mounted to be written", self.check_old
        yield "the machine switches itself off", lambda: None if self.ended else self.text[-1500:]


def main():
    test = Test(Machine.from_environment())
    failed = report(test.cases())
    if not failed:
        shutil.rmtree(test.place, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
