/* SPDX-License-Identifier: MIT */
/*
 * Who a process is: getpid(2) and its kin, user and group ids, supplementary groups (POSIX.1-2017
 * setuid(), setgid(); Linux credentials(7), setresuid(2), setfsuid(2)).
 *
 * The ids that are only read are one load each: they belong to the process and change under
 * process->lock. Losing the user id 0 takes the capabilities away (capabilities(7), "Effect of user
 * ID changes on capabilities").
 */
#include "internal.h"
#include <kernel/user.h>
#include <lib/string.h>

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

static void after_uid_change(struct process *p, const struct credentials *old)
{
	struct credentials *c = &p->cred;
	bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
	bool is_root = c->uid == 0 || c->euid == 0 || c->suid == 0;

	if (was_root && !is_root && !c->keep_caps)
		c->cap_permitted = c->cap_effective = c->cap_ambient = 0;
	if (old->euid == 0 && c->euid != 0)
		c->cap_effective = 0;
	if (old->euid != 0 && c->euid == 0)
		c->cap_effective = c->cap_permitted;
	if (c->euid != old->euid || c->egid != old->egid)
		p->dumpable = false;
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
	after_uid_change(p, &old);
	mutex_unlock(&p->lock);
	return 0;
}

static long change_gids(uint32_t gid, uint32_t egid, uint32_t sgid)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	uint32_t old = p->cred.egid;
	set_id(&p->cred.gid, gid);
	set_id(&p->cred.egid, egid);
	set_id(&p->cred.sgid, sgid);
	p->cred.fsgid = p->cred.egid;
	if (old != p->cred.egid)
		p->dumpable = false;
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
	uint32_t old = p->cred.fsuid;
	if (uid != UNCHANGED && (uid_is_mine(&p->cred, uid) || uid == old || capable(CAP_SETUID)))
		p->cred.fsuid = uid;
	mutex_unlock(&p->lock);
	return old;
}
SYSCALL(setfsuid);

static long sys_setfsgid(uint32_t gid)
{
	struct process *p = process_current();

	mutex_lock(&p->lock);
	uint32_t old = p->cred.fsgid;
	if (gid != UNCHANGED && (gid_is_mine(&p->cred, gid) || gid == old || capable(CAP_SETGID)))
		p->cred.fsgid = gid;
	mutex_unlock(&p->lock);
	return old;
}
SYSCALL(setfsgid);

static long sys_getgroups(int size, user_addr at)
{
	const struct credentials *c = &process_current()->cred;
	uint32_t count = c->group_count;

	if (size < 0)
		return -EINVAL;
	if (size == 0)
		return count;
	if ((uint32_t)size < count)
		return -EINVAL;
	return copy_to_user(at, c->groups, count * sizeof(uint32_t)) != 0 ? -EFAULT : (long)count;
}
SYSCALL(getgroups);

static long sys_setgroups(int size, user_addr at)
{
	struct process *p = process_current();
	uint32_t groups[GROUPS_MAX];

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > GROUPS_MAX)
		return -EINVAL;
	if (copy_from_user(groups, at, (size_t)size * sizeof(uint32_t)) != 0)
		return -EFAULT;
	mutex_lock(&p->lock);
	memcpy(p->cred.groups, groups, (size_t)size * sizeof(uint32_t));
	p->cred.group_count = (uint32_t)size;
	mutex_unlock(&p->lock);
	return 0;
}
SYSCALL(setgroups);
