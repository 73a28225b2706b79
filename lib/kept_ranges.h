/* SPDX-License-Identifier: MIT */
/*
 * A list of address ranges that somebody keeps for himself, in a fixed place. When it is full, the range that is
 * nearest grows over what comes next and all between, so that what was kept once always is. No locks, no allocation.
 */
#ifndef LIB_KEPT_RANGES_H
#define LIB_KEPT_RANGES_H

#include <stdint.h>

enum { KEPT_RANGES_MAX = 256 };

struct kept_range {
	uint64_t start, end; /* [start, end) */
};
/* All zeroes: nothing is kept. */
struct kept_ranges {
	unsigned count;
	struct kept_range at[KEPT_RANGES_MAX];
};

/* Keeps [start, end), of which start <= end. Result: nullptr, or the range that had to grow. */
const struct kept_range *kept_ranges_add(struct kept_ranges *k, uint64_t start, uint64_t end);
/* Whether anything of [start, end) is kept. */
bool kept_ranges_overlap(const struct kept_ranges *k, uint64_t start, uint64_t end);

#endif
