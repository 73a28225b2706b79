/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads that come, go, stop and are signalled all at once, for some seconds:
 * nothing may hang, nothing may be lost, and everything can be waited for at the end.
 */
#include "ktap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };
enum { WORKERS = 6, ROUNDS = 12 };

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 8;
}

static void *spin_thread(void *argument)
{
	for (;;)
		sched_yield();
	return argument;
}

static void *sleep_thread(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void *fork_thread(void *argument)
{
	for (;;) {
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		if (child > 0)
			waitpid(child, nullptr, 0);
	}
	return argument;
}

[[noreturn]] static void busy_child(unsigned kind)
{
	pthread_t t;

	switch (kind % 6) {
	case 0: _exit(0);
	case 1:
		for (int i = 0; i < 3; i++)
			pthread_create(&t, nullptr, i == 0 ? spin_thread : sleep_thread, nullptr);
		usleep(kind % 2000);
		_exit(0);
	case 2:
		pthread_create(&t, nullptr, spin_thread, nullptr);
		pthread_create(&t, nullptr, fork_thread, nullptr);
		usleep(kind % 3000);
		execl("/proc/self/exe", "stress", "@exit", nullptr);
		_exit(1);
	case 3:
		for (;;)
			pause();
	case 4: pthread_create(&t, nullptr, sleep_thread, nullptr); pthread_exit(nullptr);
	default:
		if (vfork() == 0)
			_exit(0);
		execl("/proc/self/exe", "stress", "@exit", nullptr);
		_exit(1);
	}
}

static void worker(unsigned seed)
{
	for (int round = 0; round < ROUNDS; round++) {
		pid_t children[8];
		unsigned count = 1 + next_random(&seed) % 8;
		for (unsigned i = 0; i < count; i++) {
			unsigned kind = next_random(&seed);
			children[i] = fork();
			if (children[i] == 0)
				busy_child(kind);
			CHECK(children[i] > 0);
		}
		for (unsigned i = 0; i < count; i++) {
			static const int signals[] = {SIGSTOP, SIGCONT, SIGTERM, SIGUSR1, SIGKILL, SIGTSTP};
			for (unsigned n = next_random(&seed) % 4; n > 0; n--)
				kill(children[i], signals[next_random(&seed) % 6]);
			if (next_random(&seed) % 2)
				usleep(next_random(&seed) % 1000);
		}
		for (unsigned i = 0; i < count; i++) {
			int status;
			kill(children[i], SIGKILL);
			EQUAL(waitpid(children[i], &status, 0), children[i]);
			CHECK(WIFEXITED(status) || WIFSIGNALED(status));
		}
		FAILS(ECHILD, waitpid(-1, nullptr, WNOHANG));
	}
}

static void processes_come_and_go(void)
{
	pid_t children[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		children[i] = CHILD(worker(i * 7919 + 1));
	for (unsigned i = 0; i < WORKERS; i++)
		EXITS(children[i], 0);
}

/* Processes of the group that are no zombies. */
static int living_members(pid_t group)
{
	DIR *dir = opendir("/proc");
	int count = 0;

	CHECK(dir != nullptr);
	for (struct dirent *entry; (entry = readdir(dir)) != nullptr;) {
		char path[300], text[300] = {}, state;
		int pgrp;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		FILE *f = atoi(entry->d_name) > 0 ? fopen(path, "r") : nullptr;
		if (f == nullptr)
			continue;
		char *end = fgets(text, sizeof(text), f) != nullptr ? strrchr(text, ')') : nullptr;
		if (end != nullptr && sscanf(end + 1, " %c %*d %d", &state, &pgrp) == 2 && pgrp == group &&
		    state != 'Z')
			count++;
		fclose(f);
	}
	closedir(dir);
	return count;
}

static void groups_are_killed_while_they_fork(void)
{
	for (int round = 0; round < 10; round++) {
		pid_t leader = fork();
		if (leader == 0) {
			setpgid(0, 0);
			for (int depth = 0; depth < 3; depth++)
				fork();
			for (;;) {
				pid_t child = fork();
				if (child == 0)
					_exit(0);
				if (child > 0)
					waitpid(child, nullptr, 0);
			}
		}
		CHECK(leader > 0);
		setpgid(leader, leader);
		usleep(5000 + round * 100);
		OK(kill(-leader, SIGKILL));
		DIES(leader, SIGKILL);
		/* Nobody escapes: what is left of the group waits to be reaped. */
		while (living_members(leader) > 0)
			usleep(1000);
	}
}

static _Atomic int handled;
static void count_signal(int s)
{
	(void)s;
	atomic_fetch_add(&handled, 1);
}
static _Atomic int stop_all;

static void *churn_timers(void *argument)
{
	while (!atomic_load(&stop_all)) {
		timer_t t;
		struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
		if (timer_create(CLOCK_MONOTONIC, &e, &t) != 0)
			continue;
		timer_settime(t, 0, &(struct itimerspec){{0, 100000}, {0, 50000}}, nullptr);
		usleep(500);
		timer_delete(t);
	}
	return argument;
}

static void *make_threads(void *argument)
{
	while (!atomic_load(&stop_all)) {
		pthread_t t;
		if (pthread_create(&t, nullptr, (void *(*)(void *))(void *)getpid, nullptr) == 0)
			pthread_join(t, nullptr);
	}
	return argument;
}

static void timers_and_threads(void)
{
	struct sigaction a = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	pthread_t t[6];

	OK(sigaction(SIGRTMIN + 3, &a, nullptr));
	OK(sigaction(SIGALRM, &a, nullptr));
	OK(sigaction(SIGPROF, &a, nullptr));
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 700}, {0, 700}}, nullptr);
	setitimer(ITIMER_PROF, &(struct itimerval){{0, 5000}, {0, 5000}}, nullptr);
	for (int i = 0; i < 6; i++)
		EQUAL(pthread_create(&t[i], nullptr, i % 2 ? churn_timers : make_threads, nullptr), 0);
	while (atomic_load(&handled) < 200)
		usleep(10000);
	atomic_store(&stop_all, 1);
	for (int i = 0; i < 6; i++)
		EQUAL(pthread_join(t[i], nullptr), 0);
}

