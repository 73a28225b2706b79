/* SPDX-License-Identifier: MIT */
/*
 * Watches of inodes: who wants to hear what happens to a file, and to the names in a directory (inotify(7)). Whoever
 * reads, writes, opens, closes, changes, makes, moves or removes something says so with one of the functions below; who
 * watches is called.
 *
 * While nobody watches anything, each costs the look at one word. One mutex (RANK_WATCH) guards all watches, and is
 * held while a watcher is called. A watch has a reference to its inode, none to its mount: unmounting ends it.
 */
#ifndef KERNEL_WATCH_H
#define KERNEL_WATCH_H

#include <abi/inotify.h>
#include <kernel/vfs/vfs.h>

/* What happened. The name is borrowed, not terminated, and empty when it happened to what is watched itself. */
struct watch_event {
	uint32_t what;	 /* one of IN_ALL_EVENTS or IN_UNMOUNT, with IN_ISDIR if it happened to a directory */
	uint32_t cookie; /* the same for both names of a move; else 0 */
	const char *name;
	uint32_t length;
	bool unlinked; /* the file by this name is open, and has lost the name */
};

struct watch;
struct watcher { /* whose watches they are; called under the guard of the component, with the mutex held */
	struct component *component;
	/* False: the watch is to end. */
	bool (*event)(struct watch *w, const struct watch_event *e);
	/* The watch has ended, by itself or as its watcher wanted, and hears no more. */
	void (*ended)(struct watch *w);
	/* After that, without the mutex: gives the memory back. */
	void (*free)(struct watch *w);
};

/* Within an object of the watcher's. */
struct watch {
	const struct watcher *watcher;
	struct inode *inode; /* with a reference */
	struct watch *next;  /* of the inode; then of those that have ended */
	struct list all;     /* of all watches */
	uint32_t mask;	     /* IN_ALL_EVENTS that are wanted */
};

extern struct mutex watch_lock;
extern uint32_t watch_count; /* of all inodes; atomic */

static inline bool watch_any(void)
{
	return unlikely(__atomic_load_n(&watch_count, __ATOMIC_RELAXED) != 0);
}

/* --- for watchers --- */
/* The inode's watches, by `next`. */
static inline struct watch *watch_first(const struct inode *i) REQUIRES(watch_lock)
{
	return i->watches;
}
/* Adds one; watcher and mask are set. The caller keeps the inode's mount from going. */
void watch_add(struct watch *w, struct inode *i) REQUIRES(watch_lock);
/* To be called after watch_add of what d names, without the mutex. May sleep. */
void watch_settle(struct dentry *d);
/* Ends one, and puts it into `ended`, which is for watches_free when the mutex is free. */
void watch_end(struct watch *w, struct watch **ended) REQUIRES(watch_lock);
/* May sleep; no lock of an inode held. */
void watches_free(struct watch *ended);

/* --- for the files of kernel/vfs; the slow halves of the functions below --- */
void watch_tell_file(struct file *f, uint32_t what);
void watch_tell_object(struct dentry *d, struct inode *i, uint32_t what);
void watch_tell_name(struct inode *dir, const char *name, uint32_t length, uint32_t what, uint32_t cookie);
void watch_tell_moved(struct inode *from, const struct name *old, struct inode *to, const struct name *new,
		      struct inode *i);
/* The filesystem is unmounted. */
void watch_tell_unmounted(const struct superblock *sb);

/* Something happened to an open file: those hear of it who watch it, or the directory that it was opened in. May sleep;
 * takes locks from RANK_WATCH on, as all of them. */
static inline void watch_file(struct file *f, uint32_t what)
{
	if (watch_any())
		watch_tell_file(f, what);
}
/* The same for what is named by d (nullptr: it has no name), of inode i. */
static inline void watch_object(struct dentry *d, struct inode *i, uint32_t what)
{
	if (watch_any())
		watch_tell_object(d, i, what);
}
/* To the inode, whatever its names: IN_DELETE_SELF ends its watches. */
static inline void watch_inode(struct inode *i, uint32_t what)
{
	if (watch_any())
		watch_tell_object(nullptr, i, what);
}
/* A name in a directory came or went. `what` with IN_ISDIR as needed. */
static inline void watch_name(struct inode *dir, const struct dentry *d, uint32_t what)
{
	if (watch_any())
		watch_tell_name(dir, d->name, d->length, what | (S_ISDIR(d->inode->mode) ? IN_ISDIR : 0), 0);
}

#endif
