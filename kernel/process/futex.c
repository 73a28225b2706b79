/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a word to change (futex(2): WAIT, WAKE, REQUEUE and their kin). The priority-inheriting operations are
 * futex_pi.c's, the calls themselves futex_calls.c's.
 *
 * Waiters hang in hash buckets by the key of their word. A waiter queues itself first and loads the
 * word afterwards, without a lock (loading may fault): whoever changes the word later finds it
 * queued, and whoever changed it before is seen by the load. Until it has found the value there, nobody's wake-up is
 * spent on it: who would have woken or moved it only has it look again. A waker's last act on a waiter is
 * thread_unpark, under the bucket's lock, and a waiter leaves only after it held that lock.
 */
#include "futex.h"
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/mem/slab.h>

enum : uint32_t { BUCKETS = 256 };

struct bucket {
	struct spinlock lock;
	struct list waiters GUARDED_BY(&lock);
	uint64_t last GUARDED_BY(&lock); /* the number of who came last */
};
struct futex_waiter {
	struct list link;
	struct thread *thread;
	struct bucket *bucket; /* changed by requeue under both buckets' locks */
	struct user_key key;
	uint64_t number; /* of its bucket, whose waiters stand in the order of their numbers */
	uint32_t bitset;
	bool waits;  /* it has found its value: under the bucket's lock, like the next two */
	bool passed; /* before that, somebody came by */
	bool woken;
	bool *any;		   /* set beside woken, if its thread waits for one of several words */
	struct futex_waiter *also; /* the next of those */
	struct pi_waiter *pi;	   /* it waits to be moved to this one's lock: a reference; woken: it was */
};

static struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(const struct user_key *k)
{
	uint64_t h = (k->a ^ k->b * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;

	return &buckets[h >> 56];
}

int futex_key(user_addr at, bool private_word, struct user_key *out)
{
	return at.value % sizeof(uint32_t) != 0 ? -EINVAL : user_word_key(at, private_word, out);
}

void futex_init(void)
{
	futex_pi_init();
	for (unsigned i = 0; i < BUCKETS; i++) {
		spin_init(&buckets[i].lock, RANK_FUTEX);
		spin_lock(&buckets[i].lock);
		list_init(&buckets[i].waiters);
		spin_unlock(&buckets[i].lock);
	}
}

static void enqueue(struct futex_waiter *w)
{
	struct bucket *b = bucket_of(&w->key);

	w->bucket = b;
	spin_lock(&b->lock);
	w->number = ++b->last;
	list_push_back(&b->waiters, &w->link);
	spin_unlock(&b->lock);
}

/* Leaves the queue; true: it was woken before. */
static bool dequeue(struct futex_waiter *w)
{
	for (;;) {
		struct bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);
		spin_lock(&b->lock);
		if (b != w->bucket) {
			spin_unlock(&b->lock);
			continue;
		}
		list_remove(&w->link);
		bool woken = w->woken;
		spin_unlock(&b->lock);
		return woken;
	}
}

/* Whether it may be woken or moved. If not, its look at the word may be older than what the caller did to that. */
static bool may_take(struct futex_waiter *w)
{
	w->passed |= !w->waits;
	return w->waits;
}

/* It has found its value. False: it has to look again. */
static bool begin_waiting(struct futex_waiter *w)
{
	struct bucket *b = w->bucket; /* of who does not wait yet it stays */

	spin_lock(&b->lock);
	w->waits = !w->passed;
	w->passed = false;
	bool waits = w->waits;
	spin_unlock(&b->lock);
	return waits;
}

static void wake_one(struct futex_waiter *w)
{
	struct thread *t = w->thread;

	list_remove(&w->link);
	if (w->any != nullptr)
		__atomic_store_n(w->any, true, __ATOMIC_RELEASE);
	__atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
	thread_unpark(t);
}

long futex_wake(const struct user_key *key, int32_t count, uint32_t bitset)
{
	struct bucket *b = bucket_of(key);
	struct futex_waiter *w, *tmp;
	long done = 0;

	spin_lock(&b->lock);
	list_for_each_safe(w, tmp, &b->waiters, link) {
		if (!futex_same_word(&w->key, key) || !may_take(w))
			continue;
		if (w->pi != nullptr) {
			done = -EINVAL;
			break;
		}
		if (!(w->bitset & bitset))
			continue;
		wake_one(w);
		if (++done >= count)
			break;
	}
	spin_unlock(&b->lock);
	return done;
}

