/* SPDX-License-Identifier: MIT */
/*
 * Where the page pools get their frames: blocks from the nucleus, then runs borrowed from the other
 * pool (the nucleus changes their type), then caches that shrink. Whole free blocks go back to the
 * nucleus when it runs out itself.
 *
 * The page array (kernel/mem/page.h) gets memory per block of 512 frames, four pages each: kernel
 * blocks carry their own part of the array in their first frames, other blocks' parts are ordinary
 * kernel pages. It is mapped once and stays.
 */
#include <arch/page_ops.h>
#include <kernel/base/fail.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

#include "page_pool.h"

enum : unsigned {
	ARRAY_PAGES = BLOCK_FRAMES * sizeof(struct page) / PAGE_SIZE,
	ARRAY_ORDER = 2,
	BORROW_ORDER = 6,    /* borrow at most 64 frames at once */
	KERNEL_RESERVE = 64, /* kernel frames that users may not borrow */
	SHRINK_PAGES = 64,
	BLOCK_ORDER = 9,
	RESERVE_PART = 64,
	RESERVE_LEAST = 2,
	COUNT_EVERY = 64,
};
static_assert(ARRAY_PAGES == 1 << ARRAY_ORDER);

/* A leaf for all but pool locks and the locks of shrinkers, which are only tried. */
static struct mutex grow_lock = MUTEX_INIT(grow_lock, RANK_NONE);
static uint64_t *array_present GUARDED_BY(&grow_lock); /* bit per block: the page array has memory there */
uint64_t page_frame_limit;
uint64_t page_cache_count, page_stored_count, page_dirty_count, page_writing_count;
static struct list shrinkers = LIST_INIT(shrinkers);

static bool array_is_present(uint64_t pfn) REQUIRES(grow_lock)
{
	uint64_t block = pfn / BLOCK_FRAMES;

	return array_present[block / 64] >> (block % 64) & 1;
}

static void array_mark(uint64_t pfn) REQUIRES(grow_lock)
{
	uint64_t block = pfn / BLOCK_FRAMES;

	array_present[block / 64] |= 1ull << (block % 64);
}

bool page_is_managed(uint64_t pfn) NO_THREAD_SAFETY
{
	return array_present && pfn < page_frame_limit && array_is_present(pfn);
}

/* Puts four kernel frames behind the page array of pfn's block. */
static int array_map(uint64_t pfn, uint64_t backing)
{
	uint64_t va = (uint64_t)page_of(align_down(pfn, BLOCK_FRAMES));

	if (fail_injected())
		return -ENOMEM;
	memset(page_window(backing), 0, ARRAY_PAGES * PAGE_SIZE);
	return (int)nucleus_kmap(va, backing, ARRAY_PAGES, MAP_PROT_READ | MAP_PROT_WRITE);
}

static void pool_add(enum page_kind kind, uint64_t pfn, uint64_t count)
{
	struct page_pool *pool = &page_pools[kind];

	spin_lock(&pool->lock);
	buddy_add(&pool->buddy, pfn, count);
	spin_unlock(&pool->lock);
	__atomic_fetch_add(&pool->frames, count, __ATOMIC_RELAXED);
}

static int pool_largest(enum page_kind kind)
{
	struct page_pool *pool = &page_pools[kind];

	spin_lock(&pool->lock);
	int order = buddy_largest(&pool->buddy);
	spin_unlock(&pool->lock);
	return order;
}

static uint64_t pool_take_run(enum page_kind kind, unsigned order)
{
	struct page_pool *pool = &page_pools[kind];

	spin_lock(&pool->lock);
	uint64_t pfn = buddy_alloc(&pool->buddy, order);
	spin_unlock(&pool->lock);
	return pfn;
}

/*
 * The nucleus needs blocks too (page tables, records), and takes them from the same free ones:
 * users leave it 1/RESERVE_PART of memory, the kernel a block. Counting costs a look at each block,
 * so it is done when few are left or many were taken.
 */
