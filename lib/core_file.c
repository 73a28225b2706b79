/* SPDX-License-Identifier: MIT */
/* core_file.c - see core_file.h. */
#include <lib/core_file.h>
#include <lib/string.h>

enum : uint32_t { SEGMENT_LOAD = 1, SEGMENT_NOTE = 4, FILE_CORE = 4 };

struct header {
	unsigned char identity[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, segments_at, sections_at;
	uint32_t flags;
	uint16_t size, segment_size, segments, section_size, sections, names;
};
static_assert(sizeof(struct header) == CORE_HEADER_BYTES);

struct segment {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_size, size, align;
};
static_assert(sizeof(struct segment) == CORE_SEGMENT_BYTES);

struct note {
	uint32_t name_size, size, type;
};

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

size_t core_note_bytes(const char *name, size_t n)
{
	return sizeof(struct note) + padded(strlen(name) + 1) + padded(n);
}

void *core_note_put(void *at, const char *name, enum core_note_type type, size_t n)
{
	struct note note = {(uint32_t)strlen(name) + 1, (uint32_t)n, type};
	char *to = at;

	memset(at, 0, core_note_bytes(name, n));
	memcpy(to, &note, sizeof(note));
	memcpy(to + sizeof(note), name, note.name_size);
	return to + sizeof(note) + padded(note.name_size);
}

void core_header_put(void *at, uint16_t machine, uint16_t segments)
{
	struct header h = {
		.identity = {0x7f, 'E', 'L', 'F', 2, 1, 1},
		.type = FILE_CORE,
		.machine = machine,
		.version = 1,
		.segments_at = CORE_HEADER_BYTES,
		.size = CORE_HEADER_BYTES,
		.segment_size = CORE_SEGMENT_BYTES,
		.segments = segments,
	};

	memcpy(at, &h, sizeof(h));
}

void core_notes_segment_put(void *at, uint64_t offset, uint64_t size)
{
	struct segment s = {.type = SEGMENT_NOTE, .offset = offset, .file_size = size, .align = 4};

	memcpy(at, &s, sizeof(s));
}

void core_memory_segment_put(void *at, uint64_t address, uint64_t size, uint64_t offset, uint64_t file_size,
			     uint32_t flags)
{
	struct segment s = {
		.type = SEGMENT_LOAD,
		.flags = flags,
		.offset = offset,
		.address = address,
		.file_size = file_size,
		.size = size,
		.align = CORE_PAGE,
	};

	memcpy(at, &s, sizeof(s));
}
