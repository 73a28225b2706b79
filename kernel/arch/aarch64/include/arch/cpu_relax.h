/* SPDX-License-Identifier: MIT */
/* What a spinning CPU does between two looks. */
#ifndef ARCH_CPU_RELAX_H
#define ARCH_CPU_RELAX_H

static inline void cpu_relax(void)
{
	/* Gives the core's other threads (and an emulator's other CPUs) a turn (Arm ARM, C6.2, YIELD). */
	__asm__ volatile("yield" : : : "memory");
}

#endif
