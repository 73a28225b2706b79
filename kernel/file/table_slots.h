/* SPDX-License-Identifier: MIT */
/* A file table from the inside, for table.c and table_copy.c. */
#ifndef KERNEL_FILE_TABLE_SLOTS_H
#define KERNEL_FILE_TABLE_SLOTS_H

#include "internal.h"
#include <lib/bitmap.h>

enum : uint32_t { CHUNK = 64, TABLE_MAX = 1u << 20 };

/* One allocation: pointers to chunks of CHUNK files, then two bitmaps. Chunks come when a descriptor in them is used,
 * and stay. */
struct slots {
	uint32_t capacity; /* a power of two */
	struct file ***chunks;
	uint64_t *used, *cloexec;
};
struct file_table {
	uint32_t refs;
	struct spinlock lock;
	struct slots slots; /* under lock; the sole user of a table reads without */
	uint32_t lowest;    /* no descriptor below is free */
	struct file *first[CHUNK];
};

static inline struct file *slot_get(const struct slots *s, uint32_t fd)
{
	if (fd >= s->capacity)
		return nullptr;
	struct file **chunk = s->chunks[fd / CHUNK];
	return chunk != nullptr ? chunk[fd % CHUNK] : nullptr;
}

/* A table of this capacity with one reference; -ENOMEM. And without files it is freed. */
[[nodiscard]] int table_new(uint32_t capacity, struct file_table **out);
void table_free(struct file_table *t);

#endif
