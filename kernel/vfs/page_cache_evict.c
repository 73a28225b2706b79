/* SPDX-License-Identifier: MIT */
/*
 * Pages that have another copy go when memory is short: a clock over the caches that have a store. Its hand passes over
 * the pages of one cache after the other; a page that was used since it passed last stays once more, one that is dirty,
 * being filled or written, mapped or otherwise in use stays anyway. Where that is not enough, some of those that are in
 * use and clean leave the spaces that map them, and the hand goes round once more: whoever needs one until it comes
 * finds it in the cache, where it then has been used.
 *
 * Allocation calls this with any lock held, so locks are only tried, and pages are given back when none is held.
 */
#include "page_cache_internal.h"

#include <kernel/vm/vm.h>

enum : unsigned { VICTIMS = 64, USED = 16, LOOKS = 512 };

static struct spinlock evict_lock = SPINLOCK_INIT(RANK_NONE); /* only the lock of a cache is tried inside */
static struct list evictable GUARDED_BY(&evict_lock) = LIST_INIT(evictable);

void evict_add(struct page_cache *c)
{
	spin_lock(&evict_lock);
	list_push_back(&evictable, &c->evictable);
	spin_unlock(&evict_lock);
}

void evict_remove(struct page_cache *c)
{
	spin_lock(&evict_lock);
	list_remove(&c->evictable);
	spin_unlock(&evict_lock);
}

struct victims {
	struct page *pages[VICTIMS];
	unsigned count;
	struct radix_spares spares;
};

/* The page that only the cache has leaves it. References are given out under this lock: nobody comes to it any more. */
static void take(struct page_cache *c, struct victims *v, uint64_t index, struct page *page) REQUIRES(c -> lock)
{
	(void)slot_remove_locked(c, index, &v->spares);
	v->pages[v->count++] = page;
}

static bool is_unused(const struct page *page)
{
	return __atomic_load_n(&page->refs, __ATOMIC_RELAXED) == 1;
}

static void give_back(struct victims *v)
{
	spares_free(&v->spares);
	page_cache_count_pages(true, -(int64_t)v->count);
	if (v->count > 0)
		page_put_batch(v->pages, v->count);
}

/* Moves the hand of one cache on. True: it has come round. */
static bool turn(struct page_cache *c, struct victims *v, unsigned want, uint64_t *looked) REQUIRES(c -> lock)
{
	for (unsigned looks = 0; looks < LOOKS && v->count < want; looks++) {
		uint64_t index, *place = radix_next(&c->tree, c->hand, &index);

		++*looked;
		if (place == nullptr) {
			c->hand = 0;
			return true;
		}
		c->hand = index + 1;
		struct page *page = slot_page(*place);
		if ((*place & SLOT_FLAGS) == 0 && is_unused(page))
			take(c, v, index, page);
		else
			*place &= ~SLOT_RECENT;
	}
	return false;
}

/* Pages that are in use, of one cache, with references. */
struct used {
	struct page *pages[USED];
	uint64_t index[USED], memory;
	unsigned count, want;
};

/* Moves the hand on; clean pages that are in use are collected. True: it has come round. */
static bool turn_to_used(struct page_cache *c, struct used *u, uint64_t *looked) REQUIRES(c -> lock)
{
	u->memory = c->inode->serial;
	for (unsigned looks = 0; looks < LOOKS && u->count < u->want; looks++) {
		uint64_t index;
		const uint64_t *place = radix_next(&c->tree, c->hand, &index);

		++*looked;
		if (place == nullptr) {
			c->hand = 0;
			return true;
		}
		c->hand = index + 1;
		if ((*place & SLOT_FLAGS & ~SLOT_RECENT) != 0 || is_unused(slot_page(*place)))
			continue;
		page_get(slot_page(*place));
		u->index[u->count] = index;
		u->pages[u->count++] = slot_page(*place);
	}
	return false;
}

/* Of one cache, or of none if it is in use; the next time it is another's turn, once the hand came round. v: pages to
 * give back; or u: those in use. */
