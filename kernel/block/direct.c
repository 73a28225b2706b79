/* SPDX-License-Identifier: MIT */
/*
 * O_DIRECT: between a process and the device, past the page cache. The device is lent the process's own pages; where
 * they cannot be, there are pages of the kernel's in between. Places, sizes and addresses are multiples of the disk's
 * block. What the cache has of the same bytes is written before, and made the same after a write, after which it is
 * dirty: a write-back that began meanwhile may bring the device what was there before.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/subject.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

constexpr uint32_t PAGES = 64, LOAN_PAGES = 256;

/* A transfer of bytes that follow each other, in the process's memory and on the device. */
struct span {
	struct blkdev *dev;
	struct io_buffer *buf;
	size_t offset, n; /* of the buffer */
	uint64_t at;	  /* of the device */
	bool write;
};

/* Pages of the process, and what of them the device is lent. */
struct loan {
	struct page **pages;
	uint32_t most, count;
	struct bio_piece pieces[];
};

static struct loan *loan_create(size_t n)
{
	uint32_t most = (uint32_t)MIN(n / PAGE_SIZE + 2, LOAN_PAGES);
	struct loan *l = kmalloc(sizeof(*l) + most * (sizeof(l->pieces[0]) + sizeof(l->pages[0])));

	if (l != nullptr) {
		l->most = most;
		l->pages = (struct page **)&l->pieces[most];
	}
	return l;
}

struct bounce {
	struct page *pages[PAGES];
	struct bio_piece pieces[PAGES];
	uint32_t count;
};

static bool is_aligned(const struct io_buffer *buf, size_t n, uint64_t pos, uint32_t block)
{
	uint64_t all = n | pos | buf->skip;

	if (buf->is_user && buf->segments == nullptr)
		all |= buf->user.value;
	for (uint32_t s = 0; buf->is_user && buf->segments != nullptr && s < buf->segment_count; s++)
		all |= buf->segments[s].base.value | buf->segments[s].length;
	return all % block == 0;
}

static struct bounce *bounce_create(size_t n)
{
	struct bounce *b = kmalloc(sizeof(*b));

	if (b == nullptr)
		return nullptr;
	b->count = page_alloc_user_batch(b->pages, (uint32_t)MIN((n + PAGE_SIZE - 1) / PAGE_SIZE, PAGES), false);
	if (b->count == 0) {
		kfree(b);
		return nullptr;
	}
	return b;
}

static void bounce_destroy(struct bounce *b)
{
	page_put_batch(b->pages, b->count);
	kfree(b);
}

/* Describes the first n bytes of the bounce; the number of pieces. */
static uint32_t describe(struct bounce *b, size_t n)
{
	uint32_t count = 0;

	for (; n > 0; count++) {
		uint32_t part = (uint32_t)MIN(n, PAGE_SIZE);

		b->pieces[count] = (struct bio_piece){b->pages[count], 0, part};
		n -= part;
	}
	return count;
}

/* Copies between the bounce and the process; bytes. */
static size_t copy(struct bounce *b, uint32_t pieces, struct io_buffer *buf, size_t offset, bool in)
{
	size_t done = 0;

	for (uint32_t n = 0; n < pieces; n++) {
		void *at = page_address(b->pieces[n].page);
		uint32_t part = b->pieces[n].length;
		size_t moved =
			in ? io_copy_in(at, buf, offset + done, part) : io_copy_out(buf, offset + done, at, part);

		done += moved;
		if (moved < part)
			break;
	}
	return done;
}

/* These bytes were written: what the cache has of them becomes the same. After an error nobody knows which of them the
 * device has: it is read again, or, what is in use, written again. */
static void update_cache(struct blkdev *dev, uint64_t at, const struct bio_piece *pieces, uint32_t count, size_t n,
			 int error)
{
	uint64_t first = at / PAGE_SIZE, end = (at + n + PAGE_SIZE - 1) / PAGE_SIZE;

	if (page_cache_seek(dev->inode->cache, first, end, true) == end)
		return;
	if (error != 0)
		cache_shed(dev, at, n);
	for (uint32_t p = 0; p < count; p++) {
		cache_update(dev, at, (char *)page_address(pieces[p].page) + pieces[p].offset, pieces[p].length);
		at += pieces[p].length;
	}
}

