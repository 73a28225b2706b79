/* SPDX-License-Identifier: MIT */
/* Pages that go to a store: when, what of changes made meanwhile, who is told of errors, who is held back. */
#include "slow_store.h"

#include <abi/mman.h>
#include <kernel/vm/page_table_walk.h>

#include "../../kernel/vfs/page_cache_internal.h"
#include "../../kernel/vm/vm_internal.h"

enum : uint64_t { AT = 0x200000 };

static bool put(struct file *f, uint64_t at, unsigned char byte)
{
	return EXPECT_EQ(file_write_at(f, &byte, 1, at), 1);
}

/* A thread that asks for what it wrote to be kept. */
static struct file *sync_file;
static long sync_result;
static uint32_t syncer, sync_done;

static void sync_one(void *)
{
	__atomic_store_n(&syncer, own_handle(), __ATOMIC_RELEASE);
	sync_result = sync_file->ops->fsync(sync_file, 0, UINT64_MAX, false);
	__atomic_store_n(&sync_done, 1, __ATOMIC_RELEASE);
}

static bool sync_begins(struct file *f)
{
	sync_file = f;
	syncer = sync_done = 0;
	return start_thread(sync_one, nullptr, -1) != nullptr;
}

static void what_is_written(void)
{
	static unsigned char page[2 * PAGE_SIZE];
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	/* A part of a page, a whole one that is not read for it, and the file's growth. */
	put(f, PAGE_SIZE + 10, 200);
	EXPECT_EQ(slow_fills, 1);
	memset(page, 77, sizeof(page));
	EXPECT_EQ(file_write_at(f, page, sizeof(page), 4 * PAGE_SIZE), sizeof(page));
	EXPECT_EQ(slow_fills, 1);
	EXPECT_EQ(file_write_at(f, page, 100, 9 * PAGE_SIZE), 100);
	EXPECT_EQ(slow_fills, 1);
	EXPECT_EQ(f->inode->size, 9 * PAGE_SIZE + 100);
	EXPECT_EQ(f->inode->cache->dirty, 4);
	/* What is dirty stays. */
	page_cache_evict_all();
	EXPECT_EQ(f->inode->cache->pages, 4);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_writes, 3); /* two neighbours are one range */
	EXPECT_EQ(f->inode->cache->dirty, 0);
	EXPECT(slow_bytes[1][10] == 200 && slow_bytes[1][11] == slow_byte(1, 11));
	EXPECT(slow_bytes[4][0] == 77 && slow_bytes[5][PAGE_SIZE - 1] == 77);
	EXPECT(slow_bytes[9][99] == 77 && slow_bytes[9][100] == 0);
	/* Again: nothing is to do. */
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_writes, 3);
	/* There is no room for more in the store. */
	EXPECT_EQ(file_write_at(f, page, 1, SLOW_PAGES * PAGE_SIZE), -ENOSPC);
	slow_end(f);
}

/* A byte that changes while its page is being written is written, too, before fsync ends. */
static void change_while_writing(void)
{
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	put(f, 5, 1);
	slow_hold_writes = true;
	if (sync_begins(f) && EXPECT(WAIT_UNTIL(slow_held() == 1))) {
		put(f, 6, 2);
		struct file *second = slow_open();
		EXPECT_EQ(f->inode->cache->dirty, 1);
		slow_release(true);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&sync_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(sync_result, 0);
		EXPECT(slow_bytes[0][5] == 1);
		/* The one that began after the change waits for it. */
		if (sync_begins(second) && EXPECT(WAIT_UNTIL(slow_held() == 1))) {
			EXPECT_EQ(__atomic_load_n(&sync_done, __ATOMIC_ACQUIRE), 0);
			slow_release(true);
			EXPECT(WAIT_UNTIL(__atomic_load_n(&sync_done, __ATOMIC_ACQUIRE)));
			EXPECT(slow_bytes[0][6] == 2);
		}
		file_put(second);
	}
	slow_end(f);
}

