/* SPDX-License-Identifier: MIT */
/* Links, addresses and routes by NETLINK_ROUTE (netlink(7), rtnetlink(7)), on `lo`. */
#include "inet_sockets.h"
#include "unix_sockets.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/ioctl.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
/* What musl has no header for. */
struct header {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
};
struct attribute {
	uint16_t length, type;
};
struct netlink_address {
	uint16_t family, pad;
	uint32_t port, groups;
};
struct link {
	uint8_t family, pad;
	uint16_t type;
	int32_t index;
	uint32_t flags, change;
};
struct address {
	uint8_t family, prefix, flags, scope;
	uint32_t index;
};
struct route {
	uint8_t family, to_prefix, from_prefix, tos, table, protocol, scope, type;
	uint32_t flags;
};
enum { REQUEST = 1, MULTI = 2, ACK = 4, DUMP = 0x300, REPLACE = 0x100, EXCL = 0x200, CREATE = 0x400 };
enum { ERROR = 2, DONE = 3 };
enum { NEWLINK = 16, GETLINK = 18, NEWADDR = 20, DELADDR, GETADDR, NEWROUTE = 24, DELROUTE, GETROUTE, NEWNEIGH = 28 };
enum { IFNAME = 3, MTU = 4, IFA_ADDRESS = 1, DST = 1, LLADDR = 2, OIF = 4, PRIORITY = 6 };
enum { GROUP_LINK = 1, GROUP_ADDRESS4 = 5, GROUP_ROUTE4 = 7, ADD_MEMBERSHIP = 1 };
enum { MAIN = 254, BOOT = 3, SCOPE_LINK = 253, UNICAST = 1, PERMANENT = 0x80 };

struct request {
	struct header h;
	uint8_t bytes[512];
};
static uint32_t sequence;

static void begin(struct request *r, uint16_t type, uint16_t flags, const void *fixed, size_t n)
{
	*r = (struct request){.h = {.length = (uint32_t)(sizeof(r->h) + n),
				    .type = type,
				    .flags = flags | REQUEST,
				    .sequence = ++sequence}};
	memcpy(r->bytes, fixed, n);
}

static void put(struct request *r, uint16_t type, const void *data, size_t n)
{
	struct attribute a = {.length = (uint16_t)(sizeof(a) + n), .type = type};
	uint8_t *at = (uint8_t *)r + r->h.length;

	memcpy(at, &a, sizeof(a));
	memcpy(at + sizeof(a), data, n);
	r->h.length += (sizeof(a) + (uint32_t)n + 3) & ~3u;
}

