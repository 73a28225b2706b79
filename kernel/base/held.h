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

/* lockcheck.c: of a lock that is not the newest, or when there is no room for all. */
void held_pop_any(struct thread_kept *t, uint64_t entry);

static inline void held_pop(const void *lock, enum lock_kind kind)
{
	struct thread_kept *t = thread_current()->kept;
	uint64_t entry = (uint64_t)lock | kind;
	uint32_t at = t->held_count - 1;

	if (unlikely(at >= HELD_LOCKS_MAX || t->held[at] != entry)) {
		held_pop_any(t, entry);
		return;
	}
	t->held_count = at;
	t->held[at] = 0;
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
