/* SPDX-License-Identifier: MIT */
/*
 * Scheduling as processes see it: sched_yield(2), affinity, policies, nice(2) values (POSIX.1-2017
 * sched_*(), setpriority(); Linux sched(7)).
 *
 * The nucleus schedules by nice value alone: SCHED_OTHER, SCHED_BATCH and SCHED_IDLE (as nice 19)
 * are what exists; real-time policies are refused.
 */
#include "sched.h"
#include "internal.h"
#include <kernel/base/init.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : int { PRIO_PROCESS = 0, PRIO_PGRP = 1, PRIO_USER = 2 };

long sched_with_thread(int tid, long (*fn)(struct process *p, struct thread *t, void *ctx), void *ctx)
{
	uint32_t id = tid == 0 ? thread_current()->tid : (uint32_t)tid;
	struct process *p = tid < 0 ? nullptr : process_find_by_tid(id);
	long result = -ESRCH;
	struct thread *t;

	if (tid < 0)
		return -EINVAL;
	if (p == nullptr)
		return -ESRCH;
	spin_lock(&p->signal_lock);
	for_each_thread(t, p) {
		if (t->tid == id) {
			result = fn(p, t, ctx);
			break;
		}
	}
	spin_unlock(&p->signal_lock);
	process_put(p);
	return result;
}

bool sched_may_change(struct process *p)
{
	const struct credentials *c = &process_current()->cred;

	return c->euid == p->cred.uid || c->euid == p->cred.euid || capable(CAP_SYS_NICE);
}

static long sys_sched_yield(void)
{
	thread_yield();
	return 0;
}
SYSCALL(sched_yield);

