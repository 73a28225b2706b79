/* SPDX-License-Identifier: MIT */
/* Streams and packets between processes of one machine (unix(7)): pairs, names, connections, half-closing, limits. */
#include "unix_sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static void pair(int type, int ends[2])
{
	OK(socketpair(AF_UNIX, type, 0, ends));
}

static short ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	OK(poll(&p, 1, 0));
	return p.revents;
}

static void bytes_go_both_ways(void)
{
	int ends[2];
	char text[16] = {};

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "there", 5), 5);
	EQUAL(send(ends[1], "back", 4, 0), 4);
	EQUAL(read(ends[1], text, 3), 3);
	CHECK(memcmp(text, "the", 3) == 0);
	EQUAL(recv(ends[1], text, sizeof(text), 0), 2);
	CHECK(memcmp(text, "re", 2) == 0);
	EQUAL(read(ends[0], text, sizeof(text)), 4);
	CHECK(memcmp(text, "back", 4) == 0);
	FAILS(EAGAIN, recv(ends[0], text, 1, MSG_DONTWAIT));
}

static void writes_join_in_a_stream_and_not_in_packets(void)
{
	int ends[2];
	char text[16];

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "ab", 2), 2);
	EQUAL(write(ends[0], "cd", 2), 2);
	EQUAL(read(ends[1], text, sizeof(text)), 4);
	pair(SOCK_SEQPACKET, ends);
	EQUAL(write(ends[0], "ab", 2), 2);
	EQUAL(write(ends[0], "cdef", 4), 4);
	EQUAL(read(ends[1], text, sizeof(text)), 2);
	struct iovec v = {text, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	EQUAL(recvmsg(ends[1], &m, 0), 1);
	EQUAL(m.msg_flags, MSG_TRUNC);
	FAILS(EAGAIN, recv(ends[1], text, 1, MSG_DONTWAIT));
}

static void the_other_end_closes(void)
{
	int ends[2];
	char c;

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "q", 1), 1);
	OK(close(ends[0]));
	EQUAL(ready(ends[1], POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	EQUAL(read(ends[1], &c, 1), 1);
	EQUAL(read(ends[1], &c, 1), 0);
	FAILS(EPIPE, send(ends[1], "x", 1, MSG_NOSIGNAL));
	pid_t child = CHILD({
		(void)!write(ends[1], "x", 1);
		_exit(1);
	});
	DIES(child, SIGPIPE);
}

static void unread_bytes_reset_the_other_end(void)
{
	int ends[2], error = 0;
	socklen_t length = sizeof(error);
	char c;

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "lost", 4), 4);
	OK(close(ends[1]));
	EQUAL(ready(ends[0], POLLIN), POLLIN | POLLHUP | POLLERR);
	FAILS(ECONNRESET, read(ends[0], &c, 1));
	EQUAL(read(ends[0], &c, 1), 0);
	OK(getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &length));
	EQUAL(error, 0);
}

static void half_closing(void)
{
	int ends[2];
	char text[8];

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "end", 3), 3);
	OK(shutdown(ends[0], SHUT_WR));
	FAILS(EPIPE, send(ends[0], "x", 1, MSG_NOSIGNAL));
	EQUAL(read(ends[1], text, sizeof(text)), 3);
	EQUAL(read(ends[1], text, sizeof(text)), 0);
	EQUAL(write(ends[1], "still", 5), 5);
	EQUAL(read(ends[0], text, sizeof(text)), 5);
	EQUAL(ready(ends[1], POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	OK(shutdown(ends[1], SHUT_RDWR));
	EQUAL(ready(ends[0], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP | POLLHUP);
	FAILS(EINVAL, shutdown(ends[0], 3));
	FAILS(EINVAL, shutdown(ends[0], -1));
}

static void peeking_and_waiting_for_all(void)
{
	int ends[2];
	char text[8] = {};

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "ab", 2), 2);
	EQUAL(write(ends[0], "cd", 2), 2);
	EQUAL(recv(ends[1], text, 3, MSG_PEEK), 3);
	CHECK(memcmp(text, "abc", 3) == 0);
	EQUAL(recv(ends[1], text, 8, MSG_PEEK), 4);
	EQUAL(recv(ends[1], text, 8, MSG_PEEK | MSG_WAITALL), 4); /* who looks does not wait for more */
	pid_t child = CHILD({
		EQUAL(write(ends[0], "efgh", 4), 4);
		_exit(0);
	});
	EQUAL(recv(ends[1], text, 8, MSG_WAITALL), 8);
	CHECK(memcmp(text, "abcdefgh", 8) == 0);
	EXITS(child, 0);
	EQUAL(write(ends[0], "xyz", 3), 3);
	OK(shutdown(ends[0], SHUT_WR));
	EQUAL(recv(ends[1], text, 8, MSG_WAITALL), 3);
}

