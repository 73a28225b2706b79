/* SPDX-License-Identifier: MIT */
/*
 * Where the registers of PCI functions stand (BARs, PCI Local Bus 3.0, 6.2.5), and where there is room for more. What
 * belongs to different functions must not share a page: pages are what a component gets. Pure: whoever calls has a
 * table, and notes in it all that firmware has placed before it looks for room.
 */
#ifndef LIB_PCI_PLACE_H
#define LIB_PCI_PLACE_H

#include <lib/pci_config.h>

/* Besides BARs, what a bridge passes on is noted, as if these were two more. */
enum : unsigned { PCI_PLACE_WINDOW = PCI_BARS_MAX, PCI_PLACE_PREFETCHABLE };

struct pci_placed {
	struct pci_window pages;
	uint32_t function;
	unsigned bar;
};
struct pci_places {
	struct pci_placed *at; /* the caller's */
	unsigned count, max;
};

/* The BAR stands there, and nowhere else any more. size > 0. Where there is no room for it no holes are found. */
void pci_places_note(struct pci_places *p, uint32_t function, unsigned bar, uint64_t base, uint64_t size);
/* Whether another function has registers in the pages of [base, base + size). */
bool pci_places_shared(const struct pci_places *p, uint32_t function, uint64_t base, uint64_t size);
/* What has a number from first to last is there no more. */
void pci_places_forget(struct pci_places *p, uint32_t first, uint32_t last);
/* Where in the window there is room: a multiple of align (a power of two) and of a page, with nobody's registers in its
 * pages, in the smallest hole that is large enough; 0: there is none. below_bridge: the window is what a bridge passes
 * on, so that it and those it stands in are not in the way. */
uint64_t pci_places_hole(const struct pci_places *p, struct pci_window in, bool below_bridge, uint64_t size,
			 uint64_t align);
/* From the first to the last of all addresses below `end` that what has a number from first to last has taken; base >
 * limit: there are none. */
struct pci_window pci_places_span(const struct pci_places *p, uint32_t first, uint32_t last, uint64_t end);

#endif
