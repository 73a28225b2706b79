/* SPDX-License-Identifier: MIT */
/* How much a pipe holds, whatever the size of the pieces; packets (O_DIRECT); tee, vmsplice and splice. */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum : int { PAGE = 4096, SLOTS = 16, PACKET_FLAG = O_DIRECT };

static int ends[2];
static char bytes[3 * PAGE];

static void prepare(int flags)
{
	OK(pipe2(ends, flags | O_NONBLOCK));
	memset(bytes, 'x', sizeof(bytes));
}

/* How many pieces of that size go in; the last one may go in partly if it is larger than a page. */
static int pieces_that_fit(size_t size)
{
	int n = 0;

	while (write(ends[1], bytes, size) == (ssize_t)size)
		n++;
	return n;
}

static int waiting(void)
{
	int n;

	OK(ioctl(ends[0], FIONREAD, &n));
	return n;
}

/* As many per page as fit whole. */
static void pieces_share_pages(void)
{
	static const int sizes[] = {1, 2, 100, 255, 256, 257, 300, 1000, 2048, 2049, 4095, 4096};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		prepare(0);
		EQUAL(pieces_that_fit((size_t)sizes[i]), SLOTS * (PAGE / sizes[i]));
		EQUAL(waiting(), SLOTS * (PAGE / sizes[i]) * sizes[i]);
		close(ends[0]);
		close(ends[1]);
	}
}

/* The odd part of a large write fills the newest page up first. */
static void large_after_small(void)
{
	prepare(0);
	EQUAL(write(ends[1], bytes, 100), 100);
	for (int n = 0; n < SLOTS - 1; n++)
		EQUAL(write(ends[1], bytes, PAGE + (n == 0 ? 3000 : 0)), PAGE + (n == 0 ? 3000 : 0));
	EQUAL(waiting(), 100 + 3000 + (SLOTS - 1) * PAGE);
	/* What fits into the newest page would go in, but poll says whether there is a free one. */
	struct pollfd p = {ends[1], POLLOUT, 0};
	EQUAL(poll(&p, 1, 0), 0);
	FAILS(EAGAIN, write(ends[1], bytes, 1));
	EQUAL(read(ends[0], bytes, 3100), 3100);
	EQUAL(poll(&p, 1, 0), 1);
}

static void sizes_change(void)
{
	prepare(0);
	EQUAL(fcntl(ends[0], F_GETPIPE_SZ), SLOTS * PAGE);
	EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 1), PAGE);
	EQUAL(pieces_that_fit(300), PAGE / 300);
	EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 3 * PAGE), 4 * PAGE);
	EQUAL(pieces_that_fit(PAGE), 3);
	FAILS(EBUSY, fcntl(ends[0], F_SETPIPE_SZ, PAGE));
	FAILS(EINVAL, fcntl(ends[0], F_SETPIPE_SZ, 0x80000001));
	FAILS(EBADF, fcntl(OK(open("/", O_RDONLY)), F_GETPIPE_SZ));
}

/* Numbers in /proc/sys/fs; none of them is changed for good. */
static void limits_of_users(void)
{
	char text[32];

	ktap_read_file("/proc/sys/fs/pipe-max-size", text, sizeof(text));
	CHECK(strcmp(text, "1048576\n") == 0);
	ktap_read_file("/proc/sys/fs/pipe-user-pages-soft", text, sizeof(text));
	CHECK(strcmp(text, "16384\n") == 0);
	ktap_read_file("/proc/sys/fs/pipe-user-pages-hard", text, sizeof(text));
	CHECK(strcmp(text, "0\n") == 0);
	prepare(0);
	EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 2 << 20), 2 << 20);
	OK(setresuid(1001, 1001, 1001));
	EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	FAILS(EPERM, fcntl(ends[0], F_SETPIPE_SZ, 2 << 20));
	/* 64 pipes of 256 pages are the share; the next one is small and stays so. */
	for (int n = 0; n < 64; n++) {
		OK(pipe(ends));
		EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	}
	OK(pipe(ends));
	EQUAL(fcntl(ends[0], F_GETPIPE_SZ), 2 * PAGE);
	FAILS(EPERM, fcntl(ends[0], F_SETPIPE_SZ, 1 << 20));
}

