/* SPDX-License-Identifier: MIT */
/* Disks and partitions as /sys shows them, while they come, are used, and go. */
#include "ramdisk.h"
#include "sys_view.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/clock.h>
#include <kernel/block/blkdev.h>
#include <lib/string.h>

enum : uint32_t { BLOCKS = 200 };

static struct ramdisk ram;

/* Two primary partitions: blocks 8…71 and 100…199. */
static const unsigned char table[] = {
	0, 0, 0, 0, 0x83, 0, 0, 0, 8,	0, 0, 0, 64,  0, 0, 0, /**/
	0, 0, 0, 0, 0x83, 0, 0, 0, 100, 0, 0, 0, 100, 0, 0, 0,
};

static bool begin(void)
{
	if (!sys_mounted() || !ram_create(&ram, RAM_BLOCK, BLOCKS))
		return false;
	memset(ram.data, 0, RAM_BLOCK);
	ram.geometry.no_partitions = false;
	memcpy(ram.data + 446, table, sizeof(table));
	ram.data[510] = 0x55;
	ram.data[511] = 0xaa;
	return true;
}

static bool appear(void)
{
	if (!EXPECT_EQ(ram_register(&ram), 0))
		return false;
	blkdev_settle(clock_monotonic_ns() + WAIT_NS);
	return true;
}

static void values(void)
{
	if (!begin())
		return;
	ram.geometry.physical_bytes = 4096;
	ram.geometry.has_flush = true;
	ram.geometry.has_discard = true;
	ram.geometry.discard_blocks_max = 16;
	strlcpy(ram.geometry.serial, "number 7", sizeof(ram.geometry.serial));
	if (!appear())
		return;
	sys_says(SYS "/block/rama/size", "200\n");
	sys_says(SYS "/block/rama/ro", "0\n");
	sys_says(SYS "/block/rama/removable", "0\n");
	sys_says(SYS "/block/rama/serial", "number 7\n");
	sys_says(SYS "/block/rama/queue/logical_block_size", "512\n");
	sys_says(SYS "/block/rama/queue/physical_block_size", "4096\n");
	sys_says(SYS "/block/rama/queue/rotational", "0\n");
	sys_says(SYS "/block/rama/queue/discard_granularity", "512\n");
	sys_says(SYS "/block/rama/queue/discard_max_bytes", "8192\n");
	sys_says(SYS "/block/rama/queue/write_cache", "write back\n");
	sys_says(SYS "/block/rama/queue/io_timeout", "30000\n");
	disk_set_timeout(ram.disk, 7000 * MS);
	sys_says(SYS "/block/rama/queue/io_timeout", "7000\n");
	sys_says(SYS "/class/block/rama1/start", "8\n");
	sys_says(SYS "/class/block/rama1/size", "64\n");
	sys_says(SYS "/block/rama/rama2/partition", "2\n");
	sys_says(SYS "/block/rama/rama2/start", "100\n");
	sys_says(SYS "/devices/virtual/block/rama/rama2/size", "100\n");
	EXPECT_EQ(sys_found(SYS "/block/rama1"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/block/rama/holders"), 0);
	EXPECT_EQ(sys_found(SYS "/block/rama/slaves"), 0);
	EXPECT_EQ(sys_found(SYS "/class/block/rama2/subsystem/rama"), 0);
	ram_destroy(&ram);
}

/* By its number it is found, and its number is its node's. */
static void numbers(void)
{
	struct blkdev_info info;
	char path[64], text[128];

	if (!begin() || !appear() || !EXPECT(blkdev_find("rama2", &info)))
		return;
	snprintf(text, sizeof(text), "%u:%u\n", info.major, info.minor);
	sys_says(SYS "/class/block/rama2/dev", text);
	snprintf(path, sizeof(path), SYS "/dev/block/%u:%u/uevent", info.major, info.minor);
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=rama2\nDEVTYPE=partition\n", info.major, info.minor);
	sys_says(path, text);
	EXPECT(blkdev_find("rama", &info));
	snprintf(path, sizeof(path), SYS "/dev/block/%u:%u/uevent", info.major, info.minor);
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=rama\nDEVTYPE=disk\n", info.major, info.minor);
	sys_says(path, text);
	ram_destroy(&ram);
	EXPECT_EQ(sys_found(path), -ENOENT);
}

/* Completed reads, merged, sectors are the first fields. */
static void statistics(void)
{
	char text[256] = "", byte;

	if (!begin() || !appear())
		return;
	struct file *part = sys_open("/dev/rama2", O_RDONLY), *stat = sys_open(SYS "/class/block/rama2/stat", O_RDONLY);
	if (part == nullptr || stat == nullptr)
		return;
	EXPECT(file_read_at(stat, text, sizeof(text) - 1, 0) > 0);
	EXPECT_EQ(memcmp(text, " 0 0 0 ", 7), 0);
	EXPECT_EQ(file_read_at(part, &byte, 1, 0), 1);
	EXPECT(file_read_at(stat, text, sizeof(text) - 1, 0) > 0);
	EXPECT(memcmp(text, " 0 0 0 ", 7) != 0);
	file_put(part);
	file_put(stat);
	ram_destroy(&ram);
}

/* The disk goes while its files are open, in /sys and in /dev. */
static void gone(void)
{
	static const char *const names[] = {"rama", "rama1", "rama2"};
	char path[64], byte;

	if (!begin() || !appear())
		return;
	struct file *size = sys_open(SYS "/block/rama/size", O_RDONLY);
	struct file *start = sys_open(SYS "/block/rama/rama1/start", O_RDONLY);
	struct file *node = sys_open("/dev/rama1", O_RDONLY);
	EXPECT_EQ(file_read_at(size, &byte, 1, 0), 1);
	ram_destroy(&ram);
	EXPECT_EQ(file_read_at(size, &byte, 1, 0), -ENODEV);
	EXPECT_EQ(file_read_at(start, &byte, 1, 0), -ENODEV);
	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		snprintf(path, sizeof(path), SYS "/class/block/%s", names[n]);
		EXPECT_EQ(sys_found(path), -ENOENT);
	}
	EXPECT_EQ(sys_found(SYS "/devices/virtual/block/rama"), -ENOENT);
	file_put(size);
	file_put(start);
	file_put(node);
	/* One of the same name is another one. */
	if (begin() && appear()) {
		sys_says(SYS "/block/rama/rama1/size", "64\n");
		ram_destroy(&ram);
	}
}

KTEST_SUITE(block_sys, KTEST("what a disk is", values), KTEST("numbers", numbers), KTEST("statistics", statistics),
	    KTEST("gone while it is open", gone));
