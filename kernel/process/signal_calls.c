/* SPDX-License-Identifier: MIT */
/*
 * System calls that send signals: kill(2), tkill(2), tgkill(2), rt_sigqueueinfo(2),
 * rt_tgsigqueueinfo(2), and whom one may signal (POSIX.1-2017 kill(); Linux credentials(7)).
 */
#include "internal.h"
#include <kernel/vm/user.h>
#include <lib/string.h>

/* Asked once the target is known, as Linux does: no such process comes before no such signal. */
static int check_signal(struct process *target, int signo)
{
	struct process *self = process_current();
	const struct credentials *c = &self->cred, *t = &target->cred;

	if (signo < 0 || signo > SIGNAL_MAX)
		return -EINVAL;
	if (c->euid == t->uid || c->euid == t->suid || c->uid == t->uid || c->uid == t->suid || capable(CAP_KILL))
		return 0;
	return signo == SIGCONT && self->sid == target->sid ? 0 : -EPERM;
}

static struct signal_info info_of_sender(int signo, int32_t code)
{
	struct process *self = process_current();

	return (struct signal_info){.signo = signo, .code = code, .sender = {.pid = self->pid, .uid = self->cred.uid}};
}

int signal_send_checked(struct process *p, int signo, const struct signal_info *info)
{
	int error = check_signal(p, signo);

	return error != 0 ? error : signal_send_process_info(p, signo, info);
}

static long kill_one(uint32_t pid, int signo, const struct signal_info *info)
{
	struct process *p = process_find(pid);

	if (p == nullptr)
		p = process_find_by_tid(pid);
	if (p == nullptr)
		return -ESRCH;
	long result = signal_send_checked(p, signo, info);
	process_put(p);
	return result;
}

static long kill_group(uint32_t pgid, int signo, const struct signal_info *info)
{
	struct process *p;
	long result = -ESRCH;
	bool sent = false;

	mutex_lock(&process_tree_lock);
	struct pid *group = pid_lookup(pgid);
	if (group != nullptr) {
		list_for_each(p, &group->group, group_link) {
			long one = signal_send_checked(p, signo, info);
			if (one == 0)
				sent = true;
			else
				result = one;
		}
	}
	mutex_unlock(&process_tree_lock);
	return sent ? 0 : result;
}

static long kill_all(int signo, const struct signal_info *info)
{
	struct process *p, *self = process_current();
	long result = -ESRCH;

	mutex_lock(&process_tree_lock);
	list_for_each(p, &process_all, all) {
		if (p->pid <= 1 || p == self)
			continue;
		long one = signal_send_checked(p, signo, info);
		/* That some may not be signalled is no error: Linux kill(2), "NOTES". */
		if (result == -ESRCH)
			result = 0;
		if (one != -EPERM)
			result = one;
	}
	mutex_unlock(&process_tree_lock);
	return result;
}

static long sys_kill(int pid, int signo)
{
	struct signal_info info = info_of_sender(signo, SI_USER);

	if (pid > 0)
		return kill_one((uint32_t)pid, signo, &info);
	if (pid == 0)
		return kill_group(process_current()->pgid, signo, &info);
	if (pid == -1)
		return kill_all(signo, &info);
	if (pid == INT32_MIN)
		return -ESRCH;
	return kill_group((uint32_t)-pid, signo, &info);
}
SYSCALL(kill);

/* tgid 0: whatever process has the thread. A first thread that has ended can be named until its process is reaped. */
static long send_to_thread(int tgid, int tid, int signo, const struct signal_info *info)
{
	struct process *p = process_find_by_tid((uint32_t)tid);
	long result = -ESRCH;

	if (p == nullptr)
		p = process_find((uint32_t)tid);
	if (p == nullptr)
		return -ESRCH;
	if (tgid == 0 || p->pid == (uint32_t)tgid) {
		result = check_signal(p, signo);
		if (result == 0)
			result = signal_send_thread(p, (uint32_t)tid, signo, info);
		/* It ended meanwhile, or before: nobody is there to take the signal, which is no error. */
		if (result == -ESRCH)
			result = 0;
	}
	process_put(p);
	return result;
}

static long sys_tkill(int tid, int signo)
{
	struct signal_info info = info_of_sender(signo, SI_TKILL);

	if (tid <= 0)
		return -EINVAL;
	return send_to_thread(0, tid, signo, &info);
}
SYSCALL(tkill);

static long sys_tgkill(int tgid, int tid, int signo)
{
	struct signal_info info = info_of_sender(signo, SI_TKILL);

	if (tid <= 0 || tgid <= 0)
		return -EINVAL;
	return send_to_thread(tgid, tid, signo, &info);
}
SYSCALL(tgkill);

static long fetch_info(user_addr at, int signo, struct signal_info *info)
{
	if (copy_from_user(info, at, sizeof(*info)) != 0)
		return -EFAULT;
	info->signo = signo;
	return 0;
}

/* Codes that say "the kernel" or "kill" may be claimed only towards oneself, the calling thread. */
static long check_code(struct signal_info *info, int target)
{
	if ((info->code >= 0 || info->code == SI_TKILL) && (uint32_t)target != thread_current()->tid)
		return -EPERM;
	/* SI_TIMER would be taken for one of the kernel's own entries. */
	if (info->code == SI_TIMER)
		info->code = SI_QUEUE;
	return 0;
}

static long sys_rt_sigqueueinfo(int pid, int signo, user_addr at)
{
	struct signal_info info;
	long result = fetch_info(at, signo, &info);

	if (result == 0)
		result = check_code(&info, pid);
	if (result != 0)
		return result;
	return pid <= 0 ? -ESRCH : kill_one((uint32_t)pid, signo, &info);
}
SYSCALL(rt_sigqueueinfo);

static long sys_rt_tgsigqueueinfo(int tgid, int tid, int signo, user_addr at)
{
	struct signal_info info;

	long result = fetch_info(at, signo, &info);
	if (result == 0)
		result = tid <= 0 || tgid <= 0 ? -EINVAL : check_code(&info, tid);
	if (result != 0)
		return result;
	return send_to_thread(tgid, tid, signo, &info);
}
SYSCALL(rt_tgsigqueueinfo);
