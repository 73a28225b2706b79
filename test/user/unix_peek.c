/* SPDX-License-Identifier: MIT */
/* Looking at what has come from an offset on (socket(7), SO_PEEK_OFF). */
#include "unix_sockets.h"

#include <pthread.h>

static void set_offset(int fd, int offset)
{
	OK(setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)));
}

static int offset_of(int fd)
{
	int offset = 77;
	socklen_t length = sizeof(offset);

	OK(getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &length));
	return offset;
}

static void looks(int fd, size_t size, int flags, const char *expected)
{
	char text[16];

	EQUAL(recv(fd, text, size, flags), strlen(expected));
	CHECK(memcmp(text, expected, strlen(expected)) == 0);
}

static void streams(void)
{
	int ends[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	EQUAL(offset_of(ends[1]), -1);
	EQUAL(write(ends[0], "abcd", 4), 4);
	EQUAL(write(ends[0], "efgh", 4), 4);
	looks(ends[1], 3, MSG_PEEK, "abc");
	looks(ends[1], 3, MSG_PEEK, "abc"); /* it is off */
	set_offset(ends[1], 2);
	looks(ends[1], 3, MSG_PEEK, "cde");
	EQUAL(offset_of(ends[1]), 5);
	looks(ends[1], 16, MSG_PEEK, "fgh");
	char c;
	FAILS(EAGAIN, recv(ends[1], &c, 1, MSG_PEEK | MSG_DONTWAIT));
	FAILS(EFAULT, recv(ends[1], (void *)16, 1, 0)); /* moves nothing */
	looks(ends[1], 6, 0, "abcdef");
	EQUAL(offset_of(ends[1]), 2);
	looks(ends[1], 2, 0, "gh");
	EQUAL(write(ends[0], "new", 3), 3);
	looks(ends[1], 16, MSG_PEEK, "new");
	set_offset(ends[1], -1);
	looks(ends[1], 16, 0, "new");
	EQUAL(offset_of(ends[1]), -1);
}

static void whole_messages(int type)
{
	int ends[2];

	OK(socketpair(AF_UNIX, type, 0, ends));
	set_offset(ends[1], 0);
	EQUAL(send(ends[0], "first", 5, 0), 5);
	EQUAL(send(ends[0], "second", 6, 0), 6);
	looks(ends[1], 16, MSG_PEEK, "first");
	EQUAL(offset_of(ends[1]), 5);
	looks(ends[1], 3, MSG_PEEK, "sec");
	looks(ends[1], 16, MSG_PEEK, "ond");
	char text[16];
	FAILS(EAGAIN, recv(ends[1], text, 16, MSG_PEEK | MSG_DONTWAIT));
	set_offset(ends[1], 7);
	EQUAL(recv(ends[1], text, 2, MSG_PEEK | MSG_TRUNC), 4); /* of "cond" */
	looks(ends[1], 16, 0, "first");
	EQUAL(offset_of(ends[1]), 4);
	looks(ends[1], 16, MSG_PEEK, "nd");
	looks(ends[1], 16, 0, "second");
	EQUAL(offset_of(ends[1]), 0);
}

static void datagrams_and_packets(void)
{
	whole_messages(SOCK_DGRAM);
	whole_messages(SOCK_SEQPACKET);
}

/* One without a byte is seen, and what is behind it afterwards. */
static void an_empty_datagram(void)
{
	int ends[2];

	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	set_offset(ends[1], 0);
	EQUAL(send(ends[0], "", 0, 0), 0);
	EQUAL(send(ends[0], "x", 1, 0), 1);
	looks(ends[1], 16, MSG_PEEK, "");
	looks(ends[1], 16, MSG_PEEK, "x");
	looks(ends[1], 16, 0, "");
	looks(ends[1], 16, 0, "x");
}

static int waited[2];

static void *look(void *expected)
{
	looks(waited[1], 16, MSG_PEEK, expected);
	return nullptr;
}

/* Who has seen all that is there waits for more. */
static void more_is_waited_for(void)
{
	for (int round = 0; round < 2; round++) {
		pthread_t thread;

		OK(socketpair(AF_UNIX, round == 0 ? SOCK_STREAM : SOCK_DGRAM, 0, waited));
		set_offset(waited[1], 0);
		EQUAL(send(waited[0], "seen", 4, 0), 4);
		looks(waited[1], 16, MSG_PEEK, "seen");
		EQUAL(pthread_create(&thread, nullptr, look, "more"), 0);
		EQUAL(send(waited[0], "more", 4, 0), 4);
		EQUAL(pthread_join(thread, nullptr), 0);
		/* The end of a stream is seen by who waits, too. */
		EQUAL(pthread_create(&thread, nullptr, look, ""), 0);
		OK(shutdown(waited[1], SHUT_RD));
		EQUAL(pthread_join(thread, nullptr), 0);
		OK(close(waited[0]));
		OK(close(waited[1]));
	}
}

KTAP_MAIN(CASE(streams), CASE(datagrams_and_packets), CASE(an_empty_datagram), CASE(more_is_waited_for))
