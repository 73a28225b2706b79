/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: dup, fcntl, close-on-exec, limits, shared offsets, locks; poll, ppoll, select,
 * pselect, epoll, eventfd.
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
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void lowest_number_first(void)
{
	int a = OK(open("/dev/null", O_RDONLY));
	int b = OK(open("/dev/null", O_RDONLY));
	int c = OK(open("/dev/null", O_RDONLY));

	CHECK(a < b && b < c);
	OK(close(b));
	EQUAL(open("/dev/null", O_RDONLY), b);
	OK(close(a));
	OK(close(b));
	EQUAL(dup(c), a);
	EQUAL(fcntl(c, F_DUPFD, a), b);
	EQUAL(fcntl(c, F_DUPFD, 100), 100);
	EQUAL(fcntl(c, F_DUPFD, 100), 101);
}

static void dup2_and_dup3(void)
{
	int ends[2];
	char c;

	OK(pipe(ends));
	EQUAL(dup2(ends[1], 50), 50);
	EQUAL(write(50, "x", 1), 1);
	EQUAL(read(ends[0], &c, 1), 1);
	EQUAL(dup2(50, 50), 50);
	FAILS(EINVAL, dup3(50, 50, 0));
	EQUAL(dup3(50, 51, O_CLOEXEC), 51);
	EQUAL(fcntl(51, F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(50, F_GETFD), 0);
	/* Replacing an open descriptor closes it. */
	OK(close(ends[1]));
	OK(close(51));
	EQUAL(dup2(ends[0], 50), 50);
	EQUAL(read(ends[0], &c, 1), 0);
	FAILS(EBADF, dup2(999, 5));
	FAILS(EBADF, dup(999));
	FAILS(EBADF, dup2(50, -1));
	FAILS(EBADF, dup2(50, 0x7fffffff));
	FAILS(EINVAL, syscall(SYS_dup3, 50, 52, 0x1234));
}

static void bad_descriptors(void)
{
	char c;
	struct stat status;

	for (int i = 0; i < 3; i++) {
		int fd = (int[]){-1, 500, 0x7fffffff}[i];
		FAILS(EBADF, read(fd, &c, 1));
		FAILS(EBADF, write(fd, &c, 1));
		FAILS(EBADF, close(fd));
		FAILS(EBADF, lseek(fd, 0, SEEK_SET));
		FAILS(EBADF, fstat(fd, &status));
		FAILS(EBADF, fcntl(fd, F_GETFD));
		FAILS(EBADF, fchmod(fd, 0));
		FAILS(EBADF, fsync(fd));
		FAILS(EBADF, fchdir(fd));
	}
}

static void status_flags(void)
{
	ktap_enter_dir();
	int fd = OK(open("file", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600));

	EQUAL(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND);
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	EQUAL(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	int other = OK(dup(fd));
	EQUAL(fcntl(other, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	EQUAL(fcntl(other, F_GETFD), 0);
	int ends[2], named = OK(open("file", O_PATH)), memory = OK(memfd_create("m", 0));
	OK(pipe2(ends, O_DIRECT));
	/* What was opened as a file has one that no program asks for (O_LARGEFILE); packets are of the end that writes.
	 */
	CHECK(fcntl(fd, F_GETFL) != (O_RDWR | O_NONBLOCK));
	EQUAL(fcntl(memory, F_GETFL), fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	EQUAL(fcntl(named, F_GETFL), O_PATH);
	EQUAL(fcntl(ends[0], F_GETFL), O_RDONLY);
	EQUAL(fcntl(ends[1], F_GETFL), O_WRONLY | O_DIRECT);
	EQUAL(fcntl(OK(eventfd(0, 0)), F_GETFL), O_RDWR);
	OK(mkfifo("fifo", 0600));
	FAILS(EINVAL, open("fifo", O_RDWR | O_DIRECT));
	int third = OK(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	EQUAL(fcntl(third, F_GETFD), FD_CLOEXEC);
	FAILS(EINVAL, fcntl(fd, 9999));
}

static void offsets_are_shared(void)
{
	char c = 0;

	ktap_enter_dir();
	ktap_write_file("file", "abcdef");
	int fd = OK(open("file", O_RDONLY));
	int copy = OK(dup(fd));
	int own = OK(open("file", O_RDONLY));
	EQUAL(read(fd, &c, 1), 1);
	EQUAL(read(copy, &c, 1), 1);
	EQUAL(c, 'b');
	pid_t child = CHILD(EQUAL(read(fd, &c, 1), 1));
	EXITS(child, 0);
	EQUAL(read(fd, &c, 1), 1);
	EQUAL(c, 'd');
	EQUAL(read(own, &c, 1), 1);
	EQUAL(c, 'a');
}

static void the_limit_holds(void)
{
	struct rlimit limit;
	int fd, opened = 0;

	OK(getrlimit(RLIMIT_NOFILE, &limit));
	CHECK(limit.rlim_cur >= 64);
	limit.rlim_cur = 40;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
		CHECK(fd < 40);
		opened++;
	}
	EQUAL(errno, EMFILE);
	CHECK(opened > 20);
	int ends[2];
	FAILS(EMFILE, pipe(ends));
	FAILS(EMFILE, dup(0));
	FAILS(EBADF, dup2(0, 40));
}

/* The table grows to where a descriptor is put, and only there. */
static void far_descriptors(void)
{
	struct rlimit limit;
	char text[64];
	int files, limit_of_files;

	OK(getrlimit(RLIMIT_NOFILE, &limit));
	if (ktap_on_stellux())
		EQUAL(limit.rlim_max, 524288);
	limit.rlim_cur = limit.rlim_max = 524288;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	int null = OK(open("/dev/null", O_RDWR)), far = (int)limit.rlim_max - 1;
	FAILS(EBADF, dup2(null, far + 1));
	EQUAL(dup2(null, far), far);
	EQUAL(fcntl(null, F_DUPFD, 100000), 100000);
	FAILS(EBADF, fcntl(99999, F_GETFD));
	FAILS(EBADF, fcntl(100001, F_GETFD));
	EXITS(CHILD({
		      OK(fcntl(far, F_GETFD));
		      OK(close(far));
		      EXITS(CHILD(OK(fcntl(100000, F_GETFD)); FAILS(EBADF, fcntl(far, F_GETFD));
				  EQUAL(fcntl(null, F_DUPFD, 300000), 300000)),
			    0);
	      }),
	      0);
	OK(fcntl(far, F_GETFD));
	OK(close(far));
	OK(close(100000));
	ktap_read_file("/proc/sys/fs/file-nr", text, sizeof(text));
	EQUAL(sscanf(text, "%d 0 %d", &files, &limit_of_files), 2);
	CHECK(files > 3 && limit_of_files > files);
	ktap_read_file("/proc/sys/fs/nr_open", text, sizeof(text));
	EQUAL(atoi(text), 1048576);
	limit.rlim_max = 1048577;
	FAILS(EPERM, setrlimit(RLIMIT_NOFILE, &limit));
}

static void close_range_closes(void)
{
	for (int i = 60; i < 70; i++)
		OK(dup2(0, i));
	EQUAL(syscall(SYS_close_range, 62, 67, 0), 0);
	OK(fcntl(61, F_GETFD));
	FAILS(EBADF, fcntl(62, F_GETFD));
	FAILS(EBADF, fcntl(67, F_GETFD));
	OK(fcntl(68, F_GETFD));
	FAILS(EINVAL, syscall(SYS_close_range, 5, 4, 0));
}

static void *wait_for_ever(void *)
{
	for (;;)
		pause();
}

/* Threads share their table here: where a process has several it cannot become one thread's own. */
static void close_range_stops_sharing(void)
{
	enum { UNSHARE = 2 };

	EQUAL(dup2(0, 62), 62);
	pid_t child = OK((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
	if (child == 0) {
		OK((int)syscall(SYS_close_range, 62, 62, UNSHARE));
		FAILS(EBADF, fcntl(62, F_GETFD));
		_exit(0);
	}
	EXITS(child, 0);
	OK(fcntl(62, F_GETFD));
	child = OK((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
	if (child == 0) {
		pthread_t thread;

		EQUAL(pthread_create(&thread, nullptr, wait_for_ever, nullptr), 0);
		FAILS(EINVAL, syscall(SYS_close_range, 62, 62, UNSHARE));
		OK(fcntl(62, F_GETFD));
		OK((int)syscall(SYS_close_range, 62, 62, 0));
		_exit(0);
	}
	EXITS(child, 0);
	FAILS(EBADF, fcntl(62, F_GETFD));
}

static void advisory_locks(void)
{
	ktap_enter_dir();
	ktap_write_file("file", "0123456789");
	int fd = OK(open("file", O_RDWR));
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 4};

	OK(fcntl(fd, F_SETLK, &lock));
	pid_t parent = getpid();
	pid_t child = CHILD({
		struct flock other = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1};
		errno = 0;
		CHECK(fcntl(fd, F_SETLK, &other) == -1 && (errno == EAGAIN || errno == EACCES));
		OK(fcntl(fd, F_GETLK, &other));
		EQUAL(other.l_type, F_WRLCK);
		EQUAL(other.l_pid, parent);
		EQUAL(other.l_start, 2);
		other = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 6, .l_len = 0};
		OK(fcntl(fd, F_SETLK, &other));
	});
	EXITS(child, 0);

	OK(flock(fd, LOCK_EX));
	int other = OK(open("file", O_RDWR));
	FAILS(EAGAIN, flock(other, LOCK_EX | LOCK_NB));
	OK(flock(fd, LOCK_UN));
	OK(flock(other, LOCK_EX | LOCK_NB));
}

static void poll_tells_what_is_ready(void)
{
	int ends[2];

	OK(pipe(ends));
	struct pollfd set[3] = {{ends[0], POLLIN, -1}, {ends[1], POLLOUT, -1}, {-1, POLLIN, -1}};
	EQUAL(poll(set, 3, 0), 1);
	EQUAL(set[0].revents, 0);
	EQUAL(set[1].revents, POLLOUT);
	EQUAL(set[2].revents, 0);
	EQUAL(write(ends[1], "x", 1), 1);
	EQUAL(poll(set, 3, -1), 2);
	EQUAL(set[0].revents, POLLIN);
	OK(close(ends[1]));
	EQUAL(poll(set, 2, 0), 2);
	EQUAL(set[0].revents, POLLIN | POLLHUP);
	EQUAL(set[1].revents, POLLNVAL);
	char c;
	EQUAL(read(ends[0], &c, 1), 1);
	EQUAL(poll(set, 1, -1), 1);
	EQUAL(set[0].revents, POLLHUP);
	OK(pipe(ends));
	OK(close(ends[0]));
	set[0] = (struct pollfd){ends[1], POLLOUT, 0};
	EQUAL(poll(set, 1, 0), 1);
	CHECK(set[0].revents & POLLERR);
	EQUAL(poll(nullptr, 0, 1), 0);
}

static void poll_wakes_up(void)
{
	int ends[2];

	OK(pipe(ends));
	pid_t parent = getpid();
	pid_t child = CHILD({
		ktap_until_state(parent, "S");
		EQUAL(write(ends[1], "x", 1), 1);
	});
	struct pollfd set = {ends[0], POLLIN, 0};
	EQUAL(poll(&set, 1, -1), 1);
	EQUAL(set.revents, POLLIN);
	EXITS(child, 0);
	EQUAL(poll(&(struct pollfd){ends[1], POLLIN, 0}, 1, 1), 0);
}

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

static void ppoll_swaps_the_mask(void)
{
	sigset_t none, usr1;
	int ends[2];

	OK(pipe(ends));
	signal(SIGUSR1, count_signal);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &usr1, nullptr));
	OK(raise(SIGUSR1));
	struct pollfd set = {ends[0], POLLIN, 0};
	EQUAL(ppoll(&set, 1, &(struct timespec){}, nullptr), 0);
	EQUAL(signals, 0);
	FAILS(EINTR, ppoll(&set, 1, nullptr, &none));
	EQUAL(signals, 1);
	OK(raise(SIGUSR1));
	EQUAL(signals, 1);
	fd_set reads;
	FD_ZERO(&reads);
	FD_SET(ends[0], &reads);
	FAILS(EINTR, pselect(ends[0] + 1, &reads, nullptr, nullptr, nullptr, &none));
	EQUAL(signals, 2);
}

static void select_tells_what_is_ready(void)
{
	int a[2], b[2];
	fd_set reads, writes;

	OK(pipe(a));
	OK(pipe(b));
	EQUAL(write(b[1], "x", 1), 1);
	FD_ZERO(&reads);
	FD_ZERO(&writes);
	FD_SET(a[0], &reads);
	FD_SET(b[0], &reads);
	FD_SET(a[1], &writes);
	EQUAL(select(b[1] + 1, &reads, &writes, nullptr, nullptr), 2);
	CHECK(!FD_ISSET(a[0], &reads));
	CHECK(FD_ISSET(b[0], &reads));
	CHECK(FD_ISSET(a[1], &writes));
	FD_ZERO(&reads);
	FD_SET(a[0], &reads);
	EQUAL(select(a[0] + 1, &reads, nullptr, nullptr, &(struct timeval){.tv_usec = 1000}), 0);
	CHECK(!FD_ISSET(a[0], &reads));
	FD_SET(30, &reads);
	FAILS(EBADF, select(31, &reads, nullptr, nullptr, nullptr));
	FAILS(EINVAL, select(-1, nullptr, nullptr, nullptr, nullptr));
	EQUAL(select(0, nullptr, nullptr, nullptr, &(struct timeval){}), 0);
}

static void files_are_always_ready(void)
{
	ktap_enter_dir();
	ktap_write_file("file", "");
	struct pollfd set[2] = {{OK(open("file", O_RDWR)), POLLIN | POLLOUT, 0},
				{OK(open("/dev/null", O_RDWR)), POLLIN | POLLOUT, 0}};
	EQUAL(poll(set, 2, 0), 2);
	EQUAL(set[0].revents, POLLIN | POLLOUT);
	EQUAL(set[1].revents, POLLIN | POLLOUT);
}

static void epoll_and_eventfd(void)
{
	int poller = OK(epoll_create1(EPOLL_CLOEXEC));
	int event = OK(eventfd(0, EFD_NONBLOCK));
	struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x1234567890}, got = {};

	OK(epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted));
	FAILS(EEXIST, epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted));
	EQUAL(epoll_wait(poller, &got, 1, 0), 0);
	uint64_t value = 5;
	EQUAL(write(event, &value, 8), 8);
	EQUAL(write(event, &value, 8), 8);
	EQUAL(epoll_wait(poller, &got, 1, -1), 1);
	EQUAL(got.data.u64, 0x1234567890);
	EQUAL(read(event, &value, 8), 8);
	EQUAL(value, 10);
	FAILS(EAGAIN, read(event, &value, 8));
	EQUAL(epoll_wait(poller, &got, 1, 0), 0);
	OK(epoll_ctl(poller, EPOLL_CTL_DEL, event, nullptr));
	FAILS(ENOENT, epoll_ctl(poller, EPOLL_CTL_DEL, event, nullptr));
}

KTAP_MAIN(CASE(lowest_number_first), CASE(dup2_and_dup3), CASE(bad_descriptors), CASE(status_flags),
	  CASE(offsets_are_shared), CASE(the_limit_holds), CASE(far_descriptors), CASE(close_range_closes),
	  STELLUX_CASE(close_range_stops_sharing), CASE(advisory_locks), CASE(poll_tells_what_is_ready),
	  CASE(poll_wakes_up), CASE(ppoll_swaps_the_mask), CASE(select_tells_what_is_ready),
	  CASE(files_are_always_ready), CASE(epoll_and_eventfd))
