/* SPDX-License-Identifier: MIT */
/* Nobody has all of the kernel's memory by sockets of TCP/IP: what a user's hold is limited (/proc/sys/net/core), and
 * who asks for connections that he never makes keeps nobody out. */
#include "inet_sockets.h"

#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>

static const char USER_PAGES[] = "/proc/sys/net/core/user_socket_pages";
enum : int { PAIRS = 24 };

static void with_limit(const char *pages, void (*run)(void))
{
	char before[32];

	ktap_read_file(USER_PAGES, before, sizeof(before));
	ktap_put(USER_PAGES, pages);
	pid_t child = CHILD(run());
	int status = ktap_wait(child);
	ktap_put(USER_PAGES, before);
	EQUAL(status, 0);
}

static void become_somebody(void)
{
	ktap_become(200000 + (unsigned)getpid()); /* who has nothing yet */
}

static void sockets_alone_as_a_user(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	int fds[1000], count = 0;

	become_somebody();
	while (count < 1000 && (fds[count] = socket(AF_INET, types[count % 2], 0)) >= 0)
		count++;
	EQUAL(errno, ENOBUFS);
	CHECK(count > 100 && count < 400);
	FAILS(ENOBUFS, socket(AF_INET6, SOCK_STREAM, 0));
	FAILS(ENOBUFS, socket(AF_INET, SOCK_DGRAM, 0));
	OK(close(fds[0]));
	OK(close(fds[1]));
	OK(socket(AF_INET6, SOCK_DGRAM, 0));
}

static void sockets_alone(void)
{
	with_limit("64", sockets_alone_as_a_user);
}

