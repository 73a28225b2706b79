/* SPDX-License-Identifier: MIT */
/* The AHCI driver before disks that work, and that fail. */
#include "ahci_driver_test.h"

/* --- what works --- */

static void two_pieces(void)
{
	pieces[0][0] = (struct bio_piece){model_page(pages[0]), 1024, 3072};
	pieces[0][1] = (struct bio_piece){model_page(pages[1]), 0, 2048};
	for (size_t i = 0; i < 4096; i++)
		pages[0][i] = pages[1][i] = (unsigned char)(i * 3 + 1);
	bios[0] = (struct bio){.kind = BIO_WRITE, .block = 2, .blocks = 10, .pieces = pieces[0], .piece_count = 2};
	assert_int_equal(model_submit(2, &bios[0]), 0);
}

static void they_are_written(void)
{
	expect(0, 0);
	assert_memory_equal(last->media + 1024, pages[0] + 1024, 3072);
	assert_memory_equal(last->media + 4096, pages[1], 2048);
	assert_int_equal(last->media[1023] | last->media[4096 + 2048], 0);
	begin(1, 2, BIO_FLUSH);
	bios[2] = (struct bio){.kind = BIO_DISCARD, .block = 3, .blocks = 2};
	assert_int_equal(model_submit(2, &bios[2]), 0);
}

static void they_are_gone(void)
{
	expect(1, 0);
	expect(2, 0);
	assert_int_equal(last->count[0xea], 1);
	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(last->media[3 * 512 + i], 0);
	assert_int_equal(last->media[3 * 512 - 1], pages[0][3 * 512 - 1]);
	assert_false(last->mixed);
}

static void transfers(void **)
{
	ROUND(two_pieces, they_are_written, they_are_gone, read_all, all_are_read);
	expect_well();
	assert_int_equal(model.registered, 2);
	assert_int_equal(model.dropped_missing, 1);
	assert_string_equal(model.disks[0].geometry.address, "model/0");
	assert_string_equal(model.disks[2].geometry.serial, "D2");
	assert_int_equal(model.disks[2].geometry.depth, 32);
	assert_int_equal(first->count[0x60], REQUESTS);
	assert_int_equal(first->most_out, REQUESTS);
	assert_int_equal(model.limit_bits, 0);
}

static void one_at_a_time(void)
{
	all_are_read();
	assert_int_equal(first->most_out, 1);
	assert_int_equal(first->count[0x60], 0);
}

/* Neither a disk that takes no queued commands is given any, nor any by a controller that cannot. */
static void unqueued(void **)
{
	first->no_queue = true;
	ROUND(read_all, one_at_a_time);
	expect_well();
	assert_int_equal(first->count[0x25], REQUESTS);
	setup(nullptr);
	model.cap = 7 << 8;
	ROUND(read_all, one_at_a_time);
	expect_well();
	assert_int_equal(model.limit_bits, 32);
	assert_int_equal(model.disks[0].geometry.depth, 8);
	setup(nullptr);
	first->old = true;
	ROUND(read_all, one_at_a_time);
	expect_well();
	assert_int_equal(first->count[0xc8], REQUESTS);
	assert_int_equal(model.disks[0].geometry.bytes_max, 256 * 512);
}

static void write_and_flush(void)
{
	begin(0, 0, BIO_WRITE);
	begin(1, 0, BIO_READ);
	begin(2, 0, BIO_FLUSH);
	begin(3, 0, BIO_READ);
	begin(4, 0, BIO_FLUSH);
	begin(5, 0, BIO_READ);
	begin(6, 0, BIO_READ);
	begin(7, 0, BIO_READ);
}

/* What is not queued is alone, and nobody overtakes it. */
static void not_mixed(void **)
{
	ROUND(write_and_flush, all_are_read);
	expect_well();
	assert_false(first->mixed);
	assert_int_equal(first->count[0xea], 2);
	assert_int_equal(first->most_out, 3);
}

static void write_large(void)
{
	memset(pages[0], 0x5a, 4096);
	begin(0, 0, BIO_WRITE);
}

static void large_is_written(void)
{
	expect(0, 0);
	assert_memory_equal(first->media + 4096, pages[0], 4096);
	assert_int_equal(model.disks[0].geometry.block_bytes, 4096);
	assert_int_equal(model.disks[0].geometry.blocks, MODEL_BLOCKS);
}

static void large_blocks(void **)
{
	first->block_bytes = 4096;
	ROUND(write_large, large_is_written);
	expect_well();
}

