/* SPDX-License-Identifier: MIT */
/* The calls of the ABI that this kernel answers as a Linux that was configured without them. */
#ifndef CORE_ABSENT_H
#define CORE_ABSENT_H

#include <lib/types.h>

struct text_buffer;

struct absent_call {
	uint32_t number;
	const char *name;
	const char *why;
};

/* "absent NUMBER NAME: WHY" for each, for /proc/syscalls. */
void absent_show(struct text_buffer *b);

#endif
