/* SPDX-License-Identifier: MIT */
/* Sockets of packets (packet(7)) on `lo`, and filters of packets (socket(7)). */
#include "inet_sockets.h"

#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

/* What neither C library has. */
enum { TP_STATUS_USER = 1, TP_STATUS_CSUMNOTREADY = 8 };
struct tpacket_stats {
	unsigned tp_packets, tp_drops;
};
struct tpacket_auxdata {
	uint32_t tp_status, tp_len, tp_snaplen;
	uint16_t tp_mac, tp_net, tp_vlan_tci, tp_vlan_tpid;
};
struct sock_filter {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
struct sock_fprog {
	unsigned short len;
	struct sock_filter *filter;
};
enum { BPF_LD = 0, BPF_ALU = 4, BPF_JMP = 5, BPF_RET = 6, BPF_B = 0x10, BPF_ABS = 0x20, BPF_MEM = 0x60, BPF_K = 0 };
enum { BPF_DIV = 0x30, BPF_JA = 0, BPF_JEQ = 0x10 };
#ifndef SO_LOCK_FILTER
#define SO_LOCK_FILTER 44
#endif

#define ALL	   0x0003
#define IPV4	   0x0800
#define EXPERIMENT 0x88b5 /* of IEEE 802 for local experiments */

#define lo ((int)if_nametoindex("lo"))

static int open_at(int type, int protocol)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = lo};
	int fd = OK(socket(AF_PACKET, type, 0));

	OK(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static ssize_t receive(int fd, void *to, size_t n, struct sockaddr_ll *from)
{
	socklen_t length = sizeof(*from);

	ssize_t got = recvfrom(fd, to, n, MSG_DONTWAIT, (struct sockaddr *)from, &length);
	if (got >= 0)
		CHECK(length == sizeof(*from) || length == 18);
	return got;
}

/* Packets of others that were under way when a socket was opened. */
static void drain(int fd)
{
	char bytes[64];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
		;
}

static void send_to_self(const char *text, uint16_t *port)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	OK(inet_bind(fd, "127.0.0.1", 0));
	*port = inet_port(fd);
	OK(inet_connect(fd, "127.0.0.1", *port));
	OK(send(fd, text, strlen(text), 0));
	close(fd);
}

static void wait_for(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	EQUAL(poll(&p, 1, 20000), 1);
	EQUAL(p.revents, POLLIN);
}

/* An IP packet from the port, with that text, begins at p. */
static bool is_from(const uint8_t *p, ssize_t n, uint16_t port, const char *text)
{
	return n == (ssize_t)(28 + strlen(text)) && p[0] == 0x45 && p[9] == IPPROTO_UDP &&
	       (p[20] << 8 | p[21]) == port && memcmp(p + 28, text, strlen(text)) == 0;
}

static void packets_of_ip_are_seen_once(void)
{
	int fd = open_at(SOCK_DGRAM, IPV4), raw = open_at(SOCK_RAW, IPV4);
	uint8_t bytes[2048];
	struct sockaddr_ll from = {};
	uint16_t port, end;
	unsigned seen = 0;
	ssize_t n;

	drain(fd);
	drain(raw);
	send_to_self("hello", &port);
	send_to_self("the end", &end);
	/* Of others' connections something may come in between, late. */
	while (true) {
		struct sockaddr_ll by = {};

		wait_for(fd);
		n = OK(receive(fd, bytes, sizeof(bytes), &by));
		if (is_from(bytes, n, end, "the end"))
			break;
		if (!is_from(bytes, n, port, "hello"))
			continue;
		from = by;
		seen++;
	}
	EQUAL(seen, 1);
	EQUAL(from.sll_family, AF_PACKET);
	EQUAL(from.sll_protocol, htons(IPV4));
	EQUAL(from.sll_ifindex, lo);
	EQUAL(from.sll_hatype, 772);
	EQUAL(from.sll_pkttype, PACKET_HOST);
	EQUAL(from.sll_halen, 6);
	do {
		wait_for(raw);
		n = OK(receive(raw, bytes, sizeof(bytes), &from));
	} while (n < 14 || !is_from(bytes + 14, n - 14, port, "hello"));
	EQUAL(bytes[12] << 8 | bytes[13], IPV4);
}

