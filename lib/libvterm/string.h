/* SPDX-License-Identifier: MIT */
/* libvterm asks for the C library's <string.h>; outside the host that is ours, and one function more. */
#pragma once
#include <lib/string.h>

/* ISO C 7.26.2.5. */
static inline char *strncpy(char *restrict to, const char *restrict from, size_t n)
{
	size_t length = strnlen(from, n);

	memcpy(to, from, length);
	memset(to + length, 0, n - length);
	return to;
}
