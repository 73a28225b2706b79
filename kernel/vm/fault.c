/* SPDX-License-Identifier: MIT */
/*
 * Page faults of processes, and of the kernel's own copies to and from them, which come here as
 * function calls.
 *
 * A page that is absent is added under the read lock; losing a race shows as -EEXIST and is
 * success. Replacing a page (copy-on-write), changing its rights and growing the stack need the
 * write lock: handlers that find so return NEED_WRITER. What takes I/O (NEED_PAGE) is waited for without the lock, and
 * everything is looked at anew. Sequential touching of anonymous memory is
 * answered with clusters that double up to CLUSTER_MAX pages; faults on objects map the neighbours
 * that are there already. A page that may be both written and executed is mapped one way
 * at a time and turned over by the next fault, because the nucleus refuses both at once; an
 * instruction that writes into its own page would turn it for ever, and gets a signal (signal_deliver.c).
 * POSIX.1-2017 mmap: beyond an object's end is SIGBUS.
 */
#include "vm_internal.h"
#include <kernel/base/fail.h>
#include <kernel/base/fault_point.h>
#include <kernel/thread/guard.h>

#include <arch/page_ops.h>
#include <kernel/vm/page_table_walk.h>
#include <nucleus/calls.h>

struct page *vm_zero_page;

enum : int { NEED_WRITER = -513, NEED_PAGE = -514 }; /* no errno values */

struct fault {
	uint64_t va; /* page-aligned */
	bool write, exec;
	bool writer; /* the space's lock is held for writing */
	/* NEED_PAGE: of what, with a reference */
	struct vm_object *object;
	uint64_t index;
	bool change;
	struct page *pinned; /* what was brought in stays until it is mapped */
};

static int map_or_lose(struct vm_space *s, uint64_t va, struct page *page, uint32_t prot) REQUIRES_SHARED(s->lock)
{
	int error = pages_map(s, va, &page, 1, prot);

	if (error)
		page_put(page);
	return error == -EEXIST ? 0 : error;
}

/* How many pages from va on are absent and within the area and one leaf table, at most want. */
static unsigned absent_run(struct vm_space *s, const struct vm_area *a, uint64_t va, unsigned want)
	REQUIRES_SHARED(s->lock)
{
	uint64_t end = MIN(area_end(a), align_down(va, PAGE_TABLE_SPAN) + PAGE_TABLE_SPAN);
	unsigned limit = (unsigned)MIN((uint64_t)want, (end - va) >> PAGE_SHIFT), n = 1;
	const uint64_t *leaf = page_table_leaf(s->root, va);

	if (!leaf)
		return limit;
	while (n < limit && !page_entry_used(page_entry_load(leaf + n)))
		n++;
	return n;
}

/* How many pages to bring in for a fault that goes on where the last one ended. */
static unsigned cluster_for(const struct vm_area *a, uint64_t va)
{
	return va == a->next_fault && !(a->flags & AREA_RANDOM) ? MIN(MAX(a->cluster, 1u) * 2, (uint32_t)CLUSTER_MAX)
								: 1;
}

/* What a fault maps is used at once. */
static uint32_t prot_of_fault(uint32_t prot, bool want_exec)
{
	return prot_of_page(prot, want_exec) | MAP_USED;
}

static int fault_anonymous(struct vm_space *s, struct vm_area *a, const struct fault *f) REQUIRES_SHARED(s->lock)
{
	struct page *pages[CLUSTER_MAX];
	unsigned want = cluster_for(a, f->va);

	if (!f->write) {
		page_get(vm_zero_page);
		return map_or_lose(s, f->va, vm_zero_page, prot_of_fault(prot_without_write(a->prot), f->exec));
	}
	if (want > 1)
		want = absent_run(s, a, f->va, want);
	unsigned n = page_alloc_user_batch(pages, want, true);
	if (n == 0)
		return -ENOMEM;
	a->cluster = MAX(want, 1u);
	a->next_fault = f->va + n * PAGE_SIZE;
	uint32_t prot = prot_of_fault(a->prot, f->exec);
	FAULT_POINT(fault_page);
	int error = pages_map(s, f->va, pages, n, prot);
	FAULT_POINT(fault_map);
	if (error == 0)
		return 0;
	while (n > 1)
		page_put(pages[--n]);
	if (error != -EEXIST) {
		page_put(pages[0]);
		return error;
	}
	return map_or_lose(s, f->va, pages[0], prot);
}

