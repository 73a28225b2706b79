/* SPDX-License-Identifier: MIT */
/* x86_64's ways to touch memory, for boundary_memory.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { ACCESS_CODE_ALIGN = 1 };

/* Whether a fault there tells the address: only canonical ones are told. */
static inline bool access_reports(uint64_t address)
{
	return address >> 47 == 0 || address >> 47 == 0x1ffff;
}

static inline void access_string(uint64_t at)
{
	asm volatile("rep stosb" ::"D"(at), "c"(16), "a"(0) : "memory");
}
static inline void access_flush(uint64_t at)
{
	asm volatile("clflush (%0)" ::"r"(at) : "memory");
}
static inline void access_prefetch(uint64_t at)
{
	asm volatile("prefetcht0 (%0)" ::"r"(at));
}

/* Instructions that may touch memory; those that do not fault do nothing: emulated processors flush no line, and
 * prefetching is a hint. */
static const struct {
	const char *name;
	void (*run)(uint64_t at);
	bool faults;
} access_others[] = {
	{"stosb", access_string, true},
	{"clflush", access_flush, false},
	{"prefetch", access_prefetch, false},
};
