/* SPDX-License-Identifier: MIT */
/*
 * Threads as musl uses them: creation, joining, thread-local storage, mutexes, condition variables,
 * futexes, signals to threads, exit of the group, fork and exec from a thread.
 */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, FUTEX_WAIT_OP = 0, FUTEX_WAKE_OP = 1, FUTEX_PRIVATE = 128 };

static void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	EQUAL(pthread_create(thread, nullptr, body, argument), 0);
}

static void *double_it(void *argument)
{
	return (void *)((uintptr_t)argument * 2);
}

static void create_and_join(void)
{
	pthread_t threads[THREADS];
	void *value;

	for (uintptr_t i = 0; i < THREADS; i++)
		start(&threads[i], double_it, (void *)i);
	for (uintptr_t i = 0; i < THREADS; i++) {
		EQUAL(pthread_join(threads[i], &value), 0);
		EQUAL((uintptr_t)value, i * 2);
	}
}

static _Thread_local int local = 5;
static _Thread_local char large[5000];

static void *use_local(void *argument)
{
	EQUAL(local, 5);
	EQUAL(large[4999], 0);
	local = (int)(uintptr_t)argument;
	for (int i = 0; i < 200; i++) {
		usleep(10);
		EQUAL(local, (uintptr_t)argument);
	}
	return nullptr;
}

