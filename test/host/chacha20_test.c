/* SPDX-License-Identifier: MIT */
/* Host test of the ChaCha20 block function against RFC 8439, 2.3.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kernel/base/chacha20.c>

static void test_rfc8439_block(void **)
{
	static const uint32_t want[16] = {
		0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
		0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
	};
	const uint32_t input[4] = {1, 0x09000000, 0x4a000000, 0};
	unsigned char bytes[32];
	uint32_t key[8], out[16];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	memcpy(key, bytes, sizeof(key));
	chacha20_block(key, input, out);
	assert_memory_equal(out, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rfc8439_block)};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
