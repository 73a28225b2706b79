/* SPDX-License-Identifier: MIT */
/* Pages that come from a store: who waits for them, what fails, what is cut or dropped meanwhile. */
#include "slow_store.h"

#include <abi/mman.h>

#include "../../kernel/vm/vm_internal.h"

enum : uint64_t { AT = 0x200000 };

static bool read_is_right(struct file *f, uint64_t index)
{
	static unsigned char page[PAGE_SIZE];

	if (!EXPECT_EQ(file_read_at(f, page, PAGE_SIZE, index * PAGE_SIZE), PAGE_SIZE))
		return false;
	for (size_t n = 0; n < PAGE_SIZE; n++)
		if (!EXPECT_EQ(page[n], slow_byte(index, n)))
			return false;
	return true;
}

/* Who reads on is read ahead of, by more each time; who jumps about is not. */
static void reading_ahead(void)
{
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	for (uint64_t p = 0; p < SLOW_PAGES && read_is_right(f, p); p++)
		;
	EXPECT_EQ(slow_longest, PAGE_RANGE_MAX);
	EXPECT(slow_fills <= 8);
	page_cache_evict_all();
	EXPECT_EQ(f->inode->cache->pages, 0);
	slow_fills = slow_longest = 0;
	for (uint64_t p = SLOW_PAGES - 1; p > SLOW_PAGES - 9 && read_is_right(f, p); p--)
		;
	EXPECT_EQ(slow_fills, 8);
	EXPECT_EQ(slow_longest, 1);
	slow_end(f);
}

static void two_readers(void)
{
	static struct reader a, b;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	slow_hold_fills = true;
	if (reader_start(&a, f, 50, false) && reader_waits(&a) && reader_start(&b, f, 50, false) && reader_waits(&b)) {
		EXPECT_EQ(slow_held(), 1);
		slow_release(false);
		EXPECT(reader_ends(&a) && reader_ends(&b));
		EXPECT(a.result == 1 && b.result == 1);
		EXPECT(a.byte == slow_byte(50, 0) && b.byte == slow_byte(50, 0));
		EXPECT_EQ(slow_fills, 1);
	}
	slow_end(f);
}

/* One bad place is an error for who reads it, and for nobody else; once it is good again, so is reading. */
static void errors_everywhere(void)
{
	unsigned char byte;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	for (uint64_t bad = 0; bad < SLOW_PAGES; bad += 5) {
		page_cache_evict_all();
		slow_bad_page = bad;
		for (uint64_t p = 0; p < SLOW_PAGES; p++) {
			long wanted = p == bad ? -EIO : 1;

			if (!EXPECT_EQ(file_read_at(f, &byte, 1, p * PAGE_SIZE), wanted))
				break;
		}
	}
	slow_bad_page = NO_PAGE;
	EXPECT(read_is_right(f, 0) && read_is_right(f, SLOW_PAGES - 1));
	/* A store that takes nothing. */
	page_cache_evict_all();
	slow_refuse = true;
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -EBUSY);
	slow_refuse = false;
	EXPECT(read_is_right(f, 0));
	slow_end(f);
}

static void store_faults(void)
{
	uint32_t held = thread_current()->kept->held_count;
	unsigned char byte;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	slow_stray = true;
	EXPECT_EQ(file_read_at(f, &byte, 1, 7 * PAGE_SIZE), -EIO);
	slow_stray = false;
	EXPECT_EQ(thread_current()->kept->held_count, held);
	sleep_ns(FAULT_PAUSE_NS);
	EXPECT(read_is_right(f, 7));
	EXPECT_EQ(f->inode->cache->under_way, 0);
	slow_end(f);
}

/* A page that is cut off while it is read leaves the cache at once; what the store brings later is nobody's. */
static void cut_while_filling(void)
{
	static struct reader r;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	slow_hold_fills = true;
	if (reader_start(&r, f, 40, false) && reader_waits(&r)) {
		EXPECT_EQ(inode_truncate(f->inode, 4 * PAGE_SIZE), 0);
		EXPECT_EQ(f->inode->cache->pages, 0);
		EXPECT(reader_ends(&r));
		EXPECT_EQ(r.result, 0); /* the end of the file */
		EXPECT_EQ(slow_held(), 1);
		slow_release(false);
		EXPECT_EQ(f->inode->cache->pages, 0);
	}
	slow_end(f);
}

