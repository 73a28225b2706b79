/* SPDX-License-Identifier: MIT */
/* Page allocator and heap: what comes out is whole, aligned, zeroed where promised, and comes back; running out is
 * survived. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <lib/string.h>
#include <lib/types.h>

#include "../../kernel/mem/page_pool.h"
#include "../../kernel/process/internal.h"

static void user_pages(void)
{
	static struct page *pages[64];
	unsigned n = page_alloc_user_batch(pages, 64, true);

	EXPECT(n > 0 && n <= 64);
	for (unsigned i = 0; i < n; i++) {
		EXPECT_EQ(type_of(page_pfn(pages[i])), FRAME_PAGE);
		EXPECT_EQ(pages[i]->refs, 1);
		for (unsigned w = 0; w < 512; w += 73)
			EXPECT_EQ(window(page_pfn(pages[i]))[w], 0);
		for (unsigned j = 0; j < i; j++)
			EXPECT(pages[i] != pages[j]);
		window(page_pfn(pages[i]))[0] = UINT64_MAX;
	}
	page_get(pages[0]);
	page_put(pages[0]);
	for (unsigned i = 0; i < n; i++)
		page_put(pages[i]);
	/* Dirty ones come back clean. */
	for (int i = 0; i < 8; i++) {
		uint64_t pfn = user_frame();

		EXPECT_EQ(window(pfn)[0], 0);
		give_user_frame(pfn);
	}
}

static void kernel_runs(void)
{
	void *runs[9];

	for (unsigned order = 0; order <= 8; order++) {
		runs[order] = page_alloc_kernel(order);
		if (!EXPECT(runs[order] != nullptr))
			continue;
		EXPECT_EQ((uint64_t)runs[order] & ((PAGE_SIZE << order) - 1), 0);
		for (uint64_t i = 0; i < 1u << order; i++)
			EXPECT_EQ(type_of(page_window_pfn(runs[order]) + i), FRAME_KERNEL);
		memset(runs[order], 0x40 + (int)order, PAGE_SIZE << order);
	}
	for (unsigned order = 0; order <= 8; order++) {
		const unsigned char *bytes = runs[order];

		if (!bytes)
			continue;
		EXPECT_EQ(bytes[0], 0x40 + order);
		EXPECT_EQ(bytes[(PAGE_SIZE << order) - 1], 0x40 + order);
		page_free_kernel(runs[order], order);
	}
}

static uint64_t chain; /* pages held, each with the number of the next one; 0: none */

/* Chains user pages until there are none. Result: how many there were. */
static uint64_t take_all(void)
{
	struct page *page;
	uint64_t count = 0;

	for (; (page = page_alloc_user(false)) != nullptr; count++) {
		window(page_pfn(page))[0] = chain;
		chain = page_pfn(page);
	}
	return count;
}

static void give_one(void)
{
	uint64_t next = window(chain)[0];

	page_put(page_of(chain));
	chain = next;
}

static uint64_t exhaust(void)
{
	uint64_t count = take_all();

	while (chain != 0)
		give_one();
	return count;
}

static void exhaustion(void)
{
	uint64_t once = exhaust(), twice = exhaust();

	EXPECT(once > 1000);
	/* Nothing was lost on the way: a per-CPU cache or two may hold some. */
	EXPECT(twice + 512 >= once);
	void *p = page_alloc_kernel(3);

	EXPECT(p != nullptr);
	if (p)
		page_free_kernel(p, 3);
}

enum : uint32_t { LATE = 70 };
static const struct thread *asker;
static uint32_t asked;

/* Somebody is dying, but gets to it only when this has been asked more often than one waits for nobody. */
static bool dies_late(uint64_t)
{
	if (thread_current() != asker)
		return false;
	if (++asked >= LATE && chain != 0)
		give_one();
	return true;
}

