/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the machine when a step of fork, exec, exit, wait, signal delivery, page-fault handling, timer expiry
 * or of one of the kernel's own threads faults: for each fault point that the kernel lists in /proc/stray_points, a
 * process called "actor" goes through all of these paths with the point armed, for its first passing, for a later one,
 * and for every one. Afterwards no process may be left that cannot be reaped, and the machine has to serve: fork, exec,
 * a pipe and wait, a timer, a signal, page faults. Steps of the kernel's threads and of PID 1 are armed for those.
 *
 * Runs alone (test/matrix.txt), since it costs the machine a thing or two: what was lost is listed at the end.
 * SEED in the environment chooses the later passings.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { POINTS_MAX = 128, PAGES = 8, LIMIT_MS = 20000, REPORTS_MAX = 40 };
static const char points_file[] = "/proc/stray_points", program[] = "/tmp/actor";

static char points[POINTS_MAX][32];
static int point_count;
static volatile sig_atomic_t handled;

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The point is a step of one of the kernel's own threads: its name. */
static const char *kernel_thread_of(const char *point)
{
	return begins(point, "timer_")	      ? "timer"
	       : begins(point, "reaper_")     ? "reaper"
	       : begins(point, "log_")	      ? "log"
	       : begins(point, "components_") ? "components"
					      : nullptr;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, nullptr);
}

static void command(const char *format, const char *point, const char *thread, int pass, int faults)
{
	char text[128];
	int n = snprintf(text, sizeof(text), format, point, thread, pass, faults);
	int fd = open(points_file, O_WRONLY);

	if (fd < 0 || write(fd, text, (size_t)n) != n)
		ktap_fail(__FILE__, __LINE__, "cannot write `%s` to %s: errno %d", text, points_file, errno);
	close(fd);
}

static void arm(const char *point, const char *thread, int pass, int faults)
{
	command("%s thread %s pass %d faults %d", point, thread, pass, faults);
}

/* How often the armed point was passed and faulted. */
static void counts(int *passed, int *faulted)
{
	char text[8192] = "";
	int fd = open(points_file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *line = n > 0 ? strstr(text, "armed ") : nullptr;

	close(fd);
	if (line == nullptr || sscanf(line, "armed %*s passed %d faulted %d", passed, faulted) != 2)
		ktap_fail(__FILE__, __LINE__, "%s tells nothing", points_file);
}

static void read_points(void)
{
	FILE *f = fopen(points_file, "r");
	char line[80];

	if (f == nullptr)
		ktap_skip("the kernel has no fault points");
	while (fgets(line, sizeof(line), f) != nullptr && point_count < POINTS_MAX)
		point_count += sscanf(line, "point %31s", points[point_count]) == 1;
	fclose(f);
}

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

static void use_thread(void)
{
	pthread_t t;
	static int ran;

	if (pthread_create(&t, nullptr, thread_body, &ran) != 0)
		return;
	for (int i = 0; i < 200 && !__atomic_load_n(&ran, __ATOMIC_SEQ_CST); i++)
		pause_ms(1);
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
	leave_orphan();
	ignore_child();
	exit(0);
}

/* --- what the machine must still do --- */

/* Every child is gone, the orphans that came here included. */
static bool all_reaped(void)
{
	for (long end = now_ms() + LIMIT_MS; now_ms() < end; pause_ms(1)) {
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
	for (long end = now_ms() + LIMIT_MS; !handled && now_ms() < end;)
		pause_ms(1);
	if (!handled)
		return "an interval timer";
	timerfd_settime(fd, 0, &twice, nullptr);
	/* A callback that is called again sends its signal again. */
	for (long end = now_ms() + LIMIT_MS; total < 2 && now_ms() < end;) {
		if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, LIMIT_MS) == 1)
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

/* Lets an actor go through everything with the point armed. Returns how often it faulted. */
static int run_actor(const char *point, int pass, int faults, int *passed)
{
	long end = now_ms() + LIMIT_MS / 4;
	int faulted;
	pid_t pid = OK(fork()), ended = 0;

	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_NAME, "actor");
		arm(point, "actor", pass, faults);
		act();
	}
	while (ended == 0 && now_ms() < end) {
		ended = waitpid(pid, nullptr, WNOHANG);
		if (ended == 0)
			pause_ms(1);
	}
	counts(passed, &faulted);
	command("none", point, "", 0, 0);
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

		for (int faults = 1; thread != nullptr && faults <= 3; faults += 2) {
			arm(points[i], thread, 1, faults);
			for (long end = now_ms() + LIMIT_MS; faulted < faults && now_ms() < end;) {
				check_machine(points[i]);
				/* Something for the component thread, and with that for the log. */
				run_stray();
				counts(&passed, &faulted);
			}
			command("none", points[i], "", 0, 0);
			if (faulted != faults)
				ktap_fail(__FILE__, __LINE__, "%s: %d faults, not %d", points[i], faulted, faults);
			check_machine(points[i]);
		}
	}
}

