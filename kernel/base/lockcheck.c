/* SPDX-License-Identifier: MIT */
/*
 * What is done with the record of held locks (held.h) besides keeping it: release after a contained
 * fault, and in debug builds the check of the lock order (doc/locking.md). A broken order is logged
 * once for each pair of ranks.
 */
#include "held.h"

#include <kernel/base/log.h>

static void release(uint64_t entry) NO_THREAD_SAFETY
{
	void *lock = (void *)(entry & ~HELD_KIND_MASK);

	switch ((enum lock_kind)(entry & HELD_KIND_MASK)) {
	case LOCK_MUTEX: mutex_unlock(lock); break;
	case LOCK_READ: read_unlock(lock); break;
	case LOCK_WRITE: write_unlock(lock); break;
	case LOCK_SPIN: spin_unlock(lock); break;
	}
}

void held_pop_any(struct thread_kept *t, uint64_t entry)
{
	uint32_t stored = t->held_count < HELD_LOCKS_MAX ? t->held_count : HELD_LOCKS_MAX;
	uint32_t at = stored;

	if (t->held_count > 0)
		t->held_count--;
	while (at > 0 && t->held[at - 1] != entry)
		at--;
	/* A lock that had no room: when others went, a zero took its place among the recorded ones. It goes with it, or
	 * what was taken later would stand beyond the count, where containment does not look. */
	if (at == 0 && t->held_count < HELD_LOCKS_MAX)
		for (at = stored; at > 0 && t->held[at - 1] != 0;)
			at--;
	if (at == 0)
		return;
	for (; at < stored; at++)
		t->held[at - 1] = t->held[at];
	/* Of more locks than have room, those beyond are unknown: no stale entry may stand for one. */
	t->held[stored - 1] = 0;
}

void locks_release_beyond(uint32_t count)
{
	struct thread_kept *t = thread_current()->kept;

	while (t->held_count > count) {
		uint32_t at = t->held_count - 1;
		uint64_t entry = at < HELD_LOCKS_MAX ? t->held[at] : 0;

		/* Off the record first: if releasing faults too (the lock itself may be damaged),
		 * the next attempt goes on with the one before it. */
		t->held_count = at;
		if (at < HELD_LOCKS_MAX)
			t->held[at] = 0;
		if (entry != 0) {
			t->held_count++; /* the unlock counts it off again */
			release(entry);
			t->held_count = at;
		}
	}
}

#if STELLUX_DEBUG

constexpr unsigned SEEN_MAX = 16;
static uint32_t seen[SEEN_MAX]; /* held rank << 16 | taken rank */

/* True the first time this pair shows up. */
static bool first_time(uint32_t pair)
{
	for (unsigned i = 0; i < SEEN_MAX; i++) {
		uint32_t empty = 0;

		if (__atomic_load_n(&seen[i], __ATOMIC_RELAXED) == pair)
			return false;
		if (__atomic_compare_exchange_n(&seen[i], &empty, pair, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
		if (empty == pair)
			return false;
	}
	return false;
}

static uint32_t rank_of(uint64_t entry)
{
	const void *lock = (const void *)(entry & ~HELD_KIND_MASK);

	switch ((enum lock_kind)(entry & HELD_KIND_MASK)) {
	case LOCK_MUTEX: return ((const struct mutex *)lock)->rank;
	case LOCK_SPIN: return ((const struct spinlock *)lock)->rank;
	default: return ((const struct rwlock *)lock)->rank;
	}
}

static void complain(const char *what, const void *caller, uint32_t held_rank, uint32_t rank)
{
	if (first_time(held_rank << 16 | rank | 1u << 31))
		log_error("locks: %s: rank %u is taken under rank %u by thread %s at %p", what, rank, held_rank,
			  thread_current()->name, caller);
}

void held_check_order(const void *lock, uint32_t rank, enum lock_kind kind, const void *caller)
{
	const struct thread_kept *t = thread_current()->kept;
	uint32_t stored = t->held_count < HELD_LOCKS_MAX ? t->held_count : HELD_LOCKS_MAX;

	for (uint32_t i = 0; i < stored; i++) {
		uint64_t entry = t->held[i];
		if (entry == 0)
			continue;
		const void *held = (const void *)(entry & ~HELD_KIND_MASK);
		uint32_t held_rank = rank_of(entry);

		if (held == lock)
			complain("a lock is taken twice", caller, held_rank, rank);
		else if ((entry & HELD_KIND_MASK) == LOCK_SPIN && kind != LOCK_SPIN)
			complain("a sleeping lock is taken under a spinlock", caller, held_rank, rank);
		else if (rank != 0 && (held_rank > rank || (held_rank == rank && held > lock)))
			complain("the order is broken", caller, held_rank, rank);
	}
}

#endif
