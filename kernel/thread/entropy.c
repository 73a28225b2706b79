/* SPDX-License-Identifier: MIT */
/*
 * Timing jitter as a seed of random numbers (kernel/base/random.h): the time of memory walks and yields in counter
 * ticks, one bit of credit for every OVERSAMPLE samples that differ from their neighbours.
 */
#include "core.h"
#include "service.h"

#include <arch/counter.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/random.h>

constexpr unsigned JITTER_BITS = 256;
constexpr unsigned OVERSAMPLE = 8;

static uint64_t jitter_sample(void)
{
	static volatile unsigned char walk[4096];
	uint64_t start = counter_read();

	for (unsigned i = 0; i < sizeof(walk); i += 64 - (start & 7))
		walk[i]++;
	thread_yield();
	return counter_read() - start;
}

/* After a fault it begins again: what was mixed in stays, and is counted anew. */
static void gather_jitter(void)
{
	uint64_t before = 0, change = 0;
	unsigned credit = 0;

	FAULT_POINT(entropy_gather);
	while (credit < JITTER_BITS * OVERSAMPLE) {
		uint64_t sample = jitter_sample();
		uint64_t new_change = sample - before;

		random_mix(&sample, sizeof(sample));
		if (new_change != 0 && new_change != change)
			credit++;
		before = sample;
		change = new_change;
	}
	FAULT_POINT(entropy_gathered);
	random_set_seeded("timing jitter");
}

static struct service gatherer = {.name = "entropy", .component = &component_core, .loop = gather_jitter, .ends = true};

int random_gather(void)
{
	return service_start(&gatherer);
}
