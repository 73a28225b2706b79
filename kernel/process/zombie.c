/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a process whose last thread has ended: its children go to another parent, its own parent is told, and
 * whoever waits for it reaps it (POSIX.1-2017 _exit(), "Consequences of Process Termination"; prctl(2),
 * PR_SET_CHILD_SUBREAPER).
 *
 * All of it is under process_tree_lock. Each function can be called again after a fault within it: what was done is
 * marked, and what is done twice (leaving a list, waking somebody) does no harm. A process is in its parent's list of
 * children until nothing else is left to do, so that one half reaped is reaped again.
 */
#include "core.h"
#include "internal.h"
#include <kernel/base/fault_point.h>

/* Children go to the nearest ancestor that asked for them, else to PID 1. */
static struct process *reaper_of(struct process *p) REQUIRES(process_tree_lock)
{
	for (struct process *a = p->parent; a != nullptr; a = a->parent) {
		if (a->child_subreaper && a->state < PROCESS_ZOMBIE)
			return a;
	}
	return init_process;
}

/* Whether the parent does not want to wait for it. */
static bool parent_ignores(struct process *p) REQUIRES(process_tree_lock)
{
	if (p->stillborn || p->parent == nullptr)
		return true;
	if (p->exit_signal != SIGCHLD)
		return false;
	struct signal_action a = signal_action_get(p->parent, SIGCHLD);
	return a.handler == SIG_IGN || (a.flags & SA_NOCLDWAIT);
}

void process_reap_locked(struct process *p)
{
	struct process_usage usage = p->dead_usage;

	process_usage_add(&usage, &p->children_usage);
	if (p->parent != nullptr)
		process_usage_add(&p->parent->children_usage, &usage);
	p->dead_usage = p->children_usage = (struct process_usage){};
	FAULT_POINT(wait_ids);
	pid_leave(p);
	struct pid *pid = pid_lookup(p->pid);
	if (pid != nullptr && pid->process == p) {
		pid->process = nullptr;
		pid_release(pid);
	}
	list_remove(&p->all);
	/* Last: as long as the parent has it, it can be reaped again. */
	list_remove(&p->sibling);
	/* Which may go before p does. */
	p->parent = nullptr;
	p->state = PROCESS_DEAD;
}

static void notify_exit_locked(struct process *p) REQUIRES(process_tree_lock)
{
	bool killed = (p->exit_status & 0x7f) != 0;

	if (!p->stillborn)
		signal_notify_parent_locked(p,
					    !killed			     ? CLD_EXITED
					    : p->exit_status & STATUS_DUMPED ? CLD_DUMPED
									     : CLD_KILLED,
					    killed ? p->exit_status & 0x7f : p->exit_status >> 8 & 0xff);
}

static void send_death_signal(struct process *child)
{
	struct thread *t;
	uint32_t signo = 0;

	spin_lock(&child->signal_lock);
	for_each_thread(t, child) {
		if (process_thread_of(t)->parent_death_signal != 0)
			signo = process_thread_of(t)->parent_death_signal;
	}
	spin_unlock(&child->signal_lock);
	if (signo != 0)
		(void)signal_send_process(child, (int)signo);
}

/* One child goes to the reaper. Returns it if it is reaped with that, since nobody will wait for it. */
static struct process *give_child_away(struct process *p, struct process *child) REQUIRES(process_tree_lock)
{
	struct process *reaper = reaper_of(p);
	uint32_t group = child->pgid;

	list_remove(&child->sibling);
	child->parent = reaper;
	__atomic_store_n(&child->parent_pid, reaper != nullptr ? reaper->pid : 0, __ATOMIC_RELAXED);
	if (reaper != nullptr)
		list_push_back(&reaper->children, &child->sibling);
	FAULT_POINT(exit_child_given);
	send_death_signal(child);
	if (child->state == PROCESS_ZOMBIE) {
		child->exit_signal = SIGCHLD;
		bool ignored = parent_ignores(child);
		notify_exit_locked(child);
		if (ignored)
			process_reap_locked(child);
		return ignored ? child : nullptr;
	}
	child->exit_signal = child->exit_signal != 0 ? SIGCHLD : 0;
	if (group != p->pgid && child->sid == p->sid)
		group_signal_if_orphaned_locked(group);
	return nullptr;
}

void process_give_children_away(struct process *p)
{
	mutex_lock(&process_tree_lock);
	while (!list_empty(&p->children)) {
		FAULT_POINT(exit_child);
		struct process *gone = give_child_away(p, list_first(&p->children, struct process, sibling));

		if (gone == nullptr)
			continue;
		mutex_unlock(&process_tree_lock);
		process_put(gone);
		mutex_lock(&process_tree_lock);
	}
	mutex_unlock(&process_tree_lock);
}

/* The group of p is told if p's end made it an orphan. */
static void tell_group(struct process *p) REQUIRES(process_tree_lock)
{
	if (p->told_group)
		return;
	p->told_group = true;
	if (!p->group_was_orphaned && p->parent != nullptr && p->parent->pgid != p->pgid && p->parent->sid == p->sid)
		group_signal_if_orphaned_locked(p->pgid);
}

/* Reaps p if nobody wants to wait for it; then the caller drops the table's reference. */
static bool reap_ignored(struct process *p) REQUIRES(process_tree_lock)
{
	struct process *parent = p->parent;

	if (p->state != PROCESS_ZOMBIE || !parent_ignores(p))
		return false;
	FAULT_POINT(exit_reap);
	process_reap_locked(p);
	/* wait4 of a parent that ignores SIGCHLD ends when the last child is gone. */
	if (parent != nullptr)
		wait_wake_all(&parent->child_wait);
	return true;
}

void process_become_zombie(struct process *p)
{
	mutex_lock(&process_tree_lock);
	FAULT_POINT(exit_zombie);
	if (p->state < PROCESS_ZOMBIE) {
		p->group_was_orphaned = group_orphaned_locked(p->pgid, nullptr);
		p->exit_status = p->exit_code;
		__atomic_store_n(&p->state, PROCESS_ZOMBIE, __ATOMIC_RELEASE);
		wait_wake_all(&p->exit_wait);
	}
	FAULT_POINT(exit_state);
	tell_group(p);
	if (!p->told_parent) {
		FAULT_POINT(exit_tell);
		notify_exit_locked(p);
		p->told_parent = true;
		FAULT_POINT(exit_told);
	}
	bool gone = reap_ignored(p);
	mutex_unlock(&process_tree_lock);
	if (gone)
		process_put(p);
}

void process_settle_zombie(struct process *p)
{
	mutex_lock(&process_tree_lock);
	__atomic_store_n(&p->state, MAX(p->state, PROCESS_ZOMBIE), __ATOMIC_RELEASE);
	wait_wake_all(&p->exit_wait);
	struct process *parent = p->parent;
	if (parent != nullptr && !p->told_parent && !p->stillborn) {
		p->told_parent = true;
		(void)signal_send_process(parent, SIGCHLD);
	}
	if (parent != nullptr)
		wait_wake_all(&parent->child_wait);
	/* A child that was on its way to its new parent when a step faulted. */
	if (init_process != nullptr && init_process != p)
		(void)signal_send_process(init_process, SIGCHLD);
	if (init_process != nullptr)
		wait_wake_all(&init_process->child_wait);
	bool gone = reap_ignored(p);
	mutex_unlock(&process_tree_lock);
	if (gone)
		process_put(p);
}
