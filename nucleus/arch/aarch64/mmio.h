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

/* 64 bits, or 8, of a device that may not be there: all ones then. During boot alone. (entry.S) */
uint64_t mmio_probe(const volatile void *at);
uint64_t mmio_probe8(const volatile void *at);

#define DEFINE_MMIO(bits, suffix, width)                                                                               \
	static inline uint##bits##_t mmio_read##bits(const volatile void *base, size_t offset)                         \
	{                                                                                                              \
		uint64_t value;                                                                                        \
		__asm__ volatile("ldr" suffix " %" width "0, [%1]"                                                     \
				 : "=r"(value)                                                                         \
				 : "r"((const volatile char *)base + offset)                                           \
				 : "memory");                                                                          \
		return (uint##bits##_t)value;                                                                          \
	}                                                                                                              \
	static inline void mmio_write##bits(volatile void *base, size_t offset, uint##bits##_t value)                  \
	{                                                                                                              \
		__asm__ volatile("str" suffix " %" width "0, [%1]"                                                     \
				 :                                                                                     \
				 : "rZ"((uint64_t)value), "r"((volatile char *)base + offset)                          \
				 : "memory");                                                                          \
	}
DEFINE_MMIO(8, "b", "w")
DEFINE_MMIO(16, "h", "w")
DEFINE_MMIO(32, "", "w")
DEFINE_MMIO(64, "", "x")
#undef DEFINE_MMIO

#endif
