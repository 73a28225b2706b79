/* SPDX-License-Identifier: MIT */
/*
 * futex(2): WAIT, WAKE, WAIT_BITSET, WAKE_BITSET, REQUEUE, CMP_REQUEUE, WAKE_OP, private and
 * shared, monotonic and realtime. The priority-inheriting operations are futex_pi.c's.
 *
 * Waiters hang in hash buckets by the key of their word. A waiter queues itself first and loads the
 * word afterwards, without a lock (loading may fault): whoever changes the word later finds it
 * queued, and whoever changed it before is seen by the load. A waiter that was woken in between
 * counts as woken. A waker's last act on a waiter is thread_unpark, under the bucket's lock, and a
 * waiter leaves only after it held that lock.
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/vm/user.h>

enum : uint32_t { BUCKETS = 256, BITSET_ALL = UINT32_MAX };
enum futex_operation : uint32_t {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAKE_OP = 5,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_LOCK_PI2 = 13,
	FUTEX_PRIVATE = 128,
	FUTEX_REALTIME = 256,
};

struct bucket {
	struct spinlock lock;
	struct list waiters GUARDED_BY(&lock);
};
struct futex_waiter {
	struct list link;
	struct thread *thread;
	struct bucket *bucket; /* changed by requeue under both buckets' locks */
	struct user_key key;
	uint32_t bitset;
	bool woken;
};

static struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(const struct user_key *k)
{
	uint64_t h = (k->a ^ k->b * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;

	return &buckets[h >> 56];
}

static bool same_key(const struct user_key *x, const struct user_key *y)
{
	return x->a == y->a && x->b == y->b;
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

static void wake_one(struct futex_waiter *w)
{
	struct thread *t = w->thread;

	list_remove(&w->link);
	__atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
	thread_unpark(t);
}

static long wake(const struct user_key *key, uint32_t count, uint32_t bitset)
{
	struct bucket *b = bucket_of(key);
	struct futex_waiter *w, *tmp;
	uint32_t done = 0;

	spin_lock(&b->lock);
	list_for_each_safe(w, tmp, &b->waiters, link) {
		if (done >= count)
			break;
		if (!same_key(&w->key, key) || !(w->bitset & bitset))
			continue;
		wake_one(w);
		done++;
	}
	spin_unlock(&b->lock);
	return done;
}

int futex_wake_address(user_addr at, uint32_t count)
{
	struct user_key key;

	/* Waiters may have named the word either way. */
	if (user_word_key(at, true, &key) == 0)
		(void)wake(&key, count, BITSET_ALL);
	if (user_word_key(at, false, &key) == 0)
		(void)wake(&key, count, BITSET_ALL);
	return 0;
}

struct futex_wait {
	user_addr at;
	bool private_word, realtime;
	uint32_t value, bitset;
	uint64_t deadline; /* on its clock; 0: none */
};

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

static long wait(const struct futex_wait *f)
{
	struct futex_waiter w = {.thread = thread_current(), .bitset = f->bitset};
	uint32_t seen;

	if (f->bitset == 0)
		return -EINVAL;
	int error = user_word_key(f->at, f->private_word, &w.key);
	if (error != 0)
		return error;
	list_init(&w.link);
	process_kept_of(thread_current())->futex = &w;
	enqueue(&w);
	FAULT_POINT(futex_queued);
	error = user_load_u32(f->at, &seen);
	if (error == 0 && seen != f->value)
		error = -EAGAIN;
	if (error == 0)
		error = futex_sleep(&w.woken, f->realtime, f->deadline);
	bool woken = dequeue(&w);
	process_kept_of(thread_current())->futex = nullptr;
	return woken ? 0 : error;
}

/* A fault that was contained left the waiter, which is on the dying thread's stack, in its queue.
 */
void futex_thread_exit(void)
{
	struct process_kept *s = process_kept_of(thread_current());
	struct futex_waiter *w = s->futex;

	s->futex = nullptr;
	if (w != nullptr && w->bucket != nullptr)
		(void)dequeue(w);
}

static long wait_again(struct restart_block *r)
{
	struct futex_wait f = {
		.at = USER_ADDR(r->words[0]),
		.value = (uint32_t)r->words[1],
		.bitset = (uint32_t)r->words[2],
		.deadline = r->words[3],
		.private_word = r->words[4] & 1,
		.realtime = r->words[4] & 2,
	};
	long result = wait(&f);

	return result == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : result;
}

/* A wait with a relative timeout goes on through restart_syscall, for what is left of it. */
static long wait_restartable(const struct futex_wait *f)
{
	long result = wait(f);

	if (result != -ERESTARTSYS || f->deadline == 0)
		return result;
	process_thread_current()->restart = (struct restart_block){
		.again = wait_again,
		.words = {f->at.value, f->value, f->bitset, f->deadline,
			  (f->private_word ? 1 : 0) | (f->realtime ? 2 : 0)},
	};
	return -ERESTART_RESTARTBLOCK;
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

static long requeue(const struct user_key *from, const struct user_key *to, uint32_t wake_count, uint32_t move_count)
	NO_THREAD_SAFETY
{
	struct bucket *a = bucket_of(from), *b = bucket_of(to);
	struct futex_waiter *w, *tmp;
	uint32_t woken = 0, moved = 0;

	lock_both(a, b);
	list_for_each_safe(w, tmp, &a->waiters, link) {
		if (!same_key(&w->key, from))
			continue;
		if (woken < wake_count) {
			wake_one(w);
			woken++;
		} else if (moved < move_count && same_key(from, to)) {
			/* Moving to the end of the list that is walked would not end; where it stands is where it goes.
			 */
			moved++;
		} else if (moved < move_count) {
			list_remove(&w->link);
			w->key = *to;
			list_push_back(&b->waiters, &w->link);
			__atomic_store_n(&w->bucket, b, __ATOMIC_RELEASE);
			moved++;
		} else {
			break;
		}
	}
	unlock_both(a, b);
	return (long)woken + moved;
}

struct futex_call {
	user_addr at, at2;
	uint32_t operation, value, value2, value3;
	uint64_t deadline; /* 0: none */
	bool private_word;
};

static long do_requeue(const struct futex_call *c, bool compare)
{
	struct user_key from, to;
	uint32_t seen;
	int error = user_word_key(c->at, c->private_word, &from);

	if (error == 0)
		error = user_word_key(c->at2, c->private_word, &to);
	if (error != 0)
		return error;
	if ((int32_t)c->value < 0 || (int32_t)c->value2 < 0)
		return -EINVAL;
	if (compare) {
		error = user_load_u32(c->at, &seen);
		if (error != 0)
			return error;
		if (seen != c->value3)
			return -EAGAIN;
	}
	long result = requeue(&from, &to, c->value, c->value2);
	return result;
}

static int32_t sign_extend_12(uint32_t x)
{
	return (int32_t)(x << 20) >> 20;
}

static bool apply_operation(uint32_t operation, uint32_t old, uint32_t argument, uint32_t *result)
{
	switch (operation) {
	case 0: *result = argument; return true;
	case 1: *result = old + argument; return true;
	case 2: *result = old | argument; return true;
	case 3: *result = old & ~argument; return true;
	case 4: *result = old ^ argument; return true;
	default: return false;
	}
}

static bool compare_old(uint32_t comparison, int32_t old, int32_t argument, bool *result)
{
	switch (comparison) {
	case 0: *result = old == argument; return true;
	case 1: *result = old != argument; return true;
	case 2: *result = old < argument; return true;
	case 3: *result = old <= argument; return true;
	case 4: *result = old > argument; return true;
	case 5: *result = old >= argument; return true;
	default: return false;
	}
}

/* Changes the second word as value3 encodes it, wakes the first's waiters, and the second's if its
 * old value compares so. */
static long do_wake_op(const struct futex_call *c)
{
	uint32_t operation = c->value3 >> 28 & 7, comparison = c->value3 >> 24 & 15, old, fresh, seen;
	int32_t argument = sign_extend_12(c->value3 >> 12 & 0xfff), compared = sign_extend_12(c->value3 & 0xfff);
	struct user_key key, key2;
	bool also = false;

	if (c->value3 >> 31)
		argument = (int32_t)(UINT32_C(1) << (argument & 31));
	int error = user_word_key(c->at, c->private_word, &key);
	if (error == 0)
		error = user_word_key(c->at2, c->private_word, &key2);
	if (error == 0)
		error = user_load_u32(c->at2, &old);
	if (error != 0)
		return error;
	for (;;) {
		if (!apply_operation(operation, old, (uint32_t)argument, &fresh) ||
		    !compare_old(comparison, (int32_t)old, compared, &also))
			return -ENOSYS;
		error = user_cmpxchg_u32(c->at2, old, fresh, &seen);
		if (error != 0)
			return error;
		if (seen == old)
			break;
		/* Whoever writes the word without end must not keep this thread from dying. */
		if (signal_fatal_current())
			return -EINTR;
		old = seen;
	}
	long woken = wake(&key, c->value, BITSET_ALL);
	if (also)
		woken += wake(&key2, c->value2, BITSET_ALL);
	return woken;
}

static long do_wait(const struct futex_call *c, bool realtime)
{
	struct futex_wait f = {.at = c->at,
			       .private_word = c->private_word,
			       .value = c->value,
			       .bitset = BITSET_ALL,
			       .realtime = realtime,
			       .deadline = c->deadline};

	if (c->operation == FUTEX_WAIT_BITSET)
		f.bitset = c->value3;
	return wait_restartable(&f);
}

static long do_wake(const struct futex_call *c, uint32_t bitset)
{
	struct user_key key;
	int error = user_word_key(c->at, c->private_word, &key);

	if (bitset == 0)
		return -EINVAL;
	return error != 0 ? error : wake(&key, c->value, bitset);
}

/* Timeouts are absolute; on the date, but for LOCK_PI2 without FUTEX_REALTIME. */
static long do_lock_pi(const struct futex_call *c, bool realtime)
{
	return futex_pi_lock(&(struct futex_pi){.at = c->at,
						.private_word = c->private_word,
						.realtime = realtime || c->operation == FUTEX_LOCK_PI,
						.only_try = c->operation == FUTEX_TRYLOCK_PI,
						.deadline = c->deadline});
}

/* A timeout is read before anything else is looked at. FUTEX_WAIT's is a span, the others' are times of their clock. */
static int get_timeout(struct futex_call *c, user_addr at)
{
	bool span = c->operation == FUTEX_WAIT;
	uint64_t timeout;

	if (at.value == 0 || (!span && c->operation != FUTEX_WAIT_BITSET && c->operation != FUTEX_LOCK_PI &&
			      c->operation != FUTEX_LOCK_PI2))
		return 0;
	int error = timespec_from_user(at, &timeout);
	if (error == 0)
		c->deadline = MAX(span ? clock_monotonic_ns() + timeout : timeout, UINT64_C(1));
	return error;
}

static bool operation_known(uint32_t operation)
{
	switch (operation) {
	case FUTEX_WAIT:
	case FUTEX_WAKE:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI: return true;
	default: return false;
	}
}

static long sys_futex(user_addr at, uint32_t operation, uint32_t value, user_addr timeout, user_addr at2,
		      uint32_t value3)
{
	struct futex_call c = {
		.at = at,
		.at2 = at2,
		.operation = operation & ~(uint32_t)(FUTEX_PRIVATE | FUTEX_REALTIME),
		.value = value,
		.value2 = (uint32_t)timeout.value,
		.value3 = value3,
		.private_word = operation & FUTEX_PRIVATE,
	};
	bool realtime = operation & FUTEX_REALTIME;

	int error = get_timeout(&c, timeout);
	if (error != 0)
		return error;
	if (!operation_known(c.operation)) {
		(void)syscall_refuse_flags(NR_futex, operation);
		return -ENOSYS;
	}
	/* FUTEX_WAIT's timeout is a span, which no date shortens. */
	if (realtime && c.operation != FUTEX_WAIT_BITSET && c.operation != FUTEX_LOCK_PI2)
		return -ENOSYS;
	if (at.value % sizeof(uint32_t) != 0)
		return -EINVAL;
	bool requeue = c.operation == FUTEX_REQUEUE || c.operation == FUTEX_CMP_REQUEUE;
	if (requeue && ((int32_t)c.value < 0 || (int32_t)c.value2 < 0))
		return -EINVAL;
	switch (c.operation) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET: return do_wait(&c, realtime);
	case FUTEX_WAKE: return do_wake(&c, BITSET_ALL);
	case FUTEX_WAKE_BITSET: return do_wake(&c, value3);
	case FUTEX_REQUEUE: return do_requeue(&c, false);
	case FUTEX_CMP_REQUEUE: return do_requeue(&c, true);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI: return do_lock_pi(&c, realtime);
	case FUTEX_UNLOCK_PI: return futex_pi_unlock(at, c.private_word);
	default: return do_wake_op(&c);
	}
}
SYSCALL(futex);
