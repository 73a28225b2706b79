/* SPDX-License-Identifier: MIT */
/*
 * What of a component has a life of its own, and begins anew when somebody asks for the component to (`restart NAME` in
 * /proc/components), though it has neither a service nor devices. COMPONENT_PART puts it into a table of the image.
 */
#ifndef KERNEL_COMPONENT_PART_H
#define KERNEL_COMPONENT_PART_H

#include <kernel/base/component.h>

struct component_part {
	struct component *component;
	const char *what; /* as in `anew: its …`; tools/components-table reads it */
	/* Has it begin anew; how many there are of it. Under a guard of the component. May sleep. */
	uint32_t (*restart)(void);
	bool (*restarting)(void); /* some of it has yet to; nullptr: it has when restart returns */
};

#define COMPONENT_PART(ident, ...)                                                                                     \
	static const struct component_part component_part_##ident                                                      \
		__attribute__((section(".component_parts"), used)) = {.component = &component_##ident, __VA_ARGS__}

#endif
