/* SPDX-License-Identifier: MIT */
/*
 * Open nodes of a disk where two things happen at once: a write past the cache and a read into it, a discard below a
 * mapping, writes while the last close writes, mounting while sync waits; and a fault of who is told of a request's
 * end.
 */
#include "ramdisk.h"

#include <abi/block.h>
#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/mman.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

#include "../../kernel/block/block.h"
#include "../../kernel/vfs/page_cache_internal.h"
#include "../../kernel/vfs/super.h"
#include "../../kernel/vm/vm_internal.h"

enum : uint32_t { BLOCKS = 8 * 64, BYTES = BLOCKS * RAM_BLOCK };
enum : uint64_t { AT = 0x200000 };

static struct ramdisk ram;
static struct file *file;
static unsigned char *buffer;
static volatile uint64_t nowhere = 0x18;

static bool create(void)
{
	file = nullptr;
	return ram_create_filled(&ram, BLOCKS, &buffer);
}

static bool begin(void)
{
	if (!create() || !EXPECT_EQ(ram_register(&ram), 0))
		return false;
	file = ram_open("/dev/rama", O_RDWR);
	return file != nullptr;
}

static void end(void)
{
	if (file != nullptr)
		file_put(file);
	ram_destroy(&ram);
	kfree(buffer);
}

/* A thread that does one thing. */
static uint32_t worker, worked;
static long work_result;
static long (*work_at)(void);

static void work(void *)
{
	__atomic_store_n(&worker, own_handle(), __ATOMIC_RELEASE);
	work_result = work_at();
	__atomic_store_n(&worked, 1, __ATOMIC_RELEASE);
}

static bool start_work(long (*what)(void))
{
	worker = worked = 0;
	work_at = what;
	return start_thread(work, nullptr, -1) != nullptr;
}

static bool work_waits(void)
{
	return EXPECT(WAIT_UNTIL(__atomic_load_n(&worker, __ATOMIC_ACQUIRE) != 0 && is_parked(worker)));
}

static bool work_ends(void)
{
	return EXPECT(WAIT_UNTIL(__atomic_load_n(&worked, __ATOMIC_ACQUIRE)));
}

/* --- the cache and what goes past it --- */

static struct file *past;
static unsigned char *written;

static long write_past(void)
{
	return file_write_at(past, written, PAGE_SIZE, 0);
}

/* The device has read the old bytes, then taken the new ones; the page is filled with the old ones after both. */
static void write_meets_read(void)
{
	struct ram_reader reader;
	unsigned char *old = kmalloc(2 * PAGE_SIZE);

	if (!begin() || !EXPECT(old != nullptr))
		return;
	past = ram_open("/dev/rama", O_RDWR | O_DIRECT);
	written = old + PAGE_SIZE;
	memcpy(old, ram.data, PAGE_SIZE);
	memset(written, 0x5c, PAGE_SIZE);
	ram.hold = true;
	if (!ram_reader_start(&reader, &ram, file, buffer, 1) || !start_work(write_past) ||
	    !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 2)))
		return;
	ram_finish(&ram, 1, 0);
	EXPECT(memcmp(ram.data, written, PAGE_SIZE) == 0);
	/* It goes on when the page is filled, no sooner. */
	(void)work_waits();
	memcpy(ram.data, old, PAGE_SIZE);
	ram_finish(&ram, 0, 0);
	memcpy(ram.data, written, PAGE_SIZE);
	if (!work_ends() || !ram_reader_ends(&reader))
		return;
	EXPECT_EQ(work_result, PAGE_SIZE);
	ram.hold = false;
	EXPECT_EQ(file_read_at(file, buffer, PAGE_SIZE, 0), PAGE_SIZE);
	EXPECT(memcmp(buffer, written, PAGE_SIZE) == 0);
	file_put(past);
	kfree(old);
	end();
}

static long sync_file(void)
{
	return file->ops->fsync(file, 0, UINT64_MAX, false);
}

