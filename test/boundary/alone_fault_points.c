/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the machine when a step of fork, exec, exit, wait, signal delivery, page-fault handling, timer expiry
 * or of one of the kernel's own threads faults: for each fault point that the kernel lists in /proc/stray_points, a
 * process called "actor" goes through all of these paths with the point armed, for its first passing, for a later one,
 * and for every one. Afterwards no process may be left that cannot be reaped, and the machine has to serve: fork, exec,
 * a pipe and wait, a timer, a signal, page faults. Steps of the kernel's threads are armed for those; for PID 1's see
 * alone_first_process.c.
 *
 * Runs alone (test/matrix.txt), since it costs the machine a thing or two: what was lost is listed at the end.
 * SEED in the environment chooses the later passings.
 */
#include "points.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 8, REPORTS_MAX = 40, TURNS_S = 60, TURN_US = 5000 };
static const char program[] = "/tmp/actor";

static volatile sig_atomic_t handled;

/* --- what the actor does; each part may fail --- */

static void on_signal(int)
{
	handled = 1;
}

static void *thread_body(void *arg)
{
	__atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
	return nullptr;
}

static void use_futex(void)
{
	uint32_t word = 1;

	(void)syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 2, nullptr, nullptr, 0);
}

static void use_thread(void)
{
	pthread_t t;
	static int ran;

	if (pthread_create(&t, nullptr, thread_body, &ran) != 0)
		return;
	FOR_MS(200) {
		if (__atomic_load_n(&ran, __ATOMIC_SEQ_CST))
			break;
	}
	/* Not joined: what says that it has ended may be what faulted. */
	pause_ms(2);
}

static void use_child(volatile char *memory)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < PAGES; i++)
			memory[i * 4096] = 2;
		_exit(3);
	}
	if (pid > 0)
		(void)waitpid(pid, nullptr, 0);
}

static void use_program(void)
{
	char *const argv[] = {(char *)program, "nothing", nullptr};
	pid_t pid = vfork();

	if (pid == 0) {
		execve(program, argv, environ);
		_exit(errno == EFAULT ? 4 : 5);
	}
	if (pid > 0)
		(void)waitpid(pid, nullptr, 0);
}

static void *thread_that_stays(void *)
{
	for (;;)
		pause();
}

/* A child that dies with a core dump, of which one of its two threads has to be told. */
static void leave_core(void)
{
	pthread_t t;
	pid_t pid = fork();

	if (pid == 0) {
		(void)!chdir("/tmp");
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){1 << 20, 1 << 20});
		(void)pthread_create(&t, nullptr, thread_that_stays, nullptr);
		abort();
	}
	if (pid > 0)
		(void)waitpid(pid, nullptr, 0);
	(void)unlink("/tmp/core");
}

/* A child that ends while it has a child. */
static void leave_orphan(void)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) != 0)
		return;
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			char c;

			close(ends[1]);
			(void)!read(ends[0], &c, 1);
		}
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(pid, nullptr, 0);
	close(ends[0]);
	close(ends[1]);
}

static void ignore_child(void)
{
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid(pid, nullptr, 0);
	signal(SIGCHLD, SIG_DFL);
}

[[noreturn]] static void act(void)
{
	struct itimerval never = {.it_value.tv_sec = 1000};
	volatile char *memory = mmap(nullptr, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	timer_t timer;

	for (int i = 0; i < PAGES; i++)
		memory[i * 4096] = 1;
	setitimer(ITIMER_REAL, &never, nullptr);
	(void)!timer_create(CLOCK_MONOTONIC, nullptr, &timer);
	signal(SIGUSR1, on_signal);
	kill(getpid(), SIGUSR1);
	use_child(memory);
	use_program();
	use_thread();
	use_futex();
	leave_orphan();
	leave_core();
	ignore_child();
	exit(0);
}

/* --- what the machine must still do --- */

/* Every child is gone, the orphans that came here included. */
static bool all_reaped(void)
{
	FOR_MS(LIMIT_MS) {
		pid_t pid;

		while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return true;
	}
	return false;
}

static const char *fork_exec_pipe_wait(void)
{
	char *const argv[] = {(char *)program, "hello", nullptr};
	char text[8] = "";
	int ends[2], status = -1;

	if (pipe(ends) != 0)
		return "pipe";
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		execve(program, argv, environ);
		_exit(1);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], text, 6);
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return "fork, exec and wait";
	return n == 6 && memcmp(text, "hello\n", 6) == 0 ? nullptr : "a pipe";
}

