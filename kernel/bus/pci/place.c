/* SPDX-License-Identifier: MIT */
/*
 * Addresses of BARs and windows of bridges. Firmware has given most of them one. A BAR that has none, or shares its
 * page with another's (a component could reach both: the nucleus refuses), gets one where the bridge above passes it on
 * and nobody else has it, if there is such a place; a bridge that passes on nothing, and has something behind it or a
 * slot, passes on a piece of what comes to its bus. What firmware has placed is noted first, of all buses (pci_survey).
 * Nobody places ports.
 */
#include "pci_internal.h"

#include <kernel/base/log.h>
#include <kernel/base/thread.h>
#include <lib/pci_place.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>
#include <nucleus/layout.h>

/* A window's step (Bridge 1.2, 3.2.5.8); what a slot for plugging gets if nobody knows more; the most that is tried. */
constexpr uint64_t WINDOW_STEP = 1 << 20, SLOT_BYTES = 2 << 20, NEEDED_MAX = 1 << 30;
constexpr unsigned DEPTH_MAX = 16;

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

static uint64_t room_of(uint32_t function)
{
	struct pci_config config = pci_registers(&function);

	return pci_plug_slot(&config) != 0 ? SLOT_BYTES : 0;
}

static void note_windows(uint32_t function, const struct pci_windows *w)
{
	if (w->memory.base <= w->memory.limit)
		pci_places_note(&places, function, PCI_PLACE_WINDOW, w->memory.base,
				w->memory.limit - w->memory.base + 1);
	if (w->prefetchable.base <= w->prefetchable.limit)
		pci_places_note(&places, function, PCI_PLACE_PREFETCHABLE, w->prefetchable.base,
				w->prefetchable.limit - w->prefetchable.base + 1);
}

void pci_survey(uint32_t function, const struct pci_identity *id)
{
	struct pci_config config = pci_registers(&function);
	struct pci_bar bar[PCI_BARS_MAX];
	struct pci_windows windows;

	unsigned count = measure(function, id, bar);
	for (unsigned i = 0; i < count; i++)
		if (is_memory(&bar[i]) && bar[i].base != 0)
			pci_places_note(&places, function, i, bar[i].base, bar[i].size);
	if (id->header_type == PCI_HEADER_BRIDGE) {
		pci_windows_placed(&config, &windows);
		note_windows(function, &windows);
	}
}

void pci_forget(uint32_t first, uint32_t last)
{
	pci_places_forget(&places, first, last);
}

struct pci_window pci_span(uint32_t first, uint32_t last, uint64_t end)
{
	return pci_places_span(&places, first, last, end);
}

void pci_reserve(unsigned index, uint64_t start, uint64_t bytes)
{
	/* As if a bridge that is none passed it on: what firmware placed inside is not in anybody's page. */
	pci_places_note(&places, UINT32_MAX - index, PCI_PLACE_WINDOW, start, bytes);
}

/* The first hole in the windows that the BAR may be in; 0: there is none. */
static uint64_t hole(const struct pci_place *at, const struct pci_bar *b)
{
	bool behind = at->bridge != PCI_NO_FUNCTION, wide = b->kind == PCI_BAR_MEMORY_64;
	const struct pci_windows *w = &at->windows;
	uint64_t to = 0;

	/* What has side effects must not be fetched in advance, as a bridge may do; on a root bus nothing does. */
	if ((b->prefetchable || !behind) && (wide || w->prefetchable.limit < END_OF_32_BITS))
		to = pci_places_hole(&places, w->prefetchable, behind, b->size, b->size);
	return to != 0 ? to : pci_places_hole(&places, w->memory, behind, b->size, b->size);
}

static void place(struct pci_device *p, unsigned index, const struct pci_place *at)
{
	struct pci_bar *b = &p->bar[index];
	uint64_t to = is_memory(b) ? hole(at, b) : 0;

	if (to != 0 && nucleus_pci_bars(p->function, index, to) == 0) {
		log_info("pci: function %#x: BAR %u placed at %#lx", p->function, index, to);
		b->base = to;
		pci_places_note(&places, p->function, index, to, b->size);
	} else {
		log_warn("pci: function %#x: no place is known for %lu bytes of %s (BAR %u)", p->function, b->size,
			 is_memory(b) ? "registers" : "ports", index);
	}
}

