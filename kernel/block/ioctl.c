/* SPDX-License-Identifier: MIT */
/*
 * ioctl(2) of block devices, as Linux has it (block/ioctl.c, block/partitions; man pages ioctl_fslabel, blockdev(8),
 * hdparm(8) tell what programs expect). Sizes are in bytes or in sectors of 512, whatever the disk's block is.
 */
#include "block.h"

#include <abi/block.h>
#include <abi/errno.h>
#include <kernel/base/subject.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
#include <kernel/vm/user.h>
#include <lib/partition.h>
#include <lib/string.h>

static long give_u16(user_addr to, uint64_t value)
{
	uint16_t v = (uint16_t)MIN(value, (uint64_t)UINT16_MAX);

	return copy_to_user(to, &v, sizeof(v));
}

static long give_u32(user_addr to, uint64_t value)
{
	uint32_t v = (uint32_t)value;

	return copy_to_user(to, &v, sizeof(v));
}

static long give_u64(user_addr to, uint64_t value)
{
	return copy_to_user(to, &value, sizeof(value));
}

/* The largest block that the size is a multiple of, up to a page, unless BLKBSZSET said another. */
static uint32_t soft_block(const struct blkdev *b)
{
	uint32_t bytes = b->disk->geometry.block_bytes;

	if (b->block_bytes != 0)
		return b->block_bytes;
	while (bytes < PAGE_SIZE && blkdev_bytes(b) % (2 * bytes) == 0)
		bytes *= 2;
	return bytes;
}

/* What is asked of the device itself. -ENOTTY: nothing of that. */
static long get(const struct blkdev *b, uint32_t command, user_addr to)
{
	const struct disk_geometry *g = &b->disk->geometry;

	switch (command) {
	case BLKGETSIZE: return give_u64(to, b->info.sectors);
	case BLKGETSIZE64: return give_u64(to, blkdev_bytes(b));
	case BLKSSZGET: return give_u32(to, g->block_bytes);
	case BLKPBSZGET: return give_u32(to, g->physical_bytes);
	case BLKBSZGET: return give_u32(to, soft_block(b));
	case BLKROGET: return give_u32(to, blkdev_is_read_only(b));
	case BLKRAGET:
	case BLKFRAGET: return give_u64(to, __atomic_load_n(&b->read_ahead, __ATOMIC_RELAXED));
	case BLKIOMIN: return give_u32(to, g->physical_bytes);
	case BLKIOOPT:
	case BLKALIGNOFF:
	case BLKDISCARDZEROES: return give_u32(to, 0);
	case BLKSECTGET: return give_u16(to, g->bytes_max / DISK_SECTOR);
	case BLKROTATIONAL: return give_u16(to, g->rotational);
	case BLKGETDISKSEQ: return give_u64(to, b->disk->sequence);
	default: return -ENOTTY;
	}
}

/* 64 heads of 32 sectors: what Linux tells of disks that have no geometry of their own. */
static long get_geometry(const struct blkdev *b, user_addr to)
{
	uint64_t cylinders = b->info.sectors / (64 * 32);
	struct hd_geometry g = {
		.heads = 64,
		.sectors = 32,
		.cylinders = (uint16_t)MIN(cylinders, (uint64_t)UINT16_MAX),
		.start = b->first * (b->disk->geometry.block_bytes / DISK_SECTOR),
	};

	return copy_to_user(to, &g, sizeof(g));
}

static long set_read_only(struct blkdev *b, user_addr from)
{
	int32_t value;

	long error = copy_from_user(&value, from, sizeof(value));
	if (error == 0)
		__atomic_store_n(&b->read_only, value != 0, __ATOMIC_RELAXED);
	return error;
}

static long set_block(struct blkdev *b, user_addr from)
{
	int32_t value;

	long error = copy_from_user(&value, from, sizeof(value));
	if (error != 0)
		return error;
	if (value < (int32_t)b->disk->geometry.block_bytes || value > (int32_t)PAGE_SIZE || (value & (value - 1)) != 0)
		return -EINVAL;
	b->block_bytes = (uint32_t)value;
	return 0;
}

/* A range of whole blocks within the device that a process wants changed. */
static long get_range(const struct file *f, user_addr from, uint64_t range[2])
{
	const struct blkdev *b = blkdev_of(f);
	uint32_t block = b->disk->geometry.block_bytes;

	if (!(f->mode & FILE_WRITE))
		return -EBADF;
	if (blkdev_is_read_only(b))
		return -EPERM;
	long error = copy_from_user(range, from, 2 * sizeof(range[0]));
	if (error != 0)
		return error;
	if (range[0] % block != 0 || range[1] % block != 0 || range[0] > blkdev_bytes(b) ||
	    range[1] > blkdev_bytes(b) - range[0])
		return -EINVAL;
	return 0;
}

static long discard(struct file *f, user_addr from)
{
	struct blkdev *b = blkdev_of(f);
	uint64_t range[2];

	long error = get_range(f, from, range);
	if (error == 0 && !b->disk->geometry.has_discard)
		error = -EOPNOTSUPP;
	if (error == 0)
		error = cache_write_back(b, range[0], range[1], false);
	if (error != 0)
		return error;
	error = blkdev_without_data(b, BIO_DISCARD, range[0], range[1]);
	if (error == 0)
		cache_forget(b, range[0], range[1]);
	else /* Some of it may be gone. */
		cache_shed(b, range[0], range[1]);
	return error;
}