static const char *timers_fire(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec twice = {.it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000};
	struct itimerval once = {.it_value.tv_usec = 1000};
	uint64_t n, total = 0;

	handled = 0;
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &once, nullptr);
	FOR_MS(LIMIT_MS) {
		if (handled)
			break;
	}
	if (!handled)
		return "an interval timer";
	timerfd_settime(fd, 0, &twice, nullptr);
	/* A callback that is called again sends its signal again. */
	for (int turn = 0; total < 2 && turn < 8; turn++) {
		if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, LIMIT_MS / 4) == 1)
			total += read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
	}
	close(fd);
	return total >= 2 ? nullptr : "a periodic timer";
}

/* The first thing that the machine does not do any more, or nullptr. */
static const char *what_fails(void)
{
	volatile char *memory = mmap(nullptr, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *bad = fork_exec_pipe_wait();

	if (bad != nullptr || (bad = timers_fire()) != nullptr)
		return bad;
	handled = 0;
	signal(SIGUSR1, on_signal);
	kill(getpid(), SIGUSR1);
	if (!handled)
		return "a signal";
	for (int i = 0; i < PAGES; i++)
		memory[i * 4096] = 1;
	use_child(memory);
	bad = memory[0] == 1 ? nullptr : "copy-on-write";
	munmap((void *)memory, PAGES * 4096);
	return bad;
}

enum { SMASH = 0 };
/* Lets an actor go through everything with the point armed, faults == SMASH: to lose its thread's page there. Returns
 * how often it faulted. */
static int run_actor(const char *point, int pass, int faults, int *passed)
{
	int faulted;
	pid_t pid = OK(fork()), ended = 0;

	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_NAME, "actor");
		if (faults == SMASH)
			arm_smash(point, "actor");
		else
			arm(point, "actor", pass, faults);
		act();
	}
	FOR_MS(LIMIT_MS / 4) {
		ended = waitpid(pid, nullptr, WNOHANG);
		if (ended != 0)
			break;
	}
	counts(passed, &faulted);
	disarm();
	if (ended == 0)
		ktap_note("%s, pass %d, %d faults: the actor has to be killed", point, pass, faults);
	/* With what it left behind. */
	kill(pid, SIGKILL);
	kill(-pid, SIGKILL);
	return faulted;
}

static void check_machine(const char *point)
{
	if (!all_reaped())
		ktap_fail(__FILE__, __LINE__, "%s: a process is left that cannot be reaped", point);
	const char *bad = what_fails();
	if (bad != nullptr)
		ktap_fail(__FILE__, __LINE__, "%s: the machine no longer does %s", point, bad);
}

/* Of all components. */
static long component_faults(void)
{
	static char text[8192];
	char *save, *line;
	long sum = 0, n;

	ktap_read_file("/proc/components", text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line != nullptr; line = strtok_r(nullptr, "\n", &save))
		sum += sscanf(line, "%*s %*s %*s %*s %*s %ld", &n) == 1 ? n : 0;
	return sum;
}

static void prepare(void)
{
	read_points();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	unlink(program);
	OK(symlink("/test/alone_fault_points", program));
}

static void each_step_of_a_process(void)
{
	int passed, faulted;

	prepare();
	for (int i = 0; i < point_count; i++) {
		if (kernel_thread_of(points[i]) != nullptr)
			continue;
		faulted = run_actor(points[i], 1, 1, &passed);
		if (faulted != 1)
			ktap_fail(__FILE__, __LINE__, "%s: passed %d times, faulted %d times", points[i], passed,
				  faulted);
		check_machine(points[i]);
	}
}

