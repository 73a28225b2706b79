/* SPDX-License-Identifier: MIT */
/*
 * Waiting for children: wait4(2), waitid(2) (POSIX.1-2017 wait(), waitid(); Linux's __WALL,
 * __WCLONE, __WNOTHREAD).
 *
 * A caller sleeps on its process's child_wait, which is woken whenever a child ends, stops or
 * continues. Children are looked at under process_tree_lock; what is found is taken there and
 * copied out after the lock is dropped.
 */
#include "core.h"
#include "internal.h"
#include <abi/fcntl.h>
#include <kernel/base/fault_point.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

enum : uint32_t {
	WNOHANG = 1,
	WUNTRACED = 2,
	WEXITED = 4,
	WCONTINUED = 8,
	WNOWAIT = 0x01000000,
	WNOTHREAD = 0x20000000,
	WALL = 0x40000000,
	WCLONE = 0x80000000,
	WAIT4_KNOWN = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE,
	WAITID_KNOWN = WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | WNOTHREAD | WALL | WCLONE,
};
enum wait_kind : int { P_ALL = 0, P_PID = 1, P_PGID = 2, P_PIDFD = 3 };

struct wait_request {
	enum wait_kind kind;
	uint32_t id, options;
	const struct process *process; /* P_PIDFD */
	/* what was found */
	bool found;
	uint32_t pid, uid;
	int32_t status, code;
	struct process_usage usage;
	struct process *reaped;
};

static bool matches(const struct wait_request *r, const struct process *child)
{
	if (child->stillborn)
		return false;
	if (r->kind == P_PID && child->pid != r->id)
		return false;
	if (r->kind == P_PGID && child->pgid != r->id)
		return false;
	if (r->kind == P_PIDFD && child != r->process)
		return false;
	return (r->options & WALL) || (child->exit_signal != SIGCHLD) == !!(r->options & WCLONE);
}

static void found(struct wait_request *r, struct process *child, int32_t code, int32_t status)
{
	r->found = true;
	r->pid = child->pid;
	r->uid = child->cred.uid;
	r->code = code;
	r->status = status;
}

static bool take_zombie(struct wait_request *r, struct process *child) REQUIRES(process_tree_lock)
{
	if (!(r->options & WEXITED) || child->state != PROCESS_ZOMBIE)
		return false;
	found(r, child,
	      !(child->exit_status & 0x7f)	   ? CLD_EXITED
	      : child->exit_status & STATUS_DUMPED ? CLD_DUMPED
						   : CLD_KILLED,
	      child->exit_status);
	r->usage = child->dead_usage;
	process_usage_add(&r->usage, &child->children_usage);
	FAULT_POINT(wait_take);
	if (!(r->options & WNOWAIT)) {
		process_reap_locked(child);
		r->reaped = child;
	}
	return true;
}

static bool take_stopped(struct wait_request *r, struct process *child) REQUIRES(process_tree_lock)
{
	bool taken = false;

	if (child->state >= PROCESS_ZOMBIE)
		return false;
	spin_lock(&child->signal_lock);
	if ((r->options & WUNTRACED) && child->report_stop != 0) {
		found(r, child, CLD_STOPPED, child->report_stop << 8 | 0x7f);
		if (!(r->options & WNOWAIT))
			child->report_stop = 0;
		taken = true;
	} else if ((r->options & WCONTINUED) && child->report_continued) {
		found(r, child, CLD_CONTINUED, 0xffff);
		if (!(r->options & WNOWAIT))
			child->report_continued = false;
		taken = true;
	}
	spin_unlock(&child->signal_lock);
	if (taken)
		process_usage_of_threads(child, &r->usage);
	return taken;
}

/* True: something was found, or there is nothing to wait for (*error = -ECHILD). */
static bool look(struct wait_request *r, long *error)
{
	struct process *p = process_current(), *child;
	bool any = false;

	mutex_lock(&process_tree_lock);
	FAULT_POINT(wait_look);
	list_for_each(child, &p->children, sibling) {
		if (!matches(r, child))
			continue;
		/* Nothing but its end can still be told of a process that has ended. */
		any |= child->state < PROCESS_ZOMBIE || (r->options & WEXITED);
		if (take_zombie(r, child) || take_stopped(r, child))
			break;
	}
	mutex_unlock(&process_tree_lock);
	*error = any ? 0 : -ECHILD;
	return r->found || !any;
}

