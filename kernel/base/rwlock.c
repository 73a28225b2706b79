/* SPDX-License-Identifier: MIT */
/*
 * Sleeping reader-writer locks (kernel/base/lock.h). Free of waiters each operation is one atomic
 * instruction on `state`: readers in the low bits, a bit for a writer, a bit that says that threads
 * wait. Who finds the last bit set goes through wait_lock.
 *
 * Waiters stand in one queue and are served in its order, readers next to each other together; new
 * readers join the queue while anyone waits, so writers are not starved and a thread must not take
 * the same lock for reading twice. The waiting bit is set under wait_lock before a waiter looks at
 * the state for the last time, so the release that follows sees it. As in mutex.c a thread that
 * waited gives itself a permit at the end.
 */
#include "held.h"
#include "perturb.h"

enum : uint32_t { WRITER = 1u << 31, WAITERS = 1u << 30, READERS = WAITERS - 1 };

struct rwlock_waiter {
	struct list link;
	struct thread *thread;
	bool writer;
};

void rwlock_init(struct rwlock *l, uint32_t rank)
{
	*l = (struct rwlock)RWLOCK_INIT(*l, rank);
}

/* Acquire: nothing of the section moves before it. Updates *seen when it fails. */
static inline bool change(struct rwlock *l, uint32_t *seen, uint32_t to)
{
	return __atomic_compare_exchange_n(&l->state, seen, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* The first in the queue, or a reader with only readers before it. */
static bool may_go(struct rwlock *l, const struct rwlock_waiter *self)
{
	struct rwlock_waiter *w;

	list_for_each(w, &l->waiters, link) {
		if (w == self)
			return true;
		if (w->writer || self->writer)
			return false;
	}
	return true;
}

static bool take_waiting(struct rwlock *l, const struct rwlock_waiter *w)
{
	uint32_t seen = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

	if (!may_go(l, w))
		return false;
	while (!(seen & WRITER) && (!w->writer || !(seen & READERS)))
		if (change(l, &seen, w->writer ? seen | WRITER : seen + 1))
			return true;
	return false;
}

/* Unparks the writer at the head of the queue, or the readers there. */
static void wake_head(struct rwlock *l)
{
	struct rwlock_waiter *w;

	list_for_each(w, &l->waiters, link) {
		if (w->writer && &w->link != l->waiters.next)
			return;
		thread_unpark(w->thread);
		if (w->writer)
			return;
	}
}

static __attribute__((noinline)) void wait_for(struct rwlock *l, bool writer)
{
	struct rwlock_waiter w = {.thread = thread_current(), .writer = writer};

	spin_lock(&l->wait_lock);
	list_push_back(&l->waiters, &w.link);
	__atomic_fetch_or(&l->state, WAITERS, __ATOMIC_SEQ_CST);
	while (!take_waiting(l, &w)) {
		spin_unlock(&l->wait_lock);
		thread_park(0);
		spin_lock(&l->wait_lock);
	}
	list_remove(&w.link);
	if (list_empty(&l->waiters))
		__atomic_fetch_and(&l->state, ~WAITERS, __ATOMIC_RELAXED);
	spin_unlock(&l->wait_lock);
	thread_unpark(w.thread);
}

static __attribute__((noinline)) void wake(struct rwlock *l)
{
	spin_lock(&l->wait_lock);
	wake_head(l);
	spin_unlock(&l->wait_lock);
}

void read_lock(struct rwlock *l) NO_THREAD_SAFETY
{
	uint32_t seen = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

	held_check_order(l, l->rank, LOCK_READ, __builtin_return_address(0));
	do {
		if (unlikely(seen >= READERS)) {
			wait_for(l, false);
			break;
		}
	} while (unlikely(!change(l, &seen, seen + 1)));
	held_push(l, LOCK_READ);
}

void write_lock(struct rwlock *l) NO_THREAD_SAFETY
{
	uint32_t seen = 0;

	held_check_order(l, l->rank, LOCK_WRITE, __builtin_return_address(0));
	if (unlikely(!change(l, &seen, WRITER)))
		wait_for(l, true);
	l->writer = thread_current();
	held_push(l, LOCK_WRITE);
}

bool write_try_lock(struct rwlock *l) NO_THREAD_SAFETY
{
	uint32_t seen = 0;

	if (!change(l, &seen, WRITER))
		return false;
	l->writer = thread_current();
	held_push(l, LOCK_WRITE);
	return true;
}

void read_unlock(struct rwlock *l) NO_THREAD_SAFETY
{
	held_pop(l, LOCK_READ);
	/* Release: all of the section is before it. */
	if (unlikely(__atomic_sub_fetch(&l->state, 1, __ATOMIC_RELEASE) == WAITERS))
		wake(l);
	perturb(__builtin_return_address(0));
}

void write_unlock(struct rwlock *l) NO_THREAD_SAFETY
{
	held_pop(l, LOCK_WRITE);
	l->writer = nullptr;
	if (unlikely(__atomic_and_fetch(&l->state, ~WRITER, __ATOMIC_RELEASE) != 0))
		wake(l);
	perturb(__builtin_return_address(0));
}
