/* SPDX-License-Identifier: MIT */
/* Ports that several sockets have: SO_REUSEADDR and SO_REUSEPORT of socket(7), over the loopback interface. */
#include "inet_sockets.h"

#include <sys/wait.h>

enum : int { NEITHER, ADDRESS, PORT };

static void set(int fd, int option, int value)
{
	OK(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)));
}

static int get(int fd, int option)
{
	int value = -1;
	socklen_t length = sizeof(value);

	OK(getsockopt(fd, SOL_SOCKET, option, &value, &length));
	return value;
}

static int sharing(int family, int type, int how)
{
	int fd = OK(socket(family, type, 0));

	if (how == ADDRESS)
		set(fd, SO_REUSEADDR, 1);
	if (how == PORT)
		set(fd, SO_REUSEPORT, 1);
	return fd;
}

static int at_port(int type, int how, const char *address, uint16_t port)
{
	int fd = sharing(strchr(address, ':') != nullptr ? AF_INET6 : AF_INET, type, how);

	OK(inet_bind(fd, address, port));
	return fd;
}

static void the_options(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	int on = 1, off = 0;

	for (int n = 0; n < 2; n++) {
		int fd = OK(socket(AF_INET, types[n], 0));

		EQUAL(get(fd, SO_REUSEPORT), 0);
		set(fd, SO_REUSEPORT, 7);
		EQUAL(get(fd, SO_REUSEPORT), 1);
		EQUAL(get(fd, SO_REUSEADDR), 0);
		set(fd, SO_REUSEPORT, 0);
		EQUAL(get(fd, SO_REUSEPORT), 0);
		FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, 2));
	}
	int local = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(setsockopt(local, SOL_SOCKET, SO_REUSEPORT, &off, sizeof(off)));
	FAILS(EOPNOTSUPP, setsockopt(local, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
}

static void who_may_be_beside_whom(void)
{
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		for (int a = NEITHER; a <= PORT; a++) {
			for (int b = NEITHER; b <= PORT; b++) {
				int first = at_port(type, a, "127.0.0.1", 0);
				int second = sharing(AF_INET, type, b), any = sharing(AF_INET, type, b);
				uint16_t port = inet_port(first);
				bool may = a == b && a != NEITHER;

				if (may) {
					OK(inet_bind(second, "127.0.0.1", port));
					OK(inet_bind(any, "0.0.0.0", port));
				} else {
					FAILS(EADDRINUSE, inet_bind(second, "127.0.0.1", port));
					FAILS(EADDRINUSE, inet_bind(any, "0.0.0.0", port));
					/* What overlaps nobody is free. */
					OK(inet_bind(any, "127.0.0.2", port));
				}
				OK(close(first));
				OK(close(second));
				OK(close(any));
			}
		}
	}
}

static void both_options_are_enough(void)
{
	int first = at_port(SOCK_DGRAM, ADDRESS, "127.0.0.1", 0);
	int second = sharing(AF_INET, SOCK_DGRAM, PORT);

	set(second, SO_REUSEADDR, 1);
	OK(inet_bind(second, "127.0.0.1", inet_port(first)));
	/* The third is the second's kind, and the first's is not looked at. */
	OK(inet_bind(sharing(AF_INET, SOCK_DGRAM, PORT), "127.0.0.1", inet_port(first)));
	FAILS(EADDRINUSE, inet_bind(sharing(AF_INET, SOCK_DGRAM, NEITHER), "127.0.0.1", inet_port(first)));
}

static void versions_overlap(void)
{
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		int four = at_port(type, NEITHER, "0.0.0.0", 0), only = sharing(AF_INET6, type, NEITHER), on = 1;

		FAILS(EADDRINUSE, inet_bind(sharing(AF_INET6, type, NEITHER), "::", inet_port(four)));
		FAILS(EADDRINUSE, inet_bind(sharing(AF_INET6, type, PORT), "::", inet_port(four)));
		OK(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
		OK(inet_bind(only, "::", inet_port(four)));
		int shared = at_port(type, PORT, "0.0.0.0", 0);
		(void)at_port(type, PORT, "::", inet_port(shared));
	}
}

/* As another user. */
static void binds_as(unsigned user, int type, int how, uint16_t port, int wanted)
{
	pid_t child = CHILD({
		ktap_become(user);
		int fd = sharing(AF_INET, type, how);
		if (wanted == 0)
			OK(inet_bind(fd, "127.0.0.1", port));
		else
			FAILS(wanted, inet_bind(fd, "127.0.0.1", port));
	});

	EXITS(child, 0);
}

static void a_port_is_one_users(void)
{
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		int mine = at_port(type, PORT, "127.0.0.1", 0);

		binds_as(65534, type, PORT, inet_port(mine), EADDRINUSE);
		/* SO_REUSEADDR asks for nobody's name. */
		int shared = at_port(type, ADDRESS, "127.0.0.1", 0);
		binds_as(65534, type, ADDRESS, inet_port(shared), 0);
	}
}

