/* SPDX-License-Identifier: MIT */
/* Frames change hands and types only as a whole and only when nothing maps them: frame_take, frame_give, frame_retype.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>

constexpr unsigned BLOCKS_MAX = 2048;

/* A whole block: 0 when memory has run out. Ends of memory ranges, which come first and cannot be given back, are left
 * aside. */
static uint64_t take_block(enum frame_type type)
{
	for (;;) {
		long taken = nucleus_frame_take(type, 0, 0);

		if (taken < 0) {
			EXPECT_EQ(taken, -ENOMEM);
			return 0;
		}
		if ((taken & 1023) == BLOCK_FRAMES)
			return (uint64_t)taken >> 10;
	}
}

static bool run_is(uint64_t pfn, uint64_t count, enum frame_type type)
{
	for (uint64_t i = 0; i < count; i++)
		if (type_of(pfn + i) != type)
			return false;
	return true;
}

static void take_types(void)
{
	for (uint32_t type = 0; type < FRAME_TYPES + 2; type++) {
		if (type != FRAME_KERNEL && type != FRAME_PAGE && type != FRAME_DMA)
			EXPECT_EQ(nucleus_frame_take(type, 0, 0), -EINVAL);
		if (type != FRAME_DMA) {
			EXPECT_EQ(nucleus_frame_take(type, BLOCK_SIZE, 0), -EINVAL);
			EXPECT_EQ(nucleus_frame_take(type, 0, 1), -EINVAL);
		}
	}
	EXPECT_EQ(nucleus_frame_take(UINT32_MAX, 0, 0), -EINVAL);
	EXPECT_EQ(nucleus_frame_take(FRAME_DMA, 0, 2), -EINVAL);
}

static void dma_limits(void)
{
	uint64_t highest = boot_info()->frame_count << PAGE_SHIFT;

	/* No block ends that low. */
	EXPECT_EQ(nucleus_frame_take(FRAME_DMA, 1, 0), -ENOMEM);
	EXPECT_EQ(nucleus_frame_take(FRAME_DMA, BLOCK_SIZE - 1, 1), -ENOMEM);
	for (uint64_t below = highest; below > BLOCK_SIZE; below -= below / 8) {
		long taken = nucleus_frame_take(FRAME_DMA, below, 0);

		if (taken == -ENOMEM)
			break;
		EXPECT_EQ(taken & 1023, BLOCK_FRAMES);
		EXPECT((uint64_t)taken >> 10 << PAGE_SHIFT <= below - BLOCK_SIZE);
		EXPECT_EQ(nucleus_frame_give((uint64_t)taken >> 10, BLOCK_FRAMES), 0);
	}
}

/* A frame of a device's is reached by the way that was made for it, and becomes nothing else. */
static void dma_frames(void)
{
	for (uint32_t uncached = 0; uncached < 2; uncached++) {
		long taken = nucleus_frame_take(FRAME_DMA, 0, uncached), space = nucleus_space_create();
		uint64_t pfn = (uint64_t)taken >> 10, va = kmap_reserve(BLOCK_FRAMES);
		volatile uint64_t *word = (volatile uint64_t *)va;

		if (!EXPECT(taken > 0) || !EXPECT(space > 0))
			return;
		EXPECT_EQ(pfn % BLOCK_FRAMES, 0);
		EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_DMA));
		EXPECT(faults(ACCESS_READ, (uint64_t)window(pfn)));
		EXPECT(faults(ACCESS_WRITE, (uint64_t)window(pfn + BLOCK_FRAMES - 1)));
		EXPECT_EQ(nucleus_space_map((uint32_t)space, 0x10000, pfn, 1, MAP_PROT_READ), -EPERM);
		EXPECT_EQ(nucleus_frame_retype(pfn, BLOCK_FRAMES, FRAME_PAGE), -EPERM);
		EXPECT_EQ(nucleus_frame_retype(pfn, 1, FRAME_KERNEL), -EPERM);
		EXPECT(nucleus_thread_create(pfn, (uint64_t)dma_frames, va, 0, 0) < 0);
		/* Past the caches there is no way but one that writes. */
		EXPECT_EQ(nucleus_kmap(va, pfn, 1, MAP_PROT_READ), uncached ? -EINVAL : 0);
		EXPECT_EQ(nucleus_kunmap(va, 1), 0);
		EXPECT_EQ(nucleus_kmap(va, pfn, BLOCK_FRAMES, MAP_PROT_READ | MAP_PROT_WRITE), 0);
		for (unsigned i = 0; i < BLOCK_FRAMES; i++)
			word[i * 512 + 5] = pfn + i;
		for (unsigned i = 0; i < BLOCK_FRAMES; i++)
			EXPECT_EQ(word[i * 512 + 5], pfn + i);
		EXPECT_EQ(mappings(pfn + 5), 1);
		EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), -EBUSY);
		EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_DMA));
		EXPECT_EQ(nucleus_kunmap(va, BLOCK_FRAMES), 0);
		EXPECT_EQ(mappings(pfn + 5), 0);
		EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES - 1), -EINVAL);
		EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), 0);
		EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_FREE));
		EXPECT_EQ(nucleus_space_destroy((uint32_t)space), 0);
	}
}

