/* SPDX-License-Identifier: MIT */
/* Advisory locks: ranges that split and join, who owns them, waiting, circles; flock; locks of open file descriptions.
 */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int file;

static int lock_at(int fd, int command, short type, long start, long length)
{
	return fcntl(fd, command,
		     &(struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length});
}

/* What another process would meet at [start, start + length): its type, its range in *found. */
static int seen(long start, long length, struct flock *found)
{
	int ends[2];

	OK(pipe(ends));
	pid_t child =
		CHILD(struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
		      OK(fcntl(file, F_GETLK, &l)); EQUAL(write(ends[1], &l, sizeof(l)), sizeof(l)));
	EQUAL(read(ends[0], found, sizeof(*found)), sizeof(*found));
	EXITS(child, 0);
	close(ends[0]);
	close(ends[1]);
	return found->l_type;
}

static void prepare(void)
{
	ktap_enter_dir();
	file = OK(open("file", O_RDWR | O_CREAT, 0600));
}

static void ranges_split_and_join(void)
{
	struct flock found;

	prepare();
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 100));
	EQUAL(seen(50, 1, &found), F_WRLCK);
	EQUAL(found.l_start, 0);
	EQUAL(found.l_len, 100);
	EQUAL(found.l_pid, getpid());
	OK(lock_at(file, F_SETLK, F_UNLCK, 40, 20));
	EQUAL(seen(45, 5, &found), F_UNLCK);
	EQUAL(seen(0, 100, &found), F_WRLCK);
	EQUAL(found.l_len, 40);
	EQUAL(seen(60, 1, &found), F_WRLCK);
	EQUAL(found.l_start, 60);
	EQUAL(found.l_len, 40);
	OK(lock_at(file, F_SETLK, F_RDLCK, 10, 10));
	EQUAL(seen(15, 1, &found), F_RDLCK);
	EQUAL(found.l_start, 10);
	EQUAL(found.l_len, 10);
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 0));
	EQUAL(seen(1000000, 1, &found), F_WRLCK);
	EQUAL(found.l_start, 0);
	EQUAL(found.l_len, 0);
}

static void readers_share(void)
{
	prepare();
	OK(lock_at(file, F_SETLK, F_RDLCK, 0, 10));
	EXITS(CHILD(OK(lock_at(file, F_SETLK, F_RDLCK, 5, 10)); FAILS(EAGAIN, lock_at(file, F_SETLK, F_WRLCK, 5, 10));
		    OK(lock_at(file, F_SETLK, F_WRLCK, 10, 10))),
	      0);
	int reader = OK(open("file", O_RDONLY));
	FAILS(EBADF, lock_at(reader, F_SETLK, F_WRLCK, 0, 1));
	FAILS(EINVAL, lock_at(file, F_SETLK, F_WRLCK, -1, 1));
	FAILS(EINVAL, lock_at(file, F_SETLK, 77, 0, 1));
}

static void any_close_releases(void)
{
	struct flock found;

	prepare();
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 10));
	EQUAL(seen(0, 1, &found), F_WRLCK);
	OK(close(OK(open("file", O_RDONLY))));
	EQUAL(seen(0, 1, &found), F_UNLCK);
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 10));
	EXITS(CHILD(close(file)), 0);
	EQUAL(seen(0, 1, &found), F_WRLCK);
}

static void waiting(void)
{
	prepare();
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 10));
	pid_t child = CHILD(OK(lock_at(file, F_SETLKW, F_WRLCK, 0, 10)));
	ktap_until_state(child, "S");
	OK(lock_at(file, F_SETLK, F_UNLCK, 0, 10));
	EXITS(child, 0);
	/* The child's end released its lock. */
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 10));
	child = CHILD(OK(lock_at(file, F_SETLKW, F_WRLCK, 0, 10)));
	ktap_until_state(child, "S");
	OK(kill(child, SIGTERM));
	DIES(child, SIGTERM);
}