static bool is_writable(struct vm_space *s, uint64_t va)
{
	read_lock(&s->lock);
	bool writable = page_entry_writable(page_table_lookup(s->root, va));
	read_unlock(&s->lock);
	return writable;
}

/* Who maps a file and writes to it loses the right to while it is written, and asks again: no change is missed. */
static void mapped_writers(void)
{
	unsigned char byte = 11;
	struct vm_space *s;
	struct list dead = LIST_INIT(dead);
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	struct map_request r = {.address = AT,
				.length = 4 * PAGE_SIZE,
				.prot = PROT_READ | PROT_WRITE,
				.map_flags = MAP_FIXED,
				.area_flags = AREA_SHARED | AREA_MAY_WRITE,
				.object = &f->object};
	if (!EXPECT_EQ(vm_space_create(&s), 0))
		return;
	write_lock(&s->lock);
	EXPECT_EQ(map_locked(s, &r, &dead), AT);
	write_unlock(&s->lock);
	EXPECT_EQ(vm_write(s, AT + PAGE_SIZE, &byte, 1), 0);
	EXPECT(is_writable(s, AT + PAGE_SIZE));
	EXPECT(slow_prepared >= 1);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_bytes[1][0], 11);
	EXPECT(!is_writable(s, AT + PAGE_SIZE));
	EXPECT_EQ(f->inode->cache->dirty, 0);
	byte = 12;
	EXPECT_EQ(vm_write(s, AT + PAGE_SIZE, &byte, 1), 0);
	EXPECT_EQ(f->inode->cache->dirty, 1);
	EXPECT_EQ(f->object.ops->sync(&f->object, 0, 3), 0); /* msync */
	EXPECT_EQ(slow_bytes[1][0], 12);
	/* A page that cannot be read cannot be written to. */
	page_cache_evict_all();
	slow_bad_page = 3;
	EXPECT_EQ(vm_fault(s, AT + 3 * PAGE_SIZE, FAULT_USER | FAULT_WRITE), -EIO);
	slow_bad_page = NO_PAGE;
	EXPECT_EQ(vm_fault(s, AT + 3 * PAGE_SIZE, FAULT_USER | FAULT_WRITE), 0);
	vm_space_put(s);
	slow_end(f);
}

/* A hole: what nobody else has goes, what is mapped becomes zeros that are not written; nothing else changes. */
static void holes(void)
{
	unsigned char byte = 0;
	struct vm_space *s;
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	if (!EXPECT_EQ(vm_space_create(&s), 0))
		return;
	EXPECT_EQ(vm_map_fixed(s, AT, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE, &f->object, 0), 0);
	EXPECT_EQ(vm_read(s, AT + 2 * PAGE_SIZE, &byte, 1), 0);
	byte = 99;
	EXPECT_EQ(vm_write(s, AT + 6 * PAGE_SIZE, &byte, 1), 0); /* a copy of its own */
	put(f, 2 * PAGE_SIZE, 5);
	put(f, 3 * PAGE_SIZE, 5);
	page_cache_punch(f->inode, 2, 3);
	EXPECT_EQ(f->inode->cache->dirty, 0);
	EXPECT_EQ(vm_read(s, AT + 2 * PAGE_SIZE, &byte, 1), 0);
	EXPECT_EQ(byte, 0);
	EXPECT_EQ(vm_read(s, AT + 6 * PAGE_SIZE, &byte, 1), 0);
	EXPECT_EQ(byte, 99);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_writes, 0);
	/* The store has been left alone: that is what is read again. */
	EXPECT_EQ(file_read_at(f, &byte, 1, 3 * PAGE_SIZE), 1);
	EXPECT_EQ(byte, slow_byte(3, 0));
	EXPECT_EQ(f->ops->seek(f, PAGE_SIZE, SEEK_DATA), PAGE_SIZE);
	EXPECT_EQ(f->ops->seek(f, 0, SEEK_HOLE), 8 * PAGE_SIZE);
	vm_space_put(s);
	slow_end(f);
}