static bool nucleus_can_spare(enum page_kind kind) REQUIRES(grow_lock)
{
	static uint64_t left, counted_frames;
	uint64_t blocks = page_frame_limit / BLOCK_FRAMES;
	uint64_t reserve = kind == KIND_KERNEL ? 1 : MAX(blocks / RESERVE_PART, (uint64_t)RESERVE_LEAST);

	if (left <= 2 * reserve || counted_frames++ >= COUNT_EVERY) {
		left = counted_frames = 0;
		for (uint64_t block = 0; block < blocks; block++)
			left += frame_entry(block * BLOCK_FRAMES)->type == FRAME_FREE;
	}
	if (left <= reserve)
		return false;
	left--;
	return true;
}

/* What the nucleus gave that could not be used, and that it does not take back because it fills no block. */
static struct {
	uint64_t pfn, count;
} left_over[KIND_COUNT] GUARDED_BY(&grow_lock);

static bool take_frames(enum page_kind kind, uint64_t *pfn, uint64_t *count) REQUIRES(grow_lock)
{
	if (fail_injected())
		return false;
	if (left_over[kind].count != 0) {
		*pfn = left_over[kind].pfn;
		*count = left_over[kind].count;
		left_over[kind].count = 0;
		return true;
	}
	long got = nucleus_frame_take(kind == KIND_KERNEL ? FRAME_KERNEL : FRAME_PAGE, 0, 0);
	if (got < 0)
		return false;
	*pfn = (uint64_t)got >> 10;
	*count = (uint64_t)got & 1023;
	return true;
}

static void give_frames(enum page_kind kind, uint64_t pfn, uint64_t count) REQUIRES(grow_lock)
{
	if (nucleus_frame_give(pfn, count) == 0)
		return;
	left_over[kind].pfn = pfn;
	left_over[kind].count = count;
}

static bool take_kernel_block(void) REQUIRES(grow_lock)
{
	while (nucleus_can_spare(KIND_KERNEL)) {
		uint64_t pfn, count, used = 0;

		if (!take_frames(KIND_KERNEL, &pfn, &count))
			return false;
		if (!array_is_present(pfn)) {
			if (count <= ARRAY_PAGES)
				continue; /* a crumb: not worth its own bookkeeping */
			if (array_map(pfn, pfn)) {
				give_frames(KIND_KERNEL, pfn, count);
				return false;
			}
			array_mark(pfn);
			used = ARRAY_PAGES;
			__atomic_fetch_add(&page_pools[KIND_KERNEL].frames, used, __ATOMIC_RELAXED);
		}
		pool_add(KIND_KERNEL, pfn + used, count - used);
		return true;
	}
	return false;
}

/* Makes sure that pfn's block has its struct pages, from the kernel pool. */
static bool array_ensure(uint64_t pfn) REQUIRES(grow_lock)
{
	if (array_is_present(pfn))
		return true;
	uint64_t backing = fail_injected() ? BUDDY_NONE : pool_take_run(KIND_KERNEL, ARRAY_ORDER);
	if (backing == BUDDY_NONE && take_kernel_block())
		backing = pool_take_run(KIND_KERNEL, ARRAY_ORDER);
	if (backing == BUDDY_NONE)
		return false;
	page_of(backing)->flags = PAGE_KERNEL;
	page_of(backing)->order = ARRAY_ORDER;
	if (array_map(pfn, backing)) {
		page_free_kernel(page_window(backing), ARRAY_ORDER);
		return false;
	}
	array_mark(pfn);
	return true;
}

static bool take_user_block(void) REQUIRES(grow_lock)
{
	uint64_t pfn, count;

	if (!nucleus_can_spare(KIND_USER) || !take_frames(KIND_USER, &pfn, &count))
		return false;
	if (!array_ensure(pfn)) {
		give_frames(KIND_USER, pfn, count);
		return false;
	}
	pool_add(KIND_USER, pfn, count);
	return true;
}

/* Moves a run of free frames from the other pool. */
static bool borrow(enum page_kind kind, unsigned order) REQUIRES(grow_lock)
{
	enum page_kind other = kind == KIND_KERNEL ? KIND_USER : KIND_KERNEL;
	int have = pool_largest(other);

	if (have < (int)order)
		return false;
	unsigned take = MAX(order, MIN((unsigned)have, (unsigned)BORROW_ORDER));
	uint64_t pfn = pool_take_run(other, take);
	if (pfn == BUDDY_NONE)
		return false;
	uint64_t count = 1ull << take;
	__atomic_fetch_sub(&page_pools[other].frames, count, __ATOMIC_RELAXED);
	long result = nucleus_frame_retype(pfn, count, kind == KIND_KERNEL ? FRAME_KERNEL : FRAME_PAGE);
	pool_add(result == 0 ? kind : other, pfn, count);
	return result == 0;
}

