/* SPDX-License-Identifier: MIT */
/* Changes of ranges: unmap, protect, replace, clone; what they report, count and leave of the page tables. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/vm/page_table_walk.h>

constexpr uint64_t VA = 0x40000000;
constexpr uint32_t READ_WRITE = MAP_PROT_READ | MAP_PROT_WRITE;

static uint64_t entry(uint32_t s, uint64_t va)
{
	return page_table_lookup((uint64_t)nucleus_space_root(s), va);
}

/* Tables of the space, the top one included. */
static unsigned table_count(uint32_t s)
{
	uint16_t owner = frame_entry((uint64_t)nucleus_space_root(s))->owner;
	unsigned n = 0;

	for (uint64_t pfn = 0; pfn < boot_info()->frame_count; pfn++) {
		const struct frame *f = frame_entry(pfn);

		n += f->type == FRAME_PAGE_TABLE && f->level && f->owner == owner;
	}
	return n;
}

static void unmap_lists(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame(), b = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + 5 * PAGE_SIZE, b, 1, MAP_PROT_READ | MAP_PROT_EXEC), 0);
	EXPECT_EQ(nucleus_space_unmap(s, VA - PAGE_SIZE, VA + 16 * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, 2);
	EXPECT_EQ(pte_list()->next, VA + 16 * PAGE_SIZE);
	EXPECT_EQ(pte_list()->entry[0].bits, a << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE);
	EXPECT_EQ(pte_list()->entry[1].bits, b << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_EXEC);
	EXPECT_EQ(mappings(a), 0);
	EXPECT_EQ(mappings(b), 0);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + 16 * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, 0);
	EXPECT_EQ(pte_list()->next, VA + 16 * PAGE_SIZE);
	/* All there is, at once. */
	EXPECT_EQ(nucleus_space_unmap(s, 0, USER_END), 0);
	EXPECT_EQ(pte_list()->count, 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(a);
	give_user_frame(b);
}

static void unmap_in_parts(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame(), end = VA + 400 * PAGE_SIZE;

	/* One frame everywhere: 400 mappings of it. */
	for (unsigned i = 0; i < CALL_AREA_WORDS; i++)
		call_area()[i] = pfn;
	EXPECT_EQ(nucleus_space_map(s, VA, PFN_LIST, CALL_AREA_WORDS, MAP_PROT_READ), 0);
	for (unsigned i = 0; i < 400 - CALL_AREA_WORDS; i++)
		call_area()[i] = pfn;
	EXPECT_EQ(
		nucleus_space_map(s, VA + CALL_AREA_WORDS * PAGE_SIZE, PFN_LIST, 400 - CALL_AREA_WORDS, MAP_PROT_READ),
		0);
	EXPECT_EQ(mappings(pfn), 400);
	EXPECT_EQ(nucleus_space_unmap(s, VA, end), 0);
	EXPECT_EQ(pte_list()->count, PTE_LIST_MAX);
	EXPECT_EQ(pte_list()->next, VA + PTE_LIST_MAX * PAGE_SIZE);
	EXPECT_EQ(mappings(pfn), 400 - PTE_LIST_MAX);
	EXPECT_EQ(nucleus_space_unmap(s, pte_list()->next, end), 0);
	EXPECT_EQ(pte_list()->count, 400 - PTE_LIST_MAX);
	EXPECT_EQ(pte_list()->next, end);
	EXPECT_EQ(mappings(pfn), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
}

static void tables_come_and_go(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame(), b = user_frame();

	EXPECT_EQ(table_count(s), 1);
	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE), 0);
	EXPECT_EQ(table_count(s), 4);
	EXPECT_EQ(nucleus_space_map(s, VA + 3 * PAGE_SIZE, b, 1, READ_WRITE), 0);
	EXPECT_EQ(table_count(s), 4);
	/* A table in use stays, and so does what it maps. */
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(table_count(s), 4);
	EXPECT_EQ(page_entry_pfn(entry(s, VA + 3 * PAGE_SIZE)), b);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE * 512), 0);
	EXPECT_EQ(pte_list()->count, 1);
	EXPECT_EQ(table_count(s), 1);
	/* Far apart: two branches, of which one goes. */
	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + (1ull << 39), b, 1, READ_WRITE), 0);
	EXPECT_EQ(table_count(s), 7);
	EXPECT_EQ(nucleus_space_unmap(s, 0, VA + (1ull << 30)), 0);
	EXPECT_EQ(table_count(s), 4);
	EXPECT_EQ(page_entry_pfn(entry(s, VA + (1ull << 39))), b);
	EXPECT_EQ(nucleus_space_unmap(s, 0, USER_END), 0);
	EXPECT_EQ(table_count(s), 1);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(a);
	give_user_frame(b);
}

