/* SPDX-License-Identifier: MIT */
/* Report descriptors (lib/hid_report.h; the items: HID 1.11, 6.2.2.2 to 6.2.2.8). */
#include <lib/hid_report.h>
#include <lib/types.h>

/* An item's tag and type, its lowest two bits without. */
enum : uint8_t {
	MAIN_INPUT = 0x80,
	MAIN_OUTPUT = 0x90,
	MAIN_COLLECTION = 0xa0,
	MAIN_FEATURE = 0xb0,
	MAIN_END = 0xc0,
	GLOBAL_PAGE = 0x04,
	GLOBAL_MINIMUM = 0x14,
	GLOBAL_MAXIMUM = 0x24,
	GLOBAL_PHYSICAL_MINIMUM = 0x34,
	GLOBAL_PHYSICAL_MAXIMUM = 0x44,
	GLOBAL_SIZE = 0x74,
	GLOBAL_ID = 0x84,
	GLOBAL_COUNT = 0x94,
	GLOBAL_PUSH = 0xa4,
	GLOBAL_POP = 0xb4,
	LOCAL_USAGE = 0x08,
	LOCAL_MINIMUM = 0x18,
	LOCAL_MAXIMUM = 0x28,
	LONG_ITEM = 0xfe,
};
enum : uint32_t { FLAG_CONSTANT = 1, FLAG_VARIABLE = 2, FLAG_RELATIVE = 4 };
enum : uint32_t { APPLICATION = 1 };
constexpr unsigned STACK_MAX = 4, DEPTH_MAX = 16, IDS_MAX = 32;
constexpr uint32_t BITS_MAX = 32, COUNT_MAX = HID_REPORT_MAX * 8;

struct globals {
	uint32_t page, size, count;
	int32_t minimum, maximum, physical_minimum, physical_maximum;
	uint32_t maximum_bits; /* as they were said: unsigned where the minimum is not negative (6.2.2.7) */
	uint8_t report;
};
struct parser {
	struct hid_report *out;
	struct globals g, stack[STACK_MAX];
	unsigned depth, stacked;
	uint32_t application;
	/* local items, since the last main item */
	unsigned first_usage;
	uint32_t last_usage, usage_minimum;
	bool has_minimum;
	/* how far each report is filled, in bits */
	struct {
		uint8_t report;
		uint32_t bits[HID_KINDS];
	} ids[IDS_MAX];
	unsigned id_count;
};

static void forget_locals(struct parser *p)
{
	p->first_usage = p->out->usage_count;
	p->has_minimum = false;
	p->last_usage = 0;
}

static void add_usage(struct parser *p, uint32_t usage)
{
	p->last_usage = usage;
	if (p->out->usage_count < HID_USAGES_MAX)
		p->out->usages[p->out->usage_count++] = usage;
}

/* A range of usages, as far as there is room. */
static void add_usages(struct parser *p, uint32_t last)
{
	uint32_t first = p->usage_minimum;

	if (!p->has_minimum || last < first)
		return;
	for (uint32_t usage = first; p->out->usage_count < HID_USAGES_MAX; usage++) {
		add_usage(p, usage);
		if (usage == last)
			break;
	}
	p->has_minimum = false;
}

/* The bits of that report which are given away; nullptr: there are too many reports. */
static uint32_t *bits_of(struct parser *p, enum hid_kind kind)
{
	unsigned n = 0;

	while (n < p->id_count && p->ids[n].report != p->g.report)
		n++;
	if (n == IDS_MAX)
		return nullptr;
	if (n == p->id_count) {
		p->ids[n].report = p->g.report;
		for (unsigned k = 0; k < HID_KINDS; k++)
			p->ids[n].bits[k] = p->g.report != 0 ? 8 : 0;
		p->id_count++;
	}
	return &p->ids[n].bits[kind];
}

