/* SPDX-License-Identifier: MIT */
/*
 * The input half of the line discipline (line.h): input processing, editing of lines, echo
 * (POSIX.1-2017 XBD 11.1.4–11.1.9, 11.2.2, 11.2.5) with the usual extensions WERASE, REPRINT,
 * LNEXT, ECHOCTL, ECHOKE, ECHOPRT, IUTF8. Pure.
 *
 * Input ring: complete lines up to `canon`, the line being edited behind it. In the non-canonical
 * mode canon == end always. EOF is stored as a marked byte that a read consumes but does not
 * deliver.
 */
#include "line.h"
#include "line_output.h"

#include <lib/string.h>

static bool flag_i(const struct line *l, uint32_t f)
{
	return (l->termios.c_iflag & f) != 0;
}
static bool flag_l(const struct line *l, uint32_t f)
{
	return (l->termios.c_lflag & f) != 0;
}

/* Not so when the terminal's other end edits lines itself and sends what comes of it. */
static bool by_lines(const struct line *l)
{
	return flag_l(l, ICANON) && !flag_l(l, EXTPROC);
}

/* Whether c is this control character; 0 disables one (_POSIX_VDISABLE). */
static bool is_cc(const struct line *l, unsigned which, unsigned char c)
{
	return c != 0 && l->termios.c_cc[which] == c;
}

static bool bit(const uint8_t *map, uint32_t at)
{
	at %= LINE_QUEUE_BYTES;
	return (map[at / 8] >> at % 8 & 1) != 0;
}

static void set_bit(uint8_t *map, uint32_t at, bool value)
{
	at %= LINE_QUEUE_BYTES;
	map[at / 8] = (uint8_t)((map[at / 8] & ~(1u << at % 8)) | (unsigned)value << at % 8);
}

void line_init(struct line *l)
{
	static const uint8_t defaults[TERMIOS_CC_COUNT] = {
		[VINTR] = 'C' & 0x1f,	 [VQUIT] = '\\' & 0x1f,	  [VERASE] = 0x7f,
		[VKILL] = 'U' & 0x1f,	 [VEOF] = 'D' & 0x1f,	  [VMIN] = 1,
		[VSTART] = 'Q' & 0x1f,	 [VSTOP] = 'S' & 0x1f,	  [VSUSP] = 'Z' & 0x1f,
		[VREPRINT] = 'R' & 0x1f, [VDISCARD] = 'O' & 0x1f, [VWERASE] = 'W' & 0x1f,
		[VLNEXT] = 'V' & 0x1f,
	};

	memset(l, 0, sizeof(*l));
	l->termios.c_iflag = ICRNL | IXON;
	l->termios.c_oflag = OPOST | ONLCR;
	l->termios.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
	l->termios.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(l->termios.c_cc, defaults, sizeof(defaults));
}

void line_set_termios(struct line *l, const struct termios *t)
{
	bool was_canonical = by_lines(l);

	l->termios = *t;
	if (!flag_i(l, IXON))
		l->stopped = false;
	if (was_canonical == by_lines(l))
		return;
	/* What is there can be read at once, in either mode: as one line, should lines begin now.
	 */
	if (!was_canonical) {
		memset(l->line_end, 0, sizeof(l->line_end));
		memset(l->end_of_file, 0, sizeof(l->end_of_file));
		if (l->end != l->read)
			set_bit(l->line_end, l->end - 1, true);
	}
	l->canon = l->end;
	l->literal = false;
	l->erasing = false;
}

static void echo(struct line *l, unsigned char c)
{
	if (flag_l(l, ECHOCTL) && line_is_control(c) && c != '\t' && c != '\n') {
		line_put(l, '^');
		line_put(l, c ^ 0x40);
	} else {
		line_put(l, c);
	}
}

static void finish_erasing(struct line *l)
{
	if (l->erasing) {
		line_put(l, '/');
		l->erasing = false;
	}
}

static uint32_t used(const struct line *l)
{
	return l->end - l->read;
}

static void store(struct line *l, unsigned char c, bool ends_line, bool eof)
{
	l->input[l->end % LINE_QUEUE_BYTES] = c;
	set_bit(l->line_end, l->end, ends_line);
	set_bit(l->end_of_file, l->end, eof);
	l->end++;
	if (ends_line || !by_lines(l))
		l->canon = l->end;
}

/* In canonical mode one place stays free for the character that ends the line. */
static bool has_room(const struct line *l)
{
	return used(l) < LINE_QUEUE_BYTES - (by_lines(l) ? 1 : 0);
}

/* The column after character c, when it was echoed at this column. */
static uint32_t column_after(const struct line *l, uint32_t column, unsigned char c)
{
	if (c == '\t')
		return column + 8 - column % 8;
	if (line_is_control(c))
		return column + (flag_l(l, ECHOCTL) ? 2 : 0);
	return column + (line_is_continuation(l, c) ? 0 : 1);
}

