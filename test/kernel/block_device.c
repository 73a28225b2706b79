/* SPDX-License-Identifier: MIT */
/*
 * A disk on a device, whose core restarts the driver by itself: while its node is being read the driver strays, loses
 * requests, is restarted, and is unplugged. The disk is the one in memory (ramdisk.h), the bus has nothing else.
 */
#include "ramdisk.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/device/device.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

enum : uint32_t { BLOCKS = 8 * 64, BYTES = BLOCKS * RAM_BLOCK };

static struct ramdisk ram;
static struct device *device;
static struct file *file;
static unsigned char *buffer;
static bool missing;	     /* the device comes back without the disk */
static uint32_t strays_left; /* of the rounds to come: each strays once */
static uint64_t allocations;

static bool fits(const struct device *, const struct driver *)
{
	return true;
}

static const struct bus ram_bus = {.name = "ram", .component = &component_ktest, .matches = fits};

static int attach(struct device *dev)
{
	ram_reset(&ram);
	ram.device = dev;
	/* What comes after the restart may take its time. */
	if (ram.disk != nullptr)
		disk_set_timeout(ram.disk, DISK_TIMEOUT_NS);
	if (strays_left > 0) {
		strays_left--;
		ram.strays = 1;
	}
	int error = missing ? 0 : ram_register(&ram);
	if (error == 0)
		disk_drop_missing(dev);
	return error;
}

DRIVER(ram_disk, .component = &component_ktest, .bus = &ram_bus, .attach = attach);

/* The first device of a bus, a driver and a class makes their directories in /sys, which stay. */
static void make_directories(void)
{
	static bool made;
	struct device *first;

	if (made || !ram_create(&ram, RAM_BLOCK, BLOCKS))
		return;
	made = true;
	if (EXPECT_EQ(device_add(nullptr, &ram_bus, "ram0", nullptr, &first), 0)) {
		devices_settle();
		device_remove(first);
	}
	ram.disk = nullptr;
	ram.device = nullptr;
	ram_destroy(&ram);
}

static bool begin(void)
{
	make_directories();
	allocations = component_ktest.allocations;
	strays_left = 0;
	missing = false;
	if (!ram_create_filled(&ram, BLOCKS, &buffer))
		return false;
	ram.geometry.address[0] = '\0'; /* the device's */
	ram.stray = STRAY_AFTER;
	if (!EXPECT_EQ(device_add(nullptr, &ram_bus, "ram0", nullptr, &device), 0))
		return false;
	devices_settle();
	return EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &file), 0);
}

static void end(void)
{
	file_put(file);
	if (device != nullptr)
		device_remove(device);
	device = nullptr;
	ram.disk = nullptr;
	ram.device = nullptr;
	kfree(buffer);
	ram_destroy(&ram);
	/* The name is cached until somebody finds that it is not there. */
	EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &file), -ENOENT);
	(void)WAIT_UNTIL(component_ktest.allocations == allocations);
	EXPECT_EQ(component_ktest.allocations, allocations);
}

static struct device_info info(void)
{
	struct device_info i;

	device_get_info(device, &i);
	return i;
}

static void expect_read(void)
{
	memset(buffer, 0, BYTES);
	EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), BYTES);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
}

static struct ram_reader reader;

static bool start_reader(void)
{
	return ram_reader_start(&reader, &ram, file, buffer, BYTES);
}

static void stray(void)
{
	if (!begin())
		return;
	sleep_ns(FAULT_PAUSE_NS);
	ram.strays = 1;
	expect_read();
	EXPECT_EQ(info().restarts, 1);
	end();
}

/* In each round until the block floor has given up the range that is read ahead, and then, alone, the page that is
 * asked for; then the driver works again. */
static void stray_always(void)
{
	if (!begin())
		return;
	strays_left = 2 * DISK_TRIES_MAX - 1;
	sleep_ns(FAULT_PAUSE_NS);
	ram.strays = 1;
	EXPECT_EQ(file_read_at(file, buffer, 1, 0), -EIO);
	expect_read();
	EXPECT_EQ(info().restarts, 2 * DISK_TRIES_MAX);
	end();
}

