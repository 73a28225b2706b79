/* SPDX-License-Identifier: MIT */
/*
 * Sleeping: nanosleep(2), clock_nanosleep(2), restart_syscall(2) (POSIX.1-2017 clock_nanosleep(): a
 * relative sleep is not lengthened by being interrupted; an absolute one follows the clock when it
 * is set).
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/vm/user.h>

static struct process_thread *first_thread(struct process *p) REQUIRES(p -> signal_lock)
{
	struct thread *t;

	for_each_thread(t, p) {
		if (t->tid == p->pid)
			return process_thread_of(t);
	}
	return nullptr;
}

uint64_t process_timer_slack(struct process *p)
{
	spin_lock(&p->signal_lock);
	struct process_thread *s = first_thread(p);
	uint64_t ns = s != nullptr ? s->timer_slack_ns : 0;
	spin_unlock(&p->signal_lock);
	return ns;
}

void process_set_timer_slack(struct process *p, uint64_t ns)
{
	spin_lock(&p->signal_lock);
	struct process_thread *s = first_thread(p);
	if (s != nullptr)
		__atomic_store_n(&s->timer_slack_ns, ns != 0 ? ns : s->default_slack_ns, __ATOMIC_RELAXED);
	spin_unlock(&p->signal_lock);
}

/* Until the clock shows when_ns. 0 or -ERESTARTSYS. */
static long sleep_until(int32_t clock, uint64_t when_ns)
{
	uint64_t now;
	long result = 0;
	struct waiter w;

	/* Whoever sets the clock wakes this queue, and the deadline is computed anew. Other clocks are not set, and
	 * their sleepers are left alone for as long as they allow. */
	bool follows = clock_is_realtime(clock);
	if (follows)
		wait_add(&clock_set_queue, &w);
	while (clock_read(clock, &now) == 0 && now < when_ns) {
		if (signal_pending_current()) {
			result = -ERESTARTSYS;
			break;
		}
		(void)thread_park_interruptible(process_slacken(clock_deadline(clock, when_ns)));
	}
	if (follows)
		wait_remove(&w);
	return result;
}

/* CPU clocks advance only while their process runs: looked at now and then. */
static long sleep_cpu_clock(int32_t clock, uint64_t when_ns)
{
	struct cpu_clock c;
	uint64_t now;
	long result = cpu_clock_open(clock, false, &c);

	while (result == 0) {
		if (cpu_clock_read(&c, &now) != 0)
			result = -EINVAL;
		if (result != 0 || now >= when_ns)
			break;
		if (signal_pending_current())
			result = -ERESTARTSYS;
		else
			(void)thread_park_interruptible(cpu_clock_next_look(&c, now, when_ns));
	}
	cpu_clock_close(&c);
	return result;
}

static long sleep_relative(struct restart_block *r)
{
	int32_t clock = (int32_t)r->words[0];
	uint64_t when = r->words[1], now;
	long result = clock_is_cpu(clock) ? sleep_cpu_clock(clock, when) : sleep_until(clock, when);

	if (result != -ERESTARTSYS)
		return result;
	if (r->words[2] != 0) {
		uint64_t left = clock_read(clock, &now) == 0 && now < when ? when - now : 0;
		if (timespec_to_user(USER_ADDR(r->words[2]), left) != 0)
			return -EFAULT;
	}
	process_thread_current()->restart = *r;
	return -ERESTART_RESTARTBLOCK;
}

/* A thread that sleeps does not use its CPU. */
static bool never_passes(int32_t clock)
{
	struct cpu_clock c;

	if (clock >= 0 || cpu_clock_open(clock, false, &c) != 0)
		return false;
	bool own = c.tid == thread_current()->tid && c.process == process_current();
	cpu_clock_close(&c);
	return own;
}

static long do_sleep(int32_t clock, bool absolute, uint64_t ns, user_addr remaining)
{
	uint64_t now;

	if (never_passes(clock))
		return -EINVAL;
	/* A relative sleep is not moved by setting the clock. */
	clock = clock_followed(clock, absolute);
	if (clock_read(clock, &now) != 0)
		return -EINVAL;
	if (absolute) {
		long result = clock_is_cpu(clock) ? sleep_cpu_clock(clock, ns) : sleep_until(clock, ns);
		return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
	}
	uint64_t when = ns > INT64_MAX - now ? INT64_MAX : now + ns;
	struct restart_block r = {.again = sleep_relative, .words = {(uint64_t)(int64_t)clock, when, remaining.value}};
	return sleep_relative(&r);
}

static long sys_nanosleep(user_addr request, user_addr remaining)
{
	uint64_t ns;
	int error = timespec_from_user(request, &ns);

	return error != 0 ? error : do_sleep(CLOCK_MONOTONIC, false, ns, remaining);
}
SYSCALL(nanosleep);

static long sys_clock_nanosleep(int clock, int flags, user_addr request, user_addr remaining)
{
	uint64_t ns;

	int error = clock == CLOCK_THREAD_CPUTIME_ID ? -EOPNOTSUPP : clock_check_timer(clock);
	bool denied = error == -EPERM;
	/* Whether the caller may is asked last. */
	if (error == 0 || denied)
		error = timespec_from_user(request, &ns);
	if (error == 0 && (flags & ~TIMER_ABSTIME))
		error = (int)syscall_refuse_flags(NR_clock_nanosleep, (uint64_t)flags);
	if (error == 0 && denied)
		error = -EPERM;
	return error != 0 ? error : do_sleep(clock, flags & TIMER_ABSTIME, ns, remaining);
}
SYSCALL(clock_nanosleep);

static long sys_restart_syscall(void)
{
	struct restart_block r = process_thread_current()->restart;

	process_thread_current()->restart.again = nullptr;
	return r.again != nullptr ? r.again(&r) : -EINTR;
}
SYSCALL(restart_syscall);
