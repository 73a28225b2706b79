/* SPDX-License-Identifier: MIT */
/* Regions of PCI Express configuration space, see pci_ecam.h. */
#include <lib/pci_ecam.h>
#include <lib/string.h>

enum { MCFG_FIRST = 44, MCFG_ENTRY_BYTES = 16 };

static bool overlaps(const struct pci_ecam *a, const struct pci_ecam *b)
{
	bool memory = a->phys < b->phys + pci_ecam_bytes(b) && b->phys < a->phys + pci_ecam_bytes(a);

	return memory || (a->segment == b->segment && a->first_bus <= b->last_bus && b->first_bus <= a->last_bus);
}

void pci_ecam_add(const struct pci_ecam *e, struct pci_ecam *out, unsigned room, unsigned *count)
{
	if (*count == room || e->first_bus > e->last_bus || e->phys == 0 || (e->phys & 0xfffff) != 0 ||
	    e->phys + pci_ecam_bytes(e) < e->phys)
		return;
	for (unsigned i = 0; i < *count; i++)
		if (overlaps(e, &out[i]))
			return;
	out[(*count)++] = *e;
}

unsigned pci_ecam_from_mcfg(const void *table, size_t length, struct pci_ecam *out, unsigned room)
{
	const unsigned char *p = table;
	unsigned count = 0;

	for (size_t at = MCFG_FIRST; at + MCFG_ENTRY_BYTES <= length; at += MCFG_ENTRY_BYTES) {
		struct pci_ecam e = {.first_bus = p[at + 10], .last_bus = p[at + 11]};

		memcpy(&e.phys, p + at, sizeof(e.phys));
		memcpy(&e.segment, p + at + 8, sizeof(e.segment));
		/* The table has the address that bus 0 would have. */
		if (e.phys == 0 || e.phys + ((uint64_t)e.first_bus << 20) < e.phys)
			continue;
		e.phys += (uint64_t)e.first_bus << 20;
		pci_ecam_add(&e, out, room, &count);
	}
	return count;
}
