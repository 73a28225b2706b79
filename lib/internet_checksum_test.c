/* SPDX-License-Identifier: MIT */
/* Host test of lib/internet_checksum.c: the example of RFC 1071, and bytes cut into pieces in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/internet_checksum.h>

static uint16_t whole(const unsigned char *bytes, size_t n)
{
	struct internet_sum s = {};

	internet_sum_add(&s, bytes, n);
	return internet_sum_checksum(&s);
}

/* RFC 1071, 3: the words sum to ddf2, so the checksum is 220d. */
static void example(void **)
{
	static const unsigned char bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	static const unsigned char expected[] = {0x22, 0x0d};
	uint16_t checksum = whole(bytes, sizeof(bytes));

	assert_memory_equal(&checksum, expected, sizeof(expected));
}

/* With its checksum in place a packet sums to all ones. */
static void verifies(void **)
{
	unsigned char bytes[40];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	bytes[10] = bytes[11] = 0;
	uint16_t checksum = whole(bytes, sizeof(bytes));
	memcpy(&bytes[10], &checksum, sizeof(checksum));
	assert_int_equal(whole(bytes, sizeof(bytes)), UINT16_MAX);
	bytes[3] ^= 4;
	assert_int_not_equal(whole(bytes, sizeof(bytes)), UINT16_MAX);
}

static void in_pieces(void **)
{
	unsigned char bytes[23];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(255 - i * 5);
	uint16_t expected = whole(bytes, sizeof(bytes));
	for (size_t a = 0; a <= sizeof(bytes); a++) {
		for (size_t b = a; b <= sizeof(bytes); b++) {
			struct internet_sum s = {};

			internet_sum_add(&s, bytes, a);
			internet_sum_add(&s, bytes + a, b - a);
			internet_sum_add(&s, bytes + b, sizeof(bytes) - b);
			assert_int_equal(internet_sum_checksum(&s), expected);
		}
	}
}

static void never_zero(void **)
{
	static const unsigned char ones[] = {0xff, 0xff}, zeros[4] = {};

	assert_int_equal(whole(ones, sizeof(ones)), UINT16_MAX);
	assert_int_equal(whole(zeros, sizeof(zeros)), UINT16_MAX);
	assert_int_equal(whole(zeros, 0), UINT16_MAX);
}

/* More than 2^16 words, each of the greatest value. */
static void long_one(void **)
{
	static unsigned char bytes[300'001];

	memset(bytes, 0xff, sizeof(bytes));
	uint16_t checksum = whole(bytes, sizeof(bytes));
	static const unsigned char expected[] = {0x00, 0xff};
	assert_memory_equal(&checksum, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example),    cmocka_unit_test(verifies), cmocka_unit_test(in_pieces),
		cmocka_unit_test(never_zero), cmocka_unit_test(long_one),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
