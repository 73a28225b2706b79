/* SPDX-License-Identifier: MIT */
/* Host test of lib/buddy: every page is owned by at most one run, runs are aligned, everything
 * merges back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/buddy.h>

#define PAGES (4 * BUDDY_BLOCK)
static _Alignas(16) char entries[PAGES * BUDDY_STRIDE];
static unsigned char owner[PAGES];
static struct buddy b;

static void start(void)
{
	memset(entries, 0, sizeof(entries));
	memset(owner, 0, sizeof(owner));
	buddy_init(&b, entries, 2);
}

static void test_whole_block(void **state)
{
	(void)state;
	start();
	assert_true(buddy_alloc(&b, 0) == BUDDY_NONE);
	assert_int_equal(buddy_largest(&b), -1);
	buddy_add(&b, 512, 512);
	assert_int_equal(b.free_pages, 512);
	assert_int_equal(buddy_largest(&b), 9);
	assert_int_equal(buddy_alloc(&b, 9), 512);
	assert_true(buddy_alloc(&b, 0) == BUDDY_NONE);
	assert_int_equal(buddy_free(&b, 512, 9), 9);
	assert_true(buddy_alloc(&b, 10) == BUDDY_NONE);
}

static void test_ragged_range(void **state)
{
	(void)state;
	start();
	buddy_add(&b, 3, 1000);
	assert_int_equal(b.free_pages, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t at = buddy_alloc(&b, 0);

		assert_in_range(at, 3, 1002);
		assert_int_equal(owner[at]++, 0);
	}
	assert_true(buddy_alloc(&b, 0) == BUDDY_NONE);
}

static void test_pools_do_not_merge(void **state)
{
	static struct buddy other;

	(void)state;
	start();
	buddy_init(&other, entries, 4);
	buddy_add(&b, 0, 1);
	buddy_add(&other, 1, 1);
	assert_int_equal(buddy_largest(&b), 0);
	assert_int_equal(buddy_largest(&other), 0);
	assert_int_equal(buddy_alloc(&b, 0), 0);
	assert_int_equal(buddy_alloc(&other, 0), 1);
}

struct run {
	uint64_t at;
	unsigned order;
};

static void test_random(void **state)
{
	static struct run runs[PAGES];
	unsigned live = 0;

	(void)state;
	start();
	buddy_add(&b, 0, PAGES);
	srand(7);
	for (unsigned step = 0; step < 200000; step++) {
		if (rand() % 2 || !live) {
			unsigned order = (unsigned)rand() % 5;
			uint64_t at = buddy_alloc(&b, order);

			if (at == BUDDY_NONE)
				continue;
			assert_int_equal(at & ((1u << order) - 1), 0);
			for (unsigned i = 0; i < 1u << order; i++)
				assert_int_equal(owner[at + i]++, 0);
			runs[live++] = (struct run){at, order};
		} else {
			unsigned pick = (unsigned)rand() % live;
			struct run r = runs[pick];

			for (unsigned i = 0; i < 1u << r.order; i++)
				owner[r.at + i] = 0;
			buddy_free(&b, r.at, r.order);
			runs[pick] = runs[--live];
		}
	}
	while (live--)
		buddy_free(&b, runs[live].at, runs[live].order);
	assert_int_equal(b.free_pages, PAGES);
	assert_int_equal(b.nonempty, 1u << 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_block),
		cmocka_unit_test(test_ragged_range),
		cmocka_unit_test(test_pools_do_not_merge),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
