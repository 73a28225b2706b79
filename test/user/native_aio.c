/* SPDX-License-Identifier: MIT */
/*
 * Native asynchronous I/O: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2), by the calls
 * themselves. Requests of files that have pages in memory are done when they are submitted, on Linux too; only the
 * order and the number of events is looked at, by waiting for them.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PREAD, PWRITE, FSYNC, FDSYNC, POLL = 5, NOOP, PREADV, PWRITEV, NEVER = 77 };
enum : uint32_t { RESFD = 1 };

struct request {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t priority;
	uint32_t fd;
	uint64_t buffer, bytes;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags, result_fd;
};
static_assert(sizeof(struct request) == 64);
struct event {
	uint64_t data, object;
	int64_t result, result2;
};

static unsigned long context;

static long setup(unsigned n, unsigned long *c)
{
	return syscall(SYS_io_setup, n, c);
}

static long submit_to(unsigned long c, struct request *r)
{
	return syscall(SYS_io_submit, c, 1, &r);
}

static long submit(struct request *r)
{
	return submit_to(context, r);
}

static long events(long least, long most, struct event *e, struct timespec *timeout)
{
	return syscall(SYS_io_getevents, context, least, most, e, timeout);
}

static struct timespec at_once;

/* The one event that there is to be is this request's. */
static int64_t result_of(const struct request *r)
{
	struct event e = {};

	EQUAL(events(1, 1, &e, nullptr), 1);
	EQUAL(e.object, (uintptr_t)r);
	EQUAL(e.data, r->data);
	EQUAL(e.result2, 0);
	return e.result;
}

static int begin(void)
{
	ktap_enter_dir();
	OK(setup(8, &context));
	return OK(open("f", O_CREAT | O_RDWR, 0600));
}

static struct request request_for(int opcode, int fd, void *buffer, size_t n, int64_t offset)
{
	static uint64_t last;

	return (struct request){.data = ++last + 1000,
				.key = 9,
				.opcode = (uint16_t)opcode,
				.fd = (uint32_t)fd,
				.buffer = (uintptr_t)buffer,
				.bytes = n,
				.offset = offset};
}

static void reads_and_writes(void)
{
	char text[8] = "abcdefg", back[8] = {};
	int fd = begin();
	struct event e;

	EQUAL(events(0, 1, &e, &at_once), 0);
	struct request w = request_for(PWRITE, fd, text, 7, 10);
	EQUAL(submit(&w), 1);
	EQUAL(w.key, 0);
	EQUAL(result_of(&w), 7);
	EQUAL(lseek(fd, 0, SEEK_CUR), 0);
	EQUAL(lseek(fd, 0, SEEK_END), 17);
	struct request r = request_for(PREAD, fd, back, 8, 12);
	EQUAL(submit(&r), 1);
	EQUAL(result_of(&r), 5);
	CHECK(memcmp(back, "cdefg", 6) == 0);
	struct iovec parts[2] = {{text, 2}, {text + 3, 2}};
	struct request v = request_for(PWRITEV, fd, parts, 2, 0);
	EQUAL(submit(&v), 1);
	EQUAL(result_of(&v), 4);
	struct iovec into[2] = {{back, 1}, {back + 4, 3}};
	struct request rv = request_for(PREADV, fd, into, 2, 0);
	EQUAL(submit(&rv), 1);
	EQUAL(result_of(&rv), 4);
	CHECK(back[0] == 'a' && memcmp(back + 4, "bde", 3) == 0);
	for (int sync = FSYNC; sync <= FDSYNC; sync++) {
		struct request s = request_for(sync, fd, nullptr, 0, 0);
		EQUAL(submit(&s), 1);
		EQUAL(result_of(&s), 0);
	}
	struct request at_end = request_for(PREAD, fd, back, 8, 1000);
	EQUAL(submit(&at_end), 1);
	EQUAL(result_of(&at_end), 0);
	EQUAL(events(0, 1, &e, &at_once), 0);
}

