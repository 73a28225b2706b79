/* SPDX-License-Identifier: MIT */
/*
 * The record of a thread, which one runs, and how it waits: what every floor may ask. A struct thread lives in its
 * thread page (nucleus/thread_page.h), so `thread_current()` is one load; it is that page's `lowered` part. Higher
 * floors fill what is theirs. Making and ending threads: kernel/thread/thread.h.
 */
#ifndef KERNEL_RUNNING_THREAD_H
#define KERNEL_RUNNING_THREAD_H

#include <arch/current.h>
#include <lib/list.h>
#include <nucleus/privilege.h>
#include <nucleus/thread_page.h>
#include <stdint.h>

struct process;
struct guard;
struct component;
struct service;

#define HELD_LOCKS_MAX 16

/* At both ends of a struct thread: what overwrites it is noticed (kernel/thread/thread_note.c). */
constexpr uint64_t THREAD_SEAL = 0x7468726561642070;

/*
 * What others have to be freed of when a thread faults. It stands at the top of the thread's stack: whatever overwrites
 * the page, this is known, and the locks, wait queues and half-made things of a thread whose page is lost are given
 * back all the same.
 */
struct thread_kept {
	union {
		struct {
			uint32_t held_count; /* locks held; those beyond HELD_LOCKS_MAX are counted only */
			uint32_t wait_count;
		};
		uint64_t counts; /* both, as a guard notes them */
	};
	uint64_t held[HELD_LOCKS_MAX]; /* oldest first: address of the lock | enum lock_kind */
	struct list waits;	       /* of struct waiter: the wait queues it is in, newest first */
	/* kernel/process/process.h's, zero at first */
	unsigned char process_state[32] __attribute__((aligned(16)));
};

struct thread {
	uint64_t seal;
	struct process *process;     /* nullptr for kernel threads */
	struct component *component; /* home component: carries the right to elevate, pays for allocations */
	struct guard *guards;	     /* innermost first */
	bool interruptible;	     /* parked so that a signal wakes it; atomic */
	bool storm;		     /* nothing but faults: it ends */
	bool fail_paused;
	bool value_result;    /* its system call ends with a number that only looks like a code: syscall_value() */
	bool stack_freed;     /* the reaper's */
	bool rebuilt;	      /* its page was overwritten: what was known of guards and its process's state is lost */
	uint32_t signal_flag; /* atomic: signal or end to handle; see kernel/process/signal.h */
	uint32_t fail_nth;    /* which request for memory fails: kernel/base/fail.h */
	uint32_t tid;
	uint32_t reliefs_seen; /* page_relieve_nucleus: of all that gave memory back */
	char name[16];
	void *stack;		  /* kernel stack, lowest address */
	struct thread_kept *kept; /* at its other end */
	struct list process_link; /* in process->threads */
	void (*entry)(void *arg); /* kernel threads */
	void *arg;
	void (*over)(void *arg); /* kthread_start_told's, until it is through; nullptr: nobody is to be told */
	struct service *service; /* of a thread that a fault does not end (kernel/thread/service.h) */
	uint32_t exited;	 /* set to 1 by the nucleus when the thread can never run again */
	uint32_t over_calls;
	uint32_t exit_step;	    /* of thread_exit: what was begun is not begun again after a fault */
	struct list component_link; /* kernel threads: in component->threads */
	/* Process-related state (signals, futex, exit) belongs to kernel/process/process.h, which places it
	 * here. */
	unsigned char process_state[640] __attribute__((aligned(16)));
	uint64_t last_seal;
};
static_assert(sizeof(struct thread) <= THREAD_PAGE_LOWERED);

static inline struct thread_page *thread_page_of(struct thread *t)
{
	return container_of((unsigned char(*)[THREAD_PAGE_LOWERED])t, struct thread_page, lowered);
}
static inline struct thread *thread_current(void)
{
	return (struct thread *)thread_page_current()->lowered;
}
static inline uint64_t *call_area(void)
{
	return thread_page_current()->call;
}

/* Sleep until unparked; the permit is sticky. deadline_ns on the monotonic clock, 0 = never.
 * 0, -ETIMEDOUT, or (interruptible) -EINTR. Spurious returns happen: always re-check the condition.
 * May sleep; no spinlock held. */
int thread_park(uint64_t deadline_ns) NOT_ELEVATED;
int thread_park_interruptible(uint64_t deadline_ns) NOT_ELEVATED;
/* Any context, also with a spinlock held. The thread must not be freed meanwhile. */
void thread_unpark(struct thread *t) NOT_ELEVATED;
void thread_yield(void) NOT_ELEVATED;
/* Short sections without preemption (spinlocks use them). */
static inline void preempt_disable(void)
{
	thread_page_current()->preempt_count++;
	__asm__ volatile("" ::: "memory");
}
void preempt_yield(void) NOT_ELEVATED;
static inline void preempt_enable(void)
{
	__asm__ volatile("" ::: "memory");
	struct thread_page *p = thread_page_current();
	if (--p->preempt_count == 0 && __builtin_expect(p->resched, 0))
		preempt_yield();
}

#endif
