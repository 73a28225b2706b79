/* SPDX-License-Identifier: MIT */
/* Host test of lib/range_tree against a plain bitmap of 4096 places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/range_tree.h>

#define SPAN 4096
#define LOW  16
static struct range_tree tree;
static struct range_node *where[SPAN]; /* which range covers a place */

static int check_node(const struct range_node *n)
{
	if (!n)
		return 0;
	int l = check_node(n->left), r = check_node(n->right);

	assert_true(abs(l - r) <= 1);
	if (n->left)
		assert_ptr_equal(n->left->parent, n);
	if (n->right)
		assert_ptr_equal(n->right->parent, n);
	uint64_t gap = n->gap;
	if (n->left && n->left->max_gap > gap)
		gap = n->left->max_gap;
	if (n->right && n->right->max_gap > gap)
		gap = n->right->max_gap;
	assert_int_equal(gap, n->max_gap);
	return 1 + (l > r ? l : r);
}

static void check_all(void)
{
	uint64_t end = LOW;

	check_node(tree.root);
	for (struct range_node *n = range_first(&tree); n; n = range_next(&tree, n)) {
		assert_true(n->start >= end);
		assert_int_equal(n->gap, n->start - end);
		end = n->end;
	}
}

static void put(struct range_node *n)
{
	for (uint64_t i = n->start; i < n->end; i++)
		where[i] = n;
}

static void wipe(struct range_node *n)
{
	for (uint64_t i = n->start; i < n->end; i++)
		where[i] = nullptr;
}

static bool slow_gap(uint64_t length, uint64_t low, uint64_t high, uint64_t *start)
{
	if (low < LOW)
		low = LOW;
	for (uint64_t at = high; at >= low + length; at--) {
		uint64_t i = 0;

		while (i < length && !where[at - length + i])
			i++;
		if (i == length) {
			*start = at - length;
			return true;
		}
	}
	return false;
}

static void try_insert(void)
{
	uint64_t start = LOW + (uint64_t)rand() % (SPAN - LOW - 32), end = start + 1 + (uint64_t)rand() % 30;

	for (uint64_t i = start; i < end; i++)
		if (where[i])
			return;
	struct range_node *n = calloc(1, sizeof(*n));
	n->start = start;
	n->end = end;
	range_insert(&tree, n);
	put(n);
}

static void try_change(void)
{
	struct range_node *n = where[LOW + (uint64_t)rand() % (SPAN - LOW)];

	if (!n)
		return;
	wipe(n);
	if (rand() % 3) {
		range_remove(&tree, n);
		free(n);
		return;
	}
	uint64_t start = n->start, end = n->end;
	if (rand() % 2 && end - start > 1)
		start++;
	else if (start > LOW && !where[start - 1])
		start--;
	if (end < SPAN && !where[end])
		end++;
	range_resize(&tree, n, start, end);
	put(n);
}

static void test_random(void **state)
{
	(void)state;
	srand(3);
	range_tree_init(&tree, LOW);
	for (unsigned step = 0; step < 60000; step++) {
		if (rand() % 5 < 3)
			try_insert();
		else
			try_change();
		if (step % 16)
			continue;
		check_all();
		uint64_t at = (uint64_t)rand() % SPAN, want = at, got = 0, expect = 0;
		struct range_node *n = range_find(&tree, at);
		while (want < SPAN && !where[want])
			want++;
		assert_ptr_equal(n, want < SPAN ? where[want] : nullptr);
		uint64_t length = 1 + (uint64_t)rand() % 40, low = (uint64_t)rand() % SPAN;
		uint64_t high = low + (uint64_t)rand() % (SPAN - low);
		bool found = range_find_gap(&tree, length, low, high, &got);
		assert_int_equal(found, slow_gap(length, low, high, &expect));
		if (found)
			assert_int_equal(got, expect);
	}
	for (struct range_node *n; (n = range_first(&tree));) {
		range_remove(&tree, n);
		free(n);
	}
	assert_null(tree.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
