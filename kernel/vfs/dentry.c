/* SPDX-License-Identifier: MIT */
/*
 * The dentry cache: names that were looked up, present ("positive") and absent ("negative"), in hashed chains.
 *
 * A look-up takes only its chain's spinlock. The reference count and "in the cache" share one word (DENTRY_REF,
 * DENTRY_HASHED), so the put that finds neither frees the dentry, and one that finds the cache still showing it leaves
 * it there: unused entries cost nothing until the shrinker takes them, chain by chain, sparing once those used since
 * its last visit. Those of SB_TRANSIENT filesystems that can become invalid go with their last reference. A dentry's
 * parent and name change only in a rename, under the chains' locks and its own; `rename_count` is odd meanwhile.
 */
#include "internal.h"

#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/page_cache.h>
#include <kernel/vfs/watch.h>

struct chain {
	struct spinlock lock;
	struct list head;
};

static struct chain *chains;
static uint32_t chain_mask;
static uint64_t dentry_total; /* atomic */
static uint64_t dentry_limit;
static uint32_t shrink_hand;
uint32_t rename_count; /* atomic; read by path_format */

struct name name_make(const char *text, size_t length)
{
	uint32_t hash = 0x811c9dc5;

	for (size_t n = 0; n < length; n++)
		hash = (hash ^ (uint8_t)text[n]) * 0x01000193;
	return (struct name){text, (uint32_t)length, hash};
}

static struct chain *chain_of(const struct dentry *parent, uint32_t hash)
{
	uint64_t mixed = (hash ^ ((uintptr_t)parent >> 5)) * 0x9e3779b97f4a7c15ull;

	return &chains[(mixed >> 32) & chain_mask];
}

void dentry_get(struct dentry *d)
{
	__atomic_fetch_add(&d->refs, DENTRY_REF, __ATOMIC_RELAXED);
}

/* Drops a reference; true: it was the last, nothing shows d any more, and the caller frees it. What a filesystem makes
 * anew at each look-up is not kept for later: of a process that is gone nobody would ask again. */
static bool dentry_drop(struct dentry *d)
{
	if (!(d->flags & DENTRY_TRANSIENT))
		return __atomic_sub_fetch(&d->refs, DENTRY_REF, __ATOMIC_ACQ_REL) == 0;
	/* The chain's lock keeps the shrinker and look-ups from d; it never moves to another. */
	struct chain *c = chain_of(d->parent, d->hash);
	spin_lock(&c->lock);
	uint32_t left = __atomic_sub_fetch(&d->refs, DENTRY_REF, __ATOMIC_ACQ_REL);
	if (left == DENTRY_HASHED) {
		list_remove(&d->hash_link);
		left = d->refs = 0;
	}
	spin_unlock(&c->lock);
	return left == 0;
}

/* Frees d and each parent that loses its last reference with it. tell: whoever watches an inode that has no name any
 * more hears that it is gone; where locks may be held, nothing of the kind can end (dentry_forget_children). */
static void dentry_free(struct dentry *d, bool tell)
{
	while (d != nullptr) {
		struct dentry *parent = d->parent == d ? nullptr : d->parent;

		if (tell && d->inode != nullptr && d->inode->nlink == 0)
			watch_inode(d->inode, IN_DELETE_SELF);
		inode_put(d->inode);
		if (d->name != d->inline_name)
			kfree(d->name);
		kfree(d);
		__atomic_fetch_sub(&dentry_total, 1, __ATOMIC_RELAXED);
		if (parent == nullptr || !dentry_drop(parent))
			return;
		d = parent;
	}
}

void dentry_put(struct dentry *d)
{
	if (d != nullptr && dentry_drop(d))
		dentry_free(d, true);
}

static bool is_named(const struct dentry *d, const struct dentry *parent, const struct name *n)
{
	return d->hash == n->hash && d->parent == parent && d->length == n->length &&
	       memcmp(d->name, n->text, n->length) == 0;
}

bool dentry_is_at(const struct dentry *d, const struct dentry *parent, const struct name *n)
{
	return dentry_hashed(d) && is_named(d, parent, n);
}

struct dentry *dentry_find(struct dentry *parent, const struct name *n)
{
	struct chain *c = chain_of(parent, n->hash);
	struct dentry *d, *found = nullptr;

