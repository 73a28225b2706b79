/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/{cmdline,environ,auxv,maps,smaps}: what stands in a process's memory, and where its memory is.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <nucleus/layout.h>

enum : size_t { PATH_SIZE = 4096, PIECE = 1024, STRINGS_MAX = 128 * 1024, AUXV_MAX = 64 };

typedef unsigned long long ull;

static int append_range(struct text_buffer *b, struct vm_space *space, uint64_t start, uint64_t end)
{
	char *piece = kmalloc(PIECE);

	if (piece == nullptr)
		return -ENOMEM;
	end = MIN(end, start + STRINGS_MAX);
	while (start < end) {
		size_t n = vm_read_partial(space, start, piece, MIN(end - start, (uint64_t)PIECE));

		text_append(b, piece, n);
		if (n == 0)
			break;
		start += n;
	}
	kfree(piece);
	return 0;
}

int pid_show_cmdline(struct text_buffer *b, struct process *p, uint32_t)
{
	struct vm_space *space = process_get_space(p);
	struct vm_exec_info info;

	if (space == nullptr)
		return 0;
	vm_get_exec_info(space, &info);
	int error = append_range(b, space, info.arg_start, info.arg_end);
	/* A program that overwrote its terminator (setproctitle) goes on into the environment, up to the first zero. */
	if (error == 0 && b->length > 0 && b->data[b->length - 1] != '\0') {
		size_t length = strnlen(b->data, b->length);
		if (length == b->length) {
			error = append_range(b, space, info.env_start, info.env_end);
			length = strnlen(b->data, b->length);
		}
		b->length = length;
	}
	vm_space_put(space);
	return error;
}

int pid_show_environ(struct text_buffer *b, struct process *p, uint32_t)
{
	struct vm_space *space = process_get_space(p);
	struct vm_exec_info info;

	if (space == nullptr)
		return 0;
	vm_get_exec_info(space, &info);
	int error = append_range(b, space, info.env_start, info.env_end);
	vm_space_put(space);
	return error;
}

int pid_show_auxv(struct text_buffer *b, struct process *p, uint32_t)
{
	struct vm_space *space = process_get_space(p);
	uint64_t entries[2 * AUXV_MAX];

	if (space == nullptr)
		return 0;
	text_append(b, entries, process_auxv(space, entries, AUXV_MAX));
	vm_space_put(space);
	return 0;
}

struct maps_context {
	struct text_buffer *b;
	char *path;
	bool sizes;
};

static int show_area(void *ctx, const struct vm_area_info *a)
{
	struct maps_context *m = ctx;
	struct file *f = file_of_object(a->object);
	const struct inode *i = f != nullptr ? file_node(f) : nullptr;
	const char *label = a->label;
	size_t before = m->b->length;

	text_printf(m->b, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ", (ull)a->start, (ull)a->end,
		    a->prot & MAP_PROT_READ ? 'r' : '-', a->prot & MAP_PROT_WRITE ? 'w' : '-',
		    a->prot & MAP_PROT_EXEC ? 'x' : '-', a->shared ? 's' : 'p', (ull)a->offset,
		    i != nullptr ? dev_major(i->sb->dev) : 0, i != nullptr ? dev_minor(i->sb->dev) : 0,
		    i != nullptr ? (ull)i->ino : 0);
	if (f != nullptr && file_describe(f, m->path, PATH_SIZE) >= 0)
		label = m->path;
	if (label != nullptr && label[0] != '\0') {
		size_t column = m->b->length - before;
		text_printf(m->b, "%*s", (int)(column < 73 ? 73 - column : 0), "");
		text_escape(m->b, label, "\n");
	}
	text_printf(m->b, "\n");
	if (m->sizes) {
		ull resident = a->resident_pages * (PAGE_SIZE / 1024);

		text_printf(m->b, "Size:           %8llu kB\nKernelPageSize: %8d kB\nMMUPageSize:    %8d kB\n",
			    (ull)(a->end - a->start) / 1024, 4, 4);
		text_printf(m->b, "Rss:            %8llu kB\nSwap:           %8d kB\nLocked:         %8llu kB\n",
			    resident, 0, a->locked ? resident : 0);
	}
	return 0;
}

static int show_areas(struct text_buffer *b, struct process *p, bool sizes)
{
	struct vm_space *space = process_get_space(p);
	struct maps_context m = {.b = b, .sizes = sizes};

	if (space == nullptr)
		return 0;
	m.path = kmalloc(PATH_SIZE);
	int error = m.path != nullptr ? vm_for_each_area(space, show_area, &m) : -ENOMEM;
	kfree(m.path);
	vm_space_put(space);
	return error;
}

int pid_show_maps(struct text_buffer *b, struct process *p, uint32_t)
{
	return show_areas(b, p, false);
}

int pid_show_smaps(struct text_buffer *b, struct process *p, uint32_t)
{
	return show_areas(b, p, true);
}
