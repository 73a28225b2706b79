/* SPDX-License-Identifier: MIT */
/*
 * The stub under every nucleus call: nucleus_call_gate (gates.S) is a SYSCALL and a return. Number in %eax; arguments
 * in the registers of the C calling convention, except the fourth: SYSCALL takes %rcx, so it travels in %r10. The gate
 * preserves what the convention preserves; everything else is lost. One function for each number of arguments, so that
 * no register is loaded in vain.
 */
#ifndef ARCH_NUCLEUS_CALL_H
#define ARCH_NUCLEUS_CALL_H

#include <stdint.h>

static inline long nucleus_call_0(uint32_t number)
{
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result)
			 : "a"(number)
			 : "rdi", "rsi", "rdx", "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return result;
}
static inline long nucleus_call_1(uint32_t number, uint64_t a)
{
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a)
			 : "a"(number)
			 : "rsi", "rdx", "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return result;
}
static inline long nucleus_call_2(uint32_t number, uint64_t a, uint64_t b)
{
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a), "+S"(b)
			 : "a"(number)
			 : "rdx", "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return result;
}
static inline long nucleus_call_3(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
			 : "a"(number)
			 : "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return result;
}
static inline long nucleus_call_4(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
			 : "a"(number)
			 : "r8", "r9", "rcx", "r11", "memory", "cc");
	return result;
}
static inline long nucleus_call_5(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
			 : "a"(number)
			 : "r9", "rcx", "r11", "memory", "cc");
	return result;
}
static inline long nucleus_call_6(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
				  uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("call nucleus_call_gate"
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "a"(number)
			 : "rcx", "r11", "memory", "cc");
	return result;
}

#endif
