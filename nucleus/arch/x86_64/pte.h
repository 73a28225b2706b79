/* SPDX-License-Identifier: MIT */
/* x86_64 page-table entries, 4-level paging (Intel SDM vol. 3, 4.5). The rest is mmu/entry.h's, which uses these names.
 */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#include "mmu/mode.h"
#include <nucleus/thread_page.h>
#include <stdint.h>

enum : uint64_t {
	PTE_VALID = 1ull << 0,
	PTE_WRITABLE = 1ull << 1,
	X86_USER = 1ull << 2,
	X86_WRITE_THROUGH = 1ull << 3,
	X86_CACHE_DISABLE = 1ull << 4,
	PTE_ACCESSED = 1ull << 5,
	X86_DIRTY = 1ull << 6,
	X86_LARGE = 1ull << 7,
	X86_PAT = 1ull << 7,	   /* of a leaf of the last level: entry 4 of the PAT, write-combining */
	PTE_SOFT_NONE = 1ull << 9, /* ours: a PROT_NONE page that keeps its frame; PTE_VALID is clear */
	PTE_NO_EXECUTE = 1ull << 63,
	PTE_FRAME_MASK = 0x000ffffffffff000ull,
};

/* Entries may be exchanged for others as they are. */
enum { PTE_BREAK_BEFORE_MAKE = 0 };

static inline pte_t pte_leaf(uint64_t phys, enum pte_kind kind, bool large)
{
	static const uint64_t bits[] = {
		[PTE_NUCLEUS_TEXT] = 0,
		[PTE_NUCLEUS_RODATA] = PTE_NO_EXECUTE,
		[PTE_NUCLEUS_DATA] = PTE_NO_EXECUTE | PTE_WRITABLE,
		[PTE_NUCLEUS_DIRECT] = PTE_NO_EXECUTE | PTE_WRITABLE,
		[PTE_NUCLEUS_DEVICE] = PTE_NO_EXECUTE | PTE_WRITABLE | X86_CACHE_DISABLE | X86_WRITE_THROUGH,
		[PTE_LOWERED_TEXT] = X86_USER,
		[PTE_LOWERED_BRACKETS] = X86_USER,
		[PTE_LOWERED_RODATA] = X86_USER | PTE_NO_EXECUTE,
		[PTE_LOWERED_DATA] = X86_USER | PTE_NO_EXECUTE | PTE_WRITABLE,
		[PTE_LOWERED_DEVICE] = X86_USER | PTE_NO_EXECUTE | PTE_WRITABLE | X86_CACHE_DISABLE | X86_WRITE_THROUGH,
		[PTE_LOWERED_UNCACHED] =
			X86_USER | PTE_NO_EXECUTE | PTE_WRITABLE | X86_CACHE_DISABLE | X86_WRITE_THROUGH,
		/* As a leaf of the last level only: bit 7 is another's in a large one. */
		[PTE_LOWERED_COMBINING] = X86_USER | PTE_NO_EXECUTE | PTE_WRITABLE | X86_PAT,
	};

	return phys | PTE_VALID | PTE_ACCESSED | bits[kind] | (bits[kind] & PTE_WRITABLE ? X86_DIRTY : 0) |
	       (large ? X86_LARGE : 0);
}

/* An intermediate entry; user tables restrict nothing, leaves decide. supervisor_only hides a whole top-level subtree
 * from ring 3. */
static inline pte_t pte_table(uint64_t phys)
{
	return phys | PTE_VALID | PTE_WRITABLE | X86_USER | PTE_ACCESSED;
}
static inline pte_t pte_supervisor_only(pte_t e)
{
	return e & ~(uint64_t)X86_USER;
}

/* A page of a process. */
static inline pte_t pte_user(uint64_t phys, uint32_t prot)
{
	if (!(prot & (MAP_PROT_READ | MAP_PROT_WRITE | MAP_PROT_EXEC)))
		return phys | PTE_SOFT_NONE | X86_USER;
	bool write = prot & MAP_PROT_WRITE, used = prot & MAP_USED;

	return phys | PTE_VALID | X86_USER | (write ? PTE_WRITABLE : 0) | (prot & MAP_PROT_EXEC ? 0 : PTE_NO_EXECUTE) |
	       (used ? PTE_ACCESSED : 0) | (used && write ? X86_DIRTY : 0);
}
static inline bool pte_large(pte_t e)
{
	return e & X86_LARGE;
}
static inline pte_t pte_read_only(pte_t e)
{
	return e & ~(uint64_t)PTE_WRITABLE;
}
static inline pte_t pte_clean(pte_t e)
{
	return e & ~(uint64_t)(PTE_ACCESSED | X86_DIRTY);
}
static inline bool pte_dirty(pte_t e)
{
	return e & X86_DIRTY;
}
/* Another protection; what the hardware noted is kept. */
static inline pte_t pte_changed(pte_t e, uint32_t prot)
{
	return pte_user(e & PTE_FRAME_MASK, prot) | (e & (PTE_ACCESSED | X86_DIRTY));
}
/* Walkers see a store as all others do. */
static inline void pte_publish(pte_t)
{
}

/* Before frames are mapped executable: instruction caches follow stores by themselves (Intel SDM vol. 3, 12.6). */
static inline void pte_prepare_code(uint64_t phys)
{
	(void)phys;
}
static inline void pte_prepare_code_end(void)
{
}

#endif
