/* SPDX-License-Identifier: MIT */
/*
 * Futexes that pass priority on: FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI and FUTEX_UNLOCK_PI (futex(2),
 * "Priority-inheritance futexes"). The word holds the owner's thread id, so the kernel is asked only when somebody has
 * to wait.
 *
 * Words are changed without a lock, since that may fault. A waiter is in its queue (futex_pi_queue.c) before it makes
 * the word show that somebody waits. Whoever unlocks chooses the best waiter, writes its id into the word, and lets it
 * go.
 */
#include "futex.h"

/* The word is nobody's: becomes the caller's. 0, PI_RETRY, -EFAULT. */
static int take(user_addr at, const struct user_key *k, struct pi_waiter *w, uint32_t word, bool died)
{
	uint32_t self = thread_current()->tid, seen;
	uint32_t fresh = self | (word & (PI_OWNER_DIED | PI_LOCK_WAITERS)) | (died ? PI_OWNER_DIED : 0);

	if (w != nullptr || pi_has_waiters(k))
		fresh |= PI_LOCK_WAITERS;
	int error = user_cmpxchg_u32(at, word, fresh, &seen);
	if (error != 0)
		return error;
	if (seen != word)
		return PI_RETRY;
	spin_lock(&pi_lock);
	if (w != nullptr && w->queued)
		pi_dequeue(w);
	if (w != nullptr)
		w->granted = true;
	pi_pass_waiters(k, self);
	spin_unlock(&pi_lock);
	(void)pi_inherit_along(self, self);
	return 0;
}