static void what_becomes_of_it_is_told_later(void)
{
	char byte = 'x';
	int fd = begin();

	EQUAL(pwrite(fd, "abc", 3, 0), 3);
	char *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(munmap(page, 4096));
	struct request r = request_for(PREAD, fd, page, 3, 0);
	EQUAL(submit(&r), 1);
	EQUAL(result_of(&r), -EFAULT);
	int ends[2];
	OK(pipe2(ends, O_NONBLOCK));
	struct request empty = request_for(PREAD, ends[0], &byte, 1, 0);
	EQUAL(submit(&empty), 1);
	EQUAL(result_of(&empty), -EAGAIN);
	struct request w = request_for(PWRITE, ends[1], &byte, 1, 0);
	EQUAL(submit(&w), 1);
	EQUAL(result_of(&w), 1);
	EQUAL(submit(&empty), 1);
	EQUAL(result_of(&empty), 1);
	signal(SIGPIPE, SIG_IGN);
	OK(close(ends[0]));
	EQUAL(submit(&w), 1);
	EQUAL(result_of(&w), -EPIPE);
}

static void many_at_once(void)
{
	int fd = begin();
	char bytes[8];
	struct request r[8], *list[8];
	struct event e[8] = {};

	for (int n = 0; n < 8; n++) {
		bytes[n] = (char)('a' + n);
		r[n] = request_for(PWRITE, fd, &bytes[n], 1, n);
		list[n] = &r[n];
	}
	EQUAL(syscall(SYS_io_submit, context, 8, list), 8);
	EQUAL(events(3, 3, e, nullptr), 3);
	EQUAL(events(1, 8, e + 3, nullptr), 5);
	for (int n = 0; n < 8; n++) {
		EQUAL(e[n].object, (uintptr_t)&r[n]);
		EQUAL(e[n].data, r[n].data);
		EQUAL(e[n].result, 1);
	}
	EQUAL(lseek(fd, 0, SEEK_END), 8);
	/* Up to the one that is none; its error is told by the next call. */
	r[2].opcode = NEVER;
	EQUAL(syscall(SYS_io_submit, context, 8, list), 2);
	FAILS(EINVAL, syscall(SYS_io_submit, context, 6, list + 2));
	EQUAL(events(2, 8, e, &at_once), 2);
	list[1] = (void *)8;
	EQUAL(syscall(SYS_io_submit, context, 8, list), 1);
	FAILS(EFAULT, syscall(SYS_io_submit, context, 8, list + 1));
	FAILS(EFAULT, syscall(SYS_io_submit, context, 8, 8));
	EQUAL(syscall(SYS_io_submit, context, 0, list), 0);
	FAILS(EINVAL, syscall(SYS_io_submit, context, -1L, list));
}

static void refused(void)
{
	char byte = 'x';
	int fd = begin(), read_only = OK(open("f", O_RDONLY)), path = OK(open("f", O_PATH));
	struct event e;
	struct request good = request_for(PWRITE, fd, &byte, 1, 0), r = good;
	unsigned long other = 0;

	r.opcode = NOOP;
	FAILS(EINVAL, submit(&r));
	r = good, r.reserved = 1;
	FAILS(EINVAL, submit(&r));
	r = good, r.bytes = UINT64_MAX;
	FAILS(EINVAL, submit(&r));
	r = good, r.fd = 99;
	FAILS(EBADF, submit(&r));
	r = good, r.fd = (uint32_t)read_only;
	FAILS(EBADF, submit(&r));
	r = good, r.fd = (uint32_t)path;
	FAILS(EBADF, submit(&r));
	r = good, r.rw_flags = 0x8000000;
	FAILS(EOPNOTSUPP, submit(&r));
	r = good, r.buffer = UINT64_MAX - 100;
	FAILS(EFAULT, submit(&r));
	r = request_for(FSYNC, fd, nullptr, 1, 0);
	FAILS(EINVAL, submit(&r));
	r = request_for(POLL, fd, nullptr, 1, 0);
	FAILS(EINVAL, submit(&r));
	r = good, r.flags = RESFD, r.result_fd = 99;
	FAILS(EBADF, submit(&r));
	r = good, r.flags = RESFD, r.result_fd = (uint32_t)fd;
	FAILS(EINVAL, submit(&r));
	EQUAL(events(0, 1, &e, &at_once), 0);
	FAILS(EINVAL, events(2, 1, &e, &at_once));
	FAILS(EINVAL, events(-1, 1, &e, &at_once));
	FAILS(EFAULT, events(1, 1, &e, (void *)8));
	FAILS(EINVAL, submit_to(0, &good));
	FAILS(EINVAL, submit_to(context + 4096 * 1024, &good));
	FAILS(EINVAL, setup(0, &other));
	FAILS(EFAULT, setup(1, (void *)8));
	other = 1;
	FAILS(EINVAL, setup(1, &other));
	other = 0;
	FAILS(EINVAL, setup(0x7fffffff, &other));
	OK(syscall(SYS_io_destroy, context));
	FAILS(EINVAL, syscall(SYS_io_destroy, context));
	FAILS(EINVAL, submit(&good));
	FAILS(EINVAL, events(0, 1, &e, &at_once));
}

