/* SPDX-License-Identifier: MIT */
/* The machine's time counter: the TSC, which ring 3 may read (Intel SDM vol. 3, 18.17; CR4.TSD is
 * clear). */
#ifndef ARCH_COUNTER_H
#define ARCH_COUNTER_H

#include <stdint.h>

static inline uint64_t counter_read(void)
{
	uint32_t low, high;

	/* LFENCE: RDTSC is not ordered by itself, and a clock must not run backwards between two
	 * reads. */
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif
