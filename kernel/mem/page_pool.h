/* SPDX-License-Identifier: MIT */
/*
 * Inside of the page allocator, shared by page.c (allocate, free) and page_grow.c (where frames
 * come from).
 *
 * Locks: pool.lock (RANK_PAGE) guards a buddy pool; grow_lock is taken before it and serialises
 * changes of the set of frames. A CPU's cache is claimed with one exchange; whoever finds it
 * claimed goes to the pool, so a thread that loses the processor inside (preemption is only held
 * back for a while) costs speed, not correctness.
 */
#ifndef KERNEL_VM_PAGE_POOL_H
#define KERNEL_VM_PAGE_POOL_H

#include <kernel/base/lock.h>
#include <kernel/mem/page.h>
#include <lib/buddy.h>

enum page_kind : unsigned { KIND_KERNEL, KIND_USER, KIND_COUNT };

struct page_pool {
	struct spinlock lock;
	struct buddy buddy GUARDED_BY(&lock);
	uint64_t frames; /* in this pool, free or not (atomic) */
};

#define PAGE_CACHE_SIZE		64
#define PAGE_CACHE_BATCH	32
#define PAGE_CACHE_REFILL_ORDER 5 /* count < BATCH before a refill, so one such run always fits */

struct page_stack {
	uint32_t count;
	struct page *page[PAGE_CACHE_SIZE];
};

#define SLAB_CLASSES	14
#define SLAB_CACHE_SIZE 16

struct slab_stack {
	uint32_t count;
	void *object[SLAB_CACHE_SIZE];
};

struct page_cpu {
	uint32_t claimed;      /* for stack */
	uint32_t slab_claimed; /* for slab, which slab.c uses */
	struct page_stack stack[KIND_COUNT];
	struct slab_stack slab[SLAB_CLASSES];
};

#define PAGE_MAX_CPUS 256

extern struct page_pool page_pools[KIND_COUNT];
extern struct page_cpu *page_cpus[PAGE_MAX_CPUS];

extern uint64_t page_frame_limit;
/* Whether the frame's block has struct pages; no lock: blocks that have them keep them. */
bool page_is_managed(uint64_t pfn);
/* Gets frames for a run of that order: true if it is worth trying again. */
bool page_make_room(enum page_kind kind, unsigned order);
/* The claimed cache of this CPU, or nullptr. */
struct page_cpu *page_cpu_claim(void);
static inline void page_cpu_unclaim(struct page_cpu *c)
{
	__atomic_store_n(&c->claimed, 0, __ATOMIC_RELEASE);
}
/* Puts all pages of the CPUs' caches back into the pools, but for a cache that is in use just now: what was freed
 * elsewhere is no less free. */
void page_cpus_drain(void);

#endif
