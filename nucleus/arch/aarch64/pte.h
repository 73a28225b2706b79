/* SPDX-License-Identifier: MIT */
/*
 * aarch64 page-table entries: 4 KiB granule, four levels, stage 1 of EL1&0 (DDI 0487, D8.3). The generic walkers in
 * mmu/ use these names.
 *
 * A page of a process notes its use as follows, whether or not the CPU can do it by itself (FEAT_HAFDBS): AF clear
 * means not accessed, and the first access faults or sets it; DBM says that the page may be written; a page with DBM is
 * clean while it is also read-only (AP[2]), and the first write faults or clears that. trap.c serves those faults on
 * CPUs that cannot. A page that loses DBM keeps what was known in SOFT_DIRTY.
 */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#include "mmu/mode.h"
#include <nucleus/thread_page.h>
#include <stdint.h>

typedef uint64_t pte_t;

enum : uint64_t {
	ARM_VALID = 1ull << 0,
	ARM_TABLE = 1ull << 1,	  /* a table, or at the last level a page; clear: a block */
	ARM_DEVICE = 1ull << 2,	  /* index 1 of MAIR_EL1; 0: normal memory */
	ARM_UNCACHED = 2ull << 2, /* index 2: normal memory past the caches */
	ARM_EL0 = 1ull << 6,	  /* AP[1] */
	ARM_READ_ONLY = 1ull << 7,
	ARM_INNER_SHAREABLE = 3ull << 8,
	ARM_ACCESSED = 1ull << 10,
	ARM_NOT_GLOBAL = 1ull << 11,
	ARM_GUARDED = 1ull << 50, /* FEAT_BTI: indirect branches must find landing pads */
	ARM_DBM = 1ull << 51,	  /* a process may write here */
	ARM_PXN = 1ull << 53,	  /* not executable at EL1 */
	ARM_UXN = 1ull << 54,	  /* not executable at EL0 */
	ARM_SOFT_DIRTY = 1ull << 55,
	ARM_SOFT_NONE = 1ull << 56, /* ours: a PROT_NONE page that keeps its frame; ARM_VALID is clear */
	ARM_TABLE_UXN = 1ull << 60, /* tables: EL0 executes nothing below */
	ARM_TABLE_NO_EL0 = 1ull << 61,
	ARM_FRAME_MASK = 0x0000fffffffff000ull,
};

/* Break before make (D8.14.1): a valid entry may not be exchanged for one of another frame directly. */
enum { PTE_BREAK_BEFORE_MAKE = 1 };

extern uint64_t pte_guarded; /* ARM_GUARDED if the CPU has BTI */

/* Only what every view shows is global. Text is read-only at both levels: what EL0 can write, EL1 cannot execute. */
static inline pte_t pte_leaf(uint64_t phys, enum pte_kind kind, bool large)
{
	enum : uint64_t {
		NUCLEUS = ARM_UXN,
		LOWERED = ARM_EL0 | ARM_NOT_GLOBAL,
		NO_EXECUTE = ARM_PXN | ARM_UXN,
	};
	static const uint64_t bits[] = {
		[PTE_NUCLEUS_TEXT] = NUCLEUS | ARM_READ_ONLY,
		[PTE_NUCLEUS_RODATA] = NUCLEUS | ARM_READ_ONLY | NO_EXECUTE,
		[PTE_NUCLEUS_DATA] = NUCLEUS | NO_EXECUTE,
		[PTE_NUCLEUS_DIRECT] = NUCLEUS | NO_EXECUTE | ARM_NOT_GLOBAL,
		[PTE_NUCLEUS_DEVICE] = NUCLEUS | NO_EXECUTE | ARM_DEVICE,
		[PTE_LOWERED_TEXT] = LOWERED | ARM_READ_ONLY,
		[PTE_LOWERED_BRACKETS] = LOWERED | ARM_READ_ONLY,
		[PTE_LOWERED_RODATA] = LOWERED | ARM_READ_ONLY | NO_EXECUTE,
		[PTE_LOWERED_DATA] = LOWERED | NO_EXECUTE,
		[PTE_LOWERED_DEVICE] = LOWERED | NO_EXECUTE | ARM_DEVICE,
		[PTE_LOWERED_UNCACHED] = LOWERED | NO_EXECUTE | ARM_UNCACHED,
		[PTE_LOWERED_COMBINING] = LOWERED | NO_EXECUTE | ARM_UNCACHED,
	};
	bool text = kind == PTE_NUCLEUS_TEXT || kind == PTE_LOWERED_TEXT || kind == PTE_LOWERED_BRACKETS;
	uint64_t extra = text ? pte_guarded : 0;

	/* Where some threads are privileged at home, they run all of the kernel. */
	if (kind == PTE_LOWERED_TEXT && privilege_mode == MODE_FULL)
		extra |= ARM_PXN;
	return phys | ARM_VALID | (large ? 0 : ARM_TABLE) | ARM_INNER_SHAREABLE | ARM_ACCESSED | bits[kind] | extra;
}

