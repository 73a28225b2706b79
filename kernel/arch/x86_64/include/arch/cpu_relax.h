/* SPDX-License-Identifier: MIT */
/* What a spinning CPU does between two looks. */
#ifndef ARCH_CPU_RELAX_H
#define ARCH_CPU_RELAX_H

static inline void cpu_relax(void)
{
	/* Tells the core (and an emulator) that this is a spin loop (Intel SDM vol. 2, PAUSE). */
	__asm__ volatile("pause" : : : "memory");
}

#endif
