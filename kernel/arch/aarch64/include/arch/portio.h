/* SPDX-License-Identifier: MIT */
/* There are no ports on arm64: who hands out ranges of registers refuses such (kernel/device/mmio.h), so that none of
 * these is ever called. Absent hardware reads as ones. */
#ifndef ARCH_PORTIO_H
#define ARCH_PORTIO_H

#include <stdint.h>

constexpr bool ARCH_HAS_PORTS = false;

static inline uint8_t portio_read8(uint16_t)
{
	return UINT8_MAX;
}
static inline uint16_t portio_read16(uint16_t)
{
	return UINT16_MAX;
}
static inline uint32_t portio_read32(uint16_t)
{
	return UINT32_MAX;
}
static inline void portio_write8(uint16_t, uint8_t)
{
}
static inline void portio_write16(uint16_t, uint16_t)
{
}
static inline void portio_write32(uint16_t, uint32_t)
{
}
static inline void portio_write8_burst(uint16_t, uint64_t, uint32_t)
{
}

#endif