static int open_route(void)
{
	return OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static void ask(int fd, const struct request *r)
{
	EQUAL(send(fd, r, r->h.length, 0), r->h.length);
}

/* What a request that wants an acknowledgement gets: 0 or an errno. */
static int result(int fd, struct request *r)
{
	uint8_t bytes[4096];
	int32_t error;
	struct header h;

	r->h.flags |= ACK;
	ask(fd, r);
	ssize_t n = OK(recv(fd, bytes, sizeof(bytes), 0));
	CHECK(n >= (ssize_t)sizeof(h) + 4 + (ssize_t)sizeof(h));
	memcpy(&h, bytes, sizeof(h));
	EQUAL(h.type, ERROR);
	EQUAL(h.sequence, r->h.sequence);
	memcpy(&error, bytes + sizeof(h), sizeof(error));
	CHECK(memcmp(bytes + sizeof(h) + 4, &r->h, sizeof(h)) == 0);
	return -error;
}

typedef bool wanted_fn(const struct header *h, const void *fixed, const void *context);

/* The data of the first attribute of the type behind n fixed bytes, or nullptr. */
static const void *find(const struct header *h, size_t n, uint16_t type, size_t *length)
{
	const uint8_t *at = (const uint8_t *)(h + 1) + n, *end = (const uint8_t *)h + h->length;

	while (end - at >= (ptrdiff_t)sizeof(struct attribute)) {
		struct attribute a;

		memcpy(&a, at, sizeof(a));
		CHECK(a.length >= sizeof(a) && a.length <= end - at);
		if (a.type == type) {
			*length = a.length - sizeof(a);
			return at + sizeof(a);
		}
		at += (a.length + 3) & ~3;
	}
	return nullptr;
}

static bool is_number(const struct header *h, size_t n, uint16_t type, uint32_t number)
{
	size_t length;
	const void *data = find(h, n, type, &length);

	return data != nullptr && length == sizeof(number) && memcmp(data, &number, sizeof(number)) == 0;
}

/* How many messages of a dump the function wants; all belong to it, and an end. */
static int count_of(int fd, struct request *r, uint16_t type, wanted_fn *wanted, const void *context)
{
	static uint8_t bytes[65536] __attribute__((aligned(8)));
	int count = 0;

	r->h.flags |= DUMP;
	ask(fd, r);
	while (true) {
		ssize_t n = OK(recv(fd, bytes, sizeof(bytes), 0));

		for (ssize_t at = 0; at < n;) {
			const struct header *h = (const void *)(bytes + at);

			CHECK(n - at >= (ssize_t)sizeof(*h) && h->length >= sizeof(*h) && h->length <= n - at);
			EQUAL(h->sequence, r->h.sequence);
			CHECK(h->flags & MULTI);
			if (h->type == DONE)
				return count;
			EQUAL(h->type, type);
			count += wanted(h, h + 1, context);
			at += (h->length + 3) & ~3;
		}
	}
}

static bool is_lo(const struct header *h, const void *fixed, const void *)
{
	const struct link *l = fixed;
	size_t n;
	const char *name = find(h, sizeof(*l), IFNAME, &n);

	return l->index == (int)if_nametoindex("lo") && l->type == 772 && name != nullptr && strcmp(name, "lo") == 0 &&
	       n == 3 && (l->flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK);
}

static void links(void)
{
	int fd = open_route();
	struct link l = {}, other = {.index = 99999};
	struct request r;
	static uint8_t bytes[8192] __attribute__((aligned(8)));

	begin(&r, GETLINK, 0, &l, sizeof(l));
	EQUAL(count_of(fd, &r, NEWLINK, is_lo, nullptr), 1);
	/* The least that C libraries ask with. */
	begin(&r, GETLINK, 0, &l, 1);
	EQUAL(count_of(fd, &r, NEWLINK, is_lo, nullptr), 1);
	begin(&r, GETLINK, 0, &l, sizeof(l));
	put(&r, IFNAME, "lo", 3);
	ask(fd, &r);
	ssize_t n = OK(recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_TRUNC));
	EQUAL(recv(fd, bytes, 1, MSG_PEEK | MSG_TRUNC), n);
	EQUAL(recv(fd, bytes, sizeof(bytes), 0), n);
	const struct header *h = (const void *)bytes;
	EQUAL(h->length, n);
	CHECK(is_lo(h, h + 1, nullptr));
	FAILS(EAGAIN, recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT));
	begin(&r, GETLINK, 0, &other, sizeof(other));
	EQUAL(result(fd, &r), ENODEV);
}

struct wanted_address {
	uint8_t family, prefix, bytes[16];
};

static bool is_address(const struct header *h, const void *fixed, const void *context)
{
	const struct wanted_address *w = context;
	const struct address *a = fixed;
	size_t n;
	const void *data = find(h, sizeof(*a), IFA_ADDRESS, &n);

	return a->family == w->family && a->prefix == w->prefix && a->index == if_nametoindex("lo") &&
	       data != nullptr && n == (w->family == AF_INET ? 4 : 16) && memcmp(data, w->bytes, n) == 0;
}

