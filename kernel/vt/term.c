/* SPDX-License-Identifier: MIT */
/*
 * What a text console shows: libvterm interprets what was written (ECMA-48, DEC's and xterm's sequences, UTF-8) and
 * keeps the cells of both screens; here are its memory, its colours, and the lines that have scrolled off.
 *
 * Its memory is of the component vt. An allocation that fails ends its caller by a fault, as libvterm expects none to.
 */
#include "vt.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>

/* The colours of a PC's text mode. */
static const uint32_t palette[16] = {0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
				     0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff};
constexpr unsigned FRONT = 7, BACK = 0;

static void *allocate(size_t n, void *)
{
	return kmalloc(n);
}
static void release(void *p, void *)
{
	kfree(p);
}
static const VTermAllocatorFunctions memory = {.malloc = allocate, .free = release};

static void say(const char *bytes, size_t n, void *user)
{
	struct vt *v = user;

	/* What nobody asks for so fast is lost, as it would be on a line. */
	n = MIN(n, VT_REPLY_MAX - v->reply_count);
	memcpy(v->reply + v->reply_count, bytes, n);
	v->reply_count += n;
}

static int damage(VTermRect r, void *user)
{
	struct vt *v = user;

	for (int row = MAX(r.start_row, 0); row < MIN(r.end_row, vt_rows); row++)
		v->dirty[row] = true;
	return 1;
}

static int move_cursor(VTermPos to, VTermPos from, int visible, void *user)
{
	struct vt *v = user;

	(void)visible;
	v->cursor = to;
	if (from.row >= 0 && from.row < vt_rows)
		v->dirty[from.row] = true;
	if (to.row >= 0 && to.row < vt_rows)
		v->dirty[to.row] = true;
	return 1;
}

/* libvterm calls back in its callers' hands, who have the lock. */
static int set_property(VTermProp property, VTermValue *value, void *user) NO_THREAD_SAFETY
{
	struct vt *v = user;

	switch (property) {
	case VTERM_PROP_CURSORVISIBLE: v->cursor_visible = value->boolean; break;
	case VTERM_PROP_CURSORSHAPE: v->cursor_shape = value->number; break;
	case VTERM_PROP_MOUSE: v->mouse = value->number; break;
	case VTERM_PROP_ALTSCREEN: v->alternate = value->boolean; break;
	default: return 0;
	}
	vt_all_dirty(v);
	return 1;
}

static uint32_t rgb_of(const VTermScreen *screen, VTermColor c)
{
	vterm_screen_convert_color_to_rgb(screen, &c);
	return (uint32_t)c.rgb.red << 16 | (uint32_t)c.rgb.green << 8 | c.rgb.blue;
}

static struct vt_cell convert(const VTermScreen *screen, const VTermScreenCell *from)
{
	struct vt_cell c = {
		.character = from->chars[0], .front = rgb_of(screen, from->fg), .back = rgb_of(screen, from->bg)};

	if (from->attrs.bold)
		c.attributes |= VT_BOLD;
	if (from->attrs.underline != VTERM_UNDERLINE_OFF)
		c.attributes |= VT_UNDERLINE;
	if (from->attrs.strike)
		c.attributes |= VT_STRIKE;
	if (from->attrs.reverse) {
		uint32_t front = c.front;

		c.front = c.back;
		c.back = front;
	}
	if (from->attrs.conceal)
		c.front = c.back;
	return c;
}

static int keep_line(int columns, const VTermScreenCell *cells, void *user)
{
	struct vt *v = user;
	struct vt_line *old = v->history[v->history_next], *line = old;

	if (old == nullptr || old->columns != (unsigned)columns) {
		line = kmalloc(sizeof(*line) + (size_t)columns * sizeof(line->cell[0]));
		if (line == nullptr)
			return 0; /* one line less to look back at */
		line->columns = (unsigned)columns;
		v->history[v->history_next] = line;
		kfree(old);
	}
	for (int i = 0; i < columns; i++)
		line->cell[i] = convert(v->screen, &cells[i]);
	v->history_next = (v->history_next + 1) % VT_HISTORY;
	v->history_count = MIN(v->history_count + 1, VT_HISTORY);
	if (v->back > 0) /* the view stays where it is */
		v->back = MIN(v->back + 1, v->history_count);
	return 1;
}

static int forget_lines(void *user)
{
	struct vt *v = user;

	v->history_count = v->back = 0;
	return 1;
}

static const VTermScreenCallbacks callbacks = {
	.damage = damage,
	.movecursor = move_cursor,
	.settermprop = set_property,
	.sb_pushline = keep_line,
	.sb_clear = forget_lines,
};

static void set_colours(struct vt *v)
{
	VTermState *state = vterm_obtain_state(v->term);
	VTermColor c, front, back;

	for (unsigned i = 0; i < ARRAY_LEN(palette); i++) {
		vterm_color_rgb(&c, (uint8_t)(palette[i] >> 16), (uint8_t)(palette[i] >> 8), (uint8_t)palette[i]);
		vterm_state_set_palette_color(state, (int)i, &c);
		if (i == FRONT)
			front = c;
		if (i == BACK)
			back = c;
	}
	vterm_screen_set_default_colors(v->screen, &front, &back);
	vterm_state_set_bold_highbright(state, 1);
}