/* A change that is refused, because the pipe is too full or the share used up, leaves the user's sum as it was. */
static void refused_changes_count_nothing(void)
{
	static char much[1 << 20];
	int last[2];

	OK(setresuid(1002, 1002, 1002));
	prepare(0);
	EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	EQUAL(write(ends[1], much, sizeof(much)), sizeof(much));
	for (int n = 0; n < 100; n++)
		FAILS(EBUSY, fcntl(ends[0], F_SETPIPE_SZ, PAGE));
	for (int n = 1; n < 64; n++) {
		OK(pipe(ends));
		EQUAL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	}
	OK(pipe(last));
	EQUAL(fcntl(last[0], F_GETPIPE_SZ), 2 * PAGE);
	for (int n = 0; n < 100; n++)
		FAILS(EPERM, fcntl(last[0], F_SETPIPE_SZ, 1 << 20));
	OK(close(ends[0]));
	OK(close(ends[1]));
	EQUAL(fcntl(last[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
}

static void packets(void)
{
	char in[2 * PAGE];

	prepare(PACKET_FLAG);
	EQUAL(write(ends[1], "first", 5), 5);
	EQUAL(write(ends[1], "second", 6), 6);
	EQUAL(write(ends[1], "third", 5), 5);
	EQUAL(waiting(), 16);
	EQUAL(read(ends[0], in, sizeof(in)), 5);
	EQUAL(read(ends[0], in, 3), 3);
	CHECK(memcmp(in, "sec", 3) == 0);
	EQUAL(read(ends[0], in, sizeof(in)), 5); /* the rest of the second is lost */
	CHECK(memcmp(in, "third", 5) == 0);
	FAILS(EAGAIN, read(ends[0], in, 1));
	EQUAL(pieces_that_fit(1), SLOTS);
	for (int n = 0; n < SLOTS; n++)
		EQUAL(read(ends[0], in, sizeof(in)), 1);
	/* More than a page becomes several. */
	EQUAL(write(ends[1], bytes, PAGE + 10), PAGE + 10);
	EQUAL(read(ends[0], in, sizeof(in)), PAGE);
	EQUAL(read(ends[0], in, sizeof(in)), 10);
}

/* The mode is the writing end's, and changes with its flags. */
static void packets_by_flag(void)
{
	char in[64];

	prepare(0);
	EQUAL(write(ends[1], "ab", 2), 2);
	EQUAL(read(ends[0], in, sizeof(in)), 2);
	OK(fcntl(ends[1], F_SETFL, O_NONBLOCK | PACKET_FLAG));
	CHECK(fcntl(ends[1], F_GETFL) & PACKET_FLAG);
	EQUAL(write(ends[1], "cd", 2), 2);
	EQUAL(write(ends[1], "ef", 2), 2);
	OK(fcntl(ends[1], F_SETFL, O_NONBLOCK));
	EQUAL(write(ends[1], "gh", 2), 2);
	EQUAL(write(ends[1], "ij", 2), 2);
	EQUAL(read(ends[0], in, sizeof(in)), 2);
	EQUAL(read(ends[0], in, sizeof(in)), 2);
	EQUAL(read(ends[0], in, sizeof(in)), 4);
	/* What is written as a packet still joins bytes that wait to be joined. */
	EQUAL(write(ends[1], "kl", 2), 2);
	OK(fcntl(ends[1], F_SETFL, O_NONBLOCK | PACKET_FLAG));
	EQUAL(write(ends[1], "mn", 2), 2);
	EQUAL(write(ends[1], bytes, PAGE), PAGE);
	EQUAL(read(ends[0], in, sizeof(in)), 64); /* bytes, then the packet, which ends the read */
	FAILS(EAGAIN, read(ends[0], in, sizeof(in)));
}

static void tee_shares(void)
{
	int copy[2];
	char in[64];

	prepare(0);
	OK(pipe2(copy, O_NONBLOCK));
	FAILS(EAGAIN, tee(ends[0], copy[1], 10, 0));
	EQUAL(write(ends[1], "shared", 6), 6);
	EQUAL(tee(ends[0], copy[1], 4, 0), 4);
	/* Each end goes on without the other. */
	EQUAL(write(ends[1], "-one", 4), 4);
	EQUAL(write(copy[1], "-two", 4), 4);
	EQUAL(read(ends[0], in, sizeof(in)), 10);
	CHECK(memcmp(in, "shared-one", 10) == 0);
	EQUAL(read(copy[0], in, sizeof(in)), 8);
	CHECK(memcmp(in, "shar-two", 8) == 0);
	EQUAL(tee(ends[0], copy[1], 0, 0), 0);
	FAILS(EINVAL, tee(90, 91, 0, 16));
	FAILS(EBADF, tee(ends[0], 90, 1, 0));
	FAILS(EBADF, tee(ends[1], copy[1], 1, 0));
	FAILS(EINVAL, tee(ends[0], ends[1], 1, 0));
	FAILS(EINVAL, tee(ends[0], OK(open("/dev/null", O_RDWR)), 1, 0));
	close(ends[1]);
	EQUAL(tee(ends[0], copy[1], 10, 0), 0);
	EQUAL(write(copy[1], "x", 1), 1);
	close(copy[0]);
	signal(SIGPIPE, SIG_IGN);
}

static void memory_into_pipes(void)
{
	char in[64] = {};
	struct iovec two[2] = {{"mem", 3}, {"ory", 3}}, out = {in, 64}, bad = {(void *)-4096, 10};

	prepare(0);
	EQUAL(vmsplice(ends[1], two, 2, 0), 6);
	EQUAL(write(ends[1], "!", 1), 1);
	EQUAL(vmsplice(ends[0], &out, 1, 0), 7);
	CHECK(memcmp(in, "memory!", 7) == 0);
	FAILS(EAGAIN, vmsplice(ends[0], &out, 1, SPLICE_F_NONBLOCK));
	FAILS(EINVAL, vmsplice(90, two, 2, 16));
	FAILS(EBADF, vmsplice(90, two, 2, 0));
	FAILS(EFAULT, vmsplice(ends[1], &bad, 1, 0));
	EQUAL(vmsplice(ends[1], two, 0, 0), 0);
	FAILS(EBADF, vmsplice(OK(open("/dev/null", O_RDWR)), two, 2, 0));
}

static void splicing_and_appending(void)
{
	off_t at = 0, far = -1;

	ktap_enter_dir();
	prepare(0);
	ktap_write_file("from", "0123456789");
	int from = OK(open("from", O_RDWR)), log = OK(open("log", O_RDWR | O_CREAT | O_APPEND, 0600));
	EQUAL(write(ends[1], "abc", 3), 3);
	FAILS(EINVAL, splice(ends[0], nullptr, log, nullptr, 3, 0));
	FAILS(EINVAL, sendfile(log, from, nullptr, 3));
	FAILS(EBADF, copy_file_range(from, nullptr, log, nullptr, 3, 0));
	EQUAL(sendfile(ends[1], from, &at, 3), 3);
	EQUAL(splice(ends[0], nullptr, from, nullptr, 6, 0), 6);
	EQUAL(splice(90, nullptr, 91, nullptr, 0, 16), 0);
	FAILS(EINVAL, splice(90, nullptr, 91, nullptr, 1, 16));
	FAILS(ESPIPE, splice(ends[0], &at, from, nullptr, 1, 0));
	FAILS(EINVAL, splice(from, nullptr, log, nullptr, 1, 0));
	FAILS(EINVAL, splice(from, &far, ends[1], nullptr, 1, 0));
	FAILS(EAGAIN, splice(ends[0], nullptr, from, nullptr, 1, SPLICE_F_NONBLOCK));
	EQUAL(pieces_that_fit(PAGE), SLOTS);
	FAILS(EAGAIN, splice(from, &at, ends[1], nullptr, 1, SPLICE_F_NONBLOCK));
	FAILS(EFAULT, sendfile(90, 91, (void *)8, 1));
	FAILS(EISDIR, copy_file_range(OK(open("/", O_RDONLY)), nullptr, from, nullptr, 1, 0));
	FAILS(EINVAL, copy_file_range(ends[0], nullptr, from, nullptr, 1, 0));
	FAILS(EINVAL, copy_file_range(from, nullptr, from, nullptr, 1, 1));
}

/* What cannot be written stays in the pipe, in its place. */
static void splicing_that_fails_loses_nothing(void)
{
	char text[64] = "";
	off_t at = 0;

	ktap_enter_dir();
	prepare(0);
	int full = OK(open("/dev/full", O_WRONLY)), fd = OK(open("some", O_RDWR | O_CREAT, 0600));
	EQUAL(write(ends[1], "0123456789", 10), 10);
	FAILS(ENOSPC, splice(ends[0], nullptr, full, nullptr, 10, 0));
	FAILS(ENOSPC, splice(ends[0], nullptr, full, nullptr, 4, 0));
	EQUAL(waiting(), 10);
	/* A limit on the size of files cuts a write short. */
	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){3, RLIM_INFINITY}));
	EQUAL(splice(ends[0], nullptr, fd, nullptr, 10, 0), 3);
	FAILS(EFBIG, splice(ends[0], nullptr, fd, nullptr, 10, 0));
	EQUAL(write(ends[1], "abc", 3), 3);
	EQUAL(read(ends[0], text, sizeof(text)), 10);
	CHECK(memcmp(text, "3456789abc", 10) == 0);
	EQUAL(pread(fd, text, sizeof(text), 0), 3);
	CHECK(memcmp(text, "012", 3) == 0);
	/* All places of the pipe are taken, and stay so. */
	EQUAL(pieces_that_fit(PAGE), SLOTS);
	FAILS(ENOSPC, splice(ends[0], nullptr, full, nullptr, SLOTS * PAGE, 0));
	FAILS(ENOSPC, splice(ends[0], nullptr, full, nullptr, 100, 0));
	FAILS(EAGAIN, write(ends[1], "x", 1));
	EQUAL(waiting(), SLOTS * PAGE);
	OK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100 + PAGE, RLIM_INFINITY}));
	EQUAL(splice(ends[0], nullptr, fd, &at, SLOTS * PAGE, 0), 100 + PAGE);
	EQUAL(waiting(), (SLOTS - 1) * PAGE - 100);
	EQUAL(write(ends[1], bytes, PAGE), PAGE);
	FAILS(EAGAIN, write(ends[1], "x", 1));
	/* Nobody reads what would be spliced. */
	int other[2];
	OK(pipe(other));
	close(other[0]);
	signal(SIGPIPE, SIG_IGN);
	FAILS(EPIPE, splice(ends[0], nullptr, other[1], nullptr, PAGE, 0));
	EQUAL(waiting(), SLOTS * PAGE - 100);
}

