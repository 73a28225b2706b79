#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ext2, ext3 and ext4 that mke2fs made, mounted by the running system: names, types, owners, times, links and the content of all
files are the host's. A journal that is not empty is recovered, and e2fsck finds nothing. What is not supported is refused by its name.
Mutated images are mounted and walked, with errors as the only result; a fault in the middle of a walk costs one call. Prints KTAP.

usage: ext4_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs user
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

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "host" / "ext4")]
import images                       # noqa: E402
from machine import Machine         # noqa: E402
from shell_run import Run, report   # noqa: E402

MIB = 1 << 20
MUTATED, MUTATED_BYTES = 200, 2 * MIB
# name, options of mke2fs, type to mount it as, whether directories are hashed
DISKS = [("ext4 with blocks of 1024", ["-t", "ext4", "-b", "1024"], "ext4", True),
         ("ext4 as Debian 13 makes it, blocks of 4096", [*images.DEBIAN_13, "-b", "4096"], "ext4", True),
         ("ext3", ["-t", "ext3", "-b", "2048"], "ext3", False), ("ext2", ["-t", "ext2", "-b", "1024"], "ext2", False)]
WALK = ("cd /mnt; find . ! -name lost+found | sort | sha256sum; find . ! -type d ! -name 'made*' | sort | tr '\\n' '\\0' | "
        "xargs -0 stat -c '%n %f %u %g %h %s %Y' | sha256sum; "
        "find . -type f ! -name 'made*' | sort | tr '\\n' '\\0' | xargs -0 sha256sum | sha256sum; "
        "find . -type l | sort | while read -r l; do readlink \"$l\"; done | sha256sum; cd /")


def sha(data):
    return hashlib.sha256(data).hexdigest()


def expected_walk(root):
    """The four sums of WALK."""
    names, top = [], os.fsencode(root)
    for folder, folders, files in os.walk(top):
        names += [b"." + os.path.join(folder, n)[len(top):] for n in [*folders, *files]]
    names.sort()
    info = {n: os.lstat(top + n[1:]) for n in names}
    others = [n for n in names if not stat.S_ISDIR(info[n].st_mode)]
    stats = b"".join(n + f" {i.st_mode:x} {i.st_uid} {i.st_gid} {i.st_nlink} {i.st_size} {int(i.st_mtime)}\n".encode()
                     for n, i in ((n, info[n]) for n in others))
    content = b"".join(f"{sha(pathlib.Path(os.fsdecode(top + n[1:])).read_bytes())}  ".encode() + n + b"\n"
                       for n in others if stat.S_ISREG(info[n].st_mode))
    links = b"".join(os.readlink(top + n[1:]) + b"\n" for n in others if stat.S_ISLNK(info[n].st_mode))
    return [sha(b"".join(n + b"\n" for n in [b".", *names])), sha(stats), sha(content), sha(links)]


