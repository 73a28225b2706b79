/* SPDX-License-Identifier: MIT */
/*
 * posix_fadvise(2) and readahead(2): how a file will be read, what of it is wanted soon and what is not any more. They
 * steer caches with a store; one that is the only copy has nothing to read and nothing to give back.
 */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <kernel/vfs/page_cache.h>

enum : uint64_t { AT_ONCE = 512 }; /* pages that one call has read ahead */

/* Pages that have some of the bytes: a cache with a store has something to read and to give back. */
static void will_need(struct file *f, uint64_t offset, uint64_t bytes)
{
	uint64_t first = offset / PAGE_SIZE;

	if (bytes > 0 && f->inode->cache != nullptr && f->inode->cache->ops->fill != nullptr)
		page_cache_will_need(f->inode, first, MIN((offset + bytes - 1) / PAGE_SIZE, first + AT_ONCE - 1));
}

/* Whole pages only, and the last one of the file (posix_fadvise(2)). */
static void not_needed(const struct file *f, uint64_t offset, uint64_t bytes)
{
	struct inode *i = f->inode;
	uint64_t first = (offset + PAGE_SIZE - 1) / PAGE_SIZE, end = (offset + bytes) / PAGE_SIZE;

	if (offset + bytes >= __atomic_load_n(&i->size, __ATOMIC_RELAXED))
		end = UINT64_MAX;
	if (first < end && i->cache != nullptr && i->cache->ops->fill != nullptr)
		page_cache_not_needed(i, first, end - 1);
}

enum fadvise : int { FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL, FADV_WILLNEED, FADV_DONTNEED, FADV_NOREUSE };

static int advise(struct file *f, int64_t offset, int64_t length, int advice)
{
	/* 0: to the end. What begins before the file begins with it. */
	uint64_t at = (uint64_t)MAX(offset, 0), most = (uint64_t)INT64_MAX - at;
	uint64_t bytes = length == 0 ? most : MIN((uint64_t)length, most);

	switch (advice) {
	case FADV_NORMAL: f->ahead.advice = READ_NORMAL; return 0;
	case FADV_RANDOM: f->ahead.advice = READ_RANDOM; return 0;
	case FADV_SEQUENTIAL: f->ahead.advice = READ_SEQUENTIAL; return 0;
	case FADV_WILLNEED: will_need(f, at, bytes); return 0;
	case FADV_DONTNEED: not_needed(f, at, bytes); return 0;
	case FADV_NOREUSE: return 0;
	default: return -EINVAL;
	}
}

static long sys_fadvise64(int fd, int64_t offset, int64_t length, int advice)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	struct inode *i = r.file->inode;
	if (i != nullptr && S_ISFIFO(i->mode))
		error = -ESPIPE;
	else if (length < 0)
		error = -EINVAL;
	else if (i != nullptr)
		error = advise(r.file, offset, length, advice);
	else if (advice < FADV_NORMAL || advice > FADV_NOREUSE)
		error = -EINVAL;
	file_ref_put(r);
	return error;
}
SYSCALL(fadvise64);

static long sys_readahead(int fd, int64_t offset, int64_t count)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	const struct inode *i = r.file->inode;
	if (!(r.file->mode & FILE_READ))
		error = -EBADF;
	else if (i == nullptr || (!S_ISREG(i->mode) && !S_ISBLK(i->mode)) || count < 0)
		error = -EINVAL;
	else
		error = advise(r.file, offset, count, count > 0 ? FADV_WILLNEED : FADV_NOREUSE);
	file_ref_put(r);
	return error;
}
SYSCALL(readahead);
