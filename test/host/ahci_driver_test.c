/* SPDX-License-Identifier: MIT */
/* The AHCI driver before disks that fail, are late, forget to tell, are pulled out and put in, and before a controller
 * that goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ahci_model.c"
#include "ahci_model_kernel.c"

#include <kernel/driver/block/ahci/ahci.c>
#include <kernel/driver/block/ahci/command.c>
#include <kernel/driver/block/ahci/disk.c>
#include <kernel/driver/block/ahci/port.c>
#include <kernel/driver/block/ahci/recover.c>

enum : unsigned { REQUESTS = 8, OTHER = REQUESTS };

static unsigned char pages[REQUESTS + 1][4096] __attribute__((aligned(4096)));
static struct bio_piece pieces[REQUESTS + 1][2];
static struct bio bios[REQUESTS + 1];
static struct model_port *first, *second, *last;

static bool said(const char *text)
{
	return strstr(model.log, text) != nullptr;
}

static int setup(void **)
{
	model_reset();
	first = &model.ports[0];
	second = &model.ports[1];
	last = &model.ports[2];
	memset(pages, 0, sizeof(pages));
	memset(bios, 0, sizeof(bios));
	for (size_t i = 0; i < sizeof(first->media); i++)
		first->media[i] = (unsigned char)(i * 7 + i / 512);
	return 0;
}

/* Begins request n of a port's disk: of one block, of which each request has its own. */
static void begin(unsigned n, unsigned port, enum bio_kind kind)
{
	uint32_t block_bytes = model.ports[port].block_bytes;

	pieces[n][0] = (struct bio_piece){model_page(pages[n]), 0, block_bytes};
	bios[n] = (struct bio){.kind = kind,
			       .block = n + 1,
			       .blocks = 1,
			       .pieces = pieces[n],
			       .piece_count = kind <= BIO_WRITE ? 1 : 0};
	if (kind == BIO_FLUSH)
		bios[n].block = bios[n].blocks = 0;
	assert_int_equal(model_submit(port, &bios[n]), 0);
}

static void expect(unsigned n, int error)
{
	assert_true(bios[n].finished);
	assert_int_equal(bios[n].error, error);
	if (error == 0 && bios[n].kind == BIO_READ)
		assert_memory_equal(pages[n], first->media + bios[n].block * 512, 512);
}

static void expect_all(unsigned count)
{
	for (unsigned n = 0; n < count; n++)
		expect(n, 0);
}

static void read_all(void)
{
	for (unsigned n = 0; n < REQUESTS; n++)
		begin(n, 0, BIO_READ);
}

static void all_are_read(void)
{
	expect_all(REQUESTS);
	assert_int_equal(model.lent, 0);
}

static void expect_well(void)
{
	assert_int_equal(model.attached, 0);
	assert_null(model.failing);
	assert_int_equal(model.restarts, 0);
	assert_int_equal(model.lent, 0);
}

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

/* --- late ones --- */

static void hold_first(void)
{
	first->holds_first = true;
	read_all();
	model.now_ns += 20 * MODEL_SECOND;
	begin(OTHER, 2, BIO_FLUSH);
}

static void they_are_late(void)
{
	for (unsigned n = 1; n < REQUESTS; n++)
		expect(n, 0);
	expect(OTHER, 0);
	assert_false(bios[0].finished);
	model_late();
}

static void it_is_given_back(void)
{
	expect(0, -EAGAIN);
	assert_int_equal(first->resets, 1);
	assert_int_equal(last->resets, 0);
	assert_int_equal(model.lent, 0);
	first->holds_first = false;
	read_all();
}

/* The disk is reset, others are not; what was late is given again by the block floor. */
static void late(void **)
{
	ROUND(hold_first, they_are_late, it_is_given_back, all_are_read);
	expect_well();
	assert_true(said("are late, and the disk is reset"));
}

static void link_is_slow(void)
{
	first->holds_first = false;
	first->link_takes = MODEL_SECOND + MODEL_SECOND / 200;
	model_late();
}

/* The link comes back a little later than it is waited for after a reset: what was out is not forgotten. */
static void late_and_slow(void **)
{
	ROUND(hold_first, link_is_slow, all_are_read);
	expect_well();
	assert_int_equal(first->resets, 2);
}

