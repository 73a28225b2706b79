/* SPDX-License-Identifier: MIT */
/* arm64's ways to touch memory, for boundary_memory.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { ACCESS_CODE_ALIGN = 4 };

/* Whether a fault there tells the address: bits 48 to 54 may be anything, the topmost byte may be a tag. */
static inline bool access_reports(uint64_t address)
{
	return address >> 48 == 0 || address >> 48 == 0xffff;
}

static inline void access_pair(uint64_t at)
{
	asm volatile("stp xzr, xzr, [%0]" ::"r"(at) : "memory");
}
static inline void access_vector(uint64_t at)
{
	asm volatile("st1 {v0.16b}, [%0]" ::"r"(at) : "memory");
}
static inline void access_exclusive(uint64_t at)
{
	asm volatile("ldaxr x9, [%0]\n clrex" ::"r"(at) : "x9", "memory");
}
/* Clears a whole block. */
static inline void access_zero(uint64_t at)
{
	asm volatile("dc zva, %0" ::"r"(at) : "memory");
}
static inline void access_clean(uint64_t at)
{
	asm volatile("dc cvau, %0" ::"r"(at) : "memory");
}
static inline void access_clean_and_invalidate(uint64_t at)
{
	asm volatile("dc civac, %0" ::"r"(at) : "memory");
}
static inline void access_invalidate_code(uint64_t at)
{
	asm volatile("ic ivau, %0" ::"r"(at) : "memory");
}
static inline void access_prefetch(uint64_t at)
{
	asm volatile("prfm pldl1keep, [%0]" ::"r"(at));
}

/* Instructions that may touch memory; those that do not fault do nothing: emulated processors have no caches, and
 * prefetching is a hint. */
static const struct {
	const char *name;
	void (*run)(uint64_t at);
	bool faults;
} access_others[] = {
	{"stp", access_pair, true},
	{"st1", access_vector, true},
	{"ldaxr", access_exclusive, true},
	{"dc zva", access_zero, true},
	{"dc cvau", access_clean, false},
	{"dc civac", access_clean_and_invalidate, false},
	{"ic ivau", access_invalidate_code, false},
	{"prfm", access_prefetch, false},
};
