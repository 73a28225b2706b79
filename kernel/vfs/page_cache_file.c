/* SPDX-License-Identifier: MIT */
/*
 * read, write, mmap and truncate of regular files over their page cache.
 *
 * No lock is held while bytes are copied from or to a process: a page is pinned by its reference, and what was copied
 * becomes part of the file (size) under the inode's lock afterwards. Appending needs the size before: its bytes are
 * brought into the kernel first, then appended whole under the lock, so that appends of several processes do not mix.
 */
#include "internal.h"
#include "page_cache.h"

#include <abi/signal.h>
#include <kernel/base/subject.h>
#include <kernel/vm/vm.h>

enum : size_t { APPEND_CHUNK = 65536 };
enum : uint64_t { FILE_SIZE_MAX = INT64_MAX };

long page_cache_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct inode *i = f->inode;
	uint64_t size = __atomic_load_n(&i->size, __ATOMIC_ACQUIRE);
	size_t done = 0;

	if (*pos >= size)
		return 0;
	n = MIN(n, size - *pos);
	while (done < n && !(done > 0 && signal_fatal_current())) {
		uint64_t at = *pos + done;
		size_t offset = at % PAGE_SIZE, part = MIN(n - done, PAGE_SIZE - offset), moved;
		struct page *page = page_cache_find(i->cache, at / PAGE_SIZE);

		if (page == nullptr && i->cache->ops->fill != nullptr) {
			int error = page_cache_get(i, at / PAGE_SIZE, false, &page);
			if (error != 0) {
				if (done == 0)
					return error;
				break;
			}
		}
		if (page != nullptr) {
			moved = io_copy_out(buf, done, (char *)page_address(page) + offset, part);
			page_put(page);
		} else {
			moved = io_clear_out(buf, done, part);
		}
		done += moved;
		if (moved < part) {
			if (done == 0)
				return -EFAULT;
			break;
		}
	}
	*pos += done;
	if (!(f->flags & O_NOATIME) && (f->path.mount == nullptr || !(f->path.mount->flags & (MS_NOATIME | MS_RDONLY))))
		inode_touch(i, ATTR_ATIME);
	return (long)done;
}

/* What a write of n bytes at pos may be: the limits of the process and of memory files. */
static long check_write(struct inode *i, uint64_t pos, size_t n)
{
	uint64_t limit = process_rlimit(RLIMIT_FSIZE);

	if (i->seals & F_SEALS_WRITE)
		return -EPERM;
	if ((i->seals & F_SEAL_GROW) && pos + n > i->size) {
		if (pos >= i->size)
			return -EPERM;
		n = i->size - pos;
	}
	if (pos >= FILE_SIZE_MAX)
		return -EFBIG;
	if (pos >= limit) {
		(void)subject_raise(SIGXFSZ);
		return -EFBIG;
	}
	return (long)MIN(MIN(n, limit - pos), FILE_SIZE_MAX - pos);
}

/* The file is about to have bytes up to `from`: what mappings wrote beyond its end, in its last page, is none of them.
 */
static void forget_tail(struct inode *i, uint64_t from)
{
	uint64_t offset = i->size % PAGE_SIZE, index = i->size / PAGE_SIZE;

	if (from > i->size && offset != 0)
		page_cache_zero(i, index, offset, MIN(from - index * PAGE_SIZE, PAGE_SIZE));
}

/* Bytes from `from` to `end` have been written. */
static void extend_locked(struct inode *i, uint64_t from, uint64_t end) REQUIRES(i -> lock)
{
	forget_tail(i, from);
	if (end > i->size)
		__atomic_store_n(&i->size, end, __ATOMIC_RELEASE);
	if (i->mode & (S_ISUID | S_ISGID))
		inode_drop_privilege(i);
	inode_touch(i, ATTR_MTIME);
}

/* Copies into pages; bytes done, or the error if none was. */
static long copy_into_pages(struct inode *i, struct io_buffer *buf, size_t from, size_t n, uint64_t pos)
{
	size_t done = 0;

	while (done < n) {
		uint64_t at = pos + done;
		size_t offset = at % PAGE_SIZE, part = MIN(n - done, PAGE_SIZE - offset);
		struct page *page;

		if (signal_fatal_current())
			return done > 0 ? (long)done : -EINTR;
		int error = page_cache_get(i, at / PAGE_SIZE, true, &page);
		if (error != 0)
			return done > 0 ? (long)done : error;
		size_t moved = io_copy_in((char *)page_address(page) + offset, buf, from + done, part);
		page_put(page);
		done += moved;
		if (moved < part)
			return done > 0 ? (long)done : -EFAULT;
	}
	return (long)done;
}

