/* SPDX-License-Identifier: MIT */
/*
 * Requests: bios that wait, and neighbours among them made into what a driver is given.
 *
 * A bio may go out in parts, and a request may hold parts of several bios. A bio's cursor (given, piece, piece_used)
 * says what has gone out; `parts` counts the requests that hold some of it. It ends when all of it was given and no
 * part is out; after an error, when no part is out. A bio that shares a failed request with others is given once more
 * alone, so that only the guilty one fails.
 *
 * This floor may fault at any function's beginning: then the lock is free again, the driver counts as broken, and its
 * requests are taken back. So a request is with the driver before bios are put into it, and each bio is in the request
 * before anything of it counts as given, and leaves it only when it is settled: no bio is ever in nothing.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <lib/string.h>

constexpr uint32_t NEIGHBOURS_MAX = 16; /* that are looked at for a place */

static bool has_data(const struct bio *b)
{
	return b->kind == BIO_READ || b->kind == BIO_WRITE;
}

void request_insert(struct block_queue *q, struct bio *b)
{
	struct list *at = q->waiting.prev;
	bool fits = has_data(b) && !b->alone;

	for (uint32_t n = 0; fits && n < NEIGHBOURS_MAX && at != &q->waiting; n++, at = at->prev) {
		const struct bio *w = list_entry(at, struct bio, link);

		if (w->kind != b->kind || w->alone)
			continue;
		if (w->block + w->blocks == b->block) {
			list_insert_after(at, &b->link);
			return;
		}
		if (w->given == 0 && b->block + b->blocks == w->block) {
			list_insert_after(at->prev, &b->link);
			return;
		}
	}
	list_push_back(&q->waiting, &b->link);
}

static inline void rewind(struct bio *b, uint32_t given, uint32_t piece, uint32_t piece_used)
{
	b->given = given;
	b->piece = piece;
	b->piece_used = piece_used;
}

/* As much of the rest of b's piece as r has room for, in whole blocks; 0: none. */
static uint32_t add_piece(const struct disk *d, struct request *r, const struct bio *b)
{
	const struct bio_piece *p = &b->pieces[b->piece];
	struct bio_piece *last = r->bio.piece_count > 0 ? &r->pieces[r->bio.piece_count - 1] : nullptr;
	uint32_t offset = p->offset + b->piece_used;
	uint32_t bytes = MIN(p->length - b->piece_used, d->bytes_max - r->bytes) & ~(d->geometry.block_bytes - 1);

	if (bytes == 0)
		return 0;
	if (last != nullptr && last->page == p->page && last->offset + last->length == offset) {
		last->length += bytes;
	} else {
		/* Between two pieces there is the end of a page, or a device that reads lists of pages could not do it.
		 */
		bool joins = last == nullptr || (last->offset + last->length == PAGE_SIZE && offset == 0);
		if (!joins || r->bio.piece_count == d->pieces_max)
			return 0;
		r->pieces[r->bio.piece_count++] = (struct bio_piece){p->page, offset, bytes};
	}
	r->bytes += bytes;
	return bytes;
}

static uint32_t add_data(const struct disk *d, struct request *r, struct bio *b)
{
	uint32_t before = r->bytes, bytes;

	while (b->piece < b->piece_count && (bytes = add_piece(d, r, b)) > 0) {
		FAULT_POINT(driver_disk_made);
		b->piece_used += bytes;
		if (b->piece_used == b->pieces[b->piece].length) {
			b->piece++;
			b->piece_used = 0;
		}
	}
	return (r->bytes - before) / d->geometry.block_bytes;
}

