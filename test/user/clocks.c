/* SPDX-License-Identifier: MIT */
/*
 * Which clocks there are for what, and what happens when the date is set or adjusted: absolute waits follow it,
 * relative ones do not; clocks of CPU time; adjtimex(2). Each case puts the date back.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FUTEX_WAIT = 0, FUTEX_WAIT_BITSET = 9, FUTEX_CLOCK_REALTIME = 256 };
enum : int64_t { SECOND = 1'000'000'000 };

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	OK(clock_gettime(clock, &t));
	return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static void set_date(int64_t ns)
{
	struct timespec t = to_timespec(ns);

	OK(clock_settime(CLOCK_REALTIME, &t));
}

static void step(int64_t seconds)
{
	set_date(now_ns(CLOCK_REALTIME) + seconds * SECOND);
}

/* Steps when the caller sleeps. */
static pid_t step_soon(int64_t seconds)
{
	pid_t parent = getpid();

	return CHILD(ktap_until_state(parent, "S"); step(seconds));
}

/* --- the date is set --- */

static void spans_do_not_follow_the_date(void)
{
	struct itimerspec span = {.it_value.tv_sec = 1000}, left;
	struct sigevent silent = {.sigev_notify = SIGEV_NONE};
	struct itimerval real = {.it_value.tv_sec = 1000};
	timer_t timer;
	int fd = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));

	OK(timerfd_settime(fd, 0, &span, nullptr));
	OK(timer_create(CLOCK_REALTIME, &silent, &timer));
	OK(timer_settime(timer, 0, &span, nullptr));
	OK(setitimer(ITIMER_REAL, &real, nullptr));
	for (int64_t by = 5000; by >= -5000; by -= 10000) {
		step(by);
		FAILS(EAGAIN, read(fd, &(uint64_t){}, 8));
		OK(timerfd_gettime(fd, &left));
		CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000);
		OK(timer_gettime(timer, &left));
		CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000);
		OK(getitimer(ITIMER_REAL, &real));
		CHECK(real.it_value.tv_sec > 900 && real.it_value.tv_sec <= 1000);
	}
	/* A sleep that the step falls into lasts as long as it was to. */
	int64_t start = now_ns(CLOCK_MONOTONIC);
	pid_t child = step_soon(5000);
	EQUAL(clock_nanosleep(CLOCK_REALTIME, 0, &(struct timespec){.tv_nsec = 50'000'000}, nullptr), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 50'000'000);
	EXITS(child, 0);
	step(-5000);
}

static long futex_until(int64_t date)
{
	struct timespec t = to_timespec(date);
	uint32_t word = 0;

	return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, nullptr, ~0u);
}

static void dates_follow_a_step_forward(void)
{
	struct itimerspec at = {.it_value = to_timespec(now_ns(CLOCK_REALTIME) + 1000 * SECOND)};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	int fd = OK(timerfd_create(CLOCK_REALTIME, 0)), signal;
	uint64_t count;
	timer_t timer;
	sigset_t set;

	pid_t child = step_soon(2000);
	FAILS(ETIMEDOUT, futex_until(now_ns(CLOCK_REALTIME) + 1000 * SECOND));
	EXITS(child, 0);
	step(-2000);
	child = step_soon(2000);
	EQUAL(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at.it_value, nullptr), 0);
	EXITS(child, 0);
	step(-2000);
	OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, nullptr));
	child = step_soon(2000);
	EQUAL(read(fd, &count, sizeof(count)), 8);
	EQUAL(count, 1);
	EXITS(child, 0);
	step(-2000);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	OK(timer_create(CLOCK_REALTIME, &event, &timer));
	OK(timer_settime(timer, TIMER_ABSTIME, &at, nullptr));
	child = step_soon(2000);
	OK(sigwait(&set, &signal));
	EXITS(child, 0);
	step(-2000);
}

