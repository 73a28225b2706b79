/* SPDX-License-Identifier: MIT */
/* Errors that a socket keeps (IP_RECVERR of ip(7), IPV6_RECVERR of ipv6(7)): who told what of which packet, when it is
 * told, and how much of it is kept. What routers would tell is made by a raw socket here, and arrives over `lo`. */
#include "inet_sockets.h"

#include <net/if.h>
#pragma clang diagnostic ignored "-Wsign-compare" /* in musl's CMSG_NXTHDR */

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum { ROUND = 1024, MTU = 1500 };

/* struct sock_extended_err of ip(7), which the header of Linux alone has. */
struct extended {
	uint32_t ee_errno;
	uint8_t ee_origin, ee_type, ee_code, ee_pad;
	uint32_t ee_info, ee_data;
};
enum { ORIGIN_LOCAL = 1, ORIGIN_ICMP, ORIGIN_ICMP6 };

struct told {
	struct extended e;
	union inet_address offender, to;
	int flags, hops;
	ssize_t length;
	char bytes[256];
};

static int errors_on(int fd, int family)
{
	int on = 1;

	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on))
				 : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

static int pending(int fd)
{
	int error = -1;
	socklen_t length = sizeof(error);

	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
	return error;
}

static int made(int family, int type, int protocol)
{
	int fd = OK(socket(family, type, protocol));

	OK(errors_on(fd, family));
	return fd;
}

/* -1 and errno: nothing is there. */
static int next_error(int fd, struct told *t, size_t room)
{
	char control[256];
	struct iovec v = {t->bytes, room};
	struct msghdr m = {.msg_name = &t->to,
			   .msg_namelen = sizeof(t->to),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	bool seen = false;

	*t = (struct told){.hops = -1};
	t->length = recvmsg(fd, &m, MSG_ERRQUEUE);
	if (t->length < 0)
		return -1;
	t->flags = m.msg_flags;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			EQUAL(c->cmsg_len, CMSG_LEN(sizeof(t->e) + sizeof(t->offender.v4)));
			memcpy(&t->e, CMSG_DATA(c), sizeof(t->e));
			memcpy(&t->offender, CMSG_DATA(c) + sizeof(t->e), sizeof(t->offender.v4));
			seen = true;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR) {
			EQUAL(c->cmsg_len, CMSG_LEN(sizeof(t->e) + sizeof(t->offender.v6)));
			memcpy(&t->e, CMSG_DATA(c), sizeof(t->e));
			memcpy(&t->offender, CMSG_DATA(c) + sizeof(t->e), sizeof(t->offender.v6));
			seen = true;
		} else if (c->cmsg_type == (c->cmsg_level == IPPROTO_IP ? IP_TTL : IPV6_HOPLIMIT)) {
			memcpy(&t->hops, CMSG_DATA(c), sizeof(t->hops));
		}
	}
	CHECK(seen);
	CHECK(t->flags & MSG_ERRQUEUE);
	return 0;
}

static bool is(const union inet_address *a, const char *text, uint16_t port)
{
	union inet_address wanted;

	(void)inet_of_text(&wanted, text, port);
	if (a->any.sa_family != wanted.any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == wanted.v4.sin_port && a->v4.sin_addr.s_addr == wanted.v4.sin_addr.s_addr;
	return a->v6.sin6_port == wanted.v6.sin6_port &&
	       memcmp(&a->v6.sin6_addr, &wanted.v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

static ssize_t send_to(int fd, const char *address, uint16_t port, const char *text)
{
	union inet_address a;
	socklen_t length = inet_of_text(&a, address, port);

	return sendto(fd, text, strlen(text), 0, &a.any, length);
}

/* A port of this address that nobody has. */
static uint16_t empty_port(int family, const char *address)
{
	int fd = OK(socket(family, SOCK_DGRAM, 0));

	OK(inet_bind(fd, address, 0));
	uint16_t port = inet_port(fd);
	OK(close(fd));
	return port;
}

/* --- a port refuses --- */

static void refused(int family, const char *address, uint8_t origin, uint8_t type, uint8_t code)
{
	int fd = made(family, SOCK_DGRAM, 0), on = 1;
	uint16_t port = empty_port(family, address);
	struct told t;

	FAILS(EAGAIN, next_error(fd, &t, sizeof(t.bytes)));
	OK(family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on))
			     : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)));
	/* Without a connection, too. */
	EQUAL(send_to(fd, address, port, "hello"), 5);
	EQUAL(inet_ready(fd, POLLIN | POLLOUT), POLLOUT | POLLERR);
	OK(next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(t.e.ee_errno, ECONNREFUSED);
	EQUAL(t.e.ee_origin, origin);
	EQUAL(t.e.ee_type, type);
	EQUAL(t.e.ee_code, code);
	EQUAL(t.e.ee_info, 0);
	EQUAL(t.e.ee_data, 0);
	CHECK(is(&t.to, address, port));
	CHECK(is(&t.offender, address, 0));
	/* Of version 4 not everybody says more than the header (RFC 1122, 3.2.2). */
	CHECK(t.length == 5 || (family == AF_INET && t.length == 0));
	CHECK(memcmp(t.bytes, "hello", (size_t)t.length) == 0);
	CHECK(t.hops == 64 || t.hops == 255);
	EQUAL(t.flags, MSG_ERRQUEUE);
	/* With the last of them its error is told. */
	EQUAL(pending(fd), 0);
	EQUAL(inet_ready(fd, POLLIN | POLLOUT), POLLOUT);
	FAILS(EAGAIN, next_error(fd, &t, sizeof(t.bytes)));
}

