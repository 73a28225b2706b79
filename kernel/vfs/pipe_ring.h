/* SPDX-License-Identifier: MIT */
/* The state of a pipe; shared by pipe.c (moving bytes), pipe_open.c (pipes and fifos come to be) and splicing. */
#ifndef KERNEL_VFS_PIPE_RING_H
#define KERNEL_VFS_PIPE_RING_H

#include <kernel/async.h>
#include <kernel/page.h>
#include <kernel/vfs.h>

enum : uint32_t { PIPE_SLOTS = 16, PIPE_SLOTS_MAX = 256, PIPE_SLOTS_ROOT = 32768 };

struct pipe_buffer {
	struct page *page; /* a reference */
	uint32_t offset, length;
};
struct pipe {
	struct mutex lock;
	struct pipe_buffer *ring GUARDED_BY(&lock); /* one place more than slots, for what a reader gives back */
	uint32_t tail GUARDED_BY(&lock);
	uint32_t slots, used; /* changed under lock, read freely */
	struct page *spare GUARDED_BY(&lock);
	uint32_t readers, writers;	     /* open ends; changed under the inode's lock, read freely */
	uint32_t reader_opens, writer_opens; /* so far: who waits in open(2) for the other end sees them grow */
	uint32_t files;			     /* under the inode's lock */
	bool had_writer;		     /* a fifo nobody has written to yet is not hung up */
	bool poll_waiters;		     /* somebody polled for room */
	struct wait_queue readable, writable;
	struct async_list async;
};

extern const struct file_ops pipe_ops;
struct pipe *pipe_create(void); /* nullptr: out of memory */
void pipe_destroy(struct pipe *p);

static inline uint32_t pipe_place(const struct pipe *p, uint32_t n)
{
	return n % (p->slots + 1);
}

#endif