static long write_at(struct inode *i, struct io_buffer *buf, size_t n, uint64_t pos)
{
	/* No lock is held while pages change, but what has been sealed must not: who seals waits for the end. */
	if (!inode_write_begin(i))
		return -EPERM;
	long done = check_write(i, pos, n);
	if (done > 0)
		done = copy_into_pages(i, buf, 0, (size_t)done, pos);
	if (done > 0) {
		mutex_lock(&i->lock);
		/* Its size may have been sealed since the check. */
		if ((i->seals & F_SEAL_GROW) && pos + (uint64_t)done > i->size)
			done = pos < i->size ? (long)(i->size - pos) : -EPERM;
		if (done > 0)
			extend_locked(i, pos, pos + (uint64_t)done);
		mutex_unlock(&i->lock);
	}
	inode_write_end(i);
	return done;
}

static long append_chunk(struct inode *i, void *bounce, size_t n, uint64_t *pos)
{
	struct io_buffer chunk = {.kernel = bounce};

	mutex_lock(&i->lock);
	*pos = i->size;
	long done = check_write(i, *pos, n);
	if (done > 0)
		done = copy_into_pages(i, &chunk, 0, (size_t)done, *pos);
	if (done > 0) {
		*pos += (uint64_t)done;
		extend_locked(i, *pos - (uint64_t)done, *pos);
	}
	mutex_unlock(&i->lock);
	return done;
}

static long append(struct inode *i, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	size_t done = 0;
	long result = 0;
	void *bounce = kmalloc(MIN(n, APPEND_CHUNK));

	if (bounce == nullptr)
		return -ENOMEM;
	while (done < n && !(done > 0 && signal_fatal_current())) {
		size_t part = MIN(n - done, APPEND_CHUNK);
		size_t got = io_copy_in(bounce, buf, done, part);
		result = got > 0 ? append_chunk(i, bounce, got, pos) : -EFAULT;
		if (result > 0)
			done += (size_t)result;
		if (result < (long)part)
			break;
	}
	kfree(bounce);
	return done > 0 ? (long)done : result;
}

long page_cache_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	if (n == 0)
		return 0;
	if (io_is_append(f, buf))
		return append(f->inode, buf, n, pos);
	long done = write_at(f->inode, buf, n, *pos);
	if (done > 0)
		*pos += (uint64_t)done;
	return done;
}

static long get_page(struct vm_object *o, uint64_t index, bool for_write, struct page **out)
{
	struct inode *i = container_of(o, struct file, object)->inode;

	if (index >= (i->size + PAGE_SIZE - 1) / PAGE_SIZE)
		return -ENXIO;
	int error = page_cache_get(i, index, for_write, out);
	if (error == 0 && for_write)
		inode_touch(i, ATTR_MTIME);
	return error;
}

static unsigned find_cached(struct vm_object *o, uint64_t index, unsigned n, struct page **out)
{
	return page_cache_find_some(container_of(o, struct file, object)->inode, index, n, out);
}

const struct vm_object_ops page_cache_object = {
	.component = &component_vfs, .get_page = get_page, .find_cached = find_cached, FILE_OBJECT_OPS};

long page_cache_seek_file(struct file *f, int64_t offset, int whence)
{
	struct inode *i = f->inode;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_seek_generic(f, offset, whence);
	if (offset < 0 || (uint64_t)offset >= i->size)
		return -ENXIO;
	uint64_t end = (i->size + PAGE_SIZE - 1) / PAGE_SIZE, first = (uint64_t)offset / PAGE_SIZE;
	uint64_t found = page_cache_seek(i->cache, first, end, whence == SEEK_DATA);
	if (found == end && whence == SEEK_DATA)
		return -ENXIO;
	f->position = found == first ? (uint64_t)offset : MIN(found * PAGE_SIZE, i->size);
	return (long)f->position;
}

long page_cache_fsync(struct file *f)
{
	return page_cache_write_back(f->inode);
}

int page_cache_truncate(struct inode *i, uint64_t size)
{
	uint64_t old = i->size;

	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	forget_tail(i, size);
	__atomic_store_n(&i->size, size, __ATOMIC_RELEASE);
	if (size < old) {
		/* Faults that saw the old size end before the pages are unmapped and what they brought in is dropped.
		 */
		vm_unmap_memory(i->serial, (size + PAGE_SIZE - 1) / PAGE_SIZE);
		if (size % PAGE_SIZE != 0)
			page_cache_zero(i, size / PAGE_SIZE, size % PAGE_SIZE, PAGE_SIZE);
		page_cache_drop(i, (size + PAGE_SIZE - 1) / PAGE_SIZE, UINT64_MAX);
	}
	return 0;
}
