/* SPDX-License-Identifier: MIT */
/*
 * What signals do to calls that sleep: which are made again after a handler, which end with EINTR, which survive a stop
 * (signal(7), "Interruption of system calls"), and that no call ends before the handler that ended it has run.
 *
 * Each row of `waits` is a call that sleeps until `finish` is done to it.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the case's processes share. */
static struct shared {
	volatile int handled, resumed;
	uint32_t word;
} *shared;

static int ends[2], other[2], fd, holder;

static void on_event(int signal)
{
	(void)signal;
	/* Handlers make calls, too: what sleeps and is interrupted in them must not be mixed up with what they
	 * interrupted. */
	nanosleep(&(struct timespec){.tv_nsec = 1000}, nullptr);
	shared->handled++;
}

static void on_finish(int signal)
{
	(void)signal;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	OK(sigaction(signal, &(struct sigaction){.sa_handler = handler, .sa_flags = flags}, nullptr));
}

/* linux/futex.h. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_WAIT_BITSET = 9, FUTEX_CLOCK_REALTIME = 256 };

static const struct timespec long_time = {.tv_sec = 1000};

static struct timespec far_off(clockid_t clock)
{
	struct timespec t;

	OK(clock_gettime(clock, &t));
	t.tv_sec += 1000;
	return t;
}

/* --- preparations --- */

static void make_pipes(void)
{
	OK(pipe(ends));
	OK(pipe(other));
}

static void fill(int end)
{
	static char page[4096];

	OK(fcntl(end, F_SETFL, O_NONBLOCK));
	while (write(end, page, sizeof(page)) > 0)
		;
	OK(fcntl(end, F_SETFL, 0));
}

static void make_full_pipe(void)
{
	make_pipes();
	fill(ends[1]);
	EQUAL(write(other[1], "x", 1), 1);
}

static void make_event_count(void)
{
	fd = OK(eventfd(0, 0));
}

static void make_full_event_count(void)
{
	uint64_t most = UINT64_MAX - 1;

	fd = OK(eventfd(0, 0));
	EQUAL(write(fd, &most, 8), 8);
}

static void make_timer(void)
{
	fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	OK(timerfd_settime(fd, 0, &(struct itimerspec){.it_value = long_time}, nullptr));
}

static sigset_t set_of(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
}

static void make_signal_file(void)
{
	sigset_t set = set_of(SIGALRM);

	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	fd = OK(signalfd(-1, &set, 0));
}

static void make_terminal(void)
{
	fd = OK(posix_openpt(O_RDWR | O_NOCTTY));
	OK(grantpt(fd));
	OK(unlockpt(fd));
	holder = OK(open(ptsname(fd), O_RDWR | O_NOCTTY));
}

static void make_fifo(void)
{
	OK(mkfifo("fifo", 0600));
}

static void make_locked_file(void)
{
	fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	holder = OK(open("file", O_RDWR));
	OK(flock(holder, LOCK_EX));
}

static void make_locked_range(void)
{
	fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	OK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK}));
}

static void make_epoll(void)
{
	make_pipes();
	fd = OK(epoll_create1(0));
	OK(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &(struct epoll_event){.events = EPOLLIN}));
}

/* --- the calls --- */

static char byte;

