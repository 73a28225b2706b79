/* SPDX-License-Identifier: MIT */
/*
 * Text consoles as programs see them (test/devices/screen_test.py gives the machine a screen): what is written to a
 * terminal is in its cells (/dev/vcsuN), and what ioctl_console(2) asks is answered.
 */
#include "ktap.h"
#include "uinput.h"

#include <abi/vt.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { ON = 4, OTHER = 5, COLUMNS_MAX = 512 };

static struct winsize size;

static int open_terminal(int number)
{
	char path[16];

	snprintf(path, sizeof(path), "/dev/tty%d", number);
	int fd = OK(open(path, O_RDWR | O_NOCTTY | O_CLOEXEC));
	struct termios raw;
	OK(tcgetattr(fd, &raw));
	cfmakeraw(&raw);
	OK(tcsetattr(fd, TCSAFLUSH, &raw));
	OK(ioctl(fd, TIOCGWINSZ, &size));
	CHECK(size.ws_row >= 24 && size.ws_col >= 80 && size.ws_col <= COLUMNS_MAX);
	return fd;
}

/* Writes, and has the terminal say that it has acted on all of it: by the answer to a question (DSR, ECMA-48 8.3.35).
 */
static void say(int fd, const char *text)
{
	char answer[16] = "";
	size_t n = 0;

	CHECK(OK(write(fd, text, strlen(text))) == (ssize_t)strlen(text));
	CHECK(OK(write(fd, "\33[5n", 4)) == 4);
	while (n < 4)
		n += (size_t)OK(read(fd, answer + n, 4 - n));
	CHECK(memcmp(answer, "\33[0n", 4) == 0);
}

static void read_row(int number, int row, uint32_t *out)
{
	char path[16];

	snprintf(path, sizeof(path), "/dev/vcsu%d", number);
	int fd = OK(open(path, O_RDONLY | O_CLOEXEC));
	size_t n = size.ws_col * sizeof(uint32_t);
	CHECK(OK(pread(fd, out, n, (off_t)((size_t)row * n))) == (ssize_t)n);
	close(fd);
}

/* The row begins with these characters, and blanks are behind them. */
static void row_is(int row, const uint32_t *wanted)
{
	uint32_t cells[COLUMNS_MAX];
	size_t i = 0;

	read_row(ON, row, cells);
	for (; wanted[i] != 0; i++)
		if (cells[i] != wanted[i])
			ktap_fail(__FILE__, __LINE__, "row %d, column %zu: %#x instead of %#x", row, i, cells[i],
				  wanted[i]);
	for (; i < size.ws_col; i++)
		if (cells[i] != ' ')
			ktap_fail(__FILE__, __LINE__, "row %d, column %zu: %#x instead of a blank", row, i, cells[i]);
}

static void rows_are(const char *const *rows, int count)
{
	for (int row = 0; row < count; row++) {
		uint32_t wanted[COLUMNS_MAX] = {};

		for (size_t i = 0; rows[row][i] != '\0'; i++)
			wanted[i] = (unsigned char)rows[row][i];
		row_is(row, wanted);
	}
}

static int cleared(void)
{
	int fd = open_terminal(ON);

	say(fd, "\33c"); /* RIS */
	return fd;
}

static void text_is_in_the_cells(void)
{
	int fd = cleared();
	uint32_t last[2] = {};

	say(fd, "first\r\nsecond\tx\b\bW\r\n\33[10;5Hplaced\33[Hf");
	rows_are((const char *const[]){"first", "second Wx"}, 2);
	rows_are((const char *const[]){"first", "second Wx", "", "", "", "", "", "", "", "    placed"}, 10);
	/* It stays in the last column, and wraps with the next character. */
	char line[COLUMNS_MAX + 32];
	snprintf(line, sizeof(line), "\33[3;%dHab", size.ws_col);
	say(fd, line);
	uint32_t cells[COLUMNS_MAX];
	read_row(ON, 2, cells);
	CHECK(cells[size.ws_col - 1] == 'a');
	last[0] = 'b';
	row_is(3, last);
	close(fd);
}

