/* SPDX-License-Identifier: MIT */
/*
 * Calls that change ranges of a process view. Each checks everything, then commits without failing; long ranges are
 * done in parts that fit the call area, and the caller goes on at `next`. A frame's count of mappings changes only
 * here, and goes down only after the shoot-down. Lock: the nucleus lock.
 */
#include "frame/frames.h"
#include "gate/calls.h"
#include "mmu/mmu.h"
#include "report/report.h"
#include "sched/sched.h"
#include <abi/errno.h>
#include <lib/string.h>

enum : uint64_t { LEAF_SPAN = PAGE_SIZE * 512 };
enum { LEAVES_MAX = 16 }; /* leaf tables that one call looks through: with interrupts off nothing may take long */
enum : uint32_t { MAPPINGS_MAX = UINT32_MAX - 2 * CALL_AREA_WORDS }; /* of one frame: its count must not wrap */

static bool range_ok(uint64_t va, uint64_t end)
{
	return !((va | end) & (PAGE_SIZE - 1)) && va < end && end <= USER_END;
}

static bool prot_ok(uint32_t prot)
{
	return !(prot & ~(uint32_t)(MAP_PROT_READ | MAP_PROT_WRITE | MAP_PROT_EXEC | MAP_USED)) &&
	       !((prot & MAP_PROT_WRITE) && (prot & MAP_PROT_EXEC));
}

/* Whether the frame may stand in a process view with this protection; says so if not. */
static bool frame_mappable(uint64_t pfn, uint32_t prot, enum nucleus_call_number call)
{
	if (frame_valid(pfn) && frames[pfn].mappings < MAPPINGS_MAX) {
		if (frames[pfn].type == FRAME_PAGE)
			return true;
		if (frames[pfn].type == FRAME_SHARED && !(prot & MAP_PROT_WRITE))
			return true;
	}
	report_refused(call, pfn);
	return false;
}

static void frame_count_mapping(uint64_t phys, int delta)
{
	struct frame *f = &frames[phys >> PAGE_SHIFT];

	f->mappings += (uint32_t)delta;
}

/* The next address at or after va (below end) whose leaf table exists; its entry in *entry. end: none. */
static uint64_t next_leaf(const struct space *s, uint64_t va, uint64_t end, pte_t **entry)
{
	while (va < end) {
		*entry = table_find(s->root_phys, va, 1);
		if (*entry)
			return va;
		/* Skip by the size of what is missing. */
		uint64_t step = !table_find(s->root_phys, va, 3)   ? LEAF_SPAN << 18
				: !table_find(s->root_phys, va, 2) ? LEAF_SPAN << 9
								   : LEAF_SPAN;

		va = align_down(va, step) + step;
	}
	return end;
}

static uint64_t leaf_end(uint64_t va, uint64_t end)
{
	return MIN(align_down(va, LEAF_SPAN) + LEAF_SPAN, end);
}

/* Pages of one leaf table, before any of them can be executed. */
static void prepare_code(const pte_t *e, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (pte_used(pte_load(&e[i])))
			pte_prepare_code(pte_phys(pte_load(&e[i])));
	pte_prepare_code_end();
}

long call_space_map(uint32_t handle, uint64_t va, uint64_t pfn, uint64_t count, uint32_t prot)
{
	const struct thread_page *page = current_thread_page();
	uint64_t list[CALL_AREA_WORDS];
	struct space *s;
	long result = 0;

	if (!count || count > CALL_AREA_WORDS || !range_ok(va, va + (count << PAGE_SHIFT)) || !prot_ok(prot))
		return -EINVAL;
	/* Copied before it is checked: the caller's page can change at any time. */
	for (uint64_t i = 0; i < count; i++)
		list[i] = pfn == PFN_LIST ? page->call[i] : pfn + i;

	nucleus_lock_acquire();
	s = space_from_handle(handle);
	if (!s)
		result = -EBADF;
	for (uint64_t i = 0; i < count && !result; i++) {
		pte_t *e;

		if (!frame_mappable(list[i], prot, NUCLEUS_CALL_space_map))
			result = -EPERM;
		else if ((e = table_find(s->root_phys, va + (i << PAGE_SHIFT), 1)) && pte_used(pte_load(e)))
			result = -EEXIST;
	}
	/* Two tables of each level at the most: a list of 384 pages crosses one boundary. */
	if (!result && !frame_table_reserve(6))
		result = -ENOMEM;
	if (!result) {
		pte_t *e = nullptr;

		if (prot & MAP_PROT_EXEC) {
			for (uint64_t i = 0; i < count; i++)
				pte_prepare_code(list[i] << PAGE_SHIFT);
			pte_prepare_code_end();
		}
		for (uint64_t i = 0; i < count; i++) {
			uint64_t at = va + (i << PAGE_SHIFT);

			if (!e || !(at & (LEAF_SPAN - 1)))
				e = table_make(s->root_phys, at, 1, s->index);
			pte_store(e, pte_user(list[i] << PAGE_SHIFT, prot));
			table_count(e, 1);
			e++;
			frame_count_mapping(list[i] << PAGE_SHIFT, 1);
		}
		s->pages += count;
	}
	nucleus_lock_release();
	return result;
}

