/* SPDX-License-Identifier: MIT */
/*
 * Caches and order towards devices. Devices of PCs look into the caches; the flush is for one that is said not to
 * (CLFLUSH, Intel SDM vol. 2; its line is CPUID.01H:EBX[15:8] * 8, which is 64 on every CPU with long mode).
 */
#ifndef ARCH_DMA_H
#define ARCH_DMA_H

#include <stddef.h>
#include <stdint.h>

static inline size_t dma_cache_line(void)
{
	return 64;
}

/* Writes back and forgets what any CPU's cache holds of the range. */
static inline void dma_cache_flush(const void *at, size_t bytes)
{
	uint64_t line = dma_cache_line(), end = (uint64_t)at + bytes;

	for (uint64_t p = (uint64_t)at & ~(line - 1); p < end; p += line)
		__asm__ volatile("clflush (%0)" : : "r"(p) : "memory");
	/* Flushes are ordered by MFENCE alone. */
	__asm__ volatile("mfence" : : : "memory");
}

/* What was written to memory is seen by a device before what is written to its registers. Stores stay in order, also
 * past the caches (Intel SDM vol. 3, 9.2.2). */
static inline void dma_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

#endif
