/* SPDX-License-Identifier: MIT */
/* The drivers of the image (DRIVER, kernel/device/device.h), which is for a device, and what a bus tells of one. */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/cmdline.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

extern const struct driver __drivers_start[], __drivers_end[];

/* nodriver=NAME on the command line, as often as wanted: what that driver would have is left to others. */
static bool is_unwanted(const struct driver *d)
{
	char name[32];

	for (unsigned n = 0; cmdline_get_nth("nodriver", n, name, sizeof(name)) != nullptr; n++)
		if (strcmp(name, d->name) == 0)
			return true;
	return false;
}

const struct driver *driver_find(const struct device *dev)
{
	const struct bus *bus = dev->bus;

	for (const struct driver *d = __drivers_start; d < __drivers_end; d++) {
		if (d->bus == bus && guard_run(bus->component, bus->matches(dev, d)) > 0 && !is_unwanted(d))
			return d;
	}
	return nullptr;
}

int device_range(struct device *dev, unsigned index, struct device_range *out)
{
	const struct bus *bus = dev->bus;

	*out = (struct device_range){};
	return bus->range != nullptr ? (int)guard_run(bus->component, bus->range(dev, index, out)) : -ENOENT;
}

int device_line(struct device *dev, unsigned index, struct device_line *out)
{
	const struct bus *bus = dev->bus;

	*out = (struct device_line){};
	return bus->line != nullptr ? (int)guard_run(bus->component, bus->line(dev, index, out)) : -ENOENT;
}

int device_may(const struct device *dev, uint32_t wants)
{
	return dev->driver != nullptr && (dev->driver->wants & wants) == wants ? 0 : -EPERM;
}
