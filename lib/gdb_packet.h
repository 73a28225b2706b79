/* SPDX-License-Identifier: MIT */
/*
 * Packets of GDB's remote serial protocol ("Debugging with GDB", appendix E, "Overview" and "Packet Acknowledgment"):
 * `$`, data in which `}` escapes the next byte, `#`, two digits of checksum. Pure: bytes go in one by one, and out by
 * a function. The other end of the line is not trusted: what is too long or damaged is said to be so, never kept.
 */
#ifndef LIB_GDB_PACKET_H
#define LIB_GDB_PACKET_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of data in one packet, as qSupported tells. */
constexpr size_t GDB_PACKET_MAX = 2048;

enum gdb_input : uint8_t {
	GDB_NOTHING,	/* the packet has not ended */
	GDB_PACKET,	/* a good one is in data[0 … length) */
	GDB_DAMAGED,	/* one with a wrong checksum: to be asked for again */
	GDB_OVERLONG,	/* a good one of more than GDB_PACKET_MAX bytes */
	GDB_INTERRUPT,	/* the byte 3 between packets */
	GDB_RETRANSMIT, /* `-` between packets */
};

struct gdb_receiver {
	enum gdb_receiver_state : uint8_t { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	uint8_t sum, wanted;
	bool overlong;
	size_t length;
	uint8_t data[GDB_PACKET_MAX];
};

/* What the byte ended. data is good until the next byte. */
enum gdb_input gdb_receive(struct gdb_receiver *r, uint8_t byte);

/* A packet's data while it is made. What does not fit is left out, and `overflow` says so. */
struct gdb_reply {
	bool overflow;
	size_t length;
	uint8_t data[GDB_PACKET_MAX];
};

static inline void gdb_begin(struct gdb_reply *r)
{
	r->length = 0;
	r->overflow = false;
}
/* Each appends. gdb_put_hex: bytes as two digits each; gdb_put_number: in hex without leading zeros. */
void gdb_put(struct gdb_reply *r, uint8_t byte);
void gdb_put_text(struct gdb_reply *r, const char *text);
void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t n);
void gdb_put_number(struct gdb_reply *r, uint64_t value);
/* Sends it, escaped as it needs. */
void gdb_send(const struct gdb_reply *r, void (*send)(void *context, uint8_t byte), void *context);

/* What is left of a packet that is read. */
struct gdb_cursor {
	const uint8_t *at, *end;
};

/* Each takes what it names off the front, or nothing if that is not there. A number has 1 to 16 hex digits. */
bool gdb_take(struct gdb_cursor *c, uint8_t byte);
bool gdb_take_text(struct gdb_cursor *c, const char *text);
bool gdb_take_number(struct gdb_cursor *c, uint64_t *value);
/* Exactly n bytes, two digits each. */
bool gdb_take_hex(struct gdb_cursor *c, uint8_t *bytes, size_t n);
static inline size_t gdb_left(const struct gdb_cursor *c)
{
	return (size_t)(c->end - c->at);
}

#endif
