/* SPDX-License-Identifier: MIT */
/*
 * From waiting for a word to waiting for a lock, without waking up in between: FUTEX_WAIT_REQUEUE_PI and
 * FUTEX_CMP_REQUEUE_PI (futex(2), "Priority-inheritance futexes"), for condition variables whose mutex passes priority
 * on.
 *
 * Who waits has its entry for the lock's queue ready. Who moves it takes it out of the word's queue and puts that entry
 * into the lock's, or gives it the lock if that is free. Its thread sleeps all the time, and may leave at any step:
 * then it says so (`left`), and the entry is not queued any more. What is not as it should be, the waiter is told to
 * find out itself, as if it had called FUTEX_LOCK_PI.
 */
#include "futex.h"

/* The wait for the lock, which may have been got already, begins with what ended the sleep. */
static int wait_for_lock(const struct futex_pi *r, struct pi_waiter *w, int error)
{
	struct pi_waiter *own = w;

	error = futex_pi_settle(w, error);
	if (error == PI_RETRY)
		error = futex_pi_try(r, &w->key, &own);
	/* The call could not be made again: the word has changed. */
	return error == -ERESTARTNOINTR ? -EAGAIN : error;
}

long futex_wait_requeue_pi(const struct futex_wait *f, user_addr lock)
{
	struct futex_pi r = {
		.at = lock, .private_word = f->private_word, .realtime = f->realtime, .deadline = f->deadline};
	struct user_key from, to;
	uint32_t seen;
	bool moved;

	if (f->at.value == lock.value)
		return -EINVAL;
	int error = futex_key(lock, f->private_word, &to);
	if (error == 0)
		error = futex_key(f->at, f->private_word, &from);
	/* That two addresses are one word's is seen after its value. */
	if (error == 0 && futex_same_word(&from, &to)) {
		error = user_load_u32(f->at, &seen);
		if (error == 0)
			error = seen != f->value ? -EAGAIN : -EINVAL;
	}
	if (error != 0)
		return error;
	struct pi_waiter *w = pi_waiter_create(&to);
	if (w == nullptr)
		return -ENOMEM;
	error = futex_wait_for_lock(f, w, &moved);
	if (moved)
		error = wait_for_lock(&r, w, error);
	else if (error == -ERESTARTSYS)
		error = -ERESTARTNOINTR;
	futex_pi_stop_waiting(w);
	return error;
}

/* Who was moving it could not: it has to look itself. */
static void end_moving(struct pi_waiter *w, bool tell)
{
	process_work_end(&w->moving_work);
	spin_lock(&pi_lock);
	if (tell && !w->left)
		pi_tell(w);
	spin_unlock(&pi_lock);
	pi_waiter_put(w);
}

static void undo_moving(struct process_work *work)
{
	end_moving(container_of(work, struct pi_waiter, moving_work), true);
}

/* The lock is free: it is the best waiter's now. PI_RETRY: it is not, or w is another one. */
static int hand_over(user_addr at, uint32_t word, struct pi_waiter *w, bool more)
{
	struct pi_waiter *best = pi_begin_granting(&w->key);
	uint32_t seen, owner;

	if (best == nullptr)
		return 0;
	owner = best->tid;
	more = more || pi_has_waiters(&w->key);
	int error = user_cmpxchg_u32(at, word, owner | (word & PI_OWNER_DIED) | (more ? PI_LOCK_WAITERS : 0), &seen);
	if (error == 0 && seen != word)
		error = PI_RETRY;
	if (error != 0) {
		pi_cannot_grant(best);
		return error;
	}
	bool same = best == w;
	if (!pi_grant(best))
		error = futex_pi_pass_on(at, &w->key, &owner);
	pi_waiter_put(best);
	if (error == 0)
		(void)pi_inherit_along(owner, w->tid);
	return error == 0 && !same ? PI_RETRY : error;
}

static int try_to_join(struct pi_waiter *w, user_addr at, bool more)
{
	uint32_t word;
	int error = user_load_u32(at, &word);

	if (error != 0)
		return error;
	uint32_t owner = word & PI_TID_MASK;
	spin_lock(&pi_lock);
	pi_enqueue(w, owner);
	/* One that was told, as of its owner's death, looks itself as soon as its thread runs. */
	bool there = w->queued && !w->granting && !w->over;
	spin_unlock(&pi_lock);
	if (!there)
		return 0;
	return owner == 0 ? hand_over(at, word, w, more) : futex_pi_announce(at, w, word);
}

/* Into the lock's queue, or to the lock itself. more: others will follow. */
static int join(struct pi_waiter *w, user_addr at, bool more)
{
	int error;

	process_work_begin(&w->moving_work, undo_moving);
	do {
		error = try_to_join(w, at, more);
		if (error == PI_RETRY && signal_fatal_current())
			error = -EINTR;
	} while (error == PI_RETRY);
	end_moving(w, error != 0);
	return error;
}

/* Whether w could wait for the lock as it is. */
static int may_join(const struct pi_waiter *w, user_addr at)
{
	uint32_t word, seen;
	int error = user_load_u32(at, &word);

	while (error == 0) {
		uint32_t owner = word & PI_TID_MASK;

		if (owner == w->tid)
			return -EDEADLK;
		if (owner == 0 || pi_owner_is_there(owner) == 0)
			return 0;
		/* It may have given the lock back, and ended then. */
		error = user_load_u32(at, &seen);
		if (error == 0 && seen == word)
			return -ESRCH;
		if (error == 0 && signal_fatal_current())
			return -EINTR;
		word = seen;
	}
	return error;
}

/* Moves the first one up to the number `last`. 1: it is moved; 0: there is none. */
static int move_one(const struct futex_move *m, const struct user_key *from, const struct user_key *lock, uint64_t last)
{
	struct pi_waiter *w;
	int error = futex_first_for_lock(from, lock, last, false, &w);

	if (error != 0 || w == nullptr)
		return error;
	/* While it still waits for the word, an error is the caller's alone. */
	error = may_join(w, m->lock);
	pi_waiter_put(w);
	if (error == 0)
		error = futex_first_for_lock(from, lock, last, true, &w);
	if (error != 0 || w == nullptr)
		return error;
	error = join(w, m->lock, m->count > 0);
	return error == 0 ? 1 : error;
}

long futex_requeue_to_pi(const struct futex_move *m)
{
	struct user_key from, lock;
	uint64_t last = 0;
	uint32_t seen;
	long moved = 0;
	int error = futex_key(m->from, m->private_word, &from);

	if (error == 0)
		error = futex_key(m->lock, m->private_word, &lock);
	if (error == 0 && futex_same_word(&from, &lock))
		error = -EINVAL;
	/* Who comes later may wait for a newer value, or have been moved already and be back. */
	if (error == 0)
		last = futex_last_waiter(&from);
	if (error == 0)
		error = user_load_u32(m->from, &seen);
	if (error == 0 && seen != m->value)
		error = -EAGAIN;
	/* A lock that is not there is told even if nobody waits. */
	if (error == 0)
		error = user_load_u32(m->lock, &seen);
	if (error != 0)
		return error;
	/* One who may get the lock, and as many more as are to wait for it. */
	while (moved <= m->count) {
		error = move_one(m, &from, &lock, last);
		if (error <= 0)
			break;
		moved++;
		if (signal_fatal_current())
			return -EINTR;
	}
	return error < 0 ? error : moved;
}
