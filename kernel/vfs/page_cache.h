/* SPDX-License-Identifier: MIT */
/*
 * The page cache of one file: page number to page, with the generic read, write, mmap and truncate over it.
 *
 * A filesystem supplies fill (what a page holds at first; nullptr: zeros) and write_back (nullptr: the cache is the
 * only copy, pages are never dropped). `reserve` accounts for new pages (-ENOSPC) and `release` for those that go. The
 * cache has one reference to each page; callers get one of their own. Locks: the cache's spinlock, for the tree only.
 */
#ifndef KERNEL_VFS_PAGE_CACHE_H
#define KERNEL_VFS_PAGE_CACHE_H

#include <kernel/mem/page.h>
#include <kernel/vfs/vfs.h>
#include <lib/radix.h>

struct page_cache_ops {
	int (*fill)(struct inode *i, uint64_t index, struct page *page);
	int (*write_back)(struct inode *i, uint64_t index, struct page *page);
	int (*reserve)(struct inode *i, uint64_t pages);
	void (*release)(struct inode *i, uint64_t pages);
};
struct page_cache {
	struct spinlock lock;
	struct radix tree GUARDED_BY(&lock);
	uint64_t pages; /* changed under lock */
	const struct page_cache_ops *ops;
	struct wait_queue filled; /* pages being filled */
};

void page_cache_init(struct page_cache *c, const struct page_cache_ops *ops);
/* The page with a reference, nullptr if it is not there. */
struct page *page_cache_find(struct page_cache *c, uint64_t index);
/* Those of n pages below the file's end that are there, with references, nullptr for the others; how many. */
unsigned page_cache_find_some(struct inode *i, uint64_t index, unsigned n, struct page **out);
/* The page, made and filled if it is not there. dirty: it will be written to. -ENOMEM, -ENOSPC, fill's error. */
[[nodiscard]] int page_cache_get(struct inode *i, uint64_t index, bool dirty, struct page **out);
/* Drops pages from first to last inclusive, whole pages only; they live on while mapped. */
void page_cache_drop(struct inode *i, uint64_t first, uint64_t last);
/* Makes a hole of whole pages: they go, or become zeros where they are mapped. */
void page_cache_punch(struct inode *i, uint64_t first, uint64_t last);
/* Zeroes bytes of a page that is there. */
void page_cache_zero(struct inode *i, uint64_t index, size_t from, size_t to);
/* Writes dirty pages; the first error. */
[[nodiscard]] int page_cache_write_back(struct inode *i);
/* The first index >= from that has a page (data) or has none (hole), below `end`; else end. */
uint64_t page_cache_seek(struct page_cache *c, uint64_t from, uint64_t end, bool data);

/* file_ops of regular files with a page cache. */
long page_cache_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
long page_cache_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
extern const struct vm_object_ops page_cache_object;		       /* what mmap shows */
long page_cache_seek_file(struct file *f, int64_t offset, int whence); /* with SEEK_DATA and SEEK_HOLE */
long page_cache_fsync(struct file *f);
/* inode_ops.truncate: the inode's lock is held. */
[[nodiscard]] int page_cache_truncate(struct inode *i, uint64_t size);

#endif
