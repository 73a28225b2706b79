/* SPDX-License-Identifier: MIT */
/*
 * Directories of tmpfs: an ordered list of entries, with a hash table beside it once there are many.
 *
 * The VFS holds the directory's lock in every operation here. Each entry has a cookie from a counter that only grows;
 * readdir continues at the first entry whose cookie is not below the position, so entries that come and go meanwhile
 * are neither repeated nor hide others.
 */
#include "tmpfs.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

enum : uint32_t { HASH_FROM = 16, ENTRY_SIZE = 20, FIRST_COOKIE = 2 };

static struct tmpfs_dir *dir_of(struct inode *i)
{
	return i->private_data;
}

void tmpfs_dir_init(struct tmpfs_dir *d)
{
	list_init(&d->order);
	d->next_cookie = FIRST_COOKIE;
}

static void set_size(struct inode *dir)
{
	dir->size = (dir_of(dir)->count + 2ull) * ENTRY_SIZE;
}

static struct list *bucket_of(const struct tmpfs_dir *d, uint32_t hash)
{
	return &d->buckets[hash & (d->bucket_count - 1)];
}

static bool entry_matches(const struct tmpfs_entry *e, const struct name *n)
{
	return e->hash == n->hash && e->length == n->length && memcmp(e->name, n->text, n->length) == 0;
}

static struct tmpfs_entry *find_entry(const struct tmpfs_dir *d, const struct name *n)
{
	struct tmpfs_entry *e;

	if (d->buckets != nullptr) {
		list_for_each(e, bucket_of(d, n->hash), hash_link) {
			if (entry_matches(e, n))
				return e;
		}
		return nullptr;
	}
	list_for_each(e, &d->order, order_link) {
		if (entry_matches(e, n))
			return e;
	}
	return nullptr;
}

/* Keeps about two entries a bucket. When memory is short the table stays as it is. */
static void rehash(struct tmpfs_dir *d)
{
	uint32_t count = d->bucket_count == 0 ? HASH_FROM : d->bucket_count * 4;

	if (d->count < HASH_FROM || d->count < d->bucket_count * 2 || count > 65536)
		return;
	struct list *buckets = kmalloc(count * sizeof(*buckets));
	if (buckets == nullptr)
		return;
	for (uint32_t n = 0; n < count; n++)
		list_init(&buckets[n]);
	kfree(d->buckets);
	d->buckets = buckets;
	d->bucket_count = count;
	struct tmpfs_entry *e;
	list_for_each(e, &d->order, order_link)
		list_push_back(bucket_of(d, e->hash), &e->hash_link);
}

static struct tmpfs_entry *entry_create(const struct name *n)
{
	struct tmpfs_entry *e = kmalloc(sizeof(*e) + n->length + 1);

	if (e == nullptr)
		return nullptr;
	list_init(&e->order_link);
	list_init(&e->hash_link);
	e->hash = n->hash;
	e->length = n->length;
	memcpy(e->name, n->text, n->length);
	return e;
}

/* The entry takes over a reference to i. */
static void entry_insert(struct inode *dir, struct tmpfs_entry *e, struct inode *i)
{
	struct tmpfs_dir *d = dir_of(dir);

	e->inode = i;
	e->cookie = d->next_cookie++;
	list_push_back(&d->order, &e->order_link);
	d->count++;
	if (d->buckets != nullptr)
		list_push_back(bucket_of(d, e->hash), &e->hash_link);
	rehash(d);
	set_size(dir);
}

static void entry_remove(struct inode *dir, struct tmpfs_entry *e)
{
	list_remove(&e->order_link);
	list_remove(&e->hash_link);
	dir_of(dir)->count--;
	set_size(dir);
}

static void entry_free(struct tmpfs_entry *e)
{
	inode_put(e->inode);
	kfree(e);
}

/* Subdirectories' entries are moved here first, so that a deep tree is freed without recursion. */
void tmpfs_dir_empty(struct tmpfs_dir *d)
{
	while (!list_empty(&d->order)) {
		struct tmpfs_entry *e = list_first(&d->order, struct tmpfs_entry, order_link);

		if (S_ISDIR(e->inode->mode)) {
			struct tmpfs_dir *below = dir_of(e->inode);
			while (!list_empty(&below->order)) {
				struct list *node = below->order.next;
				list_remove(node);
				list_push_back(&d->order, node);
			}
		}
		list_remove(&e->order_link);
		entry_free(e);
	}
	kfree(d->buckets);
}

static int dir_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	struct tmpfs_entry *e = find_entry(dir_of(dir), n);

	if (e == nullptr)
		return -ENOENT;
	inode_get(e->inode);
	*out = e->inode;
	return 0;
}

