/* SPDX-License-Identifier: MIT */
/*
 * System call mremap(2): shrink, grow in place, or move a mapping with its pages; leave an empty one where they were
 * (MREMAP_DONTUNMAP); map what a shared mapping shows a second time (old length 0).
 */
#include "vm_internal.h"

#include <kernel/base/syscall.h>
#include <kernel/mem/slab.h>

struct move {
	uint64_t old, old_length, new, new_length; /* page-aligned */
	uint32_t flags;
};

static bool free_between(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock)
{
	struct vm_area *a = area_find(s, start);

	return end <= USER_END && (!a || area_start(a) >= end);
}

/* The area at the new place, without pages yet. a is still there when it is made: its object cannot be sealed
 * meanwhile.
 */
static int make_area(struct vm_space *s, struct vm_area *a, const struct move *m, struct vm_area **out,
		     struct list *dead) REQUIRES(s -> lock)
{
	uint64_t to = m->new;
	int error;

	if (m->flags & MREMAP_FIXED) {
		error = unmap_locked(s, to, to + m->new_length, dead);
		if (error)
			return error;
		/* What is to be mapped once more may have stood there, or been cut. */
		a = area_find(s, m->old);
		if (!a || area_start(a) > m->old)
			return -EFAULT;
	} else {
		to = map_find_place(s, m->flags & MREMAP_DONTUNMAP ? align_down(to, PAGE_SIZE) : 0, m->new_length,
				    USER_END);
		if (!to)
			return -ENOMEM;
	}
	struct vm_area *b = area_create(to, to + m->new_length, a->prot,
					a->flags & ~(uint32_t)(AREA_GROWS_DOWN | AREA_STACK | AREA_HEAP));
	if (!b)
		return -ENOMEM;
	b->object = a->object;
	b->page_offset = a->object ? area_index(a, m->old) : 0;
	if (b->object)
		vm_object_get(b->object);
	area_insert(s, b);
	*out = b;
	return 0;
}

/* Makes the area at the new place and brings the pages over; a covers exactly the old range. */
static long move_area(struct vm_space *s, struct vm_area *a, const struct move *m, struct list *dead)
	REQUIRES(s -> lock)
{
	struct vm_area *b;
	int error = make_area(s, a, m, &b, dead);

	if (error)
		return error;
	uint64_t to = area_start(b);
	error = pages_move(s, a, m->old, to, MIN(m->old_length, m->new_length));
	if (error) {
		/* Back: the old place has its page tables still. */
		if (pages_move(s, b, to, m->old, MIN(m->old_length, m->new_length)) == 0) {
			pages_unmap(s, b, to, to + m->new_length);
			area_remove(s, b, dead);
		}
		return error;
	}
	if (m->flags & MREMAP_DONTUNMAP) {
		area_set_flags(s, a, 0, AREA_LOCKED);
		a->next_fault = 0;
	} else {
		pages_unmap(s, a, area_start(a), area_end(a));
		area_remove(s, a, dead);
	}
	area_merge(s, b, dead);
	return (long)to;
}

/* What growing by so many pages must not exceed. */
static int check_growth(struct vm_space *s, const struct vm_area *a, const struct move *m) REQUIRES_SHARED(s->lock)
{
	uint64_t more = (m->new_length - m->old_length) >> PAGE_SHIFT;

	if (a->object && (area_index(a, m->old) << PAGE_SHIFT) + m->new_length > INT64_MAX)
		return -EINVAL;
	if ((a->flags & AREA_LOCKED) && s->locked_pages + more > process_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT &&
	    !capable(CAP_IPC_LOCK))
		return -EAGAIN;
	return map_check_limits(s, more, a->prot, a->flags);
}

/* Old length 0: the same memory once more. */
static long map_again(struct vm_space *s, struct vm_area *a, const struct move *m, struct list *dead)
	REQUIRES(s -> lock)
{
	struct vm_area *b;

	if (!(a->flags & AREA_SHARED))
		return -EINVAL;
	int error = check_growth(s, a, m);
	if (error)
		return error;
	if (!(m->flags & MREMAP_MAYMOVE) || s->area_count >= AREAS_MAX)
		return -ENOMEM;
	error = make_area(s, a, m, &b, dead);
	return error ? error : (long)area_start(area_merge(s, b, dead));
}

static long remap_locked(struct vm_space *s, const struct move *m, struct list *dead) REQUIRES(s -> lock)
{
	struct vm_area *a = area_find(s, m->old);
	uint64_t old_end = m->old + m->old_length;

	if (!a || area_start(a) > m->old || area_end(a) < old_end)
		return -EFAULT;
	if (a->special)
		return -EINVAL;
	if (!m->old_length)
		return map_again(s, a, m, dead);
	if (m->new_length <= m->old_length && !(m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))) {
		int error = unmap_locked(s, m->old + m->new_length, old_end, dead);

		return error ? error : (long)m->old;
	}
	if (m->new_length > m->old_length) {
		int error = check_growth(s, a, m);

		if (error)
			return error;
		if (!(m->flags & MREMAP_FIXED) && old_end == area_end(a) &&
		    free_between(s, old_end, m->old + m->new_length)) {
			area_resize(s, a, area_start(a), m->old + m->new_length);
			area_merge(s, a, dead);
			return (long)m->old;
		}
	}
	if (m->flags & MREMAP_DONTUNMAP) {
		int error = map_check_limits(s, m->new_length >> PAGE_SHIFT, a->prot, a->flags);

		if (error)
			return error;
	}
	if (!(m->flags & MREMAP_MAYMOVE) || s->area_count >= AREAS_MAX)
		return -ENOMEM;
	if (areas_isolate(s, m->old, old_end))
		return -ENOMEM;
	return move_area(s, area_find(s, m->old), m, dead);
}

static long check_request(const struct move *m)
{
	uint32_t flags = m->flags;

	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && m->old_length != m->new_length)
		return -EINVAL;
	if ((m->old & (PAGE_SIZE - 1)) || !m->new_length || !range_is_user(0, m->new_length))
		return -EINVAL;
	/* As for a range of which only the beginning is mapped. */
	if (!range_is_user(m->old, m->old_length))
		return -EFAULT;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		if ((m->new &(PAGE_SIZE - 1)) || !range_is_user(m->new, m->new_length))
			return -EINVAL;
		if (m->new < m->old + m->old_length && m->old < m->new + m->new_length)
			return -EINVAL;
		if ((flags & MREMAP_FIXED) && m->new < USER_MIN)
			return -EPERM;
	}
	return 0;
}

static long sys_mremap(unsigned long old, unsigned long old_length, unsigned long new_length, unsigned long flags,
		       unsigned long new)
{
	constexpr unsigned long known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	struct vm_space *s = vm_current();
	struct list dead = LIST_INIT(dead);
	struct move m = {
		.old = old,
		.old_length = align_up(old_length, PAGE_SIZE),
		.new = new,
		.new_length = align_up(new_length, PAGE_SIZE),
		.flags = (uint32_t)flags,
	};

	if (flags & ~known)
		return syscall_refuse_flags(NR_mremap, flags & ~known);
	long at = m.old_length < old_length ? -EFAULT : check_request(&m);
	if (at)
		return at;
	write_lock(&s->lock);
	at = remap_locked(s, &m, &dead);
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
