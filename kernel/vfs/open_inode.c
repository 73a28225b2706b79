/* SPDX-License-Identifier: MIT */
/* Opening of an inode that a path names, and what is open then: whether it may be executed, what it is called. */
#include "page_cache_internal.h"

#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

static const struct file_ops path_ops = {
	.component = &component_vfs,
};

static int check_type(const struct path *p, const struct inode *i, uint32_t flags)
{
	bool write = (flags & O_ACCMODE) != O_RDONLY;

	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (S_ISDIR(i->mode) && (write || (flags & O_TRUNC)))
		return -EISDIR;
	if ((flags & O_DIRECTORY) && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		if ((p->mount->flags & MS_NODEV) || (i->sb->behaviour & SB_NO_DEVICES))
			return -EACCES;
	} else if (S_ISREG(i->mode) && (write || (flags & O_TRUNC)) && mount_check_write(p->mount) != 0) {
		return -EROFS;
	}
	/* No filesystem goes around its page cache; a fifo's end keeps writes apart only once fcntl(2) says so. */
	if ((flags & O_DIRECT) && (S_ISREG(i->mode) || S_ISFIFO(i->mode)))
		return -EINVAL;
	return 0;
}

static uint32_t access_mask(uint32_t flags)
{
	static const uint32_t masks[] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? W_OK : 0);
}

/* The part that cannot be undone is last; *out has its references from the beginning, so file_put is the way back. */
static int open_inode(struct file *f, struct inode *i)
{
	f->inode = i;
	if (S_ISREG(i->mode) && (f->mode & FILE_WRITE)) {
		/* Writer and runner each announce themselves before they look for the other. */
		__atomic_fetch_add(&i->writers, 1, __ATOMIC_SEQ_CST);
		int error = mount_writer_get(f->path.mount);
		if (error != 0)
			return error;
		if (__atomic_load_n(&i->runners, __ATOMIC_SEQ_CST) > 0)
			return -ETXTBSY;
	}
	f->ops = i->file_ops != nullptr ? i->file_ops : &path_ops;
	KASSERT(f->ops->component != nullptr);
	if (f->ops->open != nullptr) {
		int error = guard_run(f->ops->component, f->ops->open(f));
		if (error != 0) {
			f->ops = &path_ops; /* nothing to release */
			return error;
		}
	}
	if (f->ops->seek != nullptr)
		f->mode |= FILE_POSITION;
	f->object.ops = f->ops->object;
	f->object.memory = f->inode->serial; /* of a block device, not its node's */
	page_cache_note_errors(f);
	f->super_errors_seen = __atomic_load_n(&file_node(f)->sb->write_errors, __ATOMIC_RELAXED);
	return 0;
}

static int open_truncate(struct file *f)
{
	int error = f->inode->size != 0 ? inode_truncate(f->inode, 0) : 0;

	if (error == 0)
		watch_file(f, IN_MODIFY);
	return error;
}

int file_open_inode(const struct path *p, uint32_t flags, bool checked, struct file **out)
{
	struct inode *i = p->dentry->inode;
	int error = 0;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_PATH) && (flags & O_DIRECTORY) && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if (!(flags & O_PATH)) {
		error = check_type(p, i, flags);
		if (error == 0 && !checked)
			error = inode_permission(i, access_mask(flags), false);
		if (error == 0 && (flags & O_NOATIME) && !inode_owner_or_capable(i))
			error = -EPERM;
	}
	if (error != 0)
		return error;
	struct file *f;
	/* Block devices know O_EXCL: only one has it open so. */
	uint32_t exclusive = S_ISBLK(i->mode) ? 0 : (uint32_t)O_EXCL;
	error = file_new(flags & ~(O_CREAT | O_TRUNC | O_CLOEXEC | exclusive), &f);
	if (error != 0)
		return error;
	f->path = *p;
	path_get(&f->path);
	f->ops = &path_ops;
	f->inode = i;
	if (!(flags & O_PATH)) {
		error = open_inode(f, i);
		if (error == 0) {
			f->mode |= FILE_OPENED;
			watch_file(f, IN_OPEN);
		}
		if (error == 0 && (flags & O_TRUNC) && S_ISREG(i->mode))
			error = open_truncate(f);
		f->flags &= ~(uint32_t)(O_NOCTTY | O_EXCL);
	}
	if (error != 0) {
		file_put(f);
		return error;
	}
	*out = f;
	return 0;
}

int file_open_at(const struct path *path, uint32_t flags, struct file **out)
{
	return file_open_inode(path, flags, false, out);
}

int file_open_exec(const struct path *path, struct file **out)
{
	if (!S_ISREG(path->dentry->inode->mode))
		return -EACCES;
	struct file *f;
	int error = file_open_inode(path, O_RDONLY, true, &f);
	if (error != 0)
		return error;
	error = file_check_exec(f);
	if (error != 0)
		file_put(f);
	else
		*out = f;
	return error;
}

int file_check_exec(struct file *f)
{
	if (f->inode == nullptr || !S_ISREG(f->inode->mode))
		return -EACCES;
	if (f->path.mount != nullptr && (f->path.mount->flags & MS_NOEXEC))
		return -EACCES;
	int error = inode_permission(f->inode, X_OK, false);
	if (error == 0 && __atomic_load_n(&f->inode->writers, __ATOMIC_RELAXED) > 0)
		error = -ETXTBSY;
	return error;
}

long file_describe(struct file *f, char *out, size_t size)
{
	int n;

	if (f->path.dentry != nullptr && f->label == nullptr)
		return path_format(&f->path, out, size);
	if (f->label != nullptr && f->label[0] == '/')
		n = snprintf(out, size, "%s (deleted)", f->label);
	else if (f->inode != nullptr && f->label != nullptr)
		n = snprintf(out, size, "%s:[%llu]", f->label, (unsigned long long)f->inode->ino);
	else
		n = snprintf(out, size, "%s", f->label != nullptr ? f->label : "anon_inode:[file]");
	return (size_t)n < size ? n : -ENAMETOOLONG;
}
