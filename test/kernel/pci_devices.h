/* SPDX-License-Identifier: MIT */
/*
 * What the tests of claims, configuration space and messages need of the machine: an address that is nobody's, and PCI
 * functions that no driver attaches to, which a row of test/matrix.txt adds (QEMU's educational device, docs/specs/edu:
 * its interrupt is raised by a register).
 */
#ifndef PCI_DEVICES_H
#define PCI_DEVICES_H

#include <stdint.h>

enum : uint32_t {
	EDU = 0x11e81234,     /* device << 16 | vendor */
	E1000E = 0x10d38086,  /* MSI-X in a BAR of its own (Intel 82574 datasheet) */
	SDHCI = 0x00071b36,   /* a BAR smaller than a page (QEMU's sdhci-pci) */
	TESTDEV = 0x00051b36, /* BAR 2 has 64 bits (QEMU's pci-testdev) */
	BRIDGE = 0x00011b36,  /* a bridge to conventional PCI (QEMU's pci-bridge) */
	NO_FUNCTION = UINT32_MAX,
};
enum edu_register : uint32_t { EDU_IDENTITY = 0x00, EDU_STATUS = 0x24, EDU_RAISE = 0x60, EDU_ACKNOWLEDGE = 0x64 };

/* The n-th function of that vendor and device, in the order of buses; NO_FUNCTION. */
uint32_t pci_find(uint32_t identity, unsigned n);
bool pci_edu_there(void);
bool pci_e1000e_there(void);
/* Whether the command line says `iommu`: this machine has one, which has to be driven. */
bool pci_iommu_expected(void);
/* Claims the function, switches memory and, on request, bus mastering on, and maps `pages` of its first BAR at va. */
long pci_take(uint32_t function, bool master, uint64_t va, uint64_t pages);
uint64_t pci_bar0(uint32_t function);

#endif
