/* SPDX-License-Identifier: MIT */
/*
 * Making and removing mappings: the core of mmap, munmap and brk, and what exec uses. Everything is
 * checked and allocated before anything changes. Locks: vm_internal.h. POSIX.1-2017 mmap, munmap.
 */
#include "vm_internal.h"

#include <kernel/mem/slab.h>
#include <lib/string.h>

constexpr uint64_t STACK_INITIAL = 32ull << PAGE_SHIFT;

bool range_is_user(uint64_t start, uint64_t length)
{
	return length <= USER_END && start <= USER_END - length;
}

int map_check_data(struct vm_space *s, uint64_t pages, uint32_t prot, uint32_t area_flags)
{
	struct vm_area probe = {.prot = prot, .flags = area_flags};

	return area_is_data(&probe) && s->data_pages + pages > process_rlimit(RLIMIT_DATA) >> PAGE_SHIFT ? -ENOMEM : 0;
}

int map_check_limits(struct vm_space *s, uint64_t pages, uint32_t prot, uint32_t area_flags)
{
	if (!subject_current())
		return 0;
	if (s->total_pages + pages > process_rlimit(RLIMIT_AS) >> PAGE_SHIFT)
		return -ENOMEM;
	if (commit_counts(prot, area_flags) && commit_check(s, pages, 0))
		return -ENOMEM;
	return map_check_data(s, pages, prot, area_flags);
}

uint64_t map_find_place(struct vm_space *s, uint64_t hint, uint64_t length, uint64_t high)
{
	uint64_t start;

	if (hint >= USER_MIN && range_is_user(hint, length) && hint + length <= high) {
		struct range_node *n = range_find(&s->areas, hint);

		if (!n || n->start >= hint + length)
			return hint;
	}
	if (range_find_gap(&s->areas, length, USER_MIN, MIN(high, s->mmap_top), &start))
		return start;
	return range_find_gap(&s->areas, length, USER_MIN, high, &start) ? start : 0;
}

int unmap_locked(struct vm_space *s, uint64_t start, uint64_t end, struct list *dead)
{
	struct vm_area *a = area_find(s, start), *next;

	if (!a || area_start(a) >= end)
		return 0;
	if (areas_isolate(s, start, end))
		return -ENOMEM;
	for (a = area_find(s, start); a && area_start(a) < end; a = next) {
		next = area_next(s, a);
		pages_unmap(s, a, area_start(a), area_end(a));
		area_remove(s, a, dead);
	}
	return 0;
}

/* Frees the place that the request names or finds one. Result: its address. */
static long choose_place(struct vm_space *s, const struct map_request *r, struct list *dead) REQUIRES(s -> lock)
{
	if (!(r->map_flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		uint64_t at =
			map_find_place(s, r->address, r->length, r->map_flags & MAP_32BIT ? 1ull << 31 : USER_END);

		return at ? (long)at : -ENOMEM;
	}
	if (r->map_flags & MAP_FIXED_NOREPLACE) {
		struct vm_area *a = area_find(s, r->address);

		if (a && area_start(a) < r->address + r->length)
			return -EEXIST;
	} else {
		int error = unmap_locked(s, r->address, r->address + r->length, dead);

		if (error)
			return error;
	}
	return (long)r->address;
}

long map_locked(struct vm_space *s, const struct map_request *r, struct list *dead)
{
	struct vm_area *a;

	if (s->area_count >= AREAS_MAX)
		return -ENOMEM;
	int error = map_check_limits(s, r->length >> PAGE_SHIFT, r->prot, r->area_flags);
	if (error)
		return error;
	a = area_create(0, 0, r->prot, r->area_flags | (commit_counts(r->prot, r->area_flags) ? AREA_PROMISED : 0));
	if (!a)
		return -ENOMEM;
	long at = choose_place(s, r, dead);
	if (at < 0) {
		kfree(a);
		return at;
	}
	a->range.start = (uint64_t)at;
	a->range.end = (uint64_t)at + r->length;
	a->object = r->object;
	a->page_offset = r->page_offset;
	a->special = r->special;
	if (a->object)
		vm_object_get(a->object);
	area_insert(s, a);
	area_merge(s, a, dead);
	return at;
}

static int map_request_into(struct vm_space *s, const struct map_request *r)
{
	struct list dead = LIST_INIT(dead);

	write_lock(&s->lock);
	long at = map_locked(s, r, &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	return at < 0 ? (int)at : 0;
}

int vm_map_fixed(struct vm_space *s, uint64_t va, uint64_t len, uint32_t prot, struct vm_object *object,
		 uint64_t offset)
{
	struct map_request r = {
		.address = va,
		.length = align_up(len, PAGE_SIZE),
		.prot = prot,
		.map_flags = MAP_FIXED_NOREPLACE,
		.area_flags = AREA_MAY_WRITE,
		.object = object,
		.page_offset = offset >> PAGE_SHIFT,
	};

	if (!len || ((va | offset) & (PAGE_SIZE - 1)) || va < PAGE_SIZE || len > USER_END ||
	    !range_is_user(va, r.length))
		return -EINVAL;
	if (object && !object->ops)
		return -ENODEV;
	return map_request_into(s, &r);
}

int vm_map_stack(struct vm_space *s, uint64_t top, uint64_t max_bytes)
{
	uint64_t bytes = MIN(align_up(max_bytes, PAGE_SIZE), STACK_INITIAL);
	struct map_request r = {
		.address = top - bytes,
		.length = bytes,
		.prot = PROT_READ | PROT_WRITE,
		.map_flags = MAP_FIXED_NOREPLACE,
		.area_flags = AREA_STACK | AREA_GROWS_DOWN | AREA_MAY_WRITE,
	};

	if ((top & (PAGE_SIZE - 1)) || !bytes || !range_is_user(top - bytes, bytes))
		return -EINVAL;
	return map_request_into(s, &r);
}

void vm_set_brk(struct vm_space *s, uint64_t start)
{
	write_lock(&s->lock);
	s->brk_start = s->brk = start;
	write_unlock(&s->lock);
}
