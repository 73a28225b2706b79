/* SPDX-License-Identifier: MIT */
/*
 * Pages go to their store: what is dirty, ranges that are written, errors.
 *
 * A page is marked dirty after its bytes have changed. It is marked clean before it is written, and then made read-only
 * in all spaces that map it: what a process stores before is written with it, what it stores later marks the page anew.
 * Nothing is allocated here: ranges come from a fixed stock, which whoever writes waits for. A store may have as many
 * of them as are left, so that each of several stores that stand still takes half of what the others leave, and one
 * that works finds some. The flusher waits for none: it passes over a store that may have no more, and is woken when
 * one comes back.
 *
 * A cache with dirty pages stands in a list with a reference to its inode, from which whoever writes it back takes it
 * (flusher.c).
 */
#include "page_cache_internal.h"

#include <kernel/base/clock.h>
#include <kernel/base/killable.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/vm.h>

enum : unsigned { STOCK = 32, SCAN_MAX = 256, ERRNO_BITS = 12 };

static struct spinlock stock_lock = SPINLOCK_INIT(RANK_NONE); /* leaf */
static struct page_range stock[STOCK];
static struct list stock_free GUARDED_BY(&stock_lock) = LIST_INIT(stock_free);
static uint32_t stock_left GUARDED_BY(&stock_lock);
static bool stock_made GUARDED_BY(&stock_lock), stock_wanted GUARDED_BY(&stock_lock); /* by the flusher */
static struct wait_queue stock_waiters = WAIT_QUEUE_INIT(stock_waiters);

static void make_stock(void) REQUIRES(stock_lock)
{
	for (unsigned n = 0; n < STOCK; n++)
		list_push_back(&stock_free, &stock[n].of_cache);
	stock_left = STOCK;
	stock_made = true;
}

static struct page_range *range_try_take(struct page_cache *c)
{
	struct page_range *r = nullptr;

	spin_lock(&stock_lock);
	if (!stock_made)
		make_stock();
	if (c->store->write_ranges < stock_left) {
		r = list_first(&stock_free, struct page_range, of_cache);
		list_remove(&r->of_cache);
		stock_left--;
		c->store->write_ranges++;
	}
	spin_unlock(&stock_lock);
	return r;
}

/* The store has one less. Before the cache may end; the range itself comes back later, or never. */
static void range_done(struct page_cache *c)
{
	spin_lock(&stock_lock);
	c->store->write_ranges--;
	spin_unlock(&stock_lock);
}

static void range_put_back(struct page_range *r)
{
	spin_lock(&stock_lock);
	list_push_back(&stock_free, &r->of_cache);
	stock_left++;
	spin_unlock(&stock_lock);
	/* One that may take it is not known. */
	wait_wake_all(&stock_waiters);
}

/* There are more, or some store has fewer. */
static void tell_flusher(void)
{
	spin_lock(&stock_lock);
	bool wanted = stock_wanted;
	stock_wanted = false;
	spin_unlock(&stock_lock);
	if (wanted)
		flusher_wake();
}

static void range_give(struct page_range *r)
{
	range_put_back(r);
	tell_flusher();
}

void page_cache_want_range(void)
{
	spin_lock(&stock_lock);
	stock_wanted = true;
	spin_unlock(&stock_lock);
}

/* Until the condition holds, or (patient: not then) the thread is to end: -EINTR. */
#define WAIT_PATIENTLY(patient, q, cond) ((patient) ? (wait_event((q), (cond)), 0) : wait_event_killable((q), (cond)))

/* nullptr: the thread is to end. */
static struct page_range *range_take(struct page_cache *c, bool patient)
{
	struct page_range *r = nullptr;

	(void)WAIT_PATIENTLY(patient, &stock_waiters, r != nullptr || (r = range_try_take(c)) != nullptr);
	return r;
}

/* What is wanted is said first: one that comes back after the second look is told of. */
static struct page_range *range_take_for_flusher(struct page_cache *c)
{
	struct page_range *r = range_try_take(c);

	if (r != nullptr)
		return r;
	page_cache_want_range();
	return range_try_take(c);
}

void slot_clean_locked(struct page_cache *c, uint64_t *place)
{
	if (*place & SLOT_DIRTY) {
		c->dirty--;
		__atomic_fetch_sub(&page_dirty_count, 1, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&c->store->unwritten, 1, __ATOMIC_RELAXED);
	}
	*place &= ~SLOT_DIRTY;
}

