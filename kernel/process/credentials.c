/* SPDX-License-Identifier: MIT */
/*
 * What a change of ids or of the program does to capabilities (capabilities(7): "Effect of user ID changes on
 * capabilities", "Transformation of capabilities during execve", "The securebits flags"). Files have no capabilities of
 * their own here: there are no extended attributes.
 */
#include "internal.h"
#include <kernel/vfs/vfs.h>

enum : uint32_t { SETUID_BIT = 04000, SETGID_BIT = 02000, GROUP_EXEC = 010 };
enum : uint32_t { PERSONALITY_CLEARED = 0x0740000 }; /* of set-id programs: no randomising, zero page, exec-by-read */
enum : uint64_t { MOUNT_NOSUID = 2, STACK_LIMIT_SECURE = 8 << 20 };

/* Those that go and come with the filesystem user id 0. */
static constexpr uint64_t file_capabilities =
	CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) |
	CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_MAC_OVERRIDE);

static bool has_root(const struct credentials *c)
{
	return c->uid == 0 || c->euid == 0 || c->suid == 0;
}

void credentials_uids_changed(struct credentials *c, const struct credentials *old)
{
	if (c->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (has_root(old) && !has_root(c)) {
		if (!(c->securebits & SECURE_KEEP_CAPS))
			c->cap_permitted = c->cap_effective = 0;
		c->cap_ambient = 0;
	}
	if (old->euid == 0 && c->euid != 0)
		c->cap_effective = 0;
	if (old->euid != 0 && c->euid == 0)
		c->cap_effective = c->cap_permitted;
}

void credentials_fsuid_changed(struct credentials *c, uint32_t old)
{
	if (c->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (old == 0 && c->fsuid != 0)
		c->cap_effective &= ~file_capabilities;
	if (old != 0 && c->fsuid == 0)
		c->cap_effective |= file_capabilities & c->cap_permitted;
}

bool credentials_hide(const struct credentials *c, const struct credentials *old)
{
	return c->euid != old->euid || c->egid != old->egid || c->fsuid != old->fsuid || c->fsgid != old->fsgid ||
	       (c->cap_permitted & ~old->cap_permitted);
}

void credentials_after_change(struct process *p, const struct credentials *old)
{
	if (!credentials_hide(&p->cred, old))
		return;
	p->dumpable = (uint8_t)__atomic_load_n(&core_of_set_id, __ATOMIC_RELAXED);
	process_thread_current()->parent_death_signal = 0;
}

/* The set-id bits of the file; false: none. */
static bool take_file_ids(struct credentials *c, const struct file *f)
{
	const struct inode *i = f->inode;
	bool user = i->mode & SETUID_BIT, group = (i->mode & (SETGID_BIT | GROUP_EXEC)) == (SETGID_BIT | GROUP_EXEC);

	if (c->no_new_privs || (f->path.mount != nullptr && (f->path.mount->flags & MOUNT_NOSUID)))
		return false;
	if (user)
		c->euid = i->uid;
	if (group)
		c->egid = i->gid;
	return user || group;
}

bool credentials_exec(struct credentials *c, const struct credentials *old, const struct file *f, bool watched,
		      uint32_t *personality)
{
	bool effective = false;

	*c = *old;
	c->cap_permitted = 0;
	if (take_file_ids(c, f))
		*personality &= ~PERSONALITY_CLEARED;
	if (!(c->securebits & SECURE_NOROOT) && (c->uid == 0 || c->euid == 0)) {
		c->cap_permitted = c->cap_inheritable | c->cap_bounding;
		effective = c->euid == 0;
	}
	bool other_ids = c->euid != old->uid || c->egid != old->gid;
	/* Nobody gains who promised not to, or whom others have a hold on; in the second case who may set ids keeps
	 * those of the file. */
	if ((c->no_new_privs || watched) && (other_ids || (c->cap_permitted & ~old->cap_permitted))) {
		if (c->no_new_privs || !(old->cap_effective & CAP_BIT(CAP_SETUID))) {
			c->euid = c->uid;
			c->egid = c->gid;
		}
		c->cap_permitted &= old->cap_permitted;
	}
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	if (other_ids)
		c->cap_ambient = 0;
	c->cap_permitted |= c->cap_ambient;
	c->cap_effective = effective ? c->cap_permitted : c->cap_ambient;
	c->securebits &= ~SECURE_KEEP_CAPS;
	return other_ids || (c->uid != 0 && (effective || (c->cap_permitted & ~c->cap_ambient)));
}

void credentials_exec_secure(struct process *p)
{
	/* A caller's limit must not make a trusted program lay out its memory as in the old days. */
	p->rlimits[RLIMIT_STACK][0] = MIN(p->rlimits[RLIMIT_STACK][0], STACK_LIMIT_SECURE);
	process_thread_current()->parent_death_signal = 0;
}
