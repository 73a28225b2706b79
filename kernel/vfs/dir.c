/* SPDX-License-Identifier: MIT */
/*
 * Making and removing names: mkdir, mknod, symlink, link, unlink, rmdir.
 *
 * All take the locks of the directory and (removal, link) of the inode concerned, in ascending address, and check
 * afterwards that the name still means what was looked up. Permissions are checked under the lock, then the filesystem
 * changes its directory, then the dentry cache follows; that last part cannot fail. A filesystem that faults may have
 * done its work: the cache then keeps of the name only what the filesystem confirms.
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/open.h>
#include <kernel/vfs/watch.h>

static int check_may_make(const struct path *dir)
{
	int error = mount_check_write(dir->mount);

	if (error == 0 && dir->dentry->inode->nlink == 0)
		error = -ENOENT;
	if (error == 0)
		error = inode_permission(dir->dentry->inode, W_OK | X_OK, false);
	return error;
}

/* Ownership of something new: a setgid directory passes its group on, and to directories the bit too; but not to a
 * program of somebody who is not of that group. */
void vfs_fill_request(struct make_request *r, const struct inode *dir, uint32_t mode)
{
	struct subject *p = subject_current();
	uint32_t umask = p != nullptr && p->fs != nullptr ? fs_context_umask(p->fs) : 0;

	r->mode = S_ISLNK(mode) ? mode : mode & ~umask;
	r->uid = p != nullptr ? p->cred.fsuid : 0;
	r->gid = p != nullptr ? p->cred.fsgid : 0;
	if (dir->mode & S_ISGID) {
		r->gid = dir->gid;
		if (S_ISDIR(mode))
			r->mode |= S_ISGID;
		else if ((r->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !inode_group_or_capable(r->gid))
			r->mode &= ~S_ISGID;
	}
}

/* Directory locked, d negative. */
static int make_locked(const struct path *dir, struct dentry *d, uint32_t mode, const struct make_request *asked)
{
	struct inode *i = dir->dentry->inode, *made;
	struct make_request r = *asked;
	struct name n = {d->name, d->length, d->hash};

	int error = check_may_make(dir);
	if (error != 0)
		return error;
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !capable(CAP_MKNOD))
		return -EPERM;
	if (i->ops->make == nullptr)
		return S_ISREG(mode) ? -EACCES : -EPERM;
	vfs_fill_request(&r, i, mode);
	error = guard_run(inode_component(i), i->ops->make(i, &n, &r, &made));
	if (error == -EFAULT)
		dentry_doubt(d);
	if (error != 0)
		return error;
	dentry_instantiate(d, made);
	inode_touch(i, ATTR_MTIME);
	watch_name(i, d, IN_CREATE);
	return 0;
}

int vfs_create_file(struct path *dir, struct dentry *d, uint32_t mode, const void *wanted)
{
	return make_locked(dir, d, S_IFREG | (mode & S_IALLUGO), &(struct make_request){.wanted = wanted});
}

/* *made: what has the name now, with a reference. */
static int make_named(struct walk *w, uint32_t mode, uint64_t rdev, const char *target, struct dentry **made)
{
	struct inode *dir = w->at.dentry->inode;
	struct dentry *d = nullptr;

	if (w->last_kind != LAST_NAME)
		return -EEXIST;
	if (w->last.length > NAME_MAX)
		return -ENAMETOOLONG;
	mutex_lock(&dir->lock);
	int error = dentry_lookup_locked(w->at.dentry, &w->last, &d);
	if (error == 0) {
		if (!dentry_negative(d))
			error = -EEXIST;
		else if (w->trailing_slash && !S_ISDIR(mode))
			error = -ENOENT;
		else
			error = make_locked(&w->at, d, mode, &(struct make_request){.rdev = rdev, .target = target});
	}
	mutex_unlock(&dir->lock);
	if (error == 0)
		*made = d;
	else
		dentry_put(d);
	return error;
}

