/* SPDX-License-Identifier: MIT */
/* What the files of the platform bus share: platform.c (the bus), devicetree.c and fixed.c (who finds devices). */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include <kernel/bus/platform.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(platform);

constexpr unsigned PLATFORM_NUMBERS_MAX = 3, PLATFORM_LINES_MAX = 2;

struct platform_device {
	const void *fdt; /* nullptr: told below */
	int node;
	const char *compatible;
	struct device_range range;
	unsigned lines;
	struct device_line line[PLATFORM_LINES_MAX];
	struct {
		const char *property; /* nullptr: no more */
		uint64_t value;
	} numbers[PLATFORM_NUMBERS_MAX];
};

/* devicetree.c */
bool platform_tree_range(const struct platform_device *p, unsigned index, struct device_range *out);
bool platform_tree_line(const struct platform_device *p, unsigned index, struct device_line *out);
/* Whether it, or what it is below, looks into the CPUs' caches. */
bool platform_tree_coherent(const struct platform_device *p);
/* Adds what the tree has; false: there is none, or none that is well-formed. */
bool platform_add_tree(void);
/* fixed.c: adds the console and what DBG2 tells of, unless a device has its registers already, and a PC's ports. */
void platform_add_console(void);
void platform_add_ports(void);
void platform_add_debug_ports(void);
/* A PC's, which its driver asks whether it is there. */
void platform_add_keyboard_controller(void);

/* Adds a device with a copy of what is said of it. -ENOMEM, -EEXIST as of device_add. */
[[nodiscard]] int platform_add(const char *name, const struct platform_device *p);

#endif
