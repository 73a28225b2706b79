/* SPDX-License-Identifier: MIT */
/*
 * What the files of the page cache share. A slot of the tree holds the address of a struct page with flags in its low
 * bits; each change of a slot happens under the cache's lock. Of a page that is being filled only the range that fills
 * it, and who waits for it, has references besides the cache.
 */
#ifndef VFS_PAGE_CACHE_INTERNAL_H
#define VFS_PAGE_CACHE_INTERNAL_H

#include "internal.h"

#include <kernel/vfs/page_cache.h>

enum : uint64_t { SLOT_DIRTY = 1, SLOT_FILLING = 2, SLOT_WRITING = 4, SLOT_RECENT = 8, SLOT_FLAGS = 15 };
static_assert(SLOT_FLAGS < sizeof(struct page));

static inline struct page *slot_page(uint64_t slot)
{
	return (struct page *)(uintptr_t)(slot & ~SLOT_FLAGS);
}
/* Pages that hold bytes of a file of that size. */
static inline uint64_t pages_of_size(uint64_t size)
{
	return size / PAGE_SIZE + (size % PAGE_SIZE != 0);
}
static inline uint64_t inode_pages(const struct inode *i)
{
	return pages_of_size(__atomic_load_n(&i->size, __ATOMIC_ACQUIRE));
}

/* --- page_cache.c --- */
/* The slot at index, and a reference to its page, if there is one. */
uint64_t slot_get(struct page_cache *c, uint64_t index);
/* Those of n pages from index on that are there one after the other, with references; how many. */
unsigned page_cache_find_run(struct page_cache *c, uint64_t index, unsigned n, struct page **out);
/* Puts page where nothing is; the tree takes a reference. beyond: only while the file ends before it. 0; 1: somebody
 * was faster, or the file does not end before it; -ENOMEM. */
[[nodiscard]] int slot_insert(struct page_cache *c, uint64_t index, struct page *page, uint64_t flags, bool beyond);
/* Empties the slot; its page's reference is the caller's. Tree nodes go to spares. */
uint64_t slot_remove_locked(struct page_cache *c, uint64_t index, struct radix_spares *spares) REQUIRES(c -> lock);
void spares_free(struct radix_spares *spares);
void page_cache_account(struct inode *i, int64_t pages);
/* The same for what memory holds in all, when the inode may be gone. */
void page_cache_count_pages(bool stored, int64_t pages);

/* Nothing of it is being filled or written. */
bool page_cache_is_quiet(struct page_cache *c);
/* A range less is under way, of which all that waits is told. */
void page_cache_one_settled(struct page_cache *c) REQUIRES(c -> lock);

/* --- page_cache_fill.c --- */
/* Begins to fill up to `pages` absent pages from index on. 0: begun, *first (may be nullptr) is the page at index with
 * a reference; or somebody else did, *first stays. -ENOMEM, or what fill says. */
[[nodiscard]] int page_cache_begin(struct inode *i, uint64_t index, uint32_t pages, struct page **first);
/* As page_cache_get, of a store, for a reader of f (nullptr: nobody in particular), who wants `more` pages in all.
 * Reads ahead. */
[[nodiscard]] int page_cache_read_page(struct file *f, struct inode *i, uint64_t index, uint64_t more,
				       struct page **out);
/* f's reader found n pages from index on in the cache: perhaps more are read ahead. */
void page_cache_read_on(struct file *f, struct inode *i, uint64_t index, unsigned n);
/* As page_cache_get, of a store. */
[[nodiscard]] int page_cache_get_stored(struct inode *i, uint64_t index, struct page **out);

/* --- page_cache_write.c --- */
/* Copies n bytes, from byte `from` of the buffer on, into the pages at pos; bytes done, or the error if there were
 * none. */
long page_cache_copy_in(struct inode *i, struct io_buffer *buf, size_t from, size_t n, uint64_t pos);

/* --- page_cache_dirty.c --- */
/* As page_cache_mark_dirty, for n pages from index on. */
void page_cache_mark_dirty_run(struct inode *i, uint64_t index, struct page *const *pages, unsigned n);
/* The slot is dirty no more. */
void slot_clean_locked(struct page_cache *c, uint64_t *place) REQUIRES(c -> lock);
/* Begins to write what is dirty in pages first to last. *busy: a page was left that is being written, and has changed
 * since. patient: also when the thread is to end, which is -EINTR else. */
[[nodiscard]] int page_cache_begin_write_back(struct inode *i, uint64_t first, uint64_t last, bool patient, bool *busy);
/* For the flusher, which waits for no store: begins to write what is dirty in pages *at to last. 0; -EAGAIN: the store
 * has as many ranges as it may have now, *at is where to go on; the flusher is woken when a range has come back. */
[[nodiscard]] int page_cache_write_some(struct inode *i, uint64_t *at, uint64_t last);
/* The flusher is woken when a range has come back. */
void page_cache_want_range(void);
/* Until all is written that was begun before. */
[[nodiscard]] int page_cache_wait_written(struct inode *i, bool patient);
/* Whether an open file has not been told of the count-th error yet, which it is herewith: of two threads that ask at
 * once one is told, and who counted before the other tells nothing again. *seen is atomic. */
bool error_is_news(uint64_t *seen, uint64_t count);
/* f is told of errors from now on. */
void page_cache_note_errors(struct file *f);
/* Until the page at index is not being written. */
void page_cache_wait_page(struct page_cache *c, uint64_t index);

/* --- page_cache_evict.c --- */
void evict_add(struct page_cache *c);
void evict_remove(struct page_cache *c);
void evict_init(void);
/* Memory is short: gives pages back, how many; of those that are mapped last. Any lock may be held, but a spinlock. */
size_t page_cache_evict(size_t want);

/* --- flusher.c --- */
/* A page of the cache has become dirty. */
void dirty_list_add(struct page_cache *c);
/* The cache leaves the list if none is any more. */
void dirty_list_check(struct page_cache *c);
/* Fewer pages are dirty, or being written, of the store: who waits may go on. Spinlocks may be held. */
void dirty_throttle_wake(const struct page_store *s);
/* Whether as many pages of c's store are dirty, or being written, as may be; waits until fewer are: 0, -EINTR. */
bool dirty_is_full(const struct page_cache *c);
[[nodiscard]] int dirty_throttle(const struct page_cache *c);
extern uint32_t flusher_rounds; /* ended so far; atomic */
/* There is something to do: a file that nobody can reach any more has dirty pages (inode.c's hook), or a range has come
 * back. */
void flusher_wake(void);
/* Writes all that is dirty of sb (nullptr: of all), and waits for it. */
int dirty_sync(struct superblock *sb, bool patient);
/* Nobody mounts sb any more: until the flusher, and whoever else writes, has let go of its inodes. False: somebody does
 * not, and sb is not to be freed. */
[[nodiscard]] bool dirty_leave(struct superblock *sb);
/* Who was counted in sb->walkers has let go of its inode. */
void dirty_walked(struct superblock *sb);

/* --- inode_release.c --- */
/* The caller's reference, the only one left, goes as soon as nothing of its cache is under way; then sb->walkers, too.
 * The caller waits for nothing. */
void inode_release_later(struct inode *i);
/* Nothing is under way any more of the cache of such an inode. Any context. */
void inode_release_wake(void);
[[nodiscard]] int inode_release_init(void);

#endif
