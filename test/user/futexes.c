/* SPDX-License-Identifier: MIT */
/*
 * Futexes (futex(2)): how many a wake-up wakes, and which; and robust lists (set_robust_list(2)): whoever waits for the
 * lock of a thread that is dead is told of it, however it died.
 */
#include "ktap.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	WAIT = 0,
	WAKE = 1,
	REQUEUE = 3,
	CMP_REQUEUE = 4,
	WAKE_OPERATION = 5,
	WAIT_BITSET = 9,
	WAKE_BITSET = 10,
	WAITERS = 4,
	ALL = 1000
};

static _Atomic int word, other;
static pthread_t waiters[WAITERS];
static _Atomic pid_t tids[WAITERS];

static long futex(_Atomic int *at, int operation, int value, long value2, _Atomic int *at2, unsigned value3)
{
	return syscall(SYS_futex, at, operation, value, value2, at2, value3);
}

static void *wait_with_bit(void *number)
{
	long n = (long)number;

	atomic_store(&tids[n], (pid_t)syscall(SYS_gettid));
	EQUAL(futex(&word, WAIT_BITSET, 0, 0, nullptr, 1u << n), 0);
	return nullptr;
}

/* All of them sleep in the futex when this comes back. */
static void start_waiters(void)
{
	for (long n = 0; n < WAITERS; n++) {
		atomic_store(&tids[n], 0);
		EQUAL(pthread_create(&waiters[n], nullptr, wait_with_bit, (void *)n), 0);
		while (atomic_load(&tids[n]) == 0)
			usleep(500);
		ktap_until_thread_state(getpid(), atomic_load(&tids[n]), "S");
	}
}

static void join_waiters(void)
{
	for (int n = 0; n < WAITERS; n++)
		EQUAL(pthread_join(waiters[n], nullptr), 0);
}

static void as_many_are_woken_as_asked_for(void)
{
	start_waiters();
	EQUAL(futex(&word, WAKE, 1, 0, nullptr, 0), 1);
	EQUAL(futex(&word, WAKE, 2, 0, nullptr, 0), 2);
	EQUAL(futex(&word, WAKE, ALL, 0, nullptr, 0), 1);
	EQUAL(futex(&word, WAKE, ALL, 0, nullptr, 0), 0);
	join_waiters();
	/* Less than one is one. */
	start_waiters();
	EQUAL(futex(&word, WAKE, 0, 0, nullptr, 0), 1);
	EQUAL(futex(&word, WAKE, -1, 0, nullptr, 0), 1);
	EQUAL(futex(&word, WAKE_BITSET, 0, 0, nullptr, ~0u), 1);
	EQUAL(futex(&word, WAKE, ALL, 0, nullptr, 0), 1);
	EQUAL(futex(&word, WAKE, 0, 0, nullptr, 0), 0);
	join_waiters();
}

static void those_are_woken_whose_bits_are_named(void)
{
	start_waiters();
	EQUAL(futex(&word, WAKE_BITSET, ALL, 0, nullptr, 1u << 2), 1);
	EQUAL(pthread_join(waiters[2], nullptr), 0);
	EQUAL(futex(&word, WAKE_BITSET, 1, 0, nullptr, 1u << 0 | 1u << 1 | 1u << 2), 1);
	EQUAL(futex(&word, WAKE_BITSET, ALL, 0, nullptr, 1u << 0 | 1u << 1 | 1u << 2), 1);
	EQUAL(pthread_join(waiters[0], nullptr), 0);
	EQUAL(pthread_join(waiters[1], nullptr), 0);
	FAILS(EINVAL, futex(&word, WAKE_BITSET, ALL, 0, nullptr, 0));
	EQUAL(futex(&word, WAKE_BITSET, ALL, 0, nullptr, 1u << 3), 1);
	EQUAL(pthread_join(waiters[3], nullptr), 0);
}

static void as_many_are_moved_as_asked_for(void)
{
	start_waiters();
	EQUAL(futex(&word, CMP_REQUEUE, 1, 1, &other, 0), 2);
	EQUAL(futex(&other, WAKE, ALL, 0, nullptr, 0), 1);
	EQUAL(futex(&word, REQUEUE, 0, ALL, &other, 0), 2);
	EQUAL(futex(&word, WAKE, ALL, 0, nullptr, 0), 0);
	EQUAL(futex(&other, WAKE, 1, 0, nullptr, 0), 1);
	EQUAL(futex(&other, WAKE, ALL, 0, nullptr, 0), 1);
	join_waiters();
}

/* Sets the second word to 5; its waiters are woken if it was 0. */
static void two_words_at_once(void)
{
	unsigned set_5_if_0 = 0u << 28 | 0u << 24 | 5u << 12 | 0u;

	start_waiters();
	EQUAL(futex(&other, WAKE_OPERATION, ALL, 2, &word, set_5_if_0), 2);
	EQUAL(atomic_load(&word), 5);
	EQUAL(futex(&other, WAKE_OPERATION, ALL, ALL, &word, set_5_if_0), 0);
	EQUAL(futex(&word, WAKE_OPERATION, 1, ALL, &other, set_5_if_0), 1);
	EQUAL(futex(&word, WAKE, ALL, 0, nullptr, 0), 1);
	join_waiters();
	FAILS(EAGAIN, futex(&word, WAIT, 0, 0, nullptr, 0));
	FAILS(EAGAIN, futex(&word, WAIT_BITSET, 0, 0, nullptr, 1));
	FAILS(EAGAIN, futex(&word, CMP_REQUEUE, 1, 1, &other, 0));
}

