/* SPDX-License-Identifier: MIT */
/*
 * Limits and priorities between processes: threads of a user, areas of a space, timers of a process and how often they
 * fire, who is chosen when memory ends, who gets the processor, and that a kill ends what takes long.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { USER = 4321, PAGE = 4096 };

static void *stay(void *)
{
	pause();
	return nullptr;
}

/* RLIMIT_NPROC counts threads, whether they come by clone or by fork. */
static void threads_of_a_user(void)
{
	EXITS(CHILD({
		      pthread_t thread;

		      OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){3, 3}));
		      OK(setuid(USER));
		      EQUAL(pthread_create(&thread, nullptr, stay, nullptr), 0);
		      EQUAL(pthread_create(&thread, nullptr, stay, nullptr), 0);
		      EQUAL(pthread_create(&thread, nullptr, stay, nullptr), EAGAIN);
		      FAILS(EAGAIN, fork());
	      }),
	      0);
	EXITS(CHILD({
		      OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){2, 2}));
		      OK(setuid(USER));
		      pid_t one = CHILD(pause());
		      FAILS(EAGAIN, fork());
		      OK(kill(one, SIGKILL));
		      DIES(one, SIGKILL);
		      EXITS(CHILD((void)0), 0);
	      }),
	      0);
}

static void areas_are_limited(void)
{
	enum { AREAS_MAX = 65530 };
	long page = PAGE, made = 0;
	char *at = mmap(nullptr, 2ul * (AREAS_MAX + 8) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);

	CHECK(at != MAP_FAILED);
	while (made < AREAS_MAX + 8 && mprotect(at + 2 * made * page, PAGE, PROT_READ) == 0)
		made++;
	EQUAL(errno, ENOMEM);
	CHECK(made > AREAS_MAX / 2 - 200 && made <= AREAS_MAX / 2);
	/* What would make two of one is refused, and so is a new one; what makes none goes on. */
	FAILS(ENOMEM, munmap(at + (2 * made + 3) * page, PAGE));
	OK(munmap(at, 2 * PAGE));
	OK(munmap(at + 2 * PAGE, 64 * PAGE));
	CHECK(mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void timers_are_limited(void)
{
	enum { TIMERS_MAX = 1024 };
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	static int ids[TIMERS_MAX];
	int id;

	for (int i = 0; i < TIMERS_MAX; i++)
		OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &ids[i]));
	FAILS(EAGAIN, syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
	OK(syscall(SYS_timer_delete, ids[500]));
	OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
	FAILS(EAGAIN, syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &ids[500]));
}

/* Nanosecond periods are counted without keeping the machine from anything else. */
static void shortest_periods(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec shortest = {{0, 1}, {0, 1}};
	uint64_t count;
	timer_t id;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	OK(timerfd_settime(fd, 0, &shortest, nullptr));
	OK(timer_create(CLOCK_MONOTONIC, &event, &id));
	OK(timer_settime(id, 0, &shortest, nullptr));
	OK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 1}, {0, 1}}, nullptr));
	for (int i = 0; i < 5; i++) {
		usleep(10'000);
		EQUAL(read(fd, &count, sizeof(count)), sizeof(count));
		CHECK(count >= 1'000'000);
	}
	/* Taken at last, the signal tells how often the timer had expired. */
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	signal(SIGUSR1, SIG_DFL);
	OK(timer_settime(id, 0, &shortest, nullptr));
	usleep(10'000);
	EQUAL(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK(info.si_overrun >= 1'000'000);
}

/* The clock of another process, which may be on its way out. */
static void timer_on_the_clock_of_another(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	struct itimerspec soon = {.it_value = {0, 5'000'000}}, left;
	sigset_t set;
	siginfo_t info;
	clockid_t clock;
	timer_t id;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	pid_t child = CHILD(for (;;));
	EQUAL(clock_getcpuclockid(child, &clock), 0);
	OK(timer_create(clock, &event, &id));
	OK(timer_settime(id, 0, &soon, nullptr));
	EQUAL(sigwaitinfo(&set, &info), SIGUSR2);
	OK(timer_gettime(id, &left));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
	(void)timer_settime(id, 0, &soon, nullptr);
	OK(timer_delete(id));
}

/* Bringing in pages of a large range ends when the process is killed: what it brought in, the file has. */
static void a_kill_ends_populating(void)
{
	struct sysinfo info;
	struct stat status = {};

	OK(sysinfo(&info));
	size_t quarter = info.freeram * info.mem_unit / 4 & ~(PAGE - 1ul), most = (size_t)128 << 20;
	size_t size = quarter < most ? quarter : most;
	/* Until one kill came in time: on a busy machine the other may be through before that. */
	do {
		int fd = OK(memfd_create("populated", 0));
		OK(ftruncate(fd, (off_t)size));
		pid_t child = CHILD(
			(void)!mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0); pause());
		do {
			OK(fstat(fd, &status));
		} while (status.st_blocks == 0);
		OK(kill(child, SIGKILL));
		DIES(child, SIGKILL);
		OK(fstat(fd, &status));
		OK(close(fd));
	} while ((size_t)status.st_blocks * 512 >= size);
}

static void count_up(volatile uint64_t *count)
{
	for (;;)
		++*count;
}

/* Beside another one on the same processor, it and what it starts do next to nothing. */
static void idle_policy_is_inherited(void)
{
	volatile uint64_t *count = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t one;

	CHECK(count != MAP_FAILED);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
	pid_t parent = CHILD({
		OK(syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &(struct sched_param){}));
		pid_t idle = CHILD(count_up(count));
		EQUAL(syscall(SYS_sched_getscheduler, idle), SCHED_IDLE);
		ktap_wait(idle);
	});
	/* It runs while nobody else wants to. */
	while (count[0] == 0)
		usleep(1000);
	/* Until it has a tenth at most for a while: a busy machine may take the time from one of the two. */
	uint64_t before;
	do {
		before = count[0];
		for (uint64_t i = 0; i < 50'000'000; i++)
			++count[1];
	} while (count[0] - before > 5'000'000);
	OK(kill(parent, SIGKILL));
	DIES(parent, SIGKILL);
}

