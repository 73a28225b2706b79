/* SPDX-License-Identifier: MIT */
/*
 * Addresses of the kernel mapping range (kernel/mem/kmap.h). Thread stacks use fixed slots in the lower
 * half (stack.c); the upper half, up to the page array, is handed out once and for all, with one
 * unmapped page behind each run to catch overruns.
 */
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <nucleus/layout.h>

static uint64_t next_address = KMAP_BASE + (KMAP_END - KMAP_BASE) / 2;

uint64_t kmap_reserve(uint64_t pages)
{
	uint64_t bytes = (pages + 1) * PAGE_SIZE;
	uint64_t at = __atomic_fetch_add(&next_address, bytes, __ATOMIC_RELAXED);

	return at + bytes <= PAGE_ARRAY_BASE ? at : 0;
}
