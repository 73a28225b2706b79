/* SPDX-License-Identifier: MIT */
/*
 * Frames of RAM as the lowered kernel uses them: a buddy allocator over blocks taken from the
 * nucleus, separately for FRAME_KERNEL (heap, stacks: page_alloc_kernel) and FRAME_PAGE (user
 * memory and page cache: page_alloc_user). Memory is reached through the window. The array of
 * struct page is contiguous at PAGE_ARRAY_BASE and has memory behind it only for blocks that were
 * taken. Allocation may sleep: never with a spinlock held.
 */
#ifndef KERNEL_PAGE_H
#define KERNEL_PAGE_H

#include <lib/list.h>
#include <nucleus/frame.h>
#include <stddef.h>
#include <stdint.h>

struct page {
	struct list link; /* free list, or the owner's use */
	uint8_t order;	  /* of a free or allocated run's first page */
	uint8_t flags;	  /* PAGE_* below */
	uint16_t tag;	  /* component id that allocated it */
	uint32_t refs;	  /* one for each mapping in a process, one for the page cache, one for each
			     other holder */
	uint64_t private; /* the owner's use; slab: see kernel/mem/slab.c */
};
static_assert(sizeof(struct page) == 32);

enum : uint8_t {
	PAGE_FREE = 1,	      /* first page of a run in a free list (lib/buddy.h) */
	PAGE_POOL_KERNEL = 2, /* with PAGE_FREE: in which pool */
	PAGE_POOL_USER = 4,
	PAGE_CACHED = 8,  /* in a CPU's cache of free pages */
	PAGE_KERNEL = 16, /* first page of an allocated run of kernel frames */
	PAGE_USER = 32,	  /* an allocated user frame */
	PAGE_SLAB = 64,	  /* belongs to a slab; link.prev of the others points to the first */
	PAGE_SLAB_FIRST = 128,
};

/* Below KMAP_END; enough for 8 TiB. Other users of the kmap range stay below. */
#define PAGE_ARRAY_BASE (KMAP_END - (64ull << 30))

[[nodiscard]] int page_init(uint64_t frame_count);
/* Frames of type kernel that did not come from this allocator (the initramfs) become free kernel
 * frames. */
void page_adopt_kernel(uint64_t pfn, uint64_t count);

static inline void *page_window(uint64_t pfn)
{
	return (void *)(WINDOW_BASE + (pfn << PAGE_SHIFT));
}
static inline uint64_t page_window_pfn(const void *p)
{
	return ((uint64_t)p - WINDOW_BASE) >> PAGE_SHIFT;
}
/* Only for frames that this allocator gave out (others have no memory behind their struct page). */
static inline struct page *page_of(uint64_t pfn)
{
	return (struct page *)PAGE_ARRAY_BASE + pfn;
}
static inline uint64_t page_pfn(const struct page *page)
{
	return (uint64_t)(page - (struct page *)PAGE_ARRAY_BASE);
}
static inline void *page_address(const struct page *page)
{
	return page_window(page_pfn(page));
}

/* A user frame with refs = 1, zeroed if asked. nullptr: out of memory (reclaim and the
 * out-of-memory killer were tried). May sleep. */
[[nodiscard]] struct page *page_alloc_user(bool zero);
/* The same for up to `want` frames at once; result: how many (0: out of memory). */
[[nodiscard]] unsigned page_alloc_user_batch(struct page **out, unsigned want, bool zero);
/* Kernel frames, 2^order consecutive (order <= 8), not zeroed; the result is a window address.
 * nullptr: out of memory. */
[[nodiscard]] void *page_alloc_kernel(unsigned order);
void page_free_kernel(void *p, unsigned order);

static inline void page_get(struct page *page)
{
	__atomic_fetch_add(&page->refs, 1, __ATOMIC_RELAXED);
}
void page_release(struct page *page); /* the last reference is gone */
/* Frees a user frame with the last reference. */
static inline void page_put(struct page *page)
{
	if (__atomic_fetch_sub(&page->refs, 1, __ATOMIC_ACQ_REL) == 1)
		page_release(page);
}
void page_put_batch(struct page *const *pages, unsigned count);

/*
 * Caches that can give memory back. shrink frees about `want` pages and returns how many it did. It
 * runs in any thread that allocates, with any mutex held, so it must only try locks and must not
 * allocate.
 */
struct shrinker {
	struct list link;
	const char *name;
	size_t (*shrink)(size_t want);
};
void page_register_shrinker(struct shrinker *s);
/* Frees memory when a nucleus call returned -ENOMEM: shrinks caches and gives whole free blocks
 * back. True: try again. */
bool page_relieve_nucleus(void);

struct memory_stats {
	uint64_t total_pages, free_pages, kernel_pages, user_pages, cache_pages, nucleus_pages, slab_pages;
};
void page_stats(struct memory_stats *out);
extern uint64_t page_cache_count;  /* pages held by page caches; the page cache keeps it (atomic) */
extern uint64_t page_stored_count; /* of those, pages that have another copy: they can be dropped once clean (atomic) */
extern uint64_t page_dirty_count, page_writing_count; /* of those, pages to be written, being written (atomic) */
extern uint64_t page_slab_count;		      /* kept by the slab allocator (atomic) */

/* Who is asked when no memory is left for `need`: ends a process and says whether one is dying, whose memory is waited
 * for longer (or it has come). Any lock may be held. At boot; and by tests. */
void page_set_killer(bool (*kill)(uint64_t need));
/* For the killer: whether there is memory for it by now, be it in the cache of another CPU. Takes spinlocks only. */
bool page_came(uint64_t need);

/* Says in words what is at a kernel address ("freed 64-byte object of tmpfs, offset 8"), for fault
 * reports. Takes no lock, never faults. Result: the length. */
size_t vm_describe_address(uint64_t address, char *out, size_t size);

#endif