/* An intermediate entry restricts nothing, leaves decide. supervisor_only hides a whole top-level subtree from EL0. */
static inline pte_t pte_table(uint64_t phys)
{
	return phys | ARM_VALID | ARM_TABLE;
}
static inline pte_t pte_supervisor_only(pte_t e)
{
	/* Execution has a bit of its own: without access EL0 could still run what is there. */
	return e | ARM_TABLE_NO_EL0 | ARM_TABLE_UXN;
}

/* A page of a process. */
static inline pte_t pte_user(uint64_t phys, uint32_t prot)
{
	if (!(prot & (MAP_PROT_READ | MAP_PROT_WRITE | MAP_PROT_EXEC)))
		return phys | ARM_SOFT_NONE | ARM_READ_ONLY | ARM_UXN;
	bool write = prot & MAP_PROT_WRITE, used = prot & MAP_USED;

	return phys | ARM_VALID | ARM_TABLE | ARM_INNER_SHAREABLE | ARM_EL0 | ARM_NOT_GLOBAL | ARM_PXN |
	       (write ? ARM_DBM : 0) | (prot & MAP_PROT_EXEC ? 0 : ARM_UXN) | (used ? ARM_ACCESSED : 0) |
	       (used && write ? 0 : ARM_READ_ONLY);
}
static inline bool pte_used(pte_t e)
{
	return e & (ARM_VALID | ARM_SOFT_NONE);
}
static inline bool pte_present(pte_t e)
{
	return e & ARM_VALID;
}
static inline bool pte_large(pte_t e)
{
	return !(e & ARM_TABLE);
}
static inline bool pte_writable(pte_t e)
{
	return e & ARM_DBM;
}
static inline bool pte_dirty(pte_t e)
{
	return e & ARM_SOFT_DIRTY || (e & (ARM_DBM | ARM_READ_ONLY)) == ARM_DBM;
}
static inline uint64_t pte_phys(pte_t e)
{
	return e & ARM_FRAME_MASK;
}
static inline pte_t pte_read_only(pte_t e)
{
	return (e & ~(uint64_t)ARM_DBM) | ARM_READ_ONLY | (pte_dirty(e) ? ARM_SOFT_DIRTY : 0);
}
static inline pte_t pte_clean(pte_t e)
{
	return (e & ~(uint64_t)(ARM_ACCESSED | ARM_SOFT_DIRTY)) | ARM_READ_ONLY;
}
/* As after an access, which the caller has found to be allowed. */
static inline pte_t pte_touched(pte_t e, bool write)
{
	return (e & ~(write ? (uint64_t)ARM_READ_ONLY : 0)) | ARM_ACCESSED;
}
/* Whether a CPU may hold this entry in its TLB. */
static inline bool pte_cachable(pte_t e)
{
	return e & ARM_VALID;
}

/* What lowered code is told of an entry (struct pte_entry). */
static inline uint64_t pte_describe(pte_t e)
{
	return pte_phys(e) | PTE_WAS_PRESENT | (e & ARM_DBM ? PTE_WAS_WRITABLE : 0) |
	       (pte_dirty(e) ? PTE_WAS_DIRTY : 0) | (e & ARM_ACCESSED ? PTE_WAS_ACCESSED : 0) |
	       (e & ARM_UXN || !(e & ARM_VALID) ? 0 : PTE_WAS_EXEC);
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
	/* A new entry must have reached the table walkers before its first use, and that must not have begun (D8.14).
	 */
	if (e & ARM_VALID)
		__asm__ volatile("dsb ishst\n\tisb" : : : "memory");
}
/* Exchange, because the hardware may set accessed and dirty meanwhile. */
static inline pte_t pte_harvest(volatile pte_t *at)
{
	pte_t old = *at;

	while (!__atomic_compare_exchange_n(at, &old, pte_clean(old), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return old;
}
/* Another protection, what was noted is kept. Result: the old entry. */
static inline pte_t pte_protect(volatile pte_t *at, uint32_t prot)
{
	pte_t old = *at, new;

	do {
		new = pte_user(pte_phys(old), prot) | (old & ARM_ACCESSED);
		if (pte_dirty(old))
			new = new &ARM_DBM ? new & ~(uint64_t)ARM_READ_ONLY : new | ARM_SOFT_DIRTY;
	} while (!__atomic_compare_exchange_n(at, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	/* As in pte_store: what was invalid is in no TLB, so no flush follows that would wait for the store. */
	if (!(old & ARM_VALID) && new &ARM_VALID)
		__asm__ volatile("dsb ishst\n\tisb" : : : "memory");
	return old;
}
static inline pte_t pte_exchange(volatile pte_t *at, pte_t e)
{
	return __atomic_exchange_n(at, e, __ATOMIC_SEQ_CST);
}

/* Before frames are mapped executable: what was written to them is what will be fetched (views.c), after the end. */
void pte_prepare_code(uint64_t phys);
void pte_prepare_code_end(void);

#endif
