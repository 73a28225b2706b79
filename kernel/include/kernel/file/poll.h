/* SPDX-License-Identifier: MIT */
/* How poll_watch reaches whoever polls: poll(2) and select(2) put their thread into the queue, epoll(7) a callback. */
#ifndef KERNEL_FILE_POLL_H
#define KERNEL_FILE_POLL_H

#include <abi/poll.h>
#include <kernel/file/file.h>
#include <kernel/thread/guard.h>

struct poll_table {
	void (*watch)(struct poll_table *table, struct wait_queue *q);
	struct shared_wait
		*owner; /* of the queue that is being watched, while `watch` runs; nullptr: the file itself */
};

/* What is ready of a file; with a table, and later changes announced. */
static inline uint32_t file_poll(struct file *f, struct poll_table *table)
{
	if (f->ops->poll == nullptr)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	long events = guard_run(f->ops->component, f->ops->poll(f, table));
	return events >= 0 ? (uint32_t)events : POLLERR | POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

struct user_timespec {
	int64_t seconds, ns;
};
/* Relative time at `at` (0: none) to a deadline on the monotonic clock (0: never). *zero: do not wait at all. */
[[nodiscard]] int poll_deadline(user_addr at, uint64_t *deadline_ns, bool *zero);
[[nodiscard]] int poll_deadline_of(int64_t seconds, int64_t ns, uint64_t *deadline_ns);
/* A mask (0: none) that holds until the call ends. */
[[nodiscard]] int poll_mask_set(user_addr mask, size_t size);
void poll_mask_restore(user_addr mask, long result);

#endif
