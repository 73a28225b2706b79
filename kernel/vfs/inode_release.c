/* SPDX-License-Identifier: MIT */
/*
 * A service that ends inodes of which the flusher had the last reference: their filesystem may wait for its store then
 * (super_ops.evict), and the flusher waits for none. An inode whose pages are still on their way waits here until they
 * have arrived, and keeps no other one waiting.
 */
#include "page_cache_internal.h"

#include "../thread/service.h"

static struct spinlock leaving_lock = SPINLOCK_INIT(RANK_NONE); /* leaf */
static struct list leaving GUARDED_BY(&leaving_lock) = LIST_INIT(leaving);

static void loop(void);
static struct service releaser = {.name = "releaser", .component = &component_vfs, .loop = loop};

/* The first of which nothing is under way any more; its reference is the caller's. */
static struct inode *next_quiet(void)
{
	struct inode *found = nullptr;
	struct page_cache *c;

	spin_lock(&leaving_lock);
	list_for_each(c, &leaving, leaving_link) {
		if (__atomic_load_n(&c->under_way, __ATOMIC_RELAXED) == 0) {
			list_remove(&c->leaving_link);
			found = c->inode;
			break;
		}
	}
	spin_unlock(&leaving_lock);
	return found;
}

static void loop(void)
{
	struct inode *i;

	do {
		while ((i = next_quiet()) != nullptr) {
			struct superblock *sb = i->sb;

			inode_put(i);
			dirty_walked(sb);
		}
	} while (!service_park(0));
}

void inode_release_later(struct inode *i)
{
	struct page_cache *c = i->cache;

	/* Under its lock: whoever ends what is under way finds it in the list, and it does not end before the lock is
	 * free (page_cache_end). */
	spin_lock(&c->lock);
	c->leaving = true;
	spin_lock(&leaving_lock);
	list_push_back(&leaving, &c->leaving_link);
	spin_unlock(&leaving_lock);
	if (c->under_way == 0)
		inode_release_wake();
	spin_unlock(&c->lock);
}

void inode_release_wake(void)
{
	service_wake(&releaser);
}

int inode_release_init(void)
{
	return service_start(&releaser);
}
