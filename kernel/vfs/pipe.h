/* SPDX-License-Identifier: MIT */
/* Pipes and fifos: what fcntl, splice and stat need of them. */
#ifndef KERNEL_VFS_PIPE_H
#define KERNEL_VFS_PIPE_H

#include <kernel/vfs/vfs.h>

[[nodiscard]] int pipe_init(void);
/* A path that leads to an anonymous pipe, for /proc/PID/fd. -ENXIO: not a pipe. */
[[nodiscard]] int pipe_path(struct file *f, struct path *out);
long pipe_get_size(struct file *f); /* -EBADF: not a pipe */
long pipe_set_size(struct file *f, uint64_t bytes);
/* Bytes that a write will take at once, after waiting for some as f's flags and nowait say; much for what is no pipe.
 * -EAGAIN, -ERESTARTSYS; -EPIPE after SIGPIPE: nobody reads. */
[[nodiscard]] long pipe_wait_room(struct file *f, bool nowait);
bool pipe_has_bytes(struct file *f); /* f is a pipe's end */

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
