/* SPDX-License-Identifier: MIT */
/*
 * O_DIRECT: between a process and the device, past the page cache, by pages of the kernel's own in between. Places,
 * sizes and addresses are multiples of the disk's block. What the cache has of the same bytes is written before, and
 * made the same after a write.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/subject.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

constexpr uint32_t PAGES = 64;

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

/* One bounce full from or to `at`; bytes, or an error if there are none. */
static long move(struct blkdev *dev, struct bounce *b, struct io_buffer *buf, size_t offset, size_t n, uint64_t at,
		 bool write)
{
	uint32_t block = dev->disk->geometry.block_bytes;
	size_t moved = n;

	if (write) {
		moved = copy(b, describe(b, n), buf, offset, true);
		moved -= moved % block;
	}
	if (moved == 0)
		return -EFAULT;
	uint32_t pieces = describe(b, moved);
	int error = blkdev_transfer(dev, write ? BIO_WRITE : BIO_READ, at, b->pieces, pieces);
	if (error != 0)
		return error;
	if (!write) {
		moved = copy(b, pieces, buf, offset, false);
		return moved > 0 ? (long)moved : -EFAULT;
	}
	for (uint32_t p = 0; p < pieces; p++) {
		cache_update(dev, at, page_address(b->pieces[p].page), b->pieces[p].length);
		at += b->pieces[p].length;
	}
	return (long)moved;
}

static long direct(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos, bool write)
{
	struct blkdev *dev = blkdev_of(f);
	size_t done = 0;
	long result = 0;

	if (!is_aligned(buf, n, *pos, dev->disk->geometry.block_bytes))
		return -EINVAL;
	uint64_t size = blkdev_bytes(dev);
	n = *pos < size ? MIN(n, size - *pos) : 0;
	if (n == 0)
		return 0;
	int error = cache_write_back(dev, *pos, n);
	struct bounce *b = error == 0 ? bounce_create(n) : nullptr;
	if (b == nullptr)
		return error != 0 ? error : -ENOMEM;
	while (done < n && !(done > 0 && signal_fatal_current())) {
		size_t part = MIN(n - done, (size_t)b->count * PAGE_SIZE);

		result = move(dev, b, buf, done, part, *pos + done, write);
		if (result > 0)
			done += (size_t)result;
		if (result < (long)part)
			break;
	}
	bounce_destroy(b);
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
