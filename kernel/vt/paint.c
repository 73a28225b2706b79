/* SPDX-License-Identifier: MIT */
/*
 * Cells to pixels. What each place of the screen shows is remembered, so that only what differs is drawn: display
 * memory is slow, and is never read. On wide screens a pixel of the font is a square of several.
 */
#include "vt.h"

#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t WIDE = 2560; /* from so many pixels on, glyphs are twice as large */
constexpr int ROWS_MAX = 256, COLUMNS_MAX = 512;
constexpr uint32_t NOTHING = 0x110000; /* a character that none is: the place may show anything */

static struct video *screen;
static struct video_mode mode;	/* that the rest is for */
static struct vt_cell *painted; /* of each place; nullptr: no memory, nothing is drawn */
static struct vt_cell *line;	/* one row, to compare */
static int scale = 1;

static bool same_mode(const struct video_mode *a, const struct video_mode *b)
{
	return a->width == b->width && a->height == b->height && a->bits == b->bits && a->pitch == b->pitch;
}

static void paint_forget(void)
{
	for (int i = 0; painted != nullptr && i < vt_rows * vt_columns; i++)
		painted[i].character = NOTHING;
}

/* The margin that no cell covers, and all else, becomes black. */
static void clear(const struct video_surface *s)
{
	for (uint32_t y = 0; y < s->mode.height; y++) {
		volatile unsigned char *at = s->at + (uint64_t)y * s->mode.pitch;

		for (uint32_t x = 0; x < s->mode.width * (s->mode.bits / 8); x++)
			at[x] = 0;
	}
}

static void measure(bool *changed)
{
	scale = mode.width >= WIDE && mode.height >= 2 * FONT_HEIGHT ? 2 : 1;
	int rows = MAX(MIN((int)mode.height / (FONT_HEIGHT * scale), ROWS_MAX), 1);
	int columns = MAX(MIN((int)mode.width / (FONT_WIDTH * scale), COLUMNS_MAX), 1);

	*changed = rows != vt_rows || columns != vt_columns;
	if (!*changed && painted != nullptr)
		return;
	kfree(painted);
	kfree(line);
	painted = kmalloc((size_t)rows * (size_t)columns * sizeof(*painted));
	line = kmalloc((size_t)columns * sizeof(*line));
	if (line == nullptr) {
		kfree(painted);
		painted = nullptr;
	}
	vt_rows = rows;
	vt_columns = columns;
}

void paint_use(struct video *v, bool *changed)
{
	struct video_surface s;

	*changed = false;
	screen = v;
	if (screen == nullptr || !video_begin(screen, &s))
		return;
	if (s.mode.width < FONT_WIDTH || s.mode.height < FONT_HEIGHT) { /* not one character fits */
		video_end(screen, nullptr);
		screen = nullptr;
		return;
	}
	if (!same_mode(&mode, &s.mode) || painted == nullptr) {
		mode = s.mode;
		measure(changed);
	}
	clear(&s);
	video_end(screen, &(struct video_rect){.width = s.mode.width, .height = s.mode.height});
	paint_forget();
}

static void put_pixels(volatile unsigned char *at, uint32_t pixel, int bytes, int n)
{
	for (; n > 0; n--, at += bytes) {
		switch (bytes) {
		case 4: *(volatile uint32_t *)at = pixel; break;
		case 2: *(volatile uint16_t *)at = (uint16_t)pixel; break;
		default:
			at[0] = (unsigned char)pixel;
			at[1] = (unsigned char)(pixel >> 8);
			at[2] = (unsigned char)(pixel >> 16);
		}
	}
}

/* The bits of a line of the glyph, with what its cell has besides. */
static unsigned char bits_of(const struct vt_cell *c, const unsigned char *glyph, int row)
{
	bool whole = ((c->attributes & VT_UNDERLINE) && row == FONT_HEIGHT - 2) ||
		     ((c->attributes & VT_STRIKE) && row == FONT_HEIGHT / 2) ||
		     ((c->attributes & VT_CURSOR_LINE) && row >= FONT_HEIGHT - 2);

	return whole ? 0xff : (unsigned char)(glyph[row] | ((c->attributes & VT_CURSOR_BAR) ? 0xc0 : 0));
}

static void draw(const struct video_surface *s, int row, int column, const struct vt_cell *c)
{
	bool shows = c->character != 0 && c->character != VT_WIDE_REST;
	const unsigned char *glyph = font_glyph(shows ? c->character : ' ', (c->attributes & VT_BOLD) != 0);
	uint32_t pixel[2] = {video_pixel(&s->mode, c->back), video_pixel(&s->mode, c->front)};
	int bytes = (int)s->mode.bits / 8;
	volatile unsigned char *at =
		s->at + (uint64_t)(row * FONT_HEIGHT * scale) * s->mode.pitch + column * FONT_WIDTH * scale * bytes;

	for (int y = 0; y < FONT_HEIGHT * scale; y++, at += s->mode.pitch) {
		unsigned char bits = bits_of(c, glyph, y / scale);

		for (int x = 0; x < FONT_WIDTH; x++)
			put_pixels(at + x * scale * bytes, pixel[bits >> (FONT_WIDTH - 1 - x) & 1], bytes, scale);
	}
}

static bool same_cell(const struct vt_cell *a, const struct vt_cell *b)
{
	return a->character == b->character && a->front == b->front && a->back == b->back &&
	       a->attributes == b->attributes;
}

/* The rows that have changed; false: none. */
static bool draw_rows(struct vt *v, const struct video_surface *s, int *first, int *last) REQUIRES(vt_lock)
{
	*first = vt_rows;
	*last = -1;
	for (int row = 0; row < vt_rows; row++) {
		struct vt_cell *had = painted + row * vt_columns;

		if (!v->dirty[row])
			continue;
		v->dirty[row] = false;
		term_row(v, row, line);
		for (int column = 0; column < vt_columns; column++) {
			if (same_cell(&had[column], &line[column]))
				continue;
			draw(s, row, column, &line[column]);
			had[column] = line[column];
			*first = MIN(*first, row);
			*last = row;
		}
	}
	return *last >= 0;
}

void paint(struct vt *v)
{
	struct video_surface s;
	int first, last;

	if (screen == nullptr || painted == nullptr || v->term == nullptr || v->graphics || !video_begin(screen, &s))
		return;
	/* Of another mode the change is still to be told. */
	bool changed = same_mode(&mode, &s.mode) && draw_rows(v, &s, &first, &last);
	struct video_rect r = {.width = s.mode.width};
	if (changed) {
		r.y = (uint32_t)(first * FONT_HEIGHT * scale);
		r.height = (uint32_t)((last + 1 - first) * FONT_HEIGHT * scale);
	}
	video_end(screen, changed ? &r : nullptr);
}