/* Other bytes of a page that is just being written to the device, which takes the page as it was after those bytes. */
static void write_meets_write_back(void)
{
	unsigned char byte = 0x5d, *old;

	if (!begin())
		return;
	old = buffer;
	written = old + PAGE_SIZE;
	memset(written, 0x5c, RAM_BLOCK);
	EXPECT_EQ(file_write_at(file, &byte, 1, RAM_BLOCK), 1);
	memcpy(old, ram.data, PAGE_SIZE);
	old[RAM_BLOCK] = byte;
	/* Begun after who writes past the cache has looked for what is dirty. */
	ram.hold = true;
	if (!start_work(sync_file) || !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1)))
		return;
	memcpy(ram.data, written, RAM_BLOCK);
	cache_update(blkdev_of(file), 0, written, RAM_BLOCK);
	ram.hold = false;
	ram_finish(&ram, 0, 0);
	memcpy(ram.data, old, PAGE_SIZE);
	if (!work_ends())
		return;
	EXPECT_EQ(sync_file(), 0);
	EXPECT(memcmp(ram.data, written, RAM_BLOCK) == 0);
	EXPECT_EQ(ram.data[RAM_BLOCK], byte);
	end();
}

/* All is cached, a page in the middle is in use; a write of `n` bytes from the beginning on, in requests of a page
 * each, failed at the last of them: what the cache has is what the device has, or will have. */
static void expect_same(long (*write)(void), uint64_t n, unsigned char byte)
{
	if (!create())
		return;
	ram.geometry.bytes_max = PAGE_SIZE;
	ram.geometry.zero_blocks_max = PAGE_SIZE / RAM_BLOCK;
	if (!EXPECT_EQ(ram_register(&ram), 0) || (file = ram_open("/dev/rama", O_RDWR)) == nullptr)
		return;
	past = ram_open("/dev/rama", O_RDWR | O_DIRECT);
	EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), BYTES);
	uint64_t last = (n - 1) / PAGE_SIZE;
	struct page *used = page_cache_find(blkdev_of(file)->inode->cache, last);
	EXPECT(used != nullptr);
	ram.bad_block = last * (PAGE_SIZE / RAM_BLOCK);
	written = buffer;
	memset(buffer, 0x5e, n);
	EXPECT_EQ(write(), -EIO);
	ram.bad_block = UINT64_MAX;
	EXPECT(ram.data[0] == byte && ram.data[PAGE_SIZE - 1] == byte);
	EXPECT_EQ(sync_file(), 0);
	EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), BYTES);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
	EXPECT(memcmp(page_address(used), ram.data + last * PAGE_SIZE, PAGE_SIZE) == 0);
	page_put(used);
	file_put(past);
	end();
}

static long write_two_past(void)
{
	return file_write_at(past, written, 2 * PAGE_SIZE, 0);
}

static long zero_all(void)
{
	return blkdev_write_zeros(blkdev_of(file), 0, BYTES);
}

/* By a device that is sent the zeros. */
static long send_all_zeros(void)
{
	blkdev_of(file)->disk->geometry.has_zero = false;
	return zero_all();
}

static void failed_past(void)
{
	expect_same(write_two_past, 2 * PAGE_SIZE, 0x5e);
	expect_same(zero_all, BYTES, 0);
	EXPECT_EQ(ram.zeros, BYTES / PAGE_SIZE);
	expect_same(send_all_zeros, BYTES, 0);
	EXPECT_EQ(ram.zeros, 0);
}

/* Blocks that are given up: a mapping of them goes on showing what others read and write. */
static void discard_below_mapping(void)
{
	struct vm_space *space;
	unsigned char byte = 0;

	if (!begin() || !EXPECT_EQ(vm_space_create(&space), 0))
		return;
	struct blkdev *b = blkdev_of(file);
	EXPECT_EQ(vm_map_fixed(space, AT, 4 * PAGE_SIZE, PROT_READ, &file->object, 0), 0);
	EXPECT_EQ(vm_read(space, AT + PAGE_SIZE, &byte, 1), 0);
	EXPECT_EQ(byte, ram.data[PAGE_SIZE]);
	EXPECT_EQ(file_write_at(file, &byte, 1, 2 * PAGE_SIZE), 1);
	EXPECT_EQ(blkdev_without_data(b, BIO_DISCARD, 0, 4 * PAGE_SIZE), 0);
	cache_forget(b, 0, 4 * PAGE_SIZE);
	EXPECT_EQ(b->inode->cache->dirty, 0);
	byte = 0x77;
	EXPECT_EQ(file_write_at(file, &byte, 1, PAGE_SIZE), 1);
	byte = 0;
	EXPECT_EQ(vm_read(space, AT + PAGE_SIZE, &byte, 1), 0);
	EXPECT_EQ(byte, 0x77);
	vm_space_put(space);
	end();
}