static void choose(struct victims *v, unsigned want, struct used *u, uint64_t *looked) REQUIRES(evict_lock)
{
	struct page_cache *c = list_first(&evictable, struct page_cache, evictable);
	bool round = true;

	++*looked;
	if (spin_try_lock(&c->lock)) {
		round = v != nullptr ? turn(c, v, want, looked) : turn_to_used(c, u, looked);
		spin_unlock(&c->lock);
	}
	if (round) {
		list_remove(&c->evictable);
		list_push_back(&evictable, &c->evictable);
	}
}

/* False: there is none, or they are in use. */
static bool choose_some(struct victims *v, unsigned want, struct used *u, uint64_t *budget)
{
	uint64_t looked = 0;

	if (!spin_try_lock(&evict_lock))
		return false;
	bool some = !list_empty(&evictable);
	if (some)
		choose(v, want, u, &looked);
	spin_unlock(&evict_lock);
	*budget -= MIN(*budget, looked);
	return some;
}

static uint64_t one_round(void)
{
	return __atomic_load_n(&page_stored_count, __ATOMIC_RELAXED) + LOOKS;
}

static size_t evict_unused(size_t want)
{
	/* Twice round: the first time may find that everything was used. */
	uint64_t budget = 2 * one_round();
	bool more = true;
	size_t done = 0;

	while (more && done < want && budget > 0) {
		struct victims v = {};

		more = choose_some(&v, (unsigned)MIN(want - done, (size_t)VICTIMS), nullptr, &budget);
		give_back(&v);
		done += v.count;
	}
	return done;
}

/* As many pages as are wanted leave the spaces that map them, as far as they do so at once. */
static void let_go(size_t want)
{
	uint64_t budget = one_round();
	bool more = true;

	while (more && want > 0 && budget > 0) {
		struct used u = {.want = (unsigned)MIN(want, (size_t)USED)};

		more = choose_some(nullptr, 0, &u, &budget);
		if (u.count == 0)
			continue;
		vm_let_go(u.memory, u.index, u.pages, u.count);
		page_put_batch(u.pages, u.count);
		want -= u.count;
	}
}

size_t page_cache_evict(size_t want)
{
	size_t done = evict_unused(want);

	if (done < want) {
		let_go(want - done);
		done += evict_unused(want - done);
	}
	return done;
}

/* What of a piece of pages *at … last is clean and unused; *at becomes where to go on, at a page that is being read if
 * `stops` there. False: that was the last piece. */
static bool shed_piece(struct page_cache *c, struct victims *v, uint64_t *at, uint64_t last, bool stops)
	REQUIRES(c -> lock)
{
	for (unsigned looks = 0; looks < LOOKS && v->count < VICTIMS; looks++) {
		uint64_t index;
		const uint64_t *place = radix_next(&c->tree, *at, &index);

		if (place == nullptr || index > last)
			return false;
		*at = index;
		if (stops && (*place & SLOT_FILLING))
			return true;
		struct page *page = slot_page(*place);
		if ((*place & SLOT_FLAGS & ~SLOT_RECENT) == 0 && is_unused(page))
			take(c, v, index, page);
		if (index == last)
			return false;
		*at = index + 1;
	}
	return true;
}

void page_cache_shed(struct inode *i, uint64_t first, uint64_t last, bool patient)
{
	struct page_cache *c = i->cache;
	bool more = first <= last;

	while (more) {
		struct victims v = {};

		spin_lock(&c->lock);
		more = shed_piece(c, &v, &first, last, patient);
		spin_unlock(&c->lock);
		give_back(&v);
		struct page *page = more && patient ? page_cache_find_filled(c, first) : nullptr;
		if (page != nullptr)
			page_put(page);
	}
}

void page_cache_not_needed(struct inode *i, uint64_t first, uint64_t last)
{
	bool busy = false;

	if (i->cache->ops->write == nullptr || page_cache_begin_write_back(i, first, last, false, &busy) == 0)
		page_cache_shed(i, first, last, false);
}

void page_cache_evict_all(void)
{
	(void)evict_unused(SIZE_MAX);
}

void evict_init(void)
{
	static struct shrinker shrinker = {.name = "page cache", .shrink = page_cache_evict};

	page_register_shrinker(&shrinker);
}
