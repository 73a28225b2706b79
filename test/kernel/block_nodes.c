/* SPDX-License-Identifier: MIT */
/*
 * Device nodes of disks and partitions over a disk in memory: bytes at any place through the page cache and past it,
 * partitions that come and go, errors as who reads and writes sees them, and open files while the driver restarts or
 * the disk is taken out.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/clock.h>
#include <kernel/block/blkdev.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

#include "../../kernel/vfs/internal.h"

/* The last page is half a page. */
enum : uint32_t { BLOCKS = 2 * 8 * 16 + 4, BYTES = BLOCKS * RAM_BLOCK };

static struct ramdisk ram;
static struct file *file;
static unsigned char *buffer;

static bool begin_with(bool partitions)
{
	bool created = ram_create_filled(&ram, BLOCKS, &buffer);

	ram.geometry.no_partitions = !partitions;
	return created;
}

static bool begin(uint32_t flags)
{
	if (!begin_with(false) || !EXPECT_EQ(ram_register(&ram), 0))
		return false;
	file = ram_open("/dev/rama", flags);
	return file != nullptr;
}

static void end(void)
{
	file_put(file);
	file = nullptr;
	kfree(buffer);
	ram_destroy(&ram);
}

static void read_anywhere(void)
{
	static const struct {
		uint32_t at, n;
	} ranges[] = {{0, 1},	    {0, BYTES},	   {511, 2},	   {4095, 2},
		      {4096, 4096}, {5000, 30000}, {BYTES - 1, 1}, {BYTES - 3000, 3000}};

	if (!begin(O_RDONLY))
		return;
	for (size_t n = 0; n < ARRAY_LEN(ranges); n++) {
		memset(buffer, 0xee, BYTES);
		EXPECT_EQ(file_read_at(file, buffer, ranges[n].n, ranges[n].at), ranges[n].n);
		EXPECT(memcmp(buffer, ram.data + ranges[n].at, ranges[n].n) == 0);
	}
	EXPECT_EQ(file_read_at(file, buffer, 10, BYTES - 4), 4);
	EXPECT_EQ(file_read_at(file, buffer, 10, BYTES), 0);
	EXPECT_EQ(file_read_at(file, buffer, 10, BYTES + 12345), 0);
	end();
}

static void write_anywhere(void)
{
	static unsigned char wanted[BYTES];

	if (!begin(O_RDWR))
		return;
	memcpy(wanted, ram.data, BYTES);
	for (uint32_t n = 0; n < 40; n++) {
		uint32_t at = n * 997 % BYTES, length = MIN(1 + n * 131, BYTES - at);

		memset(buffer, (int)(n + 1), length);
		memset(wanted + at, (int)(n + 1), length);
		EXPECT_EQ(file_write_at(file, buffer, length, at), length);
	}
	uint32_t taken = ram.flushes;
	EXPECT_EQ(file->ops->fsync(file, 0, UINT64_MAX, false), 0);
	EXPECT(memcmp(ram.data, wanted, BYTES) == 0);
	EXPECT_EQ(ram.flushes, taken + 1);
	/* Up to the end and no further. */
	EXPECT_EQ(file_write_at(file, buffer, 100, BYTES - 7), 7);
	EXPECT_EQ(file_write_at(file, buffer, 100, BYTES), -ENOSPC);
	EXPECT_EQ(file_write_at(file, buffer, 0, BYTES), 0);
	end();
}

/* The last close writes back what nobody synced. */
static void close_writes(void)
{
	if (!begin(O_RDWR))
		return;
	memset(buffer, 0x5a, 3);
	EXPECT_EQ(file_write_at(file, buffer, 3, 777), 3);
	file_put(file);
	EXPECT(memcmp(ram.data + 777, buffer, 3) == 0);
	file = ram_open("/dev/rama", O_RDONLY);
	end();
}

static void seeks(void)
{
	if (!begin(O_RDONLY))
		return;
	EXPECT_EQ(file->ops->seek(file, 0, SEEK_END), BYTES);
	EXPECT_EQ(file->ops->seek(file, -5, SEEK_CUR), BYTES - 5);
	EXPECT_EQ(file->ops->seek(file, 6, SEEK_CUR), -EINVAL);
	EXPECT_EQ(file->position, BYTES - 5);
	EXPECT_EQ(file->ops->seek(file, 1, SEEK_END), -EINVAL);
	EXPECT_EQ(file->ops->seek(file, -1, SEEK_SET), -EINVAL);
	end();
}

