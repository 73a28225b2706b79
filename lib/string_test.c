/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/string.c and lib/format.c. Both are compiled into this file under other names,
 * so that the host's own functions check them: every result is compared with the C library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	void *(*memchr_)(const void *, int, size_t);
	int (*memcmp_)(const void *, const void *, size_t);
	char *(*strchr_)(const char *, int);
	char *(*strrchr_)(const char *, int);
	char *(*strstr_)(const char *, const char *);
} host = {memchr, memcmp, strchr, strrchr, strstr};

static int host_vsnprintf(char *out, size_t size, const char *fmt, va_list args)
{
	return vsnprintf(out, size, fmt, args);
}

#undef memcpy
#undef memmove
#undef memset
#undef strlcpy
#define memcpy	  our_memcpy
#define memmove	  our_memmove
#define memset	  our_memset
#define memcmp	  our_memcmp
#define memchr	  our_memchr
#define strlen	  our_strlen
#define strnlen	  our_strnlen
#define strcmp	  our_strcmp
#define strncmp	  our_strncmp
#define strchr	  our_strchr
#define strrchr	  our_strrchr
#define strstr	  our_strstr
#define strlcpy	  our_strlcpy
#define vsnprintf our_vsnprintf
#define snprintf  our_snprintf
#define scnprintf our_scnprintf
#include "format.c"
#include "string.c"

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 37 + seed);
}

static void test_memcpy(void **)
{
	unsigned char from[200], to[200];

	for (size_t offset = 0; offset < 9; offset++) {
		for (size_t n = 0; n < 150; n++) {
			fill(from, sizeof(from), 1);
			fill(to, sizeof(to), 99);
			assert_ptr_equal(memcpy(to + 5, from + offset, n), to + 5);
			for (size_t i = 0; i < sizeof(to); i++) {
				unsigned char want =
					i >= 5 && i < 5 + n ? from[offset + i - 5] : (unsigned char)(i * 37 + 99);
				assert_int_equal(to[i], want);
			}
		}
	}
}

static void test_memmove(void **)
{
	unsigned char buffer[256], want[256];

	for (size_t from = 0; from < 80; from += 3) {
		for (size_t to = 0; to < 80; to += 7) {
			for (size_t n = 0; n < 130; n += 11) {
				fill(buffer, sizeof(buffer), 7);
				fill(want, sizeof(want), 7);
				for (size_t i = 0; i < n; i++)
					want[to + i] = (unsigned char)((from + i) * 37 + 7);
				memmove(buffer + to, buffer + from, n);
				assert_int_equal(host.memcmp_(buffer, want, sizeof(want)), 0);
			}
		}
	}
}

