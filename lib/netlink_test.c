/* SPDX-License-Identifier: MIT */
/* Host test of lib/netlink.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/netlink.h>

static const struct nlmsghdr header = {.type = 18, .flags = 0x301, .sequence = 7, .port = 9};

static void what_is_written_is_read(void **)
{
	uint8_t bytes[256], fixed[6] = {1, 2, 3, 4, 5, 6};
	struct netlink_writer w = {.bytes = bytes, .room = sizeof(bytes)};
	struct netlink_attribute table[8];
	struct netlink_message m;
	uint32_t number = 0;
	size_t at = 0;

	size_t first = netlink_begin(&w, &header, fixed, sizeof(fixed));
	netlink_put_string(&w, 3, "eth0");
	netlink_put_u32(&w, 4, 1500);
	netlink_put_u8(&w, 5, 6);
	netlink_put(&w, 100, fixed, 3);	       /* beyond the table */
	netlink_put_u32(&w, 4 | 0x8000, 1400); /* the last one holds, whatever its flags */
	assert_true(netlink_end(&w, first));
	size_t second = netlink_begin(&w, &header, nullptr, 0);
	assert_true(netlink_end(&w, second));

	assert_true(netlink_next(bytes, w.used, &at, &m));
	assert_int_equal(m.header.length, second - first);
	assert_int_equal(m.header.type, 18);
	assert_int_equal(m.header.sequence, 7);
	assert_memory_equal(m.payload, fixed, sizeof(fixed));
	assert_true(netlink_attributes(m.payload + 8, m.length - 8, table, 8));
	assert_int_equal(table[3].length, 5);
	assert_string_equal((const char *)table[3].data, "eth0");
	assert_true(netlink_u32(&table[4], &number));
	assert_int_equal(number, 1400);
	assert_int_equal(table[5].data[0], 6);
	assert_null(table[0].data);
	assert_false(netlink_u32(&table[5], &number));
	assert_true(netlink_u32(&table[6], &number));
	assert_int_equal(number, 1400);
	assert_true(netlink_next(bytes, w.used, &at, &m));
	assert_int_equal(m.length, 0);
	assert_false(netlink_next(bytes, w.used, &at, &m));
}

/* A message of that length in a buffer of n bytes of its own. */
static bool reads(size_t n, uint32_t length, size_t *at)
{
	uint8_t *bytes = calloc(1, n ? n : 1);
	struct netlink_message m;

	memcpy(bytes, &length, n < sizeof(length) ? n : sizeof(length));
	bool result = netlink_next(bytes, n, at, &m);
	free(bytes);
	return result;
}

static void what_is_no_message(void **)
{
	size_t at = 0;

	assert_false(reads(0, 16, &at));
	assert_false(reads(15, 16, &at));
	assert_false(reads(16, 15, &at));
	assert_false(reads(16, 17, &at));
	assert_false(reads(64, UINT32_MAX, &at));
	assert_int_equal(at, 0);
	/* The last one need not be filled up. */
	assert_true(reads(17, 17, &at));
	assert_int_equal(at, 17);
	assert_false(reads(17, 17, &at));
	at = SIZE_MAX;
	assert_false(reads(17, 17, &at));
}

static bool parses(const uint8_t *bytes, size_t n)
{
	struct netlink_attribute table[4];
	uint8_t *own = malloc(n ? n : 1);

	memcpy(own, bytes, n);
	bool result = netlink_attributes(own, n, table, 4);
	free(own);
	return result;
}

static void what_is_no_attribute(void **)
{
	assert_true(parses((const uint8_t[]){5, 0, 1, 0, 9}, 5));
	assert_true(parses((const uint8_t[]){4, 0, 1, 0, 9}, 5)); /* a byte is left */
	assert_true(parses((const uint8_t[]){0}, 0));
	assert_false(parses((const uint8_t[]){3, 0, 1, 0, 9}, 5));
	assert_false(parses((const uint8_t[]){6, 0, 1, 0, 9}, 5));
	assert_false(parses((const uint8_t[]){0, 0, 1, 0, 9}, 5));
	assert_false(parses((const uint8_t[]){5, 0, 1, 0, 9, 0, 0, 0, 8, 0, 1, 0}, 12));
}

static void what_does_not_fit_is_not_written(void **)
{
	for (size_t room = 0; room < 40; room++) {
		uint8_t *bytes = malloc(room ? room : 1);
		struct netlink_writer w = {.bytes = bytes, .room = room};

		size_t begin = netlink_begin(&w, &header, nullptr, 8);
		netlink_put(&w, 1, "12345", 5);
		bool fits = netlink_end(&w, begin);
		assert_int_equal(fits, room >= 36);
		assert_int_equal(w.used, fits ? 36 : 0);
		begin = netlink_begin(&w, &header, nullptr, 0);
		assert_int_equal(netlink_end(&w, begin), !fits && room >= 16);
		free(bytes);
	}
}

static void an_attribute_has_16_bits_of_length(void **)
{
	static uint8_t bytes[1 << 18], data[1 << 17];
	struct netlink_writer w = {.bytes = bytes, .room = sizeof(bytes)};

	size_t begin = netlink_begin(&w, &header, nullptr, 0);
	netlink_put(&w, 1, data, UINT16_MAX - 4);
	assert_true(netlink_end(&w, begin));
	begin = netlink_begin(&w, &header, nullptr, 0);
	netlink_put(&w, 1, data, UINT16_MAX - 3);
	assert_false(netlink_end(&w, begin));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_no_message),
		cmocka_unit_test(what_is_no_attribute),
		cmocka_unit_test(what_does_not_fit_is_not_written),
		cmocka_unit_test(an_attribute_has_16_bits_of_length),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
