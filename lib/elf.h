/* SPDX-License-Identifier: MIT */
/*
 * elf.h - a checked view of a 64-bit little-endian ELF executable.
 *
 * elf_parse() reads the ELF header and the program headers from the first bytes of a file and
 * either names one fault or fills a struct elf in which everything is known to be sane: segments
 * ascend, do not overlap, do not wrap, lie inside the file, and congruence of address and offset
 * modulo the page holds. Used by the boot loader (kernel image) and by execve (programs). Reads
 * only [head, head + head_size); keeps no pointer into it; no allocation, no globals.
 *
 * Specification: System V ABI (gABI 4.1), chapters 4 and 5; x86_64 and AArch64 supplements.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

constexpr uint64_t ELF_PAGE = 4096;
constexpr unsigned ELF_MAX_SEGMENTS = 16;

enum elf_machine : uint16_t {
	ELF_MACHINE_X86_64 = 62,
	ELF_MACHINE_AARCH64 = 183,
};

enum elf_type : uint16_t {
	ELF_TYPE_EXEC = 2, /* fixed addresses */
	ELF_TYPE_DYN = 3,  /* position-independent: addresses are offsets from a base */
};

enum elf_flags : uint32_t {
	ELF_X = 1,
	ELF_W = 2,
	ELF_R = 4,
};

enum elf_fault : int {
	ELF_OK = 0,
	ELF_TOO_SHORT,
	ELF_BAD_MAGIC,
	ELF_NOT_64_LE,
	ELF_BAD_VERSION,
	ELF_WRONG_MACHINE,
	ELF_BAD_TYPE,
	ELF_BAD_HEADERS,
	ELF_HEADERS_OUTSIDE,
	ELF_NO_SEGMENT,
	ELF_TOO_MANY_SEGMENTS,
	ELF_SEGMENT_OUTSIDE,
	ELF_SEGMENT_SIZE,
	ELF_SEGMENT_WRAPS,
	ELF_SEGMENT_ALIGN,
	ELF_SEGMENT_ORDER,
	ELF_BAD_INTERP,
	ELF_BAD_ENTRY,
};

struct elf_segment {
	uint64_t vaddr;
	uint64_t offset;
	uint64_t file_size; /* bytes from the file; the rest up to mem_size is zero */
	uint64_t mem_size;
	uint32_t flags; /* enum elf_flags */
};

struct elf {
	enum elf_type type;
	uint64_t entry;
	uint64_t low, high;   /* [low, high): page-rounded span of all segments */
	uint64_t phdr_vaddr;  /* where the program headers appear in memory; 0: nowhere */
	uint64_t phdr_offset; /* where they are in the file */
	uint16_t phdr_count;
	uint16_t phdr_size;	/* bytes of one */
	bool exec_stack;	/* asks for an executable stack, or does not say */
	uint64_t interp_offset; /* of the interpreter's path in the file */
	uint64_t interp_size;	/* with its terminating zero; 0: none */
	unsigned count;
	struct elf_segment segment[ELF_MAX_SEGMENTS];
};

/*
 * Parses the file whose first head_size bytes are at head and whose full length is file_size.
 * Returns ELF_OK, or the first fault found (*elf is then undefined). Never reads outside head.
 */
[[nodiscard]] enum elf_fault elf_parse(const void *head, size_t head_size, uint64_t file_size, enum elf_machine machine,
				       struct elf *elf);

/* A lower-case phrase for a fault, to stand behind a file's name. */
[[nodiscard]] const char *elf_fault_text(enum elf_fault fault);
