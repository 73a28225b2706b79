/* SPDX-License-Identifier: MIT */
/*
 * What the files of futex(2) share: futex.c has the queues of who waits for a word to change, futex_pi_queue.c those of
 * who waits for a lock that has an owner, futex_pi.c takes such locks and gives them back, futex_requeue_pi.c leads
 * from the one queue to the other, futex_calls.c reads the calls.
 */
#ifndef PROCESS_FUTEX_H
#define PROCESS_FUTEX_H

#include "internal.h"
#include <kernel/vm/user.h>

static inline bool futex_same_word(const struct user_key *x, const struct user_key *y)
{
	return x->a == y->a && x->b == y->b;
}

/* --- futex.c --- */
/* The key of a word, by which its waiters are found. -EINVAL: it is not aligned; -EFAULT. */
[[nodiscard]] int futex_key(user_addr at, bool private_word, struct user_key *out);
enum : uint32_t { FUTEX_BITSET_ALL = UINT32_MAX };
struct futex_wait {
	user_addr at;
	bool private_word, realtime;
	uint32_t value, bitset;
	uint64_t deadline; /* on its clock; 0: none */
};
struct pi_waiter;
/* Sleeps if the word has the value. 0: woken; -EAGAIN: it has not; -EINVAL: no bits; -ETIMEDOUT, -ERESTARTSYS,
 * -EFAULT. */
[[nodiscard]] long futex_wait(const struct futex_wait *f);
/* One of the words of futex_waitv(2). */
struct futex_word {
	user_addr at;
	uint32_t value;
	bool private_word;
};
/* Sleeps if all n words have their values, until one is woken: which. Errors as above. deadline: on its clock; 0: none.
 */
[[nodiscard]] long futex_wait_any(const struct futex_word *words, uint32_t n, bool realtime, uint64_t deadline);
/* The same for who is to be moved to a lock's queue, as w. *moved: w is the lock's (or is about to be), whatever is
 * answered: 0, if w has to look, or an error. */
[[nodiscard]] int futex_wait_for_lock(const struct futex_wait *f, struct pi_waiter *w, bool *moved);
/* Wakes up to count waiters who wait for some of the bits, one if count is 0 or less, as FUTEX_WAKE always has. How
 * many; -EINVAL: one of them waits to be moved to a lock. */
[[nodiscard]] long futex_wake(const struct user_key *key, int32_t count, uint32_t bitset);
/* Wakes some and moves others to another word. How many altogether; -EINVAL as above. */
[[nodiscard]] long futex_requeue(const struct user_key *from, const struct user_key *to, uint32_t wake_count,
				 uint32_t move_count);
/* Who waits for the word now has this number at most, and who comes later has a higher one. */
uint64_t futex_last_waiter(const struct user_key *key);
/* The first who waits for the word, as a waiter for the lock; taken out of the queue if wanted. *out: a reference for
 * the caller, or nullptr: nobody up to the number `last` waits. -EINVAL: it does not wait to be moved there. */
[[nodiscard]] int futex_first_for_lock(const struct user_key *from, const struct user_key *lock, uint64_t last,
				       bool take, struct pi_waiter **out);

/* --- futex_pi_queue.c --- */
enum : uint32_t {
	PI_LOCK_WAITERS = 0x80000000,
	PI_OWNER_DIED = 0x40000000,
	PI_TID_MASK = 0x3fffffff,
};
enum : int { PI_RETRY = 1 };

/* Of the thread that waits, and of who grants it the lock or moves it to the lock's queue. */
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
	bool left;	/* it waits no more: it must not be queued again */
	struct process_work granting_work, moving_work; /* of who grants; of who moves */
};

extern struct spinlock pi_lock;
/* The calling thread's, not queued, with one reference; the key is the lock's. nullptr: no memory. */
struct pi_waiter *pi_waiter_create(const struct user_key *k);
void pi_waiter_get(struct pi_waiter *w);
void pi_waiter_put(struct pi_waiter *w);
/* Into the queues of its word and that owner, unless it is there or has left. */
void pi_enqueue(struct pi_waiter *w, uint32_t owner) REQUIRES(pi_lock);
void pi_dequeue(struct pi_waiter *w) REQUIRES(pi_lock);
void pi_set_owner(struct pi_waiter *w, uint32_t owner) REQUIRES(pi_lock);
/* Who gets the lock next: the best nice value, and of several the first. */
struct pi_waiter *pi_best_waiter(const struct user_key *k) REQUIRES(pi_lock);
/* All who wait for the word wait for this owner now. */
void pi_pass_waiters(const struct user_key *k, uint32_t owner) REQUIRES(pi_lock);
/* It has to look. */
void pi_tell(struct pi_waiter *w) REQUIRES(pi_lock);
/* The owner of a word is gone: one of its waiters takes it over. */
void pi_tell_of_death(const struct user_key *k) REQUIRES(pi_lock);
/* The word still says this owner, which is gone. 0: another waiter was told of it, and takes the lock or tells the next
 * one; PI_RETRY: w itself was, or it waits for somebody else by now; -ESRCH: nobody waited when the owner went. */
