/* SPDX-License-Identifier: MIT */
/* libFuzzer: a keyboard's report descriptor with any changes, or any one, and any report of the device that has it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <abi/input.h>
#include <lib/hid_usage.h>

static const unsigned char keyboard[] = {
	0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x85, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25,
	0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, 0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05,
	0x91, 0x02, 0xa4, 0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x26, 0xff, 0x00, 0x05, 0x07, 0x19, 0x00, 0x2a,
	0xff, 0x00, 0x81, 0x00, 0xb4, 0x05, 0x01, 0x09, 0x30, 0x75, 0x10, 0x95, 0x02, 0x81, 0x06, 0xc0,
};
static unsigned down;

static void emit(void *, uint16_t type, uint16_t code, int32_t value)
{
	assert(type == EV_KEY || type == EV_REL || type == EV_ABS);
	assert(type != EV_KEY || (code > 0 && code <= KEY_MAX && (value == 0 || value == 1)));
	assert(type != EV_REL || code <= REL_MAX);
	assert(type != EV_ABS || code <= ABS_MAX);
	down++;
}

static void each(void *, const struct hid_field *f, uint16_t type, uint16_t code)
{
	assert(f->kind != HID_FEATURE && (type != EV_LED || code <= LED_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hid_report r;
	struct hid_state s = {};
	unsigned char out[HID_REPORT_MAX];
	uint8_t report;

	if (size < 1)
		return 0;
	size_t split = data[0] < size - 1 ? data[0] : size - 1;
	unsigned char changed[sizeof(keyboard)];
	memcpy(changed, keyboard, sizeof(changed));
	for (size_t at = 1; at + 1 < size && at < split; at += 2)
		changed[data[at] % sizeof(changed)] = data[at + 1];
	const char *wrong = size % 4 != 0 ? hid_read_report_descriptor(changed, sizeof(changed), &r)
					  : hid_read_report_descriptor(data + 1, split, &r);
	if (wrong != nullptr)
		return 0;
	assert(r.field_count > 0 && r.field_count <= HID_FIELDS_MAX && r.usage_count <= HID_USAGES_MAX);
	for (unsigned n = 0; n < r.field_count; n++) {
		const struct hid_field *f = &r.fields[n];

		assert(f->bits >= 1 && f->bits <= 32 && f->count > 0 && f->usage_count > 0);
		assert(f->first_usage + f->usage_count <= r.usage_count);
		assert((uint64_t)f->first + (uint64_t)f->count * f->bits <= HID_REPORT_MAX * 8);
		assert(hid_report_bytes(&r, f->kind, f->report) <= r.bytes_max[f->kind]);
	}
	hid_each_event(&r, each, nullptr);
	for (size_t at = 1 + split; at < size; at += 9)
		(void)hid_take_report(&r, &s, data + at, size - at < 9 ? size - at : 9, emit, nullptr);
	assert(s.count <= HID_HELD_MAX);
	if (hid_find_leds(&r, &report))
		assert(hid_put_leds(&r, report, UINT32_MAX, out, sizeof(out)) <= sizeof(out));
	return 0;
}
