/* SPDX-License-Identifier: MIT */
/*
 * Frames of RAM as the lowered kernel uses them: a buddy allocator over blocks taken from the nucleus, separately for
 * FRAME_KERNEL (heap, stacks: page_alloc_kernel) and FRAME_PAGE (user memory and page cache: page_alloc_user). Memory is reached through the window.
 */
#ifndef KERNEL_PAGE_H
#define KERNEL_PAGE_H

#include <lib/list.h>
#include <nucleus/frame.h>
#include <stdint.h>

struct page {
	uint32_t refs;			/* one for each mapping in a process, one for the page cache, one for each other holder */
	uint8_t order;			/* of a free or allocated run's first page */
	uint8_t flags;
	uint16_t tag;			/* component id that allocated it */
	struct list link;		/* free list, or the owner's use */
};

[[nodiscard]] int page_init(uint64_t frame_count);
static inline void *page_window(uint64_t pfn) { return (void *)(WINDOW_BASE + (pfn << PAGE_SHIFT)); }
static inline uint64_t page_window_pfn(const void *p) { return ((uint64_t)p - WINDOW_BASE) >> PAGE_SHIFT; }
struct page *page_of(uint64_t pfn);
uint64_t page_pfn(const struct page *page);

/* A user frame with refs = 1, zeroed if asked. nullptr: out of memory (reclaim and the out-of-memory killer were tried). May sleep. */
struct page *page_alloc_user(bool zero);
/* Kernel frames, 2^order consecutive, not zeroed; the result is a window address. nullptr: out of memory. */
void *page_alloc_kernel(unsigned order);
void page_free_kernel(void *p, unsigned order);
void page_get(struct page *page);
void page_put(struct page *page);	/* frees a user frame with the last reference */

struct memory_stats {
	uint64_t total_pages, free_pages, kernel_pages, user_pages, cache_pages, nucleus_pages, slab_pages;
};
void page_stats(struct memory_stats *out);
extern uint64_t page_cache_count;	/* pages held by page caches; the page cache keeps it (atomic) */

#endif
