/* SPDX-License-Identifier: MIT */
/*
 * paging.c - the page tables that the kernel is entered with: 4 levels, 4 KiB and 2 MiB leaves.
 *
 * A later mapping replaces an earlier one; a large leaf in the way is split. The root is below
 * 4 GiB, because a CPU that starts loads it in 32-bit mode.
 * Specification: Intel SDM 3A 4.5; memory types by 12.12 and PROTOCOL.md, "Caching".
 */
#include <boot/arch.h>

#include "cpu.h"
#include "x86_64.h"

constexpr uint64_t PTE_PRESENT = 1u << 0;
constexpr uint64_t PTE_WRITE = 1u << 1;
constexpr uint64_t PTE_PWT = 1u << 3;
constexpr uint64_t PTE_PAT_SMALL = 1u << 7;
constexpr uint64_t PTE_LARGE = 1u << 7;
constexpr uint64_t PTE_PAT_LARGE = 1u << 12;
constexpr uint64_t PTE_NX = 1ull << 63;
constexpr uint64_t PTE_ADDRESS = 0x000ffffffffff000;

static uint64_t *root;
static bool have_nx;

uint64_t paging_root(void)
{
	return (uint64_t)root;
}

void paging_prepare(void)
{
	root = alloc_pages_below(1, 4 * GIB, EFI_LOADER_DATA, "page tables, below 4 GiB");
	__builtin_memset(root, 0, PAGE);
	have_nx = cpu_has_nx();
}

/* Attributes of a leaf. Write-combining is PAT entry 5: PAT and PWT. */
static uint64_t attributes(unsigned flags, bool large)
{
	uint64_t pte = PTE_PRESENT | (large ? PTE_LARGE : 0);

	if (flags & MAP_WRITE)
		pte |= PTE_WRITE;
	if (!(flags & MAP_EXEC) && have_nx)
		pte |= PTE_NX;
	if (flags & MAP_FRAMEBUFFER)
		pte |= PTE_PWT | (large ? PTE_PAT_LARGE : PTE_PAT_SMALL);
	return pte;
}

/* A table of 4 KiB leaves that map what the large leaf maps. */
static uint64_t *split(uint64_t large)
{
	uint64_t *table = alloc_table();
	uint64_t small = large & ~(PTE_LARGE | PTE_PAT_LARGE);

	if (large & PTE_PAT_LARGE)
		small |= PTE_PAT_SMALL;
	for (unsigned i = 0; i < 512; i++)
		table[i] = small + i * PAGE;
	return table;
}

/* The table that an entry leads to, made if there is none. */
static uint64_t *descend(uint64_t *entry)
{
	uint64_t *table;

	if ((*entry & PTE_PRESENT) && !(*entry & PTE_LARGE))
		return (uint64_t *)(*entry & PTE_ADDRESS);
	table = *entry & PTE_PRESENT ? split(*entry) : alloc_table();
	*entry = (uint64_t)table | PTE_PRESENT | PTE_WRITE;
	return table;
}

void arch_map(uint64_t virt, uint64_t phys, uint64_t size, unsigned flags)
{
	while (size > 0) {
		uint64_t *level_3 = descend(&root[virt >> 39 & 511]);
		uint64_t *level_2 = descend(&level_3[virt >> 30 & 511]);
		uint64_t *entry = &level_2[virt >> 21 & 511];
		bool large = ((virt | phys) & (LARGE_PAGE - 1)) == 0 && size >= LARGE_PAGE;
		uint64_t step = large ? LARGE_PAGE : PAGE;

		if (!large)
			entry = &descend(entry)[virt >> 12 & 511];
		*entry = phys | attributes(flags, large);
		virt += step;
		phys += step;
		size -= step;
	}
}
