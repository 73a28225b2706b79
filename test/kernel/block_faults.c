/* SPDX-License-Identifier: MIT */
/*
 * The block floor itself faults, at each of its steps that has a request, a lock or a mark: whoever waits for a request
 * gets its end, once, and the disk can be suspended.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

#if STELLUX_DEBUG

enum : uint32_t { COUNT = 4, BLOCKS = 8 };

static struct ramdisk ram;
static struct ram_io ios[COUNT];

static bool begin(bool hold)
{
	memset(ios, 0, sizeof(ios));
	if (!ram_create(&ram, RAM_BLOCK, 512))
		return false;
	ram.hold = hold;
	return EXPECT_EQ(ram_register(&ram), 0);
}

/* Takes the place of the device core. */
static void restart(void)
{
	disk_suspend(ram.disk);
	EXPECT_EQ(disk_state(ram.disk), DISK_SUSPENDED);
	ram_reset(&ram);
	EXPECT_EQ(ram_register(&ram), 0);
}

static void arm(uint32_t point)
{
	fault_point_arm(point, thread_current()->name, 1, 1);
}

static void disarm(void)
{
	uint32_t passed, faulted;

	fault_point_counts(&passed, &faulted);
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	EXPECT_EQ(faulted, 1);
}

/* Neighbours, of which several become one request. */
static bool make(uint32_t count)
{
	bool made = true;

	for (uint32_t n = 0; n < count; n++)
		made &= ram_io_create(&ios[n], &ram, BIO_WRITE, n * BLOCKS, BLOCKS);
	return made;
}

static void all_were_written(uint32_t count)
{
	static unsigned char wanted[PAGE_SIZE];

	for (uint32_t n = 0; n < count; n++) {
		EXPECT_EQ(ios[n].ended, 1);
		EXPECT_EQ(ios[n].bio.error, 0);
		ram_pattern(wanted, n * BLOCKS, BLOCKS, RAM_BLOCK, 0);
		EXPECT(memcmp(ram.data + (size_t)n * BLOCKS * RAM_BLOCK, wanted, BLOCKS * RAM_BLOCK) == 0);
	}
	ram_ios_destroy(ios, COUNT, count, &ram);
}

/* It is in a queue, and who was to hand it over is not there any more. */
static void taken(void)
{
	if (!begin(false) || !make(1))
		return;
	arm(FAULT_POINT_driver_disk_taken);
	EXPECT_EQ(bio_give(ram.disk, &ios[0].bio), 0);
	disarm();
	EXPECT_EQ(disk_state(ram.disk), DISK_RUNS);
	all_were_written(1);
}

/* Who waits for it, on whose stack it is, does so to its end. */
static void taken_and_waited_for(void)
{
	if (!begin(false) || !make(1))
		return;
	struct bio b = {.kind = BIO_WRITE, .blocks = BLOCKS, .pieces = &ios[0].piece, .piece_count = 1};
	arm(FAULT_POINT_driver_disk_taken);
	EXPECT_EQ(bio_run(ram.disk, &b), 0);
	disarm();
	EXPECT_EQ(b.finished, 1);
	EXPECT_EQ(ram.taken, 1);
	ram_ios_destroy(ios, COUNT, 0, &ram);
}

/* In the middle of a request that is made of several, and where one is watched: its driver begins anew, and gets it. */
static void given_again_after(uint32_t point)
{
	if (!begin(true) || !make(COUNT))
		return;
	ram.room = 1;
	EXPECT_EQ(bio_give(ram.disk, &ios[0].bio), 0);
	for (uint32_t n = 1; n < COUNT; n++)
		EXPECT_EQ(bio_give(ram.disk, &ios[n].bio), 0);
	arm(point);
	ram.room = COUNT;
	disk_room(ram.disk, 0);
	disarm();
	EXPECT_EQ(disk_state(ram.disk), DISK_BROKEN);
	for (uint32_t n = 0; n < COUNT; n++)
		EXPECT_EQ(ios[n].ended, 0);
	restart();
	all_were_written(COUNT);
}

static void made(void)
{
	given_again_after(FAULT_POINT_driver_disk_made);
}

static void watched(void)
{
	given_again_after(FAULT_POINT_driver_disk_watched);
}

/* A driver's thread, in the middle of what the floor does when it tells that a request is finished. */
static void told_after(uint32_t point)
{
	if (!begin(true) || !make(COUNT))
		return;
	ram.room = 1;
	for (uint32_t n = 0; n < COUNT; n++)
		EXPECT_EQ(bio_give(ram.disk, &ios[n].bio), 0);
	ram.room = COUNT;
	disk_room(ram.disk, 0);
	EXPECT_EQ(ram.held_count, 2);
	EXPECT(ram.held[1]->blocks == (COUNT - 1) * BLOCKS);
	arm(point);
	EXPECT(!guard_run_void(&component_ktest, ram_finish(&ram, 1, 0)));
	disarm();
	restart();
	all_were_written(COUNT);
}

static void ended(void)
{
	told_after(FAULT_POINT_driver_disk_ended);
}

static void settled(void)
{
	told_after(FAULT_POINT_driver_disk_settled);
}

/* The timer's thread, which tells the driver of what is late. */
static void late(void)
{
	if (!begin(true) || !make(1))
		return;
	ram.has_late = true;
	restart();
	ram.hold = true;
	EXPECT_EQ(bio_give(ram.disk, &ios[0].bio), 0);
	fault_point_arm(FAULT_POINT_driver_disk_late, "timer", 1, 1);
	disk_set_timeout(ram.disk, MS);
	EXPECT(WAIT_UNTIL(disk_state(ram.disk) == DISK_BROKEN));
	disarm();
	disk_set_timeout(ram.disk, DISK_TIMEOUT_NS);
	restart();
	all_were_written(1);
}

/* Who suspends it tries again. */
static void suspended(void)
{
	if (!begin(true) || !make(1))
		return;
	EXPECT_EQ(bio_give(ram.disk, &ios[0].bio), 0);
	arm(FAULT_POINT_driver_disk_suspended);
	EXPECT(!guard_run_void(&component_ktest, disk_suspend(ram.disk)));
	disarm();
	restart();
	all_were_written(1);
}

KTEST_SUITE(block_faults, KTEST("taken", taken, .modes = IN_FULL),
	    KTEST("taken and waited for", taken_and_waited_for, .modes = IN_FULL),
	    KTEST("made", made, .modes = IN_FULL), KTEST("watched", watched, .modes = IN_FULL),
	    KTEST("ended", ended, .modes = IN_FULL), KTEST("settled", settled, .modes = IN_FULL),
	    KTEST("late", late, .modes = IN_FULL), KTEST("suspended", suspended, .modes = IN_FULL));

#endif
