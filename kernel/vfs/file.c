/* SPDX-License-Identifier: MIT */
/*
 * Open file descriptions: creation, opening of an inode, the last put, buffers of reads and writes.
 *
 * A file's reference count is atomic. The last put may sleep and takes locks from RANK_PAGE_CACHE on, so it must not
 * run under a filesystem's or a directory's lock.
 */
#include "async.h"
#include "page_cache_internal.h"
#include "pipe.h"

#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/vm.h>

static size_t copy_segments(void *kernel, const struct io_buffer *b, size_t offset, size_t n, int direction)
{
	size_t done = 0;

	for (uint32_t s = 0; s < b->segment_count && done < n; s++) {
		const struct io_segment *seg = &b->segments[s];

		if (offset >= seg->length) {
			offset -= seg->length;
			continue;
		}
		size_t part = MIN(n - done, seg->length - offset);
		user_addr at = user_addr_add(seg->base, offset);
		size_t moved = part;
		if (direction == 0)
			moved = copy_from_user_partial((char *)kernel + done, at, part);
		else if (direction == 1)
			moved = copy_to_user_partial(at, (char *)kernel + done, part);
		else if (clear_user(at, part) != 0)
			moved = 0;
		done += moved;
		if (moved < part)
			break;
		offset = 0;
	}
	return done;
}

size_t io_copy_in(void *dst, const struct io_buffer *src, size_t offset, size_t n)
{
	offset += src->skip;
	if (!src->is_user) {
		memcpy(dst, (const char *)src->kernel + offset, n);
		return n;
	}
	if (src->segments != nullptr)
		return copy_segments(dst, src, offset, n, 0);
	return copy_from_user_partial(dst, user_addr_add(src->user, offset), n);
}

size_t io_copy_out(const struct io_buffer *dst, size_t offset, const void *src, size_t n)
{
	offset += dst->skip;
	if (!dst->is_user) {
		memcpy((char *)dst->kernel + offset, src, n);
		return n;
	}
	if (dst->segments != nullptr)
		return copy_segments((void *)src, dst, offset, n, 1);
	return copy_to_user_partial(user_addr_add(dst->user, offset), src, n);
}

static void *byte_of(struct page *const *pages, size_t at)
{
	return (char *)page_address(pages[at / PAGE_SIZE]) + at % PAGE_SIZE;
}

size_t io_copy_in_pages(struct page *const *pages, size_t skip, const struct io_buffer *src, size_t offset, size_t n)
{
	size_t done = 0, moved, part;

	if (src->is_user && src->segments == nullptr)
		return copy_pages_from_user(pages, skip, user_addr_add(src->user, offset + src->skip), n);
	do {
		part = MIN(n - done, PAGE_SIZE - (skip + done) % PAGE_SIZE);
		moved = io_copy_in(byte_of(pages, skip + done), src, offset + done, part);
		done += moved;
	} while (done < n && moved == part);
	return done;
}

size_t io_copy_out_pages(const struct io_buffer *dst, size_t offset, struct page *const *pages, size_t skip, size_t n)
{
	size_t done = 0, moved, part;

	if (dst->is_user && dst->segments == nullptr)
		return copy_pages_to_user(user_addr_add(dst->user, offset + dst->skip), pages, skip, n);
	do {
		part = MIN(n - done, PAGE_SIZE - (skip + done) % PAGE_SIZE);
		moved = io_copy_out(dst, offset + done, byte_of(pages, skip + done), part);
		done += moved;
	} while (done < n && moved == part);
	return done;
}

size_t io_clear_out(const struct io_buffer *dst, size_t offset, size_t n)
{
	offset += dst->skip;
	if (!dst->is_user) {
		memset((char *)dst->kernel + offset, 0, n);
		return n;
	}
	if (dst->segments != nullptr)
		return copy_segments(nullptr, dst, offset, n, 2);
	return clear_user(user_addr_add(dst->user, offset), n) == 0 ? n : 0;
}

int32_t file_total;
int32_t file_ceiling = INT32_MAX;

static void file_free(struct file *f)
{
	kfree(f);
	__atomic_fetch_sub(&file_total, 1, __ATOMIC_RELAXED);
}

static int file_new(uint32_t flags, struct file **out)
{
	if (__atomic_add_fetch(&file_total, 1, __ATOMIC_RELAXED) > __atomic_load_n(&file_ceiling, __ATOMIC_RELAXED) &&
	    !capable(CAP_SYS_ADMIN)) {
		__atomic_fetch_sub(&file_total, 1, __ATOMIC_RELAXED);
		return -ENFILE;
	}
	struct file *f = kmalloc(sizeof(*f));
	if (f == nullptr) {
		__atomic_fetch_sub(&file_total, 1, __ATOMIC_RELAXED);
		return -ENOMEM;
	}
	f->object.refs = 1;
	f->flags = flags;
	if (flags & O_PATH)
		f->mode = FILE_PATH;
	else
		f->mode = ((flags & O_ACCMODE) != O_WRONLY ? FILE_READ : 0) |
			  ((flags & O_ACCMODE) != O_RDONLY ? FILE_WRITE : 0);
	mutex_init(&f->position_lock, RANK_FILE);
	list_init(&f->watches);
	*out = f;
	return 0;
}

int file_create(const struct file_ops *ops, void *private_data, uint32_t flags, const char *label, struct file **out)
{
	KASSERT(ops->component != nullptr);
	struct file *f;
	int error = file_new(flags, &f);
	if (error != 0)
		return error;
	f->ops = ops;
	f->private_data = private_data;
	f->label = label;
	f->object.ops = ops->object;
	f->object.unnamed = label != nullptr;
	*out = f;
	return 0;
}

void file_get(struct file *f)
{
	vm_object_get(&f->object);
}

void file_release(struct file *f)
{
	if (!list_empty(&f->watches))
		epoll_forget_file(f);
	async_forget(f);
	if (f->locked)
		file_locks_release_file(f);
	if (f->ops->release != nullptr)
		(void)guard_run_void(f->ops->component, f->ops->release(f));
	if (f->inode != nullptr && (f->mode & FILE_WRITE) && S_ISREG(f->inode->mode)) {
		__atomic_fetch_sub(&f->inode->writers, 1, __ATOMIC_RELAXED);
		mount_writer_put(f->path.mount);
	}
	if (f->path.dentry != nullptr)
		path_put(&f->path);
	else
		inode_put(f->inode);
	if (f->object.promised != 0)
		vm_promise_release(&f->object);
	file_free(f);
}

void file_put(struct file *f)
{
	if (f != nullptr && __atomic_fetch_sub(&f->object.refs, 1, __ATOMIC_ACQ_REL) == 1)
		file_release(f);
}

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
	/* No filesystem goes around its page cache. */
	if ((flags & O_DIRECT) && S_ISREG(i->mode))
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
		if (error == 0 && (flags & O_TRUNC) && S_ISREG(i->mode) && i->size != 0)
			error = inode_truncate(i, 0);
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

int file_open_path(const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
	return file_open_flags(AT_FDCWD, path, flags, mode, 0, out);
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
