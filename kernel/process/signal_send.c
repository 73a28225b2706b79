/* SPDX-License-Identifier: MIT */
/*
 * Sending signals: what is discarded, who takes it, who is woken (POSIX.1-2017 XSH 2.4.1, Linux
 * signal(7)).
 *
 * A signal for a process is taken by one thread that does not block it; if all block it, it stays
 * pending with the process. One whose default action ends the process does so at once: every thread
 * is marked. Marking a thread sets its signal_flag and its kick mark in the nucleus, both under
 * signal_lock.
 */
#include "core.h"
#include "internal.h"
#include <kernel/base/fault_point.h>
#include <kernel/mem/slab.h>
#include <nucleus/calls.h>

/*
 * The kick first: a thread that sees the flag and ends its sleep must find the mark on its way out, or it would return
 * to its process before the handler runs. One that finds the mark before the flag is set waits for signal_lock
 * (process_event).
 * While the flag is set the mark is, too, or the thread is in process_deliver_pending and looks again before it goes:
 * it is not marked twice, since each mark interrupts its CPU. But a killable wait forgets the mark, so the end is
 * always announced.
 */
void signal_wake(struct process *p, struct thread *t)
{
	uint32_t *flag = &t->signal_flag;

	bool ending = p->group_exit || p->exec_thread != nullptr;

	if (__atomic_load_n(flag, __ATOMIC_RELAXED) != 0 && !ending)
		return;
	(void)nucleus_thread_kick(thread_page_of(t)->handle);
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

void process_group_exit_begin(struct process *p, int32_t status)
{
	struct thread *t;

	if (p->group_exit)
		return;
	p->exit_code = p->dump != nullptr ? p->dump_signal : status;
	__atomic_store_n(&p->group_exit, true, __ATOMIC_RELEASE);
	p->stop_signal = 0;
	p->stop_waiting = 0;
	for_each_thread(t, p) {
		struct process_thread *s = process_thread_of(t);
		s->stop_ordered = false;
		signal_wake(p, t);
		if (s->stopped)
			thread_unpark(t);
	}
	/* A dump in progress gives up. */
	if (p->dump != nullptr)
		wait_wake_all(&p->thread_wait);
}

bool process_must_end(struct process *p)
{
	return subject_must_end(&p->subject);
}

void signal_recalculate_current(struct process *p)
{
	struct process_thread *s = process_thread_current();
	bool needed = ((s->pending.set | p->pending.set) & ~s->blocked) != 0 || s->stop_ordered || s->doomed ||
		      process_must_end(p);

	if (needed) {
		signal_wake(p, thread_current());
	} else if (thread_current()->signal_flag != 0) {
		__atomic_store_n(&thread_current()->signal_flag, 0, __ATOMIC_RELEASE);
		(void)nucleus_thread_clear_kick();
	}
}

void signal_retarget(struct process *p, uint64_t set)
{
	struct thread *t, *self = thread_current();

	set &= p->pending.set;
	if (set == 0)
		return;
	for_each_thread(t, p) {
		struct process_thread *s = process_thread_of(t);
		if (t != self && !s->exiting && (set & ~s->blocked))
			signal_wake(p, t);
	}
}

void signal_set_blocked_current(uint64_t mask)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();

	mask &= ~(uint64_t)SIGNALS_UNBLOCKABLE;
	spin_lock(&p->signal_lock);
	uint64_t newly = mask & ~s->blocked;
	s->blocked = mask;
	signal_retarget(p, newly);
	signal_recalculate_current(p);
	spin_unlock(&p->signal_lock);
}

static bool default_is_fatal(int signo)
{
	return !((SIGNALS_STOP | SIGNALS_DEFAULT_IGNORE) & SIGNAL_BIT(signo));
}

static bool is_ignored(struct process *p, int signo) REQUIRES(p -> signal_lock)
{
	uint64_t handler = signal_action_get(p, signo).handler;

	if (handler == SIG_IGN)
		return true;
	return handler == SIG_DFL && (p->unkillable || (SIGNALS_DEFAULT_IGNORE & SIGNAL_BIT(signo)));
}

/* A stopped thread takes nothing but SIGKILL until it is continued. */
static bool wants(struct thread *t, int signo)
{
	struct process_thread *s = process_thread_of(t);

	return !s->exiting && !(s->blocked & SIGNAL_BIT(signo)) && (signo == SIGKILL || !s->stopped);
}

/* The thread that takes a signal sent to the process: the current one if it can, else any that
 * wants it. */
static struct thread *choose_thread(struct process *p, int signo) REQUIRES(p -> signal_lock)
{
	struct thread *t, *self = thread_current(), *found = nullptr;

	for_each_thread(t, p) {
		if (!wants(t, signo))
			continue;
		if (t == self)
			return t;
		if (found == nullptr)
			found = t;
	}
	return found;
}

/* Sending some signals undoes others (POSIX.1-2017 2.4.1), whether or not they are delivered
 * afterwards. */
static void apply_side_effects(struct process *p, int signo) REQUIRES(p -> signal_lock)
{
	uint64_t flush = 0;
	struct thread *t;

	if (SIGNALS_STOP & SIGNAL_BIT(signo)) {
		flush = SIGNAL_BIT(SIGCONT);
	} else if (signo == SIGCONT) {
		flush = SIGNALS_STOP;
		signal_continue(p);
	}
	if (flush == 0)
		return;
	signal_flush(p, &p->pending, flush);
	for_each_thread(t, p)
		signal_flush(p, &process_thread_of(t)->pending, flush);
}

