/* SPDX-License-Identifier: MIT */
/*
 * Other orders of events, on purpose (perturb.c): in debug builds, with perturb=SEED on the command line, threads are
 * held up where they let locks go and just after they have woken others. Any context; locks may be held.
 */
#ifndef BASE_PERTURB_H
#define BASE_PERTURB_H

#include <lib/annotate.h>
#include <stdint.h>

#if STELLUX_DEBUG
extern uint32_t perturb_seed;
extern uint64_t perturb_count; /* how often somebody was held up; atomic */
void perturb_hold_up(const void *site);
void perturb_init(void);

/* site: where it is called from, which chooses together with the seed. */
static inline void perturb(const void *site)
{
	if (unlikely(perturb_seed != 0))
		perturb_hold_up(site);
}
#else
static inline void perturb_init(void)
{
}
static inline void perturb(const void *)
{
}
#endif

#endif
