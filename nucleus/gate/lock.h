/* SPDX-License-Identifier: MIT */
/*
 * The nucleus lock: one lock around everything that more than one CPU can see (threads, frames, page tables). The
 * gates' fast paths (elevate, lower, system-call entry and exit) do not take it. Whoever comes first gets it: handing
 * it over in order would wait for virtual CPUs that their host does not run. Who spins serves the shoot-down mailbox
 * meanwhile, since the holder may be waiting for exactly that. Interrupts are off in the nucleus, so it never nests.
 */
#ifndef NUCLEUS_LOCK_H
#define NUCLEUS_LOCK_H

#include <lib/annotate.h>
#include <stdint.h>

struct CAPABILITY("nucleus lock") nucleus_lock {
	uint32_t held;
};
extern struct nucleus_lock nucleus_lock;

void nucleus_lock_acquire(void) ACQUIRE(nucleus_lock);
void nucleus_lock_release(void) RELEASE(nucleus_lock);

static inline void nucleus_lock_leave(const char *) RELEASE(nucleus_lock)
{
	nucleus_lock_release();
}
/* A declaration: the lock is held from here to the end of the block, whichever way that is left. Who goes on in another
 * context (sched_resume) has released it by then. */
#define NUCLEUS_LOCKED                                                                                                 \
	nucleus_lock_acquire();                                                                                        \
	[[gnu::cleanup(nucleus_lock_leave)]] const char locked_ = 0

#endif
