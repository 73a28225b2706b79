/* SPDX-License-Identifier: MIT */
/* Host test of lib/acpi_dmar.c: tables described here byte by byte, and a few bridges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/acpi_dmar.h>

enum { HEADER = 48 };

static unsigned char table[8192];
static size_t length, entry;
static struct dmar dmar;

static int set_up(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	table[36] = 38; /* 39 bits */
	length = HEADER;
	return 0;
}

static void put(uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		table[length++] = (unsigned char)(v >> (8 * i));
}

static void close_entry(void)
{
	table[entry + 2] = (unsigned char)(length - entry);
	table[entry + 3] = (unsigned char)((length - entry) >> 8);
}

static void unit(bool all, uint16_t segment, uint64_t base)
{
	entry = length;
	put(0, 2), put(0, 2), put(all, 1), put(0, 1), put(segment, 2), put(base, 8);
	close_entry();
}

static void range(uint64_t start, uint64_t last)
{
	entry = length;
	put(1, 2), put(0, 2), put(0, 2), put(0, 2), put(start, 8), put(last, 8);
	close_entry();
}

/* Steps are device << 3 | function. */
static void scope(uint8_t kind, uint8_t id, uint8_t bus, unsigned steps, const uint8_t *path)
{
	put(kind, 1), put(6 + 2 * steps, 1), put(0, 2), put(id, 1), put(bus, 1);
	for (unsigned i = 0; i < steps; i++)
		put(path[i] >> 3, 1), put(path[i] & 7, 1);
	close_entry();
}

static const char *parse(void)
{
	return dmar_parse(table, length, &dmar);
}

/* Function 00:1c.0 leads to buses 2 to 4, 02:00.0 to 3 and 4. */
static bool bridge(uint32_t function, uint8_t *secondary, uint8_t *last)
{
	*secondary = function == 0xe0 ? 2 : 3;
	*last = 4;
	return function == 0xe0 || function == 0x200;
}

static void one_unit_has_all(void **state)
{
	(void)state;
	table[37] = 1;
	unit(true, 0, 0xfed90000);
	scope(DMAR_IOAPIC, 2, 0xf0, 1, (const uint8_t[]){0xff});
	assert_null(parse());
	assert_int_equal(dmar.address_bits, 39);
	assert_true(dmar.remaps_interrupts);
	assert_int_equal(dmar.unit_count, 1);
	assert_int_equal(dmar.unit[0].base, 0xfed90000);
	assert_int_equal(dmar.scope_count, 1);
	assert_int_equal(dmar.scope[0].kind, DMAR_IOAPIC);
	assert_int_equal(dmar.scope[0].id, 2);
	assert_int_equal(dmar_function(&dmar.scope[0], 0, bridge), 0xf0ff);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x10, bridge), &dmar.unit[0]);
	assert_null(dmar_unit_of(&dmar, 0x10010, bridge));
}

static void functions_and_bridges_of_a_unit(void **state)
{
	(void)state;
	unit(false, 0, 0xfed90000);
	scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){0x10});
	scope(DMAR_BRIDGE, 0, 0, 2, (const uint8_t[]){0xe0, 0x00});
	unit(true, 0, 0xfed91000);
	assert_null(parse());
	assert_false(dmar.remaps_interrupts);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x10, bridge), &dmar.unit[0]);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x11, bridge), &dmar.unit[1]);
	/* The bridge itself, what is behind it, what is beside it. */
	assert_ptr_equal(dmar_unit_of(&dmar, 0x200, bridge), &dmar.unit[0]);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x308, bridge), &dmar.unit[0]);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x4ff, bridge), &dmar.unit[0]);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x208, bridge), &dmar.unit[1]);
	assert_ptr_equal(dmar_unit_of(&dmar, 0x500, bridge), &dmar.unit[1]);
	assert_ptr_equal(dmar_unit_of(&dmar, 0xe0, bridge), &dmar.unit[1]);
}

static void a_way_that_leads_nowhere(void **state)
{
	(void)state;
	unit(false, 0, 0xfed90000);
	scope(DMAR_ENDPOINT, 0, 0, 2, (const uint8_t[]){0x18, 0x00});
	scope(DMAR_ENDPOINT, 0, 0, 0, nullptr);
	assert_null(parse());
	for (uint32_t function = 0; function < 0x10000; function++)
		assert_null(dmar_unit_of(&dmar, function, bridge));
}

