/* SPDX-License-Identifier: MIT */
/*
 * A state for each kind of place that a byte may be at (ECMA-48 5.4, RFC 3629). What is taken is put out at once, but
 * for the bytes of a character, which come together.
 */
#include <lib/vt_filter.h>

#include <lib/string.h>

constexpr unsigned char BEL = 0x07, CAN = 0x18, SUB = 0x1a, ESC = 0x1b, DEL = 0x7f;

enum : uint8_t { TEXT, ESCAPE, SEQUENCE, STRING, STRING_ESCAPE }; /* state */
enum : uint8_t { LEADER, PARAMETERS, REST };			  /* part, of a SEQUENCE */

static size_t put(char *out, const void *bytes, size_t n)
{
	memcpy(out, bytes, n);
	return n;
}

static size_t put_replacement(struct vt_filter *f, char *out)
{
	f->held = f->marks = 0;
	f->repeatable = false;
	return put(out, "\xef\xbf\xbd", 3);
}

/* A character of several bytes is whole. */
static size_t character(struct vt_filter *f, bool (*is_mark)(uint32_t), char *out)
{
	static const uint32_t least[5] = {0, 0, 0xa0, 0x800, 0x10000};

	if (f->code < least[f->length] || f->code > 0x10ffff || (f->code >= 0xd800 && f->code < 0xe000))
		return put_replacement(f, out);
	f->held = 0;
	f->repeatable = false;
	f->marks = is_mark(f->code) ? f->marks + 1 : 0;
	if (f->marks > VT_FILTER_MARKS) {
		f->marks = VT_FILTER_MARKS;
		return 0;
	}
	return put(out, f->bytes, f->length);
}

static size_t text(struct vt_filter *f, unsigned char c, bool (*is_mark)(uint32_t), char *out)
{
	if (c < 0x80) {
		f->marks = 0;
		f->repeatable = true;
		return put(out, &c, 1);
	}
	if (f->held == 0) {
		f->length = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
		if (f->length == 0)
			return put_replacement(f, out);
		f->code = c & (0x7fu >> f->length);
	} else {
		f->code = f->code << 6 | (c & 0x3f);
	}
	f->bytes[f->held++] = c;
	return f->held == f->length ? character(f, is_mark, out) : 0;
}

static size_t escape(struct vt_filter *f, char *out)
{
	if (f->state == STRING) { /* ESC \ ends it, and so does ESC with anything else; CAN: whatever it is */
		f->state = STRING_ESCAPE;
		return put(out, "\33\\\30", 3);
	}
	f->state = ESCAPE;
	f->between = false;
	return put(out, &ESC, 1);
}

static size_t control(struct vt_filter *f, unsigned char c, char *out)
{
	if (f->state != STRING)
		return put(out, &c, 1);
	if (c != BEL)
		return 0;
	f->state = TEXT;
	return put(out, "\33\\\30", 3);
}

static size_t escaped(struct vt_filter *f, unsigned char c, char *out)
{
	if (c >= 0x80)
		return 0;
	if (c < 0x30) {
		f->between = true;
	} else if (!f->between && c == '[') {
		f->state = SEQUENCE;
		f->part = LEADER;
		f->separators = f->digits = 0;
	} else {
		f->state = !f->between && memchr("PX]^_", c, 5) != nullptr ? STRING : TEXT;
	}
	return put(out, &c, 1);
}

/* Of the bytes 0x30 to 0x3f. False: it has no place there. */
static bool is_parameter(struct vt_filter *f, unsigned char c)
{
	if (c >= '<')
		return f->part == LEADER;
	if (f->part == REST)
		return false;
	f->part = PARAMETERS;
	if (c < ':')
		return f->digits < VT_FILTER_DIGITS && ++f->digits > 0;
	f->digits = 0;
	if (f->separators == VT_FILTER_SEPARATORS) {
		f->part = REST;
		return false;
	}
	f->separators++;
	return true;
}

static size_t sequence(struct vt_filter *f, unsigned char c, char *out)
{
	if (c >= 0x80 || (c >= 0x30 && c < 0x40 && !is_parameter(f, c)))
		return 0;
	if (c < 0x30)
		f->part = REST;
	if (c >= 0x40)
		f->state = TEXT;
	return put(out, c == 'b' && !f->repeatable ? &CAN : &c, 1);
}

size_t vt_filter_byte(struct vt_filter *f, unsigned char c, bool (*is_mark)(uint32_t), char *out)
{
	size_t n = f->held > 0 && (c & 0xc0) != 0x80 ? put_replacement(f, out) : 0;

	out += n;
	if (c == 0 || c == DEL)
		return n;
	if (c == CAN || c == SUB) {
		f->state = TEXT;
		return n + put(out, &c, 1);
	}
	if (c == ESC)
		return n + escape(f, out);
	if (c < 0x20)
		return n + control(f, c, out);
	if (f->state == STRING_ESCAPE) {
		f->state = TEXT;
		if (c == '\\')
			return n;
		n += escape(f, out);
		out++;
	}
	switch (f->state) {
	case ESCAPE: return n + escaped(f, c, out);
	case SEQUENCE: return n + sequence(f, c, out);
	case STRING: return n + put(out, &c, 1);
	default: return n + text(f, c, is_mark, out);
	}
}