/* How often the process has gone to sleep so far. */
static long long sleeps(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	OK((int)ktap_read_file(path, text, sizeof(text)));
	const char *at = strstr(text, "\nvoluntary_ctxt_switches:");
	CHECK(at != nullptr);
	return atoll(strchr(at, ':') + 1);
}

/* Who waits for room in a full pipe is woken when there is some, not by each read of its oldest page. */
static void writers_sleep_until_there_is_room(void)
{
	enum : int { BYTES = SLOTS * PAGE };

	OK(pipe(ends));
	pid_t writer = CHILD({
		for (int n = 0; n <= SLOTS; n++)
			EQUAL(write(ends[1], bytes, PAGE), PAGE);
	});
	while (waiting() < BYTES)
		;
	ktap_until_state(writer, "S");
	long long before = sleeps(writer);
	for (int n = 1; n < PAGE; n++)
		EQUAL(read(ends[0], bytes, 1), 1);
	ktap_until_state(writer, "S");
	EQUAL(sleeps(writer), before);
	EQUAL(waiting(), BYTES - PAGE + 1);
	EQUAL(read(ends[0], bytes, 1), 1);
	EXITS(writer, 0);
	EQUAL(waiting(), BYTES);
}

/* While a part of a buffer is lent it takes a place of its own: who waited for that place has it when the part comes
 * back unused. */