static void addresses(void)
{
	const struct wanted_address four = {AF_INET, 8, {127, 0, 0, 1}}, six = {AF_INET6, 128, {[15] = 1}};
	struct address a = {};
	struct request r;
	int fd = open_route();

	begin(&r, GETADDR, 0, &a, sizeof(a));
	EQUAL(count_of(fd, &r, NEWADDR, is_address, &four), 1);
	begin(&r, GETADDR, 0, &a, sizeof(a));
	EQUAL(count_of(fd, &r, NEWADDR, is_address, &six), 1);
	a.family = AF_INET;
	begin(&r, GETADDR, 0, &a, sizeof(a));
	EQUAL(count_of(fd, &r, NEWADDR, is_address, &six), 0);
	/* That one is there, and another is not. */
	a = (struct address){.family = AF_INET, .prefix = 8, .index = if_nametoindex("lo")};
	begin(&r, NEWADDR, EXCL | CREATE, &a, sizeof(a));
	put(&r, 2, four.bytes, 4);
	EQUAL(result(fd, &r), EEXIST);
	begin(&r, DELADDR, 0, &a, sizeof(a));
	put(&r, 2, (uint8_t[]){203, 0, 113, 9}, 4);
	EQUAL(result(fd, &r), EADDRNOTAVAIL);
	a.index = 99999;
	begin(&r, NEWADDR, EXCL | CREATE, &a, sizeof(a));
	put(&r, 2, four.bytes, 4);
	EQUAL(result(fd, &r), ENODEV);
}

static void set_mask_of_lo(uint32_t mask)
{
	struct ifreq r = {.ifr_name = "lo"};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(mask)};
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	memcpy(&r.ifr_netmask, &in, sizeof(in));
	OK(ioctl(fd, SIOCSIFNETMASK, &r));
	close(fd);
}

/* The mask alone: the address is told as it is. */
static void addresses_change(void)
{
	const struct wanted_address wide = {AF_INET, 8, {127, 0, 0, 1}}, narrow = {AF_INET, 16, {127, 0, 0, 1}};
	struct netlink_address own = {.family = AF_NETLINK, .groups = 1 << (GROUP_ADDRESS4 - 1)};
	static uint8_t bytes[4096] __attribute__((aligned(8)));
	const struct header *h = (const void *)bytes;
	int news = open_route();

	OK(bind(news, (struct sockaddr *)&own, sizeof(own)));
	set_mask_of_lo(0xffff0000);
	set_mask_of_lo(0xff000000);
	OK(recv(news, bytes, sizeof(bytes), 0));
	EQUAL(h->type, DELADDR);
	CHECK(is_address(h, h + 1, &wide));
	OK(recv(news, bytes, sizeof(bytes), 0));
	EQUAL(h->type, NEWADDR);
	CHECK(is_address(h, h + 1, &narrow));
}

static void c_library_lists(void)
{
	struct if_nameindex *names = if_nameindex();
	struct ifaddrs *all;
	int found = 0;

	CHECK(names != nullptr);
	for (struct if_nameindex *n = names; n->if_index != 0; n++)
		found += strcmp(n->if_name, "lo") == 0 && n->if_index == if_nametoindex("lo");
	EQUAL(found, 1);
	if_freenameindex(names);
	found = 0;
	OK(getifaddrs(&all));
	for (struct ifaddrs *a = all; a != nullptr; a = a->ifa_next) {
		const struct sockaddr_in *in = (const void *)a->ifa_addr;

		if (in != nullptr && in->sin_family == AF_INET && strcmp(a->ifa_name, "lo") == 0 &&
		    in->sin_addr.s_addr == htonl(INADDR_LOOPBACK))
			found++;
	}
	EQUAL(found, 1);
	freeifaddrs(all);
}

static const uint8_t test_net[4] = {198, 51, 100, 0};

