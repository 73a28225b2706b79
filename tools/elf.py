# SPDX-License-Identifier: MIT
"""Reads sections and symbols of ELF64 files (System V ABI, chapter 4)."""
import struct
import sys

SHF_ALLOC, SHF_EXEC = 2, 4
NOTYPE, OBJECT, FUNC = 0, 1, 2


class Elf:
    """Sections and symbols of a little-endian ELF64 file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            sys.exit(f"{path} is not a little-endian ELF64 file")
        (offset,) = struct.unpack_from("<Q", self.data, 0x28)
        size, count, names = struct.unpack_from("<HHH", self.data, 0x3A)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * size)
                         for i in range(count)]
        table = self.sections[names]
        self.names = [self.string(table, section[0]) for section in self.sections]

    def string(self, table, offset):
        start = table[4] + offset
        return self.data[start:self.data.index(b"\0", start)].decode()

    def symbols(self):
        """Yields (name, address, size, type, is global, section index)."""
        for section in self.sections:
            if section[1] != 2:
                continue
            strings = self.sections[section[6]]
            for at in range(section[4] + 24, section[4] + section[5], 24):
                name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
                yield self.string(strings, name), value, size, info & 15, info >> 4 != 0, index

    def code_size(self):
        """Bytes of all loaded executable sections."""
        return sum(s[5] for s in self.sections if s[2] & SHF_EXEC and s[2] & SHF_ALLOC)
