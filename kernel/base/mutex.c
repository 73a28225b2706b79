/* SPDX-License-Identifier: MIT */
/*
 * Mutexes (kernel/base/lock.h), in the manner of a futex: one compare-and-swap to take, one exchange to
 * release, and the nucleus only when somebody must wait. word: 0 free, 1 held, 2 held and perhaps
 * waited for.
 *
 * Who waits puts itself into the list under wait_lock and sets word to 2 in the same section; who
 * releases a 2 takes the first out of the list and unparks it. A thread on its way may overtake a
 * woken one (no hand-over).
 *
 * The permit that ends a park is one per thread, so waiting here may swallow a wake-up that was
 * meant for a wait queue the thread is in as well. So after a wait it gives itself a permit again:
 * a spurious wake-up, which every sleeper copes with, instead of a lost one.
 */
#include "held.h"
#include "perturb.h"

struct mutex_waiter {
	struct list link;
	struct thread *thread;
};

void mutex_init(struct mutex *m, uint32_t rank)
{
	*m = (struct mutex)MUTEX_INIT(*m, rank);
}

static inline bool take(struct mutex *m)
{
	uint32_t free = 0;

	/* Acquire: nothing of the section moves before it. */
	return __atomic_compare_exchange_n(&m->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void wait_for(struct mutex *m)
{
	struct mutex_waiter w = {.thread = thread_current()};

	list_init(&w.link);
	for (;;) {
		spin_lock(&m->wait_lock);
		list_remove(&w.link);
		bool taken = __atomic_exchange_n(&m->word, 2, __ATOMIC_ACQUIRE) == 0;
		if (!taken)
			list_push_back(&m->waiters, &w.link);
		spin_unlock(&m->wait_lock);
		if (taken)
			break;
		thread_park(0);
	}
	thread_unpark(w.thread);
}

static void wake_first(struct mutex *m)
{
	spin_lock(&m->wait_lock);
	if (!list_empty(&m->waiters)) {
		struct mutex_waiter *w = list_first(&m->waiters, struct mutex_waiter, link);

		list_remove(&w->link);
		/* Under wait_lock: the waiter, which is on its thread's stack, cannot go before it
		 * had the lock. */
		thread_unpark(w->thread);
	}
	spin_unlock(&m->wait_lock);
}

void mutex_lock(struct mutex *m) NO_THREAD_SAFETY
{
	held_check_order(m, m->rank, LOCK_MUTEX, __builtin_return_address(0));
	if (unlikely(!take(m)))
		wait_for(m);
	m->owner = thread_current();
	held_push(m, LOCK_MUTEX);
}

bool mutex_try_lock(struct mutex *m) NO_THREAD_SAFETY
{
	if (!take(m))
		return false;
	m->owner = thread_current();
	held_push(m, LOCK_MUTEX);
	return true;
}

void mutex_unlock(struct mutex *m) NO_THREAD_SAFETY
{
	held_pop(m, LOCK_MUTEX);
	m->owner = nullptr;
	/* Release: all of the section is visible to the next holder. */
	if (unlikely(__atomic_exchange_n(&m->word, 0, __ATOMIC_RELEASE) == 2))
		wake_first(m);
	perturb(__builtin_return_address(0));
}

bool mutex_is_mine(const struct mutex *m)
{
	return m->owner == thread_current();
}
