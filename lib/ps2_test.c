/* SPDX-License-Identifier: MIT */
/* Host test of lib/ps2: keys of each table, and packets of each kind of mouse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/input.h>
#include <lib/ps2.h>

/* Gives bytes; the last one must say this, and none before it anything. */
static void gives(struct ps2_keys *k, const char *bytes, size_t n, uint16_t code, bool down)
{
	uint16_t got = 0;
	bool is_down = false;

	for (size_t i = 0; i + 1 < n; i++)
		assert_false(ps2_take_key(k, (uint8_t)bytes[i], &got, &is_down));
	assert_true(ps2_take_key(k, (uint8_t)bytes[n - 1], &got, &is_down));
	assert_int_equal(got, code);
	assert_int_equal(is_down, down);
}

static void keys(void **)
{
	struct ps2_keys k = {};
	uint16_t code;
	bool down;

	gives(&k, "\x1e", 1, KEY_A, true);
	gives(&k, "\x9e", 1, KEY_A, false);
	gives(&k, "\xaa", 1, KEY_LEFTSHIFT, false);
	gives(&k, "\x58", 1, KEY_F12, true);
	gives(&k, "\xe0\x48", 2, KEY_UP, true);
	gives(&k, "\xe0\xc8", 2, KEY_UP, false);
	gives(&k, "\x48", 1, KEY_KP8, true);
	gives(&k, "\xe1\x1d\x45", 3, KEY_PAUSE, true);
	gives(&k, "\xe1\x9d\xc5", 3, KEY_PAUSE, false);
	/* The shift that keyboards put around some keys is none. */
	assert_false(ps2_take_key(&k, 0xe0, &code, &down));
	assert_false(ps2_take_key(&k, 0x2a, &code, &down));
	gives(&k, "\xe0\x37", 2, KEY_SYSRQ, true);
	assert_false(ps2_take_key(&k, 0x00, &code, &down));
	assert_false(ps2_take_key(&k, 0x7f, &code, &down));
	gives(&k, "\x1e", 1, KEY_A, true);
}

static void every_key_is_listed(void **)
{
	for (int prefix = 0; prefix <= 0xe0; prefix += 0xe0) {
		for (int scan = 0; scan < 0x80; scan++) {
			struct ps2_keys k = {.prefix = (uint8_t)prefix};
			uint16_t code, listed = 1;
			bool down;

			if (!ps2_take_key(&k, (uint8_t)scan, &code, &down))
				continue;
			assert_true(down);
			for (size_t n = 0; listed != 0 && listed != code; n++)
				listed = ps2_key_at(n);
			assert_int_equal(listed, code);
		}
	}
	assert_int_equal(ps2_key_at(10000), 0);
}

static bool motion(struct ps2_mouse *m, const char *bytes, size_t n, struct ps2_motion *out)
{
	bool whole = false;

	for (size_t i = 0; i < n; i++) {
		assert_false(whole);
		whole = ps2_take_motion(m, (uint8_t)bytes[i], out);
	}
	return whole;
}

static void mice(void **)
{
	struct ps2_mouse m = {};
	struct ps2_motion o;

	assert_true(motion(&m, "\x09\x05\x03", 3, &o));
	assert_true(o.buttons == 1 && o.x == 5 && o.y == -3 && o.wheel == 0);
	assert_true(motion(&m, "\x38\xff\x00", 3, &o));
	assert_true(o.buttons == 0 && o.x == -1 && o.y == 256);
	/* Too far to tell is nowhere. */
	assert_true(motion(&m, "\xc8\x10\x10", 3, &o));
	assert_true(o.x == 0 && o.y == 0);
	/* Between packets: passed over. */
	assert_false(ps2_take_motion(&m, 0x01, &o));
	assert_true(motion(&m, "\x08\x01\x00", 3, &o));
	assert_int_equal(o.x, 1);
	m.id = 3;
	assert_true(motion(&m, "\x0c\x00\x00\xff", 4, &o));
	assert_true(o.buttons == 4 && o.wheel == 1);
	m.id = 4;
	assert_true(motion(&m, "\x08\x00\x00\x1f", 4, &o));
	assert_true(o.buttons == 8 && o.wheel == 1);
	assert_true(motion(&m, "\x08\x00\x00\x21", 4, &o));
	assert_true(o.buttons == 16 && o.wheel == -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(every_key_is_listed),
		cmocka_unit_test(mice),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
