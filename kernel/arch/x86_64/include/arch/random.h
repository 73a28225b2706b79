/* SPDX-License-Identifier: MIT */
/* The CPU's random-number instruction, where it has one (boot_info.cpu_has_random). */
#ifndef ARCH_RANDOM_H
#define ARCH_RANDOM_H

#include <stdint.h>

/* RDRAND (Intel SDM vol. 1, 7.3.17: retry at most ten times). False: the generator gave nothing. */
static inline bool arch_random(uint64_t *out)
{
	for (int i = 0; i < 10; i++) {
		unsigned char ok;

		__asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok) : : "cc");
		if (ok)
			return true;
	}
	return false;
}

#endif