static long read_pipe(void)
{
	return read(ends[0], &byte, 1);
}
static long readv_pipe(void)
{
	return readv(ends[0], &(struct iovec){&byte, 1}, 1);
}
static long write_pipe(void)
{
	return write(ends[1], "x", 1);
}
static long splice_out(void)
{
	return splice(ends[0], nullptr, other[1], nullptr, 1, 0);
}
static long splice_in(void)
{
	return splice(other[0], nullptr, ends[1], nullptr, 1, 0);
}
static long tee_empty(void)
{
	return tee(ends[0], other[1], 1, 0);
}
static long vmsplice_full(void)
{
	return vmsplice(ends[1], &(struct iovec){&byte, 1}, 1, 0);
}
static long read_count(void)
{
	return read(fd, &(uint64_t){}, 8);
}
static long write_count(void)
{
	return write(fd, &(uint64_t){5}, 8);
}
static long read_signal(void)
{
	return read(fd, &(struct signalfd_siginfo){}, sizeof(struct signalfd_siginfo));
}
static long read_slave(void)
{
	return read(holder, &byte, 1);
}
static long read_master(void)
{
	return read(fd, &byte, 1);
}
static long open_to_read(void)
{
	return open("fifo", O_RDONLY);
}
static long open_to_write(void)
{
	return open("fifo", O_WRONLY);
}
static long lock_file(void)
{
	return flock(fd, LOCK_EX);
}
static long lock_range(void)
{
	return fcntl(fd, F_SETLKW, &(struct flock){.l_type = F_WRLCK});
}
static long lock_open_file(void)
{
	return fcntl(OK(open("file", O_RDWR)), F_OFD_SETLKW, &(struct flock){.l_type = F_WRLCK});
}
static long poll_for_ever(void)
{
	return poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1);
}
static long poll_long(void)
{
	return poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 1'000'000);
}
static long ppoll_long(void)
{
	return ppoll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, &long_time, nullptr);
}
static long select_long(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return select(ends[0] + 1, &set, nullptr, nullptr, &(struct timeval){.tv_sec = 1000});
}
static long pselect_long(void)
{
	sigset_t none;
	fd_set set;

	sigemptyset(&none);
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return pselect(ends[0] + 1, &set, nullptr, nullptr, &long_time, &none);
}
static long epoll_for_ever(void)
{
	return epoll_wait(fd, &(struct epoll_event){}, 1, -1);
}
static long epoll_masked(void)
{
	sigset_t none;

	sigemptyset(&none);
	return epoll_pwait(fd, &(struct epoll_event){}, 1, 1'000'000, &none);
}
static long futex(int operation, const struct timespec *timeout)
{
	return syscall(SYS_futex, &shared->word, operation, 0, timeout, nullptr, ~0u);
}
static long futex_for_ever(void)
{
	return futex(FUTEX_WAIT, nullptr);
}
static long futex_long(void)
{
	return futex(FUTEX_WAIT, &long_time);
}
static long futex_bits_for_ever(void)
{
	return futex(FUTEX_WAIT_BITSET, nullptr);
}
static long futex_until(void)
{
	struct timespec t = far_off(CLOCK_MONOTONIC);

	return futex(FUTEX_WAIT_BITSET, &t);
}
static long futex_until_date(void)
{
	struct timespec t = far_off(CLOCK_REALTIME);

	return futex(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, &t);
}
static long sleep_long(void)
{
	struct timespec left = {};
	long result = nanosleep(&long_time, &left);

	if (result == -1)
		CHECK(left.tv_sec > 900 && left.tv_sec < 1000);
	return result;
}
/* The C library's value is the error. */
static long with_errno(int error)
{
	errno = error;
	return error == 0 ? 0 : -1;
}
static long sleep_on_real_clock(void)
{
	struct timespec left = {};
	int error = clock_nanosleep(CLOCK_REALTIME, 0, &long_time, &left);

	if (error != 0)
		CHECK(left.tv_sec > 900 && left.tv_sec < 1000);
	return with_errno(error);
}
static long sleep_until(void)
{
	struct timespec t = far_off(CLOCK_MONOTONIC), left = {77, 77};
	int error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left);

	CHECK(left.tv_sec == 77 && left.tv_nsec == 77);
	return with_errno(error);
}
static long sleep_until_date(void)
{
	struct timespec t = far_off(CLOCK_REALTIME);

	return with_errno(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, nullptr));
}
static long suspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	return sigsuspend(&none);
}
static long wait_for_any(void)
{
	return pause();
}
/* The C library's function goes on by itself. */
static long wait_alarm(const struct timespec *timeout)
{
	sigset_t set = set_of(SIGALRM);

	return syscall(SYS_rt_sigtimedwait, &set, nullptr, timeout, 8);
}
static long wait_signal(void)
{
	return wait_alarm(nullptr);
}
static long wait_signal_long(void)
{
	return wait_alarm(&long_time);
}
/* A child that waits to be told to end. */
static void wait_for_end(void)
{
	close(ends[1]);
	_exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
}
static pid_t start_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		handle(SIGUSR1, SIG_IGN, 0);
		wait_for_end();
	}
	return OK(child);
}
static long wait_child(void)
{
	return waitpid(start_child(), nullptr, 0) > 0 ? 0 : -1;
}
static long waitid_child(void)
{
	return waitid(P_PID, (id_t)start_child(), &(siginfo_t){}, WEXITED);
}
static long wait_group(void)
{
	start_child();
	return wait4(0, nullptr, 0, nullptr) > 0 ? 0 : -1;
}

