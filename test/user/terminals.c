/* SPDX-License-Identifier: MIT */
/* Pseudo-terminals from the master's side, and what is left when one side goes (pty(7), ioctl_tty(2)). */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define OPEN_PEER     0x5441 /* TIOCGPTPEER */
#define GET_PACKET    0x80045438
#define GET_EXCLUSIVE 0x80045440
#define SEND_SIGNAL   0x40045436

static int master, slave;

static void make_pair(void)
{
	int unlock = 0;

	master = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	FAILS(EIO, ioctl(master, OPEN_PEER, O_RDWR | O_NOCTTY));
	OK(ioctl(master, TIOCSPTLCK, &unlock));
	slave = OK(ioctl(master, OPEN_PEER, O_RDWR | O_NOCTTY));
}

static int ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};

	OK(poll(&p, 1, 0));
	return p.revents;
}

static void raw(int minimum, int deciseconds)
{
	struct termios t;

	OK(tcgetattr(slave, &t));
	t.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	t.c_cc[VMIN] = (cc_t)minimum;
	t.c_cc[VTIME] = (cc_t)deciseconds;
	OK(tcsetattr(slave, TCSANOW, &t));
}

static void the_peer(void)
{
	struct stat mine, named;
	char name[32] = "/dev/pts/";
	int number;

	make_pair();
	OK(ioctl(master, TIOCGPTN, &number));
	name[9] = (char)('0' + number % 10);
	OK(fstat(slave, &mine));
	if (number < 10) {
		OK(stat(name, &named));
		EQUAL(mine.st_ino, named.st_ino);
	}
	FAILS(EIO, ioctl(slave, OPEN_PEER, O_RDWR));
	FAILS(EINVAL, ioctl(master, OPEN_PEER, O_RDWR | O_CREAT));
	int other = OK(ioctl(master, OPEN_PEER, O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
	EQUAL(fcntl(other, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(other, F_GETFL) & O_NONBLOCK);
	FAILS(EBADF, write(other, "x", 1));
}

static void a_master_without_slaves(void)
{
	char buffer[8];

	make_pair();
	EQUAL(ready(master), POLLOUT);
	EQUAL(write(slave, "x", 1), 1);
	OK(close(slave));
	EQUAL(ready(master), POLLIN | POLLOUT | POLLHUP);
	EQUAL(read(master, buffer, sizeof(buffer)), 1);
	EQUAL(ready(master), POLLOUT | POLLHUP);
	FAILS(EIO, read(master, buffer, sizeof(buffer)));
	slave = OK(ioctl(master, OPEN_PEER, O_RDWR | O_NOCTTY));
	EQUAL(ready(master), POLLOUT);
}

/* Until the process sleeps in the kernel. */
static void wait_asleep(pid_t pid)
{
	char path[32], text[128] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (strstr(text, ") S ") == nullptr) {
		int stat_file = OK(open(path, O_RDONLY));
		ssize_t n = OK(read(stat_file, text, sizeof(text) - 1));
		text[n] = '\0';
		OK(close(stat_file));
		usleep(1000);
	}
}

/* Who sleeps at the master is told when the last has closed the other side, and not before. */
static void the_last_slave_wakes_the_master(void)
{
	struct pollfd p;
	char c;

	make_pair();
	int second = OK(dup(slave));
	pid_t reader = CHILD({
		OK(close(slave));
		OK(close(second));
		FAILS(EIO, read(master, &c, 1));
	});
	pid_t poller = CHILD({
		OK(close(slave));
		OK(close(second));
		p = (struct pollfd){.fd = master, .events = POLLIN};
		EQUAL(poll(&p, 1, -1), 1);
		CHECK(p.revents & POLLHUP);
	});
	wait_asleep(reader);
	wait_asleep(poller);
	OK(close(second));
	wait_asleep(reader);
	OK(close(slave));
	EXITS(reader, 0);
	EXITS(poller, 0);
}

/* Who slept is told by an error, who comes later finds the end. */
static void a_slave_without_a_master(void)
{
	int told[2];
	char c;

	make_pair();
	OK(pipe(told));
	pid_t reader = CHILD({
		OK(close(master));
		EQUAL(write(told[1], "r", 1), 1);
		FAILS(EIO, read(slave, &c, 1));
		EQUAL(read(slave, &c, 1), 0);
		FAILS(EIO, write(slave, "x", 1));
	});
	EQUAL(read(told[0], &c, 1), 1);
	wait_asleep(reader);
	OK(close(master));
	EXITS(reader, 0);
	EQUAL(ready(slave), POLLIN | POLLOUT | POLLHUP | POLLERR);
}

static void counts_and_times(void)
{
	char buffer[8];

	make_pair();
	OK(fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK));
	raw(0, 0);
	EQUAL(read(slave, buffer, 8), 0);
	raw(0, 3);
	FAILS(EAGAIN, read(slave, buffer, 8));
	raw(1, 0);
	FAILS(EAGAIN, read(slave, buffer, 8));
	raw(3, 0);
	EQUAL(write(master, "ab", 2), 2);
	EQUAL(ready(slave), POLLOUT);
	EQUAL(write(master, "c", 1), 1);
	EQUAL(ready(slave), POLLIN | POLLOUT);
	raw(0, 0);
	EQUAL(read(slave, buffer, 8), 3);
}

/* Reads in packet mode what there is to be told. */
static void told(int status)
{
	unsigned char byte = 255;

	EQUAL(ready(master), POLLIN | POLLPRI | POLLOUT);
	EQUAL(read(master, &byte, 1), 1);
	EQUAL(byte, status);
	EQUAL(ready(master), POLLOUT);
}

static void packets(void)
{
	int on = 1;
	char buffer[8];
	struct termios t;

	make_pair();
	FAILS(ENOTTY, ioctl(slave, TIOCPKT, &on));
	FAILS(EFAULT, ioctl(master, TIOCPKT, nullptr));
	OK(ioctl(master, TIOCPKT, &on));
	on = 0;
	OK(ioctl(master, GET_PACKET, &on));
	EQUAL(on, 1);
	EQUAL(write(slave, "hello", 5), 5);
	EQUAL(read(master, buffer, 3), 3);
	EQUAL(memcmp(buffer, "\0he", 3), 0);
	EQUAL(read(master, buffer, 8), 4);
	EQUAL(memcmp(buffer, "\0llo", 4), 0);
	OK(tcflush(slave, TCIFLUSH));
	told(TIOCPKT_FLUSHREAD);
	OK(tcflush(slave, TCOFLUSH));
	told(TIOCPKT_FLUSHWRITE);
	OK(tcflow(slave, TCOOFF));
	told(TIOCPKT_STOP);
	OK(tcflow(slave, TCOON));
	told(TIOCPKT_START);
	OK(tcgetattr(slave, &t));
	t.c_iflag &= (tcflag_t)~IXON;
	OK(tcsetattr(slave, TCSANOW, &t));
	told(TIOCPKT_NOSTOP);
	t.c_iflag |= IXON;
	OK(tcsetattr(slave, TCSANOW, &t));
	told(TIOCPKT_DOSTOP);
	t.c_lflag |= EXTPROC;
	t.c_lflag &= (tcflag_t)~ECHO;
	OK(tcsetattr(slave, TCSANOW, &t));
	told(TIOCPKT_IOCTL);
	t.c_lflag &= (tcflag_t)~EXTPROC;
	OK(tcsetattr(slave, TCSANOW, &t));
	told(TIOCPKT_IOCTL);
	EQUAL(write(master, "\003", 1), 1);
	told(TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
}

static void lines_edited_elsewhere(void)
{
	struct termios t;
	char buffer[8];

	make_pair();
	OK(tcgetattr(slave, &t));
	t.c_lflag |= EXTPROC;
	OK(tcsetattr(slave, TCSANOW, &t));
	EQUAL(write(master, "ab\177", 3), 3);
	EQUAL(read(slave, buffer, 8), 3);
	EQUAL(ready(master), POLLOUT);
}

static volatile sig_atomic_t seen[65];

static void note(int number)
{
	seen[number]++;
}

static void keys_by_command(void)
{
	make_pair();
	pid_t child = CHILD({
		signal(SIGINT, note);
		signal(SIGTSTP, note);
		signal(SIGWINCH, note);
		OK(setsid());
		OK(ioctl(slave, TIOCSCTTY, 0));
		OK(ioctl(master, SEND_SIGNAL, SIGINT));
		OK(ioctl(master, SEND_SIGNAL, SIGTSTP));
		EQUAL(seen[SIGINT], 1);
		EQUAL(seen[SIGTSTP], 1);
		FAILS(EINVAL, ioctl(master, SEND_SIGNAL, SIGTERM));
		FAILS(ENOTTY, ioctl(slave, SEND_SIGNAL, SIGINT));
		struct winsize w = {.ws_row = 7};
		OK(ioctl(master, TIOCSWINSZ, &w));
		EQUAL(seen[SIGWINCH], 1);
		OK(ioctl(master, TIOCSWINSZ, &w));
		EQUAL(seen[SIGWINCH], 1);
	});
	EXITS(child, 0);
}

static void exclusive_use(void)
{
	int on = -1;

	make_pair();
	OK(ioctl(slave, TIOCEXCL));
	OK(ioctl(slave, GET_EXCLUSIVE, &on));
	EQUAL(on, 1);
	OK(ioctl(slave, TIOCNXCL));
	OK(ioctl(slave, GET_EXCLUSIVE, &on));
	EQUAL(on, 0);
}

/* System V's calls see the lower half of each word and eight characters, and leave the rest. */
static void short_settings(void)
{
	struct {
		uint16_t iflag, oflag, cflag, lflag;
		uint8_t line, cc[8];
	} old;
	struct termios now;

	make_pair();
	OK(tcgetattr(slave, &now));
	now.c_lflag |= 1u << 20;
	now.c_cc[VSUSP] = 'z';
	OK(tcsetattr(slave, TCSANOW, &now));
	OK(ioctl(slave, TCGETA, &old));
	EQUAL(old.cflag, now.c_cflag & 0xffff);
	CHECK(old.lflag & ECHO);
	EQUAL(old.cc[VINTR], 3);
	old.lflag &= (uint16_t)~ECHO;
	old.cc[VINTR] = 'x';
	OK(ioctl(slave, TCSETA, &old));
	OK(tcgetattr(master, &now));
	CHECK(!(now.c_lflag & ECHO) && (now.c_lflag & 1u << 20));
	EQUAL(now.c_cc[VINTR], 'x');
	EQUAL(now.c_cc[VSUSP], 'z');
	OK((int)write(master, "lost\n", 5));
	OK(ioctl(slave, TCSETAW, &old));
	OK(ioctl(slave, TCSETAF, &old));
	int left = -1;
	OK(ioctl(slave, FIONREAD, &left));
	EQUAL(left, 0);
	FAILS(EFAULT, ioctl(slave, TCGETA, (void *)8));
	FAILS(EFAULT, ioctl(slave, TCSETAW, (void *)8));
}

/* What root has locked stays, whoever sets it; the next terminal of this number begins unlocked. */
static void locked_settings(void)
{
	struct termios now, locked = {.c_lflag = ECHO};

	make_pair();
	locked.c_cc[VINTR] = 1;
	OK(ioctl(slave, TIOCSLCKTRMIOS, &locked));
	OK(tcgetattr(slave, &now));
	now.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	now.c_cc[VINTR] = 'x';
	now.c_cc[VQUIT] = 'y';
	OK(tcsetattr(slave, TCSANOW, &now));
	OK(tcgetattr(slave, &now));
	CHECK((now.c_lflag & ECHO) && !(now.c_lflag & ICANON));
	EQUAL(now.c_cc[VINTR], 3);
	EQUAL(now.c_cc[VQUIT], 'y');
	memset(&locked, 0, sizeof(locked));
	OK(ioctl(master, TIOCGLCKTRMIOS, &locked));
	CHECK(locked.c_lflag == ECHO && locked.c_cc[VINTR] == 1 && locked.c_iflag == 0);
	pid_t child = CHILD({
		OK(setuid(1000));
		FAILS(EPERM, ioctl(slave, TIOCSLCKTRMIOS, (void *)8));
		OK(ioctl(slave, TIOCGLCKTRMIOS, &locked));
	});
	EXITS(child, 0);
	FAILS(EFAULT, ioctl(slave, TIOCSLCKTRMIOS, (void *)8));
	OK(close(slave));
	OK(close(master));
	make_pair();
	OK(ioctl(slave, TIOCGLCKTRMIOS, &locked));
	EQUAL(locked.c_lflag, 0);
}

static void read_proc(const char *path, char *out, size_t size)
{
	int fd = OK(open(path, O_RDONLY));
	ssize_t n = OK((int)read(fd, out, size - 1));

	out[n] = '\0';
	OK(close(fd));
}

static void what_proc_tells(void)
{
	char text[1024];

	read_proc("/proc/tty/drivers", text, sizeof(text));
	CHECK(strncmp(text, "/dev/tty             /dev/tty        5       0 system:/dev/tty\n", 62) == 0);
	CHECK(strstr(text, " serial\n") != nullptr && strstr(text, "/dev/pts      136 0-") != nullptr);
	read_proc("/proc/tty/ldiscs", text, sizeof(text));
	CHECK(strncmp(text, "n_tty ", 6) == 0);
	read_proc("/proc/sys/kernel/pty/nr", text, sizeof(text));
	int before = atoi(text);
	make_pair();
	read_proc("/proc/sys/kernel/pty/nr", text, sizeof(text));
	CHECK(atoi(text) > before);
}

/* Feeding a terminal is root's alone once the knob says so. */
static void feeding_is_for_root(void)
{
	int knob = OK(open("/proc/sys/dev/tty/legacy_tiocsti", O_RDWR));

	make_pair();
	OK((int)write(knob, "0", 1));
	pid_t child = CHILD({
		OK(setsid());
		OK(ioctl(slave, TIOCSCTTY, 0));
		OK(ioctl(slave, TIOCSTI, "a"));
		OK(setuid(1000));
		FAILS(EIO, ioctl(slave, TIOCSTI, "a"));
	});
	EXITS(child, 0);
	OK((int)pwrite(knob, "1", 1, 0));
	FAILS(EINVAL, pwrite(knob, "2", 1, 0));
	OK(close(knob));
}

/* Only who may read the terminal gets it as the controlling one. */
static void who_gets_it(void)
{
	make_pair();
	pid_t child = CHILD({
		int none = 0;
		OK(setsid());
		int out = OK(ioctl(master, OPEN_PEER, O_WRONLY));
		FAILS(ENXIO, open("/dev/tty", O_RDWR));
		if (getuid() == 0)
			OK(setuid(1000));
		FAILS(EPERM, ioctl(out, TIOCSCTTY, 0));
		FAILS(ENOTTY, ioctl(slave, TIOCNOTTY));
		OK(ioctl(slave, TIOCSCTTY, 0));
		OK(ioctl(slave, TIOCGPGRP, &none));
		EQUAL(none, getpid());
	});
	EXITS(child, 0);
}

/* Another session's terminal is taken by root alone. */
static void nobody_else_takes_it(void)
{
	int told[2];
	char c;

	make_pair();
	OK(pipe(told));
	pid_t owner = CHILD({
		OK(setsid());
		OK(ioctl(slave, TIOCSCTTY, 0));
		EQUAL(write(told[1], "t", 1), 1);
		for (;;)
			pause();
	});
	EQUAL(read(told[0], &c, 1), 1);
	pid_t thief = CHILD({
		OK(setsid());
		if (getuid() == 0)
			OK(setuid(1000));
		FAILS(EPERM, ioctl(slave, TIOCSCTTY, 0));
		FAILS(EPERM, ioctl(slave, TIOCSCTTY, 1));
		FAILS(ENXIO, open("/dev/tty", O_RDWR));
	});
	EXITS(thief, 0);
	OK(kill(owner, SIGKILL));
	DIES(owner, SIGKILL);
}

/* A leader that gives it up, or ends, leaves a pseudo-terminal that works. */
static void the_leader_leaves(void)
{
	make_pair();
	pid_t leader = CHILD({
		signal(SIGHUP, note);
		signal(SIGCONT, note);
		OK(setsid());
		OK(ioctl(slave, TIOCSCTTY, 0));
		OK(ioctl(slave, TIOCNOTTY));
		EQUAL(seen[SIGHUP], 1);
		EQUAL(seen[SIGCONT], 1);
		FAILS(ENOTTY, tcgetpgrp(slave));
		EQUAL(write(slave, "a", 1), 1);
		OK(ioctl(slave, TIOCSCTTY, 0));
	});
	EXITS(leader, 0);
	EQUAL(write(slave, "b", 1), 1);
	EQUAL(ready(slave), POLLOUT);
}

static void a_robbed_session(void)
{
	if (getuid() != 0)
		ktap_skip("needs root");
	make_pair();
	pid_t leader = CHILD({
		signal(SIGHUP, note);
		OK(setsid());
		OK(ioctl(slave, TIOCSCTTY, 0));
		pid_t thief = CHILD({
			OK(setsid());
			FAILS(EPERM, ioctl(slave, TIOCSCTTY, 0));
			OK(ioctl(slave, TIOCSCTTY, 1));
			EQUAL(tcgetpgrp(slave), getpid());
		});
		EXITS(thief, 0);
		EQUAL(seen[SIGHUP], 0);
		FAILS(ENXIO, open("/dev/tty", O_RDWR));
	});
	EXITS(leader, 0);
}

/* The leader learns that the terminal is gone though another group has the foreground. */
static void a_hang_up_reaches_the_leader(void)
{
	int ready_ends[2];
	char c;

	make_pair();
	OK(pipe(ready_ends));
	pid_t leader = CHILD({
		OK(close(master));
		OK(setsid());
		OK(ioctl(slave, TIOCSCTTY, 0));
		pid_t job = CHILD({
			OK(setpgid(0, 0));
			signal(SIGTTOU, SIG_IGN);
			OK(tcsetpgrp(slave, getpid()));
			EQUAL(write(ready_ends[1], "r", 1), 1);
			for (;;)
				pause();
		});
		(void)job;
		for (;;)
			pause();
	});
	EQUAL(read(ready_ends[0], &c, 1), 1);
	OK(close(master));
	int status;
	EQUAL(waitpid(leader, &status, 0), leader);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
}

KTAP_MAIN(CASE(the_peer), CASE(a_master_without_slaves), CASE(the_last_slave_wakes_the_master),
	  CASE(a_slave_without_a_master), CASE(counts_and_times), CASE(packets), CASE(lines_edited_elsewhere),
	  CASE(keys_by_command), CASE(exclusive_use), CASE(short_settings), CASE(locked_settings),
	  CASE(what_proc_tells), CASE(feeding_is_for_root), CASE(who_gets_it), CASE(nobody_else_takes_it),
	  CASE(the_leader_leaves), CASE(a_robbed_session), CASE(a_hang_up_reaches_the_leader))
