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

enum { GUARDS = 0x300 };

/* The table at GUARDS instead of the MADT, `bytes` of it. */
static bool guarded(size_t bytes, uint64_t phys)
{
	struct acpi_range found[ACPI_GUARDED_MAX];

	put(GUARDS + 4, bytes, 4);
	fix_sum(GUARDS, bytes, GUARDS + 9);
	put(XSDT + 36, GUARDS, 8);
	fix_sum(XSDT, 44, XSDT + 9);
	for (unsigned i = acpi_find_guarded(16, map, found); i-- > 0;)
		if (phys >= found[i].start && phys + 4 <= found[i].end)
			return true;
	return false;
}

static void guards_units(void **state)
{
	/* A unit of two pages, memory that is reserved for a device, another unit. */
	enum { DMAR = 48 + 16 + 24 + 16 };

	(void)state;
	memcpy(memory + GUARDS, "DMAR", 4);
	put(GUARDS + 48 + 2, 16, 2);
	put(GUARDS + 48 + 5, 1, 1);
	put(GUARDS + 48 + 8, 0xfed90000, 8);
	put(GUARDS + 64, 1, 2);
	put(GUARDS + 64 + 2, 24, 2);
	put(GUARDS + 64 + 8, 0x7000000, 8);
	put(GUARDS + 88 + 2, 16, 2);
	put(GUARDS + 88 + 8, 0x1fed91000, 8);
	assert_true(guarded(DMAR, 0xfed90000));
	assert_true(guarded(DMAR, 0xfed91ffc));
	assert_false(guarded(DMAR, 0xfed92000));
	assert_false(guarded(DMAR, 0xfed8fffc));
	assert_false(guarded(DMAR, 0x7000000));
	assert_true(guarded(DMAR, 0x1fed91ffc));
	assert_false(guarded(DMAR, 0x1fed92000));
	/* Cut off, or with an entry that is too short or too long. */
	assert_false(guarded(DMAR - 1, 0x1fed91000));
	assert_false(guarded(47, 0xfed90000));
	put(GUARDS + 64 + 2, 0, 2);
	assert_false(guarded(DMAR, 0x1fed91000));
	put(GUARDS + 64 + 2, 0xffff, 2);
	assert_false(guarded(DMAR, 0x1fed91000));
	assert_true(guarded(DMAR, 0xfed90000));
}

static void guards_others(void **state)
{
	(void)state;
	memcpy(memory + GUARDS, "IVRS", 4);
	for (unsigned i = 0; i < 2; i++) {
		put(GUARDS + 48 + 40 * i, i ? 0x11 : 0x20, 1);
		put(GUARDS + 48 + 40 * i + 2, 40, 2);
		put(GUARDS + 48 + 40 * i + 8, 0xfeb80000 + 0x1000000 * i, 8);
	}
	assert_false(guarded(128, 0xfeb80000));
	assert_true(guarded(128, 0xffb80000));
	assert_true(guarded(128, 0xffbffffc));
	assert_false(guarded(128, 0xffc00000));
	memcpy(memory + GUARDS, "HPET", 4);
	put(GUARDS + 44, 0xfed00000, 8);
	assert_true(guarded(56, 0xfed003fc));
	assert_false(guarded(56, 0xfed00400));
	assert_false(guarded(51, 0xfed00000));
}

static void guards_many(void **state)
{
	enum { UNITS = 40 };

	(void)state;
	memcpy(memory + GUARDS, "DMAR", 4);
	for (unsigned i = 0; i < UNITS; i++) {
		put(GUARDS + 48 + 16 * i + 2, 16, 2);
		put(GUARDS + 48 + 16 * i + 8, i == UNITS - 2 ? 0x1000 : 0x100000000 * (i + 1), 8);
	}
	for (unsigned i = 0; i < UNITS; i++)
		assert_true(guarded(48 + 16 * UNITS, i == UNITS - 2 ? 0x1000 : 0x100000000 * (i + 1)));
	assert_false(guarded(48 + 16 * (UNITS - 2), 0x1000));
	put(GUARDS + 48 + 8, UINT64_MAX - 8, 8);
	assert_false(guarded(48 + 16, UINT64_MAX - 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_all_fields, build), cmocka_unit_test_setup(refuses_damage, build),
		cmocka_unit_test_setup(guards_units, build),	 cmocka_unit_test_setup(guards_others, build),
		cmocka_unit_test_setup(guards_many, build),
	};

	return cmocka_run_group_tests_name("acpi_tables", tests, nullptr, nullptr);
}
