/* SPDX-License-Identifier: MIT */
/* sync(2) of disks: each by itself, all of it before its cache, and left by who is to end. */
#include "ramdisk.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/subject.h>
#include <kernel/block/blkdev.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

#include "../../kernel/vfs/page_cache_internal.h"
#include "../../kernel/vfs/super.h"

enum : uint32_t { BLOCKS = 8 * 64 };

static struct ramdisk ram, other;
static unsigned char *buffer;

/* A thread that works for a process and asks for everything to be kept. */
static struct syncer {
	uint32_t handle, done; /* atomic */
	int result;
	int (*work)(void);
	uint64_t process[256]; /* the struct subject */
} syncers[2];

static void work(void *arg)
{
	struct syncer *s = arg;

	thread_current()->process = (struct process *)s->process;
	__atomic_store_n(&s->handle, own_handle(), __ATOMIC_RELEASE);
	s->result = s->work();
	thread_current()->process = nullptr;
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
}

static bool begins_to(struct syncer *s, int (*do_what)(void))
{
	static_assert(sizeof(struct subject) <= sizeof(s->process));
	*s = (struct syncer){.work = do_what};
	return start_thread(work, s, -1) != nullptr;
}

static bool begins(struct syncer *s)
{
	return begins_to(s, superblocks_sync);
}

static bool has_ended(struct syncer *s)
{
	return __atomic_load_n(&s->done, __ATOMIC_ACQUIRE) != 0;
}

static bool waits(const struct syncer *s)
{
	uint32_t handle = __atomic_load_n(&s->handle, __ATOMIC_ACQUIRE);

	return handle != 0 && is_parked(handle);
}

static void put_byte(struct file *f, uint64_t at, unsigned char byte)
{
	EXPECT_EQ(file_write_at(f, &byte, 1, at), 1);
}

static uint32_t flushes_of(const struct ramdisk *r)
{
	return __atomic_load_n(&r->flushes, __ATOMIC_ACQUIRE);
}

/* What the other disk has is kept, its cache too, while the first one stands still. */
static void other_is_kept(struct file *f, unsigned char byte)
{
	uint32_t flushes = flushes_of(&other);

	put_byte(f, 0, byte);
	if (!begins(&syncers[1]))
		return;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&other.data[0], __ATOMIC_ACQUIRE) == byte && flushes_of(&other) > flushes));
	EXPECT(WAIT_UNTIL(waits(&syncers[1])));
	EXPECT(!has_ended(&syncers[1]));
}

/* Who asks is to end: he waits no more. What he asked for is done all the same. */
static void killed(struct syncer *s)
{
	__atomic_store_n(&((struct subject *)s->process)->group_exit, true, __ATOMIC_SEQ_CST);
	/* By its handle: it may see that by itself, and be gone. */
	(void)nucleus_unpark(s->handle);
	EXPECT(WAIT_UNTIL(has_ended(s)));
	EXPECT_EQ(s->result, -EINTR);
}

/* It moves again: also what comes to be held just now is finished. */
static void moves(struct syncer *s)
{
	ram.hold = false;
	EXPECT(WAIT_UNTIL((ram_finish_all(&ram), has_ended(s))));
	EXPECT_EQ(s->result, 0);
}

