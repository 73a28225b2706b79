/* SPDX-License-Identifier: MIT */
/* tmpfs as a library: devfs is a tmpfs with nodes in it, memfd files live in one without a mount point. */
#ifndef KERNEL_FS_TMPFS_H
#define KERNEL_FS_TMPFS_H

#include <kernel/thread/component.h>
#include <kernel/vfs/vfs.h>
#include <lib/list.h>

DECLARE_COMPONENT(tmpfs);

/* A directory's entries, in the order of their making; buckets by hash once there are many. */
struct tmpfs_dir {
	struct list order;
	struct list *buckets;
	uint32_t bucket_count, count;
	uint64_t next_cookie;
};
struct tmpfs_entry {
	struct list order_link, hash_link;
	struct inode *inode; /* a reference */
	uint64_t cookie;     /* position for readdir */
	uint32_t hash, length;
	char name[];
};
struct tmpfs_super {
	uint64_t max_pages, used_pages; /* used: atomic */
	uint64_t max_inodes, used_inodes;
	uint32_t root_mode, uid, gid;
};

[[nodiscard]] int tmpfs_fill(struct superblock *sb, const struct mount_options *o);

/* dir.c; the directory's lock is held */
extern const struct inode_ops tmpfs_dir_ops;
extern const struct file_ops tmpfs_dir_file_ops;
void tmpfs_dir_init(struct tmpfs_dir *d);
void tmpfs_dir_empty(struct tmpfs_dir *d); /* of an inode that is going */

/* inode.c */
struct inode *tmpfs_inode_create(struct superblock *sb, const struct make_request *r, int *error);
extern const struct inode_ops tmpfs_file_inode_ops;
extern const struct file_ops tmpfs_file_ops;

#endif