/* --- what ends them --- */

static void put_byte(pid_t)
{
	EQUAL(write(ends[1], "x", 1), 1);
}
static void take_page(pid_t)
{
	CHECK(read(ends[0], (char[4096]){}, 4096) > 0);
}
static void add_one(pid_t)
{
	EQUAL(write(fd, &(uint64_t){1}, 8), 8);
}
static void take_all(pid_t)
{
	EQUAL(read(fd, &(uint64_t){}, 8), 8);
}
static void expire(pid_t)
{
	OK(timerfd_settime(fd, 0, &(struct itimerspec){.it_value.tv_nsec = 1}, nullptr));
}
static void send_alarm(pid_t pid)
{
	OK(kill(pid, SIGALRM));
}
static void type_line(pid_t)
{
	EQUAL(write(fd, "a\n", 2), 2);
}
static void print_text(pid_t)
{
	EQUAL(write(holder, "a", 1), 1);
}
static void open_other_end(pid_t)
{
	OK(open("fifo", O_RDWR));
}
static void unlock_file(pid_t)
{
	OK(flock(holder, LOCK_UN));
}
static void unlock_range(pid_t)
{
	OK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_UNLCK}));
}
static void wake_word(pid_t)
{
	while (syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 0)
		sched_yield();
}
static void interrupt(pid_t pid)
{
	OK(kill(pid, SIGTERM));
}

