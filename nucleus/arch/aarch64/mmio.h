/* SPDX-License-Identifier: MIT */
/*
 * Access to device registers: one load or store with a plain address each, which is what a hypervisor that emulates the
 * device can decode from the syndrome alone (DDI 0487, D17.2.37, ISV). Order among accesses to one device is kept by
 * its memory type (nGnRE).
 */
#ifndef ARCH_MMIO_H
#define ARCH_MMIO_H

#include <stddef.h>
#include <stdint.h>

/* 64 bits of a device that may not be there: all ones then. During boot alone. (entry.S) */
uint64_t mmio_probe(const volatile void *at);

static inline uint32_t mmio_read32(const volatile void *base, size_t offset)
{
	uint32_t value;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"((const volatile char *)base + offset) : "memory");
	return value;
}
static inline void mmio_write32(volatile void *base, size_t offset, uint32_t value)
{
	__asm__ volatile("str %w0, [%1]" : : "rZ"(value), "r"((volatile char *)base + offset) : "memory");
}
static inline uint64_t mmio_read64(const volatile void *base, size_t offset)
{
	uint64_t value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"((const volatile char *)base + offset) : "memory");
	return value;
}
static inline void mmio_write64(volatile void *base, size_t offset, uint64_t value)
{
	__asm__ volatile("str %x0, [%1]" : : "rZ"(value), "r"((volatile char *)base + offset) : "memory");
}
static inline void mmio_write16(volatile void *base, size_t offset, uint16_t value)
{
	__asm__ volatile("strh %w0, [%1]" : : "rZ"((uint32_t)value), "r"((volatile char *)base + offset) : "memory");
}
static inline uint8_t mmio_read8(const volatile void *base, size_t offset)
{
	uint32_t value;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"((const volatile char *)base + offset) : "memory");
	return (uint8_t)value;
}
static inline void mmio_write8(volatile void *base, size_t offset, uint8_t value)
{
	__asm__ volatile("strb %w0, [%1]" : : "rZ"((uint32_t)value), "r"((volatile char *)base + offset) : "memory");
}

#endif
