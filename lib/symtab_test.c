/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/symtab: a blob built by hand is read back, and damaged ones, every byte and
 * every length of it, are refused or give something harmless (the sanitizers watch).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/symtab.h>

#define BASE 0xffffffff80000000ull

static uint8_t blob[512];
static size_t blob_len;

static uint32_t put(const void *data, size_t size)
{
	uint32_t at = (uint32_t)blob_len;

	memcpy(blob + blob_len, data, size);
	blob_len += size;
	return at;
}

static void set32(size_t at, uint32_t value)
{
	memcpy(blob + at, &value, sizeof(value));
}

static void put_table(size_t header_at, const void *data, size_t size, uint32_t count)
{
	set32(header_at, put(data, size));
	set32(header_at + 4, count);
}

/*
 * alpha: function 0x1000..0x1040 of a.c, lines 10, 12, 11, then b.h:300 inlined, unknown from
 * 0x1040; beta: object 0x2000..0x2008; gamma: function 0x3000..0x3010 of a.c:77 in a block of its
 * own.
 */
static int build(void **state)
{
	static const char strings[] = "\0alpha\0beta\0gamma\0a.c\0b.h\0small";
	static const uint32_t symbols[] = {0x1000, 0x40, 1 | 1u << 31, 0x2000, 8, 7, 0x3000, 0x10, 12 | 1u << 31};
	static const uint32_t blocks[] = {0x1000, 0, 0x3000, 17};
	static const uint32_t inlines[] = {0x1030, 0x10, 26, 1, 11};
	static const uint32_t files[] = {0, 18, 22};
	static const uint8_t rows[] = {
		0 << 1 | 1,    1,    20,	 /* 0x1000 a.c:10 */
		8 << 1,	       4,		 /* 0x1008 a.c:12 */
		0x20 << 1,     1,		 /* 0x1028 a.c:11 */
		8 << 1 | 1,    2,    0xc2, 0x04, /* 0x1030 b.h:300 (+289) */
		0x10 << 1 | 1, 0,    0xd7, 0x04, /* 0x1040 nothing (-300) */
		0 << 1,	       0,		 /* padding row, nothing */
		0 << 1 | 1,    1,    0x9a, 0x01, /* 0x3000 a.c:77 */
		0x10 << 1,     0x99, 0x01,	 /* 0x3010 nothing (-77) */
	};
	uint64_t base = BASE;

	(void)state;
	memset(blob, 0, sizeof(blob));
	memcpy(blob, "\0STXSYM1", 8);
	memcpy(blob + 8, &base, 8);
	blob_len = 72;
	put_table(24, symbols, sizeof(symbols), 3);
	put_table(32, blocks, sizeof(blocks), 2);
	put_table(40, inlines, sizeof(inlines), 1);
	put_table(48, files, sizeof(files), 3);
	put_table(56, rows, sizeof(rows), sizeof(rows));
	put_table(64, strings, sizeof(strings), sizeof(strings));
	set32(16, (uint32_t)blob_len);
	return 0;
}

static void expect(uint64_t offset, const char *name, uint64_t inside, const char *file, uint32_t line)
{
	struct symtab_place place;

	assert_true(symtab_lookup(blob, blob_len, BASE + offset, &place));
	if (name)
		assert_string_equal(place.symbol.name, name);
	else
		assert_null(place.symbol.name);
	assert_int_equal(place.offset, inside);
	if (file)
		assert_string_equal(place.file, file);
	else
		assert_null(place.file);
	assert_int_equal(place.line, line);
}

static void test_lookup(void **state)
{
	struct symtab_place place;

	(void)state;
	assert_true(symtab_valid(blob, blob_len));
	expect(0x1000, "alpha", 0, "a.c", 10);
	expect(0x1007, "alpha", 7, "a.c", 10);
	expect(0x1008, "alpha", 8, "a.c", 12);
	expect(0x1028, "alpha", 0x28, "a.c", 11);
	expect(0x1030, "alpha", 0x30, "b.h", 300);
	expect(0x103f, "alpha", 0x3f, "b.h", 300);
	expect(0x2007, "beta", 7, nullptr, 0);
	expect(0x3000, "gamma", 0, "a.c", 77);
	expect(0x300f, "gamma", 15, "a.c", 77);
	for (uint64_t offset = 0; offset < 0x4000; offset++) {
		bool known = (offset >= 0x1000 && offset < 0x1040) || (offset >= 0x2000 && offset < 0x2008) ||
			     (offset >= 0x3000 && offset < 0x3010);
		assert_int_equal(symtab_lookup(blob, blob_len, BASE + offset, &place), known);
	}
	assert_false(symtab_lookup(blob, blob_len, 0, &place));
	assert_false(symtab_lookup(blob, blob_len, BASE - 1, &place));
	assert_false(symtab_lookup(blob, blob_len, UINT64_MAX, &place));
	assert_null(place.symbol.name);
	assert_null(place.file);
}