static void a_refusal_is_kept(void)
{
	refused(AF_INET, "127.0.0.1", ORIGIN_ICMP, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
}

static void a_refusal_of_version_6_is_kept(void)
{
	refused(AF_INET6, "::1", ORIGIN_ICMP6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT);
}

static void what_is_told_first(void)
{
	int fd = made(AF_INET6, SOCK_DGRAM, 0);
	uint16_t port = empty_port(AF_INET6, "::1");
	struct told t;
	char text[8];

	/* A call takes the error, and what is kept stays. */
	EQUAL(send_to(fd, "::1", port, "one"), 3);
	FAILS(ECONNREFUSED, recv(fd, text, sizeof(text), MSG_DONTWAIT));
	FAILS(EAGAIN, recv(fd, text, sizeof(text), MSG_DONTWAIT));
	EQUAL(inet_ready(fd, POLLIN), POLLERR);
	/* So does sending, which does not send. */
	EQUAL(send_to(fd, "::1", port, "two"), 3);
	FAILS(ECONNREFUSED, send_to(fd, "::1", port, "none"));
	EQUAL(send_to(fd, "::1", port, "three"), 5);
	EQUAL(pending(fd), ECONNREFUSED);
	EQUAL(pending(fd), 0);
	EQUAL(inet_ready(fd, POLLIN), POLLERR);
	/* Whoever takes one that is not the last makes the next the error of the socket. */
	OK(next_error(fd, &t, sizeof(t.bytes)));
	CHECK(t.length == 3 && memcmp(t.bytes, "one", 3) == 0);
	EQUAL(pending(fd), ECONNREFUSED);
	OK(next_error(fd, &t, 1));
	EQUAL(t.length, 1);
	EQUAL(t.flags, MSG_ERRQUEUE | MSG_TRUNC);
	OK(next_error(fd, &t, sizeof(t.bytes)));
	CHECK(t.length == 5 && memcmp(t.bytes, "three", 5) == 0);
	EQUAL(pending(fd), 0);
	EQUAL(inet_ready(fd, POLLIN), 0);
}

static void plain_calls_read_them_too(void)
{
	int fd = made(AF_INET6, SOCK_DGRAM, 0);
	uint16_t port = empty_port(AF_INET6, "::1");
	union inet_address a = {};
	socklen_t length = sizeof(a);
	char text[8];

	OK(inet_connect(fd, "::1", port));
	EQUAL(write(fd, "plain", 5), 5);
	EQUAL(recvfrom(fd, text, sizeof(text), MSG_ERRQUEUE | MSG_PEEK, &a.any, &length), 5);
	CHECK(is(&a, "::1", port));
	EQUAL(length, sizeof(a.v6));
	/* Looking at one takes it. */
	FAILS(EAGAIN, recv(fd, text, sizeof(text), MSG_ERRQUEUE));
}

static void it_can_be_switched_off(void)
{
	int fd = made(AF_INET, SOCK_DGRAM, 0), value = -1, off = 0;
	uint16_t port = empty_port(AF_INET, "127.0.0.1");
	socklen_t length = sizeof(value);
	struct told t;

	OK(getsockopt(fd, IPPROTO_IP, IP_RECVERR, &value, &length));
	EQUAL(value, 1);
	EQUAL(send_to(fd, "127.0.0.1", port, "x"), 1);
	OK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof(off)));
	FAILS(EAGAIN, next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(pending(fd), ECONNREFUSED);
	EQUAL(send_to(fd, "127.0.0.1", port, "x"), 1);
	FAILS(EAGAIN, next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(pending(fd), 0);
	length = sizeof(value);
	OK(getsockopt(fd, IPPROTO_IP, IP_RECVERR, &value, &length));
	EQUAL(value, 0);
	FAILS(ENOPROTOOPT, setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &off, sizeof(off)));
}

