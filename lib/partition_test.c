/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/partition.c: tables made here are read back; each rule that the reader checks is broken once; and
 * every single flipped bit of a table must be survived with partitions that are inside the disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <abi/errno.h>
#include <lib/crc32.h>
#include <lib/partition.h>

enum { BLOCKS = 256, FOUND_MAX = 300 };
static unsigned char image[BLOCKS * 4096];
static unsigned char block[4096];
static uint32_t block_bytes, reads;
static uint64_t fail_at;
static struct partition found[FOUND_MAX];
static unsigned found_count;

static int read_image(void *context, uint64_t number, void *to)
{
	assert_ptr_equal(context, image);
	assert_true(number < BLOCKS);
	reads++;
	if (number == fail_at)
		return -EIO;
	memcpy(to, image + number * block_bytes, block_bytes);
	return 0;
}

static int keep(void *context, const struct partition *p)
{
	assert_null(context);
	assert_true(p->blocks > 0 && p->first < BLOCKS && p->blocks <= BLOCKS - p->first);
	assert_true(strlen(p->label) < sizeof(p->label));
	assert_true(found_count < FOUND_MAX);
	found[found_count++] = *p;
	memset(block, 0xff, block_bytes); /* emit may use the block */
	return 0;
}

static int read_table(struct partition_result *out)
{
	const struct partition_disk disk = {
		.read = read_image, .context = image, .block_bytes = block_bytes, .blocks = BLOCKS, .block = block};

	found_count = reads = 0;
	return partition_read(&disk, keep, nullptr, out);
}