/* fsync(2): each open file that was open when writing failed is told once; later ones are not. */
static void who_is_told(void)
{
	struct file *a, *b, *c;

	if (!slow_begin(8, &a))
		return;
	b = slow_open();
	put(a, 2 * PAGE_SIZE, 9);
	slow_bad_page = 2;
	/* Nobody asks: the error is kept for those who will. */
	EXPECT_EQ(dirty_sync(a->inode->sb, true), 0);
	EXPECT_EQ(slow_writes, 1);
	slow_bad_page = NO_PAGE;
	c = slow_open();
	EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), -EIO);
	EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(b->ops->fsync(b, 0, UINT64_MAX, false), -EIO);
	EXPECT_EQ(b->ops->fsync(b, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(c->ops->fsync(c, 0, UINT64_MAX, false), 0);
	/* In every position of a larger piece, and of a store that refuses, or faults. */
	for (uint64_t bad = 0; bad < 8; bad++) {
		for (uint64_t p = 0; p < 8; p++)
			put(a, p * PAGE_SIZE, (unsigned char)bad);
		slow_bad_page = bad;
		EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), -EIO);
		slow_bad_page = NO_PAGE;
		EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), 0);
	}
	put(a, 0, 1);
	slow_refuse = true;
	EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), -EIO);
	slow_refuse = false;
	put(a, 0, 2);
	slow_stray = true;
	EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), -EIO);
	slow_stray = false;
	sleep_ns(FAULT_PAUSE_NS);
	put(a, 0, 3);
	EXPECT_EQ(a->ops->fsync(a, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_bytes[0][0], 3);
	EXPECT_EQ(a->inode->cache->under_way, 0);
	file_put(c);
	file_put(b);
	slow_end(a);
}

/* A store that faults when it has told already how it went: that counts, and the range is given back once. */
static void fault_afterwards(void)
{
	unsigned char byte = 0;
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	slow_stray_late = true;
	EXPECT_EQ(file_read_at(f, &byte, 1, PAGE_SIZE), -EIO);
	slow_stray_late = false;
	sleep_ns(FAULT_PAUSE_NS);
	EXPECT_EQ(file_read_at(f, &byte, 1, PAGE_SIZE), 1);
	EXPECT_EQ(byte, slow_byte(1, 0));
	EXPECT_EQ(slow_fills, 1);
	put(f, PAGE_SIZE, 3);
	slow_stray_late = true;
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	slow_stray_late = false;
	sleep_ns(FAULT_PAUSE_NS);
	EXPECT_EQ(slow_bytes[1][0], 3);
	put(f, PAGE_SIZE, 4);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
	EXPECT_EQ(slow_bytes[1][0], 4);
	EXPECT_EQ(f->inode->cache->under_way, 0);
	slow_end(f);
}

static uint32_t cutter, cut;

static void cut_file(void *)
{
	__atomic_store_n(&cutter, own_handle(), __ATOMIC_RELEASE);
	EXPECT_EQ(inode_truncate(sync_file->inode, PAGE_SIZE + 1), 0);
	__atomic_store_n(&cut, 1, __ATOMIC_RELEASE);
}

/* Who cuts a file waits for what is being written of the part that goes; what is left ends in zeros in the store. */
static void cut_while_writing(void)
{
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	cutter = cut = 0;
	put(f, 5 * PAGE_SIZE, 1);
	slow_hold_writes = true;
	if (sync_begins(f) && EXPECT(WAIT_UNTIL(slow_held() == 1)) && start_thread(cut_file, nullptr, -1)) {
		EXPECT(WAIT_UNTIL(__atomic_load_n(&cutter, __ATOMIC_ACQUIRE) != 0 && is_parked(cutter)));
		EXPECT_EQ(__atomic_load_n(&cut, __ATOMIC_ACQUIRE), 0);
		slow_hold_writes = false;
		slow_release(true);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&cut, __ATOMIC_ACQUIRE) &&
				  __atomic_load_n(&sync_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, false), 0);
		EXPECT(slow_bytes[1][0] == slow_byte(1, 0) && slow_bytes[1][1] == 0);
		EXPECT_EQ(f->inode->cache->pages, 1);
	}
	slow_end(f);
}