/* Who made it counts, not who binds it. */
static void it_is_its_makers(void)
{
	int mine = at_port(SOCK_DGRAM, PORT, "127.0.0.1", 0), other = sharing(AF_INET, SOCK_DGRAM, PORT);
	uint16_t port = inet_port(mine);

	pid_t child = CHILD({
		ktap_become(65534);
		OK(inet_bind(other, "127.0.0.1", port));
	});
	EXITS(child, 0);
}

static void one_listens(void)
{
	int first = at_port(SOCK_STREAM, ADDRESS, "127.0.0.1", 0);
	int second = at_port(SOCK_STREAM, ADDRESS, "127.0.0.1", inet_port(first));

	OK(listen(first, 1));
	FAILS(EADDRINUSE, listen(second, 1));
	FAILS(EADDRINUSE, inet_bind(sharing(AF_INET, SOCK_STREAM, ADDRESS), "127.0.0.1", inet_port(first)));
	FAILS(EADDRINUSE, inet_bind(sharing(AF_INET, SOCK_STREAM, ADDRESS), "0.0.0.0", inet_port(first)));
	OK(close(first));
	OK(listen(second, 1));
}

/* A connection that stands has its listener's port, and its options. */
static void connections_are_in_the_way(void)
{
	for (int how = NEITHER; how <= ADDRESS; how++) {
		int l = at_port(SOCK_STREAM, how, "127.0.0.1", 0), client = OK(socket(AF_INET, SOCK_STREAM, 0));
		uint16_t port = inet_port(l);

		OK(listen(l, 1));
		OK(inet_connect(client, "127.0.0.1", port));
		int server = OK(accept(l, nullptr, nullptr)), again = sharing(AF_INET, SOCK_STREAM, ADDRESS);
		EQUAL(get(server, SO_REUSEADDR), how == ADDRESS);
		OK(close(l));
		if (how == ADDRESS) {
			OK(inet_bind(again, "127.0.0.1", port));
			OK(listen(again, 1));
		} else {
			FAILS(EADDRINUSE, inet_bind(again, "127.0.0.1", port));
			set(server, SO_REUSEADDR, 1);
			OK(inet_bind(again, "127.0.0.1", port));
		}
	}
}

/* The same four-tuple is one connection's. */
static void a_connection_is_one(void)
{
	int l = at_port(SOCK_STREAM, NEITHER, "127.0.0.1", 0);
	int first = at_port(SOCK_STREAM, PORT, "127.0.0.1", 0);
	int second = at_port(SOCK_STREAM, PORT, "127.0.0.1", inet_port(first));

	OK(listen(l, 4));
	OK(inet_connect(first, "127.0.0.1", inet_port(l)));
	FAILS(EADDRNOTAVAIL, inet_connect(second, "127.0.0.1", inet_port(l)));
}

enum : int { SHARERS = 4, SENDERS = 64 };

/* Which of them has something: one does, and no other. */
static int who_has(const int *fds, int count)
{
	struct pollfd p[SHARERS];
	int who = -1;

	for (int n = 0; n < count; n++)
		p[n] = (struct pollfd){.fd = fds[n], .events = POLLIN};
	EQUAL(poll(p, (nfds_t)count, -1), 1);
	for (int n = 0; n < count; n++)
		if (p[n].revents != 0)
			who = n;
	return who;
}

static void datagrams_are_spread(const char *address, const char *to)
{
	int fds[SHARERS], clients[SENDERS], whose[SENDERS], count[SHARERS] = {};
	char text[4];

	fds[0] = at_port(SOCK_DGRAM, PORT, address, 0);
	uint16_t port = inet_port(fds[0]);
	for (int n = 1; n < SHARERS; n++)
		fds[n] = at_port(SOCK_DGRAM, PORT, address, port);
	for (int round = 0; round < 3; round++) {
		for (int n = 0; n < SENDERS; n++) {
			if (round == 0) {
				clients[n] = OK(socket(strchr(to, ':') != nullptr ? AF_INET6 : AF_INET, SOCK_DGRAM, 0));
				OK(inet_connect(clients[n], to, port));
			}
			EQUAL(send(clients[n], "x", 1, 0), 1);
			int who = who_has(fds, SHARERS);
			EQUAL(recv(fds[who], text, sizeof(text), 0), 1);
			if (round == 0)
				whose[n] = who;
			EQUAL(who, whose[n]); /* one sender's come to one socket */
			count[who]++;
		}
	}
	/* That one of four has none of 64 happens once in 10^8. */
	for (int n = 0; n < SHARERS; n++)
		CHECK(count[n] > 0);
	/* Who goes leaves none behind. */
	OK(close(fds[SHARERS - 1]));
	for (int n = 0; n < SENDERS; n++) {
		EQUAL(send(clients[n], "x", 1, 0), 1);
		int who = who_has(fds, SHARERS - 1);
		EQUAL(recv(fds[who], text, sizeof(text), 0), 1);
	}
}

