/* SPDX-License-Identifier: MIT */
/*
 * The page cache of a block device: an inode of a filesystem that is mounted nowhere, filled from the device and
 * written back to it. A device need not end with a page; what is behind its end is zeros, and is never written.
 */
#include "block.h"

#include "../vfs/page_cache.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

static struct mount *bdev_mount; /* set at boot */
static const struct inode_ops no_inode_ops = {};

static struct blkdev *device_of(const struct inode *i)
{
	return i->private_data;
}

/* How much of a page the device has. */
static uint32_t bytes_at(const struct inode *i, uint64_t index)
{
	return (uint32_t)MIN(i->size - index * PAGE_SIZE, PAGE_SIZE);
}

static int fill(struct inode *i, uint64_t index, struct page *page)
{
	struct bio_piece piece = {page, 0, bytes_at(i, index)};

	memset((char *)page_address(page) + piece.length, 0, PAGE_SIZE - piece.length);
	return blkdev_transfer(device_of(i), BIO_READ, index * PAGE_SIZE, &piece, 1);
}

static int write_back(struct inode *i, uint64_t index, struct page *page)
{
	struct bio_piece piece = {page, 0, bytes_at(i, index)};

	return blkdev_transfer(device_of(i), BIO_WRITE, index * PAGE_SIZE, &piece, 1);
}

static const struct page_cache_ops cache_ops = {.fill = fill, .write_back = write_back};

static void bdev_evict(struct inode *i)
{
	if (i->cache != nullptr) {
		page_cache_drop(i, 0, UINT64_MAX);
		kfree(i->cache);
	}
}

/* sync(2) */
static int bdev_sync(struct superblock *)
{
	int result = 0;

	for (struct blkdev *b = blkdev_each(nullptr); b != nullptr; b = blkdev_each(b)) {
		int error = cache_write_back(b);
		if (error == 0 && b->number == 0)
			error = disk_flush(b->disk);
		result = result != 0 ? result : error;
	}
	return result;
}

static const struct super_ops bdev_super_ops = {.evict = bdev_evict, .sync = bdev_sync};

static int bdev_fill(struct superblock *sb, const struct mount_options *)
{
	sb->ops = &bdev_super_ops;
	sb->root = inode_create(sb, S_IFDIR | 0700, &no_inode_ops, nullptr);
	return sb->root != nullptr ? 0 : -ENOMEM;
}

static struct filesystem bdevfs = {.name = "bdev", .component = &component_block, .fill = bdev_fill, .single = true};

struct inode *cache_create(struct blkdev *b)
{
	if (bdev_mount == nullptr)
		return nullptr;
	struct inode *i = inode_create(bdev_mount->sb, S_IFBLK | 0600, &no_inode_ops, nullptr);
	if (i == nullptr)
		return nullptr;
	i->cache = kmalloc(sizeof(*i->cache));
	if (i->cache == nullptr) {
		inode_put(i);
		return nullptr;
	}
	page_cache_init(i->cache, &cache_ops);
	i->private_data = b;
	i->size = blkdev_bytes(b);
	i->rdev = make_dev(b->info.major, b->info.minor);
	return i;
}

int cache_write_back(struct blkdev *b)
{
	return page_cache_write_back(b->inode);
}

void cache_drop(struct blkdev *b)
{
	page_cache_drop(b->inode, 0, UINT64_MAX);
}

void cache_update(struct blkdev *b, uint64_t at, const void *from, uint64_t n)
{
	const unsigned char *bytes = from;

	while (n > 0) {
		uint64_t index = at / PAGE_SIZE;
		uint32_t offset = (uint32_t)(at % PAGE_SIZE), part = (uint32_t)MIN(n, PAGE_SIZE - offset);
		struct page *page = page_cache_find(b->inode->cache, index);

		if (page != nullptr) {
			unsigned char *to = (unsigned char *)page_address(page) + offset;
			if (bytes != nullptr)
				memcpy(to, bytes, part);
			else
				memset(to, 0, part);
			page_put(page);
		}
		at += part;
		n -= part;
		bytes = bytes != nullptr ? bytes + part : nullptr;
	}
}

void cache_forget(struct blkdev *b, uint64_t at, uint64_t n)
{
	uint64_t first = (at + PAGE_SIZE - 1) / PAGE_SIZE, end = (at + n) / PAGE_SIZE;

	if (first < end)
		page_cache_drop(b->inode, first, end - 1);
}

static int block_start(void)
{
	bdev_mount = mount_internal(&bdevfs);
	if (bdev_mount == nullptr)
		return -ENOMEM;
	special_set_block_open(blkdev_open);
	return 0;
}

DEFINE_COMPONENT(block, .stage = STAGE_FS, .start = block_start);
