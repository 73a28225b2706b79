/* SPDX-License-Identifier: MIT */
/* Files and credentials that go along with messages (unix(7), SCM_RIGHTS, SCM_CREDENTIALS), and those that get lost. */
#include "unix_sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void pair(int type, int ends[2])
{
	OK(socketpair(AF_UNIX, type, 0, ends));
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	OK(fstat(a, &x));
	OK(fstat(b, &y));
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void a_file_travels(void)
{
	int ends[2], got[4], pipe_ends[2], flags;
	size_t count;
	char text[8] = {}, c;

	pair(SOCK_STREAM, ends);
	OK(pipe(pipe_ends));
	EQUAL(send_fds(ends[0], pipe_ends, 2, "two"), 3);
	OK(close(pipe_ends[0]));
	EQUAL(receive_fds(ends[1], text, sizeof(text), got, 4, &count, MSG_CMSG_CLOEXEC, &flags), 3);
	EQUAL(count, 2);
	EQUAL(flags, MSG_CMSG_CLOEXEC);
	CHECK(same_file(got[1], pipe_ends[1]));
	EQUAL(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	OK(close(pipe_ends[1]));
	EQUAL(write(got[1], "p", 1), 1);
	EQUAL(read(got[0], &c, 1), 1);
	OK(close(got[1]));
	EQUAL(read(got[0], &c, 1), 0); /* no copy is left */
}

/* What was opened with O_PATH stays so. */
static void a_path_travels(void)
{
	int ends[2], got[4], flags, path = OK(open("/", O_PATH | O_DIRECTORY));
	size_t count;
	char c;

	pair(SOCK_STREAM, ends);
	EQUAL(send_fds(ends[0], &path, 1, "p"), 1);
	EQUAL(receive_fds(ends[1], &c, 1, got, 4, &count, 0, &flags), 1);
	EQUAL(count, 1);
	CHECK(same_file(got[0], path));
	FAILS(EBADF, read(got[0], &c, 1));
	OK(openat(got[0], ".", O_RDONLY | O_DIRECTORY));
}

static void bytes_end_where_files_come(void)
{
	int ends[2], got[4], flags;
	size_t count;
	char text[16];

	pair(SOCK_STREAM, ends);
	EQUAL(write(ends[0], "plain", 5), 5);
	EQUAL(send_fds(ends[0], &ends[0], 1, "with"), 4);
	EQUAL(send_fds(ends[0], &ends[0], 1, "more"), 4);
	EQUAL(write(ends[0], "tail", 4), 4);
	EQUAL(receive_fds(ends[1], text, sizeof(text), got, 4, &count, 0, &flags), 9);
	EQUAL(count, 1);
	EQUAL(receive_fds(ends[1], text, 2, got, 4, &count, 0, &flags), 2);
	EQUAL(count, 1); /* with the first byte of its message */
	EQUAL(receive_fds(ends[1], text, sizeof(text), got, 4, &count, 0, &flags), 6);
	EQUAL(count, 0);
}

static void what_does_not_fit_is_closed(void)
{
	int ends[2], fds[3], got[4], pipe_ends[2], flags;
	size_t count;
	char text[8], c;

	pair(SOCK_DGRAM, ends);
	OK(pipe(pipe_ends));
	for (int n = 0; n < 3; n++)
		fds[n] = pipe_ends[1];
	EQUAL(send_fds(ends[0], fds, 3, "x"), 1);
	EQUAL(receive_fds(ends[1], text, sizeof(text), got, 1, &count, 0, &flags), 1);
	EQUAL(count, 1);
	EQUAL(flags, MSG_CTRUNC);
	EQUAL(send_fds(ends[0], fds, 3, "y"), 1);
	EQUAL(read(ends[1], text, sizeof(text)), 1); /* who reads gets none */
	OK(close(got[0]));
	OK(close(pipe_ends[1]));
	EQUAL(read(pipe_ends[0], &c, 1), 0);
}

static void peeking_gives_copies(void)
{
	int ends[2], got[4], flags;
	size_t count;
	char text[8];

	pair(SOCK_SEQPACKET, ends);
	EQUAL(send_fds(ends[0], &ends[0], 1, "x"), 1);
	for (int n = 0; n < 3; n++) {
		EQUAL(receive_fds(ends[1], text, sizeof(text), got, 4, &count, n < 2 ? MSG_PEEK : 0, &flags), 1);
		EQUAL(count, 1);
		CHECK(same_file(got[0], ends[0]));
	}
}

static void what_cannot_travel(void)
{
	static int many[254];
	int ends[2], bad = 999;
	char byte = 'x';
	struct iovec v = {&byte, 1};
	union {
		struct cmsghdr h;
		char space[64];
	} control = {.h = {.cmsg_len = 8, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = 32};

	pair(SOCK_STREAM, ends);
	FAILS(EBADF, send_fds(ends[0], &bad, 1, "x"));
	FAILS(EINVAL, send_fds(ends[0], many, 254, "x"));
	FAILS(EINVAL, sendmsg(ends[0], &m, 0)); /* shorter than its header */
	control.h.cmsg_len = 100;
	FAILS(EINVAL, sendmsg(ends[0], &m, 0)); /* longer than all of it */
	control.h.cmsg_len = 20;
	control.h.cmsg_type = 77;
	FAILS(EINVAL, sendmsg(ends[0], &m, 0));
	m.msg_control = (void *)16;
	FAILS(EFAULT, syscall(SYS_sendmsg, ends[0], &m, 0));
	FAILS(EAGAIN, recv(ends[1], &byte, 1, MSG_DONTWAIT));
}

static long receive_cred(int fd, char *text, size_t size, struct ucred *who)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control = {};
	struct iovec v = {text, size};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	long n = recvmsg(fd, &m, 0);

	*who = (struct ucred){-1, 1, 1};
	if (n >= 0 && m.msg_controllen > 0 && control.h.cmsg_type == SCM_CREDENTIALS)
		memcpy(who, CMSG_DATA(&control.h), sizeof(*who));
	return n;
}

static long send_cred(int fd, const struct ucred *who)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control = {.h = {.cmsg_len = CMSG_LEN(sizeof(*who)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS}};
	struct iovec v = {"c", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.h), who, sizeof(*who));
	return sendmsg(fd, &m, 0);
}

static void who_sent_it(void)
{
	int ends[2], on = 1;
	struct ucred who;
	char text[16];

	pair(SOCK_STREAM, ends);
	OK(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	EQUAL(write(ends[0], "mine", 4), 4);
	pid_t child = CHILD({
		EQUAL(write(ends[0], "its", 3), 3);
		_exit(0);
	});
	EXITS(child, 0);
	EQUAL(receive_cred(ends[1], text, sizeof(text), &who), 4); /* what another sent is another's */
	CHECK(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
	EQUAL(receive_cred(ends[1], text, sizeof(text), &who), 3);
	EQUAL(who.pid, child);
}

static void nobody_claims_to_be_another(void)
{
	int ends[2], on = 1;
	struct ucred who = {getpid(), getuid(), getgid()}, got;
	char c;

	pair(SOCK_DGRAM, ends);
	OK(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	EQUAL(send_cred(ends[0], &who), 1);
	if (getuid() == 0) {
		who.uid = 1234;
		EQUAL(send_cred(ends[0], &who), 1);
		EQUAL(receive_cred(ends[1], &c, 1, &got), 1);
		EQUAL(receive_cred(ends[1], &c, 1, &got), 1);
		EQUAL(got.uid, 1234);
		ktap_become(1000);
		who.uid = who.gid = 1000;
	}
	who.pid = 1;
	FAILS(EPERM, send_cred(ends[0], &who));
	who.pid = getpid();
	who.uid++;
	FAILS(EPERM, send_cred(ends[0], &who));
	who.uid--;
	EQUAL(send_cred(ends[0], &who), 1);
}

/* Whether the last descriptor of the writing end of a pipe is closed, now or soon. */
static void closes(int reading_end)
{
	struct pollfd p = {.fd = reading_end};

	EQUAL(poll(&p, 1, -1), 1);
	EQUAL(p.revents, POLLHUP);
}

static void a_closed_queue_closes_its_files(void)
{
	int ends[2], pipe_ends[2];

	pair(SOCK_STREAM, ends);
	OK(pipe(pipe_ends));
	EQUAL(send_fds(ends[0], &pipe_ends[1], 1, "x"), 1);
	OK(close(pipe_ends[1]));
	OK(close(ends[0]));
	OK(close(ends[1]));
	closes(pipe_ends[0]);
}

/* Sockets that only their own queues have, two in a circle and one in itself, with a pipe's end inside. */
static void circles_are_collected(void)
{
	for (int round = 0; round < 20; round++) {
		int a[2], b[2], pipe_ends[2];

		pair(SOCK_DGRAM, a);
		pair(SOCK_STREAM, b);
		OK(pipe(pipe_ends));
		EQUAL(send_fds(a[0], (int[]){b[1], pipe_ends[1]}, 2, "x"), 1); /* in a[1] */
		EQUAL(send_fds(b[0], (int[]){a[1], b[1]}, 2, "y"), 1);	       /* in b[1] */
		OK(close(pipe_ends[1]));
		for (int n = 0; n < 2; n++) {
			OK(close(a[n]));
			OK(close(b[n]));
		}
		closes(pipe_ends[0]);
		OK(close(pipe_ends[0]));
	}
}

/* A circle that somebody holds a thread of stays whole. */
static void what_can_be_received_stays(void)
{
	int a[2], b[2], other[2], pipe_ends[2], got[4], flags;
	size_t count;
	char c;

	pair(SOCK_DGRAM, a);
	pair(SOCK_DGRAM, b);
	OK(pipe(pipe_ends));
	EQUAL(send_fds(a[0], (int[]){b[1], pipe_ends[1]}, 2, "x"), 1);
	EQUAL(send_fds(b[0], &a[1], 1, "y"), 1);
	OK(close(pipe_ends[1]));
	OK(close(a[0]));
	OK(close(a[1]));
	OK(close(b[0]));
	/* Others are closed meanwhile, and looked for; b[1] leads to all. */
	for (int n = 0; n < 20; n++) {
		pair(SOCK_STREAM, other);
		EQUAL(send_fds(other[0], &other[1], 1, "z"), 1);
		OK(close(other[0]));
		OK(close(other[1]));
	}
	EQUAL(receive_fds(b[1], &c, 1, got, 4, &count, 0, &flags), 1);
	EQUAL(count, 1);
	int again[4];
	EQUAL(receive_fds(got[0], &c, 1, again, 4, &count, 0, &flags), 1);
	EQUAL(count, 2);
	EQUAL(write(again[1], "alive", 5), 5);
}

/* A connection that nobody has accepted, whose listener is in flight. */
static void a_backlog_is_collected(void)
{
	char name[32];
	int ends[2], pipe_ends[2];

	snprintf(name, sizeof(name), "@flies-%d", (int)getpid());
	int listener = unix_listener(SOCK_STREAM, name, 4), client = unix_socket(SOCK_STREAM);
	OK(unix_connect(client, name));
	pair(SOCK_STREAM, ends);
	OK(pipe(pipe_ends));
	EQUAL(send_fds(client, (int[]){ends[1], pipe_ends[1]}, 2, "x"), 1);
	EQUAL(send_fds(ends[0], (int[]){listener}, 1, "y"), 1);
	OK(close(pipe_ends[1]));
	OK(close(listener));
	OK(close(ends[0]));
	OK(close(ends[1]));
	OK(close(client));
	closes(pipe_ends[0]);
}

/* Its thread begins anew; sockets, what is in them and who waits outlive that. */
static void a_restart_of_net_loses_nothing(void)
{
	int a[2], pipe_ends[2], got[4], flags;
	size_t count;
	char c;

	pair(SOCK_STREAM, a);
	OK(pipe(pipe_ends));
	EQUAL(send_fds(a[0], &pipe_ends[1], 1, "k"), 1);
	pid_t waits = CHILD({
		EQUAL(write(a[0], "r", 1), 1);
		EQUAL(read(a[0], &c, 1), 1);
		EQUAL(c, 'w');
	});
	for (int n = 0; n < 3; n++)
		ktap_put("/proc/components", "restart net");
	EQUAL(receive_fds(a[1], &c, 1, got, 4, &count, 0, &flags), 1);
	EQUAL(count, 1);
	CHECK(c == 'k' && same_file(got[0], pipe_ends[1]));
	EQUAL(read(a[1], &c, 1), 1);
	EQUAL(c, 'r');
	EQUAL(write(a[1], "w", 1), 1);
	EXITS(waits, 0);
	OK(close(got[0]));
	/* What nobody can receive is still looked for. */
	EQUAL(send_fds(a[0], (int[]){a[1], pipe_ends[1]}, 2, "x"), 1);
	OK(close(pipe_ends[1]));
	OK(close(a[0]));
	OK(close(a[1]));
	closes(pipe_ends[0]);
}

static void sockets_in_sockets_in_sockets(void)
{
	int inner[2], outer[2];

	pair(SOCK_DGRAM, inner);
	for (int depth = 0; depth < 2000; depth++) {
		pair(SOCK_DGRAM, outer);
		EQUAL(send_fds(outer[0], inner, 2, "x"), 1);
		OK(close(inner[0]));
		OK(close(inner[1]));
		inner[0] = outer[0];
		inner[1] = outer[1];
	}
}

static void a_user_has_so_many_in_flight(void)
{
	struct rlimit l = {20, 20};
	int ends[2], sent = 0;

	pair(SOCK_STREAM, ends);
	if (getuid() == 0)
		ktap_become(100000 + (unsigned)getpid()); /* what others left may still be going */
	OK(setrlimit(RLIMIT_NOFILE, &l));
	while (send_fds(ends[0], (int[]){0, 0, 0, 0}, 4, "x") == 1 && sent < 100)
		sent++;
	EQUAL(errno, ETOOMANYREFS);
	EQUAL(sent, 6);
}

/* What came with bytes that could not be copied is let go. */
static void a_fault_keeps_no_file(int type)
{
	int ends[2], pipe_ends[2];
	struct iovec v = {(void *)16, 4};
	union {
		struct cmsghdr h;
		char space[64];
	} control = {};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	pair(type, ends);
	OK(pipe(pipe_ends));
	EQUAL(send_fds(ends[0], &pipe_ends[1], 1, "lost"), 4);
	OK(close(pipe_ends[1]));
	FAILS(EFAULT, syscall(SYS_recvmsg, ends[1], &m, 0));
	OK(close(ends[0]));
	OK(close(ends[1]));
	closes(pipe_ends[0]);
}

static void faults_keep_no_files(void)
{
	a_fault_keeps_no_file(SOCK_STREAM);
	a_fault_keeps_no_file(SOCK_DGRAM);
	a_fault_keeps_no_file(SOCK_SEQPACKET);
}

/* What did not go is in flight no longer when the call ends. */
static void a_full_queue_keeps_no_files(void)
{
	struct rlimit l = {30, 30};
	int ends[2];

	pair(SOCK_DGRAM, ends);
	if (getuid() == 0)
		ktap_become(100000 + (unsigned int)getpid());
	OK(setrlimit(RLIMIT_NOFILE, &l));
	OK(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	while (write(ends[0], ends, 1) == 1)
		;
	EQUAL(errno, EAGAIN);
	for (int n = 0; n < 100; n++)
		FAILS(EAGAIN, send_fds(ends[0], (int[]){0, 0, 0, 0}, 4, "x"));
}

KTAP_MAIN(CASE(faults_keep_no_files), CASE(a_full_queue_keeps_no_files), CASE(a_file_travels), CASE(a_path_travels),
	  CASE(bytes_end_where_files_come), CASE(what_does_not_fit_is_closed), CASE(peeking_gives_copies),
	  CASE(what_cannot_travel), CASE(who_sent_it), CASE(nobody_claims_to_be_another),
	  CASE(a_closed_queue_closes_its_files), CASE(circles_are_collected), CASE(what_can_be_received_stays),
	  CASE(a_backlog_is_collected), STELLUX_CASE(a_restart_of_net_loses_nothing),
	  CASE(sockets_in_sockets_in_sockets), CASE(a_user_has_so_many_in_flight))
