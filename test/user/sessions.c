/* SPDX-License-Identifier: MIT */
/*
 * Sessions, process groups and terminals. Where the system has pseudo-terminals each case gets a
 * new one and types into it; elsewhere it uses the terminal it was started on, and cases that need
 * typing are skipped (test/session covers them from outside).
 */
#include "ktap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master = -1, terminal = -1;
static pid_t foreground_before;

static void ignore(int signal_number)
{
	OK(sigaction(signal_number, &(struct sigaction){.sa_handler = SIG_IGN}, nullptr));
}

static void use_default(int signal_number)
{
	OK(sigaction(signal_number, &(struct sigaction){.sa_handler = SIG_DFL}, nullptr));
}

static void give_back(void)
{
	if (foreground_before > 0)
		tcsetpgrp(terminal, foreground_before);
}

/* Runs `body` in a child that is the foreground group of a terminal; in a session of its own if
 * there are pseudo-terminals. */
static void on_terminal(void (*body)(void))
{
	int unlock = 0, number;
	char name[32] = "/dev/pts/";

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0) {
		terminal = open("/dev/tty", O_RDWR);
		if (terminal < 0)
			ktap_skip("there is neither a pseudo-terminal nor a controlling terminal");
		ignore(SIGTTOU);
		foreground_before = tcgetpgrp(terminal);
		OK(tcsetpgrp(terminal, getpgrp()));
		use_default(SIGTTOU);
		pid_t child = CHILD(body());
		siginfo_t info;
		OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
		ignore(SIGTTOU);
		give_back();
		EXITS(child, 0);
		return;
	}
	OK(ioctl(master, TIOCSPTLCK, &unlock));
	OK(ioctl(master, TIOCGPTN, &number));
	for (int i = 9, n = number, digits = number > 9 ? number > 99 ? 3 : 2 : 1; digits-- > 0; n /= 10)
		name[i + digits] = (char)('0' + n % 10);
	pid_t child = CHILD({
		OK(setsid());
		terminal = OK(open(name, O_RDWR));
		EQUAL(tcgetpgrp(terminal), getpid());
		body();
	});
	EXITS(child, 0);
}

static void need_typing(void)
{
	if (master < 0)
		ktap_skip("needs a pseudo-terminal to type into");
}

static void type(const char *text)
{
	EQUAL(write(master, text, strlen(text)), strlen(text));
}

static pid_t background_child(void (*body)(void))
{
	pid_t child = CHILD({
		OK(setpgid(0, 0));
		body();
	});
	if (setpgid(child, child) != 0)
		CHECK(errno == EACCES || errno == ESRCH || errno == EPERM);
	return child;
}

static void new_sessions(void)
{
	pid_t child = CHILD({
		OK(setsid());
		EQUAL(getsid(0), getpid());
		EQUAL(getpgrp(), getpid());
		FAILS(EPERM, setsid());
		FAILS(EPERM, setpgid(0, 0));
		FAILS(ENXIO, open("/dev/tty", O_RDWR));
	});
	EXITS(child, 0);
}

static void process_groups(void)
{
	int hold[2];

	OK(pipe(hold));
	pid_t child = CHILD({
		char c;
		close(hold[1]);
		(void)!read(hold[0], &c, 1);
	});
	OK(setpgid(child, child));
	EQUAL(getpgid(child), child);
	EQUAL(getsid(child), getsid(0));
	pid_t second = CHILD({
		char c;
		close(hold[1]);
		(void)!read(hold[0], &c, 1);
	});
	OK(setpgid(second, child));
	EQUAL(getpgid(second), child);
	FAILS(EPERM, setpgid(second, 0x3ffffff0));
	FAILS(EINVAL, setpgid(second, -1));
	FAILS(ESRCH, setpgid(0x3ffffff0, 0));
	FAILS(ESRCH, setpgid(getppid(), 0));
	close(hold[1]);
	EXITS(child, 0);
	EXITS(second, 0);
}

