/* SPDX-License-Identifier: MIT */
/* Host test of lib/ata.c: every field is read from its place, each value that cannot be is refused, and commands are
 * what the standard says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/ata.h>

static unsigned char data[ATA_SECTOR];

static void put(unsigned word, uint16_t value)
{
	data[2 * word] = (unsigned char)value;
	data[2 * word + 1] = (unsigned char)(value >> 8);
}

static void put_text(unsigned word, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		data[2 * word + (i ^ 1)] = i < strlen(text) ? (unsigned char)text[i] : ' ';
}

/* The last byte makes the sum of all right. */
static void seal(void)
{
	uint8_t sum = 0;

	data[510] = 0xa5;
	for (unsigned i = 0; i < 511; i++)
		sum = (uint8_t)(sum + data[i]);
	data[511] = (unsigned char)-sum;
}

/* A serial disk of 2^30 blocks, as most are. */
static void plain(void)
{
	memset(data, 0, sizeof(data));
	put_text(10, "  S-17", 20);
	put_text(23, "1.0", 8);
	put_text(27, "A DISK", 40);
	put(49, 3 << 8);
	put(60, 0xffff);
	put(61, 0x0fff);
	put(75, 31);
	put(76, 1 << 8);
	put(83, 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10);
	put(84, 1 << 14 | 1 << 5);
	put(101, 0x4000);
	put(169, 1);
	put(217, 7200);
}

static void disk(void **)
{
	struct ata_disk d;

	plain();
	seal();
	assert_null(ata_read_disk(data, &d));
	assert_string_equal(d.serial, "S-17");
	assert_string_equal(d.firmware, "1.0");
	assert_string_equal(d.model, "A DISK");
	assert_int_equal(d.blocks, 1ull << 30);
	assert_int_equal(d.block_bytes, 512);
	assert_int_equal(d.physical_bytes, 512);
	assert_int_equal(d.tags, 32);
	assert_true(d.has_long_addresses && d.has_flush && d.has_long_flush && d.has_trim && d.has_log && d.rotates);
	assert_int_equal(ata_blocks_max(&d), 65536);
}

/* What is there of an older one. */
static void old_disk(void **)
{
	struct ata_disk d;

	plain();
	put(83, 1 << 14 | 1 << 12);
	put(84, 0xffff);
	put(217, 1);
	assert_null(ata_read_disk(data, &d));
	assert_int_equal(d.blocks, 0x0fffffff);
	assert_int_equal(d.tags, 0);
	assert_true(d.has_flush);
	assert_false(d.has_long_addresses || d.has_long_flush || d.has_trim || d.has_log || d.rotates);
	assert_int_equal(ata_blocks_max(&d), 256);
	/* Words that are not valid say nothing. */
	put(83, 0xffff);
	assert_null(ata_read_disk(data, &d));
	assert_false(d.has_flush || d.has_long_addresses);
	plain();
	put(76, 0xffff);
	put(169, 0xffff);
	put(217, 0xffff);
	assert_null(ata_read_disk(data, &d));
	assert_int_equal(d.tags, 0);
	assert_false(d.has_trim || d.rotates);
}

static void sizes(void **)
{
	struct ata_disk d;

	plain();
	put(106, 1 << 14 | 1 << 13 | 3);
	assert_null(ata_read_disk(data, &d));
	assert_int_equal(d.block_bytes, 512);
	assert_int_equal(d.physical_bytes, 4096);
	put(106, 1 << 14 | 1 << 12);
	put(117, 2048);
	assert_null(ata_read_disk(data, &d));
	assert_int_equal(d.block_bytes, 4096);
	assert_int_equal(d.physical_bytes, 4096);
	put(117, 2047);
	assert_non_null(ata_read_disk(data, &d));
	put(117, 4096);
	assert_non_null(ata_read_disk(data, &d));
	put(117, 128);
	assert_non_null(ata_read_disk(data, &d));
	put(117, 0);
	put(118, 1);
	assert_non_null(ata_read_disk(data, &d));
	/* Not valid. */
	put(106, 3 << 14 | 1 << 12);
	assert_null(ata_read_disk(data, &d));
	assert_int_equal(d.block_bytes, 512);
}

static void expect_refused(unsigned word, uint16_t value)
{
	struct ata_disk d;

	plain();
	put(word, value);
	assert_non_null(ata_read_disk(data, &d));
}

static void no_disk(void **)
{
	struct ata_disk d;

	expect_refused(0, 1 << 15);
	expect_refused(0, 1 << 2);
	expect_refused(49, 1 << 8);
	expect_refused(49, 1 << 9);
	expect_refused(128, 1 << 2 | 1);
	expect_refused(101, 0);
	expect_refused(103, 2);
	plain();
	seal();
	data[100]++;
	assert_non_null(ata_read_disk(data, &d));
	plain();
	put(83, 1 << 14);
	put(61, 0x2000);
	assert_non_null(ata_read_disk(data, &d));
	memset(data, 0xff, sizeof(data));
	assert_non_null(ata_read_disk(data, &d));
	memset(data, 0, sizeof(data));
	assert_non_null(ata_read_disk(data, &d));
}

