/* SPDX-License-Identifier: MIT */
/*
 * Views: the kernel view (one for all) and process views (one per address space), and the page tables under them.
 *
 * Both architectures have four levels of 512 entries; what an entry looks like is in arch pte.h. The nucleus reaches
 * tables through its direct map, which is in the kernel view only: code that may run in a process view (interrupts of a
 * process) must not come here. All but shootdown_serve needs the nucleus lock.
 */
#ifndef NUCLEUS_MMU_H
#define NUCLEUS_MMU_H

#include "frame/frames.h"
#include "gate/lock.h"
#include "mmu/entry.h"
#include <nucleus/layout.h>

struct cpu;
struct record;

struct space {
	uint64_t root_phys;
	uint32_t index, birth; /* birth tells reuses of an index apart */
	bool used;
	uint32_t threads; /* records that point here */
	uint32_t id;	  /* for reports: process id */
	char name[16];
	uint64_t flush_generation; /* counts invalidations, for CPUs that cache entries by PCID or ASID */
	uint64_t pages;		   /* mapped now */
	uint64_t number;	   /* the architecture's, under which CPUs cache its entries */
	uint64_t cpus;		   /* those that may have entries under that number */
	uint64_t replaced;	   /* the page replaced last, which was absent for a moment (PTE_BREAK_BEFORE_MAKE) */
};

extern uint64_t kernel_root_phys;

static inline void *direct_map(uint64_t phys)
{
	return (void *)(direct_base + phys);
}

/* Spaces (mmu/space.c). */
struct space *space_from_handle(uint64_t handle); /* nullptr: stale; 0 is never valid */
uint32_t space_handle(const struct space *s);
struct space *space_at(uint32_t index); /* nullptr: none */

/* Tables (mmu/table.c). The entry for va at `level` (1: leaf), nullptr if a table above is missing. */
pte_t *table_find(uint64_t root_phys, uint64_t va, unsigned level);
/* Makes missing tables; owner: index for the frame table, 0 = kernel. nullptr: out of memory. */
pte_t *table_make(uint64_t root_phys, uint64_t va, unsigned level, uint32_t owner);
/* Adds delta to the count of used entries of the table that holds `entry`. */
void table_count(pte_t *entry, int delta);
/* Takes tables of [va, end) that have become empty out of the tree. After a shoot-down of the range the chain is to be
 * freed. */
[[nodiscard]] uint64_t table_unlink_empty(uint64_t root_phys, uint64_t va, uint64_t end);
void table_free_chain(uint64_t chain);
extern bool tables_remembered; /* some left the tree since the last shoot-down: to free them now is the end */
/* Translates through the kernel view. false: nothing there. */
bool kernel_translate(uint64_t va, uint64_t *phys);
/* The same, and only to memory that the direct map has: what reports may read. */
bool memory_translate(uint64_t va, uint64_t *phys);
/* The same for addresses that lowered code gave. */
bool lowered_translate(uint64_t va, uint64_t *phys);

/* Mappings of the kernel view (mmu/kernel_view.c). */
[[nodiscard]] int kernel_view_map(uint64_t va, uint64_t phys, uint64_t count, enum pte_kind kind);
/* The same in blocks of 2 MiB where they fit, for what is never mapped or unmapped by pages. */
[[nodiscard]] int kernel_view_map_blocks(uint64_t va, uint64_t phys, uint64_t bytes, enum pte_kind kind);
/* Boot: makes the tables that process views share, as long as entries of the top level can still be made. */
[[nodiscard]] int kernel_view_make_tops(void);
/* Boot: the entry of the top level that shows process views the nucleus half of the image, closed to lowered code. 0:
 * out of memory. */
[[nodiscard]] pte_t kernel_view_share_image(void);
void kernel_view_unmap_block(uint64_t va); /* however its pages are mapped; with shoot-down */
/* Memory of the pool for the nucleus at va, zeroed. false: out of memory. */
[[nodiscard]] bool kernel_view_map_pool(uint64_t va, unsigned pages);
/* Boot: firmware's tables, which may be in memory that it calls reserved and the direct map does not have. nullptr: out
 * of reach, or of memory. */
const void *kernel_view_firmware(uint64_t phys, size_t size);
/* Boot: registers of the nucleus's own devices, from that page of CPU_DEVICES_BASE on; in every view. nullptr: out of
 * memory. */
void *kernel_view_registers(uint32_t slot, uint64_t phys, uint32_t pages);

/* Shoot-down (mmu/shootdown.c): returns when no CPU has these translations any more. space == nullptr: kernel view. */
void shootdown(struct space *s, uint64_t va, uint64_t end);
void shootdown_serve(void); /* any context with interrupts off */
/* Returns when every CPU has looked at its mailbox (and with it at what account_apply does). */
void shootdown_all_look(void);

/* The architecture's part. Flushing reaches all CPUs at once where CPU_FLUSHES_ALL (cpu.h) says so. */
void arch_flush_local(struct space *s, uint64_t va, uint64_t end);
/* New top-level table of a process: the nucleus half, and in modes with privileged threads everything. */
void arch_fill_process_root(pte_t *root);

#endif
