/* SPDX-License-Identifier: MIT */
/*
 * Devices in /sys: the directory of each, and the links between it, its bus and its driver (kernel/device/class.h). A
 * directory is there from device_add to device_remove, whose callers wait until nobody reads in it any more: so no
 * function of an entry meets a device that is freed. The link between a device and its driver is there while the
 * driver has the device.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/device/class.h>
#include <kernel/mem/text.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

extern const struct driver __drivers_start[], __drivers_end[]; /* the linker script's */

static int show_uevent(struct text_buffer *b, void *arg)
{
	struct device *dev = arg;

	if (device_flag(&dev->bound))
		text_printf(b, "DRIVER=%s\n", dev->driver->name);
	if (dev->bus->uevent != nullptr)
		(void)guard_run_void(dev->bus->component, dev->bus->uevent(dev, b));
	return 0;
}

static const struct node_file of_device[] = {
	{.component = &component_device, .name = "uevent", .mode = 0444, .show = show_uevent},
	{},
};

/* /sys/bus/BUS, or what is in it; made if need be. */
static struct tree_node *bus_directory(const struct bus *bus, const char *what)
{
	struct tree_node *all = tree_path(&sys_tree, "bus"),
			 *one = all != nullptr ? tree_path(all, bus->name) : nullptr;

	return one != nullptr && what != nullptr ? tree_path(one, what) : one;
}

static struct tree_node *driver_directory(const struct driver *driver)
{
	struct tree_node *drivers = bus_directory(driver->bus, "drivers");

	return drivers != nullptr ? tree_path(drivers, driver->name) : nullptr;
}

/* Where devices of a bus are that have no parent. */
static struct tree_node *root_directory(const struct bus *bus)
{
	struct tree_node *all = tree_path(&sys_tree, "devices");

	return all != nullptr ? tree_path(all, bus->root != nullptr ? bus->root : bus->name) : nullptr;
}

/* Drivers and their buses are there whether or not they have a device; whose device is the first pays for all. What
 * there is no memory for is made when it is needed. */
static void add_buses(void)
{
	static bool done;

	if (__atomic_exchange_n(&done, true, __ATOMIC_ACQ_REL))
		return;
	for (const struct driver *d = __drivers_start; d < __drivers_end; d++) {
		(void)driver_directory(d);
		(void)bus_directory(d->bus, "devices");
		(void)root_directory(d->bus);
	}
}

static struct tree_node *parent_directory(const struct device *dev)
{
	return dev->parent != nullptr ? dev->parent->directory : root_directory(dev->bus);
}

static int link_device(struct device *dev)
{
	struct tree_node *devices = bus_directory(dev->bus, "devices"), *bus = bus_directory(dev->bus, nullptr);

	if (devices == nullptr || bus == nullptr)
		return -ENOMEM;
	int error = tree_add_link(devices, dev->name, dev->directory);
	dev->linked = error == 0;
	return error != 0 ? error : tree_add_link(dev->directory, "subsystem", bus);
}

int device_show(struct device *dev)
{
	struct tree_node *parent = parent_directory(dev);

	add_buses();
	int error = parent != nullptr ? tree_add_directory(parent, dev->name, &dev->directory) : -ENOMEM;
	if (error == 0)
		error = tree_add_files(dev->directory, of_device, dev);
	if (error == 0)
		error = link_device(dev);
	if (error == 0 && dev->bus->entries != nullptr)
		error = (int)guard_run(dev->bus->component, dev->bus->entries(dev, dev->directory));
	return error;
}

void device_show_bound(struct device *dev, bool bound)
{
	struct tree_node *driver = driver_directory(dev->driver);
	int error = 0;

	if (driver == nullptr || __atomic_exchange_n(&dev->bound, bound, __ATOMIC_ACQ_REL) == bound)
		return;
	if (bound) {
		error = tree_add_link(dev->directory, "driver", driver);
		if (error == 0)
			error = tree_add_link(driver, dev->name, dev->directory);
	} else {
		tree_remove_name(driver, dev->name);
		tree_remove_name(dev->directory, "driver");
	}
	if (error != 0 && error != -ENODEV)
		log_warn("device: %s: /sys does not show its driver: error %d", dev->name, -error);
}

void device_hide(struct device *dev)
{
	if (dev->driver != nullptr)
		device_show_bound(dev, false);
	if (dev->linked)
		tree_remove_name(bus_directory(dev->bus, "devices"), dev->name);
	tree_remove(dev->directory);
}