static void route_of_test(struct request *r, uint16_t type, uint16_t flags)
{
	const struct route m = {.family = AF_INET,
				.to_prefix = 24,
				.table = MAIN,
				.protocol = BOOT,
				.scope = SCOPE_LINK,
				.type = UNICAST};
	uint32_t lo = if_nametoindex("lo"), metric = 7;

	begin(r, type, flags, &m, sizeof(m));
	put(r, DST, test_net, 4);
	put(r, OIF, &lo, sizeof(lo));
	put(r, PRIORITY, &metric, sizeof(metric));
}

static bool is_test_route(const struct header *h, const void *fixed, const void *)
{
	const struct route *m = fixed;
	size_t n;
	const void *to = find(h, sizeof(*m), DST, &n);

	return m->family == AF_INET && m->to_prefix == 24 && m->table == MAIN && m->protocol == BOOT &&
	       m->scope == SCOPE_LINK && m->type == UNICAST && to != nullptr && n == 4 &&
	       memcmp(to, test_net, 4) == 0 && is_number(h, sizeof(*m), OIF, if_nametoindex("lo")) &&
	       is_number(h, sizeof(*m), PRIORITY, 7);
}

static int count_routes(int fd)
{
	struct route m = {.family = AF_INET};
	struct request r;

	begin(&r, GETROUTE, 0, &m, sizeof(m));
	return count_of(fd, &r, NEWROUTE, is_test_route, nullptr);
}

static void routes(void)
{
	int fd = open_route(), news = open_route();
	struct netlink_address own = {.family = AF_NETLINK, .groups = 1 << (GROUP_ROUTE4 - 1)};
	static uint8_t bytes[4096] __attribute__((aligned(8)));
	const struct header *h = (const void *)bytes;
	struct netlink_address from = {};
	socklen_t length = sizeof(from);
	struct request r;

	OK(bind(news, (struct sockaddr *)&own, sizeof(own)));
	EQUAL(count_routes(fd), 0);
	route_of_test(&r, NEWROUTE, CREATE | EXCL);
	EQUAL(result(fd, &r), 0);
	EQUAL(count_routes(fd), 1);
	OK(recvfrom(news, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length));
	EQUAL(h->type, NEWROUTE);
	CHECK(is_test_route(h, h + 1, nullptr));
	EQUAL(length, sizeof(from));
	EQUAL(from.family, AF_NETLINK);
	EQUAL(from.port, 0);
	EQUAL(from.groups, own.groups);
	EQUAL(result(fd, &r), EEXIST);
	route_of_test(&r, DELROUTE, 0);
	EQUAL(result(fd, &r), 0);
	OK(recv(news, bytes, sizeof(bytes), 0));
	EQUAL(h->type, DELROUTE);
	CHECK(is_test_route(h, h + 1, nullptr));
	EQUAL(result(fd, &r), ESRCH);
	EQUAL(count_routes(fd), 0);
	/* Nobody is changed without being there. */
	route_of_test(&r, NEWROUTE, 0);
	EQUAL(result(fd, &r), ENOENT);
}

static void route_by(struct request *r, uint16_t type, uint16_t flags, uint32_t metric, uint8_t protocol)
{
	struct route m = {.family = AF_INET,
			  .to_prefix = 24,
			  .table = MAIN,
			  .protocol = protocol,
			  .scope = SCOPE_LINK,
			  .type = UNICAST};
	uint32_t lo = if_nametoindex("lo");

	begin(r, type, flags, &m, sizeof(m));
	put(r, DST, test_net, 4);
	put(r, OIF, &lo, sizeof(lo));
	if (metric != 0)
		put(r, PRIORITY, &metric, sizeof(metric));
}

struct by {
	uint32_t metric;
	uint8_t protocol;
};

static bool is_by(const struct header *h, const void *fixed, const void *context)
{
	const struct by *by = context;
	const struct route *m = fixed;
	size_t n;
	const void *to = find(h, sizeof(*m), DST, &n), *metric = find(h, sizeof(*m), PRIORITY, &n);

	return m->to_prefix == 24 && m->protocol == by->protocol && to != nullptr && memcmp(to, test_net, 4) == 0 &&
	       (metric == nullptr ? by->metric == 0 : memcmp(metric, &by->metric, sizeof(by->metric)) == 0);
}

