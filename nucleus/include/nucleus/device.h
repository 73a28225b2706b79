/* SPDX-License-Identifier: MIT */
/*
 * Devices as the nucleus knows them: what a component claims, and PCI functions (calls.def: device_claim and after).
 *
 * A PCI function's number is segment << 16 | bus << 8 | device << 3 | function.
 */
#ifndef NUCLEUS_DEVICE_H
#define NUCLEUS_DEVICE_H

#include <stdint.h>

enum claim_kind : uint32_t {
	CLAIM_MEMORY = 1, /* start, size: registers at physical addresses */
	CLAIM_PORTS,	  /* start, size: port numbers */
	CLAIM_FUNCTION,	  /* start: a PCI function with all its BARs; size 0 */
	/* start, size: memory that shows ports, the flags-th first; of a machine without ports of its own. Told once,
	 * for good, by who keeps devices: then a page of it is claimed only by who has all ports there that anybody
	 * has. */
	CLAIM_PORT_WINDOW,
};
enum claim_flags : uint32_t {
	CLAIM_WRITE_COMBINING = 1, /* memory type of its mappings; else that of registers */
	/* Of a function: its MSI-X table may be mapped like all else in its BARs, and MSI-X stays off. Else the pages
	 * of the table and of the pending bits are left out of the claim. */
	CLAIM_WITHOUT_MSIX = 2,
	CLAIM_WITHOUT_PORTS = 4, /* of a function: its BARs of ports are left out, and not decoded */
};

/* What a device may do with memory that is lent to it. */
enum dma_access : uint32_t { DMA_ACCESS_READ = 1, DMA_ACCESS_WRITE = 2 };

/* What pci_bars leaves in the call area: registers as they are, and as they read after all ones were written. */
struct pci_bars {
	uint32_t value[6], ones[6];
};
enum : uint32_t { PCI_BAR_KEEP = UINT32_MAX }; /* pci_bars: places none */

#endif