static bool kernel_has_spare(void)
{
	spin_lock(&page_pools[KIND_KERNEL].lock);
	bool spare = page_pools[KIND_KERNEL].buddy.free_pages > KERNEL_RESERVE + (1u << BORROW_ORDER);
	spin_unlock(&page_pools[KIND_KERNEL].lock);
	return spare;
}

static size_t shrink_caches(size_t want)
{
	struct shrinker *s;
	size_t done = 0;

	list_for_each(s, &shrinkers, link) {
		done += s->shrink(want);
		if (done >= want)
			break;
	}
	if (done)
		page_cpus_drain();
	return done;
}

bool page_make_room(enum page_kind kind, unsigned order)
{
	bool room;

	mutex_lock(&grow_lock);
	room = pool_largest(kind) >= (int)order; /* another thread was here first */
	if (!room)
		room = kind == KIND_KERNEL ? take_kernel_block() : take_user_block();
	if (!room && (kind == KIND_KERNEL || kernel_has_spare()))
		room = borrow(kind, order);
	mutex_unlock(&grow_lock);
	if (room)
		return true;
	page_cpus_drain();
	if (pool_largest(kind) >= (int)order)
		return true;
	return shrink_caches(SHRINK_PAGES << order) != 0;
}

static bool give_blocks(enum page_kind kind)
{
	bool any = false;

	for (;;) {
		uint64_t pfn = pool_take_run(kind, BLOCK_ORDER);

		if (pfn == BUDDY_NONE)
			return any;
		if (nucleus_frame_give(pfn, BLOCK_FRAMES)) {
			spin_lock(&page_pools[kind].lock);
			buddy_free(&page_pools[kind].buddy, pfn, BLOCK_ORDER);
			spin_unlock(&page_pools[kind].lock);
			return any;
		}
		__atomic_fetch_sub(&page_pools[kind].frames, BLOCK_FRAMES, __ATOMIC_RELAXED);
		any = true;
	}
}

static uint32_t reliefs; /* how often the nucleus was given something; atomic */

static bool give_all_blocks(void)
{
	mutex_lock(&grow_lock);
	bool given = give_blocks(KIND_USER);
	/* Blocks that carry their own part of the page array never become whole; these were
	 * borrowed. */
	given |= give_blocks(KIND_KERNEL);
	if (given)
		__atomic_fetch_add(&reliefs, 1, __ATOMIC_RELEASE);
	mutex_unlock(&grow_lock);
	return given;
}

/* Whether the nucleus was given something since this thread asked last: its call may have failed just before that, and
 * the one who gave has left nothing for it to give. */
static bool others_gave(void)
{
	struct thread *t = thread_current();
	uint32_t now = __atomic_load_n(&reliefs, __ATOMIC_ACQUIRE);
	bool some = t->reliefs_seen != now;

	t->reliefs_seen = now;
	return some;
}

bool page_relieve_nucleus(void)
{
	/* What is given may be taken by others each time; callers try again for as long as this says so. */
	if (signal_fatal_current())
		return false;
	if (others_gave())
		return true;
	page_cpus_drain();
	bool given = give_all_blocks() || (shrink_caches(4 * BLOCK_FRAMES) && give_all_blocks());
	return others_gave() || given;
}

void page_register_shrinker(struct shrinker *s)
{
	mutex_lock(&grow_lock);
	s->link = (struct list){&shrinkers, shrinkers.prev};
	/* Walkers hold no lock: the new node is complete before it can be seen. */
	shrinkers.prev = &s->link;
	__atomic_store_n(&s->link.prev->next, &s->link, __ATOMIC_RELEASE);
	mutex_unlock(&grow_lock);
}

void page_adopt_kernel(uint64_t pfn, uint64_t count)
{
	mutex_lock(&grow_lock);
	while (count) {
		uint64_t n = MIN(count, BLOCK_FRAMES - pfn % BLOCK_FRAMES);

		if (array_ensure(pfn))
			pool_add(KIND_KERNEL, pfn, n);
		pfn += n;
		count -= n;
	}
	mutex_unlock(&grow_lock);
}

