/* SPDX-License-Identifier: MIT */
/*
 * Under whose number a function reads and writes: its own, but what comes from conventional PCI has the bridge's
 * (PCI Express to PCI/PCI-X Bridge 1.0, 2.3). All functions behind such a bridge are one to whoever looks at requester
 * ids, and can raise each other's interrupts.
 */
#include "device/pci.h"

enum : uint32_t { NOBODY = UINT32_MAX, EXPRESS_TYPE_SHIFT = 4, EXPRESS_TO_PCI = 7 };

/* The bridge of which the function's bus is the secondary one. It has a lower number, and most often the next. */
static uint32_t bridge_above(uint32_t function)
{
	uint32_t segment = function & 0xffff0000, step;

	for (uint32_t bus = function >> 8 & 0xff; bus-- > 0;)
		for (uint32_t at = segment | bus << 8; at <= (segment | bus << 8 | 0xff); at += step) {
			uint32_t type = pci_register(at, PCI_HEADER_TYPE, 1);

			step = at & 7 || (type != 0xff && type & PCI_HEADER_MANY) ? 1 : 8;
			if (type != 0xff && (type & PCI_HEADER_TYPE_MASK) == PCI_HEADER_BRIDGE &&
			    pci_register(at, PCI_SECONDARY_BUS, 1) == (function >> 8 & 0xff))
				return at;
		}
	return NOBODY;
}

uint32_t pci_requester(uint32_t function)
{
	uint32_t id = function;

	/* What speaks PCI Express itself has come that way. */
	if (pci_capability(function, PCI_CAP_PCIE))
		return id;
	for (uint32_t at = function; (at = bridge_above(at)) != NOBODY;) {
		uint32_t express = pci_capability(at, PCI_CAP_PCIE);

		if (!express)
			id = at;
		else if ((pci_register(at, express + 2, 2) >> EXPRESS_TYPE_SHIFT & 15) == EXPRESS_TO_PCI)
			id = (at & 0xffff0000) | pci_register(at, PCI_SECONDARY_BUS, 1) << 8;
	}
	return id;
}