static void one_disk_stands_still(void)
{
	if (!ram_create_filled(&ram, BLOCKS, &buffer) || !ram_create_second(&other, BLOCKS) ||
	    !EXPECT_EQ(ram_register(&ram), 0) || !EXPECT_EQ(ram_register(&other), 0))
		return;
	struct file *f = ram_open("/dev/rama", O_RDWR), *f2 = ram_open("/dev/ramb", O_RDWR);
	if (f == nullptr || f2 == nullptr)
		return;
	put_byte(f, 0, 0x77);
	ram.hold = true;
	if (!begins(&syncers[0]) || !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1)))
		return;
	other_is_kept(f2, 1);
	killed(&syncers[1]);
	/* However often: the disk that stands still has one thread for all who ask. */
	for (unsigned char n = 2; n < 6; n++) {
		other_is_kept(f2, n);
		killed(&syncers[1]);
	}
	EXPECT(!has_ended(&syncers[0]));
	killed(&syncers[0]);
	EXPECT_EQ(flushes_of(&ram), 0);
	/* Who asks now is told when all is done. */
	put_byte(f, 512, 0x78);
	if (!begins(&syncers[0]) || !EXPECT(WAIT_UNTIL(waits(&syncers[0]))))
		return;
	moves(&syncers[0]);
	EXPECT(ram.data[0] == 0x77 && ram.data[512] == 0x78 && flushes_of(&ram) > 0);
	/* One that fails is no reason not to keep what others have. */
	ram.bad_block = 0;
	put_byte(f, 0, 0x79);
	put_byte(f2, 0, 0x7a);
	EXPECT_EQ(superblocks_sync(), -EIO);
	EXPECT_EQ(other.data[0], 0x7a);
	ram.bad_block = UINT64_MAX;
	file_put(f2);
	file_put(f);
	ram_destroy(&other);
	ram_destroy(&ram);
	kfree(buffer);
}

/* What a partition has is on its way before the disk is told to keep what it has. */
static void partition_before_cache(void)
{
	if (!ram_create_filled(&ram, BLOCKS, &buffer))
		return;
	ram_make_table(&ram);
	ram.geometry.no_partitions = false;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	blkdev_settle(ktest_now() + WAIT_NS);
	struct file *f = ram_open("/dev/rama1", O_RDWR);
	if (f == nullptr)
		return;
	put_byte(f, 0, 0x66);
	ram.hold = true;
	if (!begins(&syncers[0]) || !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1)))
		return;
	EXPECT_EQ(ram.held[0]->kind, BIO_WRITE);
	EXPECT_EQ(flushes_of(&ram), 0);
	ram_finish(&ram, 0, 0);
	EXPECT(WAIT_UNTIL(flushes_of(&ram) == 1));
	moves(&syncers[0]);
	EXPECT_EQ(ram.data[8 * RAM_BLOCK], 0x66);
	file_put(f);
	ram_destroy(&ram);
	kfree(buffer);
}

static int flush_it(void)
{
	return disk_flush(ram.disk);
}

/* Flushes that the device keeps: who is to end waits no longer, and is told so; all others go on waiting. */
static void flush_of_who_ends(void)
{
	if (!ram_create_filled(&ram, BLOCKS, &buffer) || !EXPECT_EQ(ram_register(&ram), 0))
		return;
	ram.hold = true;
	if (!begins_to(&syncers[0], flush_it) ||
	    !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1)) ||
	    !EXPECT(WAIT_UNTIL(waits(&syncers[0]))) || !begins_to(&syncers[1], flush_it) ||
	    !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 2)) ||
	    !EXPECT(WAIT_UNTIL(waits(&syncers[1]))))
		return;
	killed(&syncers[0]);
	EXPECT(!has_ended(&syncers[1]));
	/* What became of it nobody hears. */
	ram_finish(&ram, 0, -EIO);
	EXPECT(!has_ended(&syncers[1]));
	moves(&syncers[1]);
	EXPECT_EQ(disk_flush(ram.disk), 0);
	if (!begins_to(&syncers[0], flush_it) || !EXPECT(WAIT_UNTIL(has_ended(&syncers[0]))))
		return;
	EXPECT_EQ(syncers[0].result, 0);
	ram_destroy(&ram);
	kfree(buffer);
}

/* Two threads that tell an open file's errors at once: the one that looked first tells none a second time. */
static void errors_are_told_once(void)
{
	uint64_t seen = 4;

	EXPECT(!error_is_news(&seen, 4));
	EXPECT(error_is_news(&seen, 6));
	EXPECT(!error_is_news(&seen, 5));
	EXPECT(!error_is_news(&seen, 6));
	EXPECT(error_is_news(&seen, 7));
}

KTEST_SUITE(block_sync, KTEST("one of two disks stands still", one_disk_stands_still),
	    KTEST("a partition's bytes before the disk's cache", partition_before_cache),
	    KTEST("who is to end waits for no flush", flush_of_who_ends),
	    KTEST("an error is told once", errors_are_told_once));
