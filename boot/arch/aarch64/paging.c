/* SPDX-License-Identifier: MIT */
/*
 * paging.c - the page tables that the kernel is entered with: 4 levels, 4 KiB granule, 4 KiB and
 * 2 MiB leaves, one root for each half of the addresses.
 *
 * A later mapping replaces an earlier one; a large leaf in the way is split. Nothing walks these
 * tables while they are made, so no entry needs break-before-make. The lower half holds the way in
 * (the trampolines) and is taken away before the kernel runs.
 * Specification: Arm Architecture Reference Manual (DDI 0487), D8.3 (descriptors), D19.2.139
 * (TCR_EL1); PROTOCOL.md, "Caching".
 */
#include <boot/arch.h>

#include "aarch64.h"
#include "cpu.h"

constexpr uint64_t PTE_VALID = 1u << 0;
constexpr uint64_t PTE_TABLE = 1u << 1; /* levels 0 to 2: a table; level 3: a page */
constexpr unsigned PTE_ATTRIBUTE_SHIFT = 2;
constexpr uint64_t PTE_READ_ONLY = 1u << 7;
constexpr uint64_t PTE_INNER_SHAREABLE = 3u << 8;
constexpr uint64_t PTE_ACCESSED = 1u << 10;
constexpr uint64_t PTE_PXN = 1ull << 53;
constexpr uint64_t PTE_UXN = 1ull << 54;
constexpr uint64_t PTE_ADDRESS = 0x0000fffffffff000;
constexpr uint64_t ADDRESS_END = 1ull << 48; /* what a descriptor of this granule can name */

static uint64_t *root_low, *root_high;

void paging_prepare(void)
{
	root_low = alloc_table();
	root_high = alloc_table();
}

struct paging paging_registers(void)
{
	constexpr uint64_t size_16 = 16, walks_cached = 1u << 8 | 1u << 10, shareable = 3u << 12;
	constexpr uint64_t half = size_16 | walks_cached | shareable;
	constexpr uint64_t granule_4k_high = 2ull << 30;
	constexpr uint64_t range_48_bits = 5;
	uint64_t range = REGISTER_READ(id_aa64mmfr0_el1) & 15;

	if (range > range_48_bits)
		range = range_48_bits;
	return (struct paging){
		.ttbr0 = (uint64_t)root_low,
		.ttbr0_empty = (uint64_t)alloc_table(),
		.ttbr1 = (uint64_t)root_high,
		.tcr = half | half << 16 | granule_4k_high | range << 32,
	};
}

static uint64_t attributes(unsigned flags)
{
	uint64_t index = flags & MAP_FRAMEBUFFER ? MAIR_INDEX_SCREEN : MAIR_INDEX_MEMORY;
	uint64_t pte = PTE_VALID | PTE_INNER_SHAREABLE | PTE_ACCESSED | PTE_UXN | index << PTE_ATTRIBUTE_SHIFT;

	if (!(flags & MAP_WRITE))
		pte |= PTE_READ_ONLY;
	if (!(flags & MAP_EXEC))
		pte |= PTE_PXN;
	return pte;
}

/* A table of pages that map what the large leaf maps. */
static uint64_t *split(uint64_t large)
{
	uint64_t *table = alloc_table();

	for (unsigned i = 0; i < 512; i++)
		table[i] = (large | PTE_TABLE) + i * PAGE;
	return table;
}

/* The table that an entry leads to, made if there is none. */
static uint64_t *descend(uint64_t *entry)
{
	uint64_t *table;

	if (*entry & PTE_TABLE)
		return (uint64_t *)(*entry & PTE_ADDRESS);
	table = *entry & PTE_VALID ? split(*entry) : alloc_table();
	*entry = (uint64_t)table | PTE_VALID | PTE_TABLE;
	return table;
}

void arch_map(uint64_t virt, uint64_t phys, uint64_t size, unsigned flags)
{
	uint64_t *root = virt >> 63 ? root_high : root_low;

	if (phys + size > ADDRESS_END)
		die("update the firmware", "its memory map names 0x%lx, beyond 48 bits", phys + size - 1);
	while (size > 0) {
		uint64_t *level_1 = descend(&root[virt >> 39 & 511]);
		uint64_t *level_2 = descend(&level_1[virt >> 30 & 511]);
		uint64_t *entry = &level_2[virt >> 21 & 511];
		bool large = ((virt | phys) & (LARGE_PAGE - 1)) == 0 && size >= LARGE_PAGE;
		uint64_t step = large ? LARGE_PAGE : PAGE;

		if (!large)
			entry = &descend(entry)[virt >> 12 & 511];
		*entry = phys | attributes(flags) | (large ? 0 : PTE_TABLE);
		virt += step;
		phys += step;
		size -= step;
	}
}
