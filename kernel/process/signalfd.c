/* SPDX-License-Identifier: MIT */
/*
 * signalfd4(2): pending signals of the reader, read like a file. Reads take signals of the file's
 * mask from the calling thread and its process; poll watches the calling process's signal_wait
 * queue, which is woken for signals that all threads block. An epoll that a child shares may so watch
 * the child's queue after its end: the queue is counted.
 */
#include "internal.h"
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/file/file.h>
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>

struct signal_file {
	uint64_t mask;
};
struct abi_signalfd_info {
	uint32_t signo;
	int32_t error, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t timer, band, overrun, trap;
	int32_t status, value;
	uint64_t pointer, utime, stime, address;
	uint16_t address_lsb;
	uint8_t padding[46];
};
static_assert(sizeof(struct abi_signalfd_info) == 128);

static void translate(struct abi_signalfd_info *out, const struct signal_info *in)
{
	*out = (struct abi_signalfd_info){.signo = (uint32_t)in->signo, .error = in->error, .code = in->code};
	if (in->code == SI_TIMER) {
		out->timer = (uint32_t)in->timer.timer;
		out->overrun = (uint32_t)in->timer.overrun;
		out->pointer = in->timer.value;
		out->value = (int32_t)in->timer.value;
	} else if (in->signo == SIGCHLD && in->code > 0) {
		out->pid = in->child.pid;
		out->uid = in->child.uid;
		out->status = in->child.status;
		out->utime = (uint64_t)in->child.utime;
		out->stime = (uint64_t)in->child.stime;
	} else if ((SIGNALS_SYNCHRONOUS & SIGNAL_BIT(in->signo)) && in->code > 0) {
		out->address = in->fault.address;
	} else {
		out->pid = in->sender.pid;
		out->uid = in->sender.uid;
		out->pointer = in->sender.value;
		out->value = (int32_t)in->sender.value;
	}
}

static long signal_file_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct signal_file *s = f->private_data;
	struct abi_signalfd_info out;
	struct signal_info info;
	size_t done = 0;

	if (n < sizeof(out))
		return -EINVAL;
	while (n - done >= sizeof(out)) {
		int signo = signal_take_current(s->mask, &info);
		if (signo == 0 && done == 0 && !(f->flags & O_NONBLOCK)) {
			int error = wait_event_interruptible(&signal_wait_current()->queue,
							     (signo = signal_take_current(s->mask, &info)) != 0);
			if (error != 0)
				return error;
		}
		if (signo == 0)
			break;
		translate(&out, &info);
		if (io_copy_out(buf, done, &out, sizeof(out)) != sizeof(out))
			return done != 0 ? (long)done : -EFAULT;
		done += sizeof(out);
	}
	return done != 0 ? (long)done : -EAGAIN;
}

static uint32_t signal_file_poll(struct file *f, struct poll_table *table)
{
	struct signal_file *s = f->private_data;

	poll_watch_shared(table, signal_wait_current());
	return signal_pending_set_current() & s->mask ? POLLIN | POLLRDNORM : 0;
}

static void signal_file_release(struct file *f)
{
	kfree(f->private_data);
}

static const struct file_ops signal_file_ops = {
	.component = &component_process,
	.read = signal_file_read,
	.seek = file_seek_nowhere,
	.poll = signal_file_poll,
	.release = signal_file_release,
};

static long change_mask(int fd, uint64_t mask)
{
	struct file *f;
	int error = file_lookup(fd, &f);

	if (error != 0)
		return error;
	if (f->ops == &signal_file_ops)
		__atomic_store_n(&((struct signal_file *)f->private_data)->mask, mask, __ATOMIC_RELAXED);
	else
		error = -EINVAL;
	file_put(f);
	return error != 0 ? error : fd;
}

long signal_file_make(int fd, user_addr mask_at, size_t size, uint32_t flags)
{
	uint64_t mask;
	struct file *f;

	if (size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, mask_at) != 0)
		return -EFAULT;
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return syscall_refuse_flags(NR_signalfd4, flags);
	mask &= ~(uint64_t)SIGNALS_UNBLOCKABLE;
	if (fd != -1)
		return change_mask(fd, mask);
	struct signal_file *s = kmalloc(sizeof(*s));
	if (s == nullptr)
		return -ENOMEM;
	s->mask = mask;
	int error = file_create(&signal_file_ops, s, O_RDWR | (flags & O_NONBLOCK), "anon_inode:[signalfd]", &f);
	if (error != 0) {
		kfree(s);
		return error;
	}
	fd = file_install(f, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

static long sys_signalfd4(int fd, user_addr mask, size_t size, uint32_t flags)
{
	return signal_file_make(fd, mask, size, flags);
}
SYSCALL(signalfd4);
