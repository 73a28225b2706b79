/* SPDX-License-Identifier: MIT */
/*
 * Where PCI Express configuration space stands in memory (ECAM: PCIe Base 4.0, 7.2.2): from ACPI's MCFG (PCI Firmware
 * Specification 3.2, 4.1.2) or from nodes "pci-host-ecam-generic" of a device tree (Linux's binding
 * pci/host-generic-pci.yaml). A function's 4 KiB are at phys + ((bus - first_bus) << 20 | device << 15 | function <<
 * 12).
 */
#ifndef LIB_PCI_ECAM_H
#define LIB_PCI_ECAM_H

#include <stddef.h>
#include <stdint.h>

enum { PCI_ECAMS_MAX = 16 };

struct pci_ecam {
	uint64_t phys; /* of first_bus */
	uint16_t segment;
	uint8_t first_bus, last_bus;
};

/* The regions of a whole MCFG whose checksum is right. Result: how many were written to out, at most `room`; entries
 * that make no sense, or overlap one before them, are left out. */
unsigned pci_ecam_from_mcfg(const void *table, size_t length, struct pci_ecam *out, unsigned room);
/* The same from a tree that devicetree_check accepted. A bridge without linux,pci-domain has the next free segment. */
unsigned pci_ecam_from_devicetree(const void *fdt, struct pci_ecam *out, unsigned room);

/* What host bridges of a tree that have one are compatible with; ends with nullptr. */
extern const char *const pci_ecam_names[];

/* The readers': adds one that makes sense. */
void pci_ecam_add(const struct pci_ecam *e, struct pci_ecam *out, unsigned room, unsigned *count);

static inline uint64_t pci_ecam_bytes(const struct pci_ecam *e)
{
	return ((uint64_t)(e->last_bus - e->first_bus) + 1) << 20;
}

#endif
