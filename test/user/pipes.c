/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs: data, ends, EPIPE, EAGAIN, atomic small writes, blocking, splitting large
 * writes.
 */
#include "ktap.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void bytes_go_through(void)
{
	int ends[2];
	char text[16] = {};

	OK(pipe(ends));
	EQUAL(write(ends[1], "abcdef", 6), 6);
	EQUAL(read(ends[0], text, 4), 4);
	CHECK(memcmp(text, "abcd", 4) == 0);
	EQUAL(read(ends[0], text, 16), 2);
	EQUAL(write(ends[1], "x", 0), 0);
}

static void end_of_file_when_writers_are_gone(void)
{
	int ends[2];
	char c;

	OK(pipe(ends));
	EQUAL(write(ends[1], "q", 1), 1);
	int other = OK(dup(ends[1]));
	OK(close(ends[1]));
	EQUAL(read(ends[0], &c, 1), 1);
	OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	FAILS(EAGAIN, read(ends[0], &c, 1));
	OK(close(other));
	EQUAL(read(ends[0], &c, 1), 0);
	EQUAL(read(ends[0], &c, 1), 0);
}

static void broken_pipe(void)
{
	int ends[2];

	OK(pipe(ends));
	OK(close(ends[0]));
	pid_t child = CHILD({
		(void)!write(ends[1], "x", 1);
		_exit(1);
	});
	DIES(child, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	FAILS(EPIPE, write(ends[1], "x", 1));
}

static void reader_leaving_wakes_writer(void)
{
	static char big[256 * 1024];
	int ends[2];

	OK(pipe(ends));
	pid_t child = CHILD({
		close(ends[0]);
		signal(SIGPIPE, SIG_IGN);
		ssize_t wrote = write(ends[1], big, sizeof(big));
		CHECK(wrote > 0 || errno == EPIPE);
		CHECK(wrote < (ssize_t)sizeof(big));
	});
	close(ends[1]);
	ktap_until_state(child, "S");
	OK(close(ends[0]));
	EXITS(child, 0);
}

static void nonblocking(void)
{
	static char block[PIPE_BUF];
	int ends[2];
	char c;
	size_t total = 0;

	OK(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
	EQUAL(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(ends[1], F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_WRONLY);
	FAILS(EAGAIN, read(ends[0], &c, 1));
	for (ssize_t wrote; (wrote = write(ends[1], block, sizeof(block))) > 0;) {
		EQUAL(wrote, PIPE_BUF);
		total += (size_t)wrote;
	}
	EQUAL(errno, EAGAIN);
	EQUAL(total, 65536);
	/* Less than PIPE_BUF free: a write of PIPE_BUF is all or nothing. */
	EQUAL(read(ends[0], block, 100), 100);
	FAILS(EAGAIN, write(ends[1], block, sizeof(block)));
	EQUAL(read(ends[0], block, PIPE_BUF), PIPE_BUF);
	EQUAL(write(ends[1], block, sizeof(block)), PIPE_BUF);
	FAILS(EINVAL, pipe2(ends, 0x40000000));
}

static void small_writes_are_atomic(void)
{
	enum { WRITERS = 4, ROUNDS = 100, SIZE = 1000 };
	int ends[2];
	int counts[WRITERS] = {};

	OK(pipe(ends));
	for (int w = 0; w < WRITERS; w++) {
		CHILD({
			char message[SIZE];
			memset(message, 'a' + w, SIZE);
			for (int i = 0; i < ROUNDS; i++)
				EQUAL(write(ends[1], message, SIZE), SIZE);
		});
	}
	OK(close(ends[1]));
	for (int i = 0; i < WRITERS * ROUNDS; i++) {
		char message[SIZE];
		size_t have = 0;

		while (have < SIZE)
			have += (size_t)OK(read(ends[0], message + have, SIZE - have));
		for (int b = 1; b < SIZE; b++)
			EQUAL(message[b], message[0]);
		counts[message[0] - 'a']++;
	}
	for (int w = 0; w < WRITERS; w++) {
		EQUAL(counts[w], ROUNDS);
		EQUAL(ktap_wait(-1), 0);
	}
}

static void large_writes_block_and_finish(void)
{
	static unsigned char data[300'000];
	unsigned int position = 0;
	int ends[2];

	OK(pipe(ends));
	pid_t child = CHILD({
		close(ends[0]);
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (unsigned char)(i * 7 + i / 256);
		EQUAL(write(ends[1], data, sizeof(data)), sizeof(data));
	});
	OK(close(ends[1]));
	for (ssize_t got; (got = OK(read(ends[0], data, 777))) > 0;) {
		for (ssize_t i = 0; i < got; i++, position++)
			EQUAL(data[i], (unsigned char)(position * 7 + position / 256));
	}
	EQUAL(position, 300'000);
	EXITS(child, 0);
}

static void readers_share(void)
{
	int ends[2];
	pid_t readers[3];

	OK(pipe(ends));
	for (int i = 0; i < 3; i++) {
		readers[i] = CHILD({
			char c;
			close(ends[1]);
			EQUAL(read(ends[0], &c, 1), 1);
		});
	}
	for (int i = 0; i < 3; i++)
		ktap_until_state(readers[i], "S");
	EQUAL(write(ends[1], "123", 3), 3);
	for (int i = 0; i < 3; i++)
		EXITS(readers[i], 0);
}

static void how_much_is_waiting(void)
{
	int ends[2], waiting = -1;

	OK(pipe(ends));
	EQUAL(write(ends[1], "12345", 5), 5);
	OK(ioctl(ends[0], FIONREAD, &waiting));
	EQUAL(waiting, 5);
	struct stat status;
	OK(fstat(ends[0], &status));
	CHECK(S_ISFIFO(status.st_mode));
}

static void pipes_are_not_files(void)
{
	int ends[2];
	char c;

	OK(pipe(ends));
	FAILS(ESPIPE, lseek(ends[0], 0, SEEK_SET));
	FAILS(ESPIPE, pread(ends[0], &c, 1, 0));
	FAILS(EBADF, read(ends[1], &c, 1));
	FAILS(EBADF, write(ends[0], &c, 1));
	FAILS(EINVAL, ftruncate(ends[1], 0));
	FAILS(EINVAL, fsync(ends[1]));
}

static void vectors(void)
{
	int ends[2];
	char a[3] = {}, b[8] = {};

	OK(pipe(ends));
	struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdefg", 5}};
	EQUAL(writev(ends[1], out, 3), 7);
	struct iovec in[2] = {{a, 3}, {b, 8}};
	EQUAL(readv(ends[0], in, 2), 7);
	CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defg", 4) == 0);
	FAILS(EINVAL, writev(ends[1], out, -1));
	FAILS(EINVAL, writev(ends[1], out, 2000));
}

static void fifos(void)
{
	char c = 0;

	ktap_enter_dir();
	OK(mkfifo("fifo", 0600));
	FAILS(EEXIST, mkfifo("fifo", 0600));
	FAILS(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	pid_t child = CHILD({
		int fd = OK(open("fifo", O_WRONLY));
		EQUAL(write(fd, "f", 1), 1);
	});
	int fd = OK(open("fifo", O_RDONLY));
	EQUAL(read(fd, &c, 1), 1);
	EQUAL(c, 'f');
	EQUAL(read(fd, &c, 1), 0);
	EXITS(child, 0);
	int idle = OK(open("fifo", O_RDONLY | O_NONBLOCK));
	EQUAL(read(idle, &c, 1), 0);
	int writer = OK(open("fifo", O_WRONLY | O_NONBLOCK));
	FAILS(EAGAIN, read(idle, &c, 1));
	EQUAL(write(writer, "x", 1), 1);
	EQUAL(read(fd, &c, 1), 1);
}

/* On one CPU, and after much computing, whoever is woken goes first: here it has opened its end, closed it and is gone
 * before the open that woke it goes on. */
static void fifo_ends_that_leave_at_once(void)
{
	constexpr int64_t busy_ns = 20'000'000;
	cpu_set_t all, one;

	ktap_enter_dir();
	OK(mkfifo("fifo", 0600));
	OK(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
	for (int turn = 0; turn < 4; turn++) {
		int mine = turn % 2 == 0 ? O_RDONLY : O_WRONLY;
		pid_t child = CHILD(OK(close(OK(open("fifo", mine == O_RDONLY ? O_WRONLY : O_RDONLY)))));
		struct timespec begin, now;

		ktap_until_state(child, "S");
		OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin));
		do
			OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
		while ((now.tv_sec - begin.tv_sec) * 1'000'000'000 + now.tv_nsec - begin.tv_nsec < busy_ns);
		int fd = OK(open("fifo", mine));
		EXITS(child, 0);
		OK(close(fd));
	}
	OK(sched_setaffinity(0, sizeof(all), &all));
}

KTAP_MAIN(CASE(bytes_go_through), CASE(end_of_file_when_writers_are_gone), CASE(broken_pipe),
	  CASE(reader_leaving_wakes_writer), CASE(nonblocking), CASE(small_writes_are_atomic),
	  CASE(large_writes_block_and_finish), CASE(readers_share), CASE(how_much_is_waiting),
	  CASE(pipes_are_not_files), CASE(vectors), CASE(fifos), CASE(fifo_ends_that_leave_at_once))
