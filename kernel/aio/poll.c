/* SPDX-License-Identifier: MIT */
/*
 * IOCB_CMD_POLL: an event when a file is ready. Whatever wakes a file's queues notes the request and wakes a service,
 * which looks at the file. `polls_lock` guards the list of all requests that wait; who takes one out of it has it.
 */
#include "internal.h"

#include "../thread/service.h"

static struct mutex polls_lock = MUTEX_INIT(polls_lock, RANK_WATCH - 1);
static struct list polls GUARDED_BY(&polls_lock) = LIST_INIT(polls);

static void loop(void);
static struct service service = {.name = "aio", .component = &component_aio, .loop = loop};

static bool on_wake(struct waiter *w)
{
	struct aio_request *r = container_of(w, struct aio_queue, waiter)->request;

	__atomic_store_n(&r->woken, true, __ATOMIC_RELEASE);
	service_wake(&service);
	return true;
}

static void add_queue(struct poll_table *table, struct wait_queue *q)
{
	struct aio_request *r = container_of(table, struct aio_request, table);

	if (r->queue_count == AIO_QUEUES)
		return;
	struct aio_queue *slot = &r->queues[r->queue_count++];
	slot->request = r;
	slot->owner = table->owner;
	if (slot->owner != nullptr)
		shared_wait_get(slot->owner);
	wait_add_callback(q, &slot->waiter, false, on_wake);
}

static void leave_queues(struct aio_request *r)
{
	for (uint32_t n = 0; n < r->queue_count; n++) {
		wait_remove(&r->queues[n].waiter);
		if (r->queues[n].owner != nullptr)
			shared_wait_put(r->queues[n].owner);
	}
	r->queue_count = 0;
}

/* Moves those of `c` (nullptr: of anybody) that are ready, or all of them, to `out`, with what they are ready for as
 * their result. */
static void collect(const struct aio_context *c, bool all, uint64_t object, struct list *out)
{
	struct aio_request *r, *next;

	mutex_lock(&polls_lock);
	list_for_each_safe(r, next, &polls, link) {
		uint32_t ready = 0;

		if ((c != nullptr && r->context != c) || (object != 0 && r->event.object != object))
			continue;
		if (!all && __atomic_exchange_n(&r->woken, false, __ATOMIC_ACQ_REL))
			ready = file_poll(r->file, nullptr) & r->events;
		if (!all && ready == 0)
			continue;
		leave_queues(r);
		list_remove(&r->link);
		r->event.result = ready;
		list_push_back(out, &r->link);
		/* So that its context does not go before it is told. */
		vm_object_get(&r->context->memory);
		if (object != 0)
			break;
	}
	mutex_unlock(&polls_lock);
}

static void complete_all(struct list *collected)
{
	struct aio_request *r, *next;

	list_for_each_safe(r, next, collected, link) {
		struct aio_context *c = r->context;

		list_remove(&r->link);
		aio_complete(r, r->event.result);
		aio_put(c);
	}
}

static void loop(void)
{
	do {
		struct list ready = LIST_INIT(ready);

		collect(nullptr, false, 0, &ready);
		complete_all(&ready);
	} while (!service_park(0));
}

long aio_poll_submit(struct aio_request *r, const struct iocb *io)
{
	struct file *f = r->file;

	if (io->buffer > UINT16_MAX || io->offset != 0 || io->bytes != 0 || io->rw_flags != 0 ||
	    f->ops->poll == nullptr)
		return -EINVAL;
	r->events = (uint32_t)io->buffer | POLLERR | POLLHUP;
	r->table.watch = add_queue;
	mutex_lock(&polls_lock);
	uint32_t ready = file_poll(f, &r->table) & r->events;
	if (ready != 0)
		leave_queues(r);
	else
		list_push_back(&polls, &r->link);
	mutex_unlock(&polls_lock);
	if (ready != 0)
		aio_complete(r, ready);
	else
		service_wake(&service); /* it may have been woken before it was in the list */
	return 0;
}

bool aio_poll_cancel(struct aio_context *c, uint64_t object)
{
	struct list found = LIST_INIT(found);

	collect(c, true, object, &found);
	bool any = !list_empty(&found);
	complete_all(&found);
	return any;
}

/* Nobody reads their events, but whoever waits for an eventfd hears of none, either. */
void aio_polls_end(struct aio_context *c)
{
	struct list ended = LIST_INIT(ended);
	struct aio_request *r, *next;

	mutex_lock(&polls_lock);
	list_for_each_safe(r, next, &polls, link) {
		if (r->context != c)
			continue;
		leave_queues(r);
		list_remove(&r->link);
		list_push_back(&ended, &r->link);
	}
	mutex_unlock(&polls_lock);
	list_for_each_safe(r, next, &ended, link) {
		file_put(r->file);
		file_put(r->result);
		kfree(r);
		aio_forget(c);
	}
}

int aio_poll_start(void)
{
	return service_start(&service);
}
