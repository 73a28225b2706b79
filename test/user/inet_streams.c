/* SPDX-License-Identifier: MIT */
/* TCP over the loopback interface (tcp(7), ip(7), socket(7)). */
#include "inet_sockets.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static int listener(const char *address, uint16_t port, int backlog)
{
	int on = 1, fd = OK(socket(strchr(address, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0));

	OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	OK(inet_bind(fd, address, port));
	OK(listen(fd, backlog));
	return fd;
}

static int connected(const char *address, uint16_t port)
{
	int fd = OK(socket(strchr(address, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0));

	OK(inet_connect(fd, address, port));
	return fd;
}

/* Both ends of a connection. */
static void pair(const char *address, int ends[2])
{
	int l = listener(address, 0, 1);

	ends[0] = connected(address, inet_port(l));
	ends[1] = OK(accept(l, nullptr, nullptr));
	OK(close(l));
}

static void until(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	EQUAL(poll(&p, 1, -1), 1);
	CHECK(p.revents & (events | POLLERR | POLLHUP));
}

static int socket_error(int fd)
{
	int error = -1;
	socklen_t length = sizeof(error);

	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
	return error;
}

static void talks(const char *address)
{
	union inet_address a = {};
	socklen_t length = sizeof(a);
	char text[16] = {};
	int pending;

	int l = listener(address, 0, 5), client = connected(address, inet_port(l));
	EQUAL(inet_ready(l, POLLIN), POLLIN);
	int server = OK(accept4(l, &a.any, &length, SOCK_CLOEXEC));
	EQUAL(a.any.sa_family == AF_INET ? ntohs(a.v4.sin_port) : ntohs(a.v6.sin6_port), inet_port(client));
	EQUAL(inet_port(server), inet_port(l));
	EQUAL(inet_ready(client, POLLIN | POLLOUT), POLLOUT);
	EQUAL(write(client, "ping", 4), 4);
	until(server, POLLIN);
	OK(ioctl(server, FIONREAD, &pending));
	EQUAL(pending, 4);
	EQUAL(recv(server, text, 2, MSG_PEEK), 2);
	EQUAL(read(server, text, 2), 2);
	EQUAL(read(server, text + 2, sizeof(text)), 2);
	CHECK(memcmp(text, "ping", 4) == 0);
	FAILS(EAGAIN, recv(server, text, 1, MSG_DONTWAIT));
	EQUAL(send(server, "po", 2, MSG_MORE), 2);
	EQUAL(send(server, "ng", 2, 0), 2);
	EQUAL(recv(client, text, 4, MSG_WAITALL), 4);
	CHECK(memcmp(text, "pong", 4) == 0);
	/* Half of it ends, and then the other half. */
	OK(shutdown(client, SHUT_WR));
	EQUAL(read(server, text, 1), 0);
	EQUAL(inet_ready(server, POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	FAILS(EPIPE, send(client, "x", 1, MSG_NOSIGNAL));
	EQUAL(write(server, "late", 4), 4);
	EQUAL(recv(client, text, 4, MSG_WAITALL), 4);
	OK(close(server));
	EQUAL(read(client, text, 1), 0);
	EQUAL(inet_ready(client, POLLIN | POLLOUT) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
	OK(close(client));
}

static void a_conversation(void)
{
	talks("127.0.0.1");
	talks("::1");
}

static void without_a_connection(void)
{
	union inet_address a = {};
	socklen_t length = sizeof(a);
	char text[4];
	int fd = OK(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));

	EQUAL(inet_ready(fd, POLLIN | POLLOUT), POLLOUT | POLLHUP);
	FAILS(ENOTCONN, recv(fd, text, 1, 0));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));
	FAILS(ENOTCONN, shutdown(fd, SHUT_RDWR));
	FAILS(ENOTCONN, getpeername(fd, &a.any, &length));
	FAILS(EINVAL, accept(fd, nullptr, nullptr));
	OK(inet_bind(fd, "127.0.0.1", 0));
	FAILS(EINVAL, inet_bind(fd, "127.0.0.1", 0));
	OK(listen(fd, 1));
	OK(listen(fd, 2));
	FAILS(ENOTCONN, recv(fd, text, 1, 0));
	FAILS(EAGAIN, (fcntl(fd, F_SETFL, O_NONBLOCK), accept(fd, nullptr, nullptr)));
	EQUAL(inet_ready(fd, POLLIN | POLLOUT), 0);
}

static void nobody_listens(void)
{
	int l = listener("127.0.0.1", 0, 1), fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	uint16_t port = inet_port(l);

	OK(close(l));
	FAILS(ECONNREFUSED, inet_connect(fd, "127.0.0.1", port));
	EQUAL(socket_error(fd), 0);
	OK(close(fd));
	fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(EINPROGRESS, inet_connect(fd, "127.0.0.1", port));
	until(fd, POLLOUT);
	EQUAL(socket_error(fd), ECONNREFUSED);
	EQUAL(socket_error(fd), 0);
}

static void connects_without_waiting(void)
{
	int l = listener("127.0.0.1", 0, 1), fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	char text[4];

	FAILS(EINPROGRESS, inet_connect(fd, "127.0.0.1", inet_port(l)));
	until(fd, POLLOUT);
	EQUAL(socket_error(fd), 0);
	OK(inet_connect(fd, "127.0.0.1", inet_port(l))); /* once, that it stands */
	FAILS(EISCONN, inet_connect(fd, "127.0.0.1", inet_port(l)));
	int server = OK(accept(l, nullptr, nullptr));
	EQUAL(write(fd, "now", 3), 3);
	EQUAL(recv(server, text, 3, MSG_WAITALL), 3);
	FAILS(EAGAIN, read(fd, text, 1));
}

static void what_is_unread_resets(void)
{
	int ends[2];
	char text[4];

	pair("127.0.0.1", ends);
	EQUAL(write(ends[0], "unread", 6), 6);
	until(ends[1], POLLIN);
	OK(close(ends[1]));
	until(ends[0], POLLIN);
	FAILS(ECONNRESET, read(ends[0], text, 1));
	EQUAL(read(ends[0], text, 1), 0);
	FAILS(EPIPE, send(ends[0], "x", 1, MSG_NOSIGNAL));
	EQUAL(inet_ready(ends[0], POLLIN | POLLOUT), POLLIN | POLLOUT | POLLHUP);
}

static void a_lingering_second_of_none_resets(void)
{
	struct linger at_once = {1, 0}, patient = {1, 100};
	int ends[2];
	char text[4];

	pair("127.0.0.1", ends);
	OK(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	OK(close(ends[0]));
	until(ends[1], POLLIN);
	EQUAL(socket_error(ends[1]), ECONNRESET);
	OK(close(ends[1]));
	pair("127.0.0.1", ends);
	OK(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &patient, sizeof(patient)));
	EQUAL(write(ends[0], "bye", 3), 3);
	OK(close(ends[0]));
	EQUAL(recv(ends[1], text, 4, MSG_WAITALL), 3);
}

static void a_broken_pipe_is_a_signal(void)
{
	pid_t child = CHILD({
		int ends[2];

		pair("127.0.0.1", ends);
		OK(shutdown(ends[0], SHUT_WR));
		(void)write(ends[0], "x", 1);
	});

	DIES(child, SIGPIPE);
}

/* A listener that nobody serves has connections that were made all the same. */
static void a_backlog(void)
{
	int l = listener("127.0.0.1", 0, 3), clients[4];
	char text[4];

	for (int n = 0; n < 4; n++)
		clients[n] = connected("127.0.0.1", inet_port(l));
	for (int n = 0; n < 4; n++)
		EQUAL(write(clients[n], &n, sizeof(n)), sizeof(n));
	for (int n = 0; n < 3; n++) {
		int server = OK(accept(l, nullptr, nullptr)), value = -1;

		EQUAL(recv(server, &value, sizeof(value), MSG_WAITALL), sizeof(value));
		EQUAL(value, n);
		OK(close(server));
		EQUAL(read(clients[n], text, 1), 0);
	}
	/* The one that is left is reset with its listener. */
	OK(close(l));
	until(clients[3], POLLIN);
	EQUAL(socket_error(clients[3]), ECONNRESET);
}

static void who_waits_is_woken(void)
{
	int l = listener("127.0.0.1", 0, 1);
	uint16_t port = inet_port(l);
	char text[4];

	pid_t serves = CHILD({
		int fd = OK(accept(l, nullptr, nullptr));
		EQUAL(read(fd, text, sizeof(text)), 3);
		EQUAL(write(fd, "yes", 3), 3);
	});
	ktap_until_state(serves, "S");
	int fd = connected("127.0.0.1", port);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int ep = OK(epoll_create1(0));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	CHECK(e.events == EPOLLOUT);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	EQUAL(write(fd, "you", 3), 3);
	do
		EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	while (!(e.events & EPOLLIN));
	EQUAL(read(fd, text, sizeof(text)), 3);
	EXITS(serves, 0);
	EQUAL(read(fd, text, sizeof(text)), 0);
}

static void addresses_are_taken_once(void)
{
	int l = listener("127.0.0.1", 0, 1), on = 1;
	uint16_t port = inet_port(l);
	int other = OK(socket(AF_INET, SOCK_STREAM, 0));

	FAILS(EADDRINUSE, inet_bind(other, "127.0.0.1", port));
	FAILS(EADDRNOTAVAIL, inet_bind(other, "192.0.2.1", 0));
	/* What is over is remembered for a while, which who says so need not wait for. */
	int client = connected("127.0.0.1", port), server = OK(accept(l, nullptr, nullptr));
	OK(close(server));
	OK(close(client));
	OK(close(l));
	OK(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	OK(inet_bind(other, "127.0.0.1", port));
	OK(listen(other, 1));
	OK(close(connected("127.0.0.1", port)));
}

static void two_versions(void)
{
	union inet_address a = {};
	socklen_t length = sizeof(a);

	int l = listener("::", 0, 2), four = connected("127.0.0.1", inet_port(l));
	int server = OK(accept(l, &a.any, &length));
	CHECK(length == sizeof(a.v6) && IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr));
	OK(close(server));
	OK(close(four));
	OK(close(connected("::1", inet_port(l))));
	int mapped = OK(socket(AF_INET6, SOCK_STREAM, 0));
	OK(inet_connect(mapped, "::ffff:127.0.0.1", inet_port(l)));
	length = sizeof(a);
	OK(getpeername(mapped, &a.any, &length));
	CHECK(IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr));
}

static void options(void)
{
	int ends[2], value = -1, seconds = 33;
	socklen_t length = sizeof(value);

	pair("127.0.0.1", ends);
	OK(getsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, &length));
	EQUAL(value, 0);
	value = 1;
	OK(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)));
	OK(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)));
	OK(setsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds)));
	value = 0;
	OK(getsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, &length));
	EQUAL(value, seconds);
	OK(getsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, &length));
	EQUAL(value, 1);
	value = 0;
	FAILS(EINVAL, setsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)));
	FAILS(ENOPROTOOPT, setsockopt(ends[0], IPPROTO_TCP, 9999, &value, sizeof(value)));
}

