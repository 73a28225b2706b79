#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Changes images that mke2fs made by lib/ext4_write.h (test/host/ext4/write.c): a seeded workload of making, writing, cutting, punching,
linking, renaming and deleting, which knows what must be there. What it leaves, and what power cuts at flushes of the disk leave of it,
is mounted by the same code, and e2fsck finds nothing in it. debugfs finds each name. What is not written is refused. Prints TAP.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "ext4"))
import images  # noqa: E402

WRITE = "build/host/test/host/ext4/write"
# name, options of mke2fs, MiB, operations, cuts
WORKLOADS = [
    ("blocks of 1024", ["-t", "ext4", "-b", "1024"], 24, 900, 25),
    ("blocks of 2048, no checksums, no 64 bits", ["-t", "ext4", "-b", "2048", "-O", "^metadata_csum,^64bit"], 24, 700, 12),
    ("blocks of 4096", ["-t", "ext4", "-b", "4096"], 32, 900, 20),
    ("Debian 13's defaults", images.DEBIAN_13, 40, 700, 12),
    ("inodes of 128 bytes, checksums of 16 bits", ["-t", "ext4", "-b", "1024", "-I", "128", "-O", "^metadata_csum,uninit_bg"], 24, 700, 8),
    ("small groups, meta groups", ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"], 24, 700, 8),
    ("hashed directories become lists", ["-t", "ext4", "-b", "1024"], 24, 500, 8),
    ("the same without checksums", ["-t", "ext4", "-b", "2048", "-O", "^metadata_csum"], 24, 500, 5),
    ("a full disk", ["-t", "ext4", "-b", "1024", "-m", "0", "-N", "256"], 5, 2500, 12),
]
HASHED = [["-t", "ext4", "-b", "1024"], ["-t", "ext4", "-b", "4096"], ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"]]
REFUSED = [("ext2", ["-t", "ext2"], "is not written"), ("ext3", ["-t", "ext3"], "is not written"),
           ("no journal", ["-t", "ext4", "-O", "^has_journal"], "without a journal"), ("quota", ["-t", "ext4", "-O", "quota"], "FEATURE_R8 is not written")]


def checked(image):
    """Complaint or None: it mounts to be written, and e2fsck finds nothing afterwards."""
    done = subprocess.run([WRITE, "-m", image], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"{image.name}: {done.stdout[-300:]}{done.stderr[-1500:]}"
    found = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    return None if found.returncode == 0 else f"{image.name}: {found.stdout[-1500:]}"


def names_of(image, listing):
    """Complaint or None: debugfs finds the first hundred of them, of the sizes that they have."""
    wanted = [re.fullmatch(r"(/.*) ([0-7]+) (\d+)", line).groups() for line in listing if line.startswith("/")][:100]
    said = images.debugfs(image, *(f"stat {path}" for path, _, _ in wanted))
    sizes = re.findall(r"^User:.*Size: (\d+)$", said, re.MULTILINE)
    if len(sizes) != len(wanted):
        return f"{len(sizes)} of {len(wanted)} names are there"
    for (path, mode, size), there in zip(wanted, sizes):
        if mode.startswith("100") and size != there:
            return f"{path} has {there} bytes, {size} expected"
    return None


def source_of(place, indexed):
    source = place / f"source-{indexed}"
    source.mkdir(exist_ok=True)
    for n in range(300 if indexed else 1):
        (source / f"a name that was there before: {n:05}").write_bytes(b"a few bytes")
    return source


def workload(place, seed, options, size, operations, cuts):
    image = place / f"image{seed}"
    indexed = size == 24 and operations == 500
    images.make(image, source_of(place, indexed), options, indexed, size << 20)
    if indexed and "Flags: 0x81000" not in images.debugfs(image, "stat <2>"):
        return "the root is not hashed"
    done = subprocess.run([WRITE, image, str(seed), str(operations), str(cuts)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stdout[-500:] + done.stderr[-3000:]
    print(f"# {done.stdout.splitlines()[-1]}")
    refused = int(re.search(r"refused (\d+)", done.stdout)[1])
    if options[-1] == "256" and refused == 0:
        return "the disk was never full"
    complaint = checked(image) or names_of(image, done.stdout.splitlines())
    made = sorted(place.glob(f"image{seed}.cut-*"))
    if len(made) < min(5, cuts):
        return f"there are {len(made)} cuts"
    for cut in made:
        complaint = complaint or checked(cut)
        cut.unlink()
    image.unlink()
    return complaint


def refusal(place, options, words):
    image = place / "refused"
    images.make(image, None, options, False)
    before = image.read_bytes()
    done = subprocess.run([WRITE, "-m", image], capture_output=True, text=True, check=False)
    if done.returncode != 1 or "refused: -22" not in done.stdout or words not in done.stdout:
        return done.stdout
    return None if image.read_bytes() == before else "it was written to"


def filled_again(place):
    image = place / "filled"
    images.make(image, source_of(place, False), ["-t", "ext4", "-b", "1024", "-m", "0"], False, 8 << 20)
    done = subprocess.run([WRITE, "-f", image], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr[-1500:] if done.returncode != 0 else None) or checked(image)


def hashed_names(place, options):
    """/hashed, of many names, is hashed; it stays so where names in it only come to mean something else, and where it moves."""
    image, source = place / "hashed", place / "source-of-hashed"
    (source / "hashed").mkdir(parents=True, exist_ok=True)
    (source / "file").write_bytes(b"what takes the name")
    for n in range(300):
        (source / "hashed" / f"a name that was there before: {n:05}").write_bytes(b"a few bytes")
    images.make(image, source, options, True, 24 << 20)
    done = subprocess.run([WRITE, "-n", image, "hashed", "file"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stdout + done.stderr[-1500:]
    complaint = checked(image)
    if complaint is None and "Flags: 0x81000" not in images.debugfs(image, "stat /above/hashed"):
        complaint = "it is not hashed any more"
    return complaint


def own_orphan(place):
    """The journal is said to be an orphan without a name: none of its blocks is given up."""
    image = place / "own"
    images.make(image, source_of(place, False), ["-t", "ext4", "-b", "1024"], False, 8 << 20)
    images.run("debugfs", "-w", "-R", "set_inode_field <8> links_count 0", image)
    images.run("debugfs", "-w", "-R", "set_super_value last_orphan 8", image)
    before = images.debugfs(image, "testb 1 1", "show_super_stats -h")
    done = subprocess.run([WRITE, "-m", image], capture_output=True, text=True, check=False)
    if done.returncode != 1 or "refused: -117" not in done.stdout:
        return done.stdout + done.stderr[-1500:]
    free = re.search(r"Free blocks: +(\d+)", before)[1]
    return None if f"Free blocks:              {free}" in images.debugfs(image, "show_super_stats -h") else "blocks were given up"


def cases(place):
    for seed, (name, options, size, operations, cuts) in enumerate(WORKLOADS, 1):
        yield name, workload(place, seed, options, size, operations, cuts)
    yield "blocks that were given up are had again, all of them", filled_again(place)
    yield "the journal is no orphan", own_orphan(place)
    for options in HASHED:
        yield f"names in a hashed directory: {' '.join(options)}", hashed_names(place, options)
    for name, options, words in REFUSED:
        yield f"refused: {name}", refusal(place, options, words)


def main():
    subprocess.run(["make", "--no-print-directory", WRITE], check=True, stdout=subprocess.DEVNULL,
                   env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})
    failed = 0
    print(f"1..{len(WORKLOADS) + 2 + len(HASHED) + len(REFUSED)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, complaint) in enumerate(cases(pathlib.Path(folder)), 1):
            failed += complaint is not None
            for line in (complaint or "").splitlines():
                print(f"# {line}")
            print(f"{'not ok' if complaint is not None else 'ok'} {number} - {name}", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
