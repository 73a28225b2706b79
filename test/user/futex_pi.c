/* SPDX-License-Identifier: MIT */
/*
 * Locks that pass priority on (futex(2), "Priority-inheritance futexes"), as the C library uses them
 * (PTHREAD_PRIO_INHERIT) and by themselves: who owns the word, who gets it next, and what becomes of it when its owner
 * ends.
 */
#include "ktap.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAKE = 1, LOCK = 6, UNLOCK = 7, TRY = 8, LOCK2 = 13, PRIVATE = 128, REALTIME = 256 };
enum : unsigned { WAITERS = 0x80000000, OWNER_DIED = 0x40000000, TID = 0x3fffffff };
enum { THREADS = 4, TURNS = 500 };

static _Atomic unsigned *word; /* shared with children */
static _Atomic int order;
static _Atomic pid_t tids[THREADS];

static long futex(int operation, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, 0, timeout, nullptr, 0);
}

static unsigned self(void)
{
	return (unsigned)syscall(SYS_gettid);
}

static void prepare(void)
{
	word = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(word != MAP_FAILED);
}

static void one_thread(void)
{
	prepare();
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(*word, self());
	FAILS(EDEADLK, futex(LOCK, nullptr));
	FAILS(EDEADLK, futex(TRY, nullptr));
	EQUAL(futex(UNLOCK, nullptr), 0);
	EQUAL(*word, 0);
	FAILS(EPERM, futex(UNLOCK, nullptr));
	EQUAL(futex(TRY | PRIVATE, nullptr), 0);
	EQUAL(futex(UNLOCK | PRIVATE, nullptr), 0);
	EQUAL(futex(LOCK2 | REALTIME, nullptr), 0);
	FAILS(ENOSYS, futex(UNLOCK | REALTIME, nullptr));
	/* Somebody that there is not. */
	*word = TID - 1;
	FAILS(ESRCH, futex(LOCK, nullptr));
	FAILS(ESRCH, futex(TRY, nullptr));
	FAILS(EPERM, futex(UNLOCK, nullptr));
	/* Nobody's any more, and that stays to be seen. */
	*word = OWNER_DIED;
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(*word, self() | OWNER_DIED);
	EQUAL(futex(UNLOCK, nullptr), 0);
	EQUAL(*word, 0);
	FAILS(EINVAL, syscall(SYS_futex, (char *)word + 1, LOCK, 0, nullptr, nullptr, 0));
	FAILS(EFAULT, syscall(SYS_futex, 8, LOCK, 0, nullptr, nullptr, 0));
	FAILS(EINVAL, futex(LOCK, &(struct timespec){0, -1}));
}

/* Takes the lock, says when, and gives it back. */
static void *take_and_give(void *number)
{
	long n = (long)number;

	OK(setpriority(PRIO_PROCESS, 0, n == 0 ? 10 : n == 1 ? 15 : 0));
	atomic_store(&tids[n], (pid_t)self());
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(*word & TID, self());
	int turn = atomic_fetch_add(&order, 1);
	EQUAL(futex(UNLOCK, nullptr), 0);
	return (void *)(long)turn;
}

static pthread_t start_taker(long n)
{
	pthread_t t;

	EQUAL(pthread_create(&t, nullptr, take_and_give, (void *)n), 0);
	while (atomic_load(&tids[n]) == 0)
		usleep(500);
	ktap_until_thread_state(getpid(), atomic_load(&tids[n]), "S");
	return t;
}