static int count_by(int fd, uint32_t metric, uint8_t protocol)
{
	struct route m = {.family = AF_INET};
	struct by by = {metric, protocol};
	struct request r;

	begin(&r, GETROUTE, 0, &m, sizeof(m));
	return count_of(fd, &r, NEWROUTE, is_by, &by);
}

/* Of several ways to one network that one is replaced whose metric it is, and no other. */
static void routes_are_replaced(void)
{
	enum { STATIC = 4 };
	int fd = open_route();
	struct request r;

	route_by(&r, NEWROUTE, CREATE | EXCL, 5, BOOT);
	EQUAL(result(fd, &r), 0);
	/* Nothing is there to be replaced. */
	route_by(&r, NEWROUTE, REPLACE, 0, STATIC);
	EQUAL(result(fd, &r), ENOENT);
	EQUAL(count_by(fd, 5, BOOT), 1);
	route_by(&r, NEWROUTE, CREATE | EXCL, 0, BOOT);
	EQUAL(result(fd, &r), 0);
	route_by(&r, NEWROUTE, CREATE | REPLACE, 0, STATIC);
	EQUAL(result(fd, &r), 0);
	EQUAL(count_by(fd, 5, BOOT), 1);
	EQUAL(count_by(fd, 0, BOOT), 0);
	EQUAL(count_by(fd, 0, STATIC), 1);
	/* What is refused leaves what was. */
	route_by(&r, NEWROUTE, CREATE | REPLACE | EXCL, 0, BOOT);
	EQUAL(result(fd, &r), EEXIST);
	EQUAL(count_by(fd, 0, STATIC), 1);
	route_by(&r, DELROUTE, 0, 5, BOOT);
	EQUAL(result(fd, &r), 0);
	route_by(&r, DELROUTE, 0, 0, STATIC);
	EQUAL(result(fd, &r), 0);
	EQUAL(count_by(fd, 5, BOOT) + count_by(fd, 0, STATIC), 0);
}

/* SO_RCVBUF is of the memory that answers hold: small ones take no more of it than large ones. */
static void small_answers_are_counted(void)
{
	enum { ASKED = 2000, LIMIT = 8192 };
	struct link l = {.index = 99999};
	uint8_t bytes[256];
	struct request r;
	int fd = open_route(), limit = LIMIT, held = 0;
	bool told = false;

	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &limit, sizeof(limit)));
	for (int n = 0; n < ASKED; n++) {
		begin(&r, GETLINK, ACK, &l, sizeof(l));
		(void)send(fd, &r, r.h.length, 0);
	}
	while (true) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			EQUAL(errno, ENOBUFS);
		told |= n < 0;
		held += n > 0;
	}
	CHECK(told);
	CHECK(held >= 1 && held < 100);
}

/* Whatever fails for want of memory: who listens hears of a change, or that something was lost. */
static void lost_news_is_told(void)
{
	enum { MANY = 60 };
	struct netlink_address own = {.family = AF_NETLINK, .groups = 1 << (GROUP_ROUTE4 - 1)};
	int fd = open_route(), news = open_route(), order = OK(open("/proc/self/fail-nth", O_RDWR)), lost = 0;
	uint8_t bytes[4096];
	struct request r;

	OK(bind(news, (struct sockaddr *)&own, sizeof(own)));
	for (int nth = 1; nth <= MANY; nth++) {
		char number[16];
		int digits = snprintf(number, sizeof(number), "%d", nth);

		route_of_test(&r, NEWROUTE, CREATE | EXCL);
		EQUAL(write(order, number, (size_t)digits), digits);
		(void)send(fd, &r, r.h.length, 0);
		EQUAL(write(order, "0", 1), 1);
		while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
			;
		EQUAL(errno, EAGAIN);
		if (count_routes(fd) == 0)
			continue;
		if (recv(news, bytes, sizeof(bytes), MSG_DONTWAIT) < 0) {
			EQUAL(errno, ENOBUFS);
			lost++;
		}
		route_of_test(&r, DELROUTE, 0);
		EQUAL(result(fd, &r), 0);
		OK(recv(news, bytes, sizeof(bytes), MSG_DONTWAIT));
		FAILS(EAGAIN, recv(news, bytes, sizeof(bytes), MSG_DONTWAIT));
	}
	CHECK(lost > 0);
}

