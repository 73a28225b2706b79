/* SPDX-License-Identifier: MIT */
/*
 * Pipes and fifos (POSIX.1-2017 pipe, write; pipe(7)): a ring of pages, 16 of them unless F_SETPIPE_SZ says otherwise.
 *
 * No lock is held while bytes pass from or to a process. A writer first brings at most a page into the kernel (small
 * amounts on its stack, larger ones into a page that then joins the ring as it is), so that whatever is at most
 * PIPE_BUF goes in whole. What is less than a page joins the newest page if it fits there, so that a pipe holds as many
 * bytes of small writes as of large ones; a page that somebody else has, too (tee), or that is a packet (O_DIRECT)
 * takes no more. A reader claims bytes under the lock, holds their page by a reference, and copies afterwards. A
 * drained page is kept for the next writer, so that a message to and fro allocates nothing.
 */
#include "internal.h"
#include "pipe_ring.h"

#include <abi/poll.h>
#include <abi/signal.h>
#include <kernel/base/subject.h>

enum : size_t { SMALL = 256 };

/* Nobody else knows it yet, or any more: no lock. */
struct pipe *pipe_create(void) NO_THREAD_SAFETY
{
	struct pipe *p = kmalloc(sizeof(*p));

	if (p == nullptr)
		return nullptr;
	p->uid = subject_current() != nullptr ? subject_current()->cred.uid : 0;
	if (pipe_account_new(p->uid, &p->slots) != 0) {
		kfree(p);
		return nullptr;
	}
	p->ring = kmalloc((p->slots + 1) * sizeof(*p->ring));
	if (p->ring == nullptr) {
		(void)!pipe_account(p->uid, p->slots, 0);
		kfree(p);
		return nullptr;
	}
	mutex_init(&p->lock, RANK_PIPE);
	wait_queue_init(&p->readable);
	wait_queue_init(&p->writable);
	async_list_init(&p->async);
	return p;
}

void pipe_destroy(struct pipe *p) NO_THREAD_SAFETY
{
	for (uint32_t n = 0; n < p->used; n++)
		page_put(p->ring[pipe_place(p, p->tail + n)].page);
	if (p->spare != nullptr)
		page_put(p->spare);
	(void)!pipe_account(p->uid, p->slots, 0);
	kfree(p->ring);
	kfree(p);
}

static inline uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static struct pipe_buffer *newest(struct pipe *p) REQUIRES(p -> lock)
{
	return p->used > 0 ? &p->ring[pipe_place(p, p->tail + p->used - 1)] : nullptr;
}

static void push(struct pipe *p, struct pipe_buffer b) REQUIRES(p -> lock)
{
	p->ring[pipe_place(p, p->tail + p->used)] = b;
	__atomic_store_n(&p->used, p->used + 1, __ATOMIC_RELEASE);
}

/* What came into the kernel: on the stack (page nullptr), or in a page. */
struct piece {
	const void *bytes;
	struct page *page;
	uint32_t length;
	bool apart;  /* joins nothing, nothing joins it */
	bool packet; /* nothing joins it, and a read ends with it */
};

/* Puts the whole piece in, or nothing. -EAGAIN: no room; -ENOMEM: a page is wanted in piece->page first. */
static int put_piece(struct pipe *p, struct piece *piece) REQUIRES(p -> lock)
{
	struct pipe_buffer *b = newest(p);

	if (p->readers == 0)
		return -EPIPE;
	if (b != nullptr && b->mergeable && !piece->apart && b->offset + b->length + piece->length <= PAGE_SIZE) {
		memcpy((char *)page_address(b->page) + b->offset + b->length,
		       piece->bytes != nullptr ? piece->bytes : page_address(piece->page), piece->length);
		b->length += piece->length;
		return 0;
	}
	if (pipe_is_full(p))
		return -EAGAIN;
	if (piece->page == nullptr) {
		piece->page = p->spare;
		p->spare = nullptr;
	}
	if (piece->page == nullptr)
		return -ENOMEM;
	if (piece->bytes != nullptr)
		memcpy(page_address(piece->page), piece->bytes, piece->length);
	push(p, (struct pipe_buffer){.page = piece->page,
				     .length = piece->length,
				     .mergeable = !piece->apart && !piece->packet,
				     .packet = piece->packet});
	piece->page = nullptr;
	return 0;
}

static bool writable(struct pipe *p)
{
	return !pipe_is_full(p) || load(&p->readers) == 0;
}

int pipe_await_room(struct file *f, struct pipe *p, bool nowait)
{
	if (writable(p))
		return 0;
	return nowait || (f->flags & O_NONBLOCK) ? -EAGAIN : wait_event_interruptible(&p->writable, writable(p));
}

/* Waits for room as the file's flags say. */
static int write_piece(struct pipe *p, struct piece *piece, bool may_wait)
{
	int error;

	while (true) {
		mutex_lock(&p->lock);
		error = put_piece(p, piece);
		mutex_unlock(&p->lock);
		if (error == -ENOMEM) {
			piece->page = page_alloc_user(false);
			if (piece->page == nullptr)
				return -ENOMEM;
			continue;
		}
		if (error != -EAGAIN || !may_wait)
			return error;
		async_notify(&p->async, POLL_IN, FILE_READ);
		error = wait_event_interruptible(&p->writable, writable(p));
		if (error != 0)
			return error;
	}
}

