/* SPDX-License-Identifier: MIT */
/* eventfd(2): a counter that is read, written and polled as a file. */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <kernel/file/eventfd.h>
#include <kernel/file/poll.h>

enum : uint32_t { EFD_SEMAPHORE = 1 };
enum : uint64_t { COUNT_MAX = UINT64_MAX - 1 };

struct eventfd {
	struct spinlock lock;
	uint64_t count; /* changed under lock, read freely */
	bool semaphore;
	struct wait_queue changed;
};

static uint64_t take(struct eventfd *e)
{
	spin_lock(&e->lock);
	uint64_t got = e->semaphore ? MIN(e->count, UINT64_C(1)) : e->count;
	e->count -= got;
	spin_unlock(&e->lock);
	return got;
}

static bool add(struct eventfd *e, uint64_t n)
{
	spin_lock(&e->lock);
	bool room = COUNT_MAX - e->count >= n;
	if (room)
		e->count += n;
	spin_unlock(&e->lock);
	return room;
}

static uint64_t count_now(const struct eventfd *e)
{
	return __atomic_load_n(&e->count, __ATOMIC_ACQUIRE);
}

static long eventfd_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct eventfd *e = f->private_data;
	uint64_t got;

	if (n < sizeof(got))
		return -EINVAL;
	while ((got = take(e)) == 0) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event_interruptible(&e->changed, count_now(e) > 0);
		if (error != 0)
			return error;
	}
	wait_wake_all(&e->changed);
	return io_copy_out(buf, 0, &got, sizeof(got)) == sizeof(got) ? (long)sizeof(got) : -EFAULT;
}

static long eventfd_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct eventfd *e = f->private_data;
	uint64_t value;

	if (n < sizeof(value))
		return -EINVAL;
	if (io_copy_in(&value, buf, 0, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	while (!add(e, value)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event_interruptible(&e->changed, COUNT_MAX - count_now(e) >= value);
		if (error != 0)
			return error;
	}
	wait_wake_all(&e->changed);
	return (long)sizeof(value);
}

static uint32_t eventfd_poll(struct file *f, struct poll_table *table)
{
	struct eventfd *e = f->private_data;

	poll_watch(table, &e->changed);
	uint64_t count = count_now(e);
	return (count > 0 ? POLLIN | POLLRDNORM : 0) | (count < COUNT_MAX ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->private_data);
}

static const struct file_ops eventfd_ops = {
	.component = &component_vfs,
	.read = eventfd_read,
	.write = eventfd_write,
	.seek = file_seek_nowhere,
	.poll = eventfd_poll,
	.release = eventfd_release,
};

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_ops;
}

void eventfd_signal(struct file *f)
{
	struct eventfd *e = f->private_data;

	(void)add(e, 1);
	wait_wake_all(&e->changed);
}

static long sys_eventfd2(uint32_t initial, uint32_t flags)
{
	struct file *f;

	if (flags & ~(uint32_t)(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return syscall_refuse_flags(NR_eventfd2, flags);
	struct eventfd *e = kmalloc(sizeof(*e));
	if (e == nullptr)
		return -ENOMEM;
	spin_init(&e->lock, RANK_WAIT - 1);
	wait_queue_init(&e->changed);
	e->count = initial;
	e->semaphore = flags & EFD_SEMAPHORE;
	int error = file_create(&eventfd_ops, e, O_RDWR | (flags & O_NONBLOCK), "anon_inode:[eventfd]", &f);
	if (error != 0) {
		kfree(e);
		return error;
	}
	int fd = file_install(f, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(eventfd2);

static long sys_eventfd(uint32_t initial)
{
	return sys_eventfd2(initial, 0);
}
SYSCALL_LEGACY(eventfd);
