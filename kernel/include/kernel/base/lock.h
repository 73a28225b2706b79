/* SPDX-License-Identifier: MIT */
/*
 * Locks of the lowered kernel: mutex (may sleep; atomics, nucleus only on contention), rwlock
 * (sleeping, writer preference) and spinlock (short; preemption off; interrupts are never masked).
 * Each thread keeps an array of what it holds (thread.h) so that a contained fault can release it;
 * debug builds check the order classes of doc/locking.md.
 *
 * A mutex or rwlock must not be freed while another thread may still be inside its unlock: drop
 * references after unlocking.
 */
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include <abi/errno.h>
#include <kernel/base/thread.h>
#include <lib/annotate.h>
#include <lib/list.h>
#include <nucleus/privilege.h>

/* Order classes: a thread takes locks in ascending rank only (equal ranks: by address, with a
 * comment). 0: unchecked leaf. */
#include <kernel/base/lock_rank.h>

enum lock_kind : uint8_t { LOCK_MUTEX, LOCK_READ, LOCK_WRITE, LOCK_SPIN };

struct CAPABILITY("spinlock") spinlock {
	uint32_t word; /* 0 free, 1 held */
	uint32_t rank;
	struct thread *owner;
};
#define SPINLOCK_INIT(r) {.rank = (r)}
void spin_init(struct spinlock *l, uint32_t rank);
void spin_lock(struct spinlock *l) ACQUIRE(*l) NOT_ELEVATED;
bool spin_try_lock(struct spinlock *l) TRY_ACQUIRE(true, *l);
void spin_unlock(struct spinlock *l) RELEASE(*l) NOT_ELEVATED;

struct CAPABILITY("mutex") mutex {
	uint32_t word; /* 0 free, 1 held, 2 held and waited for */
	uint32_t rank;
	struct thread *owner;
	struct spinlock wait_lock;
	struct list waiters;
};
#define MUTEX_INIT(name, r) {.rank = (r), .waiters = LIST_INIT((name).waiters)}
void mutex_init(struct mutex *m, uint32_t rank);
void mutex_lock(struct mutex *m) ACQUIRE(*m) NOT_ELEVATED;
bool mutex_try_lock(struct mutex *m) TRY_ACQUIRE(true, *m);
void mutex_unlock(struct mutex *m) RELEASE(*m) NOT_ELEVATED;
bool mutex_is_mine(const struct mutex *m);

struct CAPABILITY("rwlock") rwlock {
	struct spinlock wait_lock;
	uint32_t state; /* readers; top bit: a writer; next bit: threads wait */
	uint32_t rank;
	struct thread *writer;
	struct list waiters;
};
#define RWLOCK_INIT(name, r) {.rank = (r), .waiters = LIST_INIT((name).waiters)}
void rwlock_init(struct rwlock *l, uint32_t rank);
void read_lock(struct rwlock *l) ACQUIRE_SHARED(*l) NOT_ELEVATED;
void read_unlock(struct rwlock *l) RELEASE_SHARED(*l) NOT_ELEVATED;
void write_lock(struct rwlock *l) ACQUIRE(*l) NOT_ELEVATED;
/* Whatever else is held: it waits for nobody. */
bool write_try_lock(struct rwlock *l) TRY_ACQUIRE(true, *l);
void write_unlock(struct rwlock *l) RELEASE(*l) NOT_ELEVATED;

/* Releases, newest first, every lock that the current thread holds beyond the oldest `count`
 * (containment). */
void locks_release_beyond(uint32_t count);

#endif
