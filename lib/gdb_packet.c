/* SPDX-License-Identifier: MIT */
/* Packets of GDB's remote serial protocol, see gdb_packet.h. */
#include <lib/gdb_packet.h>

constexpr uint8_t BREAK = 3, ESCAPE_FLIP = 0x20;

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void begin(struct gdb_receiver *r)
{
	r->state = GDB_INSIDE;
	r->sum = 0;
	r->overlong = false;
	r->length = 0;
}

static void keep(struct gdb_receiver *r, uint8_t byte)
{
	if (r->length < sizeof(r->data))
		r->data[r->length++] = byte;
	else
		r->overlong = true;
}

static enum gdb_input between(struct gdb_receiver *r, uint8_t byte)
{
	if (byte == '$')
		begin(r);
	return byte == BREAK ? GDB_INTERRUPT : byte == '-' ? GDB_RETRANSMIT : GDB_NOTHING;
}

enum gdb_input gdb_receive(struct gdb_receiver *r, uint8_t byte)
{
	int value;

	switch (r->state) {
	case GDB_INSIDE:
	case GDB_ESCAPED:
		if (byte == '$') { /* the end of the one before was lost */
			begin(r);
		} else if (byte == '#') {
			r->state = GDB_SUM_HIGH;
		} else {
			r->sum = (uint8_t)(r->sum + byte);
			if (r->state == GDB_ESCAPED)
				keep(r, byte ^ ESCAPE_FLIP);
			else if (byte != '}')
				keep(r, byte);
			r->state = r->state == GDB_INSIDE && byte == '}' ? GDB_ESCAPED : GDB_INSIDE;
		}
		return GDB_NOTHING;
	case GDB_SUM_HIGH:
		value = digit(byte);
		r->state = value < 0 ? GDB_OUTSIDE : GDB_SUM_LOW;
		if (value < 0)
			return GDB_DAMAGED;
		r->wanted = (uint8_t)(value << 4);
		return GDB_NOTHING;
	case GDB_SUM_LOW:
		value = digit(byte);
		r->state = GDB_OUTSIDE;
		if (value < 0 || (r->wanted | value) != r->sum)
			return GDB_DAMAGED;
		return r->overlong ? GDB_OVERLONG : GDB_PACKET;
	default: return between(r, byte);
	}
}

void gdb_put(struct gdb_reply *r, uint8_t byte)
{
	if (r->length < sizeof(r->data))
		r->data[r->length++] = byte;
	else
		r->overflow = true;
}

void gdb_put_text(struct gdb_reply *r, const char *text)
{
	while (*text)
		gdb_put(r, (uint8_t)*text++);
}

static void put_digit(struct gdb_reply *r, unsigned value)
{
	gdb_put(r, (uint8_t)(value < 10 ? '0' + value : 'a' + value - 10));
}

void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t n)
{
	for (const uint8_t *at = bytes; n; n--, at++) {
		put_digit(r, *at >> 4);
		put_digit(r, *at & 15);
	}
}

void gdb_put_number(struct gdb_reply *r, uint64_t value)
{
	int shift = 60;

	while (shift && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_digit(r, value >> shift & 15);
}

void gdb_send(const struct gdb_reply *r, void (*send)(void *context, uint8_t byte), void *context)
{
	uint8_t sum = 0;

	send(context, '$');
	for (size_t i = 0; i < r->length; i++) {
		uint8_t byte = r->data[i];

		/* An asterisk would tell of a repetition. */
		if (byte == '$' || byte == '#' || byte == '}' || byte == '*') {
			send(context, '}');
			sum = (uint8_t)(sum + '}');
			byte ^= ESCAPE_FLIP;
		}
		send(context, byte);
		sum = (uint8_t)(sum + byte);
	}
	send(context, '#');
	send(context, (uint8_t)"0123456789abcdef"[sum >> 4]);
	send(context, (uint8_t)"0123456789abcdef"[sum & 15]);
}

bool gdb_take(struct gdb_cursor *c, uint8_t byte)
{
	if (c->at == c->end || *c->at != byte)
		return false;
	c->at++;
	return true;
}

bool gdb_take_text(struct gdb_cursor *c, const char *text)
{
	const uint8_t *at = c->at;

	for (; *text; text++, at++)
		if (at == c->end || *at != (uint8_t)*text)
			return false;
	c->at = at;
	return true;
}

bool gdb_take_number(struct gdb_cursor *c, uint64_t *value)
{
	const uint8_t *at = c->at;
	uint64_t n = 0;

	for (int d; at != c->end && (d = digit(*at)) >= 0; at++) {
		if (at - c->at == 16)
			return false;
		n = n << 4 | (unsigned)d;
	}
	if (at == c->at)
		return false;
	c->at = at;
	*value = n;
	return true;
}

bool gdb_take_hex(struct gdb_cursor *c, uint8_t *bytes, size_t n)
{
	if (gdb_left(c) / 2 < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(c->at[2 * i]), low = digit(c->at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	c->at += 2 * n;
	return true;
}
