/* SPDX-License-Identifier: MIT */
/*
 * The events of an instance, and reading them. Two that follow each other and say the same are one. When there are as
 * many as may wait, one more says that others are lost; so it is when there is no memory for them.
 */
#include "internal.h"

#include <abi/poll.h>
#include <abi/signal.h>
#include <kernel/mem/text.h>

enum : uint32_t { FIONREAD = 0x541b };

/* A name ends with a zero, and with so many that the next event is aligned. */
static uint32_t padded(uint32_t length)
{
	return length != 0 ? (uint32_t)align_up(length + 1, sizeof(struct inotify_event)) : 0;
}

static size_t size_of(const struct queued *q)
{
	return sizeof(q->head) + padded(q->head.len);
}

static bool says_the_same(const struct queued *q, int32_t wd, const struct watch_event *e)
{
	return q->head.wd == wd && q->head.mask == e->what && !(e->what & IN_IGNORED) && q->head.len == e->length &&
	       memcmp(q->name, e->name, e->length) == 0;
}

static void append(struct inotify *n, struct queued *q) REQUIRES(watch_lock)
{
	list_push_back(&n->events, &q->link);
	n->bytes += size_of(q);
	__atomic_store_n(&n->count, n->count + 1, __ATOMIC_RELEASE);
}

static void lose(struct inotify *n) REQUIRES(watch_lock)
{
	if (n->overflowed)
		return;
	n->overflowed = true;
	n->overflow.head = (struct inotify_event){.wd = -1, .mask = IN_Q_OVERFLOW};
	append(n, &n->overflow);
}

void inotify_queue(struct inotify *n, int32_t wd, const struct watch_event *e)
{
	if (n->closing)
		return;
	if (!list_empty(&n->events) && says_the_same(list_entry(n->events.prev, struct queued, link), wd, e))
		return;
	struct queued *q = n->count < n->most ? kmalloc(sizeof(*q) + e->length) : nullptr;
	if (q != nullptr) {
		q->head = (struct inotify_event){wd, e->what, e->cookie, e->length};
		q->name = (char *)(q + 1);
		memcpy(q->name, e->name, e->length);
		append(n, q);
	} else {
		lose(n);
	}
	wait_wake_all(&n->changed);
	async_notify(&n->async, POLL_IN, FILE_READ);
}

/* The first, which is the caller's then; nullptr: there is none. -EINVAL: it needs more than `room`. */
static int take(struct inotify *n, size_t room, struct queued **out)
{
	int error = 0;

	*out = nullptr;
	mutex_lock(&watch_lock);
	if (!list_empty(&n->events)) {
		struct queued *q = list_first(&n->events, struct queued, link);

		if (size_of(q) <= room) {
			list_remove(&q->link);
			n->bytes -= size_of(q);
			__atomic_store_n(&n->count, n->count - 1, __ATOMIC_RELEASE);
			*out = q;
		} else {
			error = -EINVAL;
		}
	}
	mutex_unlock(&watch_lock);
	return error;
}

static void give_back(struct inotify *n, struct queued *q)
{
	if (q != &n->overflow) {
		kfree(q);
		return;
	}
	mutex_lock(&watch_lock);
	n->overflowed = false;
	mutex_unlock(&watch_lock);
}

static bool copy_out(const struct io_buffer *to, size_t at, const struct queued *q)
{
	struct inotify_event head = q->head;
	size_t zeros = padded(q->head.len) - q->head.len;

	head.len = padded(q->head.len);
	if (io_copy_out(to, at, &head, sizeof(head)) != sizeof(head))
		return false;
	at += sizeof(head);
	return io_copy_out(to, at, q->name, q->head.len) == q->head.len &&
	       io_clear_out(to, at + q->head.len, zeros) == zeros;
}

static long inotify_read(struct file *f, struct io_buffer *buf, size_t size, uint64_t *)
{
	struct inotify *n = f->private_data;
	struct queued *q;
	size_t done = 0;

	for (;;) {
		int error = take(n, size - done, &q);
		if (q != nullptr) {
			bool copied = copy_out(buf, done, q);

			if (copied)
				done += size_of(q);
			give_back(n, q);
			if (!copied)
				return -EFAULT;
			continue;
		}
		if (done > 0 || error != 0)
			return done > 0 ? (long)done : error;
		if (!io_may_wait(f, buf))
			return -EAGAIN;
		error = wait_event_interruptible(&n->changed, __atomic_load_n(&n->count, __ATOMIC_ACQUIRE) > 0);
		if (error != 0)
			return error;
	}
}

static uint32_t inotify_poll(struct file *f, struct poll_table *table)
{
	struct inotify *n = f->private_data;

	poll_watch(table, &n->changed);
	return __atomic_load_n(&n->count, __ATOMIC_ACQUIRE) > 0 ? POLLIN | POLLRDNORM : 0;
}

static long inotify_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	struct inotify *n = f->private_data;

	if (command != FIONREAD)
		return -ENOTTY;
	mutex_lock(&watch_lock);
	int32_t bytes = (int32_t)MIN(n->bytes, (uint64_t)INT32_MAX);
	mutex_unlock(&watch_lock);
	return put_user(USER_ADDR(arg), bytes);
}

static struct async_list *inotify_async(struct file *f)
{
	return &((struct inotify *)f->private_data)->async;
}

void inotify_queue_clear(struct inotify *n)
{
	struct queued *q;

	while (take(n, SIZE_MAX, &q) == 0 && q != nullptr)
		give_back(n, q);
}

static void inotify_release(struct file *f)
{
	struct inotify *n = f->private_data;

	inotify_unmark_all(n);
	inotify_queue_clear(n);
	inotify_user_put(n->user);
	kfree(n);
}

const struct file_ops inotify_ops = {
	.component = &component_inotify,
	.read = inotify_read,
	.seek = file_seek_nowhere,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.async = inotify_async,
	.show_info = inotify_show_marks,
	.release = inotify_release,
};
