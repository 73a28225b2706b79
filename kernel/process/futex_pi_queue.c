/* SPDX-License-Identifier: MIT */
/*
 * Who waits for locks that pass priority on (futex_pi.c), and what their owners inherit: while somebody waits, the
 * owner of a word runs with the best nice value of all who wait for it, directly or through further locks (there are no
 * real-time policies).
 *
 * Waiters hang in buckets by the key of their word and by its owner, both under pi_lock. Whoever gives a lock away
 * chooses the best waiter, which may not leave meanwhile (`granting`). An owner that ends tells the best waiter of each
 * word, which takes the lock itself and leaves FUTEX_OWNER_DIED.
 */
#include "futex.h"
#include "sched.h"
#include <kernel/mem/slab.h>

enum : uint32_t {
	BUCKETS = 64,
	CHAIN_MAX = 1024, /* locks that wait for each other */
};

struct spinlock pi_lock = SPINLOCK_INIT(RANK_FUTEX);
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

struct pi_waiter *pi_waiter_create(const struct user_key *k)
{
	struct thread *t = thread_current();
	struct pi_waiter *w = kmalloc(sizeof(*w));

	if (w == nullptr)
		return nullptr;
	*w = (struct pi_waiter){.refs = 1, .thread = t, .tid = t->tid, .nice = sched_effective_nice(t), .key = *k};
	list_init(&w->link);
	list_init(&w->owner_link);
	spin_lock(&pi_lock);
	process_kept_of(t)->pi = w;
	spin_unlock(&pi_lock);
	return w;
}

void pi_waiter_get(struct pi_waiter *w)
{
	__atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
}

void pi_waiter_put(struct pi_waiter *w)
{
	if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(w);
}

void pi_set_owner(struct pi_waiter *w, uint32_t owner)
{
	list_remove(&w->owner_link);
	w->owner = owner;
	w->owner_died = false;
	list_push_back(&by_owner[owner % BUCKETS], &w->owner_link);
}

void pi_enqueue(struct pi_waiter *w, uint32_t owner)
{
	if (w->queued || w->granted || w->left)
		return;
	w->queued = true;
	list_push_back(bucket_of(&w->key), &w->link);
	pi_set_owner(w, owner);
}

void pi_dequeue(struct pi_waiter *w)
{
	list_remove(&w->link);
	list_remove(&w->owner_link);
	w->queued = false;
}

struct pi_waiter *pi_best_waiter(const struct user_key *k)
{
	struct pi_waiter *w, *best = nullptr;

	list_for_each(w, bucket_of(k), link) {
		if (futex_same_word(&w->key, k) && !w->granting && (best == nullptr || w->nice < best->nice))
			best = w;
	}
	return best;
}

void pi_pass_waiters(const struct user_key *k, uint32_t owner)
{
	struct pi_waiter *w;

	list_for_each(w, bucket_of(k), link) {
		if (futex_same_word(&w->key, k))
			pi_set_owner(w, owner);
	}
}

void pi_tell(struct pi_waiter *w)
{
	__atomic_store_n(&w->over, true, __ATOMIC_RELEASE);
	thread_unpark(w->thread);
}

void pi_tell_of_death(const struct user_key *k)
{
	struct pi_waiter *w = pi_best_waiter(k);

	if (w == nullptr)
		return;
	w->owner_died = true;
	pi_tell(w);
}

int pi_after_death(struct pi_waiter *w, uint32_t owner)
{
	struct pi_waiter *o;
	int error = -ESRCH;

	spin_lock(&pi_lock);
	if (!w->queued || w->owner != owner || w->owner_died)
		error = PI_RETRY;
	else
		list_for_each(o, bucket_of(&w->key), link) {
			if (o->owner_died && o->owner == owner && futex_same_word(&o->key, &w->key))
				error = 0;
		}
	spin_unlock(&pi_lock);
	return error;
}

/* Its word is looked at once, however many wait for it. */
static void leave_word(const struct pi_waiter *of, uint64_t leaving) REQUIRES(pi_lock)
{
	struct pi_waiter *w, *best = pi_best_waiter(&of->key);

	list_for_each(w, bucket_of(&of->key), link) {
		if (futex_same_word(&w->key, &of->key))
			w->seen_leaving = leaving;
	}
	if (best != nullptr && !best->owner_died)
		pi_tell_of_death(&of->key);
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

int pi_inherit_along(uint32_t owner, uint32_t waiter)
{
	for (uint32_t n = 0; n < CHAIN_MAX && owner != 0; n++) {
		if (owner == waiter && n > 0)
			return -EDEADLK;
		long next = sched_with_thread((int)owner, inherit, nullptr);

		if (next < 0)
			return n == 0 ? -ESRCH : 0;
		owner = (uint32_t)next;
	}
	return 0;
}

void pi_inherit_less(void)
{
	(void)sched_with_thread(0, inherit, nullptr);
}

static long owner_is_there(struct process *, struct thread *t, void *)
{
	return process_thread_of(t)->left_locks ? -ESRCH : 0;
}

int pi_owner_is_there(uint32_t owner)
{
	return sched_with_thread((int)owner, owner_is_there, nullptr) == 0 ? 0 : -ESRCH;
}

bool pi_has_waiters(const struct user_key *k)
{
	spin_lock(&pi_lock);
	bool has = pi_best_waiter(k) != nullptr;
	spin_unlock(&pi_lock);
	return has;
}

void pi_cannot_grant(struct pi_waiter *w)
{
	process_work_end(&w->granting_work);
	spin_lock(&pi_lock);
	__atomic_store_n(&w->granting, false, __ATOMIC_RELEASE);
	/* One that was killed meanwhile is no longer there to be told. */
	if (w->queued)
		pi_tell(w);
	spin_unlock(&pi_lock);
	wait_wake_all(&settled);
	pi_waiter_put(w);
}

static void undo_granting(struct process_work *work)
{
	pi_cannot_grant(container_of(work, struct pi_waiter, granting_work));
}

struct pi_waiter *pi_begin_granting(const struct user_key *k)
{
	spin_lock(&pi_lock);
	struct pi_waiter *w = pi_best_waiter(k);
	if (w != nullptr) {
		w->granting = true;
		pi_waiter_get(w);
	}
	spin_unlock(&pi_lock);
	if (w != nullptr)
		process_work_begin(&w->granting_work, undo_granting);
	return w;
}

bool pi_grant(struct pi_waiter *w)
{
	process_work_end(&w->granting_work);
	spin_lock(&pi_lock);
	bool there = w->queued;
	__atomic_store_n(&w->granting, false, __ATOMIC_RELEASE);
	if (there) {
		pi_dequeue(w);
		w->granted = true;
		pi_pass_waiters(&w->key, w->tid);
		pi_tell(w);
	}
	spin_unlock(&pi_lock);
	wait_wake_all(&settled);
	return there;
}

void pi_wait_settled(const struct pi_waiter *w)
{
	(void)wait_event_killable(&settled, !__atomic_load_n(&w->granting, __ATOMIC_ACQUIRE));
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
