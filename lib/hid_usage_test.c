/* SPDX-License-Identifier: MIT */
/* Host test of lib/hid_report.c and lib/hid_usage.c: report descriptors as devices have them, and events of reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/input.h>
#include <lib/hid_usage.h>

/* A keyboard of the boot protocol (HID 1.11, appendix E.6). */
static const unsigned char keyboard[] = {
	0x05, 0x01, 0x09, 0x06, 0xa1, 0x01,					/* keyboard { */
	0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01,		/* modifiers */
	0x75, 0x01, 0x95, 0x08, 0x81, 0x02,					/* 8 bits */
	0x95, 0x01, 0x75, 0x08, 0x81, 0x01,					/* a byte of nothing */
	0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02, /* five lamps */
	0x95, 0x01, 0x75, 0x03, 0x91, 0x01, 0x95, 0x06, 0x75, 0x08, 0x15, 0x00,
	0x26, 0xff, 0x00, 0x05, 0x07, /* six keys */
	0x19, 0x00, 0x2a, 0xff, 0x00, 0x81, 0x00, 0xc0,
};
/* A mouse with a wheel, and a second report with absolute axes. */
static const unsigned char mouse[] = {
	0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x85, 0x01, 0x09, 0x01, 0xa1, 0x00, 0x05, 0x09, 0x19, 0x01, 0x29, 0x03,
	0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x05, 0x81, 0x01, 0x05, 0x01,
	0x09, 0x30, 0x09, 0x31, 0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x03, 0x81, 0x06, 0x85, 0x02,
	0x09, 0x30, 0x09, 0x31, 0x15, 0x00, 0x26, 0xff, 0x7f, 0x75, 0x10, 0x95, 0x02, 0x81, 0x02, 0xc0, 0xc0,
};

struct event {
	uint16_t type, code;
	int32_t value;
};
static struct event events[64];
static unsigned count;
static struct hid_report r;

static void emit(void *, uint16_t type, uint16_t code, int32_t value)
{
	assert_true(count < 64);
	events[count++] = (struct event){type, code, value};
}

static void expect(unsigned n, uint16_t type, uint16_t code, int32_t value)
{
	assert_true(n < count);
	assert_int_equal(events[n].type, type);
	assert_int_equal(events[n].code, code);
	assert_int_equal(events[n].value, value);
}

static void take(struct hid_state *s, const unsigned char *report, size_t n)
{
	count = 0;
	assert_true(hid_take_report(&r, s, report, n, emit, nullptr));
}

static void keys(void **)
{
	struct hid_state s = {};

	assert_null(hid_read_report_descriptor(keyboard, sizeof(keyboard), &r));
	assert_false(r.has_ids);
	assert_int_equal(r.bytes_max[HID_INPUT], 8);
	assert_int_equal(r.bytes_max[HID_OUTPUT], 1);
	take(&s, (const unsigned char[]){2, 0, 4, 5, 0, 0, 0, 0}, 8);
	assert_int_equal(count, 10);
	expect(1, EV_KEY, KEY_LEFTSHIFT, 1);
	expect(8, EV_KEY, KEY_A, 1);
	expect(9, EV_KEY, KEY_B, 1);
	/* A goes, B is at another place. */
	take(&s, (const unsigned char[]){0, 0, 0, 0, 0, 5, 0, 0}, 8);
	assert_int_equal(count, 10);
	expect(1, EV_KEY, KEY_LEFTSHIFT, 0);
	expect(8, EV_KEY, KEY_A, 0);
	expect(9, EV_KEY, KEY_B, 1);
	/* Too many are down to tell: B stays. */
	take(&s, (const unsigned char[]){0, 0, 1, 1, 1, 1, 1, 1}, 8);
	assert_int_equal(count, 8);
	assert_int_equal(s.count, 1);
	take(&s, (const unsigned char[8]){}, 8);
	expect(8, EV_KEY, KEY_B, 0);
	/* Too short: of what is there. */
	take(&s, (const unsigned char[]){1, 0, 4}, 3);
	expect(0, EV_KEY, KEY_LEFTCTRL, 1);
	expect(8, EV_KEY, KEY_A, 1);
	assert_int_equal(count, 9);
	assert_false(hid_take_report(&r, &s, keyboard, 0, emit, nullptr));
}

