/* SPDX-License-Identifier: MIT */
/*
 * sysfs: the kernel's objects as directories, their attributes as files of one value each (Linux,
 * Documentation/filesystems/sysfs.rst). All of it is a tree (kernel/vfs/tree.h) to which the owners of the objects add;
 * this folder shows it, and has what belongs to no one part of the kernel.
 */
#include "sysfs.h"

#include <abi/errno.h>
#include <lib/types.h>

DEFINE_COMPONENT(sysfs, .stage = STAGE_FS, .users = "the call is EFAULT",
		 .stays = "it has no thread, and its data are made anew for each call");

enum : int64_t { SYSFS_MAGIC = 0x62656572 };

extern const struct node_file __sys_files_start[], __sys_files_end[]; /* the linker script's */

static int sysfs_statfs(struct superblock *, struct statfs *out)
{
	out->type = SYSFS_MAGIC;
	return 0;
}

static const struct super_ops sysfs_super_ops = {.evict = tree_evict, .statfs = sysfs_statfs};

static int sysfs_fill(struct superblock *sb, const struct mount_options *)
{
	sb->ops = &sysfs_super_ops;
	sb->behaviour = TREE_BEHAVIOUR;
	return tree_root_inode(sb, &sys_tree, &sb->root);
}

static int sysfs_init(void)
{
	/* There whether or not anything is in them: programs look. */
	static const char *const skeleton[] = {
		"block",    "bus", "class",  "dev/block", "dev/char", "devices",
		"firmware", "fs",  "kernel", "module",	  "power",
	};

	for (size_t n = 0; n < ARRAY_LEN(skeleton); n++) {
		if (tree_path(&sys_tree, skeleton[n]) == nullptr)
			return -ENOMEM;
	}
	tree_add_records(&sys_tree, __sys_files_start, __sys_files_end);
	return sysfs_add_cpus();
}

FILESYSTEM(sysfs, .name = "sysfs", .component = &component_sysfs, .init = sysfs_init, .fill = sysfs_fill,
	   .single = true);
