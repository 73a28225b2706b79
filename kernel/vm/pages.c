/* SPDX-License-Identifier: MIT */
/*
 * Pages in the page tables of a space: the nucleus changes entries, this file says which and keeps
 * the references: one for each mapping of a user page. Ranges go in batches through the thread's
 * call area (nucleus/thread_page.h). Locks: vm_internal.h.
 */
#include "vm_internal.h"

#include <kernel/base/fail.h>
#include <kernel/vm/page_table_walk.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : uint64_t { WORTH_LOOKING = 32 * PAGE_SIZE };

static uint64_t entry_pfn(struct pte_entry e)
{
	return e.bits >> PAGE_SHIFT;
}

static void count_resident(struct vm_space *s, int64_t pages)
{
	if (pages < 0)
		vm_note_peaks(s);
	__atomic_fetch_add(&s->resident, (uint64_t)pages, __ATOMIC_RELAXED);
}

int pages_map(struct vm_space *s, uint64_t va, struct page *const *pages, unsigned n, uint32_t prot)
{
	long result;

	if (fail_injected())
		return -ENOMEM;
	do {
		if (n == 1) {
			result = nucleus_space_map(s->handle, va, page_pfn(pages[0]), 1, prot);
		} else {
			uint64_t *list = call_area();

			for (unsigned i = 0; i < n; i++)
				list[i] = page_pfn(pages[i]);
			result = nucleus_space_map(s->handle, va, PFN_LIST, n, prot);
		}
	} while (result == -ENOMEM && page_relieve_nucleus());
	if (result == 0)
		count_resident(s, n);
	return (int)result;
}

/* Drops the mappings' references. */
static void put_list(const struct pte_list *list)
{
	struct page *pages[32];
	unsigned n = 0;

	for (uint64_t i = 0; i < list->count; i++) {
		pages[n++] = page_of(entry_pfn(list->entry[i]));
		if (n == ARRAY_LEN(pages) || i + 1 == list->count) {
			page_put_batch(pages, n);
			n = 0;
		}
	}
}

/* Whether a look at the tables, cheaper than a call, shows that nothing is mapped in [start, end).
 */
static bool surely_empty(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock)
{
	start = page_table_skip(s->root, start, end);
	if (start >= end)
		return true;
	if (end - start > WORTH_LOOKING || start / PAGE_TABLE_SPAN != (end - 1) / PAGE_TABLE_SPAN)
		return false;
	const uint64_t *leaf = page_table_leaf(s->root, start);
	for (uint64_t n = (end - start) >> PAGE_SHIFT; leaf && n-- > 0; leaf++)
		if (page_entry_used(page_entry_load(leaf)))
			return false;
	return true;
}

void pages_unmap(struct vm_space *s, const struct vm_area *a, uint64_t start, uint64_t end)
{
	const struct pte_list *list = (const struct pte_list *)call_area();
	bool owned = !(a->flags & AREA_SPECIAL);

	if (surely_empty(s, start, end))
		return;

	while (start < end) {
		if (nucleus_space_unmap(s->handle, start, end))
			return;
		uint64_t count = list->count;

		start = list->next;
		if (owned)
			put_list(list);
		count_resident(s, -(int64_t)count);
	}
}

void pages_unmap_this(struct vm_space *s, const struct vm_area *a, uint64_t va, const struct page *page)
{
	/* As much as the call writes for one page: who allocates memory may be about to read it. */
	unsigned char kept[offsetof(struct pte_list, entry) + sizeof(struct pte_entry)];
	uint64_t entry = page_table_lookup(s->root, va);

	if (!page_entry_used(entry) || page_entry_pfn(entry) != page_pfn(page))
		return;
	memcpy(kept, call_area(), sizeof(kept));
	pages_unmap(s, a, va, va + PAGE_SIZE);
	memcpy(call_area(), kept, sizeof(kept));
}

void pages_protect(struct vm_space *s, const struct vm_area *a, uint64_t start, uint64_t end, uint32_t prot)
{
	/* Private pages may be shared with other processes or the page cache: the next write finds
	 * out (fault.c). */
	if (!(a->flags & AREA_SHARED))
		prot = prot_without_write(prot);

	long next = (long)start;

	do {
		next = nucleus_space_protect(s->handle, (uint64_t)next, end, prot_of_page(prot, false));
	} while (next > 0);
}

/* Collects into the call area the run of pages with equal rights that begins at *va; *va becomes
 * its start. */
static unsigned collect_run(struct vm_space *s, uint64_t *va, uint64_t end, bool *writable)
{
	uint64_t *list = call_area();
	unsigned n = 0;

	for (uint64_t at = *va; at < end && n < CALL_AREA_WORDS; at += PAGE_SIZE) {
		uint64_t e = page_table_lookup(s->root, at);

		if (n && (!page_entry_used(e) || page_entry_writable(e) != *writable))
			break;
		if (!page_entry_used(e)) {
			*va = at + PAGE_SIZE;
			continue;
		}
		*writable = page_entry_writable(e);
		list[n++] = page_entry_pfn(e);
	}
	return n;
}

int pages_move(struct vm_space *s, const struct vm_area *a, uint64_t from, uint64_t to, uint64_t bytes)
{
	uint64_t va = from, end = from + bytes;
	bool writable = false;

	while (va < end) {
		if (fail_injected())
			return -ENOMEM;
		va = page_table_skip(s->root, va, end);
		unsigned n = collect_run(s, &va, end, &writable);
		if (n == 0)
			continue;
		uint32_t prot = writable ? a->prot : prot_without_write(a->prot);
		uint64_t done = 0;
		long result;

		while ((result = nucleus_space_map(s->handle, to + (va - from), PFN_LIST, n,
						   prot_of_page(prot, !writable))) == -ENOMEM) {
			if (!page_relieve_nucleus())
				return -ENOMEM;
			collect_run(s, &va, end, &writable);
		}
		if (result)
			return (int)result;
		/* The new mapping took the old one's reference over. */
		while (done < n * PAGE_SIZE) {
			if (nucleus_space_unmap(s->handle, va + done, va + n * PAGE_SIZE))
				break;
			done = ((const struct pte_list *)call_area())->next - va;
		}
		va += n * PAGE_SIZE;
	}
	return 0;
}

int pages_clone(struct vm_space *dst, struct vm_space *src, const struct vm_area *a)
{
	const struct pte_list *list = (const struct pte_list *)call_area();
	uint64_t va = area_start(a), end = area_end(a);
	uint32_t cow = !(a->flags & AREA_SHARED);

	while (va < end) {
		if (fail_injected())
			return -ENOMEM;
		long result = nucleus_space_clone(dst->handle, src->handle, va, end, cow);

		if (result && result != -ENOMEM)
			return (int)result;
		for (uint64_t i = 0; i < list->count; i++)
			page_get(page_of(entry_pfn(list->entry[i])));
		count_resident(dst, (int64_t)list->count);
		va = list->next;
		if (result == -ENOMEM && !page_relieve_nucleus())
			return -ENOMEM;
	}
	return 0;
}

uint64_t pages_count(struct vm_space *s, uint64_t start, uint64_t end)
{
	uint64_t count = 0;

	for (uint64_t va = start; va < end; va += PAGE_SIZE) {
		va = page_table_skip(s->root, va, end);
		if (va < end && page_entry_used(page_table_lookup(s->root, va)))
			count++;
	}
	return count;
}
