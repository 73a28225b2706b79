/* SPDX-License-Identifier: MIT */
/*
 * Translations that another CPU is using: each change reaches it, of one page and of ranges so long that all is
 * forgotten at once. test/kernel/process.c has the calls on one page, test/kernel/kmap.c the kernel view's.
 */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>

constexpr uint32_t READ_WRITE = MAP_PROT_READ | MAP_PROT_WRITE;
constexpr uint64_t RANGE_VA = 0xa00000;
/* Beyond what is forgotten page by page, on every architecture. */
constexpr unsigned PAGES = 100, USED = 50;

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static void store(uint32_t *at, uint32_t v)
{
	__atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}

static void fill_list(uint64_t pfn)
{
	for (unsigned i = 0; i < PAGES; i++)
		call_area()[i] = pfn;
}

/* A process on CPU 1 that writes to the page in the middle of a long range, which is one frame everywhere. */
static bool start_writer(struct bare *b, uint64_t pfn)
{
	run_on(0);
	if (!bare_create(b, bare_writer, BARE_SIZE(writer), 1))
		return false;
	fill_list(pfn);
	if (!EXPECT_EQ(nucleus_space_map(b->space, RANGE_VA, PFN_LIST, PAGES, READ_WRITE), 0))
		return false;
	window(b->data_pfn)[8] = RANGE_VA + USED * PAGE_SIZE;
	bare_start(b);
	return EXPECT(WAIT_UNTIL(bare_word(b, 1) > 1000));
}

static bool goes_on(const struct bare *b)
{
	uint64_t before = bare_word(b, 1);

	return WAIT_UNTIL(bare_word(b, 1) > before + 100);
}

static bool is_quiet(uint64_t pfn)
{
	uint64_t before = window(pfn)[0];

	sleep_ns(10 * MS);
	return window(pfn)[0] == before;
}

static void end_writer(struct bare *b, uint64_t pfn)
{
	window(b->data_pfn)[9] = 1;
	bare_destroy(b);
	give_user_frame(pfn);
}

/* What was noted is cleared, and the CPU that has the page in use notes it anew. */
static void harvest_reaches_other_cpus(void)
{
	uint64_t pfn = user_frame(), va = RANGE_VA + USED * PAGE_SIZE;
	struct bare b;

	if (!start_writer(&b, pfn))
		return;
	for (int round = 0; round < 20; round++) {
		EXPECT_EQ(nucleus_space_harvest(b.space, va, va + PAGE_SIZE), 0);
		EXPECT(goes_on(&b));
		EXPECT_EQ(nucleus_space_harvest(b.space, va, va + PAGE_SIZE), 0);
		EXPECT_EQ(pte_list()->entry[0].bits & (PTE_WAS_ACCESSED | PTE_WAS_DIRTY),
			  PTE_WAS_ACCESSED | PTE_WAS_DIRTY);
	}
	end_writer(&b, pfn);
}