static unsigned char across[PAGE_SIZE + 10];

static void write_across(void *arg)
{
	EXPECT_EQ(file_write_at(arg, across, sizeof(across), 0), sizeof(across));
	__atomic_store_n(&cut, 1, __ATOMIC_RELEASE);
}

/* A file is cut when the first page has been written to and the second is still being read for it: the write is as if
 * it came afterwards, as a whole. */
static void cut_within_write(void)
{
	static unsigned char back[sizeof(across)];
	struct file *f;

	if (!slow_begin(2, &f))
		return;
	cut = 0;
	memset(across, 0x6d, sizeof(across));
	slow_hold_fills = true;
	if (start_thread(write_across, f, -1) && EXPECT(WAIT_UNTIL(slow_held() == 1))) {
		EXPECT_EQ(inode_truncate(f->inode, 0), 0);
		slow_hold_fills = false;
		slow_release(false);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&cut, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(f->inode->size, sizeof(across));
		EXPECT_EQ(file_read_at(f, back, sizeof(back), 0), sizeof(back));
		EXPECT(memcmp(back, across, sizeof(back)) == 0);
	}
	slow_end(f);
}

/* Closing and unmounting leave nothing behind. */
static void unmount_writes(void)
{
	struct file *f;

	if (!slow_begin(8, &f))
		return;
	put(f, 3 * PAGE_SIZE + 1, 50);
	file_put(f);
	slow_unmount();
	EXPECT_EQ(slow_bytes[3][1], 50);
}

static uint32_t writer, written;

static void write_much(void *arg)
{
	static unsigned char bytes[16 * PAGE_SIZE];
	struct file *f = arg;

	__atomic_store_n(&writer, own_handle(), __ATOMIC_RELEASE);
	for (unsigned n = 0; n < 4; n++)
		EXPECT_EQ(file_write_at(f, bytes, sizeof(bytes), n * sizeof(bytes)), (long)sizeof(bytes));
	__atomic_store_n(&written, 1, __ATOMIC_RELEASE);
}

/* Too much is dirty: the flusher begins by itself, and who writes more waits until there is less. */
static void held_back(void)
{
	struct file *f;

	if (!slow_begin(1, &f))
		return;
	writer = written = 0;
	slow_hold_writes = true;
	if (slow_set_knob("dirty_background_bytes", "16384") && slow_set_knob("dirty_bytes", "65536") &&
	    start_thread(write_much, f, -1)) {
		EXPECT(WAIT_UNTIL(slow_held() > 0 && __atomic_load_n(&writer, __ATOMIC_ACQUIRE) != 0 &&
				  is_parked(writer)));
		EXPECT_EQ(__atomic_load_n(&written, __ATOMIC_ACQUIRE), 0);
		EXPECT(f->inode->size < 64 * PAGE_SIZE);
		slow_hold_writes = false;
		slow_release(true);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&written, __ATOMIC_ACQUIRE)));
	}
	slow_set_knob("dirty_ratio", "20");
	slow_set_knob("dirty_background_ratio", "10");
	slow_end(f);
	slow_flusher_settles();
}

/* A file is cut again and again while its last page is written: once cutting is over, none of what is gone is still
 * being written. */
static bool syncing_ends;

static void sync_always(void *)
{
	while (!__atomic_load_n(&syncing_ends, __ATOMIC_ACQUIRE))
		EXPECT_EQ(sync_file->ops->fsync(sync_file, 0, UINT64_MAX, false), 0);
	__atomic_store_n(&sync_done, 1, __ATOMIC_RELEASE);
}

