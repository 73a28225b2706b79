/* SPDX-License-Identifier: MIT */
/* Host test of lib/ahci.c: what controllers say of themselves, and commands as they are told them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/ahci.h>

static void capabilities(void **)
{
	struct ahci_capabilities c;

	assert_null(ahci_read_capabilities(1u << 31 | 1u << 30 | 31 << 8, 1, AHCI_PORTS + AHCI_PORT_BYTES, &c));
	assert_int_equal(c.slots, 32);
	assert_true(c.has_queued && c.has_long_addresses);
	assert_null(ahci_read_capabilities(0, 0x80000000, AHCI_PORTS + 32 * AHCI_PORT_BYTES, &c));
	assert_int_equal(c.slots, 1);
	assert_false(c.has_queued || c.has_long_addresses);
	/* A port whose registers are not all there; none; nobody. */
	assert_non_null(ahci_read_capabilities(0, 0x80000000, AHCI_PORTS + 32 * AHCI_PORT_BYTES - 4, &c));
	assert_non_null(ahci_read_capabilities(0, 2, AHCI_PORTS + AHCI_PORT_BYTES, &c));
	assert_non_null(ahci_read_capabilities(0, 0, 4096, &c));
	assert_non_null(ahci_read_capabilities(UINT32_MAX, UINT32_MAX, 8192, &c));
}

static void commands(void **)
{
	static const unsigned char wanted[AHCI_FIS_BYTES] = {0x27, 0x80, 0x61, 0xcd, 0x56, 0x34, 0x12, 0x40, 0xbc, 0x9a,
							     0x78, 0xab, 0xf8, 0x01, 0,	   0,	 0,    0,    0,	   0};
	struct ata_command c = {.command = 0x61,
				.features = 0xabcd,
				.address = 0x789abc123456,
				.count = 0x1f8,
				.device = 0x40,
				.takes_data = true};
	unsigned char fis[AHCI_FIS_BYTES + 1] = {[AHCI_FIS_BYTES] = 0x77};

	memset(fis, 0xff, AHCI_FIS_BYTES);
	ahci_write_fis(fis, &c);
	assert_memory_equal(fis, wanted, AHCI_FIS_BYTES);
	assert_int_equal(fis[AHCI_FIS_BYTES], 0x77);
	struct ahci_header h = ahci_header_of(&c, 0x123456780, 17);
	assert_int_equal(h.flags, 1 << 6 | 5);
	assert_int_equal(h.entries, 17);
	assert_int_equal(h.moved, 0);
	assert_int_equal(h.table, 0x23456780);
	assert_int_equal(h.table_high, 1);
	c.takes_data = false;
	assert_int_equal(ahci_header_of(&c, 0, 0).flags, 5);
}

static void regions(void **)
{
	struct ahci_region r;

	assert_true(ahci_write_region(&r, 0x987654320, 512));
	assert_int_equal(r.address, 0x87654320);
	assert_int_equal(r.address_high, 9);
	assert_int_equal(r.length, 511);
	assert_true(ahci_write_region(&r, 2, AHCI_REGION_BYTES_MAX));
	assert_int_equal(r.length, (4 << 20) - 1);
	assert_false(ahci_write_region(&r, 2, AHCI_REGION_BYTES_MAX + 2));
	assert_false(ahci_write_region(&r, 2, 0));
	assert_false(ahci_write_region(&r, 2, 511));
	assert_false(ahci_write_region(&r, 1, 512));
	assert_false(ahci_write_region(&r, UINT64_MAX - 1, 512));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities),
		cmocka_unit_test(commands),
		cmocka_unit_test(regions),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