static void who_waits_is_woken(void)
{
	int fd = made(AF_INET, SOCK_DGRAM, 0), e = OK(epoll_create1(0));
	uint16_t port = empty_port(AF_INET, "127.0.0.1");
	struct epoll_event want = {.events = EPOLLIN | EPOLLET}, got;
	struct pollfd p = {.fd = fd, .events = 0};
	struct told t;
	char c;

	OK(epoll_ctl(e, EPOLL_CTL_ADD, fd, &want));
	EQUAL(epoll_wait(e, &got, 1, 0), 0);
	pid_t reader = CHILD({
		FAILS(ECONNREFUSED, read(fd, &c, 1));
		EQUAL(poll(&p, 1, -1), 1);
		EQUAL(p.revents, POLLERR);
	});
	ktap_until_state(reader, "S");
	EQUAL(send_to(fd, "127.0.0.1", port, "x"), 1);
	EXITS(reader, 0);
	EQUAL(epoll_wait(e, &got, 1, -1), 1);
	EQUAL(got.events, EPOLLERR);
	EQUAL(epoll_wait(e, &got, 1, 0), 0);
	OK(next_error(fd, &t, sizeof(t.bytes)));
}

static void both_versions_of_one_socket(void)
{
	int fd = made(AF_INET6, SOCK_DGRAM, 0);
	uint16_t port = empty_port(AF_INET, "127.0.0.1");
	struct told t;

	EQUAL(send_to(fd, "::ffff:127.0.0.1", port, "four"), 4);
	FAILS(EAGAIN, next_error(fd, &t, sizeof(t.bytes)));
	OK(errors_on(fd, AF_INET));
	EQUAL(send_to(fd, "::ffff:127.0.0.1", port, "four"), 4);
	OK(next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(t.e.ee_origin, ORIGIN_ICMP);
	EQUAL(t.e.ee_errno, ECONNREFUSED);
	CHECK(is(&t.to, "::ffff:127.0.0.1", port));
	CHECK(is(&t.offender, "::ffff:127.0.0.1", 0));
}

/* --- what routers tell --- */

static uint16_t sum(const void *bytes, size_t n)
{
	const uint16_t *word = bytes;
	uint32_t s = 0;

	for (size_t i = 0; i < n / 2; i++)
		s += word[i];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* A router tells of a packet from 127.0.0.1 to `to` that begins with these eight bytes behind its header. */
static void tell4(uint8_t type, uint8_t code, uint32_t rest, uint8_t protocol, const char *to, const void *inner,
		  size_t n)
{
	static struct {
		struct icmphdr icmp;
		struct iphdr ip;
		char inner[64];
	} m;
	int raw = OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	union inet_address a;

	(void)inet_of_text(&a, to, 0);
	m.icmp = (struct icmphdr){.type = type, .code = code, .un.gateway = htonl(rest)};
	m.ip = (struct iphdr){.version = 4,
			      .ihl = 5,
			      .ttl = 1,
			      .protocol = protocol,
			      .tot_len = htons((uint16_t)(sizeof(m.ip) + n)),
			      .saddr = htonl(INADDR_LOOPBACK),
			      .daddr = a.v4.sin_addr.s_addr};
	m.ip.check = sum(&m.ip, sizeof(m.ip));
	memset(m.inner, 0, sizeof(m.inner));
	memcpy(m.inner, inner, n);
	m.icmp.checksum = sum(&m, sizeof(m));
	size_t total = sizeof(m) - sizeof(m.inner) + n;
	m.icmp.checksum = 0;
	m.icmp.checksum = sum(&m, total + total % 2);
	socklen_t length = inet_of_text(&a, "127.0.0.1", 0);
	EQUAL(sendto(raw, &m, total, 0, &a.any, length), (ssize_t)total);
	OK(close(raw));
}

/* The header of a datagram of ours, and two of its bytes. */
struct quoted {
	uint16_t from, to, length, sum;
	char bytes[2];
};

static void routers_tell(void)
{
	static const struct {
		uint8_t type, code;
		int error;
		bool is_final;
	} all[] = {
		{ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH, false},
		{ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH, false},
		{ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, ENOPROTOOPT, true},
		{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED, true},
		{ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, EHOSTUNREACH, true},
		{ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH, false},
		{ICMP_PARAMETERPROB, 0, EPROTO, true},
	};
	int kept = made(AF_INET, SOCK_DGRAM, 0), plain = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct quoted q = {.to = htons(9), .length = htons(10), .bytes = "ab"};
	struct told t;

	OK(inet_bind(kept, "127.0.0.1", 0));
	OK(inet_connect(plain, "127.0.0.2", 9));
	for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
		q.from = htons(inet_port(kept));
		tell4(all[n].type, all[n].code, 0x07000000, IPPROTO_UDP, "127.0.0.2", &q, sizeof(q));
		EQUAL(pending(kept), all[n].error);
		OK(next_error(kept, &t, sizeof(t.bytes)));
		EQUAL(t.e.ee_errno, all[n].error);
		EQUAL(t.e.ee_origin, ORIGIN_ICMP);
		EQUAL(t.e.ee_type, all[n].type);
		EQUAL(t.e.ee_code, all[n].code);
		EQUAL(t.e.ee_info, all[n].type == ICMP_PARAMETERPROB ? 7 : 0);
		CHECK(is(&t.to, "127.0.0.2", 9));
		CHECK(is(&t.offender, "127.0.0.1", 0));
		CHECK(t.length == 2 && memcmp(t.bytes, "ab", 2) == 0);
	}
	/* Who does not keep them hears of what is final, of his connection. */
	union inet_address a = {};
	socklen_t length = sizeof(a);
	OK(getsockname(plain, &a.any, &length));
	EQUAL(ntohl(a.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
		q.from = htons(inet_port(plain));
		tell4(all[n].type, all[n].code, 0, IPPROTO_UDP, "127.0.0.2", &q, sizeof(q));
		EQUAL(pending(plain), all[n].is_final ? all[n].error : 0);
		tell4(all[n].type, all[n].code, 0, IPPROTO_UDP, "127.0.0.3", &q, sizeof(q));
		EQUAL(pending(plain), 0);
	}
	FAILS(EAGAIN, next_error(plain, &t, sizeof(t.bytes)));
	/* What no socket of ours sent is nobody's. */
	q.from = htons((uint16_t)(inet_port(kept) ^ 1));
	tell4(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, IPPROTO_UDP, "127.0.0.2", &q, sizeof(q));
	FAILS(EAGAIN, next_error(kept, &t, sizeof(t.bytes)));
}

static void a_way_is_too_narrow(void)
{
	int fd = made(AF_INET, SOCK_DGRAM, 0), how = IP_PMTUDISC_DO;
	struct quoted q = {.to = htons(9), .length = htons(10)};
	struct told t;

	OK(inet_bind(fd, "127.0.0.1", 0));
	OK(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)));
	q.from = htons(inet_port(fd));
	tell4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1400, IPPROTO_UDP, "127.0.0.9", &q, sizeof(q));
	OK(next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(t.e.ee_errno, EMSGSIZE);
	EQUAL(t.e.ee_info, 1400);
	/* Who lets routers cut his datagrams does not hear of it. */
	how = IP_PMTUDISC_DONT;
	OK(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)));
	tell4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1300, IPPROTO_UDP, "127.0.0.9", &q, sizeof(q));
	FAILS(EAGAIN, next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(pending(fd), 0);
}

