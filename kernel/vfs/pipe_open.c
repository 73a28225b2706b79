/* SPDX-License-Identifier: MIT */
/*
 * Pipes that inodes have: pipe(2), and opening fifos (fifo(7)).
 *
 * An anonymous pipe is an inode of a filesystem that is mounted nowhere; a fifo's inode has a pipe while somebody has
 * it open.
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/pipe.h>
#include <kernel/file/table.h>

static struct mount *pipe_mount; /* set at boot */
static const struct inode_ops no_inode_ops = {};

static int pipefs_statfs(struct superblock *, struct statfs *out)
{
	out->type = 0x50495045;
	return 0;
}

static const struct super_ops pipefs_super_ops = {.statfs = pipefs_statfs};

static int pipefs_fill(struct superblock *sb, const struct mount_options *)
{
	return superblock_fill_nameless(sb, &pipefs_super_ops);
}

static struct filesystem pipefs = {.name = "pipefs", .component = &component_vfs, .fill = pipefs_fill, .single = true};

int pipe_path(struct file *f, struct path *out)
{
	char text[32];

	if (f->inode == nullptr || f->inode->sb != pipe_mount->sb)
		return -ENXIO;
	int n = snprintf(text, sizeof(text), "pipe:[%llu]", (unsigned long long)f->inode->ino);
	struct name name = name_make(text, (size_t)n);
	inode_get(f->inode);
	out->dentry = dentry_create(f->inode->sb, nullptr, &name, f->inode);
	if (out->dentry == nullptr) {
		inode_put(f->inode);
		return -ENOMEM;
	}
	out->mount = pipe_mount;
	mount_get(pipe_mount);
	return 0;
}

/* The inode's pipe, made if it has none. Inode locked. */
static int attach(struct file *f, struct inode *i, struct pipe_arrival *a)
{
	if (i->pipe == nullptr)
		i->pipe = pipe_create();
	if (i->pipe == nullptr)
		return -ENOMEM;
	*a = pipe_attach(i->pipe, f);
	return 0;
}

static long write_end(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	long done = pipe_write(f, buf, n, pos);

	if (done > 0)
		inode_touch(f->inode, ATTR_MTIME);
	return done;
}

static void release_end(struct file *f)
{
	struct inode *i = f->inode;
	struct pipe *p = f->private_data;

	mutex_lock(&i->lock);
	/* Under the lock: when it is free, whoever closes the last file may free the pipe. */
	bool last = pipe_detach(p, f);
	if (last)
		i->pipe = nullptr;
	mutex_unlock(&i->lock);
	if (last)
		pipe_destroy(p);
}

static const struct file_ops end_ops = {
	.component = &component_vfs,
	.read = pipe_read,
	.write = write_end,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = release_end,
	.async = pipe_async,
};

static int fifo_open(struct file *f)
{
	struct inode *i = f->inode;
	struct pipe_arrival a = {};

	mutex_lock(&i->lock);
	int error = attach(f, i, &a);
	struct pipe *p = i->pipe;
	mutex_unlock(&i->lock);
	if (error != 0)
		return error;
	/* An anonymous pipe, opened through /proc, may have lost its other end for good. */
	a.met |= i->sb == pipe_mount->sb;
	error = pipe_meet(p, f, &a);
	if (error != 0)
		release_end(f);
	else
		f->ops = &end_ops;
	return error;
}

int pipe_init(void)
{
	special_set_fifo_open(fifo_open);
	pipe_mount = mount_internal(&pipefs);
	return pipe_mount != nullptr ? 0 : -ENOMEM;
}

/* Nothing to release. */
static const struct file_ops no_ops = {.component = &component_vfs};

static int create_end(struct inode *i, uint32_t flags, struct file **out)
{
	struct pipe_arrival a;

	int error = file_create(&end_ops, nullptr, flags, "pipe", out);
	if (error != 0)
		return error;
	mutex_lock(&i->lock);
	error = attach(*out, i, &a);
	mutex_unlock(&i->lock);
	if (error != 0) {
		(*out)->ops = &no_ops;
		file_put(*out);
		return error;
	}
	(*out)->inode = i;
	inode_get(i);
	return 0;
}

int file_create_pipe(uint32_t flags, struct file *ends[2])
{
	struct subject *p = subject_current();
	struct inode *i = inode_create(pipe_mount->sb, S_IFIFO | 0600, &no_inode_ops, nullptr);

	if (i == nullptr)
		return -ENOMEM;
	i->uid = p->cred.fsuid;
	i->gid = p->cred.fsgid;
	int error = create_end(i, O_RDONLY | (flags & O_NONBLOCK), &ends[0]);
	if (error == 0) {
		error = create_end(i, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)), &ends[1]);
		if (error != 0)
			file_put(ends[0]);
	}
	inode_put(i);
	return error;
}

static long sys_pipe2(user_addr at, uint32_t flags)
{
	struct file *ends[2];
	int32_t fds[2];

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return syscall_refuse_flags(NR_pipe2, flags);
	int error = file_create_pipe(flags, ends);
	if (error != 0)
		return error;
	fds[0] = file_install(ends[0], flags & O_CLOEXEC);
	if (fds[0] < 0) {
		file_put(ends[0]);
		file_put(ends[1]);
		return fds[0];
	}
	fds[1] = file_install(ends[1], flags & O_CLOEXEC);
	if (fds[1] < 0) {
		file_put(ends[1]);
		(void)file_close(fds[0]);
		return fds[1];
	}
	if (put_user(at, fds) != 0) {
		(void)file_close(fds[0]);
		(void)file_close(fds[1]);
		return -EFAULT;
	}
	return 0;
}
SYSCALL(pipe2);

static long sys_pipe(user_addr at)
{
	return sys_pipe2(at, 0);
}
SYSCALL_LEGACY(pipe);