static void all_protocols_show_both_ways(void)
{
	int fd = open_at(SOCK_DGRAM, ALL), one = 1;
	uint8_t bytes[2048];
	struct sockaddr_ll from;
	uint16_t port;
	ssize_t n;

	drain(fd);
	send_to_self("both", &port);
	wait_for(fd);
	n = OK(receive(fd, bytes, sizeof(bytes), &from));
	CHECK(is_from(bytes, n, port, "both"));
	EQUAL(from.sll_pkttype, PACKET_OUTGOING);
	n = OK(receive(fd, bytes, sizeof(bytes), &from));
	CHECK(is_from(bytes, n, port, "both"));
	EQUAL(from.sll_pkttype, PACKET_HOST);
	OK(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)));
	send_to_self("one", &port);
	OK(receive(fd, bytes, sizeof(bytes), &from));
	EQUAL(from.sll_pkttype, PACKET_HOST);
	FAILS(EAGAIN, receive(fd, bytes, sizeof(bytes), &from));
}

/* Who sends does not see it go; it arrives all the same. */
static void frames_are_sent(void)
{
	int fd = open_at(SOCK_RAW, ALL), other = open_at(SOCK_RAW, EXPERIMENT),
	    datagrams = open_at(SOCK_DGRAM, EXPERIMENT);
	uint8_t frame[64] = {0}, bytes[128], big[4096] = {0};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = lo, .sll_protocol = htons(EXPERIMENT), .sll_halen = 6};
	struct sockaddr_ll from;

	frame[12] = EXPERIMENT >> 8;
	frame[13] = EXPERIMENT & 0xff;
	memcpy(frame + 14, "by itself", 9);
	drain(fd);
	EQUAL(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	wait_for(other);
	EQUAL(receive(other, bytes, sizeof(bytes), &from), sizeof(frame));
	CHECK(memcmp(bytes, frame, sizeof(frame)) == 0);
	EQUAL(from.sll_pkttype, PACKET_HOST);
	EQUAL(receive(fd, bytes, sizeof(bytes), &from), sizeof(frame));
	EQUAL(from.sll_pkttype, PACKET_HOST);
	FAILS(EAGAIN, receive(fd, bytes, sizeof(bytes), &from));
	EQUAL(receive(datagrams, bytes, sizeof(bytes), &from), sizeof(frame) - 14);

	EQUAL(sendto(datagrams, "text", 4, 0, (struct sockaddr *)&to, sizeof(to)), 4);
	wait_for(other);
	EQUAL(receive(other, bytes, sizeof(bytes), &from), 18);
	CHECK(memcmp(bytes + 12, "\x88\xb5text", 6) == 0);
	/* More than a page. */
	memset(big, 7, sizeof(big));
	EQUAL(sendto(datagrams, big, sizeof(big), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(big));
	wait_for(other);
	uint8_t *got = malloc(sizeof(big) + 14);
	EQUAL(recv(other, got, sizeof(big) + 14, 0), sizeof(big) + 14);
	CHECK(memcmp(got + 14, big, sizeof(big)) == 0);
	free(got);

	FAILS(EINVAL, send(fd, frame, 13, 0));
	FAILS(EINVAL, sendto(fd, frame, 60, 0, (struct sockaddr *)&to, 12));
	to.sll_ifindex = 99999;
	FAILS(ENXIO, sendto(fd, frame, 60, 0, (struct sockaddr *)&to, sizeof(to)));
	int unbound = OK(socket(AF_PACKET, SOCK_RAW, 0));
	FAILS(ENXIO, send(unbound, frame, 60, 0));
	static uint8_t much[70000];
	FAILS(EMSGSIZE, send(fd, much, sizeof(much), 0));
}

/* Linux drops it: there nothing from 127.0.0.0/8 arrives that was not sent by IP. */
static void ip_that_is_sent_arrives(void)
{
	int fd = open_at(SOCK_DGRAM, IPV4), udp = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = lo, .sll_protocol = htons(IPV4), .sll_halen = 6};
	char text[8] = {0};

	OK(inet_bind(udp, "127.0.0.1", 0));
	uint16_t port = inet_port(udp);
	uint8_t packet[32] = {0x45,
			      0,
			      0,
			      32,
			      0,
			      1,
			      0,
			      0,
			      9,
			      IPPROTO_UDP,
			      0,
			      0,
			      127,
			      0,
			      0,
			      1,
			      127,
			      0,
			      0,
			      1,
			      0x30,
			      0x39,
			      (uint8_t)(port >> 8),
			      (uint8_t)port,
			      0,
			      12,
			      0,
			      0,
			      'm',
			      'a',
			      'd',
			      'e'};
	uint32_t sum = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
	sum = ~(sum % 65535);
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	EQUAL(sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(packet));
	wait_for(udp);
	EQUAL(recv(udp, text, sizeof(text), 0), 4);
	CHECK(strcmp(text, "made") == 0);
}

