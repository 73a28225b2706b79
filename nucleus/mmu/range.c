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

/* The used entries of [at, end), in a limited number of leaf tables. */
struct walk {
	const struct space *s;
	uint64_t at, end;
	uint64_t stop; /* where the leaf table of `entry` ends; `at` in the beginning */
	pte_t *entry;
	unsigned leaves; /* still to be looked through */
};

static struct walk walk_begin(const struct space *s, uint64_t va, uint64_t end)
{
	return (struct walk){.s = s, .at = va, .end = end, .stop = va, .leaves = LEAVES_MAX};
}

static inline void walk_on(struct walk *w)
{
	w->at += PAGE_SIZE;
	w->entry++;
}

/* The first used entry from here on, at `at`; 0: none is left, `at` is where another walk goes on. */
static inline pte_t walk_used(struct walk *w)
{
	for (;; walk_on(w)) {
		if (w->at == w->stop) {
			if (!w->leaves || (w->at = next_leaf(w->s, w->at, w->end, &w->entry)) == w->end)
				return 0;
			w->leaves--;
			w->stop = leaf_end(w->at, w->end);
		}
		pte_t e = pte_load(w->entry);

		if (pte_used(e))
			return e;
	}
}

/* What a call tells: copied as a whole when all counts are right. */
static void tell(struct pte_list *list, uint64_t count, uint64_t next)
{
	list->count = count;
	list->next = next;
	memcpy(current_thread_page()->call, list, offsetof(struct pte_list, entry) + count * sizeof(list->entry[0]));
}

long call_space_map(uint32_t handle, uint64_t va, uint64_t pfn, uint64_t count, uint32_t prot)
{
	const struct thread_page *page = current_thread_page();
	uint64_t list[CALL_AREA_WORDS];
	struct space *s;
	pte_t *e = nullptr;

	if (!count || count > CALL_AREA_WORDS || !range_ok(va, va + (count << PAGE_SHIFT)) || !prot_ok(prot))
		return -EINVAL;
	/* Copied before it is checked: the caller's page can change at any time. */
	for (uint64_t i = 0; i < count; i++)
		list[i] = pfn == PFN_LIST ? page->call[i] : pfn + i;

	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	for (uint64_t i = 0; i < count; i++) {
		if (!frame_mappable(list[i], prot, NUCLEUS_CALL_space_map))
			return -EPERM;
		e = table_find(s->root_phys, va + (i << PAGE_SHIFT), 1);
		if (e && pte_used(pte_load(e)))
			return -EEXIST;
	}
	/* Two tables of each level at the most: a list of 384 pages crosses one boundary. */
	if (!frame_table_reserve(6))
		return -ENOMEM;
	if (prot & MAP_PROT_EXEC) {
		for (uint64_t i = 0; i < count; i++)
			pte_prepare_code(list[i] << PAGE_SHIFT);
		pte_prepare_code_end();
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = va + (i << PAGE_SHIFT);

		if (!i || !(at & (LEAF_SPAN - 1)))
			e = table_make(s->root_phys, at, 1, s->index);
		pte_store(e, pte_user(list[i] << PAGE_SHIFT, prot));
		table_count(e, 1);
		e++;
		frame_count_mapping(list[i] << PAGE_SHIFT, 1);
	}
	s->pages += count;
	return 0;
}

long call_space_replace(uint32_t handle, uint64_t va, uint64_t pfn, uint32_t prot)
{
	struct space *s;
	long result = 0;
	pte_t *e, old;

	if (!range_ok(va, va + PAGE_SIZE) || !prot_ok(prot))
		return -EINVAL;
	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	if (!frame_mappable(pfn, prot, NUCLEUS_CALL_space_replace))
		return -EPERM;
	if (!frame_table_reserve(4))
		return -ENOMEM;
	e = table_make(s->root_phys, va, 1, s->index);
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
	return result;
}

long call_space_unmap(uint32_t handle, uint64_t va, uint64_t end)
{
	struct walk w;
	struct pte_list list; /* here, not in the call area, until the counts are right */
	uint64_t chain, n = 0;
	struct space *s;

	if (!range_ok(va, end))
		return -EINVAL;
	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	for (w = walk_begin(s, va, end); walk_used(&w) && n < PTE_LIST_MAX; walk_on(&w)) {
		list.entry[n++].bits = pte_exchange(w.entry, 0);
		table_count(w.entry, -1);
	}
	chain = table_unlink_empty(s->root_phys, va, w.at);
	if (n || chain)
		shootdown(s, va, w.at);
	table_free_chain(chain);
	frame_table_trim();
	for (uint64_t i = 0; i < n; i++) {
		pte_t old = list.entry[i].bits;

		frame_count_mapping(pte_phys(old), -1);
		list.entry[i].bits = pte_describe(old);
	}
	s->pages -= n;
	tell(&list, n, w.at);
	return 0;
}

