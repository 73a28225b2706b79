/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the buses behind bridges (lib/pci_buses.h). Firmware has given them, most often; bridges without, those
 * that were plugged in among them, and those with numbers that cannot be get what is free on their bus. The nucleus
 * lets numbers change only where nothing is claimed.
 */
#include "pci_internal.h"

#include <kernel/base/log.h>
#include <lib/pci_buses.h>
#include <nucleus/calls.h>

bool pci_numbers_fit(const struct pci_place *at, const struct pci_identity *id)
{
	return id->secondary_bus > at->bus && id->subordinate_bus >= id->secondary_bus &&
	       id->subordinate_bus <= at->last;
}

static void write_numbers(uint32_t function, uint8_t secondary, uint8_t subordinate)
{
	uint32_t value = (uint32_t)nucleus_pci_read(function, PCI_PRIMARY_BUS, 4) & 0xff000000;

	value |= (uint32_t)subordinate << 16 | (uint32_t)secondary << 8 | (function >> 8 & 0xff);
	if (nucleus_pci_write(function, PCI_PRIMARY_BUS, 4, value) == 0)
		log_info("pci: bridge %#x: buses %u to %u", function, secondary, subordinate);
}

/* Takes what the bridges of the bus have; those whose numbers cannot be are noted by a bit of `without`. How many. A
 * bridge to CardBus keeps what it has, or has nothing behind it. */
static unsigned take_numbers(const struct pci_place *at, struct pci_buses *taken, uint64_t without[4])
{
	struct pci_identity id;
	unsigned count = 0;

	for (uint32_t function = PCI_NO_FUNCTION; pci_bus_each(at, &function, &id);) {
		bool cardbus = id.header_type == PCI_HEADER_CARDBUS;

		if ((id.header_type != PCI_HEADER_BRIDGE && !cardbus) ||
		    (pci_numbers_fit(at, &id) && pci_buses_take(taken, id.secondary_bus, id.subordinate_bus)) ||
		    cardbus)
			continue;
		without[(function & 0xff) / 64] |= UINT64_C(1) << function % 64;
		count++;
	}
	return count;
}

/* A segment may have several root buses, and no table says which: where somebody answers though no bridge of this one
 * leads there, is another's. */
static void take_other_roots(const struct pci_place *at, struct pci_buses *taken)
{
	for (unsigned bus = at->bus + 1u; at->bridge == PCI_NO_FUNCTION && bus <= at->last; bus++) {
		const struct pci_place other = {.segment = at->segment, .bus = (uint8_t)bus};
		uint32_t function = PCI_NO_FUNCTION;
		struct pci_identity id;

		if (!pci_buses_taken(taken, bus) && pci_bus_each(&other, &function, &id))
			(void)pci_buses_take(taken, bus, bus);
	}
}

void pci_number_bridges(const struct pci_place *at)
{
	uint64_t without[4] = {};
	struct pci_buses taken = {};
	unsigned bridges = take_numbers(at, &taken, without), first, end;
	uint8_t secondary, subordinate;

	if (bridges == 0)
		return;
	take_other_roots(at, &taken);
	if (!pci_buses_free(&taken, at->bus, at->last, &first, &end))
		return;
	for (uint32_t n = 0; n < 256; n++) {
		if ((without[n / 64] >> n % 64 & 1) == 0)
			continue;
		if (!pci_buses_share(&taken, &first, end, bridges--, &secondary, &subordinate))
			return;
		write_numbers(at->segment << 16 | (uint32_t)at->bus << 8 | n, secondary, subordinate);
	}
}