static int dir_make(struct inode *dir, const struct name *n, const struct make_request *r, struct inode **out)
{
	int error = 0;
	struct tmpfs_entry *e = entry_create(n);

	if (e == nullptr)
		return -ENOMEM;
	struct inode *i = tmpfs_inode_create(dir->sb, r, &error);
	if (i == nullptr) {
		kfree(e);
		return error;
	}
	inode_get(i);
	entry_insert(dir, e, i);
	if (S_ISDIR(r->mode))
		dir->nlink++;
	*out = i;
	return 0;
}

static int dir_make_unnamed(struct inode *dir, const struct make_request *r, struct inode **out)
{
	int error = 0;

	*out = tmpfs_inode_create(dir->sb, r, &error);
	if (*out != nullptr)
		(*out)->nlink = 0;
	return error;
}

static int dir_link(struct inode *dir, const struct name *n, struct inode *i)
{
	struct tmpfs_entry *e = entry_create(n);

	if (e == nullptr)
		return -ENOMEM;
	inode_get(i);
	i->nlink++;
	entry_insert(dir, e, i);
	return 0;
}

static int dir_unlink(struct inode *dir, const struct name *n, struct inode *i)
{
	struct tmpfs_entry *e = find_entry(dir_of(dir), n);

	if (e == nullptr)
		return -ENOENT;
	KASSERT(e->inode == i);
	i->nlink--;
	entry_remove(dir, e);
	entry_free(e);
	return 0;
}

static int dir_rmdir(struct inode *dir, const struct name *n, struct inode *i)
{
	if (dir_of(i)->count > 0)
		return -ENOTEMPTY;
	i->nlink = 1;
	dir->nlink--;
	return dir_unlink(dir, n, i);
}

static int dir_exchange(struct inode *old_dir, struct tmpfs_entry *a, struct inode *new_dir, struct tmpfs_entry *b)
{
	struct inode *i = a->inode;

	a->inode = b->inode;
	b->inode = i;
	if (S_ISDIR(a->inode->mode) != S_ISDIR(b->inode->mode)) {
		old_dir->nlink += S_ISDIR(a->inode->mode) ? 1 : -1u;
		new_dir->nlink += S_ISDIR(b->inode->mode) ? 1 : -1u;
	}
	return 0;
}

static int dir_rename(struct inode *old_dir, const struct name *old_name, struct inode *i, struct inode *new_dir,
		      const struct name *new_name, struct inode *replaced, bool exchange)
{
	struct tmpfs_entry *old = find_entry(dir_of(old_dir), old_name);
	struct tmpfs_entry *new = find_entry(dir_of(new_dir), new_name);

	if (old == nullptr || (exchange && new == nullptr))
		return -ENOENT;
	/* The references of entries pass on below: of another inode's, one would be dropped twice. */
	KASSERT(old->inode == i);
	if (exchange)
		return dir_exchange(old_dir, old, new_dir, new);
	if (replaced != nullptr && S_ISDIR(replaced->mode) && dir_of(replaced)->count > 0)
		return -ENOTEMPTY;
	struct tmpfs_entry *e = entry_create(new_name);
	if (e == nullptr)
		return -ENOMEM;
	if (replaced != nullptr)
		(void)(S_ISDIR(replaced->mode) ? dir_rmdir(new_dir, new_name, replaced)
					       : dir_unlink(new_dir, new_name, replaced));
	entry_remove(old_dir, old);
	kfree(old); /* its reference passes on */
	entry_insert(new_dir, e, i);
	if (S_ISDIR(i->mode) && old_dir != new_dir) {
		old_dir->nlink--;
		new_dir->nlink++;
	}
	return 0;
}

static long dir_readdir(struct file *f, readdir_emit emit, void *ctx)
{
	struct inode *dir = f->inode;
	struct tmpfs_entry *e;
	bool room = true;

	mutex_lock(&dir->lock);
	if (f->position == 0 && (room = emit(ctx, ".", 1, dir->ino, DT_DIR, 1)))
		f->position = 1;
	if (room && f->position == 1) {
		struct dentry *up = f->path.dentry->parent; /* stable: only its number is shown */
		room = emit(ctx, "..", 2, up->inode->ino, DT_DIR, FIRST_COOKIE);
		if (room)
			f->position = FIRST_COOKIE;
	}
	if (room) {
		list_for_each(e, &dir_of(dir)->order, order_link) {
			if (e->cookie < f->position)
				continue;
			if (!emit(ctx, e->name, e->length, e->inode->ino, DT_OF_MODE(e->inode->mode), e->cookie + 1))
				break;
			f->position = e->cookie + 1;
		}
	}
	inode_touch(dir, ATTR_ATIME);
	mutex_unlock(&dir->lock);
	return 0;
}

const struct inode_ops tmpfs_dir_ops = {
	.lookup = dir_lookup,
	.make = dir_make,
	.make_unnamed = dir_make_unnamed,
	.link = dir_link,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
};

const struct file_ops tmpfs_dir_file_ops = {
	.component = &component_tmpfs,
	.readdir = dir_readdir,
	.seek = file_seek_generic,
};
