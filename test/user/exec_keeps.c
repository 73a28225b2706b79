/* SPDX-License-Identifier: MIT */
/*
 * What a process keeps through exec and what it loses (execve(2), "Effect on process attributes"), and what the old
 * program's memory is told. The program executes itself with an argument to look at what it was given.
 */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum : uint32_t { OWNER_DIED = 0x40000000, WAITERS = 0x80000000 };
enum { FUTEX_WAIT = 0 };

struct robust_head {
	void *first;
	long offset;
	void *pending;
};

static uint32_t *shared_words(void)
{
	uint32_t *words = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(words != MAP_FAILED);
	return words;
}

[[noreturn]] static void become(const char *argument)
{
	execl("/proc/self/exe", "exec_keeps", argument, nullptr);
	ktap_fail(__FILE__, __LINE__, "exec: errno %d", errno);
}

static void locks_of_the_old_program_get_their_owners_death(void)
{
	uint32_t *words = shared_words();
	struct entry {
		struct entry *next;
	} *entry = (struct entry *)(words + 8);
	pid_t child = CHILD({
		struct robust_head head = {.first = entry, .offset = -32};
		entry->next = (struct entry *)&head;
		words[0] = (uint32_t)getpid() | WAITERS;
		words[1] = (uint32_t)getpid();
		head.pending = (char *)(words + 1) + 32;
		OK(syscall(SYS_set_robust_list, &head, sizeof(head)));
		become("nothing");
	});

	EXITS(child, 0);
	EQUAL(words[0], OWNER_DIED | WAITERS);
	EQUAL(words[1], OWNER_DIED);
}

static int run_nothing(void *)
{
	become("nothing");
}

static void the_clear_child_tid_word_is_cleared(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	static volatile int word = 1;

	/* The memory lives on with the parent, which waits for the word. */
	pid_t child = OK(clone(run_nothing, stack + sizeof(stack),
			       CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, nullptr, nullptr,
			       nullptr, &word));
	for (int seen; (seen = word) != 0;)
		syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
	EXITS(child, 0);
}

static void a_word_that_nobody_waits_for_stays(void)
{
	uint32_t *words = shared_words();

	words[0] = words[1] = 5;
	EXITS(CHILD(syscall(SYS_set_tid_address, words); become("nothing")), 0);
	EQUAL(words[0], 5);
	EXITS(CHILD(syscall(SYS_set_tid_address, words + 1)), 0);
	EQUAL(words[1], 5);
}

static void do_nothing(int signal)
{
	(void)signal;
}

static sigset_t set_of(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
}

