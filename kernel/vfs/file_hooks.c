/* SPDX-License-Identifier: MIT */
/* What closing a file undoes of its inode and its name (kernel/file/file.h). */
#include "internal.h"

#include <kernel/vfs/watch.h>

static void closed(struct file *f, const struct file_table *t)
{
	file_locks_release_owner(f->inode, t);
}

static void forget(struct file *f)
{
	if (f->mode & FILE_OPENED)
		watch_file(f, f->mode & FILE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	if (f->inode != nullptr && (f->mode & FILE_WRITE) && S_ISREG(f->inode->mode)) {
		__atomic_fetch_sub(&f->inode->writers, 1, __ATOMIC_RELAXED);
		mount_writer_put(f->path.mount);
	}
	if (f->path.dentry != nullptr)
		path_put(&f->path);
	else
		inode_put(f->inode);
}

const struct file_hooks vfs_file_hooks = {.closed = closed, .unlock = file_locks_release_file, .forget = forget};