/* So many of the bytes that were sent there are there. */
static long unread(const int *fds, int count)
{
	static char bytes[60000];
	long sum = 0, n;

	for (int k = 0; k < count; k++)
		while ((n = recv(fds[k], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
			sum += n;
	return sum;
}

static void fill_with_datagrams(const int *fds, int client)
{
	static char bytes[30000];

	for (int k = 0; k < PAIRS; k++) {
		union inet_address a;
		socklen_t length = inet_of_text(&a, "127.0.0.1", inet_port(fds[k]));

		for (int n = 0; n < 4; n++)
			EQUAL(sendto(client, bytes, sizeof(bytes), 0, &a.any, length), sizeof(bytes));
	}
}

static void datagrams_as(bool limited)
{
	int fds[PAIRS], client = OK(socket(AF_INET, SOCK_DGRAM, 0));

	for (int n = 0; n < PAIRS; n++) {
		fds[n] = OK(socket(AF_INET, SOCK_DGRAM, 0));
		OK(inet_bind(fds[n], "127.0.0.1", 0));
	}
	for (int round = 0; round < 3; round++) { /* what was read is held no more */
		fill_with_datagrams(fds, client);
		long sum = unread(fds, PAIRS);
		if (limited)
			CHECK(sum > 700000 && sum < 1 << 20);
		else
			EQUAL(sum, PAIRS * 4 * 30000L);
	}
}

static void datagrams_as_a_user(void)
{
	become_somebody();
	datagrams_as(true);
}

static void datagrams_as_root(void)
{
	datagrams_as(false);
}

static void what_nobody_has_read(void)
{
	with_limit("256", datagrams_as_a_user);
	with_limit("256", datagrams_as_root);
}

/* Sends in pieces until an error comes. */
static long fill_stream(int fd, size_t piece)
{
	static char bytes[32768];
	long sum = 0, n;

	while ((n = send(fd, bytes, piece, MSG_DONTWAIT)) > 0)
		sum += n;
	return sum;
}

static void drain(int fd, long rest)
{
	static char bytes[32768];

	while (rest > 0) {
		long n = OK(recv(fd, bytes, sizeof(bytes), 0));
		CHECK(n > 0);
		rest -= n;
	}
}

static void streams_of(size_t piece)
{
	int ends[PAIRS][2], l = OK(socket(AF_INET, SOCK_STREAM, 0)), failed = 0;
	long sent[PAIRS], sum = 0;

	OK(inet_bind(l, "127.0.0.1", 0));
	OK(listen(l, 1));
	for (int n = 0; n < PAIRS; n++) {
		ends[n][0] = OK(socket(AF_INET, SOCK_STREAM, 0));
		OK(inet_connect(ends[n][0], "127.0.0.1", inet_port(l)));
		ends[n][1] = OK(accept(l, nullptr, nullptr));
	}
	for (int n = 0; n < PAIRS; n++) {
		sent[n] = fill_stream(ends[n][0], piece);
		failed += errno == ENOBUFS;
		CHECK(errno == ENOBUFS || errno == EAGAIN);
		sum += sent[n];
	}
	CHECK(failed > PAIRS / 2);
	CHECK(sum > 1000 && sum < 2 << 20);
	/* And nothing of it is lost. */
	for (int n = 0; n < PAIRS; n++)
		drain(ends[n][1], sent[n]);
	EQUAL(send(ends[0][0], "x", 1, 0), 1);
	drain(ends[0][1], 1);
	for (int n = 0; n < PAIRS; n++) {
		OK(close(ends[n][0]));
		OK(close(ends[n][1]));
	}
	OK(close(l));
}

static void streams_as_a_user(void)
{
	become_somebody();
	streams_of(32768);
	streams_of(1); /* which cost much more than they are */
	streams_of(32768);
}

static void what_is_under_way(void)
{
	with_limit("256", streams_as_a_user);
}

/* --- connections that are never made --- */

enum : uint32_t { FLOOD = 100000, BATCH = 50, HONEST_MOST = 5000 };
struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint32_t add_up(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t sum = 0;

	for (size_t k = 0; k < n; k += 2)
		sum += (uint32_t)(p[k] << 8 | p[k + 1]);
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* From somebody who is not there. */
static struct syn syn(uint32_t n, uint16_t port)
{
	struct syn s = {
		.ip = {.version = 4, .ihl = 5, .tot_len = htons(sizeof(s)), .ttl = 64, .protocol = IPPROTO_TCP},
		.tcp = {.dest = htons(port), .doff = 5, .syn = 1, .window = htons(1024)},
	};

	s.ip.saddr = htonl(UINT32_C(0xc6120000) + n / 4); /* 198.18: for tests (RFC 2544) */
	s.ip.daddr = htonl(INADDR_LOOPBACK);
	s.ip.check = checksum(add_up(&s.ip, sizeof(s.ip)));
	s.tcp.source = htons((uint16_t)(1024 + n % 4));
	s.tcp.seq = htonl(n);
	s.tcp.check = checksum(add_up(&s.ip.saddr, 8) + IPPROTO_TCP + sizeof(s.tcp) + add_up(&s.tcp, sizeof(s.tcp)));
	return s;
}

static void flood(int raw, const struct sockaddr_ll *to, uint32_t from, uint16_t port)
{
	static struct syn syns[BATCH];
	struct mmsghdr m[BATCH] = {};
	struct iovec v[BATCH];

	for (uint32_t n = 0; n < BATCH; n++) {
		syns[n] = syn(from + n, port);
		v[n] = (struct iovec){&syns[n], sizeof(syns[n])};
		m[n].msg_hdr = (struct msghdr){
			.msg_name = (void *)to, .msg_namelen = sizeof(*to), .msg_iov = &v[n], .msg_iovlen = 1};
	}
	EQUAL(sendmmsg(raw, m, BATCH, 0), BATCH);
}

/* One who means it, while the flood goes on: how much of it came first. */
static uint32_t honest_one(int l, int raw, const struct sockaddr_ll *to, uint32_t from)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	uint32_t passed = 0;
	char text[4];

	if (inet_connect(fd, "127.0.0.1", inet_port(l)) != 0)
		EQUAL(errno, EINPROGRESS);
	while (inet_ready(fd, POLLOUT) != POLLOUT) {
		CHECK(passed < HONEST_MOST);
		flood(raw, to, from + passed, inet_port(l));
		passed += BATCH;
	}
	int server = OK(accept(l, nullptr, nullptr));
	EQUAL(write(fd, "hi", 2), 2);
	EQUAL(read(server, text, sizeof(text)), 2);
	OK(close(server));
	OK(close(fd));
	return passed;
}

static void a_flood_keeps_nobody_out(void)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_IP), .sll_halen = 6};
	int raw = OK(socket(AF_PACKET, SOCK_DGRAM, 0)), l = OK(socket(AF_INET, SOCK_STREAM, 0));

	to.sll_ifindex = (int)if_nametoindex("lo");
	OK(inet_bind(l, "127.0.0.1", 0));
	OK(listen(l, 128));
	for (uint32_t n = 0; n < FLOOD; n += BATCH) {
		flood(raw, &to, n, inet_port(l));
		if (n % 10000 == 5000)
			n += honest_one(l, raw, &to, n + BATCH);
	}
	(void)honest_one(l, raw, &to, FLOOD);
}

KTAP_MAIN(STELLUX_CASE(sockets_alone), STELLUX_CASE(what_nobody_has_read), STELLUX_CASE(what_is_under_way),
	  CASE(a_flood_keeps_nobody_out))