long call_space_replace(uint32_t handle, uint64_t va, uint64_t pfn, uint32_t prot)
{
	struct space *s;
	long result = 0;

	if (!range_ok(va, va + PAGE_SIZE) || !prot_ok(prot))
		return -EINVAL;
	nucleus_lock_acquire();
	s = space_from_handle(handle);
	if (!s)
		result = -EBADF;
	else if (!frame_mappable(pfn, prot, NUCLEUS_CALL_space_replace))
		result = -EPERM;
	else if (!frame_table_reserve(4))
		result = -ENOMEM;
	if (!result) {
		pte_t *e = table_make(s->root_phys, va, 1, s->index), old;

		if (prot & MAP_PROT_EXEC) {
			pte_prepare_code(pfn << PAGE_SHIFT);
			pte_prepare_code_end();
		}
		if (PTE_BREAK_BEFORE_MAKE)
			__atomic_store_n(&s->replaced, va, __ATOMIC_RELEASE);
		old = pte_exchange(e, PTE_BREAK_BEFORE_MAKE ? 0 : pte_user(pfn << PAGE_SHIFT, prot));
		frame_count_mapping(pfn << PAGE_SHIFT, 1);
		if (pte_used(old)) {
			shootdown(s, va, va + PAGE_SIZE);
			frame_count_mapping(pte_phys(old), -1);
			result = (long)pte_describe(old);
		} else {
			table_count(e, 1);
			s->pages++;
		}
		if (PTE_BREAK_BEFORE_MAKE)
			pte_store(e, pte_user(pfn << PAGE_SHIFT, prot));
	}
	nucleus_lock_release();
	return result;
}

/* Removes entries until the list is full. Result: where to go on. */
static uint64_t unmap_some(struct space *s, uint64_t va, uint64_t end, struct pte_list *list)
{
	uint64_t at = va, n = 0;
	pte_t *e;

	for (unsigned leaves = 0; leaves < LEAVES_MAX && (at = next_leaf(s, at, end, &e)) < end; leaves++) {
		for (uint64_t stop = leaf_end(at, end); at < stop; at += PAGE_SIZE, e++) {
			if (!pte_used(pte_load(e)))
				continue;
			if (n == PTE_LIST_MAX)
				goto full;
			list->entry[n++].bits = pte_exchange(e, 0);
			table_count(e, -1);
		}
	}
full:
	list->count = n;
	return at;
}

long call_space_unmap(uint32_t handle, uint64_t va, uint64_t end)
{
	struct thread_page *page = current_thread_page();
	struct pte_list list; /* here, not in the call area, until the counts are right */
	uint64_t chain;
	struct space *s;

	if (!range_ok(va, end))
		return -EINVAL;
	nucleus_lock_acquire();
	s = space_from_handle(handle);
	if (!s) {
		nucleus_lock_release();
		return -EBADF;
	}
	list.next = unmap_some(s, va, end, &list);
	chain = table_unlink_empty(s->root_phys, va, list.next);
	if (list.count || chain)
		shootdown(s, va, list.next);
	table_free_chain(chain);
	frame_table_trim();
	for (uint64_t i = 0; i < list.count; i++) {
		pte_t old = list.entry[i].bits;

		frame_count_mapping(pte_phys(old), -1);
		list.entry[i].bits = pte_describe(old);
	}
	s->pages -= list.count;
	memcpy(page->call, &list, offsetof(struct pte_list, entry) + list.count * sizeof(struct pte_entry));
	nucleus_lock_release();
	return 0;
}

