/* SPDX-License-Identifier: MIT */
/* Groups (ip(7), ipv6(7)): who is a member of which, what he hears, and how what is sent to them goes; over `lo`. */
#include "inet_sockets.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>

#ifndef IP_MULTICAST_ALL
#define IP_MULTICAST_ALL 49
#endif

static const char GROUP[] = "239.1.2.3", OTHER[] = "239.1.2.4", GROUP6[] = "ff15::1234";

static struct in_addr in4(const char *text)
{
	struct in_addr a;

	EQUAL(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static int change(int fd, int option, const char *group, const char *at)
{
	struct ip_mreq m = {.imr_multiaddr = in4(group), .imr_interface = in4(at)};

	return setsockopt(fd, IPPROTO_IP, option, &m, sizeof(m));
}

static int change_by_number(int fd, int option, const char *group, int number)
{
	struct ip_mreqn m = {.imr_multiaddr = in4(group), .imr_ifindex = number};

	return setsockopt(fd, IPPROTO_IP, option, &m, sizeof(m));
}

static int change_any(int fd, int level, int option, const char *group, unsigned number)
{
	struct group_req q = {.gr_interface = number};
	union inet_address a;
	socklen_t n = inet_of_text(&a, group, 0);

	memcpy(&q.gr_group, &a, n);
	return setsockopt(fd, level, option, &q, sizeof(q));
}

static void set(int fd, int level, int option, int value)
{
	OK(setsockopt(fd, level, option, &value, sizeof(value)));
}

static int get(int fd, int level, int option)
{
	int value = 0;
	socklen_t n = sizeof(value);

	OK(getsockopt(fd, level, option, &value, &n));
	return value;
}

static int lo(void)
{
	return (int)if_nametoindex("lo");
}

static void membership(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), stream = OK(socket(AF_INET, SOCK_STREAM, 0));
	struct ip_mreq m = {.imr_multiaddr = in4(GROUP), .imr_interface = in4("127.0.0.1")};

	OK(change(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	FAILS(EADDRINUSE, change(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	FAILS(EADDRINUSE, change_by_number(fd, IP_ADD_MEMBERSHIP, GROUP, lo()));
	FAILS(EADDRINUSE, change_any(fd, IPPROTO_IP, MCAST_JOIN_GROUP, GROUP, (unsigned)lo()));
	FAILS(EADDRNOTAVAIL, change(fd, IP_DROP_MEMBERSHIP, OTHER, "127.0.0.1"));
	OK(change(fd, IP_DROP_MEMBERSHIP, GROUP, "127.0.0.1"));
	FAILS(EADDRNOTAVAIL, change(fd, IP_DROP_MEMBERSHIP, GROUP, "127.0.0.1"));
	OK(change_by_number(fd, IP_ADD_MEMBERSHIP, GROUP, lo()));
	OK(change_by_number(fd, IP_DROP_MEMBERSHIP, GROUP, lo()));
	OK(change_any(fd, IPPROTO_IP, MCAST_JOIN_GROUP, GROUP, (unsigned)lo()));
	OK(change_any(fd, IPPROTO_IP, MCAST_LEAVE_GROUP, GROUP, (unsigned)lo()));
	FAILS(EINVAL, change(fd, IP_ADD_MEMBERSHIP, "127.0.0.1", "127.0.0.1"));
	FAILS(ENODEV, change(fd, IP_ADD_MEMBERSHIP, GROUP, "192.0.2.1"));
	FAILS(ENODEV, change_by_number(fd, IP_ADD_MEMBERSHIP, GROUP, 4321));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, 7));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, (void *)16, sizeof(m)));
	FAILS(EPROTO, change(stream, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
}

static void membership6(void)
{
	int fd = OK(socket(AF_INET6, SOCK_DGRAM, 0)), four = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ipv6_mreq m = {.ipv6mr_interface = (unsigned)lo()};

	EQUAL(inet_pton(AF_INET6, GROUP6, &m.ipv6mr_multiaddr), 1);
	OK(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	FAILS(EADDRINUSE, setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	FAILS(EADDRINUSE, change_any(fd, IPPROTO_IPV6, MCAST_JOIN_GROUP, GROUP6, (unsigned)lo()));
	OK(setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof(m)));
	FAILS(EADDRNOTAVAIL, setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof(m)));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m) - 1));
	FAILS(ENOPROTOOPT, setsockopt(four, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	m.ipv6mr_interface = 4321;
	FAILS(ENODEV, setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	m.ipv6mr_interface = (unsigned)lo();
	m.ipv6mr_multiaddr = in6addr_loopback;
	FAILS(EINVAL, setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
}

static void so_many_and_no_more(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	char group[16];

	for (int n = 0; n < 20; n++) {
		snprintf(group, sizeof(group), "239.1.3.%d", n);
		OK(change(fd, IP_ADD_MEMBERSHIP, group, "127.0.0.1"));
	}
	FAILS(ENOBUFS, change(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	OK(change(fd, IP_DROP_MEMBERSHIP, "239.1.3.7", "127.0.0.1"));
	OK(change(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
}

static void the_options(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), six = OK(socket(AF_INET6, SOCK_DGRAM, 0)), value = -2;
	struct in_addr at = in4("127.0.0.1"), none = in4("0.0.0.0"), nobodys = in4("192.0.2.1");
	unsigned char byte = 9;

	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_TTL), 1);
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_LOOP), 1);
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_ALL), 1);
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_IF), 0);
	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &byte, 1));
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_TTL), 9);
	set(fd, IPPROTO_IP, IP_MULTICAST_TTL, -1);
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_TTL), 1);
	FAILS(EINVAL, setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &value, sizeof(value)));
	value = 256;
	FAILS(EINVAL, setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &value, sizeof(value)));
	byte = 0;
	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &byte, 1));
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
	value = 2;
	FAILS(EINVAL, setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &value, sizeof(value)));
	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &at, sizeof(at)));
	EQUAL((unsigned)get(fd, IPPROTO_IP, IP_MULTICAST_IF), at.s_addr);
	FAILS(EADDRNOTAVAIL, setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &nobodys, sizeof(nobodys)));
	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &none, sizeof(none)));
	EQUAL(get(fd, IPPROTO_IP, IP_MULTICAST_IF), 0);
	EQUAL(get(six, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 1);
	EQUAL(get(six, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 1);
	set(six, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 5);
	EQUAL(get(six, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 5);
	EQUAL(get(six, IPPROTO_IP, IP_MULTICAST_TTL), 1);
	set(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, lo());
	EQUAL(get(six, IPPROTO_IPV6, IPV6_MULTICAST_IF), lo());
	value = 4321;
	FAILS(ENODEV, setsockopt(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, sizeof(value)));
	FAILS(EINVAL, setsockopt(six, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &value, sizeof(value)));
}

static int receiver(const char *at, uint16_t port)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	OK(inet_bind(fd, at, port));
	return fd;
}

static int sender(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct in_addr at = in4("127.0.0.1");

	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &at, sizeof(at)));
	return fd;
}

