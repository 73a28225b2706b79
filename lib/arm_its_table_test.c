/* SPDX-License-Identifier: MIT */
/* Host test of the layout of translation services' tables. */
#include <lib/arm_its_table.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum : uint64_t { KIB = 1024, MIB = 1024 * KIB };

static struct arm_its_table t;

static bool plan(uint64_t entries, uint64_t entry_bytes, uint64_t page, bool levels)
{
	return arm_its_table_plan(entries, entry_bytes, page, levels, 2 * MIB, &t);
}

static void flat(void **)
{
	assert_true(plan(1, 8, 64 * KIB, false));
	assert_int_equal(t.bytes, 64 * KIB);
	assert_int_equal(t.per_page, 0);
	assert_true(plan(0x2000, 8, 64 * KIB, false));
	assert_int_equal(t.bytes, 64 * KIB);
	assert_true(plan(0x2001, 8, 64 * KIB, false));
	assert_int_equal(t.bytes, 128 * KIB);
	assert_true(plan(0x10000, 32, 64 * KIB, false));
	assert_int_equal(t.bytes, 2 * MIB);
	/* Larger than may be, and more pages than can be said. */
	assert_false(plan(0x10001, 32, 64 * KIB, false));
	assert_false(plan(1ull << 32, 32, 64 * KIB, false));
	assert_true(plan(0x20000, 8, 4 * KIB, false));
	assert_false(plan(0x20001, 8, 4 * KIB, false));
}

static void two_levels(void **)
{
	/* In one page that of two has no use. */
	assert_true(plan(0x2000, 8, 64 * KIB, true));
	assert_int_equal(t.per_page, 0);
	assert_true(plan(0x2001, 8, 64 * KIB, true));
	assert_int_equal(t.per_page, 0x2000);
	assert_int_equal(t.bytes, 64 * KIB);
	/* What is too much for a flat one. */
	assert_true(plan(1ull << 24, 8, 64 * KIB, true));
	assert_int_equal(t.bytes, 64 * KIB);
	assert_true(plan(1ull << 31, 8, 64 * KIB, true));
	assert_int_equal(t.bytes, 2 * MIB);
	assert_false(plan((1ull << 31) + 1, 8, 64 * KIB, true));
	/* Entries that do not fill a page. */
	assert_true(plan(0x10000, 24, 4 * KIB, true));
	assert_int_equal(t.per_page, 170);
	assert_int_equal(t.bytes, 4 * KIB);
	assert_true(plan(170 * 512, 24, 4 * KIB, true));
	assert_int_equal(t.bytes, 4 * KIB);
	assert_true(plan(170 * 512 + 1, 24, 4 * KIB, true));
	assert_int_equal(t.bytes, 8 * KIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(flat), cmocka_unit_test(two_levels)};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
