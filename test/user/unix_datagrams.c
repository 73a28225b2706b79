/* SPDX-License-Identifier: MIT */
/* Datagrams between processes of one machine, and options of sockets (unix(7), socket(7)). */
#include "unix_sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static short ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	OK(poll(&p, 1, 0));
	return p.revents;
}

static long send_to(int fd, const char *name, const char *text)
{
	struct sockaddr_un a;
	socklen_t length = unix_address(&a, name);

	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, length);
}

static void each_stays_whole(void)
{
	struct sockaddr_un a = {};
	socklen_t length = sizeof(a);
	char text[16] = {};

	ktap_enter_dir();
	int server = unix_socket(SOCK_DGRAM), client = unix_socket(SOCK_DGRAM), nameless = unix_socket(SOCK_DGRAM);
	OK(unix_bind(server, "server"));
	OK(unix_bind(client, "client"));
	EQUAL(send_to(client, "server", "first"), 5);
	EQUAL(send_to(nameless, "server", "second"), 6);
	EQUAL(send_to(client, "server", ""), 0);
	EQUAL(recvfrom(server, text, sizeof(text), 0, (struct sockaddr *)&a, &length), 5);
	CHECK(strcmp(a.sun_path, "client") == 0 && length == offsetof(struct sockaddr_un, sun_path) + 7);
	length = sizeof(a);
	EQUAL(recvfrom(server, text, 3, MSG_TRUNC, (struct sockaddr *)&a, &length), 6);
	EQUAL(length, 0);
	CHECK(memcmp(text, "sec", 3) == 0);
	EQUAL(ready(server, POLLIN), POLLIN);
	EQUAL(recv(server, text, sizeof(text), 0), 0);
	FAILS(EAGAIN, recv(server, text, sizeof(text), MSG_DONTWAIT));
	FAILS(ENOTCONN, send(nameless, "x", 1, 0));
	FAILS(ENOENT, send_to(nameless, "nobody", "x"));
	FAILS(EOPNOTSUPP, listen(server, 1));
	FAILS(EOPNOTSUPP, accept(server, nullptr, nullptr));
}

static void a_default_address(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char name[32], other[32], text[8];

	snprintf(name, sizeof(name), "@dgram-%d", (int)getpid());
	snprintf(other, sizeof(other), "@other-%d", (int)getpid());
	int server = unix_socket(SOCK_DGRAM), client = unix_socket(SOCK_DGRAM), third = unix_socket(SOCK_DGRAM);
	OK(unix_bind(server, name));
	OK(unix_bind(client, other));
	OK(unix_connect(client, name));
	EQUAL(write(client, "hi", 2), 2);
	EQUAL(read(server, text, sizeof(text)), 2);
	/* Who is connected takes datagrams from nobody else. */
	EQUAL(send_to(third, name, "ok"), 2);
	FAILS(EPERM, send_to(third, other, "no"));
	FAILS(EPERM, unix_connect(third, other));
	OK(connect(client, &none, sizeof(none)));
	EQUAL(send_to(third, other, "now"), 3);
	FAILS(ENOTCONN, write(client, "x", 1));
	OK(unix_connect(client, name));
	OK(close(server));
	FAILS(ECONNREFUSED, write(client, "x", 1));
	FAILS(ENOTCONN, write(client, "x", 1)); /* it has forgotten */
}

static void a_queue_has_an_end(void)
{
	char name[32], text[8];
	int sent = 0;

	snprintf(name, sizeof(name), "@queue-%d", (int)getpid());
	int server = unix_socket(SOCK_DGRAM), client = unix_socket(SOCK_DGRAM);
	OK(unix_bind(server, name));
	OK(unix_connect(client, name));
	EQUAL(ready(client, POLLOUT), POLLOUT);
	while (send(client, "x", 1, MSG_DONTWAIT) == 1)
		sent++;
	EQUAL(errno, EAGAIN);
	EQUAL(sent, 11); /* max_dgram_qlen and one */
	EQUAL(ready(client, POLLOUT), 0);
	pid_t polls = CHILD({
		struct pollfd p = {.fd = client, .events = POLLOUT};
		EQUAL(poll(&p, 1, -1), 1);
		_exit(0);
	});
	ktap_until_state(polls, "S");
	pid_t sends = CHILD({
		EQUAL(send(client, "late", 4, 0), 4);
		_exit(0);
	});
	ktap_until_state(sends, "S");
	while (sent-- > 0)
		EQUAL(read(server, text, sizeof(text)), 1);
	EXITS(polls, 0);
	EQUAL(read(server, text, sizeof(text)), 4);
	EXITS(sends, 0);
}

