/* SPDX-License-Identifier: MIT */
/* Inodes of ext4: from the disk, once for all names of a file. */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/thread.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

static void set_operations(const struct ext4_inode *d, const struct inode_ops **ops, const struct file_ops **file_ops)
{
	*file_ops = nullptr;
	if (S_ISREG(d->mode)) {
		*ops = &ext4_file_inode_ops;
		*file_ops = &ext4_file_ops;
	} else if (S_ISDIR(d->mode)) {
		*ops = &ext4_dir_inode_ops;
		*file_ops = &ext4_dir_ops;
	} else {
		*ops = S_ISLNK(d->mode) ? &ext4_link_ops : &ext4_special_inode_ops;
	}
}

static void set_attributes(struct inode *i, const struct ext4_inode *d)
{
	i->ino = d->number;
	i->uid = d->uid;
	i->gid = d->gid;
	i->nlink = d->links;
	i->size = d->size;
	i->blocks = d->blocks;
	i->rdev = make_dev(d->rdev_major, d->rdev_minor);
	i->atime_ns = d->atime_ns;
	i->mtime_ns = d->mtime_ns;
	i->ctime_ns = d->ctime_ns;
	i->btime_ns = d->has_btime ? d->btime_ns : d->ctime_ns;
}

/* Without what no attribute is in. */
static struct ext4_node *node_create(const struct ext4_inode *d)
{
	size_t used = offsetof(struct ext4_inode, extra) + d->extra_bytes;
	struct ext4_node *n = kmalloc(offsetof(struct ext4_node, disk) + used);

	if (n != nullptr)
		memcpy(&n->disk, d, used);
	return n;
}

struct inode *ext4_inode_make(struct superblock *sb, const struct ext4_inode *d)
{
	const struct inode_ops *ops;
	const struct file_ops *file_ops;

	set_operations(d, &ops, &file_ops);
	struct inode *i = inode_create(sb, d->mode, ops, file_ops);
	if (i == nullptr)
		return nullptr;
	set_attributes(i, d);
	i->private_data = node_create(d);
	if (S_ISREG(d->mode) && i->private_data != nullptr) {
		i->cache = kmalloc(sizeof(*i->cache));
		if (i->cache != nullptr)
			page_cache_init(i, &ext4_cache_ops);
	}
	if (i->private_data != nullptr && (i->cache != nullptr || !S_ISREG(d->mode))) {
		inode_table_add(&mount_of(sb)->inodes, &node_of(i)->link, i);
		return i;
	}
	/* It is in no table. */
	kfree(i->private_data);
	i->private_data = nullptr;
	inode_put(i);
	return nullptr;
}

/* What is no directory where the tree begins, a name of what is deleted, and one of an inode that is the filesystem's
 * own (the journal, before all), are of a tree that is broken. */
static int read_disk(struct ext4_mount *m, uint32_t number, struct ext4_inode *d) REQUIRES(&m -> lock)
{
	int error = number != 2 && number < m->fs.first_inode ? -EUCLEAN : ext4_read_inode(&m->fs, number, d);

	if (error == -ENOENT || (error == 0 && number == 2 && !S_ISDIR(d->mode)))
		return -EUCLEAN;
	return error;
}

int ext4_inode_get(struct superblock *sb, uint32_t number, struct inode **out)
{
	struct ext4_inode *d = kmalloc(sizeof(*d));
	struct ext4_mount *m = mount_of(sb);
	int error = 0;

	if (d == nullptr)
		return -ENOMEM;
	ext4_enter(m);
	while ((*out = inode_table_find(&m->inodes, number)) == nullptr && inode_table_has(&m->inodes, number)) {
		/* It is about to end, and the disk has not all of it yet. */
		ext4_leave(m);
		thread_yield();
		ext4_enter(m);
	}
	if (*out == nullptr) {
		ext4_end_left(m);
		error = read_disk(m, number, d);
		*out = error == 0 ? ext4_inode_make(sb, d) : nullptr;
		if (*out == nullptr && error == 0)
			error = -ENOMEM;
	}
	ext4_leave(m);
	kfree(d);
	return ext4_told(m, error, "it cannot be read", number);
}
