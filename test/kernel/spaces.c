/* SPDX-License-Identifier: MIT */
/* Address spaces: their life, stale handles, and what may be mapped where. */
#include "ktest.h"

#include <abi/errno.h>

constexpr uint64_t VA = 0x10000;

static void life(void)
{
	long space = nucleus_space_create();
	uint32_t s = (uint32_t)space;

	if (!EXPECT(space > 0))
		return;
	long root = nucleus_space_root(s);

	EXPECT(root > 0);
	EXPECT_EQ(type_of((uint64_t)root), FRAME_PAGE_TABLE);
	EXPECT_EQ(frame_entry((uint64_t)root)->level, 4);
	EXPECT_EQ(nucleus_space_set_name(s, 0x61, 0, 1), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	EXPECT_EQ(((const volatile struct frame *)frame_entry((uint64_t)root))->level, 0);
}

static void expect_stale(uint32_t s, uint32_t other)
{
	uint64_t pfn = user_frame();

	EXPECT_EQ(nucleus_space_root(s), -EBADF);
	EXPECT_EQ(nucleus_space_set_name(s, 0x61, 0, 1), -EBADF);
	EXPECT_EQ(nucleus_space_map(s, VA, pfn, 1, MAP_PROT_READ), -EBADF);
	EXPECT_EQ(nucleus_space_replace(s, VA, pfn, MAP_PROT_READ), -EBADF);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), -EBADF);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, MAP_PROT_READ), -EBADF);
	EXPECT_EQ(nucleus_space_clone(s, other, VA, VA + PAGE_SIZE, 1), -EBADF);
	EXPECT_EQ(nucleus_space_clone(other, s, VA, VA + PAGE_SIZE, 1), -EBADF);
	EXPECT_EQ(nucleus_space_harvest(s, VA, VA + PAGE_SIZE), -EBADF);
	EXPECT_EQ(nucleus_space_destroy(s), -EBADF);
	if (s)
		EXPECT_EQ(nucleus_space_use(s), -EBADF);
	EXPECT_EQ(mappings(pfn), 0);
	give_user_frame(pfn);
}

static void stale_handles(void)
{
	uint32_t other = (uint32_t)nucleus_space_create(), s = (uint32_t)nucleus_space_create(), again = 0;

	expect_stale(0, other);
	expect_stale(0xffff, other);
	expect_stale(UINT32_MAX, other);
	expect_stale(s ^ 0x10000, other);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	expect_stale(s, other);
	/* The next space with the same number is another one. */
	uint32_t made[64];
	unsigned n = 0;

	while (n < 64 && (again & 0xffff) != (s & 0xffff))
		again = made[n++] = (uint32_t)nucleus_space_create();
	EXPECT_EQ(again & 0xffff, s & 0xffff);
	EXPECT(again != s);
	expect_stale(s, other);
	while (n > 0)
		EXPECT_EQ(nucleus_space_destroy(made[--n]), 0);
	EXPECT_EQ(nucleus_space_destroy(other), 0);
}

static void busy(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA, pfn, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_space_destroy(s), -EBUSY);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, 0), 0);
	EXPECT_EQ(nucleus_space_destroy(s), -EBUSY);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(nucleus_space_use(s), 0);
	EXPECT_EQ(nucleus_space_destroy(s), -EBUSY);
	EXPECT_EQ(nucleus_space_use(0), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
}

