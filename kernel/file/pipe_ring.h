/* SPDX-License-Identifier: MIT */
/* The state of a pipe; shared by pipe.c (moving bytes), pipe_end.c (ends come and go) and splicing. */
#ifndef KERNEL_FILE_PIPE_RING_H
#define KERNEL_FILE_PIPE_RING_H

#include <abi/fcntl.h>
#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/file/async.h>
#include <kernel/file/pipe.h>
#include <kernel/mem/page.h>

enum : uint32_t { PIPE_SLOTS = 16, PIPE_SLOTS_ROOT = 32768 };

struct pipe {
	struct mutex lock;
	struct pipe_buffer *ring GUARDED_BY(&lock); /* one place more than slots, for what a reader gives back */
	uint32_t tail GUARDED_BY(&lock);
	uint32_t slots, used; /* changed under lock, read freely */
	uint32_t lent;	      /* places of buffers that pipe_loan.c may give back; as used */
	struct page *spare GUARDED_BY(&lock);
	uint32_t readers, writers;	     /* open ends; changed by attach and detach, read freely */
	uint32_t reader_opens, writer_opens; /* so far: who waits in open(2) for the other end sees them grow */
	uint32_t files;			     /* of attach and detach */
	uint32_t uid;			     /* whose pages they are, by pipe_limit.c */
	bool had_writer;		     /* a fifo nobody has written to yet is not hung up */
	bool poll_waiters;		     /* somebody polled for room */
	struct wait_queue readable, writable;
	struct async_list async;
};

/* Room in slots, or nobody reads; bytes, or nobody writes. Waits for it as the file and the call say (nowait): 0,
 * -EAGAIN, -ERESTARTSYS. */
[[nodiscard]] int pipe_await_room(struct file *f, struct pipe *p, bool nowait);
[[nodiscard]] int pipe_await_bytes(struct file *f, struct pipe *p, bool nowait);
/* Whether the end that wrote keeps its writes apart (O_DIRECT). */
static inline bool pipe_packets(const struct file *f)
{
	return f->flags & O_DIRECT;
}

/* --- pipe_limit.c: how many pages the pipes of a user may have --- */
/* From old slots to new ones. -EPERM: beyond the user's share. */
[[nodiscard]] int pipe_account(uint32_t uid, uint32_t old_slots, uint32_t slots);
/* The slots that a new pipe of the current process gets, counted for it. -ENFILE: none. */
[[nodiscard]] int pipe_account_new(uint32_t uid, uint32_t *slots);
uint64_t pipe_max_bytes(void); /* /proc/sys/fs/pipe-max-size */

/* No further buffer may be put in. */
static inline bool pipe_is_full(const struct pipe *p)
{
	return __atomic_load_n(&p->used, __ATOMIC_ACQUIRE) + __atomic_load_n(&p->lent, __ATOMIC_ACQUIRE) >= p->slots;
}
/* Nothing is in it, and nothing will be. */
static inline bool pipe_has_ended(const struct pipe *p)
{
	/* In the order in which they become zero for good. */
	return __atomic_load_n(&p->writers, __ATOMIC_ACQUIRE) == 0 &&
	       __atomic_load_n(&p->lent, __ATOMIC_ACQUIRE) == 0 && __atomic_load_n(&p->used, __ATOMIC_ACQUIRE) == 0;
}

static inline uint32_t pipe_place(const struct pipe *p, uint32_t n)
{
	return n % (p->slots + 1);
}

#endif