static void read_only_mapping(void)
{
	if (!create())
		return;
	ram.geometry.read_only = true;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	file = ram_open("/dev/rama", O_RDWR);
	if (file == nullptr)
		return;
	EXPECT_EQ(file->ops->map_shared(file), -EINVAL);
	end();
	if (!begin())
		return;
	EXPECT_EQ(file->ops->map_shared(file), 0);
	end();
}

/* BLKRASET, in sectors. */
static void read_ahead_is_set(void)
{
	unsigned char byte;

	if (!begin())
		return;
	EXPECT_EQ(file->ops->ioctl(file, BLKRASET, 2 * PAGE_SIZE / DISK_SECTOR), 0);
	for (uint64_t at = 0; at < BYTES; at += PAGE_SIZE)
		EXPECT_EQ(file_read_at(file, &byte, 1, at), 1);
	EXPECT_EQ(ram.most_blocks, 2 * PAGE_SIZE / RAM_BLOCK);
	end();
}

/* --- the last close --- */

static long close_file(void)
{
	file_put(file);
	return 0;
}

static bool put_byte(struct file *f, uint64_t at, unsigned char byte)
{
	return EXPECT_EQ(file_write_at(f, &byte, 1, at), 1);
}

/* While it writes, somebody else comes, writes to pages that it has passed and to the one that is being written, and is
 * gone before it has ended. */
static void written_during_last_close(void)
{
	if (!begin())
		return;
	put_byte(file, 0, 0xa1);
	ram.hold = true;
	if (!start_work(close_file) || !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1)))
		return;
	/* The page is in the cache; another one is written as a whole, so that nothing is read for it. */
	struct file *other = ram_open("/dev/rama", O_RDWR);
	memset(buffer, 0xa2, PAGE_SIZE);
	if (other == nullptr || !put_byte(other, 1, 0xa3) ||
	    !EXPECT_EQ(file_write_at(other, buffer, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE))
		return;
	file_put(other);
	while (!__atomic_load_n(&worked, __ATOMIC_ACQUIRE)) {
		ram_finish_all(&ram);
		thread_yield();
	}
	file = nullptr;
	EXPECT(ram.data[0] == 0xa1 && ram.data[1] == 0xa3);
	EXPECT(memcmp(ram.data + PAGE_SIZE, buffer, PAGE_SIZE) == 0);
	end();
}

static long open_and_close(void)
{
	struct file *f;
	int error = file_open_path("/dev/rama", O_RDONLY, 0, &f);

	if (error == 0)
		file_put(f);
	return error;
}

static uint32_t closer, closed;

static void close_last(void *)
{
	__atomic_store_n(&closer, own_handle(), __ATOMIC_RELEASE);
	file_put(file);
	__atomic_store_n(&closed, 1, __ATOMIC_RELEASE);
}

/* Who gives the cache back waits for what is being read, and keeps nobody from opening the device meanwhile. */
static void opened_during_last_close(void)
{
	if (!begin())
		return;
	struct blkdev *b = blkdev_of(file);
	uint64_t cached = __atomic_load_n(&page_cache_count, __ATOMIC_RELAXED);
	closer = closed = 0;
	ram.hold = true;
	/* Reading ahead, which nobody waits for. */
	EXPECT_EQ(page_cache_begin(b->inode, 3, 1, nullptr), 0);
	if (!start_thread(close_last, nullptr, -1) ||
	    !EXPECT(WAIT_UNTIL(__atomic_load_n(&closer, __ATOMIC_ACQUIRE) != 0 && is_parked(closer))) ||
	    !start_work(open_and_close))
		return;
	/* A second last close: each waits for the read, neither for the other. */
	(void)work_waits();
	struct blkdev_info info;
	EXPECT(blkdev_find("rama", &info)); /* takes the lock of the list */
	EXPECT_EQ(__atomic_load_n(&closed, __ATOMIC_ACQUIRE), 0);
	ram_finish_all(&ram);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&closed, __ATOMIC_ACQUIRE)));
	if (!work_ends())
		return;
	EXPECT_EQ(work_result, 0);
	EXPECT_EQ(b->inode->cache->pages, 0);
	EXPECT_EQ(__atomic_load_n(&page_cache_count, __ATOMIC_RELAXED), cached);
	file = nullptr;
	end();
}