def mutate(image, rng):
    """Bytes of blocks that are not zeros, few or many of them."""
    data = bytearray(image)
    used = [n for n in range(len(data) // 1024) if any(data[n * 1024:(n + 1) * 1024])]
    for _ in range(rng.choice((1, 2, 5, 20, 100))):
        at = rng.choice(used) * 1024 + rng.randrange(1024)
        data[at] = rng.choice((0, 0xff, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))
    return data


def make_mutated(place, source):
    """One file with all of them, each at its own 2 MiB; one in ten has a journal, others end after a quarter of that. Most have no
    checksums, or little would be tried."""
    rng, kinds = random.Random(11), []
    for options, size in ((["-t", "ext3"], MUTATED_BYTES), (["-t", "ext4", "-O", "^has_journal,^metadata_csum"], MUTATED_BYTES // 4),
                          (["-t", "ext2"], MUTATED_BYTES // 4), (["-t", "ext4", "-O", "^has_journal"], MUTATED_BYTES // 4)):
        image = place / "kind"
        images.make(image, source, ["-b", "1024", "-N", "128", *options], True, size)
        kinds.append(image.read_bytes())
    with open(place / "mutated", "wb") as out:
        for n in range(MUTATED):
            out.seek(n * MUTATED_BYTES)
            out.write(mutate(kinds[0 if n % 10 == 0 else (1, 1, 2, 1, 3)[n % 5]], rng))
        out.truncate(MUTATED * MUTATED_BYTES)
    return place / "mutated"


class Test:
    def __init__(self, machine):
        self.machine, self.place = machine, machine.build / "results" / "devices" / f"ext4-{machine.arch}"
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        self.files, self.lines, self.sums, self.text, self.ended = [], [], {}, "", True
        source = self.place / "source"
        images.make_tree(source, names=250, fragments=300, far=21)
        # What a line of a list cannot show.
        shutil.rmtree(source / "bytes")
        self.walk = expected_walk(source)
        for n, (name, options, kind, indexed) in enumerate(DISKS):
            image = self.add(f"disk{n}", 40 + n)
            images.make(image, source, options, indexed, (40 + n) * MIB)
            images.add_special(image, self.place)
            if n == 0:
                self.add_program(image)
            self.sums[image] = sha(image.read_bytes())
            self.say(f"walk{n}", f"mount -t {kind} -o ro,noatime $(dev {40 + n}) /mnt; grep /mnt /proc/mounts; {WALK}; stat -f -c '%T %s %S %f %d' /mnt; "
                     "touch /mnt/new; umount /mnt")
        self.say("attributes", "mount -t ext4 -o ro $(dev 40) /mnt; cd /mnt; ./made-program; cd /; ls /mnt/made-a/below/round; umount /mnt")
        self.refused = self.add("refused", 16)
        images.make(self.refused, None, ["-t", "ext4", "-O", "inline_data"], False)
        self.say("refused", "mount -t ext4 -o ro $(dev 16) /mnt; dmesg | tail -3; mount -t ext4 -o ro,data=journal $(dev 16) /mnt; dmesg | tail -1")
        self.make_dirty(source)
        self.make_faults()
        self.run("disks")
        self.make_mutated_step()
        self.run("mutated")

    def add_program(self, image):
        """One that is run from there, and a directory that is in one below it."""
        images.debugfs(image, f"write {self.machine.build / 'test' / 'attributes'} made-program", "sif made-program mode 0100755",
                       "mkdir made-a", "mkdir made-a/below", "ln made-a made-a/below/round")

    def add(self, name, _):
        self.files.append(self.place / name)
        return self.files[-1]

    def say(self, name, line):
        self.lines.append(f"echo BEGIN-{name}; {line}; echo END-{name}")

    def make_mutated_step(self):
        """A boot of its own."""
        self.lines.clear()
        self.kept, self.files = self.files, []
        mutated = self.add("all-mutated", 0)
        os.rename(make_mutated(self.place, self.make_small()), mutated)
        self.add("victim", 2).write_bytes(bytes(MUTATED_BYTES))
        size = MUTATED * MUTATED_BYTES // MIB
        self.say("mutated", f"S=$(dev {size}); V=$(dev 2); n=0; m=0; while [ $n -lt {MUTATED} ]; do dd if=$S of=$V bs=512k skip=$((n * 4)) "
                 "count=$((n % 10 == 0 ? 4 : 1)) conv=notrunc 2>&-; mount -t ext4 -o ro $V /mnt 2>&- && { m=$((m+1)); "
                 "find /mnt -exec head -c 65536 {} + >/dev/null 2>&1; umount /mnt; }; n=$((n+1)); done; echo walked $n mounted $m; "
                 "dmesg | grep -c 'stray access'; awk '$1 == \"ext4\"' /proc/components; grep -c /mnt /proc/mounts")

    def make_small(self):
        small = self.place / "small"
        (small / "many").mkdir(parents=True)
        for n in range(40):
            (small / "many" / f"a name of some length: {n}").write_bytes(b"x" * n)
        images.fill(small / "holes", [(n * 5000, b"x") for n in range(20)])
        (small / "large").write_bytes(random.Random(4).randbytes(50000))
        (small / "link").symlink_to("large")
        (small / "long link").symlink_to("x" * 80)
        return small

    def make_dirty(self, source):
        self.dirty = self.add("dirty", 50)
        small = self.place / "dirty-source"
        (small / "d").mkdir(parents=True)
        (small / "d" / "file").write_bytes(b"content\n" * 1000)
        images.make(self.dirty, small, ["-t", "ext4", "-b", "1024"], False, 50 * MIB)
        self.committed = images.write_journal(self.dirty, self.place, 3, random.Random(1))
        self.say("dirty", "mount -t ext4 -o ro $(dev 50) /mnt; cat /mnt/d/file | sha256sum; dmesg | grep recovered; umount /mnt")

    def make_faults(self):
        self.say("faults", "mount -t ext4 -o ro $(dev 40) /mnt; for p in ext4_block ext4_fill ext4_entry; do echo 3 >/proc/sys/vm/drop_caches; "
                 "echo $p thread find pass 2 faults 1 >/proc/stray_points; [ $p = ext4_fill ] && echo $p thread cat pass 2 faults 1 >/proc/stray_points; "
                 "find /mnt -name 'size*' >/tmp/l 2>&1; cat /mnt/fragments /mnt/size-300001 >/dev/null; grep ^armed /proc/stray_points; "
                 f"echo none >/proc/stray_points; {WALK}; done; umount /mnt; dmesg | grep -c 'forgotten after a fault'")

    def run(self, name):
        options = []
        for n, path in enumerate(self.files):
            options += ["-drive", f"file={path},format=raw,if=none,id=e{n}", "-device", f"virtio-blk-pci,drive=e{n}"]
        start = ["dev() { for d in /sys/block/*; do [ $(cat $d/size) = $(($1 * 2048)) ] && echo /dev/${d##*/}; done; }; mkdir -p /mnt"]
        run = Run(self.machine, self.place / name, self.machine.facts["machine"][1], lines=[*start, *self.lines, "poweroff -f"], devices=options)
        self.text, self.ended = self.text + run.text, self.ended and run.ended

    def part(self, name):
        found = re.search(rf"^BEGIN-{name}$(.*?)^END-{name}$", self.text.replace("\r", ""), re.MULTILINE | re.DOTALL)
        return found[1].strip() if found else f"nothing was said of {name}\n{self.text[-1500:]}"

    def check_walk(self, n):
        text = self.part(f"walk{n}")
        sums = re.findall(r"^([0-9a-f]{64})  -$", text, re.MULTILINE)
        # The first sum has the names that debugfs added.
        if sums[1:] != self.walk[1:]:
            return f"{sums} instead of {self.walk}\n{text}"
        for pattern in (rf" /mnt {DISKS[n][2]} ro,noatime", r"touch: /mnt/new: Read-only file system", r"(ext2/ext3|UNKNOWN \(0xef53\)) \d+ "):
            if not re.search(pattern, text):
                return f"{pattern} not in {text}"
        image = self.kept[n]
        return None if sha(image.read_bytes()) == self.sums[image] else "the image was written to"

    def check_attributes(self):
        text = self.part("attributes")
        if len(re.findall(r"^ok \d", text, re.MULTILINE)) != 4 or "not ok" in text or "SKIP" in text:
            return text
        return None if re.search(r"round: .*(needs cleaning|error 117)", text, re.IGNORECASE) else text

    def check_refused(self):
        text = self.part("refused")
        for pattern in ("feature inline_data is not supported", "option data=journal is not supported", "Invalid argument"):
            if pattern not in text:
                return f"{pattern} not in {text}"
        return None

    def check_dirty(self):
        text = self.part("dirty")
        if sha(b"content\n" * 1000) not in text or not re.search(r"recovered from its journal: \d+ transactions, \d+ blocks", text):
            return text
        data = self.dirty.read_bytes()
        wrong = [n for n, content in self.committed.items() if data[n * 1024:(n + 1) * 1024] != content]
        if wrong:
            return f"blocks {wrong} are not what was committed"
        checked = subprocess.run(["e2fsck", "-fn", self.dirty], capture_output=True, text=True, check=False)
        return None if checked.returncode == 0 else checked.stdout

    def check_mutated(self):
        text = self.part("mutated")
        found = re.search(rf"^walked {MUTATED} mounted (\d+)$", text, re.MULTILINE)
        if not found or int(found[1]) < MUTATED // 4:
            return text
        print(f"# {found[0]}")
        return None if text.splitlines()[-1] == "0" and re.search(r"^walked .*\n0$", text, re.MULTILINE) else text

    def check_faults(self):
        text = self.part("faults")
        armed = re.findall(r"^armed ext4_(\w+) passed \d+ faulted (\d)$", text, re.MULTILINE)
        sums = re.findall(r"^([0-9a-f]{64})  -$", text, re.MULTILINE)
        if armed != [("block", "1"), ("fill", "1"), ("entry", "1")]:
            return f"{armed}\n{text}"
        if [sums[k * 4 + 1:k * 4 + 4] for k in range(3)] != [self.walk[1:]] * 3:
            return text
        return None if int(text.splitlines()[-1]) >= 1 else text

    def cases(self):
        for n, disk in enumerate(DISKS):
            yield f"{disk[0]}: all that is there is the host's", lambda n=n: self.check_walk(n)
        yield "a program runs from there, attributes are what was made, and no names lead round", self.check_attributes
        yield "what is not supported is refused by its name", self.check_refused
        yield "a journal is recovered, and e2fsck finds nothing", self.check_dirty
        yield f"{MUTATED} mutated images are mounted and walked", self.check_mutated
        yield "a fault in the middle of a walk costs the call, and the mount serves on", self.check_faults
        yield "the machine switches itself off", lambda: None if self.ended else self.text[-1500:]


def main():
    test = Test(Machine.from_environment())
    failed = report(test.cases())
    for path in [*test.files, *test.kept] if not failed else ():
        path.unlink(missing_ok=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
