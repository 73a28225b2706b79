/* SPDX-License-Identifier: MIT */
/* Filesystem types and superblocks, as mounting uses them. */
#ifndef KERNEL_VFS_SUPER_H
#define KERNEL_VFS_SUPER_H

#include <kernel/vfs/vfs.h>

void filesystems_init(void);			      /* those of the image; once, at boot */
struct filesystem *filesystem_find(const char *name); /* nullptr: unknown */
/* A superblock with one mount counted: a new one, or the only one of a `single` type. */
[[nodiscard]] int superblock_get(struct filesystem *fs, const struct mount_options *o, struct superblock **out);
void superblock_share(struct superblock *sb); /* one more mount of it */
void superblock_put(struct superblock *sb);   /* a mount is gone; the last one destroys */
/* As superblocks_sync (vfs.h), of one. */
int superblock_sync(struct superblock *sb);
/* The one whose files have this st_dev, with a share as superblock_share gives; nullptr: none. */
struct superblock *superblock_of_device(uint64_t dev);

#endif