static long send_zeros(struct blkdev *b, uint64_t at, uint64_t bytes)
{
	constexpr uint32_t PIECES = 32;
	struct bio_piece pieces[PIECES];
	struct page *zeros = page_alloc_user(true);
	long error = zeros != nullptr ? 0 : -ENOMEM;

	while (bytes > 0 && error == 0 && !signal_fatal_current()) {
		uint64_t done = 0;
		uint32_t count = 0;

		/* The same page of zeros again and again. */
		for (; count < PIECES && done < bytes; count++) {
			uint32_t part = (uint32_t)MIN(bytes - done, PAGE_SIZE);
			pieces[count] = (struct bio_piece){zeros, 0, part};
			done += part;
		}
		error = blkdev_transfer(b, BIO_WRITE, at, pieces, count);
		/* After an error nobody knows what the device has: it is read again, or, what is in use, written. */
		if (error != 0)
			cache_shed(b, at, done);
		cache_update(b, at, nullptr, done);
		at += done;
		bytes -= done;
	}
	if (zeros != nullptr)
		page_put(zeros);
	return error != 0 ? error : bytes > 0 ? -EINTR : 0;
}

/* By the device, of which only the range is told, in parts so that a signal is heard. 0: from *at on it is left to do;
 * a device that does not know how after all is asked no more. */
static long have_zeroed(struct blkdev *b, uint64_t *at, uint64_t *bytes)
{
	constexpr uint64_t PART = 64 << 20;

	while (*bytes > 0) {
		uint64_t part = MIN(*bytes, PART);

		if (signal_fatal_current())
			return -EINTR;
		int error = blkdev_without_data(b, BIO_ZERO, *at, part);
		if (error == -EOPNOTSUPP)
			return 0;
		if (error != 0)
			cache_shed(b, *at, part);
		cache_update(b, *at, nullptr, part);
		if (error != 0)
			return error;
		*at += part;
		*bytes -= part;
	}
	return 0;
}

long blkdev_write_zeros(struct blkdev *b, uint64_t at, uint64_t bytes)
{
	long error = b->disk->geometry.has_zero ? have_zeroed(b, &at, &bytes) : 0;

	return error == 0 && bytes > 0 ? send_zeros(b, at, bytes) : error;
}

static long zero_out(struct file *f, user_addr from)
{
	struct blkdev *b = blkdev_of(f);
	uint64_t range[2];

	long error = get_range(f, from, range);
	if (error == 0)
		error = cache_write_back(b, range[0], range[1], false);
	return error == 0 ? blkdev_write_zeros(b, range[0], range[1]) : error;
}

/* Partitions that a program adds and removes, whatever the table says (partx(8)). */
static long change_partition(struct blkdev *b, user_addr from)
{
	struct blkpg_argument a;
	struct blkpg_partition p;
	uint32_t block = b->disk->geometry.block_bytes;

	long error = copy_from_user(&a, from, sizeof(a));
	if (error == 0)
		error = copy_from_user(&p, USER_ADDR(a.data), sizeof(p));
	if (error != 0)
		return error;
	if (b->number != 0 || p.number <= 0 || p.number > (int32_t)PARTITION_NUMBERS_MAX)
		return -EINVAL;
	if (a.op == BLKPG_DEL_PARTITION)
		return blkdev_remove_partitions(b->disk, (uint32_t)p.number);
	if (a.op != BLKPG_ADD_PARTITION || p.start < 0 || p.length <= 0 || p.start % block != 0 ||
	    p.length % block != 0 || (uint64_t)p.start > blkdev_bytes(b) ||
	    (uint64_t)p.length > blkdev_bytes(b) - (uint64_t)p.start)
		return -EINVAL;
	return blkdev_add(b->disk, (uint32_t)p.number, (uint64_t)p.start / block, (uint64_t)p.length / block,
			  BLKDEV_APART);
}

/* What is read after it comes from the device, unless it is mapped. */
static long flush_buffers(struct blkdev *b)
{
	int error = cache_write_back(b, 0, blkdev_bytes(b), false);

	cache_shed(b, 0, blkdev_bytes(b));
	return error;
}

/* In sectors; less than a page is none. */
static int set_read_ahead(struct blkdev *b, uint64_t sectors)
{
	uint32_t most = (uint32_t)MIN(sectors, 1u << 20);

	__atomic_store_n(&b->read_ahead, most, __ATOMIC_RELAXED);
	__atomic_store_n(&b->inode->cache->ahead_most, most / (PAGE_SIZE / DISK_SECTOR), __ATOMIC_RELAXED);
	return 0;
}

/* What only an administrator may. */
static long administrate(struct file *f, uint32_t command, uint64_t arg)
{
	struct blkdev *b = blkdev_of(f);

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	switch (command) {
	case BLKROSET: return set_read_only(b, USER_ADDR(arg));
	case BLKBSZSET: return set_block(b, USER_ADDR(arg));
	case BLKRASET:
	case BLKFRASET: return set_read_ahead(b, arg);
	case BLKRRPART: return b->number != 0 ? -EINVAL : scan_again(b->disk);
	case BLKPG: return change_partition(b, USER_ADDR(arg));
	default: return flush_buffers(b); /* BLKFLSBUF */
	}
}

long blkdev_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	switch (command) {
	case BLKROSET:
	case BLKBSZSET:
	case BLKRASET:
	case BLKFRASET:
	case BLKRRPART:
	case BLKPG:
	case BLKFLSBUF: return administrate(f, command, arg);
	case BLKDISCARD: return discard(f, USER_ADDR(arg));
	case BLKSECDISCARD: return -EOPNOTSUPP;
	case BLKZEROOUT: return zero_out(f, USER_ADDR(arg));
	case HDIO_GETGEO: return get_geometry(blkdev_of(f), USER_ADDR(arg));
	default: return get(blkdev_of(f), command, USER_ADDR(arg));
	}
}
