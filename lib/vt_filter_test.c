/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/vt_filter.h>

static bool is_mark(uint32_t c)
{
	return c >= 0x300 && c < 0x370;
}

/* What becomes of the text. */
static const char *filtered(const char *text)
{
	static char out[1024];
	struct vt_filter f = {};
	size_t n = 0;

	for (; *text != '\0'; text++) {
		size_t more = vt_filter_byte(&f, (unsigned char)*text, is_mark, out + n);

		assert_true(more <= VT_FILTER_MAX);
		n += more;
		assert_true(n < sizeof(out) - VT_FILTER_MAX);
	}
	out[n] = '\0';
	return out;
}

#define LEAVES(text)	      assert_string_equal(filtered(text), text)
#define BECOMES(text, wanted) assert_string_equal(filtered(text), wanted)
#define FFFD		      "\xef\xbf\xbd"

static void ordinary_output(void **)
{
	LEAVES("plain text\r\n\ttabs and bells\a");
	LEAVES("Grüße, 日本語, 😀");
	LEAVES("\33[1;31mred\33[0m\33[2J\33[H\33[?25l\33[38;2;1;2;3m\33(B\33)0\33#8\33D");
	LEAVES("\33[4:3m\33[>c\33[!p\33[1 q");
	BECOMES("a\177b", "ab");
}

static void characters_are_whole(void **)
{
	BECOMES("\xc3z", FFFD "z");
	BECOMES("\xe2\x82\33[m", FFFD "\33[m");
	BECOMES("\x80\xbf", FFFD FFFD);
	BECOMES("\xc0\x80", FFFD FFFD);
	BECOMES("\xe0\x82\x80", FFFD);
	BECOMES("\xed\xa0\x80", FFFD);
	BECOMES("\xf4\x90\x80\x80", FFFD);
	BECOMES("\xff\xfe", FFFD FFFD);
	/* Controls of two bytes, the second of which has a negative width to libvterm. */
	BECOMES("\xc2\x9b"
		"31m",
		FFFD "31m");
	LEAVES("\xc2\xa0\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80");
}

static void marks_have_an_end(void **)
{
#define MARK "\xcc\x81"
	LEAVES("e" MARK MARK MARK MARK MARK "e" MARK);
	BECOMES("e" MARK MARK MARK MARK MARK MARK MARK "x", "e" MARK MARK MARK MARK MARK "x");
}

static void parameters_have_an_end(void **)
{
	LEAVES("\33[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16m");
	BECOMES("\33[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18mx", "\33[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16mx");
	BECOMES("\33[99999999;1m", "\33[99999;1m");
	/* What stands where none may. */
	BECOMES("\33[1?2m", "\33[12m");
	BECOMES("\33[1 2q", "\33[1 q");
	BECOMES("\33[\xc3\xbcm", "\33[m");
}

/* Repeated is only what has a width. */
static void repetition(void **)
{
	LEAVES("a\33[5b");
	BECOMES("\xc3\xbc\33[5b", "\xc3\xbc\33[5\30");
	BECOMES("a\xc3\xbc\33[5b", "a\xc3\xbc\33[5\30");
	BECOMES("\33[5b", "\33[5\30");
	BECOMES("a\xff\33[5b", "a" FFFD "\33[5\30");
	BECOMES("\xc3\xbc\33[5b!\33[5b", "\xc3\xbc\33[5\30!\33[5b");
}

static void strings(void **)
{
	BECOMES("\33]0;title\a-", "\33]0;title\33\\\30-");
	BECOMES("\33]0;title\33\\-", "\33]0;title\33\\\30-");
	BECOMES("\33Pa\r\nb\33\\-", "\33Pab\33\\\30-");
	BECOMES("\33]0;title\33[m-", "\33]0;title\33\\\30\33[m-");
	BECOMES("\33]0;ti\30-", "\33]0;ti\30-");
	BECOMES("\33[12\32m", "\33[12\32m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_output),   cmocka_unit_test(characters_are_whole),
		cmocka_unit_test(marks_have_an_end), cmocka_unit_test(parameters_have_an_end),
		cmocka_unit_test(repetition),	     cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