static void protect(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA, pfn, 1, READ_WRITE), 0);
	EXPECT(page_entry_writable(entry(s, VA)) && !page_entry_executable(entry(s, VA)));
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, MAP_PROT_WRITE | MAP_PROT_EXEC), -EINVAL);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, 16), -EINVAL);
	EXPECT(page_entry_writable(entry(s, VA)));
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, MAP_PROT_READ | MAP_PROT_EXEC), 0);
	EXPECT(!page_entry_writable(entry(s, VA)) && page_entry_executable(entry(s, VA)));
	EXPECT_EQ(nucleus_space_protect(s, 0, USER_END, 0), 0);
	EXPECT(!page_entry_present(entry(s, VA)) && page_entry_used(entry(s, VA)));
	EXPECT_EQ(page_entry_pfn(entry(s, VA)), pfn);
	EXPECT_EQ(mappings(pfn), 1);
	EXPECT_EQ(nucleus_space_protect(s, VA, VA + PAGE_SIZE, READ_WRITE), 0);
	EXPECT(page_entry_writable(entry(s, VA)) && !page_entry_executable(entry(s, VA)));
	/* Where nothing is, nothing is made. */
	EXPECT_EQ(nucleus_space_protect(s, VA + PAGE_SIZE, VA + 2 * PAGE_SIZE, READ_WRITE), 0);
	EXPECT(!page_entry_used(entry(s, VA + PAGE_SIZE)));
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, 1);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
}