static void leds(void **)
{
	unsigned char out[8];
	uint8_t report = 99;

	assert_null(hid_read_report_descriptor(keyboard, sizeof(keyboard), &r));
	assert_true(hid_find_leds(&r, &report));
	assert_int_equal(report, 0);
	assert_int_equal(hid_put_leds(&r, 0, 1u << LED_CAPSL | 1u << LED_KANA, out, sizeof(out)), 1);
	assert_int_equal(out[0], 0x12);
	assert_int_equal(hid_put_leds(&r, 0, 1, out, 0), 0);
	assert_int_equal(hid_put_leds(&r, 1, 1, out, sizeof(out)), 0);
	assert_null(hid_read_report_descriptor(mouse, sizeof(mouse), &r));
	assert_false(hid_find_leds(&r, &report));
}

static void pointers(void **)
{
	struct hid_state s = {};

	assert_null(hid_read_report_descriptor(mouse, sizeof(mouse), &r));
	assert_true(r.has_ids);
	take(&s, (const unsigned char[]){1, 1, 5, 0xfd, 0xff}, 5);
	assert_int_equal(count, 6);
	expect(0, EV_KEY, BTN_LEFT, 1);
	expect(3, EV_REL, REL_X, 5);
	expect(4, EV_REL, REL_Y, -3);
	expect(5, EV_REL, REL_WHEEL, -1);
	take(&s, (const unsigned char[]){2, 0xe8, 3, 0xff, 0x7f}, 5);
	assert_int_equal(count, 2);
	expect(0, EV_ABS, ABS_X, 1000);
	expect(1, EV_ABS, ABS_Y, 32767);
	/* Beyond what it said can be. */
	take(&s, (const unsigned char[]){2, 0, 0, 0, 0x80}, 5);
	assert_int_equal(count, 1);
	assert_false(hid_take_report(&r, &s, (const unsigned char[]){3, 1, 1}, 3, emit, nullptr));
}

static unsigned found[8];
static void each(void *, const struct hid_field *, uint16_t type, uint16_t)
{
	found[type == EV_LED ? 7 : type]++;
}

static void capabilities(void **)
{
	memset(found, 0, sizeof(found));
	assert_null(hid_read_report_descriptor(mouse, sizeof(mouse), &r));
	hid_each_event(&r, each, nullptr);
	assert_int_equal(found[EV_KEY], 3);
	assert_int_equal(found[EV_REL], 3);
	assert_int_equal(found[EV_ABS], 2);
	memset(found, 0, sizeof(found));
	assert_null(hid_read_report_descriptor(keyboard, sizeof(keyboard), &r));
	hid_each_event(&r, each, nullptr);
	assert_true(found[EV_KEY] > 100);
	assert_int_equal(found[7], 5);
}