/* --- commands that fail --- */

static void one_is_bad(void)
{
	for (unsigned n = 0; n < REQUESTS; n++)
		expect(n, n == 4 ? -EIO : 0);
	assert_int_equal(model.lent, 0);
	/* It goes on. */
	first->bad = 0;
	begin(4, 0, BIO_READ);
}

static void it_is_good(void)
{
	expect(4, 0);
}

/* The disk's log says which one it was; the others, which it forgot, are issued again. */
static void bad_block(void **)
{
	first->bad = 5;
	ROUND(read_all, one_is_bad, it_is_good);
	expect_well();
	assert_int_equal(first->count[0x2f], 1);
	assert_int_equal(first->resets, 0);
	assert_int_equal(first->count[0x25], 0);
}

/* It does not say: each is given again alone, and the one that is to blame shows. */
static void bad_block_unlogged(void **)
{
	first->bad = 5;
	first->no_log = true;
	ROUND(read_all, one_is_bad, it_is_good);
	expect_well();
	assert_int_equal(first->resets, 1);
	assert_int_equal(first->count[0x25], REQUESTS - 4);
	assert_int_equal(first->count[0x60], REQUESTS + 1);
	/* Another disk was there when it was reset, and is given nothing. */
	setup(nullptr);
	first->bad = 5;
	first->no_log = first->swaps = true;
	ROUND(read_all);
	assert_int_equal(model.restarts, 1);
	assert_true(said("another disk is there"));
	assert_int_equal(first->count[0x25], 0);
}

static void read_bad(void)
{
	begin(4, 0, BIO_READ);
}

static void it_is_bad(void)
{
	expect(4, -EIO);
	assert_int_equal(model.lent, 0);
}

static void bad_block_alone(void **)
{
	first->bad = 5;
	first->no_log = true;
	ROUND(read_bad, it_is_bad);
	expect_well();
	/* Of one it need not be said. */
	assert_int_equal(first->count[0x60], 1);
	setup(nullptr);
	first->bad = 5;
	first->no_queue = true;
	ROUND(read_bad, it_is_bad, read_all, one_is_bad, it_is_good);
	expect_well();
	setup(nullptr);
	first->bad = 5;
	first->no_queue = true;
	first->clears = true;
	ROUND(read_bad, it_is_bad);
	expect_well();
}

static void flush(void)
{
	begin(4, 0, BIO_FLUSH);
}

/* What it writes stays in its cache, whether the controller clears the command's bit then or not. */
static void flush_fails(void **)
{
	for (unsigned clears = 0; clears < 2; clears++) {
		setup(nullptr);
		first->keeps_cache = true;
		first->clears = clears != 0;
		ROUND(flush, it_is_bad);
		expect_well();
		assert_int_equal(first->count[0xea], 1);
	}
}

static void bad_again(void)
{
	read_all();
}

/* If that happens again and again, nothing is queued any more. */
static void queueing_ends(void **)
{
	first->bad = 5;
	first->no_log = true;
	ROUND(read_all, bad_again, bad_again, bad_again, bad_again, one_is_bad, it_is_good);
	expect_well();
	assert_true(said("commands are not queued any more"));
	assert_int_equal(first->count[0x60], 4 * REQUESTS);
}

/* The link breaks, which is nobody's fault, until it breaks too often. */
static void link_breaks(void **)
{
	first->link_errors = 4;
	ROUND(read_all, all_are_read);
	expect_well();
	setup(nullptr);
	first->link_errors = 6;
	ROUND(read_bad, it_is_bad);
	expect_well();
}

/* One that ends well and has moved less than it should. */
static void short_read(void)
{
	first->sends_nothing = true;
	begin(4, 0, BIO_READ);
}

static void too_short(void **)
{
	first->no_queue = true;
	ROUND(short_read, it_is_bad);
	expect_well();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(transfers, setup),	cmocka_unit_test_setup(unqueued, setup),
		cmocka_unit_test_setup(not_mixed, setup),	cmocka_unit_test_setup(large_blocks, setup),
		cmocka_unit_test_setup(bad_block, setup),	cmocka_unit_test_setup(bad_block_unlogged, setup),
		cmocka_unit_test_setup(bad_block_alone, setup), cmocka_unit_test_setup(flush_fails, setup),
		cmocka_unit_test_setup(queueing_ends, setup),	cmocka_unit_test_setup(link_breaks, setup),
		cmocka_unit_test_setup(too_short, setup),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
