/* SPDX-License-Identifier: MIT */
/*
 * Regular files of ext4 are written. A page gets its place before anybody writes to it, as blocks that are read as
 * zeros. When it goes to the disk these become data, in the running transaction, which is not committed before the
 * bytes have arrived: so after a power cut a file has what was written or zeros, and never what was there before.
 */
#include "ext4.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/fault_point.h>
#include <kernel/block/disk.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

/* One piece of the disk, and what of the pages comes there. */
struct part {
	struct bio bio;
	uint64_t at, bytes;
	struct bio_piece *pieces;
};
/* Parts, then the pieces of all of them: at most one of each for each block. */
struct writing {
	struct page_range *range;
	struct ext4_mount *mount;
	uint32_t left; /* atomic: parts under way, and who begins them */
	int error;     /* atomic */
	uint32_t count, used;
	uint32_t given; /* parts that the device was asked to write */
	bool stays;	/* a fault left it: it is never freed */
	struct part parts[];
};

static int refused(const struct ext4_mount *m) REQUIRES(&m -> lock)
{
	return m->fs.writer == nullptr || ext4_aborted(&m->fs) != 0 ? -EROFS : 0;
}

int ext4_prepare(struct inode *i, uint64_t first, uint64_t pages)
{
	struct ext4_mount *m = mount_of(i->sb);
	uint64_t per_page = PAGE_SIZE / m->block_bytes;

	if ((first + pages) * per_page > UINT32_MAX)
		return -EFBIG;
	ext4_enter(m);
	struct ext4_inode *d = &node_of(i)->disk;
	int error = refused(m);
	if (error == 0)
		error = ext4_allocate(&m->fs, d, (uint32_t)(first * per_page), (uint32_t)(pages * per_page));
	i->blocks = d->blocks;
	ext4_leave(m);
	return ext4_told(m, error, "it cannot grow", i->ino);
}