static void dates_follow_a_step_back(void)
{
	struct itimerspec at = {.it_value = to_timespec(now_ns(CLOCK_REALTIME) + 1000 * SECOND)}, left;
	int fd = OK(timerfd_create(CLOCK_REALTIME, 0));

	OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, nullptr));
	step(-500);
	OK(timerfd_gettime(fd, &left));
	CHECK(left.it_value.tv_sec > 1400 && left.it_value.tv_sec <= 1500);
	step(500);
	/* What the clock and the C library's short way show is one. */
	int64_t before = now_ns(CLOCK_REALTIME);
	struct timespec called;
	step(100'000);
	OK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &called));
	CHECK(called.tv_sec >= before / SECOND + 100'000);
	CHECK(time(nullptr) >= called.tv_sec && now_ns(CLOCK_REALTIME) >= called.tv_sec * SECOND + called.tv_nsec);
	step(-100'000);
}

static void timers_can_be_told_of_a_step(void)
{
	constexpr int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
	struct itimerspec at = {.it_value = to_timespec(now_ns(CLOCK_REALTIME) + 100'000 * SECOND)};
	int fd = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)),
	    monotonic = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct pollfd p = {.fd = fd, .events = POLLIN};

	OK(timerfd_settime(fd, flags, &at, nullptr));
	OK(timerfd_settime(monotonic, flags, &at, nullptr));
	EQUAL(poll(&p, 1, 0), 0);
	step(10);
	EQUAL(poll(&p, 1, 0), 1);
	FAILS(ECANCELED, read(fd, &(uint64_t){}, 8));
	FAILS(EAGAIN, read(fd, &(uint64_t){}, 8));
	FAILS(EAGAIN, read(monotonic, &(uint64_t){}, 8));
	/* A sleeper is told, too. */
	OK(timerfd_settime(fd, flags, &at, nullptr));
	pid_t child = step_soon(-10);
	EQUAL(poll(&p, 1, -1), 1);
	FAILS(ECANCELED, read(fd, &(uint64_t){}, 8));
	EXITS(child, 0);
	/* And who sets the timer before it has looked. */
	OK(timerfd_settime(fd, flags, &at, nullptr));
	step(10);
	FAILS(ECANCELED, timerfd_settime(fd, flags, &at, nullptr));
	OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, nullptr));
	step(-10);
	FAILS(EAGAIN, read(fd, &(uint64_t){}, 8));
	FAILS(EINVAL, timerfd_settime(fd, 4, &at, nullptr));
}

static void dates_that_cannot_be_set(void)
{
	struct timespec early = {.tv_sec = 0, .tv_nsec = 1}, late = {.tv_sec = 10'000'000'000};

	FAILS(EINVAL, clock_settime(CLOCK_REALTIME, &early));
	FAILS(EINVAL, clock_settime(CLOCK_REALTIME, &late));
	FAILS(EINVAL, syscall(SYS_clock_settime, CLOCK_TAI, &late));
	FAILS(EINVAL, syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &late));
	FAILS(EPERM, syscall(SYS_clock_settime, -6, &late));
	FAILS(EFAULT, syscall(SYS_clock_settime, CLOCK_REALTIME, (void *)1));
	int zone[2] = {901, 0};
	FAILS(EINVAL, syscall(SYS_settimeofday, nullptr, zone));
	FAILS(EINVAL, syscall(SYS_settimeofday, &(struct timeval){.tv_usec = 1'000'000}, nullptr));
}

/* --- which clock for what --- */

static void clocks_that_only_tell(void)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE};
	struct timespec none = {};
	timer_t timer;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		FAILS(EOPNOTSUPP, syscall(SYS_timer_create, clocks[i], nullptr, &timer));
		FAILS(EOPNOTSUPP, syscall(SYS_clock_nanosleep, clocks[i], 0, &none, nullptr));
		FAILS(EINVAL, timerfd_create(clocks[i], 0));
	}
	FAILS(EOPNOTSUPP, syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &none, nullptr));
	FAILS(EINVAL, syscall(SYS_clock_nanosleep, -2, 0, &none, nullptr));
	FAILS(EINVAL, timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	FAILS(EINVAL, timerfd_create(CLOCK_TAI, 0));
	FAILS(EINVAL, syscall(SYS_timer_create, 12, nullptr, &timer));
	FAILS(EINVAL, syscall(SYS_timer_create, -1, nullptr, &timer));
	FAILS(ENOSYS, syscall(SYS_futex, &(uint32_t){}, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &none, nullptr, 0));
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, timerfd_create(CLOCK_REALTIME_ALARM, 0));
		FAILS(EPERM, syscall(SYS_timer_create, CLOCK_BOOTTIME_ALARM, nullptr, &timer));
	});
	EXITS(child, 0);
}