static void unicode_is_in_the_cells(void)
{
	int fd = cleared();

	/* In pieces, as a program may write it; and what is no UTF-8. */
	CHECK(OK(write(fd, "\xc3", 1)) == 1);
	say(fd, "\xa4\xd0\x96\xce\xa9\xe2\x94\x8c\xe2\x82\xac");
	row_is(0, (const uint32_t[]){0xe4, 0x416, 0x3a9, 0x250c, 0x20ac, 0});
	say(fd, "\r\n\xff<");
	row_is(1, (const uint32_t[]){0xfffd, '<', 0});
	/* DEC's line drawing (SCS). */
	say(fd, "\r\n\33(0lqk\33(Bq");
	row_is(2, (const uint32_t[]){0x250c, 0x2500, 0x2510, 'q', 0});
	/* A mark alone, repeated; what are no characters; more parameters than there are; and one, repeated. */
	say(fd, "\33[4;1Hab\33[4;1H\xcc\x81\33[5b\33[4;1Hcd");
	row_is(3, (const uint32_t[]){'c', 'd', 0});
	say(fd, "\r\n\xc2\x80\xc2\x80\xc2\x85\33Hx");
	row_is(4, (const uint32_t[]){0xfffd, 0xfffd, 0xfffd, 'x', 0});
	say(fd, "\r\n\33[0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0;0my\33[3b");
	row_is(5, (const uint32_t[]){'y', 'y', 'y', 'y', 0});
	close(fd);
}

static void editing(void)
{
	int fd = cleared();

	say(fd, "abcdef\33[1;3H\33[2P\33[4hXY\33[4l"); /* DCH, insert mode */
	say(fd, "\33[2;1Hone\r\ntwo\r\nthree\33[3;1H\33[L");
	rows_are((const char *const[]){"abXYef", "one", "", "two", "three"}, 5);
	say(fd, "\33[2M\33[1;3H\33[K");
	rows_are((const char *const[]){"ab", "one", "three", ""}, 4);
	close(fd);
}

static void regions_scroll(void)
{
	int fd = cleared();

	say(fd, "top\r\na\r\nb\r\nc\r\nbottom\33[2;4r\33[4;1H\nd");
	rows_are((const char *const[]){"top", "b", "c", "d", "bottom"}, 5);
	say(fd, "\33[2;1H\33M");
	rows_are((const char *const[]){"top", "", "b", "c", "bottom"}, 5);
	close(fd);
}

static void whole_screen_scrolls(void)
{
	int fd = cleared();

	for (int i = 0; i < size.ws_row + 500; i++) {
		char line[32];

		snprintf(line, sizeof(line), "line %d\r\n", i);
		CHECK(OK(write(fd, line, strlen(line))) == (ssize_t)strlen(line));
	}
	say(fd, "end");
	char first[32];
	snprintf(first, sizeof(first), "line %d", 501);
	rows_are((const char *const[]){first, "line 502"}, 2);
	close(fd);
}

static void alternate_screen(void)
{
	int fd = cleared();

	say(fd, "kept\33[?1049h\33[Hother");
	rows_are((const char *const[]){"other"}, 1);
	say(fd, "\33[?1049l");
	rows_are((const char *const[]){"kept"}, 1);
	close(fd);
}

static void answers(void)
{
	int fd = cleared();
	char answer[32] = "";
	size_t n = 0;

	CHECK(OK(write(fd, "\33[7;9H\33[6n", 10)) == 10);
	while (n == 0 || answer[n - 1] != 'R')
		n += (size_t)OK(read(fd, answer + n, 1));
	CHECK(strcmp(answer, "\33[7;9R") == 0);
	close(fd);
}

