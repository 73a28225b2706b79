/* SPDX-License-Identifier: MIT */
/* A fault inside TCP/IP, in mid-transfer (/proc/stray_points): connections end with ECONNRESET and whoever waits is
 * woken, listeners listen again, sockets of datagrams keep what they are bound to, interfaces their addresses, and
 * nothing of the connections stays charged. */
#include "inet_sockets.h"

#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static const char USER_PAGES[] = "/proc/sys/net/core/user_socket_pages";
enum { FAULTS = 6, CHUNK = 65536 };

static int listener(int family, const char *address)
{
	int fd = OK(socket(family, SOCK_STREAM, 0));

	OK(inet_bind(fd, address, 0));
	OK(listen(fd, 8));
	return fd;
}

/* A connection, and its other end, taken. */
static int connection(int server, int family, const char *address, int *taken)
{
	int fd = OK(socket(family, SOCK_STREAM, 0));

	OK(inet_connect(fd, address, inet_port(server)));
	if (taken != nullptr)
		*taken = OK(accept(server, nullptr, nullptr));
	return fd;
}

static void whole_way(int server, int family, const char *address)
{
	char text[8];
	int taken, fd = connection(server, family, address, &taken);

	EQUAL(write(fd, "there", 5), 5);
	EQUAL(recv(taken, text, sizeof(text), 0), 5);
	EQUAL(write(taken, "back", 4), 4);
	EQUAL(recv(fd, text, sizeof(text), 0), 4);
	OK(close(fd));
	EQUAL(read(taken, text, 1), 0);
	OK(close(taken));
}

/* One that a child's call does not survive; it may end the child. */
static void stray(const char *point, int fd)
{
	static char bytes[CHUNK];
	char line[128], points[8192];

	snprintf(line, sizeof(line), "%s thread inet_faults pass 1 faults 1", point);
	ktap_put("/proc/stray_points", line);
	pid_t child = CHILD(FAILS(EFAULT, send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL)));
	int status = ktap_wait(child);
	ktap_read_file("/proc/stray_points", points, sizeof(points));
	ktap_put("/proc/stray_points", "none");
	snprintf(line, sizeof(line), "armed %s passed 1 faulted 1", point);
	CHECK(strstr(points, line) != nullptr);
	CHECK(status == 0 || WTERMSIG(status) == SIGKILL);
}

/* The thread that was struck is the next one that sends. */
static void who_was_struck_sends(void)
{
	int four = listener(AF_INET, "127.0.0.1"), bound = OK(socket(AF_INET, SOCK_DGRAM, 0)), taken;
	int struck = connection(four, AF_INET, "127.0.0.1", &taken), sender = OK(socket(AF_INET, SOCK_DGRAM, 0));
	static char bytes[CHUNK], got[8192], points[8192];

	OK(inet_bind(bound, "127.0.0.1", 0));
	OK(inet_connect(sender, "127.0.0.1", inet_port(bound)));
	for (int n = 0; n < FAULTS; n++) {
		ktap_put("/proc/stray_points", "driver_inet_arrived thread inet_faults pass 1 faults 1");
		pid_t child = CHILD({
			FAILS(EFAULT, send(struck, bytes, sizeof(bytes), MSG_NOSIGNAL));
			for (int k = 0; k < 16; k++) {
				memset(bytes, 'a' + k, 1400);
				EQUAL(send(sender, bytes, 1400, 0), 1400);
				EQUAL(recv(bound, got, sizeof(got), MSG_DONTWAIT), 1400);
				CHECK(memcmp(got, bytes, 1400) == 0);
			}
		});
		int status = ktap_wait(child);
		ktap_read_file("/proc/stray_points", points, sizeof(points));
		ktap_put("/proc/stray_points", "none");
		CHECK(strstr(points, "armed driver_inet_arrived passed 1 faulted 1") != nullptr);
		CHECK(status == 0 || WTERMSIG(status) == SIGKILL);
		OK(close(struck));
		OK(close(taken));
		struck = connection(four, AF_INET, "127.0.0.1", &taken);
	}
}

static int pending(int fd)
{
	int error = -1;
	socklen_t length = sizeof(error);

	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
	return error;
}