/* The thread ends with one report, and everything else goes on, whatever it held, waited for or had half made. */
static void a_thread_page_is_lost(void)
{
	int passed;

	prepare();
	for (int i = 0; i < point_count; i++) {
		long before = component_faults();

		if (kernel_thread_of(points[i]) != nullptr)
			continue;
		if (run_actor(points[i], 1, SMASH, &passed) != 1)
			ktap_fail(__FILE__, __LINE__, "%s: passed %d times", points[i], passed);
		check_machine(points[i]);
		/* Its end may be seen before its fault is counted, which comes after the report. Nor does anybody fault
		 * who walks a list past the thread meanwhile. */
		FOR_MS(LIMIT_MS)
			if (component_faults() - before >= 1)
				break;
		if (component_faults() - before != 1)
			ktap_fail(__FILE__, __LINE__, "%s: %ld faults", points[i], component_faults() - before);
	}
}

static void a_later_passing(void)
{
	const char *seed = getenv("SEED");
	unsigned state = seed != nullptr ? (unsigned)atoi(seed) : 7;
	int passed;

	prepare();
	for (int i = 0; i < point_count; i++) {
		if (kernel_thread_of(points[i]) != nullptr)
			continue;
		state = state * 1103515245 + 12345;
		(void)run_actor(points[i], 2 + (int)(state >> 16) % 4, 1, &passed);
		check_machine(points[i]);
	}
}

static void every_passing(void)
{
	int passed;

	prepare();
	for (int i = 0; i < point_count; i++) {
		if (kernel_thread_of(points[i]) != nullptr)
			continue;
		int faulted = run_actor(points[i], 1, 1000000, &passed);
		check_machine(points[i]);
		if (faulted > REPORTS_MAX)
			ktap_fail(__FILE__, __LINE__, "%s: one broken step makes %d reports", points[i], faulted);
	}
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* The component stray does a write that is caught: the component thread has work, and the log thread. */
static void run_stray(void)
{
	static const char text[] = "case write-nucleus-text seed 1";
	int fd = OK(open("/proc/stray", O_WRONLY));

	(void)!write(fd, text, sizeof(text) - 1);
	close(fd);
}

/* One fault of a kernel thread, then a few in a row. */
static void the_kernels_own_threads(void)
{
	prepare();
	for (int i = 0; i < point_count; i++) {
		const char *thread = kernel_thread_of(points[i]);
		int passed, faulted = 0;

		/* That one runs only while the machine boots (test/kernel/services.c). */
		if (thread != nullptr && strcmp(thread, "entropy") == 0)
			continue;
		for (int faults = 1; thread != nullptr && faults <= 3; faults += 2) {
			arm(points[i], thread, 1, faults);
			/* A thread that faulted pauses before it begins again, the longer the more often. */
			for (time_t end = seconds() + TURNS_S; faulted < faults && seconds() < end; usleep(TURN_US)) {
				check_machine(points[i]);
				/* Something for the component thread, and with that for the log. */
				run_stray();
				/* And for the serial line's. */
				if (begins(points[i], "serial_"))
					ktap_note("%s", points[i]);
				counts(&passed, &faulted);
			}
			disarm();
			if (faulted != faults)
				ktap_fail(__FILE__, __LINE__, "%s: %d faults, not %d", points[i], faulted, faults);
			check_machine(points[i]);
		}
	}
}

/* What it cost. */
static void list_losses(void)
{
	char line[160];
	FILE *f = fopen("/proc/components", "r");

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr)
		ktap_note("%.*s", (int)strcspn(line, "\n"), line);
}

static const struct ktap_case cases[] = {CASE(each_step_of_a_process),	CASE(a_later_passing),
					 CASE(every_passing),		CASE(a_thread_page_is_lost),
					 CASE(the_kernels_own_threads), CASE(list_losses)};

int main(int argc, char **argv)
{
	if (strcmp(argv[0], program) == 0) {
		if (argc > 1 && strcmp(argv[1], "hello") == 0)
			printf("hello\n");
		return 0;
	}
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
