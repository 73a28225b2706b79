/* SPDX-License-Identifier: MIT */
/*
 * Process groups and sessions: setpgid(2), getpgid(2), setsid(2), getsid(2), orphaned groups, the
 * controlling terminal's part (POSIX.1-2017 XBD 3.269, 3.297, 11.1).
 *
 * A group is orphaned when no member has a parent in another group of the same session: nobody is
 * left who could continue it, so when it has stopped members it gets SIGHUP and SIGCONT.
 */
#include "internal.h"

bool group_orphaned_locked(uint32_t pgid, const struct process *without)
{
	struct pid *group = pid_lookup(pgid);
	struct process *p;

	if (group == nullptr)
		return true;
	list_for_each(p, &group->group, group_link) {
		if (p == without || p->state >= PROCESS_ZOMBIE || p->parent == nullptr || p->parent->pid <= 1)
			continue;
		if (p->parent->pgid != pgid && p->parent->sid == p->sid)
			return false;
	}
	return true;
}

bool group_has_stopped_locked(uint32_t pgid)
{
	struct pid *group = pid_lookup(pgid);
	struct process *p;

	if (group == nullptr)
		return false;
	list_for_each(p, &group->group, group_link) {
		if (p->state == PROCESS_STOPPED)
			return true;
	}
	return false;
}

void group_signal_if_orphaned_locked(uint32_t pgid)
{
	if (!group_has_stopped_locked(pgid) || !group_orphaned_locked(pgid, nullptr))
		return;
	(void)signal_send_group_locked(pgid, SIGHUP);
	(void)signal_send_group_locked(pgid, SIGCONT);
}

bool process_group_orphaned(uint32_t pgid)
{
	mutex_lock(&process_tree_lock);
	bool orphaned = group_orphaned_locked(pgid, nullptr);
	mutex_unlock(&process_tree_lock);
	return orphaned;
}

bool process_group_in_session(uint32_t pgid, uint32_t sid)
{
	bool found = false;

	mutex_lock(&process_tree_lock);
	struct pid *group = pid_lookup(pgid);
	if (group != nullptr && !list_empty(&group->group))
		found = list_first(&group->group, struct process, group_link)->sid == sid;
	mutex_unlock(&process_tree_lock);
	return found;
}

static void (*session_end)(struct tty *tty, uint32_t sid, enum session_loss how); /* set at boot */

void session_set_end(void (*end)(struct tty *tty, uint32_t sid, enum session_loss how))
{
	session_end = end;
}

void session_ends(struct process *leader)
{
	if (session_end != nullptr && leader->tty != nullptr)
		session_end(leader->tty, leader->sid, SESSION_LEADER_ENDS);
}

void session_lost_tty(struct tty *tty, uint32_t sid, uint32_t foreground, enum session_loss how)
{
	struct process *p;

	mutex_lock(&process_tree_lock);
	if (foreground != 0 && how != SESSION_ROBBED) {
		(void)signal_send_group_locked(foreground, SIGHUP);
		if (how != SESSION_LEADER_ENDS)
			(void)signal_send_group_locked(foreground, SIGCONT);
	}
	struct pid *session = pid_lookup(sid);
	if (session != nullptr && how == SESSION_HUNG_UP && session->process != nullptr &&
	    session->process->pgid != foreground) {
		(void)signal_send_process(session->process, SIGHUP);
		(void)signal_send_process(session->process, SIGCONT);
	}
	if (session != nullptr) {
		list_for_each(p, &session->session, session_link) {
			if (p->tty == tty)
				p->tty = nullptr;
		}
	}
	mutex_unlock(&process_tree_lock);
}

/* Whether `target` may be put into group pgid by the current process. */
static long check_setpgid(struct process *self, struct process *target, uint32_t pgid) REQUIRES(process_tree_lock)
{
	if (target == nullptr || (target != self && target->parent != self))
		return -ESRCH;
	if (target != self) {
		if (target->sid != self->sid)
			return -EPERM;
		if (target->has_execed)
			return -EACCES;
	}
	if (target->sid == target->pid)
		return -EPERM;
	if (pgid != target->pid) {
		struct pid *group = pid_lookup(pgid);
		if (group == nullptr || list_empty(&group->group) ||
		    list_first(&group->group, struct process, group_link)->sid != self->sid)
			return -EPERM;
	}
	return 0;
}

static long sys_setpgid(int pid, int pgid)
{
	struct process *self = process_current();

	if ((pgid == 0 ? pid : pgid) < 0)
		return -EINVAL;
	uint32_t id = pid == 0 ? self->pid : (uint32_t)pid;
	uint32_t group = pgid == 0 ? id : (uint32_t)pgid;
	mutex_lock(&process_tree_lock);
	struct pid *entry = pid_lookup(id);
	struct process *target = entry != nullptr ? entry->process : nullptr;
	long result = check_setpgid(self, target, group);
	if (result == 0 && target->pgid != group) {
		uint32_t sid = target->sid;
		pid_leave(target);
		pid_join(target, group, sid);
	}
	mutex_unlock(&process_tree_lock);
	return result;
}
SYSCALL(setpgid);

static long id_of(int pid, bool session)
{
	struct process *p = process_current();

	if (pid == 0)
		return session ? p->sid : p->pgid;
	p = process_find((uint32_t)pid);
	if (p == nullptr)
		p = process_find_by_tid((uint32_t)pid);
	if (p == nullptr)
		return -ESRCH;
	long id = session ? p->sid : p->pgid;
	process_put(p);
	return id;
}

static long sys_getpgid(int pid)
{
	return id_of(pid, false);
}
SYSCALL(getpgid);

static long sys_getsid(int pid)
{
	return id_of(pid, true);
}
SYSCALL(getsid);

static long sys_setsid(void)
{
	struct process *p = process_current();
	long result = p->pid;

	mutex_lock(&process_tree_lock);
	struct pid *entry = pid_lookup(p->pid);
	if (p->pgid == p->pid || !list_empty(&entry->group) || !list_empty(&entry->session)) {
		result = -EPERM;
	} else {
		pid_leave(p);
		pid_join(p, p->pid, p->pid);
		p->tty = nullptr;
	}
	mutex_unlock(&process_tree_lock);
	return result;
}
SYSCALL(setsid);
