/* SPDX-License-Identifier: MIT */
/* Host test of lib/kept_ranges.c: what was kept is kept, however much there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lib/kept_ranges.h>

enum : uint64_t { STEP = 0x10000, BYTES = 0x1000 };

static struct kept_ranges kept;

static void fill(void)
{
	kept = (struct kept_ranges){};
	for (uint64_t i = 0; i < KEPT_RANGES_MAX; i++)
		assert_null(kept_ranges_add(&kept, i * STEP, i * STEP + BYTES));
}

static void what_is_kept_and_what_not(void **)
{
	fill();
	assert_true(kept_ranges_overlap(&kept, 0, 1));
	assert_true(kept_ranges_overlap(&kept, BYTES - 1, BYTES));
	assert_false(kept_ranges_overlap(&kept, BYTES, STEP));
	assert_true(kept_ranges_overlap(&kept, BYTES, STEP + 1));
	assert_true(kept_ranges_overlap(&kept, 0, UINT64_MAX));
	assert_false(kept_ranges_overlap(&kept, KEPT_RANGES_MAX * STEP, UINT64_MAX));
}

/* As on a machine whose firmware has as many: the registers that are told of last are kept all the same. */
static void what_there_is_no_room_for_is_kept(void **)
{
	constexpr uint64_t late = KEPT_RANGES_MAX * STEP, far = 1ull << 40;

	fill();
	const struct kept_range *grown = kept_ranges_add(&kept, late, late + BYTES);

	assert_non_null(grown);
	assert_int_equal(grown->start, late - STEP);
	assert_int_equal(grown->end, late + BYTES);
	assert_true(kept_ranges_overlap(&kept, late, late + 1));
	assert_true(kept_ranges_overlap(&kept, late + BYTES - 1, late + BYTES));
	assert_non_null(kept_ranges_add(&kept, far, UINT64_MAX));
	assert_true(kept_ranges_overlap(&kept, UINT64_MAX - 1, UINT64_MAX));
	for (uint64_t i = 0; i <= KEPT_RANGES_MAX; i++)
		assert_true(kept_ranges_overlap(&kept, i * STEP, i * STEP + 1));
}

/* The nearest one grows, on either side, and the rest stay as they were. */
static void the_nearest_grows(void **)
{
	fill();
	assert_non_null(kept_ranges_add(&kept, 7 * STEP - 2 * BYTES, 7 * STEP - BYTES));
	assert_true(kept_ranges_overlap(&kept, 7 * STEP - 2 * BYTES, 7 * STEP));
	assert_false(kept_ranges_overlap(&kept, 6 * STEP + BYTES, 7 * STEP - 2 * BYTES));
	assert_non_null(kept_ranges_add(&kept, 3 * STEP + BYTES, 3 * STEP + BYTES + 1));
	assert_false(kept_ranges_overlap(&kept, 3 * STEP + BYTES + 1, 4 * STEP));
}

/* What is kept already needs no room. */
static void the_same_twice(void **)
{
	fill();
	assert_null(kept_ranges_add(&kept, 9 * STEP, 9 * STEP + BYTES));
	assert_null(kept_ranges_add(&kept, 9 * STEP + 1, 9 * STEP + 2));
	assert_false(kept_ranges_overlap(&kept, 9 * STEP + BYTES, 10 * STEP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_and_what_not),
		cmocka_unit_test(what_there_is_no_room_for_is_kept),
		cmocka_unit_test(the_nearest_grows),
		cmocka_unit_test(the_same_twice),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