long call_space_protect(uint32_t handle, uint64_t va, uint64_t end, uint32_t prot)
{
	unsigned most = LEAVES_MAX;
	uint64_t at = va;
	bool changed = false;
	struct space *s;
	pte_t *e;

	if (!range_ok(va, end) || !prot_ok(prot))
		return -EINVAL;
	nucleus_lock_acquire();
	s = space_from_handle(handle);
	if (!s) {
		nucleus_lock_release();
		return -EBADF;
	}
	/* A shared frame of the nucleus never becomes writable. */
	if (prot & MAP_PROT_WRITE)
		for (unsigned leaves = 0; leaves < LEAVES_MAX && (at = next_leaf(s, at, end, &e)) < end; leaves++)
			for (uint64_t stop = leaf_end(at, end); at < stop; at += PAGE_SIZE, e++)
				if (pte_used(pte_load(e)) &&
				    frames[pte_phys(pte_load(e)) >> PAGE_SHIFT].type != FRAME_PAGE) {
					report_refused(NUCLEUS_CALL_space_protect, pte_phys(pte_load(e)) >> PAGE_SHIFT);
					nucleus_lock_release();
					return -EPERM;
				}
	/* Code may need its cache lines cleaned one by one, which takes much longer than the entry. */
	if (prot & MAP_PROT_EXEC)
		most = 1;
	at = va;
	for (unsigned leaves = 0; leaves < most && (at = next_leaf(s, at, end, &e)) < end; leaves++) {
		if (prot & MAP_PROT_EXEC)
			prepare_code(e, (leaf_end(at, end) - at) >> PAGE_SHIFT);
		for (uint64_t stop = leaf_end(at, end); at < stop; at += PAGE_SIZE, e++) {
			pte_t old = pte_load(e);

			if (!pte_used(old))
				continue;
			old = pte_protect(e, prot);
			changed |= pte_cachable(old);
		}
	}
	if (changed)
		shootdown(s, va, at);
	nucleus_lock_release();
	return at < end ? (long)at : 0;
}

/* Shares present pages of one leaf table. Result: where it stopped; -ENOMEM in *error if tables ran out. */
static uint64_t clone_some(struct space *dst, struct space *src, uint64_t va, uint64_t end, bool cow,
			   struct pte_list *list, long *error)
{
	uint64_t at = va, n = 0;
	pte_t *from, *to;

	for (unsigned leaves = 0; leaves < LEAVES_MAX && (at = next_leaf(src, at, end, &from)) < end; leaves++) {
		uint64_t stop = leaf_end(at, end);

		to = nullptr;
		for (; at < stop; at += PAGE_SIZE, from++) {
			pte_t e = pte_load(from);

			if (!pte_used(e))
				continue;
			if (n == PTE_LIST_MAX)
				goto out;
			if (frames[pte_phys(e) >> PAGE_SHIFT].mappings >= MAPPINGS_MAX) {
				*error = -ENOMEM;
				goto out;
			}
			if (!to) {
				if (!frame_table_reserve(4)) {
					*error = -ENOMEM;
					goto out;
				}
				to = table_make(dst->root_phys, at, 1, dst->index);
				to -= (at >> PAGE_SHIFT) & 511;
			}
			pte_t *slot = &to[(at >> PAGE_SHIFT) & 511];

			if (pte_used(pte_load(slot)))
				continue;
			list->entry[n++].bits = pte_describe(e);
			if (cow && pte_writable(e)) {
				/* The hardware may set dirty between load and store: take what is there. */
				e = pte_exchange(from, pte_read_only(e));
				e = pte_read_only(e);
				pte_store(from, e);
			}
			pte_store(slot, pte_clean(e));
			table_count(slot, 1);
			frame_count_mapping(pte_phys(e), 1);
			dst->pages++;
		}
	}
out:
	list->count = n;
	return at;
}

long call_space_clone(uint32_t dst_handle, uint32_t src_handle, uint64_t va, uint64_t end, uint32_t cow)
{
	struct thread_page *page = current_thread_page();
	struct space *dst, *src;
	struct pte_list list;
	long result = 0;

	if (!range_ok(va, end))
		return -EINVAL;
	nucleus_lock_acquire();
	dst = space_from_handle(dst_handle);
	src = space_from_handle(src_handle);
	if (!dst || !src || dst == src) {
		nucleus_lock_release();
		return -EBADF;
	}
	list.next = clone_some(dst, src, va, end, cow, &list, &result);
	if (cow && list.count)
		shootdown(src, va, list.next);
	memcpy(page->call, &list, offsetof(struct pte_list, entry) + list.count * sizeof(struct pte_entry));
	nucleus_lock_release();
	return result;
}

long call_space_harvest(uint32_t handle, uint64_t va, uint64_t end)
{
	struct thread_page *page = current_thread_page();
	struct pte_list list;
	uint64_t at = va, n = 0;
	struct space *s;
	pte_t *e;

	if (!range_ok(va, end))
		return -EINVAL;
	nucleus_lock_acquire();
	s = space_from_handle(handle);
	if (!s) {
		nucleus_lock_release();
		return -EBADF;
	}
	for (unsigned leaves = 0; leaves < LEAVES_MAX && (at = next_leaf(s, at, end, &e)) < end; leaves++)
		for (uint64_t stop = leaf_end(at, end); at < stop; at += PAGE_SIZE, e++) {
			pte_t old = pte_load(e);

			if (!pte_used(old))
				continue;
			if (n == PTE_LIST_MAX)
				goto full;
			old = pte_harvest(e);
			list.entry[n++].bits = pte_describe(old);
		}
full:
	list.count = n;
	list.next = at;
	if (n)
		shootdown(s, va, at);
	memcpy(page->call, &list, offsetof(struct pte_list, entry) + n * sizeof(struct pte_entry));
	nucleus_lock_release();
	return 0;
}