static uint32_t edit_column(const struct line *l)
{
	uint32_t column = l->canon_column;

	for (uint32_t at = l->canon; at != l->end; at++)
		column = column_after(l, column, l->input[at % LINE_QUEUE_BYTES]);
	return column;
}

/* Takes the last character off the edited line, all its bytes, and wipes it from the screen. */
static void erase_last(struct line *l, unsigned char key)
{
	uint32_t before = edit_column(l);
	unsigned char c;

	do {
		c = l->input[--l->end % LINE_QUEUE_BYTES];
	} while (l->end != l->canon && line_is_continuation(l, c));
	if (!flag_l(l, ECHO))
		return;
	if (flag_l(l, ECHOPRT)) {
		if (!l->erasing)
			line_put(l, '\\');
		l->erasing = true;
		echo(l, c);
		return;
	}
	if (is_cc(l, VERASE, key) && !flag_l(l, ECHOE)) {
		echo(l, key);
		return;
	}
	for (uint32_t width = before - edit_column(l); width > 0; width--) {
		line_put(l, '\b');
		if (c == '\t')
			continue; /* it wrote nothing that would have to be wiped */
		line_put(l, ' ');
		line_put(l, '\b');
	}
}

static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static void erase_word(struct line *l, unsigned char key)
{
	bool seen = false;

	while (l->end != l->canon) {
		unsigned char c = l->input[(l->end - 1) % LINE_QUEUE_BYTES];

		if (seen && !is_word(c))
			return;
		seen = seen || is_word(c);
		erase_last(l, key);
	}
}

static void kill_line(struct line *l, unsigned char key)
{
	if (!flag_l(l, ECHO)) {
		l->end = l->canon;
		return;
	}
	if (!flag_l(l, ECHOK) || !flag_l(l, ECHOKE) || !flag_l(l, ECHOE)) {
		l->end = l->canon;
		finish_erasing(l);
		echo(l, key);
		if (flag_l(l, ECHOK))
			line_put(l, '\n');
		return;
	}
	while (l->end != l->canon)
		erase_last(l, key);
}

static void reprint(struct line *l, unsigned char key)
{
	finish_erasing(l);
	echo(l, key);
	line_put(l, '\n');
	l->canon_column = l->column;
	for (uint32_t at = l->canon; at != l->end; at++)
		echo(l, l->input[at % LINE_QUEUE_BYTES]);
}

static void ring_bell(struct line *l)
{
	if (flag_i(l, IMAXBEL))
		line_put_raw(l, '\a');
}

/* An ordinary character: echo and keep. */
static unsigned keep(struct line *l, unsigned char c)
{
	bool canonical = by_lines(l);

	if (!has_room(l)) {
		ring_bell(l);
		return LINE_OUTPUT;
	}
	finish_erasing(l);
	if (flag_l(l, ECHO)) {
		if (canonical && l->end == l->canon)
			l->canon_column = l->column;
		echo(l, c);
	}
	store(l, c, false, false);
	return LINE_OUTPUT | (canonical ? 0 : LINE_READABLE);
}

static unsigned end_line(struct line *l, unsigned char c, bool eof)
{
	if (used(l) >= LINE_QUEUE_BYTES)
		return 0;
	finish_erasing(l);
	if (!eof && (flag_l(l, ECHO) || (c == '\n' && flag_l(l, ECHONL))))
		echo(l, c);
	store(l, eof ? 0 : c, true, eof);
	l->canon_column = l->column;
	return LINE_READABLE | LINE_OUTPUT;
}

/* Editing keys of the canonical mode. False: c is none of them. */
static bool edit(struct line *l, unsigned char c)
{
	bool extended = flag_l(l, IEXTEN);

	if (is_cc(l, VERASE, c)) {
		if (l->end != l->canon)
			erase_last(l, c);
	} else if (is_cc(l, VKILL, c)) {
		if (l->end != l->canon)
			kill_line(l, c);
	} else if (extended && is_cc(l, VWERASE, c)) {
		erase_word(l, c);
	} else if (extended && flag_l(l, ECHO) && is_cc(l, VREPRINT, c)) {
		reprint(l, c);
	} else {
		return false;
	}
	return true;
}

static unsigned canonical_input(struct line *l, unsigned char c)
{
	if (edit(l, c)) {
		if (l->end == l->canon)
			finish_erasing(l);
		return LINE_OUTPUT;
	}
	if (c == '\n')
		return end_line(l, c, false);
	if (is_cc(l, VEOF, c))
		return end_line(l, c, true);
	if (is_cc(l, VEOL, c) || (flag_l(l, IEXTEN) && is_cc(l, VEOL2, c)))
		return end_line(l, c, false);
	return keep(l, c);
}

