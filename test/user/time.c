/* SPDX-License-Identifier: MIT */
/*
 * Clocks, sleeping, timers. Only order and lower bounds are checked, never how long something
 * takes.
 */
#include "ktap.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	OK(clock_gettime(clock, &now));
	CHECK(now.tv_nsec >= 0 && now.tv_nsec < 1'000'000'000);
	return now.tv_sec * INT64_C(1'000'000'000) + now.tv_nsec;
}

static void monotonic_never_goes_back(void)
{
	int64_t last = now_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < 20000; i++) {
		int64_t now = now_ns(CLOCK_MONOTONIC);
		CHECK(now >= last);
		last = now;
	}
}

/* The library's fast path and the call itself read one clock. */
static void call_and_vdso_agree(void)
{
	for (int i = 0; i < 1000; i++) {
		struct timespec middle;
		int64_t before = now_ns(CLOCK_MONOTONIC);
		OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &middle));
		int64_t after = now_ns(CLOCK_MONOTONIC);
		int64_t at = middle.tv_sec * INT64_C(1'000'000'000) + middle.tv_nsec;
		CHECK(before <= at && at <= after);
	}
}

/* The same across CPUs: a value passed through a pipe is never in the receiver's future. */
static void processes_agree_on_the_time(void)
{
	int there[2], back[2];

	OK(pipe(there));
	OK(pipe(back));
	CHILD({
		int64_t sent;
		close(there[1]);
		while (read(there[0], &sent, sizeof(sent)) == sizeof(sent)) {
			int64_t now = now_ns(CLOCK_MONOTONIC);
			CHECK(now >= sent);
			EQUAL(write(back[1], &now, sizeof(now)), sizeof(now));
		}
	});
	for (int i = 0; i < 500; i++) {
		int64_t now = now_ns(CLOCK_MONOTONIC), answer;
		EQUAL(write(there[1], &now, sizeof(now)), sizeof(now));
		EQUAL(read(back[0], &answer, sizeof(answer)), sizeof(answer));
		CHECK(answer >= now);
		CHECK(now_ns(CLOCK_MONOTONIC) >= answer);
	}
	close(there[1]);
	EQUAL(ktap_wait(-1), 0);
}

static void the_clocks_there_are(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME,	     CLOCK_MONOTONIC,	     CLOCK_MONOTONIC_RAW,
					   CLOCK_BOOTTIME,	     CLOCK_REALTIME_COARSE,  CLOCK_MONOTONIC_COARSE,
					   CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
	struct timespec resolution;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		CHECK(now_ns(clocks[i]) >= 0);
		OK(clock_getres(clocks[i], &resolution));
		CHECK(resolution.tv_sec == 0 && resolution.tv_nsec > 0);
	}
	FAILS(EINVAL, clock_gettime(99, &resolution));
	struct timeval day;
	OK(gettimeofday(&day, nullptr));
	int64_t real = now_ns(CLOCK_REALTIME) / 1'000'000'000;
	CHECK(day.tv_sec <= real && time(nullptr) >= day.tv_sec);
	CHECK(real > 1'600'000'000);
}

static void cpu_time_is_counted(void)
{
	struct rusage usage;
	int64_t start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	volatile unsigned long sum = 0;

	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) < start + 30'000'000) {
		for (int i = 0; i < 10000; i++)
			sum += (unsigned long)i;
	}
	do {
		OK(getrusage(RUSAGE_SELF, &usage));
	} while (usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec == 0 && usage.ru_stime.tv_sec == 0 &&
		 usage.ru_stime.tv_usec == 0);
	struct tms all;
	CHECK(times(&all) != (clock_t)-1);
}

static void sleeping_lasts_at_least_as_long(void)
{
	static const long spans_ns[] = {1, 1000, 100'000, 3'000'000, 20'000'000};

	for (size_t i = 0; i < sizeof(spans_ns) / sizeof(*spans_ns); i++) {
		int64_t start = now_ns(CLOCK_MONOTONIC);
		OK(nanosleep(&(struct timespec){.tv_nsec = spans_ns[i]}, nullptr));
		CHECK(now_ns(CLOCK_MONOTONIC) >= start + spans_ns[i]);
	}
	FAILS(EINVAL, nanosleep(&(struct timespec){.tv_nsec = 1'000'000'000}, nullptr));
	FAILS(EINVAL, nanosleep(&(struct timespec){.tv_sec = -1}, nullptr));
}

static void sleeping_until(void)
{
	int64_t target = now_ns(CLOCK_MONOTONIC) + 5'000'000;
	struct timespec until = {target / 1'000'000'000, target % 1'000'000'000};

	EQUAL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) >= target);
	EQUAL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){}, nullptr), 0);
	EQUAL(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec){}, nullptr), 0);
}

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

static void an_interrupted_sleep_tells_what_is_left(void)
{
	struct timespec left = {};

	signal(SIGUSR1, count_signal);
	pid_t parent = getpid();
	pid_t child = CHILD({
		ktap_until_state(parent, "S");
		OK(kill(parent, SIGUSR1));
	});
	FAILS(EINTR, nanosleep(&(struct timespec){.tv_sec = 1000}, &left));
	CHECK(left.tv_sec > 0 && left.tv_sec <= 1000);
	EXITS(child, 0);
}