static void a_counter_is_told(void)
{
	char byte = 'x';
	int fd = begin(), counter = OK(eventfd(0, EFD_NONBLOCK));
	uint64_t count;

	for (int n = 0; n < 3; n++) {
		struct request r = request_for(PWRITE, fd, &byte, 1, n);
		r.flags = RESFD;
		r.result_fd = (uint32_t)counter;
		EQUAL(submit(&r), 1);
		EQUAL(result_of(&r), 1);
	}
	EQUAL(read(counter, &count, sizeof(count)), sizeof(count));
	EQUAL(count, 3);
}

static void *write_later(void *fd)
{
	ktap_until_thread_state(getpid(), getpid(), "S");
	EQUAL(write(*(int *)fd, "x", 1), 1);
	return nullptr;
}

static void polls(void)
{
	int ends[2], counter = OK(eventfd(0, 0));
	struct event e;
	pthread_t thread;
	uint64_t count;

	begin();
	OK(pipe(ends));
	struct request room = request_for(POLL, ends[1], (void *)POLLOUT, 0, 0);
	EQUAL(submit(&room), 1);
	EQUAL(result_of(&room), POLLOUT);
	struct request r = request_for(POLL, ends[0], (void *)POLLIN, 0, 0);
	r.flags = RESFD;
	r.result_fd = (uint32_t)counter;
	EQUAL(submit(&r), 1);
	EQUAL(events(0, 1, &e, &at_once), 0);
	EQUAL(pthread_create(&thread, nullptr, write_later, &ends[1]), 0);
	/* Linux may tell more of what woke it than was asked for. */
	CHECK(result_of(&r) & POLLIN);
	EQUAL(pthread_join(thread, nullptr), 0);
	EQUAL(read(counter, &count, sizeof(count)), sizeof(count));
	EQUAL(count, 1);
	/* Once: that there is still something is not told again. */
	EQUAL(events(0, 1, &e, &at_once), 0);
	char byte;
	EQUAL(read(ends[0], &byte, 1), 1);
	struct request hang_up = request_for(POLL, ends[0], nullptr, 0, 0);
	EQUAL(submit(&hang_up), 1);
	OK(close(ends[1]));
	CHECK(result_of(&hang_up) & POLLHUP);
}

