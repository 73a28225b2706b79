/* SPDX-License-Identifier: MIT */
/*
 * Open block devices: reading, writing and mapping through the page cache, or past it with O_DIRECT, by the bounce of
 * direct.c; what fsync(2) promises.
 */
#include "block.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

struct bio blkdev_bio(struct blkdev *b, enum bio_kind kind, uint64_t at, uint64_t bytes)
{
	uint32_t block = b->disk->geometry.block_bytes;

	return (struct bio){.kind = kind,
			    .block = b->first + at / block,
			    .blocks = (uint32_t)(bytes / block),
			    .stats = b->number != 0 ? &b->own_stats : nullptr};
}

int blkdev_transfer(struct blkdev *b, enum bio_kind kind, uint64_t at, const struct bio_piece *pieces, uint32_t count)
{
	uint64_t bytes = 0;

	for (uint32_t n = 0; n < count; n++)
		bytes += pieces[n].length;
	if (at > blkdev_bytes(b) || bytes > blkdev_bytes(b) - at)
		return -EINVAL;
	struct bio bio = blkdev_bio(b, kind, at, bytes);
	bio.pieces = pieces;
	bio.piece_count = count;
	return bio_run(b->disk, &bio);
}

int blkdev_without_data(struct blkdev *b, enum bio_kind kind, uint64_t at, uint64_t bytes)
{
	uint64_t most = (uint64_t)UINT32_MAX * b->disk->geometry.block_bytes;
	int error = 0;

	while (bytes > 0 && error == 0) {
		uint64_t part = MIN(bytes, most);
		struct bio bio = blkdev_bio(b, kind, at, part);

		error = bio_run(b->disk, &bio);
		at += part;
		bytes -= part;
	}
	return error;
}

static long blkdev_fsync(struct file *f, uint64_t first, uint64_t last, bool data)
{
	long error = page_cache_fsync(f, first, last, data);

	return error != 0 ? error : disk_flush(blkdev_of(f)->disk);
}

/* What of it is cached is of no disk any more. */
static bool is_gone(const struct blkdev *b)
{
	return disk_state(b->disk) == DISK_GONE;
}

static long blkdev_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	if (is_gone(blkdev_of(f)))
		return -ENODEV;
	return f->flags & O_DIRECT ? direct_read(f, buf, n, pos) : page_cache_read(f, buf, n, pos);
}

static long blkdev_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct blkdev *b = blkdev_of(f);
	uint64_t size = blkdev_bytes(b);

	if (is_gone(b))
		return -ENODEV;
	if (blkdev_is_read_only(b))
		return -EPERM;
	if (n == 0)
		return 0;
	/* It does not grow. */
	if (*pos >= size || io_is_append(f, buf))
		return -ENOSPC;
	n = MIN(n, size - *pos);
	long done = f->flags & O_DIRECT ? direct_write(f, buf, n, pos) : page_cache_write(f, buf, n, pos);
	if (done > 0 && (f->flags & (O_SYNC | O_DSYNC))) {
		long error = blkdev_fsync(f, (*pos - (uint64_t)done) / PAGE_SIZE, (*pos - 1) / PAGE_SIZE, true);
		if (error != 0)
			return error;
	}
	return done;
}

/* EINVAL, as of a file that can only be read (mmap(2)), whatever it was opened for. */
static int blkdev_map_shared(struct file *f)
{
	return blkdev_is_read_only(blkdev_of(f)) ? -EINVAL : 0;
}

static long blkdev_seek(struct file *f, int64_t offset, int whence)
{
	uint64_t before = f->position;
	long result = file_seek_generic(f, offset, whence);

	if (result > 0 && (uint64_t)result > blkdev_bytes(blkdev_of(f))) {
		f->position = before;
		return -EINVAL;
	}
	return result;
}

const struct file_ops blkdev_file_ops = {
	.component = &component_block,
	.read = blkdev_read,
	.write = blkdev_write,
	.seek = blkdev_seek,
	.object = &page_cache_object,
	.ioctl = blkdev_ioctl,
	.release = blkdev_close,
	.fsync = blkdev_fsync,
	.map_shared = blkdev_map_shared,
};