static void take_and_give(void)
{
	for (int round = 0; round < 2; round++) {
		enum frame_type type = round ? FRAME_PAGE : FRAME_KERNEL;
		uint64_t pfn = take_block(type);

		if (!EXPECT(pfn != 0))
			return;
		EXPECT_EQ(pfn % BLOCK_FRAMES, 0);
		EXPECT(run_is(pfn, BLOCK_FRAMES, type));
		window(pfn)[0] = 0x1234;
		window(pfn + BLOCK_FRAMES - 1)[511] = 0x5678;
		EXPECT_EQ(window(pfn)[0], 0x1234);
		EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), 0);
		EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_FREE));
		EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), -EPERM);
	}
}

static void given_frames_leave_the_window(void)
{
	uint64_t pfn = take_block(FRAME_KERNEL);

	if (!EXPECT(pfn != 0))
		return;
	window(pfn)[0] = 1;
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), 0);
	EXPECT(faults(ACCESS_READ, (uint64_t)window(pfn)));
	EXPECT(faults(ACCESS_WRITE, (uint64_t)window(pfn + BLOCK_FRAMES - 1)));
}

static void give_errors(void)
{
	uint64_t pfn = take_block(FRAME_PAGE);

	EXPECT_EQ(nucleus_frame_give(pfn + 1, BLOCK_FRAMES), -EINVAL);
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES - 1), -EINVAL);
	EXPECT_EQ(nucleus_frame_give(pfn, 0), -EINVAL);
	EXPECT_EQ(nucleus_frame_give(pfn, UINT64_MAX), -EINVAL);
	EXPECT_EQ(nucleus_frame_give(UINT64_MAX & ~511ull, BLOCK_FRAMES), -EPERM);
	EXPECT_EQ(nucleus_frame_give(find_frame(FRAME_NUCLEUS) & ~511ull, BLOCK_FRAMES), -EPERM);
	EXPECT_EQ(nucleus_frame_give(find_frame(FRAME_PAGE_TABLE) & ~511ull, BLOCK_FRAMES), -EPERM);
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), 0);
}