static void test_memset(void **)
{
	unsigned char buffer[128];

	for (size_t n = 0; n < 100; n++) {
		fill(buffer, sizeof(buffer), 3);
		memset(buffer + 3, 0x1a5, n);
		for (size_t i = 0; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], i >= 3 && i < 3 + n ? 0xa5 : (i * 37 + 3) & 0xff);
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void test_memcmp(void **)
{
	unsigned char a[64], b[64];

	fill(a, sizeof(a), 0);
	for (size_t at = 0; at < 64; at++) {
		for (int delta = -3; delta <= 3; delta++) {
			fill(b, sizeof(b), 0);
			b[at] = (unsigned char)(b[at] + delta);
			for (size_t n = 0; n <= 64; n++)
				assert_int_equal(sign(memcmp(a, b, n)), sign(host.memcmp_(a, b, n)));
		}
	}
}

static void test_strings(void **)
{
	static const char text[] = "abcabcabd";
	char out[5];

	assert_int_equal(strlen(text), 9);
	assert_int_equal(strnlen(text, 4), 4);
	assert_int_equal(strnlen(text, 40), 9);
	for (int c = 0; c < 256; c++) {
		assert_ptr_equal(strchr(text, c), host.strchr_(text, c));
		assert_ptr_equal(strrchr(text, c), host.strrchr_(text, c));
		assert_ptr_equal(memchr(text, c, 6), host.memchr_(text, c, 6));
	}
	static const char *const needles[] = {"", "abd", "abcabd", "x", "abcabcabdx", "d"};
	for (size_t i = 0; i < ARRAY_LEN(needles); i++)
		assert_ptr_equal(strstr(text, needles[i]), host.strstr_(text, needles[i]));
	assert_int_equal(sign(strcmp("a", "b")), -1);
	assert_int_equal(sign(strcmp("\xff", "a")), 1);
	assert_int_equal(strcmp("same", "same"), 0);
	assert_int_equal(strncmp("same1", "same2", 4), 0);
	assert_int_equal(sign(strncmp("same1", "same2", 5)), -1);
	assert_int_equal(strncmp("a\0x", "a\0y", 3), 0);
	assert_int_equal(strlcpy(out, "hello!", sizeof(out)), 6);
	assert_string_equal(out, "hell");
	assert_int_equal(strlcpy(out, "hi", sizeof(out)), 2);
	assert_string_equal(out, "hi");
}

static void compare(const char *fmt, ...)
{
	va_list args;

	for (size_t size = 0; size < 48; size++) {
		char ours[64], theirs[64];

		our_memset(ours, '#', sizeof(ours));
		our_memset(theirs, '#', sizeof(theirs));
		va_start(args, fmt);
		int n = vsnprintf(ours, size, fmt, args);
		va_end(args);
		va_start(args, fmt);
		int want = host_vsnprintf(theirs, size, fmt, args);
		va_end(args);
		assert_int_equal(n, want);
		assert_int_equal(host.memcmp_(ours, theirs, sizeof(ours)), 0);
	}
}

static void test_format_integers(void **)
{
	static const char *const integer[] = {"%d",	 "%5d",	  "%-5d|", "%05d", "%+d",  "% d", "%.3d", "%8.3d",
					      "%-8.3d|", "%.0d",  "%u",	   "%x",   "%X",   "%#x", "%#X",  "%#o",
					      "%o",	 "%#06x", "%hhd",  "%hd",  "%hhu", "%hx", "%+08d"};
	static const int values[] = {0, 1, -1, 42, -12345, 70000, INT32_MAX, INT32_MIN};

	for (size_t i = 0; i < ARRAY_LEN(integer); i++) {
		for (size_t v = 0; v < ARRAY_LEN(values); v++)
			compare(integer[i], values[v]);
	}
	compare("%ld %lx", INT64_MIN, UINT64_MAX);
	compare("%lld|%zu|%jd", 1LL << 40, (size_t)1 << 40, (intmax_t)-5);
	compare("%*d|%-*d|", 6, 5, 4, 3);
	compare("%*d|", -6, 5);
	compare("%.*d", 4, 5);
	compare("%.*d", -1, 5);
}

static void test_format_text(void **)
{
	compare("plain");
	compare("%s", "text");
	compare("%10s|%-10s|%.2s|%5.1s", "abc", "def", "ghi", "jkl");
	compare("%.*s", 3, "abcdef");
	compare("%c%c%c", 'a', 'b', 0x7a);
	compare("%3c|%-3c|", 'x', 'y');
	compare("100%%");
	compare("%p", (void *)0xdeadbeef);
	char out[16];
	const char *unterminated = (const char[3]){'a', 'b', 'c'};
	assert_int_equal(snprintf(out, sizeof(out), "%.3s", unterminated), 3);
	assert_int_equal(scnprintf(out, 4, "%s", "abcdef"), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(scnprintf(out, 0, "%s", "abcdef"), 0);
	assert_int_equal(scnprintf(out, sizeof(out), "ab"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memcpy),	    cmocka_unit_test(test_memmove),
		cmocka_unit_test(test_memset),	    cmocka_unit_test(test_memcmp),
		cmocka_unit_test(test_strings),	    cmocka_unit_test(test_format_integers),
		cmocka_unit_test(test_format_text),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