int vfs_make(struct walk *w, uint32_t mode, uint64_t rdev, const char *target)
{
	struct dentry *made = nullptr;
	int error = make_named(w, mode, rdev, target, &made);

	dentry_put(made);
	return error;
}

int path_make_node(const char *path, uint32_t mode, struct path *out)
{
	struct walk w;

	int error = walk_parent(&w, AT_FDCWD, path);
	if (error != 0)
		return error;
	error = make_named(&w, mode, 0, nullptr, &out->dentry);
	if (error == 0) {
		out->mount = w.at.mount;
		mount_get(out->mount);
	} else {
		out->dentry = nullptr;
	}
	walk_end(&w);
	return error;
}

int vfs_make_at(const char *path, uint32_t mode, uint64_t rdev, const char *target)
{
	struct walk w;

	int error = walk_parent(&w, AT_FDCWD, path);
	if (error != 0)
		return error;
	error = vfs_make(&w, mode, rdev, target);
	walk_end(&w);
	return error;
}

static long make_user(int dirfd, user_addr text, uint32_t mode, uint64_t rdev, const char *target)
{
	struct path_text t;
	struct walk w;

	int error = path_text_get(&t, text);
	if (error != 0)
		return error;
	error = walk_parent(&w, dirfd, t.text);
	if (error == 0) {
		error = vfs_make(&w, mode, rdev, target);
		walk_end(&w);
	}
	path_text_free(&t);
	return error;
}

static long sys_mkdirat(int dirfd, user_addr text, uint32_t mode)
{
	return make_user(dirfd, text, S_IFDIR | (mode & (S_IRWXUGO | S_ISVTX)), 0, nullptr);
}
SYSCALL(mkdirat);

static long sys_mkdir(user_addr text, uint32_t mode)
{
	return sys_mkdirat(AT_FDCWD, text, mode);
}
SYSCALL_LEGACY(mkdir);

static long sys_mknodat(int dirfd, user_addr text, uint32_t mode, uint64_t dev)
{
	/* The device number travels in 32 bits: 12 of major, 20 of minor, as glibc and musl make them. */
	dev &= UINT32_MAX;
	switch (mode & S_IFMT) {
	case 0: mode |= S_IFREG; [[fallthrough]];
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK: dev = 0; break;
	case S_IFCHR:
	case S_IFBLK: break;
	case S_IFDIR: return -EPERM;
	default: return -EINVAL;
	}
	return make_user(dirfd, text, mode & (S_IFMT | S_IALLUGO), dev, nullptr);
}
SYSCALL(mknodat);

static long sys_mknod(user_addr text, uint32_t mode, uint64_t dev)
{
	return sys_mknodat(AT_FDCWD, text, mode, dev);
}
SYSCALL_LEGACY(mknod);

static long sys_symlinkat(user_addr target, int dirfd, user_addr text)
{
	struct path_text t;

	int error = path_text_get(&t, target);
	if (error != 0)
		return error;
	long result = *t.text == '\0' ? -ENOENT : make_user(dirfd, text, S_IFLNK | S_IRWXUGO, 0, t.text);
	path_text_free(&t);
	return result;
}
SYSCALL(symlinkat);

static long sys_symlink(user_addr target, user_addr text)
{
	return sys_symlinkat(target, AT_FDCWD, text);
}
SYSCALL_LEGACY(symlink);

int vfs_check_delete(const struct path *dir, const struct inode *victim)
{
	struct inode *i = dir->dentry->inode;
	struct subject *p = subject_current();

	int error = mount_check_write(dir->mount);
	if (error == 0)
		error = inode_permission(i, W_OK | X_OK, false);
	if (error != 0)
		return error;
	/* In a sticky directory only the owner of it or of the file may (POSIX.1-2017 XBD 4.3). */
	if ((i->mode & S_ISVTX) && p != nullptr && p->cred.fsuid != victim->uid && p->cred.fsuid != i->uid &&
	    !capable(CAP_FOWNER))
		return -EPERM;
	return 0;
}

