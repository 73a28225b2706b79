/* SPDX-License-Identifier: MIT */
/*
 * The stub under every nucleus call: nucleus_call_gate (gates.S) is an SVC and a return. Number in w8; arguments in the
 * registers of the C calling convention (AAPCS64, 6.4). The gate preserves what the convention preserves; everything
 * else is lost. One function for each number of arguments, so that no register is loaded in vain.
 */
#ifndef ARCH_NUCLEUS_CALL_H
#define ARCH_NUCLEUS_CALL_H

#include <stdint.h>

/* What every call loses besides its arguments' registers. */
#define NUCLEUS_CALL_LOST                                                                                              \
	"x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x30", "memory", "cc"

static inline long nucleus_call_0(uint32_t number)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0");

	__asm__ volatile("bl nucleus_call_gate"
			 : "=r"(x0), "+r"(x8)
			 :
			 : "x1", "x2", "x3", "x4", "x5", NUCLEUS_CALL_LOST);
	return (long)x0;
}
static inline long nucleus_call_1(uint32_t number, uint64_t a)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x8)
			 :
			 : "x1", "x2", "x3", "x4", "x5", NUCLEUS_CALL_LOST);
	return (long)x0;
}
static inline long nucleus_call_2(uint32_t number, uint64_t a, uint64_t b)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x1), "+r"(x8)
			 :
			 : "x2", "x3", "x4", "x5", NUCLEUS_CALL_LOST);
	return (long)x0;
}
static inline long nucleus_call_3(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x8)
			 :
			 : "x3", "x4", "x5", NUCLEUS_CALL_LOST);
	return (long)x0;
}
static inline long nucleus_call_4(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;
	register uint64_t x3 __asm__("x3") = d;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x8)
			 :
			 : "x4", "x5", NUCLEUS_CALL_LOST);
	return (long)x0;
}
static inline long nucleus_call_5(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;
	register uint64_t x3 __asm__("x3") = d;
	register uint64_t x4 __asm__("x4") = e;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x8)
			 :
			 : "x5", NUCLEUS_CALL_LOST);
	return (long)x0;
}
static inline long nucleus_call_6(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
				  uint64_t f)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;
	register uint64_t x3 __asm__("x3") = d;
	register uint64_t x4 __asm__("x4") = e;
	register uint64_t x5 __asm__("x5") = f;

	__asm__ volatile("bl nucleus_call_gate"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x8)
			 :
			 : NUCLEUS_CALL_LOST);
	return (long)x0;
}

#endif