static _Atomic uint32_t lock_word;
static unsigned long shared_counter;

static void futex_lock(void)
{
	uint32_t c = 0;
	if (atomic_compare_exchange_strong(&lock_word, &c, 1))
		return;
	if (c != 2)
		c = atomic_exchange(&lock_word, 2);
	while (c != 0) {
		syscall(SYS_futex, &lock_word, FUTEX_WAIT_PRIVATE, 2, nullptr, nullptr, 0);
		c = atomic_exchange(&lock_word, 2);
	}
}
static void futex_unlock(void)
{
	if (atomic_exchange(&lock_word, 0) == 2)
		syscall(SYS_futex, &lock_word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}
static void *contend(void *argument)
{
	for (int i = 0; i < 2000; i++) {
		futex_lock();
		shared_counter++;
		if (i % 64 == 0)
			sched_yield();
		futex_unlock();
	}
	return argument;
}
static void futex_lock_excludes(void)
{
	pthread_t t[6];
	struct sigaction a = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	OK(sigaction(SIGALRM, &a, nullptr));
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 500}, {0, 500}}, nullptr);
	for (int i = 0; i < 6; i++)
		EQUAL(pthread_create(&t[i], nullptr, contend, nullptr), 0);
	for (int i = 0; i < 6; i++)
		EQUAL(pthread_join(t[i], nullptr), 0);
	EQUAL(shared_counter, 12000);
}

/* --- fork against truncate: a child must not keep pages that the file lost while it was made --- */

enum { AREAS = 128, AREA_PAGES = 2 };

static int mapped_file;
static pthread_barrier_t both_ready;
static char *file_area[AREAS];
static sigjmp_buf after_sigbus;

static void leave_by_jump(int)
{
	siglongjmp(after_sigbus, 1);
}

static void *truncate_thread(void *)
{
	pthread_barrier_wait(&both_ready);
	OK(ftruncate(mapped_file, 0));
	return nullptr;
}

/* How many pages can still be read. */
static int readable_pages(void)
{
	volatile int count = 0;

	for (volatile int i = 0; i < AREAS * AREA_PAGES; i++) {
		if (sigsetjmp(after_sigbus, 1))
			continue;
		(void)*(volatile char *)(file_area[i / AREA_PAGES] + i % AREA_PAGES * 4096l);
		count++;
	}
	return count;
}

static void forks_see_truncates(void)
{
	struct sigaction a = {.sa_handler = leave_by_jump};
	pthread_t t;

	ktap_enter_dir();
	mapped_file = OK(open("file", O_RDWR | O_CREAT, 0600));
	OK(sigaction(SIGBUS, &a, nullptr));
	pthread_barrier_init(&both_ready, nullptr, 2);
	for (int i = 0; i < AREAS; i++)
		file_area[i] = OK((char *)mmap(nullptr, AREA_PAGES * 4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
					       MAP_SHARED, mapped_file, i * AREA_PAGES * 4096l));
	for (int round = 0; round < 30; round++) {
		int go[2];
		char c;

		OK(ftruncate(mapped_file, AREAS * AREA_PAGES * 4096l));
		EQUAL(readable_pages(), AREAS * AREA_PAGES);
		OK(pipe(go));
		/* It stands between the two where the truncate walks, and gives the second fork time to begin. */
		pid_t first = CHILD(close(go[1]); (void)!read(go[0], &c, 1); EQUAL(readable_pages(), 0));
		EQUAL(pthread_create(&t, nullptr, truncate_thread, nullptr), 0);
		pthread_barrier_wait(&both_ready);
		for (volatile int wait = round * 40; wait > 0; wait--)
			;
		pid_t child = CHILD(close(go[1]); (void)!read(go[0], &c, 1); EQUAL(readable_pages(), 0));
		EQUAL(pthread_join(t, nullptr), 0);
		OK(close(go[1]));
		EXITS(first, 0);
		EXITS(child, 0);
		OK(close(go[0]));
	}
}

static const struct ktap_case cases[] = {
	CASE(forks_see_truncates), CASE(processes_come_and_go), CASE(groups_are_killed_while_they_fork),
	CASE(timers_and_threads),  CASE(futex_lock_excludes),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@exit") == 0)
		return 0;
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
