/* SPDX-License-Identifier: MIT */
/*
 * What keeps users from tricking each other in directories where all may write, and from naming files of others
 * (proc(5): /proc/sys/fs/protected_*). The defaults are those of Debian's kernel.
 */
#include "internal.h"

#include <kernel/base/node.h>
#include <kernel/base/subject.h>

static int32_t symlinks = 1, hardlinks = 1, fifos, regular;

static bool is_mine(const struct inode *i)
{
	return subject_current()->cred.fsuid == i->uid;
}

/* Sticky, and others than the owner of it and of what is in it may put names there. */
static bool all_write(const struct inode *dir)
{
	return (dir->mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH);
}

int protect_follow(const struct inode *dir, const struct inode *link)
{
	if (!__atomic_load_n(&symlinks, __ATOMIC_RELAXED) || subject_current() == nullptr)
		return 0;
	return is_mine(link) || !all_write(dir) || dir->uid == link->uid ? 0 : -EACCES;
}

int protect_link(struct inode *i)
{
	if (!__atomic_load_n(&hardlinks, __ATOMIC_RELAXED) || inode_owner_or_capable(i))
		return 0;
	if (!S_ISREG(i->mode) || (i->mode & S_ISUID) || (i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return inode_permission(i, R_OK | W_OK, false) == 0 ? 0 : -EPERM;
}

int protect_create(const struct inode *dir, const struct inode *i)
{
	int32_t level = S_ISFIFO(i->mode)  ? __atomic_load_n(&fifos, __ATOMIC_RELAXED)
			: S_ISREG(i->mode) ? __atomic_load_n(&regular, __ATOMIC_RELAXED)
					   : 0;

	if (level == 0 || subject_current() == nullptr || !(dir->mode & S_ISVTX) || i->uid == dir->uid || is_mine(i))
		return 0;
	return (dir->mode & S_IWOTH) || (level >= 2 && (dir->mode & S_IWGRP)) ? -EACCES : 0;
}

PROC_KNOB(protected_symlinks, component_vfs, "sys/fs/protected_symlinks", 0600, &symlinks, 0, 1, 0);
PROC_KNOB(protected_hardlinks, component_vfs, "sys/fs/protected_hardlinks", 0600, &hardlinks, 0, 1, 0);
PROC_KNOB(protected_fifos, component_vfs, "sys/fs/protected_fifos", 0600, &fifos, 0, 2, 0);
PROC_KNOB(protected_regular, component_vfs, "sys/fs/protected_regular", 0600, &regular, 0, 2, 0);
