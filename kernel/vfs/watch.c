/* SPDX-License-Identifier: MIT */
/* Watches of inodes (watch.h): who has them, and how what happened comes to them. */
#include "internal.h"

#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

struct mutex watch_lock = MUTEX_INIT(watch_lock, RANK_WATCH);
uint32_t watch_count;
static struct list all GUARDED_BY(&watch_lock) = LIST_INIT(all);
static uint32_t last_cookie; /* atomic */

void watch_add(struct watch *w, struct inode *i)
{
	inode_get(i);
	w->inode = i;
	w->next = i->watches;
	__atomic_store_n(&i->watches, w, __ATOMIC_RELEASE);
	list_push_back(&all, &w->all);
	__atomic_fetch_add(&watch_count, 1, __ATOMIC_RELAXED);
}

/* A directory that is removed meanwhile, or was before: who did so has seen the watch, or it is done here. */
void watch_settle(struct dentry *d)
{
	struct inode *i = d->inode;

	if (!S_ISDIR(i->mode) || i->nlink != 0)
		return;
	mutex_lock(&i->lock);
	dentry_forget_children(d);
	mutex_unlock(&i->lock);
}

void watch_end(struct watch *w, struct watch **ended)
{
	struct watch **at = &w->inode->watches;

	while (*at != w)
		at = &(*at)->next;
	__atomic_store_n(at, w->next, __ATOMIC_RELEASE);
	list_remove(&w->all);
	__atomic_fetch_sub(&watch_count, 1, __ATOMIC_RELAXED);
	w->next = *ended;
	*ended = w;
	(void)guard_run_void(w->watcher->component, w->watcher->ended(w));
}

void watches_free(struct watch *ended)
{
	while (ended != nullptr) {
		struct watch *w = ended;

		ended = w->next;
		inode_put(w->inode);
		(void)guard_run_void(w->watcher->component, w->watcher->free(w));
	}
}

/* A watcher that faults keeps its watch. */
static void tell(struct inode *i, const struct watch_event *e, struct watch **ended) REQUIRES(watch_lock)
{
	struct watch *w, *next;

	for (w = i->watches; w != nullptr; w = next) {
		next = w->next;
		bool wanted = w->mask & e->what & IN_ALL_EVENTS || (e->what & IN_UNMOUNT);

		if ((wanted && guard_run(w->watcher->component, w->watcher->event(w, e)) == false) ||
		    (e->what & (IN_DELETE_SELF | IN_UNMOUNT)))
			watch_end(w, ended);
	}
}

static void tell_locking(struct inode *i, const struct watch_event *e)
{
	struct watch *ended = nullptr;

	if (__atomic_load_n(&i->watches, __ATOMIC_ACQUIRE) == nullptr)
		return;
	mutex_lock(&watch_lock);
	tell(i, e, &ended);
	mutex_unlock(&watch_lock);
	/* The caller has a reference to the inode too: the last one is not put here. */
	watches_free(ended);
}

static uint32_t kind(const struct inode *i)
{
	return S_ISDIR(i->mode) ? IN_ISDIR : 0;
}

/* By the name that d has now. */
static void tell_parent(struct dentry *d, struct inode *i, uint32_t what)
{
	struct dentry *parent = dentry_parent(d);
	char name[NAME_MAX + 1];

	if (parent != d && __atomic_load_n(&parent->inode->watches, __ATOMIC_ACQUIRE) != nullptr) {
		spin_lock(&d->lock);
		uint32_t length = MIN(d->length, (uint32_t)NAME_MAX);
		memcpy(name, d->name, length);
		spin_unlock(&d->lock);
		tell_locking(parent->inode, &(struct watch_event){.what = what | kind(i),
								  .name = name,
								  .length = length,
								  .unlinked = !dentry_hashed(d)});
	}
	dentry_put(parent);
}

void watch_tell_object(struct dentry *d, struct inode *i, uint32_t what)
{
	if (what == 0)
		return;
	if (d != nullptr)
		tell_parent(d, i, what);
	/* Of what it is itself, it is not said that it is a directory. */
	tell_locking(i, &(struct watch_event){.what = what & (IN_DELETE_SELF | IN_MOVE_SELF) ? what : what | kind(i)});
}

void watch_tell_file(struct file *f, uint32_t what)
{
	struct inode *i = file_node(f);

	if (i != nullptr)
		watch_tell_object(f->path.dentry, i, what);
}

void watch_tell_name(struct inode *dir, const char *name, uint32_t length, uint32_t what, uint32_t cookie)
{
	tell_locking(dir, &(struct watch_event){.what = what, .cookie = cookie, .name = name, .length = length});
}

void watch_tell_moved(struct inode *from, const struct name *old, struct inode *to, const struct name *new,
		      struct inode *i)
{
	/* 0 is no cookie. */
	uint32_t cookie = __atomic_add_fetch(&last_cookie, 1, __ATOMIC_RELAXED) | (1u << 31);

	watch_tell_name(from, old->text, old->length, IN_MOVED_FROM | kind(i), cookie);
	watch_tell_name(to, new->text, new->length, IN_MOVED_TO | kind(i), cookie);
	watch_tell_object(nullptr, i, IN_MOVE_SELF);
}

/* A reference of a watch may be the last one of its inode, but none of these inodes is locked by anybody any more. */
void watch_tell_unmounted(const struct superblock *sb)
{
	struct watch *w, *next, *ended = nullptr;

	if (!watch_any())
		return;
	mutex_lock(&watch_lock);
	list_for_each_safe(w, next, &all, all) {
		if (w->inode->sb != sb)
			continue;
		(void)guard_run_void(w->watcher->component,
				     w->watcher->event(w, &(struct watch_event){.what = IN_UNMOUNT | kind(w->inode)}));
		watch_end(w, &ended);
	}
	mutex_unlock(&watch_lock);
	watches_free(ended);
}