/* Where byte `offset` of the buffer is in the process, and how many follow it there, n at most. */
static size_t place_of(const struct io_buffer *buf, size_t offset, size_t n, user_addr *at)
{
	offset += buf->skip;
	if (buf->segments == nullptr) {
		*at = user_addr_add(buf->user, offset);
		return n;
	}
	for (uint32_t s = 0; s < buf->segment_count; s++) {
		const struct io_segment *segment = &buf->segments[s];

		if (offset < segment->length) {
			*at = user_addr_add(segment->base, offset);
			return MIN(n, segment->length - offset);
		}
		offset -= segment->length;
	}
	return 0;
}

/* As much of the span as the process can lend pages for; 0: nothing. */
static size_t borrow(struct loan *l, const struct span *s)
{
	user_addr at = {};
	size_t n = s->buf->is_user ? place_of(s->buf, s->offset, s->n, &at) : 0, done = 0;
	uint32_t skip = (uint32_t)(at.value % PAGE_SIZE);
	unsigned want = (unsigned)MIN((skip + n + PAGE_SIZE - 1) / PAGE_SIZE, l->most);

	l->count = n > 0 ? lend_user_pages(at, want, !s->write, l->pages) : 0;
	for (uint32_t p = 0; p < l->count; p++) {
		uint32_t length = (uint32_t)MIN(n - done, PAGE_SIZE - skip);

		l->pieces[p] = (struct bio_piece){l->pages[p], skip, length};
		done += length;
		skip = 0;
	}
	return done;
}

/* Bytes that the device had of the process's pages; 0: none are lent. */
static long move_lent(struct loan *l, const struct span *s)
{
	size_t n = borrow(l, s);

	if (n == 0)
		return 0;
	int error = blkdev_transfer(s->dev, s->write ? BIO_WRITE : BIO_READ, s->at, l->pieces, l->count);
	if (s->write)
		update_cache(s->dev, s->at, l->pieces, l->count, n, error);
	page_put_batch(l->pages, l->count);
	return error != 0 ? error : (long)n;
}

/* One bounce full; bytes, or an error if there are none. */
static long move_bounced(const struct span *s)
{
	struct bounce *b = bounce_create(s->n);
	size_t n = b != nullptr ? MIN(s->n, (size_t)b->count * PAGE_SIZE) : 0, moved = n;
	int error = b == nullptr ? -ENOMEM : 0;

	if (error == 0 && s->write) {
		moved = copy(b, describe(b, n), s->buf, s->offset, true);
		moved -= moved % s->dev->disk->geometry.block_bytes;
		error = moved == 0 ? -EFAULT : 0;
	}
	uint32_t pieces = error == 0 ? describe(b, moved) : 0;
	if (error == 0) {
		error = blkdev_transfer(s->dev, s->write ? BIO_WRITE : BIO_READ, s->at, b->pieces, pieces);
		if (s->write)
			update_cache(s->dev, s->at, b->pieces, pieces, moved, error);
	}
	if (error == 0 && !s->write && (moved = copy(b, pieces, s->buf, s->offset, false)) == 0)
		error = -EFAULT;
	if (b != nullptr)
		bounce_destroy(b);
	return error != 0 ? error : (long)moved;
}

static long direct(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos, bool write)
{
	struct blkdev *dev = blkdev_of(f);
	uint32_t block = dev->disk->geometry.block_bytes;
	size_t done = 0;
	long result = 0;

	if (!is_aligned(buf, n, *pos, block))
		return -EINVAL;
	uint64_t size = blkdev_bytes(dev);
	n = *pos < size ? MIN(n, size - *pos) : 0;
	if (n == 0)
		return 0;
	int error = cache_write_back(dev, *pos, n, false);
	struct loan *l = error == 0 ? loan_create(n) : nullptr;
	if (l == nullptr)
		return error != 0 ? error : -ENOMEM;
	/* A fault in the middle of a block ends it, too. */
	while (done < n && done % block == 0 && !(done > 0 && signal_fatal_current())) {
		struct span s = {dev, buf, done, n - done, *pos + done, write};

		result = move_lent(l, &s);
		if (result == 0)
			result = move_bounced(&s);
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	kfree(l);
	*pos += done;
	return done > 0 ? (long)done : result;
}

long direct_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return direct(f, buf, n, pos, false);
}

long direct_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return direct(f, buf, n, pos, true);
}
