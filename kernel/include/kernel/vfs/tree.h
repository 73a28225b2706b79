/* SPDX-License-Identifier: MIT */
/*
 * Trees of entries that the kernel makes and takes away, and a filesystem shows: what /proc always has, and all of
 * /sys. An entry is a directory, a file, or a link to another entry. A file is a struct node_file (kernel/base/node.h)
 *with an argument; one record serves any number of files.
 *
 *	tree_add_directory(parent, "0000:00:03.0", &dir); tree_add_files(dir, attributes, device);
 *	tree_add_link(drivers, "0000:00:03.0", dir); …
 *	tree_remove_name(drivers, "0000:00:03.0"); tree_remove(dir); free what `device` pointed to; tree_put(dir)
 *
 * When tree_remove and tree_remove_name return, no function of what was removed runs or will: they wait for those that
 * do. So they must not be called by such a function, nor with a lock that one takes. What was opened before gives
 * ENODEV from then on.
 *
 * Locks: one mutex (RANK_FS) guards the structure of all trees; none is held while a function runs.
 */
#ifndef KERNEL_VFS_TREE_H
#define KERNEL_VFS_TREE_H

#include <kernel/base/node.h>
#include <kernel/vfs/vfs.h>

struct tree_node;

/* What /sys shows. Lives for ever, as does what tree_path makes. */
extern struct tree_node sys_tree;
/* What /proc shows besides processes, for good; nullptr until procfs is there. */
extern struct tree_node *proc_tree;

/* The directory of a path ("bus/pci/devices"), made with those above it if need be, for good. nullptr: out of memory,
 * or something else has the name. May sleep, as all below. */
struct tree_node *tree_path(struct tree_node *from, const char *path);
/* *out has a reference, to be given back by tree_put. -EEXIST, -ENOMEM, -ENODEV: parent was removed. The name is
 * copied. */
[[nodiscard]] int tree_add_directory(struct tree_node *parent, const char *name, struct tree_node **out);
/* Below dir, or deeper where the name has slashes: those directories stay as long as dir. f must live on as long as the
 * file. Errors as above; -ENOTDIR. */
[[nodiscard]] int tree_add_file(struct tree_node *dir, const struct node_file *f, void *arg);
/* All of a table that ends with one without a name. What was added before an error stays. */
[[nodiscard]] int tree_add_files(struct tree_node *dir, const struct node_file *files, void *arg);
/* A symbolic link, whose text is the way from dir to target. */
[[nodiscard]] int tree_add_link(struct tree_node *dir, const char *name, struct tree_node *target);
/* One with a text of its own, which is borrowed and must live on. */
[[nodiscard]] int tree_add_text_link(struct tree_node *dir, const char *name, const char *text);
/* A directory with all below it; again is fine, nullptr too. */
void tree_remove(struct tree_node *dir);
/* The way from one directory to another: "../b/c"; from the root with a slash before it. Empty: there is no room for
 * it, or either is nullptr. */
void tree_way(const struct tree_node *from, const struct tree_node *to, char *out, size_t size);
void tree_put(struct tree_node *dir); /* nullptr is fine */
/* What has that name there, with all below; nothing if there is none. */
void tree_remove_name(struct tree_node *dir, const char *name);

/* --- for filesystems that show one --- */

/* What a directory has besides its entries: those are asked for first, and are listed at positions below TREE_MORE. */
struct tree_more {
	int (*lookup)(struct inode *dir, const struct name *n, struct inode **out);
	long (*readdir)(struct file *f, readdir_emit emit, void *ctx); /* from TREE_MORE on */
};
constexpr uint64_t TREE_MORE = 1u << 15;
/* The records of a section, below the root and for good, each with its own arg. What cannot be shown is logged. */
void tree_add_records(struct tree_node *root, const struct node_file *first, const struct node_file *end);
/* A root of its own, for good. nullptr: out of memory. */
struct tree_node *tree_create(const struct tree_more *more);
/* The inode of a root. -ENOMEM. */
[[nodiscard]] int tree_root_inode(struct superblock *sb, struct tree_node *root, struct inode **out);
/* super_ops.evict for a filesystem all of whose inodes are a tree's; and whether one is. */
void tree_evict(struct inode *i);
bool tree_owns(const struct inode *i);
/* What a superblock with a tree has in `behaviour`. */
#define TREE_BEHAVIOUR (SB_NO_NEGATIVE | SB_VALIDATE | SB_TRANSIENT)
/* "." and "..": false when emit wants no more. */
bool tree_emit_dots(struct file *f, readdir_emit emit, void *ctx);

#endif
