/* SPDX-License-Identifier: MIT */
/*
 * The inodes of one filesystem that are in memory, by number: for those that read them from a disk, so that all names
 * of a file show one inode. The table holds no reference.
 *
 * It has a lock of its own, a leaf, and not the filesystem's: memory that is short is taken from unused names in
 * whatever thread asks for some, with whatever lock it holds (dentry.c), the filesystem's too, and with the last name
 * goes the inode.
 */
#ifndef KERNEL_VFS_INODE_TABLE_H
#define KERNEL_VFS_INODE_TABLE_H

#include <kernel/base/lock.h>
#include <kernel/vfs/vfs.h>

constexpr uint32_t INODE_TABLE_CHAINS = 256;

/* In what the filesystem keeps for an inode; zeros: it is in no table. */
struct inode_link {
	struct inode_link *next;
	struct inode *inode;
};
/* Begins as zeros. Who adds what he did not find excludes others who do the same. */
struct inode_table {
	struct spinlock lock; /* no rank: nothing is taken inside */
	struct inode_link *chains[INODE_TABLE_CHAINS] GUARDED_BY(&lock);
};
/* The inode with a reference; nullptr: there is none, or nobody has it any more and it is about to end. */
struct inode *inode_table_find(struct inode_table *t, uint64_t ino);
/* i->ino is its number. */
void inode_table_add(struct inode_table *t, struct inode_link *link, struct inode *i);
/* Whether it has the number, also of one that is about to end. */
bool inode_table_has(struct inode_table *t, uint64_t ino);
/* The one behind `after`, whose inode the caller has a reference to (nullptr: the first), with a reference; nullptr:
 * there are no more. One that is added or is about to end meanwhile may be left out. */
struct inode *inode_table_next(struct inode_table *t, const struct inode_link *after);
/* By super_ops.evict, before what `link` is in is freed; it takes no lock that is held while memory is allocated. */
void inode_table_remove(struct inode_table *t, struct inode_link *link);

#endif
