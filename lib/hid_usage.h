/* SPDX-License-Identifier: MIT */
/*
 * What a HID device's controls are as events of <abi/input.h> (HID Usage Tables 1.12: 4 generic desktop, 10 keyboard,
 * 11 lamps, 12 buttons, 15 consumer), and its reports as events. Pure.
 */
#ifndef LIB_HID_USAGE_H
#define LIB_HID_USAGE_H

#include <lib/hid_report.h>

enum : uint32_t {
	HID_POINTER = HID_USAGE(1, 1),
	HID_MOUSE = HID_USAGE(1, 2),
	HID_JOYSTICK = HID_USAGE(1, 4),
	HID_GAMEPAD = HID_USAGE(1, 5),
	HID_KEYBOARD = HID_USAGE(1, 6),
	HID_KEYPAD = HID_USAGE(1, 7),
};

/* The event of a control of that usage, relative or not, in that application. False: there is none. */
bool hid_usage_event(uint32_t usage, bool relative, uint32_t application, uint16_t *type, uint16_t *code);

/* What was in the arrays of the last report of each; the caller's, zeroed at first. */
constexpr unsigned HID_HELD_MAX = 256;
struct hid_state {
	uint16_t codes[HID_HELD_MAX]; /* keys that are down, by arrays */
	uint8_t fields[HID_HELD_MAX];
	unsigned count;
};
/* Calls emit for what the input report says; a key comes up when an array does not name it any more. What is beyond the
 * report, or its field's values, is passed over. False: there is no such report, and nothing was emitted. */
bool hid_take_report(const struct hid_report *r, struct hid_state *s, const unsigned char *report, size_t n,
		     void (*emit)(void *arg, uint16_t type, uint16_t code, int32_t value), void *arg);
/* Calls `each` for every event that the device's input reports can bring, and every lamp of its output reports. */
void hid_each_event(const struct hid_report *r,
		    void (*each)(void *arg, const struct hid_field *f, uint16_t type, uint16_t code), void *arg);
/* Makes the output report with that id of lamps, a bit for each LED_*; how many bytes it has (0: none, or more than
 * `size`). */
size_t hid_put_leds(const struct hid_report *r, uint8_t report, uint32_t leds, unsigned char *out, size_t size);
/* The id of the first report that has lamps. False: there is none. */
bool hid_find_leds(const struct hid_report *r, uint8_t *report);

#endif
