/* SPDX-License-Identifier: MIT */
/*
 * From waiting for a word to waiting for a lock that passes priority on (futex(2), FUTEX_WAIT_REQUEUE_PI and
 * FUTEX_CMP_REQUEUE_PI): who gets the lock, what is answered to which mistake, and what becomes of who leaves on the
 * way.
 */
#include "ktap.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	WAIT,
	WAKE,
	REQUEUE = 3,
	CMP_REQUEUE,
	WAKE_OP,
	LOCK,
	UNLOCK,
	WAIT_REQUEUE = 11,
	REQUEUE_PI,
	PRIVATE = 128,
	REALTIME = 256
};
enum : unsigned { WAITERS = 0x80000000, OWNER_DIED = 0x40000000, TID = 0x3fffffff };
enum { THREADS = 4, TURNS = 100 };

static _Atomic unsigned *word, *lock, *other; /* shared with children */

struct waiter {
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic bool over;
	struct timespec *until;
	long result; /* 0 or the error */
	unsigned seen;
	int nice;
};

static long futex(_Atomic unsigned *at, int operation, long value, const void *timeout, _Atomic unsigned *at2,
		  unsigned value3)
{
	return syscall(SYS_futex, at, operation, value, timeout, at2, value3);
}

static long wait_for(unsigned value, const struct timespec *until)
{
	return futex(word, WAIT_REQUEUE, value, until, lock, 0);
}

/* One may get the lock, `more` may wait for it. */
static long move(long more)
{
	return futex(word, REQUEUE_PI, 1, (void *)more, lock, *word);
}

static unsigned self(void)
{
	return (unsigned)syscall(SYS_gettid);
}

static void take_lock(void)
{
	EQUAL(futex(lock, LOCK, 0, nullptr, nullptr, 0), 0);
	EQUAL(*lock & TID, self());
}

static void give_lock(void)
{
	EQUAL(futex(lock, UNLOCK, 0, nullptr, nullptr, 0), 0);
}

static void prepare(void)
{
	word = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(word != MAP_FAILED);
	lock = word + 16;
	other = word + 32;
}

static void *wait_and_give(void *arg)
{
	struct waiter *w = arg;

	OK(setpriority(PRIO_PROCESS, 0, w->nice));
	atomic_store(&w->tid, (pid_t)self());
	w->result = wait_for(0, w->until) == 0 ? 0 : errno;
	w->seen = *lock;
	atomic_store(&w->over, true);
	if (w->result == 0)
		give_lock();
	return nullptr;
}

static void until_asleep(struct waiter *w)
{
	while (atomic_load(&w->tid) == 0)
		sched_yield();
	ktap_until_thread_state(getpid(), atomic_load(&w->tid), "S");
}

static void start(struct waiter *w)
{
	EQUAL(pthread_create(&w->thread, nullptr, wait_and_give, w), 0);
	until_asleep(w);
}

/* It has the lock, and gives it back. */
static void end_with_lock(struct waiter *w)
{
	EQUAL(pthread_join(w->thread, nullptr), 0);
	EQUAL(w->result, 0);
	EQUAL(w->seen & TID, (unsigned)atomic_load(&w->tid));
}

