/* SPDX-License-Identifier: MIT */
/* Page-table entries as far as they are the same on both architectures: what the generic walkers use beside arch pte.h,
 * which has the bits. */
#ifndef NUCLEUS_ENTRY_H
#define NUCLEUS_ENTRY_H

#include "pte.h"

static inline bool pte_used(pte_t e)
{
	return e & (PTE_VALID | PTE_SOFT_NONE);
}
/* Only then a CPU may hold it in its TLB. */
static inline bool pte_present(pte_t e)
{
	return e & PTE_VALID;
}
static inline bool pte_writable(pte_t e)
{
	return e & PTE_WRITABLE;
}
static inline uint64_t pte_phys(pte_t e)
{
	return e & PTE_FRAME_MASK;
}

/* What lowered code is told of an entry (struct pte_entry). */
static inline uint64_t pte_describe(pte_t e)
{
	return pte_phys(e) | PTE_WAS_PRESENT | (pte_writable(e) ? PTE_WAS_WRITABLE : 0) |
	       (pte_dirty(e) ? PTE_WAS_DIRTY : 0) | (e & PTE_ACCESSED ? PTE_WAS_ACCESSED : 0) |
	       (e & PTE_NO_EXECUTE || !pte_present(e) ? 0 : PTE_WAS_EXEC);
}

/* Entries are read by the hardware at any time: single, whole stores only. */
static inline pte_t pte_load(const volatile pte_t *at)
{
	return *at;
}
static inline void pte_store(volatile pte_t *at, pte_t e)
{
	/* Release: a walker that finds a new table finds it zeroed. */
	__atomic_store_n(at, e, __ATOMIC_RELEASE);
	pte_publish(e);
}
static inline pte_t pte_exchange(volatile pte_t *at, pte_t e)
{
	return __atomic_exchange_n(at, e, __ATOMIC_SEQ_CST);
}
/* Exchanges the entry, which the hardware may set accessed and dirty meanwhile, for `e` if it still is *old; else *old
 * becomes what it is. */
static inline bool pte_replace(volatile pte_t *at, pte_t *old, pte_t e)
{
	return __atomic_compare_exchange_n(at, old, e, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
/* Forgets what was noted. Result: the old entry, as of the next. */
static inline pte_t pte_harvest(volatile pte_t *at)
{
	pte_t old = pte_load(at);

	while (!pte_replace(at, &old, pte_clean(old)))
		;
	return old;
}
/* Another protection. */
static inline pte_t pte_protect(volatile pte_t *at, uint32_t prot)
{
	pte_t old = pte_load(at);

	while (!pte_replace(at, &old, pte_changed(old, prot)))
		;
	if (!pte_present(old))
		pte_publish(pte_changed(old, prot));
	return old;
}

#endif
