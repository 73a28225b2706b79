/* SPDX-License-Identifier: MIT */
/*
 * The ends of a pipe (kernel/file/pipe.h): who has it open, and who waits in open(2) for the other end (fifo(7)). Who
 * keeps the pipe calls attach and detach one after the other.
 */
#include "internal.h"
#include "pipe_ring.h"

#include <abi/signal.h>

struct pipe_arrival pipe_attach(struct pipe *p, struct file *f)
{
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
	return (struct pipe_arrival){.met = (f->mode & FILE_READ ? p->writers : p->readers) > 0,
				     .reader_opens = p->reader_opens,
				     .writer_opens = p->writer_opens};
}

bool pipe_detach(struct pipe *p, struct file *f)
{
	if (f->mode & FILE_READ)
		__atomic_fetch_sub(&p->readers, 1, __ATOMIC_RELEASE);
	if (f->mode & FILE_WRITE)
		__atomic_fetch_sub(&p->writers, 1, __ATOMIC_RELEASE);
	if (--p->files == 0)
		return true;
	wait_wake_all(&p->readable);
	wait_wake_all(&p->writable);
	if ((p->readers == 0) != (p->writers == 0)) {
		async_notify(&p->async, POLL_IN, FILE_READ);
		async_notify(&p->async, POLL_OUT, FILE_WRITE);
	}
	return false;
}

static bool grew(const uint32_t *counter, uint32_t from)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE) != from;
}

int pipe_meet(struct pipe *p, struct file *f, const struct pipe_arrival *a)
{
	wait_wake_all(&p->readable);
	wait_wake_all(&p->writable);
	if (a->met || (f->mode & (FILE_READ | FILE_WRITE)) == (FILE_READ | FILE_WRITE))
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