static _Atomic int lives;

static int live_for(void *us)
{
	usleep((useconds_t)(long)us);
	_exit(0);
}

/* The word that was named for it is cleared, and who waits for that goes on. */
static void the_end_clears_a_word_and_wakes(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	long result = -1;

	/* Who ends before it is waited for says nothing: the next one lives longer. */
	for (long us = 5'000; result != 0; us *= 2) {
		atomic_store(&lives, 1);
		pid_t child = OK(clone(live_for, stack + sizeof(stack), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
				       (void *)us, nullptr, nullptr, &lives));
		errno = 0;
		result = futex(&lives, WAIT, 1, 0, nullptr, 0);
		CHECK(result == 0 || errno == EAGAIN);
		EXITS(child, 0);
		EQUAL(atomic_load(&lives), 0);
	}
}

enum { LOOKS = 10'000 };
static _Atomic bool looked, ended;

/* Waits for a value that the word never has. */
static void *wait_in_vain(void *)
{
	for (int n = 0; n < LOOKS; n++)
		FAILS(EAGAIN, futex(&word, WAIT, 2, 0, nullptr, 0));
	atomic_store(&looked, true);
	return nullptr;
}

static void *count_wake_ups(void *)
{
	long woken = 0;

	while (atomic_load(&word) == 0)
		woken += futex(&word, WAIT, 0, 0, nullptr, 0) == 0;
	atomic_store(&ended, true);
	return (void *)woken;
}

/* Who looks and finds another value has never waited: no wake-up is spent on him, and those that are counted woke. */
static void who_only_looks_is_not_woken(void)
{
	pthread_t vain, counter;
	long counted = 0;
	void *woken;

	atomic_store(&word, 0);
	EQUAL(pthread_create(&counter, nullptr, count_wake_ups, nullptr), 0);
	EQUAL(pthread_create(&vain, nullptr, wait_in_vain, nullptr), 0);
	while (!atomic_load(&looked))
		counted += OK(futex(&word, WAKE, 1, 0, nullptr, 0));
	atomic_store(&word, 1);
	while (!atomic_load(&ended))
		counted += OK(futex(&word, WAKE, 1, 0, nullptr, 0));
	EQUAL(pthread_join(vain, nullptr), 0);
	EQUAL(pthread_join(counter, &woken), 0);
	EQUAL((long)woken, counted);
	atomic_store(&word, 0);
}

struct shared {
	pthread_mutex_t lock;
	_Atomic int held;
};

static struct shared *make_lock(void)
{
	struct shared *s = mmap(nullptr, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	CHECK(s != MAP_FAILED);
	EQUAL(pthread_mutexattr_init(&attributes), 0);
	EQUAL(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
	EQUAL(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
	EQUAL(pthread_mutex_init(&s->lock, &attributes), 0);
	return s;
}

static void hold(struct shared *s)
{
	EQUAL(pthread_mutex_lock(&s->lock), 0);
	atomic_store(&s->held, 1);
}

static void *hold_and_leave(void *s)
{
	hold(s);
	ktap_until_state(getpid(), "S"); /* the first thread waits */
	return nullptr;
}

static void inherit(struct shared *s)
{
	EQUAL(pthread_mutex_lock(&s->lock), EOWNERDEAD);
	EQUAL(pthread_mutex_consistent(&s->lock), 0);
	EQUAL(pthread_mutex_unlock(&s->lock), 0);
}

static void until_held(struct shared *s)
{
	while (!atomic_load(&s->held))
		usleep(500);
}

static void a_thread_that_ends_leaves_its_lock(void)
{
	struct shared *s = make_lock();
	pthread_t thread;

	EQUAL(pthread_create(&thread, nullptr, hold_and_leave, s), 0);
	until_held(s);
	inherit(s);
	EQUAL(pthread_join(thread, nullptr), 0);
}

static void a_process_that_ends_leaves_its_lock(void)
{
	struct shared *s = make_lock();
	int go[2];
	char c;

	OK(pipe(go));
	pid_t holder = CHILD({
		hold(s);
		EQUAL(read(go[0], &c, 1), 1);
	});
	until_held(s);
	pid_t waiter = CHILD(inherit(s));
	ktap_until_state(waiter, "S");
	EQUAL(write(go[1], "x", 1), 1);
	EXITS(holder, 0);
	EXITS(waiter, 0);
}

static void a_process_that_is_killed_leaves_its_lock(void)
{
	struct shared *s = make_lock();
	pid_t holder = CHILD({
		hold(s);
		for (;;)
			pause();
	});

	until_held(s);
	pid_t waiters_pid = CHILD(inherit(s));
	ktap_until_state(waiters_pid, "S");
	OK(kill(holder, SIGKILL));
	DIES(holder, SIGKILL);
	EXITS(waiters_pid, 0);
	/* Nobody waited: it is found dead later. */
	atomic_store(&s->held, 0);
	holder = CHILD(hold(s));
	EXITS(holder, 0);
	inherit(s);
}

KTAP_MAIN(CASE(as_many_are_woken_as_asked_for), CASE(those_are_woken_whose_bits_are_named),
	  CASE(as_many_are_moved_as_asked_for), CASE(two_words_at_once), CASE(who_only_looks_is_not_woken),
	  CASE(the_end_clears_a_word_and_wakes), CASE(a_thread_that_ends_leaves_its_lock),
	  CASE(a_process_that_ends_leaves_its_lock), CASE(a_process_that_is_killed_leaves_its_lock))
