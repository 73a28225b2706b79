/* SPDX-License-Identifier: MIT */
/*
 * The flusher: a service that writes dirty pages back when they are old (dirty_expire_centisecs) or many
 * (dirty_background_ratio), and holds writers back while too many are dirty (dirty_ratio); sync of all or of one
 * filesystem; /proc/sys/vm (proc_sys_vm(5)). Ratios are of all memory.
 *
 * Caches with dirty pages stand in a list in the order in which they became dirty, each with a reference to its inode.
 * Who goes through it remembers the place by number, since entries may go meanwhile. The flusher waits for no store:
 * what one cannot take now it passes over, and comes back when something has been written; and where its reference to
 * an inode is the last one, another thread sees to the end (inode_release.c).
 *
 * Of what may be dirty each store has a share, so that one which is slow, or stands still, leaves room for writers to
 * others: at most three times what is left by all. Alone it so gets three quarters, a second one three quarters of the
 * rest; and whoever has nothing that is dirty may write, however much others have.
 */
#include "page_cache_internal.h"

#include "../thread/service.h"

#include <kernel/base/clock.h>
#include <kernel/base/killable.h>
#include <kernel/base/node.h>

static struct spinlock dirty_lock = SPINLOCK_INIT(RANK_NONE); /* leaf */
static struct list dirty_caches GUARDED_BY(&dirty_lock) = LIST_INIT(dirty_caches);
static uint64_t last_number GUARDED_BY(&dirty_lock);
static struct wait_queue throttled = WAIT_QUEUE_INIT(throttled);
static struct wait_queue walked = WAIT_QUEUE_INIT(walked);
static uint32_t held_back; /* atomic: threads that wait there */
uint32_t flusher_rounds;

static int32_t ratio = 20, background_ratio = 10, bytes, background_bytes;
static int32_t expire_cs = 3000, interval_cs = 500;

/* A walker that has not come back by then was lost to a fault. */
enum : uint64_t { CENTISECOND_NS = 10'000'000, LEAVE_LIMIT_NS = 60'000'000'000 };

enum : uint64_t { SHARE = 3 }; /* of what is left */

static void loop(void);
static struct service flusher = {.name = "flusher", .component = &component_vfs, .loop = loop};

static uint64_t limit(const int32_t *percent, const int32_t *exact)
{
	static uint64_t total;
	int32_t given = __atomic_load_n(exact, __ATOMIC_RELAXED);

	if (given != 0)
		return pages_of_size((uint64_t)given);
	if (total == 0) {
		struct memory_stats stats;

		page_stats(&stats);
		total = stats.total_pages;
	}
	return total * (uint64_t)__atomic_load_n(percent, __ATOMIC_RELAXED) / 100;
}

static uint64_t dirty_now(void)
{
	return __atomic_load_n(&page_dirty_count, __ATOMIC_RELAXED);
}

static bool is_much(void)
{
	return dirty_now() > limit(&background_ratio, &background_bytes);
}

/* own > SHARE * (most - others - own) */
static bool is_full(const struct page_store *s)
{
	uint64_t most = MAX(limit(&ratio, &bytes), 1ull);
	uint64_t all = dirty_now() + __atomic_load_n(&page_writing_count, __ATOMIC_RELAXED);

	if (likely((SHARE + 1) * all <= SHARE * most))
		return false;
	uint64_t own = __atomic_load_n(&s->unwritten, __ATOMIC_RELAXED), others = all - MIN(own, all);
	return (SHARE + 1) * own > SHARE * (most - MIN(others, most));
}

bool dirty_is_full(const struct page_cache *c)
{
	return is_full(c->store);
}

int dirty_throttle(const struct page_cache *c)
{
	if (likely(!dirty_is_full(c)))
		return 0;
	/* Counted before the flusher is woken: either it sees what is dirty now, or dirty_throttle_wake sees who waits.
	 */
	__atomic_fetch_add(&held_back, 1, __ATOMIC_SEQ_CST);
	service_wake(&flusher);
	int error = wait_event_killable(&throttled, !dirty_is_full(c));
	__atomic_fetch_sub(&held_back, 1, __ATOMIC_RELAXED);
	return error;
}

void dirty_throttle_wake(const struct page_store *s)
{
	if (__atomic_load_n(&held_back, __ATOMIC_SEQ_CST) == 0)
		return;
	/* There is more room for all. What changed while it was being written has been passed over, and writers wait
	 * for it. */
	wait_wake_all(&throttled);
	if (is_full(s))
		service_wake(&flusher);
}

void dirty_list_add(struct page_cache *c)
{
	spin_lock(&dirty_lock);
	if (!c->listed) {
		inode_get(c->inode);
		c->listed = true;
		c->listed_as = ++last_number;
		c->listed_ns = clock_monotonic_ns();
		list_push_back(&dirty_caches, &c->dirty_link);
	}
	spin_unlock(&dirty_lock);
	if (is_much())
		service_wake(&flusher);
}

/* The caller has a reference to the inode, so that it does not end here. */
void dirty_list_check(struct page_cache *c)
{
	spin_lock(&dirty_lock);
	bool gone = c->listed && __atomic_load_n(&c->dirty, __ATOMIC_ACQUIRE) == 0;
	if (gone) {
		c->listed = false;
		list_remove(&c->dirty_link);
	}
	spin_unlock(&dirty_lock);
	if (gone)
		inode_put(c->inode);
}

/* The next inode after *number that is in the list, of sb, since before `before_ns`, with a reference. */
static struct inode *dirty_next(const struct superblock *sb, uint64_t *number, uint64_t before_ns)
{
	struct inode *found = nullptr;
	struct page_cache *c;

