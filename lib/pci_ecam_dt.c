/* SPDX-License-Identifier: MIT */
/* Regions of PCI Express configuration space from a device tree, see pci_ecam.h. */
#include <lib/devicetree.h>
#include <lib/pci_ecam.h>

const char *const pci_ecam_names[] = {"pci-host-ecam-generic", nullptr};

unsigned pci_ecam_from_devicetree(const void *fdt, struct pci_ecam *out, unsigned room)
{
	unsigned count = 0;

	for (int node = -1; (node = devicetree_find(fdt, node, pci_ecam_names)) >= 0;) {
		struct pci_ecam e = {.segment = (uint16_t)count};
		uint64_t size, buses = UINT64_C(0xff); /* first << 32 | last */
		uint32_t domain;

		if (!devicetree_reg(fdt, node, 0, &e.phys, &size))
			continue;
		(void)devicetree_number(fdt, node, "bus-range", &buses);
		if (devicetree_u32(fdt, node, "linux,pci-domain", &domain))
			e.segment = (uint16_t)domain;
		if (buses >> 32 > 0xff || (buses & UINT32_MAX) > 0xff || size >> 20 == 0)
			continue;
		e.first_bus = (uint8_t)(buses >> 32);
		e.last_bus = (uint8_t)buses;
		if (e.last_bus >= e.first_bus && pci_ecam_bytes(&e) > size)
			e.last_bus = (uint8_t)(e.first_bus + (size >> 20) - 1);
		pci_ecam_add(&e, out, room, &count);
	}
	return count;
}