long call_space_protect(uint32_t handle, uint64_t va, uint64_t end, uint32_t prot)
{
	bool changed = false;
	struct space *s;
	struct walk w;
	pte_t e;

	if (!range_ok(va, end) || !prot_ok(prot))
		return -EINVAL;
	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	/* A shared frame of the nucleus never becomes writable. */
	for (w = walk_begin(s, va, end); (prot & MAP_PROT_WRITE) && (e = walk_used(&w)); walk_on(&w))
		if (frames[pte_phys(e) >> PAGE_SHIFT].type != FRAME_PAGE) {
			report_refused(NUCLEUS_CALL_space_protect, pte_phys(e) >> PAGE_SHIFT);
			return -EPERM;
		}
	w = walk_begin(s, va, end);
	if (prot & MAP_PROT_EXEC) {
		/* Code may need its cache lines cleaned one by one, which takes much longer than the entry; before any
		 * of it can be executed. */
		w.leaves = 1;
		for (struct walk code = w; (e = walk_used(&code)); walk_on(&code))
			pte_prepare_code(pte_phys(e));
		pte_prepare_code_end();
	}
	for (; walk_used(&w); walk_on(&w))
		changed |= pte_present(pte_protect(w.entry, prot));
	if (changed)
		shootdown(s, va, w.at);
	return w.at < end ? (long)w.at : 0;
}

/* Shares present pages. Result: how many; -ENOMEM in *error if tables ran out. */
static uint64_t clone_some(struct space *dst, struct walk *w, bool cow, struct pte_list *list, long *error)
{
	pte_t *to = nullptr, *slot, e;
	uint64_t n = 0, to_stop = 0; /* where the leaf table of `to` ends */

	for (; (e = walk_used(w)) && n < PTE_LIST_MAX; walk_on(w)) {
		if (frames[pte_phys(e) >> PAGE_SHIFT].mappings >= MAPPINGS_MAX ||
		    (to_stop != w->stop && !frame_table_reserve(4))) {
			*error = -ENOMEM;
			break;
		}
		if (to_stop != w->stop) {
			to = table_make(dst->root_phys, align_down(w->at, LEAF_SPAN), 1, dst->index);
			to_stop = w->stop;
		}
		slot = &to[(w->at >> PAGE_SHIFT) & 511];
		if (pte_used(pte_load(slot)))
			continue;
		list->entry[n++].bits = pte_describe(e);
		if (cow && pte_writable(e)) {
			/* The hardware may set dirty between load and store: take what is there. */
			e = pte_exchange(w->entry, pte_read_only(e));
			e = pte_read_only(e);
			pte_store(w->entry, e);
		}
		pte_store(slot, pte_clean(e));
		table_count(slot, 1);
		frame_count_mapping(pte_phys(e), 1);
		dst->pages++;
	}
	return n;
}

long call_space_clone(uint32_t dst_handle, uint32_t src_handle, uint64_t va, uint64_t end, uint32_t cow)
{
	struct space *dst, *src;
	struct pte_list list;
	long result = 0;
	struct walk w;
	uint64_t n;

	if (!range_ok(va, end))
		return -EINVAL;
	NUCLEUS_LOCKED;
	dst = space_from_handle(dst_handle);
	src = space_from_handle(src_handle);
	if (!dst || !src || dst == src)
		return -EBADF;
	w = walk_begin(src, va, end);
	n = clone_some(dst, &w, cow, &list, &result);
	if (cow && n)
		shootdown(src, va, w.at);
	tell(&list, n, w.at);
	return result;
}

long call_space_harvest(uint32_t handle, uint64_t va, uint64_t end)
{
	struct pte_list list;
	struct space *s;
	uint64_t n = 0;
	struct walk w;

	if (!range_ok(va, end))
		return -EINVAL;
	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	for (w = walk_begin(s, va, end); walk_used(&w) && n < PTE_LIST_MAX; walk_on(&w))
		list.entry[n++].bits = pte_describe(pte_harvest(w.entry));
	if (n)
		shootdown(s, va, w.at);
	tell(&list, n, w.at);
	return 0;
}
