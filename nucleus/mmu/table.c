/* SPDX-License-Identifier: MIT */
/*
 * Page-table trees: finding, making, counting and pruning tables. Four levels of 512 entries, 4 KiB leaves (2 MiB
 * leaves at level 2 in the kernel view). Each table's frame counts its used entries, so that an empty one is known
 * without looking. Lock: the nucleus lock.
 */
#include "frame/frames.h"
#include "mmu/mmu.h"
#include "report/report.h"

static inline unsigned table_index(uint64_t va, unsigned level)
{
	return (va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

static struct frame *table_frame(const pte_t *entry)
{
	return &frames[((uint64_t)entry - direct_base) >> PAGE_SHIFT];
}

void table_count(pte_t *entry, int delta)
{
	struct frame *f = table_frame(entry);

	if (f->type == FRAME_PAGE_TABLE)
		f->mappings += (uint32_t)delta;
}

/* The way down to va's entry at `level`; `make`: missing tables are made. */
static inline pte_t *descend(uint64_t root_phys, uint64_t va, unsigned level, bool make, uint32_t owner)
{
	pte_t *table = direct_map(root_phys);

	for (unsigned l = 4; l > level; l--) {
		pte_t *slot = &table[table_index(va, l)], e = pte_load(slot);

		if (!pte_present(e)) {
			uint64_t phys = make ? frame_table_alloc(l - 1, owner) : 0;

			if (!phys)
				return nullptr;
			e = pte_table(phys);
			pte_store(slot, e);
			table_count(slot, 1);
		} else if (l <= 3 && pte_large(e)) {
			return nullptr;
		}
		table = direct_map(pte_phys(e));
	}
	return &table[table_index(va, level)];
}

pte_t *table_find(uint64_t root_phys, uint64_t va, unsigned level)
{
	return descend(root_phys, va, level, false, 0);
}

pte_t *table_make(uint64_t root_phys, uint64_t va, unsigned level, uint32_t owner)
{
	return descend(root_phys, va, level, true, owner);
}

bool tables_remembered;

/*
 * Unlinks the empty table that covers va at `level` and puts it into the chain. A CPU may still have the way to it
 * cached: its first word, which links the chain, must not look like an entry, and a page-aligned address does not.
 * Result: whether the parent may be empty now.
 */
static bool unlink_one(uint64_t root_phys, uint64_t va, unsigned level, uint64_t *chain)
{
	pte_t *slot = table_find(root_phys, va, level + 1);
	uint64_t phys;

	if (!slot || !pte_present(pte_load(slot)))
		return false;
	phys = pte_phys(pte_load(slot));
	if (frames[phys >> PAGE_SHIFT].type != FRAME_PAGE_TABLE || frames[phys >> PAGE_SHIFT].mappings)
		return false;
	pte_store(slot, 0);
	table_count(slot, -1);
	*(uint64_t *)direct_map(phys) = *chain;
	*chain = phys;
	tables_remembered = true;
	return true;
}

void table_free_chain(uint64_t chain)
{
	if (chain && tables_remembered)
		panic(nullptr, "page tables are freed before every CPU has forgotten them");
	while (chain) {
		uint64_t next = *(uint64_t *)direct_map(chain);

		frame_table_free(chain);
		chain = next;
	}
}

uint64_t table_unlink_empty(uint64_t root_phys, uint64_t va, uint64_t end)
{
	uint64_t step = PAGE_SIZE * 512ull, chain = 0;

	/* Only where a table goes may the one above become empty. */
	bool any = true;

	for (unsigned level = 1; level <= 3 && any; level++, step *= 512) {
		any = false;
		for (uint64_t at = align_down(va, step); at < end; at += step) {
			unsigned above = 3;

			while (above > level && table_find(root_phys, at, above))
				above--;
			if (above == level)
				any |= unlink_one(root_phys, at, level, &chain);
			else /* Skip all that the missing table would cover: a whole process view is 2^17 GiB. */
				at = (at | (((uint64_t)PAGE_SIZE << (9 * above)) - 1)) + 1 - step;
		}
	}
	return chain;
}

bool lowered_translate(uint64_t va, uint64_t *phys)
{
	bool region = (va >= WINDOW_BASE && va < DIRECT_BASE) || (va >= KMAP_BASE && va < KMAP_END) || va >= GATES_BASE;

	return region && memory_translate(va, phys);
}

bool memory_translate(uint64_t va, uint64_t *phys)
{
	enum frame_type type;

	if (!kernel_translate(va, phys) || !frame_valid(*phys >> PAGE_SHIFT))
		return false;
	type = frames[*phys >> PAGE_SHIFT].type;
	return type != FRAME_NONE && type != FRAME_DEVICE && type != FRAME_DMA;
}

bool kernel_translate(uint64_t va, uint64_t *phys)
{
	pte_t *page = table_find(kernel_root_phys, va, 1), *block = table_find(kernel_root_phys, va, 2);
	pte_t e = page ? pte_load(page) : block ? pte_load(block) : 0;

	if (!pte_present(e) || !(page || pte_large(e)))
		return false;
	*phys = pte_phys(e) | (va & ((page ? PAGE_SIZE : BLOCK_SIZE) - 1));
	return true;
}
