/* SPDX-License-Identifier: MIT */
/* Ranges that are kept, see kept_ranges.h. */
#include <lib/kept_ranges.h>
#include <lib/types.h>

static struct kept_range hull(struct kept_range a, struct kept_range b)
{
	return (struct kept_range){MIN(a.start, b.start), MAX(a.end, b.end)};
}

static uint64_t growth(struct kept_range a, struct kept_range b)
{
	struct kept_range both = hull(a, b);

	return both.end - both.start - (a.end - a.start);
}

const struct kept_range *kept_ranges_add(struct kept_ranges *k, uint64_t start, uint64_t end)
{
	struct kept_range r = {start, end}, *nearest = k->at;

	if (k->count < KEPT_RANGES_MAX) {
		k->at[k->count++] = r;
		return nullptr;
	}
	for (struct kept_range *other = k->at; other < k->at + KEPT_RANGES_MAX; other++)
		if (growth(*other, r) < growth(*nearest, r))
			nearest = other;
	if (growth(*nearest, r) == 0)
		return nullptr;
	*nearest = hull(*nearest, r);
	return nearest;
}

bool kept_ranges_overlap(const struct kept_ranges *k, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < k->count; i++)
		if (start < k->at[i].end && k->at[i].start < end)
			return true;
	return false;
}