static unsigned signal_input(struct line *l, unsigned char c, unsigned event)
{
	l->stopped = false;
	if (!flag_l(l, NOFLSH)) {
		line_flush_input(l);
		line_flush_output(l);
		event |= LINE_FLUSHED;
	}
	finish_erasing(l);
	if (flag_l(l, ECHO)) {
		echo(l, c);
		l->canon_column = l->column;
	}
	return event | LINE_OUTPUT;
}

/* Keys that act in both modes. True: c was one, *events is set. */
static bool special_input(struct line *l, unsigned char c, unsigned *events)
{
	if (flag_i(l, IXON)) {
		bool start = is_cc(l, VSTART, c), stop = is_cc(l, VSTOP, c);

		if (start || stop) {
			/* One key for both toggles. */
			l->stopped = start && stop ? !l->stopped : stop;
			*events = LINE_OUTPUT;
			return true;
		}
	}
	if (flag_l(l, ISIG)) {
		unsigned event = is_cc(l, VINTR, c)   ? LINE_INTERRUPT
				 : is_cc(l, VQUIT, c) ? LINE_QUIT
				 : is_cc(l, VSUSP, c) ? LINE_SUSPEND
						      : 0;

		if (event != 0) {
			*events = signal_input(l, c, event);
			return true;
		}
	}
	return false;
}

static bool is_literal_next(const struct line *l, unsigned char c)
{
	return by_lines(l) && flag_l(l, IEXTEN) && is_cc(l, VLNEXT, c);
}

unsigned line_input(struct line *l, unsigned char c)
{
	unsigned events;

	if (flag_l(l, EXTPROC)) {
		if (!has_room(l))
			return 0;
		store(l, c, false, false);
		return LINE_READABLE;
	}

	if (flag_i(l, ISTRIP))
		c &= 0x7f;
	if (flag_i(l, IUCLC) && flag_l(l, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (l->literal) {
		l->literal = false;
		return keep(l, c);
	}
	if (special_input(l, c, &events))
		return events;
	events = l->stopped && flag_i(l, IXON) && flag_i(l, IXANY) ? LINE_OUTPUT : 0;
	if (events != 0)
		l->stopped = false;
	if (c == '\r') {
		if (flag_i(l, IGNCR))
			return events;
		if (flag_i(l, ICRNL))
			c = '\n';
	} else if (c == '\n' && flag_i(l, INLCR)) {
		c = '\r';
	}
	if (is_literal_next(l, c)) {
		l->literal = true;
		if (flag_l(l, ECHO)) {
			finish_erasing(l);
			if (l->end == l->canon)
				l->canon_column = l->column;
			if (flag_l(l, ECHOCTL)) {
				line_put(l, '^');
				line_put(l, '\b');
			}
		}
		return LINE_OUTPUT;
	}
	return events | (by_lines(l) ? canonical_input(l, c) : keep(l, c));
}

unsigned line_break(struct line *l)
{
	if (flag_i(l, IGNBRK))
		return 0;
	if (flag_i(l, BRKINT)) {
		line_flush_input(l);
		line_flush_output(l);
		return LINE_INTERRUPT | LINE_FLUSHED | LINE_OUTPUT;
	}
	if (has_room(l) && flag_i(l, PARMRK))
		(void)keep(l, 0xff);
	if (has_room(l) && flag_i(l, PARMRK))
		(void)keep(l, 0);
	return keep(l, 0);
}

size_t line_input_room(const struct line *l)
{
	/* A line that only grows can be ended only by more input: take it all. */
	if (by_lines(l) && l->canon == l->read)
		return SIZE_MAX;
	uint32_t limit = LINE_QUEUE_BYTES - 1;
	return used(l) < limit ? limit - used(l) : 0;
}

bool line_readable(const struct line *l)
{
	return l->canon != l->read;
}

size_t line_input_count(const struct line *l)
{
	size_t n = l->canon - l->read;

	for (uint32_t at = l->read; by_lines(l) && at != l->canon; at++)
		n -= bit(l->end_of_file, at);
	return n;
}

size_t line_read(struct line *l, void *bytes, size_t n, bool *done)
{
	bool canonical = by_lines(l);
	unsigned char *p = bytes;
	size_t got = 0;

	*done = false;
	while (l->read != l->canon && !*done) {
		bool eof = canonical && bit(l->end_of_file, l->read);

		/* An EOF right behind a full buffer belongs to this read: the next one must not see
		 * an empty line. */
		if (got == n && !eof)
			break;
		*done = canonical && bit(l->line_end, l->read);
		if (!eof)
			p[got++] = l->input[l->read % LINE_QUEUE_BYTES];
		l->read++;
	}
	return got;
}

void line_flush_input(struct line *l)
{
	l->read = l->canon = l->end;
	l->literal = false;
	l->erasing = false;
}
