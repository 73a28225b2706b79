/* SPDX-License-Identifier: MIT */
/* The page cache where several write at once: to two stores, of which one stands still; behind the end of one file. */
#include "slow_store.h"

#include <abi/mman.h>

#include "../../kernel/vfs/page_cache_internal.h"
#include "../../kernel/vm/vm_internal.h"

enum : uint64_t { AT = 0x200000 };
enum : uint32_t { APART = SLOW_PAGES / 2 };

static bool put(struct file *f, uint64_t at, unsigned char byte)
{
	return EXPECT_EQ(file_write_at(f, &byte, 1, at), 1);
}

static bool is_dirty(const struct file *f)
{
	return __atomic_load_n(&f->inode->cache->dirty, __ATOMIC_ACQUIRE) != 0;
}

/* A store that stands still takes what it is given and ends none of it: the flusher writes to others, and goes on with
 * it as soon as it does. */
static void one_stands_still(void)
{
	struct file *f, *other;

	/* Nothing is written but because of what is dirty here: at once, and in no round of the flusher's own. */
	if (!slow_set_knob("dirty_writeback_centisecs", "0") || !slow_begin(SLOW_PAGES, &f))
		return;
	slow_flusher_settles();
	slow_hold_writes = true;
	/* No two pages are one range. */
	for (uint32_t n = 0; n < APART; n++)
		put(f, 2 * n * PAGE_SIZE, 0xee);
	if (!slow_begin_second(&other))
		return;
	slow_set_knob("dirty_expire_centisecs", "0");
	slow_flusher_settles();
	EXPECT(slow_held() > 0 && is_dirty(f));
	/* What lies beyond the end of the other's file is not written, and keeps it in the list. */
	struct page *beyond;
	if (EXPECT_EQ(page_cache_get(other->inode, SLOW_PAGES, &beyond), 0)) {
		page_cache_mark_dirty(other->inode, SLOW_PAGES, beyond);
		page_put(beyond);
		flusher_wake();
		EXPECT(WAIT_UNTIL(slow_flusher_rests()));
		page_cache_drop(other->inode, SLOW_PAGES, SLOW_PAGES);
	}
	put(other, PAGE_SIZE, 0xdd);
	slow_flusher_settles();
	EXPECT(!is_dirty(other));
	EXPECT_EQ(other->ops->fsync(other, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_bytes[1][0], 0xdd);
	put(other, PAGE_SIZE, 0xcc);
	EXPECT_EQ(other->ops->fsync(other, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_bytes[1][0], 0xcc);
	/* It moves again: each range that comes back is given anew. */
	while (is_dirty(f) && EXPECT(WAIT_UNTIL(slow_held() > 0 || !is_dirty(f))))
		slow_release(true);
	slow_hold_writes = false;
	slow_release(true);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	for (uint32_t n = 0; n < APART; n++)
		EXPECT_EQ(slow_bytes[2 * n][0], 0xee);
	slow_set_knob("dirty_expire_centisecs", "3000");
	slow_set_knob("dirty_writeback_centisecs", "500");
	slow_end_second(other);
	slow_end(f);
	slow_flusher_settles();
}

static bool make_dirty(struct inode *i)
{
	struct page *page;

	if (!EXPECT_EQ(page_cache_get(i, 0, &page), 0))
		return false;
	page_cache_mark_dirty(i, 0, page);
	page_put(page);
	return true;
}

/* A deleted file has dirty pages, and something of it is under way: the flusher waits until that is over without
 * looking again and again, and then drops them. */
static void deleted_under_way(bool writes)
{
	bool busy = false;
	struct file *f;

	if (!slow_set_knob("dirty_writeback_centisecs", "0") || !slow_begin(2, &f))
		return;
	slow_flusher_settles();
	struct inode *i = slow_nameless();
	if (i == nullptr || !make_dirty(i))
		return;
	slow_hold_fills = slow_hold_writes = true;
	if (writes)
		EXPECT_EQ(page_cache_begin_write_back(i, 0, 0, true, &busy), 0);
	else
		EXPECT_EQ(page_cache_begin(i, 1, 1, nullptr), 0);
	EXPECT(slow_held() == 1 && make_dirty(i));
	i->nlink = 0;
	inode_put(i);
	slow_flusher_settles();
	EXPECT(WAIT_UNTIL(slow_flusher_rests()));
	EXPECT_EQ(__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST), 0);
	slow_release(writes);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST) == 1));
	slow_set_knob("dirty_writeback_centisecs", "500");
	slow_end(f);
	slow_flusher_settles();
}

