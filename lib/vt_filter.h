/* SPDX-License-Identifier: MIT */
/*
 * What of a program's output reaches libvterm, which believes what it gets: it counts a control sequence's parameters
 * without an end, adds up their digits, has characters of negative width (U+0080 to U+009F), keeps any number of marks
 * for one character, and repeats one without width for ever (REP, ECMA-48 8.3.103). Here sequences have the form of
 * ECMA-48 5.4 and limits, and characters are whole and UTF-8 (RFC 3629). What has not is left out, or U+FFFD.
 */
#ifndef LIB_VT_FILTER_H
#define LIB_VT_FILTER_H

#include <stddef.h>
#include <stdint.h>

/* Of a sequence: parameters are one more than separators (libvterm has room for 16), each of so many digits. Of a
 * character: marks above and below it (a cell has room for six characters). */
enum : unsigned { VT_FILTER_SEPARATORS = 15, VT_FILTER_DIGITS = 5, VT_FILTER_MARKS = 5 };
constexpr size_t VT_FILTER_MAX = 8;

/* How far the output is. All zero at the beginning. */
struct vt_filter {
	uint8_t state, part, separators, digits;
	uint8_t held, length, marks;
	bool between;	 /* an intermediate byte came behind ESC */
	bool repeatable; /* the last character was one of ASCII */
	unsigned char bytes[4];
	uint32_t code;
};

/* What is to be written in place of the next byte: at most VT_FILTER_MAX bytes in out. Result: how many. is_mark:
 * whether the character stands above, below or in the one before, without a width of its own. */
[[nodiscard]] size_t vt_filter_byte(struct vt_filter *f, unsigned char c, bool (*is_mark)(uint32_t), char *out);

#endif
