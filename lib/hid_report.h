/* SPDX-License-Identifier: MIT */
/*
 * Report descriptors of human interface devices (HID 1.11, 6.2.2): a small program of items that says where in a
 * device's reports which control is, read into a table of fields. The device is not trusted: what has no room in the
 * table, or no bits in a report that can be, is left out or refused. Pure.
 */
#ifndef LIB_HID_REPORT_H
#define LIB_HID_REPORT_H

#include <stddef.h>
#include <stdint.h>

constexpr unsigned HID_FIELDS_MAX = 64, HID_USAGES_MAX = 512;
constexpr size_t HID_REPORT_MAX = 1024; /* bytes of one report, with its id */

enum hid_kind : uint8_t { HID_INPUT, HID_OUTPUT, HID_FEATURE, HID_KINDS };

/* A usage: the page above, the id below (HID 1.11, 5.5). */
#define HID_USAGE(page, id) ((uint32_t)(page) << 16 | (uint32_t)(id))

/* `count` elements of `bits` bits, side by side. */
struct hid_field {
	enum hid_kind kind;
	uint8_t report; /* its id; 0: reports have none */
	bool variable;	/* each element is a control; else each says which control is on */
	bool relative, constant;
	uint8_t bits;	/* 1 to 32 */
	uint32_t first; /* bit, the id included */
	uint32_t count;
	int32_t minimum, maximum; /* of the values */
	int32_t physical_minimum, physical_maximum;
	uint32_t application; /* the usage of the collection that it is in */
	/* Of the table's usages; of a variable one the last is that of all further elements. In an array, usage n is
	 * that of the value minimum + n. */
	uint16_t first_usage, usage_count;
};

struct hid_report {
	bool has_ids;
	unsigned field_count, usage_count;
	struct hid_field fields[HID_FIELDS_MAX];
	uint32_t usages[HID_USAGES_MAX];
	uint16_t bytes_max[HID_KINDS]; /* of the longest report of the kind, its id included */
};

/* nullptr, or what is wrong with it. */
const char *hid_read_report_descriptor(const unsigned char *bytes, size_t n, struct hid_report *out);
/* The value of an element of a report, which has n bytes, the id included; false: the report is too short for it. */
bool hid_field_value(const struct hid_field *f, uint32_t element, const unsigned char *report, size_t n, int32_t *out);
/* Puts a value where the element is; nothing beyond n bytes. */
void hid_field_put(const struct hid_field *f, uint32_t element, unsigned char *report, size_t n, int32_t value);
/* The usage of an element of a variable field, or of a value in an array; 0: none. */
uint32_t hid_field_usage(const struct hid_report *r, const struct hid_field *f, uint32_t element);
/* Bytes of the report of that kind and id, the id included; 0: there is none. */
size_t hid_report_bytes(const struct hid_report *r, enum hid_kind kind, uint8_t report);

#endif