static void attributes_are_told(void)
{
	int fd = cleared();
	unsigned char bytes[4 + 8], path[16];

	say(fd, "\33[1;31mA\33[0;32;44mB\33[0;7mC\33[0mD\33[3;6H");
	snprintf((char *)path, sizeof(path), "/dev/vcsa%d", ON);
	int vcs = OK(open((char *)path, O_RDONLY | O_CLOEXEC));
	CHECK(OK(read(vcs, bytes, sizeof(bytes))) == sizeof(bytes));
	CHECK(bytes[0] == size.ws_row && bytes[1] == size.ws_col % 256 && bytes[2] == 5 && bytes[3] == 2);
	CHECK(bytes[4] == 'A' && bytes[5] == 0x0c && bytes[6] == 'B' && bytes[7] == 0x12);
	CHECK(bytes[8] == 'C' && bytes[9] == 0x70 && bytes[10] == 'D' && bytes[11] == 0x07);
	CHECK(OK(lseek(vcs, 0, SEEK_SET)) == 0);
	FAILS(EFAULT, read(vcs, (void *)8, 10));
	close(vcs);
	close(fd);
}

static int front(int fd)
{
	struct vt_stat s;

	OK(ioctl(fd, VT_GETSTATE, &s));
	return s.v_active;
}

static void one_is_in_front(void)
{
	int fd = open_terminal(ON), before = front(fd), free_one = 0;
	struct vt_stat s;

	OK(ioctl(fd, VT_ACTIVATE, OTHER));
	OK(ioctl(fd, VT_WAITACTIVE, OTHER));
	CHECK(front(fd) == OTHER);
	int zero = OK(open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC));
	unsigned device = 0;
	OK(ioctl(zero, TIOCGDEV, &device));
	CHECK(device == (4 << 8 | OTHER));
	close(zero);
	OK(ioctl(fd, VT_GETSTATE, &s));
	CHECK((s.v_state & 1) != 0 && (s.v_state >> ON & 1) != 0);
	OK(ioctl(fd, VT_OPENQRY, &free_one));
	CHECK(free_one >= 1 && free_one <= 6 && free_one != ON);
	FAILS(EBUSY, ioctl(fd, VT_DISALLOCATE, ON));
	FAILS(ENXIO, ioctl(fd, VT_ACTIVATE, 7));
	FAILS(ENXIO, ioctl(fd, VT_ACTIVATE, 0));
	FAILS(ENXIO, ioctl(fd, VT_WAITACTIVE, 64));
	FAILS(ENXIO, ioctl(fd, VT_DISALLOCATE, 9));
	OK(ioctl(fd, VT_ACTIVATE, before));
	OK(ioctl(fd, VT_WAITACTIVE, before));
	close(fd);
}

static volatile sig_atomic_t asked, given;
static void note(int signo)
{
	if (signo == SIGUSR1)
		asked = 1;
	else
		given = 1;
}

/* Whoever has the screen for himself is asked before he loses it. */
static void owner_is_asked(void)
{
	int fd = open_terminal(ON), before = front(fd);
	struct vt_mode mode = {.mode = VT_PROCESS, .relsig = SIGUSR1, .acqsig = SIGUSR2}, now;
	sigset_t blocked, none;

	signal(SIGUSR1, note);
	signal(SIGUSR2, note);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGUSR2);
	sigprocmask(SIG_BLOCK, &blocked, nullptr);
	OK(ioctl(fd, VT_ACTIVATE, ON));
	OK(ioctl(fd, VT_WAITACTIVE, ON));
	FAILS(EINVAL, ioctl(fd, VT_RELDISP, 1));
	OK(ioctl(fd, VT_SETMODE, &mode));
	OK(ioctl(fd, VT_GETMODE, &now));
	CHECK(now.mode == VT_PROCESS && now.relsig == SIGUSR1 && now.acqsig == SIGUSR2);
	OK(ioctl(fd, VT_ACTIVATE, OTHER));
	while (!asked)
		sigsuspend(&none);
	CHECK(front(fd) == ON);
	OK(ioctl(fd, VT_RELDISP, 0)); /* no */
	CHECK(front(fd) == ON);
	asked = 0;
	OK(ioctl(fd, VT_ACTIVATE, OTHER));
	while (!asked)
		sigsuspend(&none);
	OK(ioctl(fd, VT_RELDISP, 1));
	CHECK(front(fd) == OTHER && !given);
	OK(ioctl(fd, VT_ACTIVATE, ON));
	while (!given)
		sigsuspend(&none);
	OK(ioctl(fd, VT_RELDISP, VT_ACKACQ));
	CHECK(front(fd) == ON);
	/* One that is not there any more is not asked. */
	mode.mode = VT_AUTO;
	OK(ioctl(fd, VT_SETMODE, &mode));
	pid_t pid = OK(fork());
	if (pid == 0) {
		mode.mode = VT_PROCESS;
		_exit(ioctl(fd, VT_SETMODE, &mode) != 0);
	}
	siginfo_t ended;
	int status;
	OK(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT));
	OK(ioctl(fd, VT_ACTIVATE, before));
	OK(ioctl(fd, VT_WAITACTIVE, before));
	CHECK(OK(waitpid(pid, &status, 0)) == pid && status == 0);
	mode.mode = VT_AUTO;
	OK(ioctl(fd, VT_SETMODE, &mode));
	close(fd);
}

