/* SPDX-License-Identifier: MIT */
/*
 * Areas of an address space: look up, insert, split, merge. Pages are not touched here (pages.c).
 *
 * Anonymous private areas carry no offset, so neighbours with equal attributes always join; those of
 * objects join when their offsets continue. Locks and rules: vm_internal.h.
 */
#include "vm_internal.h"

#include <kernel/base/log.h>
#include <kernel/mem/slab.h>

/* How many areas exist for memory whose number hashes to a slot: tells cheaply that some is not mapped. */
static uint32_t memory_slots[1024];

static uint32_t *memory_slot(uint64_t memory)
{
	return &memory_slots[memory % ARRAY_LEN(memory_slots)];
}

bool area_memory_may_be_mapped(uint64_t memory)
{
	return __atomic_load_n(memory_slot(memory), __ATOMIC_ACQUIRE) != 0;
}

struct vm_area *area_find(struct vm_space *s, uint64_t va)
{
	struct range_node *n = __atomic_load_n(&s->recent, __ATOMIC_RELAXED);

	if (n && n->start <= va && va < n->end)
		return area_of(n);
	n = range_find(&s->areas, va);
	if (!n)
		return nullptr;
	__atomic_store_n(&s->recent, n, __ATOMIC_RELAXED);
	return area_of(n);
}

struct vm_area *area_create(uint64_t start, uint64_t end, uint32_t prot, uint32_t flags)
{
	struct vm_area *a = kmalloc(sizeof(*a));

	if (!a)
		return nullptr;
	a->range.start = start;
	a->range.end = end;
	a->prot = prot;
	a->flags = flags;
	list_init(&a->dead);
	return a;
}

static void count_pages(struct vm_space *s, const struct vm_area *a, int64_t pages)
{
	if (pages < 0)
		vm_note_peaks(s);
	s->total_pages += (uint64_t)pages;
	if (area_is_data(a))
		s->data_pages += (uint64_t)pages;
	if (a->flags & AREA_LOCKED)
		s->locked_pages += (uint64_t)pages;
	if (a->flags & AREA_PROMISED)
		commit_count(pages);
}

/* A mapping through which its object can be written, now or after mprotect, and is asked whether it may. */
static bool writes_object(const struct vm_area *a)
{
	return a->object && (a->flags & AREA_SHARED) && (a->flags & AREA_MAY_WRITE) && a->object->ops->writer_get;
}

static int64_t pages_of(const struct vm_area *a)
{
	return (int64_t)((area_end(a) - area_start(a)) >> PAGE_SHIFT);
}

void area_insert(struct vm_space *s, struct vm_area *a) NO_THREAD_SAFETY
{
	range_insert(&s->areas, &a->range);
	s->area_count++;
	count_pages(s, a, pages_of(a));
	if (a->object)
		__atomic_fetch_add(memory_slot(a->object->memory), 1, __ATOMIC_RELEASE);
	/* It is a part or a copy of one that there is, or mmap keeps the object unsealed meanwhile. */
	if (writes_object(a) && !a->object->ops->writer_get(a->object))
		KASSERT(!"sealed memory is mapped for writing");
}

void area_remove(struct vm_space *s, struct vm_area *a, struct list *dead)
{
	range_remove(&s->areas, &a->range);
	s->area_count--;
	s->recent = nullptr;
	count_pages(s, a, -pages_of(a));
	if (a->object)
		__atomic_fetch_sub(memory_slot(a->object->memory), 1, __ATOMIC_RELEASE);
	if (writes_object(a))
		a->object->ops->writer_put(a->object);
	list_push_back(dead, &a->dead);
}

void areas_bury(struct list *dead)
{
	struct vm_area *a, *next;

	list_for_each_safe(a, next, dead, dead) {
		list_remove(&a->dead);
		if (a->object)
			vm_object_put(a->object);
		kfree(a);
	}
}

void area_resize(struct vm_space *s, struct vm_area *a, uint64_t start, uint64_t end)
{
	count_pages(s, a, -pages_of(a));
	range_resize(&s->areas, &a->range, start, end);
	count_pages(s, a, pages_of(a));
}

void area_set_prot(struct vm_space *s, struct vm_area *a, uint32_t prot)
{
	count_pages(s, a, -pages_of(a));
	a->prot = prot;
	count_pages(s, a, pages_of(a));
}

void area_set_flags(struct vm_space *s, struct vm_area *a, uint32_t set, uint32_t clear)
{
	count_pages(s, a, -pages_of(a));
	a->flags = (a->flags & ~clear) | set;
	count_pages(s, a, pages_of(a));
}

struct vm_area *area_split(struct vm_space *s, struct vm_area *a, uint64_t at)
{
	struct vm_area *upper = area_create(at, area_end(a), a->prot, a->flags & ~(uint32_t)AREA_GROWS_DOWN);

	if (!upper)
		return nullptr;
	upper->object = a->object;
	upper->special = a->special;
	upper->page_offset = a->object || a->special ? area_index(a, at) : 0;
	if (upper->object)
		vm_object_get(upper->object);
	area_resize(s, a, area_start(a), at);
	area_insert(s, upper);
	return upper;
}

static bool can_join(const struct vm_area *low, const struct vm_area *high)
{
	if (area_end(low) != area_start(high) || low->prot != high->prot || low->flags != high->flags ||
	    low->object != high->object)
		return false;
	if (low->special || low->flags & (AREA_STACK | AREA_GROWS_DOWN))
		return false;
	return !low->object || area_index(low, area_start(high)) == high->page_offset;
}

struct vm_area *area_merge(struct vm_space *s, struct vm_area *a, struct list *dead)
{
	struct range_node *n = range_prev(&s->areas, &a->range);

	if (n && can_join(area_of(n), a)) {
		struct vm_area *low = area_of(n);
		uint64_t end = area_end(a);

		area_remove(s, a, dead);
		area_resize(s, low, area_start(low), end);
		a = low;
	}
	n = range_next(&s->areas, &a->range);
	if (n && can_join(a, area_of(n))) {
		uint64_t end = n->end;

		area_remove(s, area_of(n), dead);
		area_resize(s, a, area_start(a), end);
	}
	return a;
}

int areas_isolate(struct vm_space *s, uint64_t start, uint64_t end)
{
	struct vm_area *low = area_find(s, start), *high = area_find(s, end - 1);
	bool split_low = low && area_start(low) < start;
	bool split_high = high && area_start(high) < end && area_end(high) > end;

	/* Whole areas can be unmapped at the limit. */
	if (s->area_count + split_low + split_high > AREAS_MAX)
		return -ENOMEM;
	if (split_low && !area_split(s, low, start))
		return -ENOMEM;
	high = area_find(s, end - 1);
	if (split_high && !area_split(s, high, end))
		return -ENOMEM;
	return 0;
}

bool areas_cover(struct vm_space *s, uint64_t start, uint64_t end)
{
	struct vm_area *a = area_find(s, start);

	while (a && area_start(a) <= start) {
		start = area_end(a);
		if (start >= end)
			return true;
		a = area_next(s, a);
	}
	return false;
}
