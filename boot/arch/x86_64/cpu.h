/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - x86_64 registers and instructions that the loader uses.
 *
 * Numbers from the Intel SDM, volume 3A: control registers 2.5, APIC 11.4 and 11.12, PAT 12.12,
 * model-specific registers volume 4, 2.1. The loader runs at ring 0 throughout.
 */
#pragma once

#include <stdint.h>

enum msr : uint32_t {
	MSR_APIC_BASE = 0x1b,
	MSR_X2APIC_ICR = 0x830,
};

constexpr uint64_t APIC_BASE_X2APIC = 1u << 10;
constexpr uint64_t APIC_BASE_ENABLE = 1u << 11;
constexpr uint64_t APIC_BASE_ADDRESS = 0xffffff000;

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
	return r;
}

static inline bool cpu_has_nx(void)
{
	return cpuid(0x80000000).eax >= 0x80000001 && (cpuid(0x80000001).edx & 1u << 20);
}

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

/* Ordered against memory: an interprocessor interrupt may announce what was stored before. */
static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("mfence; lfence; wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t port_read(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t mmio_read(uint64_t address)
{
	return *(volatile uint32_t *)address;
}

static inline void mmio_write(uint64_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static inline void pause(void)
{
	__asm__ volatile("pause");
}