/* Sleepers wake in the order of their times, whichever order they began in. */
static void sleepers_wake_in_order(void)
{
	int ends[2];
	char order[6] = {};
	static const int delays_ms[] = {400, 100, 500, 200, 300};

	OK(pipe(ends));
	int64_t start = now_ns(CLOCK_MONOTONIC) + 100'000'000;
	for (int i = 0; i < 5; i++) {
		CHILD({
			int64_t target = start + delays_ms[i] * INT64_C(1'000'000);
			struct timespec until = {target / 1'000'000'000, target % 1'000'000'000};
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
			int64_t woken = now_ns(CLOCK_MONOTONIC);
			CHECK(woken >= target);
			EQUAL(write(ends[1], &(char){(char)('0' + delays_ms[i] / 100)}, 1), 1);
		});
	}
	for (int i = 0; i < 5; i++) {
		EQUAL(read(ends[0], order + i, 1), 1);
		EQUAL(ktap_wait(-1), 0);
	}
	/* A busy machine may shuffle neighbours; all five must have come exactly once. */
	int seen = 0;
	for (int i = 0; i < 5; i++)
		seen |= 1 << (order[i] - '0');
	EQUAL(seen, 0x3e);
}

static void timeouts_of_poll_and_select(void)
{
	int64_t start = now_ns(CLOCK_MONOTONIC);

	EQUAL(poll(nullptr, 0, 5), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) >= start + 5'000'000);
	start = now_ns(CLOCK_MONOTONIC);
	EQUAL(select(0, nullptr, nullptr, nullptr, &(struct timeval){.tv_usec = 5000}), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) >= start + 5'000'000);
}

static void posix_timers(void)
{
	timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	struct itimerspec set = {.it_value.tv_nsec = 1'000'000, .it_interval.tv_nsec = 1'000'000};
	sigset_t usr2;
	siginfo_t info;

	event.sigev_value.sival_int = 77;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	OK(sigprocmask(SIG_BLOCK, &usr2, nullptr));
	OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	OK(timer_settime(timer, 0, &set, nullptr));
	for (int i = 0; i < 3; i++) {
		EQUAL(sigwaitinfo(&usr2, &info), SIGUSR2);
		EQUAL(info.si_code, SI_TIMER);
		EQUAL(info.si_value.sival_int, 77);
	}
	OK(timer_gettime(timer, &set));
	EQUAL(set.it_interval.tv_nsec, 1'000'000);
	OK(timer_delete(timer));
	FAILS(EINVAL, syscall(SYS_timer_delete, (int)(intptr_t)timer));
}

/* Periods that pass while the signal is blocked are counted; the timer says the same of the last signal, until it is
 * set anew. */
static void missed_periods_are_counted(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	struct itimerspec often = {.it_value.tv_nsec = 1'000'000, .it_interval.tv_nsec = 1'000'000};
	struct itimerspec once = {.it_value.tv_nsec = 1};
	sigset_t usr2;
	siginfo_t info;
	timer_t timer;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	OK(sigprocmask(SIG_BLOCK, &usr2, nullptr));
	OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	OK(timer_settime(timer, 0, &often, nullptr));
	OK(usleep(12'000));
	EQUAL(sigwaitinfo(&usr2, &info), SIGUSR2);
	CHECK(info.si_overrun >= 10);
	EQUAL(timer_getoverrun(timer), info.si_overrun);
	OK(timer_settime(timer, 0, &once, nullptr));
	EQUAL(timer_getoverrun(timer), 0);
	EQUAL(sigwaitinfo(&usr2, &info), SIGUSR2);
	OK(timer_delete(timer));
}

static void setting_the_clock(void)
{
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, clock_settime(CLOCK_REALTIME, &(struct timespec){.tv_sec = 1'700'000'000}));
	});
	EXITS(child, 0);
	FAILS(EINVAL, clock_settime(CLOCK_MONOTONIC, &(struct timespec){.tv_sec = 1}));
}

/* A thread that allows its sleeps to end later is let sleep until others wake. */
static void timer_slack(void)
{
	enum : int64_t { SLACK = 100'000'000 };
	int ends[2];

	OK(pipe(ends));
	struct pollfd p = {.fd = ends[0], .events = POLLIN};

	EQUAL(prctl(PR_GET_TIMERSLACK), 50'000);
	OK(prctl(PR_SET_TIMERSLACK, SLACK));
	int64_t start = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 3; i++)
		OK(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1'000'000}, nullptr));
	EQUAL(poll(&p, 1, 1), 0);
	EXITS(CHILD(EQUAL(prctl(PR_GET_TIMERSLACK), SLACK); EQUAL(poll(&p, 1, 1), 0)), 0);
	/* The first ends at the next multiple, each other one a whole slack later. */
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 4 * SLACK);
	OK(prctl(PR_SET_TIMERSLACK, ~0ul));
	EQUAL(poll(&p, 1, 1), 0);
	OK(prctl(PR_SET_TIMERSLACK, 0));
	EQUAL(prctl(PR_GET_TIMERSLACK), 50'000);
}

KTAP_MAIN(STELLUX_CASE(timer_slack), CASE(monotonic_never_goes_back), CASE(call_and_vdso_agree),
	  CASE(processes_agree_on_the_time), CASE(the_clocks_there_are), CASE(cpu_time_is_counted),
	  CASE(sleeping_lasts_at_least_as_long), CASE(sleeping_until), CASE(an_interrupted_sleep_tells_what_is_left),
	  CASE(sleepers_wake_in_order), CASE(timeouts_of_poll_and_select), CASE(posix_timers),
	  CASE(missed_periods_are_counted), CASE(setting_the_clock))
