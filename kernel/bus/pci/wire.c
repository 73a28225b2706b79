/* SPDX-License-Identifier: MIT */
/*
 * Where the wire INTA to INTD of a function leads (PCI 3.0, 2.2.6 and 6.2.4), without an interpreter of AML: by the
 * device tree's interrupt-map, where there is one, else by what firmware noted in the function itself, which on a PC is
 * the number of a line of the legacy interrupt controllers, whose true place the nucleus knows from the MADT.
 */
#include "pci_internal.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <lib/arm_platform.h>
#include <lib/devicetree.h>
#include <nucleus/layout.h>
#include <nucleus/thread_page.h>

/* That with the configuration space of the segment. */
int pci_host_node(uint32_t segment, const void **fdt)
{
	static const char *const names[] = {"pci-host-ecam-generic", nullptr};
	const struct boot_info *boot = boot_info();
	uint64_t phys, size;

	if (boot->dtb_phys == 0)
		return -1;
	*fdt = (const char *)page_window(boot->dtb_phys >> PAGE_SHIFT) + boot->dtb_phys % PAGE_SIZE;
	if (!devicetree_check(*fdt, boot->dtb_bytes))
		return -1;
	for (uint32_t i = 0; i < boot->pci_count; i++) {
		for (int node = -1;
		     boot->pci[i].segment == segment && (node = devicetree_find(*fdt, node, names)) >= 0;)
			if (devicetree_reg(*fdt, node, 0, &phys, &size) && phys == boot->pci[i].phys)
				return node;
	}
	return -1;
}

static bool by_tree(const struct device *dev, struct device_line *out)
{
	uint32_t function = pci_of(dev)->function, pin = pci_of(dev)->identity.interrupt_pin;
	const void *fdt;
	int node = pci_host_node(function >> 16, &fdt);
	struct devicetree_interrupt told;
	struct arm_interrupt is;

	/* Each bridge turns the wires of what is behind it by the device's number (Bridge 1.2, 9.1). */
	for (const struct device *up = device_parent(dev); up != nullptr; up = device_parent(up)) {
		pin = (pin - 1 + (function >> 3 & 31)) % 4 + 1;
		function = pci_of(up)->function;
	}
	if (node < 0 || !devicetree_interrupt_map(fdt, node, (function & 0xffff) << 8, pin, &told) ||
	    !arm_platform_interrupt(fdt, &told, &is))
		return false;
	*out = (struct device_line){.gsi = is.id, .flags = (is.level ? IRQ_LEVEL : 0) | IRQ_SHARED};
	return true;
}

int pci_wire(const struct device *dev, struct device_line *out)
{
	const struct pci_identity *id = &pci_of(dev)->identity;

	if (id->interrupt_pin == 0 || id->interrupt_pin > 4)
		return -ENOENT;
	if (by_tree(dev, out))
		return 0;
	if (id->interrupt_line == 0 || id->interrupt_line == 0xff)
		return -ENOENT;
	*out = (struct device_line){.gsi = id->interrupt_line, .flags = IRQ_LEVEL | IRQ_SHARED};
	return 0;
}