/* Sets all that there is. */
static void prepare(void)
{
	static char stack[16384], locked[4096];
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	sigset_t set = set_of(SIGUSR1);
	timer_t timer;

	sigaddset(&set, SIGUSR2);
	signal(SIGTERM, do_nothing);
	signal(SIGHUP, SIG_IGN);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	OK(raise(SIGUSR1));
	OK(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, nullptr));
	OK(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_sec = 1000}, nullptr));
	OK(setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = 1000}, nullptr));
	/* A timer whose signal is pending, and one that runs. */
	OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	OK(timer_settime(timer, 0, &(struct itimerspec){.it_value.tv_nsec = 1}, nullptr));
	do
		OK(sigpending(&set));
	while (!sigismember(&set, SIGUSR2));
	OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	OK(timer_settime(timer, 0, &(struct itimerspec){.it_value.tv_sec = 1000}, nullptr));
	OK(prctl(PR_SET_DUMPABLE, 0));
	OK(prctl(PR_SET_KEEPCAPS, 1));
	OK(prctl(PR_SET_PDEATHSIG, SIGWINCH));
	OK(prctl(PR_SET_TIMERSLACK, 70'000));
	OK(prctl(PR_SET_NAME, "old name"));
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	OK(mlock(locked, sizeof(locked)));
	OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	OK(setpriority(PRIO_PROCESS, 0, 3));
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	OK(sched_setaffinity(0, sizeof(cpus), &cpus));
	umask(027);
}

static int look(void)
{
	struct sigaction action;
	struct itimerval left;
	struct robust_head *head;
	char text[2048], name[16];
	sigset_t set;
	stack_t stack;
	size_t size;
	int value;

	OK(sigaction(SIGTERM, nullptr, &action));
	CHECK(action.sa_handler == SIG_DFL);
	OK(sigaction(SIGHUP, nullptr, &action));
	CHECK(action.sa_handler == SIG_IGN);
	OK(sigprocmask(SIG_BLOCK, nullptr, &set));
	CHECK(sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2) && !sigismember(&set, SIGTERM));
	OK(sigpending(&set));
	CHECK(sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
	OK(sigaltstack(nullptr, &stack));
	EQUAL(stack.ss_flags, SS_DISABLE);
	OK(getitimer(ITIMER_REAL, &left));
	CHECK(left.it_value.tv_sec > 900);
	OK(getitimer(ITIMER_PROF, &left));
	CHECK(left.it_value.tv_sec > 900);
	for (int id = 0; id < 3; id++)
		FAILS(EINVAL, syscall(SYS_timer_gettime, id, &(struct itimerspec){}));
	FAILS(EINTR, syscall(SYS_restart_syscall));
	OK(syscall(SYS_get_robust_list, 0, &head, &size));
	EQUAL((long)head, 0);
	EQUAL(prctl(PR_GET_DUMPABLE), 1);
	EQUAL(prctl(PR_GET_KEEPCAPS), 0);
	OK(prctl(PR_GET_PDEATHSIG, &value));
	EQUAL(value, SIGWINCH);
	EQUAL(prctl(PR_GET_TIMERSLACK), 70'000);
	OK(prctl(PR_GET_NAME, name));
	CHECK(strcmp(name, "exe") == 0);
	EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	OK(prctl(PR_GET_CHILD_SUBREAPER, &value));
	EQUAL(value, 1);
	ktap_read_file("/proc/self/status", text, sizeof(text));
	CHECK(strstr(text, "VmLck:\t       0 kB") != nullptr);
	EQUAL(getpriority(PRIO_PROCESS, 0), 3);
	cpu_set_t cpus;
	OK(sched_getaffinity(0, sizeof(cpus), &cpus));
	EQUAL(CPU_COUNT(&cpus), 1);
	EQUAL(umask(0), 027);
	return 0;
}

static void what_is_kept_and_what_is_lost(void)
{
	EXITS(CHILD(prepare(); become("look")), 0);
}

static void *exec_from_here(void *)
{
	become("alone");
}

static void *sleep_for_ever(void *)
{
	for (;;)
		pause();
}

/* The executing thread is the process then, whoever it was, and files that are to be closed are. */
static void a_second_thread_executes(void)
{
	pid_t child = CHILD({
		pthread_t thread;

		EQUAL(dup2(OK(open("/", O_RDONLY)), 77), 77);
		OK(fcntl(77, F_SETFD, FD_CLOEXEC));
		EQUAL(dup2(77, 78), 78);
		EQUAL(pthread_create(&thread, nullptr, sleep_for_ever, nullptr), 0);
		EQUAL(pthread_create(&thread, nullptr, exec_from_here, nullptr), 0);
		sleep_for_ever(nullptr);
	});

	EXITS(child, 0);
}

static int look_alone(void)
{
	char text[2048];

	EQUAL(syscall(SYS_gettid), getpid());
	FAILS(EBADF, fcntl(77, F_GETFD));
	OK(fcntl(78, F_GETFD));
	ktap_read_file("/proc/self/status", text, sizeof(text));
	CHECK(strstr(text, "Threads:\t1\n") != nullptr);
	return 0;
}

/* Shared with the program that is executed: whether a thread had given the process's rights up before. */
enum { STARTED = 1, DROPPED = 2, WORD_AT = 50, ROUNDS = 60, NOBODY = 65534 };
static volatile int *word;

static void *drop_rights(void *delay)
{
	while (*word != STARTED)
		;
	for (long n = (long)delay; n > 0; n--)
		__asm__ volatile("");
	if (syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0)
		*word = DROPPED;
	sleep_for_ever(nullptr);
	return nullptr;
}

/* Ids belong to the process here, and what a thread did to them before exec ended it counts for the new program. */
static void rights_given_up_meanwhile_stay_so(void)
{
	int memory = OK((int)syscall(SYS_memfd_create, "word", 0));

	OK(ftruncate(memory, 4096));
	EQUAL(dup2(memory, WORD_AT), WORD_AT);
	word = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, WORD_AT, 0);
	CHECK(word != MAP_FAILED);
	for (long round = 0; round < ROUNDS; round++) {
		*word = 0;
		pid_t child = CHILD({
			pthread_t thread;

			EQUAL(pthread_create(&thread, nullptr, drop_rights, (void *)(round * 1000)), 0);
			*word = STARTED;
			become("rights");
		});
		EXITS(child, 0);
	}
}

static int look_at_rights(void)
{
	word = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, WORD_AT, 0);
	CHECK(word != MAP_FAILED);
	CHECK(*word != DROPPED || (getuid() == NOBODY && geteuid() == NOBODY));
	EQUAL(getauxval(AT_UID), getuid());
	EQUAL(getauxval(AT_EUID), geteuid());
	return 0;
}

int main(int argc, char **argv)
{
	static const struct ktap_case cases[] = {
		CASE(locks_of_the_old_program_get_their_owners_death),
		CASE(the_clear_child_tid_word_is_cleared),
		CASE(a_word_that_nobody_waits_for_stays),
		CASE(what_is_kept_and_what_is_lost),
		CASE(a_second_thread_executes),
		STELLUX_CASE(rights_given_up_meanwhile_stay_so),
	};

	if (argc == 2 && strcmp(argv[1], "nothing") == 0)
		return 0;
	if (argc == 2 && strcmp(argv[1], "look") == 0)
		return look();
	if (argc == 2 && strcmp(argv[1], "alone") == 0)
		return look_alone();
	if (argc == 2 && strcmp(argv[1], "rights") == 0)
		return look_at_rights();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