/* Locks directory and victim and makes sure that d still has this name. -ESTALE: look it up again. */
static int lock_pair(struct inode *pair[2], struct dentry *dir, struct dentry *d, const struct name *n)
{
	pair[0] = dir->inode;
	pair[1] = d->inode;
	inodes_lock(pair, 2);
	if (dentry_is_at(d, dir, n))
		return 0;
	inodes_unlock(pair, 2);
	return -ESTALE;
}

static int remove_locked(const struct path *dir, struct dentry *d, bool directory)
{
	struct inode *i = dir->dentry->inode, *victim = d->inode;
	struct name n = {d->name, d->length, d->hash};

	int error = vfs_check_delete(dir, victim);
	if (error != 0)
		return error;
	if (directory && !S_ISDIR(victim->mode))
		return -ENOTDIR;
	if (!directory && S_ISDIR(victim->mode))
		return -EISDIR;
	if (d->flags & DENTRY_MOUNTED)
		return -EBUSY;
	int (*remove)(struct inode *, const struct name *, struct inode *) = directory ? i->ops->rmdir : i->ops->unlink;
	if (remove == nullptr)
		return -EPERM;
	error = guard_run(inode_component(i), remove(i, &n, victim));
	if (error == -EFAULT)
		dentry_doubt(d);
	if (error != 0)
		return error;
	dentry_remove(d);
	dentry_forget_children(d);
	inode_touch(i, ATTR_MTIME);
	inode_touch(victim, 0);
	if (!directory)
		watch_inode(victim, IN_ATTRIB);
	watch_name(i, d, IN_DELETE);
	return 0;
}

int vfs_remove_last(struct walk *w, bool directory)
{
	struct inode *pair[2];
	struct dentry *d;
	int error;

	if (w->last.length > NAME_MAX)
		return -ENAMETOOLONG;
	do {
		error = dentry_lookup(w->at.dentry, &w->last, &d);
		if (error != 0)
			return error;
		if (dentry_negative(d)) {
			dentry_put(d);
			return -ENOENT;
		}
		if (!directory && w->trailing_slash) {
			error = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
			dentry_put(d);
			return error;
		}
		error = lock_pair(pair, w->at.dentry, d, &w->last);
		if (error == 0) {
			error = remove_locked(&w->at, d, directory);
			inodes_unlock(pair, 2);
		}
		dentry_put(d);
	} while (error == -ESTALE && !signal_fatal_current());
	return error;
}

int vfs_remove_at(int dirfd, const char *path, bool directory)
{
	struct walk w;

	int error = walk_parent(&w, dirfd, path);
	if (error != 0)
		return error;
	if (w.last_kind == LAST_NAME)
		error = vfs_remove_last(&w, directory);
	else if (!directory)
		error = -EISDIR;
	else
		error = w.last_kind == LAST_DOT ? -EINVAL : w.last_kind == LAST_DOT_DOT ? -ENOTEMPTY : -EBUSY;
	walk_end(&w);
	return error;
}

static long remove_user(int dirfd, user_addr text, bool directory)
{
	struct path_text t;

	int error = path_text_get(&t, text);
	if (error != 0)
		return error;
	error = vfs_remove_at(dirfd, t.text, directory);
	path_text_free(&t);
	return error;
}

static long sys_unlinkat(int dirfd, user_addr text, uint32_t flags)
{
	if (flags & ~(uint32_t)AT_REMOVEDIR)
		return syscall_refuse_flags(NR_unlinkat, flags);
	return remove_user(dirfd, text, flags & AT_REMOVEDIR);
}
SYSCALL(unlinkat);

static long sys_unlink(user_addr text)
{
	return remove_user(AT_FDCWD, text, false);
}
SYSCALL_LEGACY(unlink);

static long sys_rmdir(user_addr text)
{
	return remove_user(AT_FDCWD, text, true);
}
SYSCALL_LEGACY(rmdir);

