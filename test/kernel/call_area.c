/* SPDX-License-Identifier: MIT */
/*
 * The call area is lowered memory: another thread may change it at any time. What the nucleus has checked is what it
 * uses. A thread on the other CPU changes one word of the caller's area back and forth, as fast as it can.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>
#include <kernel/vm/page_table_walk.h>
#include <lib/string.h>

enum { ROUNDS = 600 };
constexpr uint64_t VA = 0x40000000;

static struct {
	volatile uint64_t *word;
	uint64_t good, bad;
	uint32_t flip, flips, end, over;
} other;

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static void store(uint32_t *at, uint32_t v)
{
	__atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}

static void flipper(void *)
{
	while (!load(&other.end)) {
		bool flip = load(&other.flip);

		store(&other.flips, flip);
		for (int i = 0; flip && i < 20; i++) {
			*other.word = other.bad;
			*other.word = other.good;
		}
	}
	store(&other.over, 1);
}

static bool start_flipper(uint64_t *word, uint64_t good, uint64_t bad)
{
	run_on(0);
	other.word = word;
	other.good = good;
	other.bad = bad;
	store(&other.flip, 0);
	store(&other.end, 0);
	store(&other.over, 0);
	return start_thread(flipper, nullptr, 1) != nullptr;
}

static void flip(bool on)
{
	store(&other.flip, on);
	while (load(&other.flips) != on)
		;
}

static void end_flipper(void)
{
	store(&other.end, 1);
	EXPECT(WAIT_UNTIL(load(&other.over)));
}

/* Each refusal is a report on the console, so there are not many. */
enum { REFUSALS = 40 };

/* Between a frame of a process and one of ours. The last of a long list changes: there is time between check and use.
 */
static void lists_of_pages(void)
{
	constexpr uint64_t END = VA + CALL_AREA_WORDS * PAGE_SIZE;
	uint64_t good = user_frame(), bad = kernel_frame();
	uint32_t s = (uint32_t)nucleus_space_create();
	unsigned refused = 0;

	if (!start_flipper(&call_area()[CALL_AREA_WORDS - 1], good, bad))
		return;
	for (int i = 0; i < ROUNDS && refused < REFUSALS; i++) {
		for (unsigned k = 0; k < CALL_AREA_WORDS; k++)
			call_area()[k] = good;
		flip(true);
		long result = nucleus_space_map(s, VA, PFN_LIST, CALL_AREA_WORDS, MAP_PROT_READ);
		flip(false);
		refused += result == -EPERM;
		EXPECT(result == 0 || result == -EPERM);
		EXPECT_EQ(mappings(bad), 0);
		EXPECT_EQ(mappings(good), result == 0 ? CALL_AREA_WORDS : 0);
		EXPECT(page_entry_pfn(page_table_lookup((uint64_t)nucleus_space_root(s), END - PAGE_SIZE)) != bad);
		for (uint64_t next = VA; next < END; next = pte_list()->next)
			if (!EXPECT_EQ(nucleus_space_unmap(s, next, END), 0))
				break;
	}
	end_flipper();
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(good);
	give_kernel_frame(bad);
}

/* Between a frame of ours and one of a process, which the kernel view must not show by kmap. */
static void lists_of_kernel_frames(void)
{
	uint64_t good = kernel_frame(), bad = user_frame(), va = kmap_reserve(64);

	if (!start_flipper(&call_area()[63], good, bad))
		return;
	unsigned refused = 0;

	for (int i = 0; i < ROUNDS && refused < REFUSALS; i++) {
		for (unsigned k = 0; k < 64; k++)
			call_area()[k] = good;
		flip(true);
		long result = nucleus_kmap(va, PFN_LIST, 64, MAP_PROT_READ);
		flip(false);
		EXPECT_EQ(mappings(bad), 0);
		if (result == 0)
			EXPECT_EQ(mappings(good), 64);
		refused += result == -EPERM;
		EXPECT_EQ(nucleus_kunmap(va, 64), 0);
	}
	end_flipper();
	EXPECT_EQ(mappings(good), 0);
	give_kernel_frame(good);
	give_user_frame(bad);
}

static void unused_entry(void *)
{
}

/* The word of the program counter, found by its value. */
static uint64_t *word_of_pc(uint32_t handle)
{
	EXPECT_EQ(nucleus_regs_get(handle), 0);
	for (unsigned i = 0; i < sizeof(struct user_regs) / 8; i++) {
		memset(call_area(), 0, sizeof(struct user_regs));
		call_area()[i] = IMAGE_BASE;
		if (nucleus_regs_set(handle) == -EINVAL && (call_area()[i] = USER_END + 1) != 0 &&
		    nucleus_regs_set(handle) == -EINVAL)
			return &call_area()[i];
	}
	return nullptr;
}

static void registers(void)
{
	struct thread *t;

	if (!EXPECT_EQ(thread_create("registers", &component_ktest, 0, unused_entry, nullptr, &t), 0))
		return;
	uint32_t h = handle_of(t);
	uint64_t *pc = word_of_pc(h);

	if (!EXPECT(pc != nullptr) || !start_flipper(pc, 0x401000, GATES_BASE))
		return;
	for (int i = 0; i < ROUNDS; i++) {
		memset(call_area(), 0, sizeof(struct user_regs));
		flip(true);
		(void)nucleus_regs_set(h);
		flip(false);
		EXPECT_EQ(nucleus_regs_get(h), 0);
		EXPECT(*pc < USER_END);
	}
	end_flipper();
	thread_start(t);
}

KTEST_SUITE(call_area, KTEST("a list of pages is read once", lists_of_pages, .min_cpus = 2),
	    KTEST("a list of kernel frames is read once", lists_of_kernel_frames, .min_cpus = 2),
	    KTEST("registers are read once", registers, .min_cpus = 2));