#define LOAD(size, at)	   {BPF_LD | (size) | BPF_ABS, 0, 0, (at)}
#define IF(value, yes, no) {BPF_JMP | BPF_JEQ | BPF_K, (yes), (no), (value)}
#define WANT(n)		   {BPF_RET | BPF_K, 0, 0, (n)}
#define PROGRAM(name, ...)                                                                                             \
	struct sock_filter name##_code[] = {__VA_ARGS__};                                                              \
	struct sock_fprog name = {.len = sizeof(name##_code) / sizeof(name##_code[0]), .filter = name##_code}

static int attach(int fd, const struct sock_fprog *p)
{
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, p, sizeof(*p));
}

/* UDP whose bytes begin with `w`, and of it 30 bytes. */
static void a_filter_chooses(void)
{
	int fd = open_at(SOCK_DGRAM, IPV4), none = 0;
	PROGRAM(p, LOAD(BPF_B, 9), IF(IPPROTO_UDP, 0, 3), LOAD(BPF_B, 28), IF('w', 0, 1), WANT(30), WANT(0));
	uint8_t bytes[256];
	struct sockaddr_ll from;
	uint16_t port;

	OK(attach(fd, &p));
	drain(fd);
	send_to_self("unwanted", &port);
	send_to_self("wanted", &port);
	wait_for(fd);
	EQUAL(receive(fd, bytes, sizeof(bytes), &from), 30);
	CHECK(bytes[28] == 'w' && (bytes[20] << 8 | bytes[21]) == port);
	FAILS(EAGAIN, receive(fd, bytes, sizeof(bytes), &from));
	OK(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)));
	FAILS(ENOENT, setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)));
	send_to_self("unwanted", &port);
	wait_for(fd);
	EQUAL(receive(fd, bytes, sizeof(bytes), &from), 36);
}

/* All sockets' memory is limited, and that of their filters is of it. */
static void attach_many(void)
{
	enum { SOCKETS = 40, LONG = 4096 };
	static struct sock_filter program[LONG];
	struct sock_fprog p = {.len = LONG, .filter = program};
	int attached = 0, fds[SOCKETS];

	for (int i = 0; i < LONG; i++)
		program[i] = (struct sock_filter)WANT(1);
	for (int n = 0; n < SOCKETS; n++)
		fds[n] = open_at(SOCK_DGRAM, 0);
	while (attached < SOCKETS && setsockopt(fds[attached], SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) == 0)
		attached++;
	EQUAL(errno, ENOMEM);
	CHECK(attached > 0 && attached < SOCKETS);
	/* One that takes another's place, or that goes, gives its own back. */
	int none = 0;
	for (int n = 0; n < 3; n++) {
		OK(setsockopt(fds[0], SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)));
		OK(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)));
	}
	OK(close(fds[0]));
	OK(setsockopt(fds[attached], SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)));
}

