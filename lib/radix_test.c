/* SPDX-License-Identifier: MIT */
/* Host test of lib/radix.c and lib/bitmap.h: random insertions and removals against a plain array and a sorted scan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <lib/bitmap.h>
#include <lib/radix.h>

enum { INDICES = 600 };

static uint64_t indices[INDICES];
static uint64_t values[INDICES];

static void fill(struct radix *r, struct radix_spares *spares, uint64_t index)
{
	while (spares->count < radix_need(r, index)) {
		struct radix_node *node = calloc(1, sizeof(*node));
		node->next_spare = spares->first;
		spares->first = node;
		spares->count++;
	}
}

static void drain(struct radix_spares *spares)
{
	while (spares->first != NULL) {
		struct radix_node *node = spares->first;
		spares->first = node->next_spare;
		free(node);
	}
	spares->count = 0;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check_order(const struct radix *r)
{
	uint64_t at = 0;

	for (int n = 0; n < INDICES; n++) {
		if (values[n] == 0)
			continue;
		uint64_t *place = radix_next(r, at, &at);
		assert_non_null(place);
		assert_int_equal(at, indices[n]);
		assert_int_equal(*place, values[n]);
		at++;
		if (at == 0)
			return;
	}
	assert_null(radix_next(r, at, &at));
}

static void test_radix(void **state)
{
	struct radix r = {};
	struct radix_spares spares = {};

	(void)state;
	srandom(1);
	for (int n = 0; n < INDICES; n++)
		indices[n] = ((uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^ (uint64_t)random()) >> (n % 64);
	indices[0] = 0;
	indices[1] = UINT64_MAX;
	qsort(indices, INDICES, sizeof(indices[0]), ascending);
	for (int round = 0; round < 20000; round++) {
		int n = (int)(random() % INDICES);
		if (n > 0 && indices[n] == indices[n - 1])
			continue;
		if (random() % 2) {
			unsigned need = radix_need(&r, indices[n]);
			fill(&r, &spares, indices[n]);
			unsigned before = spares.count;
			uint64_t *place = radix_place(&r, indices[n], &spares);
			assert_true(before - spares.count <= need);
			assert_int_equal(*place, values[n]);
			*place = values[n] = (uint64_t)round + 1;
		} else {
			assert_int_equal(radix_remove(&r, indices[n], &spares), values[n]);
			values[n] = 0;
			for (unsigned slot = 0; spares.first != NULL && slot < RADIX_SLOTS; slot++)
				assert_int_equal(spares.first->slot[slot], 0);
			drain(&spares);
		}
		uint64_t *found = radix_find(&r, indices[n]);
		assert_int_equal(found != NULL ? *found : 0, values[n]);
		if (round % 500 == 0)
			check_order(&r);
	}
	for (int n = 0; n < INDICES; n++)
		radix_remove(&r, indices[n], &spares);
	assert_int_equal(r.levels, 0);
	drain(&spares);
}

static void test_bitmap(void **state)
{
	uint64_t map[4] = {};

	(void)state;
	assert_int_equal(bitmap_find_clear(map, 200, 0), 0);
	assert_int_equal(bitmap_find_set(map, 200, 0), 200);
	for (size_t n = 0; n < 130; n++)
		bitmap_set(map, n);
	assert_int_equal(bitmap_find_clear(map, 200, 0), 130);
	assert_int_equal(bitmap_find_clear(map, 130, 0), 130);
	bitmap_clear(map, 64);
	assert_int_equal(bitmap_find_clear(map, 200, 0), 64);
	assert_int_equal(bitmap_find_clear(map, 200, 65), 130);
	assert_int_equal(bitmap_find_set(map, 200, 64), 65);
	assert_int_equal(bitmap_find_set(map, 200, 130), 200);
	assert_int_equal(bitmap_find_clear(map, 200, 200), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_radix),
		cmocka_unit_test(test_bitmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