static void requests_are_checked(void)
{
	int fd = open_route();
	struct route m = {.family = AF_INET, .to_prefix = 33, .table = MAIN, .protocol = BOOT, .type = UNICAST};
	uint32_t nobody = 99999;
	struct request r;

	begin(&r, NEWROUTE, CREATE, &m, sizeof(m));
	EQUAL(result(fd, &r), EINVAL);
	begin(&r, NEWROUTE, CREATE, &m, 4);
	EQUAL(result(fd, &r), EINVAL);
	/* More than the prefix has. */
	m.to_prefix = 16;
	begin(&r, NEWROUTE, CREATE, &m, sizeof(m));
	put(&r, DST, test_net, 4);
	EQUAL(result(fd, &r), EINVAL);
	m.to_prefix = 24;
	begin(&r, NEWROUTE, CREATE, &m, sizeof(m));
	put(&r, DST, test_net, 3);
	CHECK(result(fd, &r) != 0);
	begin(&r, NEWROUTE, CREATE, &m, sizeof(m));
	put(&r, DST, test_net, 4);
	put(&r, OIF, &nobody, sizeof(nobody));
	EQUAL(result(fd, &r), ENODEV);
	/* What nobody knows; what is no request is not answered, and the next one is. */
	begin(&r, 120, 0, &m, sizeof(m));
	EQUAL(result(fd, &r), EOPNOTSUPP);
	begin(&r, GETLINK, 0, &m, sizeof(m));
	r.h.flags = 0;
	ask(fd, &r);
	FAILS(EAGAIN, recv(fd, &r, sizeof(r), MSG_DONTWAIT));
	r.h.length = 8;
	OK(send(fd, &r, 32, 0));
	r.h.length = 4000;
	OK(send(fd, &r, 32, 0));
	FAILS(EAGAIN, recv(fd, &r, sizeof(r), MSG_DONTWAIT));
	EQUAL(count_routes(fd), 0);
}

