/* SPDX-License-Identifier: MIT */
/*
 * Pages come from their store: ranges that are filled, who waits for them, reading ahead.
 *
 * A range's pages stand in their slots from the beginning, marked SLOT_FILLING, so that nobody reads them a second
 * time. Whoever waits has a reference to the page, which keeps it when it is filled, and tells him when it could not
 * be. Where a range of several pages fails, each is tried alone by who wants it: one bad place is no reason to refuse
 * its neighbours.
 */
#include "page_cache_internal.h"

#include <kernel/base/killable.h>
#include <kernel/base/subject.h>
#include <kernel/thread/guard.h>

/* In page->private of a page that its range could not fill: the error, and whether the range had others. */
enum : uint64_t { WITH_OTHERS = 1, ERROR_SHIFT = 1 };
enum : uint32_t { AHEAD_LEAST = 4, AHEAD_MOST = 512 };

/* What lies beyond the file's end in its last page is none of its bytes, whatever the store has there. */
static void clear_tail(const struct inode *i, uint64_t index, struct page *page)
{
	uint64_t size = __atomic_load_n(&i->size, __ATOMIC_ACQUIRE);

	if (index == size / PAGE_SIZE && size % PAGE_SIZE != 0)
		memset((char *)page_address(page) + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
}

/* True: the page left the cache, whose reference is the caller's now. The range's goes (lost: never) before anybody
 * sees that the page is not being filled: who wants it unused would find it in use. */
static bool settle_page(struct page_cache *c, struct page_range *r, uint32_t k, int error, bool lost,
			struct radix_spares *spares) REQUIRES(c -> lock)
{
	struct page *page = r->pages[k];
	uint64_t *place = radix_find(&c->tree, r->first + k);

	if (error != 0)
		page->private =
			(uint64_t)(error == -ENODEV ? ENODEV : EIO) << ERROR_SHIFT | (r->count > 1 ? WITH_OTHERS : 0);
	/* Cut meanwhile, and perhaps filled anew by another range. */
	if (place == nullptr || slot_page(*place) != page)
		return false;
	if (!lost) {
		r->pages[k] = nullptr;
		page_put(page); /* the cache's is left */
	}
	if (error != 0) {
		(void)slot_remove_locked(c, r->first + k, spares);
		return true;
	}
	clear_tail(c->inode, r->first + k, page);
	*place &= ~SLOT_FILLING;
	return false;
}

static void settle(struct page_range *r, int error, bool lost)
{
	struct page_cache *c = r->inode->cache;
	struct radix_spares spares = {};
	struct page *gone[PAGE_RANGE_MAX];
	unsigned count = 0;

	spin_lock(&c->lock);
	for (uint32_t k = 0; k < r->count; k++) {
		struct page *page = r->pages[k];

		if (settle_page(c, r, k, error, lost, &spares))
			gone[count++] = page;
	}
	/* With the lock held: once it is free and nothing is under way, the cache may end. */
	page_cache_one_settled(c);
	/* The flusher drops what is dirty of a deleted file when nothing is under way. */
	bool awaited = c->under_way == 0 && c->inode->nlink == 0 && __atomic_load_n(&c->listed, __ATOMIC_RELAXED);
	spin_unlock(&c->lock);
	if (awaited)
		flusher_wake();
	spares_free(&spares);
	page_cache_count_pages(true, -(int64_t)count);
	page_put_batch(gone, count);
	/* Those that had been cut. */
	for (uint32_t k = 0; k < r->count && !lost; k++)
		if (r->pages[k] != nullptr)
			page_put(r->pages[k]);
}

static void range_leave(struct page_range *r)
{
	if (__atomic_sub_fetch(&r->owners, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(r);
}

void page_cache_filled(struct page_range *r, int error)
{
	/* A store that faulted may say so late. */
	if (__atomic_exchange_n(&r->ended, true, __ATOMIC_ACQ_REL))
		return;
	settle(r, error, false);
	range_leave(r);
}

/* fill said so. It keeps the range if it faulted, unless it has told how it went, or is telling it just now. */
static void not_begun(struct page_range *r, int error)
{
	bool lost = error == -EFAULT;

	if (__atomic_exchange_n(&r->ended, true, __ATOMIC_ACQ_REL))
		return;
	settle(r, error, lost);
	if (!lost)
		range_leave(r);
}

/* New pages in empty slots, one after the other, as far as there are some. */
static int gather_absent(struct page_range *r, uint32_t pages)
{
	struct page_cache *c = r->inode->cache;
	uint64_t end = inode_pages(r->inode);
	int result = 0;

	while (r->count < pages && r->first + r->count < end) {
		struct page *page = page_alloc_user(false);
		if (page == nullptr)
			return -ENOMEM;
		page->private = 0;
		result = slot_insert(c, r->first + r->count, page, SLOT_FILLING | SLOT_RECENT, false);
		if (result != 0) {
			page_put(page);
			break;
		}
		r->pages[r->count++] = page;
	}
	return MIN(result, 0);
}

int page_cache_begin(struct inode *i, uint64_t index, uint32_t pages, struct page **first)
{
	struct page_cache *c = i->cache;
	struct page_range *r = kmalloc(sizeof(*r));

	if (r == nullptr)
		return -ENOMEM;
	r->inode = i;
	r->first = index;
	r->owners = 2;
	int error = gather_absent(r, MIN(pages, PAGE_RANGE_MAX));
	if (r->count == 0) {
		kfree(r);
		return error;
	}
	page_cache_account(i, r->count);
	/* By its page the caller learns how it went, also when it is over at once. */
	struct page *page = r->pages[0];
	page_get(page);
	spin_lock(&c->lock);
	c->under_way++;
	spin_unlock(&c->lock);
	error = (int)guard_run(inode_component(i), c->ops->fill(r));
	if (error != 0)
		not_begun(r, error);
	range_leave(r);
	if (error == 0 && first != nullptr)
		*first = page;
	else
		page_put(page);
	return error == -EFAULT ? -EIO : error;
}

static bool is_settled(struct page_cache *c, uint64_t index, const struct page *page)
{
	spin_lock(&c->lock);
	const uint64_t *place = radix_find(&c->tree, index);
	bool settled = place == nullptr || slot_page(*place) != page || !(*place & SLOT_FILLING);
	spin_unlock(&c->lock);
	return settled;
}

static bool holds(struct page_cache *c, uint64_t index, const struct page *page)
{
	spin_lock(&c->lock);
	const uint64_t *place = radix_find(&c->tree, index);
	bool same = place != nullptr && slot_page(*place) == page;
	spin_unlock(&c->lock);
	return same;
}

/* Waits for a page that the caller has a reference to. 0: it is filled; 1: it left the cache; -EIO, -ENODEV, -EINTR. */
static int wait_for(struct page_cache *c, uint64_t index, struct page *page, uint32_t *window)
{
	if (!is_settled(c, index, page)) {
		int error = wait_event_killable(&c->settled, is_settled(c, index, page));
		if (error != 0)
			return error;
	}
	uint64_t failed = __atomic_load_n(&page->private, __ATOMIC_RELAXED);
	if (failed == 0)
		return holds(c, index, page) ? 0 : 1;
	if (!(failed & WITH_OTHERS))
		return -(int)(failed >> ERROR_SHIFT);
	*window = 1;
	return 1;
}

struct page *page_cache_find_filled(struct page_cache *c, uint64_t index)
{
	while (true) {
		uint64_t slot = slot_get(c, index);
		struct page *page = slot_page(slot);

		if (!(slot & SLOT_FILLING))
			return page;
		wait_event(&c->settled, is_settled(c, index, page));
		page_put(page);
	}
}

static uint32_t ahead_most(const struct inode *i)
{
	return MIN(__atomic_load_n(&i->cache->ahead_most, __ATOMIC_RELAXED), AHEAD_MOST);
}

/* How many pages to read where one is missing: more each time the reader goes on where the last ended. */
static uint32_t ahead_miss(struct file *f, const struct inode *i, uint64_t index, uint64_t more)
{
	struct read_ahead *a = &f->ahead;

	if (a->advice == READ_SEQUENTIAL)
		a->pages = ahead_most(i);
	else
		a->pages = index == a->next && a->advice != READ_RANDOM
				   ? MIN(MAX(a->pages * 2, AHEAD_LEAST), ahead_most(i))
				   : 0;
	uint32_t n = (uint32_t)MAX(MIN(MAX((uint64_t)a->pages, more), (uint64_t)PAGE_RANGE_MAX), 1ull);
	a->next = index + n;
	a->mark = index + n / 2;
	return n;
}

/* Half of what was read ahead is used: the next piece begins, which nobody waits for. */
void page_cache_read_on(struct file *f, struct inode *i, uint64_t index, unsigned n)
{
	struct read_ahead *a = &f->ahead;

	if (a->mark - index >= n || a->pages == 0 || a->next >= inode_pages(i))
		return;
	a->pages = MIN(a->pages * 2, ahead_most(i));
	a->mark = a->next;
	a->next += a->pages;
	for (uint64_t at = a->mark; at < a->next; at += PAGE_RANGE_MAX) {
		uint32_t piece = (uint32_t)MIN(a->next - at, (uint64_t)PAGE_RANGE_MAX);

		if (page_cache_begin(i, at, piece, nullptr) != 0)
			break;
	}
}

/* The page in the cache, or one that is begun to be filled, with a reference; nullptr: look again. FILLED: it is. */
enum : int { FILLED = 1 };

static int find_or_begin(struct file *f, struct inode *i, uint64_t index, uint64_t more, uint32_t *window,
			 struct page **out)
{
	uint64_t slot = slot_get(i->cache, index);

	*out = slot_page(slot);
	if (slot != 0)
		return slot & SLOT_FILLING ? 0 : FILLED;
	if (index >= inode_pages(i))
		return -ENXIO;
	if (*window == 0)
		*window = f != nullptr ? ahead_miss(f, i, index, more) : 1;
	int error = page_cache_begin(i, index, *window, out);
	if (error != 0 && *window > 1) {
		*window = 1;
		return 0;
	}
	return error;
}

int page_cache_read_page(struct file *f, struct inode *i, uint64_t index, uint64_t more, struct page **out)
{
	uint32_t window = 0;

	while (true) {
		struct page *page;

		int result = find_or_begin(f, i, index, more, &window, &page);
		if (result < 0)
			return result;
		if (page == nullptr)
			continue;
		result = result == FILLED ? 0 : wait_for(i->cache, index, page, &window);
		if (result == 0) {
			*out = page;
			if (f != nullptr)
				page_cache_read_on(f, i, index, 1);
			return 0;
		}
		page_put(page);
		if (result < 0)
			return result;
	}
}

void page_cache_will_need(struct inode *i, uint64_t first, uint64_t last)
{
	uint64_t end = inode_pages(i);

	for (uint64_t index = first; index <= last && index < end && !signal_fatal_current(); index++) {
		struct page *page = slot_page(slot_get(i->cache, index));

		if (page != nullptr)
			page_put(page);
		else if (page_cache_begin(i, index, (uint32_t)MIN(MIN(last - index, end) + 1, (uint64_t)PAGE_RANGE_MAX),
					  nullptr) != 0)
			return;
	}
}

int page_cache_get_stored(struct inode *i, uint64_t index, struct page **out)
{
	while (true) {
		int error = page_cache_read_page(nullptr, i, index, 1, out);
		if (error != -ENXIO)
			return error;
		/* There is nothing to read beyond the end. */
		struct page *page = page_alloc_user(true);
		if (page == nullptr)
			return -ENOMEM;
		error = slot_insert(i->cache, index, page, SLOT_RECENT, true);
		if (error == 0) {
			page_cache_account(i, 1);
			*out = page;
			return 0;
		}
		page_put(page);
		if (error < 0)
			return error;
	}
}
