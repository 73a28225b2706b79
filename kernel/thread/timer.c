/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers (kernel/thread/timer.h): a list by deadline, and one thread that sleeps until the first
 * is due and runs the callbacks, without any lock held. timer_cancel waits for a callback that is
 * running, so a caller must not hold a lock that the callback takes; from within the callback
 * itself it returns at once.
 *
 * The thread is a service: after a fault it begins anew. A callback that faulted is called again, since it may not have
 * armed its timer anew, but not for ever.
 */
#include "core.h"
#include "service.h"

#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/thread/timer.h>

static struct spinlock lock = SPINLOCK_INIT(RANK_TIMER);
static struct list pending GUARDED_BY(&lock) = LIST_INIT(pending);
static struct timer *running GUARDED_BY(&lock);
static const struct timer *repeated GUARDED_BY(&lock); /* the one whose callback faulted last, not to be followed */
static uint32_t repeats GUARDED_BY(&lock);	       /* and how often it was called again */
constexpr uint32_t REPEATS_MAX = 3;

static void run_timers(void);
static void mend_timers(void);
static struct service timers = {.name = "timer", .component = &component_core, .loop = run_timers, .mend = mend_timers};

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
	if (first)
		service_wake(&timers);
}

bool timer_cancel(struct timer *t)
{
	constexpr uint64_t LOOK_NS = 50'000;
	bool permit = false;

	spin_lock(&lock);
	bool armed = t->armed;
	for (;;) {
		list_remove(&t->link);
		t->armed = false;
		if (running != t || thread_current() == timers.thread)
			break;
		/* A callback that faults meanwhile puts it back. */
		spin_unlock(&lock);
		/* To an interrupt's thread, which yields only to its like, the timer thread would never come. */
		permit |= thread_park(clock_monotonic_ns() + LOOK_NS) == 0;
		spin_lock(&lock);
	}
	if (repeated == t)
		repeated = nullptr;
	spin_unlock(&lock);
	if (permit)
		thread_unpark(thread_current());
	return armed;
}

/* Takes the first timer if it is due; else *deadline is when it will be (0: there is none). */
static struct timer *take_due(uint64_t *deadline)
{
	struct timer *due = nullptr;

	spin_lock(&lock);
	running = nullptr;
	*deadline = 0;
	FAULT_POINT(timer_take);
	if (!list_empty(&pending)) {
		due = list_first(&pending, struct timer, link);
		*deadline = due->deadline_ns;
		if (due->deadline_ns > clock_monotonic_ns()) {
			due = nullptr;
		} else {
			running = due;
			list_remove(&due->link);
			due->armed = false;
			if (due != repeated)
				repeated = nullptr;
		}
	}
	spin_unlock(&lock);
	return due;
}

/* The callback that ran when the thread faulted is due again. */
static void mend_timers(void)
{
	bool dropped = false;

	spin_lock(&lock);
	if (running != nullptr && running != repeated)
		repeats = 0;
	if (running != nullptr && repeats < REPEATS_MAX) {
		repeated = running;
		repeats++;
		if (!running->armed) {
			list_remove(&running->link);
			list_push_front(&pending, &running->link);
			running->armed = true;
		}
	} else {
		dropped = running != nullptr;
	}
	running = nullptr;
	spin_unlock(&lock);
	if (dropped)
		log_error("core: a timer's callback faulted %u times and is not called again", REPEATS_MAX + 1);
}

static void run_timers(void)
{
	for (;;) {
		uint64_t deadline;
		struct timer *t = take_due(&deadline);

		if (t != nullptr) {
			FAULT_POINT(timer_expire);
			t->expire(t);
			FAULT_POINT(timer_expired);
		} else {
			if (service_park(deadline))
				return;
		}
	}
}

void timer_start(void)
{
	if (service_start(&timers) < 0)
		kernel_bug(__FILE_NAME__, __LINE__, "no memory for the timer thread");
}
