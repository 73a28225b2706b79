/* SPDX-License-Identifier: MIT */
/*
 * A disk outlives its driver: it strays, loses requests, comes back, is taken out in the middle; and all of it while
 * several threads read and write.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <kernel/base/lock.h>
#include <lib/string.h>

enum : uint32_t { COUNT = 8 };

static struct ramdisk ram;
static struct ram_io ios[COUNT];
static uint64_t allocations;

static bool begin(bool hold)
{
	allocations = component_ktest.allocations;
	memset(ios, 0, sizeof(ios));
	if (!ram_create(&ram, RAM_BLOCK, 512))
		return false;
	ram.hold = hold;
	return EXPECT_EQ(ram_register(&ram), 0);
}

static void end(uint32_t bios)
{
	ram_ios_destroy(ios, COUNT, bios, &ram);
	EXPECT_EQ(component_ktest.allocations, allocations);
}

static bool submit(uint32_t n, enum bio_kind kind, uint64_t block)
{
	return ram_submit(&ios[n], &ram, kind, block, 8);
}

/* Takes the place of the device core: the device is reset, the driver attached anew. */
static void restart(void)
{
	struct disk *before = ram.disk;

	disk_suspend(ram.disk);
	EXPECT_EQ(disk_state(ram.disk), DISK_SUSPENDED);
	ram_reset(&ram);
	EXPECT_EQ(ram_register(&ram), 0);
	EXPECT(ram.disk == before);
}

static void expect_written(uint32_t n)
{
	static unsigned char wanted[PAGE_SIZE];
	uint64_t block = ios[n].bio.block;

	EXPECT_EQ(ios[n].bio.error, 0);
	ram_pattern(wanted, block, 8, RAM_BLOCK, 0);
	EXPECT(memcmp(ram.data + block * RAM_BLOCK, wanted, 8 * RAM_BLOCK) == 0);
}

/* Some requests are with the driver, some wait for room: all are done after the restart. */
static void resumed(void)
{
	if (!begin(true))
		return;
	ram.room = 3;
	for (uint32_t n = 0; n < COUNT; n++)
		(void)submit(n, BIO_WRITE, n * 20);
	struct bio *old = ram.held[0];
	disk_suspend(ram.disk);
	/* The old driver's last words. */
	disk_done(ram.disk, old, 0);
	disk_room(ram.disk, 0);
	for (uint32_t n = 0; n < COUNT; n++)
		EXPECT_EQ(ios[n].ended, 0);
	restart();
	for (uint32_t n = 0; n < COUNT; n++)
		expect_written(n);
	end(COUNT);
}

/* What comes while it is suspended waits. */
static void suspended(void)
{
	if (!begin(false))
		return;
	disk_suspend(ram.disk);
	disk_suspend(ram.disk);
	for (uint32_t n = 0; n < COUNT; n++)
		(void)submit(n, BIO_WRITE, n * 20);
	EXPECT_EQ(ram.submits, 0);
	restart();
	for (uint32_t n = 0; n < COUNT; n++)
		expect_written(n);
	end(COUNT);
}

static void strays(enum ram_stray when)
{
	if (!begin(true))
		return;
	(void)submit(0, BIO_WRITE, 200);
	ram.stray = when;
	ram.strays = 1;
	sleep_ns(FAULT_PAUSE_NS);
	(void)submit(1, BIO_WRITE, 220);
	EXPECT_EQ(disk_state(ram.disk), DISK_BROKEN);
	(void)submit(2, BIO_WRITE, 240);
	/* It may not be believed any more. */
	ram_finish(&ram, 0, 0);
	for (uint32_t n = 0; n < 3; n++)
		EXPECT_EQ(ios[n].ended, 0);
	restart();
	for (uint32_t n = 0; n < 3; n++)
		expect_written(n);
	end(3);
}

static void strays_before(void)
{
	strays(STRAY_BEFORE);
}

static void strays_after(void)
{
	strays(STRAY_AFTER);
}

