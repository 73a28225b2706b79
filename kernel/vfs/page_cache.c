/* SPDX-License-Identifier: MIT */
/*
 * The page cache: a radix tree of pages for each inode that has one (interface in kernel/vfs/page_cache.h). Tree nodes
 * are allocated before the lock is taken.
 */
#include "page_cache_internal.h"

#include <kernel/base/subject.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/vm.h>

void page_cache_init(struct inode *i, const struct page_cache_ops *ops) NO_THREAD_SAFETY
{
	struct page_cache *c = i->cache;

	spin_init(&c->lock, RANK_PAGE_CACHE);
	wait_queue_init(&c->settled);
	c->ops = ops;
	c->inode = i;
	c->store = &i->sb->store;
	c->ahead_most = PAGE_RANGE_MAX;
	c->recent = ops->fill != nullptr ? SLOT_RECENT : 0;
	list_init(&c->writing);
	list_init(&c->dirty_link);
	list_init(&c->leaving_link);
	if (ops->fill != nullptr)
		evict_add(c);
}

/* Looked at under the lock: who ends the last range leaves the cache alone once the lock is free. */
bool page_cache_is_quiet(struct page_cache *c)
{
	spin_lock(&c->lock);
	bool quiet = c->under_way == 0;
	spin_unlock(&c->lock);
	return quiet;
}

void page_cache_one_settled(struct page_cache *c)
{
	c->under_way--;
	if (c->under_way == 0 && c->leaving)
		inode_release_wake();
	wait_wake_all(&c->settled);
}

void page_cache_end(struct inode *i)
{
	wait_event(&i->cache->settled, page_cache_is_quiet(i->cache));
	page_cache_drop(i, 0, UINT64_MAX);
	if (i->cache->ops->fill != nullptr)
		evict_remove(i->cache);
}

void spares_free(struct radix_spares *spares)
{
	while (spares->first != nullptr) {
		struct radix_node *node = spares->first;
		spares->first = node->next_spare;
		kfree(node);
	}
	spares->count = 0;
}

static int spares_fill(struct radix_spares *spares, unsigned want)
{
	while (spares->count < want) {
		struct radix_node *node = kmalloc(sizeof(*node));
		if (node == nullptr)
			return -ENOMEM;
		node->next_spare = spares->first;
		spares->first = node;
		spares->count++;
	}
	return 0;
}

static uint64_t slot_get_locked(struct page_cache *c, uint64_t index) REQUIRES(c -> lock)
{
	uint64_t *place = radix_find(&c->tree, index);

	if (place == nullptr || *place == 0)
		return 0;
	if (c->recent != 0)
		*place |= c->recent;
	page_get(slot_page(*place));
	return *place;
}

uint64_t slot_get(struct page_cache *c, uint64_t index)
{
	spin_lock(&c->lock);
	uint64_t slot = slot_get_locked(c, index);
	spin_unlock(&c->lock);
	return slot;
}

struct page *page_cache_find(struct page_cache *c, uint64_t index)
{
	uint64_t slot = slot_get(c, index);

	if (unlikely(slot & SLOT_FILLING)) {
		page_put(slot_page(slot));
		return nullptr;
	}
	return slot_page(slot);
}

unsigned page_cache_find_run(struct page_cache *c, uint64_t index, unsigned n, struct page **out)
{
	unsigned found = 0, here, k;

	spin_lock(&c->lock);
	do {
		uint64_t *place = found < n ? radix_find(&c->tree, index + found) : nullptr;

		/* Places follow each other to the node's end. */
		here = place != nullptr ? MIN(n - found, RADIX_SLOTS - (unsigned)((index + found) % RADIX_SLOTS)) : 0;
		for (k = 0; k < here && place[k] != 0 && !(place[k] & SLOT_FILLING); k++) {
			if (!(place[k] & c->recent))
				place[k] |= c->recent;
			out[found] = slot_page(place[k]);
			page_get(out[found++]);
		}
	} while (k > 0 && k == here);
	spin_unlock(&c->lock);
	return found;
}

