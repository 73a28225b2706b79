/* SPDX-License-Identifier: MIT */
/*
 * Addresses that a host bridge passes on to its root bus, by the `ranges` of its node in a device tree (PCI Bus Binding
 * to Open Firmware 2.1, 2.2.1.1 and 6; Devicetree Specification 0.4, 2.3.8).
 */
#ifndef LIB_PCI_RANGES_H
#define LIB_PCI_RANGES_H

#include <stdint.h>

enum pci_range_kind : uint8_t { PCI_RANGE_CONFIG, PCI_RANGE_IO, PCI_RANGE_MEMORY, PCI_RANGE_MEMORY_64 };
struct pci_range {
	enum pci_range_kind kind;
	bool prefetchable;
	uint64_t bus, cpu, size; /* where it begins for functions, and for CPUs; bytes, not 0 */
};

/* The index-th range of a node of a tree that devicetree_check accepted. False: no more, or one that makes no sense:
 * then there may be others after it (index counts it). *more: whether there are. */
bool pci_range_from_devicetree(const void *fdt, int node, unsigned index, struct pci_range *out, bool *more);

#endif