static void the_dying_are_waited_for(void)
{
	EXPECT(take_all() > 1000);
	asker = thread_current();
	page_set_killer(dies_late);
	struct page *page = page_alloc_user(false);
	page_set_killer(oom_kill);
	EXPECT(page != nullptr);
	if (page != nullptr)
		page_put(page);
	while (chain != 0)
		give_one();
}

/* A process that is about to end is waited for, whoever has its lock just now. */
static void the_dying_may_be_busy(void)
{
	struct process *p = kmalloc(sizeof(*p));

	if (!EXPECT(p != nullptr))
		return;
	*p = (struct process){.state = PROCESS_RUNNING};
	mutex_init(&p->lock, RANK_PROCESS);
	mutex_lock(&process_tree_lock);
	list_push_back(&process_all, &p->all);
	mutex_lock(&p->lock);
	mutex_unlock(&process_tree_lock);
	EXPECT(!oom_kill(0)); /* it has no memory that could be had */
	p->group_exit = true;
	EXPECT(oom_kill(0));
	mutex_unlock(&p->lock);
	EXPECT(oom_kill(0));
	mutex_lock(&process_tree_lock);
	list_remove(&p->all);
	mutex_unlock(&process_tree_lock);
	kfree(p);
}

static void counts_return(void)
{
	struct memory_stats before, after;

	page_stats(&before);
	for (int round = 0; round < 200; round++) {
		uint64_t pfn = user_frame();
		void *p = kmalloc(3000), *run = page_alloc_kernel(2);

		give_user_frame(pfn);
		kfree(p);
		if (run)
			page_free_kernel(run, 2);
	}
	page_stats(&after);
	EXPECT_EQ(after.total_pages, before.total_pages);
	EXPECT(after.user_pages <= before.user_pages + 64);
	EXPECT(after.kernel_pages <= before.kernel_pages + 128);
}

static void heap_sizes(void)
{
	static const uint32_t sizes[] = {1,   15,   16,	  17,	48,   63,   64,	  65,	100,  128,   200,   500,
					 512, 1000, 1024, 1500, 2048, 2049, 4095, 4096, 4097, 10000, 65536, 1 << 20};
	static unsigned char *p[ARRAY_LEN(sizes)];
	uint64_t bytes = component_ktest.bytes, allocations = component_ktest.allocations;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		p[i] = kmalloc(sizes[i]);
		if (!EXPECT(p[i] != nullptr))
			continue;
		EXPECT_EQ((uint64_t)p[i] & (sizes[i] >= 4096 ? 4095 : 15), 0);
		for (uint32_t k = 0; k < sizes[i]; k += sizes[i] > 64 ? 61 : 1)
			EXPECT_EQ(p[i][k], 0);
		memset(p[i], (int)i + 1, sizes[i]);
	}
	EXPECT_EQ(component_ktest.allocations - allocations, ARRAY_LEN(sizes));
	EXPECT(component_ktest.bytes - bytes >= 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		EXPECT(p[i] && p[i][0] == i + 1 && p[i][sizes[i] - 1] == i + 1);
		kfree(p[i]);
	}
	EXPECT_EQ(component_ktest.allocations, allocations);
	EXPECT_EQ(component_ktest.bytes, bytes);
	kfree(nullptr);
}

static void heap_churn(void)
{
	static unsigned char *slot[256];
	static uint16_t size[256];
	uint64_t seed = 1, allocations = component_ktest.allocations;

	for (int i = 0; i < 20000; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		unsigned n = seed >> 56;

		if (slot[n]) {
			EXPECT(slot[n][0] == (n | 1) && slot[n][size[n] - 1] == (n | 1));
			kfree(slot[n]);
			slot[n] = nullptr;
		} else {
			size[n] = (uint16_t)(1 + (seed >> 40 & 2047));
			slot[n] = kmalloc(size[n]);
			if (EXPECT(slot[n] != nullptr))
				memset(slot[n], (int)(n | 1), size[n]);
		}
	}
	for (int i = 0; i < 256; i++) {
		kfree(slot[i]);
		slot[i] = nullptr;
	}
	EXPECT_EQ(component_ktest.allocations, allocations);
}

