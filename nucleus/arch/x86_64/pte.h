/* SPDX-License-Identifier: MIT */
/* x86_64 page-table entries, 4-level paging (Intel SDM vol. 3, 4.5). The generic walkers in mmu/ use these names. */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#include "mmu/mode.h"
#include <nucleus/thread_page.h>
#include <stdint.h>

typedef uint64_t pte_t;

enum : uint64_t {
	X86_PRESENT = 1ull << 0,
	X86_WRITABLE = 1ull << 1,
	X86_USER = 1ull << 2,
	X86_WRITE_THROUGH = 1ull << 3,
	X86_CACHE_DISABLE = 1ull << 4,
	X86_ACCESSED = 1ull << 5,
	X86_DIRTY = 1ull << 6,
	X86_LARGE = 1ull << 7,
	X86_PAT = 1ull << 7,	   /* of a leaf of the last level: entry 4 of the PAT, write-combining */
	X86_SOFT_NONE = 1ull << 9, /* ours: a PROT_NONE page that keeps its frame; X86_PRESENT is clear */
	X86_NO_EXECUTE = 1ull << 63,
	X86_FRAME_MASK = 0x000ffffffffff000ull,
};

/* Entries may be exchanged for others as they are. */
enum { PTE_BREAK_BEFORE_MAKE = 0 };

static inline pte_t pte_leaf(uint64_t phys, enum pte_kind kind, bool large)
{
	static const uint64_t bits[] = {
		[PTE_NUCLEUS_TEXT] = 0,
		[PTE_NUCLEUS_RODATA] = X86_NO_EXECUTE,
		[PTE_NUCLEUS_DATA] = X86_NO_EXECUTE | X86_WRITABLE,
		[PTE_NUCLEUS_DIRECT] = X86_NO_EXECUTE | X86_WRITABLE,
		[PTE_NUCLEUS_DEVICE] = X86_NO_EXECUTE | X86_WRITABLE | X86_CACHE_DISABLE | X86_WRITE_THROUGH,
		[PTE_LOWERED_TEXT] = X86_USER,
		[PTE_LOWERED_BRACKETS] = X86_USER,
		[PTE_LOWERED_RODATA] = X86_USER | X86_NO_EXECUTE,
		[PTE_LOWERED_DATA] = X86_USER | X86_NO_EXECUTE | X86_WRITABLE,
		[PTE_LOWERED_DEVICE] = X86_USER | X86_NO_EXECUTE | X86_WRITABLE | X86_CACHE_DISABLE | X86_WRITE_THROUGH,
		[PTE_LOWERED_UNCACHED] =
			X86_USER | X86_NO_EXECUTE | X86_WRITABLE | X86_CACHE_DISABLE | X86_WRITE_THROUGH,
		/* As a leaf of the last level only: bit 7 is another's in a large one. */
		[PTE_LOWERED_COMBINING] = X86_USER | X86_NO_EXECUTE | X86_WRITABLE | X86_PAT,
	};

	return phys | X86_PRESENT | X86_ACCESSED | bits[kind] | (bits[kind] & X86_WRITABLE ? X86_DIRTY : 0) |
	       (large ? X86_LARGE : 0);
}

/* An intermediate entry; user tables restrict nothing, leaves decide. supervisor_only hides a whole top-level subtree
 * from ring 3. */
static inline pte_t pte_table(uint64_t phys)
{
	return phys | X86_PRESENT | X86_WRITABLE | X86_USER | X86_ACCESSED;
}
static inline pte_t pte_supervisor_only(pte_t e)
{
	return e & ~(uint64_t)X86_USER;
}

/* A page of a process. */
static inline pte_t pte_user(uint64_t phys, uint32_t prot)
{
	if (!(prot & (MAP_PROT_READ | MAP_PROT_WRITE | MAP_PROT_EXEC)))
		return phys | X86_SOFT_NONE | X86_USER;
	bool write = prot & MAP_PROT_WRITE, used = prot & MAP_USED;

	return phys | X86_PRESENT | X86_USER | (write ? X86_WRITABLE : 0) |
	       (prot & MAP_PROT_EXEC ? 0 : X86_NO_EXECUTE) | (used ? X86_ACCESSED : 0) |
	       (used && write ? X86_DIRTY : 0);
}
static inline bool pte_used(pte_t e)
{
	return e & (X86_PRESENT | X86_SOFT_NONE);
}
static inline bool pte_present(pte_t e)
{
	return e & X86_PRESENT;
}
static inline bool pte_large(pte_t e)
{
	return e & X86_LARGE;
}
static inline bool pte_writable(pte_t e)
{
	return e & X86_WRITABLE;
}
static inline uint64_t pte_phys(pte_t e)
{
	return e & X86_FRAME_MASK;
}
static inline pte_t pte_read_only(pte_t e)
{
	return e & ~(uint64_t)X86_WRITABLE;
}
static inline pte_t pte_clean(pte_t e)
{
	return e & ~(uint64_t)(X86_ACCESSED | X86_DIRTY);
}
/* What a change of protection keeps. */
static inline pte_t pte_history(pte_t e)
{
	return e & (X86_ACCESSED | X86_DIRTY);
}
/* Whether a CPU may hold this entry in its TLB. */
static inline bool pte_cachable(pte_t e)
{
	return e & X86_PRESENT;
}

/* What lowered code is told of an entry (struct pte_entry). */
static inline uint64_t pte_describe(pte_t e)
{
	return pte_phys(e) | PTE_WAS_PRESENT | (e & X86_WRITABLE ? PTE_WAS_WRITABLE : 0) |
	       (e & X86_DIRTY ? PTE_WAS_DIRTY : 0) | (e & X86_ACCESSED ? PTE_WAS_ACCESSED : 0) |
	       (e & X86_NO_EXECUTE || !(e & X86_PRESENT) ? 0 : PTE_WAS_EXEC);
}

/* Entries are read by the hardware at any time: single, whole stores only. */
static inline pte_t pte_load(const volatile pte_t *at)
{
	return *at;
}
static inline void pte_store(volatile pte_t *at, pte_t e)
{
	*at = e;
}
/* Exchange, because the hardware may set accessed and dirty meanwhile. */
static inline pte_t pte_harvest(volatile pte_t *at)
{
	return __atomic_fetch_and(at, ~(uint64_t)(X86_ACCESSED | X86_DIRTY), __ATOMIC_SEQ_CST);
}
/* Another protection, what the hardware noted is kept. Result: the old entry. */
static inline pte_t pte_protect(volatile pte_t *at, uint32_t prot)
{
	pte_t old = *at;

	while (!__atomic_compare_exchange_n(at, &old, pte_user(pte_phys(old), prot) | pte_history(old), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return old;
}
static inline pte_t pte_exchange(volatile pte_t *at, pte_t e)
{
	return __atomic_exchange_n(at, e, __ATOMIC_SEQ_CST);
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