static void no_group_change_after_exec(void)
{
	int ends[2];
	char c;

	OK(pipe2(ends, O_CLOEXEC));
	pid_t child = CHILD({
		execve("/proc/self/exe", (char *[]){"sessions", "@wait", nullptr}, (char *[]){nullptr});
		_exit(1);
	});
	close(ends[1]);
	EQUAL(read(ends[0], &c, 1), 0);
	FAILS(EACCES, setpgid(child, child));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void identity_body(void)
{
	char other[32];
	struct termios tty;

	CHECK(isatty(terminal));
	OK(tcgetattr(terminal, &tty));
	CHECK(tty.c_lflag & ICANON);
	EQUAL(tcgetsid(terminal), getsid(0));
	int alias = OK(open("/dev/tty", O_RDWR));
	EQUAL(tcgetpgrp(alias), tcgetpgrp(terminal));
	CHECK(ttyname_r(terminal, other, sizeof(other)) == 0);
	int null = OK(open("/dev/null", O_RDWR));
	CHECK(!isatty(null));
	EQUAL(errno, ENOTTY);
	FAILS(ENOTTY, tcgetpgrp(null));
}

static void identity(void)
{
	on_terminal(identity_body);
}

static void sleeps(void)
{
	for (;;)
		pause();
}

static void foreground_body(void)
{
	pid_t child = background_child(sleeps);

	OK(tcsetpgrp(terminal, child));
	EQUAL(tcgetpgrp(terminal), child);
	ignore(SIGTTOU);
	OK(tcsetpgrp(terminal, getpgrp()));
	EQUAL(tcgetpgrp(terminal), getpgrp());
	FAILS(EPERM, tcsetpgrp(terminal, 1));
	FAILS(EINVAL, tcsetpgrp(terminal, -5));
	FAILS(ESRCH, tcsetpgrp(terminal, 0x3ffffff0));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void foreground_groups(void)
{
	on_terminal(foreground_body);
}

static void try_read(void)
{
	char c;

	(void)!read(terminal, &c, 1);
}

static void try_write(void)
{
	(void)!write(terminal, "", 1);
}

static void try_control(void)
{
	tcsetpgrp(terminal, getpgrp());
}

static void stops_with(void (*body)(void), int signal_number)
{
	int status;
	pid_t child = background_child(body);

	EQUAL(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	EQUAL(WSTOPSIG(status), signal_number);
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void background_stop_body(void)
{
	struct termios tty;

	stops_with(try_read, SIGTTIN);
	stops_with(try_control, SIGTTOU);
	pid_t child = background_child(try_write);
	EXITS(child, 0);
	OK(tcgetattr(terminal, &tty));
	tty.c_lflag |= TOSTOP;
	OK(tcsetattr(terminal, TCSANOW, &tty));
	stops_with(try_write, SIGTTOU);
	tty.c_lflag &= ~(tcflag_t)TOSTOP;
	OK(tcsetattr(terminal, TCSANOW, &tty));
}

static void background_use_stops(void)
{
	on_terminal(background_stop_body);
}

static void ignored_read(void)
{
	char c;

	ignore(SIGTTIN);
	FAILS(EIO, read(terminal, &c, 1));
	ignore(SIGTTOU);
	OK(tcsetpgrp(terminal, tcgetpgrp(terminal)));
}

static void background_ignoring_body(void)
{
	EXITS(background_child(ignored_read), 0);
}

static void background_use_ignoring_the_signal(void)
{
	on_terminal(background_ignoring_body);
}

/* A group without a parent in the session that could continue it is told EIO, not stopped. */
static void orphaned_body(void)
{
	int report[2];
	char answer = 0;

	OK(pipe(report));
	pid_t child = CHILD({
		CHILD({
			char c;
			pid_t parent = getppid();
			OK(setpgid(0, 0));
			EQUAL(write(report[1], "r", 1), 1);
			while (getppid() == parent)
				usleep(1000);
			errno = 0;
			bool orphan = read(terminal, &c, 1) == -1 && errno == EIO;
			errno = 0;
			orphan = orphan && tcsetpgrp(terminal, getpgrp()) == -1 && errno == ENOTTY;
			EQUAL(write(report[1], orphan ? "y" : "n", 1), 1);
		});
		EQUAL(read(report[0], &answer, 1), 1);
	});
	EXITS(child, 0);
	EQUAL(read(report[0], &answer, 1), 1);
	EQUAL(answer, 'y');
}

static void orphaned_groups(void)
{
	on_terminal(orphaned_body);
}

static int heard;

static void tell(int signal_number)
{
	char c = signal_number == SIGHUP ? 'h' : 'c';

	(void)!write(heard, &c, 1);
}

/* In a group of its own: stopped, or not, when its parent, the last of the session who could continue it, ends. */
static void member(int report, int go, bool stops)
{
	char c;

	heard = report;
	OK(sigaction(SIGHUP, &(struct sigaction){.sa_handler = tell, .sa_flags = SA_RESTART}, nullptr));
	OK(sigaction(SIGCONT, &(struct sigaction){.sa_handler = tell, .sa_flags = SA_RESTART}, nullptr));
	OK(setpgid(0, 0));
	EQUAL(write(report, "r", 1), 1);
	if (stops)
		OK(raise(SIGSTOP));
	EQUAL(read(go, &c, 1), 1);
	EQUAL(write(report, "e", 1), 1);
}

static void left_alone_body(void)
{
	int report[2], go[2];
	char c;

	OK(pipe(report));
	OK(pipe(go));
	for (int stops = 0; stops < 2; stops++) {
		pid_t parent = CHILD({
			pid_t child = CHILD(member(report[1], go[0], stops));
			EQUAL(read(report[0], &c, 1), 1);
			ktap_until_state(child, stops ? "T" : "S");
		});
		EXITS(parent, 0);
		if (stops) {
			char both[2];
			EQUAL(read(report[0], &both[0], 1), 1);
			EQUAL(read(report[0], &both[1], 1), 1);
			CHECK(both[0] != both[1] && (both[0] == 'h' || both[1] == 'h'));
		}
		EQUAL(write(go[1], "g", 1), 1);
		EQUAL(read(report[0], &c, 1), 1);
		EQUAL(c, 'e');
	}
}

/* A stopped group that nobody can continue any more is hung up and continued; one that runs is told nothing. */
static void groups_left_alone(void)
{
	on_terminal(left_alone_body);
}

static volatile sig_atomic_t seen;

static void note(int signal_number)
{
	seen = signal_number;
}

static void window_body(void)
{
	struct winsize before = {}, size = {.ws_row = 33, .ws_col = 99}, now = {};

	OK(ioctl(terminal, TIOCGWINSZ, &before));
	signal(SIGWINCH, note);
	OK(ioctl(terminal, TIOCSWINSZ, &size));
	EQUAL(seen, SIGWINCH);
	OK(ioctl(terminal, TIOCGWINSZ, &now));
	EQUAL(now.ws_row, 33);
	EQUAL(now.ws_col, 99);
	seen = 0;
	OK(ioctl(terminal, TIOCSWINSZ, &size));
	EQUAL(seen, 0);
	OK(ioctl(terminal, TIOCSWINSZ, &before));
}

static void window_sizes(void)
{
	on_terminal(window_body);
}

static void attributes_body(void)
{
	struct termios before, tty, now;

	OK(tcgetattr(terminal, &before));
	tty = before;
	tty.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	tty.c_iflag &= ~(tcflag_t)ICRNL;
	tty.c_cc[VMIN] = 3;
	tty.c_cc[VTIME] = 7;
	OK(tcsetattr(terminal, TCSADRAIN, &tty));
	OK(tcgetattr(terminal, &now));
	EQUAL(now.c_lflag, tty.c_lflag);
	EQUAL(now.c_iflag, tty.c_iflag);
	EQUAL(now.c_cc[VMIN], 3);
	EQUAL(now.c_cc[VTIME], 7);
	OK(tcsetattr(terminal, TCSAFLUSH, &before));
	OK(tcgetattr(terminal, &now));
	EQUAL(now.c_lflag, before.c_lflag);
	OK(tcflush(terminal, TCIOFLUSH));
	OK(tcdrain(terminal));
}

static void attributes(void)
{
	on_terminal(attributes_body);
}

static void read_exactly(const char *text)
{
	char have[64];

	EQUAL(read(terminal, have, sizeof(have)), strlen(text));
	CHECK(memcmp(have, text, strlen(text)) == 0);
}

static void lines_body(void)
{
	char c;

	need_typing();
	type("hello\n");
	read_exactly("hello\n");
	type("wrong\025right\r");
	read_exactly("right\n");
	type("abx\177c\n");
	read_exactly("abc\n");
	type("one two\027three\n");
	read_exactly("one three\n");
	type("a\nb\n");
	read_exactly("a\n");
	read_exactly("b\n");
	type("partial\004");
	read_exactly("partial");
	type("\004");
	EQUAL(read(terminal, &c, 1), 0);
	type("\026\003\n");
	read_exactly("\003\n");
	type("xy\n");
	EQUAL(read(terminal, &c, 1), 1);
	EQUAL(c, 'x');
	read_exactly("y\n");
	OK(fcntl(terminal, F_SETFL, O_RDWR | O_NONBLOCK));
	type("no end");
	FAILS(EAGAIN, read(terminal, &c, 1));
}

static void lines_are_edited(void)
{
	on_terminal(lines_body);
}

static void raw_body(void)
{
	struct termios tty;
	char text[8];

	need_typing();
	OK(tcgetattr(terminal, &tty));
	tty.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	tty.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	tty.c_cc[VMIN] = 1;
	tty.c_cc[VTIME] = 0;
	OK(tcsetattr(terminal, TCSANOW, &tty));
	type("\003\r\004\177\021");
	EQUAL(read(terminal, text, 8), 5);
	CHECK(memcmp(text, "\003\r\004\177\021", 5) == 0);
	tty.c_cc[VMIN] = 0;
	OK(tcsetattr(terminal, TCSANOW, &tty));
	EQUAL(read(terminal, text, 8), 0);
	tty.c_cc[VTIME] = 1;
	OK(tcsetattr(terminal, TCSANOW, &tty));
	EQUAL(read(terminal, text, 8), 0);
	tty.c_cc[VMIN] = 3;
	tty.c_cc[VTIME] = 0;
	OK(tcsetattr(terminal, TCSANOW, &tty));
	type("abc");
	EQUAL(read(terminal, text, 8), 3);
}

static void raw_mode(void)
{
	on_terminal(raw_body);
}

static void keys_to(const char *key, int signal_number)
{
	pid_t child = background_child(sleeps);
	int status;

	ignore(SIGTTOU);
	OK(tcsetpgrp(terminal, child));
	ktap_until_state(child, "S");
	type(key);
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	if (signal_number == SIGTSTP) {
		CHECK(WIFSTOPPED(status));
		EQUAL(WSTOPSIG(status), SIGTSTP);
		OK(kill(child, SIGKILL));
		DIES(child, SIGKILL);
	} else {
		CHECK(WIFSIGNALED(status));
		EQUAL(WTERMSIG(status), signal_number);
	}
	OK(tcsetpgrp(terminal, getpgrp()));
}

static void keys_body(void)
{
	need_typing();
	keys_to("\003", SIGINT);
	keys_to("\034", SIGQUIT);
	keys_to("\032", SIGTSTP);
}

static void keys_send_signals(void)
{
	on_terminal(keys_body);
}

static void shown(const char *wanted)
{
	char text[64];
	size_t have = 0;

	while (have < strlen(wanted))
		have += (size_t)OK(read(master, text + have, sizeof(text) - have));
	CHECK(memcmp(text, wanted, strlen(wanted)) == 0);
}

static void echo_body(void)
{
	need_typing();
	type("ab\177c");
	shown("ab\b \bc");
	type("\003");
	shown("^C");
	EQUAL(write(terminal, "x\ny", 3), 3);
	shown("x\r\ny");
}

static void echo_start(void)
{
	signal(SIGINT, SIG_IGN);
	on_terminal(echo_body);
}

static void echoing(void)
{
	echo_start();
}

static void hangup_body(void)
{
	int ready[2], told[2];
	char c;

	need_typing();
	OK(pipe(ready));
	OK(pipe(told));
	pid_t leader = CHILD({
		int unlock = 0, number;
		char name[32] = "/dev/pts/";
		int other = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
		OK(ioctl(other, TIOCSPTLCK, &unlock));
		OK(ioctl(other, TIOCGPTN, &number));
		name[9] = (char)('0' + number / 10);
		name[10] = (char)('0' + number % 10);
		if (number < 10) {
			name[9] = name[10];
			name[10] = '\0';
		}
		OK(setsid());
		OK(open(name, O_RDWR));
		CHILD({
			signal(SIGHUP, note);
			EQUAL(write(ready[1], "r", 1), 1);
			while (seen != SIGHUP)
				usleep(1000);
			EQUAL(write(told[1], "h", 1), 1);
		});
		EQUAL(read(ready[0], &c, 1), 1);
	});
	EXITS(leader, 0);
	EQUAL(read(told[0], &c, 1), 1);
	EQUAL(c, 'h');
}

static void the_leaders_end_hangs_up(void)
{
	on_terminal(hangup_body);
}

static const struct ktap_case cases[] = {
	CASE(new_sessions),
	CASE(process_groups),
	CASE(no_group_change_after_exec),
	CASE(identity),
	CASE(foreground_groups),
	CASE(background_use_stops),
	CASE(background_use_ignoring_the_signal),
	CASE(orphaned_groups),
	CASE(groups_left_alone),
	CASE(window_sizes),
	CASE(attributes),
	CASE(lines_are_edited),
	CASE(raw_mode),
	CASE(keys_send_signals),
	CASE(echoing),
	CASE(the_leaders_end_hangs_up),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@wait") == 0)
		sleeps();
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
