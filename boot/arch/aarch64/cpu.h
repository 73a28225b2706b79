/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - aarch64 registers and instructions that the loader uses.
 *
 * Numbers from the Arm Architecture Reference Manual (DDI 0487), D19 (system registers) and B2.4
 * (caches). The loader's C code runs where the firmware started it, at EL1 or EL2, with the MMU on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define REGISTER_READ(name)                                                                                            \
	({                                                                                                             \
		uint64_t value_;                                                                                       \
		__asm__ volatile("mrs %0, " #name : "=r"(value_));                                                     \
		value_;                                                                                                \
	})

/* The fields of MPIDR_EL1 that name a CPU: Aff3, and Aff2 to Aff0. */
constexpr uint64_t MPIDR_AFFINITY = 0xff00ffffff;

static inline uint64_t own_mpidr(void)
{
	return REGISTER_READ(mpidr_el1) & MPIDR_AFFINITY;
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
	__asm__ volatile("yield");
}

/* To the point of coherency: seen by CPUs whose MMU and caches are off, and by instruction fetches. */
static inline void cache_clean(const void *start, size_t size)
{
	uint64_t line = 4ull << (REGISTER_READ(ctr_el0) >> 16 & 15);
	uint64_t end = (uint64_t)start + size;

	for (uint64_t at = (uint64_t)start & ~(line - 1); at < end; at += line)
		__asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
	__asm__ volatile("dsb sy" : : : "memory");
}

/* Forgets instructions fetched before, on all CPUs. */
static inline void instructions_forget(void)
{
	__asm__ volatile("ic ialluis; dsb ish; isb" : : : "memory");
}
