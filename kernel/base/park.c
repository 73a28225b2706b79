/* SPDX-License-Identifier: MIT */
/* How a thread waits, wakes another and gives its CPU away (kernel/base/thread.h): calls of the nucleus, which
 * schedules. */
#include "perturb.h"

#include <kernel/base/thread.h>
#include <nucleus/calls.h>

int thread_park(uint64_t deadline_ns)
{
	return (int)nucleus_park(deadline_ns, 0);
}

int thread_park_interruptible(uint64_t deadline_ns)
{
	struct thread *t = thread_current();

	__atomic_store_n(&t->interruptible, true, __ATOMIC_RELAXED);
	int result = (int)nucleus_park(deadline_ns, PARK_INTERRUPTIBLE);
	__atomic_store_n(&t->interruptible, false, __ATOMIC_RELAXED);
	return result;
}

void thread_unpark(struct thread *t)
{
	(void)nucleus_unpark(thread_page_of(t)->handle);
	perturb(__builtin_return_address(0));
}

void thread_yield(void)
{
	(void)nucleus_yield();
}

void preempt_yield(void)
{
	thread_page_current()->resched = 0;
	(void)nucleus_yield();
}
