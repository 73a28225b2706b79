/* SPDX-License-Identifier: MIT */
/*
 * Native asynchronous I/O: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2).
 *
 * Reads, writes and syncs are done while they are submitted, as on Linux for all that goes through the page cache; only
 * waiting for a file to become ready (IOCB_CMD_POLL) is left to a service. A context is what a page of its process's
 * address space shows: its id is the page's address, and it ends when nobody maps the page any more, so also at exec
 * and exit. The page is empty: what libaio looks for there to get events without a call is not there.
 */
#ifndef KERNEL_AIO_INTERNAL_H
#define KERNEL_AIO_INTERNAL_H

#include <abi/aio.h>
#include <abi/errno.h>
#include <kernel/base/wait.h>
#include <kernel/file/file.h>
#include <kernel/file/poll.h>
#include <kernel/mem/shared_wait.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/vm/object.h>
#include <kernel/vm/user.h>
#include <lib/list.h>
#include <lib/string.h>

DECLARE_COMPONENT(aio);

struct aio_context {
	struct vm_object memory; /* its count of references is the context's */
	uint64_t space;		 /* the one address space that may use it */
	struct page *page;
	uint32_t most; /* requests at a time, until their events are read */
	struct spinlock lock;
	uint32_t pending GUARDED_BY(&lock); /* of those */
	struct list done GUARDED_BY(&lock); /* requests with an event that nobody has read */
	bool ended;			    /* atomic: destroyed; who waits for events is told */
	struct wait_queue changed;
};

enum : uint32_t { AIO_QUEUES = 3 };
struct aio_queue { /* one that wakes a file that is waited for */
	struct waiter waiter;
	struct shared_wait *owner; /* with a reference */
	struct aio_request *request;
};
struct aio_request {
	struct list link; /* of context->done, or of all polls */
	struct aio_context *context;
	struct file *file, *result; /* with references; result: an eventfd, or nullptr */
	struct io_event event;
	/* IOCB_CMD_POLL */
	uint32_t events, queue_count;
	bool woken; /* atomic */
	struct aio_queue queues[AIO_QUEUES];
	struct poll_table table;
};

/* --- context.c --- */
/* The current process's context of this id, with a reference; nullptr: there is none. */
struct aio_context *aio_find(uint64_t id);
void aio_put(struct aio_context *c);
/* A request fewer is pending. */
void aio_forget(struct aio_context *c);
/* The request is done: its event can be read, and whoever waits is told. Nothing else of it is the caller's any more.
 * May sleep. */
void aio_complete(struct aio_request *r, int64_t result);

/* --- poll.c --- */
/* Begins to wait; the request is then the service's. */
long aio_poll_submit(struct aio_request *r, const struct iocb *io);
/* The one that was submitted by this iocb has its event now, with no bits. False: there is none. */
bool aio_poll_cancel(struct aio_context *c, uint64_t object);
/* All of the context go, without events. */
void aio_polls_end(struct aio_context *c);
[[nodiscard]] int aio_poll_start(void);

#endif