/* Each time it is given, it strays. */
static void tries(void)
{
	uint32_t restarts = 0;

	if (!begin(false))
		return;
	ram.stray = STRAY_BEFORE;
	ram.strays = 1;
	sleep_ns(FAULT_PAUSE_NS);
	(void)submit(0, BIO_WRITE, 0);
	for (; ios[0].ended == 0 && restarts < 2 * DISK_TRIES_MAX; restarts++) {
		sleep_ns(FAULT_PAUSE_NS);
		disk_suspend(ram.disk);
		ram_reset(&ram);
		ram.strays = 1;
		EXPECT_EQ(ram_register(&ram), 0);
	}
	EXPECT_EQ(restarts, DISK_TRIES_MAX);
	EXPECT_EQ(ios[0].bio.error, -EIO);
	EXPECT_EQ(disk_state(ram.disk), DISK_RUNS);
	ram_reset(&ram);
	(void)submit(1, BIO_WRITE, 20);
	expect_written(1);
	end(2);
}

/* A request that the driver forgets. */
static void lost(void)
{
	if (!begin(true))
		return;
	(void)submit(0, BIO_WRITE, 0);
	(void)submit(1, BIO_WRITE, 20);
	ram_finish(&ram, 1, 0);
	disk_set_timeout(ram.disk, MS);
	(void)submit(2, BIO_WRITE, 40);
	EXPECT(WAIT_UNTIL(disk_state(ram.disk) == DISK_BROKEN));
	EXPECT_EQ(ios[0].ended, 0);
	disk_set_timeout(ram.disk, DISK_TIMEOUT_NS);
	restart();
	for (uint32_t n = 0; n < 3; n++)
		expect_written(n);
	end(3);
}

/* The driver is told of what is late, and may finish it; what it does not finish breaks it after all. */
static void late(void)
{
	if (!begin(true))
		return;
	ram.has_late = true;
	restart();
	ram.hold = true;
	(void)submit(0, BIO_WRITE, 0);
	(void)submit(1, BIO_WRITE, 20);
	/* However late the timer is: it tells first. */
	disk_set_timeout(ram.disk, MS);
	EXPECT(WAIT_UNTIL(disk_state(ram.disk) == DISK_BROKEN));
	EXPECT(ram.told_late >= 1 && ram.late >= 1);
	EXPECT_EQ(ios[0].ended + ios[1].ended, 0);
	disk_set_timeout(ram.disk, DISK_TIMEOUT_NS);
	restart();
	expect_written(0);
	expect_written(1);
	end(2);
}

static void strays_when_told(void)
{
	if (!begin(true))
		return;
	ram.has_late = true;
	restart();
	ram.hold = true;
	(void)submit(0, BIO_WRITE, 0);
	ram.stray = STRAY_LATE;
	ram.strays = 1;
	disk_set_timeout(ram.disk, MS);
	EXPECT(WAIT_UNTIL(disk_state(ram.disk) == DISK_BROKEN));
	EXPECT_EQ(ram.strays, 0);
	EXPECT_EQ(ram.told_late, 0);
	disk_set_timeout(ram.disk, DISK_TIMEOUT_NS);
	restart();
	expect_written(0);
	end(1);
}

/* What the driver gives back is given again, alone and as a whole, but not for ever. */
static void again(void)
{
	if (!begin(true))
		return;
	(void)submit(0, BIO_WRITE, 0);
	(void)submit(1, BIO_WRITE, 20);
	ram_finish(&ram, 0, -EAGAIN);
	EXPECT_EQ(ios[0].ended, 0);
	EXPECT_EQ(ram.held_count, 2);
	EXPECT_EQ(disk_state(ram.disk), DISK_RUNS);
	ram_finish_all(&ram);
	expect_written(0);
	expect_written(1);
	(void)submit(2, BIO_WRITE, 40);
	uint32_t taken = ram.taken;
	while (ram.held_count > 0 && ios[2].ended == 0)
		ram_finish(&ram, 0, -EAGAIN);
	EXPECT_EQ(ios[2].bio.error, -EIO);
	EXPECT_EQ(ram.taken - taken, DISK_TRIES_MAX - 1);
	end(3);
}

