/* SPDX-License-Identifier: MIT */
/* The table of advisory locks, as the calls of lock.c use it. */
#ifndef KERNEL_VFS_LOCK_TABLE_H
#define KERNEL_VFS_LOCK_TABLE_H

#include <kernel/vfs/vfs.h>

#define LOCK_TO_THE_END ((uint64_t)INT64_MAX) /* the last byte that there can be */

/* A lock, or one that is wanted. Ranges are inclusive. */
struct file_lock {
	struct list link; /* of its inode's locks */
	struct list all;  /* of all locks, the newest first */
	struct inode *inode;
	const void *owner; /* a file table for a process's record locks, a struct file for the others */
	int32_t pid;	   /* -1: an open file description's */
	int16_t type;
	bool whole;		 /* flock */
	struct blocked *waiters; /* while /proc/locks is made */
	uint64_t start, end;
};

/* Sets or removes a lock of want->inode, waiting for others if asked. -EAGAIN: a lock is in the way; -EDEADLK; -ENOMEM;
 * -ERESTARTSYS. */
[[nodiscard]] int file_lock_set(const struct file_lock *want, bool wait);
/* The first lock in the way in *found (found->type F_UNLCK: none). -ENOMEM. */
[[nodiscard]] int file_lock_test(const struct file_lock *want, struct file_lock *found);

#endif
