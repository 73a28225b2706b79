/* SPDX-License-Identifier: MIT */
/*
 * The disk, as lib/ext4.h wants it. What is mounted to be read goes through the device's page cache. What is written
 * goes past it, by a page of the mount's own: files are written past it too, and what it had of their blocks, or of
 * neighbours in one page, would be written over them some time later.
 */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/wait.h>
#include <kernel/block/disk.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

static struct wait_queue drained = WAIT_QUEUE_INIT(drained); /* of all mounts */

/* Whole blocks of the device, at most a page, from or to the mount's own page. */
static int transfer(struct ext4_mount *m, enum bio_kind kind, uint64_t at, uint32_t bytes)
{
	struct bio_piece piece = {m->bounce, 0, bytes};
	struct bio bio = {.kind = kind, .pieces = &piece, .piece_count = 1};

	int error = blkdev_give(m->blkdev, &bio, at, bytes);
	return error != 0 ? error : bio_wait(&bio);
}

/* Of what follows `at`, what is in one page, in whole blocks of the device. */
struct span {
	uint64_t first;
	uint32_t bytes, skip, wanted;
};

static struct span span_of(const struct ext4_mount *m, uint64_t at, uint32_t bytes)
{
	uint64_t first = align_down(at, m->device_block);
	uint32_t skip = (uint32_t)(at - first), wanted = MIN(bytes, (uint32_t)PAGE_SIZE - skip);

	return (struct span){first, (uint32_t)align_up(skip + wanted, m->device_block), skip, wanted};
}

static int read_past(struct ext4_mount *m, uint64_t at, char *to, uint32_t bytes)
{
	while (bytes > 0) {
		struct span s = span_of(m, at, bytes);

		int error = transfer(m, BIO_READ, s.first, s.bytes);
		if (error != 0)
			return error;
		memcpy(to, (char *)page_address(m->bounce) + s.skip, s.wanted);
		at += s.wanted;
		to += s.wanted;
		bytes -= s.wanted;
	}
	return 0;
}

static int write_past(struct ext4_mount *m, uint64_t at, const char *from, uint32_t bytes)
{
	while (bytes > 0) {
		struct span s = span_of(m, at, bytes);
		/* The superblock may be a part of a block of the device. */
		int error = s.bytes != s.wanted ? transfer(m, BIO_READ, s.first, s.bytes) : 0;

		if (error != 0)
			return error;
		memcpy((char *)page_address(m->bounce) + s.skip, from, s.wanted);
		error = transfer(m, BIO_WRITE, s.first, s.bytes);
		if (error != 0)
			return error;
		at += s.wanted;
		from += s.wanted;
		bytes -= s.wanted;
	}
	return 0;
}

static int read_device(void *context, uint64_t at, void *to, uint32_t bytes)
{
	struct ext4_mount *m = context;

	FAULT_POINT(ext4_block);
	if (m->bounce != nullptr)
		return read_past(m, at, to, bytes);
	long n = file_read_at(m->device, to, bytes, at);
	return n < 0 ? (int)n : n == (long)bytes ? 0 : -EIO;
}

static int write_device(void *context, uint64_t at, const void *from, uint32_t bytes)
{
	struct ext4_mount *m = context;

	if (m->bounce != nullptr)
		return write_past(m, at, from, bytes);
	long n = file_write_at(m->device, from, bytes, at);
	return n < 0 ? (int)n : n == (long)bytes ? 0 : -EIO;
}

static int flush_device(void *context)
{
	struct ext4_mount *m = context;
	struct bio bio = {.kind = BIO_FLUSH};

	if (m->bounce == nullptr)
		return ext4_flush_cached(m);
	/* A commit that has begun is not given up half-way because its thread is to end. */
	int error = blkdev_give(m->blkdev, &bio, 0, 0);
	return error != 0 ? error : bio_wait(&bio);
}

static bool none_under_way(const struct ext4_mount *m)
{
	return __atomic_load_n(&m->under_way, __ATOMIC_ACQUIRE) == 0;
}

static int drain(void *context)
{
	struct ext4_mount *m = context;

	wait_event(&drained, none_under_way(m));
	return __atomic_load_n(&m->data_error, __ATOMIC_ACQUIRE);
}

void ext4_data_begins(struct ext4_mount *m)
{
	__atomic_fetch_add(&m->under_way, 1, __ATOMIC_ACQ_REL);
}

void ext4_data_arrived(struct ext4_mount *m, int error)
{
	if (error != 0)
		__atomic_store_n(&m->data_error, error, __ATOMIC_RELEASE);
	/* The mount may end once there is none. */
	if (__atomic_sub_fetch(&m->under_way, 1, __ATOMIC_ACQ_REL) == 0)
		wait_wake_all(&drained);
}

static void *alloc(size_t bytes)
{
	return kmalloc(bytes);
}

static void give_back(void *memory)
{
	kfree(memory);
}

int ext4_flush_cached(struct ext4_mount *m)
{
	struct file *f = m->device;

	return (int)f->ops->fsync(f, 0, UINT64_MAX / PAGE_SIZE, false);
}

int ext4_go_past(struct ext4_mount *m)
{
	if (m->bounce != nullptr)
		return 0;
	int error = ext4_flush_cached(m);
	if (error == 0)
		m->bounce = page_alloc_user(true);
	return error != 0 ? error : m->bounce != nullptr ? 0 : -ENOMEM;
}

void ext4_end_past(struct ext4_mount *m)
{
	if (m->bounce == nullptr)
		return;
	/* What the device's cache has is of before. */
	page_cache_shed(m->device->inode, 0, UINT64_MAX / PAGE_SIZE, true);
	page_cache_drop(m->device->inode, 0, UINT64_MAX / PAGE_SIZE);
	page_put(m->bounce);
	m->bounce = nullptr;
}

struct ext4_io ext4_device_io(struct ext4_mount *m, uint64_t bytes, bool read_only)
{
	return (struct ext4_io){.read = read_device,
				.write = read_only ? nullptr : write_device,
				.flush = flush_device,
				.drain = drain,
				.alloc = alloc,
				.free = give_back,
				.context = m,
				.bytes = bytes};
}