/* A page that somebody waits for stays, however much is dropped. */
static void evict_while_waiting(void)
{
	static struct reader r;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	EXPECT(read_is_right(f, 0));
	slow_hold_fills = true;
	if (reader_start(&r, f, 60, false) && reader_waits(&r)) {
		page_cache_evict_all();
		EXPECT_EQ(f->inode->cache->pages, 1);
		slow_release(false);
		EXPECT(reader_ends(&r));
		EXPECT_EQ(r.result, 1);
		EXPECT_EQ(r.byte, slow_byte(60, 0));
		page_cache_evict_all();
		EXPECT_EQ(f->inode->cache->pages, 0);
	}
	slow_end(f);
}

static void kill_while_waiting(void)
{
	static struct reader r;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	slow_hold_fills = true;
	if (reader_start(&r, f, 9, true) && reader_waits(&r)) {
		reader_kill(&r);
		EXPECT(reader_ends(&r));
		EXPECT_EQ(r.result, -EINTR);
		EXPECT_EQ(slow_held(), 1);
		/* The page is there for the next one. */
		slow_release(false);
		slow_hold_fills = false;
		EXPECT(read_is_right(f, 9));
		EXPECT_EQ(slow_fills, 1);
	}
	slow_end(f);
}

static uint32_t unmounter, unmounted;

static void unmount(void *)
{
	__atomic_store_n(&unmounter, own_handle(), __ATOMIC_RELEASE);
	slow_unmount();
	__atomic_store_n(&unmounted, 1, __ATOMIC_RELEASE);
}

/* The end of the filesystem waits for what its store is still to bring. */
static void unmount_while_filling(void)
{
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	static struct reader r;
	unmounter = unmounted = 0;
	slow_hold_fills = true;
	if (!reader_start(&r, f, 9, true) || !reader_waits(&r))
		return;
	reader_kill(&r);
	EXPECT(reader_ends(&r));
	file_put(f);
	if (!start_thread(unmount, nullptr, -1))
		return;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&unmounter, __ATOMIC_ACQUIRE) != 0 && is_parked(unmounter)));
	EXPECT_EQ(__atomic_load_n(&unmounted, __ATOMIC_ACQUIRE), 0);
	slow_hold_fills = false;
	slow_release(false);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&unmounted, __ATOMIC_ACQUIRE) != 0));
}

/* A thread that faults at an address of a space. */
static struct vm_space *space;
static uint32_t faulter, fault_done;
static int fault_result;

static void fault(void *)
{
	__atomic_store_n(&faulter, own_handle(), __ATOMIC_RELEASE);
	fault_result = vm_fault(space, AT + 2 * PAGE_SIZE, FAULT_USER);
	__atomic_store_n(&fault_done, 1, __ATOMIC_RELEASE);
}

static bool map_and_fault(struct file *f)
{
	faulter = fault_done = 0;
	slow_hold_fills = true;
	if (!EXPECT_EQ(vm_space_create(&space), 0))
		return false;
	return EXPECT_EQ(vm_map_fixed(space, AT, 8 * PAGE_SIZE, PROT_READ, &f->object, 30 * PAGE_SIZE), 0) &&
	       start_thread(fault, nullptr, -1) != nullptr && EXPECT(WAIT_UNTIL(slow_held() > 0 && is_parked(faulter)));
}

static void unmap(uint64_t first, uint64_t end)
{
	struct list dead = LIST_INIT(dead);

	/* While the fault waits, the space's lock is free. */
	write_lock(&space->lock);
	EXPECT_EQ(unmap_locked(space, first, end, &dead), 0);
	write_unlock(&space->lock);
	areas_bury(&dead);
}

