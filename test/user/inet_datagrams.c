/* SPDX-License-Identifier: MIT */
/* UDP and ICMP over the loopback interface (udp(7), ip(7), ipv6(7), icmp(7), raw(7)). */
#include "inet_sockets.h"

#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

static long send_to(int fd, const char *address, uint16_t port, const char *text)
{
	union inet_address a;
	socklen_t length = inet_of_text(&a, address, port);

	return sendto(fd, text, strlen(text), 0, &a.any, length);
}

static int bound(int family, const char *address)
{
	int fd = OK(socket(family, SOCK_DGRAM, 0));

	OK(inet_bind(fd, address, 0));
	CHECK(inet_port(fd) != 0);
	return fd;
}

static void each_stays_whole(void)
{
	union inet_address a = {};
	socklen_t length = sizeof(a);
	char text[16] = {};
	int pending;

	int server = bound(AF_INET, "127.0.0.1"), client = OK(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
	FAILS(EDESTADDRREQ, send(client, "x", 1, 0));
	FAILS(EINVAL, send_to(client, "127.0.0.1", 0, "x"));
	EQUAL(send_to(client, "127.0.0.1", inet_port(server), "first"), 5);
	EQUAL(send_to(client, "127.0.0.1", inet_port(server), ""), 0);
	EQUAL(send_to(client, "127.0.0.1", inet_port(server), "second"), 6);
	OK(ioctl(server, FIONREAD, &pending));
	EQUAL(pending, 5);
	EQUAL(recv(server, text, sizeof(text), MSG_PEEK), 5);
	EQUAL(recvfrom(server, text, sizeof(text), 0, &a.any, &length), 5);
	CHECK(length == sizeof(a.v4) && a.v4.sin_family == AF_INET);
	EQUAL(ntohl(a.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	EQUAL(ntohs(a.v4.sin_port), inet_port(client));
	EQUAL(inet_ready(server, POLLIN | POLLOUT), POLLIN | POLLOUT);
	EQUAL(recv(server, text, sizeof(text), 0), 0);
	EQUAL(recv(server, text, 3, MSG_TRUNC), 6);
	CHECK(memcmp(text, "sec", 3) == 0);
	EQUAL(inet_ready(server, POLLIN | POLLOUT), POLLOUT);
	FAILS(EAGAIN, recv(server, text, sizeof(text), MSG_DONTWAIT));
	FAILS(EOPNOTSUPP, listen(server, 1));
	FAILS(EOPNOTSUPP, accept(server, nullptr, nullptr));
}

static void large_ones(void)
{
	static unsigned char out[65507], in[65507];
	int server = bound(AF_INET, "127.0.0.1"), client = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct iovec parts[2] = {{in, 1000}, {in + 1000, sizeof(in) - 1000}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

	for (size_t n = 0; n < sizeof(out); n++)
		out[n] = (unsigned char)(n * 7 + n / 251);
	OK(inet_connect(client, "127.0.0.1", inet_port(server)));
	EQUAL(send(client, out, sizeof(out), 0), sizeof(out));
	EQUAL(recvmsg(server, &m, 0), sizeof(in));
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	FAILS(EMSGSIZE, send(client, out, sizeof(out) + 1, 0));
	EQUAL(send(client, out, 100, 0), 100);
	parts[0].iov_len = 10;
	m.msg_iovlen = 1;
	EQUAL(recvmsg(server, &m, 0), 10);
	CHECK(m.msg_flags & MSG_TRUNC);
}

static void a_default_address(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	union inet_address a = {};
	socklen_t length = sizeof(a);
	char text[8];

	int server = bound(AF_INET, "127.0.0.1"), client = OK(socket(AF_INET, SOCK_DGRAM, 0));
	int third = bound(AF_INET, "127.0.0.1");
	FAILS(ENOTCONN, getpeername(client, &a.any, &length));
	OK(inet_connect(client, "127.0.0.1", inet_port(server)));
	length = sizeof(a);
	OK(getsockname(client, &a.any, &length));
	EQUAL(ntohl(a.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	length = sizeof(a);
	OK(getpeername(client, &a.any, &length));
	EQUAL(ntohs(a.v4.sin_port), inet_port(server));
	EQUAL(write(client, "hi", 2), 2);
	EQUAL(read(server, text, sizeof(text)), 2);
	/* From others it takes nothing. */
	EQUAL(send_to(third, "127.0.0.1", inet_port(client), "no"), 2);
	EQUAL(send_to(server, "127.0.0.1", inet_port(client), "yes"), 3);
	EQUAL(read(client, text, sizeof(text)), 3);
	FAILS(EAGAIN, recv(client, text, sizeof(text), MSG_DONTWAIT));
	OK(connect(client, &none, sizeof(none)));
	FAILS(EDESTADDRREQ, write(client, "x", 1));
	length = sizeof(a);
	FAILS(ENOTCONN, getpeername(client, &a.any, &length));
	OK(inet_connect(client, "127.0.0.1", inet_port(third)));
	EQUAL(write(client, "3", 1), 1);
	EQUAL(read(third, text, sizeof(text)), 1);
	OK(shutdown(client, SHUT_RDWR));
	EQUAL(read(client, text, sizeof(text)), 0);
	EQUAL(inet_ready(client, POLLIN), POLLIN | POLLHUP);
	FAILS(EPIPE, send(client, "x", 1, MSG_NOSIGNAL));
	/* It fails for want of a connection, and is shut nevertheless. */
	OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	FAILS(ENOTCONN, shutdown(server, SHUT_WR));
	FAILS(EPIPE, send_to(server, "127.0.0.1", 9, "x"));
}

static int socket_error(int fd)
{
	int error = -1;
	socklen_t length = sizeof(error);

	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
	return error;
}

static void nobody_is_there(const char *address, int family)
{
	char text[8];

	int gone = bound(family, address), client = OK(socket(family, SOCK_DGRAM, 0));
	uint16_t port = inet_port(gone);

	OK(close(gone));
	/* Who is not connected is not told. */
	EQUAL(send_to(client, address, port, "x"), 1);
	EQUAL(socket_error(client), 0);
	OK(inet_connect(client, address, port));
	EQUAL(write(client, "x", 1), 1);
	EQUAL(inet_ready(client, POLLIN), POLLERR);
	FAILS(ECONNREFUSED, read(client, text, 1));
	FAILS(EAGAIN, recv(client, text, 1, MSG_DONTWAIT));
	EQUAL(write(client, "x", 1), 1);
	FAILS(ECONNREFUSED, write(client, "x", 1));
	EQUAL(write(client, "x", 1), 1);
	EQUAL(socket_error(client), ECONNREFUSED);
	EQUAL(socket_error(client), 0);
}

static void a_port_refuses(void)
{
	nobody_is_there("127.0.0.1", AF_INET);
	nobody_is_there("::1", AF_INET6);
}

static void addresses_are_taken_once(void)
{
	int on = 1, a = bound(AF_INET, "127.0.0.1"), b = OK(socket(AF_INET, SOCK_DGRAM, 0));
	union inet_address wrong = {.v4.sin_family = AF_INET};

	FAILS(EADDRINUSE, inet_bind(b, "127.0.0.1", inet_port(a)));
	FAILS(EADDRINUSE, inet_bind(b, "0.0.0.0", inet_port(a)));
	FAILS(EADDRNOTAVAIL, inet_bind(b, "192.0.2.1", 0));
	FAILS(EINVAL, inet_bind(a, "127.0.0.1", 0));
	FAILS(EINVAL, bind(b, &wrong.any, 8));
	wrong.any.sa_family = AF_UNIX;
	FAILS(EAFNOSUPPORT, bind(b, &wrong.any, sizeof(wrong.v4)));
	OK(close(a));
	a = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	OK(setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	OK(inet_bind(a, "127.0.0.1", 0));
	OK(inet_bind(b, "127.0.0.1", inet_port(a)));
	pid_t child = CHILD({
		ktap_become(65534);
		int low = OK(socket(AF_INET, SOCK_DGRAM, 0));
		FAILS(EACCES, inet_bind(low, "127.0.0.1", 53));
	});
	EXITS(child, 0);
}

static void everybody_is_not_told_by_accident(void)
{
	int on = 1, fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	FAILS(EACCES, send_to(fd, "127.255.255.255", 9, "x"));
	FAILS(EACCES, inet_connect(fd, "127.255.255.255", 9));
	OK(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
	EQUAL(send_to(fd, "127.255.255.255", 9, "x"), 1);
}

static void two_versions(void)
{
	union inet_address a = {};
	socklen_t length = sizeof(a);
	int on = 1, value = -1;
	char text[8];

	int both = OK(socket(AF_INET6, SOCK_DGRAM, 0)), six = OK(socket(AF_INET6, SOCK_DGRAM, 0));
	int four = bound(AF_INET, "127.0.0.1");
	length = sizeof(value);
	OK(getsockopt(both, IPPROTO_IPV6, IPV6_V6ONLY, &value, &length));
	EQUAL(value, 0);
	OK(inet_bind(both, "::", 0));
	EQUAL(send_to(four, "127.0.0.1", inet_port(both), "four"), 4);
	length = sizeof(a);
	EQUAL(recvfrom(both, text, sizeof(text), 0, &a.any, &length), 4);
	CHECK(length == sizeof(a.v6) && IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr));
	EQUAL(sendto(both, "back", 4, 0, &a.any, length), 4);
	EQUAL(read(four, text, sizeof(text)), 4);
	EQUAL(send_to(six, "::1", inet_port(both), "six"), 3);
	length = sizeof(a);
	EQUAL(recvfrom(both, text, sizeof(text), 0, &a.any, &length), 3);
	CHECK(IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr));
	/* A socket for version 6 alone leaves version 4 to others. */
	OK(close(both));
	both = OK(socket(AF_INET6, SOCK_DGRAM, 0));
	OK(setsockopt(both, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	OK(inet_bind(both, "::", inet_port(four)));
	FAILS(EINVAL, setsockopt(both, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	FAILS(ENETUNREACH, inet_connect(both, "::ffff:127.0.0.1", 9));
	EQUAL(send_to(six, "::1", inet_port(four), "6"), 1);
	EQUAL(read(both, text, sizeof(text)), 1);
	FAILS(EAGAIN, recv(four, text, 1, MSG_DONTWAIT));
}

static void a_full_buffer_drops(void)
{
	static char text[1000];
	int size = 4096, got = 0;

	int server = bound(AF_INET, "127.0.0.1"), client = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	OK(inet_connect(client, "127.0.0.1", inet_port(server)));
	for (int n = 0; n < 100; n++)
		EQUAL(send(client, text, sizeof(text), 0), sizeof(text));
	while (recv(server, text, sizeof(text), MSG_DONTWAIT) > 0)
		got++;
	CHECK(got > 0 && got < 50);
	EQUAL(send(client, text, 1, 0), 1);
	EQUAL(recv(server, text, sizeof(text), 0), 1);
}

static void who_waits_is_woken(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int ep = OK(epoll_create1(0)), server = bound(AF_INET, "127.0.0.1");
	uint16_t port = inet_port(server);
	char text[8];

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, server, &e));
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	pid_t reads = CHILD({
		EQUAL(read(server, text, sizeof(text)), 4);
		int client = OK(socket(AF_INET, SOCK_DGRAM, 0));
		EQUAL(send_to(client, "127.0.0.1", port, "done"), 4);
	});
	ktap_until_state(reads, "S");
	int client = OK(socket(AF_INET, SOCK_DGRAM, 0));
	EQUAL(send_to(client, "127.0.0.1", port, "wake"), 4);
	EXITS(reads, 0);
	EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	EQUAL(read(server, text, sizeof(text)), 4);
}

static uint16_t sum_of(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t sum = 0;

	for (size_t at = 0; at + 1 < n; at += 2)
		sum += (uint32_t)(p[at] << 8 | p[at + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void raw_sockets_ping(void)
{
	struct {
		struct icmphdr header;
		char text[8];
	} request = {.header.type = ICMP_ECHO, .header.un.echo.id = htons(77), .text = "seventy"}, answer;
	unsigned char packet[256];
	ssize_t n;

	if (geteuid() != 0)
		ktap_skip("needs root");
	int fd = OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	OK(inet_connect(fd, "127.0.0.1", 0));
	request.header.checksum = htons(sum_of(&request, sizeof(request)));
	EQUAL(send(fd, &request, sizeof(request), 0), sizeof(request));
	/* It sees the request, too. */
	do {
		n = OK(recv(fd, packet, sizeof(packet), 0));
		CHECK(n == sizeof(struct iphdr) + sizeof(answer) && packet[0] == 0x45);
		memcpy(&answer, packet + sizeof(struct iphdr), sizeof(answer));
	} while (answer.header.type == ICMP_ECHO);
	EQUAL(answer.header.type, ICMP_ECHOREPLY);
	CHECK(answer.header.un.echo.id == htons(77) && strcmp(answer.text, "seventy") == 0);
	pid_t child = CHILD({
		ktap_become(65534);
		FAILS(EPERM, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	});
	EXITS(child, 0);
}

static void what_is_unknown_is_refused(void)
{
	int on = 1, fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	FAILS(ENOPROTOOPT, setsockopt(fd, SOL_SOCKET, 9999, &on, sizeof(on)));
	FAILS(ENOPROTOOPT, setsockopt(fd, IPPROTO_IP, 9999, &on, sizeof(on)));
	FAILS(EPROTONOSUPPORT, socket(AF_INET, SOCK_DGRAM, 99));
	FAILS(ESOCKTNOSUPPORT, socket(AF_INET, SOCK_SEQPACKET, 0));
	FAILS(EINVAL, socket(AF_INET, SOCK_DGRAM, 4096));
}

struct stress {
	int fd, count;
};

static void *sends_many(void *arg)
{
	struct stress *s = arg;

	for (int n = 0; n < s->count; n++)
		EQUAL(write(s->fd, &n, sizeof(n)), sizeof(n));
	return nullptr;
}

/* Two senders and one who echoes, each of whom may be on a CPU of its own; nothing is lost while the buffer has room.
 */
static void many_at_once(void)
{
	enum { COUNT = 100 };
	int server = bound(AF_INET, "127.0.0.1"), next[2] = {}, value;
	union inet_address from;
	struct stress senders[2];
	pthread_t threads[2];

	for (int n = 0; n < 2; n++) {
		senders[n] = (struct stress){OK(socket(AF_INET, SOCK_DGRAM, 0)), COUNT};
		OK(inet_connect(senders[n].fd, "127.0.0.1", inet_port(server)));
		EQUAL(pthread_create(&threads[n], nullptr, sends_many, &senders[n]), 0);
	}
	for (int n = 0; n < 2 * COUNT; n++) {
		socklen_t length = sizeof(from);

		EQUAL(recvfrom(server, &value, sizeof(value), 0, &from.any, &length), sizeof(value));
		int who = ntohs(from.v4.sin_port) == inet_port(senders[1].fd);
		EQUAL(value, next[who]++);
	}
	for (int n = 0; n < 2; n++) {
		EQUAL(pthread_join(threads[n], nullptr), 0);
		EQUAL(next[n], COUNT);
	}
}

KTAP_MAIN(CASE(each_stays_whole), CASE(large_ones), CASE(a_default_address), CASE(a_port_refuses),
	  CASE(addresses_are_taken_once), CASE(everybody_is_not_told_by_accident), CASE(two_versions),
	  CASE(a_full_buffer_drops), CASE(who_waits_is_woken), CASE(raw_sockets_ping), CASE(what_is_unknown_is_refused),
	  CASE(many_at_once))