[[nodiscard]] int pi_after_death(struct pi_waiter *w, uint32_t owner);
bool pi_has_waiters(const struct user_key *k);
/* Lets the owner, and whom it waits for, inherit. -ESRCH: there is no such owner; -EDEADLK: it waits for that waiter.
 */
[[nodiscard]] int pi_inherit_along(uint32_t owner, uint32_t waiter);
/* The current thread keeps of its inheritance what is still its due. */
void pi_inherit_less(void);
/* Whether there is such a thread, which may be waited for: 0 or -ESRCH. */
[[nodiscard]] int pi_owner_is_there(uint32_t owner);
/* Chooses who gets the lock; it does not leave before pi_grant or pi_cannot_grant. A reference, or nullptr. */
struct pi_waiter *pi_begin_granting(const struct user_key *k);
/* The word says so already. False: it died meanwhile. */
[[nodiscard]] bool pi_grant(struct pi_waiter *w);
/* The word does not say so: it has to look itself. The reference is gone. */
void pi_cannot_grant(struct pi_waiter *w);
/* Waits until nobody is writing this thread's id into the word, or the caller is to die. */
void pi_wait_settled(const struct pi_waiter *w);

/* --- futex_pi.c --- */
struct futex_pi {
	user_addr at;
	bool private_word, realtime, only_try;
	uint64_t deadline; /* on its clock; 0: none */
};
/* -EDEADLK, -ESRCH: there is no such owner; -EAGAIN (only_try), -ETIMEDOUT, -EFAULT, -ENOMEM. May sleep. */
[[nodiscard]] long futex_pi_lock(const struct futex_pi *r);
[[nodiscard]] long futex_pi_unlock(user_addr at, bool private_word); /* -EPERM: not the caller's */
/* Gives the lock from who gave it up to the best waiter, or nobody; key is its word's. *owner is who has it then. */
[[nodiscard]] int futex_pi_pass_on(user_addr at, const struct user_key *key, uint32_t *owner);
/* Shows in the word, which was seen like this, that w waits, and lets the owner inherit. 0, PI_RETRY, an error. */
[[nodiscard]] int futex_pi_announce(user_addr at, struct pi_waiter *w, uint32_t word);
/* The caller's sleep as w ended with this error (0: it was told). 0: the lock is had; PI_RETRY: it has to look; an
 * error. */
[[nodiscard]] int futex_pi_settle(struct pi_waiter *w, int error);
/* Looks and sleeps until the lock is had or cannot be. *w may be nullptr: it is made when it is needed. */
[[nodiscard]] int futex_pi_try(const struct futex_pi *r, const struct user_key *k, struct pi_waiter **w);
/* The caller waits no more; its reference is gone. May sleep. */
void futex_pi_stop_waiting(struct pi_waiter *w);

/* --- futex_requeue_pi.c --- */
/* FUTEX_WAIT_REQUEUE_PI: waits for the word, and then for the lock. 0: the lock is had. -EAGAIN: the word has another
 * value, or a signal came while it waited for the lock; -EINVAL: both are one word; -EDEADLK, -ESRCH, -ETIMEDOUT,
 * -ERESTARTNOINTR, -EFAULT, -ENOMEM. */
[[nodiscard]] long futex_wait_requeue_pi(const struct futex_wait *f, user_addr lock);
struct futex_move {
	user_addr from, lock;
	bool private_word;
	uint32_t value, count; /* the word's; how many are moved at most */
};
/* FUTEX_CMP_REQUEUE_PI: gives the lock to the first waiter if it is free, and moves others to its queue. How many it
 * was altogether. -EAGAIN: the word has another value; -EINVAL: both are one word, or the first waiter does not wait to
 * be moved there; -EDEADLK, -ESRCH, -EFAULT. */
[[nodiscard]] long futex_requeue_to_pi(const struct futex_move *m);

#endif
