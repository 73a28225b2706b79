/* SPDX-License-Identifier: MIT */
/* Many threads at once: parking, waking, yielding, migrating; mapping and unmapping against processes on the other
 * CPUs. */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>

enum { WORKERS = 12, ROUNDS = 40, MAPPERS = 4, MAP_ROUNDS = 20, PROCESSES = 4 };
static struct thread *workers[WORKERS];
static uint32_t over, ready;
static uint64_t signals[WORKERS];

static void end_one(void)
{
	__atomic_fetch_add(&over, 1, __ATOMIC_SEQ_CST);
}
static bool all_over(uint32_t n)
{
	return __atomic_load_n(&over, __ATOMIC_SEQ_CST) == n;
}

/* Each wakes its neighbour as often as it is woken itself. */
static void park_worker(void *arg)
{
	uint64_t me = (uint64_t)arg, seed = me, taken = 0;

	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		(void)nucleus_yield();
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t next = (me + 1) % WORKERS;

		__atomic_fetch_add(&signals[next], 1, __ATOMIC_SEQ_CST);
		thread_unpark(workers[next]);
		seed = seed * 6364136223846793005 + 1442695040888963407;
		if (seed >> 62 == 0)
			(void)nucleus_yield();
		if (seed >> 61 == 2)
			(void)nucleus_thread_set_affinity(own_handle(), 1ull << (seed >> 40) % boot_info()->cpu_count);
		if (seed >> 61 == 3)
			(void)nucleus_thread_set_affinity(own_handle(), UINT64_MAX);
		if (seed >> 61 == 4)
			(void)nucleus_park(ktest_now() + 1000, 0);
		while (__atomic_load_n(&signals[me], __ATOMIC_SEQ_CST) == taken)
			(void)nucleus_park(0, 0);
		taken++;
	}
	end_one();
}

static void wakeups(void)
{
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&ready, 0, __ATOMIC_SEQ_CST);
	for (uint64_t i = 0; i < WORKERS; i++) {
		signals[i] = 0;
		workers[i] = start_thread(park_worker, (void *)i, -1);
		if (!workers[i])
			return;
	}
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	EXPECT(WAIT_UNTIL(all_over(WORKERS)));
	for (int i = 0; i < WORKERS; i++)
		EXPECT_EQ(signals[i], ROUNDS);
}

/* Own space, shared frame. */
static uint64_t shared_pfn;

static void map_worker(void *)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t va = kmap_reserve(1), own = kernel_frame();

	for (uint64_t i = 1; i <= MAP_ROUNDS; i++) {
		uint64_t at = i * PAGE_SIZE * 77;

		EXPECT_EQ(nucleus_space_map(s, at, shared_pfn, 1, MAP_PROT_READ), 0);
		EXPECT_EQ(nucleus_kmap(va, own, 1, MAP_PROT_READ | MAP_PROT_WRITE), 0);
		*(volatile uint64_t *)va = i;
		EXPECT_EQ(window(own)[0], i);
		EXPECT_EQ(nucleus_kunmap(va, 1), 0);
		EXPECT_EQ(nucleus_space_unmap(s, at, at + PAGE_SIZE), 0);
		EXPECT_EQ(pte_list()->count, 1);
	}
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	EXPECT_EQ(mappings(own), 0);
	give_kernel_frame(own);
	end_one();
}

static void mappings_against_processes(void)
{
	static struct bare b[PROCESSES];

	shared_pfn = user_frame();
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < PROCESSES; i++) {
		if (!bare_create(&b[i], bare_pattern, BARE_SIZE(pattern), -1))
			return;
		window(b[i].data_pfn)[8] = 0x1111111111111110ull * (unsigned)(i + 1);
		/* The FS base points to the word that it is compared with. */
		EXPECT_EQ(nucleus_regs_get(b[i].handle), 0);
		bare_set_tls((struct user_regs *)call_area(), DATA_VA + 96);
		EXPECT_EQ(nucleus_regs_set(b[i].handle), 0);
		bare_start(&b[i]);
	}
	for (int i = 0; i < MAPPERS; i++)
		(void)start_thread(map_worker, nullptr, -1);
	EXPECT(WAIT_UNTIL(all_over(MAPPERS)));
	EXPECT_EQ(mappings(shared_pfn), 0);
	for (int i = 0; i < PROCESSES; i++) {
		EXPECT(WAIT_UNTIL(bare_word(&b[i], 0) > 0));
		EXPECT_EQ(bare_word(&b[i], 1), 0);
		window(b[i].data_pfn)[9] = 1;
	}
	for (int i = 0; i < PROCESSES; i++)
		bare_destroy(&b[i]);
	give_user_frame(shared_pfn);
}

static void short_life(void *)
{
	end_one();
}

static void births_and_deaths(void)
{
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 60; i++)
		(void)start_thread(short_life, nullptr, i % 2 ? -1 : i / 2 % (int)boot_info()->cpu_count);
	EXPECT(WAIT_UNTIL(all_over(60)));
}

static void processes_come_and_go(void)
{
	for (int i = 0; i < 40; i++) {
		struct bare b;

		if (!bare_create(&b, bare_exit, BARE_SIZE(exit), i % (int)boot_info()->cpu_count))
			return;
		bare_start(&b);
		EXPECT(WAIT_UNTIL(bare_word(&b, 0) == 1));
		bare_destroy(&b);
	}
}

KTEST_SUITE(stress, KTEST("a ring of threads that wake each other", wakeups),
	    KTEST("mappings change while processes run", mappings_against_processes),
	    KTEST("sixty threads are born and die", births_and_deaths),
	    KTEST("processes come and go", processes_come_and_go));