static void connections_end_and_listeners_come_back(void)
{
	struct pollfd polled = {.events = POLLIN}, looked = {.events = POLLIN};
	int four = listener(AF_INET, "127.0.0.1"), six = listener(AF_INET6, "::1"), bystander, other,
	    epoll = OK(epoll_create1(0));
	int struck = connection(four, AF_INET, "127.0.0.1", &bystander),
	    of_six = connection(six, AF_INET6, "::1", &other);
	int waiting = connection(four, AF_INET, "127.0.0.1", nullptr),
	    full = connection(four, AF_INET, "127.0.0.1", nullptr);
	struct epoll_event want = {.events = EPOLLIN | EPOLLET}, got;
	char text[8];

	OK(epoll_ctl(epoll, EPOLL_CTL_ADD, of_six, &want));
	EQUAL(epoll_wait(epoll, &got, 1, 0), 0);
	EQUAL(write(of_six, "six", 3), 3);
	while (send(full, USER_PAGES, sizeof(USER_PAGES), MSG_DONTWAIT) > 0)
		;
	pid_t reader = CHILD({
		EQUAL(read(other, text, sizeof(text)), 3);
		FAILS(ECONNRESET, read(other, text, 1));
	});
	ktap_until_state(reader, "S");
	/* There may be room again for a few. */
	pid_t writer = CHILD({
		while (send(full, "x", 1, MSG_NOSIGNAL) == 1)
			;
		CHECK(errno == ECONNRESET);
	});
	ktap_until_state(writer, "S");
	polled.fd = waiting;
	pid_t poller = CHILD({
		EQUAL(poll(&polled, 1, -1), 1);
		EQUAL(polled.revents & (POLLERR | POLLHUP), POLLERR | POLLHUP);
	});
	ktap_until_state(poller, "S");
	stray("driver_inet_arrived", struck);
	EXITS(poller, 0);
	EXITS(writer, 0);
	EXITS(reader, 0);
	EQUAL(epoll_wait(epoll, &got, 1, -1), 1);
	CHECK(got.events & EPOLLERR);
	FAILS(ECONNRESET, read(bystander, text, 1));
	EQUAL(read(bystander, text, 1), 0);
	FAILS(EPIPE, send(bystander, "x", 1, MSG_NOSIGNAL));
	looked.fd = of_six;
	EQUAL(poll(&looked, 1, 0), 1);
	EQUAL(pending(of_six), ECONNRESET);
	EQUAL(pending(of_six), 0);
	/* Who was not yet taken is taken, and is over. */
	for (int n = 0; n < 2; n++) {
		int late = OK(accept(four, nullptr, nullptr));
		for (ssize_t part; (part = recv(late, text, sizeof(text), MSG_DONTWAIT)) > 0;)
			;
		CHECK(errno == ECONNRESET);
		OK(close(late));
	}
	whole_way(four, AF_INET, "127.0.0.1");
	whole_way(six, AF_INET6, "::1");
}

