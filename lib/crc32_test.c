/* SPDX-License-Identifier: MIT */
/* Host test of lib/crc32.c: the check value of the polynomial's catalogue entry, and pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/crc32.h>

static void test_known_values(void **state)
{
	(void)state;
	assert_int_equal(crc32_add(0, "", 0), 0);
	assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_add(0, "a", 1), 0xe8b7be43);
	assert_int_equal(crc32_add(0, "\0\0\0\0", 4), 0x2144df1c);
}

static void test_pieces(void **state)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog";
	size_t length = strlen(text);

	(void)state;
	for (size_t cut = 0; cut <= length; cut++)
		assert_int_equal(crc32_add(crc32_add(0, text, cut), text + cut, length - cut),
				 crc32_add(0, text, length));
}

static void test_each_bit_counts(void **state)
{
	unsigned char bytes[64] = {};
	uint32_t whole = crc32_add(0, bytes, sizeof(bytes));

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_not_equal(crc32_add(0, bytes, sizeof(bytes)), whole);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_each_bit_counts),
	};

	return cmocka_run_group_tests_name("crc32", tests, nullptr, nullptr);
}
