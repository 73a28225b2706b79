/* SPDX-License-Identifier: MIT */
/* What stores have in common, and none may take for itself: what may be dirty, the flusher, ranges for writing. */
#include "slow_store.h"

#include <kernel/base/fail.h>

#include "../../kernel/vfs/page_cache_internal.h"

enum : uint32_t { APART = SLOW_PAGES / 2 };

static bool put(struct file *f, uint64_t at, unsigned char byte)
{
	return EXPECT_EQ(file_write_at(f, &byte, 1, at), 1);
}

static uint64_t unwritten(const struct file *f)
{
	return __atomic_load_n(&f->inode->cache->store->unwritten, __ATOMIC_ACQUIRE);
}

static uint32_t writer, written;

/* A page each time, each once. */
static void write_pages(void *arg)
{
	__atomic_store_n(&writer, own_handle(), __ATOMIC_RELEASE);
	for (uint64_t p = 0; p < SLOW_PAGES; p++) {
		put(arg, p * PAGE_SIZE, 0x51);
		__atomic_fetch_add(&written, 1, __ATOMIC_SEQ_CST);
	}
}

/* Who writes to a store that stands still is held back before everything that may be dirty is its; who writes to
 * another, ten times as much as may be, is not held back for ever. */
static void one_takes_its_share(void)
{
	struct file *f, *other;

	if (!slow_set_knob("dirty_writeback_centisecs", "0") || !slow_begin(SLOW_PAGES, &f) ||
	    !slow_begin_second(&other))
		return;
	slow_flusher_settles();
	writer = written = 0;
	slow_hold_writes = true;
	slow_set_knob("dirty_bytes", "131072"); /* 32 pages */
	if (start_thread(write_pages, f, -1)) {
		EXPECT(WAIT_UNTIL(__atomic_load_n(&written, __ATOMIC_SEQ_CST) == 25 && is_parked(writer)));
		/* One more than three times the 8 that are left. */
		EXPECT_EQ(unwritten(f), 25);
		for (uint64_t n = 0; n < 320; n++)
			put(other, n % SLOW_PAGES * PAGE_SIZE, 0x52);
		EXPECT_EQ(__atomic_load_n(&written, __ATOMIC_SEQ_CST), 25);
		/* Also when the one has all of it, since less may be dirty now. */
		slow_set_knob("dirty_bytes", "8192");
		for (uint64_t n = 0; n < 20; n++)
			put(other, n * PAGE_SIZE, 0x53);
		/* The flusher, which can do nothing for the writer that is held back, rests. */
		EXPECT_EQ(other->ops->fsync(other, 0, UINT64_MAX, false), 0);
		EXPECT(WAIT_UNTIL(slow_flusher_rests()));
		EXPECT_EQ(__atomic_load_n(&written, __ATOMIC_SEQ_CST), 25);
		slow_set_knob("dirty_bytes", "131072");
		slow_hold_writes = false;
		slow_release(true);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&written, __ATOMIC_SEQ_CST) == SLOW_PAGES));
	}
	slow_set_knob("dirty_ratio", "20");
	slow_set_knob("dirty_writeback_centisecs", "500");
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(unwritten(f), 0);
	EXPECT_EQ(unwritten(other), 0);
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

/* The flusher has the last reference to an inode whose page is on its way to a store that stands still. Its end waits
 * for that; the flusher does not, nor does the end of another. */
static void flusher_has_the_last(void)
{
	struct file *f;

	if (!slow_begin(2, &f))
		return;
	struct inode *i = slow_nameless(), *deleted = slow_nameless();
	if (i == nullptr || deleted == nullptr || !make_dirty(i))
		return;
	slow_hold_writes = true;
	inode_put(i);
	slow_set_knob("dirty_expire_centisecs", "0");
	EXPECT(WAIT_UNTIL((flusher_wake(), slow_held() == 1)));
	slow_flusher_settles();
	EXPECT_EQ(__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST), 0);
	slow_set_knob("dirty_expire_centisecs", "3000");
	if (make_dirty(deleted)) {
		deleted->nlink = 0;
		inode_put(deleted);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST) == 1));
	}
	EXPECT_EQ(slow_held(), 1);
	slow_release(true);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&slow_ended, __ATOMIC_SEQ_CST) == 2));
	EXPECT_EQ(slow_bytes[0][0], slow_byte(0, 0));
	slow_end(f);
}

/* How many ranges a store that stands still takes. */
static uint32_t ranges_taken(struct file *f)
{
	uint64_t at = 0;

	slow_hold_writes = true;
	for (uint32_t n = 0; n < APART; n++)
		put(f, 2 * n * PAGE_SIZE, (unsigned char)n);
	EXPECT_EQ(page_cache_write_some(f->inode, &at, UINT64_MAX), -EAGAIN);
	uint32_t taken = slow_held();
	slow_hold_writes = false;
	slow_release(true);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	for (uint32_t n = 0; n < APART; n++)
		EXPECT_EQ(slow_bytes[2 * n][0], (unsigned char)n);
	return taken;
}

static void fault_in_write(struct file *f)
{
	put(f, 0, 1);
	slow_stray = true;
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), -EIO);
	slow_stray = false;
	sleep_ns(FAULT_PAUSE_NS);
}

/* A store that faults while it is given a range keeps that, and there is another one in its place; if there is no
 * memory for it, there is one less, and nothing else is lost. */
static void lost_ranges(void)
{
	struct file *f;

	if (!slow_set_knob("dirty_writeback_centisecs", "0") || !slow_begin(SLOW_PAGES, &f))
		return;
	slow_flusher_settles();
	uint32_t before = ranges_taken(f);
	EXPECT(before >= 8);
	/* Of three that are lost a store would miss one or two, since it takes half of all. */
	for (unsigned n = 0; n < 3; n++)
		fault_in_write(f);
	EXPECT_EQ(ranges_taken(f), before);
	fail_arm(1);
	fault_in_write(f);
	EXPECT_EQ(fail_armed(), 0);
	fail_arm(0);
	EXPECT(ranges_taken(f) + 1 >= before);
	EXPECT_EQ(f->inode->cache->under_way, 0);
	EXPECT_EQ(unwritten(f), 0);
	slow_set_knob("dirty_writeback_centisecs", "500");
	slow_end(f);
	slow_flusher_settles();
}

KTEST_SUITE(page_shares, KTEST("a store takes its share of what may be dirty", one_takes_its_share),
	    KTEST("the flusher has the last reference", flusher_has_the_last),
	    KTEST("ranges that faults took", lost_ranges));
