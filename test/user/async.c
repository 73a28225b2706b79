/* SPDX-License-Identifier: MIT */
/* Signals when a file becomes ready: O_ASYNC, F_SETOWN, F_SETSIG (fcntl(2)) on pipes, fifos and both sides of a
 * terminal. */
#include "ktap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#ifndef F_SETOWN_EX
#define F_SETOWN_EX 15
#define F_GETOWN_EX 16
#define F_SETSIG    10
#define F_GETSIG    11
#endif
#ifndef POLL_IN
#define POLL_IN	 1
#define POLL_OUT 2
#endif
enum { BY_THREAD, BY_PROCESS, BY_GROUP };
struct owner {
	int type;
	int id;
};
#define READY 40

static volatile sig_atomic_t count, code, descriptor, thread;

static void on_ready(int, siginfo_t *info, void *)
{
	count++;
	code = info->si_code;
	descriptor = info->si_fd;
	thread = (int)syscall(SYS_gettid);
}

static void listen(void)
{
	struct sigaction a = {.sa_sigaction = on_ready, .sa_flags = SA_SIGINFO | SA_RESTART};

	OK(sigaction(READY, &a, nullptr));
	OK(sigaction(SIGIO, &a, nullptr));
	count = 0;
}

/* Signals since the last call. They are sent before the call that causes them returns. */
static int arrived(void)
{
	int n = count;

	count = 0;
	return n;
}

