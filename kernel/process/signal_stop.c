/* SPDX-License-Identifier: MIT */
/*
 * Job control: stopping and continuing whole processes, and telling the parent (POSIX.1-2017
 * XSH 2.4.1, XBD 11.1.4).
 *
 * A stop is ordered from every thread (stop_ordered); each stops on its way back to the process,
 * and the last one makes the process PROCESS_STOPPED and tells the parent. SIGCONT ends a stop when
 * it is sent, not when it is delivered; one of the threads it wakes tells the parent. A stop signal
 * that was dequeued loses against a SIGCONT that comes before it is acted upon (stop_dequeued).
 */
#include "internal.h"
#include <kernel/base/log.h>

void signal_continue(struct process *p)
{
	struct thread *t;

	p->stop_dequeued = false;
	if (p->stop_signal == 0)
		return;
	if (p->state == PROCESS_STOPPED) {
		p->state = PROCESS_RUNNING;
		p->report_continued = true;
		p->notify_continued = true;
	}
	p->report_stop = 0;
	p->stop_signal = 0;
	p->stop_waiting = 0;
	for_each_thread(t, p) {
		struct process_thread *s = process_thread_of(t);
		s->stop_ordered = false;
		if (s->stopped) {
			s->stopped = false;
			/* Woken threads look again: one of them tells the parent. */
			signal_wake(p, t);
			thread_unpark(t);
		}
	}
}

static void order_stop(struct process *p, int signo) REQUIRES(p -> signal_lock)
{
	struct thread *t;

	p->stop_signal = signo;
	p->stop_waiting = 0;
	p->report_continued = false;
	for_each_thread(t, p) {
		struct process_thread *s = process_thread_of(t);
		if (s->exiting)
			continue;
		s->stop_ordered = true;
		p->stop_waiting++;
		signal_wake(p, t);
	}
}

void signal_stop_deliver(struct process *p, int signo)
{
	if (signo != SIGSTOP && process_group_orphaned(p->pgid))
		return;
	spin_lock(&p->signal_lock);
	if (p->stop_dequeued && !p->group_exit && p->stop_signal == 0)
		order_stop(p, signo);
	p->stop_dequeued = false;
	spin_unlock(&p->signal_lock);
}

static bool one_more_stopped(struct process *p) REQUIRES(p -> signal_lock)
{
	if (p->stop_waiting == 0 || --p->stop_waiting != 0)
		return false;
	p->state = PROCESS_STOPPED;
	p->report_stop = p->stop_signal;
	return true;
}

bool signal_stop_thread_leaves(struct process *p, struct thread *t)
{
	struct process_thread *s = process_thread_of(t);

	if (!s->stop_ordered)
		return false;
	s->stop_ordered = false;
	return one_more_stopped(p);
}

void signal_stop_wait(struct process *p)
{
	struct process_thread *s = process_thread_current();
	bool last = false;
	int signo = 0;

	spin_lock(&p->signal_lock);
	if (s->stop_ordered && !process_must_end(p)) {
		s->stop_ordered = false;
		s->stopped = true;
		signo = p->stop_signal;
		last = one_more_stopped(p);
	}
	spin_unlock(&p->signal_lock);
	if (last)
		signal_notify_stop(p, CLD_STOPPED, signo);
	while (__atomic_load_n(&s->stopped, __ATOMIC_ACQUIRE) && !process_must_end(p))
		(void)thread_park(0);
	spin_lock(&p->signal_lock);
	s->stopped = false;
	bool continued = p->notify_continued;
	p->notify_continued = false;
	spin_unlock(&p->signal_lock);
	if (continued)
		signal_notify_stop(p, CLD_CONTINUED, SIGCONT);
}

/* SIGCHLD (or the exit signal) to the parent and a wake-up of its waiters. */
void signal_notify_parent_locked(struct process *p, int code, int status)
{
	struct process *parent = p->parent;
	struct process_usage usage;
	bool job_control = code == CLD_STOPPED || code == CLD_CONTINUED;
	int signo = job_control ? SIGCHLD : p->exit_signal;

	if (parent == nullptr)
		return;
	process_usage_of_threads(p, &usage);
	struct signal_info info = {
		.signo = signo,
		.code = code,
		.child = {.pid = p->pid,
			  .uid = p->cred.uid,
			  .status = status,
			  .utime = (int64_t)(usage.user_ns / 10000000),
			  .stime = (int64_t)(usage.system_ns / 10000000)},
	};
	if (signo != 0 && !(job_control && (signal_action_get(parent, SIGCHLD).flags & SA_NOCLDSTOP)))
		(void)signal_send_process_info(parent, signo, &info);
	wait_wake_all(&parent->child_wait);
}

void signal_notify_stop(struct process *p, int code, int status)
{
	mutex_lock(&process_tree_lock);
	signal_notify_parent_locked(p, code, status);
	mutex_unlock(&process_tree_lock);
}
