/* SPDX-License-Identifier: MIT */
/* Disks of memory (kernel/driver/block/ram/), which ramdisk= on the command line made: 3 MiB, what is no size, a
 * size that no machine has, and more than may be taken of what is free. */
#include "ktest.h"

#include "kernel/base/log_read.h"

#if STELLUX_DEBUG

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/fault_point.h>
#include <kernel/block/blkdev.h>
#include <kernel/device/device.h>
#include <kernel/file/file.h>
#include <kernel/thread/component.h>
#include <kernel/thread/thread.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

DECLARE_COMPONENT(block);

enum : uint32_t { PIECE = 12288, BYTES = 3 << 20 };

static unsigned char written[PIECE], found[PIECE];

static struct file *open_disk(void)
{
	struct file *f = nullptr;

	EXPECT_EQ(file_open_path("/dev/ram0", O_RDWR | O_DIRECT, 0, &f), 0);
	return f;
}

static void fill(unsigned seed)
{
	for (size_t i = 0; i < PIECE; i++)
		written[i] = (unsigned char)(i * 13 + i / 512 + seed);
}

static bool is_written_at(struct file *f, uint64_t at)
{
	memset(found, 0, PIECE);
	return file_read_at(f, found, PIECE, at) == PIECE && memcmp(found, written, PIECE) == 0;
}

static void is_a_disk(void)
{
	struct file *f = open_disk();

	if (f == nullptr)
		return;
	/* New ones are zeros. */
	memset(written, 0, PIECE);
	EXPECT(is_written_at(f, BYTES - PIECE));
	fill(1);
	EXPECT_EQ(file_write_at(f, written, PIECE, 512 * 7), PIECE);
	EXPECT(is_written_at(f, 512 * 7));
	fill(2);
	EXPECT_EQ(file_write_at(f, written, PIECE, BYTES - PIECE), PIECE);
	EXPECT(is_written_at(f, BYTES - PIECE));
	fill(1);
	EXPECT(is_written_at(f, 512 * 7));
	EXPECT_EQ(file_read_at(f, found, 512, BYTES), 0);
	file_put(f);
}

static bool there(const char *name)
{
	struct device *dev = device_find(name);
	bool is = dev != nullptr;

	device_put(dev);
	return is;
}

static void refused(void)
{
	EXPECT(there("ram0"));
	EXPECT(!there("ram1"));
	EXPECT(!there("ram2"));
	EXPECT(!there("ram3"));
	EXPECT(there("ram4"));
}

/* Of 512 MiB: the third of 130 MiB would be more than half of what the others have left. */
static void programs_keep_memory(void)
{
	struct log_cursor from = log_oldest();
	struct log_record record;
	char text[LOG_TEXT_MAX];
	bool said = false;

	EXPECT(there("ram5"));
	EXPECT(there("ram6"));
	EXPECT(!there("ram7"));
	while (log_get(&from, &record, text, sizeof(text)))
		said |= strncmp(text, "ram7: there is no memory for a disk of 130M: of the ", 52) == 0;
	EXPECT(said);
}

/* What is on it outlives its driver, and the file goes on. */
static void outlives_its_driver(void)
{
	struct file *f = open_disk();
	struct device *dev = device_find("ram0");
	struct device_info info;

	if (!EXPECT(f != nullptr && dev != nullptr))
		return;
	fill(3);
	EXPECT_EQ(file_write_at(f, written, PIECE, 65536), PIECE);
	device_get_info(dev, &info);
	uint32_t restarts = info.restarts, faults = info.faults;
	EXPECT_EQ(device_restart(dev), 0);
	EXPECT(is_written_at(f, 65536));
	/* A fault in a round that ends already counts for nothing. */
	EXPECT(WAIT_UNTIL((device_get_info(dev, &info), info.restarts > restarts && info.state == DEVICE_UP)));
	fault_point_arm(FAULT_POINT_driver_ram_submit, thread_current()->name, 1, 1);
	EXPECT(is_written_at(f, 65536));
	fault_point_arm(FAULT_POINT_NONE, "", 0, 0);
	device_get_info(dev, &info);
	EXPECT_EQ(info.faults, faults + 1);
	device_put(dev);
	file_put(f);
}

/* As by `restart block`: every disk has its driver anew when that returns, and what is open goes on. */
static void begins_anew_with_the_floor(void)
{
	struct file *f = open_disk();
	struct device *dev = device_find("ram0");
	struct device_info before, after;

	if (!EXPECT(f != nullptr && dev != nullptr))
		return;
	fill(4);
	EXPECT_EQ(file_write_at(f, written, PIECE, 131072), PIECE);
	EXPECT(WAIT_UNTIL((device_get_info(dev, &before), before.state == DEVICE_UP)));
	uint32_t restarts = __atomic_load_n(&component_block.restarts, __ATOMIC_RELAXED);
	EXPECT_EQ(component_restart(&component_block), 0);
	device_get_info(dev, &after);
	EXPECT_EQ(after.state, DEVICE_UP);
	EXPECT_EQ(after.restarts, before.restarts + 1);
	EXPECT_EQ(after.faults, before.faults);
	EXPECT_EQ(__atomic_load_n(&component_block.restarts, __ATOMIC_RELAXED), restarts + 1);
	EXPECT(is_written_at(f, 131072));
	device_put(dev);
	file_put(f);
}

static bool asked_for(void)
{
	char size[8];

	return cmdline_get("ramdisk", size, sizeof(size)) != nullptr;
}

KTEST_SUITE(ram_disk, KTEST("is a disk", is_a_disk, .fits = asked_for),
	    KTEST("sizes that are none", refused, .fits = asked_for),
	    KTEST("what is free is shared with programs", programs_keep_memory, .fits = asked_for),
	    KTEST("outlives its driver", outlives_its_driver, .fits = asked_for),
	    KTEST("begins anew with the block floor", begins_anew_with_the_floor, .fits = asked_for));

#endif
