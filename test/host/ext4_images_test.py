#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads images that mke2fs and debugfs made by lib/ext4.h (test/host/ext4/walk.c), and compares what is found with what was put in:
each block and inode size, ext2, ext3 and ext4 with what Debian 12 and 13 make by default, hashed directories of each kind, attributes,
holes, unwritten extents, times. What is not supported is refused by its name. Journals that debugfs wrote are recovered, and the image
is then what debugfs's own recovery makes of it. Prints TAP.
"""
import os
import pathlib
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent / "ext4"))
import images  # noqa: E402

WALK = "build/host/test/host/ext4/walk"
HASHES = {0: "legacy", 1: "half_md4", 2: "tea"}


def walk(*arguments):
    done = subprocess.run([WALK, *map(str, arguments)], capture_output=True, check=False)
    return done.stdout.decode("utf-8", "surrogateescape") + done.stderr.decode("utf-8", "replace"), done.returncode


def parse(text):
    """Path to its fields."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        path, _, rest = line.partition(" ")
        found[path] = dict(field.split("=", 1) for field in rest.split(" ") if "=" in field)
    return found


def escaped(data):
    return "".join(chr(c) if 0x20 < c < 0x7f and c != 0x25 else f"%{c:02x}" for c in data)


def expected_of(path, info, kind_of_inode):
    fields = {"mode": f"{info.st_mode:o}", "uid": str(info.st_uid), "gid": str(info.st_gid), "btime": str(int(kind_of_inode > 128))}
    if stat.S_ISREG(info.st_mode):
        fields |= {"size": str(info.st_size), "crc": f"{zlib.crc32(pathlib.Path(os.fsdecode(path)).read_bytes()):08x}"}
    if stat.S_ISLNK(info.st_mode):
        fields["to"] = escaped(os.readlink(path))
    return fields


def compare(source, found, inode_bytes):
    """Complaint or None: what is in the folder is in the image, with nothing else."""
    names, root = set(), os.fsencode(source)
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files, None]:
            path = folder if name is None else os.path.join(folder, name)
            if name is not None and name in folders and not os.path.islink(path):
                continue    # it is a folder itself, and comes by that
            shown, info = escaped(path[len(root):]), os.lstat(path)
            names.add(shown)
            there = found.get(shown)
            if there is None:
                return f"{shown} is missing"
            wanted = expected_of(path, info, inode_bytes)
            if folder == root and name is None:
                wanted = {}     # the root is mke2fs's own
            else:
                links = 2 + sum(os.path.isdir(os.path.join(path, n)) and not os.path.islink(os.path.join(path, n))
                                for n in os.listdir(path)) if stat.S_ISDIR(info.st_mode) else info.st_nlink
                wanted["links"] = str(links)
                if int(there["mtime"]) not in (int(info.st_mtime) * 10**9, info.st_mtime_ns):
                    return f"{shown}: mtime {there['mtime']}, {info.st_mtime_ns} expected"
            for field, value in wanted.items():
                if there.get(field) != value:
                    return f"{shown}: {field} is {there.get(field)}, {value} expected"
    more = [n for n in found if n not in names and not n.startswith(("/lost+found", "/made-"))]
    return f"there is more: {more[:5]}" if more else None


