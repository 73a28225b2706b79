/* SPDX-License-Identifier: MIT */
/* An interrupt as a GIC knows it. */
#ifndef LIB_ARM_INTERRUPT_H
#define LIB_ARM_INTERRUPT_H

#include <stdint.h>

struct arm_interrupt {
	uint32_t id; /* INTID; 0: none (that is a software interrupt, never a device's) */
	bool level;  /* else rising edge */
};

#endif