static void resize(void)
{
	char *p = kmalloc(20);

	memcpy(p, "nineteen characters", 20);
	p = krealloc(p, 5000);
	EXPECT(p && !strcmp(p, "nineteen characters"));
	p = krealloc(p, 20);
	EXPECT(p && !strcmp(p, "nineteen characters"));
	kfree(p);
	p = kstrdup("copied");
	EXPECT(p && !strcmp(p, "copied"));
	kfree(p);
	EXPECT(kmalloc((2 << 20) + 1) == nullptr);
}

static uint32_t answers;

/* Whoever asks after somebody else has given all there was may try again, once. */
static void ask_twice(void *)
{
	uint32_t first = page_relieve_nucleus(), second = page_relieve_nucleus();

	__atomic_store_n(&answers, 4 | first << 1 | second, __ATOMIC_SEQ_CST);
}

/* Others may free a block meanwhile, which then is given to the second question. */
static bool one_more_try(void)
{
	static struct page *pages[3 * 512];
	unsigned given = 0, n = 0, more;

	/* Whole blocks that are free: some of these. */
	while (n < ARRAY_LEN(pages) && (more = page_alloc_user_batch(pages + n, ARRAY_LEN(pages) - n, false)) > 0)
		n += more;
	page_put_batch(pages, n);
	while (page_relieve_nucleus())
		given++;
	EXPECT(given > 0);
	__atomic_store_n(&answers, 0, __ATOMIC_SEQ_CST);
	(void)start_thread(ask_twice, nullptr, -1);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&answers, __ATOMIC_SEQ_CST) != 0));
	return answers == (4 | 2);
}

static void relief_by_another(void)
{
	bool good = false;

	for (int i = 0; i < 5 && !good; i++)
		good = one_more_try();
	EXPECT(good);
}

static struct page *freed_there[16];
static uint32_t freed_count;

static void free_there(void *)
{
	unsigned n = page_alloc_user_batch(freed_there, ARRAY_LEN(freed_there), false);

	page_put_batch(freed_there, n);
	__atomic_store_n(&freed_count, n, __ATOMIC_RELEASE);
}

static bool none_is_kept(void)
{
	unsigned kept = 0;

	(void)page_came((uint64_t)KIND_USER << 32);
	for (unsigned i = 0; i < freed_count; i++)
		kept += (__atomic_load_n(&freed_there[i]->flags, __ATOMIC_RELAXED) & PAGE_CACHED) != 0;
	return kept == 0;
}

/* What another CPU keeps for itself is found by who has no memory: nobody is killed for it. */
static void freed_by_another_cpu(void)
{
	freed_count = 0;
	if (!start_thread(free_there, nullptr, (int)boot_info()->cpu_count - 1) ||
	    !EXPECT(WAIT_UNTIL(__atomic_load_n(&freed_count, __ATOMIC_ACQUIRE) > 0)))
		return;
	/* Who allocates or frees just now has a cache in use, or fills it again. */
	EXPECT(WAIT_UNTIL(none_is_kept()));
}

KTEST_SUITE(memory, KTEST("user pages are apart, counted, clean", user_pages),
	    KTEST("kernel runs are aligned and apart", kernel_runs), KTEST("heap objects of all sizes", heap_sizes),
	    KTEST("twenty thousand allocations", heap_churn), KTEST("objects are resized and copied", resize),
	    KTEST("counts return", counts_return), KTEST("memory runs out and comes back", exhaustion),
	    KTEST("memory of somebody who dies late", the_dying_are_waited_for),
	    KTEST("memory of somebody who dies and is busy", the_dying_may_be_busy),
	    KTEST("memory that another gave the nucleus", relief_by_another),
	    KTEST("memory that another CPU keeps", freed_by_another_cpu));