static void deleted_being_written(void)
{
	deleted_under_way(true);
}

static void deleted_being_read(void)
{
	deleted_under_way(false);
}

/* A file whose last page cannot be read cannot grow beyond it: what was copied there is not left dirty. */
static void growth_fails(void)
{
	static unsigned char page[PAGE_SIZE];
	struct file *f;

	if (!slow_begin(1, &f))
		return;
	EXPECT_EQ(inode_truncate(f->inode, 100), 0);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	page_cache_evict_all();
	EXPECT_EQ(f->inode->cache->pages, 0);
	slow_bad_page = 0;
	EXPECT_EQ(file_write_at(f, page, sizeof(page), 5 * PAGE_SIZE), -EIO);
	EXPECT_EQ(f->inode->size, 100);
	EXPECT_EQ(f->inode->cache->dirty, 0);
	EXPECT_EQ(f->inode->cache->pages, 0);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT(!__atomic_load_n(&f->inode->cache->listed, __ATOMIC_ACQUIRE));
	slow_bad_page = NO_PAGE;
	EXPECT_EQ(file_write_at(f, page, sizeof(page), 5 * PAGE_SIZE), PAGE_SIZE);
	slow_end(f);
}

static unsigned char across[PAGE_SIZE];
static uint32_t written;

static void write_at_end(void *arg)
{
	EXPECT_EQ(file_write_at(arg, across, sizeof(across), 100), sizeof(across));
	__atomic_store_n(&written, 1, __ATOMIC_RELEASE);
}

/* A writer has copied bytes behind the end and not yet made them part of the file, when another one writes further
 * behind and clears what lies in between: none of his bytes are lost. */
static void grown_meanwhile(void)
{
	static unsigned char back[sizeof(across)];
	unsigned char byte = 7;
	struct file *f;

	if (!slow_begin(1, &f))
		return;
	EXPECT_EQ(inode_truncate(f->inode, 100), 0);
	memset(across, 0x6e, sizeof(across));
	written = 0;
	__atomic_store_n(&slow_held_page, 1, __ATOMIC_RELEASE);
	if (start_thread(write_at_end, f, -1) && EXPECT(WAIT_UNTIL(__atomic_load_n(&slow_waiting, __ATOMIC_ACQUIRE)))) {
		EXPECT_EQ(f->inode->size, 100);
		EXPECT_EQ(file_write_at(f, &byte, 1, 5 * PAGE_SIZE), 1);
		__atomic_store_n(&slow_held_page, NO_PAGE, __ATOMIC_RELEASE);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&written, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(f->inode->size, 5 * PAGE_SIZE + 1);
		EXPECT_EQ(file_read_at(f, back, sizeof(back), 100), sizeof(back));
		EXPECT(memcmp(back, across, sizeof(back)) == 0);
	}
	slow_end(f);
}

/* A writer within the file copies once, whatever others do behind its end; a write that fails at once drops nothing. */
static void written_apart(void)
{
	unsigned char byte = 7;
	struct file *f;

	if (!slow_begin(3, &f))
		return;
	EXPECT_EQ(inode_truncate(f->inode, 2 * PAGE_SIZE + 100), 0);
	memset(across, 0x6f, sizeof(across));
	written = 0;
	__atomic_store_n(&slow_held_page, 1, __ATOMIC_RELEASE);
	if (start_thread(write_at_end, f, -1) && EXPECT(WAIT_UNTIL(__atomic_load_n(&slow_waiting, __ATOMIC_ACQUIRE)))) {
		uint64_t cuts = f->inode->cache->cuts;

		EXPECT_EQ(file_write_at(f, &byte, 1, 5 * PAGE_SIZE), 1);
		EXPECT_EQ(file_write_at(f, &byte, 1, SLOW_PAGES * PAGE_SIZE), -ENOSPC);
		EXPECT_EQ(f->inode->cache->cuts, cuts);
		uint32_t prepared = __atomic_load_n(&slow_prepared, __ATOMIC_SEQ_CST);
		__atomic_store_n(&slow_held_page, NO_PAGE, __ATOMIC_RELEASE);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&written, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(__atomic_load_n(&slow_prepared, __ATOMIC_SEQ_CST), prepared);
		EXPECT_EQ(f->inode->size, 5 * PAGE_SIZE + 1);
	}
	slow_end(f);
}

