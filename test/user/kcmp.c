/* SPDX-License-Identifier: MIT */
/* kcmp(2): what processes share; futex_waitv(2): waiting for one of several words. */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum { OF_FILE, OF_VM, OF_FILES, OF_FS, OF_SIGHAND, OF_IO, OF_SYSVSEM, OF_EPOLL };

static long compare(pid_t a, pid_t b, int kind, long fd1, long fd2)
{
	return syscall(SYS_kcmp, a, b, kind, fd1, fd2);
}

static void files_are_told_apart(void)
{
	pid_t self = getpid();
	int a = OK(open("/dev/null", O_RDONLY)), b = OK(dup(a)), c = OK(open("/dev/null", O_RDONLY));

	EQUAL(compare(self, self, OF_FILE, a, a), 0);
	EQUAL(compare(self, self, OF_FILE, a, b), 0);
	long order = compare(self, self, OF_FILE, a, c);
	CHECK(order == 1 || order == 2);
	EQUAL(compare(self, self, OF_FILE, c, a), 3 - order);
	EQUAL(compare(self, self, OF_FILE, b, c), order);
	FAILS(EBADF, compare(self, self, OF_FILE, a, 999));
	FAILS(EBADF, compare(self, self, OF_FILE, -1, a));
	EXITS(CHILD({
		      EQUAL(compare(self, getpid(), OF_FILE, a, b), 0);
		      CHECK(compare(self, getpid(), OF_FILE, a, c) > 0);
		      for (int kind = OF_VM; kind <= OF_SIGHAND; kind++) {
			      CHECK(compare(self, getpid(), kind, 0, 0) > 0);
			      EQUAL(compare(self, self, kind, 0, 0), 0);
		      }
	      }),
	      0);
}

static int share_all(void *parent)
{
	pid_t self = (pid_t)syscall(SYS_getpid);

	for (int kind = OF_VM; kind <= OF_FS; kind++)
		if (compare(*(pid_t *)parent, self, kind, 0, 0) != 0)
			return kind;
	return compare(*(pid_t *)parent, self, OF_SIGHAND, 0, 0) > 0 ? 0 : 99;
}

static void what_clone_shares_is_equal(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t self = getpid();
	pid_t child = OK(clone(share_all, stack + sizeof(stack), CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, &self));

	EXITS(child, 0);
}

static void who_may_not_look_is_not_told(void)
{
	pid_t self = getpid();

	FAILS(EINVAL, compare(self, self, 99, 0, 0));
	FAILS(ESRCH, compare(self, 0, OF_VM, 0, 0));
	FAILS(ESRCH, compare(-1, self, OF_VM, 0, 0));
	EXITS(CHILD({
		      ktap_become(1000);
		      FAILS(EPERM, compare(getpid(), self, OF_VM, 0, 0));
		      FAILS(EPERM, compare(self, self, 99, 0, 0));
	      }),
	      0);
}

/* --- futex_waitv --- */

struct word {
	uint64_t value, at;
	uint32_t flags, reserved;
};
enum : uint32_t { SIZE_32 = 2, PRIVATE = 128, WORDS = 128 };

static _Atomic uint32_t words[WORDS + 1];

static struct word *all_words(uint32_t n, uint32_t flags)
{
	static struct word v[WORDS + 1];

	for (uint32_t k = 0; k < n; k++)
		v[k] = (struct word){.at = (uintptr_t)&words[k], .flags = SIZE_32 | flags};
	return v;
}

static long wait_any(struct word *v, uint32_t n, const struct timespec *until, int clock)
{
	return syscall(SYS_futex_waitv, v, n, 0, until, clock);
}