/* The caller waits no more; what it was told of the owner's death is another's to know. */
void futex_pi_stop_waiting(struct pi_waiter *w)
{
	spin_lock(&pi_lock);
	uint32_t owner = w->queued ? w->owner : 0;
	bool died = w->queued && w->owner_died;
	if (w->queued)
		pi_dequeue(w);
	w->left = true;
	if (died)
		pi_tell_of_death(&w->key);
	process_kept_of(thread_current())->pi = nullptr;
	spin_unlock(&pi_lock);
	(void)pi_inherit_along(owner, thread_current()->tid);
	pi_waiter_put(w);
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

int futex_pi_announce(user_addr at, struct pi_waiter *w, uint32_t word)
{
	uint32_t owner = word & PI_TID_MASK, seen;
	int error;

	spin_lock(&pi_lock);
	if (w->queued && w->owner != owner)
		pi_set_owner(w, owner);
	spin_unlock(&pi_lock);
	if (!(word & PI_LOCK_WAITERS)) {
		error = user_cmpxchg_u32(at, word, word | PI_LOCK_WAITERS, &seen);
		if (error != 0)
			return error;
		if (seen != word)
			return PI_RETRY;
	}
	/* Queued and seen to wait: from here on whoever passes the lock on sets the owner. */
	error = user_load_u32(at, &seen);
	if (error != 0)
		return error;
	if ((seen & PI_TID_MASK) != owner)
		return PI_RETRY;
	set_announced(w, true);
	error = pi_inherit_along(owner, w->tid);
	/* The owner may have passed the lock on meanwhile, to this thread even, and wait itself. */
	if (error == -EDEADLK && !still_waits(w, owner))
		return PI_RETRY;
	if (error != -ESRCH)
		return error;
	/* It has ended meanwhile, or there never was one. */
	error = user_load_u32(at, &seen);
	if (error != 0)
		return error;
	return (seen & PI_TID_MASK) != owner ? PI_RETRY : pi_after_death(w, owner);
}

int futex_pi_settle(struct pi_waiter *w, int error)
{
	/* Somebody is writing this thread's id into the word: what becomes of it is not known yet. */
	if (error != 0)
		pi_wait_settled(w);
	spin_lock(&pi_lock);
	bool granted = w->granted;
	__atomic_store_n(&w->over, false, __ATOMIC_RELEASE);
	spin_unlock(&pi_lock);
	if (granted)
		return 0;
	return error == 0 ? PI_RETRY : error == -ERESTARTSYS ? -ERESTARTNOINTR : error;
}

/* The word has this thread's id already: who wrote it is about to say so. */
static bool was_granted(struct pi_waiter *w)
{
	pi_wait_settled(w);
	spin_lock(&pi_lock);
	bool granted = w->granted;
	spin_unlock(&pi_lock);
	return granted;
}

/* 0: the lock is had; PI_RETRY; an error. */
static int try_once(const struct futex_pi *r, const struct user_key *k, struct pi_waiter **w)
{
	uint32_t word;

	if (*w != nullptr)
		set_announced(*w, false);
	int error = user_load_u32(r->at, &word);
	if (error != 0)
		return error;
	uint32_t owner = word & PI_TID_MASK;
	if (owner == thread_current()->tid)
		return *w != nullptr && was_granted(*w) ? 0 : -EDEADLK;
	bool died = *w != nullptr && __atomic_load_n(&(*w)->owner_died, __ATOMIC_ACQUIRE) && owner == (*w)->owner;
	if (owner == 0 || died)
		return take(r->at, k, *w, word, died);
	if (r->only_try) {
		error = pi_owner_is_there(owner);
		return error != 0 ? error : -EAGAIN;
	}
	if (*w == nullptr)
		*w = pi_waiter_create(k);
	if (*w == nullptr)
		return -ENOMEM;
	spin_lock(&pi_lock);
	pi_enqueue(*w, owner);
	spin_unlock(&pi_lock);
	error = futex_pi_announce(r->at, *w, word);
	if (error != 0)
		return error;
	return futex_pi_settle(*w, futex_sleep(&(*w)->over, r->realtime, r->deadline));
}

int futex_pi_try(const struct futex_pi *r, const struct user_key *k, struct pi_waiter **w)
{
	int error;

	do {
		error = try_once(r, k, w);
		if (error == PI_RETRY && signal_fatal_current())
			error = -EINTR;
	} while (error == PI_RETRY);
	return error;
}

long futex_pi_lock(const struct futex_pi *r)
{
	struct pi_waiter *w = nullptr;
	struct user_key key;
	int error = futex_key(r->at, r->private_word, &key);

	if (error != 0)
		return error;
	error = futex_pi_try(r, &key, &w);
	if (w != nullptr)
		futex_pi_stop_waiting(w);
	return error;
}

/* From an owner to another one (0: none), whatever else the word says. -EINVAL: it is not that owner's. */
static int write_owner(user_addr at, uint32_t from, uint32_t to)
{
	uint32_t word, seen;
	int error = user_load_u32(at, &word);

	while (error == 0) {
		if ((word & PI_TID_MASK) != from)
			return -EINVAL;
		error = user_cmpxchg_u32(at, word, to, &seen);
		if (error == 0 && seen == word)
			return 0;
		if (error == 0 && signal_fatal_current())
			error = -EINTR;
		/* Somebody begins to wait, who may not be found yet. */
		if (error == 0 && to == 0)
			return PI_RETRY;
		word = seen;
	}
	return error;
}

/* Who came to the queue while the word was cleared found it as it was before, and would sleep. */
static void tell_of_release(const struct user_key *k)
{
	spin_lock(&pi_lock);
	struct pi_waiter *w = pi_best_waiter(k);
	if (w != nullptr)
		pi_tell(w);
	spin_unlock(&pi_lock);
}

int futex_pi_pass_on(user_addr at, const struct user_key *key, uint32_t *owner)
{
	int error = 0;
	bool done = false;

	while (error == 0 && !done) {
		struct pi_waiter *w = pi_begin_granting(key);

		error = write_owner(at, *owner, w != nullptr ? w->tid | PI_LOCK_WAITERS : 0);
		if (w == nullptr) {
			done = error == 0;
			error = error == PI_RETRY ? 0 : error;
			if (done)
				tell_of_release(key);
		} else if (error != 0) {
			pi_cannot_grant(w);
		} else {
			*owner = w->tid;
			done = pi_grant(w);
			pi_waiter_put(w);
		}
	}
	return error;
}

long futex_pi_unlock(user_addr at, bool private_word)
{
	uint32_t word, self = thread_current()->tid, owner = self;
	struct user_key key;
	int error = user_load_u32(at, &word);

	if (error == 0 && (word & PI_TID_MASK) != self)
		return -EPERM;
	if (error == 0)
		error = futex_key(at, private_word, &key);
	if (error == 0)
		error = futex_pi_pass_on(at, &key, &owner);
	if (error == 0 && owner != self)
		(void)pi_inherit_along(owner, self);
	pi_inherit_less();
	return error;
}

void futex_pi_stop(void)
{
	struct pi_waiter *w = process_kept_of(thread_current())->pi;

	if (w != nullptr)
		futex_pi_stop_waiting(w);
}