static void mistakes(void)
{
	struct timespec past = {1, 0}, wrong = {0, -1};

	prepare();
	FAILS(EINVAL, futex(word, WAIT_REQUEUE, 0, nullptr, word, 0));
	FAILS(EINVAL, futex(word, REQUEUE_PI, 1, nullptr, word, 0));
	FAILS(EINVAL, futex(word, REQUEUE_PI, 0, nullptr, lock, 0));
	FAILS(EINVAL, futex(word, REQUEUE_PI, 2, nullptr, lock, 0));
	FAILS(EINVAL, futex(word, REQUEUE_PI, 1, (void *)-1L, lock, 0));
	/* What is wrong with the numbers is told before the value is looked at, a bad address too. */
	FAILS(EINVAL, futex(word, REQUEUE_PI, 2, nullptr, lock, 1));
	FAILS(EFAULT, futex(word, REQUEUE_PI, 1, nullptr, (void *)8, 1));
	FAILS(EFAULT, futex(word, WAIT_REQUEUE, 1, nullptr, (void *)8, 0));
	FAILS(EINVAL, futex(word, REQUEUE_PI, 1, nullptr, (void *)((char *)lock + 1), 0));
	FAILS(EINVAL, futex(word, WAIT_REQUEUE, 0, nullptr, (void *)((char *)lock + 1), 0));
	FAILS(EINVAL, futex(word, REQUEUE, 1, nullptr, (void *)((char *)lock + 1), 0));
	FAILS(EINVAL, futex(word, CMP_REQUEUE, 1, nullptr, (void *)((char *)lock + 1), 1));
	FAILS(EINVAL, futex(word, WAKE_OP, 1, nullptr, (void *)((char *)lock + 1), 0));
	FAILS(EAGAIN, futex(word, REQUEUE_PI, 1, nullptr, lock, 1));
	FAILS(EAGAIN, wait_for(1, nullptr));
	FAILS(EINVAL, wait_for(0, &wrong));
	FAILS(ETIMEDOUT, wait_for(0, &past));
	FAILS(ETIMEDOUT, futex(word, WAIT_REQUEUE | REALTIME, 0, &past, lock, 0));
	FAILS(ENOSYS, futex(word, REQUEUE_PI | REALTIME, 1, nullptr, lock, 0));
	EQUAL(move(INT_MAX), 0);
	EQUAL(*lock, 0);
	/* One word at two addresses is one word. */
	int fd = OK(memfd_create("twice", 0));
	OK(ftruncate(fd, 4096));
	_Atomic unsigned *a = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	_Atomic unsigned *b = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	FAILS(EINVAL, futex(a, WAIT_REQUEUE, 0, nullptr, b, 0));
	FAILS(EAGAIN, futex(a, WAIT_REQUEUE, 1, nullptr, b, 0));
	FAILS(EINVAL, futex(a, REQUEUE_PI, 1, nullptr, b, 0));
	/* Nobody waits, and the lock is not there. */
	FAILS(EFAULT, futex(word, REQUEUE_PI | PRIVATE, 1, nullptr, (void *)8, 0));
	FAILS(EAGAIN, futex(word, REQUEUE_PI | PRIVATE, 1, nullptr, (void *)8, 1));
}

/* A free lock is the first waiter's, whose sleep ends with it. */
static void a_free_lock_is_given(void)
{
	struct waiter first = {}, second = {};

	prepare();
	start(&first);
	EQUAL(move(0), 1);
	end_with_lock(&first);
	EQUAL(first.seen, (unsigned)first.tid);
	EQUAL(*lock, 0);
	/* What its last owner left to be seen stays so. */
	*lock = OWNER_DIED;
	first = (struct waiter){};
	start(&first);
	start(&second);
	EQUAL(move(1), 2);
	end_with_lock(&first);
	CHECK(first.seen & OWNER_DIED);
	end_with_lock(&second);
	EQUAL(*lock, 0);
}

static void others_wait_for_the_lock(void)
{
	struct waiter w[THREADS] = {};

	prepare();
	take_lock();
	for (int n = 0; n < THREADS; n++)
		start(&w[n]);
	EQUAL(move(1), 2);
	EQUAL(*lock, self() | WAITERS);
	EQUAL(move(0), 1);
	EQUAL(move(INT_MAX), 1);
	EQUAL(move(INT_MAX), 0);
	for (int n = 0; n < THREADS; n++)
		CHECK(!atomic_load(&w[n].over));
	give_lock();
	for (int n = 0; n < THREADS; n++)
		end_with_lock(&w[n]);
	EQUAL(*lock, 0);
}