unsigned object_find_cached(struct vm_object *o, uint64_t index, unsigned n, struct page **out)
{
	long found = o->ops->find_cached ? guard_run(o->ops->component, o->ops->find_cached(o, index, n, out)) : 0;

	return found > 0 ? (unsigned)found : 0;
}

/* Maps pages that the cache has around va, read-only; failure does not matter. */
static void fault_around(struct vm_space *s, struct vm_area *a, uint64_t va, uint32_t prot) REQUIRES_SHARED(s->lock)
{
	uint64_t start = MAX(align_down(va, CLUSTER_MAX * PAGE_SIZE), area_start(a));
	uint64_t end = MIN(align_down(va, CLUSTER_MAX * PAGE_SIZE) + CLUSTER_MAX * PAGE_SIZE, area_end(a));
	const uint64_t *leaf = page_table_leaf(s->root, start);
	unsigned n = (unsigned)((end - start) >> PAGE_SHIFT);
	struct page *pages[CLUSTER_MAX];

	if (!leaf || n < 2 || !object_find_cached(a->object, area_index(a, start), n, pages))
		return;
	for (unsigned i = 0; i < n;) {
		unsigned run = 0;

		while (i + run < n && pages[i + run] && !page_entry_used(page_entry_load(leaf + i + run)))
			run++;
		bool given = run && pages_map(s, start + i * PAGE_SIZE, pages + i, run, prot) == 0;
		unsigned step = MAX(run, 1u);
		for (unsigned k = 0; k < step; k++)
			if (!given && pages[i + k])
				page_put(pages[i + k]);
		i += step;
	}
}

/* The object's page for the fault; NEED_PAGE, or an error. */
static int object_page(struct vm_area *a, struct fault *f, bool change, struct page **out)
{
	struct vm_object *o = a->object;
	uint64_t index = area_index(a, f->va);
	long result = guard_run(o->ops->component, o->ops->get_page(o, index, change, out));

	if (likely(result == 0))
		return 0;
	if (result == OBJECT_WAIT) {
		vm_object_get(o);
		f->object = o;
		f->index = index;
		f->change = change;
		return NEED_PAGE;
	}
	return result == -ENXIO ? -EIO : (int)result;
}

/* After NEED_PAGE, without the lock: 0 when the page is there and stays. */
static int bring_in(struct fault *f)
{
	struct vm_object *o = f->object;
	struct page *old = f->pinned;

	f->pinned = nullptr;
	long result = guard_run(o->ops->component, o->ops->bring_in(o, f->index, f->change, &f->pinned));
	if (old)
		page_put(old);
	vm_object_put(o);
	/* Cut meanwhile: what is there now is looked at anew. */
	if (result == -ENXIO || result == 0)
		return 0;
	return result == -ENOMEM || result == -EINTR || result == -EFAULT ? (int)result : -EIO;
}

static int fault_object(struct vm_space *s, struct vm_area *a, struct fault *f) REQUIRES_SHARED(s->lock)
{
	bool shared = a->flags & AREA_SHARED;
	struct page *page;

	int error = object_page(a, f, shared && f->write, &page);
	if (error)
		return error;
	uint32_t prot = a->prot;
	if (f->write && !shared) {
		struct page *copy = page_alloc_user(false);

		if (copy)
			page_copy(page_address(copy), page_address(page));
		page_put(page);
		if (!copy)
			return -ENOMEM;
		page = copy;
	} else if (!f->write) {
		prot = prot_without_write(prot);
	}
	prot = prot_of_fault(prot, f->exec);
	error = map_or_lose(s, f->va, page, prot);
	if (error == 0 && !f->write && a->object->ops->find_cached && !(a->flags & AREA_RANDOM))
		fault_around(s, a, f->va, prot);
	return error;
}