static void tell(int fd, const char *group, uint16_t port)
{
	union inet_address a;
	socklen_t n = inet_of_text(&a, group, port);

	EQUAL(sendto(fd, "x", 1, 0, &a.any, n), 1);
}

static bool heard(int fd)
{
	char text[4];
	long n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	if (n < 0)
		EQUAL(errno, EAGAIN);
	return n == 1;
}

static void all_members_hear(void)
{
	int from = sender(), first = receiver("0.0.0.0", 0), second = receiver("0.0.0.0", inet_port(first));
	int third = receiver("0.0.0.0", inet_port(first)), only = receiver(GROUP, inet_port(first));
	uint16_t port = inet_port(first);

	tell(from, GROUP, port);
	CHECK(!heard(first)); /* of a group without members nobody hears */
	OK(change(first, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	OK(change(second, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	set(second, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	tell(from, GROUP, port);
	CHECK(heard(first) && heard(second) && heard(third) && heard(only));
	CHECK(!heard(first) && !heard(second) && !heard(third) && !heard(only));
	/* Who wants his own groups only. */
	set(third, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	tell(from, GROUP, port);
	CHECK(heard(first) && heard(second) && !heard(third) && heard(only));
	OK(change(third, IP_ADD_MEMBERSHIP, OTHER, "127.0.0.1"));
	tell(from, OTHER, port);
	CHECK(heard(first) && !heard(second) && heard(third) && !heard(only));
	OK(change(second, IP_DROP_MEMBERSHIP, GROUP, "127.0.0.1"));
	tell(from, GROUP, port);
	CHECK(heard(first) && !heard(second));
	/* A membership ends with its socket. */
	OK(close(first));
	(void)heard(only);
	tell(from, GROUP, port);
	CHECK(!heard(only));
}

static void who_is_connected_hears_one(void)
{
	int from = sender(), other = sender(), fd = receiver("0.0.0.0", 0), any = receiver("0.0.0.0", inet_port(fd));

	OK(change(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	OK(inet_bind(from, "127.0.0.1", 0));
	OK(inet_connect(fd, "127.0.0.1", inet_port(from)));
	tell(from, GROUP, inet_port(any));
	CHECK(heard(any));
	tell(other, GROUP, inet_port(any));
	CHECK(heard(any) && !heard(fd));
}

static void hops(void)
{
	int from = sender(), fd = receiver("0.0.0.0", 0);
	char text[4], control[64];
	struct iovec v = {text, sizeof(text)};

	OK(change(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"));
	set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	set(from, IPPROTO_IP, IP_TTL, 44);
	for (int n = 1; n <= 7; n += 6) {
		struct msghdr m = {
			.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		int value;

		if (n != 1)
			set(from, IPPROTO_IP, IP_MULTICAST_TTL, n);
		tell(from, GROUP, inet_port(fd));
		EQUAL(recvmsg(fd, &m, 0), 1);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		CHECK(c != nullptr && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL);
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		EQUAL(value, n);
	}
}

/* Linux has no way to groups over its `lo`. */
static void members6_hear(void)
{
	int from = OK(socket(AF_INET6, SOCK_DGRAM, 0)), fd = OK(socket(AF_INET6, SOCK_DGRAM, 0));
	struct ipv6_mreq m = {.ipv6mr_interface = (unsigned)lo()};
	union inet_address a;

	EQUAL(inet_pton(AF_INET6, GROUP6, &m.ipv6mr_multiaddr), 1);
	OK(inet_bind(fd, "::", 0));
	set(from, IPPROTO_IPV6, IPV6_MULTICAST_IF, lo());
	socklen_t n = inet_of_text(&a, GROUP6, inet_port(fd));
	OK(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	EQUAL(sendto(from, "x", 1, 0, &a.any, n), 1);
	CHECK(heard(fd));
	OK(setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof(m)));
	EQUAL(sendto(from, "x", 1, 0, &a.any, n), 1);
	CHECK(!heard(fd));
}

static bool is_listed(const char *path, const char *group)
{
	static char text[65536];

	ktap_read_file(path, text, sizeof(text));
	return strstr(text, group) != nullptr;
}

static void groups_are_listed(void)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), six = OK(socket(AF_INET6, SOCK_DGRAM, 0));
	char hex[16];

	snprintf(hex, sizeof(hex), "%08X ", in4("239.200.201.202").s_addr);
	CHECK(!is_listed("/proc/net/igmp", hex));
	OK(change(fd, IP_ADD_MEMBERSHIP, "239.200.201.202", "127.0.0.1"));
	CHECK(is_listed("/proc/net/igmp", hex));
	OK(change_any(six, IPPROTO_IPV6, MCAST_JOIN_GROUP, "ff15::4321", (unsigned)lo()));
	CHECK(is_listed("/proc/net/igmp6", "lo              ff150000000000000000000000004321     1 "));
	OK(close(fd));
	OK(close(six));
	CHECK(!is_listed("/proc/net/igmp", hex));
	CHECK(!is_listed("/proc/net/igmp6", "ff150000000000000000000000004321"));
}

/* A card, with an address and up; the case is over without one. */
static int card(void)
{
	struct if_nameindex *all = if_nameindex();
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = {};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = in4("10.77.0.2")};

	CHECK(all != nullptr);
	for (struct if_nameindex *i = all; i->if_index != 0; i++)
		if (strcmp(i->if_name, "lo") != 0)
			strcpy(r.ifr_name, i->if_name);
	if_freenameindex(all);
	if (r.ifr_name[0] == '\0')
		ktap_skip("there is no network card");
	memcpy(&r.ifr_addr, &a, sizeof(a));
	OK(ioctl(fd, SIOCSIFADDR, &r));
	OK(ioctl(fd, SIOCGIFFLAGS, &r));
	r.ifr_flags |= IFF_UP;
	OK(ioctl(fd, SIOCSIFFLAGS, &r));
	OK(close(fd));
	return (int)if_nametoindex(r.ifr_name);
}

/* What goes out by a card is for members here, too, unless the sender does not want it. */
static void over_a_card(void)
{
	static char big[8000];
	int number = card(), from = OK(socket(AF_INET, SOCK_DGRAM, 0)), fd = receiver("0.0.0.0", 0);
	struct ip_mreqn by = {.imr_ifindex = number};
	union inet_address a;
	socklen_t n = inet_of_text(&a, GROUP, inet_port(fd)), length;

	OK(setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)));
	tell(from, GROUP, inet_port(fd));
	CHECK(!heard(fd));
	OK(change_by_number(fd, IP_ADD_MEMBERSHIP, GROUP, number));
	tell(from, GROUP, inet_port(fd));
	CHECK(heard(fd) && !heard(fd));
	tell(from, OTHER, inet_port(fd));
	CHECK(!heard(fd));
	/* More than a frame has. */
	memset(big, 'x', sizeof(big));
	EQUAL(sendto(from, big, sizeof(big), 0, &a.any, n), sizeof(big));
	memset(big, 0, sizeof(big));
	length = sizeof(a);
	EQUAL(recvfrom(fd, big, sizeof(big), MSG_DONTWAIT, &a.any, &length), sizeof(big));
	CHECK(big[0] == 'x' && big[sizeof(big) - 1] == 'x');
	EQUAL(a.v4.sin_addr.s_addr, in4("10.77.0.2").s_addr);
	set(from, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
	tell(from, GROUP, inet_port(fd));
	CHECK(!heard(fd));
	/* Not beyond this machine. */
	set(from, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
	set(from, IPPROTO_IP, IP_MULTICAST_TTL, 0);
	tell(from, GROUP, inet_port(fd));
	CHECK(heard(fd));
	/* A member there hears nothing of `lo`. */
	int other = sender();
	tell(other, GROUP, inet_port(fd));
	CHECK(!heard(fd));
}

static void by_source_is_refused(void)
{
	struct ip_mreq_source m = {
		.imr_multiaddr = in4(GROUP), .imr_interface = in4("127.0.0.1"), .imr_sourceaddr = in4("127.0.0.2")};
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	FAILS(ENOPROTOOPT, setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, sizeof(m)));
	FAILS(ENOPROTOOPT, setsockopt(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &m, sizeof(m)));
}

KTAP_MAIN(CASE(membership), CASE(membership6), CASE(so_many_and_no_more), CASE(the_options), CASE(all_members_hear),
	  CASE(who_is_connected_hears_one), CASE(hops), STELLUX_CASE(members6_hear), CASE(groups_are_listed),
	  STELLUX_CASE(over_a_card), STELLUX_CASE(by_source_is_refused))