unsigned page_cache_find_some(struct inode *i, uint64_t index, unsigned n, struct page **out)
{
	struct page_cache *c = i->cache;
	uint64_t end = inode_pages(i);
	unsigned found = 0;

	spin_lock(&c->lock);
	for (unsigned k = 0; k < n; k++) {
		uint64_t *place = index + k < end ? radix_find(&c->tree, index + k) : nullptr;

		out[k] = nullptr;
		if (place == nullptr || *place == 0 || (*place & SLOT_FILLING))
			continue;
		out[k] = slot_page(*place);
		page_get(out[k]);
		found++;
	}
	spin_unlock(&c->lock);
	return found;
}

int slot_insert(struct page_cache *c, uint64_t index, struct page *page, uint64_t flags, bool beyond)
{
	struct radix_spares spares = {};
	int result = 1;

	while (true) {
		spin_lock(&c->lock);
		unsigned need = radix_need(&c->tree, index);
		if (need <= spares.count)
			break;
		spin_unlock(&c->lock);
		if (spares_fill(&spares, need) != 0) {
			spares_free(&spares);
			return -ENOMEM;
		}
	}
	uint64_t *place = radix_find(&c->tree, index);
	if ((place == nullptr || *place == 0) && !(beyond && index < inode_pages(c->inode))) {
		*radix_place(&c->tree, index, &spares) = (uintptr_t)page | flags;
		page_get(page);
		c->pages++;
		result = 0;
	}
	spin_unlock(&c->lock);
	spares_free(&spares);
	return result;
}

uint64_t slot_remove_locked(struct page_cache *c, uint64_t index, struct radix_spares *spares)
{
	uint64_t slot = radix_remove(&c->tree, index, spares);

	if (slot != 0)
		c->pages--;
	slot_clean_locked(c, &slot);
	return slot;
}

/* Not while it is being written: what it is stored on may be used for something else afterwards. Writing may begin anew
 * as soon as it has ended, so one look decides and acts. */
static uint64_t slot_remove_quiet(struct page_cache *c, uint64_t index)
{
	struct radix_spares spares = {};

	while (true) {
		spin_lock(&c->lock);
		const uint64_t *place = radix_find(&c->tree, index);
		if (c->recent == 0 || place == nullptr || !(*place & SLOT_WRITING))
			break;
		spin_unlock(&c->lock);
		page_cache_wait_page(c, index);
	}
	uint64_t slot = slot_remove_locked(c, index, &spares);
	spin_unlock(&c->lock);
	spares_free(&spares);
	return slot;
}

void page_cache_count_pages(bool stored, int64_t pages)
{
	__atomic_fetch_add(&page_cache_count, (uint64_t)pages, __ATOMIC_RELAXED);
	if (stored)
		__atomic_fetch_add(&page_stored_count, (uint64_t)pages, __ATOMIC_RELAXED);
}

void page_cache_account(struct inode *i, int64_t pages)
{
	page_cache_count_pages(i->cache->ops->fill != nullptr, pages);
	/* A store knows by itself what it has. */
	if (i->cache->ops->fill == nullptr)
		__atomic_fetch_add(&i->blocks, (uint64_t)(pages * (PAGE_SIZE / 512)), __ATOMIC_RELAXED);
}

/* A new page of zeros at index, of which there is no other copy. 1: somebody was faster. */
static int add_page(struct inode *i, uint64_t index, struct page **out)
{
	struct page_cache *c = i->cache;

	int error = c->ops->reserve != nullptr ? guard_run(inode_component(i), c->ops->reserve(i, 1)) : 0;
	if (error != 0)
		return error;
	struct page *page = page_alloc_user(true);
	error = page == nullptr ? -ENOMEM : slot_insert(c, index, page, 0, false);
	if (error == 0) {
		page_cache_account(i, 1);
		*out = page;
		return 0;
	}
	if (page != nullptr)
		page_put(page);
	if (c->ops->release != nullptr)
		(void)guard_run_void(inode_component(i), c->ops->release(i, 1));
	return error;
}

int page_cache_get(struct inode *i, uint64_t index, struct page **out)
{
	if (i->cache->ops->fill != nullptr)
		return page_cache_get_stored(i, index, out);
	while (true) {
		*out = page_cache_find(i->cache, index);
		if (*out != nullptr)
			return 0;
		int result = add_page(i, index, out);
		if (result <= 0)
			return result;
	}
}