void page_cache_mark_dirty_run(struct inode *i, uint64_t index, struct page *const *pages, unsigned n)
{
	struct page_cache *c = i->cache;
	uint64_t *place = nullptr;
	unsigned fresh = 0;

	if (c->ops->write == nullptr)
		return;
	spin_lock(&c->lock);
	for (unsigned k = 0; k < n; k++) {
		/* Places follow each other to the node's end. */
		place = place == nullptr || (index + k) % RADIX_SLOTS == 0 ? radix_find(&c->tree, index + k)
									   : place + 1;
		if (place != nullptr && slot_page(*place) == pages[k] && !(*place & SLOT_DIRTY)) {
			*place |= SLOT_DIRTY;
			fresh++;
		}
	}
	c->dirty += fresh;
	if (fresh > 0) {
		__atomic_fetch_add(&page_dirty_count, fresh, __ATOMIC_RELAXED);
		__atomic_fetch_add(&c->store->unwritten, fresh, __ATOMIC_RELAXED);
	}
	spin_unlock(&c->lock);
	if (fresh > 0)
		dirty_list_add(c);
}

void page_cache_mark_dirty(struct inode *i, uint64_t index, struct page *page)
{
	page_cache_mark_dirty_run(i, index, &page, 1);
}

/* The dirty pages from *at on that can be one range; *at becomes where to go on. *busy: one is being written, and has
 * changed since. False: there is none up to `last`. */
static bool gather_dirty(struct page_range *r, uint64_t *at, uint64_t last, bool *busy)
{
	struct page_cache *c = r->inode->cache;
	uint64_t end = inode_pages(r->inode);
	bool more = true;

	spin_lock(&c->lock);
	for (unsigned scanned = 0; r->count < PAGE_RANGE_MAX; scanned++) {
		uint64_t index;
		uint64_t *place = radix_next(&c->tree, *at, &index);

		/* What is beyond the end is about to become part of the file, or has been cut. */
		more = place != nullptr && index <= last && index < end;
		if (!more || (r->count > 0 && index != r->first + r->count) || (r->count == 0 && scanned >= SCAN_MAX))
			break;
		if ((*place & (SLOT_DIRTY | SLOT_WRITING)) == SLOT_DIRTY) {
			/* First: who looks without the lock whether there is something to keep sees it all the time. */
			__atomic_fetch_add(&c->store->unwritten, 1, __ATOMIC_RELAXED);
			slot_clean_locked(c, place);
			*place |= SLOT_WRITING;
			page_get(slot_page(*place));
			if (r->count == 0)
				r->first = index;
			r->pages[r->count++] = slot_page(*place);
		} else {
			*busy |= (*place & SLOT_DIRTY) != 0;
			if (r->count > 0)
				break;
		}
		*at = index + 1;
	}
	if (r->count > 0) {
		c->under_way++;
		r->sequence = ++c->writes;
		list_push_back(&c->writing, &r->of_cache);
		__atomic_fetch_add(&page_writing_count, r->count, __ATOMIC_RELAXED);
	}
	spin_unlock(&c->lock);
	return r->count > 0 || more;
}

/* The range's pages are written. lost: the store may still read them, so that the range keeps its references for ever.
 */
static void settle(struct page_range *r, int error, bool lost)
{
	struct page_cache *c = r->inode->cache;

	spin_lock(&c->lock);
	for (uint32_t k = 0; k < r->count; k++) {
		uint64_t *place = radix_find(&c->tree, r->first + k);

		/* What is being written stays in its place. */
		KASSERT(place != nullptr && slot_page(*place) == r->pages[k]);
		*place &= ~SLOT_WRITING;
	}
	/* Before anybody sees that they are not being written: who wants them unused would find them in use. The
	 * cache's references stay. */
	if (!lost)
		page_put_batch(r->pages, r->count);
	if (error != 0) {
		uint64_t count = (c->error >> ERRNO_BITS) + 1;

		__atomic_store_n(&c->error,
				 count << ERRNO_BITS | (error == -ENOSPC || error == -ENODEV ? (uint64_t)-error : EIO),
				 __ATOMIC_RELEASE);
		__atomic_fetch_add(&c->inode->sb->write_errors, 1, __ATOMIC_RELAXED);
	}
	list_remove(&r->of_cache);
	range_done(c);
	__atomic_fetch_sub(&page_writing_count, r->count, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&c->store->unwritten, r->count, __ATOMIC_RELAXED);
	dirty_throttle_wake(c->store);
	/* Last: once the lock is free, cache and store may end. */
	page_cache_one_settled(c);
	spin_unlock(&c->lock);
}

static void range_leave(struct page_range *r)
{
	if (__atomic_sub_fetch(&r->owners, 1, __ATOMIC_ACQ_REL) == 0)
		range_give(r);
}

void page_cache_written(struct page_range *r, int error)
{
	/* A store that faulted may say so late. */
	if (__atomic_exchange_n(&r->ended, true, __ATOMIC_ACQ_REL))
		return;
	settle(r, error, false);
	range_leave(r);
}

