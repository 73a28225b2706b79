/* SPDX-License-Identifier: MIT */
/*
 * IOMMUs: what a device reaches of memory is what was lent to it.
 *
 * Where the machine has one, it is on before lowered code runs, and who has no domain reaches nothing. A PCI function
 * has a domain from its claim to that claim's end; functions that the IOMMU cannot tell from each other, as those
 * behind a bridge to conventional PCI, share one. An address for a device is the physical one, so that one which strays
 * names its frame. Lent frames are of type page or dma; each lend counts in the frame's `mappings` until the hardware
 * has forgotten it, so nothing that a device reaches is given or retyped. Domains are kept here (domain.c), what
 * entries look like and how the hardware is told is the architecture's.
 *
 * Lock: the nucleus lock, after boot. Kernel view, but for iommu_interrupt.
 */
#ifndef NUCLEUS_IOMMU_H
#define NUCLEUS_IOMMU_H

#include "frame/frames.h"
#include <nucleus/device.h>
#include <stdint.h>

struct claim;

/* Domains that can be at a time; their numbers begin with 1. */
enum : uint32_t { IOMMU_DOMAINS_MAX = 64 };

struct iommu_domain {
	uint64_t root;	    /* physical; 0: the domain is free */
	uint32_t requester; /* as arch_iommu_covers leaves it */
	uint32_t claims;    /* that use it */
	bool strayed;	    /* its functions were silenced for it: what else comes of them is no news */
};

extern bool iommu_is_on;

struct iommu_fault {
	uint32_t requester;
	uint32_t reason; /* the hardware's number of it */
	uint64_t address;
	bool write;
};

/* Boot, when PCI functions are reached: switches on what the machine has, and says in the log what that means. */
void iommu_init(void);
/* A claim of a PCI function begins, and has its place: it gets a domain with nothing in it, if an IOMMU translates it.
 * 0, -ENOMEM, or -ENOSPC: there is no domain left. */
[[nodiscard]] int iommu_open(struct claim *c);
/* It ends: what it lent is lent no more when this returns, also if others have its domain. */
void iommu_close(const struct claim *c);
/* Faults that the hardware has noted become reports, as long as there is room for these; a function that strayed
 * masters the bus no more until its claim ends. */
void iommu_take_faults(void);
/* The same of all: one without room becomes a report when there is some, or a line of the log when its claim ends. */
void iommu_take_all_faults(void);
/* Any view: the hardware has noted a fault. Who renders reports is woken. */
void iommu_interrupt(void);

/* --- the architecture's --- */

/* Finds IOMMUs, takes them over from firmware, and switches them on with every requester blocked. false: there is none
 * (or none that can be used, which is said), and nothing of what follows is called. */
[[nodiscard]] bool arch_iommu_init(void);
/* Whether one translates what this requester (pci_requester) does. Those that it cannot tell from each other all become
 * the one that faults name. */
bool arch_iommu_covers(uint32_t *requester);
/* What is known of a requester that none translates, for the log. */
const char *arch_iommu_uncovered(uint32_t requester);
/* Of all that are used: bits of an address that devices may name, levels of tables, and how many numbers of domains. */
uint32_t arch_iommu_address_bits(void);
uint32_t arch_iommu_levels(void);
uint32_t arch_iommu_domains(void);
/* Entries; access: enum dma_access. Absent ones are 0; bits 12 to 47 are an address and nothing else. */
uint64_t arch_iommu_leaf(uint64_t phys, uint32_t access);
uint64_t arch_iommu_table(uint64_t phys);
/* The index-th range that this requester reaches at all times, whatever is lent: where its messages are written to, or
 * what firmware goes on using. Whole pages; a range with RAM in use is left out. false: there are no more. */
[[nodiscard]] bool arch_iommu_always(uint32_t requester, unsigned index, struct memory_range *r);
/* From now on the requester has this domain with that table; root 0: it is blocked. Nothing older is cached when it
 * returns. May take up to two of frame_table_alloc's, which then does not fail. */
void arch_iommu_attach(uint32_t requester, uint32_t domain, uint64_t root);
/* Entries for these pages were absent and are present. */
void arch_iommu_lent(uint32_t domain, uint64_t address, uint64_t pages);
/* Returns when nothing is cached of these pages, and no access that used it is under way. */
void arch_iommu_forget(uint32_t domain, uint64_t address, uint64_t pages);
/* What was written there is seen by the hardware, which may not look into caches. */
void arch_iommu_clean(const void *at, uint64_t bytes);
/* The oldest fault that is noted, which is then gone. false: there is none. */
[[nodiscard]] bool arch_iommu_take_fault(struct iommu_fault *f);

#endif
