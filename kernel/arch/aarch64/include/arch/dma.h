/* SPDX-License-Identifier: MIT */
/*
 * Caches and order towards devices: DC CIVAC, which EL0 may execute (SCTLR_EL1.UCI), to the point of coherency (Arm
 * ARM, D7.5.9). An operation by address reaches every cache of the shareability domain whatever the attributes of the
 * mapping that names the address; there is no "forget without writing back" at EL0.
 */
#ifndef ARCH_DMA_H
#define ARCH_DMA_H

#include <stddef.h>
#include <stdint.h>

/* The shortest line of the data caches (CTR_EL0.DminLine, log2 of words). */
static inline size_t dma_cache_line(void)
{
	uint64_t ctr;

	/* Not volatile: it never changes. */
	__asm__("mrs %0, ctr_el0" : "=r"(ctr));
	return 4ull << (ctr >> 16 & 15);
}

/* Writes back and forgets what any CPU's cache holds of the range. */
static inline void dma_cache_flush(const void *at, size_t bytes)
{
	uint64_t line = dma_cache_line(), end = (uint64_t)at + bytes;

	/* Stores to the range before it, for all who look. */
	__asm__ volatile("dsb sy" : : : "memory");
	for (uint64_t p = (uint64_t)at & ~(line - 1); p < end; p += line)
		__asm__ volatile("dc civac, %0" : : "r"(p) : "memory");
	/* Done when this is. */
	__asm__ volatile("dsb sy" : : : "memory");
}

/* What was written to memory is seen by a device before what is written to its registers: devices are in the outer
 * shareable domain. */
static inline void dma_barrier(void)
{
	__asm__ volatile("dmb osh" : : : "memory");
}

#endif