/* As much of b as r has room for. False: none of it. */
static bool add_bio(const struct disk *d, struct request *r, struct bio *b)
{
	uint32_t blocks = 0;

	r->bios[r->bio_count++] = b;
	b->parts++;
	if (has_data(b))
		blocks = add_data(d, r, b);
	else if (b->kind == BIO_DISCARD)
		blocks = MIN(b->blocks - b->given, d->discard_blocks_max - r->bio.blocks);
	else if (b->kind == BIO_ZERO)
		blocks = MIN(b->blocks - b->given, d->zero_blocks_max - r->bio.blocks);
	if (blocks == 0 && b->kind != BIO_FLUSH) {
		b->parts--;
		r->bio_count--;
		return false;
	}
	b->given += blocks;
	r->bio.blocks += blocks;
	if (b->given == b->blocks)
		list_remove(&b->link);
	return true;
}

static bool continues(const struct request *r, const struct bio *b)
{
	return b->kind == r->bio.kind && b->kind != BIO_FLUSH && b->given == 0 && !b->alone &&
	       b->block == r->bio.block + r->bio.blocks && r->bio_count < DISK_PIECES_MAX;
}

struct request *request_next(struct block_queue *q)
{
	if (list_empty(&q->waiting) || list_empty(&q->idle))
		return nullptr;
	struct request *r = list_first(&q->idle, struct request, link);
	struct bio *b = list_first(&q->waiting, struct bio, link);

	r->bytes = r->bio_count = 0;
	list_remove(&r->link);
	r->flying = true;
	list_push_back(&q->flying, &r->link);
	r->bio =
		(struct bio){.kind = b->kind, .block = b->block + b->given, .pieces = r->pieces, .unit = q->disk->unit};
	r->first_given = b->given;
	r->first_piece = b->piece;
	r->first_piece_used = b->piece_used;
	while (add_bio(q->disk, r, b) && b->given == b->blocks && !b->alone && !list_empty(&q->waiting)) {
		b = list_first(&q->waiting, struct bio, link);
		if (!continues(r, b))
			break;
	}
	for (uint32_t n = 1; n < r->bio_count; n++)
		r->bios[n]->merged = true;
	return r;
}

/* The last bio of r is no longer out with it. */
static void settle(struct block_queue *q, struct request *r) REQUIRES(q -> lock)
{
	struct bio *b = r->bios[--r->bio_count];

	if (--b->parts > 0)
		return;
	if (b->error == 0 && b->redo != REDO_NOT) {
		if (b->redo == REDO_BROKEN && ++b->tries >= DISK_TRIES_MAX) {
			b->error = -EIO;
		} else {
			b->redo = REDO_NOT;
			b->merged = false;
			b->alone = true;
			rewind(b, 0, 0, 0);
			list_push_front(&q->waiting, &b->link);
			return;
		}
	}
	if (b->error != 0 || b->given == b->blocks) {
		list_remove(&b->link);
		list_push_back(&q->ended, &b->link);
	}
}

static void request_free(struct block_queue *q, struct request *r) REQUIRES(q -> lock)
{
	r->flying = false;
	list_remove(&r->link);
	list_push_back(&q->idle, &r->link);
}

void request_return(struct block_queue *q, struct request *r)
{
	while (r->bio_count > 0) {
		uint32_t n = r->bio_count - 1;
		struct bio *b = r->bios[n];

		if (b->error != 0 || b->redo != REDO_NOT) {
			settle(q, r);
			continue;
		}
		r->bio_count = n;
		b->parts--;
		if (n == 0)
			rewind(b, r->first_given, r->first_piece, r->first_piece_used);
		else
			rewind(b, 0, 0, 0);
		list_remove(&b->link);
		list_push_front(&q->waiting, &b->link);
	}
	request_free(q, r);
}

void request_end(struct block_queue *q, struct request *r, int error, enum bio_redo redo)
{
	if (error != 0 && r->bio_count > 1)
		redo = REDO_ALONE;
	while (r->bio_count > 0) {
		struct bio *b = r->bios[r->bio_count - 1];

		if (redo > b->redo)
			b->redo = redo;
		else if (redo == REDO_NOT && error != 0)
			b->error = error;
		/* What has not been given yet is not given now. */
		if (b->redo != REDO_NOT || b->error != 0)
			list_remove(&b->link);
		FAULT_POINT(driver_disk_settled);
		settle(q, r);
	}
	request_free(q, r);
}
