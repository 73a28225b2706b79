/* SPDX-License-Identifier: MIT */
/*
 * rename(2), with RENAME_NOREPLACE and RENAME_EXCHANGE.
 *
 * `rename_lock` serialises renames between directories: the tree's shape is then stable, so "is the target below the
 * source" (EINVAL) can be answered by walking up. The two directories and the two inodes are locked in ascending
 * address and the names checked again.
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

static struct mutex rename_lock = MUTEX_INIT(rename_lock, RANK_RENAME);

struct rename {
	struct walk from, to;
	struct dentry *old, *new; /* references */
	uint32_t flags;
};

/* Whether d is `above` or below it. rename_lock is held, so parents do not change. */
static bool is_below(struct dentry *d, const struct dentry *above)
{
	for (;; d = d->parent) {
		if (d == above)
			return true;
		if (d == d->parent)
			return false;
	}
}

static int check_types(const struct rename *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;
	bool old_is_dir = S_ISDIR(r->old->inode->mode);
	struct inode *replaced = r->new->inode;

	if (!old_is_dir && (r->from.trailing_slash || (!exchange && r->to.trailing_slash)))
		return -ENOTDIR;
	if (replaced == nullptr)
		return exchange ? -ENOENT : 0;
	if (r->flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (exchange)
		return 0;
	if (old_is_dir && !S_ISDIR(replaced->mode))
		return -ENOTDIR;
	if (!old_is_dir && S_ISDIR(replaced->mode))
		return -EISDIR;
	return 0;
}

static int check_loops(const struct rename *r)
{
	if (r->from.at.dentry == r->to.at.dentry)
		return 0;
	if (is_below(r->to.at.dentry, r->old))
		return -EINVAL;
	/* The target is an ancestor of the source: it cannot be empty. */
	if (!dentry_negative(r->new) && is_below(r->from.at.dentry, r->new))
		return r->flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_permissions(const struct rename *r)
{
	int error = vfs_check_delete(&r->from.at, r->old->inode);

	if (error == 0 && r->new->inode != nullptr)
		error = vfs_check_delete(&r->to.at, r->new->inode);
	else if (error == 0)
		error = inode_permission(r->to.at.dentry->inode, W_OK | X_OK, false);
	/* A directory that gets another parent is itself changed: its "..". */
	if (error == 0 && S_ISDIR(r->old->inode->mode) && r->from.at.dentry != r->to.at.dentry)
		error = inode_permission(r->old->inode, W_OK, false);
	return error;
}

/* The long name's memory, which dentry_move takes over. */
static int prepare_name(const struct name *n, char **out)
{
	*out = nullptr;
	if (n->length < DENTRY_INLINE_NAME)
		return 0;
	*out = kmalloc(n->length + 1);
	return *out != nullptr ? 0 : -ENOMEM;
}

/* What the filesystem shows by that name: for comparing only, and nullptr if nothing, or if it faults once more. */
static const struct inode *shown(const struct dentry *dir, const struct name *n)
{
	struct inode *i = dir->inode, *found = nullptr;

	if (guard_run(inode_component(i), i->ops->lookup(i, n, &found)) != 0)
		return nullptr;
	inode_put(found);
	return found;
}

/*
 * The filesystem faulted and may have done its work or not: the dentries go where it shows their inodes now. One that
 * was only dropped from the cache would get a second dentry beside it, and a directory's has children. True: `old`
 * moved.
 */
static bool rename_doubt(struct rename *r, char *name_memory)
{
	const struct inode *i = r->old->inode, *replaced = r->new->inode;
	const struct inode *at_old = shown(r->from.at.dentry, &r->from.last),
			   *at_new = shown(r->to.at.dentry, &r->to.last);

	if (at_new != i || at_old == i) {
		dentry_doubt(r->old);
		dentry_doubt(r->new);
		return false;
	}
	if ((r->flags & RENAME_EXCHANGE) && at_old == replaced) {
		dentry_exchange(r->old, r->new);
		return false;
	}
	dentry_remove(r->new);
	dentry_move(r->old, r->to.at.dentry, &r->to.last, name_memory);
	return true;
}

/* Those of the two directories, of what moved, and of what made room for it. */
static void tell_watchers(const struct rename *r, struct inode *i, struct inode *replaced)
{
	struct inode *from = r->from.at.dentry->inode, *to = r->to.at.dentry->inode;

	if (!(r->flags & RENAME_EXCHANGE) && replaced != nullptr) {
		dentry_forget_children(r->new);
		watch_tell_object(nullptr, replaced, IN_ATTRIB);
	}
	watch_tell_moved(from, &r->from.last, to, &r->to.last, i);
	if (r->flags & RENAME_EXCHANGE)
		watch_tell_moved(to, &r->to.last, from, &r->from.last, replaced);
}

static int rename_locked(struct rename *r, char *name_memory, bool *used)
{
	struct inode *from = r->from.at.dentry->inode, *to = r->to.at.dentry->inode;
	struct inode *i = r->old->inode, *replaced = r->new->inode;
	bool exchange = r->flags & RENAME_EXCHANGE;

	int error = check_types(r);
	if (error == 0 && i == replaced)
		return 0; /* two names of one file: both stay (POSIX) */
	if (error == 0)
		error = check_permissions(r);
	if (error == 0 && ((r->old->flags | r->new->flags) & DENTRY_MOUNTED))
		error = -EBUSY;
	if (error == 0 && (from->ops->rename == nullptr || to->nlink == 0))
		error = to->nlink == 0 ? -ENOENT : -EPERM;
	if (error != 0)
		return error;
	error = guard_run(inode_component(from),
			  from->ops->rename(from, &r->from.last, i, to, &r->to.last, replaced, exchange));
	if (error == -EFAULT)
		*used = rename_doubt(r, name_memory);
	if (error != 0)
		return error;
	if (exchange) {
		dentry_exchange(r->old, r->new);
	} else {
		dentry_remove(r->new);
		dentry_move(r->old, r->to.at.dentry, &r->to.last, name_memory);
		*used = true;
	}
	inode_touch(from, ATTR_MTIME);
	inode_touch(to, ATTR_MTIME);
	inode_touch(i, 0);
	if (replaced != nullptr)
		inode_touch(replaced, 0);
	if (watch_any())
		tell_watchers(r, i, replaced);
	return 0;
}

/* Whether both names are what was looked up, and the lock of the inode that is replaced is among those held. */
static bool still_there(const struct rename *r, const struct inode *replaced)
{
	if (!dentry_is_at(r->old, r->from.at.dentry, &r->from.last) || r->new->inode != replaced)
		return false;
	if (dentry_hashed(r->new))
		return dentry_is_at(r->new, r->to.at.dentry, &r->to.last);
	/* A filesystem whose absent names are not cached: has somebody made it meanwhile? */
	struct dentry *made = dentry_find(r->to.at.dentry, &r->to.last);
	dentry_put(made);
	return dentry_negative(r->new) && made == nullptr && (r->new->sb->behaviour &SB_NO_NEGATIVE);
}

static int rename_try(struct rename *r)
{
	char *name_memory;
	bool used = false;

	int error = dentry_lookup(r->from.at.dentry, &r->from.last, &r->old);
	if (error != 0)
		return error;
	error = dentry_lookup(r->to.at.dentry, &r->to.last, &r->new);
	if (error != 0)
		goto put_old;
	if (dentry_negative(r->old)) {
		error = -ENOENT;
		goto put_new;
	}
	error = check_loops(r);
	if (error == 0)
		error = prepare_name(&r->to.last, &name_memory);
	if (error != 0)
		goto put_new;
	/* Another thread may make what is absent until the locks are held. */
	struct inode *replaced = __atomic_load_n(&r->new->inode, __ATOMIC_ACQUIRE);
	struct inode *all[4] = {r->from.at.dentry->inode, r->to.at.dentry->inode, r->old->inode, replaced};
	inodes_lock(all, 4);
	error = still_there(r, replaced) ? rename_locked(r, name_memory, &used) : -ESTALE;
	inodes_unlock(all, 4);
	if (!used)
		kfree(name_memory);
put_new:
	dentry_put(r->new);
put_old:
	dentry_put(r->old);
	return error;
}

static int rename_try_between(struct rename *r)
{
	mutex_lock(&rename_lock);
	int error = rename_try(r);
	mutex_unlock(&rename_lock);
	return error;
}

static int rename_walked(struct rename *r)
{
	int error;

	if (r->from.at.mount != r->to.at.mount)
		return -EXDEV;
	if (r->from.last_kind != LAST_NAME || r->to.last_kind != LAST_NAME)
		return r->flags & RENAME_NOREPLACE && r->to.last_kind != LAST_NAME ? -EEXIST : -EBUSY;
	if (r->from.last.length > NAME_MAX || r->to.last.length > NAME_MAX)
		return -ENAMETOOLONG;
	bool between = r->from.at.dentry != r->to.at.dentry;
	do {
		error = between ? rename_try_between(r) : rename_try(r);
	} while (error == -ESTALE && !signal_fatal_current());
	return error;
}

int vfs_rename_at(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, uint32_t flags)
{
	struct rename r = {.flags = flags};

	int error = walk_parent(&r.from, old_dirfd, old_path);
	if (error != 0)
		return error;
	error = walk_parent(&r.to, new_dirfd, new_path);
	if (error == 0) {
		error = rename_walked(&r);
		walk_end(&r.to);
	}
	walk_end(&r.from);
	return error;
}

/* The old name is walked to before the new one is looked at. */
static int rename_from(struct rename *r, int new_dirfd, user_addr new_text)
{
	struct path_text to;

	int error = path_text_get(&to, new_text);
	if (error != 0)
		return error;
	error = walk_parent(&r->to, new_dirfd, to.text);
	if (error == 0) {
		error = rename_walked(r);
		walk_end(&r->to);
	}
	path_text_free(&to);
	return error;
}

static long rename_user(int old_dirfd, user_addr old_text, int new_dirfd, user_addr new_text, uint32_t flags)
{
	struct rename r = {.flags = flags};
	struct path_text from;

	if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return syscall_refuse_flags(NR_renameat2, flags);
	int error = path_text_get(&from, old_text);
	if (error != 0)
		return error;
	error = walk_parent(&r.from, old_dirfd, from.text);
	if (error == 0) {
		error = rename_from(&r, new_dirfd, new_text);
		walk_end(&r.from);
	}
	path_text_free(&from);
	return error;
}

static long sys_renameat2(int old_dirfd, user_addr old_text, int new_dirfd, user_addr new_text, uint32_t flags)
{
	return rename_user(old_dirfd, old_text, new_dirfd, new_text, flags);
}
SYSCALL(renameat2);

static long sys_renameat(int old_dirfd, user_addr old_text, int new_dirfd, user_addr new_text)
{
	return rename_user(old_dirfd, old_text, new_dirfd, new_text, 0);
}
SYSCALL(renameat);

static long sys_rename(user_addr old_text, user_addr new_text)
{
	return rename_user(AT_FDCWD, old_text, AT_FDCWD, new_text, 0);
}
SYSCALL_LEGACY(rename);
