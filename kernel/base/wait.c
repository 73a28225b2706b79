/* SPDX-License-Identifier: MIT */
/*
 * Wait queues (kernel/base/wait.h). A waiter is on its thread's stack; being in the queue is guarded by
 * the queue's spinlock, and waking happens under it, so the waiter and its thread live until the
 * wake is done. Woken waiters stay in the queue: they remove themselves.
 *
 * But those of wait_event are taken out by who wakes them, and need the lock no more once their
 * condition holds: a thousand threads that one event wakes would all wait for the lock which the
 * one that is waking them still holds.
 */
#include "perturb.h"

#include <kernel/base/killable.h>
#include <nucleus/calls.h>

void wait_queue_init(struct wait_queue *q)
{
	spin_init(&q->lock, RANK_WAIT);
	list_init(&q->waiters);
}

static void enter(struct waiter *w)
{
	struct wait_queue *q = w->queue;

	spin_lock(&q->lock);
	w->queued = true;
	list_push_back(&q->waiters, &w->link);
	spin_unlock(&q->lock);
	/* Being in the queue must be visible before the caller looks at its condition (see
	 * wait_wake_all). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void add_thread(struct wait_queue *q, struct waiter *w, bool once)
{
	struct thread *t = thread_current();

	*w = (struct waiter){.thread = t, .queue = q, .once = once};
	list_push_front(&t->kept->waits, &w->thread_link);
	t->kept->wait_count++;
	enter(w);
}

void wait_add(struct wait_queue *q, struct waiter *w)
{
	add_thread(q, w, false);
}

void wait_add_once(struct wait_queue *q, struct waiter *w)
{
	add_thread(q, w, true);
}

bool wait_requeue(struct waiter *w)
{
	if (__atomic_load_n(&w->queued, __ATOMIC_ACQUIRE))
		return false;
	enter(w);
	return true;
}

void wait_add_callback(struct wait_queue *q, struct waiter *w, bool exclusive, bool (*wake)(struct waiter *w))
{
	*w = (struct waiter){.thread = thread_current(), .queue = q, .exclusive = exclusive, .wake = wake};
	list_init(&w->thread_link);
	enter(w);
}

void wait_remove(struct waiter *w)
{
	struct wait_queue *q = w->queue;

	/* Acquire: who took it out is done with it. */
	if (__atomic_load_n(&w->queued, __ATOMIC_ACQUIRE)) {
		spin_lock(&q->lock);
		list_remove(&w->link);
		spin_unlock(&q->lock);
	}
	/* Last: as long as it is in a queue, containment finds it. Only the thread itself enters and leaves queues
	 * without a callback. */
	if (!list_empty(&w->thread_link)) {
		list_remove(&w->thread_link);
		w->thread->kept->wait_count--;
	}
}

void waits_release_beyond(uint32_t count)
{
	struct thread_kept *t = thread_current()->kept;

	while (t->wait_count > count && !list_empty(&t->waits)) {
		struct waiter *w = list_first(&t->waits, struct waiter, thread_link);

		/* Off the record first: if its queue is damaged, the next attempt goes on with the one before it. */
		list_remove(&w->thread_link);
		t->wait_count--;
		wait_remove(w);
	}
	t->wait_count = count;
}

/* caller: of who wakes. */
static bool wake(struct waiter *w, const void *caller)
{
	if (w->wake != nullptr)
		return w->wake(w);
	uint32_t handle = thread_page_of(w->thread)->handle;
	if (w->once) {
		list_remove(&w->link);
		/* From here on the waiter may be gone, and the thread: then its handle is stale. */
		__atomic_store_n(&w->queued, false, __ATOMIC_RELEASE);
	}
	(void)nucleus_unpark(handle);
	perturb(caller);
	return true;
}

void wait_wake_all(struct wait_queue *q)
{
	struct waiter *w, *next, *served = nullptr;

	/* A waiter adds itself before it looks at its condition, and the caller has changed the
	 * condition before this look: with the fence one of the two sees the other, and an empty
	 * queue costs no lock. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&q->waiters.next, __ATOMIC_RELAXED) == &q->waiters)
		return;
	spin_lock(&q->lock);
	list_for_each_safe(w, next, &q->waiters, link) {
		bool one = w->exclusive && w->wake != nullptr;

		if ((!one || served == nullptr) && wake(w, __builtin_return_address(0)) && one)
			served = w;
	}
	/* To the back, so that the next event reaches another one. */
	if (served != nullptr) {
		list_remove(&served->link);
		list_push_back(&q->waiters, &served->link);
	}
	spin_unlock(&q->lock);
}

void wait_wake_one(struct wait_queue *q)
{
	struct waiter *w, *next;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&q->waiters.next, __ATOMIC_RELAXED) == &q->waiters)
		return;
	spin_lock(&q->lock);
	list_for_each_safe(w, next, &q->waiters, link) {
		bool exclusive = w->exclusive;

		wake(w, __builtin_return_address(0));
		if (!exclusive)
			continue;
		/* To the back, so that the next wake reaches another one. */
		list_remove(&w->link);
		list_push_back(&q->waiters, &w->link);
		break;
	}
	spin_unlock(&q->lock);
}

void kick_forget(void)
{
	(void)nucleus_thread_clear_kick();
}

void kick_restore(void)
{
	if (signal_pending_current())
		(void)nucleus_thread_kick(thread_page_current()->handle);
}
