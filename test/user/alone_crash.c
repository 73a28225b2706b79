/* SPDX-License-Identifier: MIT */
/*
 * Leaves a core of two threads for a debugger (test/core_test.py): one that spins in crash_waits, and one that faults
 * in crash_faults, called by crash_calls. The core goes to the standard output, in hexadecimal, since the console is
 * all that leads out of the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t both;
static volatile int left; /* the barrier, by the other one */
volatile int crash_kept = 4711;

[[gnu::noinline]] static void *crash_waits(void *)
{
	pthread_barrier_wait(&both);
	left = 1;
	while (crash_kept != 0)
		;
	return nullptr;
}

[[gnu::noinline]] static void crash_faults(volatile int *where, int number)
{
	*where = number;
	crash_kept++;
}

[[gnu::noinline]] static void crash_calls(int number)
{
	crash_faults((volatile int *)16, number + 1);
	crash_kept++;
}

[[noreturn, gnu::noinline]] static void crash(void)
{
	pthread_t other;

	pthread_barrier_init(&both, nullptr, 2);
	if (pthread_create(&other, nullptr, crash_waits, nullptr) != 0)
		_exit(1);
	pthread_barrier_wait(&both);
	while (!left)
		usleep(1000);
	crash_calls(41);
	_exit(2);
}

/* Zeros are most of it, and counted. */
static void print_core(int fd)
{
	static unsigned char bytes[32];
	ssize_t n;
	unsigned skipped = 0;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		bool zero = n == sizeof(bytes);

		for (ssize_t i = 0; i < n; i++)
			zero = zero && bytes[i] == 0;
		if (zero) {
			skipped++;
			continue;
		}
		if (skipped > 0)
			printf("core: skip %u\n", skipped);
		skipped = 0;
		printf("core: ");
		for (ssize_t i = 0; i < n; i++)
			printf("%02x", bytes[i]);
		putchar('\n');
	}
	printf("core: skip %u\ncore: end\n", skipped);
}

int main(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	int status;

	if (chdir("/tmp") != 0 || setrlimit(RLIMIT_CORE, &all) != 0)
		return 1;
	pid_t child = fork();
	if (child == 0)
		crash();
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || !WCOREDUMP(status))
		return 1;
	int fd = open("core", O_RDONLY);
	if (fd < 0)
		return 1;
	print_core(fd);
	return 0;
}
