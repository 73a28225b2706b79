/* SPDX-License-Identifier: MIT */
/* The CPU's random-number register, where it has one (boot_info.cpu_has_random). */
#ifndef ARCH_RANDOM_H
#define ARCH_RANDOM_H

#include <stdint.h>

/* RNDR, by its encoding, since the assembler knows the name only from Armv8.5 on (Arm ARM, D19.2.111; it fails, with Z
 * set, when it has no number in reasonable time). False: the generator gave nothing. */
static inline bool arch_random(uint64_t *out)
{
	for (int i = 0; i < 10; i++) {
		uint32_t ok;

		__asm__ volatile("mrs %0, s3_3_c2_c4_0\n\tcset %w1, ne" : "=r"(*out), "=r"(ok) : : "cc");
		if (ok != 0)
			return true;
	}
	return false;
}

#endif
