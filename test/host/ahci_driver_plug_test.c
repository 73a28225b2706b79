/* SPDX-License-Identifier: MIT */
/* The AHCI driver before disks that are pulled out and put in, and at the begin and the end of a controller. */
#include "ahci_driver_test.h"

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

static uint64_t power_goes_ns;

static void power_goes_slowly(void)
{
	first->standby_takes = last->standby_takes = 3 * MODEL_SECOND;
	power_goes_ns = model.now_ns;
	model.ends = true;
}

static void one_never_sleeps(void)
{
	power_goes_slowly();
	first->standby_takes = 1000 * MODEL_SECOND;
}

/* All are told at once: what one of them takes the other does not wait for. */
static void end_of_power_is_slow(void **)
{
	ROUND(power_goes_slowly);
	assert_int_equal(first->count[0xe0] + last->count[0xe0], 2);
	assert_false(said("the end of power"));
	assert_true(model.now_ns - power_goes_ns < 4 * MODEL_SECOND);
	setup(nullptr);
	ROUND(one_never_sleeps);
	assert_int_equal(first->count[0xe0] + last->count[0xe0], 2);
	assert_true(said("port 0: the disk does not get ready for the end of power"));
	assert_false(said("port 2: the disk does not get ready for the end of power"));
	assert_true(model.now_ns - power_goes_ns < 11 * MODEL_SECOND);
}

static void it_has_come(void)
{
	assert_int_equal(model.registered, 2);
	read_all();
}

/* A link that is lost again and again is not waited for without end, and its disk comes when it stays. */
static void link_flaps(void **)
{
	first->flaps_until_ns = 150 * MODEL_SECOND;
	ROUND(it_has_come, all_are_read);
	expect_well();
	assert_int_equal(model.dropped_missing, 1);
	assert_true(said("comes and goes is not waited for"));
	assert_true(model.attached_ns < 100 * MODEL_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(plugged, setup),
		cmocka_unit_test_setup(pulled_while_filled, setup),
		cmocka_unit_test_setup(bounced, setup),
		cmocka_unit_test_setup(left_out, setup),
		cmocka_unit_test_setup(controllers, setup),
		cmocka_unit_test_setup(end_of_power, setup),
		cmocka_unit_test_setup(end_of_power_is_slow, setup),
		cmocka_unit_test_setup(link_flaps, setup),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
