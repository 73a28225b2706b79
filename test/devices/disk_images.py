# SPDX-License-Identifier: MIT
"""Disk images of random content from a seed, with partition tables as others make them: GPT (UEFI 2.10, chapter 5) and MBR with
an extended partition. Sectors have 512 bytes."""
import random
import struct
import uuid
import zlib

SECTOR = 512
LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def content(seed, size):
    return bytearray(random.Random(seed).randbytes(size))


def put(image, sector, data):
    image[sector * SECTOR:sector * SECTOR + len(data)] = data


def mbr_entry(kind, first, count):
    return struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)


def boot_sector(entries):
    return bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def gpt(seed, size, partitions):
    """partitions: (first sector, sectors, name)."""
    image, sectors = content(seed, size), size // SECTOR
    entries = b"".join(LINUX_DATA.bytes_le + uuid.UUID(int=seed << 64 | n).bytes_le +
                       struct.pack("<QQQ", first, first + count - 1, 0) + name.encode("utf-16le").ljust(72, b"\0")
                       for n, (first, count, name) in enumerate(partitions, 1)).ljust(128 * 128, b"\0")

    def header(own, other, table):
        fields = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 34, sectors - 34,
                             uuid.UUID(int=seed).bytes_le, table, 128, 128, zlib.crc32(entries))
        return (fields[:16] + struct.pack("<I", zlib.crc32(fields)) + fields[20:]).ljust(SECTOR, b"\0")

    put(image, 0, boot_sector([mbr_entry(0xee, 1, sectors - 1)]))
    put(image, 1, header(1, sectors - 1, 2) + entries)
    put(image, sectors - 33, entries + header(sectors - 1, 1, sectors - 33))
    return image


def mbr(seed, size, primary, extended, logical):
    """primary, extended: (first sector, sectors); logical: the same, each with room for its table in the sector before the
    first."""
    image = content(seed, size)
    put(image, 0, boot_sector([mbr_entry(0x83, *primary), mbr_entry(0x05, *extended)]))
    at = extended[0]
    for number, (first, count) in enumerate(logical):
        entries = [mbr_entry(0x83, first - at, count)]
        if number + 1 < len(logical):
            following = logical[number + 1]
            entries.append(mbr_entry(0x05, following[0] - 1 - extended[0], following[1] + 1))
        put(image, at, boot_sector(entries))
        if number + 1 < len(logical):
            at = following[0] - 1
    return image