static void cancelled(void)
{
	int ends[2];
	struct event e;

	begin();
	OK(pipe(ends));
	struct request r = request_for(POLL, ends[0], (void *)POLLIN, 0, 0);
	EQUAL(submit(&r), 1);
	FAILS(EINVAL, syscall(SYS_io_cancel, context + 4096 * 1024, &r, &e));
	FAILS(EFAULT, syscall(SYS_io_cancel, context, 8, &e));
	FAILS(EINPROGRESS, syscall(SYS_io_cancel, context, &r, &e));
	EQUAL(result_of(&r), 0);
	FAILS(EINVAL, syscall(SYS_io_cancel, context, &r, &e));
	r.key = 3;
	FAILS(EINVAL, syscall(SYS_io_cancel, context, &r, &e));
	/* What waits keeps its file, until its context ends. */
	r.key = 0;
	EQUAL(submit(&r), 1);
	OK(close(ends[0]));
	EQUAL(write(ends[1], "x", 1), 1);
	CHECK(result_of(&r) & POLLIN);
	OK(pipe(ends));
	r.fd = (uint32_t)ends[0];
	EQUAL(submit(&r), 1);
	OK(close(ends[0]));
	OK(syscall(SYS_io_destroy, context));
	signal(SIGPIPE, SIG_IGN);
	FAILS(EPIPE, write(ends[1], "x", 1));
}

static void timeouts(void)
{
	struct timespec soon = {0, 1000000};
	struct event e[2];
	char byte = 'x';
	int fd = begin();

	EQUAL(events(1, 1, e, &soon), 0);
	struct request r = request_for(PWRITE, fd, &byte, 1, 0);
	EQUAL(submit(&r), 1);
	EQUAL(events(2, 2, e, &soon), 1);
	EQUAL(submit(&r), 1);
	EQUAL(syscall(SYS_io_pgetevents, context, 1, 1, e, nullptr, nullptr), 1);
}

static void ignore(int)
{
}

static void interrupted(void)
{
	struct sigaction a = {.sa_handler = ignore, .sa_flags = SA_RESTART};
	struct event e;

	begin();
	OK(sigaction(SIGUSR1, &a, nullptr));
	pid_t parent = getpid();
	pid_t child = CHILD(ktap_until_state(parent, "S"); OK(kill(parent, SIGUSR1)));
	FAILS(EINTR, events(1, 1, &e, nullptr));
	EXITS(child, 0);
}

static long number_of(const char *path)
{
	char text[40];

	ktap_read_file(path, text, sizeof(text));
	return atol(text);
}

static void a_child_has_none(void)
{
	char byte = 'x';
	int fd = begin();
	struct request r = request_for(PWRITE, fd, &byte, 1, 0);

	EXITS(CHILD({
		      struct event e;
		      FAILS(EINVAL, submit(&r));
		      FAILS(EINVAL, events(0, 1, &e, &at_once));
		      FAILS(EINVAL, syscall(SYS_io_destroy, context));
		      context = 0;
		      OK(setup(4, &context));
		      EQUAL(submit(&r), 1);
		      EQUAL(result_of(&r), 1);
	      }),
	      0);
	EQUAL(submit(&r), 1);
	EQUAL(result_of(&r), 1);
}

static void counted(void)
{
	static const char now[] = "/proc/sys/fs/aio-nr", most[] = "/proc/sys/fs/aio-max-nr";
	unsigned long other = 0;

	CHECK(number_of(most) >= 65536);
	FAILS(EAGAIN, setup((unsigned)number_of(most) + 1, &other));
	if (!ktap_on_stellux())
		ktap_skip("others have contexts, too");
	long before = number_of(now);
	OK(setup(100, &other));
	EQUAL(number_of(now), before + 100);
	EXITS(CHILD({
		      context = 0;
		      OK(setup(50, &context));
		      EQUAL(number_of(now), before + 150);
	      }),
	      0);
	EQUAL(number_of(now), before + 100);
	OK(syscall(SYS_io_destroy, other));
	EQUAL(number_of(now), before);
	other = 0;
	OK(setup(30, &other));
	OK(munmap((void *)other, 4096));
	EQUAL(number_of(now), before);
	FAILS(EINVAL, syscall(SYS_io_destroy, other));
}

KTAP_MAIN(CASE(reads_and_writes), CASE(what_becomes_of_it_is_told_later), CASE(many_at_once), CASE(refused),
	  CASE(a_counter_is_told), CASE(polls), CASE(cancelled), CASE(timeouts), CASE(interrupted),
	  CASE(a_child_has_none), CASE(counted))
