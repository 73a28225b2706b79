/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lib/e1000e.h>

static enum e1000e_verdict verdict(uint8_t status, uint8_t errors, uint16_t bytes, uint32_t *length)
{
	struct e1000e_received d = {.length = bytes, .status = status, .errors = errors};

	return e1000e_read(&d, length);
}

static void descriptors(void **)
{
	uint32_t n = 1;

	assert_int_equal(verdict(0, 0, 100, &n), E1000E_NONE);
	assert_int_equal(n, 0);
	assert_int_equal(verdict(3, 0, 100, &n), E1000E_FRAME);
	assert_int_equal(n, 100);
	assert_int_equal(verdict(3, 0, 14, &n), E1000E_FRAME);
	assert_int_equal(verdict(3, 0, 2048, &n), E1000E_FRAME);
	/* What is no frame. */
	assert_int_equal(verdict(3, 0, 13, &n), E1000E_BAD);
	assert_int_equal(n, 0);
	assert_int_equal(verdict(3, 0, 2049, &n), E1000E_BAD);
	assert_int_equal(verdict(1, 0, 100, &n), E1000E_BAD);
	for (unsigned bit = 0; bit < 8; bit++)
		assert_int_equal(verdict(3, (uint8_t)(1 << bit), 100, &n), 0x97 >> bit & 1 ? E1000E_BAD : E1000E_FRAME);
	/* Checked by the device, unless it says that it is not, or wrong. */
	assert_int_equal(verdict(0x23, 0, 100, &n), E1000E_CHECKED);
	assert_int_equal(verdict(0x27, 0, 100, &n), E1000E_FRAME);
	assert_int_equal(verdict(0x23, 0x20, 100, &n), E1000E_FRAME);
}

static void addresses(void **)
{
	static const uint8_t wanted[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
	uint8_t a[6];

	assert_true(e1000e_address(0x12005452, 0x80005634, a));
	assert_memory_equal(a, wanted, sizeof(a));
	assert_false(e1000e_address(0x12005452, 0x5634, a));
	assert_false(e1000e_address(0x12005453, 0x80005634, a)); /* of a group */
	assert_false(e1000e_address(0, 0x80000000, a));
	assert_false(e1000e_address(UINT32_MAX, UINT32_MAX, a)); /* nobody is there */
}

static void hashes(void **)
{
	/* Bits 47 to 36 of the address, of which the first byte has bits 0 to 7. */
	static const uint8_t group[6] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}, last[6] = {0, 0, 0, 0, 0xff, 0xff};

	assert_int_equal(e1000e_hash(group), 0xbc9);
	assert_int_equal(e1000e_hash(last), 0xfff);
}

static void speeds(void **)
{
	assert_int_equal(e1000e_mbit(0x03), 10);
	assert_int_equal(e1000e_mbit(0x43), 100);
	assert_int_equal(e1000e_mbit(0x83), 1000);
	assert_int_equal(e1000e_mbit(UINT32_MAX), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors),
		cmocka_unit_test(addresses),
		cmocka_unit_test(hashes),
		cmocka_unit_test(speeds),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
