/* SPDX-License-Identifier: MIT */
/*
 * What the files of kernel/inotify share. An instance (inotify_init1(2)) is what one descriptor is of: its watches
 * by their descriptors, and the events that nobody has read yet. All of it changes under watch_lock.
 */
#ifndef KERNEL_INOTIFY_INTERNAL_H
#define KERNEL_INOTIFY_INTERNAL_H

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/file/async.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/watch.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

DECLARE_COMPONENT(inotify);

enum : uint32_t { MARK_CHAINS = 128 };

struct queued { /* an event that waits to be read */
	struct list link;
	struct inotify_event head; /* len: of the name without the zeros behind it */
	char *name;		   /* behind it, in the same memory */
};

struct inotify_user;
struct inotify {
	struct list events;
	uint32_t count, most; /* events that wait (atomic to read); beyond `most` of them they are lost */
	uint64_t bytes;	      /* what reading them all gives */
	struct queued overflow;
	bool overflowed; /* `overflow` waits */
	bool closing;	 /* nobody reads any more */
	int32_t last_wd;
	struct mark *marks[MARK_CHAINS]; /* by wd */
	struct wait_queue changed;
	struct async_list async;
	struct inotify_user *user;
};
struct mark { /* a watch of an instance */
	struct watch watch;
	struct inotify *owner;
	struct mark *next; /* of its chain */
	struct inotify_user *user;
	int32_t wd;
	uint32_t how; /* IN_EXCL_UNLINK, IN_ONESHOT */
};

/* --- queue.c --- */
void inotify_queue(struct inotify *n, int32_t wd, const struct watch_event *e) REQUIRES(watch_lock);
/* Forgets what waits. */
void inotify_queue_clear(struct inotify *n);
extern const struct file_ops inotify_ops;

/* --- mark.c --- */
/* The descriptor of the watch of i, made or changed as the mask says. -EEXIST, -ENOSPC, -ENOMEM. */
long inotify_mark(struct inotify *n, struct inode *i, uint32_t mask);
/* -EINVAL: there is none of that descriptor. */
int inotify_unmark(struct inotify *n, int32_t wd);
void inotify_unmark_all(struct inotify *n);
void inotify_show_marks(struct file *f, struct text_buffer *b);

/* --- limits.c: per effective user id, as /proc/sys/fs/inotify says --- */
/* -EMFILE: he has as many instances as he may have; -ENOMEM. */
int inotify_user_get(struct inotify_user **out);
void inotify_user_put(struct inotify_user *u);
/* One watch more; false: he has as many as he may have. */
bool inotify_user_add_watch(struct inotify_user *u);
void inotify_user_drop_watch(struct inotify_user *u);
uint32_t inotify_queue_limit(void);

#endif
