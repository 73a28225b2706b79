/* SPDX-License-Identifier: MIT */
/* System call mremap(2): shrink, grow in place, or move a mapping with its pages. MREMAP_DONTUNMAP
 * is refused. */
#include "vm_internal.h"

#include <kernel/slab.h>
#include <kernel/syscall.h>

struct move {
	uint64_t old, old_length, new, new_length; /* page-aligned */
	uint32_t flags;
};

static bool free_between(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock)
{
	struct vm_area *a = area_find(s, start);

	return end <= USER_END && (!a || area_start(a) >= end);
}

/* Makes the area at the new place and brings the pages over; a covers exactly the old range. */
static long move_area(struct vm_space *s, struct vm_area *a, const struct move *m, struct list *dead)
	REQUIRES(s -> lock)
{
	uint64_t to = m->new;

	if (m->flags & MREMAP_FIXED) {
		int error = unmap_locked(s, to, to + m->new_length, dead);

		if (error)
			return error;
	} else {
		to = map_find_place(s, 0, m->new_length, USER_END);
		if (!to)
			return -ENOMEM;
	}
	struct vm_area *b = area_create(to, to + m->new_length, a->prot,
					a->flags & ~(uint32_t)(AREA_GROWS_DOWN | AREA_STACK | AREA_HEAP));
	if (!b)
		return -ENOMEM;
	b->file = a->file;
	b->page_offset = a->page_offset;
	if (b->file)
		file_get(b->file);
	area_insert(s, b);
	uint64_t bytes = MIN(m->old_length, m->new_length);
	int error = pages_move(s, a, m->old, to, bytes);
	if (error) {
		/* Back: the old place has its page tables still. */
		if (pages_move(s, b, to, m->old, bytes) == 0) {
			pages_unmap(s, b, to, to + m->new_length);
			area_remove(s, b, dead);
		}
		return error;
	}
	pages_unmap(s, a, area_start(a), area_end(a));
	area_remove(s, a, dead);
	area_merge(s, b, dead);
	return (long)to;
}

static long remap_locked(struct vm_space *s, const struct move *m, struct list *dead) REQUIRES(s -> lock)
{
	struct vm_area *a = area_find(s, m->old);
	uint64_t old_end = m->old + m->old_length;

	if (!a || area_start(a) > m->old || area_end(a) < old_end)
		return -EFAULT;
	if (a->special)
		return -EINVAL;
	if (m->new_length <= m->old_length && !(m->flags & MREMAP_FIXED)) {
		int error = unmap_locked(s, m->old + m->new_length, old_end, dead);

		return error ? error : (long)m->old;
	}
	if (m->new_length > m->old_length) {
		uint64_t more = (m->new_length - m->old_length) >> PAGE_SHIFT;

		if ((a->flags & AREA_LOCKED) && s->locked_pages + more > process_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT &&
		    !capable(CAP_IPC_LOCK))
			return -EAGAIN;
		if (map_check_limits(s, more, a->prot, a->flags))
			return -ENOMEM;
		if (!(m->flags & MREMAP_FIXED) && old_end == area_end(a) &&
		    free_between(s, old_end, m->old + m->new_length)) {
			area_resize(s, a, area_start(a), m->old + m->new_length);
			area_merge(s, a, dead);
			return (long)m->old;
		}
	}
	if (!(m->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	if (areas_isolate(s, m->old, old_end))
		return -ENOMEM;
	return move_area(s, area_find(s, m->old), m, dead);
}

static long sys_mremap(unsigned long old, unsigned long old_length, unsigned long new_length, unsigned long flags,
		       unsigned long new)
{
	struct vm_space *s = vm_current();
	struct list dead = LIST_INIT(dead);
	struct move m = {
		.old = old,
		.old_length = align_up(old_length, PAGE_SIZE),
		.new = new,
		.new_length = align_up(new_length, PAGE_SIZE),
		.flags = (uint32_t)flags,
	};

	if (flags & ~(unsigned long)(MREMAP_MAYMOVE | MREMAP_FIXED))
		return syscall_refuse_flags(NR_mremap, flags & ~(unsigned long)(MREMAP_MAYMOVE | MREMAP_FIXED));
	if ((old & (PAGE_SIZE - 1)) || !m.new_length || !m.old_length || !range_is_user(old, m.old_length) ||
	    !range_is_user(0, m.new_length))
		return -EINVAL;
	if (flags & MREMAP_FIXED) {
		if (!(flags & MREMAP_MAYMOVE) || (new &(PAGE_SIZE - 1)) || new < USER_MIN ||
		    !range_is_user(new, m.new_length))
			return -EINVAL;
		if (new < old + m.old_length && old < new + m.new_length)
			return -EINVAL;
	}
	write_lock(&s->lock);
	long at = remap_locked(s, &m, &dead);
	bool populate = false;
	if (at > 0 && m.new_length > m.old_length) {
		struct vm_area *a = area_find(s, (uint64_t)at);

		populate = a && (a->flags & AREA_LOCKED);
	}
	write_unlock(&s->lock);
	areas_bury(&dead);
	if (populate)
		vm_populate(s, (uint64_t)at + m.old_length, (uint64_t)at + m.new_length, true);
	return at;
}
SYSCALL(mremap);
