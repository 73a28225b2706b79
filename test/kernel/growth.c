/* SPDX-License-Identifier: MIT */
/* What the page pools do to get more frames fails at each of its steps: a block of the nucleus, its part of the page
 * array, the mapping of that. Nothing is lost, and the next request is served. */
#include "ktest.h"

#include "../../kernel/mem/page_pool.h"
#include <kernel/base/fail.h>

static struct list held = LIST_INIT(held);

static bool pool_is_empty(enum page_kind kind)
{
	spin_lock(&page_pools[kind].lock);
	bool empty = page_pools[kind].buddy.free_pages == 0;
	spin_unlock(&page_pools[kind].lock);
	return empty;
}

static struct page *one_page(enum page_kind kind)
{
	if (kind == KIND_USER)
		return page_alloc_user(false);
	void *p = page_alloc_kernel(0);
	return p != nullptr ? page_of(page_window_pfn(p)) : nullptr;
}

static void give_back(enum page_kind kind)
{
	while (!list_empty(&held)) {
		struct page *page = container_of(held.next, struct page, link);

		list_remove(&page->link);
		if (kind == KIND_USER)
			page_put(page);
		else
			page_free_kernel(page_address(page), 0);
	}
}

/* Frames that have the kind's type and are in no pool. */
static int64_t frames_outside(enum page_kind kind)
{
	enum frame_type type = kind == KIND_USER ? FRAME_PAGE : FRAME_KERNEL;
	int64_t frames = 0;

	for (uint64_t pfn = 0; pfn < page_frame_limit; pfn++)
		frames += type_of(pfn) == type;
	return frames - (int64_t)__atomic_load_n(&page_pools[kind].frames, __ATOMIC_RELAXED);
}

/* Whether the order was carried out; 0: none. */
static bool fail_at(enum page_kind kind, uint32_t step)
{
	while (!pool_is_empty(kind)) {
		struct page *page = one_page(kind);

		if (!EXPECT(page != nullptr))
			return true;
		list_push_back(&held, &page->link);
	}
	fail_arm(step);
	(void)page_make_room(kind, 0);
	bool failed = fail_armed() == 0;
	fail_arm(0);
	return failed;
}

static void fail_steps(enum page_kind kind, uint32_t steps)
{
	enum : int { BLOCKS = 48, CRUMBS = 64 };
	int64_t outside = frames_outside(kind);
	uint32_t step = 1;
	int tries;

	for (tries = 0; step <= steps && tries < BLOCKS && !ktest_failed(); tries++) {
		/* Others may have made room meanwhile, or the block has its part of the array: the next one. */
		if (!fail_at(kind, step))
			continue;
		step++;
		EXPECT(page_make_room(kind, 0));
		struct page *page = one_page(kind);
		if (EXPECT(page != nullptr))
			list_push_back(&held, &page->link);
	}
	EXPECT_EQ(step, steps + 1);
	/* What could not be used is used now, if not before. Less than a block is outside: whoever takes one at this
	 * moment has it in between for a while. */
	for (tries = 0; tries < BLOCKS && frames_outside(kind) >= outside + CRUMBS; tries++)
		(void)fail_at(kind, 0);
	EXPECT(WAIT_UNTIL(frames_outside(kind) < outside + CRUMBS));
	give_back(kind);
}

static void user_pool(void)
{
	fail_steps(KIND_USER, 3);
}

static void kernel_pool(void)
{
	fail_steps(KIND_KERNEL, 2);
}

KTEST_SUITE(growth, KTEST("users' pages, at each step", user_pool), KTEST("the kernel's, at each step", kernel_pool));