static int fault_special(struct vm_space *s, struct vm_area *a, const struct fault *f) REQUIRES_SHARED(s->lock)
{
	uint64_t pfn = a->special->pfns[area_index(a, f->va)];
	long error;

	if (fail_injected())
		return -ENOMEM;
	do {
		error = nucleus_space_map(s->handle, f->va, pfn, 1, prot_of_fault(a->prot, f->exec));
	} while (error == -ENOMEM && page_relieve_nucleus());
	if (error == 0)
		__atomic_fetch_add(&s->resident, 1, __ATOMIC_RELAXED);
	return error == -EEXIST ? 0 : (int)error;
}

static int set_rights(struct vm_space *s, uint64_t va, uint32_t prot) REQUIRES(s -> lock)
{
	return (int)nucleus_space_protect(s->handle, va, va + PAGE_SIZE, prot);
}

static bool is_exclusive(uint64_t entry)
{
	return page_entry_present(entry) && !page_entry_writable(entry) &&
	       __atomic_load_n(&page_of(page_entry_pfn(entry))->refs, __ATOMIC_ACQUIRE) == 1;
}

/* The page belongs to this space alone (the others that shared it are gone): writable again, and
 * its neighbours like it. */
static int take_back(struct vm_space *s, struct vm_area *a, uint64_t va) REQUIRES(s -> lock)
{
	const uint64_t *leaf = page_table_leaf(s->root, va);
	uint64_t end = MIN(area_end(a), align_down(va, PAGE_TABLE_SPAN) + PAGE_TABLE_SPAN);
	unsigned want = (unsigned)MIN((uint64_t)cluster_for(a, va), (end - va) >> PAGE_SHIFT), n = 1;

	while (n < want && is_exclusive(page_entry_load(leaf + n)))
		n++;
	a->cluster = MAX(want, 1u);
	a->next_fault = va + n * PAGE_SIZE;
	return (int)nucleus_space_protect(s->handle, va, va + n * PAGE_SIZE, prot_of_fault(a->prot, false));
}

/* A write to a page that is present and not writable. */
static int fault_copy(struct vm_space *s, struct vm_area *a, struct fault *f, uint64_t entry) REQUIRES(s -> lock)
{
	struct page *old = page_of(page_entry_pfn(entry)), *fresh;
	uint32_t prot = prot_of_fault(a->prot, false);
	bool shared = a->flags & AREA_SHARED;
	long result;

	if (shared && a->object) {
		/* Tells the object that the page is about to change. */
		int error = object_page(a, f, true, &fresh);
		if (error)
			return error;
		page_put(fresh);
	}
	if (shared)
		return set_rights(s, f->va, prot);
	if (is_exclusive(entry))
		return take_back(s, a, f->va);
	fresh = page_alloc_user(old == vm_zero_page);
	if (!fresh)
		return -ENOMEM;
	if (old != vm_zero_page)
		page_copy(page_address(fresh), page_address(old));
	FAULT_POINT(fault_copy);
	if (fail_injected()) {
		page_put(fresh);
		return -ENOMEM;
	}
	do {
		result = nucleus_space_replace(s->handle, f->va, page_pfn(fresh), prot);
	} while (result == -ENOMEM && page_relieve_nucleus());
	if (result < 0) {
		page_put(fresh);
		return (int)result;
	}
	page_put(old);
	if (old == vm_zero_page)
		a->next_fault = f->va + PAGE_SIZE;
	return 0;
}

/* The page is there, but not with the rights that the access needs. */
static int fault_present(struct vm_space *s, struct vm_area *a, struct fault *f, uint64_t entry) NO_THREAD_SAFETY
{
	if (f->write ? page_entry_writable(entry) : f->exec ? page_entry_executable(entry) : page_entry_present(entry))
		return 0; /* another thread was faster, or a stale translation */
	if (!f->writer)
		return NEED_WRITER;
	if (a->flags & AREA_SPECIAL)
		return -EACCES;
	if (f->write)
		return fault_copy(s, a, f, entry);
	return set_rights(s, f->va, prot_of_fault(prot_without_write(a->prot), f->exec));
}

