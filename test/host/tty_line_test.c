/* SPDX-License-Identifier: MIT */
/* Host test of the terminal line discipline: keys in, what programs read and what the screen shows
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kernel/tty/line.c>
#include <kernel/tty/line_output.c>

static struct line l;
static unsigned events;

static void type(const char *keys)
{
	for (events = 0; *keys != '\0'; keys++)
		events |= line_input(&l, (unsigned char)*keys);
}

static void expect_screen(const char *want)
{
	char text[LINE_QUEUE_BYTES + 1];
	size_t n = line_take_output(&l, text, LINE_QUEUE_BYTES);

	text[n] = '\0';
	assert_string_equal(text, want);
}

static void expect_read(size_t size, const char *want, bool want_done)
{
	char text[LINE_QUEUE_BYTES + 1];
	bool done;
	size_t n = line_read(&l, text, size, &done);

	text[n] = '\0';
	assert_string_equal(text, want);
	assert_int_equal(done, want_done);
}

static int setup(void **)
{
	line_init(&l);
	return 0;
}

static void set_flags(uint32_t lflag_on, uint32_t lflag_off)
{
	struct termios t = l.termios;

	t.c_lflag = (t.c_lflag | lflag_on) & ~lflag_off;
	line_set_termios(&l, &t);
}

static void test_line(void **)
{
	type("hello");
	assert_false(line_readable(&l));
	type("\r");
	assert_true(events & LINE_READABLE);
	expect_screen("hello\r\n");
	assert_int_equal(line_input_count(&l), 6);
	expect_read(3, "hel", false);
	expect_read(100, "lo\n", true);
	assert_false(line_readable(&l));
}

static void test_two_lines(void **)
{
	type("a\nb\n");
	expect_read(100, "a\n", true);
	expect_read(100, "b\n", true);
}

static void test_eof(void **)
{
	type("\x04");
	assert_true(line_readable(&l));
	assert_int_equal(line_input_count(&l), 0);
	expect_read(100, "", true);
	assert_false(line_readable(&l));
	type("abc\x04");
	expect_read(100, "abc", true);
	assert_false(line_readable(&l));
	/* The mark right behind a read that is exactly full goes with it. */
	type("abc\x04");
	expect_read(3, "abc", true);
	assert_false(line_readable(&l));
}

static void test_erase(void **)
{
	type("abx\x7f"
	     "c\n");
	expect_screen("abx\b \bc\r\n");
	expect_read(100, "abc\n", true);
	type("\x7f\x7f\n");
	expect_screen("\r\n");
	expect_read(100, "\n", true);
}

static void test_erase_control_and_tab(void **)
{
	type("\x01\x7f");
	expect_screen("^A\b \b\b \b");
	type("ab\t\x7f");
	expect_screen("ab\t\b\b\b\b\b\b");
	type("\n");
	expect_read(100, "ab\n", true);
}

static void test_erase_utf8(void **)
{
	l.termios.c_iflag |= IUTF8;
	type("a\xc3\xa4\x7f\n");
	expect_screen("a\xc3\xa4\b \b\r\n");
	expect_read(100, "a\n", true);
}

static void test_kill_and_word(void **)
{
	type("foo bar  \x17");
	expect_screen("foo bar  \b \b\b \b\b \b\b \b\b \b");
	type("\n");
	expect_read(100, "foo \n", true);
	expect_screen("\r\n");
	type("ab\x15");
	expect_screen("ab\b \b\b \b");
	set_flags(0, ECHOKE);
	type("ab\x15");
	expect_screen("ab^U\r\n");
	type("x\n");
	expect_read(100, "x\n", true);
}

static void test_literal(void **)
{
	type("\x16\x03\n");
	expect_screen("^\b^C\r\n");
	expect_read(100, "\x03\n", true);
	type("\x16\n\n");
	expect_read(100, "\n\n", true);
}

static void test_reprint(void **)
{
	type("ab\x12");
	expect_screen("ab^R\r\nab");
}

static void test_echoprt(void **)
{
	set_flags(ECHOPRT, 0);
	type("ab\x7f\x7f"
	     "c\n");
	expect_screen("ab\\ba/c\r\n");
	expect_read(100, "c\n", true);
}

static void test_signals(void **)
{
	type("partial\x03");
	assert_int_equal(events & (LINE_INTERRUPT | LINE_FLUSHED), LINE_INTERRUPT | LINE_FLUSHED);
	expect_screen("^C");
	type("ok\n");
	expect_read(100, "ok\n", true);
	type("\x1a");
	assert_true(events & LINE_SUSPEND);
	type("\x1c");
	assert_true(events & LINE_QUIT);
	set_flags(NOFLSH, 0);
	type("kept\x03\n");
	assert_true(events & LINE_INTERRUPT);
	expect_read(100, "kept\n", true);
	set_flags(0, ISIG);
	type("\x03\n");
	assert_false(events & LINE_INTERRUPT);
	expect_read(100, "\x03\n", true);
}

