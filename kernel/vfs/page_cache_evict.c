/* SPDX-License-Identifier: MIT */
/*
 * Pages that have another copy go when memory is short: a clock over the caches that have a store. Its hand passes over
 * the pages of one cache after the other; a page that was used since it passed last stays once more, one that is dirty,
 * being filled or written, mapped or otherwise in use stays anyway.
 *
 * Allocation calls this with any lock held, so locks are only tried, and pages are given back when none is held.
 */
#include "page_cache_internal.h"

enum : unsigned { VICTIMS = 64, LOOKS = 512 };

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
	uint64_t looked;
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
static bool turn(struct page_cache *c, struct victims *v, unsigned want) REQUIRES(c -> lock)
{
	for (unsigned looks = 0; looks < LOOKS && v->count < want; looks++) {
		uint64_t index, *place = radix_next(&c->tree, c->hand, &index);

		v->looked++;
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

/* Pages of one cache, or of none if it is in use; the next time it is another's turn, once the hand came round. */
static void choose(struct victims *v, unsigned want) REQUIRES(evict_lock)
{
	struct page_cache *c = list_first(&evictable, struct page_cache, evictable);
	bool round = true;

	v->looked++;
	if (spin_try_lock(&c->lock)) {
		round = turn(c, v, want);
		spin_unlock(&c->lock);
	}
	if (round) {
		list_remove(&c->evictable);
		list_push_back(&evictable, &c->evictable);
	}
}

static size_t evict(size_t want)
{
	/* Twice round: the first time may find that everything was used. */
	uint64_t budget = 2 * (__atomic_load_n(&page_stored_count, __ATOMIC_RELAXED) + LOOKS);
	size_t done = 0;

	while (done < want && budget > 0) {
		struct victims v = {};

		if (!spin_try_lock(&evict_lock))
			break;
		bool none = list_empty(&evictable);
		if (!none)
			choose(&v, (unsigned)MIN(want - done, (size_t)VICTIMS));
		spin_unlock(&evict_lock);
		if (none)
			break;
		budget -= MIN(budget, v.looked);
		give_back(&v);
		done += v.count;
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
	(void)evict(SIZE_MAX);
}

void evict_init(void)
{
	static struct shrinker shrinker = {.name = "page cache", .shrink = evict};

	page_register_shrinker(&shrinker);
}
