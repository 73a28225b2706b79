/* SPDX-License-Identifier: MIT */
/*
 * The page cache: a radix tree of pages for each regular file (interface in page_cache.h).
 *
 * A slot holds the address of a struct page with flags in its low bits. A page that its filesystem still fills is
 * marked SLOT_FILLING; who meets it waits on the cache's queue. The mark belongs to the thread that inserted it, so two
 * threads never read the same page from a disk. Tree nodes are allocated before the lock is taken.
 */
#include "page_cache.h"
#include <kernel/thread/guard.h>

#include "internal.h"

enum : uint64_t { SLOT_DIRTY = 1, SLOT_FILLING = 2, SLOT_FLAGS = 3 };

static struct page *slot_page(uint64_t slot)
{
	return (struct page *)(uintptr_t)(slot & ~SLOT_FLAGS);
}

void page_cache_init(struct page_cache *c, const struct page_cache_ops *ops)
{
	spin_init(&c->lock, RANK_PAGE_CACHE);
	wait_queue_init(&c->filled);
	c->ops = ops;
}

static void spares_free(struct radix_spares *spares)
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

static uint64_t slot_load(struct page_cache *c, uint64_t index, uint64_t set) REQUIRES(c -> lock)
{
	uint64_t *place = radix_find(&c->tree, index);

	if (place == nullptr || *place == 0)
		return 0;
	if (!(*place & SLOT_FILLING)) {
		*place |= set;
		page_get(slot_page(*place));
	}
	return *place;
}

struct page *page_cache_find(struct page_cache *c, uint64_t index)
{
	spin_lock(&c->lock);
	uint64_t slot = slot_load(c, index, 0);
	spin_unlock(&c->lock);
	return slot != 0 && !(slot & SLOT_FILLING) ? slot_page(slot) : nullptr;
}

unsigned page_cache_find_some(struct inode *i, uint64_t index, unsigned n, struct page **out)
{
	struct page_cache *c = i->cache;
	uint64_t end = (__atomic_load_n(&i->size, __ATOMIC_ACQUIRE) + PAGE_SIZE - 1) / PAGE_SIZE;
	unsigned found = 0;

	spin_lock(&c->lock);
	for (unsigned k = 0; k < n; k++) {
		uint64_t slot = index + k < end ? slot_load(c, index + k, 0) : 0;

		out[k] = slot != 0 && !(slot & SLOT_FILLING) ? slot_page(slot) : nullptr;
		found += out[k] != nullptr;
	}
	spin_unlock(&c->lock);
	return found;
}

static bool slot_settled(struct page_cache *c, uint64_t index)
{
	spin_lock(&c->lock);
	uint64_t *place = radix_find(&c->tree, index);
	bool settled = place == nullptr || !(*place & SLOT_FILLING);
	spin_unlock(&c->lock);
	return settled;
}

/* Puts page where nothing is; the tree takes a reference. 1: somebody was faster. */
static int slot_insert(struct page_cache *c, uint64_t index, uint64_t slot)
{
	struct radix_spares spares = {};
	int result;

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
	if (place != nullptr && *place != 0) {
		result = 1;
	} else {
		*radix_place(&c->tree, index, &spares) = slot;
		page_get(slot_page(slot));
		c->pages++;
		result = 0;
	}
	spin_unlock(&c->lock);
	spares_free(&spares);
	return result;
}

static uint64_t slot_remove_locked(struct page_cache *c, uint64_t index, struct radix_spares *spares)
	REQUIRES(c -> lock)
{
	uint64_t slot = radix_remove(&c->tree, index, spares);

	if (slot != 0)
		c->pages--;
	return slot;
}

static uint64_t slot_remove(struct page_cache *c, uint64_t index)
{
	struct radix_spares spares = {};

	spin_lock(&c->lock);
	uint64_t slot = slot_remove_locked(c, index, &spares);
	spin_unlock(&c->lock);
	spares_free(&spares);
	return slot;
}

static int fill_page(struct inode *i, uint64_t index, struct page *page)
{
	struct page_cache *c = i->cache;
	int error = guard_run(inode_component(i), c->ops->fill(i, index, page));

	if (error != 0) {
		(void)slot_remove(c, index);
		page_put(page);
	} else {
		spin_lock(&c->lock);
		uint64_t *place = radix_find(&c->tree, index);
		if (place != nullptr)
			*place &= ~SLOT_FILLING;
		spin_unlock(&c->lock);
	}
	wait_wake_all(&c->filled);
	return error;
}