static void put(unsigned char *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static void put_record(uint32_t at, unsigned i, uint8_t type, uint32_t first, uint32_t blocks)
{
	unsigned char *entry = image + (size_t)at * block_bytes + 446 + 16 * i;

	entry[4] = type;
	put(entry + 8, first, 4);
	put(entry + 12, blocks, 4);
	put(image + (size_t)at * block_bytes + 510, 0xaa55, 2);
}

static void clear(uint32_t bytes)
{
	memset(image, 0, 130 * (size_t)bytes);
	memset(image + (BLOCKS - 34) * (size_t)bytes, 0, 34 * (size_t)bytes);
	block_bytes = bytes;
	fail_at = UINT64_MAX;
}

static int set_up(void **state)
{
	(void)state;
	clear(512);
	return 0;
}

static void test_no_table(void **state)
{
	struct partition_result r;

	(void)state;
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(r.scheme, PARTITION_NONE);
	assert_int_equal(found_count, 0);
	/* A file system's boot block has the signature, and code where the entries would be. */
	put_record(0, 0, 0x83, 8, 8);
	image[446 + 16] = 0x33;
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(r.scheme, PARTITION_NONE);
}

static void test_bad_disk(void **state)
{
	struct partition_result r;

	(void)state;
	for (uint32_t bytes = 0; bytes <= 8192; bytes = bytes == 0 ? 256 : bytes * 2) {
		clear(512);
		block_bytes = bytes;
		if (bytes < 512 || bytes > 4096)
			assert_int_equal(read_table(&r), -EINVAL);
	}
	block_bytes = 513;
	assert_int_equal(read_table(&r), -EINVAL);
	clear(512);
	fail_at = 0;
	assert_int_equal(read_table(&r), -EIO);
}

static void make_mbr(void)
{
	put(image + 440, 0x1234abcd, 4);
	put_record(0, 0, 0x0c, 8, 16);
	image[446] = 0x80;
	put_record(0, 2, 0x05, 64, 100);
	put_record(64, 0, 0x83, 1, 9);
	put_record(64, 1, 0x05, 20, 20);
	put_record(84, 0, 0x82, 2, 8);
	put_record(84, 1, 0x05, 40, 30);
	put_record(104, 0, 0, 0, 0);
	put_record(104, 1, 0x0f, 60, 30);
	put_record(124, 0, 0x83, 1, 5);
}

static void expect(unsigned i, uint32_t number, uint64_t first, uint64_t blocks, uint8_t type)
{
	assert_int_equal(found[i].number, number);
	assert_int_equal(found[i].first, first);
	assert_int_equal(found[i].blocks, blocks);
	assert_int_equal(found[i].mbr_type, type);
}

static void test_mbr(void **state)
{
	struct partition_result r;

	(void)state;
	make_mbr();
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(r.scheme, PARTITION_MBR);
	assert_int_equal(r.disk_signature, 0x1234abcd);
	assert_null(r.trouble);
	assert_int_equal(found_count, 5);
	expect(0, 1, 8, 16, 0x0c);
	expect(1, 3, 64, 100, 0x05);
	expect(2, 5, 65, 9, 0x83);
	expect(3, 6, 86, 8, 0x82);
	expect(4, 7, 125, 5, 0x83);
}

static void test_mbr_bounds(void **state)
{
	struct partition_result r;

	(void)state;
	put_record(0, 0, 0x83, BLOCKS, 1);
	put_record(0, 1, 0x83, BLOCKS - 2, 100);
	put_record(0, 2, 0x83, 0, 100);
	put_record(0, 3, 0x83, 9, 0);
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(found_count, 1);
	expect(0, 2, BLOCKS - 2, 2, 0x83);
	assert_int_equal(r.left_out, 2);
}

static void test_logical_loop(void **state)
{
	struct partition_result r;

	(void)state;
	for (uint32_t next = 0; next <= 20; next++) {
		clear(512);
		make_mbr();
		put_record(84, 1, 0x05, next, 30);
		assert_int_equal(read_table(&r), 0);
		assert_non_null(r.trouble);
		assert_int_equal(found_count, 4);
	}
	clear(512);
	make_mbr();
	memset(image + 104 * 512, 0, 512);
	assert_int_equal(read_table(&r), 0);
	assert_non_null(strstr(r.trouble, "no boot record"));
	clear(512);
	make_mbr();
	fail_at = 84;
	assert_int_equal(read_table(&r), -EIO);
}

static void seal_gpt(uint64_t at, uint64_t entries_at, uint32_t entries, uint32_t entry_bytes)
{
	unsigned char *h = image + at * block_bytes;

	put(h + 88, crc32_add(0, image + entries_at * block_bytes, (size_t)entries * entry_bytes), 4);
	put(h + 16, 0, 4);
	put(h + 16, crc32_add(0, h, 92), 4);
}

static void make_gpt_copy(uint64_t at, uint64_t other, uint64_t entries_at, uint32_t entry_bytes)
{
	unsigned char *h = image + at * block_bytes, *e = image + entries_at * block_bytes;
	static const unsigned short label[] = u"E\u00f6\u20ac\U0001f600";

	memcpy(h, "EFI PART", 8);
	put(h + 8, 0x10000, 4);
	put(h + 12, 92, 4);
	put(h + 24, at, 8);
	put(h + 32, other, 8);
	put(h + 40, 40, 8);
	put(h + 48, BLOCKS - 34, 8);
	memset(h + 56, 0xd1, 16);
	put(h + 72, entries_at, 8);
	put(h + 80, 128, 4);
	put(h + 84, entry_bytes, 4);
	memset(e, 0x11, 16);
	memset(e + 16, 0x22, 16);
	put(e + 32, 40, 8);
	put(e + 40, 49, 8);
	memcpy(e + 56, label, sizeof(label));
	e += 2 * (size_t)entry_bytes;
	memset(e, 0x33, 16);
	put(e + 32, 50, 8);
	put(e + 40, 50, 8);
	put(e + 48, 1ull << 60, 8);
	seal_gpt(at, entries_at, 128, entry_bytes);
}

static void make_gpt(uint32_t bytes, uint32_t entry_bytes)
{
	clear(bytes);
	put_record(0, 0, 0xee, 1, BLOCKS - 1);
	make_gpt_copy(1, BLOCKS - 1, 2, entry_bytes);
	make_gpt_copy(BLOCKS - 1, 1, BLOCKS - 33, entry_bytes);
}

static void check_gpt(bool second)
{
	struct partition_result r;

	assert_int_equal(read_table(&r), 0);
	assert_int_equal(r.scheme, PARTITION_GPT);
	assert_null(r.trouble);
	assert_int_equal(r.second_copy, second);
	assert_int_equal(r.disk_id[15], 0xd1);
	assert_int_equal(found_count, 2);
	expect(0, 1, 40, 10, 0);
	assert_int_equal(found[0].type[0], 0x11);
	assert_int_equal(found[0].id[15], 0x22);
	assert_string_equal(found[0].label, "E\u00f6\u20ac\U0001f600");
	assert_false(found[0].read_only);
	expect(1, 3, 50, 1, 0);
	assert_true(found[1].read_only);
}

static void test_gpt(void **state)
{
	(void)state;
	make_gpt(512, 128);
	check_gpt(false);
	make_gpt(4096, 128);
	check_gpt(false);
	make_gpt(4096, 256);
	check_gpt(false);
}

static void test_gpt_second_copy(void **state)
{
	struct partition_result r;

	(void)state;
	/* Each byte of the header that means something, and one of an entry. */
	for (unsigned at = 0; at < 92; at++) {
		make_gpt(512, 128);
		image[512 + at] ^= 0x40;
		check_gpt(true);
	}
	make_gpt(512, 128);
	image[2 * 512 + 56] ^= 1;
	check_gpt(true);
	image[(BLOCKS - 1) * 512] ^= 1;
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(r.scheme, PARTITION_GPT);
	assert_string_equal(r.trouble, "the checksum of the GPT's entries is wrong");
	assert_int_equal(found_count, 0);
}

/* A header whose checksum is right may say nonsense all the same. */
static void test_gpt_nonsense(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint64_t value;
		const char *trouble;
	} cases[] = {
		{12, 4, 91, "size"},	     {12, 4, 513, "size"},	    {24, 8, 2, "of this place"},
		{40, 8, 400, "usable"},	     {48, 8, BLOCKS, "usable"},	    {48, 8, UINT64_MAX, "usable"},
		{72, 8, 1, "outside"},	     {72, 8, BLOCKS, "outside"},    {72, 8, UINT64_MAX - 3, "outside"},
		{80, 4, 0, "number"},	     {80, 4, UINT32_MAX, "number"}, {84, 4, 0, "size"},
		{84, 4, 64, "size"},	     {84, 4, 192, "size"},	    {84, 4, 1024, "size"},
		{84, 4, 0x80000000, "size"},
	};
	struct partition_result r;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned char *h = image + 512;

		make_gpt(512, 128);
		memset(image + (BLOCKS - 1) * 512, 0, 512);
		put(h + cases[i].at, cases[i].value, cases[i].bytes);
		put(h + 16, 0, 4);
		put(h + 16, crc32_add(0, h, cases[i].at == 12 && cases[i].value < 512 ? cases[i].value : 92), 4);
		assert_int_equal(read_table(&r), 0);
		assert_int_equal(found_count, 0);
		assert_non_null(r.trouble);
		assert_non_null(strstr(r.trouble, cases[i].trouble));
	}
}

