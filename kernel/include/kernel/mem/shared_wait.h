/* SPDX-License-Identifier: MIT */
/* Wait queues with a life of their own. */
#ifndef KERNEL_SHARED_WAIT_H
#define KERNEL_SHARED_WAIT_H

#include <kernel/base/wait.h>

/* A queue that outlives the object whose events it announces: for what watches with a callback and may go later. */
struct shared_wait {
	uint32_t refs; /* atomic */
	struct wait_queue queue;
};
struct shared_wait *shared_wait_create(void); /* one reference; nullptr: out of memory */
void shared_wait_get(struct shared_wait *w);
void shared_wait_put(struct shared_wait *w);

#endif