static void test_flow(void **)
{
	line_write(&l, "one", 3);
	type("\x13");
	expect_screen("");
	type("\x11");
	assert_true(events & LINE_OUTPUT);
	expect_screen("one");
	l.termios.c_iflag |= IXANY;
	type("\x13");
	line_write(&l, "two", 3);
	expect_screen("");
	type("x");
	expect_screen("twox");
}

static void test_raw(void **)
{
	set_flags(0, ICANON | ECHO | ISIG | IEXTEN);
	l.termios.c_iflag = 0;
	type("a\r\x03\x7f\x11");
	assert_true(events & LINE_READABLE);
	assert_int_equal(line_input_count(&l), 5);
	expect_screen("");
	expect_read(2, "a\r", false);
	expect_read(100, "\x03\x7f\x11", false);
}

static void test_mode_switch(void **)
{
	type("half");
	assert_false(line_readable(&l));
	set_flags(0, ICANON);
	assert_true(line_readable(&l));
	expect_read(2, "ha", false);
	set_flags(ICANON, 0);
	assert_true(line_readable(&l));
	expect_read(100, "lf", true);
	type("x\n");
	expect_read(100, "x\n", true);
}

static void test_output(void **)
{
	line_write(&l, "a\tb\n\r", 5);
	expect_screen("a\tb\r\n\r");
	l.termios.c_oflag |= XTABS;
	line_write(&l, "ab\tc", 4);
	expect_screen("ab      c");
	l.termios.c_oflag = OPOST | OCRNL;
	line_write(&l, "x\ry\n", 4);
	expect_screen("x\ny\n");
	l.termios.c_oflag = 0;
	line_write(&l, "\n\t\r", 3);
	expect_screen("\n\t\r");
}

static void test_output_full(void **)
{
	char big[LINE_QUEUE_BYTES + 10];

	memset(big, '\n', sizeof(big));
	assert_int_equal(line_write(&l, big, sizeof(big)), LINE_QUEUE_BYTES / 2);
	assert_int_equal(line_output_room(&l), 0);
	assert_int_equal(line_take_output(&l, big, 3), 3);
	assert_int_equal(line_write(&l, "\n\n", 2), 1);
	assert_int_equal(line_output_room(&l), 1);
}

static void test_input_full(void **)
{
	for (unsigned i = 0; i < LINE_QUEUE_BYTES + 100; i++) {
		(void)line_input(&l, 'x');
		line_flush_output(&l);
	}
	assert_int_equal(line_input_room(&l), SIZE_MAX);
	type("\n");
	assert_true(events & LINE_READABLE);
	assert_int_equal(line_input_count(&l), LINE_QUEUE_BYTES);
	assert_int_equal(line_input_room(&l), 0);
	line_flush_input(&l);
	set_flags(0, ICANON);
	assert_int_equal(line_input_room(&l), LINE_QUEUE_BYTES - 1);
	for (unsigned i = 0; i < LINE_QUEUE_BYTES + 100; i++)
		(void)line_input(&l, 'x');
	assert_int_equal(line_input_count(&l), LINE_QUEUE_BYTES);
}

/* Random keys and settings: nothing may be read or written outside the rings (sanitizers watch). */
static void test_random(void **)
{
	static const char keys[] = "ab \t\n\r\x03\x04\x08\x11\x12\x13\x15\x16\x17\x1a\x7f\xc3\xa4";
	char buffer[256];
	bool done;

	srand(7);
	for (int i = 0; i < 300000; i++) {
		struct termios t = l.termios;

		(void)line_input(&l, (unsigned char)keys[rand() % (int)(sizeof(keys) - 1)]);
		assert_true(l.canon - l.read <= LINE_QUEUE_BYTES && l.end - l.canon <= LINE_QUEUE_BYTES);
		assert_true(l.end - l.read <= LINE_QUEUE_BYTES);
		assert_true(line_output_count(&l) <= LINE_QUEUE_BYTES);
		if (rand() % 8 == 0)
			(void)line_read(&l, buffer, (size_t)rand() % sizeof(buffer), &done);
		if (rand() % 8 == 0)
			(void)line_take_output(&l, buffer, (size_t)rand() % sizeof(buffer));
		if (rand() % 64 == 0) {
			t.c_lflag ^= 1u << rand() % 16;
			t.c_iflag ^= 1u << rand() % 15;
			t.c_oflag ^= 1u << rand() % 12;
			line_set_termios(&l, &t);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line),
		TEST(test_two_lines),
		TEST(test_eof),
		TEST(test_erase),
		TEST(test_erase_control_and_tab),
		TEST(test_erase_utf8),
		TEST(test_kill_and_word),
		TEST(test_literal),
		TEST(test_reprint),
		TEST(test_echoprt),
		TEST(test_signals),
		TEST(test_flow),
		TEST(test_raw),
		TEST(test_mode_switch),
		TEST(test_output),
		TEST(test_output_full),
		TEST(test_input_full),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