void page_cache_drop(struct inode *i, uint64_t first, uint64_t last)
{
	struct page_cache *c = i->cache;
	uint64_t index;
	int64_t dropped = 0;

	while (first <= last) {
		spin_lock(&c->lock);
		uint64_t *place = radix_next(&c->tree, first, &index);
		spin_unlock(&c->lock);
		if (place == nullptr || index > last)
			break;
		uint64_t slot = slot_remove_quiet(c, index);
		/* Who waits for it is told. */
		if (slot & SLOT_FILLING)
			wait_wake_all(&c->settled);
		if (slot != 0) {
			page_put(slot_page(slot));
			dropped++;
		}
		first = index + 1;
		if (first == 0)
			break;
	}
	page_cache_account(i, -dropped);
	if (__atomic_load_n(&c->listed, __ATOMIC_RELAXED))
		dirty_list_check(c);
	/* They are dirty no more. */
	if (dropped > 0)
		dirty_throttle_wake(c->store);
	if (dropped > 0 && c->ops->release != nullptr)
		(void)guard_run_void(inode_component(i), c->ops->release(i, (uint64_t)dropped));
}

/* The next page from *at on (*at becomes its index) leaves the cache, if nobody else has it. False: there is none. */
static bool punch_next(struct inode *i, uint64_t *at, uint64_t last)
{
	struct page_cache *c = i->cache;
	struct radix_spares spares = {};
	uint64_t slot = 0;

	spin_lock(&c->lock);
	uint64_t *place = radix_next(&c->tree, *at, at);
	bool found = place != nullptr && *at <= last;
	/* The cache's reference and the one of a mapping: the page must stay what the mapping shows. References are
	 * given out under this lock, so an unshared one cannot be shared before it is gone. What is still being read
	 * is nobody's, and would become what the store had. */
	bool shared =
		found && !(*place & SLOT_FILLING) && __atomic_load_n(&slot_page(*place)->refs, __ATOMIC_RELAXED) > 1;
	if (found && !shared)
		slot = slot_remove_locked(c, *at, &spares);
	else if (found)
		slot_clean_locked(c, place);
	spin_unlock(&c->lock);
	spares_free(&spares);
	if (slot & SLOT_FILLING)
		wait_wake_all(&c->settled);
	if (slot != 0) {
		page_put(slot_page(slot));
		page_cache_account(i, -1);
		if (c->ops->release != nullptr)
			(void)guard_run_void(inode_component(i), c->ops->release(i, 1));
	}
	if (shared)
		page_cache_zero(i, *at, 0, PAGE_SIZE);
	return found;
}

void page_cache_punch(struct inode *i, uint64_t first, uint64_t last)
{
	if (i->cache->ops->write != nullptr) {
		/* Who maps what stays asks the store before writing to it again; what is on its way there arrives
		 * before the place is given up. */
		vm_protect_memory(i->serial, first, last);
		(void)page_cache_wait_written(i, true);
	}
	for (; first <= last && punch_next(i, &first, last); first++)
		;
	if (__atomic_load_n(&i->cache->listed, __ATOMIC_RELAXED))
		dirty_list_check(i->cache);
	dirty_throttle_wake(i->cache->store);
}

void page_cache_zero(struct inode *i, uint64_t index, size_t from, size_t to)
{
	struct page *page = page_cache_find(i->cache, index);

	if (page == nullptr)
		return;
	memset((char *)page_address(page) + from, 0, to - from);
	page_put(page);
}

uint64_t page_cache_seek(struct page_cache *c, uint64_t from, uint64_t end, bool data)
{
	/* A large file without holes takes long: the lock is let go now and then. */
	enum : uint64_t { AT_ONCE = 256 };
	uint64_t pause = from + AT_ONCE;

	spin_lock(&c->lock);
	while (from < end) {
		uint64_t index;

		if (from == pause) {
			pause += AT_ONCE;
			spin_unlock(&c->lock);
			if (signal_fatal_current())
				return end;
			spin_lock(&c->lock);
		}
		uint64_t *place = radix_next(&c->tree, from, &index);

		if (place == nullptr || index >= end) {
			from = data ? end : from;
			break;
		}
		if (data || index > from) {
			from = data ? index : from;
			break;
		}
		from++;
	}
	spin_unlock(&c->lock);
	return MIN(from, end);
}
