/* SPDX-License-Identifier: MIT */
/* The watches of an instance: one an inode, each with a descriptor that grows and is not used again soon. */
#include "internal.h"

#include <kernel/mem/text.h>

static struct mark *mark_of(struct watch *w)
{
	return container_of(w, struct mark, watch);
}

static struct mark **chain_of(struct inotify *n, int32_t wd) REQUIRES(watch_lock)
{
	return &n->marks[(uint32_t)wd % MARK_CHAINS];
}

static struct mark *find(struct inotify *n, int32_t wd) REQUIRES(watch_lock)
{
	struct mark *m = *chain_of(n, wd);

	while (m != nullptr && m->wd != wd)
		m = m->next;
	return m;
}

static bool on_event(struct watch *w, const struct watch_event *e) REQUIRES(watch_lock)
{
	struct mark *m = mark_of(w);

	if (e->unlinked && (m->how & IN_EXCL_UNLINK))
		return true;
	inotify_queue(m->owner, m->wd, e);
	return !(m->how & IN_ONESHOT);
}

/* Out of its chain first: it is freed even if a fault ends this (watch_end). */
static void on_end(struct watch *w) REQUIRES(watch_lock)
{
	struct mark *m = mark_of(w), **at = chain_of(m->owner, m->wd);
	struct inotify *owner = m->owner;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	m->owner = nullptr;
	inotify_queue(owner, m->wd, &(struct watch_event){.what = IN_IGNORED});
}

static void free_mark(struct watch *w)
{
	struct mark *m = mark_of(w);

	inotify_user_drop_watch(m->user);
	kfree(m);
}

static const struct watcher watcher = {
	.component = &component_inotify, .event = on_event, .ended = on_end, .free = free_mark};

/* The instance's watch of the inode, or nullptr. */
static struct mark *mark_on(struct inotify *n, const struct inode *i) REQUIRES(watch_lock)
{
	for (struct watch *w = watch_first(i); w != nullptr; w = w->next)
		if (w->watcher == &watcher && mark_of(w)->owner == n)
			return mark_of(w);
	return nullptr;
}

static void set_mask(struct mark *m, uint32_t mask)
{
	uint32_t kept = mask & IN_MASK_ADD ? UINT32_MAX : 0;

	m->watch.mask = (m->watch.mask & kept) | (mask & IN_ALL_EVENTS);
	m->how = (m->how & kept) | (mask & (IN_EXCL_UNLINK | IN_ONESHOT));
}

/* After INT32_MAX come those that are free again. */
static int32_t new_wd(struct inotify *n) REQUIRES(watch_lock)
{
	do {
		n->last_wd = n->last_wd < INT32_MAX ? n->last_wd + 1 : 1;
	} while (find(n, n->last_wd) != nullptr);
	return n->last_wd;
}

/* made: what becomes the watch if there is none; nullptr: then there is no room for it (*made stays). */
static long mark_locked(struct inotify *n, struct inode *i, uint32_t mask, struct mark **made) REQUIRES(watch_lock)
{
	struct mark *m = mark_on(n, i);

	if (m != nullptr && (mask & IN_MASK_CREATE))
		return -EEXIST;
	if (m != nullptr) {
		set_mask(m, mask);
		return m->wd;
	}
	if (*made == nullptr)
		return -ENOSPC;
	m = *made;
	*made = nullptr;
	m->wd = new_wd(n);
	m->owner = n;
	m->watch.watcher = &watcher;
	set_mask(m, mask);
	m->next = *chain_of(n, m->wd);
	*chain_of(n, m->wd) = m;
	watch_add(&m->watch, i);
	return m->wd;
}

long inotify_mark(struct inotify *n, struct inode *i, uint32_t mask)
{
	struct mark *made = kmalloc(sizeof(*made));

	if (made == nullptr)
		return -ENOMEM;
	if (inotify_user_add_watch(n->user)) {
		made->user = n->user;
	} else {
		kfree(made);
		made = nullptr;
	}
	mutex_lock(&watch_lock);
	long result = mark_locked(n, i, mask, &made);
	mutex_unlock(&watch_lock);
	if (made != nullptr)
		free_mark(&made->watch);
	return result;
}

int inotify_unmark(struct inotify *n, int32_t wd)
{
	struct watch *ended = nullptr;

	mutex_lock(&watch_lock);
	struct mark *m = find(n, wd);
	if (m != nullptr)
		watch_end(&m->watch, &ended);
	mutex_unlock(&watch_lock);
	watches_free(ended);
	return m != nullptr ? 0 : -EINVAL;
}

void inotify_unmark_all(struct inotify *n)
{
	struct watch *ended = nullptr;

	mutex_lock(&watch_lock);
	n->closing = true;
	for (uint32_t k = 0; k < MARK_CHAINS; k++)
		while (n->marks[k] != nullptr)
			watch_end(&n->marks[k]->watch, &ended);
	mutex_unlock(&watch_lock);
	watches_free(ended);
}

/* Device numbers as Linux shows them here: twelve bits of major, twenty of minor. */
void inotify_show_marks(struct file *f, struct text_buffer *b)
{
	struct inotify *n = f->private_data;

	mutex_lock(&watch_lock);
	for (uint32_t k = 0; k < MARK_CHAINS; k++) {
		for (const struct mark *m = n->marks[k]; m != nullptr; m = m->next) {
			const struct inode *i = m->watch.inode;

			text_printf(b, "inotify wd:%x ino:%lx sdev:%x mask:%x ignored_mask:0\n", (unsigned)m->wd,
				    (unsigned long)i->ino, dev_major(i->sb->dev) << 20 | dev_minor(i->sb->dev),
				    m->watch.mask | m->how);
		}
	}
	mutex_unlock(&watch_lock);
}