enum outcome { GOES_ON, ENDS }; /* with EINTR */
static const struct wait_row {
	const char *name;
	void (*prepare)(void);
	long (*call)(void);
	void (*finish)(pid_t pid);
	enum outcome restart_handler, stop;
} waits[] = {
	{"read of a pipe", make_pipes, read_pipe, put_byte, GOES_ON, GOES_ON},
	{"readv of a pipe", make_pipes, readv_pipe, put_byte, GOES_ON, GOES_ON},
	{"write to a full pipe", make_full_pipe, write_pipe, take_page, GOES_ON, GOES_ON},
	{"splice from an empty pipe", make_pipes, splice_out, put_byte, GOES_ON, GOES_ON},
	{"splice to a full pipe", make_full_pipe, splice_in, take_page, GOES_ON, GOES_ON},
	{"tee of an empty pipe", make_pipes, tee_empty, put_byte, GOES_ON, GOES_ON},
	{"vmsplice to a full pipe", make_full_pipe, vmsplice_full, take_page, GOES_ON, GOES_ON},
	{"read of an eventfd", make_event_count, read_count, add_one, GOES_ON, GOES_ON},
	{"write to a full eventfd", make_full_event_count, write_count, take_all, GOES_ON, GOES_ON},
	{"read of a timerfd", make_timer, read_count, expire, GOES_ON, GOES_ON},
	{"read of a signalfd", make_signal_file, read_signal, send_alarm, GOES_ON, GOES_ON},
	{"read of a terminal", make_terminal, read_slave, type_line, GOES_ON, GOES_ON},
	{"read of a terminal's master", make_terminal, read_master, print_text, GOES_ON, GOES_ON},
	{"open of a FIFO to read", make_fifo, open_to_read, open_other_end, GOES_ON, GOES_ON},
	{"open of a FIFO to write", make_fifo, open_to_write, open_other_end, GOES_ON, GOES_ON},
	{"flock", make_locked_file, lock_file, unlock_file, GOES_ON, GOES_ON},
	{"F_SETLKW", make_locked_range, lock_range, unlock_range, GOES_ON, GOES_ON},
	{"F_OFD_SETLKW", make_locked_range, lock_open_file, unlock_range, GOES_ON, GOES_ON},
	{"waitpid", make_pipes, wait_child, put_byte, GOES_ON, GOES_ON},
	{"waitid", make_pipes, waitid_child, put_byte, GOES_ON, GOES_ON},
	{"wait4 of a group", make_pipes, wait_group, put_byte, GOES_ON, GOES_ON},
	{"futex", nullptr, futex_for_ever, wake_word, GOES_ON, GOES_ON},
	{"futex with a bit set", nullptr, futex_bits_for_ever, wake_word, GOES_ON, GOES_ON},
	{"futex with a timeout", nullptr, futex_long, wake_word, ENDS, GOES_ON},
	{"futex until a time", nullptr, futex_until, wake_word, ENDS, GOES_ON},
	{"futex until a date", nullptr, futex_until_date, wake_word, ENDS, GOES_ON},
	{"poll without a timeout", make_pipes, poll_for_ever, put_byte, ENDS, GOES_ON},
	{"poll", make_pipes, poll_long, put_byte, ENDS, GOES_ON},
	{"ppoll", make_pipes, ppoll_long, put_byte, ENDS, GOES_ON},
	{"select", make_pipes, select_long, put_byte, ENDS, GOES_ON},
	{"pselect", make_pipes, pselect_long, put_byte, ENDS, GOES_ON},
	{"epoll_wait", make_epoll, epoll_for_ever, put_byte, ENDS, ENDS},
	{"epoll_pwait", make_epoll, epoll_masked, put_byte, ENDS, ENDS},
	{"nanosleep", nullptr, sleep_long, interrupt, ENDS, GOES_ON},
	{"clock_nanosleep", nullptr, sleep_on_real_clock, interrupt, ENDS, GOES_ON},
	{"clock_nanosleep until a time", nullptr, sleep_until, interrupt, ENDS, GOES_ON},
	{"clock_nanosleep until a date", nullptr, sleep_until_date, interrupt, ENDS, GOES_ON},
	{"pause", nullptr, wait_for_any, interrupt, ENDS, GOES_ON},
	{"sigsuspend", nullptr, suspend, interrupt, ENDS, GOES_ON},
	{"sigwaitinfo", make_signal_file, wait_signal, send_alarm, ENDS, ENDS},
	{"sigtimedwait", make_signal_file, wait_signal_long, send_alarm, ENDS, ENDS},
};
enum { FINISHED, INTERRUPTED, OTHER_ERROR, NOT_THERE };

enum event { HANDLER, RESTART_HANDLER, STOP, IGNORED };

static int sleeper(const struct wait_row *w, enum event event)
{
	handle(SIGUSR1, on_event, event == RESTART_HANDLER ? SA_RESTART : 0);
	handle(SIGUSR2, SIG_IGN, 0);
	handle(SIGTERM, on_finish, 0);
	long result = w->call();

	if (result >= 0)
		return FINISHED;
	if (errno == ENOSYS)
		return NOT_THERE;
	if (errno != EINTR) {
		ktap_note("%s: errno %d", w->name, errno);
		return OTHER_ERROR;
	}
	/* The handler has run by now, if there is one. */
	if (w->finish != interrupt && event != STOP && shared->handled == 0)
		return OTHER_ERROR;
	return INTERRUPTED;
}

