/* SPDX-License-Identifier: MIT */
/*
 * The page cache of a block device: an inode of a filesystem that is mounted nowhere, filled from the device and
 * written back to it. A device need not end with a page; what is behind its end is zeros, and is never written.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
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

/* What a range of pages is to the disk; it stands in the range. */
struct transfer {
	struct bio bio;
	struct bio_piece pieces[PAGE_RANGE_MAX];
};
static_assert(sizeof(struct transfer) <= PAGE_RANGE_STORE);

static void transfer_done(struct bio *b)
{
	if (b->kind == BIO_READ)
		page_cache_filled(b->owner, b->error);
	else
		page_cache_written(b->owner, b->error);
}

static int begin(struct page_range *r, enum bio_kind kind)
{
	struct transfer *t = (struct transfer *)r->store;
	struct blkdev *b = device_of(r->inode);
	uint64_t bytes = 0;

	for (uint32_t k = 0; k < r->count; k++) {
		t->pieces[k] = (struct bio_piece){r->pages[k], 0, bytes_at(r->inode, r->first + k)};
		bytes += t->pieces[k].length;
	}
	t->bio = blkdev_bio(b, kind, r->first * PAGE_SIZE, bytes);
	t->bio.pieces = t->pieces;
	t->bio.piece_count = r->count;
	t->bio.done = transfer_done;
	t->bio.owner = r;
	return bio_give(b->disk, &t->bio);
}

static int fill(struct page_range *r)
{
	return begin(r, BIO_READ);
}

static int write(struct page_range *r)
{
	return begin(r, BIO_WRITE);
}

static const struct page_cache_ops cache_ops = {.fill = fill, .write = write};

/* The device goes with its inode, which the list of dirty caches may keep for a while. */
static void bdev_evict(struct inode *i)
{
	if (i->cache != nullptr) {
		page_cache_end(i);
		kfree(i->cache);
	}
	if (i->private_data != nullptr)
		blkdev_free(i->private_data);
}

/* --- sync(2): each disk by itself --- */

/* The disk's own cache last: also what its partitions had is in it by then. Patiently: without memory for a thread who
 * asked runs it, for others, too, who need not end when he is to. */
static int sync_disk(void *arg)
{
	struct disk *d = arg;
	int result = 0;

	for (struct blkdev *b = blkdev_each(nullptr); b != nullptr; b = blkdev_each(b)) {
		int error = b->disk == d ? cache_write_back(b, 0, blkdev_bytes(b), true) : 0;

		result = result != 0 ? result : error;
	}
	struct bio flush = {.kind = BIO_FLUSH};
	int error = bio_run(d, &flush);
	return result != 0 ? result : error;
}

static void keep_disk(void *arg)
{
	disk_get(arg);
}

static void let_disk_go(void *arg)
{
	disk_put(arg);
}

const struct sync_work cache_sync_work = {
	.component = &component_block, .run = sync_disk, .get = keep_disk, .put = let_disk_go};

static void bdev_sync_begin(struct superblock *)
{
	for (struct blkdev *b = blkdev_each(nullptr); b != nullptr; b = blkdev_each(b))
		if (b->number == 0)
			sync_job_begin(&b->disk->sync_job);
}

static int bdev_sync_end(struct superblock *)
{
	int result = 0;

	for (struct blkdev *b = blkdev_each(nullptr); b != nullptr; b = blkdev_each(b)) {
		int error = b->number == 0 ? sync_job_wait(&b->disk->sync_job) : 0;

		if (error == -EINTR) {
			blkdev_put(b);
			return error;
		}
		result = result != 0 ? result : error;
	}
	return result;
}

static const struct super_ops bdev_super_ops = {
	.evict = bdev_evict, .sync_begin = bdev_sync_begin, .sync_end = bdev_sync_end};

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
	page_cache_init(i, &cache_ops);
	i->cache->store = &b->disk->store;
	i->private_data = b;
	i->size = blkdev_bytes(b);
	i->rdev = make_dev(b->info.major, b->info.minor);
	return i;
}

int cache_write_back(struct blkdev *b, uint64_t at, uint64_t n, bool patient)
{
	if (n == 0)
		return 0;
	const uint64_t *errors = &b->inode->cache->error;
	uint64_t before = __atomic_load_n(errors, __ATOMIC_ACQUIRE);
	int error = page_cache_write_all(b->inode, at / PAGE_SIZE, (at + n - 1) / PAGE_SIZE, patient);

	return error != 0 ? error : __atomic_load_n(errors, __ATOMIC_ACQUIRE) != before ? -EIO : 0;
}

void cache_shed(struct blkdev *b, uint64_t at, uint64_t n)
{
	if (n > 0)
		page_cache_shed(b->inode, at / PAGE_SIZE, (at + n - 1) / PAGE_SIZE, true);
}

void cache_update(struct blkdev *b, uint64_t at, const void *from, uint64_t n)
{
	const unsigned char *bytes = from;
	uint64_t end = (at + n + PAGE_SIZE - 1) / PAGE_SIZE;

	while (n > 0) {
		uint64_t index = at / PAGE_SIZE, next = page_cache_seek(b->inode->cache, index, end, true);
		uint64_t offset = at % PAGE_SIZE, part = MIN(n, PAGE_SIZE - offset);
		struct page *page = nullptr;

		if (next > index)
			part = MIN(n, next * PAGE_SIZE - at);
		else /* What is being read may have left the device before these bytes reached it. */
			page = page_cache_find_filled(b->inode->cache, index);
		if (page != nullptr) {
			unsigned char *to = (unsigned char *)page_address(page) + offset;
			if (bytes != nullptr)
				memcpy(to, bytes, part);
			else
				memset(to, 0, part);
			/* What it was before may be on its way to the device, and arrive there after these bytes. */
			page_cache_mark_dirty(b->inode, index, page);
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
		page_cache_punch(b->inode, first, end - 1);
}

static int block_start(void)
{
	bdev_mount = mount_internal(&bdevfs);
	if (bdev_mount == nullptr)
		return -ENOMEM;
	special_set_block_open(blkdev_open);
	return block_show_class();
}

DEFINE_COMPONENT(
	block, .stage = STAGE_FS, .start = block_start,
	.users =
		"a call that faulted in it is EFAULT; a disk whose queue it was gets its driver anew, and its requests once more");
