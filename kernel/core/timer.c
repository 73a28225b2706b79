/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers (kernel/timer.h): a list by deadline, and one thread that sleeps until the first
 * is due and runs the callbacks, without any lock held. timer_cancel waits for a callback that is
 * running, so a caller must not hold a lock that the callback takes; from within the callback
 * itself it returns at once.
 */
#include "core.h"

#include <kernel/clock.h>
#include <kernel/lock.h>
#include <kernel/log.h>
#include <kernel/timer.h>

static struct spinlock lock = SPINLOCK_INIT(RANK_TIMER);
static struct list pending GUARDED_BY(&lock) = LIST_INIT(pending);
static struct timer *running GUARDED_BY(&lock);
static struct thread *timer_thread;

void timer_init(struct timer *t, void (*expire)(struct timer *t))
{
	*t = (struct timer){.expire = expire};
	list_init(&t->link);
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	struct list *at;

	spin_lock(&lock);
	list_remove(&t->link);
	t->deadline_ns = deadline_ns;
	t->armed = true;
	/* From the back: most timers are armed for later than those that are pending. */
	for (at = pending.prev; at != &pending; at = at->prev) {
		if (list_entry(at, struct timer, link)->deadline_ns <= deadline_ns)
			break;
	}
	list_insert_after(at, &t->link);
	bool first = pending.next == &t->link;
	spin_unlock(&lock);
	if (first && timer_thread != nullptr)
		thread_unpark(timer_thread);
}

bool timer_cancel(struct timer *t)
{
	spin_lock(&lock);
	bool armed = t->armed;
	list_remove(&t->link);
	t->armed = false;
	while (running == t && thread_current() != timer_thread) {
		spin_unlock(&lock);
		thread_yield();
		spin_lock(&lock);
	}
	spin_unlock(&lock);
	return armed;
}

/* Takes the first timer if it is due; else *deadline is when it will be (0: there is none). */
static struct timer *take_due(uint64_t *deadline)
{
	struct timer *due = nullptr;

	spin_lock(&lock);
	running = nullptr;
	*deadline = 0;
	if (!list_empty(&pending)) {
		due = list_first(&pending, struct timer, link);
		*deadline = due->deadline_ns;
		if (due->deadline_ns > clock_monotonic_ns()) {
			due = nullptr;
		} else {
			list_remove(&due->link);
			due->armed = false;
			running = due;
		}
	}
	spin_unlock(&lock);
	return due;
}

static void run_timers(void *)
{
	for (;;) {
		uint64_t deadline;
		struct timer *t = take_due(&deadline);

		if (t != nullptr)
			t->expire(t);
		else
			thread_park(deadline);
	}
}

void timer_start(void)
{
	if (kthread_start(&component_core, "timer", run_timers, nullptr, &timer_thread) < 0)
		kernel_bug(__FILE_NAME__, __LINE__, "no memory for the timer thread");
}
