/* SPDX-License-Identifier: MIT */
/*
 * Who a process is: getpid(2) and its kin, user and group ids (POSIX.1-2017
 * setuid(), setgid(); Linux credentials(7), setresuid(2), setfsuid(2)).
 *
 * The ids that are only read are one load each: they belong to the process and change under
 * process->lock. What that does to capabilities is in credentials.c.
 */
#include "internal.h"
#include <kernel/vm/user.h>

enum : uint32_t { UNCHANGED = UINT32_MAX };

static long sys_getpid(void)
{
	return process_current()->pid;
}
SYSCALL(getpid);

static long sys_gettid(void)
{
	return thread_current()->tid;
}
SYSCALL(gettid);

static long sys_getppid(void)
{
	return __atomic_load_n(&process_current()->parent_pid, __ATOMIC_RELAXED);
}
SYSCALL(getppid);

static long sys_getuid(void)
{
	return process_current()->cred.uid;
}
SYSCALL(getuid);

static long sys_geteuid(void)
{
	return process_current()->cred.euid;
}
SYSCALL(geteuid);

static long sys_getgid(void)
{
	return process_current()->cred.gid;
}
SYSCALL(getgid);

static long sys_getegid(void)
{
	return process_current()->cred.egid;
}
SYSCALL(getegid);

static bool uid_is_mine(const struct credentials *c, uint32_t id)
{
	return id == UNCHANGED || id == c->uid || id == c->euid || id == c->suid;
}

static bool gid_is_mine(const struct credentials *c, uint32_t id)
{
	return id == UNCHANGED || id == c->gid || id == c->egid || id == c->sgid;
}

static void set_id(uint32_t *id, uint32_t value)
{
	if (value != UNCHANGED)
		*id = value;
}

static long change_uids(uint32_t uid, uint32_t euid, uint32_t suid)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	struct credentials old = p->cred;
	set_id(&p->cred.uid, uid);
	set_id(&p->cred.euid, euid);
	set_id(&p->cred.suid, suid);
	p->cred.fsuid = p->cred.euid;
	credentials_uids_changed(&p->cred, &old);
	credentials_after_change(p, &old);
	mutex_unlock(&p->lock);
	return 0;
}

static long change_gids(uint32_t gid, uint32_t egid, uint32_t sgid)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	struct credentials old = p->cred;
	set_id(&p->cred.gid, gid);
	set_id(&p->cred.egid, egid);
	set_id(&p->cred.sgid, sgid);
	p->cred.fsgid = p->cred.egid;
	credentials_after_change(p, &old);
	mutex_unlock(&p->lock);
	return 0;
}

static long sys_setuid(uint32_t uid)
{
	const struct credentials *c = &process_current()->cred;

	if (uid == UNCHANGED)
		return -EINVAL;
	if (capable(CAP_SETUID))
		return change_uids(uid, uid, uid);
	if (uid != c->uid && uid != c->suid)
		return -EPERM;
	return change_uids(UNCHANGED, uid, UNCHANGED);
}
SYSCALL(setuid);

static long sys_setgid(uint32_t gid)
{
	const struct credentials *c = &process_current()->cred;

	if (gid == UNCHANGED)
		return -EINVAL;
	if (capable(CAP_SETGID))
		return change_gids(gid, gid, gid);
	if (gid != c->gid && gid != c->sgid)
		return -EPERM;
	return change_gids(UNCHANGED, gid, UNCHANGED);
}
SYSCALL(setgid);

/* The saved id follows the effective one when the real one is set, or the effective one to another
 * value than the real one. */
static long sys_setreuid(uint32_t uid, uint32_t euid)
{
	const struct credentials *c = &process_current()->cred;

	if (!capable(CAP_SETUID)) {
		if (uid != UNCHANGED && uid != c->uid && uid != c->euid)
			return -EPERM;
		if (!uid_is_mine(c, euid))
			return -EPERM;
	}
	bool save = uid != UNCHANGED || (euid != UNCHANGED && euid != c->uid);
	return change_uids(uid, euid, !save ? UNCHANGED : euid != UNCHANGED ? euid : c->euid);
}
SYSCALL(setreuid);

static long sys_setregid(uint32_t gid, uint32_t egid)
{
	const struct credentials *c = &process_current()->cred;

	if (!capable(CAP_SETGID)) {
		if (gid != UNCHANGED && gid != c->gid && gid != c->egid)
			return -EPERM;
		if (!gid_is_mine(c, egid))
			return -EPERM;
	}
	bool save = gid != UNCHANGED || (egid != UNCHANGED && egid != c->gid);
	return change_gids(gid, egid, !save ? UNCHANGED : egid != UNCHANGED ? egid : c->egid);
}
SYSCALL(setregid);

static long sys_setresuid(uint32_t uid, uint32_t euid, uint32_t suid)
{
	const struct credentials *c = &process_current()->cred;

	if (!capable(CAP_SETUID) && (!uid_is_mine(c, uid) || !uid_is_mine(c, euid) || !uid_is_mine(c, suid)))
		return -EPERM;
	return change_uids(uid, euid, suid);
}
SYSCALL(setresuid);

static long sys_setresgid(uint32_t gid, uint32_t egid, uint32_t sgid)
{
	const struct credentials *c = &process_current()->cred;

	if (!capable(CAP_SETGID) && (!gid_is_mine(c, gid) || !gid_is_mine(c, egid) || !gid_is_mine(c, sgid)))
		return -EPERM;
	return change_gids(gid, egid, sgid);
}
SYSCALL(setresgid);

static long put_three(const uint32_t ids[3], user_addr a, user_addr b, user_addr c)
{
	if (put_user(a, ids[0]) != 0 || put_user(b, ids[1]) != 0 || put_user(c, ids[2]) != 0)
		return -EFAULT;
	return 0;
}

static long sys_getresuid(user_addr a, user_addr b, user_addr c)
{
	const struct credentials *cred = &process_current()->cred;

	return put_three((uint32_t[]){cred->uid, cred->euid, cred->suid}, a, b, c);
}
SYSCALL(getresuid);

static long sys_getresgid(user_addr a, user_addr b, user_addr c)
{
	const struct credentials *cred = &process_current()->cred;

	return put_three((uint32_t[]){cred->gid, cred->egid, cred->sgid}, a, b, c);
}
SYSCALL(getresgid);

/* These two answer with the former id and never with an error. */
static long sys_setfsuid(uint32_t uid)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	struct credentials old = p->cred;
	if (uid != UNCHANGED && (uid_is_mine(&old, uid) || uid == old.fsuid || capable(CAP_SETUID))) {
		p->cred.fsuid = uid;
		credentials_fsuid_changed(&p->cred, old.fsuid);
		credentials_after_change(p, &old);
	}
	mutex_unlock(&p->lock);
	return old.fsuid;
}
SYSCALL(setfsuid);

static long sys_setfsgid(uint32_t gid)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	struct credentials old = p->cred;
	if (gid != UNCHANGED && (gid_is_mine(&old, gid) || gid == old.fsgid || capable(CAP_SETGID))) {
		p->cred.fsgid = gid;
		credentials_after_change(p, &old);
	}
	mutex_unlock(&p->lock);
	return old.fsgid;
}
SYSCALL(setfsgid);
