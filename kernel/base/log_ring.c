/* SPDX-License-Identifier: MIT */
/* Records in a byte ring (log_ring.h). A record is a header and its text, both of which may wrap
 * around the end. */
#include "log_ring.h"

#include <lib/string.h>

struct header {
	uint64_t ns;
	uint16_t length;
	uint8_t level;
};

static void copy_in(struct log_ring *r, uint64_t at, const void *from, size_t n)
{
	size_t offset = at & (r->size - 1);
	size_t first = n < r->size - offset ? n : r->size - offset;

	memcpy(r->data + offset, from, first);
	memcpy(r->data, (const unsigned char *)from + first, n - first);
}

static void copy_out(const struct log_ring *r, uint64_t at, void *to, size_t n)
{
	size_t offset = at & (r->size - 1);
	size_t first = n < r->size - offset ? n : r->size - offset;

	memcpy(to, r->data + offset, first);
	memcpy((unsigned char *)to + first, r->data, n - first);
}

static void drop_oldest(struct log_ring *r)
{
	struct header h;

	copy_out(r, r->tail, &h, sizeof(h));
	r->tail += sizeof(h) + h.length;
	r->tail_seq++;
}

void log_ring_put(struct log_ring *r, uint8_t level, uint64_t ns, const char *text, size_t n)
{
	if (n > r->size / 4)
		n = r->size / 4;
	struct header h = {.ns = ns, .length = (uint16_t)n, .level = level};
	while (r->head + sizeof(h) + n - r->tail > r->size)
		drop_oldest(r);
	copy_in(r, r->head, &h, sizeof(h));
	copy_in(r, r->head + sizeof(h), text, n);
	r->head += sizeof(h) + n;
	r->head_seq++;
}

bool log_ring_get(const struct log_ring *r, struct log_cursor *c, struct log_record *out, char *text, size_t size)
{
	struct header h;

	out->lost = 0;
	if (c->seq < r->tail_seq) {
		out->lost = r->tail_seq - c->seq;
		*c = log_ring_oldest(r);
	}
	if (c->seq >= r->head_seq)
		return false;
	copy_out(r, c->at, &h, sizeof(h));
	out->ns = h.ns;
	out->seq = c->seq;
	out->length = h.length < size ? h.length : (uint16_t)size;
	out->level = h.level;
	copy_out(r, c->at + sizeof(h), text, out->length);
	c->at += sizeof(h) + h.length;
	c->seq++;
	return true;
}

struct log_cursor log_ring_oldest(const struct log_ring *r)
{
	return (struct log_cursor){r->tail, r->tail_seq};
}

struct log_cursor log_ring_newest(const struct log_ring *r)
{
	return (struct log_cursor){r->head, r->head_seq};
}
