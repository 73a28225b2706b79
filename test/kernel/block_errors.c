/* SPDX-License-Identifier: MIT */
/*
 * An error, or slowness, of a disk in every position: of all requests that come while it is registered, its table is
 * read, and its node is read, written, synced, used past the cache, flushed and discarded, one fails, or takes its
 * time, or all from there on fail. Who asked for it is told EIO, nobody waits for ever, nothing is left.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/clock.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

#include "../../kernel/block/block.h"

enum : uint32_t { BLOCKS = 8 * 32, BYTES = BLOCKS * RAM_BLOCK, POSITIONS_MAX = 200 };

enum trouble { ONE_FAILS, ALL_FAIL, ONE_IS_SLOW };

static struct ramdisk ram;
static unsigned char *buffer;
static uint32_t told; /* errors */
static bool helping;
static uint32_t inside; /* atomic: the helper may be in disk_done */

/* Nothing else than what was asked for, or EIO. */
static bool is_done(long result, long wanted)
{
	told += result != wanted;
	return result == wanted || !EXPECT_EQ(result, -EIO);
}

/* Past the cache: or the pages that were moved before the request that failed. */
static void is_moved(long result, long wanted)
{
	if (result > 0 && result < wanted && result % PAGE_SIZE == 0)
		told++;
	else
		(void)is_done(result, wanted);
}

/* The device's thread: what it kept is finished, the newest first. */
static void help(void *)
{
	while (__atomic_load_n(&helping, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
		uint32_t held = __atomic_load_n(&ram.held_count, __ATOMIC_SEQ_CST);
		if (held > 0)
			ram_finish(&ram, held - 1, 0);
		__atomic_store_n(&inside, 0, __ATOMIC_SEQ_CST);
		if (held == 0)
			thread_yield();
	}
	__atomic_store_n(&helping, true, __ATOMIC_RELEASE);
}

/* Its cached bytes in pieces of one and of several pages. A piece that ends early met the error. */
static void read_all(struct file *f)
{
	static const uint32_t pieces[] = {1, 4096, 3 * 4096, 6 * 4096 - 1, 6 * 4096};
	uint64_t at = 0;

	for (size_t n = 0; n < ARRAY_LEN(pieces); at += pieces[n++]) {
		long done = file_read_at(f, buffer, pieces[n], at);

		if (done > 0 && done < pieces[n])
			done = file_read_at(f, buffer + done, pieces[n] - (uint64_t)done, at + (uint64_t)done) < 0
				       ? -EIO
				       : (long)pieces[n];
		if (is_done(done, pieces[n]) && done > 0)
			EXPECT(memcmp(buffer, ram.data + at, pieces[n]) == 0);
	}
}

static void use(struct file *f, struct file *past)
{
	read_all(f);
	/* The middle of a page, which is read for it when that failed before, and whole pages. */
	(void)is_done(file_write_at(f, "bytes", 5, 5000), 5);
	memset(buffer, 0x71, 8192);
	(void)is_done(file_write_at(f, buffer, 8192, 20 * 4096), 8192);
	(void)is_done(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	is_moved(file_write_at(past, buffer, 8192, 24 * 4096), 8192);
	is_moved(file_read_at(past, buffer, 8192, 12 * 4096), 8192);
	(void)is_done(disk_flush(ram.disk), 0);
	(void)is_done(blkdev_without_data(blkdev_of(f), BIO_DISCARD, 28 * 4096, 4096), 0);
	(void)is_done(blkdev_write_zeros(blkdev_of(f), 26 * 4096, 4096), 0);
}

struct counts {
	uint64_t allocations, cached, dirty, writing;
};

static struct counts count(void)
{
	return (struct counts){component_ktest.allocations, __atomic_load_n(&page_cache_count, __ATOMIC_RELAXED),
			       __atomic_load_n(&page_dirty_count, __ATOMIC_RELAXED),
			       __atomic_load_n(&page_writing_count, __ATOMIC_RELAXED)};
}

/* The disk's whole life with trouble at the nth request; how many there were. 0: it could not begin. */
static uint32_t live(enum trouble trouble, uint32_t nth)
{
	struct file *f = nullptr, *past = nullptr;

	if (!ram_create(&ram, RAM_BLOCK, BLOCKS))
		return 0;
	ram.geometry.no_partitions = false;
	ram_pattern(ram.data, 0, BLOCKS, RAM_BLOCK, 0);
	ram_make_table(&ram);
	ram.fail_nth = trouble == ONE_FAILS ? nth : 0;
	ram.fail_from = trouble == ALL_FAIL ? nth : 0;
	ram.slow_nth = trouble == ONE_IS_SLOW ? nth : 0;
	told = 0;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return 0;
	blkdev_settle(clock_monotonic_ns() + WAIT_NS);
	if (EXPECT_EQ(file_open_path("/dev/rama", O_RDWR, 0, &f), 0) &&
	    EXPECT_EQ(file_open_path("/dev/rama", O_RDWR | O_DIRECT, 0, &past), 0))
		use(f, past);
	if (past != nullptr)
		file_put(past);
	if (f != nullptr)
		file_put(f);
	EXPECT_EQ(ram.disk->stats.under_way, 0);
	EXPECT_EQ(disk_state(ram.disk), DISK_RUNS);
	uint32_t taken = ram.taken;
	/* A disk goes when its driver's thread is out of it: nothing is held any more, and it looks anew. */
	EXPECT(WAIT_UNTIL(__atomic_load_n(&inside, __ATOMIC_SEQ_CST) == 0));
	ram_destroy(&ram);
	return taken;
}

/* Of all positions. `most`: errors that one run may tell. */
static void everywhere(enum trouble trouble, uint32_t most)
{
	struct counts before = {}, after;
	uint32_t taken = POSITIONS_MAX, nth = 0, errors = 0;

	buffer = kmalloc(BYTES);
	helping = true;
	if (!EXPECT(buffer != nullptr) || start_thread(help, nullptr, -1) == nullptr)
		return;
	/* The first is without any. */
	for (; nth <= taken && !ktest_failed(); nth++) {
		taken = live(trouble, nth);
		EXPECT(nth > 0 || told == 0);
		EXPECT(told <= most);
		errors += told;
		if (nth == 0)
			before = count();
		(void)WAIT_UNTIL((after = count(), memcmp(&after, &before, sizeof(after)) == 0));
		EXPECT_EQ(after.allocations, before.allocations);
		EXPECT_EQ(after.cached, before.cached);
		EXPECT_EQ(after.dirty, before.dirty);
		EXPECT_EQ(after.writing, before.writing);
	}
	EXPECT(nth >= 12);
	EXPECT(trouble == ONE_IS_SLOW ? errors == 0 : errors > 0);
	__atomic_store_n(&helping, false, __ATOMIC_RELEASE);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&helping, __ATOMIC_ACQUIRE)));
	kfree(buffer);
}

/* A piece of several pages is tried again page by page: one error may harm nobody, and never more than one. */
static void one_fails(void)
{
	everywhere(ONE_FAILS, 1);
}

static void all_fail(void)
{
	everywhere(ALL_FAIL, 16);
}

static void one_is_slow(void)
{
	everywhere(ONE_IS_SLOW, 0);
}

KTEST_SUITE(block_errors, KTEST("one request fails, in every position", one_fails),
	    KTEST("all fail from a position on", all_fail), KTEST("one is slow, in every position", one_is_slow));