static void part_over(struct writing *w)
{
	if (__atomic_sub_fetch(&w->left, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	struct page_range *r = w->range;
	int error = w->error;

	/* Before the range: with its last one the mount may end. */
	ext4_data_arrived(w->mount, error);
	if (!w->stays)
		kfree(w);
	page_cache_written(r, error);
}

/* In any thread. A bio of which this was told is not one of a writing any more. */
static void part_done(struct bio *b)
{
	struct writing *w = __atomic_exchange_n(&b->owner, nullptr, __ATOMIC_ACQ_REL);

	if (w == nullptr)
		return;
	if (b->error != 0)
		__atomic_store_n(&w->error, b->error, __ATOMIC_RELAXED);
	part_over(w);
}

/* Block `index` of the range stands in this memory. */
static struct bio_piece place_of(const struct ext4_mount *m, const struct page_range *r, uint32_t index)
{
	uint32_t per_page = PAGE_SIZE / m->block_bytes;

	return (struct bio_piece){r->pages[index / per_page], index % per_page * m->block_bytes, m->block_bytes};
}

static void add_block(const struct ext4_mount *m, struct writing *w, struct bio_piece *pieces, uint64_t physical,
		      uint32_t index)
{
	struct part *p = w->count > 0 ? &w->parts[w->count - 1] : nullptr;
	uint64_t at = physical * m->block_bytes;

	if (p == nullptr || p->at + p->bytes != at) {
		p = &w->parts[w->count++];
		*p = (struct part){.at = at, .pieces = &pieces[w->used]};
		p->bio = (struct bio){.kind = BIO_WRITE, .pieces = p->pieces, .done = part_done, .owner = w};
	}
	pieces[w->used++] = place_of(m, w->range, index);
	p->bio.piece_count++;
	p->bytes += m->block_bytes;
}

/* The blocks of the range that are the file's: they are data from now on. */
static int become_data(struct ext4_mount *m, const struct page_range *r, uint32_t *blocks) REQUIRES(&m -> lock)
{
	struct ext4_inode *d = &node_of(r->inode)->disk;
	uint64_t first = r->first * (PAGE_SIZE / m->block_bytes),
		 size = __atomic_load_n(&r->inode->size, __ATOMIC_ACQUIRE);
	uint64_t end = (size + m->block_bytes - 1) / m->block_bytes;

	*blocks = first < end ? (uint32_t)MIN((uint64_t)r->count * (PAGE_SIZE / m->block_bytes), end - first) : 0;
	int error = refused(m);
	if (error != 0 || *blocks == 0)
		return error;
	/* What was cut meanwhile, and is written anew, may have no place any more. */
	error = ext4_allocate(&m->fs, d, (uint32_t)first, *blocks);
	if (error == 0)
		error = ext4_written(&m->fs, d, (uint32_t)first, *blocks,
				     MIN(size, (first + *blocks) * m->block_bytes));
	r->inode->blocks = d->blocks;
	return error;
}

static int gather(struct ext4_mount *m, struct writing *w, struct bio_piece *pieces, uint32_t blocks)
	REQUIRES(&m -> lock)
{
	const struct ext4_inode *d = &node_of(w->range->inode)->disk;
	uint64_t first = w->range->first * (PAGE_SIZE / m->block_bytes);

	for (uint32_t n = 0; n < blocks;) {
		struct ext4_run run;

		int error = ext4_map(&m->fs, d, (uint32_t)(first + n), &run);
		if (error == 0 && run.kind != RUN_DATA)
			error = -EUCLEAN;
		if (error != 0)
			return error;
		for (uint32_t k = MIN(run.count, blocks - n); k > 0; k--, n++, run.physical++)
			add_block(m, w, pieces, run.physical, n);
	}
	return 0;
}

/* Memory is short because pages wait to be written: block by block, by the mount's own page. */
static int write_slowly(struct ext4_mount *m, const struct page_range *r, uint32_t blocks) REQUIRES(&m -> lock)
{
	uint64_t first = r->first * (PAGE_SIZE / m->block_bytes);
	int error = 0;

	for (uint32_t n = 0; n < blocks && error == 0; n++) {
		struct bio_piece p = place_of(m, r, n);
		struct ext4_run run;

		error = ext4_map(&m->fs, &node_of(r->inode)->disk, (uint32_t)(first + n), &run);
		if (error == 0 && run.kind != RUN_DATA)
			error = -EUCLEAN;
		if (error == 0)
			error = m->fs.io.write(m, run.physical * m->block_bytes,
					       (char *)page_address(p.page) + p.offset, m->block_bytes);
	}
	/* Data that did not arrive is not to be committed. */
	if (error != 0)
		ext4_abort(&m->fs, error);
	return error;
}

static void give(struct ext4_mount *m, struct writing *w)
{
	for (; w->given < w->count; w->given++) {
		struct part *p = &w->parts[w->given];

		FAULT_POINT(ext4_give);
		int error = blkdev_give(m->blkdev, &p->bio, p->at, p->bytes);
		if (error != 0) {
			p->bio.error = error;
			part_done(&p->bio); /* nobody else tells its end */
		}
	}
}

/* It lives until the last part has ended and this thread's own share is over. What a fault has left ungiven ends here,
 * or the next commit would wait for it for ever; what stood in the middle may be under way, so its memory stays. */
static void submit(struct ext4_mount *m, struct writing *w)
{
	__atomic_fetch_add(&w->left, w->count, __ATOMIC_RELAXED);
	if (!guard_run_void(&component_ext4, give(m, w))) {
		w->stays = true;
		for (uint32_t n = w->given; n < w->count; n++) {
			w->parts[n].bio.error = -EIO;
			part_done(&w->parts[n].bio);
		}
	}
	part_over(w);
}

int ext4_write_range(struct page_range *r)
{
	struct ext4_mount *m = mount_of(r->inode->sb);
	uint32_t most = r->count * (uint32_t)(PAGE_SIZE / m->block_bytes), blocks;
	struct writing *w = kmalloc(sizeof(*w) + most * (sizeof(struct part) + sizeof(struct bio_piece)));
	bool slow = w == nullptr;

	if (w != nullptr)
		*w = (struct writing){.range = r, .mount = m, .left = 1};
	ext4_enter(m);
	int error = become_data(m, r, &blocks);
	if (error == 0)
		error = slow ? write_slowly(m, r, blocks) : gather(m, w, (struct bio_piece *)&w->parts[most], blocks);
	if (error == 0 && !slow)
		ext4_data_begins(m);
	ext4_leave(m);
	if (error != 0) {
		kfree(w);
		error = ext4_told(m, error, "it cannot be written", r->inode->ino);
		return error == -ENOSPC ? error : -EIO;
	}
	if (slow)
		page_cache_written(r, 0);
	else
		submit(m, w);
	return 0;
}

long ext4_file_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	long done = page_cache_write(f, buf, n, pos);

	if (done > 0 && ((f->flags & (O_SYNC | O_DSYNC)) || (f->inode->sb->flags & MS_SYNCHRONOUS))) {
		long error = ext4_fsync(f, (*pos - (uint64_t)done) / PAGE_SIZE, (*pos - 1) / PAGE_SIZE,
					!(f->flags & O_SYNC));
		if (error != 0)
			return error;
	}
	return done;
}

/* The inode's lock is held. */
int ext4_file_truncate(struct inode *i, uint64_t size)
{
	struct ext4_mount *m = mount_of(i->sb);
	struct ext4_inode *d = &node_of(i)->disk;

	if (size > (uint64_t)UINT32_MAX * m->block_bytes)
		return -EFBIG;
	ext4_enter(m);
	int error = refused(m);
	if (error == 0 && !ext4_can_write(d))
		error = -EOPNOTSUPP;
	ext4_leave(m);
	if (error == 0)
		error = page_cache_truncate(i, size);
	if (error != 0)
		return ext4_told(m, error, "it cannot be cut", i->ino);
	ext4_enter(m);
	/* Blocks that were given to it in advance go, too. A size that has grown is written with the other attributes.
	 */
	if (size <= d->size || d->blocks > 0)
		error = ext4_cut(&m->fs, d, size);
	ext4_show_attributes(i);
	ext4_leave(m);
	return ext4_told(m, error, "it cannot be cut", i->ino);
}

/* Bytes of a page become zeros, as if they had been written. */
static int zero_part(struct inode *i, uint64_t at, uint64_t end)
{
	struct page *page;

	end = MIN(end, i->size);
	if (at >= end)
		return 0;
	int error = ext4_prepare(i, at / PAGE_SIZE, 1);
	if (error == 0)
		error = page_cache_get(i, at / PAGE_SIZE, &page);
	if (error != 0)
		return error;
	memset((char *)page_address(page) + at % PAGE_SIZE, 0, end - at);
	page_cache_mark_dirty(i, at / PAGE_SIZE, page);
	page_put(page);
	return 0;
}

static int punch(struct inode *i, uint64_t offset, uint64_t end)
{
	struct ext4_mount *m = mount_of(i->sb);
	uint64_t first = (offset + PAGE_SIZE - 1) / PAGE_SIZE, last = end / PAGE_SIZE;
	uint64_t per_page = PAGE_SIZE / m->block_bytes;

	if (first > last)
		return zero_part(i, offset, end);
	int error = offset % PAGE_SIZE != 0 ? zero_part(i, offset, first * PAGE_SIZE) : 0;
	if (error == 0 && end % PAGE_SIZE != 0)
		error = zero_part(i, last * PAGE_SIZE, end);
	if (error != 0 || first == last)
		return error;
	page_cache_punch(i, first, last - 1);
	ext4_enter(m);
	error = refused(m);
	if (error == 0)
		error = ext4_punch(&m->fs, &node_of(i)->disk, (uint32_t)MIN(first * per_page, (uint64_t)UINT32_MAX),
				   MIN(last * per_page, (uint64_t)UINT32_MAX));
	ext4_show_attributes(i);
	ext4_leave(m);
	return error;
}

/* fallocate(2): the inode's lock is held. */
int ext4_file_allocate(struct inode *i, uint32_t mode, uint64_t offset, uint64_t length)
{
	constexpr uint64_t PIECE = 4096;
	uint64_t end = offset + length, pages = (end + PAGE_SIZE - 1) / PAGE_SIZE;
	int error = 0;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
			return -EOPNOTSUPP;
		return ext4_told(mount_of(i->sb), punch(i, offset, end), "no hole can be made", i->ino);
	}
	if (mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	for (uint64_t at = offset / PAGE_SIZE; at < pages && error == 0; at += PIECE)
		error = ext4_prepare(i, at, MIN(PIECE, pages - at));
	if (error == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && end > i->size)
		error = page_cache_truncate(i, end);
	return error;
}