/* --- a stream of known bytes --- */

enum : size_t { STREAM = 1 << 20 };

static unsigned char byte_at(size_t n)
{
	return (unsigned char)(n * 31 + n / 4093);
}

static void *writes_all(void *arg)
{
	int fd = *(int *)arg;
	unsigned char part[10007];

	for (size_t done = 0; done < STREAM;) {
		size_t n = STREAM - done < sizeof(part) ? STREAM - done : sizeof(part);

		for (size_t at = 0; at < n; at++)
			part[at] = byte_at(done + at);
		ssize_t written = OK(write(fd, part, n));
		done += (size_t)written;
	}
	OK(shutdown(fd, SHUT_WR));
	return nullptr;
}

static void *reads_all(void *arg)
{
	int fd = *(int *)arg;
	unsigned char part[7001];
	size_t done = 0;
	ssize_t n;

	while ((n = OK(read(fd, part, sizeof(part)))) > 0) {
		for (ssize_t at = 0; at < n; at++)
			CHECK(part[at] == byte_at(done + (size_t)at));
		done += (size_t)n;
	}
	EQUAL(done, STREAM);
	return nullptr;
}

static void both_ways_at_once(void)
{
	pthread_t threads[4];
	int ends[2];

	pair("127.0.0.1", ends);
	for (int n = 0; n < 2; n++) {
		EQUAL(pthread_create(&threads[2 * n], nullptr, writes_all, &ends[n]), 0);
		EQUAL(pthread_create(&threads[2 * n + 1], nullptr, reads_all, &ends[n]), 0);
	}
	for (int n = 0; n < 4; n++)
		EQUAL(pthread_join(threads[n], nullptr), 0);
}

