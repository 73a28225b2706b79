/* SPDX-License-Identifier: MIT */
/*
 * The platform bus: devices that nobody can ask whether they are there, so that firmware tells of them. They are the
 * nodes of the device tree that have registers, the console that the boot protocol or ACPI names, and a PC's old ports.
 *
 * A driver's match is a nullptr-ended list of names as in a device tree's `compatible`; what comes from elsewhere has
 * such a name, too. All functions: any thread; devices of this bus only.
 */
#ifndef KERNEL_BUS_PLATFORM_H
#define KERNEL_BUS_PLATFORM_H

#include <kernel/device/device.h>

extern const struct bus platform_bus;

/* A property that is a number: "reg-shift", "clock-frequency"... False: firmware does not tell. */
bool platform_number(const struct device *dev, const char *property, uint64_t *value);
/* Its node of the device tree *fdt (lib/devicetree.h), which has been checked; negative: it is not from one. */
int platform_node(const struct device *dev, const void **fdt);
/* Whether it is the UART that the nucleus writes its reports to. */
bool platform_is_console(const struct device *dev);
/* Adds the screen that the loader left (boot_info()->screen), as "loader,framebuffer", unless there is none, or it is
 * in the memory of a device that has a driver of its own: that one's it is. When the buses have found their devices. */
void platform_add_screen(void);

#endif