static void circles_are_refused(void)
{
	prepare();
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 1));
	int ends[2];
	char c;
	OK(pipe(ends));
	pid_t child = CHILD(OK(lock_at(file, F_SETLK, F_WRLCK, 1, 1)); EQUAL(write(ends[1], "x", 1), 1);
			    OK(lock_at(file, F_SETLKW, F_WRLCK, 0, 1)));
	EQUAL(read(ends[0], &c, 1), 1);
	ktap_until_state(child, "S");
	FAILS(EDEADLK, lock_at(file, F_SETLKW, F_WRLCK, 1, 1));
	OK(lock_at(file, F_SETLK, F_UNLCK, 0, 1));
	EXITS(child, 0);
}

static pid_t waiter;

static void *wait_for_lock(void *)
{
	__atomic_store_n(&waiter, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	errno = 0;
	(void)lock_at(file, F_SETLKW, F_WRLCK, 0, 10);
	return (void *)(intptr_t)errno;
}

/* The descriptor is closed while a lock is waited for through it. */
static void closed_while_waiting(void)
{
	int go[2];
	char c;
	pthread_t thread;
	void *result;
	struct flock found;

	prepare();
	int other = OK(open("file", O_RDWR));
	OK(pipe(go));
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 10));
	pid_t holder = CHILD(close(go[1]); FAILS(EAGAIN, lock_at(file, F_SETLK, F_WRLCK, 0, 10));
			     OK(lock_at(file, F_SETLKW, F_WRLCK, 0, 10)); EQUAL(read(go[0], &c, 1), 0));
	ktap_until_state(holder, "S");
	OK(lock_at(file, F_SETLK, F_UNLCK, 0, 10));
	while (seen(0, 1, &found) == F_UNLCK)
		sched_yield();
	EQUAL(pthread_create(&thread, nullptr, wait_for_lock, nullptr), 0);
	/* Nothing else in it sleeps. */
	while (__atomic_load_n(&waiter, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	ktap_until_thread_state(getpid(), waiter, "S");
	OK(close(file));
	OK(close(go[1]));
	EQUAL(pthread_join(thread, &result), 0);
	EQUAL((intptr_t)result, EBADF);
	EXITS(holder, 0);
	/* Nobody's lock is left. */
	EXITS(CHILD(OK(lock_at(other, F_SETLK, F_WRLCK, 0, 10))), 0);
}

enum kind { RECORD, DESCRIPTION, WHOLE, KINDS };
enum ending { UNLOCKS, CLOSES, ENDS, IS_KILLED, SHARES, ENDINGS };

static int take(enum kind kind, int fd, bool shared)
{
	if (kind == WHOLE)
		return flock(fd, shared ? LOCK_SH : LOCK_EX);
	return lock_at(fd, kind == RECORD ? F_SETLKW : F_OFD_SETLKW, shared ? F_RDLCK : F_WRLCK, 0, 10);
}

static void hold_until(enum kind kind, enum ending how, int told, int go)
{
	int fd = OK(open("file", O_RDWR));
	char c;

	OK(take(kind, fd, false));
	EQUAL(write(told, "t", 1), 1);
	EQUAL(read(go, &c, 1), 1);
	if (how == ENDS)
		return;
	if (how == CLOSES)
		OK(close(fd));
	else if (how == SHARES)
		OK(take(kind, fd, true));
	else if (how == UNLOCKS && kind == WHOLE)
		OK(flock(fd, LOCK_UN));
	else if (how == UNLOCKS)
		OK(lock_at(fd, kind == RECORD ? F_SETLK : F_OFD_SETLK, F_UNLCK, 0, 10));
	for (;;)
		pause();
}

/* However a lock goes, who waits for it goes on. */
static void each_ending_wakes(enum kind kind)
{
	int told[2], go[2];
	char c;

	prepare();
	OK(pipe(told));
	OK(pipe(go));
	for (enum ending how = 0; how < ENDINGS; how++) {
		pid_t holder = CHILD(hold_until(kind, how, told[1], go[0]));
		EQUAL(read(told[0], &c, 1), 1);
		pid_t waiter = CHILD(OK(take(kind, OK(open("file", O_RDWR)), how == SHARES)));
		ktap_until_state(waiter, "S");
		if (how != IS_KILLED)
			EQUAL(write(go[1], "g", 1), 1);
		else
			OK(kill(holder, SIGKILL));
		EXITS(waiter, 0);
		(void)kill(holder, SIGKILL);
		CHECK(ktap_wait(holder) == (how == ENDS ? 0 : SIGKILL));
	}
}

static void each_end_of_a_record_lock(void)
{
	each_ending_wakes(RECORD);
}

static void each_end_of_a_lock_of_a_description(void)
{
	each_ending_wakes(DESCRIPTION);
}

static void each_end_of_a_lock_of_a_file(void)
{
	each_ending_wakes(WHOLE);
}

static void whole_files(void)
{
	prepare();
	int other = OK(open("file", O_RDWR)), copy = OK(dup(file));
	OK(flock(file, LOCK_EX));
	FAILS(EAGAIN, flock(other, LOCK_SH | LOCK_NB));
	OK(flock(copy, LOCK_SH)); /* the same description: converted */
	OK(flock(other, LOCK_SH | LOCK_NB));
	FAILS(EAGAIN, flock(file, LOCK_EX | LOCK_NB));
	OK(flock(other, LOCK_UN));
	OK(flock(file, LOCK_EX | LOCK_NB));
	OK(lock_at(other, F_SETLK, F_WRLCK, 0, 0)); /* another kind */
	OK(close(file));
	FAILS(EAGAIN, flock(other, LOCK_SH | LOCK_NB));
	OK(close(copy));
	OK(flock(other, LOCK_SH | LOCK_NB));
	FAILS(EINVAL, flock(other, 0));
}

static void descriptions_own_locks(void)
{
	prepare();
	int other = OK(open("file", O_RDWR));
	OK(lock_at(file, F_OFD_SETLK, F_WRLCK, 0, 10));
	FAILS(EAGAIN, lock_at(other, F_OFD_SETLK, F_WRLCK, 5, 10));
	FAILS(EAGAIN, lock_at(other, F_SETLK, F_WRLCK, 5, 10));
	OK(lock_at(file, F_OFD_SETLK, F_RDLCK, 0, 10));
	OK(lock_at(other, F_OFD_SETLK, F_RDLCK, 0, 10));
	OK(close(OK(open("file", O_RDWR))));
	FAILS(EAGAIN, lock_at(other, F_OFD_SETLK, F_WRLCK, 0, 1));
	OK(close(file));
	OK(lock_at(other, F_OFD_SETLK, F_WRLCK, 0, 1));
}

/* Of one owner's locks the lowest is named, of several owners' the one whose owner came first. */
static void which_lock_is_named(void)
{
	struct flock found;

	prepare();
	OK(lock_at(file, F_SETLK, F_WRLCK, 60, 5));
	OK(lock_at(file, F_SETLK, F_RDLCK, 20, 5));
	OK(lock_at(file, F_SETLK, F_WRLCK, 40, 5));
	EQUAL(seen(0, 0, &found), F_RDLCK);
	EQUAL(found.l_start, 20);
	EQUAL(seen(30, 0, &found), F_WRLCK);
	EQUAL(found.l_start, 40);
	OK(lock_at(OK(open("file", O_RDWR)), F_OFD_SETLK, F_WRLCK, 10, 1));
	EQUAL(seen(0, 0, &found), F_RDLCK);
	EQUAL(found.l_start, 20);
	/* One that fills the gap between two of its type joins them. */
	OK(lock_at(file, F_SETLK, F_RDLCK, 30, 5));
	OK(lock_at(file, F_SETLK, F_RDLCK, 25, 5));
	EQUAL(seen(22, 1, &found), F_RDLCK);
	EQUAL(found.l_start, 20);
	EQUAL(found.l_len, 15);
}

static void ranges_and_errors(void)
{
	struct flock found;
	int reader;

	prepare();
	reader = OK(open("file", O_RDONLY));
	OK(ftruncate(file, 100));
	struct flock back = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_len = -10};
	OK(fcntl(file, F_SETLK, &back));
	EQUAL(seen(0, 0, &found), F_WRLCK);
	EQUAL(found.l_start, 90);
	EQUAL(found.l_len, 10);
	FAILS(EINVAL, lock_at(file, F_SETLK, F_WRLCK, 0, -1));
	FAILS(EINVAL, lock_at(file, F_SETLK, F_WRLCK, -1, 5));
	FAILS(EINVAL, lock_at(file, F_SETLK, F_WRLCK, -1, INT64_MIN));
	FAILS(EINVAL, lock_at(file, F_SETLK, F_WRLCK, 5, INT64_MIN));
	FAILS(EOVERFLOW, lock_at(file, F_SETLK, F_WRLCK, 2, INT64_MAX));
	FAILS(EINVAL, lock_at(file, F_GETLK, F_UNLCK, 0, 1));
	FAILS(EINVAL, lock_at(file, F_SETLK, 9, 0, 1));
	FAILS(EBADF, lock_at(reader, F_SETLK, F_WRLCK, 0, 1));
	struct flock named = {.l_type = F_WRLCK, .l_pid = 5};
	FAILS(EINVAL, fcntl(file, F_OFD_SETLK, &named));
	FAILS(EBADF, fcntl(reader, F_OFD_SETLK, &named));
	/* The last byte that there can be is the end. */
	OK(lock_at(file, F_SETLK, F_WRLCK, 1000, INT64_MAX - 999));
	EQUAL(seen(1000, 0, &found), F_WRLCK);
	EQUAL(found.l_len, 0);
}