static void modes(void)
{
	int fd = open_terminal(ON), value = -1;
	unsigned char type = 0;

	OK(ioctl(fd, KDGETMODE, &value));
	CHECK(value == KD_TEXT); /* of this one, whatever is in front */
	OK(ioctl(fd, KDSETMODE, KD_GRAPHICS));
	OK(ioctl(fd, KDGETMODE, &value));
	CHECK(value == KD_GRAPHICS);
	OK(ioctl(fd, KDSETMODE, KD_TEXT));
	FAILS(EINVAL, ioctl(fd, KDSETMODE, 9));
	OK(ioctl(fd, KDGKBTYPE, &type));
	CHECK(type == KB_101);
	OK(ioctl(fd, KDGKBMODE, &value));
	CHECK(value == K_UNICODE);
	OK(ioctl(fd, KDSKBMODE, K_OFF));
	OK(ioctl(fd, KDGKBMODE, &value));
	CHECK(value == K_OFF);
	OK(ioctl(fd, KDSKBMODE, K_UNICODE));
	FAILS(EINVAL, ioctl(fd, KDSKBMODE, 99));
	FAILS(EFAULT, ioctl(fd, KDGETMODE, 8));
	close(fd);
	fd = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
	FAILS(ENOTTY, ioctl(fd, KDGETMODE, &value));
	close(fd);
}

static void others_may_not(void)
{
	int fd = open_terminal(ON);

	OK(setresuid(1000, 1000, 1000));
	FAILS(EPERM, ioctl(fd, VT_ACTIVATE, OTHER));
	FAILS(EPERM, ioctl(fd, KDSETMODE, KD_GRAPHICS));
	FAILS(EACCES, open("/dev/vcs", O_RDONLY));
	close(fd);
}

/* Codes of keys (Linux, input-event-codes.h). */
enum {
	BACKSPACE = 14,
	TAB = 15,
	ENTER = 28,
	CTRL = 29,
	LETTER_C = 46,
	SHIFT = 42,
	LETTER_X = 45,
	ALT = 56,
	CAPS_LOCK = 58,
	F1 = 59,
	F5 = 63,
	NUM_LOCK = 69,
	KEYPAD_7 = 71,
	UP = 103,
	DIGIT_1 = 2,
	KEYS = 128,
};

static struct uinput plug_keyboard(void)
{
	int fd = uinput_fd(O_RDWR);

	OK(ioctl(fd, UI_SET_EVBIT, EV_KEY));
	for (int code = 1; code < KEYS; code++)
		OK(ioctl(fd, UI_SET_KEYBIT, code));
	return uinput_make(fd, "console");
}

static void stroke(const struct uinput *u, int code)
{
	uinput_key(u, (unsigned)code, 1);
	uinput_key(u, (unsigned)code, 0);
}

