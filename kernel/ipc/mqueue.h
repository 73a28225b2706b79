/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues (mq_overview(7), POSIX.1-2017 XSH 2.8.7): a queue is the private data of an inode of the mqueue
 * filesystem, and lives as long as it.
 *
 * A queue's lock (RANK_PIPE) guards all of it. Under it no memory of a process is touched, nothing is allocated and
 * nobody is told: who is to be told is taken out under the lock, and told afterwards.
 */
#ifndef KERNEL_IPC_MQUEUE_H
#define KERNEL_IPC_MQUEUE_H

#include "internal.h"

#include <abi/mqueue.h>
#include <kernel/file/file.h>
#include <kernel/ipc/letter.h>
#include <lib/pairing_heap.h>

struct mqueue_message {
	struct heap_node node; /* the highest priority first, of one priority the oldest */
	uint32_t priority;
	size_t bytes;
	uint8_t text[];
};
/* How many, and how long, as mq_open(3) asks for. */
struct mqueue_size {
	int64_t messages, bytes;
};
/* Who is told that something came to the empty queue; nobody without an owner. */
struct mqueue_notice {
	struct process *owner; /* a reference */
	int32_t how, signo;    /* SIGEV_* */
	uint64_t value;
	struct letter *letter; /* SIGEV_THREAD */
};
struct mqueue {
	struct mutex lock;
	struct heap messages;
	uint64_t sequence, bytes;
	int64_t count;
	struct mqueue_size most;
	struct list receivers, senders; /* that wait, of mqueue.c; the next to be served first */
	struct wait_queue changed;	/* who polls */
	struct mqueue_notice notice;
	uint32_t uid; /* whom it is charged to, and how much */
	uint64_t charged;
};
/* Until when a call waits: on the real-time clock, if there is an end. */
struct mqueue_deadline {
	bool is_set;
	int64_t when_ns;
};

/* --- mqueue.c --- */
/* An empty queue, charged to the current process's user. -EINVAL, -EMFILE (RLIMIT_MSGQUEUE), -ENOSPC (queues_max),
 * -ENOMEM. */
[[nodiscard]] int mqueue_create(const struct mqueue_size *most, struct mqueue **out);
void mqueue_free(struct mqueue *q);
/* The message is the queue's, or a receiver's, if it succeeds. -EAGAIN, -ETIMEDOUT, -ERESTARTSYS. */
[[nodiscard]] int mqueue_send(struct mqueue *q, struct mqueue_message *m, bool may_wait,
			      const struct mqueue_deadline *d);
/* The first message, the caller's from then on: kfree. Errors as above. */
[[nodiscard]] int mqueue_receive(struct mqueue *q, bool may_wait, const struct mqueue_deadline *d,
				 struct mqueue_message **out);

/* --- mqueue_limit.c --- */
/* What a queue made without attributes has, and whether the current process may have one of that size: 0 or -EINVAL. */
struct mqueue_size mqueue_default(void);
[[nodiscard]] int mqueue_size_allowed(const struct mqueue_size *s);
/* One more queue of that size, for the current process's user: *charged, until mqueue_uncharge. -EMFILE, -ENOSPC,
 * -ENOMEM. */
[[nodiscard]] int mqueue_charge(const struct mqueue_size *s, uint32_t uid, uint64_t *charged);
void mqueue_uncharge(uint32_t uid, uint64_t charged);

/* --- mqueue_notify.c --- */
/* Taken out of the queue, whose lock is held, to be told without it. */
struct mqueue_notice mqueue_take_notice(struct mqueue *q);
/* A message came from the current process; or (false) nothing will be told any more. Uses the notice up. */
void mqueue_tell(struct mqueue_notice n, bool came);
/* The current process has closed a descriptor of the queue: it hears of it no more. */
void mqueue_forget_notice(struct mqueue *q);

/* --- mqueue_fs.c --- */
/* The queue of an open file, nullptr: it is none. Borrowed. */
struct mqueue *mqueue_of_file(const struct file *f);

#endif
