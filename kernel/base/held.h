/* SPDX-License-Identifier: MIT */
/*
 * The record of the locks a thread holds, in its struct thread_kept: an array of address | kind, oldest
 * first. Only the thread itself touches it. The newest HELD_LOCKS_MAX are what containment can
 * release; debug builds check ranks against it.
 */
#ifndef CORE_HELD_H
#define CORE_HELD_H

#include <kernel/base/lock.h>

constexpr uint64_t HELD_KIND_MASK = 3;

static inline void held_push(void *lock, enum lock_kind kind)
{
	struct thread_kept *t = thread_current()->kept;
	uint32_t at = t->held_count;

	if (at < HELD_LOCKS_MAX)
		t->held[at] = (uint64_t)lock | kind;
	/* The entry is complete before it counts: a fault between the two lines must not find a
	 * stale one. */
	__asm__ volatile("" ::: "memory");
	t->held_count = at + 1;
}

static inline void held_pop(const void *lock, enum lock_kind kind)
{
	struct thread_kept *t = thread_current()->kept;
	uint32_t stored = t->held_count < HELD_LOCKS_MAX ? t->held_count : HELD_LOCKS_MAX;
	uint64_t entry = (uint64_t)lock | kind;
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

/* lockcheck.c, debug builds: complains when taking a lock of this rank breaks the order of
 * doc/locking.md. */
#if STELLUX_DEBUG
void held_check_order(const void *lock, uint32_t rank, enum lock_kind kind, const void *caller);
#else
static inline void held_check_order(const void *, uint32_t, enum lock_kind, const void *)
{
}
#endif

#endif
