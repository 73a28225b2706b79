/* SPDX-License-Identifier: MIT */
/* Host test of the pairing heap: random insertions and removals against a plain array. */
#include <lib/pairing_heap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { NODES = 300, STEPS = 20000 };

static uint64_t smallest(const struct heap_node *nodes, const bool *in)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < NODES; i++)
		if (in[i] && nodes[i].key < best)
			best = nodes[i].key;
	return best;
}

static void random_operations(void **state)
{
	static struct heap_node nodes[NODES];
	static bool in[NODES];
	struct heap h = {};
	uint32_t x = 12345;
	int count = 0;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		x = x * 1664525 + 1013904223;
		int i = (x >> 8) % NODES;

		if (!in[i]) {
			nodes[i].key = (x >> 4) % 1000;
			heap_insert(&h, &nodes[i]);
			in[i] = true;
			count++;
		} else {
			if (x & 0x80) {
				assert_non_null(heap_first(&h));
				i = (int)(heap_first(&h) - nodes);
			}
			heap_remove(&h, &nodes[i]);
			in[i] = false;
			count--;
		}
		if (count)
			assert_int_equal(heap_first(&h)->key, smallest(nodes, in));
		else
			assert_null(heap_first(&h));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations)};

	return cmocka_run_group_tests_name("pairing_heap", tests, nullptr, nullptr);
}