static void long_unmap_reaches_other_cpus(void)
{
	uint64_t pfn = user_frame();
	struct bare b;

	if (!start_writer(&b, pfn))
		return;
	EXPECT_EQ(nucleus_space_unmap(b.space, RANGE_VA, RANGE_VA + PAGES * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, PAGES);
	EXPECT(is_quiet(pfn));
	end_writer(&b, pfn);
}

static void long_protect_reaches_other_cpus(void)
{
	uint64_t pfn = user_frame();
	struct bare b;

	if (!start_writer(&b, pfn))
		return;
	EXPECT_EQ(nucleus_space_protect(b.space, RANGE_VA, RANGE_VA + PAGES * PAGE_SIZE, MAP_PROT_READ), 0);
	EXPECT(is_quiet(pfn));
	end_writer(&b, pfn);
}

/* --- the kernel view --- */

static struct {
	volatile uint64_t *word;
	uint64_t first, second;
	uint32_t step;
} peer;

static void peer_thread(void *)
{
	peer.first = *peer.word;
	store(&peer.step, 1);
	/* Without leaving the CPU, so that what it cached stays. */
	while (load(&peer.step) != 2)
		;
	peer.second = *peer.word;
	store(&peer.step, 3);
}

static bool exchange(uint64_t va, uint64_t old, uint64_t new)
{
	fill_list(new);
	window(old)[0] = 111;
	window(new)[0] = 222;
	return EXPECT_EQ(nucleus_kunmap(va, PAGES), 0) && EXPECT_EQ(nucleus_kmap(va, PFN_LIST, PAGES, READ_WRITE), 0);
}

static void long_kunmap_reaches_other_cpus(void)
{
	uint64_t old = kernel_frame(), new = kernel_frame();

	run_on(0);
	for (int round = 0; round < 5; round++) {
		uint64_t va = kmap_reserve(PAGES);

		window(old)[0] = 111;
		fill_list(old);
		EXPECT_EQ(nucleus_kmap(va, PFN_LIST, PAGES, READ_WRITE), 0);
		peer.word = (volatile uint64_t *)(va + USED * PAGE_SIZE);
		store(&peer.step, 0);
		if (!start_thread(peer_thread, nullptr, 1) || !EXPECT(WAIT_UNTIL(load(&peer.step) == 1)))
			return;
		(void)exchange(va, old, new);
		store(&peer.step, 2);
		EXPECT(WAIT_UNTIL(load(&peer.step) == 3));
		EXPECT_EQ(peer.first, 111);
		EXPECT_EQ(peer.second, 222);
		EXPECT_EQ(nucleus_kunmap(va, PAGES), 0);
	}
	EXPECT_EQ(mappings(old), 0);
	EXPECT_EQ(mappings(new), 0);
	give_kernel_frame(old);
	give_kernel_frame(new);
}

/* Several times: a preemption in between would hide what is to be seen. */
static void long_kunmap_reaches_the_own_cpu(void)
{
	uint64_t pfn[2] = {kernel_frame(), kernel_frame()}, va = kmap_reserve(PAGES);
	const volatile uint64_t *word = (const volatile uint64_t *)(va + USED * PAGE_SIZE);

	fill_list(pfn[0]);
	EXPECT_EQ(nucleus_kmap(va, PFN_LIST, PAGES, READ_WRITE), 0);
	for (unsigned i = 0; i < 10; i++) {
		window(pfn[i % 2])[0] = 111;
		EXPECT_EQ(*word, 111);
		(void)exchange(va, pfn[i % 2], pfn[(i + 1) % 2]);
		EXPECT_EQ(*word, 222);
	}
	EXPECT_EQ(nucleus_kunmap(va, PAGES), 0);
	give_kernel_frame(pfn[0]);
	give_kernel_frame(pfn[1]);
}

/* Two CPUs that wait for each other: who spins for the nucleus's lock answers who holds it. */
static void unmapping_thread(void *arg)
{
	uint64_t pfn = kernel_frame(), va = kmap_reserve(1);

	for (int i = 0; i < 150; i++) {
		EXPECT_EQ(nucleus_kmap(va, pfn, 1, MAP_PROT_READ), 0);
		EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	}
	give_kernel_frame(pfn);
	__atomic_fetch_add((uint32_t *)arg, 1, __ATOMIC_SEQ_CST);
}

static void who_waits_for_the_lock_answers(void)
{
	static uint32_t over;

	store(&over, 0);
	for (int cpu = 0; cpu < 2; cpu++)
		(void)start_thread(unmapping_thread, &over, cpu);
	EXPECT(WAIT_UNTIL(load(&over) == 2));
}

KTEST_SUITE(shootdown, KTEST("harvest reaches the other CPUs", harvest_reaches_other_cpus, .min_cpus = 2),
	    KTEST("unmap of a long range reaches the other CPUs", long_unmap_reaches_other_cpus, .min_cpus = 2),
	    KTEST("protect of a long range reaches the other CPUs", long_protect_reaches_other_cpus, .min_cpus = 2),
	    KTEST("kunmap of a long range reaches the other CPUs", long_kunmap_reaches_other_cpus, .min_cpus = 2),
	    KTEST("kunmap of a long range reaches the own CPU", long_kunmap_reaches_the_own_cpu),
	    KTEST("who waits for the lock answers who holds it", who_waits_for_the_lock_answers, .min_cpus = 2));