/* Of a write that is no multiple of a page the odd part goes first if it fits into the newest page. */
static size_t first_part(struct pipe *p, size_t n)
{
	size_t odd = n % PAGE_SIZE;

	if (n < PAGE_SIZE || odd == 0)
		return MIN(n, (size_t)PAGE_SIZE);
	mutex_lock(&p->lock);
	const struct pipe_buffer *b = newest(p);
	bool fits = b != nullptr && b->mergeable && b->offset + b->length + odd <= PAGE_SIZE;
	mutex_unlock(&p->lock);
	return fits ? odd : PAGE_SIZE;
}

/* Brings the next part of the buffer into the kernel. */
static int fetch_piece(struct piece *piece, void *small, struct io_buffer *buf, size_t done, size_t part)
{
	void *to = small;

	piece->bytes = nullptr;
	piece->page = nullptr;
	piece->length = (uint32_t)part;
	if (part <= SMALL) {
		piece->bytes = small;
	} else {
		piece->page = page_alloc_user(false);
		if (piece->page == nullptr)
			return -ENOMEM;
		to = page_address(piece->page);
	}
	return io_copy_in(to, buf, done, part) == part ? 0 : -EFAULT;
}

long pipe_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct pipe *p = f->private_data;
	unsigned char small[SMALL];
	struct piece piece = {.packet = pipe_packets(f), .apart = buf->how & IO_NO_MERGE};
	size_t done = 0;
	int error = 0;

	while (done < n && error == 0) {
		size_t part = done > 0 || piece.apart ? MIN(n - done, (size_t)PAGE_SIZE) : first_part(p, n);

		error = load(&p->readers) == 0 ? -EPIPE : fetch_piece(&piece, small, buf, done, part);
		if (error == -EPIPE)
			break;
		if (error == 0)
			error = write_piece(p, &piece, io_may_wait(f, buf));
		if (piece.page != nullptr)
			page_put(piece.page);
		if (error == 0) {
			done += piece.length;
			wait_wake_all(&p->readable);
		}
	}
	if (error == -EPIPE)
		(void)subject_raise(SIGPIPE);
	if (done > 0)
		async_notify(&p->async, POLL_IN, FILE_READ);
	return done > 0 ? (long)done : error;
}

/* What a read takes, besides bytes. */
struct claimed {
	struct page *page; /* with a reference */
	uint32_t offset;
	bool packet;	/* it was one, whose rest is dropped, and the read ends with it */
	bool made_room; /* a place is free where none was, at this or an earlier claim */
};

/* Claims up to n bytes of the oldest buffer. 0: the pipe is empty. */
static size_t claim(struct pipe *p, size_t n, struct claimed *c) REQUIRES(p -> lock)
{
	if (p->used == 0)
		return 0;
	struct pipe_buffer *b = &p->ring[p->tail];
	size_t part = MIN(n, (size_t)b->length);
	c->page = b->page;
	c->offset = b->offset;
	c->packet = b->packet;
	b->offset += (uint32_t)part;
	b->length -= (uint32_t)part;
	if (b->length == 0 || b->packet) {
		c->made_room |= pipe_is_full(p);
		p->tail = pipe_place(p, p->tail + 1);
		__atomic_store_n(&p->used, p->used - 1, __ATOMIC_RELEASE);
	} else {
		page_get(b->page);
	}
	return part;
}

/* A page that nobody else holds waits for the next writer. */
static void done_with_page(struct pipe *p, struct page *page)
{
	if (__atomic_load_n(&page->refs, __ATOMIC_ACQUIRE) == 1) {
		mutex_lock(&p->lock);
		if (p->spare == nullptr) {
			p->spare = page;
			page = nullptr;
		}
		mutex_unlock(&p->lock);
	}
	if (page != nullptr)
		page_put(page);
}

/*
 * What was claimed and could not be copied becomes the oldest again; the page's reference is given back with it. Only
 * when several readers fail at once is there no place for it.
 */
static void put_back(struct pipe *p, struct page *page, uint32_t offset, size_t n)
{
	mutex_lock(&p->lock);
	struct pipe_buffer *oldest = &p->ring[p->tail];
	if (p->used > 0 && !oldest->packet && oldest->page == page && oldest->offset == offset + n) {
		oldest->offset = offset;
		oldest->length += (uint32_t)n;
	} else if (p->used + p->lent <= p->slots) {
		p->tail = pipe_place(p, p->tail + p->slots);
		p->ring[p->tail] = (struct pipe_buffer){.page = page, .offset = offset, .length = (uint32_t)n};
		__atomic_store_n(&p->used, p->used + 1, __ATOMIC_RELEASE);
		page = nullptr;
	}
	mutex_unlock(&p->lock);
	if (page != nullptr)
		page_put(page);
	wait_wake_all(&p->readable);
}

