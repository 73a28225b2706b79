/* SPDX-License-Identifier: MIT */
/*
 * The mask that a wait is given for its time (ppoll(2), pselect(2), epoll_pwait(2)): however the wait ends, the
 * thread's own mask is back; and a signal that only the wait lets through is handled in it.
 */
#include "ktap.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum ending { BY_TIME, BY_READY, BY_SIGNAL, BY_ERROR, ENDINGS };

static int idle[2], full[2], idle_epoll, full_epoll, closed;
static sigset_t during;
static volatile int handled;

static void count(int)
{
	handled = handled + 1;
}

static const struct timespec *limit(enum ending how)
{
	static const struct timespec soon = {.tv_nsec = 1'000'000};

	return how == BY_TIME ? &soon : nullptr;
}

static int source(enum ending how)
{
	return how == BY_ERROR ? closed : how == BY_READY ? full[0] : idle[0];
}

static long do_ppoll(enum ending how)
{
	struct pollfd p = {.fd = source(how), .events = POLLIN};

	return syscall(SYS_ppoll, how == BY_ERROR ? (void *)8 : &p, 1, limit(how), &during, sizeof(uint64_t));
}

static long do_pselect(enum ending how)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(source(how), &set);
	return pselect(source(how) + 1, &set, nullptr, nullptr, limit(how), &during);
}

static int instance(enum ending how)
{
	return how == BY_ERROR ? closed : how == BY_READY ? full_epoll : idle_epoll;
}

static long do_epoll_pwait(enum ending how)
{
	struct epoll_event e;

	return epoll_pwait(instance(how), &e, 1, how == BY_TIME ? 1 : -1, &during);
}

static long do_epoll_pwait2(enum ending how)
{
	struct epoll_event e;

	return syscall(SYS_epoll_pwait2, instance(how), &e, 1, limit(how), &during, sizeof(uint64_t));
}

static void prepare(void)
{
	sigset_t own;

	OK(pipe(idle));
	OK(pipe(full));
	EQUAL(write(full[1], "x", 1), 1);
	idle_epoll = OK(epoll_create1(0));
	full_epoll = OK(epoll_create1(0));
	OK(epoll_ctl(idle_epoll, EPOLL_CTL_ADD, idle[0], &(struct epoll_event){.events = EPOLLIN}));
	OK(epoll_ctl(full_epoll, EPOLL_CTL_ADD, full[0], &(struct epoll_event){.events = EPOLLIN}));
	closed = OK(dup(idle[0]));
	OK(close(closed));
	OK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = count}, nullptr));
	sigemptyset(&own);
	sigaddset(&own, SIGUSR1);
	sigaddset(&own, SIGURG);
	OK(sigprocmask(SIG_SETMASK, &own, nullptr));
	sigemptyset(&during);
	sigaddset(&during, SIGUSR2);
}

static void own_mask_is_back(void)
{
	sigset_t now;

	OK(sigprocmask(SIG_BLOCK, nullptr, &now));
	CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGURG) && !sigismember(&now, SIGUSR2));
}

static void each_ending(long (*wait)(enum ending how))
{
	static const struct {
		long result;
		int error;
	} wanted[ENDINGS] = {[BY_TIME] = {0, 0}, [BY_READY] = {1, 0}, [BY_SIGNAL] = {-1, EINTR}, [BY_ERROR] = {-1, 0}};

	prepare();
	for (enum ending how = 0; how < ENDINGS; how++) {
		handled = 0;
		if (how == BY_SIGNAL)
			OK(raise(SIGUSR1));
		errno = 0;
		EQUAL(wait(how), wanted[how].result);
		if (wanted[how].error)
			EQUAL(errno, wanted[how].error);
		EQUAL(handled, how == BY_SIGNAL);
		own_mask_is_back();
		/* What is blocked again stays so. */
		OK(raise(SIGUSR1));
		EQUAL(handled, how == BY_SIGNAL);
		OK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, nullptr));
		OK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = count}, nullptr));
	}
}

static void masks_of_ppoll(void)
{
	each_ending(do_ppoll);
}

static void masks_of_pselect(void)
{
	each_ending(do_pselect);
}

static void masks_of_epoll_pwait(void)
{
	each_ending(do_epoll_pwait);
}

static void masks_of_epoll_pwait2(void)
{
	each_ending(do_epoll_pwait2);
}

KTAP_MAIN(CASE(masks_of_ppoll), CASE(masks_of_pselect), CASE(masks_of_epoll_pwait), CASE(masks_of_epoll_pwait2))