int term_make(struct vt *v)
{
	const struct VTermBuilder builder = {.rows = vt_rows, .cols = vt_columns, .allocator = &memory};

	if (v->term != nullptr)
		return 0;
	v->dirty = kmalloc((size_t)vt_rows * sizeof(bool));
	if (v->dirty == nullptr)
		return -ENOMEM;
	v->busy = true;
	VTerm *term = vterm_build(&builder);
	if (term == nullptr) {
		v->busy = false;
		kfree(v->dirty);
		v->dirty = nullptr;
		return -ENOMEM;
	}
	v->term = term;
	vterm_set_utf8(term, 1);
	vterm_output_set_callback(term, say, v);
	v->screen = vterm_obtain_screen(term);
	vterm_screen_set_callbacks(v->screen, &callbacks, v);
	vterm_screen_set_damage_merge(v->screen, VTERM_DAMAGE_ROW);
	vterm_screen_enable_altscreen(v->screen, 1);
	set_colours(v);
	vterm_screen_reset(v->screen, 1);
	v->busy = false;
	vt_all_dirty(v);
	return 0;
}

static void drop_lines(struct vt *v)
{
	for (unsigned i = 0; i < VT_HISTORY; i++) {
		kfree(v->history[i]);
		v->history[i] = nullptr;
	}
	v->history_next = v->history_count = v->back = 0;
}

void term_abandon(struct vt *v)
{
	v->term = nullptr;
	v->screen = nullptr;
	v->dirty = nullptr;
	v->busy = false;
	memset(v->history, 0, sizeof(v->history));
	v->history_next = v->history_count = v->back = 0;
	v->reply_count = 0;
	v->filter = (struct vt_filter){};
	v->mouse = 0;
	v->alternate = false;
	v->cursor = (VTermPos){};
}

void term_drop(struct vt *v)
{
	if (v->term == nullptr)
		return;
	vterm_free(v->term);
	kfree(v->dirty);
	drop_lines(v);
	term_abandon(v);
}

int vterm_unicode_is_combining(uint32_t codepoint); /* libvterm's own */

static bool is_mark(uint32_t character)
{
	return vterm_unicode_is_combining(character);
}

void term_write(struct vt *v, const char *bytes, size_t n)
{
	char piece[256];
	size_t count = 0;

	v->busy = true;
	for (size_t i = 0; i < n; i++) {
		count += vt_filter_byte(&v->filter, (unsigned char)bytes[i], is_mark, piece + count);
		if (count > sizeof(piece) - VT_FILTER_MAX) {
			(void)vterm_input_write(v->term, piece, count);
			count = 0;
		}
	}
	(void)vterm_input_write(v->term, piece, count);
	vterm_screen_flush_damage(v->screen);
	v->busy = false;
}

void term_resize(struct vt *v)
{
	int rows, columns;
	bool *dirty;

	if (v->term == nullptr)
		return;
	vterm_get_size(v->term, &rows, &columns);
	if (rows == vt_rows && columns == vt_columns)
		return;
	dirty = kmalloc((size_t)vt_rows * sizeof(bool));
	if (dirty == nullptr) { /* it begins anew when there is memory */
		term_drop(v);
		return;
	}
	kfree(v->dirty);
	v->dirty = dirty;
	v->back = 0;
	v->busy = true;
	vterm_set_size(v->term, vt_rows, vt_columns);
	vterm_screen_flush_damage(v->screen);
	v->busy = false;
	vt_all_dirty(v);
}

struct vt_cell term_cell(struct vt *v, int row, int column)
{
	VTermScreenCell cell = {};

	(void)vterm_screen_get_cell(v->screen, (VTermPos){.row = row, .col = column}, &cell);
	return convert(v->screen, &cell);
}

static void add_cursor(const struct vt *v, struct vt_cell *row)
{
	struct vt_cell *c = &row[v->cursor.col];

	if (v->cursor_shape == VTERM_PROP_CURSORSHAPE_UNDERLINE) {
		c->attributes |= VT_CURSOR_LINE;
	} else if (v->cursor_shape == VTERM_PROP_CURSORSHAPE_BAR_LEFT) {
		c->attributes |= VT_CURSOR_BAR;
	} else {
		uint32_t front = c->front;

		c->front = c->back;
		c->back = front == c->back ? ~front & 0xffffff : front;
	}
}

void term_row(struct vt *v, int row, struct vt_cell *out)
{
	if ((unsigned)row < v->back) {
		unsigned at = (v->history_next + VT_HISTORY - v->back + (unsigned)row) % VT_HISTORY;
		const struct vt_line *line = v->history[at];

		for (int i = 0; i < vt_columns; i++)
			out[i] = (unsigned)i < line->columns
					 ? line->cell[i]
					 : (struct vt_cell){.front = palette[FRONT], .back = palette[BACK]};
		return;
	}
	row -= (int)v->back;
	for (int i = 0; i < vt_columns; i++)
		out[i] = term_cell(v, row, i);
	if (v->cursor_visible && v->cursor.row == row && v->cursor.col >= 0 && v->cursor.col < vt_columns)
		add_cursor(v, out);
}

void term_scroll(struct vt *v, int lines)
{
	int back = (int)v->back + lines;

	if (v->alternate)
		return;
	v->back = (unsigned)MAX(MIN(back, (int)v->history_count), 0);
	vt_all_dirty(v);
}
