/* SPDX-License-Identifier: MIT */
/*
 * What the files of ext4 share: a mount's state. All that lib/ext4.h does for a mount is done between ext4_enter and
 * ext4_leave, by one thread at a time; he may wait for the disk in between. A fault in between leaves the tree's lock
 * to the next, who finds that nobody left and forgets all blocks: they are read again.
 */
#ifndef KERNEL_FS_EXT4_H
#define KERNEL_FS_EXT4_H

#include <kernel/base/lock.h>
#include <kernel/block/blkdev.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/inode_table.h>
#include <lib/ext4.h>

DECLARE_COMPONENT(ext4);

struct ext4_mount {
	struct mutex lock; /* RANK_FS_TREE */
	struct ext4_fs fs GUARDED_BY(&lock);
	bool inside GUARDED_BY(&lock);
	struct inode_table inodes; /* `lock` is held from where an inode is not found until it is added */
	uint32_t complaints;	   /* atomic */
	/* From the mount on: */
	struct file *device; /* open, with O_EXCL */
	struct blkdev *blkdev;
	char name[40]; /* of the device, for the log */
	uint32_t block_bytes, inode_count;
	uint64_t blocks, reserved_blocks;
	bool no_recovery, continue_on_errors;
};

/* What hangs on an inode; its last part is as long as it has to be. */
struct ext4_node {
	struct inode_link link;
	struct ext4_inode disk;
};
static inline struct ext4_mount *mount_of(const struct superblock *sb)
{
	return sb->private_data;
}
static inline struct ext4_node *node_of(const struct inode *i)
{
	return i->private_data;
}

/* super.c */
void ext4_enter(struct ext4_mount *m) ACQUIRE(m -> lock);
void ext4_leave(struct ext4_mount *m) RELEASE(m -> lock);
/* An error of lib/ext4.h is told in the log if it is the filesystem's, and given back as programs know it. */
int ext4_told(struct ext4_mount *m, int error, const char *what, uint64_t ino);

/* options.c */
/* -EINVAL: one is not known, which the log has. */
[[nodiscard]] int ext4_parse_options(struct ext4_mount *m, const char *data);

/* inode.c */
/* The inode with a reference. */
[[nodiscard]] int ext4_inode_get(struct superblock *sb, uint32_t number, struct inode **out);
void ext4_evict(struct inode *i);

/* file.c, dir.c, attribute.c */
extern const struct inode_ops ext4_file_inode_ops, ext4_dir_inode_ops, ext4_link_ops, ext4_special_inode_ops;
extern const struct file_ops ext4_file_ops, ext4_dir_ops;
extern const struct page_cache_ops ext4_cache_ops;
long ext4_attribute_get(struct inode *i, const char *name, void *out, size_t size);
long ext4_attribute_list(struct inode *i, char *out, size_t size, bool trusted);

#endif