static void a_full_buffer(void)
{
	static unsigned char part[4096];
	size_t sent = 0, got = 0;
	int ends[2];
	ssize_t n;

	pair("127.0.0.1", ends);
	OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	while ((n = send(ends[0], part, sizeof(part), 0)) > 0)
		sent += (size_t)n;
	EQUAL(errno, EAGAIN);
	EQUAL(inet_ready(ends[0], POLLOUT), 0);
	while (got < sent) {
		n = OK(read(ends[1], part, sizeof(part)));
		got += (size_t)n;
	}
	EQUAL(got, sent);
	until(ends[0], POLLOUT);
	EQUAL(send(ends[0], "x", 1, 0), 1);
}

/* What cannot be copied is read by the next call. */
static void a_bad_address_loses_nothing(void)
{
	char text[8];
	int ends[2];

	pair("127.0.0.1", ends);
	EQUAL(write(ends[0], "kept", 4), 4);
	until(ends[1], POLLIN);
	FAILS(EFAULT, read(ends[1], (void *)8, 4));
	EQUAL(read(ends[1], text, sizeof(text)), 4);
	CHECK(memcmp(text, "kept", 4) == 0);
	FAILS(EFAULT, write(ends[0], (void *)8, 4));
}

KTAP_MAIN(CASE(a_conversation), CASE(without_a_connection), CASE(nobody_listens), CASE(connects_without_waiting),
	  CASE(what_is_unread_resets), CASE(a_lingering_second_of_none_resets), CASE(a_broken_pipe_is_a_signal),
	  CASE(a_backlog), CASE(who_waits_is_woken), CASE(addresses_are_taken_once), CASE(two_versions), CASE(options),
	  CASE(both_ways_at_once), CASE(a_full_buffer), CASE(a_bad_address_loses_nothing))
