/* SPDX-License-Identifier: MIT */
/* Host test of the ACPI table reader: a small table set, and damage to it. */
#include <lib/acpi_tables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static unsigned char memory[4096];

static const void *map(uint64_t phys, size_t size)
{
	return phys <= sizeof(memory) && size <= sizeof(memory) - phys ? memory + phys : nullptr;
}

static void put(size_t at, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		memory[at + (size_t)i] = (unsigned char)(v >> (8 * i));
}

static void fix_sum(size_t at, size_t n, size_t where)
{
	unsigned char sum = 0;

	memory[where] = 0;
	for (size_t i = 0; i < n; i++)
		sum += memory[at + i];
	memory[where] = (unsigned char)-sum;
}

enum { XSDT = 0x100, MADT = 0x200, MADT_BYTES = 44 + 12 + 10 + 12 };

static int build(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memcpy(memory + 16, "RSD PTR ", 8);
	memory[16 + 15] = 2;
	put(16 + 24, XSDT, 8);
	fix_sum(16, 20, 16 + 8);
	memcpy(memory + XSDT, "XSDT", 4);
	put(XSDT + 4, 44, 4);
	put(XSDT + 36, MADT, 8);
	fix_sum(XSDT, 44, XSDT + 9);
	memcpy(memory + MADT, "APIC", 4);
	put(MADT + 4, MADT_BYTES, 4);
	put(MADT + 36, 0xfee00000, 4);
	memory[MADT + 44] = 1, memory[MADT + 45] = 12, memory[MADT + 46] = 7;
	put(MADT + 48, 0xfec00000, 4);
	put(MADT + 52, 24, 4);
	memory[MADT + 56] = 2, memory[MADT + 57] = 10, memory[MADT + 59] = 9;
	put(MADT + 60, 20, 4);
	put(MADT + 64, 0xf, 2);
	memory[MADT + 66] = 5, memory[MADT + 67] = 12;
	put(MADT + 70, 0x1fee00000, 8);
	fix_sum(MADT, MADT_BYTES, MADT + 9);
	return 0;
}

static void reads_all_fields(void **state)
{
	struct madt m;
	size_t n;
	const void *t = acpi_find_table(16, "APIC", map, &n);

	(void)state;
	assert_non_null(t);
	assert_int_equal(n, MADT_BYTES);
	assert_true(madt_parse(t, n, &m));
	assert_int_equal(m.lapic_phys, 0x1fee00000);
	assert_int_equal(m.ioapic_count, 1);
	assert_int_equal(m.ioapic[0].phys, 0xfec00000);
	assert_int_equal(m.ioapic[0].gsi_base, 24);
	assert_int_equal(m.override_count, 1);
	assert_int_equal(m.override[0].isa_irq, 9);
	assert_int_equal(m.override[0].gsi, 20);
	assert_true(m.override[0].active_low && m.override[0].level);
}

static void refuses_damage(void **state)
{
	struct madt m;
	size_t n;

	(void)state;
	assert_null(acpi_find_table(16, "FACP", map, &n));
	memory[MADT + 45] = 0; /* an entry of no length */
	assert_null(acpi_find_table(16, "APIC", map, &n));
	fix_sum(MADT, MADT_BYTES, MADT + 9);
	assert_non_null(acpi_find_table(16, "APIC", map, &n));
	assert_false(madt_parse(memory + MADT, MADT_BYTES, &m));
	memory[16] = 'X';
	assert_null(acpi_find_table(16, "APIC", map, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_all_fields, build),
		cmocka_unit_test_setup(refuses_damage, build),
	};

	return cmocka_run_group_tests_name("acpi_tables", tests, nullptr, nullptr);
}