static void stroke_with(const struct uinput *u, int modifier, int code)
{
	uinput_key(u, (unsigned)modifier, 1);
	stroke(u, code);
	uinput_key(u, (unsigned)modifier, 0);
}

static void typed(int fd, const char *wanted)
{
	char bytes[64] = "";
	size_t n = 0;

	while (n < strlen(wanted))
		n += (size_t)OK(read(fd, bytes + n, strlen(wanted) - n));
	if (memcmp(bytes, wanted, n) != 0)
		ktap_fail(__FILE__, __LINE__, "typed %s instead of %s", bytes + (bytes[0] == 27), wanted);
}

static void keys_are_typed(void)
{
	int fd = cleared(), before = front(fd);
	struct uinput u = plug_keyboard();

	OK(ioctl(fd, VT_ACTIVATE, ON));
	OK(ioctl(fd, VT_WAITACTIVE, ON));
	stroke(&u, KEY_A);
	stroke_with(&u, SHIFT, KEY_A);
	stroke_with(&u, SHIFT, DIGIT_1);
	stroke(&u, ENTER);
	stroke(&u, BACKSPACE);
	typed(fd, "aA!\r\177");
	stroke_with(&u, CTRL, LETTER_C);
	stroke_with(&u, ALT, LETTER_X);
	stroke_with(&u, SHIFT, TAB);
	typed(fd, "\3\33x\33[Z");
	stroke(&u, CAPS_LOCK);
	stroke(&u, KEY_A);
	stroke_with(&u, SHIFT, KEY_A);
	stroke(&u, DIGIT_1);
	stroke(&u, CAPS_LOCK);
	typed(fd, "Aa1");
	/* As the program has asked for: cursor keys, and the keypad. */
	stroke(&u, UP);
	stroke(&u, F1);
	typed(fd, "\33[A\33OP");
	say(fd, "\33[?1h");
	stroke(&u, UP);
	stroke(&u, KEYPAD_7);
	stroke(&u, NUM_LOCK);
	stroke(&u, KEYPAD_7);
	stroke(&u, NUM_LOCK);
	typed(fd, "\33OA\33OH7");
	/* Nothing comes of any key, then codes. */
	OK(ioctl(fd, KDSKBMODE, K_OFF));
	stroke(&u, KEY_A);
	OK(ioctl(fd, KDSKBMODE, K_MEDIUMRAW));
	stroke(&u, KEY_A);
	OK(ioctl(fd, KDSKBMODE, K_UNICODE));
	typed(fd, "\36\236");
	OK(ioctl(fd, VT_ACTIVATE, before));
	close(u.fd);
	close(fd);
}

static void keys_change_the_front(void)
{
	int fd = open_terminal(ON), before = front(fd);
	struct uinput u = plug_keyboard();

	stroke_with(&u, ALT, F5);
	OK(ioctl(fd, VT_WAITACTIVE, 5));
	stroke_with(&u, ALT, F1 + before - 1);
	OK(ioctl(fd, VT_WAITACTIVE, before));
	close(u.fd);
	close(fd);
}

static void outlives_its_component(void)
{
	int fd = cleared();

	for (int round = 0; round < 3; round++) {
		int order = OK(open("/proc/components", O_WRONLY | O_CLOEXEC));

		say(fd, "\33cbefore");
		CHECK(OK(write(order, "restart vt", 10)) == 10);
		close(order);
		say(fd, " and after");
		rows_are((const char *const[]){"before and after"}, 1);
	}
	close(fd);
}

KTAP_MAIN(CASE(text_is_in_the_cells), CASE(unicode_is_in_the_cells), CASE(editing), CASE(regions_scroll),
	  CASE(whole_screen_scrolls), CASE(alternate_screen), CASE(answers), CASE(attributes_are_told),
	  CASE(one_is_in_front), CASE(owner_is_asked), CASE(modes), CASE(others_may_not), CASE(keys_are_typed),
	  CASE(keys_change_the_front), STELLUX_CASE(outlives_its_component))