static void ask(int fd)
{
	OK(fcntl(fd, F_SETOWN, getpid()));
	OK(fcntl(fd, F_SETSIG, READY));
	OK(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	CHECK(fcntl(fd, F_GETFL) & O_ASYNC);
}

static void owners(void)
{
	struct owner o;
	int ends[2];

	OK(pipe(ends));
	OK(fcntl(ends[0], F_GETOWN_EX, &o));
	EQUAL(o.type, BY_THREAD);
	EQUAL(o.id, 0);
	OK(fcntl(ends[0], F_SETOWN, getpid()));
	OK(fcntl(ends[0], F_GETOWN_EX, &o));
	EQUAL(o.type, BY_PROCESS);
	EQUAL(o.id, getpid());
	OK(fcntl(ends[0], F_SETOWN, -getpgrp()));
	OK(fcntl(ends[0], F_GETOWN_EX, &o));
	EQUAL(o.type, BY_GROUP);
	EQUAL(o.id, getpgrp());
	FAILS(ESRCH, fcntl(ends[0], F_SETOWN, 30999));
	FAILS(ESRCH, fcntl(ends[0], F_SETOWN, -30999));
	FAILS(EINVAL, fcntl(ends[0], F_SETOWN, -2147483647 - 1));
	o = (struct owner){3, getpid()};
	FAILS(EINVAL, fcntl(ends[0], F_SETOWN_EX, &o));
	o = (struct owner){BY_PROCESS, -1};
	FAILS(ESRCH, fcntl(ends[0], F_SETOWN_EX, &o));
	FAILS(EFAULT, fcntl(ends[0], F_SETOWN_EX, (void *)8));
	FAILS(EINVAL, fcntl(ends[0], F_SETSIG, 65));
	OK(fcntl(ends[0], F_SETSIG, 64));
	EQUAL(fcntl(dup(ends[0]), F_GETSIG), 64);
	EQUAL(fcntl(ends[1], F_GETSIG), 0);
}

static void an_owner_that_ended(void)
{
	struct owner o;
	int ends[2];

	OK(pipe(ends));
	pid_t child = CHILD(pause());
	OK(fcntl(ends[0], F_SETOWN, child));
	OK(kill(child, SIGKILL));
	OK(waitpid(child, nullptr, 0));
	OK(fcntl(ends[0], F_GETOWN_EX, &o));
	EQUAL(o.id, 0);
	OK(fcntl(ends[0], F_SETFL, O_ASYNC));
	EQUAL(write(ends[1], "x", 1), 1);
}

static void pipes_tell(void)
{
	char buffer[8];
	int ends[2];

	listen();
	OK(pipe(ends));
	ask(ends[0]);
	ask(ends[1]);
	EQUAL(write(ends[1], "ab", 2), 2);
	EQUAL(arrived(), 1);
	EQUAL(code, POLL_IN);
	EQUAL(descriptor, ends[0]);
	EQUAL(write(ends[1], "c", 1), 1);
	EQUAL(arrived(), 1);
	EQUAL(read(ends[0], buffer, 8), 3);
	EQUAL(arrived(), 1);
	EQUAL(code, POLL_OUT);
	EQUAL(descriptor, ends[1]);
	OK(fcntl(ends[0], F_SETSIG, 0));
	EQUAL(write(ends[1], "d", 1), 1);
	EQUAL(arrived(), 1);
	EQUAL(code, 128);
	OK(fcntl(ends[0], F_SETFL, 0));
	CHECK(!(fcntl(ends[0], F_GETFL) & O_ASYNC));
	EQUAL(write(ends[1], "e", 1), 1);
	EQUAL(arrived(), 0);
	OK(close(ends[0]));
	EQUAL(arrived(), 1);
	OK(close(ends[1]));
}

static void a_fifo_tells(void)
{
	OK(mkfifo("async.fifo", 0600));
	int in = OK(open("async.fifo", O_RDONLY | O_NONBLOCK));
	listen();
	ask(in);
	int out = OK(open("async.fifo", O_WRONLY));
	EQUAL(arrived(), 0);
	EQUAL(write(out, "x", 1), 1);
	EQUAL(arrived(), 1);
	OK(close(out));
	EQUAL(arrived(), 1);
	OK(unlink("async.fifo"));
}

static void only_what_can_tell(void)
{
	int off = 0, on = 1, ends[2];
	int null = OK(open("/dev/null", O_RDWR));

	OK(fcntl(null, F_SETFL, O_ASYNC));
	CHECK(!(fcntl(null, F_GETFL) & O_ASYNC));
	FAILS(ENOTTY, ioctl(null, 0x5452, &on));
	OK(pipe(ends));
	OK(ioctl(ends[0], 0x5452, &on));
	CHECK(fcntl(ends[0], F_GETFL) & O_ASYNC);
	OK(ioctl(ends[0], 0x5452, &off));
	CHECK(!(fcntl(ends[0], F_GETFL) & O_ASYNC));
	FAILS(EFAULT, ioctl(ends[0], 0x5452, (void *)8));
}

/* The right is that of whoever set the owner, whoever writes later. */
static void foreign_processes_are_left_alone(void)
{
	int ends[2], ready[2];
	char c;

	if (getuid() != 0)
		ktap_skip("needs root");
	OK(pipe(ends));
	OK(pipe(ready));
	pid_t target = CHILD({
		listen();
		OK(setuid(1000));
		EQUAL(write(ready[1], "r", 1), 1);
		while (count == 0)
			pause();
	});
	EQUAL(read(ready[0], &c, 1), 1);
	pid_t other = CHILD({
		OK(setuid(2000));
		OK(fcntl(ends[0], F_SETOWN, target));
		OK(fcntl(ends[0], F_SETFL, O_ASYNC));
	});
	EXITS(other, 0);
	EQUAL(write(ends[1], "x", 1), 1);
	EQUAL(waitpid(target, nullptr, WNOHANG), 0);
	OK(fcntl(ends[0], F_SETOWN, target));
	while (waitpid(target, nullptr, WNOHANG) == 0)
		EQUAL(write(ends[1], "x", 1), 1);
}

static void terminals_tell(void)
{
	int unlock = 0;
	char buffer[32];
	int master = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));

	OK(ioctl(master, TIOCSPTLCK, &unlock));
	int slave = OK(ioctl(master, 0x5441, O_RDWR | O_NOCTTY));
	struct termios t;
	OK(tcgetattr(slave, &t));
	t.c_lflag &= (tcflag_t)~ECHO;
	OK(tcsetattr(slave, TCSANOW, &t));
	listen();
	OK(fcntl(slave, F_SETFL, O_RDWR | O_ASYNC));
	EQUAL(fcntl(slave, F_GETOWN), getpid());
	OK(fcntl(slave, F_SETSIG, READY));
	EQUAL(write(master, "half", 4), 4);
	EQUAL(arrived(), 0);
	EQUAL(write(master, "\n", 1), 1);
	EQUAL(arrived(), 1);
	EQUAL(descriptor, slave);
	EQUAL(write(master, "a\nb\n", 4), 4);
	EQUAL(arrived(), 2);
	ask(master);
	EQUAL(write(slave, "out", 3), 3);
	EQUAL(arrived(), 1);
	EQUAL(descriptor, master);
	EQUAL(read(master, buffer, sizeof(buffer)), 3);
	EQUAL(arrived(), 0);
	OK(close(master));
	EQUAL(arrived(), 0);
	CHECK(!(fcntl(slave, F_GETFL) & O_ASYNC));
}

/* A group is a negative number, which may look like an error, or like a code of the kernel's own: it is neither. Early
 * in the suite, where the next ids still look so. */
static void groups_that_look_like_codes(void)
{
	int ends[2];
	pid_t child;

	do {
		child = CHILD(if (getpid() >= 512) pause());
		if (child < 512)
			EXITS(child, 0);
	} while (child < 512);
	if (child > 4095)
		ktap_skip("the ids that look so are past");
	OK(setpgid(child, child));
	OK(pipe(ends));
	OK(fcntl(ends[0], F_SETOWN, -child));
	FAILS(child, syscall(SYS_fcntl, ends[0], F_GETOWN));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

KTAP_MAIN(CASE(owners), CASE(an_owner_that_ended), CASE(pipes_tell), CASE(a_fifo_tells), CASE(only_what_can_tell),
	  CASE(foreign_processes_are_left_alone), CASE(terminals_tell), CASE(groups_that_look_like_codes))
