/* SPDX-License-Identifier: MIT */
/*
 * The page cache of one inode (a regular file, a block device): page number to page, with the generic read, write,
 *mmap, fsync and truncate over it.
 *
 * There are two kinds. Where `fill` is nullptr the cache is the only copy: pages begin as zeros, are never dropped, and
 * `reserve` and `release` account for them (tmpfs). Otherwise pages come from a store and go back to it:
 *
 *	fill(r)    starts reading the pages r->pages[0 … r->count - 1], which are r->first … of r->inode, and returns;
 *	           the store calls page_cache_filled(r, error) when they are there, from any thread, perhaps before fill
 *	           returns. An error of fill itself: nothing was started, and nothing is called.
 *	write(r)   the same for writing, with page_cache_written(r, error). Nothing may be allocated on the way (memory
 *	           may be short because pages wait to be written): r->store is the store's to keep its request in.
 *	prepare    before pages are written to: their place in the store is there. nullptr: it always is (-ENOSPC).
 *
 * So a block device plugs in: its inode gets a cache with these operations, its size is the disk's, its file_ops name
 *the functions below. fill and write make one request of the range (in r->store: a bio and its pieces), submit it, and
 *its `done` calls page_cache_filled or page_cache_written with its error; the part of the last page beyond the size is
 * zeroed here and need not be read. fsync calls page_cache_fsync, then flushes the disk.
 *
 * The pages of a range stay what they are until it is done, however the file is cut meanwhile; who cuts waits for
 *ranges that are being written. Its inode lives as long. A store that faults in fill or write loses the range: readers
 *get EIO, its pages are not used again.
 *
 * A page that was read or written and is neither dirty nor in use goes when memory is short; one that is mapped after
 * those that are not. Errors of writing are told once by fsync, of each open file that was open then (fsync(2)). Locks:
 * the cache's spinlock, for the tree only (RANK_PAGE_CACHE); no I/O is begun under the lock of a space.
 */
#ifndef KERNEL_PAGE_CACHE_H
#define KERNEL_PAGE_CACHE_H

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/mem/page.h>
#include <kernel/vfs/vfs.h>
#include <lib/radix.h>

enum : uint32_t { PAGE_RANGE_MAX = 32, PAGE_RANGE_STORE = 1024 };

/* Pages with neighbouring numbers that are read or written as one piece. */
struct page_range {
	struct inode *inode;
	uint64_t first;
	uint32_t count; /* 1 … PAGE_RANGE_MAX */
	bool write;
	struct page *pages[PAGE_RANGE_MAX];
	/* The cache's own, atomic: it is known how it went; of the call that began it and what that began, how many
	 * still have it. */
	bool ended;
	uint32_t owners;
	uint64_t sequence;
	struct list of_cache;
	struct list link;				   /* the store's while it has the range */
	alignas(16) unsigned char store[PAGE_RANGE_STORE]; /* the store's own, for its request */
};

struct page_cache_ops {
	int (*fill)(struct page_range *r);
	int (*write)(struct page_range *r);
	int (*prepare)(struct inode *i, uint64_t first, uint64_t pages);
	int (*reserve)(struct inode *i, uint64_t pages); /* -ENOSPC */
	void (*release)(struct inode *i, uint64_t pages);
};
struct page_cache {
	struct spinlock lock;
	struct radix tree GUARDED_BY(&lock);
	uint64_t pages;		     /* changed under lock */
	uint32_t under_way;	     /* ranges; changed under lock */
	uint32_t dirty;		     /* pages; changed under lock */
	uint64_t recent;	     /* what marks a slot as used; 0: nothing is ever dropped */
	uint64_t error;		     /* how many writes failed, and the last one's error; atomic */
	uint64_t writes;	     /* begun so far; under lock */
	uint64_t cuts, tails;	     /* times that its end was dropped; cleared; atomic */
	uint64_t cut_from, tail_end; /* where; changed with the inode's lock held */
	struct page_store *store;
	struct list writing GUARDED_BY(&lock); /* ranges, the oldest first */
	const struct page_cache_ops *ops;
	struct inode *inode;
	struct wait_queue settled; /* pages were filled or written */
	struct list evictable;	   /* of all caches with a store */
	uint64_t hand;		   /* where the clock stands */
	uint32_t ahead_most;	   /* pages that may be read ahead of a reader; atomic */
	uint64_t flush_from;	   /* the page at which the flusher goes on; its own */
	struct list dirty_link;	   /* of all that have dirty pages, with a reference to the inode, while listed */
	bool listed;
	bool leaving;		  /* the inode ends when nothing is under way; under lock */
	struct list leaving_link; /* of those (inode_release.c) */
	uint64_t listed_as;	  /* by which they are in order */
	uint64_t listed_ns;
};

