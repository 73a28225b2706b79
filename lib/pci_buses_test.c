/* SPDX-License-Identifier: MIT */
/* Host test of numbers for buses. */
#include <lib/pci_buses.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void ranges_are_taken_once(void **)
{
	struct pci_buses b = {};

	assert_true(pci_buses_take(&b, 1, 3));
	assert_false(pci_buses_take(&b, 3, 4));
	assert_false(pci_buses_take(&b, 5, 4));
	assert_false(pci_buses_take(&b, 250, 256));
	assert_true(pci_buses_taken(&b, 1) && pci_buses_taken(&b, 3));
	assert_false(pci_buses_taken(&b, 0) || pci_buses_taken(&b, 4) || pci_buses_taken(&b, 255));
	/* Nothing was taken by those. */
	assert_true(pci_buses_take(&b, 4, 5));
	assert_true(pci_buses_take(&b, 60, 255));
	assert_false(pci_buses_take(&b, 64, 64));
}

static void the_longest_free_range(void **)
{
	struct pci_buses b = {};
	unsigned first, end;

	assert_true(pci_buses_free(&b, 0, 255, &first, &end));
	assert_int_equal(first, 1);
	assert_int_equal(end, 255);
	assert_true(pci_buses_take(&b, 1, 1));
	assert_true(pci_buses_take(&b, 4, 9));
	assert_true(pci_buses_free(&b, 0, 12, &first, &end));
	assert_int_equal(first, 10);
	assert_int_equal(end, 12);
	/* The first of two that are as long. */
	assert_true(pci_buses_free(&b, 0, 11, &first, &end));
	assert_int_equal(first, 2);
	assert_int_equal(end, 3);
	assert_false(pci_buses_free(&b, 3, 9, &first, &end));
	assert_false(pci_buses_free(&b, 255, 255, &first, &end));
	assert_false(pci_buses_free(&b, 9, 9, &first, &end));
}

static void shares(void **)
{
	struct pci_buses b = {};
	unsigned first = 1, end = 10;
	uint8_t secondary, subordinate;

	for (unsigned n = 0, last = 0; n < 3; n++) {
		assert_true(pci_buses_share(&b, &first, end, 3 - n, &secondary, &subordinate));
		assert_int_equal(secondary, last + 1);
		last = subordinate;
	}
	assert_int_equal(subordinate, 10);
	assert_false(pci_buses_share(&b, &first, end, 1, &secondary, &subordinate));
}

/* More bridges than numbers: the first ones get one each. */
static void too_few(void **)
{
	struct pci_buses b = {};
	unsigned first = 254, end = 255;
	uint8_t secondary, subordinate;

	for (unsigned n = 0; n < 2; n++) {
		assert_true(pci_buses_share(&b, &first, end, 5 - n, &secondary, &subordinate));
		assert_int_equal(secondary, 254 + n);
		assert_int_equal(subordinate, 254 + n);
	}
	assert_false(pci_buses_share(&b, &first, end, 3, &secondary, &subordinate));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_taken_once),
		cmocka_unit_test(the_longest_free_range),
		cmocka_unit_test(shares),
		cmocka_unit_test(too_few),
	};

	return cmocka_run_group_tests_name("pci_buses", tests, nullptr, nullptr);
}
