/* SPDX-License-Identifier: MIT */
/*
 * Futexes that pass priority on: FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI and FUTEX_UNLOCK_PI (futex(2),
 * "Priority-inheritance futexes"). The word holds the owner's thread id, so the kernel is asked only when somebody has
 * to wait. While somebody does, its owner runs with the best nice value of all who wait for it, directly or through
 * further locks (there are no real-time policies).
 *
 * Waiters hang in buckets by the key of their word and by its owner, both under pi_lock; words are changed without a
 * lock, since that may fault. A waiter is in its queue before it makes the word show that somebody waits. Whoever
 * unlocks chooses the best waiter, which may not leave meanwhile (`granting`), writes its id into the word, and lets it
 * go. An owner that ends tells the best waiter of each word, which takes the lock itself and leaves FUTEX_OWNER_DIED.
 * Requeueing onto such a futex is not there (ENOSYS).
 */
#include "internal.h"
#include "sched.h"
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>

enum : uint32_t {
	LOCK_WAITERS = 0x80000000,
	OWNER_DIED = 0x40000000,
	TID_MASK = 0x3fffffff,
	BUCKETS = 64,
	CHAIN_MAX = 1024, /* locks that wait for each other */
};
enum : int { RETRY = 1 };

/* Of the thread that waits, and of who grants it the lock. */
struct pi_waiter {
	struct list link, owner_link; /* of the word's bucket and the owner's; under pi_lock, like the rest */
	uint32_t refs;
	struct thread *thread;
	uint32_t tid, owner;
	int32_t nice;
	uint64_t seen_leaving; /* by the owner with this number */
	struct user_key key;
	bool queued, granting, granted, owner_died;
	bool announced; /* the word shows that somebody waits for this owner: until then the owner may be another one */
	bool over;	/* it has to look */
	struct process_work granting_work; /* of who grants */
};

static struct spinlock pi_lock = SPINLOCK_INIT(RANK_FUTEX);
static struct list by_word[BUCKETS] GUARDED_BY(&pi_lock), by_owner[BUCKETS] GUARDED_BY(&pi_lock);
static struct wait_queue settled = WAIT_QUEUE_INIT(settled); /* of waiters that may not leave */

void futex_pi_init(void)
{
	spin_lock(&pi_lock);
	for (unsigned n = 0; n < BUCKETS; n++) {
		list_init(&by_word[n]);
		list_init(&by_owner[n]);
	}
	spin_unlock(&pi_lock);
}

static struct list *bucket_of(const struct user_key *k) REQUIRES(pi_lock)
{
	return &by_word[(k->a ^ k->b * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd >> 58];
}

static void put(struct pi_waiter *w)
{
	if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(w);
}

static void set_owner(struct pi_waiter *w, uint32_t owner) REQUIRES(pi_lock)
{
	list_remove(&w->owner_link);
	w->owner = owner;
	w->owner_died = false;
	list_push_back(&by_owner[owner % BUCKETS], &w->owner_link);
}

static void leave_queue(struct pi_waiter *w) REQUIRES(pi_lock)
{
	list_remove(&w->link);
	list_remove(&w->owner_link);
	w->queued = false;
}

static bool same_word(const struct pi_waiter *w, const struct user_key *k)
{
	return w->key.a == k->a && w->key.b == k->b;
}

/* Who gets the lock next: the best nice value, and of several the first. */
static struct pi_waiter *best_waiter(const struct user_key *k) REQUIRES(pi_lock)
{
	struct pi_waiter *w, *best = nullptr;

