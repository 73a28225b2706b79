/* SPDX-License-Identifier: MIT */
/* What the files of the scheduling calls share: policies, and how they reach a thread. */
#ifndef PROCESS_SCHED_H
#define PROCESS_SCHED_H

#include <kernel/process/process.h>

enum : uint32_t {
	SCHED_OTHER = 0,
	SCHED_FIFO = 1,
	SCHED_RR = 2,
	SCHED_BATCH = 3,
	SCHED_IDLE = 5,
	SCHED_DEADLINE = 6,
	SCHED_RESET_ON_FORK = 0x40000000
};

/* Runs fn on the thread (tid 0: the current one) under its process's signal_lock. -EINVAL: tid < 0; -ESRCH. */
long sched_with_thread(int tid, long (*fn)(struct process *p, struct thread *t, void *ctx), void *ctx);
/* Whether the current process may change how p's threads run. */
bool sched_may_change(struct process *p);
bool sched_policy_exists(uint32_t policy);
/* A real-time policy for a thread: -EPERM for who could not have it, -EINVAL for whoever could: there are none. */
long sched_refuse_realtime(uint32_t number, int tid, uint32_t policy, int32_t priority);
/* The lowest nice value that p's RLIMIT_NICE allows. */
int64_t sched_nice_floor(struct process *p);

#endif