/* --- sync(2) --- */

static long sync_all(void)
{
	return superblocks_sync();
}

static uint32_t mounted;

static void mount_one(void *)
{
	struct mount_options o = {.source = "none", .data = ""};
	struct superblock *sb;

	if (EXPECT_EQ(superblock_get(filesystem_find("tmpfs"), &o, &sb), 0))
		superblock_put(sb);
	__atomic_store_n(&mounted, 1, __ATOMIC_RELEASE);
}

/* A disk that takes its time keeps nobody from mounting something. */
static void mount_during_sync(void)
{
	if (!begin())
		return;
	mounted = 0;
	put_byte(file, 0, 1);
	ram.hold = true;
	if (!start_work(sync_all) || !EXPECT(WAIT_UNTIL(__atomic_load_n(&ram.held_count, __ATOMIC_ACQUIRE) == 1)) ||
	    !start_thread(mount_one, nullptr, -1))
		return;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&mounted, __ATOMIC_ACQUIRE)));
	EXPECT_EQ(__atomic_load_n(&worked, __ATOMIC_ACQUIRE), 0);
	while (!__atomic_load_n(&worked, __ATOMIC_ACQUIRE)) {
		ram_finish_all(&ram);
		thread_yield();
	}
	EXPECT_EQ(work_result, 0);
	EXPECT_EQ(ram.data[0], 1);
	end();
}

/* --- who is told of a request's end faults --- */

static void faulty_end(struct bio *)
{
	*(volatile uint64_t *)nowhere = 1;
}

static void fault_when_told(void)
{
	struct ram_io faulty, good;

	if (!begin() || !ram_io_create(&faulty, &ram, BIO_READ, 0, 1) || !ram_io_create(&good, &ram, BIO_READ, 100, 1))
		return;
	faulty.bio.done = faulty_end;
	/* One that is finished within submit, one by the driver's thread, behind which another one waits. */
	sleep_ns(FAULT_PAUSE_NS);
	bio_submit(ram.disk, &faulty.bio);
	ram.hold = true;
	ram.room = 1;
	bio_submit(ram.disk, &faulty.bio);
	bio_submit(ram.disk, &good.bio);
	EXPECT_EQ(ram.held_count, 1);
	sleep_ns(FAULT_PAUSE_NS);
	ram_finish(&ram, 0, 0);
	EXPECT_EQ(ram.held_count, 1);
	ram_finish_all(&ram);
	EXPECT_EQ(good.ended, 1);
	EXPECT_EQ(disk_state(ram.disk), DISK_RUNS);
	ram_io_destroy(&faulty);
	ram_io_destroy(&good);
	end();
}

KTEST_SUITE(block_races, KTEST("a write past the cache meets a page that is being read", write_meets_read),
	    KTEST("a write past the cache meets a page that is being written", write_meets_write_back),
	    KTEST("a write past the cache fails in its middle", failed_past),
	    KTEST("blocks are given up below a mapping", discard_below_mapping),
	    KTEST("a mapping of a disk that cannot be written", read_only_mapping),
	    KTEST("as much is read ahead as BLKRASET says", read_ahead_is_set),
	    KTEST("written while the last close writes", written_during_last_close),
	    KTEST("opened while the last close waits", opened_during_last_close),
	    KTEST("mounting while sync waits for a disk", mount_during_sync),

	    KTEST("a fault when a request's end is told", fault_when_told));