/* Who watched before it was connected is told, too. */
static void room_is_told_to_who_watched_early(void)
{
	struct epoll_event e = {.events = EPOLLOUT | EPOLLET};
	char name[32], text[8];
	int ep = OK(epoll_create1(0));

	snprintf(name, sizeof(name), "@early-%d", (int)getpid());
	int server = unix_socket(SOCK_DGRAM), client = OK(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	OK(unix_bind(server, name));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, client, &e));
	OK(unix_connect(client, name));
	while (write(client, "x", 1) == 1)
		;
	EQUAL(errno, EAGAIN);
	while (epoll_wait(ep, &e, 1, 0) == 1)
		;
	for (int n = 0; n < 11; n++)
		EQUAL(read(server, text, sizeof(text)), 1);
	EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	EQUAL(e.events, EPOLLOUT);
}

static void a_datagram_has_a_longest(void)
{
	static char bytes[400000];
	int ends[2], size = 0;
	socklen_t length = sizeof(size);

	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	OK(getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, &length));
	FAILS(EMSGSIZE, send(ends[0], bytes, (size_t)size, 0));
	memset(bytes, 'm', sizeof(bytes));
	EQUAL(send(ends[0], bytes, 100000, 0), 100000);
	memset(bytes, 0, sizeof(bytes));
	EQUAL(read(ends[1], bytes, sizeof(bytes)), 100000);
	CHECK(bytes[0] == 'm' && bytes[99999] == 'm' && bytes[100000] == 0);
}

static void shut_datagrams(void)
{
	int ends[2];
	char c;

	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	OK(shutdown(ends[1], SHUT_RD));
	FAILS(EPIPE, send(ends[0], "x", 1, 0)); /* and no signal */
	EQUAL(recv(ends[1], &c, 1, 0), 0);
	FAILS(EAGAIN, recv(ends[1], &c, 1, MSG_DONTWAIT));
	OK(shutdown(ends[0], SHUT_WR));
	FAILS(EPIPE, send(ends[0], "x", 1, 0));
	OK(close(ends[1]));
	FAILS(EPIPE, send(ends[0], "x", 1, 0));
}

static void several_at_once(void)
{
	int ends[2];
	char text[4][8] = {};
	struct iovec out[3] = {{"one", 3}, {"two2", 4}, {"three", 5}}, in[4];
	struct mmsghdr m[4] = {};

	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	for (int n = 0; n < 3; n++) {
		m[n].msg_hdr.msg_iov = &out[n];
		m[n].msg_hdr.msg_iovlen = 1;
	}
	EQUAL(sendmmsg(ends[0], m, 3, 0), 3);
	EQUAL(m[2].msg_len, 5);
	for (int n = 0; n < 4; n++) {
		in[n] = (struct iovec){text[n], 8};
		m[n].msg_hdr.msg_iov = &in[n];
		m[n].msg_hdr.msg_iovlen = 1;
	}
	EQUAL(recvmmsg(ends[1], m, 4, MSG_WAITFORONE, nullptr), 3);
	CHECK(m[0].msg_len == 3 && m[1].msg_len == 4 && strcmp(text[2], "three") == 0);
	FAILS(EAGAIN, recvmmsg(ends[1], m, 4, MSG_DONTWAIT, nullptr));
	struct timespec bad = {.tv_nsec = -1}, hour = {.tv_sec = 3600};
	EQUAL(send(ends[0], "x", 1, 0), 1);
	EQUAL(recvmmsg(ends[1], m, 4, MSG_WAITFORONE, &hour), 1);
	CHECK(hour.tv_sec < 3600 && hour.tv_sec >= 0);
	FAILS(EINVAL, recvmmsg(ends[1], m, 1, 0, &bad));
}

