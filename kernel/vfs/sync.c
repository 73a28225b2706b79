/* SPDX-License-Identifier: MIT */
/*
 * System calls that wait until what was written is kept: fsync, fdatasync, sync_file_range, sync, syncfs (man pages of
 * the same names). An error of writing that nobody waited for is told once to each open file (page_cache.h).
 */
#include "page_cache_internal.h"
#include "super.h"

#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>

enum : uint32_t { WAIT_BEFORE = 1, WRITE = 2, WAIT_AFTER = 4 };

static long sync_file(int fd, bool data)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	long result = r.file->ops->fsync != nullptr
			      ? guard_run(r.file->ops->component, r.file->ops->fsync(r.file, 0, UINT64_MAX, data))
		      : r.file->inode != nullptr && S_ISDIR(r.file->inode->mode) ? 0
										 : -EINVAL;
	file_ref_put(r);
	return result;
}

static long sys_fsync(int fd)
{
	return sync_file(fd, false);
}
SYSCALL(fsync);

static long sys_fdatasync(int fd)
{
	return sync_file(fd, true);
}
SYSCALL(fdatasync);

/* Of the pages' contents only; bytes 0: to the end. */
static int sync_range(struct file *f, uint64_t offset, uint64_t bytes, uint32_t flags)
{
	struct inode *i = f->inode;
	uint64_t first = offset / PAGE_SIZE, last = bytes != 0 ? (offset + bytes - 1) / PAGE_SIZE : UINT64_MAX;
	bool busy = false;
	int error = 0;

	if (i->cache == nullptr || i->cache->ops->write == nullptr)
		return 0;
	if (flags & WAIT_BEFORE)
		error = page_cache_wait_written(i, false);
	if (error == 0 && (flags & WRITE))
		error = page_cache_begin_write_back(i, first, last, false, &busy);
	if (error == 0 && (flags & WAIT_AFTER))
		error = page_cache_wait_written(i, false);
	if (error == 0 && (flags & (WAIT_BEFORE | WAIT_AFTER)))
		error = page_cache_take_error(f);
	return error;
}

static long sys_sync_file_range(int fd, int64_t offset, int64_t bytes, uint32_t flags)
{
	struct file_ref r;
	int64_t end;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	const struct inode *i = r.file->inode;
	if (flags & ~(WAIT_BEFORE | WRITE | WAIT_AFTER))
		error = (int)syscall_refuse_flags(NR_sync_file_range, flags);
	else if (offset < 0 || bytes < 0 || __builtin_add_overflow(offset, bytes, &end))
		error = -EINVAL;
	else if (i == nullptr || (!S_ISREG(i->mode) && !S_ISBLK(i->mode) && !S_ISDIR(i->mode)))
		error = -ESPIPE;
	else
		error = sync_range(r.file, (uint64_t)offset, (uint64_t)bytes, flags);
	file_ref_put(r);
	return error;
}
SYSCALL(sync_file_range);

static long sys_sync(void)
{
	(void)superblocks_sync();
	return 0;
}
SYSCALL(sync);

/* Since Linux 5.8 it tells errors of the whole filesystem, once to each open file (syncfs(2)). Who is to end is told
 * nothing, so that whoever shares the file is. */
static int sync_super(struct file *f, struct superblock *sb)
{
	int error = superblock_sync(sb);

	if (error == -EINTR)
		return error;
	bool news = error_is_news(&f->super_errors_seen, __atomic_load_n(&sb->write_errors, __ATOMIC_ACQUIRE));
	return error != 0 || !news ? error : -EIO;
}

static long sys_syncfs(int fd)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	/* Of a device, the filesystem that its node is in (Linux, fs/sync.c: of the path's). */
	struct superblock *sb = file_node(r.file) != nullptr ? file_node(r.file)->sb : nullptr;
	if (sb != nullptr)
		error = sync_super(r.file, sb);
	file_ref_put(r);
	return error;
}
SYSCALL(syncfs);
