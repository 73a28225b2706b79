/* SPDX-License-Identifier: MIT */
/* Where BARs stand, and room for more (lib/pci_place.h). */
#include <lib/pci_place.h>
#include <lib/types.h>

constexpr uint64_t PAGE = 4096;

/* The pages that [base, base + size) is in. */
static struct pci_window pages(uint64_t base, uint64_t size)
{
	return (struct pci_window){.base = base & ~(PAGE - 1), .limit = (base + size - 1) | (PAGE - 1)};
}

static bool overlap(struct pci_window a, struct pci_window b)
{
	return a.base <= b.limit && b.base <= a.limit;
}

static bool is_window(const struct pci_placed *at)
{
	return at->bar >= PCI_PLACE_WINDOW;
}

static bool contains(struct pci_window outer, struct pci_window inner)
{
	return outer.base <= inner.base && outer.limit >= inner.limit;
}

void pci_places_note(struct pci_places *p, uint32_t function, unsigned bar, uint64_t base, uint64_t size)
{
	unsigned i = 0;

	while (i < p->count && (p->at[i].function != function || p->at[i].bar != bar))
		i++;
	if (i < p->max)
		p->at[i] = (struct pci_placed){.pages = pages(base, size), .function = function, .bar = bar};
	else
		p->max = 0;
	p->count = MAX(p->count, MIN(i + 1, p->max));
}

void pci_places_forget(struct pci_places *p, uint32_t first, uint32_t last)
{
	for (unsigned i = 0; i < p->count;) {
		if (p->at[i].function >= first && p->at[i].function <= last)
			p->at[i] = p->at[--p->count];
		else
			i++;
	}
}

bool pci_places_shared(const struct pci_places *p, uint32_t function, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->at[i].function != function && !is_window(&p->at[i]) &&
		    overlap(p->at[i].pages, pages(base, size)))
			return true;
	return false;
}

/* Whether it is in the way of what goes into the window of a bridge (nullptr: onto a root bus). */
static bool counts(const struct pci_placed *at, const struct pci_window *below)
{
	return below == nullptr || !is_window(at) || !contains(at->pages, *below);
}

static const struct pci_placed *in_the_way(const struct pci_places *p, struct pci_window w,
					   const struct pci_window *below)
{
	for (unsigned i = 0; i < p->count; i++)
		if (counts(&p->at[i], below) && overlap(p->at[i].pages, w))
			return &p->at[i];
	return nullptr;
}

/* The last free address from a free one on. */
static uint64_t free_until(const struct pci_places *p, uint64_t at, uint64_t limit, const struct pci_window *below)
{
	for (unsigned i = 0; i < p->count; i++)
		if (counts(&p->at[i], below) && p->at[i].pages.base > at)
			limit = MIN(limit, p->at[i].pages.base - 1);
	return limit;
}

struct pci_window pci_places_span(const struct pci_places *p, uint32_t first, uint32_t last, uint64_t end)
{
	struct pci_window span = {.base = UINT64_MAX};

	for (unsigned i = 0; i < p->count; i++) {
		if (p->at[i].pages.limit >= end || p->at[i].function < first || p->at[i].function > last)
			continue;
		span.base = MIN(span.base, p->at[i].pages.base);
		span.limit = MAX(span.limit, p->at[i].pages.limit);
	}
	return span;
}

uint64_t pci_places_hole(const struct pci_places *p, struct pci_window in, bool below_bridge, uint64_t size,
			 uint64_t align)
{
	const struct pci_window *below = below_bridge ? &in : nullptr;
	uint64_t step = MAX(align, PAGE), best = 0, least = UINT64_MAX;

	/* What did not fit is nobody knows where. */
	if (p->max == 0)
		return 0;
	for (uint64_t at = (in.base + step - 1) & ~(step - 1), end;
	     at >= in.base && at + size - 1 <= in.limit && at + size > at; at = (end + step) & ~(step - 1)) {
		const struct pci_placed *other = in_the_way(p, pages(at, size), below);

		end = other != nullptr ? other->pages.limit : free_until(p, at, in.limit, below);
		if (other == nullptr && end - at < least) {
			best = at;
			least = end - at;
		}
		if (end + step < end)
			break;
	}
	return best;
}