static void filters_are_charged(void)
{
	static const char knob[] = "/proc/sys/net/core/socket_pages";
	char before[32];

	ktap_read_file(knob, before, sizeof(before));
	ktap_put(knob, "256");
	pid_t child = CHILD(attach_many());
	int status = ktap_wait(child);
	ktap_put(knob, before);
	EQUAL(status, 0);
}

static void filters_are_checked(void)
{
	int fd = open_at(SOCK_DGRAM, 0), one = 1, zero = 0;
	PROGRAM(good, WANT(1));
	PROGRAM(endless, {BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, WANT(0));
	PROGRAM(beyond, IF(0, 1, 0), WANT(0));
	PROGRAM(memory, {BPF_LD | BPF_MEM, 0, 0, 16}, WANT(0));
	PROGRAM(division, {BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}, WANT(0));
	PROGRAM(no_end, LOAD(BPF_B, 0));
	struct sock_fprog nothing = {.len = 0, .filter = good_code}, nowhere = {.len = 1, .filter = (void *)8};

	FAILS(EINVAL, attach(fd, &endless));
	FAILS(EINVAL, attach(fd, &beyond));
	FAILS(EINVAL, attach(fd, &memory));
	FAILS(EINVAL, attach(fd, &division));
	FAILS(EINVAL, attach(fd, &no_end));
	FAILS(EINVAL, attach(fd, &nothing));
	FAILS(EFAULT, attach(fd, &nowhere));
	FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &good, 8));
	OK(attach(fd, &good));
	OK(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)));
	FAILS(EPERM, attach(fd, &good));
	FAILS(EPERM, setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof(zero)));
	FAILS(EPERM, setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &zero, sizeof(zero)));
}

static void what_is_lost_is_counted(void)
{
	int fd = open_at(SOCK_DGRAM, IPV4), least = 1;
	struct tpacket_stats s = {};
	socklen_t length = sizeof(s);
	uint16_t port;

	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)));
	OK(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &length));
	EQUAL(length, sizeof(s));
	for (int n = 0; n < 50; n++)
		send_to_self("again and again", &port);
	OK(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &length));
	CHECK(s.tp_packets >= 50 && s.tp_drops > 0 && s.tp_drops < s.tp_packets);
	OK(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &length));
	EQUAL(s.tp_packets, 0);
}

static void what_is_told_besides(void)
{
	int fd = open_at(SOCK_DGRAM, IPV4), one = 1;
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	char text[8];
	struct iovec v = {text, sizeof(text)};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	uint16_t port;

	OK(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)));
	drain(fd);
	send_to_self("besides", &port);
	wait_for(fd);
	EQUAL(recvmsg(fd, &h, 0), 8);
	CHECK(h.msg_flags & MSG_TRUNC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	CHECK(c != nullptr && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA);
	const struct tpacket_auxdata *a = (const void *)CMSG_DATA(c);
	EQUAL(a->tp_len, 35);
	EQUAL(a->tp_snaplen, 35);
	CHECK(a->tp_status & TP_STATUS_USER);
	/* Over `lo` nobody makes a sum. */
	CHECK(a->tp_status & TP_STATUS_CSUMNOTREADY);
}

static unsigned long flags_of_lo(void)
{
	char text[32];

	ktap_read_file("/sys/class/net/lo/flags", text, sizeof(text));
	return strtoul(text, nullptr, 16);
}

