/* SPDX-License-Identifier: MIT */
/*
 * Masks, and waiting for signals: rt_sigprocmask(2), rt_sigpending(2), rt_sigsuspend(2),
 * rt_sigtimedwait(2) (POSIX.1-2017 XSH 2.4).
 *
 * A thread's mask is changed by the thread itself alone, under signal_lock because senders read it.
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

void signal_mask_set_temporary(uint64_t mask)
{
	struct process_thread *s = process_thread_current();

	s->saved_mask = s->blocked;
	s->mask_saved = true;
	signal_set_blocked_current(mask);
}

void signal_mask_restore(void)
{
	struct process_thread *s = process_thread_current();

	if (!s->mask_saved)
		return;
	s->mask_saved = false;
	signal_set_blocked_current(s->saved_mask);
}

static long sys_rt_sigprocmask(int how, user_addr new_set, user_addr old_set, size_t set_size)
{
	struct process_thread *s = process_thread_current();
	uint64_t old = s->blocked, set;

	if (set_size != sizeof(set))
		return -EINVAL;
	if (new_set.value != 0) {
		if (get_user(set, new_set) != 0)
			return -EFAULT;
		if (how == 0)
			set = old | set;
		else if (how == 1)
			set = old & ~set;
		else if (how != 2)
			return -EINVAL;
		signal_set_blocked_current(set);
	}
	if (old_set.value != 0 && put_user(old_set, old) != 0)
		return -EFAULT;
	return 0;
}
SYSCALL(rt_sigprocmask);

uint64_t signal_pending_set_current(void)
{
	struct process *p = process_current();

	spin_lock(&p->signal_lock);
	uint64_t set = p->pending.set | process_thread_current()->pending.set;
	spin_unlock(&p->signal_lock);
	return set;
}

static long sys_rt_sigpending(user_addr at, size_t set_size)
{
	uint64_t set = signal_pending_set_current() & process_thread_current()->blocked;

	if (set_size > sizeof(set))
		return -EINVAL;
	return copy_to_user(at, &set, set_size);
}
SYSCALL(rt_sigpending);

struct shared_wait *signal_wait_current(void)
{
	return process_current()->signal_wait;
}

int signal_take_current(uint64_t mask, struct signal_info *out)
{
	struct process *p = process_current();

	spin_lock(&p->signal_lock);
	int signo = signal_dequeue(p, ~mask | SIGNALS_UNBLOCKABLE, out);
	if (signo != 0)
		signal_recalculate_current(p);
	signal_unlock(p);
	if (signo != 0 && out->code == SI_TIMER)
		posix_timer_delivered(p, out);
	return signo;
}

void signal_wait_any(void)
{
	while (!signal_pending_current())
		(void)thread_park_interruptible(0);
}

static long sys_rt_sigsuspend(user_addr at, size_t set_size)
{
	uint64_t mask;

	if (set_size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, at) != 0)
		return -EFAULT;
	signal_mask_set_temporary(mask);
	signal_wait_any();
	return -ERESTARTNOHAND;
}
SYSCALL(rt_sigsuspend);

static int info_to_user(user_addr at, const struct signal_info *info)
{
	if (copy_to_user(at, info, sizeof(*info)) != 0)
		return -EFAULT;
	return clear_user(user_addr_add(at, sizeof(*info)), SIGINFO_BYTES - sizeof(*info));
}

static long sys_rt_sigtimedwait(user_addr set_at, user_addr info_at, user_addr timeout_at, size_t set_size)
{
	struct process_thread *s = process_thread_current();
	struct process *p = process_current();
	struct signal_info info;
	uint64_t set, timeout = 0, deadline = 0;

	if (set_size != sizeof(set))
		return -EINVAL;
	if (get_user(set, set_at) != 0)
		return -EFAULT;
	set &= ~(uint64_t)SIGNALS_UNBLOCKABLE;
	if (timeout_at.value != 0) {
		int error = timespec_from_user(timeout_at, &timeout);
		if (error != 0)
			return error;
		deadline = clock_deadline(CLOCK_MONOTONIC, clock_monotonic_ns() + timeout);
	}
	int result = 0, signo = signal_take_current(set, &info);
	if (signo == 0 && (timeout_at.value == 0 || timeout != 0)) {
		/* Blocked meanwhile, so that they are kept for us instead of being delivered. */
		uint64_t old = s->blocked;
		signal_set_blocked_current(old | set);
		result = wait_event_interruptible_deadline(&p->signal_wait->queue, signal_pending_set_current() & set,
							   deadline);
		signo = signal_take_current(set, &info);
		signal_set_blocked_current(old);
	}
	if (signo == 0)
		return result == -ERESTARTSYS ? -EINTR : -EAGAIN;
	if (info_at.value != 0 && info_to_user(info_at, &info) != 0)
		return -EFAULT;
	return signo;
}
SYSCALL(rt_sigtimedwait);
