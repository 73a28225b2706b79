/* SPDX-License-Identifier: MIT */
/* Host test of the kernel's command line. */
#include <lib/cmdline.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* wanted: nullptr if there is to be none. */
static void expect(const char *text, const char *name, unsigned index, const char *wanted)
{
	char buf[16] = "untouched";

	assert_int_equal(cmdline_find(text, name, index, buf, sizeof(buf)), wanted != nullptr);
	assert_string_equal(buf, wanted != nullptr ? wanted : "untouched");
}

static void values(void **state)
{
	(void)state;
	expect("quiet dynpriv=off init=/bin/sh", "dynpriv", CMDLINE_LAST, "off");
	expect("quiet dynpriv=off", "quiet", 0, "");
	expect("a= b", "a", 0, "");
	expect(" \t a=1\n\tb=2 \n", "b", 0, "2");
	expect("", "a", 0, nullptr);
	expect("   ", "a", CMDLINE_LAST, nullptr);
}

static void of_several(void **state)
{
	(void)state;
	expect("a=1 b a=2 a=3", "a", CMDLINE_LAST, "3");
	expect("a=1 b a=2 a=3", "a", 0, "1");
	expect("a=1 b a=2 a=3", "a", 1, "2");
	expect("a=1 b a=2 a=3", "a", 3, nullptr);
}

/* Neither of a longer or a shorter name, nor within a value. */
static void other_names(void **state)
{
	(void)state;
	expect("xdynpriv=off dynprivx=off dynpri=off b=dynpriv=off", "dynpriv", CMDLINE_LAST, nullptr);
	expect("\"a=1\"", "a", 0, nullptr);
}

static void quotes(void **state)
{
	(void)state;
	expect("a=\"1 b=2\" c", "a", 0, "1 b=2");
	expect("a=\"1 b=2\" c", "b", 0, nullptr);
	expect("a=\"1 b=2\" c", "c", 0, "");
	expect("a=\"1 b=2", "a", 0, "1 b=2");
}

static void of_init(void **state)
{
	const char *end, *text = "a=1 -- a=2", *word = cmdline_word(text, &end);

	(void)state;
	expect(text, "a", CMDLINE_LAST, "1");
	expect("-- a=2", "a", 0, nullptr);
	expect("--a a=2", "a", 0, "2");
	assert_ptr_equal(word, text);
	assert_int_equal(end - text, 3);
	assert_null(cmdline_word(end, &end));
}

static void room(void **state)
{
	char four[4] = "xyz", none = 'n';

	(void)state;
	assert_true(cmdline_find("a=12345", "a", 0, four, sizeof(four)));
	assert_string_equal(four, "123");
	assert_true(cmdline_find("a=12345", "a", 0, &none, 0));
	assert_int_equal(none, 'n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values), cmocka_unit_test(of_several), cmocka_unit_test(other_names),
		cmocka_unit_test(quotes), cmocka_unit_test(of_init),	cmocka_unit_test(room),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
