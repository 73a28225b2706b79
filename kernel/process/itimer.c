/* SPDX-License-Identifier: MIT */
/*
 * Interval timers: setitimer(2), getitimer(2) and what alarm(2) needs (POSIX.1-2017 setitimer()).
 *
 * ITIMER_REAL is a kernel timer. ITIMER_VIRTUAL and ITIMER_PROF measure CPU time, which nobody
 * announces: while one runs, a sampling timer looks at the process's times every SAMPLE_NS, so they
 * fire up to that much late; RLIMIT_CPU (SIGXCPU each second, then SIGKILL) is watched the same
 * way. State is guarded by signal_lock; timers are cancelled without it, because their callbacks
 * take it.
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/vm/user.h>

enum : uint64_t { SAMPLE_NS = 4000000, NS_PER_S = 1000000000, SHORTEST_NS = 100000 };
enum itimer_kind : int { ITIMER_REAL = 0, ITIMER_VIRTUAL = 1, ITIMER_PROF = 2 };
struct abi_itimerval {
	struct abi_timeval interval, value;
};

static void real_expired(struct timer *t)
{
	struct process *p = container_of(t, struct process, real_timer);

	spin_lock(&p->signal_lock);
	uint64_t interval = p->real_interval_ns;
	if (interval != 0 && !p->group_exit) {
		uint64_t next = t->deadline_ns + interval, from = clock_monotonic_ns();

		/* Periods that have passed meanwhile are skipped: their signals could not be told apart. Nor can many
		 * be, and the timer thread serves others too. */
		if (interval < SHORTEST_NS)
			from += SHORTEST_NS - interval;
		if (next <= from)
			next += (from - next) / interval * interval + interval;
		timer_arm(t, next);
	}
	spin_unlock(&p->signal_lock);
	(void)signal_send_process(p, SIGALRM);
}

static bool cpu_due(struct process *p, unsigned which, uint64_t now) REQUIRES(p -> signal_lock)
{
	if (p->cpu_deadline_ns[which] == 0 || now < p->cpu_deadline_ns[which])
		return false;
	if (p->cpu_interval_ns[which] == 0)
		p->cpu_deadline_ns[which] = 0;
	else
		p->cpu_deadline_ns[which] = now + p->cpu_interval_ns[which];
	return true;
}

static bool has_cpu_limit(const struct process *p)
{
	return p->rlimits[RLIMIT_CPU][0] != RLIM_INFINITY || p->rlimits[RLIMIT_CPU][1] != RLIM_INFINITY;
}

static void check_cpu_limit(struct process *p, uint64_t used_ns)
{
	uint64_t seconds = used_ns / NS_PER_S;

	if (seconds >= p->rlimits[RLIMIT_CPU][1]) {
		(void)signal_send_process(p, SIGKILL);
	} else if (seconds >= p->rlimits[RLIMIT_CPU][0] && seconds >= p->next_cpu_warning) {
		p->next_cpu_warning = seconds + 1;
		(void)signal_send_process(p, SIGXCPU);
	}
}

void itimer_watch_limit(struct process *p)
{
	if (!has_cpu_limit(p))
		return;
	spin_lock(&p->signal_lock);
	p->next_cpu_warning = 0;
	if (!p->group_exit)
		timer_arm(&p->cpu_timer, clock_monotonic_ns() + SAMPLE_NS);
	spin_unlock(&p->signal_lock);
}

static void cpu_sampled(struct timer *t)
{
	struct process *p = container_of(t, struct process, cpu_timer);
	struct process_usage u;

	process_usage_of_threads(p, &u);
	if (has_cpu_limit(p))
		check_cpu_limit(p, u.user_ns + u.system_ns);
	spin_lock(&p->signal_lock);
	bool virtual_due = cpu_due(p, 0, u.user_ns), profile_due = cpu_due(p, 1, u.user_ns + u.system_ns);
	if ((p->cpu_deadline_ns[0] != 0 || p->cpu_deadline_ns[1] != 0 || has_cpu_limit(p)) && !p->group_exit)
		timer_arm(t, clock_monotonic_ns() + SAMPLE_NS);
	spin_unlock(&p->signal_lock);
	if (virtual_due)
		(void)signal_send_process(p, SIGVTALRM);
	if (profile_due)
		(void)signal_send_process(p, SIGPROF);
}

