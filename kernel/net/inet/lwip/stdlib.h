/* SPDX-License-Identifier: MIT */
/* lwIP's of the C library's <stdlib.h>: the number of an interface in its name, which is digits alone. */
#pragma once
static inline int atoi(const char *s)
{
	int n = 0;

	while (*s >= '0' && *s <= '9' && n < 1000)
		n = n * 10 + (*s++ - '0');
	return n;
}
