/* SPDX-License-Identifier: MIT */
/* Where BARs stand, and room for more (lib/pci_place.h). */
#include <lib/pci_place.h>
#include <lib/types.h>

constexpr uint64_t PAGE = 4096;
constexpr uint32_t NOBODY = UINT32_MAX;

/* The pages that [base, base + size) is in. */
static struct pci_window pages(uint64_t base, uint64_t size)
{
	return (struct pci_window){.base = base & ~(PAGE - 1), .limit = (base + size - 1) | (PAGE - 1)};
}

/* What stands in those pages and is not the function's. */
static const struct pci_placed *find(const struct pci_places *p, struct pci_window w, uint32_t but)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->at[i].function != but && w.base <= p->at[i].pages.limit && p->at[i].pages.base <= w.limit)
			return &p->at[i];
	return nullptr;
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

bool pci_places_shared(const struct pci_places *p, uint32_t function, uint64_t base, uint64_t size)
{
	return find(p, pages(base, size), function) != nullptr;
}

uint64_t pci_places_hole(const struct pci_places *p, struct pci_window in, uint64_t size)
{
	uint64_t step = MAX(size, PAGE);

	/* What did not fit is nobody knows where. */
	if (p->max == 0)
		return 0;
	for (uint64_t at = (in.base + step - 1) & ~(step - 1);
	     at >= in.base && at + size - 1 <= in.limit && at + size > at;) {
		const struct pci_placed *other = find(p, pages(at, size), NOBODY);

		if (other == nullptr)
			return at;
		at = (other->pages.limit + step) & ~(step - 1);
	}
	return 0;
}