/* Each key of the usage page has a code that no other has, but for those that stand twice on purpose. */
static void usages(void **)
{
	uint16_t type, code;

	assert_true(hid_usage_event(HID_USAGE(7, 4), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_A);
	assert_true(hid_usage_event(HID_USAGE(7, 0x27), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_0);
	assert_true(hid_usage_event(HID_USAGE(7, 0x45), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_F12);
	assert_true(hid_usage_event(HID_USAGE(7, 0x63), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_KPDOT);
	assert_true(hid_usage_event(HID_USAGE(7, 0x73), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_F24);
	assert_true(hid_usage_event(HID_USAGE(7, 0x81), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_VOLUMEDOWN);
	assert_true(hid_usage_event(HID_USAGE(7, 0xe7), false, HID_KEYBOARD, &type, &code));
	assert_int_equal(code, KEY_RIGHTMETA);
	assert_true(hid_usage_event(HID_USAGE(9, 1), false, HID_GAMEPAD, &type, &code));
	assert_int_equal(code, BTN_GAMEPAD);
	assert_false(hid_usage_event(HID_USAGE(7, 3), false, HID_KEYBOARD, &type, &code));
	assert_false(hid_usage_event(HID_USAGE(9, 0), false, HID_MOUSE, &type, &code));
	assert_false(hid_usage_event(HID_USAGE(8, 6), false, HID_KEYBOARD, &type, &code));
	assert_false(hid_usage_event(0, false, 0, &type, &code));
}

static void refused(void **)
{
	static const unsigned char unbalanced[] = {0xc0}, popped[] = {0xb4}, cut[] = {0x26, 0xff},
				   no_number[] = {0x85, 0},
				   mixed[] = {0x09, 1, 0x75, 8, 0x95, 1, 0x81, 2, 0x85, 1, 0x09, 1, 0x81, 2},
				   endless[] = {0x09, 1, 0x75, 8, 0x96, 0xff, 0xff, 0x81, 2},
				   long_item[] = {0xfe, 5, 0, 1};
	unsigned char deep[64];

	for (size_t n = 0; n < sizeof(keyboard); n++)
		(void)hid_read_report_descriptor(keyboard, n, &r);
	assert_non_null(hid_read_report_descriptor(keyboard, 0, &r));
	assert_non_null(hid_read_report_descriptor(unbalanced, sizeof(unbalanced), &r));
	assert_non_null(hid_read_report_descriptor(popped, sizeof(popped), &r));
	assert_non_null(hid_read_report_descriptor(cut, sizeof(cut), &r));
	assert_non_null(hid_read_report_descriptor(no_number, sizeof(no_number), &r));
	assert_non_null(hid_read_report_descriptor(mixed, sizeof(mixed), &r));
	assert_non_null(hid_read_report_descriptor(endless, sizeof(endless), &r));
	assert_non_null(hid_read_report_descriptor(long_item, sizeof(long_item), &r));
	memset(deep, 0xa0, sizeof(deep));
	assert_non_null(hid_read_report_descriptor(deep, sizeof(deep), &r));
	memset(deep, 0xa4, sizeof(deep));
	assert_non_null(hid_read_report_descriptor(deep, sizeof(deep), &r));
}

static void values(void **)
{
	struct hid_field f = {.bits = 12, .first = 4, .count = 2, .minimum = -2048, .maximum = 2047};
	unsigned char bytes[4] = {};
	int32_t value;

	hid_field_put(&f, 0, bytes, sizeof(bytes), -2);
	hid_field_put(&f, 1, bytes, sizeof(bytes), 0x123);
	assert_memory_equal(bytes, ((const unsigned char[]){0xe0, 0xff, 0x23, 0x01}), 4);
	assert_true(hid_field_value(&f, 0, bytes, sizeof(bytes), &value));
	assert_int_equal(value, -2);
	assert_true(hid_field_value(&f, 1, bytes, sizeof(bytes), &value));
	assert_int_equal(value, 0x123);
	assert_false(hid_field_value(&f, 1, bytes, 3, &value));
	assert_false(hid_field_value(&f, 2, bytes, sizeof(bytes), &value));
	f = (struct hid_field){.bits = 32, .first = 7, .count = 1, .minimum = -1};
	unsigned char wide[5] = {};
	hid_field_put(&f, 0, wide, sizeof(wide), -5);
	assert_true(hid_field_value(&f, 0, wide, sizeof(wide), &value));
	assert_int_equal(value, -5);
	hid_field_put(&f, 0, wide, 4, 7);
	assert_true(hid_field_value(&f, 0, wide, sizeof(wide), &value));
	assert_int_equal(value, -5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),		cmocka_unit_test(leds),	  cmocka_unit_test(pointers),
		cmocka_unit_test(capabilities), cmocka_unit_test(usages), cmocka_unit_test(refused),
		cmocka_unit_test(values),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