static void read_untold(void)
{
	model.tells_nothing = true;
	read_all();
}

static void look_for_them(void)
{
	model.now_ns += 20 * MODEL_SECOND;
	model_late();
}

static void told_again(void)
{
	all_are_read();
	model.tells_nothing = false;
	read_all();
}

/* They are done, and nobody was told: once that may be chance. */
static void untold(void **)
{
	ROUND(read_untold, look_for_them, told_again, all_are_read);
	expect_well();
	assert_true(said("a late answer was there"));
	assert_int_equal(first->resets, 0);
	setup(nullptr);
	ROUND(read_untold, look_for_them, read_untold, look_for_them);
	assert_string_equal(model.failing, "an interrupt was lost");
	assert_true(bios[0].finished);
}

static void nobody_there(void)
{
	read_all();
	model.gone = true;
	model_late();
}

static void controller_goes(void **)
{
	first->holds = true;
	ROUND(nobody_there);
	assert_string_equal(model.failing, "the controller is not there any more");
	assert_false(bios[0].finished);
}

static void does_not_stop(void)
{
	first->does_not_stop = true;
	first->holds = true;
	first->silent = true;
	read_all();
	model_late();
}

/* Then the whole controller is reset. */
static void port_is_stuck(void **)
{
	ROUND(does_not_stop);
	assert_string_equal(model.failing, "a port does not come back from a reset");
}

/* --- what comes and goes --- */

static void pull_in_use(void)
{
	first->holds = true;
	read_all();
	begin(OTHER, 2, BIO_FLUSH);
	model_plug(0, false);
}

static void it_is_pulled(void)
{
	assert_false(model.disks[0].there);
	assert_true(model.disks[2].there);
	assert_int_equal(model.lent, 0);
	assert_false(bios[0].finished);
	expect(OTHER, 0);
	bios[OTHER] = (struct bio){.kind = BIO_FLUSH};
	assert_int_equal(model_submit(0, &bios[OTHER]), -ENODEV);
	first->holds = false;
	model_plug(0, true);
}

static void it_is_there_again(void)
{
	assert_true(model.disks[0].there);
	read_all();
}

/* As the device's thread would while another one fills a request. */
static void is_pulled_meanwhile(void)
{
	struct ahci *a = device_private(nullptr);

	model_plug(0, false);
	port_plugged(&a->ports[0]);
	assert_false(model.disks[0].there);
	/* Of those that were out no page is lent any more, and of this one it is. */
	assert_int_equal(model.lent, 1);
}

static void pull_while_filling(void)
{
	first->holds = true;
	read_all();
	model.while_lending = is_pulled_meanwhile;
	pieces[OTHER][0] = (struct bio_piece){model_page(pages[OTHER]), 0, 512};
	bios[OTHER] =
		(struct bio){.kind = BIO_READ, .block = 1, .blocks = 1, .pieces = pieces[OTHER], .piece_count = 1};
	assert_int_equal(model_submit(0, &bios[OTHER]), -ENODEV);
	assert_int_equal(model.lent, 0);
}

static void pulled_while_filled(void **)
{
	ROUND(pull_while_filling);
	expect_well();
}

static void put_second(void)
{
	all_are_read();
	model_plug(1, true);
}

static void second_is_there(void)
{
	assert_true(model.disks[1].there);
	begin(0, 1, BIO_FLUSH);
}

static void second_is_flushed(void)
{
	expect(0, 0);
	model_plug(1, false);
}

static void second_is_gone(void)
{
	assert_false(model.disks[1].there);
}

/* A disk goes with its requests, and comes again; its neighbour notices nothing. */
static void plugged(void **)
{
	ROUND(pull_in_use, it_is_pulled, it_is_there_again, put_second, second_is_there, second_is_flushed,
	      second_is_gone);
	expect_well();
	assert_int_equal(last->resets, 0);
	assert_int_equal(model.registered, 4);
}

static void bounce(void)
{
	read_all();
	model_plug(0, false);
	model_plug(0, true);
}

static void swap(void)
{
	first->serial[0] = 'X';
	bounce();
}

/* The link was lost for a moment: what was out is issued again. Or another disk is there, which the next round finds.
 */