static int number(int fd, int option)
{
	int value = -1;
	socklen_t length = sizeof(value);

	OK(getsockopt(fd, SOL_SOCKET, option, &value, &length));
	EQUAL(length, sizeof(value));
	return value;
}

static void options(void)
{
	int fd = unix_socket(SOCK_SEQPACKET), value = 10000;
	socklen_t length = sizeof(value);

	EQUAL(number(fd, SO_TYPE), SOCK_SEQPACKET);
	EQUAL(number(fd, SO_DOMAIN), AF_UNIX);
	EQUAL(number(fd, SO_PROTOCOL), 0);
	EQUAL(number(fd, SO_ACCEPTCONN), 0);
	EQUAL(number(fd, SO_ERROR), 0);
	EQUAL(number(fd, SO_SNDBUF), 212992);
	OK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)));
	EQUAL(number(fd, SO_SNDBUF), 20000);
	value = 1;
	OK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)));
	EQUAL(number(fd, SO_SNDBUF), 4608);
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)));
	EQUAL(number(fd, SO_RCVBUF), 2304);
	OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
	EQUAL(number(fd, SO_REUSEADDR), 1);
	FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 2));
	FAILS(EFAULT, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (void *)16, sizeof(value)));
	FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, (socklen_t)-1));
	FAILS(ENOPROTOOPT, setsockopt(fd, SOL_SOCKET, SO_TYPE, &value, sizeof(value)));
	FAILS(ENOPROTOOPT, setsockopt(fd, SOL_SOCKET, 9999, &value, sizeof(value)));
	FAILS(ENOPROTOOPT, getsockopt(fd, SOL_SOCKET, 9999, &value, &length));
	FAILS(EOPNOTSUPP, setsockopt(fd, 6, 1, &value, sizeof(value)));
	length = 2;
	value = -1;
	OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length));
	EQUAL(length, 2);
	struct linger l = {1, 5}, back = {};
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	length = sizeof(back);
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &back, &length));
	CHECK(back.l_onoff == 1 && back.l_linger == 5);
}

static void what_sockets_there_are(void)
{
	int ends[2];

	FAILS(EPROTONOSUPPORT, socket(AF_UNIX, SOCK_STREAM, 7));
	FAILS(ESOCKTNOSUPPORT, socket(AF_UNIX, 4, 0));
	FAILS(EINVAL, socket(AF_UNIX, 12, 0));
	FAILS(EINVAL, socket(AF_UNIX, SOCK_STREAM | 0x100000, 0));
	FAILS(EAFNOSUPPORT, socket(100, SOCK_STREAM, 0));
	FAILS(EFAULT, socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)16));
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	EQUAL(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(ends[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	FAILS(ENOTSOCK, send(0, "x", 1, 0));
	FAILS(EBADF, shutdown(1000, SHUT_RD));
	FAILS(EINVAL, accept4(ends[0], nullptr, nullptr, 1));
	FAILS(EMSGSIZE, sendmsg(ends[0], &(struct msghdr){.msg_iovlen = 1025}, 0));
}

static void a_socket_has_a_name_in_proc(void)
{
	char path[64], text[64] = {};
	int fd = unix_socket(SOCK_STREAM);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(readlink(path, text, sizeof(text) - 1));
	CHECK(strncmp(text, "socket:[", 8) == 0);
	FAILS(ENXIO, open(path, O_RDWR));
	ktap_enter_dir();
	OK(unix_bind(fd, "listed"));
	char line[256];
	bool listed = false;
	FILE *all = fopen("/proc/net/unix", "r"); /* what others left may be much, and still be going */
	CHECK(all != nullptr && fgets(line, sizeof(line), all) != nullptr);
	EQUAL(strcmp(line, "Num       RefCount Protocol Flags    Type St Inode Path\n"), 0);
	while (!listed && fgets(line, sizeof(line), all) != nullptr)
		listed = strstr(line, " listed\n") != nullptr;
	CHECK(listed);
}

KTAP_MAIN(CASE(each_stays_whole), CASE(a_default_address), CASE(a_queue_has_an_end),
	  CASE(room_is_told_to_who_watched_early), CASE(a_datagram_has_a_longest), CASE(shut_datagrams),
	  CASE(several_at_once), CASE(options), CASE(what_sockets_there_are), CASE(a_socket_has_a_name_in_proc))
