/* SPDX-License-Identifier: MIT */
/*
 * Wait queues: threads that wait for a condition under whatever lock protects it. poll(2) uses the
 *same queues.
 *
 *	wait_event_interruptible(&q, cond)   evaluates cond, sleeps, evaluates again …; 0 or
 *-ERESTARTSYS wait_add/wait_remove                 by hand, when a lock must be dropped around the
 *sleep
 */
#ifndef KERNEL_WAIT_H
#define KERNEL_WAIT_H

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/lock.h>

struct wait_queue {
	struct spinlock lock;
	struct list waiters;
};
struct waiter {
	struct list link;
	struct list thread_link; /* in thread->kept->waits, newest first, so that containment can take it
				    out; not with a callback */
	struct thread *thread;
	struct wait_queue *queue;
	bool once;	/* who wakes it takes it out of the queue */
	bool queued;	/* atomic: false once it was taken out so */
	bool exclusive; /* of these one is enough: wait_wake_one, and with a callback wait_wake_all, stop there */
	/* Called in place of waking the thread, with the queue's spinlock held: must not sleep. Returns whether
	 * somebody was waiting there. nullptr: unpark. */
	bool (*wake)(struct waiter *w);
};
#define WAIT_QUEUE_INIT(name) {.lock = SPINLOCK_INIT(RANK_WAIT), .waiters = LIST_INIT((name).waiters)}
void wait_queue_init(struct wait_queue *q);
void wait_add(struct wait_queue *q, struct waiter *w); /* w->thread = current */
/* The same for one wake: before each sleep wait_requeue() puts it back if it was woken, and says true if so: then the
 * condition is to be looked at again. */
void wait_add_once(struct wait_queue *q, struct waiter *w);
[[nodiscard]] bool wait_requeue(struct waiter *w);
void wait_add_callback(struct wait_queue *q, struct waiter *w, bool exclusive, bool (*wake)(struct waiter *w));
void wait_remove(struct waiter *w);
/* Takes the current thread out of all queues but the `count` it entered first (containment). */
void waits_release_beyond(uint32_t count);
void wait_wake_all(struct wait_queue *q);
void wait_wake_one(struct wait_queue *q);

/* Whether the current thread has a signal (or its end) to handle. Kernel threads: false. */
static inline bool signal_pending_current(void)
{
	return __atomic_load_n(&thread_current()->signal_flag, __ATOMIC_ACQUIRE) != 0;
}

#define WAIT_EVENT_(q, cond, deadline_ns, interruptible)                                                               \
	({                                                                                                             \
		int wait_result_ = 0;                                                                                  \
		if (!(cond)) {                                                                                         \
			struct waiter waiter_;                                                                         \
			wait_add_once((q), &waiter_);                                                                  \
			while (!(cond)) {                                                                              \
				if ((interruptible) && signal_pending_current()) {                                     \
					wait_result_ = -ERESTARTSYS;                                                   \
					break;                                                                         \
				}                                                                                      \
				if (wait_requeue(&waiter_))                                                            \
					continue;                                                                      \
				int park_ = (interruptible) ? thread_park_interruptible(deadline_ns)                   \
							    : thread_park(deadline_ns);                                \
				if (park_ == -ETIMEDOUT) {                                                             \
					wait_result_ = (cond) ? 0 : -ETIMEDOUT;                                        \
					break;                                                                         \
				}                                                                                      \
			}                                                                                              \
			wait_remove(&waiter_);                                                                         \
		}                                                                                                      \
		wait_result_;                                                                                          \
	})
#define wait_event(q, cond)			      ((void)WAIT_EVENT_(q, cond, 0, false))
#define wait_event_interruptible(q, cond)	      WAIT_EVENT_(q, cond, 0, true)
#define wait_event_deadline(q, cond, deadline_ns)     WAIT_EVENT_(q, cond, deadline_ns, false)
#define wait_event_interruptible_deadline(q, cond, d) WAIT_EVENT_(q, cond, d, true)

/* For what is given up when it takes too long: a row of short deadlines. A host that stops a virtual machine for long
 * uses up only one of them. 0, or -ETIMEDOUT after about `ns` of them in all. */
#define wait_event_patiently(q, cond, ns)                                                                              \
	({                                                                                                             \
		constexpr uint64_t part_ns_ = (ns) / 10;                                                               \
		int result_ = -ETIMEDOUT;                                                                              \
		for (int part_ = 0; part_ < 10 && result_ == -ETIMEDOUT; part_++)                                      \
			result_ = wait_event_deadline(q, cond, clock_monotonic_ns() + part_ns_);                       \
		result_;                                                                                               \
	})

#endif