static void account(struct inode *i, int64_t pages)
{
	__atomic_fetch_add(&page_cache_count, (uint64_t)pages, __ATOMIC_RELAXED);
	__atomic_fetch_add(&i->blocks, (uint64_t)(pages * (PAGE_SIZE / 512)), __ATOMIC_RELAXED);
}

/* A new page at index, in *out with a reference for the caller. 1: somebody was faster. */
static int add_page(struct inode *i, uint64_t index, uint64_t flags, struct page **out)
{
	struct page_cache *c = i->cache;

	int error = c->ops->reserve != nullptr ? guard_run(inode_component(i), c->ops->reserve(i, 1)) : 0;
	if (error != 0)
		return error;
	struct page *page = page_alloc_user(c->ops->fill == nullptr);
	error = page == nullptr ? -ENOMEM : 0;
	if (error == 0)
		error = slot_insert(c, index, (uintptr_t)page | flags | (c->ops->fill != nullptr ? SLOT_FILLING : 0));
	if (error == 0) {
		account(i, 1);
		if (c->ops->fill != nullptr)
			error = fill_page(i, index, page);
		if (error != 0)
			account(i, -1);
	}
	if (error != 0) {
		if (page != nullptr)
			page_put(page);
		if (c->ops->release != nullptr)
			(void)guard_run_void(inode_component(i), c->ops->release(i, 1));
		return error;
	}
	*out = page;
	return 0;
}

int page_cache_get(struct inode *i, uint64_t index, bool dirty, struct page **out)
{
	struct page_cache *c = i->cache;
	uint64_t flags = dirty ? SLOT_DIRTY : 0;

	while (true) {
		spin_lock(&c->lock);
		uint64_t slot = slot_load(c, index, flags);
		spin_unlock(&c->lock);
		if (slot != 0 && !(slot & SLOT_FILLING)) {
			*out = slot_page(slot);
			return 0;
		}
		if (slot != 0) {
			wait_event(&c->filled, slot_settled(c, index));
			continue;
		}
		int result = add_page(i, index, flags, out);
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
		uint64_t slot = slot_remove(c, index);
		if (slot != 0) {
			page_put(slot_page(slot));
			dropped++;
		}
		first = index + 1;
		if (first == 0)
			break;
	}
	account(i, -dropped);
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
	 * given out under this lock, so an unshared one cannot be shared before it is gone. */
	bool shared = found && __atomic_load_n(&slot_page(*place)->refs, __ATOMIC_RELAXED) > 1;
	if (found && !shared)
		slot = slot_remove_locked(c, *at, &spares);
	spin_unlock(&c->lock);
	spares_free(&spares);
	if (slot != 0) {
		page_put(slot_page(slot));
		account(i, -1);
		if (c->ops->release != nullptr)
			(void)guard_run_void(inode_component(i), c->ops->release(i, 1));
	}
	if (shared)
		page_cache_zero(i, *at, 0, PAGE_SIZE);
	return found;
}

void page_cache_punch(struct inode *i, uint64_t first, uint64_t last)
{
	for (; first <= last && punch_next(i, &first, last); first++)
		;
}

void page_cache_zero(struct inode *i, uint64_t index, size_t from, size_t to)
{
	struct page *page = page_cache_find(i->cache, index);

	if (page == nullptr)
		return;
	memset((char *)page_address(page) + from, 0, to - from);
	page_put(page);
}

int page_cache_write_back(struct inode *i)
{
	struct page_cache *c = i->cache;
	int result = 0;

	if (c->ops->write_back == nullptr)
		return 0;
	for (uint64_t at = 0;; at++) {
		struct page *page = nullptr;

		spin_lock(&c->lock);
		uint64_t *place = radix_next(&c->tree, at, &at);
		if (place != nullptr && (*place & SLOT_FLAGS) == SLOT_DIRTY) {
			*place &= ~SLOT_DIRTY;
			page = slot_page(*place);
			page_get(page);
		}
		spin_unlock(&c->lock);
		if (place == nullptr || at == UINT64_MAX)
			return result;
		if (page != nullptr) {
			int error = guard_run(inode_component(i), c->ops->write_back(i, at, page));
			result = result != 0 ? result : error;
			page_put(page);
		}
	}
}

uint64_t page_cache_seek(struct page_cache *c, uint64_t from, uint64_t end, bool data)
{
	spin_lock(&c->lock);
	while (from < end) {
		uint64_t index;
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
