/* SPDX-License-Identifier: MIT */
/* epoll: level and edge triggering, one shot, instances within instances, files that close while watched. */
#include "ktap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int ends[2];

static int watch(int epfd, int fd, uint32_t events)
{
	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = events, .data.fd = fd});
}

/* The number of events there are now; the first in *out. */
static int now(int epfd, struct epoll_event *out)
{
	struct epoll_event all[8];
	int n = OK(epoll_wait(epfd, all, 8, 0));

	if (n > 0)
		*out = all[0];
	return n;
}

static int prepare(uint32_t events)
{
	int epfd = OK(epoll_create1(EPOLL_CLOEXEC));

	OK(pipe2(ends, O_NONBLOCK));
	OK(watch(epfd, ends[0], events));
	return epfd;
}

static void level_triggered(void)
{
	struct epoll_event e;
	char c;
	int epfd = prepare(EPOLLIN);

	EQUAL(now(epfd, &e), 0);
	EQUAL(write(ends[1], "ab", 2), 2);
	for (int i = 0; i < 3; i++) {
		EQUAL(now(epfd, &e), 1);
		EQUAL(e.events, EPOLLIN);
		EQUAL(e.data.fd, ends[0]);
	}
	EQUAL(read(ends[0], &c, 1), 1);
	EQUAL(now(epfd, &e), 1);
	EQUAL(read(ends[0], &c, 1), 1);
	EQUAL(now(epfd, &e), 0);
	OK(close(ends[1]));
	EQUAL(now(epfd, &e), 1);
	EQUAL(e.events, EPOLLHUP);
}

static void edge_triggered(void)
{
	struct epoll_event e;
	int epfd = prepare(EPOLLIN | EPOLLET);

	EQUAL(write(ends[1], "a", 1), 1);
	EQUAL(now(epfd, &e), 1);
	EQUAL(now(epfd, &e), 0);
	EQUAL(write(ends[1], "b", 1), 1);
	EQUAL(now(epfd, &e), 1);
	EQUAL(now(epfd, &e), 0);
}

static void one_shot(void)
{
	struct epoll_event e;
	int epfd = prepare(EPOLLIN | EPOLLONESHOT);

	EQUAL(write(ends[1], "a", 1), 1);
	EQUAL(now(epfd, &e), 1);
	EQUAL(now(epfd, &e), 0);
	EQUAL(write(ends[1], "b", 1), 1);
	EQUAL(now(epfd, &e), 0);
	OK(epoll_ctl(epfd, EPOLL_CTL_MOD, ends[0],
		     &(struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 7}));
	EQUAL(now(epfd, &e), 1);
	EQUAL(e.data.u32, 7);
}

static void wrong_use(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	int epfd = prepare(EPOLLIN);

	FAILS(EEXIST, watch(epfd, ends[0], EPOLLIN));
	FAILS(ENOENT, epoll_ctl(epfd, EPOLL_CTL_MOD, ends[1], &e));
	FAILS(ENOENT, epoll_ctl(epfd, EPOLL_CTL_DEL, ends[1], &e));
	FAILS(EBADF, watch(epfd, 999, EPOLLIN));
	FAILS(EBADF, epoll_ctl(999, EPOLL_CTL_ADD, ends[0], &e));
	FAILS(EINVAL, watch(epfd, epfd, EPOLLIN));
	FAILS(EINVAL, epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], &e));
	FAILS(EINVAL, epoll_wait(epfd, &e, 0, 0));
	FAILS(EPERM, watch(epfd, OK(open("/proc/self/exe", O_RDONLY)), EPOLLIN));
	OK(epoll_ctl(epfd, EPOLL_CTL_DEL, ends[0], nullptr));
	FAILS(ENOENT, epoll_ctl(epfd, EPOLL_CTL_DEL, ends[0], nullptr));
}

static void closing_removes(void)
{
	struct epoll_event e;
	int epfd = prepare(EPOLLIN);

	EQUAL(write(ends[1], "a", 1), 1);
	int copy = OK(dup(ends[0]));
	OK(close(ends[0]));
	EQUAL(now(epfd, &e), 1); /* the copy keeps the description */
	OK(close(copy));
	EQUAL(now(epfd, &e), 0);
	EXITS(CHILD(close(epfd)), 0);
}

static void instances_within_instances(void)
{
	struct epoll_event e;
	int inner = prepare(EPOLLIN), outer = OK(epoll_create1(0));

	OK(watch(outer, inner, EPOLLIN));
	FAILS(ELOOP, watch(inner, outer, EPOLLIN));
	EQUAL(now(outer, &e), 0);
	EQUAL(write(ends[1], "a", 1), 1);
	EQUAL(now(outer, &e), 1);
	EQUAL(e.data.fd, inner);
	struct pollfd p = {.fd = outer, .events = POLLIN};
	EQUAL(poll(&p, 1, 0), 1);
}

static void waiting(void)
{
	struct epoll_event e;
	struct timespec before, after;
	int epfd = prepare(EPOLLIN);

	OK(clock_gettime(CLOCK_MONOTONIC, &before));
	EQUAL(epoll_wait(epfd, &e, 1, 50), 0);
	OK(clock_gettime(CLOCK_MONOTONIC, &after));
	CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 49);
	pid_t child = CHILD(ktap_until_state(getppid(), "S"); (void)!write(ends[1], "x", 1));
	EQUAL(epoll_wait(epfd, &e, 1, -1), 1);
	EQUAL(e.data.fd, ends[0]);
	EXITS(child, 0);
}

