/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for lib/elf.c: whatever is accepted keeps the promises of lib/elf.h.
 *
 * A first byte that is odd makes the rest a list of changes to a good file, so that the checks
 * behind the first ones are reached; otherwise the input is the file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/elf.c> /* included, so that it is compiled for the fuzzer's eyes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check(const struct elf *elf, uint64_t file_size)
{
	bool entry = false;

	require(elf->count > 0 && elf->count <= ELF_MAX_SEGMENTS);
	require(elf->low < elf->high && (elf->low | elf->high) % ELF_PAGE == 0);
	require(elf->interp_size == 0 ||
		(elf->interp_offset <= file_size && elf->interp_size <= file_size - elf->interp_offset));
	for (unsigned i = 0; i < elf->count; i++) {
		const struct elf_segment *s = &elf->segment[i];

		require(s->offset <= file_size && s->file_size <= file_size - s->offset);
		require(s->mem_size > 0 && s->file_size <= s->mem_size);
		require(s->vaddr >= elf->low && s->vaddr + s->mem_size <= elf->high);
		require(s->vaddr + s->mem_size > s->vaddr);
		require((s->vaddr - s->offset) % ELF_PAGE == 0);
		require(i == 0 || s->vaddr >= s[-1].vaddr + s[-1].mem_size);
		entry |= (s->flags & ELF_X) && elf->entry >= s->vaddr && elf->entry - s->vaddr < s->mem_size;
	}
	require(entry);
}

constexpr size_t FILE_SIZE = 4096;
constexpr size_t CHANGE = 6; /* bytes of input for one: where, how, what */

static void make_good(uint8_t *file)
{
	struct elf_header h = {
		.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
		.type = ELF_TYPE_EXEC,
		.machine = ELF_MACHINE_X86_64,
		.version = 1,
		.entry = 0x1010,
		.phoff = sizeof(h),
		.phentsize = sizeof(struct elf_phdr),
		.phnum = 4,
	};
	struct elf_phdr p[4] = {
		{.type = PT_LOAD, .flags = ELF_R | ELF_X, .vaddr = 0x1000, .filesz = 64, .memsz = 64},
		{.type = PT_LOAD,
		 .flags = ELF_R | ELF_W,
		 .offset = 0x800,
		 .vaddr = 0x2800,
		 .filesz = 0x100,
		 .memsz = 0x2000},
		{.type = PT_GNU_STACK},
		{.type = PT_INTERP, .offset = 0x200, .filesz = 20},
	};

	memset(file, 0, FILE_SIZE);
	memcpy(file, &h, sizeof(h));
	memcpy(file + sizeof(h), p, sizeof(p));
}

/* One field, found by its 4-byte word, becomes small, huge, near the file's end, or shifted. */
static void change(uint8_t *file, const uint8_t *c)
{
	uint8_t *at = file + (c[0] % 72) * 4;
	uint32_t what = c[2] | (uint32_t)c[3] << 8 | (uint32_t)c[4] << 16 | (uint32_t)c[5] << 24;
	uint64_t value = 0;

	memcpy(&value, at, sizeof(value));
	switch (c[1] % 6) {
	case 0: value = what; break;
	case 1: value = UINT64_MAX - c[2]; break;
	case 2: value = FILE_SIZE + (uint64_t)(int8_t)c[2]; break;
	case 3: value += (uint64_t)(int8_t)c[2] * ELF_PAGE; break;
	case 4: value += what; break;
	case 5: memcpy(at, &what, sizeof(what)); return;
	}
	memcpy(at, &value, sizeof(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool changes = size > 0 && (data[0] & 1);
	size_t file_size = changes ? FILE_SIZE : size;
	uint8_t *file = malloc(file_size > 0 ? file_size : 1);
	struct elf elf;

	if (changes) {
		make_good(file);
		for (size_t i = 1; i + CHANGE <= size && i < 8 * CHANGE; i += CHANGE)
			change(file, data + i);
	} else {
		memcpy(file, data, size);
	}
	if (elf_parse(file, file_size, file_size, ELF_MACHINE_X86_64, &elf) == ELF_OK)
		check(&elf, file_size);
	free(file);
	return 0;
}
