/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/crc32c.h>

/* RFC 3720, B.4. */
static void rfc_examples(void **)
{
	unsigned char bytes[32];

	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(~crc32c_add(~0u, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(~crc32c_add(~0u, bytes, 32), 0x62a8ab43);
	for (unsigned n = 0; n < 32; n++)
		bytes[n] = (unsigned char)n;
	assert_int_equal(~crc32c_add(~0u, bytes, 32), 0x46dd794e);
	assert_int_equal(~crc32c_add(~0u, "123456789", 9), 0xe3069283);
}

static void pieces(void **)
{
	static const char text[] = "a text in several pieces";

	for (size_t cut = 0; cut < sizeof(text); cut++)
		assert_int_equal(crc32c_add(crc32c_add(~0u, text, cut), text + cut, sizeof(text) - cut),
				 crc32c_add(~0u, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rfc_examples), cmocka_unit_test(pieces)};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