static void a_connection_by_path(void)
{
	struct sockaddr_un a = {};
	socklen_t length = sizeof(a);
	struct stat st;
	char text[8];

	ktap_enter_dir();
	umask(027);
	int listener = unix_listener(SOCK_STREAM, "here", 4);
	OK(stat("here", &st));
	EQUAL(st.st_mode, S_IFSOCK | 0750);
	FAILS(ENXIO, open("here", O_RDWR));
	OK(fstat(listener, &st));
	EQUAL(st.st_mode & S_IFMT, S_IFSOCK);
	int client = unix_socket(SOCK_STREAM);
	OK(unix_connect(client, "here"));
	EQUAL(write(client, "early", 5), 5); /* nobody has accepted it yet */
	EQUAL(ready(listener, POLLIN), POLLIN);
	int served = OK(accept(listener, (struct sockaddr *)&a, &length));
	EQUAL(length, offsetof(struct sockaddr_un, sun_path)); /* the client has no name */
	EQUAL(read(served, text, sizeof(text)), 5);
	length = sizeof(a);
	OK(getsockname(served, (struct sockaddr *)&a, &length));
	CHECK(length == offsetof(struct sockaddr_un, sun_path) + 5 && strcmp(a.sun_path, "here") == 0);
	length = sizeof(a);
	OK(getpeername(client, (struct sockaddr *)&a, &length));
	CHECK(strcmp(a.sun_path, "here") == 0);
	FAILS(EISCONN, unix_connect(client, "here"));
	FAILS(EPROTOTYPE, unix_connect(unix_socket(SOCK_DGRAM), "here"));
	FAILS(EADDRINUSE, unix_bind(unix_socket(SOCK_STREAM), "here"));
	FAILS(EINVAL, unix_bind(listener, "there"));
	OK(rename("here", "moved"));
	int late = unix_socket(SOCK_STREAM);
	OK(unix_connect(late, "moved"));
	FAILS(ENOENT, unix_connect(unix_socket(SOCK_STREAM), "here"));
	OK(close(listener));
	FAILS(ECONNREFUSED, unix_connect(unix_socket(SOCK_STREAM), "moved"));
	FAILS(ECONNRESET, read(late, text, 1)); /* it was never accepted */
	EQUAL(write(served, "on", 2), 2);
	EQUAL(read(client, text, sizeof(text)), 2);
}

static void abstract_names(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, b = {};
	socklen_t length = sizeof(b);
	char name[32];

	snprintf(name, sizeof(name), "@stellux-%d", (int)getpid());
	int listener = unix_listener(SOCK_SEQPACKET, name, 0);
	OK(getsockname(listener, (struct sockaddr *)&b, &length));
	EQUAL(length, offsetof(struct sockaddr_un, sun_path) + strlen(name));
	FAILS(EADDRINUSE, unix_bind(unix_socket(SOCK_SEQPACKET), name));
	/* Each type has names of its own; a path has one socket. */
	FAILS(ECONNREFUSED, unix_connect(unix_socket(SOCK_STREAM), name));
	OK(unix_bind(unix_socket(SOCK_STREAM), name));
	int client = unix_socket(SOCK_SEQPACKET);
	OK(unix_connect(client, name));
	OK(close(OK(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK))));
	OK(close(listener));
	FAILS(ECONNREFUSED, unix_connect(unix_socket(SOCK_SEQPACKET), name));
	/* The family alone: the kernel chooses a name. */
	int any = unix_socket(SOCK_STREAM);
	OK(bind(any, (struct sockaddr *)&a, sizeof(a.sun_family)));
	length = sizeof(b);
	OK(getsockname(any, (struct sockaddr *)&b, &length));
	EQUAL(length, offsetof(struct sockaddr_un, sun_path) + 6);
	EQUAL(b.sun_path[0], 0);
}

