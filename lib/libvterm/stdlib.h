/* SPDX-License-Identifier: MIT */
/* What libvterm takes of the C library's <stdlib.h>. Its memory comes from the allocator that it is given; what it
 * takes for impossible ends the caller, as a fault that is blamed on who called it. */
#pragma once
#include <lib/string.h>

static inline int abs(int n)
{
	return n < 0 ? -n : n;
}
static inline void *malloc(size_t)
{
	return nullptr;
}
static inline void free(void *)
{
}
[[noreturn]] static inline void abort(void)
{
	__builtin_trap();
}
[[noreturn]] static inline void exit(int)
{
	__builtin_trap();
}