/* Whether /proc/locks has the line; range nullptr: whatever its range. */
static bool listed(const char *what, int pid, const char *range)
{
	static char text[65536];
	char line[128];
	struct stat s;

	OK(fstat(file, &s));
	snprintf(line, sizeof(line), " %s %d %02x:%02x:%lu %s%s", what, pid, major(s.st_dev), minor(s.st_dev),
		 (unsigned long)s.st_ino, range != nullptr ? range : "", range != nullptr ? "\n" : "");
	ktap_read_file("/proc/locks", text, sizeof(text));
	return strstr(text, line) != nullptr;
}

/* Each of `count` children holds its byte and waits for the next one's; the parent holds the first and asks for the
 * second. */
static int go[2];

/* Holds its byte and, once told by the end of the pipe, asks for another. */
static void link_of_circle(int own, int next, int ready)
{
	char c;

	close(go[1]);
	OK(lock_at(file, F_SETLK, F_WRLCK, own, 1));
	EQUAL(write(ready, "x", 1), 1);
	EQUAL(read(go[0], &c, 1), 0);
	OK(lock_at(file, F_SETLKW, F_WRLCK, next, 1));
}

static void circle_of(int count)
{
	pid_t children[16];
	int ready[2];
	char c;

	prepare();
	OK(pipe(ready));
	OK(pipe(go));
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 1));
	for (int i = 1; i <= count; i++) {
		children[i] = CHILD(link_of_circle(i, i == count ? 0 : i + 1, ready[1]));
		EQUAL(read(ready[0], &c, 1), 1);
	}
	close(go[1]);
	/* Blocked for good: nobody lets go before the parent. */
	for (int i = 1; i <= count; i++)
		while (!listed("-> POSIX  ADVISORY  WRITE", children[i], nullptr))
			sched_yield();
	FAILS(EDEADLK, lock_at(file, F_SETLKW, F_WRLCK, 1, 1));
	OK(lock_at(file, F_SETLK, F_UNLCK, 0, 1));
	for (int i = 1; i <= count; i++)
		EXITS(children[i], 0);
}