static void mapped_frames_stay(void)
{
	uint64_t pfn = take_block(FRAME_PAGE);
	long space = nucleus_space_create();

	EXPECT(space > 0);
	EXPECT_EQ(nucleus_space_map((uint32_t)space, 0x10000, pfn + 7, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(mappings(pfn + 7), 1);
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), -EBUSY);
	EXPECT_EQ(nucleus_frame_retype(pfn, BLOCK_FRAMES, FRAME_KERNEL), -EBUSY);
	EXPECT_EQ(nucleus_frame_retype(pfn + 7, 1, FRAME_KERNEL), -EBUSY);
	EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_PAGE));
	/* Inaccessible is still mapped. */
	EXPECT_EQ(nucleus_space_protect((uint32_t)space, 0x10000, 0x11000, 0), 0);
	EXPECT_EQ(nucleus_frame_retype(pfn + 7, 1, FRAME_KERNEL), -EBUSY);
	EXPECT_EQ(nucleus_space_unmap((uint32_t)space, 0x10000, 0x11000), 0);
	EXPECT_EQ(mappings(pfn + 7), 0);
	EXPECT_EQ(nucleus_frame_retype(pfn, BLOCK_FRAMES, FRAME_KERNEL), 0);
	EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_KERNEL));

	uint64_t va = kmap_reserve(1);

	EXPECT_EQ(nucleus_kmap(va, pfn + 9, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_frame_retype(pfn, BLOCK_FRAMES, FRAME_PAGE), -EBUSY);
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), -EBUSY);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), 0);
	EXPECT_EQ(nucleus_space_destroy((uint32_t)space), 0);
}

static void retype_errors(void)
{
	uint64_t pfn = take_block(FRAME_KERNEL), nucleus = find_frame(FRAME_NUCLEUS),
		 table = find_frame(FRAME_PAGE_TABLE);

	for (uint32_t type = 0; type < FRAME_TYPES + 2; type++)
		if (type != FRAME_KERNEL && type != FRAME_PAGE)
			EXPECT_EQ(nucleus_frame_retype(pfn, 1, type), -EINVAL);
	EXPECT_EQ(nucleus_frame_retype(pfn, BLOCK_FRAMES + 1, FRAME_PAGE), -EINVAL);
	EXPECT_EQ(nucleus_frame_retype(pfn, 0, FRAME_PAGE), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(nucleus, 1, FRAME_KERNEL), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(table, 1, FRAME_KERNEL), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(find_frame(FRAME_FREE), 1, FRAME_KERNEL), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(UINT64_MAX >> PAGE_SHIFT, 1, FRAME_KERNEL), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(boot_info()->frame_count - 1, 2, FRAME_KERNEL), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(boot_info()->time_page_pfn, 1, FRAME_KERNEL), -EPERM);
	EXPECT_EQ(type_of(nucleus), FRAME_NUCLEUS);
	EXPECT_EQ(type_of(table), FRAME_PAGE_TABLE);
	EXPECT(run_is(pfn, BLOCK_FRAMES, FRAME_KERNEL));
	EXPECT_EQ(nucleus_frame_give(pfn, BLOCK_FRAMES), 0);
}

static void thread_pages_are_pinned(void)
{
	uint64_t pfn = ((uint64_t)thread_page_current()->self - WINDOW_BASE) >> PAGE_SHIFT;

	EXPECT(mappings(pfn) >= 1);
	EXPECT_EQ(nucleus_frame_retype(pfn, 1, FRAME_PAGE), -EBUSY);
	EXPECT_EQ(type_of(pfn), FRAME_KERNEL);
}

static uint64_t frames_of_type(enum frame_type type)
{
	uint64_t n = 0;

	for (uint64_t pfn = 0; pfn < boot_info()->frame_count; pfn++)
		n += type_of(pfn) == type;
	return n;
}

/* Free, or taken by the kernel's allocator, which may do so at any time. */
static uint64_t frames_for_others(void)
{
	return frames_of_type(FRAME_FREE) + frames_of_type(FRAME_KERNEL) + frames_of_type(FRAME_PAGE);
}

/* Makes a process view that needs `tables` leaf tables, one page in each, and takes it down. Result: frames for page
 * tables meanwhile. */
static uint64_t use_tables(unsigned tables)
{
	constexpr uint64_t SPAN = 512 * PAGE_SIZE;
	uint64_t pfn = user_frame(), at = SPAN, end = (tables + 1) * SPAN, most;
	uint32_t s = (uint32_t)nucleus_space_create();

	for (; at < end; at += SPAN)
		if (!EXPECT_EQ(nucleus_space_map(s, at, pfn, 1, MAP_PROT_READ), 0))
			break;
	most = frames_of_type(FRAME_PAGE_TABLE);
	for (at = SPAN; at < end; at = pte_list()->next)
		if (!EXPECT_EQ(nucleus_space_unmap(s, at, end), 0))
			break;
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
	return most;
}