static int priority_of_self(void)
{
	char path[64], text[1024];
	int priority = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", self());
	ktap_read_file(path, text, sizeof(text));
	const char *at = strrchr(text, ')');
	CHECK(at != nullptr &&
	      sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d", &priority) == 1);
	return priority;
}

/* The owner inherits from who was moved, not from who may be. */
static void the_owner_inherits(void)
{
	struct waiter w = {};

	prepare();
	OK(setpriority(PRIO_PROCESS, 0, 5));
	take_lock();
	start(&w);
	EQUAL(priority_of_self(), 25);
	EQUAL(move(0), 1);
	EQUAL(priority_of_self(), 20);
	give_lock();
	EQUAL(priority_of_self(), 25);
	end_with_lock(&w);
}

/* Who waits to be moved to one lock is not woken, and not moved elsewhere. */
static void only_where_it_waits_for(void)
{
	struct waiter w = {};

	prepare();
	start(&w);
	FAILS(EINVAL, futex(word, WAKE, 1, nullptr, nullptr, 0));
	FAILS(EINVAL, futex(word, REQUEUE, 0, (void *)1, other, 0));
	FAILS(EINVAL, futex(word, CMP_REQUEUE, 1, (void *)1, other, 0));
	FAILS(EINVAL, futex(word, WAKE_OP, 1, (void *)1, other, 0));
	FAILS(EINVAL, futex(word, REQUEUE_PI, 1, nullptr, other, 0));
	EQUAL(futex(word, REQUEUE, 0, nullptr, other, 0), 0);
	CHECK(!atomic_load(&w.over));
	EQUAL(*other, 0);
	EQUAL(move(0), 1);
	end_with_lock(&w);
	/* And who waits for the word alone is no waiter for a lock. */
	pid_t plain = CHILD(EQUAL(futex(word, WAIT, 0, nullptr, nullptr, 0), 0));
	ktap_until_state(plain, "S");
	FAILS(EINVAL, move(1));
	EQUAL(futex(word, WAKE, 2, nullptr, nullptr, 0), 1);
	EXITS(plain, 0);
}

/* An owner that there is not is told to who would move, and nobody moves. */
static void owners_that_cannot_be(void)
{
	struct waiter w = {};

	prepare();
	start(&w);
	*lock = TID - 1;
	FAILS(ESRCH, move(1));
	*lock = (unsigned)atomic_load(&w.tid);
	FAILS(EDEADLK, move(1));
	CHECK(!atomic_load(&w.over));
	*lock = 0;
	EQUAL(move(1), 1);
	end_with_lock(&w);
	EQUAL(*lock, 0);
}

/* The deadline holds in both queues. */
static void time_runs_out_in_the_lock_s_queue(void)
{
	prepare();
	take_lock();
	for (;;) {
		struct timespec until;
		struct waiter w = {.until = &until};

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += 1;
		EQUAL(pthread_create(&w.thread, nullptr, wait_and_give, &w), 0);
		long moved = 0;
		while (moved == 0 && !atomic_load(&w.over))
			moved = OK(move(0));
		EQUAL(pthread_join(w.thread, nullptr), 0);
		EQUAL(w.result, ETIMEDOUT);
		/* It may have run out in the first one. */
		if (moved == 1)
			break;
	}
	EQUAL(*lock & TID, self());
	give_lock();
	EQUAL(*lock, 0);
}

static _Atomic int handled;

static void on_signal(int)
{
	handled++;
}

/* A handler interrupts the wait for the word, which goes on, and ends the wait for the lock. */
static void handlers(void)
{
	struct waiter w = {};

	prepare();
	signal(SIGUSR1, on_signal);
	start(&w);
	OK(syscall(SYS_tgkill, getpid(), w.tid, SIGUSR1));
	while (atomic_load(&handled) == 0)
		sched_yield();
	until_asleep(&w);
	CHECK(!atomic_load(&w.over));
	take_lock();
	EQUAL(move(0), 1);
	OK(syscall(SYS_tgkill, getpid(), w.tid, SIGUSR1));
	EQUAL(pthread_join(w.thread, nullptr), 0);
	EQUAL(atomic_load(&handled), 2);
	EQUAL(w.result, EAGAIN);
	give_lock();
	EQUAL(*lock, 0);
}

/* Who is killed in either queue leaves it; who owned the lock passes it on. */
static void the_dead(void)
{
	struct waiter w = {};
	int ready[2];
	char c;

	prepare();
	pid_t first = CHILD(wait_for(0, nullptr));
	ktap_until_state(first, "S");
	kill(first, SIGKILL);
	DIES(first, SIGKILL);
	EQUAL(move(INT_MAX), 0);
	take_lock();
	pid_t second = CHILD(wait_for(0, nullptr));
	ktap_until_state(second, "S");
	EQUAL(move(0), 1);
	kill(second, SIGKILL);
	DIES(second, SIGKILL);
	give_lock();
	EQUAL(*lock, 0);
	OK(pipe(ready));
	pid_t holder = CHILD({
		take_lock();
		EQUAL(write(ready[1], "x", 1), 1);
		pause();
	});
	EQUAL(read(ready[0], &c, 1), 1);
	start(&w);
	EQUAL(move(0), 1);
	EQUAL(*lock, (unsigned)holder | WAITERS);
	kill(holder, SIGKILL);
	DIES(holder, SIGKILL);
	end_with_lock(&w);
	CHECK(w.seen & OWNER_DIED);
}

static long turn; /* under the lock */

/* A condition variable as a C library would make it. */
static void *take_turns(void *number)
{
	long mine = (long)number;

	for (int n = 0; n < TURNS; n++) {
		take_lock();
		while (turn % THREADS != mine) {
			unsigned seen = *word;
			give_lock();
			if (wait_for(seen, nullptr) != 0) {
				EQUAL(errno, EAGAIN);
				take_lock();
			}
			EQUAL(*lock & TID, self());
		}
		turn++;
		(*word)++;
		/* Others may change the value before it is compared, who tell the same waiters. */
		while (move(INT_MAX) < 0)
			EQUAL(errno, EAGAIN);
		give_lock();
	}
	return nullptr;
}

static void turns(void)
{
	pthread_t threads[THREADS];

	prepare();
	for (long n = 0; n < THREADS; n++)
		EQUAL(pthread_create(&threads[n], nullptr, take_turns, (void *)n), 0);
	for (int n = 0; n < THREADS; n++)
		pthread_join(threads[n], nullptr);
	EQUAL(turn, THREADS * TURNS);
	EQUAL(*lock, 0);
}

static _Atomic bool end;
static _Atomic int gone;

/* What it waits for does not come: it waits again. */
static void *wait_in_vain(void *)
{
	while (!atomic_load(&end)) {
		OK(wait_for(0, nullptr));
		give_lock();
	}
	atomic_fetch_add(&gone, 1);
	return nullptr;
}

/* Who comes back to the word while others are moved is not moved again, or the call would not end. */
static void each_is_moved_once(void)
{
	pthread_t threads[THREADS];

	prepare();
	for (int n = 0; n < THREADS; n++)
		EQUAL(pthread_create(&threads[n], nullptr, wait_in_vain, nullptr), 0);
	for (int n = 0; n < 2 * TURNS; n++) {
		long moved = OK(move(INT_MAX));

		CHECK(moved <= THREADS);
	}
	atomic_store(&end, true);
	while (atomic_load(&gone) < THREADS)
		OK(move(INT_MAX));
	for (int n = 0; n < THREADS; n++)
		EQUAL(pthread_join(threads[n], nullptr), 0);
	EQUAL(*lock, 0);
}

KTAP_MAIN(CASE(mistakes), CASE(a_free_lock_is_given), CASE(others_wait_for_the_lock), STELLUX_CASE(the_owner_inherits),
	  CASE(only_where_it_waits_for), CASE(owners_that_cannot_be), CASE(time_runs_out_in_the_lock_s_queue),
	  CASE(handlers), CASE(the_dead), CASE(turns), CASE(each_is_moved_once))
