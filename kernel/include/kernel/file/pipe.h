/* SPDX-License-Identifier: MIT */
/*
 * Pipes: the ring of bytes, its ends, what fcntl and splice need of them. Who keeps a pipe (an inode of kernel/vfs)
 * makes files its ends, whose operations are these functions and a release that calls pipe_detach.
 */
#ifndef KERNEL_FILE_PIPE_H
#define KERNEL_FILE_PIPE_H

#include <kernel/file/file.h>

struct pipe;
struct pipe *pipe_create(void); /* nullptr: out of memory, or of what its user may have */
void pipe_destroy(struct pipe *p);

/* Operations of an end, whose private data is its pipe. */
long pipe_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
long pipe_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
uint32_t pipe_poll(struct file *f, struct poll_table *table);
long pipe_ioctl(struct file *f, uint32_t command, uint64_t arg);
struct async_list *pipe_async(struct file *f);
static inline bool file_is_pipe(const struct file *f)
{
	return f->ops->read == pipe_read;
}

/* What who opens an end found when he came: the other end may come and go while he is still on his way. */
struct pipe_arrival {
	bool met; /* the other end was open */
	uint32_t reader_opens, writer_opens;
};
/* f becomes an end of p, as its mode says. With pipe_detach of the same pipe one after the other. */
struct pipe_arrival pipe_attach(struct pipe *p, struct file *f);
/* f was an end. True: the last one, and the pipe is to be destroyed. May sleep. */
[[nodiscard]] bool pipe_detach(struct pipe *p, struct file *f);
/* Waits until the other end has been opened, even if it is closed again by then, as f's flags say (fifo(7)). -ENXIO,
 * -ERESTARTSYS. */
[[nodiscard]] int pipe_meet(struct pipe *p, struct file *f, const struct pipe_arrival *a);

long pipe_get_size(struct file *f); /* -EBADF: not a pipe */
long pipe_set_size(struct file *f, uint64_t bytes);
/* Bytes that a write will take at once, after waiting for some as f's flags and nowait say; much for what is no pipe.
 * -EAGAIN, -ERESTARTSYS; -EPIPE after SIGPIPE: nobody reads. */
[[nodiscard]] long pipe_wait_room(struct file *f, bool nowait);
bool pipe_has_bytes(struct file *f); /* f is a pipe's end */

/* Writes all of it to a pipe's end, whatever signals there are but the thread's end. -EPIPE, -EINTR, -ENOMEM. */
[[nodiscard]] int pipe_write_all(struct file *f, const void *bytes, size_t n);

/* Bytes lent by a pipe: whole or parts of its buffers, in order. */
enum : unsigned { PIPE_LOAN_MAX = 16 };
struct pipe_buffer {
	struct page *page; /* a reference */
	uint32_t offset, length;
	bool mergeable; /* later bytes may join it: nobody else has the page */
	bool packet;	/* read as a whole; what does not fit is lost */
};
struct pipe_loan {
	struct pipe_buffer buffers[PIPE_LOAN_MAX];
	uint32_t count;
};
/* Takes n bytes at most (the last buffer may have more) out of a pipe, waiting for some as f's flags and nowait say:
 * how many, 0 at its end, or -EAGAIN, -ERESTARTSYS. Each loan is to be returned, with how many bytes of it are used up;
 * the others are the pipe's oldest again. May sleep. */
[[nodiscard]] long pipe_borrow(struct file *f, struct pipe_loan *loan, size_t n, bool nowait);
void pipe_return(struct file *f, struct pipe_loan *loan, size_t used);

#endif
