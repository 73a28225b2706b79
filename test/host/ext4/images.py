# SPDX-License-Identifier: MIT
"""Images of ext2, ext3 and ext4 as e2fsprogs makes them, for tests of the host and of machines."""
import os
import pathlib
import random
import re
import subprocess
import zlib

UNIT = 1 << 20
os.environ["PATH"] += ":/usr/sbin:/sbin"    # where Debian has the tools
DEBIAN_13 = ["-t", "ext4", "-O", "metadata_csum_seed,orphan_file"]
# name, options of mke2fs, bytes of an inode, whether directories are hashed
VARIANTS = [
    *((f"ext4, blocks of {b}, inodes of {i}", ["-t", "ext4", "-b", str(b)], i, True) for b, i in ((1024, 128), (2048, 256), (4096, 128))),
    *((f"ext3, blocks of {b}", ["-t", "ext3", "-b", str(b)], i, True) for b, i in ((1024, 256), (4096, 128))),
    *((f"ext2, blocks of {b}", ["-t", "ext2", "-b", str(b)], i, b == 2048) for b, i in ((1024, 128), (2048, 256), (4096, 256))),
    ("Debian 12's defaults", ["-t", "ext4"], 256, False),
    ("Debian 13's defaults", DEBIAN_13, 256, True),
    ("large inodes", ["-t", "ext4", "-b", "4096"], 1024, False),
    ("checksums of 16 bits, groups that are not initialised", ["-t", "ext4", "-O", "^metadata_csum,uninit_bg"], 256, True),
    ("the same with short descriptors", ["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit"], 256, False),
    ("no checksums, no filetype, no flex_bg", ["-t", "ext4", "-O", "^metadata_csum,^filetype,^flex_bg"], 256, True),
    ("descriptors in meta groups", ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"], 256, False),
    ("small groups", ["-t", "ext4", "-b", "1024", "-g", "1024"], 256, True),
    ("TEA", ["-t", "ext4", "-b", "1024", "hash=tea"], 256, True),
    ("the legacy hash", ["-t", "ext4", "-b", "1024", "hash=legacy"], 256, True),
    ("large directories", ["-t", "ext4", "-b", "1024", "-O", "large_dir"], 256, True),
]
REFUSED = [(["-t", "ext4", "-O", name, *more], name) for name, more in (
    ("inline_data", []), ("encrypt", []), ("casefold", []), ("verity", []), ("bigalloc", []), ("mmp", []), ("ea_inode", []),
    ("fast_commit", []))]
JOURNALS = [
    ("checksums of the third kind, 64 bits", ["-t", "ext4", "-b", "1024"], 3),
    ("blocks of 4096", ["-t", "ext4", "-b", "4096"], 3),
    ("checksums of the second kind", ["-t", "ext4", "-b", "1024"], 2),
    ("no 64 bits", ["-t", "ext4", "-b", "1024", "-O", "^64bit"], 3),
    ("no checksums: ext3", ["-t", "ext3", "-b", "1024"], 0),
    ("no checksums, 64 bits", ["-t", "ext4", "-O", "^metadata_csum"], 0),
]


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)
    # e2fsck: 1 says that it changed something
    if done.returncode > (1 if command[0] == "e2fsck" else 0):
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def make(image, source, options, indexed, size=128 * UNIT):
    """An image with what is in the folder `source`."""
    hashes = [o.removeprefix("hash=") for o in options if o.startswith("hash=")]
    options = [o for o in options if not o.startswith("hash=")]
    image.unlink(missing_ok=True)
    with open(image, "wb") as f:
        f.truncate(size if source else 16 * UNIT)
    run("mke2fs", "-q", "-F", "-E", "root_owner=0:0,hash_seed=6e2ab2d3-5a3c-4b8e-9a51-2d3c4e5f6a7b", *options,
        *(["-d", source] if source else []), image)
    for name in hashes:
        run("tune2fs", "-E", f"hash_alg={name}", image)
    if indexed:
        run("e2fsck", "-fyD", image)


def fill(path, pieces, size=0):
    with open(path, "wb") as f:
        for at, data in pieces:
            f.seek(at)
            f.write(data)
        f.truncate(max(size, f.tell()))


