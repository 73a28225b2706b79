/* SPDX-License-Identifier: MIT */
/*
 * machine.h - aarch64's state at entry, and its names for the MP structures. entry.S fills the state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define mp_info	    limine_mp_info_aarch64
#define mp_response limine_mp_response_aarch64

struct entry_state {
	uint64_t x[31];
	uint64_t sp, daif, el, spsel, sctlr, tcr, ttbr0, ttbr1, mair, counter_control;
	uint64_t counter, vector; /* read and used without a trap */
	uint64_t reached;	  /* what else the CPU has and was: see entry.S */
	volatile uint64_t done;
};
static_assert(offsetof(struct entry_state, sp) == 248);
static_assert(offsetof(struct entry_state, done) == 352);

static inline void pause(void)
{
	__asm__ volatile("yield");
}
