/* SPDX-License-Identifier: MIT */
/*
 * pipe(2), opening fifos (fifo(7)), and the size of a pipe (F_SETPIPE_SZ).
 *
 * An anonymous pipe is an inode of a filesystem that is mounted nowhere; a fifo's inode has a pipe while somebody has
 * it open.
 */
#include "pipe.h"

#include "internal.h"
#include "pipe_ring.h"
#include "table.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

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
	sb->ops = &pipefs_super_ops;
	sb->root = inode_create(sb, S_IFDIR | 0555, &no_inode_ops, nullptr);
	return sb->root != nullptr ? 0 : -ENOMEM;
}

static struct filesystem pipefs = {.name = "pipefs", .component = &component_vfs, .fill = pipefs_fill, .single = true};

int pipe_init(void)
{
	pipe_mount = mount_internal(&pipefs);
	return pipe_mount != nullptr ? 0 : -ENOMEM;
}

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

/* Attaches f to the inode's pipe. Inode locked. */
static int attach(struct file *f, struct inode *i)
{
	if (i->pipe == nullptr)
		i->pipe = pipe_create();
	struct pipe *p = i->pipe;
	if (p == nullptr)
		return -ENOMEM;
	f->private_data = p;
	p->files++;
	if (f->mode & FILE_READ) {
		__atomic_fetch_add(&p->readers, 1, __ATOMIC_RELEASE);
		__atomic_fetch_add(&p->reader_opens, 1, __ATOMIC_RELEASE);
	}
	if (f->mode & FILE_WRITE) {
		__atomic_fetch_add(&p->writers, 1, __ATOMIC_RELEASE);
		__atomic_fetch_add(&p->writer_opens, 1, __ATOMIC_RELEASE);
		p->had_writer = true;
	}
	return 0;
}

static bool grew(const uint32_t *counter, uint32_t from)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE) != from;
}

/* What an opener found when it came: the other end may come and go while it is still on its way. */
struct arrival {
	bool met; /* the other end was open */
	uint32_t reader_opens, writer_opens;
};

/* Waits until the other end has been opened, even if it is closed again by then. */
static int wait_for_other(struct file *f, struct pipe *p, const struct arrival *a)
{
	/* An anonymous pipe, opened through /proc, may have lost its other end for good. */
	if (a->met || f->inode->sb == pipe_mount->sb ||
	    (f->mode & (FILE_READ | FILE_WRITE)) == (FILE_READ | FILE_WRITE))
		return 0;
	if (f->mode & FILE_READ) {
		if (f->flags & O_NONBLOCK)
			return 0;
		return wait_event_interruptible(&p->readable, grew(&p->writer_opens, a->writer_opens));
	}
	if (f->flags & O_NONBLOCK)
		return -ENXIO;
	return wait_event_interruptible(&p->writable, grew(&p->reader_opens, a->reader_opens));
}

static int fifo_open(struct file *f)
{
	struct inode *i = f->inode;
	struct arrival a = {};

	mutex_lock(&i->lock);
	int error = attach(f, i);
	struct pipe *p = i->pipe;
	if (error == 0)
		a = (struct arrival){.met = (f->mode & FILE_READ ? p->writers : p->readers) > 0,
				     .reader_opens = p->reader_opens,
				     .writer_opens = p->writer_opens};
	mutex_unlock(&i->lock);
	if (error != 0)
		return error;
	wait_wake_all(&p->readable);
	wait_wake_all(&p->writable);
	error = wait_for_other(f, p, &a);
	if (error != 0)
		pipe_ops.release(f);
	else
		f->ops = &pipe_ops;
	return error;
}

const struct file_ops fifo_ops = {.component = &component_vfs, .open = fifo_open};

static int create_end(struct inode *i, uint32_t flags, struct file **out)
{
	int error = file_create(&pipe_ops, nullptr, flags, "pipe", out);
	if (error != 0)
		return error;
	mutex_lock(&i->lock);
	error = attach(*out, i);
	mutex_unlock(&i->lock);
	if (error != 0) {
		(*out)->ops = &fifo_ops; /* which has nothing to release */
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
	int error = create_end(i, O_RDONLY | (flags & (O_NONBLOCK | O_DIRECT)), &ends[0]);
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

long pipe_get_size(struct file *f)
{
	const struct pipe *p = f->private_data;

	return f->ops == &pipe_ops ? (long)p->slots * PAGE_SIZE : -EBADF;
}

bool pipe_has_bytes(struct file *f)
{
	const struct pipe *p = f->private_data;

	return __atomic_load_n(&p->used, __ATOMIC_ACQUIRE) > 0 || pipe_has_ended(p);
}

long pipe_set_size(struct file *f, uint64_t bytes)
{
	struct pipe *p = f->private_data;
	uint32_t slots = 1;

	if (f->ops != &pipe_ops)
		return -EBADF;
	if (bytes > (uint64_t)INT32_MAX)
		return -EINVAL;
	while ((uint64_t)slots * PAGE_SIZE < bytes)
		slots *= 2;
	uint32_t before = __atomic_load_n(&p->slots, __ATOMIC_RELAXED);
	if (slots > before && (uint64_t)slots * PAGE_SIZE > pipe_max_bytes() && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (slots > PIPE_SLOTS_ROOT)
		return -ENOMEM;
	struct pipe_buffer *ring = kmalloc((slots + 1) * sizeof(*ring));
	if (ring == nullptr)
		return -ENOMEM;
	/* Changes of one pipe's size are made one after the other. */
	mutex_lock(&f->inode->lock);
	before = p->slots;
	int error = pipe_account(p->uid, before, slots);
	if (error != 0) {
		mutex_unlock(&f->inode->lock);
		kfree(ring);
		return error;
	}
	mutex_lock(&p->lock);
	bool fits = p->used + p->lent <= slots;
	if (fits) {
		for (uint32_t n = 0; n < p->used; n++)
			ring[n] = p->ring[pipe_place(p, p->tail + n)];
		struct pipe_buffer *old = p->ring;
		p->ring = ring;
		ring = old;
		p->tail = 0;
		p->slots = slots;
	}
	mutex_unlock(&p->lock);
	if (!fits)
		(void)!pipe_account(p->uid, slots, before);
	mutex_unlock(&f->inode->lock);
	kfree(ring);
	if (!fits)
		return -EBUSY;
	wait_wake_all(&p->writable);
	return (long)slots * PAGE_SIZE;
}