static void what_comes_back_makes_room(void)
{
	int line[2];

	OK(pipe(ends));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, line));
	while (send(line[0], bytes, 1, MSG_DONTWAIT) == 1)
		;
	for (int n = 1; n < SLOTS; n++)
		EQUAL(write(ends[1], bytes, PAGE), PAGE);
	pid_t taker = CHILD((void)!splice(ends[0], nullptr, line[0], nullptr, 100, 0));
	ktap_until_state(taker, "S");
	pid_t writer = CHILD(EQUAL(write(ends[1], bytes, PAGE), PAGE));
	/* Linux lets it wait for the pipe's lock. */
	ktap_until_state(writer, "SD");
	OK(kill(taker, SIGKILL));
	DIES(taker, SIGKILL);
	EXITS(writer, 0);
	EQUAL(waiting(), SLOTS * PAGE);
}

KTAP_MAIN(CASE(pieces_share_pages), CASE(large_after_small), CASE(sizes_change), CASE(limits_of_users),
	  CASE(refused_changes_count_nothing), CASE(packets), CASE(packets_by_flag), CASE(tee_shares),
	  CASE(memory_into_pipes), CASE(splicing_and_appending), CASE(splicing_that_fails_loses_nothing),
	  CASE(writers_sleep_until_there_is_room), CASE(what_comes_back_makes_room))
