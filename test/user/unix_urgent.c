/* SPDX-License-Identifier: MIT */
/* A byte of a stream that is out of band (unix(7), send(2), recv(2), MSG_OOB): it is told, read by itself, and where it
 * stood reading ends once. */
#include "unix_sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { AT_MARK = 0x8905 };

static int ends[2];

static void prepare(void)
{
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

static void sends(const char *text, int flags)
{
	EQUAL(send(ends[0], text, strlen(text), flags), strlen(text));
}

static void gets(int flags, const char *expected)
{
	char text[16];

	EQUAL(recv(ends[1], text, sizeof(text), flags), strlen(expected));
	CHECK(memcmp(text, expected, strlen(expected)) == 0);
}

static int number(unsigned long request)
{
	int value = -1;

	OK(ioctl(ends[1], request, &value));
	return value;
}

static int ready(void)
{
	struct pollfd p = {.fd = ends[1], .events = POLLIN | POLLPRI};

	OK(poll(&p, 1, 0));
	return p.revents;
}

static void it_is_read_by_itself(void)
{
	char c;

	prepare();
	FAILS(EINVAL, recv(ends[1], &c, 1, MSG_OOB));
	FAILS(EOPNOTSUPP, send(ends[0], &c, 0, MSG_OOB));
	sends("abU", MSG_OOB);
	EQUAL(ready(), POLLIN | POLLPRI);
	EQUAL(number(FIONREAD), 3);
	EQUAL(number(AT_MARK), 0);
	gets(MSG_OOB | MSG_PEEK, "U");
	gets(MSG_OOB, "U");
	FAILS(EINVAL, recv(ends[1], &c, 1, MSG_OOB));
	EQUAL(ready(), POLLIN);
	EQUAL(number(FIONREAD), 2);
	sends("cd", 0);
	gets(MSG_WAITALL, "ab"); /* up to where it was */
	EQUAL(number(AT_MARK), 1);
	gets(0, "cd");
	EQUAL(number(AT_MARK), 0);
	FAILS(EAGAIN, recv(ends[1], &c, 1, MSG_DONTWAIT));
}

static void its_message_says_so(void)
{
	char c;
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	prepare();
	sends("U", MSG_OOB);
	EQUAL(recvmsg(ends[1], &m, MSG_OOB), 1);
	EQUAL(m.msg_flags, MSG_OOB);
	EQUAL(c, 'U');
}

static void reading_on_leaves_it_out(void)
{
	char c;

	prepare();
	sends("U", MSG_OOB);
	sends("cd", 0);
	sends("ef", 0);
	EQUAL(number(AT_MARK), 1);
	gets(MSG_PEEK, "cdef");
	gets(0, "cdef");
	FAILS(EINVAL, recv(ends[1], &c, 1, MSG_OOB)); /* nobody asked in time */
	sends("xyU", MSG_OOB);
	gets(MSG_PEEK, "xy");
	gets(0, "xy");
	FAILS(EAGAIN, recv(ends[1], &c, 1, MSG_DONTWAIT | MSG_PEEK));
	EQUAL(ready(), POLLIN | POLLPRI);
	OK(close(ends[0]));
	EQUAL(recv(ends[1], &c, 1, 0), 0);
}

/* Nothing is lost with a socket that has read all, this one by itself. */
static void what_was_read_is_not_lost(void)
{
	char c;

	prepare();
	sends("aU", MSG_OOB);
	gets(MSG_OOB, "U");
	gets(0, "a");
	OK(close(ends[1]));
	EQUAL(recv(ends[0], &c, 1, 0), 0);
	prepare();
	sends("U", MSG_OOB);
	OK(close(ends[1]));
	FAILS(ECONNRESET, recv(ends[0], &c, 1, 0));
}

/* A newer one makes the older one a byte as others. */
static void the_last_one_counts(void)
{
	prepare();
	sends("x", MSG_OOB);
	sends("y", MSG_OOB);
	gets(MSG_OOB, "y");
	sends("z", 0);
	gets(0, "x");
	gets(0, "z");
}

static void in_line(void)
{
	int on = 1;
	char c;

	prepare();
	OK(setsockopt(ends[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	sends("a", 0);
	sends("U", MSG_OOB);
	sends("b", 0);
	FAILS(EINVAL, recv(ends[1], &c, 1, MSG_OOB));
	EQUAL(ready(), POLLIN | POLLPRI);
	gets(0, "a");
	EQUAL(number(AT_MARK), 1);
	gets(0, "Ub");
	EQUAL(ready(), 0);
}

static volatile sig_atomic_t told;

static void tell(int)
{
	told++;
}

/* To the owner, whether it asked for signals of this file or not. */
static void a_signal_tells(void)
{
	prepare();
	CHECK(signal(SIGURG, tell) != SIG_ERR);
	sends("U", MSG_OOB);
	EQUAL(told, 0);
	OK(fcntl(ends[1], F_SETOWN, getpid()));
	sends("U", MSG_OOB);
	EQUAL(told, 1);
}

static void a_long_one(void)
{
	static char bytes[100000], got[100000];

	prepare();
	memset(bytes, 'n', sizeof(bytes));
	bytes[sizeof(bytes) - 1] = 'U';
	EQUAL(send(ends[0], bytes, sizeof(bytes), MSG_OOB), sizeof(bytes));
	EQUAL(recv(ends[1], got, sizeof(got), 0), sizeof(got) - 1);
	CHECK(memcmp(got, bytes, sizeof(got) - 1) == 0);
	gets(MSG_OOB, "U");
}

static void others_have_none(void)
{
	int other[2], mark;
	char c = 'x';

	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, other));
	FAILS(EOPNOTSUPP, send(other[0], &c, 1, MSG_OOB));
	FAILS(EOPNOTSUPP, recv(other[0], &c, 1, MSG_OOB | MSG_DONTWAIT));
	FAILS(EOPNOTSUPP, ioctl(other[0], AT_MARK, &mark));
}

KTAP_MAIN(CASE(it_is_read_by_itself), CASE(its_message_says_so), CASE(reading_on_leaves_it_out),
	  CASE(what_was_read_is_not_lost), CASE(the_last_one_counts), CASE(in_line), CASE(a_signal_tells),
	  CASE(a_long_one), CASE(others_have_none))