static void thread_local_storage(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		start(&threads[i], use_local, (void *)(i + 100));
	for (int i = 0; i < THREADS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	EQUAL(local, 5);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count_up(void *argument)
{
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

static void mutexes_exclude(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		start(&threads[i], count_up, nullptr);
	for (int i = 0; i < THREADS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	EQUAL(counter, THREADS * 5000);
}

static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void *take_turns(void *argument)
{
	int mine = (int)(uintptr_t)argument;

	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != mine)
			pthread_cond_wait(&changed, &mutex);
		turn = (turn + 1) % 3;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return nullptr;
}

static void conditions_wake(void)
{
	pthread_t threads[3];

	for (uintptr_t i = 0; i < 3; i++)
		start(&threads[i], take_turns, (void *)i);
	for (int i = 0; i < 3; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	EQUAL(turn, 0);
}

static void timed_waits_end(void)
{
	struct timespec past = {1, 0};

	pthread_mutex_lock(&mutex);
	EQUAL(pthread_cond_timedwait(&changed, &mutex, &past), ETIMEDOUT);
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 1'000'000;
	if (soon.tv_nsec >= 1'000'000'000)
		soon = (struct timespec){soon.tv_sec + 1, soon.tv_nsec - 1'000'000'000};
	EQUAL(pthread_cond_timedwait(&changed, &mutex, &soon), ETIMEDOUT);
	sem_t semaphore;
	OK(sem_init(&semaphore, 0, 0));
	FAILS(ETIMEDOUT, sem_timedwait(&semaphore, &past));
}

static _Atomic int word;
static _Atomic bool word_seen;

static void *wake_word(void *argument)
{
	ktap_until_state(getpid(), "S");
	atomic_store(&word, 1);
	while (!atomic_load(&word_seen) && syscall(SYS_futex, &word, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, 0, 0, 0) != 1)
		usleep(100);
	return argument;
}

static void futex_basics(void)
{
	pthread_t thread;

	FAILS(EAGAIN, syscall(SYS_futex, &word, FUTEX_WAIT_OP, 7, 0, 0, 0));
	FAILS(ETIMEDOUT, syscall(SYS_futex, &word, FUTEX_WAIT_OP, 0, &(struct timespec){.tv_nsec = 1000}, 0, 0));
	FAILS(EINVAL, syscall(SYS_futex, (char *)&word + 1, FUTEX_WAIT_OP, 0, 0, 0, 0));
	FAILS(EFAULT, syscall(SYS_futex, 0x1000, FUTEX_WAIT_OP, 0, 0, 0, 0));
	FAILS(ENOSYS, syscall(SYS_futex, &word, 77, 0, 0, 0, 0));
	EQUAL(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 10, 0, 0, 0), 0);
	start(&thread, wake_word, nullptr);
	long value = syscall(SYS_futex, &word, FUTEX_WAIT_OP | FUTEX_PRIVATE, 0, 0, 0, 0);
	CHECK(value == 0 || errno == EAGAIN);
	atomic_store(&word_seen, true);
	EQUAL(pthread_join(thread, nullptr), 0);
}

static void futexes_between_processes(void)
{
	_Atomic int *shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = CHILD({
		while (atomic_load(shared) == 0)
			syscall(SYS_futex, shared, FUTEX_WAIT_OP, 0, 0, 0, 0);
		EQUAL(atomic_load(shared), 1);
	});
	ktap_until_state(child, "S");
	atomic_store(shared, 1);
	EQUAL(syscall(SYS_futex, shared, FUTEX_WAKE_OP, 1, 0, 0, 0), 1);
	EXITS(child, 0);
}

/* A private futex and a copy of it after fork are two. */
static void private_memory_is_not_one_futex(void)
{
	pid_t child = CHILD({
		alarm(0);
		syscall(SYS_futex, &word, FUTEX_WAIT_OP, 0, 0, 0, 0);
		_exit(3);
	});
	ktap_until_state(child, "S");
	EQUAL(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 0, 0, 0), 0);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static _Atomic pid_t waits_for_word;

static void *wait_for_word(void *at)
{
	atomic_store(&waits_for_word, (pid_t)syscall(SYS_gettid));
	syscall(SYS_futex, at, FUTEX_WAIT_OP, 0, 0, 0, 0);
	return nullptr;
}

static _Atomic int *map_new_file(int *fd)
{
	*fd = OK(open("word", O_RDWR | O_CREAT | O_TRUNC, 0600));
	OK(ftruncate(*fd, 4096));
	void *at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	CHECK(at != MAP_FAILED);
	return at;
}

/* Who waits for a word of a file that is gone is not woken in place of those who wait for another file's. */
static void waiters_of_a_file_that_is_gone(void)
{
	pthread_t thread;
	int fd;

	ktap_enter_dir();
	for (int i = 0; i < 12; i++) {
		_Atomic int *at = map_new_file(&fd);
		EQUAL(syscall(SYS_futex, at, FUTEX_WAKE_OP, 10, 0, 0, 0), 0);
		atomic_store(&waits_for_word, 0);
		start(&thread, wait_for_word, (void *)at);
		while (atomic_load(&waits_for_word) == 0)
			usleep(1000);
		ktap_until_thread_state(getpid(), atomic_load(&waits_for_word), "S");
		OK(munmap((void *)at, 4096));
		OK(close(fd));
		OK(unlink("word"));
	}
}

/* Requeueing to the same word moves nobody, ends, and leaves the waiters where they are. */
static void requeue_onto_itself(void)
{
	enum { REQUEUE = 3, CMP_REQUEUE = 4, WAITERS = 3 };
	pthread_t threads[WAITERS];
	static _Atomic int own;

	for (int i = 0; i < WAITERS; i++)
		start(&threads[i], wait_for_word, (void *)&own);
	while (syscall(SYS_futex, &own, REQUEUE, 0, 1000, &own, 0) != WAITERS)
		usleep(1000);
	EQUAL(syscall(SYS_futex, &own, CMP_REQUEUE, 1, 1000, &own, 0), WAITERS);
	EQUAL(syscall(SYS_futex, &own, CMP_REQUEUE, 0, 1, &own, 0), 1);
	FAILS(EAGAIN, syscall(SYS_futex, &own, CMP_REQUEUE, 0, 1, &own, 5));
	EQUAL(syscall(SYS_futex, &own, FUTEX_WAKE_OP, 1000, 0, 0, 0), WAITERS - 1);
	for (int i = 0; i < WAITERS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
}

static sem_t ping, pong;

static void *answer(void *argument)
{
	for (int i = 0; i < 1000; i++) {
		while (sem_wait(&ping) != 0)
			;
		sem_post(&pong);
	}
	return argument;
}

static void semaphores_ping_pong(void)
{
	pthread_t thread;

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	start(&thread, answer, nullptr);
	for (int i = 0; i < 1000; i++) {
		sem_post(&ping);
		while (sem_wait(&pong) != 0)
			;
	}
	EQUAL(pthread_join(thread, nullptr), 0);
}

static _Thread_local volatile sig_atomic_t got;

static void note(int signal)
{
	got = signal;
}

static void *wait_for_signal(void *argument)
{
	sem_post(argument);
	while (got == 0)
		usleep(100);
	return (void *)(uintptr_t)got;
}

static void signals_reach_their_thread(void)
{
	pthread_t a, b;
	void *value;

	signal(SIGUSR1, note);
	signal(SIGUSR2, note);
	sem_init(&ping, 0, 0);
	start(&a, wait_for_signal, &ping);
	start(&b, wait_for_signal, &ping);
	while (sem_wait(&ping) != 0 || sem_wait(&ping) != 0)
		;
	EQUAL(pthread_kill(a, SIGUSR1), 0);
	EQUAL(pthread_kill(b, SIGUSR2), 0);
	EQUAL(pthread_join(a, &value), 0);
	EQUAL((uintptr_t)value, SIGUSR1);
	EQUAL(pthread_join(b, &value), 0);
	EQUAL((uintptr_t)value, SIGUSR2);
	EQUAL(got, 0);
}

static void *sleep_forever(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

static void *leave_all(void *argument)
{
	_exit((int)(uintptr_t)argument);
}

static void exit_ends_all_threads(void)
{
	pid_t child = CHILD({
		pthread_t threads[3];
		for (int i = 0; i < 3; i++)
			start(&threads[i], sleep_forever, nullptr);
		start(&threads[0], leave_all, (void *)33);
		for (;;)
			pause();
	});
	EXITS(child, 33);
	child = CHILD({
		pthread_t threads[3];
		for (int i = 0; i < 3; i++)
			start(&threads[i], sleep_forever, nullptr);
		for (;;)
			pause();
	});
	OK(kill(child, SIGTERM));
	DIES(child, SIGTERM);
}

static void *spin(void *argument)
{
	for (;;)
		counter++;
	return argument;
}

static void spinning_threads_are_ended(void)
{
	for (int round = 0; round < 5; round++) {
		pid_t child = CHILD({
			pthread_t threads[4];
			for (int i = 0; i < 4; i++)
				start(&threads[i], spin, nullptr);
			usleep(1000);
			_exit(12);
		});
		EXITS(child, 12);
	}
}

static void the_first_thread_may_leave_first(void)
{
	pid_t child = CHILD({
		pthread_t thread;
		start(&thread, leave_all, (void *)21);
		pthread_exit(nullptr);
	});
	EXITS(child, 21);
}

static void *fork_here(void *argument)
{
	pid_t child = CHILD({
		EQUAL(getpid(), syscall(SYS_gettid));
		_exit(9);
	});
	EXITS(child, 9);
	return argument;
}

static void fork_copies_one_thread(void)
{
	pthread_t sleeper, forker;

	start(&sleeper, sleep_forever, nullptr);
	start(&forker, fork_here, nullptr);
	EQUAL(pthread_join(forker, nullptr), 0);
	EQUAL(pthread_cancel(sleeper), 0);
	EQUAL(pthread_join(sleeper, nullptr), 0);
}

static void *exec_here(void *argument)
{
	execve("/proc/self/exe", (char *[]){"threads", "-l", nullptr}, (char *[]){"KTAP_INDENT=# listed: ", nullptr});
	_exit(1);
	return argument;
}

static void exec_ends_the_other_threads(void)
{
	int ends[2];
	char text[16];

	OK(pipe(ends));
	pid_t child = CHILD({
		pthread_t threads[3];
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		for (int i = 0; i < 2; i++)
			start(&threads[i], sleep_forever, nullptr);
		start(&threads[2], exec_here, nullptr);
		for (;;)
			pause();
	});
	close(ends[1]);
	while (read(ends[0], text, sizeof(text)) > 0)
		;
	EXITS(child, 0);
}

static void identities(void)
{
	pid_t self = getpid();
	EQUAL(syscall(SYS_gettid), self);
	EQUAL(syscall(SYS_set_tid_address, &word), self);
}

static void *churn(void *argument)
{
	for (int i = 0; i < 20; i++) {
		char *at = mmap(nullptr, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(at != MAP_FAILED);
		for (int page = 0; page < 16; page++)
			at[page * 4096] = (char)page;
		OK(munmap(at, 16 * 4096));
	}
	return argument;
}

static void mapping_from_many_threads(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		start(&threads[i], churn, nullptr);
	for (int i = 0; i < THREADS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
}

KTAP_MAIN(CASE(create_and_join), CASE(thread_local_storage), CASE(mutexes_exclude), CASE(conditions_wake),
	  CASE(timed_waits_end), CASE(futex_basics), CASE(futexes_between_processes),
	  CASE(private_memory_is_not_one_futex), CASE(requeue_onto_itself), CASE(waiters_of_a_file_that_is_gone),
	  CASE(semaphores_ping_pong), CASE(signals_reach_their_thread), CASE(exit_ends_all_threads),
	  CASE(spinning_threads_are_ended), CASE(the_first_thread_may_leave_first), CASE(fork_copies_one_thread),
	  CASE(exec_ends_the_other_threads), CASE(identities), CASE(mapping_from_many_threads))
