/* SPDX-License-Identifier: MIT */
/* Glyphs by characters (Unicode). */
#include "font.h"
#include "vt.h"

constexpr uint32_t REPLACEMENT = 0xfffd;

static const uint32_t *points(uint32_t *count)
{
	const uint32_t *words = (const uint32_t *)font_data;

	*count = words[0];
	return words + 2;
}

/* The number of its glyph; UINT32_MAX: there is none. */
static uint32_t find(uint32_t character)
{
	uint32_t count, low = 0, high;
	const uint32_t *point = points(&count);

	for (high = count; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (point[middle] < character)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && point[low] == character ? low : UINT32_MAX;
}

const unsigned char *font_glyph(uint32_t character, bool bold)
{
	uint32_t count, glyph = find(character);
	const uint32_t *point = points(&count);

	if (glyph == UINT32_MAX)
		glyph = find(REPLACEMENT);
	if (glyph == UINT32_MAX)
		glyph = 0;
	return (const unsigned char *)(point + count) + ((bold ? count : 0) + glyph) * (size_t)FONT_HEIGHT;
}