static int number_in(const char *path)
{
	char text[32];

	ktap_read_file(path, text, sizeof(text));
	return atoi(text);
}

static void write_in(const char *path, const char *text, int error)
{
	int fd = OK(open(path, O_WRONLY));

	if (error != 0)
		FAILS(error, write(fd, text, strlen(text)));
	else
		EQUAL(write(fd, text, strlen(text)), (long)strlen(text));
	OK(close(fd));
}

static void memory_wishes_are_kept(void)
{
	static const char path[] = "/proc/self/oom_score_adj";

	EQUAL(number_in(path), 0);
	write_in(path, "250\n", 0);
	EQUAL(number_in(path), 250);
	CHECK(number_in("/proc/self/oom_score") >= 240);
	EXITS(CHILD(EQUAL(number_in(path), 250); OK(setuid(USER));), 0);
	write_in(path, "1001", EINVAL);
	write_in(path, "-1001", EINVAL);
	write_in(path, "x", EINVAL);
	write_in(path, "-1000", 0);
	EQUAL(number_in("/proc/self/oom_score"), 0);
}

/* The larger of two is spared if it says so, and the other one ends. */
static void the_blamed_one_is_ended(void)
{
	struct sysinfo info;
	int ready[2], hold[2], gone[2];
	char c;

	OK(sysinfo(&info));
	size_t total = info.totalram * info.mem_unit, quarter = total / 4 & ~4095ul;
	if (total > (size_t)2 << 30)
		ktap_skip("the machine has more than 2 GiB");
	OK(pipe(ready));
	OK(pipe(hold));
	pid_t spared = CHILD({
		write_in("/proc/self/oom_score_adj", "-900", 0);
		char *at = mmap(nullptr, quarter, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < quarter; i += PAGE)
			at[i] = 1;
		close(hold[1]);
		EQUAL(write(ready[1], "x", 1), 1);
		(void)!read(hold[0], &c, 1);
	});
	EQUAL(read(ready[0], &c, 1), 1);
	/* It starts far smaller than the other, which alone would be chosen by size until half of memory is gone. With
	 * it ends the pipe, at which the third stops: it must not ask for another victim. */
	OK(pipe(gone));
	pid_t blamed = CHILD({
		write_in("/proc/self/oom_score_adj", "500", 0);
		close(hold[1]);
		(void)!read(hold[0], &c, 1);
	});
	OK(close(gone[1]));
	pid_t hog = CHILD({
		struct pollfd end = {.fd = gone[0], .events = POLLIN};
		write_in("/proc/self/oom_score_adj", "-1000", 0);
		for (size_t taken = 0; taken < total; taken += 1 << 20) {
			char *at = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (at == MAP_FAILED)
				break;
			/* Only near the end it matters which page is the last. */
			OK(sysinfo(&info));
			bool scarce = info.freeram * info.mem_unit < 64 << 20;
			for (size_t i = 0; i < 1 << 20 && (!scarce || poll(&end, 1, 0) == 0); i += PAGE)
				at[i] = 1;
			if (end.revents != 0)
				break;
		}
		pause();
	});
	DIES(blamed, SIGKILL);
	OK(kill(hog, SIGKILL));
	DIES(hog, SIGKILL);
	OK(close(hold[1]));
	EXITS(spared, 0);
}

static int unshare_in_vain(void *)
{
	return syscall(SYS_unshare, CLONE_VM) == -1 && errno == EINVAL ? 0 : 1;
}

/* What there is nothing to switch for is refused, not swallowed. */
static void nothing_to_switch(void)
{
	FAILS(EINVAL, reboot(RB_ENABLE_CAD));
	FAILS(EINVAL, reboot(RB_DISABLE_CAD));
	OK(unshare(CLONE_VM));
	static char stack[16384] __attribute__((aligned(16)));
	EXITS(OK(clone(unshare_in_vain, stack + sizeof(stack), SIGCHLD | CLONE_VM, nullptr)), 0);
}

KTAP_MAIN(CASE(threads_of_a_user), CASE(areas_are_limited), STELLUX_CASE(timers_are_limited), CASE(shortest_periods),
	  CASE(timer_on_the_clock_of_another), CASE(a_kill_ends_populating), CASE(idle_policy_is_inherited),
	  CASE(memory_wishes_are_kept), CASE(the_blamed_one_is_ended), STELLUX_CASE(nothing_to_switch))
