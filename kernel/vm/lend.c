/* SPDX-License-Identifier: MIT */
/*
 * Pages of a process, lent for as long as somebody else reads or writes them: a device, without a copy in between
 * (kernel/vm/user.h). A reference keeps each; what the process does with its addresses meanwhile is not noticed, except
 * that fork(2) may part its memory from what was lent (open(2) says the same of O_DIRECT).
 */
#include "vm_internal.h"

#include <kernel/mem/page.h>
#include <kernel/vm/page_table_walk.h>
#include <kernel/vm/user.h>

/* Memory that more than this space sees is not written behind the back of whoever else keeps it: a page of a file would
 * have to be marked as changed once it is. */
static bool may_lend(const struct vm_area *a, uint64_t va, bool write)
{
	return a && va >= area_start(a) && !a->special && !(write && (a->flags & AREA_SHARED));
}

/* The pages that are there one after the other, up to the end of their area. */
static unsigned collect(struct vm_space *s, uint64_t va, unsigned most, bool write, struct page **out)
	REQUIRES_SHARED(s->lock)
{
	struct vm_area *a = area_find(s, va);
	const uint64_t *leaf = nullptr;
	unsigned n = 0;

	if (!may_lend(a, va, write))
		return 0;
	most = (unsigned)MIN((uint64_t)most, (area_end(a) - va) >> PAGE_SHIFT);
	for (; n < most; n++, leaf++, va += PAGE_SIZE) {
		if (!leaf || va % PAGE_TABLE_SPAN == 0)
			leaf = page_table_leaf(s->root, va);
		uint64_t entry = leaf ? page_entry_load(leaf) : 0;
		if (!(write ? page_entry_writable(entry) : page_entry_present(entry)))
			break;
		out[n] = page_of(page_entry_pfn(entry));
		page_get(out[n]);
	}
	return n;
}

unsigned lend_user_pages(user_addr at, unsigned most, bool write, struct page **out)
{
	struct vm_space *s = vm_current();
	uint64_t va = align_down(at.value, PAGE_SIZE);
	unsigned n = 0;

	if (!s || va >= USER_END)
		return 0;
	most = (unsigned)MIN((uint64_t)most, (USER_END - va) >> PAGE_SHIFT);
	for (unsigned tries = 0; tries < 2 && n < most; tries++) {
		/* As far as that goes: what cannot be brought in ends it. */
		if (tries > 0 && vm_populate(s, va + n * PAGE_SIZE, va + most * PAGE_SIZE, write) == -EINTR)
			break;
		read_lock(&s->lock);
		n += collect(s, va + n * PAGE_SIZE, most - n, write, out + n);
		read_unlock(&s->lock);
	}
	return n;
}