static const char *add_field(struct parser *p, enum hid_kind kind, uint32_t flags)
{
	const struct globals *g = &p->g;
	struct hid_report *r = p->out;
	uint32_t *bits = bits_of(p, kind);

	if (bits == nullptr)
		return "its report descriptor has too many reports";
	if (g->size > COUNT_MAX || g->count > COUNT_MAX || (uint64_t)g->size * g->count > COUNT_MAX - *bits)
		return "its report descriptor has a report that is too long";
	uint32_t first = *bits;
	*bits += g->size * g->count;
	r->bytes_max[kind] = (uint16_t)MAX(r->bytes_max[kind], (*bits + 7) / 8);
	/* What fills up; and what no control can be. */
	if (g->size == 0 || g->size > BITS_MAX || g->count == 0 || p->first_usage == r->usage_count ||
	    r->field_count == HID_FIELDS_MAX)
		return nullptr;
	r->fields[r->field_count++] = (struct hid_field){
		.kind = kind,
		.report = g->report,
		.variable = (flags & FLAG_VARIABLE) != 0,
		.relative = (flags & FLAG_RELATIVE) != 0,
		.constant = (flags & FLAG_CONSTANT) != 0,
		.bits = (uint8_t)g->size,
		.first = first,
		.count = g->count,
		.minimum = g->minimum,
		/* 255 in one byte is not -1 where nothing is below 0. */
		.maximum = g->minimum >= 0 && g->maximum < 0 ? (int32_t)MIN(g->maximum_bits, (uint32_t)INT32_MAX)
							     : g->maximum,
		.physical_minimum = g->physical_minimum,
		.physical_maximum = g->physical_maximum,
		.application = p->application,
		.first_usage = (uint16_t)p->first_usage,
		.usage_count = (uint16_t)(r->usage_count - p->first_usage),
	};
	return nullptr;
}

static const char *take_main(struct parser *p, uint8_t tag, uint32_t value)
{
	const char *wrong = nullptr;

	if (tag == MAIN_INPUT)
		wrong = add_field(p, HID_INPUT, value);
	else if (tag == MAIN_OUTPUT)
		wrong = add_field(p, HID_OUTPUT, value);
	else if (tag == MAIN_FEATURE)
		wrong = add_field(p, HID_FEATURE, value);
	else if (tag == MAIN_END && p->depth == 0)
		wrong = "its report descriptor ends a collection that it has not begun";
	else if (tag == MAIN_END)
		p->depth--;
	else if (tag == MAIN_COLLECTION && p->depth++ == DEPTH_MAX)
		wrong = "its report descriptor has too many collections inside each other";
	if (tag == MAIN_COLLECTION && (value & 0xff) == APPLICATION)
		p->application = p->last_usage;
	forget_locals(p);
	return wrong;
}

static const char *take_global(struct parser *p, uint8_t tag, uint32_t value, int32_t number)
{
	struct globals *g = &p->g;

	switch (tag) {
	case GLOBAL_PAGE: g->page = value & 0xffff; break;
	case GLOBAL_MINIMUM: g->minimum = number; break;
	case GLOBAL_MAXIMUM:
		g->maximum = number;
		g->maximum_bits = value;
		break;
	case GLOBAL_PHYSICAL_MINIMUM: g->physical_minimum = number; break;
	case GLOBAL_PHYSICAL_MAXIMUM: g->physical_maximum = number; break;
	case GLOBAL_SIZE: g->size = value; break;
	case GLOBAL_COUNT: g->count = value; break;
	case GLOBAL_ID:
		if (value == 0 || value > UINT8_MAX)
			return "its report descriptor has a report with a number that is none";
		g->report = (uint8_t)value;
		p->out->has_ids = true;
		break;
	case GLOBAL_PUSH:
		if (p->stacked == STACK_MAX)
			return "its report descriptor pushes too much";
		p->stack[p->stacked++] = *g;
		break;
	case GLOBAL_POP:
		if (p->stacked == 0)
			return "its report descriptor pops what it has not pushed";
		*g = p->stack[--p->stacked];
		break;
	default: break;
	}
	return nullptr;
}

/* bytes: of the value; of four the page is among them. */
static void take_local(struct parser *p, uint8_t tag, uint32_t value, unsigned bytes)
{
	uint32_t usage = bytes == 4 ? value : HID_USAGE(p->g.page, value);

	if (tag == LOCAL_USAGE)
		add_usage(p, usage);
	else if (tag == LOCAL_MAXIMUM)
		add_usages(p, usage);
	else if (tag == LOCAL_MINIMUM) {
		p->usage_minimum = usage;
		p->has_minimum = true;
	}
}

