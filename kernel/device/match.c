/* SPDX-License-Identifier: MIT */
/* The drivers of the image (DRIVER, kernel/device/device.h), and which is for a device. */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/thread/guard.h>

extern const struct driver __drivers_start[], __drivers_end[];

const struct driver *driver_find(const struct device *dev)
{
	const struct bus *bus = dev->bus;

	for (const struct driver *d = __drivers_start; d < __drivers_end; d++) {
		if (d->bus == bus && guard_run(bus->component, bus->matches(dev, d)) > 0)
			return d;
	}
	return nullptr;
}

int device_may(const struct device *dev, uint32_t wants)
{
	return dev->driver != nullptr && (dev->driver->wants & wants) == wants ? 0 : -EPERM;
}
