/* SPDX-License-Identifier: MIT */
/*
 * Controlling terminals and job control (POSIX.1-2017 XBD 11.1.2–11.1.4, XSH 2.11): sessions, the
 * foreground group, SIGTTIN and SIGTTOU, hang-up. A process's `tty` is guarded by
 * process_tree_lock, the terminal's session by its lock, which is taken first.
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <kernel/base/syscall.h>
#include <kernel/process/process.h>
#include <kernel/vm/user.h>

void tty_signal_foreground(struct tty *t, int signo)
{
	uint32_t group = tty_foreground_group(t);

	/* The number outlives the group: it must still be one of this session's. */
	if (group != 0 && process_group_in_session(group, __atomic_load_n(&t->session, __ATOMIC_RELAXED)))
		(void)signal_send_group(group, signo);
}

uint32_t tty_foreground_group(const struct tty *t) NO_THREAD_SAFETY
{
	/* One word; whoever asks (/proc) can only use it as a hint anyway. */
	return __atomic_load_n(&t->foreground, __ATOMIC_RELAXED);
}

static struct tty *current_tty(void)
{
	mutex_lock(&process_tree_lock);
	struct tty *t = process_current()->tty;
	mutex_unlock(&process_tree_lock);
	return t;
}

static void set_current_tty(struct tty *t)
{
	mutex_lock(&process_tree_lock);
	process_current()->tty = t;
	mutex_unlock(&process_tree_lock);
}

int tty_check_foreground(struct tty *t, int signo)
{
	struct process *p = process_current();
	uint32_t group = tty_foreground_group(t);

	if (p == nullptr || group == 0 || group == p->pgid || current_tty() != t)
		return 0;
	if (signal_current_ignored_or_blocked(signo))
		return signo == SIGTTIN ? -EIO : 0;
	if (process_group_orphaned(p->pgid))
		return -EIO;
	(void)signal_send_group(p->pgid, signo);
	return -ERESTARTSYS;
}

/* Makes the terminal the current session leader's. */
static void acquire_locked(struct tty *t) REQUIRES(&t -> lock)
{
	struct process *p = process_current();

	t->session = p->sid;
	t->foreground = p->pgid;
	set_current_tty(t);
}

void tty_acquire_on_open(struct tty *t)
{
	struct process *p = process_current();

	if (p == nullptr || p->pid != p->sid)
		return;
	mutex_lock(&t->lock);
	if (t->session == 0 && current_tty() == nullptr)
		acquire_locked(t);
	mutex_unlock(&t->lock);
}

/* TIOCSCTTY; with steal (and the capability) also from another session. */
static long set_controlling(struct file *f, struct tty *t, bool steal)
{
	struct process *p = process_current();
	struct tty *own = current_tty();
	uint32_t robbed = 0;
	long error = 0;

	if (own == t && p->pid == p->sid)
		return 0;
	if (p->pid != p->sid || own != nullptr)
		return -EPERM;
	if ((f->mode & FILE_READ) == 0 && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&t->lock);
	if (t->session != 0 && t->session != p->sid) {
		if (steal && capable(CAP_SYS_ADMIN))
			robbed = t->session;
		else
			error = -EPERM;
	}
	mutex_unlock(&t->lock);
	if (error < 0)
		return error;
	if (robbed != 0)
		session_lost_tty(t, robbed, 0, SESSION_ROBBED);
	mutex_lock(&t->lock);
	acquire_locked(t);
	mutex_unlock(&t->lock);
	return 0;
}

void tty_session_end(struct tty *t, uint32_t sid, enum session_loss how)
{
	bool hang_up = how == SESSION_HUNG_UP || (how == SESSION_LEADER_ENDS && !t->driver->is_pseudo);

	mutex_lock(&t->lock);
	bool owned = t->session == sid;
	mutex_unlock(&t->lock);
	if (!owned)
		return;
	/* First the signals, while the foreground group is known. */
	session_lost_tty(t, sid, tty_foreground_group(t), how);
	mutex_lock(&t->lock);
	if (t->session == sid) {
		t->session = 0;
		t->foreground = 0;
	}
	mutex_unlock(&t->lock);
	/* On a pseudo-terminal those who stay behind may go on to write until its master closes. */
	if (hang_up)
		tty_hang_up(t);
}

void tty_hang_up_now(struct tty *t)
{
	mutex_lock(&t->lock);
	uint32_t session = t->session;
	mutex_unlock(&t->lock);
	if (session != 0)
		tty_session_end(t, session, SESSION_HUNG_UP);
	else
		tty_hang_up(t);
}

void tty_hang_up_current(void)
{
	struct tty *t = current_tty();

	if (t != nullptr)
		tty_hang_up_now(t);
}

static long give_up_controlling(struct tty *t)
{
	struct process *p = process_current();

	if (current_tty() != t)
		return -ENOTTY;
	if (p->pid == p->sid)
		tty_session_end(t, p->sid, SESSION_GAVE_UP);
	else
		set_current_tty(nullptr);
	return 0;
}

static int is_in_group(void *group, struct process *p)
{
	return p->pgid == *(const uint32_t *)group;
}

static long set_foreground(struct tty *t, user_addr arg)
{
	struct process *p = process_current();
	uint32_t group;
	int error = tty_check_foreground(t, SIGTTOU);

	/* An orphaned group has nobody who could ever let it have the terminal. */
	if (error < 0)
		return error == -EIO ? -ENOTTY : error;
	if (get_user(group, arg) < 0)
		return -EFAULT;
	if (group == 0 || group > INT32_MAX)
		return -EINVAL;
	mutex_lock(&t->lock);
	bool own = t->session == p->sid && current_tty() == t;
	mutex_unlock(&t->lock);
	if (!own)
		return -ENOTTY;
	if (!process_group_in_session(group, p->sid))
		return process_for_each(is_in_group, &group) != 0 ? -EPERM : -ESRCH;
	mutex_lock(&t->lock);
	__atomic_store_n(&t->foreground, group, __ATOMIC_RELAXED);
	mutex_unlock(&t->lock);
	return 0;
}

long tty_job_ioctl(struct file *f, struct tty *t, uint32_t command, uint64_t arg)
{
	user_addr at = USER_ADDR(arg);
	int32_t value;

	switch (command) {
	case TIOCSCTTY: return set_controlling(f, t, arg == 1);
	case TIOCNOTTY: return give_up_controlling(t);
	case TIOCSPGRP: return set_foreground(t, at);
	case TIOCGPGRP:
	case TIOCGSID:
		if (current_tty() != t)
			return -ENOTTY;
		mutex_lock(&t->lock);
		value = (int32_t)(command == TIOCGPGRP ? t->foreground : t->session);
		mutex_unlock(&t->lock);
		return put_user(at, value);
	default: return -ENOTTY;
	}
}

static long sys_vhangup(void)
{
	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	tty_hang_up_current();
	return 0;
}
SYSCALL(vhangup);