	spin_lock(&dirty_lock);
	list_for_each(c, &dirty_caches, dirty_link) {
		if (c->listed_as <= *number || c->listed_ns > before_ns || (sb != nullptr && c->inode->sb != sb))
			continue;
		*number = c->listed_as;
		found = c->inode;
		inode_get(found);
		__atomic_fetch_add(&found->sb->walkers, 1, __ATOMIC_RELAXED);
		break;
	}
	spin_unlock(&dirty_lock);
	return found;
}

/* Its reference, which may be the last one, goes before its filesystem can. deleted: the flusher has found it so, and
 * needs not be told. */
static void dirty_done(struct inode *i, bool deleted)
{
	struct superblock *sb = i->sb;

	if (inode_put_unless_last(i, deleted))
		dirty_walked(sb);
	else
		inode_release_later(i);
}

void dirty_walked(struct superblock *sb)
{
	__atomic_fetch_sub(&sb->walkers, 1, __ATOMIC_RELEASE);
	wait_wake_all(&walked);
}

bool dirty_leave(struct superblock *sb)
{
	return wait_event_patiently(&walked, __atomic_load_n(&sb->walkers, __ATOMIC_ACQUIRE) == 0, LEAVE_LIMIT_NS) == 0;
}

/* Whether only the list still has it: it is not worth writing. The caller has one reference. */
static bool is_deleted(const struct inode *i)
{
	return i->nlink == 0 && __atomic_load_n(&i->refs, __ATOMIC_ACQUIRE) == 2;
}

/* Whether its pages go: they are dropped, unless some are still on their way, which nobody here waits for: the end of
 * each wakes the flusher. */
static bool forget(struct inode *i)
{
	if (!is_deleted(i))
		return false;
	page_cache_want_range();
	if (page_cache_is_quiet(i->cache))
		page_cache_drop(i, 0, UINT64_MAX);
	return true;
}

/* From where it was passed over last to the end, then what is before. */
static void write_some(struct inode *i)
{
	struct page_cache *c = i->cache;
	uint64_t from = c->flush_from, at = from;

	int error = page_cache_write_some(i, &at, UINT64_MAX);
	if (error == 0 && from > 0) {
		at = 0;
		error = page_cache_write_some(i, &at, from - 1);
	}
	c->flush_from = error == 0 ? 0 : at;
}

static void write_old(uint64_t before_ns)
{
	uint64_t number = 0;
	struct inode *i;

	while ((i = dirty_next(nullptr, &number, before_ns)) != nullptr) {
		bool deleted = forget(i);

		if (!deleted)
			write_some(i);
		dirty_list_check(i->cache);
		dirty_done(i, deleted);
	}
}

static void forget_deleted(void)
{
	uint64_t number = 0;
	struct inode *i;

	while ((i = dirty_next(nullptr, &number, UINT64_MAX)) != nullptr) {
		dirty_done(i, forget(i));
	}
}

static void loop(void)
{
	while (true) {
		uint64_t now = clock_monotonic_ns();
		uint64_t age = (uint64_t)__atomic_load_n(&expire_cs, __ATOMIC_RELAXED) * CENTISECOND_NS;
		uint64_t interval = (uint64_t)__atomic_load_n(&interval_cs, __ATOMIC_RELAXED) * CENTISECOND_NS;

		forget_deleted();
		bool all = is_much() || __atomic_load_n(&held_back, __ATOMIC_SEQ_CST) != 0;
		write_old(all ? UINT64_MAX : now - MIN(age, now));
		__atomic_fetch_add(&flusher_rounds, 1, __ATOMIC_RELEASE);
		if (service_park(interval != 0 ? now + interval : 0))
			return;
	}
}

void flusher_wake(void)
{
	service_wake(&flusher);
}

int dirty_sync(struct superblock *sb, bool patient)
{
	uint64_t number = 0;
	struct inode *i;
	int error = 0;

	while (error == 0 && (i = dirty_next(sb, &number, UINT64_MAX)) != nullptr) {
		error = page_cache_write_all(i, 0, UINT64_MAX, patient);
		dirty_done(i, false);
	}
	return error;
}

int flusher_init(void)
{
	evict_init();
	inode_set_deleted_hook(flusher_wake);
	int error = inode_release_init();
	return error != 0 ? error : service_start(&flusher);
}

PROC_KNOB(dirty_ratio, component_vfs, "sys/vm/dirty_ratio", 0644, &ratio, 0, 100, 0, .excludes = &bytes);
PROC_KNOB(dirty_bytes, component_vfs, "sys/vm/dirty_bytes", 0644, &bytes, 2 * PAGE_SIZE, INT32_MAX, 0,
	  .excludes = &ratio);
PROC_KNOB(dirty_background_ratio, component_vfs, "sys/vm/dirty_background_ratio", 0644, &background_ratio, 0, 100, 0,
	  .excludes = &background_bytes);
PROC_KNOB(dirty_background_bytes, component_vfs, "sys/vm/dirty_background_bytes", 0644, &background_bytes, 1, INT32_MAX,
	  0, .excludes = &background_ratio);
PROC_KNOB(dirty_expire, component_vfs, "sys/vm/dirty_expire_centisecs", 0644, &expire_cs, 0, INT32_MAX, 0);
PROC_KNOB(dirty_writeback, component_vfs, "sys/vm/dirty_writeback_centisecs", 0644, &interval_cs, 0, INT32_MAX, 0);
