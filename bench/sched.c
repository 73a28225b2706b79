/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's benchmark program: how late a sleeper is, how fast two talk through pipes, and what part of the CPUs
 * everybody gets, beside hogs. Runs unchanged on Linux and on Stellux as the first process and powers the machine off
 * at the end. Each result is a line "row NAME VALUE" (bench/run-sched).
 */
#include <relax.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HOGS_MAX = 64, SLEEPS = 300 };
static const int64_t ms = 1000000;

static int64_t clock_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 * ms + t.tv_nsec;
}

/* Some computing. Without the last instruction QEMU 7.2 would run one CPU of several for as long as it has work. */
static void work(void)
{
	for (volatile int i = 0; i < 200; i++)
		;
	relax();
}

static pid_t hog(void)
{
	pid_t child = fork();

	while (child == 0)
		work();
	return child;
}

static void sleep_ns(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / (1000 * ms), .tv_nsec = ns % (1000 * ms)};

	nanosleep(&t, nullptr);
}

static void lateness(int hogs)
{
	int64_t worst = 0, sum = 0;

	for (int i = 0; i < SLEEPS; i++) {
		int64_t start = clock_now(CLOCK_MONOTONIC);

		/* Not in step with anybody's ticks. */
		sleep_ns(ms + i * 7919);
		int64_t late = clock_now(CLOCK_MONOTONIC) - start - ms - i * 7919;

		sum += late;
		worst = late > worst ? late : worst;
	}
	printf("row late-mean/%d %lld\nrow late-worst/%d %lld\n", hogs, (long long)(sum / SLEEPS / 1000), hogs,
	       (long long)(worst / 1000));
}

static void ping_pong(int hogs)
{
	int there[2], back[2];
	int64_t end;
	int rounds = 0;
	char c = 0;

	if (pipe(there) < 0 || pipe(back) < 0)
		exit(1);
	pid_t partner = fork();
	if (partner == 0) {
		close(there[1]);
		close(back[0]);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	end = clock_now(CLOCK_MONOTONIC) + 1000 * ms;
	while (clock_now(CLOCK_MONOTONIC) < end && write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1)
		rounds++;
	close(there[1]);
	close(back[0]);
	waitpid(partner, nullptr, 0);
	printf("row ping-pong/%d %d\n", hogs, rounds);
}

/* Of `hogs`, every second one nice 10 if asked; prints the least and the most that a plain one got, and the most that
 * a nice one got, in thousandths of a CPU. */
static void shares(const char *name, int hogs, bool nice_too)
{
	static volatile int64_t *used;
	const int64_t length = 3000 * ms;
	int64_t least = INT64_MAX, most = 0, nice_most = 0;

	if (!used)
		used = mmap(nullptr, sizeof(*used) * HOGS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			    0);
	int64_t end = clock_now(CLOCK_MONOTONIC) + length;
	for (int i = 0; i < hogs; i++) {
		if (fork() != 0)
			continue;
		if (nice_too && i % 2 && nice(10) < 0)
			_exit(1);
		while (clock_now(CLOCK_MONOTONIC) < end)
			for (int j = 0; j < 25; j++)
				work();
		used[i] = clock_now(CLOCK_PROCESS_CPUTIME_ID);
		_exit(0);
	}
	while (wait(nullptr) > 0)
		;
	for (int i = 0; i < hogs; i++) {
		int64_t part = used[i] * 1000 / length;

		if (nice_too && i % 2) {
			nice_most = part > nice_most ? part : nice_most;
			continue;
		}
		least = part < least ? part : least;
		most = part > most ? part : most;
	}
	printf("row %s-least %lld\nrow %s-most %lld\n", name, (long long)least, name, (long long)most);
	if (nice_too)
		printf("row %s-nice %lld\n", name, (long long)nice_most);
}

int main(void)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	setvbuf(stdout, nullptr, _IOLBF, 0);
	if (getpid() == 1)
		mount("proc", "/proc", "proc", 0, nullptr);
	printf("row cpus %d\n", cpus);
	for (int n = 0; n <= 2; n++) {
		pid_t hogs[HOGS_MAX];

		for (int i = 0; i < n * cpus; i++)
			hogs[i] = hog();
		sleep_ns(200 * ms);
		lateness(n);
		ping_pong(n);
		for (int i = 0; i < n * cpus; i++) {
			kill(hogs[i], SIGKILL);
			waitpid(hogs[i], nullptr, 0);
		}
	}
	shares("more", cpus + 1, false);
	shares("three", 3 * cpus, false);
	shares("weights", 2 * cpus, true);
	printf("bench: done\n");
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
