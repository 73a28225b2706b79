/* SPDX-License-Identifier: MIT */
/*
 * The image's table of components: the linker makes an entry for each line of kernel/components.txt
 * (tools/mkcomponents). A component's number is its place in the table, from 1; 0 is code that is no component's.
 */
#ifndef KERNEL_COMPONENT_BODY_H
#define KERNEL_COMPONENT_BODY_H

#include <stdint.h>

struct component;

struct body_range {
	uint64_t start, end; /* addresses; the end is past the last */
};

struct component_body {
	char name[16]; /* ends in zero */
	struct body_range text, rodata, data, bss;
	struct component *manifest; /* nullptr: not in this image */
};
extern const struct component_body __component_bodies_start[], __component_bodies_end[]; /* the linker script's */

#endif
