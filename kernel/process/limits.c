/* SPDX-License-Identifier: MIT */
/* Resource limits and usage: getrlimit(2), setrlimit(2), prlimit64(2), getrusage(2), times(2)
 * (POSIX.1-2017 getrlimit(), times()). */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/vm/user.h>

enum : uint32_t { LIMITS = 16 };
enum : uint64_t { NS_PER_TICK = 10000000 };

static bool may_change_limits(struct process *p)
{
	const struct credentials *self = &process_current()->cred, *c = &p->cred;

	if (p == process_current() || capable(CAP_SYS_RESOURCE))
		return true;
	return self->uid == c->uid && self->uid == c->euid && self->uid == c->suid && self->gid == c->gid &&
	       self->gid == c->egid && self->gid == c->sgid;
}

static long change_limit(struct process *p, uint32_t which, const uint64_t fresh[2])
{
	long error = 0;

	if (fresh[0] > fresh[1])
		return -EINVAL;
	if (which == RLIMIT_NOFILE && fresh[1] > (uint64_t)__atomic_load_n(&descriptor_ceiling, __ATOMIC_RELAXED))
		return -EPERM;
	mutex_lock(&p->lock);
	if (fresh[1] > p->rlimits[which][1] && !capable(CAP_SYS_RESOURCE)) {
		error = -EPERM;
	} else {
		__atomic_store_n(&p->rlimits[which][0], fresh[0], __ATOMIC_RELAXED);
		__atomic_store_n(&p->rlimits[which][1], fresh[1], __ATOMIC_RELAXED);
	}
	mutex_unlock(&p->lock);
	if (error == 0 && which == RLIMIT_CPU)
		itimer_watch_limit(p);
	return error;
}

/* The values come first, then the process, whether one may, and last which limit is meant: Linux's order. */
static long do_prlimit(int pid, uint32_t which, user_addr new_at, user_addr old_at)
{
	struct process *p = process_current();
	uint64_t fresh[2], old[2] = {};
	long error = 0;

	if (new_at.value != 0 && copy_from_user(fresh, new_at, sizeof(fresh)) != 0)
		return -EFAULT;
	if (pid == 0 || pid == (int)p->pid)
		process_get(p);
	else
		p = pid < 0 ? nullptr : process_find_by_tid((uint32_t)pid);
	if (p == nullptr)
		return -ESRCH;
	if (!may_change_limits(p)) {
		error = -EPERM;
	} else if (which >= LIMITS) {
		error = -EINVAL;
	} else {
		old[0] = p->rlimits[which][0];
		old[1] = p->rlimits[which][1];
		if (new_at.value != 0)
			error = change_limit(p, which, fresh);
	}
	process_put(p);
	if (error == 0 && old_at.value != 0 && copy_to_user(old_at, old, sizeof(old)) != 0)
		error = -EFAULT;
	return error;
}

static long sys_prlimit64(int pid, uint32_t which, user_addr new_at, user_addr old_at)
{
	return do_prlimit(pid, which, new_at, old_at);
}
SYSCALL(prlimit64);

static long sys_getrlimit(uint32_t which, user_addr at)
{
	if (which > RLIMIT_RTTIME)
		return -EINVAL;
	return at.value == 0 ? -EFAULT : do_prlimit(0, which, USER_ADDR(0), at);
}
SYSCALL(getrlimit);

static long sys_setrlimit(uint32_t which, user_addr at)
{
	return at.value == 0 ? -EFAULT : do_prlimit(0, which, at, USER_ADDR(0));
}
SYSCALL(setrlimit);

static struct abi_timeval to_timeval(uint64_t ns)
{
	return (struct abi_timeval){(int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000 / 1000)};
}

void rusage_fill(struct abi_rusage *out, const struct process_usage *u)
{
	*out = (struct abi_rusage){
		.user = to_timeval(u->user_ns),
		.system = to_timeval(u->system_ns),
		.max_resident_kib = (int64_t)u->max_resident_pages * 4,
		.minor_faults = (int64_t)u->minor_faults,
		.major_faults = (int64_t)u->major_faults,
		.voluntary = (int64_t)u->voluntary,
		.involuntary = (int64_t)u->involuntary,
	};
}

enum : int { RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1 };

static long sys_getrusage(int who, user_addr at)
{
	struct process *p = process_current();
	struct process_usage u = {};
	struct vm_stats stats;
	struct abi_rusage abi;

	switch (who) {
	case RUSAGE_SELF: process_usage_of_threads(p, &u); break;
	case RUSAGE_CHILDREN:
		mutex_lock(&process_tree_lock);
		u = p->children_usage;
		mutex_unlock(&process_tree_lock);
		break;
	case RUSAGE_THREAD:
		process_thread_usage(thread_current(), &u);
		u.max_resident_pages = p->dead_usage.max_resident_pages;
		break;
	default: return -EINVAL;
	}
	if (who != RUSAGE_CHILDREN) {
		vm_stats(p->space, &stats);
		u.max_resident_pages = MAX(u.max_resident_pages, stats.peak_pages);
	}
	rusage_fill(&abi, &u);
	return put_user(at, abi);
}
SYSCALL(getrusage);

static long sys_times(user_addr at)
{
	uint64_t user, system, child_user, child_system;

	if (at.value != 0) {
		process_times(process_current(), &user, &system, &child_user, &child_system);
		int64_t ticks[4] = {(int64_t)(user / NS_PER_TICK), (int64_t)(system / NS_PER_TICK),
				    (int64_t)(child_user / NS_PER_TICK), (int64_t)(child_system / NS_PER_TICK)};
		if (copy_to_user(at, ticks, sizeof(ticks)) != 0)
			return -EFAULT;
	}
	return (long)(clock_monotonic_ns() / NS_PER_TICK);
}
SYSCALL(times);