int futex_wake_address(user_addr at, int32_t count)
{
	struct user_key key;

	/* Waiters may have named the word either way. */
	if (futex_key(at, true, &key) == 0)
		(void)!futex_wake(&key, count, FUTEX_BITSET_ALL);
	if (futex_key(at, false, &key) == 0)
		(void)!futex_wake(&key, count, FUTEX_BITSET_ALL);
	return 0;
}

int futex_sleep(const bool *over, bool realtime, uint64_t when)
{
	int32_t clock = realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	bool follows_date = realtime && when != 0;
	struct waiter date;
	int result = 0;

	/* Whoever sets the clock wakes this queue, and the deadline is computed anew. */
	if (follows_date)
		wait_add(&clock_set_queue, &date);
	while (!__atomic_load_n(over, __ATOMIC_ACQUIRE)) {
		if (signal_pending_current()) {
			result = -ERESTARTSYS;
			break;
		}
		uint64_t deadline = when == 0 ? 0 : process_slacken(clock_deadline(clock, when));
		if (thread_park_interruptible(deadline) == -ETIMEDOUT) {
			uint64_t now;
			if (clock_read(clock, &now) == 0 && now >= when) {
				result = -ETIMEDOUT;
				break;
			}
		}
	}
	if (follows_date)
		wait_remove(&date);
	return result;
}

/* Whether the word has the value, and w, which is in its queue, waits from now on: 0. */
static int look(struct futex_waiter *w, const struct futex_word *f)
{
	uint32_t seen;
	int error;

	do {
		error = user_load_u32(f->at, &seen);
		if (error == 0 && seen != f->value)
			error = -EAGAIN;
		else if (error == 0 && signal_fatal_current())
			error = -EINTR;
	} while (error == 0 && !begin_waiting(w));
	return error;
}

/* Waits as w, until *over. *woken: it was taken out of the queue. */
static int wait_as(struct futex_waiter *w, const struct futex_wait *f, const bool *over, bool *woken)
{
	int error = futex_key(f->at, f->private_word, &w->key);

	*woken = false;
	if (error != 0)
		return error;
	list_init(&w->link);
	process_kept_of(thread_current())->futex = w;
	enqueue(w);
	FAULT_POINT(futex_queued);
	error = look(w, &(struct futex_word){.at = f->at, .value = f->value});
	if (error == 0)
		error = futex_sleep(over, f->realtime, f->deadline);
	*woken = dequeue(w);
	process_kept_of(thread_current())->futex = nullptr;
	return error;
}

long futex_wait(const struct futex_wait *f)
{
	struct futex_waiter w = {.thread = thread_current(), .bitset = f->bitset};
	bool woken;

	if (f->bitset == 0)
		return -EINVAL;
	int error = wait_as(&w, f, &w.woken, &woken);
	return woken ? 0 : error;
}

int futex_wait_for_lock(const struct futex_wait *f, struct pi_waiter *pi, bool *moved)
{
	struct futex_waiter w = {.thread = thread_current(), .bitset = f->bitset, .pi = pi};

	pi_waiter_get(pi);
	int error = wait_as(&w, f, &pi->over, moved);
	pi_waiter_put(pi);
	return error;
}

/* Out of all queues. The last that was woken, or -1. */
static long dequeue_all(struct futex_waiter *waiters, uint32_t n)
{
	long woken = -1;

	for (uint32_t k = 0; k < n; k++) {
		if (dequeue(&waiters[k]))
			woken = k;
	}
	process_kept_of(thread_current())->futex = nullptr;
	return woken;
}

