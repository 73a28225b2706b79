/* SPDX-License-Identifier: MIT */
/* Numbers of buses, see pci_buses.h. */
#include <lib/pci_buses.h>

constexpr unsigned BUSES = 256;

bool pci_buses_taken(const struct pci_buses *b, unsigned bus)
{
	return b->taken[bus / 64] >> bus % 64 & 1;
}

bool pci_buses_take(struct pci_buses *b, unsigned first, unsigned last)
{
	if (first > last || last >= BUSES)
		return false;
	for (unsigned bus = first; bus <= last; bus++)
		if (pci_buses_taken(b, bus))
			return false;
	for (unsigned bus = first; bus <= last; bus++)
		b->taken[bus / 64] |= UINT64_C(1) << bus % 64;
	return true;
}

bool pci_buses_free(const struct pci_buses *b, unsigned bus, unsigned last, unsigned *first, unsigned *end)
{
	unsigned longest = 0, run = 0;

	for (unsigned at = bus + 1; at <= last && at < BUSES; at++) {
		run = pci_buses_taken(b, at) ? 0 : run + 1;
		if (run > longest) {
			longest = run;
			*end = at;
		}
	}
	*first = longest > 0 ? *end + 1 - longest : 0;
	return longest > 0;
}

bool pci_buses_share(struct pci_buses *b, unsigned *first, unsigned end, unsigned bridges, uint8_t *secondary,
		     uint8_t *subordinate)
{
	unsigned left = end >= *first ? end - *first + 1 : 0, share = left / bridges > 0 ? left / bridges : 1;

	if (left == 0 || !pci_buses_take(b, *first, *first + share - 1))
		return false;
	*secondary = (uint8_t)*first;
	*subordinate = (uint8_t)(*first + share - 1);
	*first += share;
	return true;
}
