/* SPDX-License-Identifier: MIT */
/* Memory as a core dump sees it: what was touched, without touching the rest. */
#include "vm_internal.h"

#include <kernel/base/subject.h>
#include <kernel/vm/page_table_walk.h>
#include <lib/string.h>

/* The page at va is there: its bytes. */
static bool copy_present(struct vm_space *s, const struct vm_area *a, uint64_t va, void *to) REQUIRES_SHARED(s->lock)
{
	uint64_t e = page_table_lookup(s->root, va);

	if (a->special || !page_entry_used(e))
		return false;
	memcpy(to, page_address(page_of(page_entry_pfn(e))), PAGE_SIZE);
	return true;
}

/* Whether what nobody has touched at va has content: what comes from an object has, as far as the object reaches. */
static bool has_source(const struct vm_area *a, uint64_t va)
{
	if (a->special)
		return true;
	return a->object && area_index(a, va) < a->object->ops->pages(a->object);
}

uint64_t vm_dump_next(struct vm_space *s, uint64_t va, uint64_t end, void *to)
{
	/* Areas may be larger than anybody waits for. */
	while (va < end && !signal_fatal_current()) {
		bool found = false, read_it = false;

		read_lock(&s->lock);
		const struct vm_area *a = area_find(s, va);
		if (a == nullptr || area_start(a) > va) {
			read_unlock(&s->lock);
			return end;
		}
		found = copy_present(s, a, va, to);
		read_it = !found && has_source(a, va);
		uint64_t next = read_it ? va : MIN(page_table_skip(s->root, va + PAGE_SIZE, end), area_end(a));
		read_unlock(&s->lock);
		if (found || (read_it && vm_read_partial(s, va, to, PAGE_SIZE) == PAGE_SIZE))
			return va;
		va = read_it ? va + PAGE_SIZE : next;
	}
	return end;
}