def check_made(found, inode_bytes, made):
    """What debugfs put in."""
    for path, fields in made.items():
        if path not in found:
            return f"{path} is missing"
        for field, value in fields.items():
            if inode_bytes == 128 and field == "mtime":
                value = str(int(value) // 10**9 * 10**9)
                value = str((int(value) // 10**9 + 2**31) % 2**32 - 2**31) + "0" * 9
            if found[path].get(field) != value:
                return f"{path}: {field} is {found[path].get(field)}, {value} expected"
    return None


def check_counts(text, image):
    said = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True, check=True).stdout
    blocks, inodes = (re.search(rf"^Free {what}: +(\d+)", said, re.MULTILINE)[1] for what in ("blocks", "inodes"))
    head = text.splitlines()[0]
    return None if f"free blocks {blocks} free inodes {inodes}" in head else f"{head}: {blocks} and {inodes} expected"


def one_image(place, source, name, options, inode_bytes, indexed):
    image = place / "image"
    images.make(image, source, ["-I", str(inode_bytes), *options], indexed)
    made = images.add_special(image, place)
    text, status = walk(image)
    if status != 0:
        return text[-2000:]
    found = parse(text)
    return compare(source, found, inode_bytes) or check_made(found, inode_bytes, made) or check_counts(text, image)


def refusals(place):
    for options, name in images.REFUSED:
        image = place / "refused"
        images.make(image, None, options, False)
        text, _ = walk(image)
        yield f"{name} is refused by name", None if re.search(rf"^refused: -22 .*{name}", text) else text
    image = place / "refused"
    images.make(image, None, ["-t", "ext4", "-O", "^metadata_csum"], False)
    data = bytearray(image.read_bytes())
    data[1024 + 0x62] |= 0x20
    image.write_bytes(data)
    text, _ = walk(image)
    yield "an unknown feature is refused by its number", None if "FEATURE_I21" in text else text
    images.make(image, None, ["-t", "ext4"], False)
    data = bytearray(image.read_bytes())
    data[1024 + 0x78] ^= 1
    image.write_bytes(data)
    text, _ = walk(image)
    yield "a superblock with a wrong checksum is refused", None if text.startswith("refused: -74") else text


def recovered(place, source, options, version, seed):
    """Complaint or None: what came of our recovery is, but for journal and superblock, what debugfs makes of it."""
    image, ours, theirs = place / "dirty", place / "ours", place / "theirs"
    images.make(image, source, options, False)
    wanted = images.write_journal(image, place, version, random.Random(seed))
    shutil.copy(image, theirs)
    text, status = walk("-r", ours, image)
    if status != 0:
        return text[-500:]
    subprocess.run(["e2fsck", "-fy", theirs], capture_output=True, check=False)
    blocks = images.blocks_of(image)
    a, b = ours.read_bytes(), theirs.read_bytes()
    for number, content in wanted.items():
        if a[number * blocks:(number + 1) * blocks] != content:
            return f"block {number} is not what was committed last: {a[number * blocks:][:16]!r}"
        if b[number * blocks:(number + 1) * blocks] != content:
            return f"e2fsck has another block {number}: the test is wrong: {b[number * blocks:][:16]!r} {content[:16]!r}"
    checked = subprocess.run(["e2fsck", "-fn", ours], capture_output=True, text=True, check=False)
    return None if checked.returncode == 0 else checked.stdout


def journal_is_broken(place, source, seed):
    """One byte of what a committed transaction has in the journal: nothing is written, and it is refused."""
    image, ours = place / "dirty", place / "ours"
    images.make(image, source, ["-t", "ext4", "-b", "1024"], False)
    wanted = images.write_journal(image, place, 3, random.Random(seed))
    data = bytearray(image.read_bytes())
    content = next(c for c in wanted.values() if c[:4] != b"\xc0\x3b\x39\x98")
    at = data.find(content)
    data[at + 100] ^= 0x10
    image.write_bytes(data)
    text, status = walk("-r", ours, image)
    return None if status == 1 and "refused: -74 the journal is broken" in text else text[-500:]


def extent_beyond(place, source):
    """A file's only extent is made longer than the disk: length in the lower half of the map's fifth word."""
    image = place / "beyond"
    images.make(image, source, ["-t", "ext4", "-O", "^metadata_csum"], False, 16 * images.UNIT)
    images.debugfs(image, "sif /d/file block[4] 0x7000")
    text, status = walk(image)
    return None if status == 1 and "error -117 at 0" in text else text[-500:]


def copy_in_last_group(place, source):
    """sparse_super2 puts a copy of the superblock into the last group, which is the first of those that its block of descriptors is of."""
    image = place / "copies"
    images.make(image, source, ["-t", "ext4", "-b", "1024", "-g", "256", "-N", "1088", "-O", "meta_bg,^resize_inode,sparse_super2"], False, 4353 << 10)
    said = subprocess.run(["dumpe2fs", image], capture_output=True, text=True, check=True).stdout
    text, status = walk(image)
    return check_counts(text, image) if status == 0 and re.search(r"Backup superblock at 4097,", said) else text[-500:]


def hole_without_end(place, source):
    """A directory that says it has 2^31 blocks, of which one is there."""
    image = place / "hole"
    images.make(image, source, ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,large_dir"], False, 16 * images.UNIT)
    images.debugfs(image, "sif /d size 0x1fefffffc00")
    try:
        done = subprocess.run([WALK, image], capture_output=True, text=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return "block by block"
    return None if done.returncode == 0 and "/d/file" in done.stdout else done.stdout[-500:]


def hashes(place):
    image = place / "hash"
    images.make(image, None, ["-t", "ext4"], False)
    random.seed(5)
    for version, name in HASHES.items():
        for length in (1, 3, 4, 15, 16, 17, 31, 32, 33, 64, 100, 250):
            text = "".join(random.choice("abcdefghijklmnopqrstuvwxyzABC0123456789_é") for _ in range(length))[:length]
            said = subprocess.run(["debugfs", "-R", f"dx_hash -h {name} {text}", image], capture_output=True, check=False).stdout
            ours, _ = walk("-h", version, text, "0", "0", "0", "0")
            if int(re.search(rb" is 0x([0-9a-f]+)", said)[1], 16) != int(ours, 16):
                return f"{name} of {text}: {ours}, {said!r}"
    return None


def cases(place):
    source = place / "source"
    images.make_tree(source)
    for name, options, inode_bytes, indexed in images.VARIANTS:
        yield name, one_image(place, source, name, options, inode_bytes, indexed)
    yield "hashes are debugfs's", hashes(place)
    yield from refusals(place)
    small = place / "small"
    (small / "d").mkdir(parents=True)
    (small / "d" / "file").write_bytes(b"content\n" * 1000)
    for seed, (name, options, version) in enumerate(images.JOURNALS):
        yield f"recovery: {name}", recovered(place, small, options, version, seed)
    yield "the descriptors of a group with a copy of the superblock are behind it", copy_in_last_group(place, small)
    yield "a hole that is most of a directory is passed over", hole_without_end(place, small)
    yield "an extent that reaches beyond the disk is found", extent_beyond(place, small)
    yield "recovery: a broken block of a committed transaction is found", journal_is_broken(place, small, 77)


def main():
    subprocess.run(["make", "--no-print-directory", WALK], check=True, stdout=subprocess.DEVNULL,
                   env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})
    failed = 0
    # And besides: hashes, two more refusals, an extent, a block, copies, a hole.
    print(f"1..{len(images.VARIANTS) + len(images.REFUSED) + len(images.JOURNALS) + 7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, complaint) in enumerate(cases(pathlib.Path(folder)), 1):
            failed += complaint is not None
            for line in (complaint or "").splitlines():
                print(f"# {line}")
            print(f"{'not ok' if complaint is not None else 'ok'} {number} - {name}", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
