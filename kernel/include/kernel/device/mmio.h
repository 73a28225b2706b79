/* SPDX-License-Identifier: MIT */
/*
 * Registers of a device: its index-th range, in memory or of ports, behind the same accessors. Memory is mapped
 * uncached and is read and written without privilege; a port is reached in a bracket for each access, so the driver's
 * component needs the right to elevate. Offsets are bytes from the start of the range; a register is accessed as one
 * naturally aligned unit. Accesses to one device stay in order among themselves, not with those to memory.
 */
#ifndef KERNEL_DEVICE_MMIO_H
#define KERNEL_DEVICE_MMIO_H

#include <arch/portio.h>
#include <kernel/base/log.h>
#include <kernel/device/device.h>
#include <kernel/device/pull.h>
#include <lib/annotate.h>

struct mmio {
	volatile unsigned char *at; /* nullptr: ports */
	uint16_t port;
	bool is_port;
	size_t bytes;
	const struct device *device; /* that has them; nullptr in tests without one */
};

/* Owned by the device. The driver's .wants must name WANTS_MMIO or WANTS_PORTS (-EPERM). -ENOENT: it has no such range;
 * -EINVAL: what it tells of it cannot be; -EPERM also: the nucleus refuses (RAM, its own devices), or elevate= refused
 * the component what ports need; -ENOMEM; -ENODEV: no round is under way, or the range cannot be reached on this
 * machine: it has no ports, or nobody gave the range a place. */
[[nodiscard]] int mmio_map(struct device *dev, unsigned index, struct mmio *m) NOT_ELEVATED;

/* In debug builds an access beyond the range is a bug of the driver. */
static inline void mmio_check(const struct mmio *m, size_t reg, size_t size)
{
	if (STELLUX_DEBUG && unlikely(reg > m->bytes || m->bytes - reg < size || reg % size != 0))
		kernel_bug(__FILE_NAME__, __LINE__, "register beyond its range");
}

#define MMIO_ACCESS_(bits, type)                                                                                       \
	static inline type mmio_read##bits(const struct mmio *m, size_t reg)                                           \
	{                                                                                                              \
		mmio_check(m, reg, sizeof(type));                                                                      \
		if (DEVICE_PULLED(m->device))                                                                          \
			return (type)UINT64_MAX;                                                                       \
		return m->is_port ? portio_read##bits((uint16_t)(m->port + reg)) : *(volatile type *)(m->at + reg);    \
	}                                                                                                              \
	static inline void mmio_write##bits(const struct mmio *m, size_t reg, type value)                              \
	{                                                                                                              \
		mmio_check(m, reg, sizeof(type));                                                                      \
		if (DEVICE_PULLED(m->device))                                                                          \
			return;                                                                                        \
		if (m->is_port)                                                                                        \
			portio_write##bits((uint16_t)(m->port + reg), value);                                          \
		else                                                                                                   \
			*(volatile type *)(m->at + reg) = value;                                                       \
	}
MMIO_ACCESS_(8, uint8_t)
MMIO_ACCESS_(16, uint16_t)
MMIO_ACCESS_(32, uint32_t)

/* In memory only: there are no ports of 64 bits. */
static inline uint64_t mmio_read64(const struct mmio *m, size_t reg)
{
	mmio_check(m, reg, sizeof(uint64_t));
	return DEVICE_PULLED(m->device) ? UINT64_MAX : *(volatile uint64_t *)(m->at + reg);
}
static inline void mmio_write64(const struct mmio *m, size_t reg, uint64_t value)
{
	mmio_check(m, reg, sizeof(uint64_t));
	if (!DEVICE_PULLED(m->device))
		*(volatile uint64_t *)(m->at + reg) = value;
}

/* Writes n bytes to one 8-bit register, in their order: of ports eight in each bracket. */
void mmio_write8_burst(const struct mmio *m, size_t reg, const unsigned char *bytes, size_t n) NOT_ELEVATED;
/* Reads a register until (value of it & mask) == value, and sleeps in between. False: not until deadline_ns of the
 * monotonic clock. */
bool mmio_wait32(const struct mmio *m, size_t reg, uint32_t mask, uint32_t value, uint64_t deadline_ns) NOT_ELEVATED;

#endif
