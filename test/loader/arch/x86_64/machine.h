/* SPDX-License-Identifier: MIT */
/*
 * machine.h - x86_64's state at entry, and its names for the MP structures. entry.S fills the state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define mp_info	    limine_mp_info_x86_64
#define mp_response limine_mp_response_x86_64

struct entry_state {
	uint64_t gpr[16]; /* 5: RDI, 7: RSP */
	uint64_t flags, cr0, cr3, cr4, efer, pat;
	uint16_t cs, ds, es, fs, gs, ss;
	struct [[gnu::packed]] {
		uint16_t limit;
		uint64_t base;
	} gdt;
	uint16_t pad;
	uint64_t stack_word;
	volatile uint64_t done;
};
static_assert(offsetof(struct entry_state, stack_word) == 200);
static_assert(offsetof(struct entry_state, done) == 208);

static inline void pause(void)
{
	__asm__ volatile("pause");
}
