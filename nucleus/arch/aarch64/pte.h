/* SPDX-License-Identifier: MIT */
/*
 * aarch64 page-table entries: 4 KiB granule, four levels, stage 1 of EL1&0 (DDI 0487, D8.3). The rest is
 * mmu/entry.h's, which uses these names.
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

enum : uint64_t {
	PTE_VALID = 1ull << 0,
	ARM_TABLE = 1ull << 1,	  /* a table, or at the last level a page; clear: a block */
	ARM_DEVICE = 1ull << 2,	  /* index 1 of MAIR_EL1; 0: normal memory */
	ARM_UNCACHED = 2ull << 2, /* index 2: normal memory past the caches */
	ARM_EL0 = 1ull << 6,	  /* AP[1] */
	ARM_READ_ONLY = 1ull << 7,
	ARM_INNER_SHAREABLE = 3ull << 8,
	PTE_ACCESSED = 1ull << 10,
	ARM_NOT_GLOBAL = 1ull << 11,
	ARM_GUARDED = 1ull << 50,    /* FEAT_BTI: indirect branches must find landing pads */
	PTE_WRITABLE = 1ull << 51,   /* a process may write here */
	ARM_PXN = 1ull << 53,	     /* not executable at EL1 */
	PTE_NO_EXECUTE = 1ull << 54, /* not executable at EL0 */
	ARM_SOFT_DIRTY = 1ull << 55,
	PTE_SOFT_NONE = 1ull << 56, /* ours: a PROT_NONE page that keeps its frame; PTE_VALID is clear */
	ARM_TABLE_UXN = 1ull << 60, /* tables: EL0 executes nothing below */
	ARM_TABLE_NO_EL0 = 1ull << 61,
	PTE_FRAME_MASK = 0x0000fffffffff000ull,
};

/* Break before make (D8.14.1): a valid entry may not be exchanged for one of another frame directly. */
enum { PTE_BREAK_BEFORE_MAKE = 1 };

extern uint64_t pte_guarded; /* ARM_GUARDED if the CPU has BTI */

/* Only what every view shows is global. Text is read-only at both levels: what EL0 can write, EL1 cannot execute. */
static inline pte_t pte_leaf(uint64_t phys, enum pte_kind kind, bool large)
{
	enum : uint64_t {
		NUCLEUS = PTE_NO_EXECUTE,
		LOWERED = ARM_EL0 | ARM_NOT_GLOBAL,
		NO_EXECUTE = ARM_PXN | PTE_NO_EXECUTE,
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
	return phys | PTE_VALID | (large ? 0 : ARM_TABLE) | ARM_INNER_SHAREABLE | PTE_ACCESSED | bits[kind] | extra;
}

/* An intermediate entry restricts nothing, leaves decide. supervisor_only hides a whole top-level subtree from EL0. */
static inline pte_t pte_table(uint64_t phys)
{
	return phys | PTE_VALID | ARM_TABLE;
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
		return phys | PTE_SOFT_NONE | ARM_READ_ONLY | PTE_NO_EXECUTE;
	bool write = prot & MAP_PROT_WRITE, used = prot & MAP_USED;

	return phys | PTE_VALID | ARM_TABLE | ARM_INNER_SHAREABLE | ARM_EL0 | ARM_NOT_GLOBAL | ARM_PXN |
	       (write ? PTE_WRITABLE : 0) | (prot & MAP_PROT_EXEC ? 0 : PTE_NO_EXECUTE) | (used ? PTE_ACCESSED : 0) |
	       (used && write ? 0 : ARM_READ_ONLY);
}
static inline bool pte_large(pte_t e)
{
	return !(e & ARM_TABLE);
}
static inline bool pte_dirty(pte_t e)
{
	return e & ARM_SOFT_DIRTY || (e & (PTE_WRITABLE | ARM_READ_ONLY)) == PTE_WRITABLE;
}
static inline pte_t pte_read_only(pte_t e)
{
	return (e & ~(uint64_t)PTE_WRITABLE) | ARM_READ_ONLY | (pte_dirty(e) ? ARM_SOFT_DIRTY : 0);
}
static inline pte_t pte_clean(pte_t e)
{
	return (e & ~(uint64_t)(PTE_ACCESSED | ARM_SOFT_DIRTY)) | ARM_READ_ONLY;
}
/* As after an access, which the caller has found to be allowed. */
static inline pte_t pte_touched(pte_t e, bool write)
{
	return (e & ~(write ? (uint64_t)ARM_READ_ONLY : 0)) | PTE_ACCESSED;
}
/* Another protection; what was noted is kept. */
static inline pte_t pte_changed(pte_t e, uint32_t prot)
{
	pte_t changed = pte_user(e & PTE_FRAME_MASK, prot) | (e & PTE_ACCESSED);

	if (!pte_dirty(e))
		return changed;
	return changed & PTE_WRITABLE ? changed & ~(uint64_t)ARM_READ_ONLY : changed | ARM_SOFT_DIRTY;
}
/* After the store of an entry where none was: it must have reached the table walkers before its first use, and that
 * must not have begun (D8.14). No flush follows that would wait for it: what was invalid is in no TLB. */
static inline void pte_publish(pte_t e)
{
	if (e & PTE_VALID)
		__asm__ volatile("dsb ishst\n\tisb" : : : "memory");
}

/* Before frames are mapped executable: what was written to them is what will be fetched (views.c), after the end. */
void pte_prepare_code(uint64_t phys);
void pte_prepare_code_end(void);

#endif
