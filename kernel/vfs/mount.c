/* SPDX-License-Identifier: MIT */
/*
 * The mount table: which filesystem covers which directory.
 *
 * `mount_change` (a mutex) serialises mounting and unmounting; `table_lock` (a spinlock) guards the table for look-ups,
 * so that a walk that crosses a mount point takes one spinlock. A mount is referenced by the table while attached, by
 * each path in it and by each mount on top of it. Stacked mounts: the upper one covers the root of the lower.
 */
#include "mount.h"
#include "internal.h"
#include "mount_table.h"
#include "super.h"

#include <kernel/mem/text.h>
#include <kernel/thread/guard.h>

struct mutex mount_change = MUTEX_INIT(mount_change, RANK_MOUNT);
static struct spinlock table_lock = SPINLOCK_INIT(RANK_MOUNT_TABLE);
static struct list table GUARDED_BY(&table_lock) = LIST_INIT(table);
static struct mount *root_mount GUARDED_BY(&table_lock);
static uint32_t next_id;
static uint64_t changes; /* atomic */
struct wait_queue mount_changed = WAIT_QUEUE_INIT(mount_changed);

uint64_t mount_changes(void)
{
	return __atomic_load_n(&changes, __ATOMIC_ACQUIRE);
}

void mount_note_change(void)
{
	__atomic_fetch_add(&changes, 1, __ATOMIC_RELEASE);
	wait_wake_all(&mount_changed);
}

void mount_get(struct mount *m)
{
	__atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED);
}

