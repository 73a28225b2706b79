/* SPDX-License-Identifier: MIT */
/*
 * Spinlocks (kernel/base/lock.h): preemption is off while one is held, interrupts never are. The count
 * that turns preemption off is advice with a deadline, so a holder may lose its CPU all the same;
 * who spins for long gives its own CPU away, and in the end sleeps, the one place where that is done with another
 * spinlock held: an interrupt's thread yields only to its like, and a holder that is none would never come.
 */
#include "held.h"
#include "perturb.h"

#include <abi/errno.h>
#include <arch/cpu_relax.h>
#include <kernel/base/clock.h>
#include <nucleus/calls.h>

constexpr unsigned SPINS_BEFORE_YIELD = 1000, YIELDS_BEFORE_PAUSE = 20;
constexpr uint64_t PAUSE_NS = 200'000;

void spin_init(struct spinlock *l, uint32_t rank)
{
	*l = (struct spinlock)SPINLOCK_INIT(rank);
}

static inline bool take(struct spinlock *l)
{
	/* Acquire: nothing of the section moves before it. */
	return __atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) == 0;
}

/*
 * The turn-th time. Whether the thread's permit was taken by it. Who holds another spinlock meanwhile keeps others
 * waiting for that, and sleeps only now and then: often enough for a holder that nobody but a pause lets run. Each
 * yield also says to the nucleus that this is not one section that never ends.
 */
static bool give_way(unsigned turn)
{
	long result = -ETIMEDOUT;

	preempt_enable();
	bool holds_another = thread_page_current()->preempt_count != 0;

	if (turn <= YIELDS_BEFORE_PAUSE || (holds_another && turn % YIELDS_BEFORE_PAUSE != 0))
		(void)nucleus_yield();
	else
		result = nucleus_park(clock_monotonic_ns() + PAUSE_NS, 0);
	preempt_disable();
	return result == 0;
}

static void spin(struct spinlock *l)
{
	unsigned turn = 0;
	bool permit = false;

	for (unsigned n = 1; !take(l); n++) {
		while (__atomic_load_n(&l->word, __ATOMIC_RELAXED) != 0 && n % SPINS_BEFORE_YIELD != 0) {
			cpu_relax();
			n++;
		}
		if (n % SPINS_BEFORE_YIELD == 0)
			permit |= give_way(++turn);
	}
	/* It was meant for a wait that goes on outside. */
	if (permit)
		(void)nucleus_unpark(thread_page_current()->handle);
}

void spin_lock(struct spinlock *l) NO_THREAD_SAFETY
{
	held_check_order(l, l->rank, LOCK_SPIN, __builtin_return_address(0));
	preempt_disable();
	if (unlikely(!take(l)))
		spin(l);
	l->owner = thread_current();
	held_push(l, LOCK_SPIN);
}

bool spin_try_lock(struct spinlock *l) NO_THREAD_SAFETY
{
	preempt_disable();
	if (!take(l)) {
		preempt_enable();
		return false;
	}
	l->owner = thread_current();
	held_push(l, LOCK_SPIN);
	return true;
}

void spin_unlock(struct spinlock *l) NO_THREAD_SAFETY
{
	held_pop(l, LOCK_SPIN);
	l->owner = nullptr;
	/* Release: all of the section is visible to the next holder. */
	__atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
	preempt_enable();
	perturb(__builtin_return_address(0));
}