static void lost(void)
{
	if (!begin())
		return;
	ram.hold = true;
	/* Not before the driver has a request: it would be over before anybody has looked. */
	if (!start_reader())
		return;
	disk_set_timeout(ram.disk, MS);
	if (!EXPECT(WAIT_UNTIL(info().restarts > 0)))
		return;
	if (!ram_reader_ends(&reader))
		return;
	EXPECT_EQ(reader.result, BYTES);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
	end();
}

static void restarted(void)
{
	if (!begin())
		return;
	ram.hold = true;
	if (!start_reader())
		return;
	EXPECT_EQ(device_restart(device), 0);
	if (!ram_reader_ends(&reader))
		return;
	EXPECT_EQ(reader.result, BYTES);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
	end();
}

/* As when the device that it is reached through is restarted: it rests in the middle of a read, and goes on. */
static void rested(void)
{
	void *before = &before;

	if (!begin())
		return;
	ram.hold = true;
	if (!start_reader())
		return;
	device_rest(device);
	EXPECT_EQ(disk_state(ram.disk), DISK_SUSPENDED);
	EXPECT(WAIT_UNTIL(info().state == DEVICE_PAUSING));
	/* Who asks for a restart meanwhile gets it afterwards. */
	EXPECT_EQ(device_restart(device), 0);
	EXPECT_EQ(disk_state(ram.disk), DISK_SUSPENDED);
	EXPECT_EQ(device_go_on(device, nullptr, &before), 0);
	EXPECT(before == nullptr);
	if (!ram_reader_ends(&reader))
		return;
	EXPECT_EQ(reader.result, BYTES);
	EXPECT(memcmp(buffer, ram.data, BYTES) == 0);
	EXPECT_EQ(info().faults, 0);
	/* Unplugged while it rests. */
	device_rest(device);
	struct device *gone = device_get(device);
	device_remove(device);
	device = nullptr;
	EXPECT_EQ(device_go_on(gone, nullptr, &before), -ENODEV);
	device_put(gone);
	end();
}

static void unplugged(void)
{
	struct file *other = nullptr;

	if (!begin())
		return;
	ram.hold = true;
	if (!start_reader())
		return;
	device_remove(device);
	device = nullptr;
	if (!ram_reader_ends(&reader))
		return;
	EXPECT_EQ(reader.result, -ENODEV);
	EXPECT_EQ(file_read_at(file, buffer, 1, BYTES - 1), -ENODEV);
	EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &other), -ENOENT);
	end();
}

/* The device comes back without the disk: whoever reads does not wait for it. */
static void dropped(void)
{
	struct file *other = nullptr;

	if (!begin())
		return;
	ram.hold = true;
	if (!start_reader())
		return;
	missing = true;
	EXPECT_EQ(device_restart(device), 0);
	if (!ram_reader_ends(&reader))
		return;
	EXPECT_EQ(reader.result, -ENODEV);
	/* Who reads is told before the node goes. */
	EXPECT(WAIT_UNTIL(file_open_path("/dev/rama", O_RDONLY, 0, &other) == -ENOENT));
	end();
}

/* It comes back with another medium: who had the old one open has nothing, who opens it now has the new one. */
static void exchanged(void)
{
	if (!begin())
		return;
	ram.geometry.blocks /= 2;
	EXPECT_EQ(device_restart(device), 0);
	EXPECT(WAIT_UNTIL(info().restarts > 0 && info().state == DEVICE_UP));
	EXPECT_EQ(file_read_at(file, buffer, 1, 0), -ENODEV);
	file_put(file);
	if (!EXPECT_EQ(file_open_path("/dev/rama", O_RDONLY, 0, &file), 0))
		return;
	EXPECT_EQ(file_read_at(file, buffer, BYTES, 0), BYTES / 2);
	end();
}

KTEST_SUITE(block_device, KTEST("a stray write in the middle of a read", stray),
	    KTEST("a driver that strays each time", stray_always), KTEST("a driver that loses a request", lost),
	    KTEST("a restart in the middle of a read", restarted), KTEST("rest in the middle of a read", rested),
	    KTEST("unplugged in the middle of a read", unplugged), KTEST("another medium", exchanged),
	    KTEST("without the disk", dropped));