/*
 * PID 1 reaps orphans: its calls fail, its events are tried again, and it is there afterwards. The harness reaps those
 * of cases, so a process that is PID 1's own child makes them.
 */
static int to_maker[2], from_maker[2];

static bool orphan_is_reaped(void)
{
	int ends[2];
	pid_t orphan = 0;

	OK(pipe(ends));
	pid_t pid = OK(fork());
	if (pid == 0) {
		pid_t child = fork();
		if (child == 0)
			pause_ms(1);
		else
			(void)!write(ends[1], &child, sizeof(child));
		_exit(0);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], &orphan, sizeof(orphan));
	close(ends[0]);
	OK(waitpid(pid, nullptr, 0));
	for (long end = now_ms() + LIMIT_MS / 10; n == sizeof(orphan) && now_ms() < end; pause_ms(1)) {
		if (kill(orphan, 0) != 0)
			return true;
	}
	return false;
}

static void serve_orphans(void)
{
	char c;

	OK(pipe(to_maker));
	OK(pipe(from_maker));
	pid_t pid = OK(fork());
	if (pid == 0) {
		if (OK(fork()) != 0)
			_exit(0);
		close(to_maker[1]);
		close(from_maker[0]);
		while (read(to_maker[0], &c, 1) == 1) {
			c = orphan_is_reaped();
			(void)!write(from_maker[1], &c, 1);
		}
		_exit(0);
	}
	OK(waitpid(pid, nullptr, 0));
	close(to_maker[0]);
	close(from_maker[1]);
}

static bool make_orphan(void)
{
	char c = 0;

	return write(to_maker[1], &c, 1) == 1 && read(from_maker[0], &c, 1) == 1 && c;
}

static void the_first_process(void)
{
	int hits = 0;

	prepare();
	for (int i = 0; i < point_count; i++) {
		int passed, faulted;

		if (kernel_thread_of(points[i]) != nullptr || begins(points[i], "exit_"))
			continue;
		arm(points[i], "init", 1, 1);
		(void)make_orphan();
		counts(&passed, &faulted);
		command("none", points[i], "", 0, 0);
		/* What was left is found with the next child. */
		hits += faulted;
		if (!make_orphan() && !make_orphan())
			ktap_fail(__FILE__, __LINE__, "%s: PID 1 reaps no more", points[i]);
		check_machine(points[i]);
	}
	/* The steps of wait: else this tests nothing. */
	CHECK(hits >= 4);
}

/* What it cost. */
static void list_losses(void)
{
	char line[160];
	FILE *f = fopen("/proc/components", "r");

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr)
		ktap_note("%.*s", (int)strcspn(line, "\n"), line);
}

static const struct ktap_case cases[] = {CASE(each_step_of_a_process),	CASE(a_later_passing),	 CASE(every_passing),
					 CASE(the_kernels_own_threads), CASE(the_first_process), CASE(list_losses)};

int main(int argc, char **argv)
{
	if (strcmp(argv[0], program) == 0) {
		if (argc > 1 && strcmp(argv[1], "hello") == 0)
			printf("hello\n");
		return 0;
	}
	serve_orphans();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
