/* SPDX-License-Identifier: MIT */
/*
 * Addresses of BARs. Firmware has given most of them one. What has none, or shares its page with another's (a component
 * could reach both: the nucleus refuses), gets one where the bridge above passes it on and nobody else has it, if there
 * is such a place. Of a root bus it is not known which addresses lead there (that takes an AML interpreter), so there
 * the hole has to be between what firmware has placed.
 */
#include "pci_internal.h"

#include <kernel/base/log.h>
#include <kernel/base/thread.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>
#include <nucleus/layout.h>

constexpr unsigned TAKEN_MAX = 512;

/* What has been placed so far, of all buses; the walk's own. */
static struct pci_window taken[TAKEN_MAX];
static unsigned taken_count;

static bool is_memory(const struct pci_bar *b)
{
	return b->kind == PCI_BAR_MEMORY || b->kind == PCI_BAR_MEMORY_64;
}

/* The pages that [base, base + size) is in. */
static struct pci_window pages(uint64_t base, uint64_t size)
{
	return (struct pci_window){.base = base & ~(uint64_t)(PAGE_SIZE - 1),
				   .limit = (base + size - 1) | (PAGE_SIZE - 1)};
}

static const struct pci_window *overlapped(struct pci_window w)
{
	for (unsigned i = 0; i < taken_count; i++)
		if (w.base <= taken[i].limit && taken[i].base <= w.limit)
			return &taken[i];
	return nullptr;
}

static void take(struct pci_window w)
{
	if (taken_count < TAKEN_MAX)
		taken[taken_count++] = w;
}

/* The first free place of that size in the window, or 0. */
static uint64_t find_hole(struct pci_window in, uint64_t size)
{
	uint64_t step = MAX(size, (uint64_t)PAGE_SIZE);

	for (uint64_t at = (in.base + step - 1) & ~(step - 1);
	     at >= in.base && at + size - 1 <= in.limit && at + size > at;) {
		const struct pci_window *other = overlapped(pages(at, size));

		if (other == nullptr)
			return at;
		at = (other->limit + step) & ~(step - 1);
	}
	return 0;
}

static bool measure(uint32_t function, unsigned count, struct pci_bar *out)
{
	struct pci_bars raw;

	if (nucleus_pci_bars(function, PCI_BAR_KEEP, 0) != 0)
		return false;
	memcpy(&raw, thread_page_current()->call, sizeof(raw));
	pci_bars_decode(raw.value, raw.ones, count, out);
	return true;
}

static void place(struct pci_device *p, unsigned index, const struct pci_windows_above *above)
{
	struct pci_bar *b = &p->bar[index];
	const struct pci_window *in = b->prefetchable && above->of.prefetchable.base <= above->of.prefetchable.limit
					      ? &above->of.prefetchable
					      : &above->of.memory;
	uint64_t to = above->known && is_memory(b) ? find_hole(*in, b->size) : 0;

	if (to != 0 && nucleus_pci_bars(p->function, index, to) == 0) {
		log_info("pci: function %#x: BAR %u placed at %#lx", p->function, index, to);
		b->base = to;
	} else {
		log_warn("pci: function %#x: no place is known for %lu bytes of %s (BAR %u)", p->function, b->size,
			 is_memory(b) ? "registers" : "ports", index);
	}
}

void pci_place_bars(struct pci_device *p, const struct pci_windows_above *above)
{
	bool host_bridge = p->identity.class >> 8 == 0x0600;
	unsigned count = p->identity.header_type == PCI_HEADER_DEVICE ? PCI_BARS_MAX : 2;

	/* What a host bridge has there is no usual BAR. */
	if (host_bridge || p->identity.header_type > PCI_HEADER_BRIDGE || !measure(p->function, count, p->bar))
		return;
	for (unsigned i = 0; i < count; i++) {
		struct pci_bar *b = &p->bar[i];

		if (b->size == 0)
			continue;
		if (b->base == 0 || (is_memory(b) && b->size < PAGE_SIZE && overlapped(pages(b->base, b->size))))
			place(p, i, above);
		if (b->base != 0 && is_memory(b))
			take(pages(b->base, b->size));
	}
}
