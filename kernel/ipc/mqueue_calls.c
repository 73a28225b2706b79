/* SPDX-License-Identifier: MIT */
/* mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_getsetattr(2). A queue's name comes without the
 * slash that the C library asks for, and is one of the mqueue filesystem's, mounted or not. */
#include "mqueue.h"

#include <abi/fcntl.h>
#include <abi/stat.h>
#include <kernel/base/subject.h>
#include <kernel/vfs/open.h>

enum : size_t { NAME_BYTES = 4096 };
enum : int64_t { NS_PER_S = 1'000'000'000 };

/* Heap memory, the caller's. */
static int name_from_user(user_addr at, char **out)
{
	char *name = kmalloc(NAME_BYTES);

	if (name == nullptr)
		return -ENOMEM;
	long n = copy_string_from_user(name, at, NAME_BYTES);
	int error = n < 0 ? (int)n : n == 0 ? -ENOENT : 0;
	if (error == 0 && (strchr(name, '/') != nullptr || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
		error = -EACCES;
	if (error != 0)
		kfree(name);
	else
		*out = name;
	return error;
}

static long sys_mq_open(user_addr name_at, uint32_t flags, uint32_t mode, user_addr attributes_at)
{
	struct abi_mq_attr a;
	struct mqueue_size size;
	struct file *f;
	char *name;

	if (attributes_at.value != 0) {
		if (get_user(a, attributes_at) != 0)
			return -EFAULT;
		size = (struct mqueue_size){.messages = a.max_messages, .bytes = a.message_bytes};
	}
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	int error = name_from_user(name_at, &name);
	if (error != 0)
		return error;
	error = file_open_below("mqueue", name, flags & (O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK), mode & S_IALLUGO,
				attributes_at.value != 0 ? &size : nullptr, &f);
	kfree(name);
	if (error != 0)
		return error;
	int fd = file_install(f, true);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(mq_open);

static long sys_mq_unlink(user_addr name_at)
{
	char *name;
	int error = name_from_user(name_at, &name);

	if (error != 0)
		return error;
	error = path_remove_below("mqueue", name);
	kfree(name);
	return error;
}
SYSCALL(mq_unlink);

static int deadline_from_user(user_addr at, struct mqueue_deadline *d)
{
	struct {
		int64_t s, ns;
	} t;

	*d = (struct mqueue_deadline){};
	if (at.value == 0)
		return 0;
	if (get_user(t, at) != 0)
		return -EFAULT;
	if (t.s < 0 || t.ns < 0 || t.ns >= NS_PER_S)
		return -EINVAL;
	d->is_set = t.s < INT64_MAX / NS_PER_S; /* else it is never */
	d->when_ns = d->is_set ? t.s * NS_PER_S + t.ns : 0;
	return 0;
}

/* The queue of a descriptor that was opened for it. -EBADF. */
static int queue_get(int fd, uint32_t mode, struct file_ref *r, struct mqueue **out)
{
	int error = file_ref_get(fd, r);

	if (error != 0)
		return error;
	*out = mqueue_of_file(r->file);
	if (*out != nullptr && (r->file->mode & mode) == mode)
		return 0;
	file_ref_put(*r);
	return -EBADF;
}

static bool may_wait(const struct file *f)
{
	return !(__atomic_load_n(&f->flags, __ATOMIC_RELAXED) & O_NONBLOCK);
}

static int message_from_user(user_addr text, size_t bytes, uint32_t priority, struct mqueue_message **out)
{
	struct mqueue_message *m = kmalloc(sizeof(*m) + bytes);

	if (m == nullptr)
		return -ENOMEM;
	m->priority = priority;
	m->bytes = bytes;
	if (copy_from_user(m->text, text, bytes) != 0) {
		kfree(m);
		return -EFAULT;
	}
	*out = m;
	return 0;
}

static int send(struct mqueue *q, const struct file *f, struct mqueue_message *m, const struct mqueue_deadline *d)
{
	int error = mqueue_send(q, m, may_wait(f), d);

	if (error != 0)
		kfree(m);
	return error;
}

static long sys_mq_timedsend(int fd, user_addr text, uint64_t bytes, uint32_t priority, user_addr timeout)
{
	struct mqueue_deadline d;
	struct mqueue_message *m;
	struct file_ref r;
	struct mqueue *q;

	int error = deadline_from_user(timeout, &d);
	if (error != 0)
		return error;
	if (priority >= MQ_PRIO_MAX)
		return -EINVAL;
	error = queue_get(fd, FILE_WRITE, &r, &q);
	if (error != 0)
		return error;
	error = bytes > (uint64_t)q->most.bytes ? -EMSGSIZE : message_from_user(text, bytes, priority, &m);
	if (error == 0)
		error = send(q, r.file, m, &d);
	file_ref_put(r);
	return error;
}
SYSCALL(mq_timedsend);

/* The message is gone from the queue even if its receiver has no memory there. */
static long message_to_user(struct mqueue_message *m, user_addr text, user_addr priority_at)
{
	long result = (long)m->bytes;

	if ((priority_at.value != 0 && put_user(priority_at, m->priority) != 0) ||
	    copy_to_user(text, m->text, m->bytes) != 0)
		result = -EFAULT;
	kfree(m);
	return result;
}

static long sys_mq_timedreceive(int fd, user_addr text, uint64_t bytes, user_addr priority_at, user_addr timeout)
{
	struct mqueue_deadline d;
	struct mqueue_message *m;
	struct file_ref r;
	struct mqueue *q;

	int error = deadline_from_user(timeout, &d);
	if (error != 0)
		return error;
	error = queue_get(fd, FILE_READ, &r, &q);
	if (error != 0)
		return error;
	error = bytes < (uint64_t)q->most.bytes ? -EMSGSIZE : mqueue_receive(q, may_wait(r.file), &d, &m);
	file_ref_put(r);
	return error != 0 ? error : message_to_user(m, text, priority_at);
}
SYSCALL(mq_timedreceive);

static void set_nonblocking(struct file *f, bool on)
{
	if (on)
		__atomic_fetch_or(&f->flags, (uint32_t)O_NONBLOCK, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&f->flags, ~(uint32_t)O_NONBLOCK, __ATOMIC_RELAXED);
}

static long sys_mq_getsetattr(int fd, user_addr new_at, user_addr old_at)
{
	struct abi_mq_attr new, old = {};
	struct file_ref r;
	struct mqueue *q;

	if (new_at.value != 0 && get_user(new, new_at) != 0)
		return -EFAULT;
	if (new_at.value != 0 && (new.flags & ~(int64_t)O_NONBLOCK))
		return syscall_refuse_flags(NR_mq_getsetattr, (uint64_t)new.flags);
	int error = queue_get(fd, 0, &r, &q);
	if (error != 0)
		return error;
	mutex_lock(&q->lock);
	old = (struct abi_mq_attr){.flags = may_wait(r.file) ? 0 : O_NONBLOCK,
				   .max_messages = q->most.messages,
				   .message_bytes = q->most.bytes,
				   .messages = q->count};
	if (new_at.value != 0)
		set_nonblocking(r.file, new.flags &O_NONBLOCK);
	mutex_unlock(&q->lock);
	file_ref_put(r);
	return old_at.value == 0 ? 0 : put_user(old_at, old);
}
SYSCALL(mq_getsetattr);
