/* SPDX-License-Identifier: MIT */
/*
 * What an area of an address space shows, if it is not memory of its own: an object, which has pages by number.
 *
 * Whoever has pages to show embeds a struct vm_object and names its operations; an open file does (kernel/file/file.h),
 * and memory that is shared without a file is one in a filesystem without a name. An area holds a reference to its
 * object and the number of its first page. Objects with the same `memory` show the same pages: two openings of one
 * file. The count of references is the embedder's own: file_get counts here.
 *
 * Operations are called with the lock of a space held (RANK_SPACE), by `component`'s guard; bring_in without the lock;
 * release, sync and punch without any lock, unguarded.
 */
#ifndef KERNEL_OBJECT_H
#define KERNEL_OBJECT_H

#include <lib/types.h>
#include <stdint.h>

struct component;
struct page;
struct vm_object;

enum : long { OBJECT_WAIT = 1 };

struct vm_object_ops {
	struct component *component;
	/* The page at index with a reference in *out, to be written to or not. OBJECT_WAIT: it takes I/O, which is not
	 * begun here. -ENXIO: beyond the end; -ENOMEM, … */
	long (*get_page)(struct vm_object *o, uint64_t index, bool for_write, struct page **out);
	/* After OBJECT_WAIT, without the lock of a space: begins the I/O and waits for it. The page with a reference in
	 * *out, which keeps it there until get_page has been asked again. As get_page; -EIO; -EINTR: the thread is to
	 * end. nullptr: get_page never waits. */
	long (*bring_in)(struct vm_object *o, uint64_t index, bool for_write, struct page **out);
	/* Those of the pages index … index + n - 1 that are there already, a reference on each, nullptr for the others.
	 * Result: how many were found. Waits for nothing. nullptr: none ever are. */
	unsigned (*find_cached)(struct vm_object *o, uint64_t index, unsigned n, struct page **out);
	/* How many pages it has now; UINT64_MAX: no end. Any context. */
	uint64_t (*pages)(const struct vm_object *o);
	/* One more area that may write to the memory, or one less. False: nobody may any more. nullptr: not counted. */
	bool (*writer_get)(struct vm_object *o);
	void (*writer_put)(struct vm_object *o);
	/* What was written to pages first … last is kept by what it is stored on afterwards. nullptr: nothing to do. */
	long (*sync)(struct vm_object *o, uint64_t first, uint64_t last);
	/* Bytes become a hole for all who see the memory (madvise(2), MADV_REMOVE). */
	int (*punch)(struct vm_object *o, uint64_t offset, uint64_t bytes);
	/* The last reference went. May sleep. */
	void (*release)(struct vm_object *o);
};

struct vm_object {
	const struct vm_object_ops *ops; /* nullptr: it cannot be mapped */
	uint64_t memory;   /* whose pages they are: a number that nothing else has or had; 0: none cuts them */
	uint32_t refs;	   /* atomic */
	bool unnamed;	   /* shared memory without a name in any directory */
	uint64_t promised; /* pages that are promised for it as long as it lives: vm_promise() */
};

static inline void vm_object_get(struct vm_object *o)
{
	__atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);
}
/* May sleep; no spinlock held. */
static inline void vm_object_put(struct vm_object *o)
{
	if (__atomic_fetch_sub(&o->refs, 1, __ATOMIC_ACQ_REL) == 1)
		o->ops->release(o);
}

#endif