static bool lock_area(struct vm_space *s, uint64_t va, bool locked)
{
	write_lock(&s->lock);
	struct vm_area *a = area_find(s, va);
	if (EXPECT(a != nullptr))
		area_set_flags(s, a, locked ? AREA_LOCKED : 0, locked ? 0 : AREA_LOCKED);
	write_unlock(&s->lock);
	return a != nullptr;
}

/* Memory is short: what is mapped, clean and not locked leaves the space and the cache, and is read again by who needs
 * it. A copy stays, and what a holder of the space's lock has. */
static void mapped_pages_go(void)
{
	struct vm_space *s;
	unsigned char byte = 0;
	struct file *f;

	if (!slow_begin(8, &f) || !EXPECT_EQ(vm_space_create(&s), 0))
		return;
	EXPECT_EQ(vm_map_fixed(s, AT, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE, &f->object, 0), 0);
	for (uint64_t p = 0; p < 8; p++)
		EXPECT_EQ(vm_read(s, AT + p * PAGE_SIZE, &byte, 1), 0);
	byte = 0xab;
	EXPECT_EQ(vm_write(s, AT + 3 * PAGE_SIZE, &byte, 1), 0); /* a copy of its own */
	/* The file's page is in use all the same, elsewhere. */
	struct page *elsewhere = page_cache_find(f->inode->cache, 3);
	if (!EXPECT(elsewhere != nullptr))
		return;
	EXPECT_EQ(file_write_at(f, &byte, 1, 5 * PAGE_SIZE), 1);
	EXPECT_EQ(vm_resident_pages(s), 8);
	/* Asked to drop what it can, the cache takes from nobody what he has mapped. */
	page_cache_evict_all();
	EXPECT_EQ(f->inode->cache->pages, 8);
	read_lock(&s->lock);
	(void)page_cache_evict(SIZE_MAX);
	read_unlock(&s->lock);
	EXPECT_EQ(vm_resident_pages(s), 8);
	if (lock_area(s, AT, true))
		(void)page_cache_evict(SIZE_MAX);
	EXPECT_EQ(vm_resident_pages(s), 8);
	if (lock_area(s, AT, false))
		(void)page_cache_evict(SIZE_MAX);
	/* The copy, and the dirty page. */
	EXPECT_EQ(vm_resident_pages(s), 2);
	EXPECT_EQ(f->inode->cache->pages, 2);
	page_put(elsewhere);
	for (uint64_t p = 0; p < 8; p++) {
		EXPECT_EQ(vm_read(s, AT + p * PAGE_SIZE, &byte, 1), 0);
		EXPECT_EQ(byte, p == 3 || p == 5 ? 0xab : slow_byte(p, 0));
	}
	vm_space_put(s);
	slow_end(f);
}

/* Not more is read ahead than is asked for, in as many pieces as that takes. */
static void read_ahead_is_set(void)
{
	static const uint32_t most[] = {0, 2, 8, 64};
	unsigned char byte;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	for (size_t n = 0; n < ARRAY_LEN(most); n++) {
		f->inode->cache->ahead_most = most[n];
		slow_fills = slow_longest = 0;
		f->ahead = (struct read_ahead){};
		for (uint64_t p = 0; p < SLOW_PAGES; p++)
			EXPECT_EQ(file_read_at(f, &byte, 1, p * PAGE_SIZE), 1);
		EXPECT_EQ(slow_longest, MIN(MAX(most[n], 1u), PAGE_RANGE_MAX));
		EXPECT(slow_fills >= SLOW_PAGES / MAX(most[n], 1u));
		page_cache_evict_all();
		EXPECT_EQ(f->inode->cache->pages, 0);
	}
	slow_end(f);
}

KTEST_SUITE(page_stores, KTEST("one of two stores stands still", one_stands_still),
	    KTEST("a deleted file is being written", deleted_being_written),
	    KTEST("a deleted file is being read", deleted_being_read), KTEST("a file that cannot grow", growth_fails),
	    KTEST("a file grows while another writes", grown_meanwhile),
	    KTEST("a write within the file is not disturbed", written_apart),
	    KTEST("mapped pages go when memory is short", mapped_pages_go),
	    KTEST("as much is read ahead as is asked for", read_ahead_is_set));