static void datagrams_go_on(void)
{
	int four = listener(AF_INET, "127.0.0.1"), bound = OK(socket(AF_INET, SOCK_DGRAM, 0));
	int connected = OK(socket(AF_INET, SOCK_DGRAM, 0)), many = OK(socket(AF_INET, SOCK_DGRAM, 0)), taken;
	int raw = OK(socket(AF_INET, SOCK_RAW, 253)), half = OK(socket(AF_INET, SOCK_STREAM, 0)), on = 1;
	struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex("lo")};
	union inet_address a, b;
	char text[64];

	OK(inet_bind(bound, "127.0.0.1", 0));
	OK(inet_connect(connected, "127.0.0.1", inet_port(bound)));
	OK(inet_bind(half, "127.0.0.1", 0));
	uint16_t port = inet_port(bound), own = inet_port(connected), of_half = inet_port(half);
	OK(inet_bind(many, "0.0.0.0", 0));
	CHECK(inet_pton(AF_INET, "239.7.7.7", &group.imr_multiaddr) == 1);
	OK(setsockopt(many, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
	OK(setsockopt(connected, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)));
	EQUAL(send(connected, "before", 6, 0), 6);
	stray("driver_inet_arrived", connection(four, AF_INET, "127.0.0.1", &taken));
	/* What had come is there. */
	EQUAL(recv(bound, text, sizeof(text), MSG_DONTWAIT), 6);
	EQUAL(inet_port(bound), port);
	EQUAL(inet_port(connected), own);
	EQUAL(inet_port(half), of_half);
	EQUAL(send(connected, "after", 5, 0), 5);
	EQUAL(recv(bound, text, sizeof(text), MSG_DONTWAIT), 5);
	FAILS(EADDRINUSE, inet_bind(OK(socket(AF_INET, SOCK_DGRAM, 0)), "127.0.0.1", port));
	OK(listen(half, 1));
	whole_way(half, AF_INET, "127.0.0.1");
	socklen_t n = inet_of_text(&a, "239.7.7.7", inet_port(many));
	int sender = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)));
	EQUAL(sendto(sender, "many", 4, 0, &a.any, n), 4);
	EQUAL(recv(many, text, sizeof(text), MSG_DONTWAIT), 4);
	n = inet_of_text(&b, "127.0.0.1", 0);
	EQUAL(sendto(raw, "raw", 3, 0, &b.any, n), 3);
	EQUAL(recv(raw, text, sizeof(text), MSG_DONTWAIT), 23);
	OK(setsockopt(bound, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
}

/* A user with room for a few of them has as much after each fault. */
static void struck_again_and_again(void)
{
	int taken[2], four = listener(AF_INET, "127.0.0.1");

	for (int n = 0; n < FAULTS; n++) {
		int struck = connection(four, AF_INET, "127.0.0.1", &taken[0]);
		int full = connection(four, AF_INET, "127.0.0.1", &taken[1]);

		while (send(full, USER_PAGES, sizeof(USER_PAGES), MSG_DONTWAIT) > 0)
			;
		CHECK(errno == EAGAIN);
		stray("driver_inet_arrived", struck);
		OK(close(struck));
		OK(close(full));
		OK(close(taken[0]));
		OK(close(taken[1]));
	}
	whole_way(four, AF_INET, "127.0.0.1");
}

static void nothing_stays_charged(void)
{
	char before[32];

	ktap_read_file(USER_PAGES, before, sizeof(before));
	ktap_put(USER_PAGES, "512");
	ktap_put("/proc/stray_points", "none");
	pid_t child = CHILD(struck_again_and_again());
	int status = ktap_wait(child);
	ktap_put(USER_PAGES, before);
	EQUAL(status, 0);
}

/* A card keeps its address and goes on sending: whoever is asked there refuses, or answers. */
static void a_card_goes_on(void)
{
	struct if_nameindex *all = if_nameindex();
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), server = listener(AF_INET, "0.0.0.0");
	struct ifreq r = {}, mask = {};
	struct sockaddr_in a = {.sin_family = AF_INET};

	CHECK(all != nullptr);
	for (struct if_nameindex *i = all; i->if_index != 0; i++)
		if (strcmp(i->if_name, "lo") != 0)
			strcpy(r.ifr_name, i->if_name);
	if_freenameindex(all);
	if (r.ifr_name[0] == '\0')
		ktap_skip("there is no network card");
	CHECK(inet_pton(AF_INET, "10.0.2.15", &a.sin_addr) == 1);
	memcpy(&r.ifr_addr, &a, sizeof(a));
	OK(ioctl(fd, SIOCSIFADDR, &r));
	strcpy(mask.ifr_name, r.ifr_name);
	CHECK(inet_pton(AF_INET, "255.255.255.0", &a.sin_addr) == 1);
	memcpy(&mask.ifr_netmask, &a, sizeof(a));
	OK(ioctl(fd, SIOCSIFNETMASK, &mask));
	OK(ioctl(fd, SIOCGIFFLAGS, &r));
	r.ifr_flags |= IFF_UP;
	OK(ioctl(fd, SIOCSIFFLAGS, &r));
	FAILS(ECONNREFUSED, inet_connect(OK(socket(AF_INET, SOCK_STREAM, 0)), "10.0.2.2", 1));
	for (int n = 0; n < 2; n++) {
		ktap_put("/proc/stray_points", "driver_inet_send thread inet_faults pass 1 faults 1");
		pid_t child = CHILD(FAILS(EFAULT, inet_connect(OK(socket(AF_INET, SOCK_STREAM, 0)), "10.0.2.2", 1)));
		int status = ktap_wait(child);
		ktap_put("/proc/stray_points", "none");
		CHECK(status == 0 || WTERMSIG(status) == SIGKILL);
		OK(ioctl(fd, SIOCGIFADDR, &r));
		memcpy(&a, &r.ifr_addr, sizeof(a));
		EQUAL(ntohl(a.sin_addr.s_addr), 0x0a00020f);
		FAILS(ECONNREFUSED, inet_connect(OK(socket(AF_INET, SOCK_STREAM, 0)), "10.0.2.2", 1));
		whole_way(server, AF_INET, "10.0.2.15");
	}
}

KTAP_MAIN(STELLUX_CASE(connections_end_and_listeners_come_back), STELLUX_CASE(datagrams_go_on),
	  STELLUX_CASE(who_was_struck_sends), STELLUX_CASE(nothing_stays_charged), STELLUX_CASE(a_card_goes_on))
