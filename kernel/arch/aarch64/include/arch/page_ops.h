/* SPDX-License-Identifier: MIT */
/*
 * Clearing and copying pages and parts of them: pairs of registers, and for clearing DC ZVA, which writes a whole block
 * without reading it (Arm ARM, D7.5.8 and DCZID_EL0; EL0 may execute it because SCTLR_EL1.DZE is set). The window is
 * Normal memory, which DC ZVA needs.
 */
#ifndef ARCH_PAGE_OPS_H
#define ARCH_PAGE_OPS_H

#include <lib/string.h>
#include <stdint.h>

enum : uint64_t { ARCH_PAGE_BYTES = 4096, DCZID_PROHIBITED = 16, DCZID_SIZE = 15 };

/* Bytes that one DC ZVA clears; 0: none. */
static inline uint64_t zero_block_bytes(void)
{
	uint64_t id;

	/* Not volatile: it never changes, so the compiler may reuse it. */
	__asm__("mrs %0, dczid_el0" : "=r"(id));
	return (id & DCZID_PROHIBITED) != 0 ? 0 : 4ull << (id & DCZID_SIZE);
}

/* 64 bytes at a time; bytes is a multiple of it and not 0. */
static inline void zero_pairs(void *to, uint64_t bytes)
{
	/* Memory is written behind the compiler's back. */
	__asm__ volatile("1:	stp xzr, xzr, [%0]\n"
			 "	stp xzr, xzr, [%0, #16]\n"
			 "	stp xzr, xzr, [%0, #32]\n"
			 "	stp xzr, xzr, [%0, #48]\n"
			 "	add %0, %0, #64\n"
			 "	subs %1, %1, #64\n"
			 "	b.ne 1b"
			 : "+r"(to), "+r"(bytes)
			 :
			 : "memory", "cc");
}

static inline void page_zero(void *page)
{
	uint64_t block = zero_block_bytes(), end = (uint64_t)page + ARCH_PAGE_BYTES;

	if (block == 0) {
		zero_pairs(page, ARCH_PAGE_BYTES);
		return;
	}
	/* Memory is written behind the compiler's back. A page is a multiple of the largest block (2 KiB). */
	__asm__ volatile("1:	dc zva, %0\n"
			 "	add %0, %0, %1\n"
			 "	cmp %0, %2\n"
			 "	b.ne 1b"
			 : "+r"(page)
			 : "r"(block), "r"(end)
			 : "memory", "cc");
}

/* 64 bytes at a time; bytes is a multiple of it and not 0. Moves both pointers. */
static inline void copy_pairs(void **to, const void **from, uint64_t bytes)
{
	uint64_t a, b, c, d;

	/* Memory is read and written behind the compiler's back; four loads before their stores keep both busy. */
	__asm__ volatile("1:	ldp %3, %4, [%1]\n"
			 "	ldp %5, %6, [%1, #16]\n"
			 "	stp %3, %4, [%0]\n"
			 "	stp %5, %6, [%0, #16]\n"
			 "	ldp %3, %4, [%1, #32]\n"
			 "	ldp %5, %6, [%1, #48]\n"
			 "	stp %3, %4, [%0, #32]\n"
			 "	stp %5, %6, [%0, #48]\n"
			 "	add %0, %0, #64\n"
			 "	add %1, %1, #64\n"
			 "	subs %2, %2, #64\n"
			 "	b.ne 1b"
			 : "+&r"(*to), "+&r"(*from), "+&r"(bytes), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
			 :
			 : "memory", "cc");
}

static inline void page_copy(void *restrict to, const void *restrict from)
{
	void *target = to;
	const void *source = from;

	copy_pairs(&target, &source, ARCH_PAGE_BYTES);
}

/* Any sizes; worth it from some hundred bytes. No overlap. */
static inline void bulk_copy(void *restrict to, const void *restrict from, uint64_t bytes)
{
	void *target = to;
	const void *source = from;

	if (bytes >= 64)
		copy_pairs(&target, &source, bytes & ~63ull);
	memcpy(target, source, bytes & 63);
}

static inline void bulk_zero(void *to, uint64_t bytes)
{
	if (bytes >= 64)
		zero_pairs(to, bytes & ~63ull);
	memset((char *)to + (bytes & ~63ull), 0, bytes & 63);
}

#endif