static void names_that_are_none(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "x"};
	int fd = unix_socket(SOCK_STREAM);

	ktap_enter_dir();
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, sizeof(a) + 1));
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, 1));
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, 0));
	FAILS(EFAULT, bind(fd, (struct sockaddr *)16, 10));
	a.sun_family = AF_INET;
	FAILS(EINVAL, bind(fd, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EINVAL, connect(fd, (struct sockaddr *)&a, sizeof(a)));
	FAILS(ENOENT, unix_bind(fd, "no/such"));
	FAILS(ENOENT, unix_connect(fd, "no"));
	OK(close(OK(open("file", O_CREAT | O_WRONLY, 0600))));
	FAILS(EADDRINUSE, unix_bind(fd, "file"));
	FAILS(ECONNREFUSED, unix_connect(fd, "file"));
	FAILS(EINVAL, listen(fd, 1)); /* it has no name */
	FAILS(ENOTCONN, getpeername(fd, (struct sockaddr *)&a, &(socklen_t){sizeof(a)}));
	FAILS(ENOTCONN, send(fd, "x", 1, 0));
	FAILS(EINVAL, recv(fd, &a, 1, 0));
	FAILS(EINVAL, accept(fd, nullptr, nullptr));
	EQUAL(ready(fd, POLLIN | POLLOUT), POLLOUT | POLLHUP);
	/* A path may fill its place without an end. */
	memset(a.sun_path, 'p', sizeof(a.sun_path));
	a.sun_family = AF_UNIX;
	OK(bind(fd, (struct sockaddr *)&a, sizeof(a)));
}

static void a_socket_file_needs_the_right_to_write(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0755));
	(void)unix_listener(SOCK_STREAM, "mine", 1);
	OK(chmod("mine", 0755));
	if (getuid() != 0)
		ktap_skip("only root can become somebody else");
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EACCES, unix_connect(unix_socket(SOCK_STREAM), "mine"));
		_exit(0);
	});
	EXITS(child, 0);
}

static void a_backlog_has_an_end(void)
{
	char name[32];

	snprintf(name, sizeof(name), "@backlog-%d", (int)getpid());
	int listener = unix_listener(SOCK_STREAM, name, 1), client[3];

	for (int n = 0; n < 2; n++)
		OK(unix_connect(client[n] = unix_socket(SOCK_STREAM), name));
	client[2] = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(EAGAIN, unix_connect(client[2], name));
	pid_t child = CHILD({
		OK(unix_connect(unix_socket(SOCK_STREAM), name)); /* waits for a place */
		_exit(0);
	});
	ktap_until_state(child, "S");
	OK(close(OK(accept(listener, nullptr, nullptr))));
	EXITS(child, 0);
	int last = unix_socket(SOCK_STREAM), copy = OK(dup(listener));
	child = CHILD({
		OK(close(listener));
		OK(close(copy));
		FAILS(ECONNREFUSED, unix_connect(last, name));
		_exit(0);
	});
	ktap_until_state(child, "S");
	OK(close(copy));
	OK(close(listener));
	EXITS(child, 0);
}

