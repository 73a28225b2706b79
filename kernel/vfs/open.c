/* SPDX-License-Identifier: MIT */
/*
 * open(2) and its relatives, close(2), and the descriptor part of dup(2).
 *
 * Opening with O_CREAT walks to the parent, looks the last name up, follows it if it is a link, and creates under the
 * directory's lock; otherwise the path is resolved to its end.
 */
#include "internal.h"
#include "mount.h"
#include "super.h"
#include <kernel/file/table.h>

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>

enum : uint32_t {
	OPEN_KNOWN = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC |
		     O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE_BIT,
	OPEN_WITH_PATH = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

/* The last component of w: opens it, or creates it. *again: it was a link that is being followed. */
static int open_last(struct walk *w, uint32_t flags, uint32_t mode, bool *again, struct file **out)
{
	struct dentry *dir = w->at.dentry, *d;
	bool created = false;

	if (w->last_kind != LAST_NAME || w->trailing_slash)
		return -EISDIR;
	if (w->last.length > NAME_MAX)
		return -ENAMETOOLONG;
	int error = dentry_lookup(dir, &w->last, &d);
	if (error != 0)
		return error;
	if (dentry_negative(d)) {
		mutex_lock(&dir->inode->lock);
		dentry_put(d);
		error = dentry_lookup_locked(dir, &w->last, &d);
		if (error == 0 && dentry_negative(d)) {
			error = vfs_create_file(&w->at, d, mode, nullptr);
			created = error == 0;
			if (error != 0)
				dentry_put(d);
		}
		mutex_unlock(&dir->inode->lock);
		if (error != 0)
			return error;
	}
	struct path p = {w->at.mount, d};
	mount_get(p.mount);
	if (!created && (flags & O_EXCL)) {
		error = -EEXIST;
	} else if (!created && S_ISLNK(d->inode->mode) && !(flags & O_NOFOLLOW)) {
		error = protect_follow(dir->inode, d->inode);
		if (error != 0) {
			path_put(&p);
			return error;
		}
		*again = true;
		return walk_follow(w, &p);
	} else {
		mount_cross(&p);
		error = S_ISDIR(p.dentry->inode->mode) ? -EISDIR : 0;
		if (error == 0 && !created)
			error = protect_create(dir->inode, p.dentry->inode);
		if (error == 0)
			error = file_open_inode(&p, created ? flags & ~(uint32_t)O_TRUNC : flags, created, out);
	}
	path_put(&p);
	return error;
}

static int open_creating(int dirfd, const char *text, uint32_t flags, uint32_t mode, uint32_t walk_flags,
			 struct file **out)
{
	struct walk w;
	bool again;

