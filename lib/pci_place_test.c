/* SPDX-License-Identifier: MIT */
/* Host test of places for BARs. */
#include <lib/pci_place.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum : uint32_t { FIRST = 0x100, SECOND = 0x108 };

static struct pci_placed table[4];
static struct pci_places places;

static int set_up(void **state)
{
	(void)state;
	places = (struct pci_places){.at = table, .max = 4};
	return 0;
}

static uint64_t hole(uint64_t base, uint64_t limit, uint64_t size)
{
	return pci_places_hole(&places, (struct pci_window){.base = base, .limit = limit}, true, size, size);
}

static void holes(void **state)
{
	(void)state;
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x1000), 0xfe000000);
	pci_places_note(&places, FIRST, 0, 0xfe000000, 0x100);
	/* Not in what is left of a page, and aligned. */
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x100), 0xfe001000);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x4000), 0xfe004000);
	assert_int_equal(hole(0xfe000010, 0xfe1fffff, 0x1000), 0xfe001000);
	pci_places_note(&places, FIRST, 2, 0xfe002000, 0x1000);
	pci_places_note(&places, SECOND, 0, 0xfe003000, 0x5000);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x2000), 0xfe008000);
	/* Windows: full, too small, closed, at the end of all addresses. */
	assert_int_equal(hole(0xfe002000, 0xfe007fff, 0x1000), 0);
	assert_int_equal(hole(0xfe100000, 0xfe100ffe, 0x1000), 0);
	assert_int_equal(hole(0xfe100000, 0xfe0fffff, 0x1000), 0);
	assert_int_equal(hole(UINT64_MAX - 0xfff, UINT64_MAX, 0x2000), 0);
	assert_int_equal(hole(0, UINT64_MAX, 1ull << 62), 1ull << 62);
}

static void shared_pages(void **state)
{
	(void)state;
	pci_places_note(&places, FIRST, 0, 0xfe000000, 0x100);
	pci_places_note(&places, FIRST, 1, 0xfe000100, 0x100);
	/* A function's own. */
	assert_false(pci_places_shared(&places, FIRST, 0xfe000000, 0x100));
	pci_places_note(&places, SECOND, 0, 0xfe000200, 0x100);
	assert_true(pci_places_shared(&places, FIRST, 0xfe000000, 0x100));
	assert_true(pci_places_shared(&places, SECOND, 0xfe000200, 0x100));
	assert_false(pci_places_shared(&places, SECOND, 0xfe001000, 0x100));
	/* Who moved is in the way no more. */
	pci_places_note(&places, SECOND, 0, 0xfe001000, 0x100);
	assert_false(pci_places_shared(&places, FIRST, 0xfe000000, 0x100));
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x100), 0xfe002000);
}

static void too_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		pci_places_note(&places, FIRST, i, 0xfe000000 + 0x1000 * i, 0x1000);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x1000), 0xfe004000);
	pci_places_note(&places, FIRST, 3, 0xfe004000, 0x1000);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x1000), 0xfe003000);
	pci_places_note(&places, SECOND, 0, 0xfe010000, 0x1000);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x1000), 0);
}

static void bridges(void **state)
{
	struct pci_window all = {.base = 0xfe000000, .limit = 0xfe3fffff},
			  window = {.base = 0xfe000000, .limit = 0xfe0fffff};

	(void)state;
	pci_places_note(&places, FIRST, PCI_PLACE_WINDOW, window.base, 0x100000);
	/* Nothing else of its bus goes where it passes on, but what is behind it does; even if it passes on all. */
	assert_int_equal(pci_places_hole(&places, all, false, 0x1000, 0x1000), 0xfe100000);
	assert_int_equal(pci_places_hole(&places, window, false, 0x1000, 0x1000), 0);
	assert_int_equal(pci_places_hole(&places, window, true, 0x1000, 0x1000), 0xfe000000);
	assert_false(pci_places_shared(&places, SECOND, 0xfe000000, 0x1000));
	pci_places_note(&places, SECOND, 0, 0xfe000000, 0x1000);
	assert_int_equal(pci_places_hole(&places, window, true, 0x1000, 0x1000), 0xfe001000);
	/* One behind another: its window is in the way on the bus between, and not of what is behind it. */
	pci_places_note(&places, SECOND, PCI_PLACE_WINDOW, 0xfe040000, 0x40000);
	assert_int_equal(pci_places_hole(&places, window, true, 0x80000, 0x80000), 0xfe080000);
	assert_int_equal(pci_places_hole(&places, (struct pci_window){.base = 0xfe040000, .limit = 0xfe07ffff}, true,
					 0x1000, 0x1000),
			 0xfe040000);
}

