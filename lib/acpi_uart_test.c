/* SPDX-License-Identifier: MIT */
/* Host test of lib/acpi_uart.c: debug port tables made here field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/acpi_uart.h>

enum { DEVICES = 44, DEVICE = 22 + 12 + 4 + 8, ROOM = 8 };

static unsigned char table[DEVICES + ROOM * DEVICE];
static size_t length;
static struct acpi_uart found[ROOM];

static void put(size_t at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		table[at + i] = (unsigned char)(v >> (8 * i));
}

static int set_up(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	put(36, DEVICES, 4);
	length = DEVICES;
	return 0;
}

/* A serial port: its address structure is behind the fixed part, then its size and a name. */
static size_t add(unsigned type, uint8_t space, uint8_t width, uint8_t access, uint64_t address)
{
	size_t at = length;

	put(at + 1, DEVICE, 2);
	put(at + 3, 1, 1);
	put(at + 4, 8, 2);
	put(at + 6, 38, 2);
	put(at + 12, 0x8000, 2);
	put(at + 14, type, 2);
	put(at + 18, 22, 2);
	put(at + 20, 34, 2);
	put(at + 22, space | width << 8 | access << 24, 4);
	put(at + 26, address, 8);
	put(at + 34, 0x1000, 4);
	memcpy(table + at + 38, "\\_SB.UR", 8);
	length += DEVICE;
	put(40, (length - DEVICES) / DEVICE, 4);
	return at;
}

static unsigned ports(void)
{
	return acpi_debug_ports(table, length, found, ROOM);
}

static void two_kinds(void **)
{
	add(3, 0, 32, 3, 0x9000000);
	add(0, 1, 8, 1, 0x3e8);
	add(18, 0, 32, 3, 0x123400000000);
	add(1, 0, 8, 0, 0xfedc0000);
	assert_int_equal(ports(), 4);
	assert_int_equal(found[0].kind, ACPI_UART_PL011);
	assert_int_equal(found[0].start, 0x9000000);
	assert_false(found[0].is_port);
	assert_int_equal(found[1].kind, ACPI_UART_16550);
	assert_true(found[1].is_port);
	assert_int_equal(found[1].start, 0x3e8);
	assert_int_equal(found[1].register_shift, 0);
	assert_int_equal(found[1].register_bytes, 1);
	assert_int_equal(found[2].start, 0x123400000000);
	assert_int_equal(found[2].register_shift, 2);
	assert_int_equal(found[2].register_bytes, 4);
	assert_int_equal(found[3].register_shift, 0);
	assert_int_equal(found[3].register_bytes, 1);
}

static void others_are_left_out(void **)
{
	put(add(3, 0, 32, 3, 0x9000000) + 12, 0x8001, 2); /* IEEE 1394 */
	add(2, 0, 32, 3, 0x9000000);			  /* another kind of serial port */
	add(3, 1, 32, 3, 0x900);			  /* a PL011 behind ports */
	add(0, 2, 8, 1, 0x900);				  /* in configuration space */
	add(0, 1, 8, 1, 0xfff9);			  /* beyond the last port */
	add(0, 0, 8, 1, 0);
	add(3, 0, 32, 3, UINT64_MAX);
	add(0, 1, 8, 1, 0xfff8);
	assert_int_equal(ports(), 1);
	assert_int_equal(found[0].start, 0xfff8);
}

static void each_once(void **)
{
	add(0, 1, 8, 1, 0x3f8);
	add(0, 0, 8, 1, 0x3f8);
	add(0, 1, 8, 1, 0x3f8);
	assert_int_equal(ports(), 2);
	assert_int_equal(acpi_debug_ports(table, length, found, 1), 1);
	assert_int_equal(acpi_debug_ports(table, length, found, 0), 0);
}

static void damage(void **)
{
	size_t first = add(0, 1, 8, 1, 0x3f8), second = add(0, 1, 8, 1, 0x2f8);

	assert_int_equal(acpi_debug_ports(table, length - 1, found, ROOM), 1);
	assert_int_equal(acpi_debug_ports(table, DEVICES - 1, found, ROOM), 0);
	put(40, 1, 4);
	assert_int_equal(ports(), 1);
	put(40, UINT32_MAX, 4);
	assert_int_equal(ports(), 2);
	/* A device's address that is not within it, or within its fixed part. */
	put(second + 18, DEVICE - 11, 2);
	assert_int_equal(ports(), 1);
	put(second + 18, 10, 2);
	assert_int_equal(ports(), 1);
	put(second + 18, DEVICE - 12, 2);
	put(second + DEVICE - 12, 1, 4);
	put(second + DEVICE - 8, 0x2f8, 8);
	assert_int_equal(ports(), 2);
	put(second + 3, 0, 1);
	assert_int_equal(ports(), 1);
	/* Lengths that lead nowhere. */
	put(first + 1, 0, 2);
	assert_int_equal(ports(), 0);
	put(first + 1, 2 * DEVICE + 1, 2);
	assert_int_equal(ports(), 0);
	put(36, UINT32_MAX, 4);
	assert_int_equal(ports(), 0);
	put(36, 36, 4);
	assert_int_equal(ports(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(two_kinds, set_up),
		cmocka_unit_test_setup(others_are_left_out, set_up),
		cmocka_unit_test_setup(each_once, set_up),
		cmocka_unit_test_setup(damage, set_up),
	};

	return cmocka_run_group_tests_name("acpi_uart", tests, nullptr, nullptr);
}
