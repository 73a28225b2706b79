/* SPDX-License-Identifier: MIT */
/*
 * Faults in a row: how long whoever faulted waits before it begins anew, and when it is given up. Components and
 * services count theirs by this; a structure of zeros has none. No locks: the owner's own.
 */
#ifndef KERNEL_FAULT_ROW_H
#define KERNEL_FAULT_ROW_H

#include <lib/types.h>
#include <stdint.h>

constexpr uint32_t FAULTS_IN_ROW_MAX = 16;

struct fault_row {
	uint32_t count;
	uint64_t last_ns; /* of the monotonic clock */
};

/* Counts a fault. One that comes long after the last one begins a new row. */
static inline void fault_row_add(struct fault_row *row, uint64_t now_ns)
{
	constexpr uint64_t CALM_NS = 10'000'000'000;

	row->count = now_ns - row->last_ns > CALM_NS ? 1 : row->count + 1;
	row->last_ns = now_ns;
}

/* Nanoseconds to wait after the fault that was counted last: twice as long with each, up to a second. */
static inline uint64_t fault_row_pause(const struct fault_row *row)
{
	constexpr uint64_t FIRST_NS = 1'000'000, LAST_NS = 1'000'000'000;

	return MIN(FIRST_NS << MIN(row->count - 1, 10u), LAST_NS);
}

#endif
