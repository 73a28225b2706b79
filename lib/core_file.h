/* SPDX-License-Identifier: MIT */
/*
 * core_file.h - the headers and notes of an ELF core file of a 64-bit little-endian machine, which debuggers read: an
 * ELF header, program headers (one PT_NOTE, then a PT_LOAD for each area of memory), the notes, and from a page
 * boundary on the memory. Pure; the caller supplies the memory.
 *
 * Specification: System V ABI (gABI 4.1), chapters 4 and 5; core(5); elf(5), "Notes (Nhdr)".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

constexpr size_t CORE_HEADER_BYTES = 64, CORE_SEGMENT_BYTES = 56;
constexpr uint64_t CORE_PAGE = 4096;
constexpr uint32_t CORE_SEGMENTS_MAX = 0xfffe; /* program headers that the ELF header can count */

enum core_note_type : uint32_t {
	CORE_NOTE_STATUS = 1, /* of a thread; with the next two it belongs to the last of these */
	CORE_NOTE_FPU = 2,
	CORE_NOTE_X86_XSTATE = 0x202,
	CORE_NOTE_ARM_TLS = 0x401,
	CORE_NOTE_PROCESS = 3,
	CORE_NOTE_AUXV = 6,
	CORE_NOTE_SIGINFO = 0x53494749,
	CORE_NOTE_FILES = 0x46494c45,
};

/* The beginning of a thread's status; the registers follow, then a word that says whether there is an FPU note. */
struct core_status {
	int32_t signo, code, error;
	int16_t current_signal;
	uint64_t pending, blocked;
	uint32_t pid, parent, group, session;
	uint64_t times[8];
};
static_assert(sizeof(struct core_status) == 112);

struct core_process {
	char state, state_name, zombie, nice;
	uint64_t flags;
	uint32_t uid, gid, pid, parent, group, session;
	char name[16], arguments[80];
};
static_assert(sizeof(struct core_process) == 136);

/* Bytes that a note takes with its name, n bytes of content and the padding. */
size_t core_note_bytes(const char *name, size_t n);
/* Writes a note's header and name at `at` and clears the rest; where its content goes. */
void *core_note_put(void *at, const char *name, enum core_note_type type, size_t n);
/* The ELF header of a file with so many program headers. */
void core_header_put(void *at, uint16_t machine, uint16_t segments);
void core_notes_segment_put(void *at, uint64_t offset, uint64_t size);
/* A PT_LOAD; flags are those of elf.h; file_size of its bytes stand at offset. */
void core_memory_segment_put(void *at, uint64_t address, uint64_t size, uint64_t offset, uint64_t file_size,
			     uint32_t flags);