static void many_files(void)
{
	enum { COUNT = 100 };
	struct epoll_event got[COUNT];
	int fds[COUNT], epfd = OK(epoll_create1(0)), seen = 0;

	for (int i = 0; i < COUNT; i++) {
		fds[i] = OK(eventfd(0, EFD_NONBLOCK));
		OK(epoll_ctl(epfd, EPOLL_CTL_ADD, fds[i],
			     &(struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)i}));
	}
	for (int i = 0; i < COUNT; i += 2)
		OK(eventfd_write(fds[i], 1));
	for (int n; (n = OK(epoll_wait(epfd, got, 7, 0))) > 0; seen += n) {
		for (int i = 0; i < n; i++)
			EQUAL(got[i].data.u32 % 2, 0);
	}
	EQUAL(seen, COUNT / 2);
}

static void semaphores(void)
{
	eventfd_t value;
	int fd = OK(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));

	OK(eventfd_read(fd, &value));
	EQUAL(value, 1);
	OK(eventfd_read(fd, &value));
	FAILS(EAGAIN, eventfd_read(fd, &value));
	FAILS(EINVAL, write(fd, &value, 4));
	OK(eventfd_write(fd, UINT64_MAX - 1));
	FAILS(EAGAIN, eventfd_write(fd, 1));
	FAILS(EINVAL, eventfd_write(fd, UINT64_MAX));
}

/* Built from the outermost inwards, where each instance alone sees only one below it. */
static void chains_are_bounded(void)
{
	int chain[12], length = 1;

	chain[0] = OK(epoll_create1(0));
	for (; length < 12; length++) {
		chain[length] = OK(epoll_create1(0));
		if (watch(chain[length - 1], chain[length], EPOLLIN) < 0)
			break;
	}
	EQUAL(errno, ELOOP);
	CHECK(length > 1 && length < 8);
	for (int i = 0; i <= length; i++)
		OK(close(chain[i]));
}

/* The child's signals are watched through a file and an instance that outlive it. */
static void signals_of_the_dead(void)
{
	sigset_t set;
	struct epoll_event e;
	int ends[2];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	int signals = OK(signalfd(-1, &set, 0)), epoll = OK(epoll_create1(0));
	EXITS(CHILD(OK(watch(epoll, signals, EPOLLIN)); OK(kill(getpid(), SIGUSR1));
		    EQUAL(epoll_wait(epoll, &e, 1, 1000), 1)),
	      0);
	/* What the child was is freed; let others have the memory. */
	for (int i = 0; i < 4; i++)
		EXITS(CHILD(OK(pipe(ends))), 0);
	/* Asked by this process, the file tells of this process. */
	EQUAL(epoll_wait(epoll, &e, 1, 0), 0);
	OK(kill(getpid(), SIGUSR1));
	OK(close(signals));
	EQUAL(epoll_wait(epoll, &e, 1, 0), 0);
	OK(close(epoll));
	for (int i = 0; i < 4; i++)
		EXITS(CHILD(OK(pipe(ends))), 0);
}

enum { INSTANCES = 4 };
static int instances[INSTANCES];
static _Atomic int woken;
static _Atomic pid_t waiting_threads[INSTANCES];

static void *wait_at(void *arg)
{
	struct epoll_event e;

	waiting_threads[(intptr_t)arg] = (pid_t)syscall(SYS_gettid);
	if (epoll_wait(instances[(intptr_t)arg], &e, 1, -1) == 1)
		woken++;
	return nullptr;
}

/* Of the instances that watch exclusively, an event wakes one. */
static void exclusive(void)
{
	pthread_t threads[INSTANCES];
	struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int fd = OK(eventfd(0, EFD_SEMAPHORE)), inner = OK(epoll_create1(0));

	for (intptr_t i = 0; i < INSTANCES; i++) {
		instances[i] = OK(epoll_create1(0));
		OK(epoll_ctl(instances[i], EPOLL_CTL_ADD, fd, &e));
		EQUAL(pthread_create(&threads[i], nullptr, wait_at, (void *)i), 0);
	}
	for (int i = 0; i < INSTANCES; i++) {
		while (waiting_threads[i] == 0)
			usleep(1000);
		ktap_until_thread_state(getpid(), waiting_threads[i], "S");
	}
	for (int i = 0; i < INSTANCES; i++) {
		OK(eventfd_write(fd, 1));
		while (woken <= i)
			usleep(1000);
		usleep(20'000);
		EQUAL(woken, i + 1);
	}
	for (int i = 0; i < INSTANCES; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	FAILS(EINVAL, epoll_ctl(instances[0], EPOLL_CTL_MOD, fd, &e));
	FAILS(EINVAL, epoll_ctl(instances[0], EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = EPOLLIN}));
	FAILS(EINVAL, epoll_ctl(instances[0], EPOLL_CTL_ADD, inner, &e));
	FAILS(EINVAL, watch(inner, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
}

/* It would keep a system awake that sleeps by itself; of the events themselves it says nothing. */
static void staying_awake(void)
{
	struct epoll_event e;
	int epfd = prepare(EPOLLIN | EPOLLWAKEUP);

	EQUAL(now(epfd, &e), 0);
	EQUAL(write(ends[1], "a", 1), 1);
	EQUAL(now(epfd, &e), 1);
	EQUAL(e.events, EPOLLIN);
	EQUAL(e.data.fd, ends[0]);
}

KTAP_MAIN(CASE(exclusive), CASE(staying_awake), CASE(signals_of_the_dead), CASE(level_triggered), CASE(edge_triggered),
	  CASE(one_shot), CASE(wrong_use), CASE(closing_removes), CASE(instances_within_instances),
	  CASE(chains_are_bounded), CASE(waiting), CASE(many_files), CASE(semaphores))
