/* SPDX-License-Identifier: MIT */
/* inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2). */
#include "internal.h"

#include <kernel/base/syscall.h>

static long sys_inotify_init1(uint32_t flags)
{
	struct file *f;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return syscall_refuse_flags(NR_inotify_init1, flags);
	struct inotify *n = kmalloc(sizeof(*n));
	if (n == nullptr)
		return -ENOMEM;
	list_init(&n->events);
	wait_queue_init(&n->changed);
	async_list_init(&n->async);
	n->most = inotify_queue_limit();
	int error = inotify_user_get(&n->user);
	if (error != 0) {
		kfree(n);
		return error;
	}
	error = file_create(&inotify_ops, n, O_RDONLY | (flags & O_NONBLOCK), "anon_inode:inotify", &f);
	if (error != 0) {
		inotify_user_put(n->user);
		kfree(n);
		return error;
	}
	int fd = file_install(f, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(inotify_init1);

static long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}
SYSCALL_LEGACY(inotify_init);

static int instance_get(int fd, struct file_ref *r)
{
	int error = file_ref_get(fd, r);

	if (error == 0 && r->file->ops != &inotify_ops) {
		file_ref_put(*r);
		error = -EINVAL;
	}
	return error;
}

/* Whoever may read it may hear of it. */
static long watch_path(struct inotify *n, user_addr text, uint32_t mask)
{
	struct path p;

	long result = path_lookup_user(AT_FDCWD, text,
				       (mask & IN_DONT_FOLLOW ? 0 : (uint32_t)WALK_FOLLOW) |
					       (mask & IN_ONLYDIR ? (uint32_t)WALK_DIRECTORY : 0),
				       &p);
	if (result != 0)
		return result;
	result = inode_permission(p.dentry->inode, R_OK, false);
	if (result == 0)
		result = inotify_mark(n, p.dentry->inode, mask);
	if (result >= 0)
		watch_settle(p.dentry);
	path_put(&p);
	return result;
}

static long sys_inotify_add_watch(int fd, user_addr text, uint32_t mask)
{
	constexpr uint32_t known = IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR |
				   IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR |
				   IN_ONESHOT;
	struct file_ref r;

	if (mask == 0 || (mask & ~known))
		return syscall_refuse_flags(NR_inotify_add_watch, mask);
	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))
		result = syscall_refuse_flags(NR_inotify_add_watch, mask);
	else if (r.file->ops != &inotify_ops)
		result = -EINVAL;
	else
		result = watch_path(r.file->private_data, text, mask);
	file_ref_put(r);
	return result;
}
SYSCALL(inotify_add_watch);

static long sys_inotify_rm_watch(int fd, int32_t wd)
{
	struct file_ref r;

	int error = instance_get(fd, &r);
	if (error != 0)
		return error;
	error = inotify_unmark(r.file->private_data, wd);
	file_ref_put(r);
	return error;
}
SYSCALL(inotify_rm_watch);
