/* SPDX-License-Identifier: MIT */
/*
 * Clearing and copying pages and parts of them with the string instructions, the fastest way
 * without vector registers (Intel SDM vol. 1, 7.3.9.3); the direction flag is clear throughout the
 * kernel.
 */
#ifndef ARCH_PAGE_OPS_H
#define ARCH_PAGE_OPS_H

#include <stdint.h>

static inline void page_zero(void *page)
{
	uint64_t count = 512;

	/* rdi and rcx are consumed; memory is written behind the compiler's back. */
	__asm__ volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0) : "memory");
}

static inline void page_copy(void *restrict to, const void *restrict from)
{
	uint64_t count = 512;

	/* rdi, rsi and rcx are consumed; memory is read and written behind the compiler's back. */
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/* Any sizes; worth it from some hundred bytes. No overlap. */
static inline void bulk_copy(void *restrict to, const void *restrict from, uint64_t bytes)
{
	uint64_t count = bytes >> 3;

	/* Words, then the rest byte by byte: both leave rdi and rsi where the next begins. */
	__asm__ volatile("rep movsq\n\tmovq %[rest], %%rcx\n\trep movsb"
			 : "+D"(to), "+S"(from), "+c"(count)
			 : [rest] "r"(bytes & 7)
			 : "memory");
}

static inline void bulk_zero(void *to, uint64_t bytes)
{
	uint64_t count = bytes >> 3;

	/* As above. */
	__asm__ volatile("rep stosq\n\tmovq %[rest], %%rcx\n\trep stosb"
			 : "+D"(to), "+c"(count)
			 : [rest] "r"(bytes & 7), "a"(0)
			 : "memory");
}

#endif