/* One page in each of many leaf tables: a call looks through a few of them and says where to go on. */
static void sparse_in_parts(void)
{
	constexpr uint64_t SPAN = 512 * PAGE_SIZE;
	uint32_t s = (uint32_t)nucleus_space_create(), changed = 0, unmapped = 0;
	uint64_t pfn = user_frame(), end = VA + 40 * SPAN;

	for (uint64_t va = VA; va < end; va += SPAN)
		EXPECT_EQ(nucleus_space_map(s, va, pfn, 1, READ_WRITE), 0);
	long next = nucleus_space_protect(s, VA, end, MAP_PROT_READ);

	EXPECT(next > (long)VA && next < (long)end);
	for (uint64_t va = VA; va < end; va += SPAN)
		changed += !page_entry_writable(entry(s, va));
	EXPECT(changed >= 1 && changed < 40);
	for (int calls = 0; next > 0 && calls < 40; calls++) {
		long last = next;

		next = nucleus_space_protect(s, (uint64_t)next, end, MAP_PROT_READ);
		EXPECT(!next || next > last);
	}
	EXPECT_EQ(next, 0);
	for (uint64_t va = VA; va < end; va += SPAN)
		EXPECT(!page_entry_writable(entry(s, va)));
	for (uint64_t va = VA; va < end; va = pte_list()->next) {
		EXPECT_EQ(nucleus_space_unmap(s, va, end), 0);
		EXPECT(pte_list()->count < 40);
		unmapped += (uint32_t)pte_list()->count;
		if (!EXPECT(pte_list()->next > va))
			break;
	}
	EXPECT_EQ(unmapped, 40);
	EXPECT_EQ(mappings(pfn), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
}

static void replace(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame(), b = user_frame();

	EXPECT_EQ(nucleus_space_replace(s, VA, a, MAP_PROT_READ), 0);
	EXPECT_EQ(mappings(a), 1);
	EXPECT_EQ(nucleus_space_replace(s, VA, b, READ_WRITE), a << PAGE_SHIFT | PTE_WAS_PRESENT);
	EXPECT_EQ(mappings(a), 0);
	EXPECT_EQ(mappings(b), 1);
	EXPECT_EQ(page_entry_pfn(entry(s, VA)), b);
	/* By itself: only the protection changes. */
	EXPECT_EQ(nucleus_space_replace(s, VA, b, MAP_PROT_READ), b << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE);
	EXPECT_EQ(mappings(b), 1);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(mappings(b), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(a);
	give_user_frame(b);
}

static void clone_cow(void)
{
	uint32_t s = (uint32_t)nucleus_space_create(), d = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame(), b = user_frame(), c = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + PAGE_SIZE, b, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + 2 * PAGE_SIZE, c, 1, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_protect(s, VA + 2 * PAGE_SIZE, VA + 3 * PAGE_SIZE, 0), 0);
	EXPECT_EQ(nucleus_space_clone(d, s, VA, VA + 8 * PAGE_SIZE, 1), 0);
	EXPECT_EQ(pte_list()->count, 3);
	EXPECT_EQ(pte_list()->next, VA + 8 * PAGE_SIZE);
	EXPECT_EQ(pte_list()->entry[0].bits >> PAGE_SHIFT, a);
	EXPECT(!page_entry_writable(entry(s, VA)) && page_entry_present(entry(s, VA)));
	EXPECT(!page_entry_writable(entry(d, VA)) && page_entry_present(entry(d, VA)));
	EXPECT_EQ(page_entry_pfn(entry(d, VA)), a);
	EXPECT(!page_entry_present(entry(d, VA + 2 * PAGE_SIZE)));
	EXPECT_EQ(mappings(a), 2);
	EXPECT_EQ(mappings(b), 2);
	EXPECT_EQ(mappings(c), 2);
	/* Again: what is there stays and is not counted twice. */
	EXPECT_EQ(nucleus_space_clone(d, s, VA, VA + 8 * PAGE_SIZE, 1), 0);
	EXPECT_EQ(pte_list()->count, 0);
	EXPECT_EQ(mappings(a), 2);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + 8 * PAGE_SIZE), 0);
	EXPECT_EQ(mappings(a), 1);
	EXPECT_EQ(nucleus_space_unmap(d, VA, VA + 8 * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, 3);
	EXPECT_EQ(mappings(a), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	EXPECT_EQ(nucleus_space_destroy(d), 0);
	give_user_frame(a);
	give_user_frame(b);
	give_user_frame(c);
}

static void clone_shared(void)
{
	uint32_t s = (uint32_t)nucleus_space_create(), d = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_clone(s, s, VA, VA + PAGE_SIZE, 0), -EBADF);
	EXPECT_EQ(nucleus_space_clone(d, s, VA, VA + 1, 0), -EINVAL);
	EXPECT_EQ(nucleus_space_clone(d, s, VA, VA + PAGE_SIZE, 0), 0);
	EXPECT(page_entry_writable(entry(s, VA)) && page_entry_writable(entry(d, VA)));
	EXPECT_EQ(mappings(a), 2);
	EXPECT_EQ(nucleus_space_unmap(d, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(mappings(a), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	EXPECT_EQ(nucleus_space_destroy(d), 0);
	give_user_frame(a);
}

static void clone_in_parts(void)
{
	uint32_t s = (uint32_t)nucleus_space_create(), d = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame(), end = VA + CALL_AREA_WORDS * PAGE_SIZE;

	for (unsigned i = 0; i < CALL_AREA_WORDS; i++)
		call_area()[i] = pfn;
	EXPECT_EQ(nucleus_space_map(s, VA, PFN_LIST, CALL_AREA_WORDS, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_clone(d, s, VA, end, 1), 0);
	EXPECT_EQ(pte_list()->count, PTE_LIST_MAX);
	EXPECT_EQ(nucleus_space_clone(d, s, pte_list()->next, end, 1), 0);
	EXPECT_EQ(pte_list()->count, CALL_AREA_WORDS - PTE_LIST_MAX);
	EXPECT_EQ(mappings(pfn), 2 * CALL_AREA_WORDS);
	for (int i = 0; i < 2; i++) {
		uint32_t which = i ? s : d;

		EXPECT_EQ(nucleus_space_unmap(which, VA, end), 0);
		EXPECT_EQ(nucleus_space_unmap(which, VA, end), 0);
		EXPECT_EQ(nucleus_space_destroy(which), 0);
	}
	EXPECT_EQ(mappings(pfn), 0);
	give_user_frame(pfn);
}

static void harvest_untouched(void)
{
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t a = user_frame();

	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE), 0);
	EXPECT_EQ(nucleus_space_harvest(s, VA, VA + 4 * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, 1);
	EXPECT_EQ(pte_list()->next, VA + 4 * PAGE_SIZE);
	EXPECT_EQ(pte_list()->entry[0].bits, a << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE);
	EXPECT_EQ(mappings(a), 1);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(a);
}

/* As if the access had been made already; only what may be written is noted as written. */
static void used_from_the_start(void)
{
	uint64_t a = user_frame(), b = user_frame();
	long s = nucleus_space_create();

	EXPECT_EQ(nucleus_space_map(s, VA, a, 1, READ_WRITE | MAP_USED), 0);
	EXPECT_EQ(nucleus_space_map(s, VA + PAGE_SIZE, b, 1, MAP_PROT_READ | MAP_USED), 0);
	EXPECT_EQ(nucleus_space_harvest(s, VA, VA + 2 * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->count, 2);
	EXPECT_EQ(pte_list()->entry[0].bits,
		  a << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE | PTE_WAS_ACCESSED | PTE_WAS_DIRTY);
	EXPECT_EQ(pte_list()->entry[1].bits, b << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_ACCESSED);
	/* The harvest has cleared it. */
	EXPECT_EQ(nucleus_space_harvest(s, VA, VA + PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->entry[0].bits, a << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE);
	EXPECT_EQ(nucleus_space_replace(s, VA, b, READ_WRITE | MAP_USED),
		  a << PAGE_SHIFT | PTE_WAS_PRESENT | PTE_WAS_WRITABLE);
	EXPECT_EQ(nucleus_space_unmap(s, VA, VA + 2 * PAGE_SIZE), 0);
	EXPECT_EQ(pte_list()->entry[0].bits & PTE_WAS_DIRTY, PTE_WAS_DIRTY);
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(a);
	give_user_frame(b);
}

/* What was done to the original was not done to the copy. */
static void a_copy_is_unused(void)
{
	uint32_t s = (uint32_t)nucleus_space_create(), d = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame();

	for (uint32_t cow = 0; cow < 2; cow++) {
		EXPECT_EQ(nucleus_space_map(s, VA, pfn, 1, READ_WRITE | MAP_USED), 0);
		EXPECT_EQ(nucleus_space_clone(d, s, VA, VA + PAGE_SIZE, cow), 0);
		EXPECT_EQ(pte_list()->entry[0].bits & PTE_WAS_DIRTY, PTE_WAS_DIRTY);
		EXPECT_EQ(nucleus_space_harvest(d, VA, VA + PAGE_SIZE), 0);
		EXPECT_EQ(pte_list()->entry[0].bits & (PTE_WAS_ACCESSED | PTE_WAS_DIRTY), 0);
		EXPECT_EQ(nucleus_space_unmap(d, VA, VA + PAGE_SIZE), 0);
		EXPECT_EQ(nucleus_space_unmap(s, VA, VA + PAGE_SIZE), 0);
		EXPECT_EQ(pte_list()->entry[0].bits & PTE_WAS_DIRTY, PTE_WAS_DIRTY);
	}
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	EXPECT_EQ(nucleus_space_destroy(d), 0);
	give_user_frame(pfn);
}

KTEST_SUITE(ranges, KTEST("unmap lists what was there and counts it off", unmap_lists),
	    KTEST("long ranges are unmapped in parts", unmap_in_parts),
	    KTEST("page tables come with use and go without", tables_come_and_go),
	    KTEST("protect changes what is there and nothing else", protect),
	    KTEST("sparse ranges are changed in parts", sparse_in_parts), KTEST("replace exchanges frames", replace),
	    KTEST("clone copy-on-write makes both sides read-only", clone_cow),
	    KTEST("clone without it shares writable pages", clone_shared),
	    KTEST("long ranges are cloned in parts", clone_in_parts),
	    KTEST("a copy of a used page is unused", a_copy_is_unused),
	    KTEST("harvest of untouched pages finds no bits", harvest_untouched),
	    KTEST("pages mapped as used are noted so", used_from_the_start));