static void memberships(void)
{
	int fd = open_at(SOCK_RAW, 0);
	struct packet_mreq m = {.mr_ifindex = lo, .mr_type = PACKET_MR_PROMISC},
			   group = {.mr_ifindex = lo, .mr_alen = 6, .mr_address = {1, 0, 0x5e, 0, 0, 9}};

	OK(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)));
	OK(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)));
	OK(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group)));
	OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof(m)));
	/* Nobody minds one too many. */
	OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof(m)));
	OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof(m)));
	m.mr_ifindex = 99999;
	FAILS(ENODEV, setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)));
	FAILS(EINVAL, setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, 8));
}

static void memberships_end_with_the_socket(void)
{
	int fd = open_at(SOCK_RAW, 0);
	struct packet_mreq m = {.mr_ifindex = lo, .mr_type = PACKET_MR_ALLMULTI};

	OK(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)));
	CHECK(flags_of_lo() & IFF_ALLMULTI);
	close(fd);
	CHECK(!(flags_of_lo() & IFF_ALLMULTI));
}

static void names_and_refusals(void)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = 99999};
	int fd = open_at(SOCK_RAW, EXPERIMENT), value;
	socklen_t length = sizeof(a);

	FAILS(ENODEV, bind(fd, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, 12));
	a.sll_family = AF_INET;
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, sizeof(a)));
	OK(getsockname(fd, (struct sockaddr *)&a, &length));
	EQUAL(length, 18);
	EQUAL(a.sll_ifindex, lo);
	EQUAL(a.sll_protocol, htons(EXPERIMENT));
	EQUAL(a.sll_hatype, 772);
	FAILS(EOPNOTSUPP, getpeername(fd, (struct sockaddr *)&a, &length));
	FAILS(EOPNOTSUPP, listen(fd, 1));
	FAILS(EOPNOTSUPP, accept(fd, nullptr, nullptr));
	FAILS(EOPNOTSUPP, shutdown(fd, SHUT_RD));
	length = sizeof(value);
	FAILS(ENOPROTOOPT, getsockopt(fd, SOL_PACKET, 99, &value, &length));
	OK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &length));
	EQUAL(value, AF_PACKET);
	FAILS(ESOCKTNOSUPPORT, socket(AF_PACKET, SOCK_STREAM, 0));
	pid_t child = CHILD({
		ktap_become(65534);
		FAILS(EPERM, socket(AF_PACKET, SOCK_RAW, htons(ALL)));
	});
	EXITS(child, 0);
}

static bool line_names(const char *path, const char *name)
{
	static char text[1 << 16];

	ktap_read_file(path, text, sizeof(text));
	return strstr(text, name) != nullptr;
}

static void lo_is_an_interface(void)
{
	char text[64];
	long before, after;
	uint16_t port;

	CHECK(line_names("/proc/net/dev", "    lo:"));
	ktap_read_file("/sys/class/net/lo/type", text, sizeof(text));
	CHECK(strcmp(text, "772\n") == 0);
	ktap_read_file("/sys/class/net/lo/ifindex", text, sizeof(text));
	EQUAL(atoi(text), lo);
	ktap_read_file("/sys/class/net/lo/operstate", text, sizeof(text));
	CHECK(strcmp(text, "unknown\n") == 0);
	ktap_read_file("/sys/class/net/lo/statistics/rx_packets", text, sizeof(text));
	before = atol(text);
	send_to_self("counted", &port);
	ktap_read_file("/sys/class/net/lo/statistics/rx_packets", text, sizeof(text));
	after = atol(text);
	CHECK(after > before);
	CHECK(line_names("/proc/net/packet", "sk "));
}

KTAP_MAIN(CASE(packets_of_ip_are_seen_once), CASE(all_protocols_show_both_ways), CASE(frames_are_sent),
	  STELLUX_CASE(ip_that_is_sent_arrives), CASE(a_filter_chooses), CASE(filters_are_checked),
	  STELLUX_CASE(filters_are_charged), CASE(what_is_lost_is_counted), CASE(what_is_told_besides),
	  CASE(memberships), CASE(memberships_end_with_the_socket), CASE(names_and_refusals), CASE(lo_is_an_interface))