static void put_back_small(struct pipe *p, const void *bytes, size_t n)
{
	struct page *page = page_alloc_user(false);

	if (page == nullptr)
		return;
	memcpy(page_address(page), bytes, n);
	put_back(p, page, 0, n);
}

static bool readable(struct pipe *p)
{
	return load(&p->used) > 0 || pipe_has_ended(p);
}

int pipe_await_bytes(struct file *f, struct pipe *p, bool nowait)
{
	if (readable(p))
		return 0;
	return nowait || (f->flags & O_NONBLOCK) ? -EAGAIN : wait_event_interruptible(&p->readable, readable(p));
}

/* A little, the usual case of a message: through the stack, with one visit under the lock. */
static long read_small(struct pipe *p, struct io_buffer *buf, size_t n, bool *made_room)
{
	unsigned char small[SMALL];
	struct page *drained = nullptr;
	struct claimed c = {};
	size_t done = 0;

	mutex_lock(&p->lock);
	while (done < n && !c.packet) {
		size_t part = claim(p, n - done, &c);
		if (part == 0)
			break;
		struct page *page = c.page;
		memcpy(small + done, (char *)page_address(page) + c.offset, part);
		done += part;
		if (p->spare == nullptr && page->refs == 1) {
			p->spare = page;
		} else if (page->refs > 1) {
			page_put(page);
		} else {
			drained = page;
			break; /* one is enough; the rest is read next time round */
		}
	}
	mutex_unlock(&p->lock);
	*made_room = c.made_room;
	if (drained != nullptr)
		page_put(drained);
	size_t moved = io_copy_out(buf, 0, small, done);
	if (moved < done)
		put_back_small(p, small + moved, done - moved);
	return moved > 0 || done == 0 ? (long)moved : -EFAULT;
}

static long read_large(struct pipe *p, struct io_buffer *buf, size_t n, bool *made_room)
{
	struct claimed c = {};
	size_t done = 0;

	while (done < n && !c.packet) {
		mutex_lock(&p->lock);
		size_t part = claim(p, n - done, &c);
		mutex_unlock(&p->lock);
		*made_room = c.made_room;
		if (part == 0)
			break;
		size_t moved = io_copy_out(buf, done, (char *)page_address(c.page) + c.offset, part);
		done += moved;
		if (moved < part) {
			put_back(p, c.page, c.offset + (uint32_t)moved, part - moved);
			return done > 0 ? (long)done : -EFAULT;
		}
		done_with_page(p, c.page);
	}
	return (long)done;
}

long pipe_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct pipe *p = f->private_data;
	bool made_room = false;

	if (n == 0)
		return 0;
	while (true) {
		long done = n <= SMALL ? read_small(p, buf, n, &made_room) : read_large(p, buf, n, &made_room);
		if (done != 0) {
			/* Writers wait only while the ring is full: told for each read of a full one's oldest page they
			 * would all find it so again. Poll waits for any room. */
			if (made_room || p->poll_waiters)
				wait_wake_all(&p->writable);
			if (done > 0)
				async_notify(&p->async, POLL_OUT, FILE_WRITE);
			return done;
		}
		if (pipe_has_ended(p))
			return 0;
		int error = pipe_await_bytes(f, p, buf->how & IO_NOWAIT);
		if (error != 0)
			return error;
	}
}

uint32_t pipe_poll(struct file *f, struct poll_table *table)
{
	struct pipe *p = f->private_data;
	uint32_t mask = 0;

	if (f->mode & FILE_READ) {
		poll_watch(table, &p->readable);
		if (load(&p->used) > 0)
			mask |= POLLIN | POLLRDNORM;
		if (load(&p->writers) == 0 && p->had_writer)
			mask |= POLLHUP;
	}
	if (f->mode & FILE_WRITE) {
		if (table != nullptr)
			p->poll_waiters = true;
		poll_watch(table, &p->writable);
		if (!pipe_is_full(p))
			mask |= POLLOUT | POLLWRNORM;
		if (load(&p->readers) == 0)
			mask |= POLLERR;
	}
	return mask;
}

long pipe_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	enum : uint32_t { FIONREAD = 0x541b };
	struct pipe *p = f->private_data;

	if (command != FIONREAD)
		return -ENOTTY;
	int32_t bytes = 0;
	mutex_lock(&p->lock);
	for (uint32_t n = 0; n < p->used; n++)
		bytes += (int32_t)p->ring[pipe_place(p, p->tail + n)].length;
	mutex_unlock(&p->lock);
	return put_user(USER_ADDR(arg), bytes);
}

long pipe_wait_room(struct file *f, bool nowait)
{
	struct pipe *p = file_is_pipe(f) ? f->private_data : nullptr;

	if (p == nullptr)
		return INT32_MAX;
	int error = pipe_await_room(f, p, nowait);
	if (error != 0)
		return error;
	if (load(&p->readers) == 0) {
		(void)subject_raise(SIGPIPE);
		return -EPIPE;
	}
	uint32_t used = load(&p->used) + load(&p->lent);
	return used < p->slots ? (long)(p->slots - used) * PAGE_SIZE : PAGE_SIZE;
}

struct async_list *pipe_async(struct file *f)
{
	struct pipe *p = f->private_data;

	return &p->async;
}
