/* SPDX-License-Identifier: MIT */
/*
 * Reading a process's page tables, which lowered code sees read-only in the window: four levels of 512 entries with 4
 * KiB leaves only, as every architecture is set up for; what an entry's bits mean is arch/page_entry.h's. The caller
 * holds the space's lock: tables appear while it is held for reading, and go only while it is held for writing. Entries
 * change under the reader (other faults, accessed and dirty bits): load them once.
 */
#ifndef KERNEL_PAGE_TABLE_WALK_H
#define KERNEL_PAGE_TABLE_WALK_H

#include <arch/page_entry.h>
#include <nucleus/layout.h>
#include <stdint.h>

#define PAGE_TABLE_SPAN 0x200000 /* what one leaf table maps */

static inline uint64_t page_entry_load(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

static inline const uint64_t *page_table_at(uint64_t entry)
{
	return (const uint64_t *)(WINDOW_BASE + (entry & PAGE_ENTRY_FRAME));
}

/* The leaf entry of va, nullptr if there is no table. Following entries up to the next
 * PAGE_TABLE_SPAN boundary follow in memory. */
static inline const uint64_t *page_table_leaf(uint64_t root_pfn, uint64_t va)
{
	uint64_t entry = root_pfn << PAGE_SHIFT;

	for (unsigned shift = 39; shift > PAGE_SHIFT; shift -= 9) {
		entry = page_entry_load(page_table_at(entry) + (va >> shift & 511));
		if (!(entry & PAGE_ENTRY_PRESENT))
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
			if (!(entry & PAGE_ENTRY_PRESENT))
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
	return e & (PAGE_ENTRY_PRESENT | PAGE_ENTRY_NONE);
}
static inline bool page_entry_present(uint64_t e)
{
	return e & PAGE_ENTRY_PRESENT;
}
static inline bool page_entry_writable(uint64_t e)
{
	return page_entry_present(e) && page_entry_allows_write(e);
}
static inline bool page_entry_executable(uint64_t e)
{
	return page_entry_present(e) && page_entry_allows_execution(e);
}
static inline uint64_t page_entry_pfn(uint64_t e)
{
	return (e & PAGE_ENTRY_FRAME) >> PAGE_SHIFT;
}

static inline uint64_t page_table_lookup(uint64_t root_pfn, uint64_t va)
{
	const uint64_t *leaf = page_table_leaf(root_pfn, va);

	return leaf ? page_entry_load(leaf) : 0;
}

#endif
