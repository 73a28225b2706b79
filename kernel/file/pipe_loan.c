/* SPDX-License-Identifier: MIT */
/*
 * What splicing takes out of a pipe (kernel/file/pipe.h): bytes that are written elsewhere from their pages, and of
 * which those that could not be written become the pipe's oldest again. Their places in the ring stay taken meanwhile,
 * so that giving them back cannot fail; other readers go on with what comes behind.
 */
#include "internal.h"
#include "pipe_ring.h"

#include <abi/signal.h>
#include <kernel/base/killable.h>

/* Takes up to n bytes of the oldest buffer, which is not empty; all of it where its rest would have no place beside it:
 * the ring has one more than the pipe's size. */
static size_t take(struct pipe *p, struct pipe_loan *loan, size_t n) REQUIRES(p -> lock)
{
	struct pipe_buffer *b = &p->ring[p->tail], *out = &loan->buffers[loan->count++];
	uint32_t part = p->used + p->lent <= p->slots ? (uint32_t)MIN(n, (size_t)b->length) : b->length;

	*out = *b;
	out->length = part;
	/* What follows it may be somebody else's when it comes back. */
	out->mergeable = false;
	__atomic_store_n(&p->lent, p->lent + 1, __ATOMIC_RELEASE);
	if (part < b->length) {
		page_get(b->page);
		b->offset += part;
		b->length -= part;
	} else {
		p->tail = pipe_place(p, p->tail + 1);
		__atomic_store_n(&p->used, p->used - 1, __ATOMIC_RELEASE);
	}
	return MIN(n, (size_t)part);
}

long pipe_borrow(struct file *f, struct pipe_loan *loan, size_t n, bool nowait)
{
	struct pipe *p = f->private_data;
	size_t done = 0;

	loan->count = 0;
	while (n > 0) {
		mutex_lock(&p->lock);
		while (done < n && p->used > 0 && loan->count < PIPE_LOAN_MAX)
			done += take(p, loan, n - done);
		bool ended = p->used == 0 && p->lent == 0 && p->writers == 0;
		mutex_unlock(&p->lock);
		if (done > 0 || ended)
			break;
		int error = pipe_await_bytes(f, p, nowait);
		if (error != 0)
			return error;
	}
	return (long)done;
}

/* Becomes the oldest again. */
static void put_first(struct pipe *p, const struct pipe_buffer *b) REQUIRES(p -> lock)
{
	struct pipe_buffer *oldest = &p->ring[p->tail];

	if (p->used > 0 && oldest->page == b->page && oldest->offset == b->offset + b->length) {
		oldest->offset = b->offset;
		oldest->length += b->length;
		page_put(b->page);
		return;
	}
	p->tail = pipe_place(p, p->tail + p->slots);
	p->ring[p->tail] = *b;
	__atomic_store_n(&p->used, p->used + 1, __ATOMIC_RELEASE);
}

void pipe_return(struct file *f, struct pipe_loan *loan, size_t used)
{
	struct pipe *p = f->private_data;
	uint32_t kept = 0;

	for (; kept < loan->count && used >= loan->buffers[kept].length; kept++)
		used -= loan->buffers[kept].length;
	for (uint32_t n = 0; n < kept; n++)
		page_put(loan->buffers[n].page);
	mutex_lock(&p->lock);
	__atomic_store_n(&p->lent, p->lent - loan->count, __ATOMIC_RELEASE);
	for (uint32_t n = loan->count; n-- > kept;) {
		struct pipe_buffer b = loan->buffers[n];

		if (n == kept) {
			b.offset += (uint32_t)used;
			b.length -= (uint32_t)used;
		}
		put_first(p, &b);
	}
	mutex_unlock(&p->lock);
	/* Readers also wait for the end, which a loan puts off. Writers wait for places: a part that joins the rest of
	 * its buffer again gives one back, even if nothing of it was used. */
	wait_wake_all(&p->readable);
	wait_wake_all(&p->writable);
	if (kept > 0)
		async_notify(&p->async, POLL_OUT, FILE_WRITE);
}

static bool is_writable(struct pipe *p)
{
	return !pipe_is_full(p) || __atomic_load_n(&p->readers, __ATOMIC_ACQUIRE) == 0;
}

int pipe_write_all(struct file *f, const void *bytes, size_t n)
{
	struct pipe *p = f->private_data;
	size_t done = 0;

	while (done < n) {
		struct io_buffer buf = {.kernel = (char *)bytes + done, .how = IO_NOWAIT};
		uint64_t pos = 0;
		long part = f->ops->write(f, &buf, n - done, &pos);

		if (part > 0)
			done += (size_t)part;
		else if (part != -EAGAIN)
			return part == 0 ? -EIO : (int)part;
		else if (wait_event_killable(&p->writable, is_writable(p)) != 0)
			return -EINTR;
	}
	return 0;
}