/* Taken out with requests in the driver and waiting, while somebody else has a reference. */
static void gone(void)
{
	if (!begin(true))
		return;
	struct disk *d = ram.disk;
	disk_get(d);
	ram.room = 2;
	for (uint32_t n = 0; n < 5; n++)
		(void)submit(n, BIO_WRITE, n * 20);
	disk_gone(d);
	for (uint32_t n = 0; n < 5; n++) {
		EXPECT_EQ(ios[n].ended, 1);
		EXPECT_EQ(ios[n].bio.error, -ENODEV);
	}
	(void)submit(5, BIO_READ, 0);
	EXPECT_EQ(ios[5].bio.error, -ENODEV);
	EXPECT_EQ(disk_flush(d), -ENODEV);
	disk_suspend(d);
	EXPECT_EQ(disk_state(d), DISK_GONE);
	ram.disk = nullptr;
	/* Another one in its place has its name, and is another disk. */
	ram_reset(&ram);
	EXPECT_EQ(ram_register(&ram), 0);
	EXPECT(ram.disk != d);
	EXPECT(strcmp(disk_name(ram.disk), disk_name(d)) == 0);
	disk_put(d);
	end(6);
}

static void gone_while_suspended(void)
{
	if (!begin(true))
		return;
	(void)submit(0, BIO_WRITE, 0);
	disk_suspend(ram.disk);
	(void)submit(1, BIO_WRITE, 20);
	disk_gone(ram.disk);
	ram.disk = nullptr;
	EXPECT_EQ(ios[0].bio.error, -ENODEV);
	EXPECT_EQ(ios[1].bio.error, -ENODEV);
	end(2);
}

/* Where a suspended disk was, one with another serial number or size comes: the old one never comes back. */
static void exchanged(void)
{
	if (!begin(true))
		return;
	struct disk *old = ram.disk;
	(void)submit(0, BIO_WRITE, 0);
	disk_get(old);
	disk_suspend(old);
	ram_reset(&ram);
	ram.geometry.serial[0] = 'R';
	EXPECT_EQ(ram_register(&ram), 0);
	EXPECT(ram.disk != old);
	EXPECT_EQ(ios[0].bio.error, -ENODEV);
	EXPECT_EQ(disk_state(old), DISK_GONE);
	disk_put(old);
	end(1);
}

/* A disk that had a cache of its own and has none any more could not keep what it took before: it is another one. */
static void flush_lost(void)
{
	if (!begin(false))
		return;
	struct disk *old = ram.disk;
	disk_get(old);
	disk_suspend(old);
	ram_reset(&ram);
	ram.geometry.has_flush = false;
	EXPECT_EQ(ram_register(&ram), 0);
	EXPECT(ram.disk != old);
	EXPECT_EQ(disk_flush(old), -ENODEV);
	disk_put(old);
	/* One that has a cache from now on is asked to. */
	EXPECT_EQ(disk_flush(ram.disk), 0);
	EXPECT_EQ(ram.flushes, 0);
	ram.geometry.has_flush = true;
	restart();
	EXPECT_EQ(disk_flush(ram.disk), 0);
	EXPECT_EQ(ram.flushes, 1);
	end(0);
}

/* It comes back and can do less. */
static void smaller(void)
{
	if (!begin(true))
		return;
	for (uint32_t n = 0; n < COUNT; n++)
		(void)submit(n, BIO_WRITE, n * 8);
	ram.geometry.bytes_max = 2 * RAM_BLOCK;
	ram.most_blocks = 0;
	restart();
	EXPECT_EQ(ram.most_blocks, 2);
	for (uint32_t n = 0; n < COUNT; n++)
		expect_written(n);
	end(COUNT);
}

/* --- threads --- */

enum : uint32_t { WORKERS = 4, ROUNDS = 200, RESTARTS = 40 };

static uint32_t working, wrong, failed;