static volatile sig_atomic_t expired;

static void count_signal(int signal)
{
	(void)signal;
	expired++;
}

/* Burns CPU time until the timer on the clock has sent its signal, which is not before its time. */
static void burn_until_expired(clockid_t clock, clockid_t watched)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec in = {.it_value.tv_nsec = 5'000'000};
	timer_t timer;

	expired = 0;
	OK(timer_create(clock, &event, &timer));
	int64_t start = now_ns(watched);
	OK(timer_settime(timer, 0, &in, nullptr));
	while (!expired)
		;
	CHECK(now_ns(watched) - start >= 5'000'000);
	OK(timer_gettime(timer, &in));
	EQUAL(in.it_value.tv_nsec + in.it_value.tv_sec, 0);
	OK(timer_delete(timer));
}

static void *burn(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		;
	return nullptr;
}

static void timers_of_cpu_time(void)
{
	clockid_t clock;
	pthread_t thread;
	int stop = 0;

	signal(SIGUSR1, count_signal);
	burn_until_expired(CLOCK_THREAD_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID);
	burn_until_expired(CLOCK_PROCESS_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID);
	OK(pthread_getcpuclockid(pthread_self(), &clock));
	burn_until_expired(clock, clock);
	EQUAL(pthread_create(&thread, nullptr, burn, &stop), 0);
	EQUAL(pthread_getcpuclockid(thread, &clock), 0);
	burn_until_expired(clock, clock);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	EQUAL(pthread_join(thread, nullptr), 0);
	/* Who joined it may come before it is gone. */
	while (syscall(SYS_clock_gettime, clock, &(struct timespec){}) == 0)
		OK(usleep(1000));
	EQUAL(errno, EINVAL);
	/* Another process's, and not another's thread's. */
	pid_t child = CHILD(for (;;));
	EQUAL(clock_getcpuclockid(child, &clock), 0);
	burn_until_expired(clock, clock);
	FAILS(EINVAL, syscall(SYS_clock_gettime, clock | 4, &(struct timespec){}));
	int64_t start = now_ns(clock);
	struct timespec until = to_timespec(start + 3'000'000);
	EQUAL(clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr), 0);
	CHECK(now_ns(clock) >= start + 3'000'000);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void proc_shows_timers_and_slack(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_ptr = (void *)0x1234};
	char text[512], wanted[200];
	timer_t timer;

	OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	event.sigev_notify = SIGEV_NONE;
	OK(timer_create(CLOCK_REALTIME, &event, &timer));
	ktap_read_file("/proc/self/timers", text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "ID: 1\nsignal: %d/0000000000001234\nnotify: none/pid.%d\nClockID: 0\nID: 0\n",
		 SIGUSR2, getpid());
	CHECK(strncmp(text, wanted, strlen(wanted)) == 0);
	CHECK(strstr(text, "\nnotify: signal/pid.") != nullptr);
	OK(prctl(PR_SET_TIMERSLACK, 60'000));
	ktap_read_file("/proc/self/timerslack_ns", text, sizeof(text));
	CHECK(strcmp(text, "60000\n") == 0);
	ktap_write_file("/proc/self/timerslack_ns", "70000");
	EQUAL(prctl(PR_GET_TIMERSLACK), 70'000);
	/* What a child begins with is what it comes back to. */
	EXITS(CHILD(OK(prctl(PR_SET_TIMERSLACK, 80'000)); OK(prctl(PR_SET_TIMERSLACK, 0));
		    EQUAL(prctl(PR_GET_TIMERSLACK), 70'000)),
	      0);
	snprintf(wanted, sizeof(wanted), "/proc/%d/timerslack_ns", getpid());
	EXITS(CHILD(OK(setuid(1000)); int fd = open(wanted, O_RDONLY); CHECK(fd < 0 || read(fd, text, 1) == -1)), 0);
}

/* --- adjustments --- */

#define ADJUST(modes_, ...)                                                                                            \
	({                                                                                                             \
		x = (struct timex){.modes = (modes_), __VA_ARGS__};                                                    \
		OK(adjtimex(&x));                                                                                      \
	})

static void adjustments_are_kept(void)
{
	struct timex x;

	ADJUST(ADJ_FREQUENCY, .freq = 10 << 16);
	ADJUST(0);
	EQUAL(x.freq, 10 << 16);
	ADJUST(ADJ_FREQUENCY, .freq = 1000 << 16);
	EQUAL(x.freq, 500 << 16);
	ADJUST(ADJ_FREQUENCY, .freq = 0);
	x = (struct timex){.modes = ADJ_TICK, .tick = 8999};
	FAILS(EINVAL, adjtimex(&x));
	x = (struct timex){.modes = ADJ_TICK, .tick = 11001};
	FAILS(EINVAL, adjtimex(&x));
	/* With no error left, or the next second makes it too large to be synchronized. */
	EQUAL(ADJUST(ADJ_STATUS | ADJ_MAXERROR, .status = STA_PLL, .maxerror = 0), TIME_OK);
	/* In the clock's next second some of it is made up for: again, where that came in between. */
	int64_t most, same;
	do {
		ADJUST(ADJ_OFFSET | ADJ_NANO, .offset = 900'000'000);
		most = x.offset;
		ADJUST(ADJ_MICRO);
		same = x.offset;
		ADJUST(ADJ_NANO);
	} while (x.offset != most);
	EQUAL(most, 500'000'000);
	EQUAL(same, 500'000);
	ADJUST(ADJ_MICRO);
	ADJUST(ADJ_OFFSET | ADJ_FREQUENCY, .offset = 0, .freq = 0);
	ADJUST(ADJ_TIMECONST, .constant = 1);
	EQUAL(x.constant, 5);
	ADJUST(ADJ_MAXERROR | ADJ_ESTERROR, .maxerror = 2000, .esterror = 77);
	/* It grows by 500 a second. */
	CHECK(x.maxerror >= 2000 && x.maxerror < 1'000'000 && x.esterror == 77);
	ADJUST(ADJ_TAI, .constant = 37);
	EQUAL(x.tai, 37);
	int64_t real = now_ns(CLOCK_REALTIME), tai = now_ns(CLOCK_TAI), later = now_ns(CLOCK_REALTIME);
	CHECK(tai >= real + 37 * SECOND && tai <= later + 37 * SECOND);
	ADJUST(ADJ_TAI, .constant = 0);
	EQUAL(ADJUST(ADJ_STATUS, .status = STA_UNSYNC), TIME_ERROR);
	/* Setting the date ends what was known of it. */
	ADJUST(ADJ_MAXERROR, .maxerror = 1);
	step(0);
	ADJUST(0);
	EQUAL(x.maxerror, 16'000'000);
	pid_t child = CHILD({
		OK(setuid(1000));
		ADJUST(0);
		ADJUST(ADJ_OFFSET_SS_READ);
		x = (struct timex){.modes = ADJ_TICK, .tick = 10000};
		FAILS(EPERM, adjtimex(&x));
		x = (struct timex){.modes = ADJ_OFFSET_SINGLESHOT};
		FAILS(EPERM, adjtimex(&x));
	});
	EXITS(child, 0);
	x = (struct timex){};
	FAILS(EOPNOTSUPP, syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &x));
	FAILS(EINVAL, syscall(SYS_clock_adjtime, 99, &x));
	FAILS(EFAULT, syscall(SYS_adjtimex, (void *)1));
}

/* How far the date is ahead of the machine's clock. What comes between the two reads makes it less, so the most of many
 * is taken. */
static int64_t lead(void)
{
	int64_t most = INT64_MIN;

	for (int n = 0; n < 50; n++) {
		int64_t date = now_ns(CLOCK_REALTIME), lead = date - now_ns(CLOCK_MONOTONIC_RAW);
		most = lead > most ? lead : most;
	}
	return most;
}

static void the_clock_runs_as_adjusted(void)
{
	struct timex x;

	ADJUST(ADJ_TICK, .tick = 11000);
	/* 10 % faster; reads of the machine's clock enclose those of the date, and these the inner ones of it. */
	int64_t raw = now_ns(CLOCK_MONOTONIC_RAW), date = now_ns(CLOCK_REALTIME), inner = now_ns(CLOCK_MONOTONIC_RAW);
	OK(usleep(50'000));
	int64_t inner_ran = now_ns(CLOCK_MONOTONIC_RAW) - inner, date_ran = now_ns(CLOCK_REALTIME) - date;
	int64_t raw_ran = now_ns(CLOCK_MONOTONIC_RAW) - raw;
	ADJUST(ADJ_TICK, .tick = 10000);
	CHECK(date_ran <= raw_ran + raw_ran / 10 + raw_ran / 1000);
	CHECK(date_ran >= inner_ran + inner_ran / 10 - inner_ran / 1000);
	ADJUST(ADJ_SETOFFSET, .time = {.tv_sec = 5, .tv_usec = 250'000});
	CHECK(now_ns(CLOCK_REALTIME) - date >= 5 * SECOND + 250'000'000);
	ADJUST(ADJ_SETOFFSET | ADJ_NANO, .time = {.tv_sec = -6, .tv_usec = 750'000'000});
	/* Both steps together are none; however long it took, at the faster rate at most. */
	date_ran = now_ns(CLOCK_REALTIME) - date;
	raw_ran = now_ns(CLOCK_MONOTONIC_RAW) - raw;
	CHECK(date_ran < raw_ran + raw_ran / 10 + SECOND);
	ADJUST(ADJ_MICRO);
	x = (struct timex){.modes = ADJ_SETOFFSET, .time.tv_usec = -1};
	FAILS(EINVAL, adjtimex(&x));
}

static void adjtime_slews(void)
{
	struct timex x;

	ADJUST(ADJ_STATUS, .status = 0);
	ADJUST(ADJ_OFFSET_SINGLESHOT, .offset = 20'000);
	EQUAL(x.offset, 0);
	ADJUST(ADJ_OFFSET_SS_READ);
	/* Whoever is held up into the clock's next second, which makes up for some of it, begins again. */
	while (x.offset < 20'000) {
		ADJUST(ADJ_OFFSET_SINGLESHOT, .offset = 20'000);
		ADJUST(ADJ_OFFSET_SS_READ);
	}
	EQUAL(x.offset, 20'000);
	int64_t before = lead();
	while (lead() < before + 200'000)
		OK(usleep(5000));
	/* Some of it is made up for in each second. */
	ADJUST(ADJ_OFFSET_SINGLESHOT, .offset = 0);
	CHECK(x.offset >= 0 && x.offset <= 19'500);
	ADJUST(ADJ_STATUS, .status = STA_UNSYNC);
}

/* The last second of a day goes on: the date does not come to midnight. */
static void days_leap(void)
{
	constexpr int64_t day = 86400 * SECOND;
	int64_t date = now_ns(CLOCK_REALTIME), begin = now_ns(CLOCK_MONOTONIC);
	int64_t midnight = (date / day + 1) * day, before;
	bool measured;
	struct timex x;

	/* Whoever is held up past midnight begins again: the next leap is a day away. */
	do {
		set_date(midnight - SECOND - 20'000'000);
		ADJUST(ADJ_STATUS, .status = STA_INS);
		ADJUST(ADJ_TAI, .constant = 10);
		before = lead();
		ADJUST(0);
		/* Not where the leap came before that. */
		measured = x.tai == 10;
		while (x.tai == 10 && now_ns(CLOCK_REALTIME) < midnight + SECOND) {
			OK(usleep(10'000));
			ADJUST(0);
		}
	} while (x.tai == 10 || !measured);
	EQUAL(x.tai, 11);
	CHECK(lead() <= before - SECOND + 2'000'000);
	CHECK(lead() >= before - SECOND - 2'000'000);
	ADJUST(ADJ_STATUS, .status = STA_UNSYNC);
	ADJUST(ADJ_TAI, .constant = 0);
	set_date(date + now_ns(CLOCK_MONOTONIC) - begin);
}

KTAP_MAIN(CASE(spans_do_not_follow_the_date), CASE(dates_follow_a_step_forward), CASE(dates_follow_a_step_back),
	  CASE(timers_can_be_told_of_a_step), CASE(dates_that_cannot_be_set), CASE(clocks_that_only_tell),
	  CASE(timers_of_cpu_time), CASE(proc_shows_timers_and_slack), CASE(adjustments_are_kept),
	  CASE(the_clock_runs_as_adjusted), CASE(adjtime_slews), CASE(days_leap))