static void raw_sockets_are_told(void)
{
	enum { PROTOCOL = 253 }; /* RFC 3692 */
	int kept = made(AF_INET, SOCK_RAW, PROTOCOL), other = made(AF_INET, SOCK_RAW, PROTOCOL + 1);
	int connected = OK(socket(AF_INET, SOCK_RAW, PROTOCOL)), plain = OK(socket(AF_INET, SOCK_RAW, PROTOCOL));
	struct told t;

	OK(inet_connect(connected, "127.0.0.5", 0));
	tell4(ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0, PROTOCOL, "127.0.0.5", "12345678", 8);
	EQUAL(pending(plain), 0);
	EQUAL(pending(connected), ENOPROTOOPT);
	EQUAL(pending(kept), ENOPROTOOPT);
	OK(next_error(kept, &t, sizeof(t.bytes)));
	EQUAL(t.e.ee_errno, ENOPROTOOPT);
	CHECK(is(&t.to, "127.0.0.5", 0));
	CHECK(t.length == 8 && memcmp(t.bytes, "12345678", 8) == 0);
	FAILS(EAGAIN, next_error(other, &t, sizeof(t.bytes)));
	tell4(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0, PROTOCOL, "127.0.0.5", "12345678", 8);
	EQUAL(pending(connected), 0);
	OK(next_error(kept, &t, sizeof(t.bytes)));
	EQUAL(inet_ready(kept, POLLERR), 0);
}