/* i->cache, which is zeroed memory, begins. Pages are taken to go to a store of the filesystem's own; where several
 * inodes share another (a disk), i->cache->store is set to that one, which begins as zeros. */
void page_cache_init(struct inode *i, const struct page_cache_ops *ops);
/* Its end, when nobody has the inode any more (super_ops.evict): waits for ranges under way, drops all pages. */
void page_cache_end(struct inode *i);

/* The page with a reference, nullptr if it is not there, or not yet. */
struct page *page_cache_find(struct page_cache *c, uint64_t index);
/* The same, but one that is being read is waited for. */
struct page *page_cache_find_filled(struct page_cache *c, uint64_t index);
/* Those of n pages below the file's end that are there, with references, nullptr for the others; how many. */
unsigned page_cache_find_some(struct inode *i, uint64_t index, unsigned n, struct page **out);
/* The page, made or read if it is not there, with a reference. Waits for I/O, unless the thread is to end. -ENOMEM,
 * -ENOSPC, -EIO, -EINTR. */
[[nodiscard]] int page_cache_get(struct inode *i, uint64_t index, struct page **out);
/* Drops pages from first to last inclusive, whole pages only; they live on while mapped. May wait for writes. */
void page_cache_drop(struct inode *i, uint64_t first, uint64_t last);
/* Gives back those of pages first to last, of a cache with a store, that are clean and in nobody's use. patient: waits
 * for those that are being read. */
void page_cache_shed(struct inode *i, uint64_t first, uint64_t last, bool patient);
/* Begins to read what is absent of pages first to last, of a cache with a store, and waits for none of it. */
void page_cache_will_need(struct inode *i, uint64_t first, uint64_t last);
/* Begins to write what is dirty of them, and gives back what is clean and in nobody's use. */
void page_cache_not_needed(struct inode *i, uint64_t first, uint64_t last);
/* Makes a hole of whole pages: they go, or become clean zeros where they are mapped. Before their place in a store is
 * given up, with the inode's lock held. */
void page_cache_punch(struct inode *i, uint64_t first, uint64_t last);
/* Zeroes bytes of a page that is there. */
void page_cache_zero(struct inode *i, uint64_t index, size_t from, size_t to);
/* Boot: the service that writes dirty pages back, and what drops clean ones when memory is short. */
[[nodiscard]] int flusher_init(void);
/* Of all caches with a store, drops what can be (drop_caches, proc_sys_vm(5)). */
void page_cache_evict_all(void);
/* The first index >= from that has a page (data) or has none (hole), below `end`; else end. */
uint64_t page_cache_seek(struct page_cache *c, uint64_t from, uint64_t end, bool data);

/* For stores: what fill or write began has ended. Any thread, no spinlock held; the range is not theirs any more. */
void page_cache_filled(struct page_range *r, int error);
void page_cache_written(struct page_range *r, int error);

/* The page's bytes have changed: to be written some time. A reference to it is held. */
void page_cache_mark_dirty(struct inode *i, uint64_t index, struct page *page);
/* Writes what is dirty now in pages first to last, and waits for it. Errors of writing: page_cache_take_error. -EINTR:
 * the thread is to end. */
[[nodiscard]] int page_cache_write_back(struct inode *i, uint64_t first, uint64_t last);
/* The same; patient: it waits even then. */
[[nodiscard]] int page_cache_write_all(struct inode *i, uint64_t first, uint64_t last, bool patient);
/* The error of a write that f has not been told yet, once; 0. */
[[nodiscard]] int page_cache_take_error(struct file *f);

/* file_ops of files with a page cache. */
long page_cache_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
long page_cache_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
extern const struct vm_object_ops page_cache_object;		       /* what mmap shows */
long page_cache_seek_file(struct file *f, int64_t offset, int whence); /* with SEEK_DATA and SEEK_HOLE */
long page_cache_fsync(struct file *f, uint64_t first, uint64_t last, bool data);
/* inode_ops.truncate: the inode's lock is held. */
[[nodiscard]] int page_cache_truncate(struct inode *i, uint64_t size);

#endif
