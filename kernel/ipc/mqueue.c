/* SPDX-License-Identifier: MIT */
/*
 * What is in a queue, and who waits for it (mq_send(3), mq_receive(3)). A message that comes while somebody waits for
 * one is handed to him and never stands in the queue, so that nobody else is told of it; one that waits for room gets
 * it from who takes a message out, before anybody else can.
 */
#include "mqueue.h"

#include <kernel/base/subject.h>
#include <kernel/process/process.h>

/* On the kernel stack of who waits; the queue's lock. */
struct mqueue_waiter {
	struct list link;
	int32_t nice;
	struct mqueue_message *message; /* a sender's; or what a receiver was given */
	uint32_t done;			/* atomic */
	struct wait_queue wait;
};

int mqueue_create(const struct mqueue_size *most, struct mqueue **out)
{
	struct mqueue *q = kmalloc(sizeof(*q));

	if (q == nullptr)
		return -ENOMEM;
	q->uid = subject_current() != nullptr ? subject_current()->cred.uid : 0;
	int error = mqueue_charge(most, q->uid, &q->charged);
	if (error != 0) {
		kfree(q);
		return error;
	}
	mutex_init(&q->lock, RANK_PIPE);
	list_init(&q->receivers);
	list_init(&q->senders);
	wait_queue_init(&q->changed);
	q->most = *most;
	*out = q;
	return 0;
}

static struct mqueue_message *take_first(struct mqueue *q)
{
	struct mqueue_message *m = heap_entry(heap_first(&q->messages), struct mqueue_message, node);

	heap_remove(&q->messages, &m->node);
	q->count--;
	q->bytes -= m->bytes;
	return m;
}

static void insert(struct mqueue *q, struct mqueue_message *m)
{
	m->node = (struct heap_node){.key = (uint64_t)(MQ_PRIO_MAX - m->priority) << 48 | q->sequence++};
	heap_insert(&q->messages, &m->node);
	q->count++;
	q->bytes += m->bytes;
}

void mqueue_free(struct mqueue *q)
{
	while (q->count > 0)
		kfree(take_first(q));
	mqueue_tell(q->notice, false);
	mqueue_uncharge(q->uid, q->charged);
	kfree(q);
}

/* Behind those of its own importance who came before. */
static void line_up(struct list *line, struct mqueue_waiter *w)
{
	struct mqueue_waiter *other;

	list_for_each(other, line, link) {
		if (other->nice > w->nice) {
			list_push_back(&other->link, &w->link);
			return;
		}
	}
	list_push_back(line, &w->link);
}

static struct mqueue_waiter *next_of(struct list *line)
{
	if (list_empty(line))
		return nullptr;
	struct mqueue_waiter *w = list_first(line, struct mqueue_waiter, link);
	list_remove(&w->link);
	return w;
}

/* He goes on once the lock, which he takes first, is free: until then his record stands. */
static void serve(struct mqueue_waiter *w, struct mqueue_message *m)
{
	w->message = m;
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	wait_wake_all(&w->wait);
}

/* The real-time clock may be set meanwhile: then it is not time yet. */
static int sleep_until_served(struct mqueue_waiter *w, const struct mqueue_deadline *d)
{
	int error;

	do {
		uint64_t until_ns = 0;

		if (d->is_set) {
			int64_t at = clock_monotonic_at(d->when_ns);
			until_ns = process_slacken(at > 0 ? (uint64_t)at : 1);
		}
		error = wait_event_interruptible_deadline(&w->wait, __atomic_load_n(&w->done, __ATOMIC_ACQUIRE) != 0,
							  until_ns);
	} while (error == -ETIMEDOUT && clock_realtime_ns() < d->when_ns);
	return error;
}

/* In the line until somebody serves him; the lock is dropped meanwhile. */
static int wait_in(struct mqueue *q, struct list *line, struct mqueue_waiter *w, const struct mqueue_deadline *d)
	REQUIRES(q -> lock)
{
	w->nice = process_thread_current()->nice;
	list_init(&w->link);
	wait_queue_init(&w->wait);
	line_up(line, w);
	mutex_unlock(&q->lock);
	int error = sleep_until_served(w, d);
	mutex_lock(&q->lock);
	if (w->done != 0)
		return 0;
	list_remove(&w->link);
	return error;
}

int mqueue_send(struct mqueue *q, struct mqueue_message *m, bool may_wait, const struct mqueue_deadline *d)
{
	struct mqueue_notice notice = {};
	struct mqueue_waiter own = {.message = m}, *receiver;
	int error = 0;

	mutex_lock(&q->lock);
	if (q->count >= q->most.messages) {
		error = may_wait ? wait_in(q, &q->senders, &own, d) : -EAGAIN;
	} else if ((receiver = next_of(&q->receivers)) != nullptr) {
		serve(receiver, m);
	} else {
		insert(q, m);
		if (q->count == 1)
			notice = mqueue_take_notice(q);
		wait_wake_all(&q->changed);
	}
	mutex_unlock(&q->lock);
	mqueue_tell(notice, true);
	return error;
}

int mqueue_receive(struct mqueue *q, bool may_wait, const struct mqueue_deadline *d, struct mqueue_message **out)
{
	struct mqueue_waiter own = {}, *sender;
	int error = 0;

	mutex_lock(&q->lock);
	if (q->count == 0) {
		error = may_wait ? wait_in(q, &q->receivers, &own, d) : -EAGAIN;
		*out = own.message;
	} else {
		*out = take_first(q);
		if ((sender = next_of(&q->senders)) != nullptr) {
			insert(q, sender->message);
			serve(sender, nullptr);
		}
		wait_wake_all(&q->changed);
	}
	mutex_unlock(&q->lock);
	return error;
}