/* The first block carries its part of the page array and the bitmap of present parts. */
int page_init(uint64_t frame_count)
{
	uint64_t blocks = (frame_count + BLOCK_FRAMES - 1) / BLOCK_FRAMES;
	uint64_t bitmap_pages = (blocks / 8 + PAGE_SIZE) / PAGE_SIZE;
	uint64_t need = ARRAY_PAGES + bitmap_pages + 16;

	if (frame_count > (KMAP_END - PAGE_ARRAY_BASE) / sizeof(struct page))
		return -1;
	page_frame_limit = frame_count;
	for (;;) {
		long got = nucleus_frame_take(FRAME_KERNEL, 0, 0);

		if (got < 0)
			return (int)got;
		uint64_t pfn = (uint64_t)got >> 10, count = (uint64_t)got & 1023;
		if (count < need)
			continue; /* at most a few crumbs exist before the first whole block */
		int error = array_map(pfn, pfn);
		if (error)
			return error;
		mutex_lock(&grow_lock);
		array_present = page_window(pfn + ARRAY_PAGES);
		memset(array_present, 0, bitmap_pages * PAGE_SIZE);
		array_mark(pfn);
		for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
			spin_lock(&page_pools[kind].lock);
			buddy_init(&page_pools[kind].buddy, (void *)PAGE_ARRAY_BASE,
				   kind == KIND_KERNEL ? PAGE_POOL_KERNEL : PAGE_POOL_USER);
			spin_unlock(&page_pools[kind].lock);
		}
		page_pools[KIND_KERNEL].frames = ARRAY_PAGES + bitmap_pages;
		pool_add(KIND_KERNEL, pfn + ARRAY_PAGES + bitmap_pages, count - ARRAY_PAGES - bitmap_pages);
		mutex_unlock(&grow_lock);
		return 0;
	}
}

/* Adds the frames of one block to the counts; blocks are mostly of one type, so two entries tell
 * it. */
static void count_block(uint64_t first, uint64_t end, uint64_t counts[FRAME_TYPES])
{
	enum frame_type type = frame_entry(first)->type;

	if (end - first == BLOCK_FRAMES && type == frame_entry(end - 1)->type &&
	    type == frame_entry(first + BLOCK_FRAMES / 2)->type && type < FRAME_TYPES) {
		counts[type] += BLOCK_FRAMES;
		return;
	}
	for (uint64_t pfn = first; pfn < end; pfn++) {
		type = frame_entry(pfn)->type;
		if (type < FRAME_TYPES)
			counts[type]++;
	}
}

void page_stats(struct memory_stats *out)
{
	uint64_t counts[FRAME_TYPES] = {0};
	uint64_t idle[KIND_COUNT];

	for (uint64_t pfn = 0; pfn < page_frame_limit; pfn += BLOCK_FRAMES)
		count_block(pfn, MIN(pfn + BLOCK_FRAMES, page_frame_limit), counts);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		spin_lock(&page_pools[kind].lock);
		idle[kind] = page_pools[kind].buddy.free_pages;
		spin_unlock(&page_pools[kind].lock);
		for (unsigned cpu = 0; cpu < PAGE_MAX_CPUS; cpu++)
			if (page_cpus[cpu])
				idle[kind] += page_cpus[cpu]->stack[kind].count;
	}
	*out = (struct memory_stats){
		.total_pages = counts[FRAME_FREE] + counts[FRAME_NUCLEUS] + counts[FRAME_PAGE_TABLE] +
			       counts[FRAME_KERNEL] + counts[FRAME_PAGE] + counts[FRAME_DMA] + counts[FRAME_SHARED] +
			       counts[FRAME_IOMMU],
		.free_pages = counts[FRAME_FREE] + idle[KIND_KERNEL] + idle[KIND_USER],
		.kernel_pages = page_pools[KIND_KERNEL].frames - idle[KIND_KERNEL],
		.user_pages = page_pools[KIND_USER].frames - idle[KIND_USER],
		.cache_pages = page_cache_count,
		.nucleus_pages = counts[FRAME_NUCLEUS] + counts[FRAME_PAGE_TABLE] + counts[FRAME_IOMMU],
		.slab_pages = page_slab_count,
	};
}