static void send_event(pid_t pid, enum event event)
{
	switch (event) {
	case HANDLER:
	case RESTART_HANDLER:
		OK(kill(pid, SIGUSR1));
		while (shared->handled == 0)
			sched_yield();
		break;
	case STOP:
		OK(kill(pid, SIGSTOP));
		ktap_until_state(pid, "T");
		OK(kill(pid, SIGCONT));
		break;
	case IGNORED:
		OK(kill(pid, SIGUSR2));
		OK(kill(pid, SIGCHLD));
		OK(kill(pid, SIGWINCH));
		OK(kill(pid, SIGCONT));
		break;
	}
	/* Asleep again, or at its end. */
	ktap_until_state(pid, "SZ");
}

static void try_one(const struct wait_row *w, enum event event, enum outcome wanted)
{
	shared->handled = 0;
	(void)unlink("fifo");
	(void)unlink("file");
	if (w->prepare != nullptr)
		w->prepare();
	pid_t pid = OK(fork());
	if (pid == 0)
		_exit(sleeper(w, event));
	ktap_until_state(pid, "SZ");
	int status, went_on = waitpid(pid, &status, WNOHANG) == 0;
	if (!went_on && WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE)
		goto done;
	if (went_on) {
		send_event(pid, event);
		went_on = waitpid(pid, &status, WNOHANG) == 0;
	}
	if (went_on) {
		w->finish(pid);
		status = ktap_wait(pid);
	}
	int code = went_on && w->finish != interrupt ? FINISHED : INTERRUPTED;
	if (went_on != (wanted == GOES_ON) || !WIFEXITED(status) || WEXITSTATUS(status) != code)
		ktap_fail(__FILE__, __LINE__, "%s: %s, status 0x%x", w->name, went_on ? "went on" : "ended", status);
done:
	for (int i = 3; i < 20; i++)
		close(i);
}

static void try_all(enum event event)
{
	shared = mmap(nullptr, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	ktap_enter_dir();
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		const struct wait_row *w = &waits[i];

		try_one(w, event,
			event == HANDLER	   ? ENDS
			: event == RESTART_HANDLER ? w->restart_handler
			: event == STOP		   ? w->stop
						   : GOES_ON);
	}
}

static void a_handler_ends_every_sleep(void)
{
	try_all(HANDLER);
}

static void some_calls_are_made_again_after_a_handler(void)
{
	try_all(RESTART_HANDLER);
}

static void a_stop_ends_few_sleeps(void)
{
	try_all(STOP);
}

static void ignored_signals_end_no_sleep(void)
{
	try_all(IGNORED);
}

/* Some results are numbers of the program's own choosing: those that look like the kernel's codes for calls to be made
 * again are delivered like any others, and no bug, with and without a signal on the way. */
static void values_that_look_like_codes(void)
{
	static const long values[] = {-1, -511, -512, -513, -514, -516, -520, -4095, -4096};

	handle(SIGALRM, on_finish, SA_RESTART);
	for (size_t n = 0; n < sizeof(values) / sizeof(*values); n++) {
		long wanted = values[n], result;

		OK(prctl(PR_SET_TIMERSLACK, wanted));
		OK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 500}, {0, 500}}, nullptr));
		for (int k = 0; k < 200; k++) {
			errno = 0;
			result = syscall(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
			EQUAL(result == -1 ? -errno : result, wanted);
		}
		OK(setitimer(ITIMER_REAL, &(struct itimerval){}, nullptr));
	}
}

KTAP_MAIN(CASE(a_handler_ends_every_sleep), CASE(some_calls_are_made_again_after_a_handler),
	  CASE(a_stop_ends_few_sleeps), CASE(ignored_signals_end_no_sleep), CASE(values_that_look_like_codes))