	int error = walk_begin(&w, dirfd, text, walk_flags);
	w.want_parent = true;
	do {
		again = false;
		if (error == 0)
			error = walk_run(&w);
		/* A link that is not a path ended the walk on the file itself. */
		if (error == 0 && w.last_kind == LAST_ROOT && !S_ISDIR(w.at.dentry->inode->mode))
			error = file_open_inode(&w.at, flags, false, out);
		else if (error == 0)
			error = open_last(&w, flags, mode, &again, out);
	} while (error == 0 && again);
	walk_end(&w);
	return error;
}

static int open_unnamed(const struct path *dir, uint32_t flags, uint32_t mode, struct file **out)
{
	struct inode *i = dir->dentry->inode, *made;

	if ((flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	if (i->ops->make_unnamed == nullptr)
		return -EOPNOTSUPP;
	int error = inode_permission(i, W_OK | X_OK, false);
	if (error == 0)
		error = mount_check_write(dir->mount);
	if (error != 0)
		return error;
	struct make_request r = {};
	vfs_fill_request(&r, i, S_IFREG | (mode & S_IALLUGO));
	error = guard_run(inode_component(i), i->ops->make_unnamed(i, &r, &made));
	if (error != 0)
		return error;
	made->linkable = !(flags & O_EXCL);
	char text[24];
	int n = snprintf(text, sizeof(text), "#%llu", (unsigned long long)made->ino);
	struct name name = name_make(text, (size_t)n);
	struct path path = {dir->mount, dentry_create(i->sb, dir->dentry, &name, made)};
	if (path.dentry == nullptr) {
		inode_put(made);
		return -ENOMEM;
	}
	error = file_open_inode(&path, flags & ~(uint32_t)(O_TMPFILE_BIT | O_DIRECTORY), true, out);
	dentry_put(path.dentry);
	return error;
}

int file_open_flags(int dirfd, const char *text, uint32_t flags, uint32_t mode, uint32_t walk_flags, struct file **out)
{
	struct path p;
	bool unnamed = flags & O_TMPFILE_BIT;

	if ((flags & O_CREAT) && (flags & O_DIRECTORY))
		return -EINVAL;
	if (unnamed && (flags & (O_CREAT | O_DIRECTORY)) != O_DIRECTORY)
		return -EINVAL;
	if ((flags & O_CREAT) && !(flags & O_PATH))
		return open_creating(dirfd, text, flags, mode, walk_flags, out);
	uint32_t follow = flags & O_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW;
	int error = path_lookup(dirfd, text, walk_flags | follow, &p);
	if (error != 0)
		return error;
	if (unnamed)
		error = S_ISDIR(p.dentry->inode->mode) ? open_unnamed(&p, flags, mode, out) : -ENOTDIR;
	else
		error = file_open_inode(&p, flags, false, out);
	path_put(&p);
	return error;
}

int file_open_path(const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
	return file_open_flags(AT_FDCWD, path, flags, mode, 0, out);
}

int file_open_single(const char *type, const char *name, uint32_t flags, struct file **out)
{
	struct filesystem *fs = filesystem_find(type);
	struct name n = name_make(name, strlen(name));

	if (fs == nullptr || !fs->single)
		return -ENODEV;
	struct path p = {.mount = mount_of_single(fs)};
	if (p.mount == nullptr)
		return -ENOENT;
	int error = dentry_lookup(p.mount->root, &n, &p.dentry);
	if (error == 0 && p.dentry->inode == nullptr)
		error = -ENOENT;
	if (error == 0)
		error = file_open_inode(&p, flags, false, out);
	path_put(&p);
	return error;
}

static long open_user(int dirfd, user_addr text, uint32_t flags, uint32_t mode, uint32_t walk_flags)
{
	struct path_text t;
	struct file *f;

	int error = path_text_get(&t, text);
	if (error != 0)
		return error;
	error = file_open_flags(dirfd, t.text, flags, mode, walk_flags, &f);
	path_text_free(&t);
	if (error != 0)
		return error;
	int fd = file_install(f, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

/* open and openat ignore unknown flags, and with O_PATH most others (open(2), NOTES); openat2 refuses them. */
static uint32_t open_flags(uint32_t flags)
{
	return flags & (flags & O_PATH ? (uint32_t)OPEN_WITH_PATH : (uint32_t)OPEN_KNOWN);
}

static long sys_openat(int dirfd, user_addr text, uint32_t flags, uint32_t mode)
{
	return open_user(dirfd, text, open_flags(flags), mode & S_IALLUGO, 0);
}
SYSCALL(openat);

static long sys_open(user_addr text, uint32_t flags, uint32_t mode)
{
	return open_user(AT_FDCWD, text, open_flags(flags), mode & S_IALLUGO, 0);
}
SYSCALL_LEGACY(open);

static long sys_creat(user_addr text, uint32_t mode)
{
	return open_user(AT_FDCWD, text, O_CREAT | O_WRONLY | O_TRUNC, mode & S_IALLUGO, 0);
}
SYSCALL_LEGACY(creat);

struct open_how {
	uint64_t flags, mode, resolve;
};
enum : uint64_t {
	RESOLVE_NO_XDEV = 1,
	RESOLVE_NO_MAGICLINKS = 2,
	RESOLVE_NO_SYMLINKS = 4,
	RESOLVE_BENEATH = 8,
	RESOLVE_IN_ROOT = 16,
	RESOLVE_CACHED = 32,
};

static long sys_openat2(int dirfd, user_addr text, user_addr how_at, size_t size)
{
	static const struct {
		uint64_t resolve;
		uint32_t walk;
	} map[] = {
		{RESOLVE_NO_XDEV, WALK_NO_MOUNTS},    {RESOLVE_NO_MAGICLINKS, WALK_NO_MAGIC},
		{RESOLVE_NO_SYMLINKS, WALK_NO_LINKS}, {RESOLVE_BENEATH, WALK_BENEATH},
		{RESOLVE_IN_ROOT, WALK_IN_ROOT},
	};
	struct open_how how;
	uint64_t known = RESOLVE_CACHED;
	uint32_t walk = 0;

	int error = copy_struct_from_user(&how, sizeof(how), sizeof(how), how_at, size);
	if (error != 0)
		return error;
	for (size_t n = 0; n < ARRAY_LEN(map); n++) {
		known |= map[n].resolve;
		if (how.resolve & map[n].resolve)
			walk |= map[n].walk;
	}
	if ((how.flags & ~(uint64_t)OPEN_KNOWN) || (how.resolve & ~known) || (how.mode & ~(uint64_t)S_IALLUGO))
		return syscall_refuse_flags(NR_openat2, how.flags);
	if (how.mode != 0 && !(how.flags & (O_CREAT | O_TMPFILE_BIT)))
		return -EINVAL;
	if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if ((how.flags & O_PATH) && (how.flags & ~(uint64_t)OPEN_WITH_PATH))
		return -EINVAL;
	/* Nothing has to be waited for where all names are in memory; but changes are not made this way. */
	if ((how.resolve & RESOLVE_CACHED) && (how.flags & (O_CREAT | O_TRUNC | O_TMPFILE_BIT)))
		return -EAGAIN;
	return open_user(dirfd, text, (uint32_t)how.flags, (uint32_t)how.mode, walk);
}
SYSCALL(openat2);

static long sys_close(int fd)
{
	return file_close(fd);
}
SYSCALL(close);

static long sys_close_range(uint32_t first, uint32_t last, uint32_t flags)
{
	if (first > last)
		return -EINVAL;
	if (flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return syscall_refuse_flags(NR_close_range, flags);
	if (flags & CLOSE_RANGE_UNSHARE) {
		/* The threads of a process share the table, and use it without a reference of their own. */
		if (subject_current()->thread_count > 1)
			return syscall_refuse_flags(NR_close_range, flags);
		int error = file_table_unshare_current();
		if (error != 0)
			return error;
	}
	struct file_table *t = subject_current()->files;
	for (int fd = (int)MIN(first, (uint32_t)INT32_MAX); (fd = file_table_next(t, fd)) >= 0 && (uint32_t)fd <= last;
	     fd++) {
		if (flags & CLOSE_RANGE_CLOEXEC)
			file_set_cloexec(fd, true);
		else
			(void)file_close(fd);
	}
	return 0;
}
SYSCALL(close_range);

static long sys_dup(int fd)
{
	struct file_ref r;

	int error = file_ref_get_any(fd, &r);
	if (error != 0)
		return error;
	file_get(r.file);
	int result = file_install(r.file, false);
	if (result < 0)
		file_put(r.file);
	file_ref_put(r);
	return result;
}
SYSCALL(dup);

static long dup_to(int from, int to, bool close_on_exec)
{
	struct file *replaced = nullptr;
	struct file_ref r;

	int error = file_ref_get_any(from, &r);
	if (error != 0)
		return error;
	file_get(r.file);
	int result = file_replace(r.file, (uint32_t)to, close_on_exec, &replaced);
	if (result < 0)
		file_put(r.file);
	file_ref_put(r);
	if (replaced != nullptr)
		file_close_replaced(replaced);
	return result;
}

static long sys_dup2(int from, int to)
{
	struct file_ref r;

	if (from != to)
		return dup_to(from, to, false);
	int error = file_ref_get_any(from, &r);
	if (error != 0)
		return error;
	file_ref_put(r);
	return to;
}
SYSCALL_LEGACY(dup2);

static long sys_dup3(int from, int to, uint32_t flags)
{
	if (from == to || (flags & ~(uint32_t)O_CLOEXEC))
		return -EINVAL;
	return dup_to(from, to, flags & O_CLOEXEC);
}
SYSCALL(dup3);