static long wait_as_any(struct futex_waiter *waiters, const struct futex_word *words, uint32_t n, bool realtime,
			uint64_t deadline)
{
	struct process_kept *kept = process_kept_of(thread_current());
	uint32_t queued = 0;
	bool any = false;
	int error = 0;

	for (; error == 0 && queued < n; queued++) {
		struct futex_waiter *w = &waiters[queued];

		*w = (struct futex_waiter){
			.thread = thread_current(), .bitset = FUTEX_BITSET_ALL, .any = &any, .also = kept->futex};
		error = futex_key(words[queued].at, words[queued].private_word, &w->key);
		if (error != 0)
			break;
		list_init(&w->link);
		kept->futex = w;
		enqueue(w);
		error = look(w, &words[queued]);
	}
	if (error == 0)
		error = futex_sleep(&any, realtime, deadline);
	long woken = dequeue_all(waiters, queued);
	return woken >= 0 ? woken : error;
}

long futex_wait_any(const struct futex_word *words, uint32_t n, bool realtime, uint64_t deadline)
{
	struct futex_waiter *waiters = kmalloc(n * sizeof(*waiters));

	if (waiters == nullptr)
		return -ENOMEM;
	long result = wait_as_any(waiters, words, n, realtime, deadline);
	kfree(waiters);
	return result;
}

/* A fault that was contained left the waiter, which is on the dying thread's stack, in its queue.
 */
void futex_thread_exit(void)
{
	struct process_kept *s = process_kept_of(thread_current());
	struct futex_waiter *w = s->futex;

	s->futex = nullptr;
	for (; w != nullptr; w = w->also) {
		if (w->bucket == nullptr) /* it was about to be queued */
			continue;
		(void)dequeue(w);
		if (w->pi != nullptr)
			pi_waiter_put(w->pi);
	}
}

static void lock_both(struct bucket *a, struct bucket *b) NO_THREAD_SAFETY
{
	/* Equal ranks: by address. */
	if (a > b) {
		struct bucket *t = a;
		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock(&b->lock);
}

static void unlock_both(struct bucket *a, struct bucket *b) NO_THREAD_SAFETY
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

long futex_requeue(const struct user_key *from, const struct user_key *to, uint32_t wake_count, uint32_t move_count)
	NO_THREAD_SAFETY
{
	struct bucket *a = bucket_of(from), *b = bucket_of(to);
	struct futex_waiter *w, *tmp;
	uint64_t woken = 0, moved = 0;
	int error = 0;

	lock_both(a, b);
	list_for_each_safe(w, tmp, &a->waiters, link) {
		if (!futex_same_word(&w->key, from) || !may_take(w))
			continue;
		if (woken + moved >= (uint64_t)wake_count + move_count)
			break;
		if (w->pi != nullptr) {
			error = -EINVAL;
			break;
		}
		if (woken < wake_count) {
			wake_one(w);
			woken++;
		} else if (futex_same_word(from, to)) {
			/* Moving to the end of the list that is walked would not end; where it stands is where it goes.
			 */
			moved++;
		} else {
			list_remove(&w->link);
			w->key = *to;
			w->number = ++b->last;
			list_push_back(&b->waiters, &w->link);
			__atomic_store_n(&w->bucket, b, __ATOMIC_RELEASE);
			moved++;
		}
	}
	unlock_both(a, b);
	return error != 0 ? error : (long)(woken + moved);
}

uint64_t futex_last_waiter(const struct user_key *key)
{
	struct bucket *b = bucket_of(key);

	spin_lock(&b->lock);
	uint64_t last = b->last;
	spin_unlock(&b->lock);
	return last;
}

int futex_first_for_lock(const struct user_key *from, const struct user_key *lock, uint64_t last, bool take,
			 struct pi_waiter **out)
{
	struct bucket *b = bucket_of(from);
	struct futex_waiter *w;
	int error = 0;

	*out = nullptr;
	spin_lock(&b->lock);
	list_for_each(w, &b->waiters, link) {
		if (w->number > last)
			break;
		if (!futex_same_word(&w->key, from) || !may_take(w))
			continue;
		if (w->pi == nullptr || !futex_same_word(&w->pi->key, lock)) {
			error = -EINVAL;
			break;
		}
		*out = w->pi;
		pi_waiter_get(w->pi);
		if (take) {
			/* Its thread sleeps on: it is woken by whoever gives it the lock. */
			list_remove(&w->link);
			w->woken = true;
		}
		break;
	}
	spin_unlock(&b->lock);
	return error;
}