static long wait_for(struct wait_request *r)
{
	struct process *p = process_current();
	long error = 0;

	if (r->options & WNOHANG) {
		(void)look(r, &error);
	} else {
		int interrupted = wait_event_interruptible(&p->child_wait, look(r, &error));
		if (interrupted != 0)
			error = interrupted;
	}
	FAULT_POINT(wait_reaped);
	if (r->reaped != nullptr)
		process_put(r->reaped);
	return error;
}

/* A descriptor that does not block makes the call not block, and says so when there is nothing yet. */
static long wait_for_descriptor(struct wait_request *r)
{
	struct process *p;
	uint32_t flags;

	long error = pidfd_process((int)r->id, &p, &flags);
	if (error != 0)
		return error;
	bool nonblocking = (flags & O_NONBLOCK) && !(r->options & WNOHANG);
	if (nonblocking)
		r->options |= WNOHANG;
	r->process = p;
	error = wait_for(r);
	process_put(p);
	return error == 0 && nonblocking && !r->found ? -EAGAIN : error;
}

static int usage_to_user(user_addr at, const struct process_usage *u)
{
	struct abi_rusage abi;

	if (at.value == 0)
		return 0;
	rusage_fill(&abi, u);
	return put_user(at, abi);
}

static long sys_wait4(int pid, user_addr status_at, uint32_t options, user_addr usage_at)
{
	struct wait_request r = {.kind = P_ALL, .options = options | WEXITED};

	if (options & ~(uint32_t)WAIT4_KNOWN)
		return syscall_refuse_flags(NR_wait4, options & ~(uint32_t)WAIT4_KNOWN);
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid > 0) {
		r.kind = P_PID;
		r.id = (uint32_t)pid;
	} else if (pid != -1) {
		r.kind = P_PGID;
		r.id = pid == 0 ? process_current()->pgid : (uint32_t)-pid;
	}
	long error = wait_for(&r);
	if (error != 0 || !r.found)
		return error;
	FAULT_POINT(wait_copy);
	if (status_at.value != 0 && put_user(status_at, r.status) != 0)
		return -EFAULT;
	if (usage_to_user(usage_at, &r.usage) != 0)
		return -EFAULT;
	return r.pid;
}
SYSCALL(wait4);

static int info_to_user(user_addr at, const struct wait_request *r)
{
	struct signal_info info = {};

	if (at.value == 0)
		return 0;
	if (r->found) {
		info.signo = SIGCHLD;
		info.code = r->code;
		info.child.pid = r->pid;
		info.child.uid = r->uid;
		info.child.status = r->code == CLD_EXITED			     ? r->status >> 8 & 0xff
				    : r->code == CLD_KILLED || r->code == CLD_DUMPED ? r->status & 0x7f
				    : r->code == CLD_STOPPED			     ? r->status >> 8
										     : SIGCONT;
	}
	/* Linux writes the fields up to si_status and leaves the rest alone. */
	return copy_to_user(at, &info, offsetof(struct signal_info, child.status) + sizeof(int32_t));
}

static long waitid_request(struct wait_request *r, int kind, int id)
{
	if (r->options & ~(uint32_t)WAITID_KNOWN)
		return syscall_refuse_flags(NR_waitid, r->options & ~(uint32_t)WAITID_KNOWN);
	if (!(r->options & (WEXITED | WUNTRACED | WCONTINUED)))
		return -EINVAL;
	if (kind < P_ALL || kind > P_PIDFD)
		return syscall_refuse_flags(NR_waitid, (uint64_t)kind);
	if ((kind == P_PID && id <= 0) || (kind >= P_PGID && id < 0))
		return -EINVAL;
	if (kind == P_PGID && id == 0)
		r->id = process_current()->pgid;
	return kind == P_PIDFD ? wait_for_descriptor(r) : wait_for(r);
}

/* The information is written, as zeros, also when the call fails. */
static long sys_waitid(int kind, int id, user_addr info_at, uint32_t options, user_addr usage_at)
{
	struct wait_request r = {.kind = (enum wait_kind)kind, .id = (uint32_t)id, .options = options};

	long error = waitid_request(&r, kind, id);
	if (error == -ERESTARTSYS)
		return error;
	if ((r.found && usage_to_user(usage_at, &r.usage) != 0) || info_to_user(info_at, &r) != 0)
		return -EFAULT;
	return error;
}
SYSCALL(waitid);