static void bad_words(void)
{
	const struct timespec past = {0, 1}, bad = {0, 1000000000};
	struct word *v = all_words(WORDS + 1, PRIVATE);

	FAILS(EINVAL, syscall(SYS_futex_waitv, v, 1, 1, nullptr, 0));
	FAILS(EINVAL, wait_any(v, 0, nullptr, 0));
	FAILS(EINVAL, wait_any(v, WORDS + 1, nullptr, 0));
	FAILS(EINVAL, wait_any(nullptr, 1, nullptr, 0));
	FAILS(EFAULT, wait_any((struct word *)8, 1, nullptr, 0));
	FAILS(EINVAL, wait_any(v, 1, &past, CLOCK_BOOTTIME));
	FAILS(EINVAL, wait_any(v, 1, &bad, CLOCK_MONOTONIC));
	FAILS(EFAULT, wait_any(v, 1, (struct timespec *)8, CLOCK_MONOTONIC));
	FAILS(ETIMEDOUT, wait_any(v, 3, &past, CLOCK_MONOTONIC));
	FAILS(ETIMEDOUT, wait_any(v, WORDS, &past, CLOCK_REALTIME));
	v[2].value = 1;
	FAILS(EAGAIN, wait_any(v, 3, nullptr, 0));
	v[2] = (struct word){.at = (uintptr_t)&words[2] + 1, .flags = SIZE_32};
	FAILS(EINVAL, wait_any(v, 3, &past, CLOCK_MONOTONIC));
	v[2] = (struct word){.at = 8, .flags = SIZE_32 | PRIVATE};
	FAILS(EFAULT, wait_any(v, 3, &past, CLOCK_MONOTONIC));
	v[2] = (struct word){.at = (uintptr_t)&words[2], .flags = 0};
	FAILS(EINVAL, wait_any(v, 3, &past, CLOCK_MONOTONIC));
	v[2] = (struct word){.at = (uintptr_t)&words[2], .flags = SIZE_32, .reserved = 1};
	FAILS(EINVAL, wait_any(v, 3, &past, CLOCK_MONOTONIC));
}

static _Atomic pid_t waiter_tid;
static _Atomic long waiter_result;

static void *wait_in_thread(void *n)
{
	atomic_store(&waiter_tid, (pid_t)syscall(SYS_gettid));
	atomic_store(&waiter_result,
		     wait_any(all_words((uint32_t)(uintptr_t)n, PRIVATE), (uint32_t)(uintptr_t)n, nullptr, 0));
	return nullptr;
}

static void the_one_that_was_woken_is_told(void)
{
	static const uint32_t sizes[] = {1, 2, 50, WORDS};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		for (uint32_t which = 0; which < sizes[k]; which += 1 + sizes[k] / 5) {
			pthread_t t;

			atomic_store(&waiter_tid, 0);
			CHECK(pthread_create(&t, nullptr, wait_in_thread, (void *)(uintptr_t)sizes[k]) == 0);
			while (atomic_load(&waiter_tid) == 0)
				sched_yield();
			ktap_until_thread_state(getpid(), atomic_load(&waiter_tid), "S");
			EQUAL(syscall(SYS_futex, &words[which], 1 | 128, 1, nullptr, nullptr, 0), 1);
			CHECK(pthread_join(t, nullptr) == 0);
			EQUAL(atomic_load(&waiter_result), which);
			/* It waits for none of the others any more. */
			for (uint32_t other = 0; other < sizes[k]; other++)
				EQUAL(syscall(SYS_futex, &words[other], 1 | 128, 1, nullptr, nullptr, 0), 0);
		}
	}
}

static void on_signal(int)
{
}

static void a_signal_ends_it(void)
{
	pid_t child = CHILD({
		struct sigaction a = {.sa_handler = on_signal};

		OK(sigaction(SIGUSR1, &a, nullptr));
		FAILS(EINTR, wait_any(all_words(5, 0), 5, nullptr, 0));
	});

	ktap_until_state(child, "S");
	OK(kill(child, SIGUSR1));
	EXITS(child, 0);
}

KTAP_MAIN(CASE(files_are_told_apart), CASE(what_clone_shares_is_equal), CASE(who_may_not_look_is_not_told),
	  CASE(bad_words), CASE(the_one_that_was_woken_is_told), CASE(a_signal_ends_it))