void mount_put(struct mount *m)
{
	if (m == nullptr || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	dentry_put(m->root);
	superblock_put(m->sb);
	kfree(m->source);
	kfree(m);
}

void path_get(const struct path *p)
{
	mount_get(p->mount);
	dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
	dentry_put(p->dentry);
	mount_put(p->mount);
}

struct mount *mount_create(struct superblock *sb, struct dentry *root, const char *source, uint32_t flags)
{
	struct mount *m = kmalloc(sizeof(*m));

	if (m == nullptr)
		return nullptr;
	m->source = kstrdup(source);
	if (m->source == nullptr) {
		kfree(m);
		return nullptr;
	}
	dentry_get(root);
	m->sb = sb;
	m->root = root;
	m->refs = 1;
	m->flags = flags & MOUNT_FLAGS;
	m->id = __atomic_add_fetch(&next_id, 1, __ATOMIC_RELAXED);
	list_init(&m->link);
	return m;
}

struct mount *mount_internal(struct filesystem *fs)
{
	struct mount_options o = {.source = fs->name, .data = ""};
	struct superblock *sb;

	if (superblock_get(fs, &o, &sb) != 0)
		return nullptr;
	struct mount *m = mount_create(sb, sb->root_dentry, fs->name, 0);
	if (m == nullptr)
		superblock_put(sb);
	return m;
}

struct mount *mount_of_single(struct filesystem *fs)
{
	struct mount *m, *found = nullptr;

	spin_lock(&table_lock);
	list_for_each(m, &table, link) {
		if (m->sb == fs->instance && m->root == m->sb->root_dentry) {
			mount_get(m);
			found = m;
			break;
		}
	}
	spin_unlock(&table_lock);
	return found;
}

bool mount_cross(struct path *p)
{
	bool crossed = false;

	while (p->dentry->flags & DENTRY_MOUNTED) {
		struct mount *m, *found = nullptr;

		spin_lock(&table_lock);
		list_for_each(m, &table, link) {
			if (m->parent == p->mount && m->point == p->dentry) {
				mount_get(m);
				found = m;
				break;
			}
		}
		spin_unlock(&table_lock);
		if (found == nullptr)
			break;
		path_put(p);
		p->mount = found;
		p->dentry = found->root;
		dentry_get(p->dentry);
		crossed = true;
	}
	return crossed;
}

bool mount_uncross(struct path *p)
{
	spin_lock(&table_lock);
	struct mount *parent = p->mount->parent;
	struct path below = {parent, p->mount->point};
	if (parent != nullptr)
		path_get(&below);
	spin_unlock(&table_lock);
	if (parent == nullptr)
		return false;
	path_put(p);
	*p = below;
	return true;
}

int mount_check_write(const struct mount *m)
{
	return (m->flags | m->sb->flags) & MS_RDONLY ? -EROFS : 0;
}

void mount_root_path(struct path *out)
{
	spin_lock(&table_lock);
	*out = (struct path){root_mount, root_mount->root};
	path_get(out);
	spin_unlock(&table_lock);
	mount_cross(out);
}

void mount_attach(struct mount *m, const struct path *at) REQUIRES(mount_change)
{
	spin_lock(&table_lock);
	m->parent = at->mount;
	m->point = at->dentry;
	at->mount->children++;
	__atomic_fetch_or(&at->dentry->flags, DENTRY_MOUNTED, __ATOMIC_RELAXED);
	list_push_back(&table, &m->link);
	spin_unlock(&table_lock);
	mount_note_change();
}

/* Takes m out of the tree and gives back, in `was`, the references it had on the place it covered. */
static void mount_detach(struct mount *m, struct path *was) REQUIRES(mount_change)
{
	struct mount *other;
	bool still = false;

	spin_lock(&table_lock);
	*was = (struct path){m->parent, m->point};
	m->parent->children--;
	m->parent = nullptr;
	m->point = nullptr;
	list_remove(&m->link);
	list_for_each(other, &table, link)
		still |= other->point == was->dentry;
	if (!still)
		__atomic_fetch_and(&was->dentry->flags, ~DENTRY_MOUNTED, __ATOMIC_RELAXED);
	spin_unlock(&table_lock);
	mount_note_change();
}

struct mount *mount_child_after(const struct mount *parent, uint32_t id)
{
	struct mount *m, *found = nullptr;

	spin_lock(&table_lock);
	list_for_each(m, &table, link) {
		if (m->parent == parent && m->id > id && (found == nullptr || m->id < found->id))
			found = m;
	}
	spin_unlock(&table_lock);
	return found;
}

static bool same_kind(const struct dentry *a, const struct dentry *b)
{
	return S_ISDIR(a->inode->mode) == S_ISDIR(b->inode->mode);
}

/* A name that was removed meanwhile would hide the mount for ever; the lock of the place's inode is held. */
static int check_there(const struct path *at)
{
	return dentry_hashed(at->dentry) || at->dentry == at->mount->root ? 0 : -ENOENT;
}

/* Whether something with this root can be mounted there. */
static int mount_check_point(const struct path *at, const struct dentry *root)
{
	return same_kind(at->dentry, root) ? check_there(at) : -ENOTDIR;
}

/*
 * Puts m on `at`. Whoever removes or moves a name holds its inode's lock and asks whether something is mounted there,
 * so under that lock it is either found removed or kept. What was mounted there since it was looked up is what is
 * covered.
 */
int mount_attach_checked(struct mount *m, struct path *at) REQUIRES(mount_change)
{
	(void)mount_cross(at);
	mutex_lock(&at->dentry->inode->lock);
	int error = mount_check_point(at, m->root);
	if (error == 0) {
		path_get(at);
		mount_attach(m, at);
	}
	mutex_unlock(&at->dentry->inode->lock);
	return error;
}

int mount_at(struct path *at, const char *type, const char *source, uint32_t flags, const char *data)
{
	struct filesystem *fs = filesystem_find(type);
	struct mount_options o = {.source = source, .data = data, .flags = flags & SUPER_FLAGS};
	struct superblock *sb;

	if (fs == nullptr || fs->fill == nullptr)
		return -ENODEV;
	int error = superblock_get(fs, &o, &sb);
	if (error != 0)
		return error;
	struct mount *m = mount_create(sb, sb->root_dentry, source, flags | (flags & MS_STRICTATIME ? 0 : MS_RELATIME));
	if (m == nullptr) {
		superblock_put(sb);
		return -ENOMEM;
	}
	mutex_lock(&mount_change);
	(void)mount_cross(at);
	/* The same filesystem at the same place once more would only hide itself. */
	if (at->mount->sb == sb && at->dentry == at->mount->root && at->mount->parent != nullptr)
		error = -EBUSY;
	else
		error = mount_attach_checked(m, at);
	mutex_unlock(&mount_change);
	if (error != 0)
		mount_put(m);
	return error;
}

int mount_root(const char *type, const char *data)
{
	struct filesystem *fs = filesystem_find(type);
	struct mount_options o = {.source = "tmpfs", .data = data};
	struct superblock *sb;

	if (fs == nullptr)
		return -ENODEV;
	int error = superblock_get(fs, &o, &sb);
	if (error != 0)
		return error;
	struct mount *m = mount_create(sb, sb->root_dentry, "tmpfs", MS_RELATIME);
	if (m == nullptr) {
		superblock_put(sb);
		return -ENOMEM;
	}
	spin_lock(&table_lock);
	root_mount = m;
	list_push_back(&table, &m->link);
	spin_unlock(&table_lock);
	return 0;
}

/* Whether `inner` is m or mounted somewhere on it. */
static bool mount_is_below(const struct mount *inner, const struct mount *m) REQUIRES(table_lock)
{
	for (; inner != nullptr; inner = inner->parent) {
		if (inner == m)
			return true;
	}
	return false;
}

int mount_move(const struct path *from, struct path *at)
{
	struct path was;

	mutex_lock(&mount_change);
	(void)mount_cross(at);
	mutex_lock(&at->dentry->inode->lock); /* see mount_attach_checked */
	int error = check_there(at);
	spin_lock(&table_lock);
	if (error == 0 && (from->dentry != from->mount->root || from->mount->parent == nullptr ||
			   !same_kind(at->dentry, from->dentry)))
		error = -EINVAL;
	if (error == 0 && mount_is_below(at->mount, from->mount))
		error = -ELOOP;
	spin_unlock(&table_lock);
	if (error == 0) {
		mount_detach(from->mount, &was);
		path_get(at);
		mount_attach(from->mount, at);
	}
	mutex_unlock(&at->dentry->inode->lock);
	mutex_unlock(&mount_change);
	if (error == 0)
		path_put(&was);
	return error;
}

/* Takes m out of the tree, or lazily what is mounted deepest on it. What it was in *out: for comparing only. */
static int detach_one(struct mount *m, bool lazy, const struct mount **out)
{
	struct mount *one = m, *child;
	struct path was;

	mutex_lock(&mount_change);
	int error = 0;
	if (m->parent == nullptr)
		error = -EINVAL;
	/* The caller's path reference is one of the two that an idle mount has. */
	else if (!lazy && (m->children > 0 || __atomic_load_n(&m->refs, __ATOMIC_ACQUIRE) > 2))
		error = -EBUSY;
	if (error == 0) {
		while ((child = mount_child_after(one, 0)) != nullptr)
			one = child;
		mount_detach(one, &was);
	}
	mutex_unlock(&mount_change);
	if (error != 0)
		return error;
	if (one->sb->ops->sync != nullptr)
		(void)guard_run(one->sb->type->component, one->sb->ops->sync(one->sb));
	path_put(&was);
	*out = one;
	mount_put(one); /* the table's */
	return 0;
}

/* p is the root of a mount, and keeps it. */
int mount_detach_path(struct path *p, uint32_t flags)
{
	const struct mount *detached = nullptr;

	if (p->dentry != p->mount->root)
		return -EINVAL;
	int error;
	do {
		bool first = detached == nullptr;

		error = detach_one(p->mount, flags & MNT_DETACH, &detached);
		if (error != 0 && !first)
			return 0; /* somebody else took the rest */
	} while (error == 0 && detached != p->mount);
	return error;
}

static int pivot_check(const struct path *new_root, const struct path *put_old, const struct path *old_root)
{
	int error = mount_check_point(put_old, old_root->dentry);

	if (error != 0)
		return error;
	spin_lock(&table_lock);
	if (new_root->mount == old_root->mount || put_old->mount == old_root->mount)
		error = -EBUSY;
	else if (new_root->dentry != new_root->mount->root || new_root->mount->parent == nullptr ||
		 old_root->dentry != old_root->mount->root || !mount_is_below(put_old->mount, new_root->mount))
		error = -EINVAL;
	spin_unlock(&table_lock);
	return error;
}

/* new_root becomes the root of the tree; the old one is mounted on put_old, which lies below it (pivot_root(2)). */
int mount_pivot(struct path *new_root, struct path *put_old, const struct path *old_root)
{
	struct path was, was_root = {};

	mutex_lock(&mount_change);
	(void)mount_cross(put_old);
	mutex_lock(&put_old->dentry->inode->lock); /* see mount_attach_checked */
	int error = pivot_check(new_root, put_old, old_root);
	if (error == 0) {
		struct mount *old = old_root->mount;
		mount_detach(new_root->mount, &was);
		if (old->parent != nullptr) {
			mount_detach(old, &was_root);
			mount_attach(new_root->mount, &was_root);
		} else {
			spin_lock(&table_lock);
			list_remove(&old->link);
			list_push_front(&table, &new_root->mount->link);
			root_mount = new_root->mount;
			spin_unlock(&table_lock);
		}
		path_get(put_old);
		mount_attach(old, put_old);
	}
	mutex_unlock(&put_old->dentry->inode->lock);
	mutex_unlock(&mount_change);
	if (error == 0)
		path_put(&was);
	return error;
}

static struct mount *mount_after(uint32_t id)
{
	struct mount *m, *found = nullptr;

	spin_lock(&table_lock);
	list_for_each(m, &table, link) {
		if (m->id > id && (found == nullptr || m->id < found->id))
			found = m;
	}
	if (found != nullptr)
		mount_get(found);
	spin_unlock(&table_lock);
	return found;
}

int mount_for_each(int (*emit)(void *ctx, struct mount *m), void *ctx)
{
	struct mount *m;
	int result = 0;

	for (uint32_t id = 0; result == 0 && (m = mount_after(id)) != nullptr;) {
		id = m->id;
		result = emit(ctx, m);
		mount_put(m);
	}
	return result;
}

uint32_t mount_parent_id(struct mount *m)
{
	spin_lock(&table_lock);
	uint32_t id = m->parent != nullptr ? m->parent->id : m->id;
	spin_unlock(&table_lock);
	return id;
}