def make_tree(root, names=1800, seed=1, fragments=2000, far=90):
    """A folder with what filesystems find hard; `far` is where its largest file ends, in MiB."""
    rng = random.Random(seed)
    (root / "many").mkdir(parents=True)
    for n in range(names):
        (root / "many" / f"a name of some length, of which there are many: {n:05}").write_bytes(b"%d" % n if n % 16 == 0 else b"")
    (root / "bytes").mkdir()
    for n in range(120):
        name = bytes(rng.choice([c for c in range(1, 256) if c != 0x2f]) for _ in range(rng.randrange(1, 120)))
        if name.rstrip(b".") and b"\n" not in name:
            pathlib.Path(os.fsdecode(os.fsencode(root / "bytes") + b"/" + name)).write_bytes(name)
    deep = root
    for n in range(30):
        deep = deep / f"deep{n}"
    deep.mkdir(parents=True)
    (deep / "at the end").write_text("here")
    for size in (0, 1, 511, 512, 1023, 1024, 1025, 4095, 4096, 4097, 12 * 1024, 13 * 1024, 300001):
        (root / f"size-{size}").write_bytes(rng.randbytes(size))
    fill(root / "fragments", [(n * 8192 + rng.randrange(4096), rng.randbytes(100)) for n in range(fragments)], fragments * 8192 + 5000)
    fill(root / "far", [(0, b"begin"), (13 * 1024, b"indirect"), (300 * 1024, b"double"), ((far - 20) * UNIT, b"triple"), (far * UNIT, b"end")],
         (far + 10) * UNIT + 7)
    fill(root / "hole", [], 5 * UNIT + 3)
    for length in (1, 30, 59, 60, 61, 255, 900):
        (root / f"link-{length}").symlink_to(("x" * 50 + "/") * (length // 51) + "y" * (length % 51))
    (root / "hard").write_text("two names")
    os.link(root / "hard", root / "deep0" / "hard too")
    os.mkfifo(root / "fifo", 0o600)
    (root / "hard").chmod(0o4751)
    (root / "bytes").chmod(0o1777)
    if os.geteuid() == 0:
        os.chown(root / "size-1", 70001, 80002)
    for n, path in enumerate(sorted(root.iterdir())):
        os.utime(path, (n, (-5 if n == 3 else n) * 10000000 + 7), follow_symlinks=False)


def debugfs(image, *commands):
    text = "\n".join(commands) + "\n"
    done = subprocess.run(["debugfs", "-w", "-f", "-", str(image)], input=text, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("debugfs 1")]
    if errors or done.returncode != 0:
        raise RuntimeError(f"debugfs: {errors}")
    return done.stdout


def add_special(image, place):
    """By debugfs, what no folder of the host has. What the walk must say of it."""
    rng = random.Random(3)
    value, text = rng.randbytes(700), place / "value"
    text.write_bytes(value)
    small = place / "content"
    small.write_bytes(b"content")
    said = run("dumpe2fs", "-h", image)
    size = int(re.search(r"Inode size:\s+(\d+)", said)[1])
    # user::rw-, user:1234:rwx, group::r--, mask::rw-, other::r--
    exported = "02000000" + "01000600ffffffff" "02000700d2040000" "04000400ffffffff" "10000600ffffffff" "20000400ffffffff"
    (place / "acl").write_bytes(bytes.fromhex(exported))    # debugfs makes the disk's form of it
    commands = [f"write {small} made-attributes", f"ea_set -f {text} made-attributes user.large",
                "ea_set made-attributes user.small value", "ea_set made-attributes trusted.t 1",
                "ea_set made-attributes security.s 2", f"ea_set -f {place / 'acl'} made-attributes system.posix_acl_access",
                "mknod made-device c 4 65", "mknod made-disk b 1 1",
                "sif made-disk block[0] 0", "sif made-disk block[1] 0x11112c70",
                f"write {small} made-time", "sif made-time mtime @0x90000000"]
    made = {"/made-attributes": {"user.large": value.hex(), "user.small": b"value".hex(), "trusted.t": "31", "security.s": "32", "system.posix_acl_access": exported},
            "/made-device": {"device": "4:65"}, "/made-disk": {"device": "300:70000"}}
    if size > 128:
        # bits 0 and 1: 2^32 seconds each; above them nanoseconds
        commands.append(f"sif made-time mtime_extra {123456789 << 2 | 1}")
        made["/made-time"] = {"mtime": str((0x90000000 - 2**32 + 2**32) * 10**9 + 123456789)}
    if "extent" in said:
        commands += [f"write {small} made-unwritten", "fallocate made-unwritten 3 40", "sif made-unwritten size 20000"]
        made["/made-unwritten"] = {"size": "20000", "crc": f"{zlib.crc32(b'content' + bytes(20000 - 7)):08x}"}
    debugfs(image, *commands)
    return made


def blocks_of(image):
    return int(re.search(r"Block size:\s+(\d+)", run("dumpe2fs", "-h", image))[1])


def write_journal(image, place, version, rng):
    """Transactions that nobody has checkpointed, by debugfs: over the blocks of a file that is there, some revoked. Block number to
    what it must have in the end."""
    size, before = blocks_of(image), rng.randbytes(60 * blocks_of(image))
    (place / "filler").write_bytes(before)
    debugfs(image, f"write {place / 'filler'} target")
    numbers = [int(n) for n in debugfs(image, "blocks target").split() if n.isdigit()][:50]
    if "extent" not in run("dumpe2fs", "-h", image):
        before = before[:12 * size] + bytes(size) + before[12 * size:]
        del numbers[13:], numbers[12]   # the block of numbers is listed behind the twelve
    place_of = {number: n * size for n, number in enumerate(numbers)}
    commands, content = [f"jo{' -c' if version else ''}{f' -v {version}' if version else ''}"], {}
    for transaction in range(6):
        chosen = sorted(rng.sample(numbers, 9))
        data = [rng.randbytes(size) for _ in chosen]
        if transaction % 2:
            data[0] = b"\xc0\x3b\x39\x98" + data[0][4:]     # what the journal's own blocks begin with
        path = place / f"journal-{transaction}"
        path.write_bytes(b"".join(data))
        if transaction == 3:
            revoked = [n for n in chosen[:4]]
            commands.append(f"jw -r {','.join(map(str, revoked))}")
            for number in revoked:
                content[number] = before[place_of[number]:][:size]  # as it is in its place
            continue
        commands.append(f"jw -b {','.join(map(str, chosen))} {path}")
        content |= dict(zip(chosen, data))
    commands.append("jc")
    debugfs(image, *commands)
    return content
