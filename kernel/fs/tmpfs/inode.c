/* SPDX-License-Identifier: MIT */
/*
 * Inodes of tmpfs: regular files whose page cache is their only copy, symbolic links, devices, fifos; and fallocate.
 * Each inode and each page is counted against the filesystem's limits (ENOSPC).
 */
#include "tmpfs.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

static struct tmpfs_super *super_of(struct superblock *sb)
{
	return sb->private_data;
}

static int take(uint64_t *used, uint64_t n, uint64_t max)
{
	if (__atomic_add_fetch(used, n, __ATOMIC_RELAXED) <= max)
		return 0;
	__atomic_fetch_sub(used, n, __ATOMIC_RELAXED);
	return -ENOSPC;
}

static int reserve_pages(struct inode *i, uint64_t pages)
{
	struct tmpfs_super *s = super_of(i->sb);

	return take(&s->used_pages, pages, s->max_pages);
}

static void release_pages(struct inode *i, uint64_t pages)
{
	__atomic_fetch_sub(&super_of(i->sb)->used_pages, pages, __ATOMIC_RELAXED);
}

static const struct page_cache_ops cache_ops = {
	.reserve = reserve_pages,
	.release = release_pages,
};

static long link_readlink(struct inode *i, char *out, size_t size)
{
	size_t n = MIN(size, (size_t)i->size);

	memcpy(out, i->private_data, n);
	return (long)n;
}

/* For devfs, whose nodes and links go when their driver does. */
static bool special_valid(struct inode *i)
{
	return i->nlink > 0;
}

static const struct inode_ops link_ops = {.readlink = link_readlink, .valid = special_valid};
static const struct inode_ops special_inode_ops = {.valid = special_valid};

/* Not empty; it may reach beyond the file's end, where pages may have been made in advance. */
static void zero_range(struct inode *i, uint64_t from, uint64_t end)
{
	uint64_t first = (from + PAGE_SIZE - 1) / PAGE_SIZE, last = end / PAGE_SIZE;

	if (from / PAGE_SIZE == last && from % PAGE_SIZE != 0) {
		page_cache_zero(i, last, from % PAGE_SIZE, end % PAGE_SIZE);
		return;
	}
	if (from % PAGE_SIZE != 0)
		page_cache_zero(i, from / PAGE_SIZE, from % PAGE_SIZE, PAGE_SIZE);
	if (end % PAGE_SIZE != 0)
		page_cache_zero(i, last, 0, end % PAGE_SIZE);
	if (last > first)
		page_cache_punch(i, first, last - 1);
}

/* fallocate(2): pages are made now, so that writing them cannot fail for want of space. */
static int file_allocate(struct inode *i, uint32_t mode, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (!(mode & FALLOC_FL_KEEP_SIZE))
			return -EOPNOTSUPP;
		zero_range(i, offset, end);
		return 0;
	}
	if (mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_ZERO_RANGE)
		zero_range(i, offset, end);
	for (uint64_t index = offset / PAGE_SIZE; index < (end + PAGE_SIZE - 1) / PAGE_SIZE; index++) {
		struct page *page;

		int error = page_cache_get(i, index, &page);
		if (error != 0)
			return error;
		page_put(page);
		if (signal_pending_current())
			return -EINTR;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > i->size)
		__atomic_store_n(&i->size, end, __ATOMIC_RELEASE);
	return 0;
}

const struct inode_ops tmpfs_file_inode_ops = {
	.truncate = page_cache_truncate,
	.allocate = file_allocate,
};

const struct file_ops tmpfs_file_ops = {
	.component = &component_tmpfs,
	.read = page_cache_read,
	.write = page_cache_write,
	.seek = page_cache_seek_file,
	.object = &page_cache_object,
	.fsync = page_cache_fsync,
};

/* What hangs on an inode of this type. */
static int attach(struct inode *i, const struct make_request *r)
{
	if (S_ISREG(r->mode)) {
		i->cache = kmalloc(sizeof(*i->cache));
		if (i->cache == nullptr)
			return -ENOMEM;
		page_cache_init(i, &cache_ops);
	} else if (S_ISDIR(r->mode)) {
		i->private_data = kmalloc(sizeof(struct tmpfs_dir));
		if (i->private_data == nullptr)
			return -ENOMEM;
		tmpfs_dir_init(i->private_data);
		i->nlink = 2;
		i->size = 40;
	} else if (S_ISLNK(r->mode)) {
		i->private_data = kstrdup(r->target);
		if (i->private_data == nullptr)
			return -ENOMEM;
		i->size = strlen(r->target);
	}
	return 0;
}

struct inode *tmpfs_inode_create(struct superblock *sb, const struct make_request *r, int *error)
{
	const struct inode_ops *ops = &special_inode_ops;
	const struct file_ops *file_ops = nullptr;
	struct tmpfs_super *s = super_of(sb);

	if (S_ISREG(r->mode)) {
		ops = &tmpfs_file_inode_ops;
		file_ops = &tmpfs_file_ops;
	} else if (S_ISDIR(r->mode)) {
		ops = &tmpfs_dir_ops;
		file_ops = &tmpfs_dir_file_ops;
	} else if (S_ISLNK(r->mode)) {
		ops = &link_ops;
	}
	*error = take(&s->used_inodes, 1, s->max_inodes);
	if (*error != 0)
		return nullptr;
	struct inode *i = inode_create(sb, r->mode, ops, file_ops);
	if (i == nullptr) {
		*error = -ENOMEM;
		__atomic_fetch_sub(&s->used_inodes, 1, __ATOMIC_RELAXED);
		return nullptr;
	}
	i->uid = r->uid;
	i->gid = r->gid;
	i->rdev = r->rdev;
	*error = attach(i, r);
	if (*error != 0) {
		inode_put(i);
		return nullptr;
	}
	return i;
}
