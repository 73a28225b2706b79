/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/cpio.c: an archive made here is read back; then every prefix of it and every single flipped byte
 * must be survived (the sanitizers watch), and cut archives must be told as such.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/cpio.h>

static char archive[4096];
static size_t length;

static void add(const char *name, unsigned mode, const char *data)
{
	size_t size = strlen(data);

	length += (size_t)sprintf(archive + length, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 7,
				  mode, 1, 2, 1, 1000, size, 0, 0, 5, 1, strlen(name) + 1, 0);
	memcpy(archive + length, name, strlen(name) + 1);
	length = (length + strlen(name) + 1 + 3) / 4 * 4;
	memcpy(archive + length, data, size);
	length = (length + size + 3) / 4 * 4;
}

static int make(void **state)
{
	(void)state;
	memset(archive, 0, sizeof(archive));
	length = 0;
	add("./etc", 040755, "");
	add("/etc/motd", 0100644, "hello\n");
	add("bin/sh", 0120777, "busybox");
	add("TRAILER!!!", 0, "");
	length += 64;
	add("second", 0100600, "x");
	add("TRAILER!!!", 0, "");
	return 0;
}

static void test_entries(void **state)
{
	static const struct {
		const char *name;
		unsigned mode;
		const char *data;
	} expected[] = {
		{"etc", 040755, ""},
		{"etc/motd", 0100644, "hello\n"},
		{"bin/sh", 0120777, "busybox"},
		{"second", 0100600, "x"},
	};
	struct cpio_reader r;
	struct cpio_entry e;

	(void)state;
	cpio_open(&r, archive, length);
	for (size_t n = 0; n < 4; n++) {
		assert_int_equal(cpio_next(&r, &e), CPIO_ENTRY);
		assert_int_equal(e.name_length, strlen(expected[n].name));
		assert_memory_equal(e.name, expected[n].name, e.name_length);
		assert_int_equal(e.mode, expected[n].mode);
		assert_int_equal(e.size, strlen(expected[n].data));
		assert_memory_equal(e.data, expected[n].data, e.size);
		assert_int_equal(e.uid, 1);
		assert_int_equal(e.gid, 2);
		assert_int_equal(e.rdev_major, 5);
		assert_int_equal(e.mtime, 1000);
	}
	assert_int_equal(cpio_next(&r, &e), CPIO_END);
	assert_null(r.error);
}

/* Reads what is there from memory of exactly that size. */
static const char *read_all(const char *bytes, size_t size)
{
	char *copy = malloc(size + !size);
	struct cpio_reader r;
	struct cpio_entry e;
	unsigned sum = 0;

	memcpy(copy, bytes, size);
	cpio_open(&r, copy, size);
	while (cpio_next(&r, &e) == CPIO_ENTRY) {
		for (size_t n = 0; n < e.name_length; n++)
			sum += (unsigned char)e.name[n];
		for (size_t n = 0; n < e.size; n++)
			sum += ((const unsigned char *)e.data)[n];
	}
	free(copy);
	return sum == 1 ? "" : r.error;
}

static void test_damage(void **state)
{
	(void)state;
	for (size_t n = 0; n < length; n++)
		read_all(archive, n);
	assert_string_equal(read_all(archive, 50), "the archive ends within a header");
	assert_string_equal(read_all(archive, 112), "a name is cut off");
	for (size_t n = 0; n < length; n++) {
		for (int bit = 0; bit < 8; bit++) {
			archive[n] = (char)(archive[n] ^ 1 << bit);
			read_all(archive, length);
			archive[n] = (char)(archive[n] ^ 1 << bit);
		}
	}
	archive[0] = 'x';
	assert_string_equal(read_all(archive, length), "no cpio header of format newc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_entries, make),
		cmocka_unit_test_setup(test_damage, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
