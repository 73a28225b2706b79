/* SPDX-License-Identifier: MIT */
/* Access to device registers in memory. Order among them is kept by their memory type (uncached). */
#ifndef ARCH_MMIO_H
#define ARCH_MMIO_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t mmio_read32(const volatile void *base, size_t offset)
{
	return *(const volatile uint32_t *)((const volatile char *)base + offset);
}
static inline void mmio_write32(volatile void *base, size_t offset, uint32_t value)
{
	*(volatile uint32_t *)((volatile char *)base + offset) = value;
}
static inline void mmio_write16(volatile void *base, size_t offset, uint16_t value)
{
	*(volatile uint16_t *)((volatile char *)base + offset) = value;
}
static inline void mmio_write8(volatile void *base, size_t offset, uint8_t value)
{
	*(volatile uint8_t *)((volatile char *)base + offset) = value;
}

#endif