static void page_tables_are_given_back(void)
{
	uint64_t before = frames_of_type(FRAME_PAGE_TABLE), others_before = frames_for_others();

	for (int round = 0; round < 3; round++) {
		EXPECT(use_tables(1800) >= before + BLOCK_FRAMES);
		/* Some are in use here and there; one block is kept. */
		EXPECT(frames_of_type(FRAME_PAGE_TABLE) <= before + BLOCK_FRAMES);
		EXPECT(frames_for_others() + BLOCK_FRAMES >= others_before);
		/* Whoever takes a block that held tables can write to all of it. */
		uint64_t taken[6];

		for (unsigned i = 0; i < 6; i++) {
			taken[i] = take_block(FRAME_PAGE);
			for (unsigned k = 0; taken[i] && k < BLOCK_FRAMES; k++)
				window(taken[i] + k)[2] = ~0ull;
		}
		for (unsigned i = 0; i < 6; i++)
			EXPECT_EQ(nucleus_frame_give(taken[i], BLOCK_FRAMES), 0);
	}
}

static void exhaustion(void)
{
	static uint64_t taken[BLOCKS_MAX];
	unsigned n = 0, again = 0;
	long dma;

	/* All of it for devices that do not look into caches: the nucleus has no way to any of it meanwhile, and needs
	 * one to all of it below. */
	while (n < BLOCKS_MAX && (dma = nucleus_frame_take(FRAME_DMA, 0, 1)) > 0)
		taken[n++] = (uint64_t)dma >> 10;
	EXPECT(n > 4 && n < BLOCKS_MAX);
	while (n > 0)
		EXPECT_EQ(nucleus_frame_give(taken[--n], BLOCK_FRAMES), 0);
	while (n < BLOCKS_MAX && (taken[n] = take_block(FRAME_PAGE)) != 0)
		n++;
	EXPECT(n > 4 && n < BLOCKS_MAX);
	EXPECT_EQ(nucleus_frame_take(FRAME_KERNEL, 0, 0), -ENOMEM);
	for (unsigned i = 0; i < n; i++)
		EXPECT_EQ(nucleus_frame_give(taken[i], BLOCK_FRAMES), 0);
	while (again < n && (taken[again] = take_block(FRAME_KERNEL)) != 0)
		again++;
	EXPECT_EQ(again, n);
	EXPECT_EQ(nucleus_frame_take(FRAME_DMA, 0, 0), -ENOMEM);
	/* Whatever memory is taken for page tables next was written to. */
	for (unsigned i = 0; i < again; i++) {
		for (unsigned k = 0; k < BLOCK_FRAMES; k++)
			window(taken[i] + k)[2] = ~0ull;
		EXPECT_EQ(nucleus_frame_give(taken[i], BLOCK_FRAMES), 0);
	}
	(void)use_tables(1200);
}

KTEST_SUITE(frames, KTEST("only kernel, page and dma frames can be taken", take_types),
	    KTEST("dma frames lie below what the device can name", dma_limits),
	    KTEST("dma frames are in no window and no process, and stay what they are", dma_frames),
	    KTEST("take and give a block", take_and_give),
	    KTEST("given frames leave the window", given_frames_leave_the_window),
	    KTEST("give refuses what is not a whole block of ours", give_errors),
	    KTEST("mapped frames can be neither given nor retyped", mapped_frames_stay),
	    KTEST("retype refuses other types", retype_errors),
	    KTEST("a thread's page can be neither given nor retyped", thread_pages_are_pinned),
	    KTEST("page-table memory is given back", page_tables_are_given_back),
	    KTEST("memory runs out and comes back", exhaustion));