/* What cannot be printed is shown so, and the end is an end. */
static void text(void **)
{
	struct ata_disk d;

	plain();
	put_text(10, "a\001b\177", 20);
	put_text(27, "0123456789012345678901234567890123456789", 40);
	put_text(23, "        ", 8);
	assert_null(ata_read_disk(data, &d));
	assert_string_equal(d.serial, "a?b?");
	assert_int_equal(strlen(d.model), 40);
	assert_string_equal(d.firmware, "");
	data[20 + 1] = 0;
	assert_null(ata_read_disk(data, &d));
	assert_string_equal(d.serial, "");
}

static void transfers(void **)
{
	struct ata_disk d;

	plain();
	assert_null(ata_read_disk(data, &d));
	struct ata_command c = ata_transfer(&d, false, 0x123456789abc, 65536, true);
	assert_int_equal(c.command, 0x60);
	assert_int_equal(c.address, 0x123456789abc);
	assert_int_equal(c.features, 0);
	assert_int_equal(c.device, 1 << 6);
	assert_true(c.queued && !c.takes_data);
	ata_set_tag(&c, 31);
	assert_int_equal(c.count, 31 << 3);
	c = ata_transfer(&d, true, 5, 7, true);
	assert_true(c.command == 0x61 && c.features == 7 && c.count == 0 && c.takes_data);
	c = ata_transfer(&d, true, 5, 7, false);
	assert_true(c.command == 0x35 && c.features == 0 && c.count == 7 && c.takes_data && !c.queued);
	c = ata_transfer(&d, false, 5, 65536, false);
	assert_true(c.command == 0x25 && c.count == 0 && !c.takes_data);
	assert_int_equal(ata_flush(&d).command, 0xea);
	d.has_long_flush = false;
	assert_int_equal(ata_flush(&d).command, 0xe7);
	d.has_long_addresses = false;
	c = ata_transfer(&d, false, 0xabcdef1, 256, false);
	assert_true(c.command == 0xc8 && c.count == 0 && c.address == 0xbcdef1 && c.device == (1 << 6 | 0xa));
	c = ata_transfer(&d, true, 1, 255, false);
	assert_true(c.command == 0xca && c.count == 255 && c.takes_data);
	assert_int_equal(ata_identify().command, 0xec);
	assert_int_equal(ata_standby().command, 0xe0);
	c = ata_read_log(0x10, 3);
	assert_true(c.command == 0x2f && c.address == 0x310 && c.count == 1 && !c.takes_data);
}

static uint64_t entry(const unsigned char *sector, unsigned index)
{
	uint64_t value;

	memcpy(&value, sector + 8 * (size_t)index, sizeof(value));
	return value;
}

static void trim(void **)
{
	unsigned char sector[ATA_SECTOR];
	struct ata_command c = ata_trim(sector, 0x800000000001, 0x10001);

	assert_true(c.command == 6 && c.features == 1 && c.count == 1 && c.takes_data && !c.queued);
	assert_int_equal(entry(sector, 0), 0xffff800000000001);
	assert_int_equal(entry(sector, 1), 0x0002800000010000);
	for (unsigned i = 2; i < ATA_TRIM_ENTRIES; i++)
		assert_int_equal(entry(sector, i), 0);
	(void)ata_trim(sector, 10, ATA_TRIM_BLOCKS_MAX);
	for (unsigned i = 0; i < ATA_TRIM_ENTRIES; i++)
		assert_int_equal(entry(sector, i), 0xffffull << 48 | (10 + i * 0xffffull));
	(void)ata_trim(sector, 3, 1);
	assert_int_equal(entry(sector, 0), 1ull << 48 | 3);
	assert_int_equal(entry(sector, 1), 0);
}

static void queued_errors(void **)
{
	struct ata_queued_error e;

	memset(data, 0, sizeof(data));
	data[0] = 17;
	data[2] = 0x41;
	data[3] = 0x40;
	data[511] = (unsigned char)-(17 + 0x41 + 0x40);
	assert_null(ata_read_queued_error(data, &e));
	assert_true(e.tag == 17 && e.status == 0x41 && e.error == 0x40);
	data[511]++;
	assert_non_null(ata_read_queued_error(data, &e));
	data[511]--;
	data[0] |= 1 << 7;
	data[511] = (unsigned char)(data[511] - 0x80);
	assert_non_null(ata_read_queued_error(data, &e));
	/* All zeros have the right sum, and tell of nothing. */
	memset(data, 0, sizeof(data));
	assert_non_null(ata_read_queued_error(data, &e));
}

static void statuses(void **)
{
	assert_false(ata_failed(0x50));
	assert_true(ata_failed(0x51));
	assert_true(ata_failed(0x70));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk),	   cmocka_unit_test(old_disk),	    cmocka_unit_test(sizes),
		cmocka_unit_test(no_disk), cmocka_unit_test(text),	    cmocka_unit_test(transfers),
		cmocka_unit_test(trim),	   cmocka_unit_test(queued_errors), cmocka_unit_test(statuses),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
