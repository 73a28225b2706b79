/* SPDX-License-Identifier: MIT */
/* The machine's time counter: CNTVCT_EL0, which EL0 may read (Arm ARM, DDI 0487, D11.2 "The system counter";
 * CNTKCTL_EL1.EL0VCTEN is set). */
#ifndef ARCH_COUNTER_H
#define ARCH_COUNTER_H

#include <stdint.h>

static inline uint64_t counter_read(void)
{
	uint64_t value, zero;

	/* ISB: the counter could be read early, and a clock must not run backwards between two reads. What follows is
	 * kept behind the read by a load whose address depends on it: later loads may not overtake that one once an
	 * acquire barrier follows (B2.3, "dependency-ordered-before"). */
	__asm__ volatile("isb\n"
			 "	mrs %0, cntvct_el0\n"
			 "	eor %1, %0, %0\n"
			 "	add %1, sp, %1\n"
			 "	ldr xzr, [%1]"
			 : "=r"(value), "=&r"(zero)
			 :
			 : "memory");
	return value;
}

#endif
