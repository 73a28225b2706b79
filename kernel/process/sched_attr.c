/* SPDX-License-Identifier: MIT */
/* sched_setattr(2), sched_getattr(2): policy and nice value of a thread in one structure that may grow. */
#include "internal.h"
#include "sched.h"
#include <kernel/mem/page.h>
#include <kernel/vm/user.h>

struct abi_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
static_assert(sizeof(struct abi_sched_attr) == 56);
enum : uint32_t { ATTR_SIZE_FIRST = 48 };
enum : uint64_t {
	FLAG_RESET_ON_FORK = 1,
	FLAG_RECLAIM = 2,
	FLAG_DL_OVERRUN = 4,
	FLAG_KEEP_POLICY = 8,
	FLAG_KEEP_PARAMS = 16,
	FLAG_UTIL_CLAMP = 0x60,
	FLAG_ALL = 0x7f,
	/* No thread has what these ask for. */
	FLAG_KNOWN = FLAG_KEEP_POLICY | FLAG_KEEP_PARAMS,
};

/* A structure that this kernel does not know gets the size that it knows. */
static int attr_get(struct abi_sched_attr *a, user_addr at)
{
	uint32_t size;

	if (get_user(size, at) != 0)
		return -EFAULT;
	if (size == 0)
		size = ATTR_SIZE_FIRST;
	int error = size < ATTR_SIZE_FIRST ? -E2BIG : copy_struct_from_user(a, sizeof(*a), ATTR_SIZE_FIRST, at, size);
	if (error == -E2BIG) {
		size = sizeof(*a);
		return put_user(at, size) != 0 ? -EFAULT : -E2BIG;
	}
	if (error == 0 && (a->flags & FLAG_UTIL_CLAMP) && size < sizeof(*a))
		return -EINVAL;
	return error;
}

static long apply(struct process *p, struct thread *t, void *ctx)
{
	const struct abi_sched_attr *a = ctx;
	struct process_thread *s = process_thread_of(t);

	if (!sched_may_change(p))
		return -EPERM;
	bool nice = !(a->flags & FLAG_KEEP_PARAMS) && a->policy != SCHED_IDLE;
	int64_t floor = sched_nice_floor(p);
	bool out_of_idle = s->policy == SCHED_IDLE && a->policy != SCHED_IDLE;
	if (((nice && a->nice < s->nice && a->nice < floor) || (out_of_idle && s->nice < floor)) &&
	    !capable(CAP_SYS_NICE))
		return -EPERM;
	if (nice)
		s->nice = a->nice;
	if (!(a->flags & FLAG_KEEP_POLICY))
		s->policy = a->policy;
	sched_publish_priority(t);
	return 0;
}

static long read_attr(struct process *, struct thread *t, void *ctx)
{
	const struct process_thread *s = process_thread_of(t);

	*(struct abi_sched_attr *)ctx = (struct abi_sched_attr){.policy = s->policy, .nice = s->nice};
	return 0;
}

static long sys_sched_setattr(int tid, user_addr at, uint32_t flags)
{
	struct abi_sched_attr a, now;

	if (at.value == 0 || tid < 0 || flags != 0)
		return -EINVAL;
	long error = attr_get(&a, at);
	if (error != 0)
		return error;
	if ((int32_t)a.policy < 0)
		return -EINVAL;
	a.nice = MAX(MIN(a.nice, 19), -20);
	error = sched_with_thread(tid, read_attr, &now);
	if (error != 0)
		return error;
	if (a.flags & FLAG_KEEP_POLICY)
		a.policy = now.policy;
	if (a.policy == SCHED_FIFO || a.policy == SCHED_RR)
		return sched_refuse_realtime(NR_sched_setattr, tid, a.policy, (int32_t)a.priority);
	if (!sched_policy_exists(a.policy) || a.priority != 0 || (a.flags & ~(uint64_t)FLAG_ALL))
		return syscall_refuse_flags(NR_sched_setattr, a.policy);
	if (a.flags & ~(uint64_t)(FLAG_KNOWN | FLAG_UTIL_CLAMP))
		return syscall_refuse_flags(NR_sched_setattr, a.flags);
	return a.flags & FLAG_UTIL_CLAMP ? -EOPNOTSUPP : sched_with_thread(tid, apply, &a);
}
SYSCALL(sched_setattr);

static long sys_sched_getattr(int tid, user_addr at, uint32_t size, uint32_t flags)
{
	struct abi_sched_attr a;

	if (at.value == 0 || tid < 0 || size < ATTR_SIZE_FIRST || size > PAGE_SIZE || flags != 0)
		return -EINVAL;
	long error = sched_with_thread(tid, read_attr, &a);
	if (error != 0)
		return error;
	a.size = MIN(size, (uint32_t)sizeof(a));
	return copy_to_user(at, &a, a.size);
}
SYSCALL(sched_getattr);