static void faults_wait(void)
{
	unsigned char byte = 0;
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	if (map_and_fault(f)) {
		unmap(AT + 4 * PAGE_SIZE, AT + 8 * PAGE_SIZE); /* a neighbour */
		page_cache_evict_all();
		slow_release(false);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&fault_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(fault_result, 0);
		EXPECT_EQ(vm_read(space, AT + 2 * PAGE_SIZE + 5, &byte, 1), 0);
		EXPECT_EQ(byte, slow_byte(32, 5));
		EXPECT_EQ(slow_fills, 1);
	}
	vm_space_put(space);
	slow_end(f);
}

static void unmap_while_waiting(void)
{
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	if (map_and_fault(f)) {
		unmap(AT, AT + 8 * PAGE_SIZE);
		slow_release(false);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&fault_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(fault_result, -EFAULT);
		EXPECT_EQ(vm_resident_pages(space), 0);
	}
	vm_space_put(space);
	slow_end(f);
}

/* A mapping of what cannot be read is SIGBUS, and so is one of what has been cut meanwhile. */
static void faults_fail(void)
{
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	slow_bad_page = 32;
	if (map_and_fault(f)) {
		slow_release(false);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&fault_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(fault_result, -EIO);
	}
	vm_space_put(space);
	slow_bad_page = NO_PAGE;
	if (map_and_fault(f)) {
		EXPECT_EQ(inode_truncate(f->inode, PAGE_SIZE), 0);
		EXPECT(WAIT_UNTIL(__atomic_load_n(&fault_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(fault_result, -EIO);
	}
	vm_space_put(space);
	slow_end(f);
}

/* What a program says of how it reads. */
static void advised(void)
{
	struct file *f;

	if (!slow_begin(SLOW_PAGES, &f))
		return;
	f->ahead.advice = READ_RANDOM;
	for (uint64_t p = 0; p < 8 && read_is_right(f, p); p++)
		;
	EXPECT_EQ(slow_fills, 8);
	EXPECT_EQ(slow_longest, 1);
	page_cache_evict_all();
	f->ahead.advice = READ_SEQUENTIAL;
	EXPECT(read_is_right(f, 40));
	EXPECT_EQ(slow_longest, PAGE_RANGE_MAX);
	page_cache_evict_all();
	/* Wanted soon, around what is there. */
	f->ahead.advice = READ_RANDOM;
	EXPECT(read_is_right(f, 20));
	slow_fills = 0;
	page_cache_will_need(f->inode, 10, 30);
	EXPECT_EQ(slow_fills, 2);
	EXPECT_EQ(f->inode->cache->pages, 21);
	page_cache_will_need(f->inode, SLOW_PAGES - 2, UINT64_MAX);
	EXPECT_EQ(f->inode->cache->pages, 23);
	/* Not wanted any more: what is dirty is written first. */
	unsigned char byte = 7;
	EXPECT_EQ(file_write_at(f, &byte, 1, 12 * PAGE_SIZE), 1);
	slow_hold_writes = true;
	page_cache_not_needed(f->inode, 11, 20);
	EXPECT_EQ(f->inode->cache->pages, 14);
	EXPECT_EQ(slow_held(), 1);
	slow_hold_writes = false;
	slow_release(true);
	EXPECT_EQ(slow_bytes[12][0], 7);
	page_cache_not_needed(f->inode, 0, UINT64_MAX);
	EXPECT_EQ(f->inode->cache->pages, 0);
	slow_end(f);
}

KTEST_SUITE(page_cache, KTEST("what a program says of how it reads", advised), KTEST("reading ahead", reading_ahead),
	    KTEST("two readers of one page", two_readers), KTEST("an error in every position", errors_everywhere),
	    KTEST("a store that faults", store_faults), KTEST("a file is cut while it is read", cut_while_filling),
	    KTEST("memory is short while somebody waits", evict_while_waiting),
	    KTEST("who waits is killed", kill_while_waiting),
	    KTEST("unmounted while it is read", unmount_while_filling),
	    KTEST("a fault waits without the lock", faults_wait),
	    KTEST("unmapped while a fault waits", unmap_while_waiting), KTEST("a fault that fails", faults_fail));