	list_for_each(w, bucket_of(k), link) {
		if (same_word(w, k) && !w->granting && (best == nullptr || w->nice < best->nice))
			best = w;
	}
	return best;
}

/* All who wait for the word wait for this owner now. */
static void pass_waiters(const struct user_key *k, uint32_t owner) REQUIRES(pi_lock)
{
	struct pi_waiter *w;

	list_for_each(w, bucket_of(k), link) {
		if (same_word(w, k))
			set_owner(w, owner);
	}
}

static void tell(struct pi_waiter *w) REQUIRES(pi_lock)
{
	__atomic_store_n(&w->over, true, __ATOMIC_RELEASE);
	thread_unpark(w->thread);
}

/* The owner of a word is gone: one of its waiters takes it over. */
static void tell_of_death(const struct user_key *k) REQUIRES(pi_lock)
{
	struct pi_waiter *w = best_waiter(k);

	if (w == nullptr)
		return;
	w->owner_died = true;
	tell(w);
}

/* Its word is looked at once, however many wait for it. */
static void leave_word(const struct pi_waiter *of, uint64_t leaving) REQUIRES(pi_lock)
{
	struct pi_waiter *w, *best = best_waiter(&of->key);

	list_for_each(w, bucket_of(&of->key), link) {
		if (same_word(w, &of->key))
			w->seen_leaving = leaving;
	}
	if (best != nullptr && !best->owner_died)
		tell_of_death(&of->key);
}

/* What another thread waits for. A stray write may have hit where its page says that this is noted: it is to pay for
 * that, not who looks. */
static struct pi_waiter *waiter_of(struct thread *t) REQUIRES(pi_lock)
{
	return (uint64_t)t->kept == thread_page_of(t)->kernel_stack ? process_kept_of(t)->pi : nullptr;
}

/* Gives a thread the priority that is its due. The thread that it waits for itself, 0: none; -ESRCH: it has left its
 * locks for good. */
static long inherit(struct process *, struct thread *t, void *)
{
	struct process_thread *s = process_thread_of(t);
	int32_t best = INT32_MAX;
	struct pi_waiter *w;

	spin_lock(&pi_lock);
	list_for_each(w, &by_owner[t->tid % BUCKETS], owner_link) {
		if (w->owner == t->tid)
			best = MIN(best, w->nice);
	}
	if (best != s->inherited_nice) {
		s->inherited_nice = best;
		sched_publish_priority(t);
	}
	struct pi_waiter *own = waiter_of(t);
	if (own != nullptr)
		own->nice = sched_effective_nice(t);
	/* One that was granted its lock stands here a moment longer, and one that is still looking has a stale owner.
	 */
	long next = s->left_locks							? -ESRCH
		    : own != nullptr && own->queued && own->announced && !own->granting ? own->owner
											: 0;
	spin_unlock(&pi_lock);
	return next;
}

/* The same for the owner and whom it waits for. -ESRCH: there is no such owner; -EDEADLK: it waits for the caller. */
static int inherit_along(uint32_t owner)
{
	uint32_t self = thread_current()->tid;

	for (uint32_t n = 0; n < CHAIN_MAX && owner != 0; n++) {
		if (owner == self && n > 0)
			return -EDEADLK;
		long next = sched_with_thread((int)owner, inherit, nullptr);

		if (next < 0)
			return n == 0 ? -ESRCH : 0;
		owner = (uint32_t)next;
	}
	return 0;
}

static bool has_waiters(const struct user_key *k)
{
	spin_lock(&pi_lock);
	bool has = best_waiter(k) != nullptr;
	spin_unlock(&pi_lock);
	return has;
}

/* The word is nobody's: becomes the caller's. 0, RETRY, -EFAULT. */
static int take(user_addr at, const struct user_key *k, struct pi_waiter *w, uint32_t word, bool died)
{
	uint32_t self = thread_current()->tid, seen;
	uint32_t fresh = self | (word & (OWNER_DIED | LOCK_WAITERS)) | (died ? OWNER_DIED : 0);

	if (w != nullptr || has_waiters(k))
		fresh |= LOCK_WAITERS;
	int error = user_cmpxchg_u32(at, word, fresh, &seen);
	if (error != 0)
		return error;
	if (seen != word)
		return RETRY;
	spin_lock(&pi_lock);
	if (w != nullptr && w->queued)
		leave_queue(w);
	pass_waiters(k, self);
	spin_unlock(&pi_lock);
	(void)inherit_along(self);
	return 0;
}

static struct pi_waiter *start_waiting(const struct user_key *k, uint32_t owner)
{
	struct thread *t = thread_current();
	struct pi_waiter *w = kmalloc(sizeof(*w));

