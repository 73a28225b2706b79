/* SPDX-License-Identifier: MIT */
/* By which interface and address packets come and go: IP_PKTINFO and its like, SO_BINDTODEVICE, all of 127 (ip(7),
 * ipv6(7), socket(7)); TCP_INFO (tcp(7)). */
#include "inet_sockets.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>

#pragma clang diagnostic ignored "-Wsign-compare" /* in musl's CMSG_NXTHDR */

#define lo ((int)if_nametoindex("lo"))

struct note {
	uint64_t control[32];
	struct msghdr h;
	struct iovec v;
	char text[32];
	union inet_address a;
};

static void prepare(struct note *n)
{
	*n = (struct note){};
	n->v = (struct iovec){n->text, sizeof(n->text)};
	n->h = (struct msghdr){.msg_name = &n->a,
			       .msg_namelen = sizeof(n->a),
			       .msg_iov = &n->v,
			       .msg_iovlen = 1,
			       .msg_control = n->control,
			       .msg_controllen = sizeof(n->control)};
}

static const void *find(struct note *n, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&n->h); c != nullptr; c = CMSG_NXTHDR(&n->h, c)) {
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	}
	return nullptr;
}

static void put(struct note *n, int level, int type, const void *data, size_t length)
{
	struct cmsghdr *c = (struct cmsghdr *)n->control;

	*c = (struct cmsghdr){.cmsg_len = (socklen_t)CMSG_LEN(length), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(c), data, length);
	n->h.msg_controllen = CMSG_SPACE(length);
}

static void set(int fd, int level, int option, int value)
{
	int got = -1;
	socklen_t length = sizeof(got);

	OK(setsockopt(fd, level, option, &value, sizeof(value)));
	OK(getsockopt(fd, level, option, &got, &length));
	EQUAL(got, value);
}

static void where_it_came_to(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), out = OK(socket(AF_INET, SOCK_DGRAM, 0)), ttl;
	struct in_pktinfo p;
	struct note n;

	OK(inet_bind(fd, "0.0.0.0", 0));
	set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	set(out, IPPROTO_IP, IP_TTL, 7);
	OK(inet_connect(out, "127.0.0.1", inet_port(fd)));
	EQUAL(send(out, "here", 4, 0), 4);
	prepare(&n);
	EQUAL(recvmsg(fd, &n.h, 0), 4);
	const void *at = find(&n, IPPROTO_IP, IP_PKTINFO);
	CHECK(at != nullptr);
	memcpy(&p, at, sizeof(p));
	EQUAL(p.ipi_ifindex, lo);
	EQUAL(ntohl(p.ipi_addr.s_addr), INADDR_LOOPBACK);
	EQUAL(ntohl(p.ipi_spec_dst.s_addr), INADDR_LOOPBACK);
	at = find(&n, IPPROTO_IP, IP_TTL);
	CHECK(at != nullptr);
	memcpy(&ttl, at, sizeof(ttl));
	EQUAL(ttl, 7);
	/* Nobody asked any more; and too little room is said. */
	set(fd, IPPROTO_IP, IP_RECVTTL, 0);
	EQUAL(send(out, "more", 4, 0), 4);
	prepare(&n);
	n.h.msg_controllen = CMSG_LEN(4);
	EQUAL(recvmsg(fd, &n.h, 0), 4);
	CHECK(n.h.msg_flags & MSG_CTRUNC);
	CHECK(find(&n, IPPROTO_IP, IP_TTL) == nullptr);
}

static void where_it_came_to_6(void)
{
	int fd = OK(socket(AF_INET6, SOCK_DGRAM, 0)), out = OK(socket(AF_INET6, SOCK_DGRAM, 0)), hops;
	struct in6_pktinfo p;
	struct note n;

	OK(inet_bind(fd, "::", 0));
	set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	OK(inet_connect(out, "::1", inet_port(fd)));
	EQUAL(send(out, "here", 4, 0), 4);
	prepare(&n);
	EQUAL(recvmsg(fd, &n.h, 0), 4);
	const void *at = find(&n, IPPROTO_IPV6, IPV6_PKTINFO);
	CHECK(at != nullptr);
	memcpy(&p, at, sizeof(p));
	EQUAL(p.ipi6_ifindex, lo);
	CHECK(IN6_IS_ADDR_LOOPBACK(&p.ipi6_addr));
	at = find(&n, IPPROTO_IPV6, IPV6_HOPLIMIT);
	CHECK(at != nullptr);
	memcpy(&hops, at, sizeof(hops));
	CHECK(hops >= 64 && hops <= 255);
}