static void bounced(void **)
{
	ROUND(bounce, all_are_read);
	expect_well();
	assert_int_equal(model.registered, 2);
	setup(nullptr);
	ROUND(swap);
	assert_int_equal(model.restarts, 1);
	assert_true(said("another disk is there"));
	assert_false(bios[0].finished);
	/* That was not given what was for the other one. */
	assert_int_equal(first->count[0x60], 0);
}

static void it_gets_ready(void)
{
	assert_int_equal(model.registered, 1);
	assert_true(said("does not get ready"));
}

/* What is no disk, or none that says so, is left out; others are there. */
static void left_out(void **)
{
	first->silent = true;
	ROUND(it_gets_ready);
	expect_well();
	assert_int_equal(first->resets, 1);
	setup(nullptr);
	first->signature = AHCI_SIGNATURE_PACKET;
	ROUND(second_is_gone);
	expect_well();
	assert_int_equal(model.registered, 1);
	assert_true(said("a drive of removable media is left alone"));
	setup(nullptr);
	first->refuses = true;
	ROUND(second_is_gone);
	expect_well();
	assert_int_equal(model.registered, 1);
	assert_int_equal(first->count[0xec], 3);
	assert_true(said("it does not say what it is"));
	setup(nullptr);
	first->block_bytes = 1000;
	ROUND(second_is_gone);
	expect_well();
	assert_int_equal(model.registered, 1);
	assert_true(said("not usable as a disk"));
}

/* --- the controller --- */

static void controllers(void **)
{
	model.does_not_reset = true;
	ROUND(second_is_gone);
	assert_int_equal(model.attached, -EIO);
	setup(nullptr);
	model.pi = 0;
	ROUND(second_is_gone);
	assert_int_equal(model.attached, -ENODEV);
	setup(nullptr);
	model.pi = 1 << MODEL_PORTS;
	ROUND(second_is_gone);
	assert_int_equal(model.attached, -ENODEV);
	setup(nullptr);
	model.gone = true;
	ROUND(second_is_gone);
	assert_int_equal(model.attached, -ENODEV);
	setup(nullptr);
	model.firmware_has_it = true;
	model.bohc = AHCI_BOHC_FIRMWARE;
	ROUND(read_all, all_are_read);
	expect_well();
	assert_int_equal(model.bohc, AHCI_BOHC_SYSTEM);
	assert_false(said("hand it over"));
}

static void power_goes(void)
{
	all_are_read();
	first->holds = true;
	read_all();
	model.ends = true;
}

/* Disks are told, whatever they were asked before; in no other round's end. */
static void end_of_power(void **)
{
	ROUND(read_all, all_are_read);
	expect_well();
	assert_int_equal(first->count[0xe0] + last->count[0xe0], 0);
	setup(nullptr);
	ROUND(read_all, power_goes);
	assert_null(model.failing);
	assert_int_equal(first->count[0xe0], 1);
	assert_int_equal(last->count[0xe0], 1);
	assert_int_equal(second->count[0xe0], 0);
	assert_false(said("the end of power"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(transfers, setup),	cmocka_unit_test_setup(unqueued, setup),
		cmocka_unit_test_setup(not_mixed, setup),	cmocka_unit_test_setup(large_blocks, setup),
		cmocka_unit_test_setup(bad_block, setup),	cmocka_unit_test_setup(bad_block_unlogged, setup),
		cmocka_unit_test_setup(bad_block_alone, setup), cmocka_unit_test_setup(flush_fails, setup),
		cmocka_unit_test_setup(queueing_ends, setup),	cmocka_unit_test_setup(link_breaks, setup),
		cmocka_unit_test_setup(too_short, setup),	cmocka_unit_test_setup(late, setup),
		cmocka_unit_test_setup(untold, setup),		cmocka_unit_test_setup(controller_goes, setup),
		cmocka_unit_test_setup(port_is_stuck, setup),	cmocka_unit_test_setup(plugged, setup),
		cmocka_unit_test_setup(bounced, setup),		cmocka_unit_test_setup(left_out, setup),
		cmocka_unit_test_setup(controllers, setup),	cmocka_unit_test_setup(end_of_power, setup),
		cmocka_unit_test_setup(late_and_slow, setup),	cmocka_unit_test_setup(pulled_while_filled, setup),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
