/* SPDX-License-Identifier: MIT */
/* chdir(2), fchdir(2), chroot(2): a process chooses its working directory and its root. */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

static int check_directory(const struct path *p)
{
	if (!S_ISDIR(p->dentry->inode->mode))
		return -ENOTDIR;
	return inode_permission(p->dentry->inode, X_OK, false);
}

static long sys_chdir(user_addr text)
{
	struct path p;

	int error = path_lookup_user(AT_FDCWD, text, WALK_FOLLOW | WALK_DIRECTORY, &p);
	if (error != 0)
		return error;
	error = check_directory(&p);
	if (error == 0)
		fs_context_set(subject_current()->fs, p, false);
	else
		path_put(&p);
	return error;
}
SYSCALL(chdir);

static long sys_fchdir(int fd)
{
	struct file_ref r;

	int error = file_ref_get_any(fd, &r);
	if (error != 0)
		return error;
	error = r.file->path.dentry != nullptr ? check_directory(&r.file->path) : -ENOTDIR;
	if (error == 0) {
		path_get(&r.file->path);
		fs_context_set(subject_current()->fs, r.file->path, false);
	}
	file_ref_put(r);
	return error;
}
SYSCALL(fchdir);

static long sys_chroot(user_addr text)
{
	struct path p;

	int error = path_lookup_user(AT_FDCWD, text, WALK_FOLLOW | WALK_DIRECTORY, &p);
	if (error != 0)
		return error;
	error = check_directory(&p);
	if (error == 0)
		error = CAP_CHECK(CAP_SYS_CHROOT);
	if (error == 0)
		fs_context_set(subject_current()->fs, p, true);
	else
		path_put(&p);
	return error;
}
SYSCALL(chroot);