/* The one and only message tells by which address it goes. */
static void where_it_goes_from(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), out = OK(socket(AF_INET, SOCK_DGRAM, 0)), ttl = 9, none = 0;
	struct in_pktinfo p = {.ipi_ifindex = lo, .ipi_spec_dst.s_addr = htonl(0x7f000005)};
	struct note n;

	OK(inet_bind(fd, "127.0.0.1", 0));
	set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	prepare(&n);
	n.v.iov_len = 4;
	n.h.msg_namelen = inet_of_text(&n.a, "127.0.0.1", inet_port(fd));
	put(&n, IPPROTO_IP, IP_PKTINFO, &p, sizeof(p));
	EQUAL(sendmsg(out, &n.h, 0), 4);
	struct note got;
	prepare(&got);
	EQUAL(recvmsg(fd, &got.h, 0), 4);
	EQUAL(ntohl(got.a.v4.sin_addr.s_addr), 0x7f000005);
	put(&n, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	EQUAL(sendmsg(out, &n.h, 0), 4);
	prepare(&got);
	EQUAL(recvmsg(fd, &got.h, 0), 4);
	EQUAL(ntohl(got.a.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	memcpy(&ttl, find(&got, IPPROTO_IP, IP_TTL), sizeof(ttl));
	EQUAL(ttl, 9);

	put(&n, IPPROTO_IP, IP_TTL, &none, sizeof(none));
	FAILS(EINVAL, sendmsg(out, &n.h, 0));
	put(&n, IPPROTO_IP, IP_PKTINFO, &p, 8);
	FAILS(EINVAL, sendmsg(out, &n.h, 0));
	/* Nobody sends as another. */
	p.ipi_spec_dst.s_addr = htonl(0xcb007109);
	put(&n, IPPROTO_IP, IP_PKTINFO, &p, sizeof(p));
	CHECK(sendmsg(out, &n.h, 0) < 0);
	p = (struct in_pktinfo){.ipi_ifindex = 99999};
	put(&n, IPPROTO_IP, IP_PKTINFO, &p, sizeof(p));
	CHECK(sendmsg(out, &n.h, 0) < 0);
}

static void all_of_127(void)
{
	int udp = OK(socket(AF_INET, SOCK_DGRAM, 0)), out = OK(socket(AF_INET, SOCK_DGRAM, 0));
	int listener = OK(socket(AF_INET, SOCK_STREAM, 0)), other = OK(socket(AF_INET, SOCK_STREAM, 0));
	union inet_address a;
	socklen_t length = sizeof(a);
	char text[8];

	OK(inet_bind(udp, "127.9.8.7", 0));
	OK(inet_connect(out, "127.9.8.7", inet_port(udp)));
	OK(getsockname(out, &a.any, &length));
	EQUAL(ntohl(a.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	EQUAL(send(out, "far", 3, 0), 3);
	EQUAL(recv(udp, text, sizeof(text), 0), 3);
	OK(inet_bind(listener, "127.0.0.2", 0));
	OK(listen(listener, 1));
	OK(inet_connect(other, "127.0.0.2", inet_port(listener)));
	int made = OK(accept(listener, nullptr, nullptr));
	EQUAL(send(other, "tcp", 3, 0), 3);
	EQUAL(recv(made, text, 3, MSG_WAITALL), 3);
	/* Who listens at one is not at another. */
	close(other);
	other = OK(socket(AF_INET, SOCK_STREAM, 0));
	FAILS(ECONNREFUSED, inet_connect(other, "127.0.0.3", inet_port(listener)));
}

static void bound_to_a_device(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), out = OK(socket(AF_INET, SOCK_DGRAM, 0));
	char name[IFNAMSIZ] = "?", text[8];
	socklen_t length = sizeof(name);

	OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
	EQUAL(length, 0);
	FAILS(ENODEV, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nobody0", 8));
	OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	length = sizeof(name);
	OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
	EQUAL(length, 3);
	CHECK(strcmp(name, "lo") == 0);
	length = 4;
	FAILS(EINVAL, getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
	OK(inet_bind(fd, "0.0.0.0", 0));
	OK(setsockopt(out, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	OK(inet_connect(out, "127.0.0.1", inet_port(fd)));
	EQUAL(send(out, "lo", 2, 0), 2);
	EQUAL(recv(fd, text, sizeof(text), 0), 2);
	OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	length = sizeof(name);
	OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
	EQUAL(length, 0);
}

static void a_connection_tells(void)
{
	int listener = OK(socket(AF_INET, SOCK_STREAM, 0)), fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	struct tcp_info i = {};
	socklen_t length = sizeof(i);

	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &length));
	EQUAL(i.tcpi_state, 7); /* closed */
	OK(inet_bind(listener, "127.0.0.1", 0));
	OK(listen(listener, 1));
	length = sizeof(i);
	OK(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &i, &length));
	EQUAL(i.tcpi_state, 10); /* listens */
	OK(inet_connect(fd, "127.0.0.1", inet_port(listener)));
	length = sizeof(i);
	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &length));
	EQUAL(i.tcpi_state, 1); /* established */
	CHECK(length >= 104 && i.tcpi_snd_mss >= 500 && i.tcpi_snd_cwnd > 0 && i.tcpi_rto > 0);
	EQUAL(i.tcpi_unacked, 0);
	length = 1;
	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &length));
	EQUAL(length, 1);
}

