/* SPDX-License-Identifier: MIT */
/*
 * Sleeping reader-writer locks with writer preference (kernel/lock.h). All state changes happen under wait_lock.
 * A reader waits while a writer holds or waits, so a thread must not take the same lock for reading twice. As in mutex.c
 * a thread that waited gives itself a permit at the end.
 */
#include "held.h"

struct rwlock_waiter {
	struct list link;
	struct thread *thread;
	bool writer;
};

void rwlock_init(struct rwlock *l, uint32_t rank)
{
	*l = (struct rwlock)RWLOCK_INIT(*l, rank);
}

/* Takes the lock if it can be had now. */
static bool take_locked(struct rwlock *l, bool writer)
{
	if (writer) {
		if (l->state != 0)
			return false;
		l->state = -1;
		l->writer = thread_current();
		return true;
	}
	if (l->state < 0 || l->waiting_writers > 0)
		return false;
	l->state++;
	return true;
}

/* Unparks the first writer, or every waiting reader when no writer waits. */
static void wake_locked(struct rwlock *l)
{
	struct rwlock_waiter *w;

	if (l->state != 0)
		return;
	list_for_each(w, &l->waiters, link) {
		if (w->writer == (l->waiting_writers > 0)) {
			thread_unpark(w->thread);
			if (w->writer)
				return;
		}
	}
}

static void acquire(struct rwlock *l, bool writer)
{
	struct rwlock_waiter w = { .thread = thread_current(), .writer = writer };

	spin_lock(&l->wait_lock);
	if (likely(take_locked(l, writer))) {
		spin_unlock(&l->wait_lock);
		return;
	}
	list_push_back(&l->waiters, &w.link);
	do {
		if (writer)
			l->waiting_writers++;
		spin_unlock(&l->wait_lock);
		thread_park(0);
		spin_lock(&l->wait_lock);
		if (writer)
			l->waiting_writers--;
	} while (!take_locked(l, writer));
	list_remove(&w.link);
	spin_unlock(&l->wait_lock);
	thread_unpark(w.thread);
}

void read_lock(struct rwlock *l) NO_THREAD_SAFETY
{
	held_check_order(l, l->rank, LOCK_READ, __builtin_return_address(0));
	acquire(l, false);
	held_push(l, LOCK_READ);
}

void write_lock(struct rwlock *l) NO_THREAD_SAFETY
{
	held_check_order(l, l->rank, LOCK_WRITE, __builtin_return_address(0));
	acquire(l, true);
	held_push(l, LOCK_WRITE);
}

void read_unlock(struct rwlock *l) NO_THREAD_SAFETY
{
	held_pop(l, LOCK_READ);
	spin_lock(&l->wait_lock);
	l->state--;
	wake_locked(l);
	spin_unlock(&l->wait_lock);
}

void write_unlock(struct rwlock *l) NO_THREAD_SAFETY
{
	held_pop(l, LOCK_WRITE);
	spin_lock(&l->wait_lock);
	l->state = 0;
	l->writer = nullptr;
	wake_locked(l);
	spin_unlock(&l->wait_lock);
}