static void echo_requests_are_told(void)
{
	int kept, plain = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct icmphdr h = {.type = ICMP_ECHO, .un.echo.sequence = 5};
	struct told t;

	if (plain < 0 && errno == EACCES)
		ktap_skip("nobody may send echo requests here (net.ipv4.ping_group_range)");
	OK(plain);
	kept = made(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	OK(inet_bind(kept, "127.0.0.1", 4242));
	h.un.echo.id = htons(4242);
	tell4(ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, IPPROTO_ICMP, "127.0.0.7", &h, sizeof(h));
	OK(next_error(kept, &t, sizeof(t.bytes)));
	EQUAL(t.e.ee_errno, EHOSTUNREACH);
	EQUAL(t.e.ee_type, ICMP_TIME_EXCEEDED);
	CHECK(is(&t.to, "127.0.0.7", 0));
	EQUAL(t.length, sizeof(h));
	CHECK(memcmp(t.bytes, &h, sizeof(h)) == 0);
	/* Of another's request, and of what is none. */
	h.un.echo.id = htons(4243);
	tell4(ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, IPPROTO_ICMP, "127.0.0.7", &h, sizeof(h));
	FAILS(EAGAIN, next_error(kept, &t, sizeof(t.bytes)));
	h = (struct icmphdr){.type = ICMP_ECHOREPLY, .un.echo.id = htons(4242)};
	tell4(ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, IPPROTO_ICMP, "127.0.0.7", &h, sizeof(h));
	FAILS(EAGAIN, next_error(kept, &t, sizeof(t.bytes)));
}

/* --- what is found here already --- */

/* Nothing is longer than a packet of `lo`, but one of which we say so. */
static int lo_mtu(int mtu)
{
	struct ifreq r = {.ifr_name = "lo"};
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	OK(ioctl(fd, SIOCGIFMTU, &r));
	int was = r.ifr_mtu;
	r.ifr_mtu = mtu;
	OK(ioctl(fd, SIOCSIFMTU, &r));
	OK(close(fd));
	return was;
}

static void too_long(int family, const char *address, int how, bool refused)
{
	static char big[2000];
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int option = family == AF_INET ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, got = -1;
	int fd = made(family, SOCK_DGRAM, 0), server = OK(socket(family, SOCK_DGRAM, 0));
	size_t fits = MTU - 8 - (family == AF_INET ? 20 : 40);
	socklen_t length = sizeof(got);
	struct told t;

	OK(inet_bind(server, address, 0));
	OK(inet_connect(fd, address, inet_port(server)));
	OK(setsockopt(fd, level, option, &how, sizeof(how)));
	OK(getsockopt(fd, level, option, &got, &length));
	EQUAL(got, how);
	EQUAL(send(fd, big, fits, 0), fits);
	EQUAL(recv(server, big, sizeof(big), 0), fits);
	if (!refused) {
		EQUAL(send(fd, big, fits + 1, 0), fits + 1);
		EQUAL(recv(server, big, sizeof(big), 0), fits + 1);
		return;
	}
	FAILS(EMSGSIZE, send(fd, big, fits + 1, 0));
	EQUAL(pending(fd), 0);
	EQUAL(inet_ready(fd, POLLIN), POLLERR);
	OK(next_error(fd, &t, sizeof(t.bytes)));
	EQUAL(t.e.ee_errno, EMSGSIZE);
	EQUAL(t.e.ee_origin, ORIGIN_LOCAL);
	EQUAL(t.e.ee_type, 0);
	EQUAL(t.e.ee_info, MTU);
	EQUAL(t.length, 0);
	EQUAL(t.offender.any.sa_family, 0);
	CHECK(is(&t.to, address, inet_port(server)));
	EQUAL(inet_ready(fd, POLLIN), 0);
	/* Who does not keep them has the call's error alone. */
	OK(close(fd));
	fd = OK(socket(family, SOCK_DGRAM, 0));
	OK(setsockopt(fd, level, option, &how, sizeof(how)));
	OK(inet_connect(fd, address, inet_port(server)));
	FAILS(EMSGSIZE, send(fd, big, fits + 1, 0));
	EQUAL(inet_ready(fd, POLLIN), 0);
}

static void what_must_not_be_cut(void)
{
	if (!ktap_on_stellux())
		OK(unshare(CLONE_NEWNET));
	int was = lo_mtu(MTU);
	pid_t child = CHILD({
		if (!ktap_on_stellux()) {
			struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
			OK(ioctl(OK(socket(AF_INET, SOCK_DGRAM, 0)), SIOCSIFFLAGS, &r));
		}
		too_long(AF_INET, "127.0.0.1", IP_PMTUDISC_DO, true);
		too_long(AF_INET, "127.0.0.1", IP_PMTUDISC_PROBE, true);
		too_long(AF_INET, "127.0.0.1", IP_PMTUDISC_INTERFACE, true);
		too_long(AF_INET, "127.0.0.1", IP_PMTUDISC_OMIT, false);
		too_long(AF_INET, "127.0.0.1", IP_PMTUDISC_DONT, false);
		too_long(AF_INET6, "::1", IP_PMTUDISC_DO, true);
		too_long(AF_INET6, "::1", IP_PMTUDISC_DONT, false);
	});
	int status = ktap_wait(child);
	(void)lo_mtu(was);
	EQUAL(status, 0);
}

/* The header of a packet that a raw socket of ours sent over `lo`. */
static void routers_must_not_cut_it(void)
{
	enum { PROTOCOL = 253 };
	int in = OK(socket(AF_INET, SOCK_RAW, PROTOCOL)), out = OK(socket(AF_INET, SOCK_RAW, PROTOCOL)),
	    how = IP_PMTUDISC_DO;
	struct iphdr h[2];

	OK(inet_connect(out, "127.0.0.1", 0));
	OK(setsockopt(out, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)));
	EQUAL(send(out, "x", 1, 0), 1);
	EQUAL(recv(in, h, sizeof(h), 0), sizeof(h[0]) + 1);
	EQUAL(ntohs(h[0].frag_off), 0x4000);
	how = IP_PMTUDISC_DONT;
	OK(setsockopt(out, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)));
	EQUAL(send(out, "x", 1, 0), 1);
	EQUAL(recv(in, h, sizeof(h), 0), sizeof(h[0]) + 1);
	EQUAL(ntohs(h[0].frag_off), 0);
	how = 77;
	FAILS(EINVAL, setsockopt(out, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)));
}