static bool allowed(const struct vm_area *a, const struct fault *f)
{
	if (f->write)
		return a->prot & PROT_WRITE;
	if (f->exec)
		return a->prot & PROT_EXEC;
	return a->prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* Lets a stack area reach down to va, if its limit and the gap below allow it. */
static int grow_stack(struct vm_space *s, struct vm_area *a, uint64_t va) REQUIRES(s -> lock)
{
	struct range_node *below = range_prev(&s->areas, &a->range);
	uint64_t more = (area_start(a) - va) >> PAGE_SHIFT;

	if (va < USER_MIN || area_end(a) - va > process_rlimit(RLIMIT_STACK))
		return -EFAULT;
	if (below && area_of(below)->prot && va - MIN(va, below->end) < STACK_GAP)
		return -EFAULT;
	if (map_check_limits(s, more, a->prot, a->flags))
		return -EFAULT;
	area_resize(s, a, va, area_end(a));
	return 0;
}

static int fault_locked(struct vm_space *s, struct fault *f) NO_THREAD_SAFETY
{
	FAULT_POINT(fault_begin);
	struct vm_area *a = area_find(s, f->va);

	if (!a)
		return -EFAULT;
	FAULT_POINT(fault_area);
	if (unlikely(f->va < area_start(a))) {
		if (!(a->flags & AREA_GROWS_DOWN))
			return -EFAULT;
		if (!f->writer)
			return NEED_WRITER;
		int error = grow_stack(s, a, f->va);
		if (error)
			return error;
	}
	if (!allowed(a, f))
		return -EACCES;
	uint64_t entry = page_table_lookup(s->root, f->va);
	if (page_entry_used(entry))
		return fault_present(s, a, f, entry);
	if (a->object)
		return fault_object(s, a, f);
	if (a->special)
		return fault_special(s, a, f);
	return fault_anonymous(s, a, f);
}

/* Once, under the lock as it is needed. */
static inline int fault_once(struct vm_space *s, struct fault *f, uint32_t bits)
{
	int result = NEED_WRITER;

	f->writer = false;
	if ((bits & (FAULT_WRITE | FAULT_PRESENT)) != (FAULT_WRITE | FAULT_PRESENT)) {
		read_lock(&s->lock);
		result = fault_locked(s, f);
		read_unlock(&s->lock);
	}
	if (result == NEED_WRITER) {
		f->writer = true;
		write_lock(&s->lock);
		result = fault_locked(s, f);
		write_unlock(&s->lock);
	}
	return result;
}

/* The first try ended with NEED_PAGE. */
[[gnu::noinline]] static int fault_with_io(struct vm_space *s, struct fault *f, uint32_t bits)
{
	int result = NEED_PAGE;

	f->pinned = nullptr;
	while (result == NEED_PAGE) {
		result = bring_in(f);
		if (result == 0)
			result = fault_once(s, f, bits);
	}
	if (f->pinned)
		page_put(f->pinned);
	return result;
}

int vm_fault(struct vm_space *s, uint64_t address, uint32_t bits)
{
	struct fault f; /* what belongs to NEED_PAGE is set with it */

	if (address >= USER_END)
		return -EFAULT;
	f.va = align_down(address, PAGE_SIZE);
	f.write = bits & FAULT_WRITE;
	f.exec = bits & FAULT_EXEC;
	int result = fault_once(s, &f, bits);
	return likely(result != NEED_PAGE) ? result : fault_with_io(s, &f, bits);
}

int vm_populate(struct vm_space *s, uint64_t start, uint64_t end, bool write)
{
	for (uint64_t va = start; va < end; va += PAGE_SIZE) {
		uint64_t entry;

		if (signal_fatal_current())
			return -EINTR;
		read_lock(&s->lock);
		struct vm_area *a = area_find(s, va);
		bool want_write = write && a && (a->prot & PROT_WRITE);
		entry = page_table_lookup(s->root, va);
		read_unlock(&s->lock);
		if (want_write ? page_entry_writable(entry) : page_entry_present(entry))
			continue;
		int error = vm_fault(s, va, FAULT_USER | (want_write ? FAULT_WRITE : 0));
		if (error)
			return error;
	}
	return 0;
}