static void test_before(void **state)
{
	static const struct {
		uint64_t offset;
		const char *name;
	} cases[] = {{0x1000, "alpha"}, {0x1fff, "alpha"}, {0x2000, "beta"},
		     {0x2008, "beta"},	{0x3010, "gamma"}, {0x7fffffff, "gamma"}};
	struct symtab_symbol symbol;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(symtab_before(blob, blob_len, BASE + cases[i].offset, &symbol));
		assert_string_equal(symbol.name, cases[i].name);
	}
	assert_false(symtab_before(blob, blob_len, BASE + 0xfff, &symbol));
	assert_false(symtab_before(blob, blob_len, BASE - 1, &symbol));
}

static void test_find(void **state)
{
	struct symtab_symbol symbol;

	(void)state;
	assert_true(symtab_find(blob, blob_len, "beta", &symbol));
	assert_int_equal(symbol.address, BASE + 0x2000);
	assert_int_equal(symbol.size, 8);
	assert_false(symbol.function);
	assert_true(symtab_find(blob, blob_len, "gamma", &symbol));
	assert_true(symbol.function);
	assert_false(symtab_find(blob, blob_len, "bet", &symbol));
	assert_false(symtab_find(blob, blob_len, "betas", &symbol));
	assert_false(symtab_find(blob, blob_len, "a.c", &symbol));
}

static void test_inlined(void **state)
{
	struct symtab_inline frames[2];

	(void)state;
	assert_int_equal(symtab_inlined(blob, blob_len, BASE + 0x1030, frames, 2), 1);
	assert_string_equal(frames[0].name, "small");
	assert_string_equal(frames[0].call_file, "a.c");
	assert_int_equal(frames[0].call_line, 11);
	assert_int_equal(symtab_inlined(blob, blob_len, BASE + 0x1030, frames, 0), 0);
	assert_int_equal(symtab_inlined(blob, blob_len, BASE + 0x102f, frames, 2), 0);
	assert_int_equal(symtab_inlined(blob, blob_len, BASE + 0x1040, frames, 2), 0);
}

/* Reads a copy that is exactly as long as it says, so that a read behind it is caught. */
static void read_all(const uint8_t *damaged, size_t len)
{
	static const uint64_t probes[] = {0, 0x1000, 0x1030, 0x103f, 0x2004, 0x3000, 0x300f, 0xffffffff};
	uint8_t *copy = malloc(len + 1);
	struct symtab_place place;
	struct symtab_symbol symbol;
	struct symtab_inline frames[4];
	size_t seen = 0;

	memcpy(copy + 1, damaged, len); /* unaligned, too */
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		if (symtab_lookup(copy + 1, len, BASE + probes[i], &place)) {
			seen += place.symbol.name ? strlen(place.symbol.name) : 0;
			seen += place.file ? strlen(place.file) : 0;
		}
		size_t count = symtab_inlined(copy + 1, len, BASE + probes[i], frames, 4);
		for (size_t j = 0; j < count; j++)
			seen += strlen(frames[j].name);
	}
	seen += symtab_find(copy + 1, len, "no such name", &symbol);
	seen += symtab_before(copy + 1, len, BASE + 0x2000, &symbol);
	assert_true(seen < 4096);
	free(copy);
}

static void test_damage(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t len = 0; len < blob_len; len++) {
		assert_false(symtab_valid(blob, len));
		read_all(blob, len);
	}
	for (size_t at = 0; at < blob_len; at++) {
		uint8_t kept = blob[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			blob[at] = values[i];
			read_all(blob, blob_len);
		}
		blob[at] = kept;
	}
	assert_false(symtab_valid(nullptr, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lookup, build), cmocka_unit_test_setup(test_before, build),
		cmocka_unit_test_setup(test_find, build),   cmocka_unit_test_setup(test_inlined, build),
		cmocka_unit_test_setup(test_damage, build),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