/* Writes and reads blocks of its own, several at a time. */
static void work(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	unsigned char *bytes = page_alloc_kernel(0);
	struct bio_piece piece = {};

	for (uint32_t round = 0; bytes != nullptr && round < ROUNDS; round++) {
		uint64_t block = me * 64 + round % 7 * 8;
		uint32_t blocks = 1 + round % 8;
		unsigned char salt = (unsigned char)(round + me);

		piece = (struct bio_piece){page_of(page_window_pfn(bytes)), 0, blocks * RAM_BLOCK};
		struct bio b = {
			.kind = BIO_WRITE, .block = block, .blocks = blocks, .pieces = &piece, .piece_count = 1};
		ram_pattern(bytes, block, blocks, RAM_BLOCK, salt);
		bio_submit(ram.disk, &b);
		int error = bio_wait(&b);
		memset(bytes, 0, PAGE_SIZE);
		b.kind = BIO_READ;
		bio_submit(ram.disk, &b);
		/* Waited for in any case: its memory is another's otherwise. */
		int read_error = bio_wait(&b);
		error = error != 0 ? error : read_error;
		if (error != 0)
			__atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED);
		for (uint32_t n = 0; error == 0 && n < blocks * RAM_BLOCK; n++) {
			unsigned char wanted = (unsigned char)(n * 7 + (block + n / RAM_BLOCK) * 31 + salt);
			if (bytes[n] != wanted) {
				__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
				break;
			}
		}
	}
	if (bytes != nullptr)
		page_free_kernel(bytes, 0);
	__atomic_fetch_sub(&working, 1, __ATOMIC_RELEASE);
}

static bool start_workers(void)
{
	working = wrong = failed = 0;
	for (uint32_t n = 0; n < WORKERS; n++) {
		__atomic_fetch_add(&working, 1, __ATOMIC_RELAXED);
		if (start_thread(work, (void *)(uintptr_t)n, -1) == nullptr)
			return false;
	}
	return true;
}

/* The disk comes and goes under them; now and then the driver keeps requests, which only the restart frees. */
static void restarts(void)
{
	if (!begin(false) || !start_workers())
		return;
	for (uint32_t n = 0; n < RESTARTS; n++) {
		ram.hold = n % 2 == 0;
		thread_yield();
		disk_suspend(ram.disk);
		ram_reset(&ram);
		EXPECT_EQ(ram_register(&ram), 0);
	}
	EXPECT(WAIT_UNTIL(__atomic_load_n(&working, __ATOMIC_ACQUIRE) == 0));
	EXPECT_EQ(wrong, 0);
	end(0);
}

/* One of them finishes the others' requests: a driver's thread. */
static void finisher(void)
{
	if (!begin(true) || !start_workers())
		return;
	ram.room = 2;
	while (__atomic_load_n(&working, __ATOMIC_ACQUIRE) > 0) {
		if (ram.held_count > 0)
			ram_finish(&ram, ram.held_count - 1, 0);
		else
			thread_yield();
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(failed, 0);
	end(0);
}

static void gone_under_threads(void)
{
	if (!begin(false) || !start_workers())
		return;
	struct disk *d = ram.disk;
	disk_get(d);
	while (ram.taken < WORKERS * 8)
		thread_yield();
	disk_gone(d);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&working, __ATOMIC_ACQUIRE) == 0));
	EXPECT_EQ(wrong, 0);
	ram.disk = nullptr;
	disk_put(d);
	end(0);
}

KTEST_SUITE(block_break, KTEST("requests survive a restart of the driver", resumed),
	    KTEST("what comes while it is suspended waits", suspended),
	    KTEST("a stray write in submit, before the driver has it", strays_before),
	    KTEST("a stray write in submit, with the request in the driver", strays_after),
	    KTEST("a request that breaks the driver each time fails in the end", tries),
	    KTEST("a request that the driver forgets", lost), KTEST("a driver is told of what is late", late),
	    KTEST("a stray write when it is told", strays_when_told),
	    KTEST("what the driver gives back is given again", again), KTEST("gone, with requests in it", gone),
	    KTEST("gone while it is suspended", gone_while_suspended), KTEST("another disk in its place", exchanged),
	    KTEST("it comes back without its flush", flush_lost), KTEST("it comes back with smaller limits", smaller),
	    KTEST("restarts under threads", restarts), KTEST("a driver's thread finishes what others submit", finisher),
	    KTEST("gone under threads", gone_under_threads));
