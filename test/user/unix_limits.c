/* SPDX-License-Identifier: MIT */
/* Nobody has all of the kernel's memory by sockets: what a user's hold is limited (/proc/sys/net/core), with an error
 * and before memory is gone. */
#include "unix_sockets.h"

#include <stdlib.h>

static const char USER_PAGES[] = "/proc/sys/net/core/user_socket_pages",
		  ALL_PAGES[] = "/proc/sys/net/core/socket_pages";

/* Fills sockets, of which none fills its own buffer, until an error comes; how many bytes are in them. */
static long fill(int (*ends)[2], int count, size_t piece)
{
	static char bytes[32768];
	long sent = 0;

	for (int n = 0; n < count; n++) {
		int pair[2]; /* numbers are in it even if there are no sockets */
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
			return sent;
		memcpy(ends[n], pair, sizeof(pair));
		for (int k = 0; k < 3; k++) {
			long part = send(ends[n][0], bytes, piece, MSG_DONTWAIT);
			if (part < 0)
				return sent;
			sent += part;
		}
	}
	errno = 0;
	return sent;
}

static void close_all(int (*ends)[2], int count)
{
	for (int n = 0; n < count; n++)
		for (int k = 0; k < 2; k++)
			if (ends[n][k] > 0)
				OK(close(ends[n][k]));
}

static void is_limited(size_t piece, long least, long most)
{
	static int ends[200][2];

	memset(ends, 0, sizeof(ends));
	long sent = fill(ends, 200, piece);
	EQUAL(errno, ENOBUFS);
	CHECK(sent >= least && sent <= most);
	/* What is read, or lost with its sockets, is held no more. */
	close_all(ends, 200);
	memset(ends, 0, sizeof(ends));
	EQUAL(fill(ends, 1, piece), 3 * (long)piece);
	close_all(ends, 1);
}

static void with_limit(const char *knob, const char *pages, void (*run)(void))
{
	char before[32];

	ktap_read_file(knob, before, sizeof(before));
	ktap_put(knob, pages);
	pid_t child = CHILD(run());
	int status = ktap_wait(child);
	ktap_put(knob, before);
	EQUAL(status, 0);
}

static void as_a_user(void)
{
	ktap_become(200000 + (unsigned)getpid()); /* who has nothing yet */
	is_limited(32768, 700000, 1 << 20);
	is_limited(1025, 1, 300000); /* each has a page */
}

static void sockets_alone(void)
{
	int fds[1000], ends[2], count = 0;

	ktap_become(200000 + (unsigned)getpid());
	while (count < 1000 && (fds[count] = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0)
		count++;
	EQUAL(errno, ENOBUFS);
	FAILS(ENOBUFS, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	CHECK(count > 50 && count < 1000);
	OK(close(fds[0]));
	OK(close(fds[1]));
	OK(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void a_user_has_so_much_in_queues(void)
{
	with_limit(USER_PAGES, "256", as_a_user);
	with_limit(USER_PAGES, "64", sockets_alone);
}

static void goes_on(void)
{
	static int ends[200][2];

	CHECK(fill(ends, 100, 32768) == 100 * 3 * 32768);
}

/* Others may have some of it still: what they closed is let go a little later. */
static void stops(void)
{
	is_limited(32768, 1, 16 << 20);
}

static void the_privileged_have_more_and_not_all(void)
{
	with_limit(USER_PAGES, "256", goes_on);
	with_limit(ALL_PAGES, "4096", stops);
}

KTAP_MAIN(STELLUX_CASE(a_user_has_so_much_in_queues), STELLUX_CASE(the_privileged_have_more_and_not_all))