/* The node's attributes are the node's, whatever is open. */
static void attributes(void)
{
	struct stat st;

	if (!begin(O_RDONLY))
		return;
	inode_fill_stat(file_node(file), &st);
	EXPECT(S_ISBLK(st.st_mode));
	EXPECT_EQ(dev_major(st.st_rdev), 259);
	EXPECT_EQ(st.st_size, 0);
	end();
}

/* Past the cache, which sees the same. */
static void direct(void)
{
	if (!begin(O_RDWR))
		return;
	struct file *past = ram_open("/dev/rama", O_RDWR | O_DIRECT);
	EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), BYTES);
	memset(buffer, 0x11, RAM_BLOCK * 3);
	EXPECT_EQ(file_write_at(past, buffer, RAM_BLOCK * 3, RAM_BLOCK * 7), RAM_BLOCK * 3);
	EXPECT_EQ(ram.data[RAM_BLOCK * 7], 0x11);
	EXPECT_EQ(file_read_at(file, buffer, 1, RAM_BLOCK * 9), 1);
	EXPECT_EQ(buffer[0], 0x11);
	buffer[0] = 0x22;
	EXPECT_EQ(file_write_at(file, buffer, 1, 40000), 1);
	EXPECT_EQ(file_read_at(past, buffer, BYTES, 0), BYTES);
	EXPECT_EQ(buffer[40000], 0x22);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
	EXPECT_EQ(file_read_at(past, buffer, RAM_BLOCK, 1), -EINVAL);
	EXPECT_EQ(file_read_at(past, buffer, RAM_BLOCK - 1, 0), -EINVAL);
	EXPECT_EQ(file_read_at(past, buffer, RAM_BLOCK * 2, BYTES - RAM_BLOCK), RAM_BLOCK);
	EXPECT_EQ(file_read_at(past, buffer, RAM_BLOCK, BYTES), 0);
	file_put(past);
	end();
}

static void read_only(void)
{
	if (!begin_with(false))
		return;
	ram.geometry.read_only = true;
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	file = ram_open("/dev/rama", O_RDWR);
	if (file == nullptr)
		return;
	EXPECT_EQ(file_write_at(file, buffer, 1, 0), -EPERM);
	EXPECT_EQ(file_read_at(file, buffer, 1, 0), 1);
	end();
}

static void exclusive(void)
{
	struct file *other = nullptr;

	if (!begin(O_RDONLY | O_EXCL))
		return;
	EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY | O_EXCL, 0, &other), -EBUSY);
	other = ram_open("/dev/rama", O_RDONLY);
	file_put(file);
	file = ram_open("/dev/rama", O_RDONLY | O_EXCL);
	file_put(other);
	end();
}

/* The block of an error cannot be read; those around it can, and it is tried again. */
static void errors(void)
{
	if (!begin(O_RDWR))
		return;
	ram.bad_block = 20;
	EXPECT_EQ(file_read_at(file, buffer, 4096, 2 * 4096), -EIO);
	EXPECT_EQ(file_read_at(file, buffer, 3 * 4096, 0), 2 * 4096);
	EXPECT_EQ(file_read_at(file, buffer, 4096, 3 * 4096), 4096);
	ram.bad_block = UINT64_MAX;
	EXPECT_EQ(file_read_at(file, buffer, 4096, 2 * 4096), 4096);
	memset(buffer, 0x33, 4096);
	EXPECT_EQ(file_write_at(file, buffer, 4096, 2 * 4096), 4096);
	ram.bad_block = 20;
	EXPECT_EQ(file->ops->fsync(file, 0, UINT64_MAX, false), -EIO);
	ram.bad_block = UINT64_MAX;
	EXPECT_EQ(file->ops->fsync(file, 0, UINT64_MAX, false), 0);
	end();
}

/* --- partitions --- */

static void settle(void)
{
	blkdev_settle(clock_monotonic_ns() + WAIT_NS);
}

static void partitions(void)
{
	struct blkdev_info info;

	if (!begin_with(true))
		return;
	ram_make_table(&ram);
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	settle();
	EXPECT(blkdev_find("rama1", &info) && info.sectors == 64);
	EXPECT(blkdev_find("rama2", &info));
	EXPECT(blkdev_find("rama5", &info) && info.sectors == 32);
	EXPECT(!blkdev_find("rama6", &info));
	file = ram_open("/dev/rama5", O_RDWR);
	if (file == nullptr)
		return;
	EXPECT_EQ(file->ops->seek(file, 0, SEEK_END), 32 * RAM_BLOCK);
	EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), 32 * RAM_BLOCK);
	EXPECT(memcmp(buffer, ram.data + 104 * RAM_BLOCK, 32 * RAM_BLOCK) == 0);
	buffer[0] = 0x44;
	EXPECT_EQ(file_write_at(file, buffer, 1, 31 * RAM_BLOCK), 1);
	EXPECT_EQ(file->ops->fsync(file, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(ram.data[135 * RAM_BLOCK], 0x44);
	EXPECT_EQ(file_write_at(file, buffer, 1, 32 * RAM_BLOCK), -ENOSPC);
	/* Who has the whole disk for himself shares it with no partition. */
	struct file *whole = ram_open("/dev/rama", O_RDONLY | O_EXCL), *part = nullptr;
	EXPECT_EQ(file_open_path("/dev/rama1", O_RDONLY | O_EXCL, 0, &part), -EBUSY);
	file_put(whole);
	end();
	EXPECT_EQ(file_open_path("/dev/rama1", O_RDONLY, 0, &part), -ENOENT);
	EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &part), -ENOENT);
}