void pci_place_bars(struct pci_device *p, const struct pci_place *at)
{
	unsigned count = measure(p->function, &p->identity, p->bar);

	for (unsigned i = 0; i < count; i++) {
		const struct pci_bar *b = &p->bar[i];

		if (b->size == 0)
			continue;
		if (b->base == 0 ||
		    (is_memory(b) && b->size < PAGE_SIZE && pci_places_shared(&places, p->function, b->base, b->size)))
			place(p, i, at);
	}
}

/* --- windows of bridges --- */

/* What the functions of a bus take, and what plugging may bring. As long as nothing has to be at a multiple of more
 * than a window's step, steps are enough; else a power of two, so that all fits in any order. */
struct need {
	uint64_t bytes, align;
};

static void add_need(struct need *n, uint64_t bytes, uint64_t align)
{
	n->bytes += bytes;
	n->align = MAX(n->align, align);
}

static struct need needed(const struct pci_place *at, unsigned depth)
{
	struct pci_identity id;
	struct pci_bar bar[PCI_BARS_MAX];
	struct need sum = {.align = WINDOW_STEP};

	for (uint32_t function = PCI_NO_FUNCTION; pci_bus_each(at, &function, &id);) {
		unsigned count = measure(function, &id, bar);

		for (unsigned i = 0; i < count; i++)
			if (is_memory(&bar[i]) && bar[i].size < NEEDED_MAX)
				add_need(&sum, MAX(bar[i].size, PAGE_SIZE), bar[i].size);
		struct pci_place below = {.segment = at->segment, .bus = id.secondary_bus, .last = id.subordinate_bus};
		if (id.header_type == PCI_HEADER_BRIDGE && pci_numbers_fit(at, &id) && depth > 0) {
			struct need n = needed(&below, depth - 1);

			add_need(&sum, MAX(n.bytes, room_of(function)), n.align);
		}
	}
	uint64_t power = WINDOW_STEP;
	while (power < sum.bytes && power < NEEDED_MAX)
		power <<= 1;
	sum.bytes = sum.bytes == 0	      ? 0
		    : sum.align > WINDOW_STEP ? power
					      : (sum.bytes + WINDOW_STEP - 1) & ~(WINDOW_STEP - 1);
	if (sum.align > WINDOW_STEP)
		sum.align = sum.bytes;
	return sum;
}

/* Windows that nobody has placed are shut: of zeros they are open at address 0. */
static void shut(uint32_t function, const struct pci_windows *placed)
{
	constexpr uint32_t SHUT = 0xfff0; /* base above limit */
	struct pci_config config = pci_registers(&function);
	struct pci_windows w;
	long error = 0;

	pci_windows_decode(&config, &w);
	if (w.memory.base < placed->memory.base && w.memory.base <= w.memory.limit)
		error = nucleus_pci_write(function, PCI_MEMORY_WINDOW, 4, SHUT);
	if (w.prefetchable.base < placed->prefetchable.base && w.prefetchable.base <= w.prefetchable.limit &&
	    error == 0)
		error = nucleus_pci_write(function, PCI_PREFETCHABLE_WINDOW, 4, SHUT);
	if (error != 0)
		log_warn("pci: bridge %#x: what it passes on at address 0 cannot be shut (%ld)", function, error);
}

void pci_place_windows(const struct pci_place *at, const struct pci_place *below, const struct pci_identity *id)
{
	uint32_t function = below->bridge;
	struct pci_config config = pci_registers(&function);
	struct pci_windows w;

	pci_windows_placed(&config, &w);
	shut(function, &w);
	/* Behind one that decodes what nobody else does (Bridge 1.2, 13.1.2.2) all leads there already. */
	if (w.memory.base <= w.memory.limit || w.prefetchable.base <= w.prefetchable.limit || (id->class & 0xff) != 0)
		return;
	struct need n = needed(below, DEPTH_MAX);
	uint64_t size = MAX(n.bytes, room_of(function));
	uint64_t to = pci_places_hole(&places, at->windows.memory, at->bridge != PCI_NO_FUNCTION, size, n.align);
	if (size == 0)
		return;
	uint32_t value = (uint32_t)(to >> 16 & 0xfff0) | (uint32_t)((to + size - 1) & 0xfff00000);
	if (to == 0 || nucleus_pci_write(function, PCI_MEMORY_WINDOW, 4, value) != 0) {
		log_warn("pci: bridge %#x: no place is known for %lu bytes of what is behind it", function, size);
		return;
	}
	log_info("pci: bridge %#x: passes on %lu bytes from %#lx on", function, size, to);
	pci_places_note(&places, function, PCI_PLACE_WINDOW, to, size);
}
