/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of processes: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2); clone(2) and waitid(2) use them too.
 * One holds a reference to its process, whose id may be another's meanwhile: a process that is reaped is ESRCH. It can
 * be read when the process has ended.
 */
#include "internal.h"
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/file/file.h>
#include <kernel/mem/text.h>
#include <kernel/vm/user.h>

static uint32_t pidfd_poll(struct file *f, struct poll_table *table)
{
	struct process *p = f->private_data;

	poll_watch(table, &p->exit_wait);
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) >= PROCESS_ZOMBIE ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
	process_put(f->private_data);
}

static bool reaped(struct process *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) == PROCESS_DEAD;
}

static void pidfd_show_info(struct file *f, struct text_buffer *b)
{
	struct process *p = f->private_data;
	int pid = reaped(p) ? -1 : (int)p->pid;

	text_printf(b, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_ops = {
	.component = &component_process, .poll = pidfd_poll, .release = pidfd_release, .show_info = pidfd_show_info};

static int make_file(struct process *p, uint32_t flags, struct file **out)
{
	int error = file_create(&pidfd_ops, p, O_RDWR | (flags & O_NONBLOCK), "anon_inode:[pidfd]", out);

	if (error == 0)
		process_get(p);
	return error;
}

long pidfd_create(struct process *p, uint32_t flags)
{
	struct file *f;

	int error = make_file(p, flags, &f);
	if (error != 0)
		return error;
	int fd = file_install(f, true);
	if (fd < 0)
		file_put(f);
	return fd;
}

void pidfd_take_back(struct pidfd_promise *d)
{
	struct pidfd_promise was = *d;

	*d = (struct pidfd_promise){.fd = -1};
	if (was.fd >= 0 && was.file != nullptr)
		file_fill_reserved(was.fd, nullptr);
	else if (was.fd >= 0)
		(void)!file_remove(was.fd, &was.file);
	file_put(was.file);
}

int pidfd_promise(struct process *p, user_addr at, struct pidfd_promise *d)
{
	int error = make_file(p, 0, &d->file);

	if (error != 0)
		return error;
	int fd = file_reserve(true);
	if (fd >= 0) {
		d->fd = fd;
		error = put_user(at, d->fd) == 0 ? 0 : -EFAULT;
	} else {
		error = fd;
	}
	if (error != 0)
		pidfd_take_back(d);
	return error;
}

void pidfd_keep_promise(struct pidfd_promise *d)
{
	struct file *f = d->file;

	if (d->fd < 0)
		return;
	d->file = nullptr;
	file_fill_reserved(d->fd, f);
}

int pidfd_process(int fd, struct process **out, uint32_t *flags)
{
	struct file *f;

	int error = file_lookup(fd, &f);
	if (error != 0)
		return error;
	if (f->ops == &pidfd_ops) {
		*out = f->private_data;
		*flags = f->flags;
		process_get(*out);
	} else {
		error = -EBADF;
	}
	file_put(f);
	return error;
}

static long sys_pidfd_open(int pid, uint32_t flags)
{
	if (flags & ~(uint32_t)O_NONBLOCK)
		return syscall_refuse_flags(NR_pidfd_open, flags);
	if (pid <= 0)
		return -EINVAL;
	struct process *p = process_find((uint32_t)pid);
	if (p == nullptr) {
		/* A thread that leads no process. */
		p = process_find_by_tid((uint32_t)pid);
		if (p == nullptr)
			return -ESRCH;
		process_put(p);
		return -EINVAL;
	}
	long fd = pidfd_create(p, flags);
	process_put(p);
	return fd;
}
SYSCALL(pidfd_open);

/* As rt_sigqueueinfo: codes that say "the kernel" or "kill" only towards oneself. */
static int info_from_user(user_addr at, int signo, const struct process *target, struct signal_info *info)
{
	if (copy_from_user(info, at, sizeof(*info)) != 0)
		return -EFAULT;
	if (info->signo != signo)
		return -EINVAL;
	if ((info->code >= 0 || info->code == SI_TKILL) && target != process_current())
		return -EPERM;
	if (info->code == SI_TIMER)
		info->code = SI_QUEUE;
	return 0;
}

static long sys_pidfd_send_signal(int fd, int signo, user_addr info_at, uint32_t flags)
{
	struct process *p, *self = process_current();
	struct signal_info info = {
		.signo = signo, .code = SI_USER, .sender = {.pid = self->pid, .uid = self->cred.uid}};
	uint32_t file_flags;

	if (flags != 0)
		return syscall_refuse_flags(NR_pidfd_send_signal, flags);
	int error = pidfd_process(fd, &p, &file_flags);
	if (error != 0)
		return error;
	if (info_at.value != 0)
		error = info_from_user(info_at, signo, p, &info);
	if (error == 0 && (signo < 0 || signo > SIGNAL_MAX))
		error = -EINVAL;
	if (error == 0)
		error = reaped(p) ? -ESRCH : signal_send_checked(p, signo, &info);
	process_put(p);
	return error;
}
SYSCALL(pidfd_send_signal);

static long take_file(struct process *p, int fd)
{
	if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) >= PROCESS_ZOMBIE)
		return -ESRCH;
	if (!process_may_inspect_really(p))
		return -EPERM;
	struct file_table *t = process_get_files(p);
	if (t == nullptr)
		return -ESRCH;
	struct file *f = fd >= 0 ? file_table_at(t, fd) : nullptr;
	file_table_put(t);
	/* A set-id program may have been executed in between, and the file be its. */
	if (!process_may_inspect_really(p)) {
		file_put(f);
		return -EPERM;
	}
	if (f == nullptr)
		return -EBADF;
	int installed = file_install(f, true);
	if (installed < 0)
		file_put(f);
	return installed;
}

static long sys_pidfd_getfd(int pidfd, int fd, uint32_t flags)
{
	struct process *p;
	uint32_t file_flags;

	if (flags != 0)
		return syscall_refuse_flags(NR_pidfd_getfd, flags);
	long result = pidfd_process(pidfd, &p, &file_flags);
	if (result != 0)
		return result;
	result = take_file(p, fd);
	process_put(p);
	return result;
}
SYSCALL(pidfd_getfd);