static void test_gpt_entries_outside(void **state)
{
	static const uint64_t range[][2] = {{39, 50}, {50, 49}, {50, BLOCKS - 33}, {50, UINT64_MAX}, {0, 0}};
	struct partition_result r;

	(void)state;
	make_gpt(512, 128);
	for (unsigned i = 0; i < 5; i++) {
		unsigned char *e = image + 2 * 512 + (size_t)128 * (10 + i);

		e[0] = 1;
		put(e + 32, range[i][0], 8);
		put(e + 40, range[i][1], 8);
	}
	seal_gpt(1, 2, 128, 128);
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(found_count, 2);
	assert_int_equal(r.left_out, 5);
}

static void test_labels(void **state)
{
	unsigned char *e = image + 2 * 512;
	struct partition_result r;

	(void)state;
	make_gpt(512, 128);
	for (unsigned i = 0; i < 36; i++)
		put(e + 56 + 2 * i, 0x20ac, 2);
	put(e + 256 + 56, 0xdc00, 2);
	put(e + 256 + 58, 0xd800, 2);
	put(e + 256 + 60, 'x', 2);
	seal_gpt(1, 2, 128, 128);
	assert_int_equal(read_table(&r), 0);
	assert_int_equal(strlen(found[0].label), 108);
	assert_string_equal(found[1].label, "\uFFFD\uFFFDx");
}

static void flip_bytes(size_t from, size_t to)
{
	struct partition_result r;

	for (size_t at = from; at < to; at++)
		for (unsigned value = 1; value < 256; value <<= 1) {
			image[at] ^= (unsigned char)value;
			assert_int_equal(read_table(&r), 0);
			assert_true(reads < 600);
			image[at] ^= (unsigned char)value;
		}
}

static void test_every_flipped_bit(void **state)
{
	(void)state;
	make_mbr();
	for (size_t record = 0; record < 130; record++)
		flip_bytes(record * 512 + 446, record * 512 + 512);
	make_gpt(512, 128);
	flip_bytes(446, 604);
}

static int stop(void *context, const struct partition *p)
{
	(void)context;
	return p->number == 3 ? 77 : 0;
}

static void test_emit_ends_it(void **state)
{
	const struct partition_disk disk = {
		.read = read_image, .context = image, .block_bytes = 512, .blocks = BLOCKS, .block = block};
	struct partition_result r;

	(void)state;
	make_mbr();
	assert_int_equal(partition_read(&disk, stop, nullptr, &r), 77);
	make_gpt(512, 128);
	assert_int_equal(partition_read(&disk, stop, nullptr, &r), 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_table, set_up),
		cmocka_unit_test_setup(test_bad_disk, set_up),
		cmocka_unit_test_setup(test_mbr, set_up),
		cmocka_unit_test_setup(test_mbr_bounds, set_up),
		cmocka_unit_test_setup(test_logical_loop, set_up),
		cmocka_unit_test_setup(test_gpt, set_up),
		cmocka_unit_test_setup(test_gpt_second_copy, set_up),
		cmocka_unit_test_setup(test_gpt_nonsense, set_up),
		cmocka_unit_test_setup(test_gpt_entries_outside, set_up),
		cmocka_unit_test_setup(test_labels, set_up),
		cmocka_unit_test_setup(test_every_flipped_bit, set_up),
		cmocka_unit_test_setup(test_emit_ends_it, set_up),
	};

	return cmocka_run_group_tests_name("partition", tests, nullptr, nullptr);
}
