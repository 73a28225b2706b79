/* SPDX-License-Identifier: MIT */
/*
 * The log's store: records in a byte ring; new ones push out the oldest. Pure: no locks, no
 * allocation; the caller serialises. Positions are counted from the beginning of time, so a cursor
 * knows when it was overtaken.
 */
#ifndef CORE_LOG_RING_H
#define CORE_LOG_RING_H

#include <stddef.h>
#include <stdint.h>

struct log_ring {
	unsigned char *data;
	size_t size;		     /* a power of two */
	uint64_t head, tail;	     /* newest byte's end, oldest record's begin */
	uint64_t head_seq, tail_seq; /* number of the next record, of the oldest */
};

struct log_cursor {
	uint64_t at, seq;
};

struct log_record {
	uint64_t ns;
	uint64_t seq;
	uint64_t lost;	 /* records that were overwritten before the cursor saw them */
	uint16_t length; /* of the text, without a newline */
	uint8_t level;
};

/* Appends a record; text beyond a quarter of the ring is cut. */
void log_ring_put(struct log_ring *r, uint8_t level, uint64_t ns, const char *text, size_t n);
/* Copies the record at the cursor (at most `size` bytes of its text) and moves the cursor on.
 * False: none is left. */
bool log_ring_get(const struct log_ring *r, struct log_cursor *c, struct log_record *out, char *text, size_t size);
struct log_cursor log_ring_oldest(const struct log_ring *r);
struct log_cursor log_ring_newest(const struct log_ring *r);

#endif