static void broken_table(void)
{
	struct blkdev_info info;

	if (!begin_with(true))
		return;
	ram_make_table(&ram);
	ram_put_entry(&ram, 0, 0, 0x83, BLOCKS - 4, 64); /* to the end, and cut there */
	ram.bad_block = 100;				 /* and the extended one cannot be read */
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return;
	settle();
	EXPECT(blkdev_find("rama", &info));
	EXPECT(blkdev_find("rama1", &info) && info.sectors == 4);
	ram.bad_block = UINT64_MAX;
	file = ram_open("/dev/rama", O_RDONLY);
	end();
}

/* --- open files, and what happens below them --- */

static struct ram_reader reader;

static bool start_reader(void)
{
	return ram_reader_start(&reader, &ram, file, buffer, BYTES);
}

/* The driver restarts in the middle of a read: who reads hears nothing of it. */
static void restart_below(void)
{
	if (!begin(O_RDONLY))
		return;
	ram.hold = true;
	if (!start_reader())
		return;
	disk_suspend(ram.disk);
	ram_reset(&ram);
	EXPECT_EQ(ram_register(&ram), 0);
	(void)ram_reader_ends(&reader);
	EXPECT_EQ(reader.result, BYTES);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
	end();
}

/* Taken out in the middle of a read, with bytes that were never written: the open file stays, and can do nothing. */
static void gone_below(void)
{
	struct file *other = nullptr;

	if (!begin(O_RDWR))
		return;
	EXPECT_EQ(file_write_at(file, buffer, 100, 4096), 100);
	ram.hold = true;
	if (!start_reader())
		return;
	disk_gone(ram.disk);
	(void)ram_reader_ends(&reader);
	EXPECT_EQ(reader.result, -ENODEV);
	EXPECT_EQ(file_read_at(file, buffer, 1, 30000), -ENODEV);
	EXPECT_EQ(file->ops->fsync(file, 0, UINT64_MAX, false), -ENODEV);
	EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &other), -ENOENT);
	ram.disk = nullptr;
	end();
}

static uint64_t cached_pages(void)
{
	return __atomic_load_n(&page_cache_count, __ATOMIC_RELAXED);
}

/* Again and again: nothing is left of a disk that was. */
static void no_leaks(void)
{
	enum : uint32_t { TIMES = 5 };
	uint64_t allocations = 0, pages = 0;

	for (uint32_t n = 0; n < TIMES; n++) {
		if (!begin(O_RDWR))
			return;
		EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), BYTES);
		EXPECT_EQ(file_write_at(file, buffer, 100, 4000), 100);
		if (n % 2 == 0)
			disk_gone(ram.disk);
		if (n % 2 == 0)
			ram.disk = nullptr;
		end();
		/* Threads that read partitions in earlier cases may still be going away the first time, and the flusher
		 * may look at the last inode each time. */
		if (n > 0) {
			(void)WAIT_UNTIL(component_ktest.allocations == allocations && cached_pages() == pages);
			EXPECT_EQ(component_ktest.allocations, allocations);
			EXPECT_EQ(cached_pages(), pages);
		}
		allocations = component_ktest.allocations;
		pages = cached_pages();
	}
}

KTEST_SUITE(block_nodes, KTEST("read at any place", read_anywhere), KTEST("write at any place", write_anywhere),
	    KTEST("the last close writes", close_writes), KTEST("seek", seeks),
	    KTEST("attributes of a node", attributes), KTEST("past the cache", direct),
	    KTEST("a disk that cannot be written", read_only), KTEST("one at a time", exclusive),
	    KTEST("errors of a block", errors), KTEST("partitions", partitions), KTEST("a broken table", broken_table),
	    KTEST("the driver restarts below an open file", restart_below),
	    KTEST("the disk is taken out below an open file", gone_below), KTEST("nothing is left", no_leaks));
