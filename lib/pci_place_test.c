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
	return pci_places_hole(&places, (struct pci_window){.base = base, .limit = limit}, size);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(holes, set_up),
		cmocka_unit_test_setup(shared_pages, set_up),
		cmocka_unit_test_setup(too_many, set_up),
	};

	return cmocka_run_group_tests_name("pci_place", tests, nullptr, nullptr);
}