static void map_ranges(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame();
	static const uint64_t bad[] = {VA + 1,	    USER_END,  USER_END + PAGE_SIZE, 1ull << 50, KMAP_BASE,
				       WINDOW_BASE, POOL_BASE, IMAGE_BASE,	     GATES_BASE, UINT64_MAX & ~4095ull};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(nucleus_space_map(s, bad[i], pfn, 1, MAP_PROT_READ), -EINVAL);
		EXPECT_EQ(nucleus_space_replace(s, bad[i], pfn, MAP_PROT_READ), -EINVAL);
		EXPECT_EQ(nucleus_space_unmap(s, bad[i], bad[i] + PAGE_SIZE), -EINVAL);
		EXPECT_EQ(nucleus_space_protect(s, bad[i], bad[i] + PAGE_SIZE, MAP_PROT_READ), -EINVAL);
		EXPECT_EQ(nucleus_space_harvest(s, bad[i], bad[i] + PAGE_SIZE), -EINVAL);
		EXPECT_EQ(nucleus_space_clone(s, s, bad[i], bad[i] + PAGE_SIZE, 0), -EINVAL);
	}
	EXPECT_EQ(nucleus_space_map(s, USER_END - PAGE_SIZE, pfn, 2, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_space_unmap(s, USER_END - PAGE_SIZE, USER_END + PAGE_SIZE), -EINVAL);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA), -EINVAL);
	EXPECT_EQ(nucleus_space_unmap(s, VA + PAGE_SIZE, VA), -EINVAL);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + 1), -EINVAL);
	EXPECT_EQ(nucleus_space_map(s, VA, pfn, 0, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_space_map(s, VA, PFN_LIST, CALL_AREA_WORDS + 1, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_space_map(s, VA, pfn, UINT64_MAX, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_space_map(s, VA, pfn, 1, MAP_PROT_WRITE | MAP_PROT_EXEC), -EINVAL);
	EXPECT_EQ(nucleus_space_map(s, VA, pfn, 1, 16), -EINVAL);
	EXPECT_EQ(nucleus_space_replace(s, VA, pfn, MAP_PROT_READ | MAP_PROT_WRITE | MAP_PROT_EXEC), -EINVAL);
	EXPECT_EQ(mappings(pfn), 0);
	/* The last page there is. */
	EXPECT_EQ(nucleus_space_map(s, USER_END - PAGE_SIZE, pfn, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_space_unmap(s, USER_END - PAGE_SIZE, USER_END), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
}

static void frame_types(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t kernel = kernel_frame(), page = user_frame();
	const uint64_t bad[] = {kernel,
				find_frame(FRAME_NUCLEUS),
				find_frame(FRAME_PAGE_TABLE),
				(uint64_t)nucleus_space_root(s),
				find_frame(FRAME_FREE),
				boot_info()->frame_count,
				UINT64_MAX >> PAGE_SHIFT,
				((uint64_t)thread_page_current()->self - WINDOW_BASE) >> PAGE_SHIFT};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(nucleus_space_map(s, VA, bad[i], 1, MAP_PROT_READ), -EPERM);
		EXPECT_EQ(nucleus_space_replace(s, VA, bad[i], MAP_PROT_READ), -EPERM);
	}
	/* In the middle of a run, too. */
	call_area()[0] = page;
	call_area()[1] = kernel;
	EXPECT_EQ(nucleus_space_map(s, VA, PFN_LIST, 2, MAP_PROT_READ), -EPERM);
	EXPECT_EQ(mappings(page), 0);
	EXPECT_EQ(mappings(kernel), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_kernel_frame(kernel);
	give_user_frame(page);
}

static void shared_page(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t time = boot_info()->time_page_pfn;

	EXPECT_EQ(nucleus_space_map(s, VA, time, 1, MAP_PROT_READ | MAP_PROT_WRITE), -EPERM);
	EXPECT_EQ(nucleus_space_replace(s, VA, time, MAP_PROT_READ | MAP_PROT_WRITE), -EPERM);
	EXPECT_EQ(nucleus_space_map(s, VA, time, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, MAP_PROT_READ | MAP_PROT_WRITE), -EPERM);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, 0), 0);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, MAP_PROT_READ | MAP_PROT_WRITE), -EPERM);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
}

static void exists(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame(), b = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA + PAGE_SIZE, a, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + PAGE_SIZE, b, 1, MAP_PROT_READ), -EEXIST);
	call_area()[0] = b;
	call_area()[1] = b;
	EXPECT_EQ(nucleus_space_map(s, VA, PFN_LIST, 2, MAP_PROT_READ), -EEXIST);
	EXPECT_EQ(mappings(b), 0);
	/* An inaccessible page is there as well. */
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + 2 * PAGE_SIZE, 0), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + PAGE_SIZE, b, 1, MAP_PROT_READ), -EEXIST);
	EXPECT_EQ(mappings(a), 1);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + 2 * PAGE_SIZE), 0);
	EXPECT_EQ(mappings(a), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(a);
	give_user_frame(b);
}

KTEST_SUITE(spaces, KTEST("create, name, destroy", life),
	    KTEST("stale handles are refused by every call", stale_handles),
	    KTEST("a space in use cannot be destroyed", busy),
	    KTEST("ranges and protections out of bounds are refused", map_ranges),
	    KTEST("only page frames are mapped", frame_types), KTEST("the shared page is never writable", shared_page),
	    KTEST("what is mapped is not mapped over", exists));
