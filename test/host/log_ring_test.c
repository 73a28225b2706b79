/* SPDX-License-Identifier: MIT */
/* Host test of the log's ring: order, wrapping, overwriting, cursors that fall behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <kernel/base/log_ring.c>

static unsigned char store[256];

static struct log_ring fresh(void)
{
	return (struct log_ring){.data = store, .size = sizeof(store)};
}

static void put(struct log_ring *r, unsigned number)
{
	char text[32];
	int n = sprintf(text, "record %u%.*s", number, (int)(number % 7), "xxxxxxx");

	log_ring_put(r, (uint8_t)(number % 8), number * 10, text, (size_t)n);
}

static void expect(const struct log_record *record, const char *text)
{
	unsigned number = 0;
	char copy[64] = {};

	memcpy(copy, text, record->length);
	assert_int_equal(sscanf(copy, "record %u", &number), 1);
	assert_int_equal(number, record->seq);
	assert_int_equal(record->ns, number * 10);
	assert_int_equal(record->level, number % 8);
}

static void test_order(void **)
{
	struct log_ring r = fresh();
	struct log_cursor c = {};
	struct log_record record;
	char text[64];

	assert_false(log_ring_get(&r, &c, &record, text, sizeof(text)));
	for (unsigned i = 0; i < 1000; i++) {
		put(&r, i);
		assert_true(log_ring_get(&r, &c, &record, text, sizeof(text)));
		assert_int_equal(record.lost, 0);
		expect(&record, text);
		assert_false(log_ring_get(&r, &c, &record, text, sizeof(text)));
	}
}

static void test_overwrite(void **)
{
	struct log_ring r = fresh();
	struct log_cursor c = {};
	struct log_record record;
	char text[64];

	for (unsigned i = 0; i < 100; i++)
		put(&r, i);
	assert_true(log_ring_get(&r, &c, &record, text, sizeof(text)));
	assert_int_equal(record.lost, r.tail_seq);
	assert_true(record.lost > 80 && record.lost < 100);
	unsigned count = 1;
	expect(&record, text);
	while (log_ring_get(&r, &c, &record, text, sizeof(text))) {
		assert_int_equal(record.lost, 0);
		expect(&record, text);
		count++;
	}
	assert_int_equal(count, 100 - r.tail_seq);
	c = log_ring_newest(&r);
	assert_false(log_ring_get(&r, &c, &record, text, sizeof(text)));
}

static void test_cut(void **)
{
	struct log_ring r = fresh();
	struct log_cursor c = {};
	struct log_record record;
	char text[256], big[300];

	memset(big, 'a', sizeof(big));
	log_ring_put(&r, 1, 2, big, sizeof(big));
	assert_true(log_ring_get(&r, &c, &record, text, sizeof(text)));
	assert_int_equal(record.length, sizeof(store) / 4);
	log_ring_put(&r, 1, 2, big, 20);
	assert_true(log_ring_get(&r, &c, &record, text, 5));
	assert_int_equal(record.length, 5);
	assert_false(log_ring_get(&r, &c, &record, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_overwrite),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
