/* SPDX-License-Identifier: MIT */
/*
 * The output half of the line discipline (line.h): output processing (POSIX.1-2017 XBD 11.2.3) with
 * the column count that tabs and erasing need. Programs' output and the echo go through the same
 * functions into one queue. Pure.
 */
#include "line_output.h"

#include <lib/string.h>

size_t line_output_count(const struct line *l)
{
	return l->queued - l->sent;
}

size_t line_output_room(const struct line *l)
{
	return LINE_QUEUE_BYTES - line_output_count(l);
}

static void queue(struct line *l, unsigned char c)
{
	l->output[l->queued++ % LINE_QUEUE_BYTES] = c;
}

bool line_is_continuation(const struct line *l, unsigned char c)
{
	return (l->termios.c_iflag & IUTF8) != 0 && (c & 0xc0) == 0x80;
}

bool line_is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static bool queue_newline(struct line *l, size_t room)
{
	uint32_t o = l->termios.c_oflag;

	if ((o & ONLCR) == 0) {
		if ((o & ONLRET) != 0)
			l->column = 0;
		queue(l, '\n');
		return true;
	}
	if (room < 2)
		return false;
	queue(l, '\r');
	queue(l, '\n');
	l->column = 0;
	return true;
}

static void queue_return(struct line *l)
{
	uint32_t o = l->termios.c_oflag;

	if ((o & ONOCR) != 0 && l->column == 0)
		return;
	if ((o & OCRNL) != 0) {
		if ((o & ONLRET) != 0)
			l->column = 0;
		queue(l, '\n');
		return;
	}
	l->column = 0;
	queue(l, '\r');
}

static bool queue_tab(struct line *l, size_t room)
{
	unsigned width = 8 - l->column % 8;

	if ((l->termios.c_oflag & TABDLY) != XTABS) {
		l->column += width;
		queue(l, '\t');
		return true;
	}
	if (room < width)
		return false;
	l->column += width;
	while (width-- > 0)
		queue(l, ' ');
	return true;
}

bool line_put(struct line *l, unsigned char c)
{
	size_t room = line_output_room(l);
	uint32_t o = l->termios.c_oflag;

	if (room == 0)
		return false;
	if ((o & OPOST) == 0) {
		queue(l, c);
		return true;
	}
	switch (c) {
	case '\n': return queue_newline(l, room);
	case '\r': queue_return(l); return true;
	case '\t': return queue_tab(l, room);
	case '\b':
		if (l->column > 0)
			l->column--;
		break;
	default:
		if (line_is_control(c))
			break;
		if ((o & OLCUC) != 0 && c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		if (!line_is_continuation(l, c))
			l->column++;
	}
	queue(l, c);
	return true;
}

void line_put_raw(struct line *l, unsigned char c)
{
	if (line_output_room(l) > 0)
		queue(l, c);
}

size_t line_write(struct line *l, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	size_t done = 0;

	while (done < n && line_put(l, p[done]))
		done++;
	return done;
}

size_t line_take_output(struct line *l, void *bytes, size_t n)
{
	size_t count = l->stopped ? 0 : line_output_count(l);
	unsigned char *p = bytes;

	if (n > count)
		n = count;
	for (size_t i = 0; i < n; i++)
		p[i] = l->output[l->sent++ % LINE_QUEUE_BYTES];
	return n;
}

void line_flush_output(struct line *l)
{
	l->sent = l->queued;
}
