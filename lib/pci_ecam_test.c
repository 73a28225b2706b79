/* SPDX-License-Identifier: MIT */
/* Host test of lib/pci_ecam.c: tables described here byte by byte. The device tree's half is tested with the trees of
 * lib/arm_platform_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/pci_ecam.h>

enum { HEADER = 44, ENTRY = 16 };

static unsigned char table[HEADER + 40 * ENTRY];
static size_t length;

static int set_up(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	length = HEADER;
	return 0;
}

static void put(uint64_t base, uint16_t segment, uint8_t first, uint8_t last)
{
	memcpy(table + length, &base, 8);
	memcpy(table + length + 8, &segment, 2);
	table[length + 10] = first;
	table[length + 11] = last;
	length += ENTRY;
}

static void a_pc_has_one(void **)
{
	struct pci_ecam out[PCI_ECAMS_MAX];

	put(0xb0000000, 0, 0, 255);
	assert_int_equal(pci_ecam_from_mcfg(table, length, out, PCI_ECAMS_MAX), 1);
	assert_int_equal(out[0].phys, 0xb0000000);
	assert_int_equal(out[0].first_bus, 0);
	assert_int_equal(out[0].last_bus, 255);
	assert_int_equal(pci_ecam_bytes(&out[0]), 256 << 20);
}

/* The address of the table is that of bus 0, even if the region begins later. */
static void first_bus_is_not_zero(void **)
{
	struct pci_ecam out[2];

	put(0x80000000, 1, 0x40, 0x7f);
	assert_int_equal(pci_ecam_from_mcfg(table, length, out, 2), 1);
	assert_int_equal(out[0].phys, 0x84000000);
	assert_int_equal(out[0].segment, 1);
	assert_int_equal(pci_ecam_bytes(&out[0]), 64 << 20);
}

static void nonsense_is_left_out(void **)
{
	struct pci_ecam out[PCI_ECAMS_MAX];

	put(0, 0, 0, 255);
	put(0xb0000000, 0, 9, 8);
	put(0xb0000100, 0, 0, 255);
	put(UINT64_MAX - 0xfffff, 0, 0, 255);
	put(UINT64_MAX - 0xfffff, 0, 255, 255);
	put(0x10000000, 0, 0, 15);
	put(0x20000000, 0, 15, 20); /* buses of the one before */
	put(0x10800000, 1, 0, 0);   /* memory of it */
	put(0x20000000, 2, 0, 0);
	assert_int_equal(pci_ecam_from_mcfg(table, length, out, PCI_ECAMS_MAX), 2);
	assert_int_equal(out[0].phys, 0x10000000);
	assert_int_equal(out[1].segment, 2);
}

static void no_more_than_there_is_room_for(void **)
{
	struct pci_ecam out[PCI_ECAMS_MAX];

	for (uint16_t i = 0; i < 40; i++)
		put(0x100000000 + (uint64_t)i * 0x100000, i, 0, 0);
	assert_int_equal(pci_ecam_from_mcfg(table, length, out, 3), 3);
	assert_int_equal(pci_ecam_from_mcfg(table, length, out, PCI_ECAMS_MAX), PCI_ECAMS_MAX);
	/* An entry that the table's end cuts is none. */
	assert_int_equal(pci_ecam_from_mcfg(table, HEADER + 2 * ENTRY - 1, out, PCI_ECAMS_MAX), 1);
	assert_int_equal(pci_ecam_from_mcfg(table, HEADER - 8, out, PCI_ECAMS_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_pc_has_one, set_up),
		cmocka_unit_test_setup(first_bus_is_not_zero, set_up),
		cmocka_unit_test_setup(nonsense_is_left_out, set_up),
		cmocka_unit_test_setup(no_more_than_there_is_room_for, set_up),
	};

	return cmocka_run_group_tests_name("pci_ecam", tests, nullptr, nullptr);
}