/* Bound to a device, to what the device itself has: it stays in the machine. For each device that has an address. */
static void own_addresses_by_device(void)
{
	struct ifaddrs *all, *i;
	char text[8];
	int count = 0;

	OK(getifaddrs(&all));
	for (i = all; i != nullptr; i = i->ifa_next) {
		struct sockaddr_in to;

		if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_UP) == 0)
			continue;
		memcpy(&to, i->ifa_addr, sizeof(to));
		to.sin_port = 0;
		int heard = OK(socket(AF_INET, SOCK_DGRAM, 0)), said = OK(socket(AF_INET, SOCK_DGRAM, 0));
		struct pollfd p = {.fd = heard, .events = POLLIN};
		OK(bind(heard, (struct sockaddr *)&to, sizeof(to)));
		to.sin_port = htons(inet_port(heard));
		OK(setsockopt(said, SOL_SOCKET, SO_BINDTODEVICE, i->ifa_name, (socklen_t)strlen(i->ifa_name)));
		EQUAL(sendto(said, "self", 4, 0, (struct sockaddr *)&to, sizeof(to)), 4);
		EQUAL(poll(&p, 1, 20000), 1);
		EQUAL(recv(heard, text, sizeof(text), 0), 4);
		OK(close(heard));
		OK(close(said));
		count++;
	}
	freeifaddrs(all);
	CHECK(count > 0);
}

static void how_long_a_packet_may_be(void)
{
	int l = OK(socket(AF_INET, SOCK_STREAM, 0)), fd, value = 0;
	socklen_t n = sizeof(value);

	OK(inet_bind(l, "127.0.0.1", 0));
	OK(listen(l, 1));
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		fd = OK(socket(AF_INET, type, 0));
		FAILS(ENOTCONN, getsockopt(fd, IPPROTO_IP, IP_MTU, &value, &n));
		OK(inet_connect(fd, "127.0.0.1", inet_port(l)));
		OK(getsockopt(fd, IPPROTO_IP, IP_MTU, &value, &n));
		EQUAL(value, 65535);
		FAILS(ENOPROTOOPT, setsockopt(fd, IPPROTO_IP, IP_MTU, &value, sizeof(value)));
		value = IP_PMTUDISC_DONT;
		OK(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof(value)));
		OK(getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &n));
		EQUAL(value, IP_PMTUDISC_DONT);
		value = 17;
		FAILS(EINVAL, setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof(value)));
	}
}

KTAP_MAIN(CASE(how_long_a_packet_may_be), CASE(own_addresses_by_device), CASE(where_it_came_to),
	  CASE(where_it_came_to_6), CASE(where_it_goes_from), CASE(all_of_127), CASE(bound_to_a_device),
	  CASE(a_connection_tells))