static void circle_of_six(void)
{
	circle_of(5);
}

static void circle_of_sixteen(void)
{
	circle_of(15);
}

/* Holds byte 5 until it is told, by the end of the pipe, to let go. */
static void hold_byte(int ready)
{
	char c;

	close(go[1]);
	OK(lock_at(file, F_SETLK, F_WRLCK, 5, 1));
	EQUAL(write(ready, "x", 1), 1);
	EQUAL(read(go[0], &c, 1), 0);
	OK(lock_at(file, F_SETLK, F_UNLCK, 5, 1));
}

/* One thread waits for the parent; when the parent waits, too, the other takes what the parent is waiting for. */
static void close_circle(void)
{
	pthread_t thread;

	EQUAL(pthread_create(&thread, nullptr, wait_for_lock, nullptr), 0);
	while (!listed("-> POSIX  ADVISORY  WRITE", getpid(), nullptr) ||
	       !listed("-> POSIX  ADVISORY  WRITE", getppid(), nullptr))
		sched_yield();
	OK(lock_at(file, F_SETLK, F_WRLCK, 6, 1));
	close(go[0]);
	close(go[1]);
	pthread_join(thread, nullptr);
}

static void circle_that_closes_later(void)
{
	int ready[2];
	char c;

	prepare();
	OK(pipe(ready));
	OK(pipe(go));
	OK(lock_at(file, F_SETLK, F_WRLCK, 0, 1));
	pid_t holder = CHILD(hold_byte(ready[1]));
	EQUAL(read(ready[0], &c, 1), 1);
	pid_t other = CHILD(close_circle());
	close(go[0]);
	close(go[1]);
	FAILS(EDEADLK, lock_at(file, F_SETLKW, F_WRLCK, 5, 2));
	OK(lock_at(file, F_SETLK, F_UNLCK, 0, 1));
	EXITS(holder, 0);
	EXITS(other, 0);
}

