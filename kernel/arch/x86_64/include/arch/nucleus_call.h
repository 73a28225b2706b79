/* SPDX-License-Identifier: MIT */
/*
 * The stub under every nucleus call. nucleus_call_gate (gates.S) tests %cs: lowered code goes through SYSCALL, code that
 * is privileged already (dynpriv=drivers or off) through a call to the supervisor-only entry. Arguments are in the registers of the
 * C calling convention, except the fourth: SYSCALL takes %rcx, so it travels in %r10.
 */
#ifndef ARCH_NUCLEUS_CALL_H
#define ARCH_NUCLEUS_CALL_H

#include <stdint.h>

static inline long nucleus_call(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long result;

	/* The gate preserves what the calling convention preserves; the rest is listed. */
	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "a"(number)
			 : "rcx", "r11", "memory", "cc");
	return result;
}

#endif