/* That a name is taken is said before what is wrong with the file that is to have it. */
static int check_free(struct walk *w)
{
	struct dentry *d;

	if (w->last_kind != LAST_NAME)
		return -EEXIST;
	if (w->last.length > NAME_MAX)
		return -ENAMETOOLONG;
	int error = dentry_lookup(w->at.dentry, &w->last, &d);
	if (error != 0)
		return error;
	if (!dentry_negative(d))
		error = -EEXIST;
	else if (w->trailing_slash)
		error = -ENOENT;
	dentry_put(d);
	return error;
}

/* Names inode i (of what path) by the last component of w. */
static int link_last(struct walk *w, const struct path *what)
{
	struct inode *dir = w->at.dentry->inode, *i = what->dentry->inode;
	struct inode *pair[2] = {dir, i};
	struct dentry *d = nullptr;

	int error = check_free(w);
	if (error == 0 && w->at.mount != what->mount)
		error = -EXDEV;
	if (error == 0 && (S_ISDIR(i->mode) || dir->ops->link == nullptr))
		error = -EPERM;
	if (error == 0)
		error = protect_link(i);
	if (error != 0)
		return error;
	inodes_lock(pair, 2);
	error = dentry_lookup_locked(w->at.dentry, &w->last, &d);
	if (error == 0 && !dentry_negative(d))
		error = -EEXIST;
	if (error == 0)
		error = check_may_make(&w->at);
	/* A file that had a name gets no other when it has lost it. */
	if (error == 0 && i->nlink == 0 && !i->linkable)
		error = -ENOENT;
	if (error == 0) {
		error = guard_run(inode_component(dir), dir->ops->link(dir, &w->last, i));
		if (error == -EFAULT)
			dentry_doubt(d);
	}
	if (error == 0) {
		i->linkable = false;
		inode_get(i);
		dentry_instantiate(d, i);
		inode_touch(dir, ATTR_MTIME);
		inode_touch(i, 0);
		watch_inode(i, IN_ATTRIB);
		watch_name(dir, d, IN_CREATE);
	}
	inodes_unlock(pair, 2);
	dentry_put(d);
	return error;
}

int vfs_link_at(const char *old_path, const char *new_path)
{
	struct path what;
	struct walk w;

	int error = path_lookup(AT_FDCWD, old_path, 0, &what);
	if (error != 0)
		return error;
	error = walk_parent(&w, AT_FDCWD, new_path);
	if (error == 0) {
		error = link_last(&w, &what);
		walk_end(&w);
	}
	path_put(&what);
	return error;
}

static long sys_linkat(int old_dirfd, user_addr old_text, int new_dirfd, user_addr new_text, uint32_t flags)
{
	struct path_text t;
	struct path what;
	struct walk w;

	if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return syscall_refuse_flags(NR_linkat, flags);
	/* By a descriptor that somebody handed over one could else keep what its directory would not let one reach. */
	if ((flags & AT_EMPTY_PATH) && !capable(CAP_DAC_READ_SEARCH))
		return -ENOENT;
	int error = path_lookup_user(old_dirfd, old_text,
				     (flags & AT_SYMLINK_FOLLOW ? (uint32_t)WALK_FOLLOW : 0) |
					     (flags & AT_EMPTY_PATH ? (uint32_t)WALK_EMPTY : 0),
				     &what);
	if (error != 0)
		return error;
	error = path_text_get(&t, new_text);
	if (error == 0) {
		error = walk_parent(&w, new_dirfd, t.text);
		if (error == 0) {
			error = link_last(&w, &what);
			walk_end(&w);
		}
		path_text_free(&t);
	}
	path_put(&what);
	return error;
}
SYSCALL(linkat);

static long sys_link(user_addr old_text, user_addr new_text)
{
	return sys_linkat(AT_FDCWD, old_text, AT_FDCWD, new_text, 0);
}
SYSCALL_LEGACY(link);