/* Two that share and both want it alone: each gives its share up first, so the second gets it. */
static void conversion(void)
{
	prepare();
	int other = OK(open("file", O_RDONLY));
	OK(flock(file, LOCK_SH));
	OK(flock(other, LOCK_SH));
	FAILS(EWOULDBLOCK, flock(file, LOCK_EX | LOCK_NB));
	OK(flock(other, LOCK_EX | LOCK_NB));
	FAILS(EWOULDBLOCK, flock(file, LOCK_SH | LOCK_NB));
	OK(flock(other, LOCK_SH));
	OK(flock(file, LOCK_SH | LOCK_NB));
}

static void listed_in_proc(void)
{
	prepare();
	OK(lock_at(file, F_SETLK, F_RDLCK, 10, 5));
	OK(lock_at(file, F_SETLK, F_WRLCK, 20, 0));
	CHECK(listed("POSIX  ADVISORY  READ", getpid(), "10 14"));
	CHECK(listed("POSIX  ADVISORY  WRITE", getpid(), "20 EOF"));
	int other = OK(open("file", O_RDWR));
	OK(lock_at(other, F_OFD_SETLK, F_WRLCK, 0, 1));
	CHECK(listed("OFDLCK ADVISORY  WRITE", -1, "0 0"));
	OK(flock(other, LOCK_EX));
	CHECK(listed("FLOCK  ADVISORY  WRITE", getpid(), "0 EOF"));
	pid_t child = CHILD(OK(lock_at(file, F_SETLKW, F_WRLCK, 10, 1)));
	ktap_until_state(child, "S");
	CHECK(listed("-> POSIX  ADVISORY  WRITE", child, "10 10"));
	close(other);
	CHECK(!listed("POSIX  ADVISORY  READ", getpid(), "10 14"));
	EXITS(child, 0);
	CHECK(!listed("FLOCK  ADVISORY  WRITE", getpid(), "0 EOF"));
}

KTAP_MAIN(CASE(ranges_split_and_join), CASE(readers_share), CASE(any_close_releases), CASE(waiting),
	  CASE(closed_while_waiting), CASE(circles_are_refused), CASE(whole_files), CASE(each_end_of_a_record_lock),
	  CASE(each_end_of_a_lock_of_a_description), CASE(each_end_of_a_lock_of_a_file), CASE(descriptions_own_locks),
	  CASE(which_lock_is_named), CASE(ranges_and_errors), CASE(circle_of_six), STELLUX_CASE(circle_of_sixteen),
	  CASE(circle_that_closes_later), CASE(conversion), CASE(listed_in_proc))