/* --- how much is kept --- */

static void a_full_buffer_keeps_no_more(void)
{
	int fd = made(AF_INET, SOCK_DGRAM, 0), least = 1;
	uint16_t port = empty_port(AF_INET, "127.0.0.1");
	struct told t;
	int kept = 0;

	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)));
	for (int n = 0; n < ROUND; n++) {
		(void)pending(fd);
		EQUAL(send_to(fd, "127.0.0.1", port, "one of many"), 11);
	}
	/* The error itself is told. */
	EQUAL(pending(fd), ECONNREFUSED);
	while (next_error(fd, &t, sizeof(t.bytes)) == 0)
		kept++;
	CHECK(kept >= 1 && kept < 64);
	/* And there is room again. */
	EQUAL(send_to(fd, "127.0.0.1", port, "x"), 1);
	OK(next_error(fd, &t, sizeof(t.bytes)));
}

KTAP_MAIN(CASE(a_refusal_is_kept), CASE(a_refusal_of_version_6_is_kept), CASE(what_is_told_first),
	  CASE(plain_calls_read_them_too), CASE(it_can_be_switched_off), CASE(who_waits_is_woken),
	  CASE(both_versions_of_one_socket), CASE(routers_tell), CASE(a_way_is_too_narrow), CASE(raw_sockets_are_told),
	  CASE(echo_requests_are_told), CASE(what_must_not_be_cut), CASE(routers_must_not_cut_it),
	  CASE(a_full_buffer_keeps_no_more))