/* Linux takes it. */
static void lo_has_no_neighbours(void)
{
	const struct {
		uint8_t family, pad;
		uint16_t more_pad;
		int32_t index;
		uint16_t state;
		uint8_t flags, type;
	} m = {.family = AF_INET, .index = (int)if_nametoindex("lo"), .state = PERMANENT};
	int fd = open_route();
	struct request r;

	begin(&r, NEWNEIGH, CREATE, &m, sizeof(m));
	put(&r, DST, (uint8_t[]){127, 0, 0, 5}, 4);
	put(&r, LLADDR, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	EQUAL(result(fd, &r), EOPNOTSUPP);
	EQUAL(count_routes(fd), 0);
}

static void changes_need_a_right(void)
{
	pid_t child = CHILD({
		struct request r;

		ktap_become(65534);
		int fd = open_route();
		route_of_test(&r, NEWROUTE, CREATE);
		EQUAL(result(fd, &r), EPERM);
		EQUAL(count_routes(fd), 0);
	});
	EXITS(child, 0);
}

/* Who has it does not lend it to a socket of one who has not (a program with S_ISUID, say, that writes to it). */
static void a_socket_has_its_makers_rights(void)
{
	int ends[2], fd, flags;
	size_t count;
	struct request r;
	char text[8];

	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	pid_t child = CHILD({
		ktap_become(65534);
		int made = open_route();
		OK(send_fds(ends[1], &made, 1, "fd"));
	});
	EXITS(child, 0);
	OK(receive_fds(ends[0], text, sizeof(text), &fd, 1, &count, 0, &flags));
	EQUAL(count, 1);
	route_of_test(&r, NEWROUTE, CREATE);
	EQUAL(result(fd, &r), EPERM);
	EQUAL(count_routes(fd), 0);
}

static void links_change(void)
{
	int fd = open_route(), news = open_route(), group = GROUP_LINK;
	struct link l = {.index = (int)if_nametoindex("lo")};
	static uint8_t bytes[8192] __attribute__((aligned(8)));
	const struct header *h = (const void *)bytes;
	uint32_t small = 3000, none = 20, before = 0;
	struct request r;
	size_t n;

	struct netlink_address own = {.family = AF_NETLINK};
	OK(bind(news, (struct sockaddr *)&own, sizeof(own))); /* without a port Linux tells it nothing */
	OK(setsockopt(news, SOL_NETLINK, ADD_MEMBERSHIP, &group, sizeof(group)));
	begin(&r, GETLINK, 0, &l, sizeof(l));
	ask(fd, &r);
	OK(recv(fd, bytes, sizeof(bytes), 0));
	memcpy(&before, find(h, sizeof(l), MTU, &n), sizeof(before));
	begin(&r, NEWLINK, 0, &l, sizeof(l));
	put(&r, MTU, &small, sizeof(small));
	EQUAL(result(fd, &r), 0);
	struct request back;
	begin(&back, NEWLINK, 0, &l, sizeof(l));
	put(&back, MTU, &before, sizeof(before));
	EQUAL(result(fd, &back), 0);
	bool told = false;
	while (!told && poll(&(struct pollfd){.fd = news, .events = POLLIN}, 1, 20000) == 1) {
		OK(recv(news, bytes, sizeof(bytes), 0));
		told = h->type == NEWLINK && is_number(h, sizeof(l), MTU, small) && is_lo(h, h + 1, nullptr);
	}
	CHECK(told);
	l.index = 99999;
	begin(&r, NEWLINK, 0, &l, sizeof(l));
	put(&r, MTU, &none, sizeof(none));
	EQUAL(result(fd, &r), ENODEV);
}

static void ports(void)
{
	int fd = open_route(), other = open_route();
	struct netlink_address a = {.family = AF_NETLINK}, b = {};
	socklen_t length = sizeof(b);

	OK(getsockname(fd, (struct sockaddr *)&b, &length));
	EQUAL(b.port, 0);
	OK(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	OK(getsockname(fd, (struct sockaddr *)&b, &length));
	CHECK(b.port != 0 && length == sizeof(b));
	FAILS(EADDRINUSE, bind(other, (struct sockaddr *)&b, sizeof(b)));
	OK(bind(other, (struct sockaddr *)&a, sizeof(a)));
	a.port = 12345;
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EINVAL, bind(other, (struct sockaddr *)&a, 8));
	OK(getpeername(fd, (struct sockaddr *)&b, &length));
	EQUAL(b.port, 0);
	FAILS(EPROTONOSUPPORT, socket(AF_NETLINK, SOCK_RAW, 77));
	FAILS(ESOCKTNOSUPPORT, socket(AF_NETLINK, SOCK_STREAM, 0));
	FAILS(EOPNOTSUPP, listen(fd, 1));
}

KTAP_MAIN(CASE(links), CASE(addresses), CASE(addresses_change), CASE(c_library_lists), CASE(routes),
	  CASE(routes_are_replaced), CASE(small_answers_are_counted), STELLUX_CASE(lost_news_is_told),
	  CASE(requests_are_checked), STELLUX_CASE(lo_has_no_neighbours), CASE(changes_need_a_right),
	  CASE(a_socket_has_its_makers_rights), CASE(links_change), CASE(ports))