static int priority_of(pid_t tid)
{
	char path[64], text[1024];
	int priority = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	ktap_read_file(path, text, sizeof(text));
	const char *at = strrchr(text, ')');
	CHECK(at != nullptr &&
	      sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d", &priority) == 1);
	return priority;
}

static void the_owner_inherits(void)
{
	pthread_t threads[3];
	void *turn;

	prepare();
	OK(setpriority(PRIO_PROCESS, 0, 5));
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(priority_of((pid_t)self()), 25);
	threads[0] = start_taker(0);
	EQUAL(*word, self() | WAITERS);
	EQUAL(priority_of((pid_t)self()), 25);
	threads[1] = start_taker(1);
	threads[2] = start_taker(2);
	EQUAL(priority_of((pid_t)self()), 20);
	FAILS(EAGAIN, syscall(SYS_futex, word, 0, 0, nullptr, nullptr, 0));
	EQUAL(futex(UNLOCK, nullptr), 0);
	/* What is inherited is lost with the lock. */
	EQUAL(priority_of((pid_t)self()), 25);
	static const long wanted[] = {1, 2, 0};
	for (int n = 0; n < 3; n++) {
		pthread_join(threads[n], &turn);
		EQUAL((long)turn, wanted[n]);
	}
	EQUAL(*word, 0);
}

static void *take_both(void *second)
{
	_Atomic unsigned *other = second;

	atomic_store(&tids[0], (pid_t)self());
	EQUAL(syscall(SYS_futex, other, LOCK, 0, nullptr, nullptr, 0), 0);
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(futex(UNLOCK, nullptr), 0);
	EQUAL(syscall(SYS_futex, other, UNLOCK, 0, nullptr, nullptr, 0), 0);
	return nullptr;
}

/* Who waits for whom goes through several locks; a circle is refused. */
static void chains(void)
{
	pthread_t t;

	prepare();
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(pthread_create(&t, nullptr, take_both, (void *)(word + 1)), 0);
	while (atomic_load(&tids[0]) == 0)
		usleep(500);
	ktap_until_thread_state(getpid(), atomic_load(&tids[0]), "S");
	FAILS(EDEADLK, syscall(SYS_futex, word + 1, LOCK, 0, nullptr, nullptr, 0));
	EQUAL(futex(UNLOCK, nullptr), 0);
	pthread_join(t, nullptr);
	EQUAL(syscall(SYS_futex, word + 1, LOCK, 0, nullptr, nullptr, 0), 0);
	EQUAL(syscall(SYS_futex, word + 1, UNLOCK, 0, nullptr, nullptr, 0), 0);
}

static void on_signal(int)
{
}

/* A wait ends at its time, goes on after a handler, and leaves no trace. */
static void waits_that_end(void)
{
	struct timespec now;
	int ready[2];
	char c;

	prepare();
	OK(pipe(ready));
	pid_t holder = CHILD({
		EQUAL(futex(LOCK, nullptr), 0);
		EQUAL(write(ready[1], "x", 1), 1);
		close(ready[1]);
		pause();
	});
	EQUAL(read(ready[0], &c, 1), 1);
	FAILS(EAGAIN, futex(TRY, nullptr));
	FAILS(EPERM, futex(UNLOCK, nullptr));
	FAILS(ETIMEDOUT, futex(LOCK, &(struct timespec){1, 0}));
	FAILS(ETIMEDOUT, futex(LOCK2, &(struct timespec){0, 1000}));
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec = now.tv_nsec / 2;
	now.tv_sec += 1;
	FAILS(ETIMEDOUT, futex(LOCK, &now));
	EQUAL(*word & TID, (unsigned)holder);
	/* A handler does not end it; the holder's end does, and is told. */
	signal(SIGUSR1, on_signal);
	pid_t waiter = CHILD({
		EQUAL(futex(LOCK, nullptr), 0);
		CHECK(*word & OWNER_DIED);
		EQUAL(futex(UNLOCK, nullptr), 0);
	});
	ktap_until_state(waiter, "S");
	kill(waiter, SIGUSR1);
	ktap_until_state(waiter, "S");
	/* Another one is killed in the queue before it. */
	pid_t killed = CHILD(futex(LOCK, nullptr));
	ktap_until_state(killed, "S");
	kill(killed, SIGKILL);
	DIES(killed, SIGKILL);
	kill(holder, SIGKILL);
	DIES(holder, SIGKILL);
	EXITS(waiter, 0);
	EQUAL(*word, 0);
}

static pthread_mutex_t mutex;
static volatile long sum;

static void make_mutex(pthread_mutex_t *m, int type, int robust, int shared)
{
	pthread_mutexattr_t a;

	EQUAL(pthread_mutexattr_init(&a), 0);
	EQUAL(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT), 0);
	EQUAL(pthread_mutexattr_settype(&a, type), 0);
	EQUAL(pthread_mutexattr_setrobust(&a, robust), 0);
	EQUAL(pthread_mutexattr_setpshared(&a, shared), 0);
	EQUAL(pthread_mutex_init(m, &a), 0);
}

static void *add(void *)
{
	for (int n = 0; n < TURNS; n++) {
		EQUAL(pthread_mutex_lock(&mutex), 0);
		long before = sum;
		if (n % 16 == 0)
			sched_yield();
		sum = before + 1;
		EQUAL(pthread_mutex_unlock(&mutex), 0);
	}
	return nullptr;
}

