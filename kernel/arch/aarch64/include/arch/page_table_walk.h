/* SPDX-License-Identifier: MIT */
/*
 * Reading a process's page tables, which lowered code sees read-only in the window: four levels,
 * DDI 0487, D8.3, with 4 KiB leaves only. The caller holds the space's lock: tables appear
 * while it is held for reading, and go only while it is held for writing. Entries change under the
 * reader (other faults, accessed and dirty bits): load them once.
 */
#ifndef ARCH_PAGE_TABLE_WALK_H
#define ARCH_PAGE_TABLE_WALK_H

#include <nucleus/layout.h>
#include <stdint.h>

#define PAGE_TABLE_SPAN 0x200000 /* what one leaf table maps */

enum : uint64_t {
	ARM_PTE_VALID = 1ull << 0,
	ARM_PTE_DBM = 1ull << 51, /* the process may write; read-only as well: it has not yet */
	ARM_PTE_UXN = 1ull << 54,
	ARM_PTE_NONE = 1ull << 56, /* software: the frame is kept, access is not allowed */
	ARM_PTE_FRAME = 0x0000fffffffff000,
};

static inline uint64_t page_entry_load(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

static inline const uint64_t *page_table_at(uint64_t entry)
{
	return (const uint64_t *)(WINDOW_BASE + (entry & ARM_PTE_FRAME));
}

/* The leaf entry of va, nullptr if there is no table. Following entries up to the next
 * PAGE_TABLE_SPAN boundary follow in memory. */
static inline const uint64_t *page_table_leaf(uint64_t root_pfn, uint64_t va)
{
	uint64_t entry = root_pfn << PAGE_SHIFT;

	for (unsigned shift = 39; shift > PAGE_SHIFT; shift -= 9) {
		entry = page_entry_load(page_table_at(entry) + (va >> shift & 511));
		if (!(entry & ARM_PTE_VALID))
			return nullptr;
	}
	return page_table_at(entry) + (va >> PAGE_SHIFT & 511);
}

/* The first address at or after va where a leaf table may exist (skips what a missing upper table
 * would cover), at most end. */
static inline uint64_t page_table_skip(uint64_t root_pfn, uint64_t va, uint64_t end)
{
	while (va < end) {
		uint64_t entry = root_pfn << PAGE_SHIFT;
		unsigned shift = 39;

		for (; shift > PAGE_SHIFT; shift -= 9) {
			entry = page_entry_load(page_table_at(entry) + (va >> shift & 511));
			if (!(entry & ARM_PTE_VALID))
				break;
		}
		if (shift == PAGE_SHIFT)
			return va;
		va = (va | ((1ull << shift) - 1)) + 1;
	}
	return end;
}

static inline bool page_entry_used(uint64_t e)
{
	return e & (ARM_PTE_VALID | ARM_PTE_NONE);
}
static inline bool page_entry_present(uint64_t e)
{
	return e & ARM_PTE_VALID;
}
static inline bool page_entry_writable(uint64_t e)
{
	return (e & (ARM_PTE_VALID | ARM_PTE_DBM)) == (ARM_PTE_VALID | ARM_PTE_DBM);
}
static inline bool page_entry_executable(uint64_t e)
{
	return (e & (ARM_PTE_VALID | ARM_PTE_UXN)) == ARM_PTE_VALID;
}
static inline uint64_t page_entry_pfn(uint64_t e)
{
	return (e & ARM_PTE_FRAME) >> PAGE_SHIFT;
}

static inline uint64_t page_table_lookup(uint64_t root_pfn, uint64_t va)
{
	const uint64_t *leaf = page_table_leaf(root_pfn, va);

	return leaf ? page_entry_load(leaf) : 0;
}

#endif