static void memory_of_firmware(void **state)
{
	(void)state;
	range(0x7b800000, 0x7fffffff);
	scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){0x10});
	assert_null(parse());
	assert_int_equal(dmar.range_count, 1);
	assert_int_equal(dmar.range[0].start, 0x7b800000);
	assert_int_equal(dmar.range[0].end, 0x80000000);
	assert_true(dmar_has(&dmar, dmar.range[0].scopes, 0, 0x10, bridge));
	assert_false(dmar_has(&dmar, dmar.range[0].scopes, 0, 0x18, bridge));
	assert_false(dmar_has(&dmar, dmar.range[0].scopes, 1, 0x10, bridge));
}

static void other_entries_are_passed_over(void **state)
{
	(void)state;
	entry = length;
	put(2, 2), put(8, 2), put(0, 4);
	unit(true, 0, 0xfed90000);
	scope(5, 0, 0, 1, (const uint8_t[]){0});
	assert_null(parse());
	assert_int_equal(dmar.unit_count, 1);
	assert_int_equal(dmar.scope_count, 0);
}

/* What is cut off anywhere is malformed, but for the ends of entries. */
static void cut_off(void **state)
{
	size_t whole, first;

	(void)state;
	unit(true, 0, 0xfed90000);
	scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){0x10});
	first = length;
	range(0x1000, 0x1fff);
	whole = length;
	for (size_t n = 0; n <= whole; n++)
		assert_true((dmar_parse(table, n, &dmar) == nullptr) == (n == HEADER || n == first || n == whole));
}

static void nonsense(void **state)
{
	(void)state;
	unit(true, 0, 0xfed90010);
	assert_non_null(parse());
	length = HEADER;
	unit(true, 0, 0);
	assert_non_null(parse());
	length = HEADER;
	range(0x1000, 0x1ffe);
	assert_non_null(parse());
	length = HEADER;
	range(0x2000, 0x1fff);
	assert_non_null(parse());
	length = HEADER;
	range(0, UINT64_MAX);
	assert_non_null(parse());
	length = HEADER;
	range(0, 0x7fffffff);
	assert_non_null(parse());
	length = HEADER;
	unit(true, 0, 0xfed90000);
	put(1, 1), put(7, 1), put(0, 5);
	close_entry();
	assert_non_null(parse());
	length = HEADER;
	unit(true, 0, 0xfed90000);
	put(1, 1), put(8, 1), put(0, 4), put(32, 1), put(0, 1);
	close_entry();
	assert_non_null(parse());
}

static void no_more_than_there_is_room_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DMAR_UNITS_MAX; i++)
		unit(false, 0, 0xfed90000 + i * 0x1000);
	assert_null(parse());
	unit(true, 0, 0xfec90000);
	assert_non_null(parse());
	length = HEADER;
	unit(false, 0, 0xfed90000);
	for (unsigned i = 0; i < DMAR_SCOPES_MAX; i++)
		scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){0x10});
	assert_null(parse());
	scope(DMAR_ENDPOINT, 0, 0, 1, (const uint8_t[]){0x10});
	assert_non_null(parse());
	length = HEADER;
	unit(false, 0, 0xfed90000);
	scope(DMAR_ENDPOINT, 0, 0, DMAR_STEPS_MAX + 1, (const uint8_t[DMAR_STEPS_MAX + 1]){});
	assert_non_null(parse());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_unit_has_all, set_up),
		cmocka_unit_test_setup(functions_and_bridges_of_a_unit, set_up),
		cmocka_unit_test_setup(a_way_that_leads_nowhere, set_up),
		cmocka_unit_test_setup(memory_of_firmware, set_up),
		cmocka_unit_test_setup(other_entries_are_passed_over, set_up),
		cmocka_unit_test_setup(cut_off, set_up),
		cmocka_unit_test_setup(nonsense, set_up),
		cmocka_unit_test_setup(no_more_than_there_is_room_for, set_up),
	};

	return cmocka_run_group_tests_name("acpi_dmar", tests, nullptr, nullptr);
}