static void a_buffer_has_an_end(void)
{
	static char bytes[65536];
	int ends[2], size = 16384;
	long sent = 0, got = 0, n;

	pair(SOCK_STREAM, ends);
	OK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	while ((n = write(ends[0], bytes, sizeof(bytes))) > 0)
		sent += n;
	EQUAL(errno, EAGAIN);
	CHECK(sent >= size && sent < 1 << 20);
	EQUAL(ready(ends[0], POLLOUT), 0);
	int32_t waiting;
	OK(ioctl(ends[1], FIONREAD, &waiting));
	EQUAL(waiting, sent);
	pid_t child = CHILD({
		struct pollfd p = {.fd = ends[0], .events = POLLOUT};
		EQUAL(poll(&p, 1, -1), 1);
		_exit(0);
	});
	ktap_until_state(child, "S");
	while ((n = recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		got += n;
	EQUAL(got, sent);
	EXITS(child, 0);
	EQUAL(ready(ends[0], POLLOUT), POLLOUT);
}

/* Who waits for room has it when the buffer becomes larger. */
static void a_larger_buffer_has_room(void)
{
	static char bytes[4096];
	int ends[2], size = 16384;

	pair(SOCK_STREAM, ends);
	OK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	EQUAL(errno, EAGAIN);
	pid_t child = CHILD({
		EQUAL(write(ends[0], bytes, 1), 1);
		_exit(0);
	});
	ktap_until_state(child, "S");
	size = 200000;
	OK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	long n = 0;
	while ((n = recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		;
	EXITS(child, 0);
}

/* More than a buffer holds, in odd pieces, arrives as it was sent. */
static void much_goes_through(void)
{
	static unsigned char in[7919], out[50021];
	enum : long { TOTAL = 3000000 };
	int ends[2];

	pair(SOCK_STREAM, ends);
	pid_t child = CHILD({
		long sent = 0;
		OK(close(ends[1]));
		while (sent < TOTAL) {
			for (size_t n = 0; n < sizeof(out); n++)
				out[n] = (unsigned char)((sent + (long)n) * 31 >> 3);
			size_t want = (size_t)(TOTAL - sent) < sizeof(out) ? (size_t)(TOTAL - sent) : sizeof(out);
			EQUAL(write(ends[0], out, want), (ssize_t)want);
			sent += (long)want;
		}
		_exit(0);
	});
	OK(close(ends[0]));
	long got = 0, n;
	while ((n = OK(read(ends[1], in, sizeof(in)))) > 0) {
		for (long k = 0; k < n; k++)
			CHECK(in[k] == (unsigned char)((got + k) * 31 >> 3));
		got += n;
	}
	EQUAL(got, TOTAL);
	EXITS(child, 0);
}

static void time_limits(void)
{
	struct timeval t = {.tv_usec = 20000}, back = {};
	socklen_t length = sizeof(back);
	int ends[2];
	char c;

	pair(SOCK_STREAM, ends);
	OK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	OK(getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &back, &length));
	CHECK(back.tv_sec == 0 && back.tv_usec == 20000 && length == sizeof(back));
	FAILS(EAGAIN, read(ends[0], &c, 1));
	t.tv_usec = 1000000;
	FAILS(EDOM, setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	FAILS(EINVAL, setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &t, 4));
}

static void nothing_is_lost_to_a_bad_address(void)
{
	int ends[2];
	char text[8] = {};

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "kept", 4), 4);
	FAILS(EFAULT, recv(ends[1], (void *)16, 4, 0));
	EQUAL(read(ends[1], text, sizeof(text)), 4);
	CHECK(memcmp(text, "kept", 4) == 0);
	FAILS(EFAULT, send(ends[0], (void *)16, 4, 0));
	FAILS(EAGAIN, recv(ends[1], text, 1, MSG_DONTWAIT));
}

static void epoll_sees_what_comes(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET | EPOLLRDHUP};
	int ends[2], ep = OK(epoll_create1(0));
	char c;

	pair(SOCK_STREAM, ends);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &e));
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	EQUAL(write(ends[1], "a", 1), 1);
	EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0); /* an edge is told once */
	EQUAL(write(ends[1], "b", 1), 1);
	EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	EQUAL(read(ends[0], &c, 1), 1);
	EQUAL(read(ends[0], &c, 1), 1);
	OK(close(ends[1]));
	EQUAL(epoll_wait(ep, &e, 1, -1), 1);
	EQUAL(e.events, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

static void files_go_into_sockets(void)
{
	int ends[2], pipe_ends[2];
	char text[16] = {};

	ktap_enter_dir();
	int fd = OK(open("data", O_CREAT | O_RDWR, 0600));
	EQUAL(write(fd, "0123456789", 10), 10);
	EQUAL(lseek(fd, 0, SEEK_SET), 0);
	pair(SOCK_STREAM, ends);
	EQUAL(sendfile(ends[0], fd, nullptr, 10), 10);
	EQUAL(read(ends[1], text, sizeof(text)), 10);
	CHECK(memcmp(text, "0123456789", 10) == 0);
	OK(pipe(pipe_ends));
	EQUAL(write(ends[0], "spliced", 7), 7);
	EQUAL(splice(ends[1], nullptr, pipe_ends[1], nullptr, 7, 0), 7);
	EQUAL(splice(pipe_ends[0], nullptr, ends[1], nullptr, 7, 0), 7);
	EQUAL(read(ends[0], text, sizeof(text)), 7);
	CHECK(memcmp(text, "spliced", 7) == 0);
	FAILS(ESPIPE, lseek(ends[0], 0, SEEK_CUR));
	FAILS(ESPIPE, pread(ends[0], text, 1, 0));
}

static void who_is_at_the_other_end(void)
{
	struct {
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} who;
	socklen_t length = sizeof(who);
	char name[32];
	int ends[2];

	pair(SOCK_STREAM, ends);
	OK(getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
	CHECK(length == sizeof(who) && who.pid == getpid() && who.uid == geteuid() && who.gid == getegid());
	snprintf(name, sizeof(name), "@who-%d", (int)getpid());
	int listener = unix_listener(SOCK_STREAM, name, 1);
	pid_t child = CHILD({
		int client = unix_socket(SOCK_STREAM);
		OK(unix_connect(client, name));
		OK(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &length));
		EQUAL(who.pid, getppid());
		char c;
		EQUAL(read(client, &c, 1), 0);
		_exit(0);
	});
	int served = OK(accept(listener, nullptr, nullptr));
	OK(getsockopt(served, SOL_SOCKET, SO_PEERCRED, &who, &length));
	EQUAL(who.pid, child);
	OK(close(served));
	EXITS(child, 0);
	OK(getsockopt(unix_socket(SOCK_STREAM), SOL_SOCKET, SO_PEERCRED, &who, &length));
	CHECK(who.pid == 0 && who.uid == (uid_t)-1);
}

static volatile sig_atomic_t signals;
static void count_signal(int)
{
	signals = signals + 1;
}

static void a_signal_ends_a_wait(void)
{
	struct sigaction a = {.sa_handler = count_signal};
	int ends[2];
	char c;

	pair(SOCK_STREAM, ends);
	OK(sigaction(SIGUSR1, &a, nullptr));
	pid_t me = getpid();
	pid_t child = CHILD({
		ktap_until_state(me, "S");
		OK(kill(me, SIGUSR1));
		_exit(0);
	});
	FAILS(EINTR, read(ends[0], &c, 1));
	EQUAL(signals, 1);
	EXITS(child, 0);
	a.sa_flags = SA_RESTART;
	OK(sigaction(SIGUSR1, &a, nullptr));
	child = CHILD({
		ktap_until_state(me, "S");
		OK(kill(me, SIGUSR1));
		EQUAL(write(ends[1], "x", 1), 1);
		_exit(0);
	});
	EQUAL(read(ends[0], &c, 1), 1);
	EXITS(child, 0);
}

KTAP_MAIN(CASE(bytes_go_both_ways), CASE(writes_join_in_a_stream_and_not_in_packets), CASE(the_other_end_closes),
	  CASE(unread_bytes_reset_the_other_end), CASE(half_closing), CASE(peeking_and_waiting_for_all),
	  CASE(a_connection_by_path), CASE(abstract_names), CASE(names_that_are_none),
	  CASE(a_socket_file_needs_the_right_to_write), CASE(a_backlog_has_an_end), CASE(a_buffer_has_an_end),
	  CASE(a_larger_buffer_has_room), CASE(much_goes_through), CASE(time_limits),
	  CASE(nothing_is_lost_to_a_bad_address), CASE(epoll_sees_what_comes), CASE(files_go_into_sockets),
	  CASE(who_is_at_the_other_end), CASE(a_signal_ends_a_wait))