static void datagrams(void)
{
	datagrams_are_spread("127.0.0.1", "127.0.0.1");
	datagrams_are_spread("0.0.0.0", "127.0.0.1");
	datagrams_are_spread("::1", "::1");
	datagrams_are_spread("::", "127.0.0.1");
}

static void who_is_connected_has_his_own(void)
{
	char text[4];

	for (int n = 0; n < 2; n++) {
		int fds[2], client = at_port(SOCK_DGRAM, NEITHER, "127.0.0.1", 0);

		fds[0] = at_port(SOCK_DGRAM, PORT, "127.0.0.1", 0);
		fds[1] = at_port(SOCK_DGRAM, PORT, "127.0.0.1", inet_port(fds[0]));
		OK(inet_connect(fds[n], "127.0.0.1", inet_port(client)));
		OK(inet_connect(client, "127.0.0.1", inet_port(fds[0])));
		EQUAL(send(client, "x", 1, 0), 1);
		EQUAL(who_has(fds, 2), n);
		EQUAL(recv(fds[n], text, sizeof(text), 0), 1);
	}
}

/* Without SO_REUSEPORT who came last has it all. */
static void the_last_has_it(void)
{
	int fds[3], client = OK(socket(AF_INET, SOCK_DGRAM, 0));
	char text[4];

	fds[0] = at_port(SOCK_DGRAM, ADDRESS, "127.0.0.1", 0);
	fds[1] = at_port(SOCK_DGRAM, ADDRESS, "127.0.0.1", inet_port(fds[0]));
	fds[2] = at_port(SOCK_DGRAM, ADDRESS, "0.0.0.0", inet_port(fds[0]));
	OK(inet_connect(client, "127.0.0.1", inet_port(fds[0])));
	for (int n = 0; n < 8; n++) {
		EQUAL(send(client, "x", 1, 0), 1);
		EQUAL(who_has(fds, 3), 1); /* of those that have just that address */
		EQUAL(recv(fds[1], text, sizeof(text), 0), 1);
	}
}

static void connections_are_spread(const char *address, const char *to)
{
	int fds[SHARERS], count[SHARERS] = {};

	fds[0] = at_port(SOCK_STREAM, PORT, address, 0);
	uint16_t port = inet_port(fds[0]);
	OK(listen(fds[0], 8));
	for (int n = 1; n < SHARERS; n++) {
		fds[n] = at_port(SOCK_STREAM, PORT, address, port);
		OK(listen(fds[n], 8));
	}
	for (int n = 0; n < SENDERS; n++) {
		int client = OK(socket(strchr(to, ':') != nullptr ? AF_INET6 : AF_INET, SOCK_STREAM, 0));

		OK(inet_connect(client, to, port));
		int who = who_has(fds, SHARERS);
		OK(close(OK(accept(fds[who], nullptr, nullptr))));
		OK(close(client));
		count[who]++;
	}
	for (int n = 0; n < SHARERS; n++)
		CHECK(count[n] > 0);
}

static void connections(void)
{
	connections_are_spread("127.0.0.1", "127.0.0.1");
	connections_are_spread("0.0.0.0", "127.0.0.1");
	connections_are_spread("::1", "::1");
	connections_are_spread("::", "127.0.0.1");
}

/* A listener at just that address is asked before one at all. */
static void the_nearest_is_asked(void)
{
	int fds[2];

	fds[0] = at_port(SOCK_STREAM, PORT, "127.0.0.1", 0);
	fds[1] = at_port(SOCK_STREAM, PORT, "0.0.0.0", inet_port(fds[0]));
	OK(listen(fds[0], 16));
	OK(listen(fds[1], 16));
	for (int n = 0; n < 8; n++) {
		int client = OK(socket(AF_INET, SOCK_STREAM, 0));

		OK(inet_connect(client, n < 4 ? "127.0.0.1" : "127.0.0.2", inet_port(fds[0])));
		int who = who_has(fds, 2);
		EQUAL(who, n < 4 ? 0 : 1);
		OK(close(OK(accept(fds[who], nullptr, nullptr))));
		OK(close(client));
	}
}

KTAP_MAIN(CASE(the_options), CASE(who_may_be_beside_whom), CASE(both_options_are_enough), CASE(versions_overlap),
	  CASE(a_port_is_one_users), CASE(it_is_its_makers), CASE(one_listens), CASE(connections_are_in_the_way),
	  CASE(a_connection_is_one), CASE(datagrams), CASE(who_is_connected_has_his_own), CASE(the_last_has_it),
	  CASE(connections), CASE(the_nearest_is_asked))
