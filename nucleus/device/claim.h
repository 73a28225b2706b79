/* SPDX-License-Identifier: MIT */
/*
 * Claims: which component may map which registers. No two claims share a byte, and no two components a page. Ports are
 * ranges of an address space of their own. Lock: the nucleus lock.
 */
#ifndef NUCLEUS_CLAIM_H
#define NUCLEUS_CLAIM_H

#include "iommu/iommu.h"
#include <lib/pci_config.h>
#include <nucleus/device.h>
#include <stdint.h>

enum { CLAIMS_MAX = 256, CLAIM_RANGES_MAX = PCI_BARS_MAX, PORT_WINDOWS = 8 };

/* Ports are these "addresses", which no memory has. */
enum : uint64_t { CLAIM_PORT_SPACE = 1ull << 63 };

struct claim_range {
	uint64_t start, end;
};
struct claim {
	enum claim_kind kind; /* 0: free */
	uint32_t flags, component, birth;
	uint32_t mapped; /* pages of it in the kernel view; where claims share a page, the sum of theirs */
	unsigned count;
	struct claim_range range[CLAIM_RANGES_MAX];
	struct claim_range kept[2]; /* pages of them that only the nucleus maps: MSI-X table, pending bits */
	/* CLAIM_FUNCTION, device/pci.c: */
	uint32_t function;
	bool is_port;	  /* a bridge, of which the slot is claimed */
	uint32_t bars;	  /* how many it has */
	uint32_t decodes; /* which of PCI_COMMAND_IO and _MEMORY may be on: all BARs of it have an address */
	uint32_t bar_value[PCI_BARS_MAX];
	uint64_t ready_ns; /* while it is being reset: when to look */
	bool silenced;	   /* it masters the bus no more */
	bool untold;	   /* for `stray`, of which there was no room for a report */
	struct iommu_fault stray;
	uint64_t msix_table; /* physical; 0: no MSI-X to be used */
	uint32_t msix_vectors;
	struct iommu_domain *domain; /* nullptr: no IOMMU translates what it does */
};

/* Boot: memory that is nobody's to claim, with the rest of its pages: registers of the nucleus's own, doorbells, what
 * firmware's services use. */
void claim_withhold(uint64_t start, uint64_t end);

/* The claim after c (nullptr: the first); nullptr: there are no more. */
struct claim *claim_after(struct claim *c);
/* nullptr: stale, or never given. */
struct claim *claim_from_handle(uint64_t handle);
uint32_t claim_handle(const struct claim *c);

/* Whether nothing of the nucleus's, no RAM and nothing that a claim has is in the range. A page may be shared by those
 * claims of one component that are of memory and of that page alone: so may be what is asked for (nullptr: not). */
bool claim_range_free(struct claim_range r, const struct claim *asked);
/* The first claim of a PCI function whose number is from first to last; nullptr: there is none. */
struct claim *claim_of_functions(uint32_t first, uint32_t last);
static inline struct claim *claim_of_function(uint32_t function)
{
	return claim_of_functions(function, function);
}
/* The same if the caller's component has it, and it is not being reset. */
struct claim *claim_own_function(uint32_t function);
/* The claim of `component` that may map the pages [start, end); nullptr: none. */
struct claim *claim_covering(struct claim_range r, uint32_t component);
/* So many pages from that one on belong to what the claim has; 0: it has nothing there. */
uint64_t claim_pages_from(const struct claim *c, uint64_t page);
/* Pages that are no RAM are in the kernel view for lowered code, or are no more: those of them that the first one's
 * claim has are counted there. Result: how many, at least one. */
uint64_t claim_count_pages(uint64_t phys, uint64_t pages, bool mapped);

#endif