static void cut_and_written(void)
{
	struct file *f;

	if (!slow_begin(1, &f))
		return;
	sync_file = f;
	sync_done = 0;
	syncing_ends = false;
	if (!start_thread(sync_always, nullptr, -1))
		return;
	for (unsigned n = 0; n < 300; n++) {
		put(f, 5 * PAGE_SIZE, (unsigned char)n);
		struct page *page = page_cache_find(f->inode->cache, 5);

		page_cache_mark_dirty(f->inode, 5, page);
		page_cache_drop(f->inode, 5, 5);
		/* Two references are too many: the range that writes it has one. */
		if (!EXPECT_EQ(__atomic_load_n(&page->refs, __ATOMIC_ACQUIRE), 1))
			n = 300;
		page_put(page);
	}
	__atomic_store_n(&syncing_ends, true, __ATOMIC_RELEASE);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&sync_done, __ATOMIC_ACQUIRE)));
	slow_end(f);
}

static void write_one(void *arg)
{
	__atomic_store_n(&writer, own_handle(), __ATOMIC_RELEASE);
	put(arg, 9 * PAGE_SIZE, 1);
	__atomic_store_n(&written, 1, __ATOMIC_RELEASE);
}

/* Pages that change while they are written are passed over by the flusher; when they have been written it is told to
 * look again, since a writer waits for that. */
static void held_back_by_changes(void)
{
	struct file *f;

	if (!slow_begin(16, &f))
		return;
	writer = written = 0;
	for (unsigned p = 0; p < 3; p++)
		put(f, p * PAGE_SIZE, 1);
	slow_hold_writes = true;
	if (sync_begins(f) && EXPECT(WAIT_UNTIL(slow_held() == 1))) {
		for (unsigned p = 0; p < 3; p++) {
			struct page *page = page_cache_find(f->inode->cache, p);

			page_cache_mark_dirty(f->inode, p, page);
			page_put(page);
		}
		/* No round of the flusher's own comes in between. */
		slow_set_knob("dirty_writeback_centisecs", "0");
		slow_set_knob("dirty_bytes", "8192");
		if (start_thread(write_one, f, -1))
			EXPECT(WAIT_UNTIL(__atomic_load_n(&writer, __ATOMIC_ACQUIRE) != 0 && is_parked(writer)));
		EXPECT_EQ(__atomic_load_n(&written, __ATOMIC_ACQUIRE), 0);
		slow_hold_writes = false;
		slow_release(true);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&written, __ATOMIC_ACQUIRE)));
		EXPECT(WAIT_UNTIL(__atomic_load_n(&sync_done, __ATOMIC_ACQUIRE)));
	}
	slow_set_knob("dirty_ratio", "20");
	slow_set_knob("dirty_writeback_centisecs", "500");
	slow_end(f);
	slow_flusher_settles();
}

/* Only what was asked for is written. */
static void ranges(void)
{
	struct file *f;

	if (!slow_begin(16, &f))
		return;
	for (unsigned p = 0; p < 16; p++)
		put(f, p * PAGE_SIZE, 0xcc);
	EXPECT_EQ(f->object.ops->sync(&f->object, 4, 6), 0);
	EXPECT_EQ(f->inode->cache->dirty, 13);
	for (unsigned p = 0; p < 16; p++)
		EXPECT_EQ(slow_bytes[p][0] == 0xcc, p >= 4 && p <= 6);
	EXPECT_EQ(f->ops->fsync(f, 0, UINT64_MAX, true), 0);
	EXPECT_EQ(f->inode->cache->dirty, 0);
	slow_end(f);
}

KTEST_SUITE(page_write, KTEST("what is written", what_is_written),
	    KTEST("a change while it is written", change_while_writing),
	    KTEST("who maps it loses the right to write", mapped_writers), KTEST("a hole", holes),
	    KTEST("who is told of errors", who_is_told), KTEST("a fault after the end was told", fault_afterwards),
	    KTEST("a file is cut while it is written", cut_while_writing),
	    KTEST("a file is cut within a write", cut_within_write), KTEST("unmounting writes", unmount_writes),
	    KTEST("writers are held back", held_back),
	    KTEST("writers wait for what changed while it was written", held_back_by_changes),
	    KTEST("cut while it is written again", cut_and_written), KTEST("a range is written", ranges));