/* target: the thread it is meant for, nullptr for the process. Takes over e unless it returns
 * false. */
static bool deliver_to(struct process *p, struct thread *target, int signo, struct signal_entry *e)
	REQUIRES(p -> signal_lock)
{
	uint64_t bit = SIGNAL_BIT(signo);

	if (list_empty(&p->threads) || p->group_exit || (p->dump != nullptr && signo != SIGKILL))
		return false;
	apply_side_effects(p, signo);
	struct thread *first = target != nullptr ? target : process_thread_behind(p, nullptr);
	if (first == nullptr || (!(process_thread_of(first)->blocked & bit) && is_ignored(p, signo)))
		return false;
	struct thread *taker = target;
	if (taker == nullptr)
		taker = choose_thread(p, signo);
	else if (!wants(target, signo))
		taker = nullptr;
	if (taker != nullptr && default_is_fatal(signo) && signal_action_get(p, signo).handler == SIG_DFL &&
	    !p->unkillable && !(SIGNALS_DUMP & bit)) {
		process_group_exit_begin(p, signo);
		return false;
	}
	/* First, so that a fault between the two leaves nobody with a signal it does not look for. */
	if (taker != nullptr)
		signal_wake(p, taker);
	FAULT_POINT(signal_queued);
	signal_queue(p, target != nullptr ? &process_thread_of(target)->pending : &p->pending, signo, e);
	if (taker == nullptr)
		wait_wake_all(&p->signal_wait->queue);
	return true;
}

static struct thread *find_thread(struct process *p, uint32_t tid) REQUIRES(p -> signal_lock)
{
	struct thread *t;

	for_each_thread(t, p) {
		if (t->tid == tid)
			return t;
	}
	return nullptr;
}

static int send(struct process *p, uint32_t tid, int signo, const struct signal_info *info)
{
	struct thread *target = nullptr;
	int result = 0;

	if (signo < 1 || signo > SIGNAL_MAX)
		return signo == 0 ? 0 : -EINVAL;
	struct signal_entry *e = signal_entry_create(p, signo, info);
	if (e == nullptr && signo >= SIGRTMIN && info != nullptr && info->code != SI_USER)
		return -EAGAIN;
	spin_lock(&p->signal_lock);
	FAULT_POINT(signal_send);
	if (tid != 0) {
		target = find_thread(p, tid);
		if (target == nullptr)
			result = -ESRCH;
	}
	if (result != 0 || !deliver_to(p, target, signo, e)) {
		if (e != nullptr)
			list_push_back(&p->signal_garbage, &e->link);
	}
	signal_unlock(p);
	return result;
}

int signal_send_process_info(struct process *p, int signo, const struct signal_info *info)
{
	return send(p, 0, signo, info);
}

int signal_send_thread(struct process *p, uint32_t tid, int signo, const struct signal_info *info)
{
	return send(p, tid, signo, info);
}

int signal_send_process(struct process *p, int signo)
{
	return send(p, 0, signo, nullptr);
}

bool signal_send_entry(struct process *p, uint32_t tid, struct signal_entry *e)
{
	bool sent = false;

	spin_lock(&p->signal_lock);
	struct thread *target = tid != 0 ? find_thread(p, tid) : nullptr;
	if (!e->queued && (tid == 0 || target != nullptr))
		sent = deliver_to(p, target, e->info.signo, e);
	signal_unlock(p);
	return sent;
}

int signal_send_group_locked(uint32_t pgid, int signo)
{
	struct pid *group = pid_lookup(pgid);
	struct process *p;

	if (group == nullptr || list_empty(&group->group))
		return -ESRCH;
	list_for_each(p, &group->group, group_link)
		(void)signal_send_process(p, signo);
	return 0;
}

int signal_send_group(uint32_t pgid, int signo)
{
	mutex_lock(&process_tree_lock);
	int result = signal_send_group_locked(pgid, signo);
	mutex_unlock(&process_tree_lock);
	return result;
}

void signal_force_current(const struct signal_info *info)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();
	int signo = info->signo;
	struct signal_entry *e = signal_entry_create(p, signo, info);

	spin_lock(&p->signal_lock);
	struct signal_action a = signal_action_get(p, signo);
	if (a.handler == SIG_IGN || (s->blocked & SIGNAL_BIT(signo))) {
		a.handler = SIG_DFL;
		signal_action_set(p, signo, &a);
		s->blocked &= ~SIGNAL_BIT(signo);
	}
	if (a.handler == SIG_DFL)
		p->unkillable = false;
	signal_queue(p, &s->pending, signo, e);
	signal_wake(p, thread_current());
	signal_unlock(p);
}

void signal_send_current_fault(int signo, int code, uint64_t address)
{
	signal_force_current(&(struct signal_info){.signo = signo, .code = code, .fault.address = address});
}

bool signal_current_ignored_or_blocked(int signo)
{
	struct process *p = process_current();

	if (p == nullptr)
		return false;
	return signal_action_get(p, signo).handler == SIG_IGN ||
	       (process_thread_current()->blocked & SIGNAL_BIT(signo));
}