static const char *take(struct parser *p, uint8_t tag, const unsigned char *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned n = 0; n < bytes; n++)
		value |= (uint32_t)at[n] << 8 * n;
	int32_t number = bytes == 1 ? (int8_t)value : bytes == 2 ? (int16_t)value : (int32_t)value;
	switch (tag & 0xc) {
	case 0x0: return take_main(p, tag, value);
	case 0x4: return take_global(p, tag, value, number);
	case 0x8: take_local(p, tag, value, bytes); return nullptr;
	default: return nullptr;
	}
}

const char *hid_read_report_descriptor(const unsigned char *bytes, size_t n, struct hid_report *out)
{
	struct parser p = {.out = out};
	const char *wrong = nullptr;

	*out = (struct hid_report){};
	for (size_t at = 0; at < n && wrong == nullptr;) {
		uint8_t head = bytes[at++];
		size_t length = (head & 3) == 3 ? 4 : head & 3;

		if (head == LONG_ITEM) {
			/* Nobody has defined any (6.2.2.3). */
			if (n - at < 2 || n - at - 2 < bytes[at])
				return "an item of its report descriptor ends beyond it";
			at += 2u + bytes[at];
			continue;
		}
		if (n - at < length)
			return "an item of its report descriptor ends beyond it";
		wrong = take(&p, head & 0xfc, bytes + at, (unsigned)length);
		at += length;
	}
	if (wrong == nullptr && out->field_count == 0)
		wrong = "its report descriptor has no control";
	/* Without an id where others have one it would be taken for another. */
	for (unsigned k = 0; k < out->field_count && wrong == nullptr; k++)
		if (out->has_ids && out->fields[k].report == 0)
			wrong = "its report descriptor has reports with and without a number";
	return wrong;
}

bool hid_field_value(const struct hid_field *f, uint32_t element, const unsigned char *report, size_t n, int32_t *out)
{
	uint64_t first = f->first + (uint64_t)element * f->bits, value = 0;

	if (element >= f->count || first + f->bits > n * 8)
		return false;
	for (unsigned k = 0; k * 8 < first % 8 + f->bits; k++)
		value |= (uint64_t)report[first / 8 + k] << 8 * k;
	value = value >> first % 8 & (UINT64_C(1) << f->bits) - 1;
	/* Two's complement where it can be negative. */
	if (f->minimum < 0 && value >> (f->bits - 1) != 0)
		value |= UINT64_MAX << f->bits;
	*out = (int32_t)value;
	return true;
}

void hid_field_put(const struct hid_field *f, uint32_t element, unsigned char *report, size_t n, int32_t value)
{
	uint64_t first = f->first + (uint64_t)element * f->bits;

	if (element >= f->count || first + f->bits > n * 8)
		return;
	for (unsigned k = 0; k < f->bits; k++) {
		unsigned char bit = (unsigned char)(1u << (first + k) % 8);

		if ((uint32_t)value >> k & 1)
			report[(first + k) / 8] |= bit;
		else
			report[(first + k) / 8] &= (unsigned char)~bit;
	}
}

uint32_t hid_field_usage(const struct hid_report *r, const struct hid_field *f, uint32_t element)
{
	if (f->usage_count == 0)
		return 0;
	if (element >= f->usage_count) {
		if (!f->variable)
			return 0;
		element = f->usage_count - 1u;
	}
	return r->usages[f->first_usage + element];
}

size_t hid_report_bytes(const struct hid_report *r, enum hid_kind kind, uint8_t report)
{
	uint64_t bits = 0;

	for (unsigned n = 0; n < r->field_count; n++) {
		const struct hid_field *f = &r->fields[n];

		if (f->kind == kind && f->report == report)
			bits = MAX(bits, f->first + (uint64_t)f->count * f->bits);
	}
	return (size_t)((bits + 7) / 8);
}