static void mutexes_exclude(void)
{
	pthread_t threads[THREADS];

	make_mutex(&mutex, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
	for (int n = 0; n < THREADS; n++)
		EQUAL(pthread_create(&threads[n], nullptr, add, nullptr), 0);
	for (int n = 0; n < THREADS; n++)
		pthread_join(threads[n], nullptr);
	EQUAL(sum, THREADS * TURNS);
	EQUAL(pthread_mutex_lock(&mutex), 0);
	EQUAL(pthread_mutex_lock(&mutex), EDEADLK);
	EQUAL(pthread_mutex_unlock(&mutex), 0);
	EQUAL(pthread_mutex_unlock(&mutex), EPERM);
}

/* Shared, robust: whoever comes next is told of a death, and may make it whole. */
static void mutexes_of_the_dead(void)
{
	pthread_mutex_t *m = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(m != MAP_FAILED);
	make_mutex(m, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED);
	for (int n = 0; n < 3; n++) {
		int ready[2];
		char c;

		OK(pipe(ready));
		pid_t holder = CHILD({
			EQUAL(pthread_mutex_lock(m), 0);
			EQUAL(write(ready[1], "x", 1), 1);
			close(ready[1]);
			if (n > 0)
				pause();
		});
		EQUAL(read(ready[0], &c, 1), 1);
		pid_t waiter = CHILD({
			EQUAL(pthread_mutex_lock(m), EOWNERDEAD);
			EQUAL(pthread_mutex_consistent(m), 0);
			EQUAL(pthread_mutex_unlock(m), 0);
		});
		if (n > 0) {
			ktap_until_state(waiter, "S");
			kill(holder, SIGKILL);
		}
		ktap_wait(holder);
		EXITS(waiter, 0);
		EQUAL(pthread_mutex_lock(m), 0);
		EQUAL(pthread_mutex_unlock(m), 0);
	}
}

/* Gets the lock of somebody who had it and is gone, which the word says, and gives it back. */
static void inherit_from_the_dead(void)
{
	EQUAL(futex(LOCK, nullptr), 0);
	EQUAL(*word & ~WAITERS, self() | OWNER_DIED);
	EQUAL(futex(UNLOCK, nullptr), 0);
	EQUAL(*word, 0);
}

/* Not on any list of robust locks: the kernel knows of it by who waits. */
static void who_waits_for_the_dead_gets_it(void)
{
	prepare();
	pid_t owner = CHILD({
		EQUAL(futex(LOCK, nullptr), 0);
		pause();
	});
	while ((*word & TID) != (unsigned)owner)
		sched_yield();
	pid_t waiter = CHILD(inherit_from_the_dead());
	while (!(*word & WAITERS))
		sched_yield();
	ktap_until_state(waiter, "S");
	OK(kill(owner, SIGKILL));
	DIES(owner, SIGKILL);
	EXITS(waiter, 0);
}

enum { ROUNDS = 100 };
static _Atomic bool is_held;

/* Ends with the lock, as soon as somebody waits for it. */
static void *die_with_it(void *)
{
	atomic_store(word, self());
	atomic_store(&is_held, true);
	while (!(atomic_load(word) & WAITERS))
		sched_yield();
	return nullptr;
}

static void *take_over(void *turns)
{
	while (!atomic_load(&is_held))
		sched_yield();
	for (volatile long n = (long)turns; n > 0; n--)
		;
	long error = futex(LOCK, nullptr) == 0 ? 0 : errno;
	if (error == 0)
		EQUAL(futex(UNLOCK, nullptr), 0);
	return (void *)error;
}

/* Of two who come while the owner ends, one is told of it, and the other waits for that one: both get the lock. If
 * nobody waited yet when the owner ended, nobody is told, and both find that there is no such thread. */
static void two_wait_for_one_that_dies(void)
{
	for (long n = 0; n < ROUNDS; n++) {
		pthread_t owner, first, second;
		void *of_first, *of_second;

		prepare();
		atomic_store(&is_held, false);
		EQUAL(pthread_create(&first, nullptr, take_over, (void *)0), 0);
		EQUAL(pthread_create(&second, nullptr, take_over, (void *)(n * 20)), 0);
		EQUAL(pthread_create(&owner, nullptr, die_with_it, nullptr), 0);
		EQUAL(pthread_join(owner, nullptr), 0);
		EQUAL(pthread_join(first, &of_first), 0);
		EQUAL(pthread_join(second, &of_second), 0);
		EQUAL((long)of_first, (long)of_second);
		CHECK(of_first == nullptr || (long)of_first == ESRCH);
		OK(munmap((void *)word, 4096));
	}
}

/* Nothing wakes those that a plain futex does not know. */
static void plain_wakes_do_not_reach_it(void)
{
	prepare();
	EQUAL(futex(LOCK, nullptr), 0);
	pid_t waiter = CHILD(EQUAL(futex(LOCK, nullptr), 0));
	ktap_until_state(waiter, "S");
	CHECK(syscall(SYS_futex, word, WAKE, 10, nullptr, nullptr, 0) <= 0);
	ktap_until_state(waiter, "S");
	EQUAL(futex(UNLOCK, nullptr), 0);
	EXITS(waiter, 0);
}

KTAP_MAIN(CASE(one_thread), STELLUX_CASE(the_owner_inherits), CASE(chains), CASE(waits_that_end), CASE(mutexes_exclude),
	  CASE(mutexes_of_the_dead), CASE(who_waits_for_the_dead_gets_it), CASE(two_wait_for_one_that_dies),
	  CASE(plain_wakes_do_not_reach_it))
