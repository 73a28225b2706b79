/* SPDX-License-Identifier: MIT */
/*
 * Regular files of ext4: their page caches are filled from the device, past its own. A range of pages is as many
 * requests as there are pieces of the disk in which it stands; holes and what was never written are zeros.
 */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/block/disk.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

/* One piece of the disk, and what of the pages it fills. */
struct part {
	struct bio bio;
	uint64_t at, bytes;
	struct bio_piece *pieces;
};
/* Parts, then the pieces of all of them: at most one of each for each block. */
struct filling {
	struct page_range *range;
	uint32_t left; /* atomic: parts under way, and who begins them */
	int error;     /* atomic */
	uint32_t count, used;
	struct part parts[];
};

static void part_over(struct filling *f)
{
	if (__atomic_sub_fetch(&f->left, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	page_cache_filled(f->range, f->error);
	kfree(f);
}

/* In any thread. A bio of which this was told is not one of a filling any more. */
static void part_done(struct bio *b)
{
	struct filling *f = __atomic_exchange_n(&b->owner, nullptr, __ATOMIC_ACQ_REL);

	if (f == nullptr)
		return;
	if (b->error != 0)
		__atomic_store_n(&f->error, b->error, __ATOMIC_RELAXED);
	part_over(f);
}

/* Block `index` of the range stands in this memory. */
static struct bio_piece place_of(const struct ext4_mount *m, const struct page_range *r, uint32_t index)
{
	uint32_t per_page = PAGE_SIZE / m->block_bytes;

	return (struct bio_piece){r->pages[index / per_page], index % per_page * m->block_bytes, m->block_bytes};
}

static void add_block(const struct ext4_mount *m, struct filling *f, struct bio_piece *pieces, uint64_t physical,
		      uint32_t index)
{
	struct part *p = f->count > 0 ? &f->parts[f->count - 1] : nullptr;
	uint64_t at = physical * m->block_bytes;

	if (p == nullptr || p->at + p->bytes != at) {
		p = &f->parts[f->count++];
		*p = (struct part){.at = at, .pieces = &pieces[f->used]};
		p->bio = (struct bio){.kind = BIO_READ, .pieces = p->pieces, .done = part_done, .owner = f};
	}
	pieces[f->used++] = place_of(m, f->range, index);
	p->bio.piece_count++;
	p->bytes += m->block_bytes;
}

static void clear_block(const struct ext4_mount *m, const struct page_range *r, uint32_t index)
{
	struct bio_piece p = place_of(m, r, index);

	memset((char *)page_address(p.page) + p.offset, 0, p.length);
}

/* What lies behind the file's end is in no block of it. */
static int gather(struct ext4_mount *m, struct filling *f, struct bio_piece *pieces, uint32_t blocks)
	REQUIRES(&m -> lock)
{
	const struct ext4_inode *d = &node_of(f->range->inode)->disk;
	uint64_t first = f->range->first * (PAGE_SIZE / m->block_bytes);
	uint64_t end = (d->size + m->block_bytes - 1) / m->block_bytes;

	for (uint32_t n = 0; n < blocks;) {
		struct ext4_run run = {.kind = RUN_HOLE, .count = blocks - n};

		int error = first + n < end ? ext4_map(&m->fs, d, (uint32_t)(first + n), &run) : 0;
		if (error != 0)
			return error;
		if (first + n < end)
			run.count = (uint32_t)MIN((uint64_t)run.count, end - (first + n));
		for (uint32_t k = MIN(run.count, blocks - n); k > 0; k--, n++, run.physical++) {
			if (run.kind == RUN_DATA)
				add_block(m, f, pieces, run.physical, n);
			else
				clear_block(m, f->range, n);
		}
	}
	return 0;
}

static int fill(struct page_range *r)
{
	struct ext4_mount *m = mount_of(r->inode->sb);
	uint32_t blocks = r->count * (uint32_t)(PAGE_SIZE / m->block_bytes);
	struct filling *f = kmalloc(sizeof(*f) + blocks * (sizeof(struct part) + sizeof(struct bio_piece)));

	if (f == nullptr)
		return -ENOMEM;
	f->range = r;
	f->left = 1;
	ext4_enter(m);
	int error = gather(m, f, (struct bio_piece *)&f->parts[blocks], blocks);
	ext4_leave(m);
	if (error != 0) {
		kfree(f);
		return ext4_told(m, error, "where its blocks are cannot be read", r->inode->ino) == -EINTR ? -EINTR
													   : -EIO;
	}
	FAULT_POINT(ext4_fill);
	__atomic_fetch_add(&f->left, f->count, __ATOMIC_RELAXED);
	/* The filling lives until the last of these has ended and this thread's own share is over. */
	for (uint32_t n = 0; n < f->count; n++) {
		struct part *p = &f->parts[n];

		error = blkdev_give(m->blkdev, &p->bio, p->at, p->bytes);
		if (error != 0) {
			p->bio.error = error;
			part_done(&p->bio); /* nobody else tells its end */
		}
	}
	part_over(f);
	return 0;
}

const struct page_cache_ops ext4_cache_ops = {.fill = fill, .write = ext4_write_range, .prepare = ext4_prepare};
const struct inode_ops ext4_file_inode_ops = {.truncate = ext4_file_truncate,
					      .allocate = ext4_file_allocate,
					      .attribute_get = ext4_attribute_get,
					      .attribute_list = ext4_attribute_list};
const struct file_ops ext4_file_ops = {
	.component = &component_ext4,
	.read = page_cache_read,
	.write = ext4_file_write,
	.seek = page_cache_seek_file,
	.object = &page_cache_object,
	.fsync = ext4_fsync,
};
