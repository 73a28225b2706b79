/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes (POSIX.1-2017 _exit(), "Consequences of Process Termination";
 * Linux exit(2), exit_group(2)).
 *
 * A thread ends in its own context: by exit(2), or in process_deliver_pending when its process is
 * to end. It gives back what user memory knows of it, leaves its process's list, and the last one
 * takes the process down: timers, files, space, terminal, then, under process_tree_lock, children
 * go to the reaper, groups that became orphans are told, and the parent is told. From then on the
 * process is a zombie until it is waited for.
 */
#include "core.h"
#include "internal.h"
#include <kernel/log.h>
#include <kernel/slab.h>
#include <kernel/tty.h>
#include <kernel/user.h>
#include <nucleus/calls.h>

void process_group_exit_begin(struct process *p, int32_t status)
{
	struct thread *t;

	if (p->group_exit)
		return;
	p->exit_code = p->dump != nullptr ? p->dump_signal : status;
	__atomic_store_n(&p->group_exit, true, __ATOMIC_RELEASE);
	p->stop_signal = 0;
	p->stop_waiting = 0;
	list_for_each(t, &p->threads, process_link) {
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

void process_group_exit(int32_t status)
{
	struct process *p = process_current();

	spin_lock(&p->signal_lock);
	process_group_exit_begin(p, status);
	status = p->exit_code;
	spin_unlock(&p->signal_lock);
	process_thread_end(status);
}

int process_end_other_threads(void)
{
	struct process *p = process_current();
	struct thread *t, *self = thread_current();

	spin_lock(&p->signal_lock);
	if (p->group_exit || p->exec_thread != nullptr) {
		spin_unlock(&p->signal_lock);
		return -EINTR;
	}
	__atomic_store_n(&p->exec_thread, self, __ATOMIC_RELEASE);
	list_for_each(t, &p->threads, process_link) {
		if (t == self)
			continue;
		signal_wake(p, t);
		if (process_thread_of(t)->stopped)
			thread_unpark(t);
	}
	spin_unlock(&p->signal_lock);
	int error = wait_event_killable(&p->thread_wait, __atomic_load_n(&p->thread_count, __ATOMIC_ACQUIRE) == 1);
	if (error == 0 && self->tid != p->pid) {
		/* The process's first thread is gone; whoever executes becomes it (execve(2)). */
		mutex_lock(&process_tree_lock);
		pid_thread_gone(self->tid);
		pid_lookup(p->pid)->thread_of = p;
		self->tid = p->pid;
		mutex_unlock(&process_tree_lock);
		process_publish_name(self);
	}
	__atomic_store_n(&p->exec_thread, nullptr, __ATOMIC_RELEASE);
	return error;
}

void vfork_put(struct vfork *v)
{
	if (__atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(v);
}

void vfork_complete(struct process_thread *s)
{
	struct vfork *v = s->vfork;

	if (v == nullptr)
		return;
	s->vfork = nullptr;
	__atomic_store_n(&v->done, true, __ATOMIC_RELEASE);
	wait_wake_all(&v->wait);
	vfork_put(v);
}

/* Children go to the nearest ancestor that asked for them, else to PID 1 (prctl(2),
 * PR_SET_CHILD_SUBREAPER). */
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
	p->state = PROCESS_DEAD;
	list_remove(&p->sibling);
	list_remove(&p->all);
	pid_leave(p);
	struct pid *pid = pid_lookup(p->pid);
	if (pid != nullptr) {
		pid->process = nullptr;
		pid_release(pid);
	}
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
	list_for_each(t, &child->threads, process_link) {
		if (process_thread_of(t)->parent_death_signal != 0)
			signo = process_thread_of(t)->parent_death_signal;
	}
	spin_unlock(&child->signal_lock);
	if (signo != 0)
		(void)signal_send_process(child, (int)signo);
}

/* Gives p's children to the reaper; those that nobody will wait for are collected in dead. */
static void give_children_away(struct process *p, struct list *dead) REQUIRES(process_tree_lock)
{
	struct process *reaper = reaper_of(p), *child, *tmp;

	list_for_each_safe(child, tmp, &p->children, sibling) {
		uint32_t group = child->pgid;
		list_remove(&child->sibling);
		child->parent = reaper;
		__atomic_store_n(&child->parent_pid, reaper != nullptr ? reaper->pid : 0, __ATOMIC_RELAXED);
		if (reaper != nullptr)
			list_push_back(&reaper->children, &child->sibling);
		send_death_signal(child);
		if (child->state == PROCESS_ZOMBIE) {
			child->exit_signal = SIGCHLD;
			bool ignored = parent_ignores(child);
			notify_exit_locked(child);
			if (ignored) {
				process_reap_locked(child);
				list_push_back(dead, &child->sibling);
			}
			continue;
		}
		child->exit_signal = child->exit_signal != 0 ? SIGCHLD : 0;
		if (group != p->pgid && child->sid == p->sid)
			group_signal_if_orphaned_locked(group);
	}
}

static void become_zombie(struct process *p)
{
	struct list dead = LIST_INIT(dead);
	struct process *child, *tmp;

	mutex_lock(&process_tree_lock);
	give_children_away(p, &dead);
	uint32_t group = p->pgid;
	bool was_orphaned = group_orphaned_locked(group, nullptr);
	p->exit_status = p->exit_code;
	__atomic_store_n(&p->state, PROCESS_ZOMBIE, __ATOMIC_RELEASE);
	if (!was_orphaned && p->parent != nullptr && p->parent->pgid != group && p->parent->sid == p->sid)
		group_signal_if_orphaned_locked(group);
	bool reap = parent_ignores(p);
	notify_exit_locked(p);
	if (reap) {
		struct process *parent = p->parent;
		process_reap_locked(p);
		list_push_back(&dead, &p->sibling);
		/* wait4 of a parent that ignores SIGCHLD ends when the last child is gone. */
		if (parent != nullptr)
			wait_wake_all(&parent->child_wait);
	}
	mutex_unlock(&process_tree_lock);
	list_for_each_safe(child, tmp, &dead, sibling) {
		list_remove(&child->sibling);
		process_put(child);
	}
}

static void release_resources(struct process *p)
{
	mutex_lock(&p->lock);
	struct file_table *files = p->files;
	struct vm_space *space = p->space;
	struct fs_context *fs = p->fs;
	struct file *exe = p->exe;
	p->files = nullptr;
	p->space = nullptr;
	p->fs = nullptr;
	p->exe = nullptr;
	mutex_unlock(&p->lock);
	if (files != nullptr)
		file_table_put(files);
	if (fs != nullptr)
		fs_context_put(fs);
	if (exe != nullptr)
		exe_end(exe);
	if (space != nullptr)
		vm_space_put(space);
}

static void process_end(struct process *p)
{
	if (p == init_process) {
		log_error("process: PID 1 ended with status 0x%x; nothing is left to run", (unsigned)p->exit_code);
		log_settle();
		(void)nucleus_power(POWER_OFF);
	}
	itimer_stop(p);
	posix_timers_destroy(p);
	if (p->space != nullptr) {
		struct vm_stats stats;
		vm_stats(p->space, &stats);
		p->dead_usage.max_resident_pages = MAX(p->dead_usage.max_resident_pages, stats.peak_pages);
	}
	release_resources(p);
	struct tty *tty = p->tty;
	if (p->sid == p->pid && tty != nullptr)
		tty_session_end(tty, p->sid, SESSION_LEADER_ENDS);
	become_zombie(p);
}

void process_leave_image(struct process *p, struct process_thread *s)
{
	user_addr at = USER_ADDR(s->clear_child_tid);
	uint32_t zero = 0;

	if (p->space != nullptr) {
		futex_robust_exit(s);
		/* Nobody waits for it in memory that is going as well; and what was mapped shared keeps its value. */
		bool others = __atomic_load_n(&p->thread_count, __ATOMIC_ACQUIRE) > 1 || vm_space_is_shared(p->space);
		if (at.value != 0 && others && put_user(at, zero) == 0)
			(void)futex_wake_address(at, 1);
	}
	s->clear_child_tid = 0;
	s->robust_list = 0;
}

/* What user memory and waiting parents know of the thread. */
static void settle_user_side(struct process *p, struct process_thread *s)
{
	futex_thread_exit(s);
	process_leave_image(p, s);
	vfork_complete(s);
}

static bool leave_process(struct process *p, struct thread *t, int32_t status)
{
	struct process_thread *s = process_thread_of(t);
	struct process_usage usage;

	process_thread_usage(t, &usage);
	spin_lock(&p->signal_lock);
	process_usage_of_dead(p, &usage);
	list_remove(&t->process_link);
	bool last = __atomic_sub_fetch(&p->thread_count, 1, __ATOMIC_ACQ_REL) == 0;
	signal_flush(p, &s->pending, UINT64_MAX);
	if (last && !p->group_exit) {
		p->exit_code = status;
		p->group_exit = true;
	}
	signal_unlock(p);
	return last;
}

void process_thread_end(int32_t status)
{
	struct thread *t = thread_current();
	struct process *p = t->process;
	struct process_thread *s = process_thread_of(t);

	core_thread_ends(p);
	spin_lock(&p->signal_lock);
	s->exiting = true;
	signal_retarget(p, ~s->blocked);
	bool stopped = signal_stop_thread_leaves(p, t);
	int stop_signal = p->stop_signal;
	spin_unlock(&p->signal_lock);
	if (stopped)
		signal_notify_stop(p, CLD_STOPPED, stop_signal);
	settle_user_side(p, s);
	(void)nucleus_space_use(0);
	mutex_lock(&process_tree_lock);
	pid_thread_gone(t->tid);
	mutex_unlock(&process_tree_lock);
	bool last = leave_process(p, t, status);
	wait_wake_all(&p->thread_wait);
	if (last)
		process_end(p);
	t->process = nullptr;
	process_put(p);
	thread_exit();
}

static long sys_exit(int code)
{
	process_thread_end((code & 0xff) << 8);
}
SYSCALL(exit);

static long sys_exit_group(int code)
{
	process_group_exit((code & 0xff) << 8);
}
SYSCALL(exit_group);