	spin_lock(&c->lock);
	list_for_each(d, &c->head, hash_link) {
		if (is_named(d, parent, n)) {
			dentry_get(d);
			if (!(d->flags & DENTRY_RECENT))
				__atomic_fetch_or(&d->flags, DENTRY_RECENT, __ATOMIC_RELAXED);
			found = d;
			break;
		}
	}
	spin_unlock(&c->lock);
	return found;
}

/* The end of such a file would wait for its store. Who asks for memory may be the one whom the store needs: the thread
 * of a driver that begins anew, say. */
static bool is_being_read(const struct inode *i)
{
	return i != nullptr && i->cache != nullptr && __atomic_load_n(&i->cache->under_way, __ATOMIC_RELAXED) != 0;
}

/* Takes unused entries out of one chain onto a list. all: of this superblock, whatever their age; below: of this
 * directory only. */
static void chain_collect(struct chain *c, const struct superblock *all, const struct dentry *below, struct list *out)
	REQUIRES(c -> lock)
{
	struct dentry *d, *next;

	list_for_each_safe(d, next, &c->head, hash_link) {
		uint32_t unused = DENTRY_HASHED;

		if ((all != nullptr && d->sb != all) || (below != nullptr && d->parent != below))
			continue;
		if (all == nullptr && (d->flags & DENTRY_RECENT)) {
			__atomic_fetch_and(&d->flags, ~DENTRY_RECENT, __ATOMIC_RELAXED);
			continue;
		}
		if (!__atomic_compare_exchange_n(&d->refs, &unused, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		/* Nobody has it: no more is begun to be read by it. */
		if (all == nullptr && is_being_read(d->inode)) {
			__atomic_store_n(&d->refs, DENTRY_HASHED, __ATOMIC_RELEASE);
			continue;
		}
		list_remove(&d->hash_link);
		list_push_back(out, &d->hash_link);
	}
}

static size_t free_collected(struct list *collected)
{
	struct dentry *d, *next;
	size_t count = 0;

	list_for_each_safe(d, next, collected, hash_link) {
		list_remove(&d->hash_link);
		dentry_free(d, false);
		count++;
	}
	return count;
}

/* Visits chains round robin until about `want` entries are gone or all chains were seen twice. */
static size_t dentry_shrink(size_t want)
{
	size_t freed = 0;

	for (uint64_t visited = 0; visited < 2ull * (chain_mask + 1) && freed < want; visited++) {
		uint32_t hand = __atomic_fetch_add(&shrink_hand, 1, __ATOMIC_RELAXED);
		struct chain *c = &chains[hand & chain_mask];
		struct list collected = LIST_INIT(collected);

		if (c->head.next == &c->head || !spin_try_lock(&c->lock))
			continue;
		chain_collect(c, nullptr, nullptr, &collected);
		spin_unlock(&c->lock);
		freed += free_collected(&collected);
	}
	return freed;
}

size_t dentry_cache_bytes(void)
{
	return __atomic_load_n(&dentry_total, __ATOMIC_RELAXED) * sizeof(struct dentry);
}

/* Children first, so a pass frees one level of the tree; what was used lately survives the first. */
void dentry_cache_drop(void)
{
	while (dentry_shrink(SIZE_MAX) > 0)
		;
}

/* A page of memory holds about sixteen dentries. */
static size_t dentry_shrink_pages(size_t want)
{
	return dentry_shrink(want * 16) / 16;
}

static size_t forget(const struct superblock *sb, const struct dentry *below)
{
	size_t freed = 0;

	for (uint32_t n = 0; n <= chain_mask; n++) {
		struct list collected = LIST_INIT(collected);

		if (list_empty(&chains[n].head))
			continue;
		spin_lock(&chains[n].lock);
		chain_collect(&chains[n], sb, below, &collected);
		spin_unlock(&chains[n].lock);
		freed += free_collected(&collected);
	}
	return freed;
}

void dentry_forget_superblock(struct superblock *sb)
{
	/* Leaves first: a pass frees what no child holds, so the number of passes is the depth of the tree. */
	while (forget(sb, nullptr) > 0)
		;
}

void dentry_forget_children(const struct dentry *d)
{
	if (watch_any() && d->inode != nullptr && S_ISDIR(d->inode->mode) && d->inode->watches != nullptr)
		(void)forget(d->sb, d);
}

struct dentry *dentry_create(struct superblock *sb, struct dentry *parent, const struct name *n, struct inode *inode)
{
	struct dentry *d = kmalloc(sizeof(*d));

	if (d == nullptr)
		return nullptr;
	d->name = d->inline_name;
	if (n->length >= DENTRY_INLINE_NAME) {
		d->name = kmalloc(n->length + 1);
		if (d->name == nullptr) {
			kfree(d);
			return nullptr;
		}
	}
	memcpy(d->name, n->text, n->length);
	d->hash = n->hash;
	d->length = n->length;
	d->sb = sb;
	d->inode = inode;
	if ((sb->behaviour & SB_TRANSIENT) && inode != nullptr && inode->ops->valid != nullptr)
		d->flags = DENTRY_TRANSIENT;
	d->refs = DENTRY_REF;
	list_init(&d->hash_link);
	spin_init(&d->lock, RANK_DENTRY);
	d->parent = parent != nullptr ? parent : d;
	if (parent != nullptr)
		dentry_get(parent);
	if (__atomic_add_fetch(&dentry_total, 1, __ATOMIC_RELAXED) > dentry_limit)
		dentry_shrink(32);
	return d;
}

void dentry_insert(struct dentry *d)
{
	struct chain *c = chain_of(d->parent, d->hash);

	spin_lock(&c->lock);
	list_push_front(&c->head, &d->hash_link);
	__atomic_fetch_or(&d->refs, DENTRY_HASHED, __ATOMIC_RELEASE);
	spin_unlock(&c->lock);
}

void dentry_remove(struct dentry *d)
{
	/* The directory's lock keeps renames away, so the chain cannot change before it is locked. */
	struct chain *c = chain_of(d->parent, d->hash);

	spin_lock(&c->lock);
	if (dentry_hashed(d)) {
		list_remove(&d->hash_link);
		__atomic_fetch_and(&d->refs, ~DENTRY_HASHED, __ATOMIC_RELEASE);
	}
	spin_unlock(&c->lock);
}

/* Whoever is asked may fault again: then the name leaves the cache too. A directory stays unless it is known to be
 * gone, because a second dentry of it would have children of its own. */
void dentry_doubt(struct dentry *d)
{
	struct inode *dir = d->parent->inode, *found = nullptr;
	struct name n = {d->name, d->length, d->hash};
	int error = dentry_negative(d) ? -ENOENT : guard_run(inode_component(dir), dir->ops->lookup(dir, &n, &found));
	bool unknown = error == -EFAULT && S_ISDIR(d->inode->mode);

	if (!unknown && (error != 0 || found != d->inode))
		dentry_remove(d);
	if (error == 0)
		inode_put(found);
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	__atomic_store_n(&d->inode, inode, __ATOMIC_RELEASE);
	if (!dentry_hashed(d))
		dentry_insert(d);
}

static int lookup_miss(struct dentry *parent, const struct name *n, struct dentry **out)
{
	struct inode *dir = parent->inode, *found = nullptr;
	struct superblock *sb = parent->sb;

	*out = nullptr;
	if (dir->nlink == 0)
		return -ENOENT;
	int error = guard_run(inode_component(dir), dir->ops->lookup(dir, n, &found));
	if (error != 0 && error != -ENOENT)
		return error;
	struct dentry *d = dentry_create(sb, parent, n, error == 0 ? found : nullptr);
	if (d == nullptr) {
		if (error == 0)
			inode_put(found);
		return -ENOMEM;
	}
	if (error == 0 || !(sb->behaviour & SB_NO_NEGATIVE))
		dentry_insert(d);
	*out = d;
	return 0;
}

/* A cached dentry whose filesystem says that it no longer holds is dropped. */
static struct dentry *find_valid(struct dentry *parent, const struct name *n)
{
	struct dentry *d = dentry_find(parent, n);

	if (d == nullptr || !(d->sb->behaviour & SB_VALIDATE) || d->inode == nullptr ||
	    d->inode->ops->valid == nullptr || (d->flags & DENTRY_MOUNTED) ||
	    guard_run(inode_component(d->inode), d->inode->ops->valid(d->inode)) == true)
		return d;
	dentry_remove(d);
	dentry_put(d);
	return nullptr;
}

int dentry_lookup_locked(struct dentry *parent, const struct name *n, struct dentry **out)
{
	*out = find_valid(parent, n);
	return *out != nullptr ? 0 : lookup_miss(parent, n, out);
}

int dentry_lookup(struct dentry *parent, const struct name *n, struct dentry **out)
{
	*out = find_valid(parent, n);
	if (*out != nullptr)
		return 0;
	mutex_lock(&parent->inode->lock);
	int error = dentry_lookup_locked(parent, n, out);
	mutex_unlock(&parent->inode->lock);
	return error;
}

struct dentry *dentry_parent(struct dentry *d)
{
	spin_lock(&d->lock);
	struct dentry *parent = d->parent;
	dentry_get(parent);
	spin_unlock(&d->lock);
	return parent;
}

/* Two chains in ascending address; they may be one. */
static void chains_lock(struct chain *a, struct chain *b) NO_THREAD_SAFETY
{
	spin_lock(&MIN(a, b)->lock);
	if (a != b)
		spin_lock(&MAX(a, b)->lock);
}

static void chains_unlock(struct chain *a, struct chain *b) NO_THREAD_SAFETY
{
	if (a != b)
		spin_unlock(&MAX(a, b)->lock);
	spin_unlock(&MIN(a, b)->lock);
}

void dentry_move(struct dentry *d, struct dentry *new_parent, const struct name *n, char *new_name)
{
	struct chain *from = chain_of(d->parent, d->hash), *to = chain_of(new_parent, n->hash);
	struct dentry *old_parent = d->parent;
	char *old_name = d->name;

	dentry_get(new_parent);
	chains_lock(from, to);
	spin_lock(&d->lock);
	__atomic_fetch_add(&rename_count, 1, __ATOMIC_ACQ_REL);
	if (new_name == nullptr)
		new_name = d->inline_name;
	memmove(new_name, n->text, n->length);
	new_name[n->length] = '\0';
	d->name = new_name;
	d->length = n->length;
	d->hash = n->hash;
	d->parent = new_parent;
	list_remove(&d->hash_link);
	list_push_front(&to->head, &d->hash_link);
	__atomic_fetch_or(&d->refs, DENTRY_HASHED, __ATOMIC_RELEASE);
	__atomic_fetch_add(&rename_count, 1, __ATOMIC_ACQ_REL);
	spin_unlock(&d->lock);
	chains_unlock(from, to);
	if (old_name != d->inline_name && old_name != new_name)
		kfree(old_name);
	dentry_put(old_parent);
}

/* RENAME_EXCHANGE is rare: both names leave the cache and are looked up anew. The dentries stay with those who hold
 * them, with the parents and names that they now have. */
void dentry_exchange(struct dentry *a, struct dentry *b)
{
	dentry_remove(a);
	dentry_remove(b);
	if ((uintptr_t)a > (uintptr_t)b) {
		struct dentry *t = a;
		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	spin_lock(&b->lock); /* same rank, ascending address */
	__atomic_fetch_add(&rename_count, 1, __ATOMIC_ACQ_REL);
	struct dentry *parent = a->parent;
	a->parent = b->parent;
	b->parent = parent;
	char swap[DENTRY_INLINE_NAME];
	memcpy(swap, a->inline_name, sizeof(swap));
	memcpy(a->inline_name, b->inline_name, sizeof(swap));
	memcpy(b->inline_name, swap, sizeof(swap));
	char *a_name = a->name == a->inline_name ? nullptr : a->name;
	a->name = b->name == b->inline_name ? a->inline_name : b->name;
	b->name = a_name != nullptr ? a_name : b->inline_name;
	uint32_t hash = a->hash, length = a->length;
	a->hash = b->hash;
	a->length = b->length;
	b->hash = hash;
	b->length = length;
	__atomic_fetch_add(&rename_count, 1, __ATOMIC_ACQ_REL);
	spin_unlock(&b->lock);
	spin_unlock(&a->lock);
	dentry_insert(a);
	dentry_insert(b);
}

int dentry_cache_init(void)
{
	static struct shrinker shrinker = {.name = "dentries", .shrink = dentry_shrink_pages};
	struct memory_stats memory;

	page_stats(&memory);
	/* One chain for each 64 KiB of memory, 1024 to 16384. */
	uint32_t count = 1024;
	while (count < 16384 && count < memory.total_pages / 16)
		count *= 2;
	chains = kmalloc(count * sizeof(*chains));
	if (chains == nullptr)
		return -ENOMEM;
	chain_mask = count - 1;
	dentry_limit = count * 4ull;
	for (uint32_t n = 0; n < count; n++) {
		spin_init(&chains[n].lock, RANK_DENTRY_HASH);
		list_init(&chains[n].head);
	}
	page_register_shrinker(&shrinker);
	return 0;
}
