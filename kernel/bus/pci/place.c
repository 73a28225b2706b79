/* SPDX-License-Identifier: MIT */
/*
 * Addresses of BARs. Firmware has given most of them one. What has none, or shares its page with another's (a component
 * could reach both: the nucleus refuses), gets one where the bridge above passes it on and nobody else has it, if there
 * is such a place. What firmware has placed is noted first, of all buses (pci_survey_bars). Of a root bus it is not
 * known which addresses lead there (that takes an AML interpreter), so there the hole has to be between what firmware
 * has placed.
 */
#include "pci_internal.h"

#include <kernel/base/log.h>
#include <kernel/base/thread.h>
#include <lib/pci_place.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>
#include <nucleus/layout.h>

/* The walk's own. */
static struct pci_placed placed[512];
static struct pci_places places = {.at = placed, .max = sizeof(placed) / sizeof(placed[0])};

static bool is_memory(const struct pci_bar *b)
{
	return b->kind == PCI_BAR_MEMORY || b->kind == PCI_BAR_MEMORY_64;
}

/* How many BARs the function has that may be measured, with what they are. */
static unsigned measure(uint32_t function, const struct pci_identity *id, struct pci_bar *out)
{
	unsigned count = id->header_type == PCI_HEADER_DEVICE ? PCI_BARS_MAX : 2;
	struct pci_bars raw;

	/* What a host bridge has there is no usual BAR. */
	if (id->class >> 8 == 0x0600 || id->header_type > PCI_HEADER_BRIDGE ||
	    nucleus_pci_bars(function, PCI_BAR_KEEP, 0) != 0)
		return 0;
	memcpy(&raw, thread_page_current()->call, sizeof(raw));
	pci_bars_decode(raw.value, raw.ones, count, out);
	return count;
}

void pci_survey_bars(uint32_t function, const struct pci_identity *id)
{
	struct pci_bar bar[PCI_BARS_MAX];
	unsigned count = measure(function, id, bar);

	for (unsigned i = 0; i < count; i++)
		if (is_memory(&bar[i]) && bar[i].base != 0)
			pci_places_note(&places, function, i, bar[i].base, bar[i].size);
}

static void place(struct pci_device *p, unsigned index, const struct pci_windows_above *above)
{
	struct pci_bar *b = &p->bar[index];
	const struct pci_window *in = b->prefetchable && above->of.prefetchable.base <= above->of.prefetchable.limit
					      ? &above->of.prefetchable
					      : &above->of.memory;
	uint64_t to = above->known && is_memory(b) ? pci_places_hole(&places, *in, b->size) : 0;

	if (to != 0 && nucleus_pci_bars(p->function, index, to) == 0) {
		log_info("pci: function %#x: BAR %u placed at %#lx", p->function, index, to);
		b->base = to;
		pci_places_note(&places, p->function, index, to, b->size);
	} else {
		log_warn("pci: function %#x: no place is known for %lu bytes of %s (BAR %u)", p->function, b->size,
			 is_memory(b) ? "registers" : "ports", index);
	}
}

void pci_place_bars(struct pci_device *p, const struct pci_windows_above *above)
{
	unsigned count = measure(p->function, &p->identity, p->bar);

	for (unsigned i = 0; i < count; i++) {
		const struct pci_bar *b = &p->bar[i];

		if (b->size == 0)
			continue;
		if (b->base == 0 ||
		    (is_memory(b) && b->size < PAGE_SIZE && pci_places_shared(&places, p->function, b->base, b->size)))
			place(p, i, above);
	}
}