/* Of a store that faulted: it may still have the range and read its pages, so both are its for ever. */
static void replace_range(void)
{
	struct page_range *r = kmalloc(sizeof(*r));

	if (r != nullptr) {
		range_give(r);
		return;
	}
	log_warn("vfs: a range for writing is lost to a fault, and no memory is left for another");
	/* Its store has one less all the same. */
	wait_wake_all(&stock_waiters);
	tell_flusher();
}

static void begin_write(struct page_range *r)
{
	struct inode *i = r->inode;

	vm_protect_memory(i->serial, r->first, r->first + r->count - 1);
	int error = (int)guard_run(inode_component(i), i->cache->ops->write(r));
	/* Unless the store has told how it went, or is telling it just now, and faulted afterwards. */
	if (error != 0 && !__atomic_exchange_n(&r->ended, true, __ATOMIC_ACQ_REL)) {
		bool lost = error == -EFAULT;

		settle(r, lost ? -EIO : error, lost);
		if (lost)
			replace_range();
		else
			range_leave(r);
	}
	range_leave(r);
}

/* Begins to write with r what is dirty from *at on, or gives it back as `unused` does. False: there is nothing up to
 * `last`. */
static bool write_next(struct inode *i, struct page_range *r, uint64_t *at, uint64_t last, bool *busy,
		       void (*unused)(struct page_range *r))
{
	*r = (struct page_range){.inode = i, .write = true, .owners = 2};
	bool more = gather_dirty(r, at, last, busy);

	if (r->count > 0) {
		begin_write(r);
	} else {
		range_done(i->cache);
		unused(r);
	}
	return more;
}

int page_cache_begin_write_back(struct inode *i, uint64_t first, uint64_t last, bool patient, bool *busy)
{
	struct page_range *r;

	do {
		r = range_take(i->cache, patient);
		if (r == nullptr)
			return -EINTR;
	} while (write_next(i, r, &first, last, busy, range_give));
	return 0;
}

int page_cache_write_some(struct inode *i, uint64_t *at, uint64_t last)
{
	struct page_range *r;
	bool busy = false;

	do {
		r = range_take_for_flusher(i->cache);
		if (r == nullptr)
			return -EAGAIN;
		/* One that the flusher has not used makes no room for a store that it passed over: it would wake itself
		 * for ever. */
	} while (write_next(i, r, at, last, &busy, range_put_back));
	return 0;
}

static bool is_written(struct page_cache *c, uint64_t sequence)
{
	spin_lock(&c->lock);
	bool written =
		list_empty(&c->writing) || list_first(&c->writing, struct page_range, of_cache)->sequence > sequence;
	spin_unlock(&c->lock);
	return written;
}

int page_cache_wait_written(struct inode *i, bool patient)
{
	struct page_cache *c = i->cache;

	spin_lock(&c->lock);
	uint64_t sequence = c->writes;
	spin_unlock(&c->lock);
	return WAIT_PATIENTLY(patient, &c->settled, is_written(c, sequence));
}

int page_cache_write_all(struct inode *i, uint64_t first, uint64_t last, bool patient)
{
	bool busy = false;

	if (i->cache->ops->write == nullptr)
		return 0;
	int error = page_cache_begin_write_back(i, first, last, patient, &busy);
	if (error == 0)
		error = page_cache_wait_written(i, patient);
	/* What changed while it was being written is written again, by whoever: that began after this call. */
	if (error == 0 && busy)
		error = page_cache_begin_write_back(i, first, last, patient, &busy);
	if (error == 0 && busy)
		error = page_cache_wait_written(i, patient);
	dirty_list_check(i->cache);
	return error;
}

int page_cache_write_back(struct inode *i, uint64_t first, uint64_t last)
{
	return page_cache_write_all(i, first, last, false);
}

static uint64_t error_of(const struct inode *i)
{
	return i->cache != nullptr ? __atomic_load_n(&i->cache->error, __ATOMIC_ACQUIRE) : 0;
}

void page_cache_note_errors(struct file *f)
{
	f->error_seen = error_of(f->inode);
}

bool error_is_news(uint64_t *seen, uint64_t count)
{
	uint64_t before = __atomic_load_n(seen, __ATOMIC_ACQUIRE);

	while (count > before)
		if (__atomic_compare_exchange_n(seen, &before, count, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

int page_cache_take_error(struct file *f)
{
	uint64_t error = error_of(f->inode);

	if (!error_is_news(&f->error_seen, error))
		return 0;
	return -(int)(error & ((1 << ERRNO_BITS) - 1));
}

/* Whether the page is being written. */
static bool is_writing(struct page_cache *c, uint64_t index)
{
	spin_lock(&c->lock);
	const uint64_t *place = radix_find(&c->tree, index);
	bool writing = place != nullptr && (*place & SLOT_WRITING);
	spin_unlock(&c->lock);
	return writing;
}

void page_cache_wait_page(struct page_cache *c, uint64_t index)
{
	wait_event(&c->settled, !is_writing(c, index));
}