	if (w == nullptr)
		return nullptr;
	*w = (struct pi_waiter){.refs = 1, .thread = t, .tid = t->tid, .nice = sched_effective_nice(t), .key = *k};
	list_init(&w->owner_link);
	spin_lock(&pi_lock);
	w->queued = true;
	list_push_back(bucket_of(k), &w->link);
	set_owner(w, owner);
	process_kept_of(t)->pi = w;
	spin_unlock(&pi_lock);
	return w;
}

/* The caller waits no more; what it was told of the owner's death is another's to know. */
static void stop_waiting(struct pi_waiter *w)
{
	spin_lock(&pi_lock);
	uint32_t owner = w->queued ? w->owner : 0;
	bool died = w->queued && w->owner_died;
	if (w->queued)
		leave_queue(w);
	if (died)
		tell_of_death(&w->key);
	process_kept_of(thread_current())->pi = nullptr;
	spin_unlock(&pi_lock);
	(void)inherit_along(owner);
	put(w);
}

static void set_announced(struct pi_waiter *w, bool announced)
{
	spin_lock(&pi_lock);
	w->announced = announced;
	spin_unlock(&pi_lock);
}

static bool still_waits(const struct pi_waiter *w, uint32_t owner)
{
	spin_lock(&pi_lock);
	bool waits = w->queued && !w->granting && w->owner == owner;
	spin_unlock(&pi_lock);
	return waits;
}

/* Shows in the word that somebody waits, and lets the owner inherit. 0, RETRY, an error. */
static int announce(user_addr at, struct pi_waiter *w, uint32_t word)
{
	uint32_t owner = word & TID_MASK, seen;
	int error;

	spin_lock(&pi_lock);
	if (w->queued && w->owner != owner)
		set_owner(w, owner);
	spin_unlock(&pi_lock);
	if (!(word & LOCK_WAITERS)) {
		error = user_cmpxchg_u32(at, word, word | LOCK_WAITERS, &seen);
		if (error != 0)
			return error;
		if (seen != word)
			return RETRY;
	}
	/* Queued and seen to wait: from here on whoever passes the lock on sets the owner. */
	error = user_load_u32(at, &seen);
	if (error != 0)
		return error;
	if ((seen & TID_MASK) != owner)
		return RETRY;
	set_announced(w, true);
	error = inherit_along(owner);
	/* The owner may have passed the lock on meanwhile, to this thread even, and wait itself. */
	if (error == -EDEADLK && !still_waits(w, owner))
		return RETRY;
	if (error != -ESRCH)
		return error;
	/* It has ended meanwhile, or there never was one. */
	error = user_load_u32(at, &seen);
	if (error != 0)
		return error;
	return (seen & TID_MASK) != owner || __atomic_load_n(&w->owner_died, __ATOMIC_ACQUIRE) ? RETRY : -ESRCH;
}

/* Sleeps; 0: the lock is had, RETRY: look again, or an error. */
static int await(struct pi_waiter *w, const struct futex_pi *r)
{
	int error = futex_sleep(&w->over, r->realtime, r->deadline);

	/* Somebody is writing this thread's id into the word: what becomes of it is not known yet. */
	if (error != 0)
		(void)wait_event_killable(&settled, !__atomic_load_n(&w->granting, __ATOMIC_ACQUIRE));
	spin_lock(&pi_lock);
	bool granted = w->granted;
	__atomic_store_n(&w->over, false, __ATOMIC_RELEASE);
	spin_unlock(&pi_lock);
	if (granted)
		return 0;
	return error == 0 ? RETRY : error == -ERESTARTSYS ? -ERESTARTNOINTR : error;
}

static long owner_is_there(struct process *, struct thread *t, void *)
{
	return process_thread_of(t)->left_locks ? -ESRCH : 0;
}

/* The word has this thread's id already: who wrote it is about to say so. */
static bool was_granted(struct pi_waiter *w)
{
	(void)wait_event_killable(&settled, !__atomic_load_n(&w->granting, __ATOMIC_ACQUIRE));
	spin_lock(&pi_lock);
	bool granted = w->granted;
	spin_unlock(&pi_lock);
	return granted;
}

/* 0: the lock is had; RETRY; an error. */
static int try_once(const struct futex_pi *r, const struct user_key *k, struct pi_waiter **w)
{
	uint32_t word;

	if (*w != nullptr)
		set_announced(*w, false);
	int error = user_load_u32(r->at, &word);
	if (error != 0)
		return error;
	uint32_t owner = word & TID_MASK;
	if (owner == thread_current()->tid)
		return *w != nullptr && was_granted(*w) ? 0 : -EDEADLK;
	bool died = *w != nullptr && __atomic_load_n(&(*w)->owner_died, __ATOMIC_ACQUIRE) && owner == (*w)->owner;
	if (owner == 0 || died)
		return take(r->at, k, *w, word, died);
	if (r->only_try) {
		error = (int)sched_with_thread((int)owner, owner_is_there, nullptr);
		return error != 0 ? -ESRCH : -EAGAIN;
	}
	if (*w == nullptr)
		*w = start_waiting(k, owner);
	if (*w == nullptr)
		return -ENOMEM;
	error = announce(r->at, *w, word);
	return error != 0 ? error : await(*w, r);
}

long futex_pi_lock(const struct futex_pi *r)
{
	struct pi_waiter *w = nullptr;
	struct user_key key;
	int error = user_word_key(r->at, r->private_word, &key);

	if (error != 0)
		return error;
	do {
		error = try_once(r, &key, &w);
		if (error == RETRY && signal_fatal_current())
			error = -EINTR;
	} while (error == RETRY);
	if (w != nullptr)
		stop_waiting(w);
	return error;
}

/* Who was granting it could not: it has to look itself. */
static void cannot_grant(struct process_work *work)
{
	struct pi_waiter *w = container_of(work, struct pi_waiter, granting_work);

	process_work_end(work);
	spin_lock(&pi_lock);
	__atomic_store_n(&w->granting, false, __ATOMIC_RELEASE);
	/* One that was killed meanwhile is no longer there to be told. */
	if (w->queued)
		tell(w);
	spin_unlock(&pi_lock);
	wait_wake_all(&settled);
	put(w);
}

static struct pi_waiter *begin_granting(const struct user_key *k)
{
	spin_lock(&pi_lock);
	struct pi_waiter *w = best_waiter(k);
	if (w != nullptr) {
		w->granting = true;
		__atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&pi_lock);
	if (w != nullptr)
		process_work_begin(&w->granting_work, cannot_grant);
	return w;
}

/* The word says so already. False: it died meanwhile. */
static bool grant(struct pi_waiter *w)
{
	process_work_end(&w->granting_work);
	spin_lock(&pi_lock);
	bool there = w->queued;
	__atomic_store_n(&w->granting, false, __ATOMIC_RELEASE);
	if (there) {
		leave_queue(w);
		w->granted = true;
		pass_waiters(&w->key, w->tid);
		tell(w);
	}
	spin_unlock(&pi_lock);
	wait_wake_all(&settled);
	return there;
}

/* From an owner to another one (0: none), whatever else the word says. -EINVAL: it is not that owner's. */
static int write_owner(user_addr at, uint32_t from, uint32_t to)
{
	uint32_t word, seen;
	int error = user_load_u32(at, &word);

	while (error == 0) {
		if ((word & TID_MASK) != from)
			return -EINVAL;
		error = user_cmpxchg_u32(at, word, to, &seen);
		if (error == 0 && seen == word)
			return 0;
		if (error == 0 && signal_fatal_current())
			error = -EINTR;
		/* Somebody begins to wait, who may not be found yet. */
		if (error == 0 && to == 0)
			return RETRY;
		word = seen;
	}
	return error;
}

/* Who came to the queue while the word was cleared found it as it was before, and would sleep. */
static void tell_of_release(const struct user_key *k)
{
	spin_lock(&pi_lock);
	struct pi_waiter *w = best_waiter(k);
	if (w != nullptr)
		tell(w);
	spin_unlock(&pi_lock);
}

long futex_pi_unlock(user_addr at, bool private_word)
{
	uint32_t word, self = thread_current()->tid, owner = self;
	struct user_key key;
	int error = user_load_u32(at, &word);

	if (error == 0 && (word & TID_MASK) != self)
		return -EPERM;
	if (error == 0)
		error = user_word_key(at, private_word, &key);
	bool done = false;
	while (error == 0 && !done) {
		struct pi_waiter *w = begin_granting(&key);

		error = write_owner(at, owner, w != nullptr ? w->tid | LOCK_WAITERS : 0);
		if (w == nullptr) {
			done = error == 0;
			error = error == RETRY ? 0 : error;
			if (done)
				tell_of_release(&key);
		} else if (error != 0) {
			cannot_grant(&w->granting_work);
		} else {
			owner = w->tid;
			done = grant(w);
			put(w);
		}
	}
	if (error == 0 && owner != self)
		(void)inherit_along(owner);
	(void)sched_with_thread(0, inherit, nullptr);
	return error;
}

void futex_pi_stop(void)
{
	struct pi_waiter *w = process_kept_of(thread_current())->pi;

	if (w != nullptr)
		stop_waiting(w);
}

void futex_pi_leave(bool for_good)
{
	static uint64_t leaving GUARDED_BY(&pi_lock); /* 0 is nobody's */
	struct thread *t = thread_current();
	struct pi_waiter *w;

	futex_pi_stop();
	spin_lock(&pi_lock);
	process_thread_of(t)->left_locks = for_good;
	leaving++;
	list_for_each(w, &by_owner[t->tid % BUCKETS], owner_link) {
		if (w->owner == t->tid && w->seen_leaving != leaving)
			leave_word(w, leaving);
	}
	spin_unlock(&pi_lock);
}