void itimer_init(struct process *p)
{
	timer_init(&p->real_timer, real_expired);
	timer_init(&p->cpu_timer, cpu_sampled);
}

/* The process is ending: group_exit is set, so callbacks do not arm again. */
void itimer_stop(struct process *p)
{
	(void)timer_cancel(&p->real_timer);
	(void)timer_cancel(&p->cpu_timer);
}

static uint64_t cpu_now(struct process *p, int which)
{
	struct process_usage u;

	process_usage_of_threads(p, &u);
	return which == ITIMER_VIRTUAL ? u.user_ns : u.user_ns + u.system_ns;
}

static struct abi_timeval to_timeval(uint64_t ns)
{
	/* What is left is never rounded down to "disarmed". */
	uint64_t us = (ns + 999) / 1000;

	return (struct abi_timeval){(int64_t)(us / 1000000), (int64_t)(us % 1000000)};
}

static bool from_timeval(const struct abi_timeval *tv, uint64_t *ns)
{
	if (tv->sec < 0 || tv->usec < 0 || tv->usec >= 1000000)
		return false;
	*ns = (uint64_t)tv->sec > INT64_MAX / NS_PER_S - 1 ? INT64_MAX
							   : (uint64_t)tv->sec * NS_PER_S + (uint64_t)tv->usec * 1000;
	return true;
}

static void get_locked(struct process *p, int which, uint64_t now, uint64_t *left, uint64_t *interval)
	REQUIRES(p -> signal_lock)
{
	uint64_t deadline = 0;

	if (which == ITIMER_REAL) {
		if (p->real_timer.armed)
			deadline = p->real_timer.deadline_ns;
		*interval = p->real_interval_ns;
	} else {
		deadline = p->cpu_deadline_ns[which - 1];
		*interval = p->cpu_interval_ns[which - 1];
	}
	*left = deadline == 0 ? 0 : deadline > now ? deadline - now : 1;
}

void itimer_change(int which, uint64_t value_ns, uint64_t interval_ns, uint64_t *old_left, uint64_t *old_interval)
{
	struct process *p = process_current();
	uint64_t now = which == ITIMER_REAL ? clock_monotonic_ns() : cpu_now(p, which);
	uint64_t deadline = value_ns > INT64_MAX - now ? INT64_MAX : now + value_ns;

	spin_lock(&p->signal_lock);
	get_locked(p, which, now, old_left, old_interval);
	if (which == ITIMER_REAL)
		p->real_interval_ns = 0;
	spin_unlock(&p->signal_lock);
	if (which == ITIMER_REAL)
		(void)timer_cancel(&p->real_timer);
	spin_lock(&p->signal_lock);
	if (which == ITIMER_REAL) {
		p->real_interval_ns = value_ns != 0 ? interval_ns : 0;
		if (value_ns != 0)
			timer_arm(&p->real_timer, deadline);
	} else {
		p->cpu_deadline_ns[which - 1] = value_ns != 0 ? deadline : 0;
		p->cpu_interval_ns[which - 1] = interval_ns;
		if (value_ns != 0)
			timer_arm(&p->cpu_timer, clock_monotonic_ns() + MIN(value_ns, (uint64_t)SAMPLE_NS));
	}
	spin_unlock(&p->signal_lock);
}

static long sys_getitimer(int which, user_addr at)
{
	struct process *p = process_current();
	uint64_t left, interval;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	uint64_t now = which == ITIMER_REAL ? clock_monotonic_ns() : cpu_now(p, which);
	spin_lock(&p->signal_lock);
	get_locked(p, which, now, &left, &interval);
	spin_unlock(&p->signal_lock);
	struct abi_itimerval v = {to_timeval(interval), to_timeval(left)};
	return put_user(at, v);
}
SYSCALL(getitimer);

static long sys_setitimer(int which, user_addr new_at, user_addr old_at)
{
	uint64_t value = 0, interval = 0, old_left, old_interval;
	struct abi_itimerval v = {};

	if (new_at.value != 0 && get_user(v, new_at) != 0)
		return -EFAULT;
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (!from_timeval(&v.value, &value) || !from_timeval(&v.interval, &interval))
		return -EINVAL;
	itimer_change(which, value, interval, &old_left, &old_interval);
	v = (struct abi_itimerval){to_timeval(old_interval), to_timeval(old_left)};
	return old_at.value != 0 ? put_user(old_at, v) : 0;
}
SYSCALL(setitimer);
