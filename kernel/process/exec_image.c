/* SPDX-License-Identifier: MIT */
/*
 * Mapping ELF files for execve: the program at its addresses (ET_EXEC) or at a random base
 * (ET_DYN), then the interpreter that it names.
 *
 * lib/elf.c has checked the headers; here segments become private mappings of the file and zero
 * pages (System V ABI, chapter 5, "Program Loading"). The rest of a writable segment's last file
 * page is zeroed.
 */
#include "exec.h"
#include "internal.h"
#include <abi/fcntl.h>
#include <arch/signal.h>
#include <kernel/base/random.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/vfs.h>
#include <lib/elf.h>
#include <lib/string.h>
#include <nucleus/layout.h>

enum : uint64_t {
	PROGRAM_BASE = 0x555555554000,
	PROGRAM_BASE_PAGES = UINT64_C(1) << 28,
	INTERPRETER_BASE = 0x7ff100000000,
	INTERPRETER_BASE_PAGES = UINT64_C(1) << 22,
	BRK_PAGES = 8192,
	LOWEST_ADDRESS = 65536,
};

uint64_t exec_random(const struct exec *e, uint64_t pages)
{
	uint64_t r;

	if (!e->randomise)
		return 0;
	random_bytes(&r, sizeof(r));
	return r % pages << PAGE_SHIFT;
}

int exec_open(const char *path, struct file **out)
{
	struct path at;
	int error = path_lookup(AT_FDCWD, path, WALK_FOLLOW, &at);

	if (error != 0)
		return error;
	error = file_open_exec(&at, out);
	path_put(&at);
	return error;
}

int exec_read_head(struct file *f, uint8_t *head, size_t *bytes)
{
	long n = file_read_at(f, head, EXEC_HEAD_BYTES, 0);

	if (n < 0)
		return (int)n;
	*bytes = (size_t)n;
	memset(head + n, 0, EXEC_HEAD_BYTES - (size_t)n);
	return 0;
}

static uint32_t protection(uint32_t elf_flags)
{
	return (elf_flags & ELF_R ? MAP_PROT_READ : 0) | (elf_flags & ELF_W ? MAP_PROT_WRITE : 0) |
	       (elf_flags & ELF_X ? MAP_PROT_EXEC : 0);
}

static int clear(struct vm_space *space, uint64_t at, uint64_t n)
{
	static const char zeros[512];
	int error = 0;

	while (n > 0 && error == 0) {
		uint64_t part = MIN(n, sizeof(zeros));
		error = vm_write(space, at, zeros, part);
		at += part;
		n -= part;
	}
	return error;
}

static int map_segment(struct vm_space *space, struct file *f, const struct elf_segment *s, uint64_t bias)
{
	uint64_t start = s->vaddr + bias, page = align_down(start, PAGE_SIZE);
	uint64_t file_end = start + s->file_size, memory_end = align_up(start + s->mem_size, PAGE_SIZE);
	uint64_t mapped_end = page;
	int error;

	if (memory_end < page || page < LOWEST_ADDRESS || memory_end > USER_END)
		return -ENOEXEC;
	if (s->file_size > 0) {
		mapped_end = align_up(file_end, PAGE_SIZE);
		error = vm_map_fixed(space, page, mapped_end - page, protection(s->flags), &f->object,
				     align_down(s->offset, PAGE_SIZE));
		if (error != 0)
			return error;
		if (s->mem_size > s->file_size && (s->flags & ELF_W) && file_end < mapped_end) {
			error = clear(space, file_end, mapped_end - file_end);
			if (error != 0)
				return error;
		}
	}
	if (memory_end <= mapped_end)
		return 0;
	return vm_map_fixed(space, mapped_end, memory_end - mapped_end, protection(s->flags), nullptr, 0);
}

static int map_elf(struct exec *e, struct file *f, const struct elf *elf, uint64_t bias)
{
	for (unsigned i = 0; i < elf->count; i++) {
		int error = map_segment(e->space, f, &elf->segment[i], bias);
		if (error != 0)
			return error == -EINVAL || error == -EEXIST ? -ENOEXEC : error;
	}
	return 0;
}

static void note_code(struct exec *e, const struct elf *elf, uint64_t bias)
{
	for (unsigned i = 0; i < elf->count; i++) {
		const struct elf_segment *s = &elf->segment[i];
		if (!(s->flags & ELF_X))
			continue;
		if (e->image.code_start == 0)
			e->image.code_start = s->vaddr + bias;
		e->image.code_end = s->vaddr + bias + s->mem_size;
	}
}

static int open_interpreter(struct exec *e, const struct elf *elf, struct file **out)
{
	char *path = kmalloc(elf->interp_size);
	int error = -ENOMEM;

	if (path == nullptr)
		return error;
	long n = file_read_at(e->file, path, elf->interp_size, elf->interp_offset);
	error = -ENOEXEC;
	if (n == (long)elf->interp_size && path[n - 1] == '\0')
		error = exec_open(path, out);
	kfree(path);
	return error;
}

static int map_interpreter(struct exec *e, const struct elf *program)
{
	struct file *f = nullptr;
	struct elf *elf = kmalloc(sizeof(*elf));
	size_t bytes;

	if (elf == nullptr)
		return -ENOMEM;
	int error = open_interpreter(e, program, &f);
	if (error != 0)
		goto out;
	error = exec_read_head(f, e->head, &bytes);
	if (error != 0)
		goto out;
	error = -ELIBBAD;
	if (elf_parse(e->head, bytes, f->inode->size, ARCH_ELF_MACHINE, elf) != ELF_OK || elf->interp_size != 0)
		goto out;
	uint64_t base = elf->type == ELF_TYPE_DYN ? INTERPRETER_BASE + exec_random(e, INTERPRETER_BASE_PAGES) : 0;
	error = map_elf(e, f, elf, base);
	e->image.interpreter_base = base;
	e->image.entry = base + elf->entry;
out:
	if (f != nullptr)
		file_put(f);
	kfree(elf);
	return error;
}

int exec_map_image(struct exec *e)
{
	struct elf *elf = kmalloc(sizeof(*elf));
	struct exec_image *image = &e->image;
	int error = -ENOEXEC;

	if (elf == nullptr)
		return -ENOMEM;
	if (e->file->inode == nullptr ||
	    elf_parse(e->head, e->head_bytes, e->file->inode->size, ARCH_ELF_MACHINE, elf) != ELF_OK)
		goto out;
	uint64_t bias = 0;
	if (elf->type == ELF_TYPE_DYN)
		bias = PROGRAM_BASE + exec_random(e, PROGRAM_BASE_PAGES) - elf->low;
	error = map_elf(e, e->file, elf, bias);
	if (error != 0)
		goto out;
	note_code(e, elf, bias);
	image->program_entry = image->entry = elf->entry + bias;
	image->phdr = elf->phdr_vaddr != 0 ? elf->phdr_vaddr + bias : 0;
	image->phdr_size = elf->phdr_size;
	image->phdr_count = elf->phdr_count;
	image->end = elf->high + bias;
	if (elf->interp_size != 0)
		error = map_interpreter(e, elf);
	if (error == 0)
		vm_set_brk(e->space, align_up(image->end, PAGE_SIZE) + exec_random(e, BRK_PAGES));
out:
	kfree(elf);
	return error;
}