static uint64_t all_cpus(void)
{
	uint32_t n = boot_info()->cpu_count;

	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static long apply_affinity(struct process *p, struct thread *t, void *ctx)
{
	uint64_t mask = *(const uint64_t *)ctx & all_cpus();

	if (!sched_may_change(p))
		return -EPERM;
	if (mask == 0)
		return -EINVAL;
	process_thread_of(t)->affinity = mask;
	return nucleus_thread_set_affinity(thread_page_of(t)->handle, mask);
}

static long sys_sched_setaffinity(int tid, uint32_t size, user_addr at)
{
	uint64_t mask = 0;

	if (copy_from_user(&mask, at, MIN(size, (uint32_t)sizeof(mask))) != 0)
		return -EFAULT;
	return tid < 0 ? -ESRCH : sched_with_thread(tid, apply_affinity, &mask);
}
SYSCALL(sched_setaffinity);

static long read_affinity(struct process *, struct thread *t, void *ctx)
{
	*(uint64_t *)ctx = process_thread_of(t)->affinity & all_cpus();
	return 0;
}

static long sys_sched_getaffinity(int tid, uint32_t size, user_addr at)
{
	uint64_t mask;

	if (size < sizeof(mask) || size % sizeof(uint64_t) != 0)
		return -EINVAL;
	long error = tid < 0 ? -ESRCH : sched_with_thread(tid, read_affinity, &mask);
	if (error != 0)
		return error;
	return put_user(at, mask) != 0 ? -EFAULT : (long)sizeof(mask);
}
SYSCALL(sched_getaffinity);

static long read_policy(struct process *, struct thread *t, void *)
{
	return process_thread_of(t)->policy;
}

enum : int { REALTIME_MAX = 99 };
struct policy_change {
	uint32_t policy;
	int32_t priority;
};

bool sched_policy_exists(uint32_t policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

int32_t sched_effective_nice(struct thread *t)
{
	const struct process_thread *s = process_thread_of(t);

	return MIN(s->policy == SCHED_IDLE ? 19 : s->nice, s->inherited_nice);
}

void sched_publish_priority(struct thread *t)
{
	(void)nucleus_thread_set_priority(thread_page_of(t)->handle, sched_effective_nice(t));
}

/* The lowest nice value that the process may give itself without privilege. */
int64_t sched_nice_floor(struct process *p)
{
	return 20 - (int64_t)MIN(__atomic_load_n(&p->rlimits[RLIMIT_NICE][0], __ATOMIC_RELAXED), UINT64_C(40));
}

static long apply_policy(struct process *p, struct thread *t, void *ctx)
{
	const struct policy_change *c = ctx;

	if (!sched_may_change(p))
		return -EPERM;
	/* Out of SCHED_IDLE leads only what lowering the nice value to this one would need. */
	if (process_thread_of(t)->policy == SCHED_IDLE && c->policy != SCHED_IDLE && !capable(CAP_SYS_NICE) &&
	    process_thread_of(t)->nice < sched_nice_floor(p))
		return -EPERM;
	process_thread_of(t)->policy = c->policy;
	sched_publish_priority(t);
	return 0;
}

/* Real-time policies: who could not have them hears that, whoever could that there are none. */
long sched_refuse_realtime(uint32_t number, int tid, uint32_t policy, int32_t priority)
{
	long found = sched_with_thread(tid, read_policy, nullptr);
	uint64_t limit = process_rlimit(RLIMIT_RTPRIO);

	if (found < 0)
		return found;
	if (priority < 1 || priority > REALTIME_MAX)
		return -EINVAL;
	if (!capable(CAP_SYS_NICE) && (uint64_t)priority > limit)
		return -EPERM;
	return syscall_refuse_flags(number, policy);
}

static long set_policy(uint32_t number, int tid, uint32_t policy, user_addr param)
{
	struct policy_change c = {.policy = policy};

	if (tid < 0 || param.value == 0)
		return -EINVAL;
	if (get_user(c.priority, param) != 0)
		return -EFAULT;
	if ((policy & ~(uint32_t)SCHED_RESET_ON_FORK) == SCHED_FIFO ||
	    (policy & ~(uint32_t)SCHED_RESET_ON_FORK) == SCHED_RR)
		return sched_refuse_realtime(number, tid, policy, c.priority);
	long found = sched_with_thread(tid, read_policy, nullptr);
	if (found < 0)
		return found;
	if (!sched_policy_exists(policy))
		return syscall_refuse_flags(number, policy);
	if (c.priority != 0)
		return -EINVAL;
	return sched_with_thread(tid, apply_policy, &c);
}

static long sys_sched_setscheduler(int tid, int policy, user_addr param)
{
	return policy < 0 ? -EINVAL : set_policy(NR_sched_setscheduler, tid, (uint32_t)policy, param);
}
SYSCALL(sched_setscheduler);

static long sys_sched_getscheduler(int tid)
{
	return sched_with_thread(tid, read_policy, nullptr);
}
SYSCALL(sched_getscheduler);

static long sys_sched_setparam(int tid, user_addr param)
{
	int32_t priority;

	if (tid < 0 || param.value == 0)
		return -EINVAL;
	if (get_user(priority, param) != 0)
		return -EFAULT;
	long policy = sched_with_thread(tid, read_policy, nullptr);
	return policy < 0 ? policy : set_policy(NR_sched_setparam, tid, (uint32_t)policy, param);
}
SYSCALL(sched_setparam);

static long sys_sched_getparam(int tid, user_addr param)
{
	int32_t priority = 0;

	if (param.value == 0)
		return -EINVAL;
	long policy = sched_with_thread(tid, read_policy, nullptr);

	return policy < 0 ? policy : put_user(param, priority);
}
SYSCALL(sched_getparam);

static long priority_range(uint32_t number, int policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR || sched_policy_exists((uint32_t)policy))
		return 0;
	return syscall_refuse_flags(number, (uint64_t)(uint32_t)policy);
}

static long sys_sched_get_priority_max(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR ? 99 : priority_range(NR_sched_get_priority_max, policy);
}
SYSCALL(sched_get_priority_max);

static long sys_sched_get_priority_min(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR ? 1 : priority_range(NR_sched_get_priority_min, policy);
}
SYSCALL(sched_get_priority_min);

static long sys_sched_rr_get_interval(int tid, user_addr at)
{
	long policy = sched_with_thread(tid, read_policy, nullptr);

	/* The time slice of a nice-0 thread. */
	return policy < 0 ? policy : timespec_to_user(at, 4000000);
}
SYSCALL(sched_rr_get_interval);

struct nice_request {
	int which;
	uint32_t who;
	bool set, found, denied_raise, denied_owner;
	int32_t nice, best;
};

static void nice_of_process(struct process *p, struct nice_request *r, uint32_t only_tid)
{
	struct thread *t;

	if (r->set && !sched_may_change(p)) {
		r->found = r->denied_owner = true;
		return;
	}
	bool may_raise = capable(CAP_SYS_NICE);
	int64_t floor = sched_nice_floor(p);
	spin_lock(&p->signal_lock);
	for_each_thread(t, p) {
		struct process_thread *s = process_thread_of(t);
		if (only_tid != 0 && t->tid != only_tid)
			continue;
		r->found = true;
		if (!r->set) {
			r->best = MIN(r->best, s->nice);
		} else if (r->nice < s->nice && r->nice < floor && !may_raise) {
			r->denied_raise = true;
		} else {
			s->nice = r->nice;
			sched_publish_priority(t);
		}
	}
	spin_unlock(&p->signal_lock);
}

static int nice_if_matching(void *ctx, struct process *p)
{
	struct nice_request *r = ctx;

	if ((r->which == PRIO_PGRP && p->pgid == r->who) || (r->which == PRIO_USER && p->cred.uid == r->who))
		nice_of_process(p, r, 0);
	return 0;
}

static long nice_request(struct nice_request *r)
{
	struct process *self = process_current();

	if (r->which == PRIO_PROCESS) {
		uint32_t tid = r->who == 0 ? thread_current()->tid : r->who;
		struct process *p = process_find_by_tid(tid);
		if (p == nullptr)
			return -ESRCH;
		nice_of_process(p, r, tid);
		process_put(p);
	} else if (r->which == PRIO_PGRP || r->which == PRIO_USER) {
		if (r->who == 0)
			r->who = r->which == PRIO_PGRP ? self->pgid : self->cred.uid;
		(void)process_for_each(nice_if_matching, r);
	} else {
		return -EINVAL;
	}
	if (!r->found)
		return -ESRCH;
	return r->denied_owner ? -EPERM : r->denied_raise ? -EACCES : 0;
}

static long sys_setpriority(int which, int who, int nice)
{
	struct nice_request r = {.which = which, .who = (uint32_t)who, .set = true, .nice = MAX(MIN(nice, 19), -20)};

	return nice_request(&r);
}
SYSCALL(setpriority);

/* The result is 20 - nice, so that it is never negative. */
static long sys_getpriority(int which, int who)
{
	struct nice_request r = {.which = which, .who = (uint32_t)who, .best = 19};
	long error = nice_request(&r);

	return error != 0 ? error : 20 - r.best;
}
SYSCALL(getpriority);

static long sys_getcpu(user_addr cpu_at, user_addr node_at)
{
	uint32_t cpu = thread_page_current()->cpu, node = 0;

	if (cpu_at.value != 0 && put_user(cpu_at, cpu) != 0)
		return -EFAULT;
	return node_at.value != 0 ? put_user(node_at, node) : 0;
}
SYSCALL(getcpu);

/* I/O priorities are kept for ionice(1) and have no effect: there is no queue that they could
 * order. Classes: ioprio_set(2). */
enum : int { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_SHIFT = 13, IOPRIO_CLASS_REALTIME = 1, IOPRIO_CLASS_LAST = 3 };

static long write_io_priority(struct process *p, struct thread *t, void *ctx)
{
	if (!sched_may_change(p))
		return -EPERM;
	process_thread_of(t)->io_priority = *(const uint16_t *)ctx;
	return 0;
}

static long sys_ioprio_set(int which, int who, int priority)
{
	uint16_t value = (uint16_t)priority;
	int class = priority >> IOPRIO_CLASS_SHIFT;

	if (which != IOPRIO_WHO_PROCESS)
		return syscall_refuse_flags(NR_ioprio_set, (uint64_t)which);
	if (class < 0 || class > IOPRIO_CLASS_LAST || (class == 0 && priority != 0) ||
	    (class != 0 && (priority & 0x1fff) > 7))
		return -EINVAL;
	if (class == IOPRIO_CLASS_REALTIME && !capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
		return -EPERM;
	return who < 0 ? -ESRCH : sched_with_thread(who, write_io_priority, &value);
}
SYSCALL(ioprio_set);

static long read_io_priority(struct process *, struct thread *t, void *)
{
	return process_thread_of(t)->io_priority;
}

static long sys_ioprio_get(int which, int who)
{
	if (which != IOPRIO_WHO_PROCESS)
		return syscall_refuse_flags(NR_ioprio_get, (uint64_t)which);
	return who < 0 ? -ESRCH : sched_with_thread(who, read_io_priority, nullptr);
}
SYSCALL(ioprio_get);