/* The smallest that is large enough, so that there is room for what is larger. */
static void best(void **state)
{
	(void)state;
	pci_places_note(&places, FIRST, 0, 0xfe000000, 0x1000);
	pci_places_note(&places, FIRST, 1, 0xfe005000, 0x1000);
	pci_places_note(&places, FIRST, 2, 0xfe008000, 0x1000);
	assert_int_equal(hole(0xfe000000, 0xfe00bfff, 0x1000), 0xfe006000);
	assert_int_equal(hole(0xfe000000, 0xfe00afff, 0x1000), 0xfe006000);
	assert_int_equal(hole(0xfe000000, 0xfe009fff, 0x1000), 0xfe009000);
	assert_int_equal(pci_places_hole(&places, (struct pci_window){.base = 0xfe000000, .limit = 0xfe00bfff}, true,
					 0x3000, 0x1000),
			 0xfe009000);
	assert_int_equal(pci_places_hole(&places, (struct pci_window){.base = 0xfe000000, .limit = 0xfe00bfff}, true,
					 0x4000, 0x1000),
			 0xfe001000);
	assert_int_equal(pci_places_hole(&places, (struct pci_window){.base = 0xfe000000, .limit = 0xfe00bfff}, true,
					 0x5000, 0x1000),
			 0);
}

static void forgotten(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		pci_places_note(&places, FIRST + i, 0, 0xfe000000 + 0x1000 * i, 0x1000);
	assert_int_equal(pci_places_span(&places, 0, UINT32_MAX, UINT64_MAX).base, 0xfe000000);
	assert_int_equal(pci_places_span(&places, 0, UINT32_MAX, UINT64_MAX).limit, 0xfe003fff);
	assert_int_equal(pci_places_span(&places, 0, UINT32_MAX, 0xfe003000).limit, 0xfe002fff);
	/* Of some. */
	assert_int_equal(pci_places_span(&places, FIRST + 1, FIRST + 2, UINT64_MAX).base, 0xfe001000);
	assert_int_equal(pci_places_span(&places, FIRST + 1, FIRST + 2, UINT64_MAX).limit, 0xfe002fff);
	pci_places_forget(&places, FIRST + 1, FIRST + 2);
	assert_int_equal(places.count, 2);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x2000), 0xfe004000);
	assert_int_equal(hole(0xfe000000, 0xfe1fffff, 0x1000), 0xfe001000);
	assert_true(pci_places_shared(&places, SECOND, 0xfe003000, 0x1000));
	pci_places_forget(&places, 0, UINT32_MAX);
	assert_true(pci_places_span(&places, 0, UINT32_MAX, UINT64_MAX).base >
		    pci_places_span(&places, 0, UINT32_MAX, UINT64_MAX).limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(holes, set_up),	  cmocka_unit_test_setup(shared_pages, set_up),
		cmocka_unit_test_setup(too_many, set_up), cmocka_unit_test_setup(bridges, set_up),
		cmocka_unit_test_setup(best, set_up),	  cmocka_unit_test_setup(forgotten, set_up),
	};

	return cmocka_run_group_tests_name("pci_place", tests, nullptr, nullptr);
}
