/* SPDX-License-Identifier: MIT */
/* Finding and taking PCI functions, see pci_devices.h. */
#include "pci_devices.h"

#include "ktest.h"

#include <kernel/base/cmdline.h>
#include <lib/pci_config.h>
#include <nucleus/device.h>

uint32_t pci_find(uint32_t identity, unsigned n)
{
	for (uint32_t i = 0; i < boot_info()->pci_count; i++) {
		const struct pci_ecam *p = &boot_info()->pci[i];
		uint32_t first = (uint32_t)p->segment << 16 | (uint32_t)p->first_bus << 8;

		/* Few are enough: the firmware numbers buses in turn. */
		for (uint32_t f = first; f < first + 0x800; f++)
			if (nucleus_pci_read(f, PCI_VENDOR_ID, 4) == (long)identity && n-- == 0)
				return f;
	}
	return NO_FUNCTION;
}

bool pci_edu_there(void)
{
	return pci_find(EDU, 0) != NO_FUNCTION;
}

bool pci_e1000e_there(void)
{
	return pci_find(E1000E, 0) != NO_FUNCTION;
}

uint64_t pci_bar0(uint32_t function)
{
	uint64_t low = (uint64_t)nucleus_pci_read(function, PCI_BAR0, 4);

	return (low & ~UINT64_C(15)) |
	       ((low & 6) == 4 ? (uint64_t)nucleus_pci_read(function, PCI_BAR0 + 4, 4) << 32 : 0);
}

long pci_take(uint32_t function, bool master, uint64_t va, uint64_t pages)
{
	long claim = nucleus_device_claim(CLAIM_FUNCTION, function, 0, 0);

	if (!EXPECT(claim > 0))
		return claim;
	EXPECT_EQ(
		nucleus_pci_write(function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | (master ? PCI_COMMAND_BUS_MASTER : 0)),
		0);
	EXPECT_EQ(nucleus_device_map(va, pci_bar0(function), pages), 0);
	return claim;
}

bool pci_iommu_expected(void)
{
	char text[4];

	return cmdline_get("iommu", text, sizeof(text)) != nullptr;
}
