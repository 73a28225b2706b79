/* SPDX-License-Identifier: MIT */
/*
 * The table of advisory locks: conflicts, splitting and joining of ranges, waiting, /proc/locks.
 *
 * One mutex guards all of it (locks are rare and short). Of one inode, locks of one owner stand together, in the order
 * of their ranges, and owners in the order in which they came; those of one owner never conflict. Whoever waits is
 * noted with what he wants. Before he sleeps, and again when another lock comes in his way, he looks whether the owners
 * in it wait for him, directly or through others, however many (EDEADLK): the circle may also close while he
 * waits, when another thread of a waiting process takes the lock.
 */
#include "lock_table.h"

#include "internal.h"

#include <kernel/base/node.h>
#include <kernel/mem/text.h>

struct file_lock_list {
	struct list locks;
	struct wait_queue changed;
};
struct blocked { /* on the waiter's stack */
	struct list link;
	const struct file_lock *want;
	struct blocked *shown_next; /* of those that show_locks shows below one lock */
	uint64_t visited;	    /* in which search */
	bool recheck;		    /* what is in the way has grown: it may close a circle now */
	bool deadlock;
};

static struct mutex locks_lock = MUTEX_INIT(locks_lock, RANK_FILE_LOCK);
static struct list all_locks GUARDED_BY(&locks_lock) = LIST_INIT(all_locks);
static struct list all_blocked GUARDED_BY(&locks_lock) = LIST_INIT(all_blocked);
static uint64_t searches GUARDED_BY(&locks_lock);

static int ensure_list(struct inode *i)
{
	if (__atomic_load_n(&i->locks, __ATOMIC_ACQUIRE) != nullptr)
		return 0;
	struct file_lock_list *l = kmalloc(sizeof(*l));
	if (l == nullptr)
		return -ENOMEM;
	list_init(&l->locks);
	wait_queue_init(&l->changed);
	mutex_lock(&locks_lock);
	bool taken = i->locks != nullptr;
	if (!taken)
		__atomic_store_n(&i->locks, l, __ATOMIC_RELEASE);
	mutex_unlock(&locks_lock);
	if (taken)
		kfree(l);
	return 0;
}

void file_locks_free(struct inode *i)
{
	kfree(i->locks); /* nobody has it open: it is empty */
}

static void discard(struct file_lock *l) REQUIRES(locks_lock)
{
	list_remove(&l->link);
	list_remove(&l->all);
	kfree(l);
}

static bool conflicts(const struct file_lock *l, const struct file_lock *want)
{
	return l->whole == want->whole && l->owner != want->owner && l->start <= want->end && want->start <= l->end &&
	       (l->type == F_WRLCK || want->type == F_WRLCK);
}

static struct file_lock *find_conflict(const struct file_lock *want) REQUIRES(locks_lock)
{
	struct file_lock *l;

	list_for_each(l, &want->inode->locks->locks, link) {
		if (conflicts(l, want))
			return l;
	}
	return nullptr;
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
	return a->whole == b->whole && a->owner == b->owner;
}

/* Takes want's range away from the owner's other locks; `half` is for one that is cut in two. */
static void cut(const struct file_lock *want, struct file_lock **half) REQUIRES(locks_lock)
{
	struct file_lock *l, *next;

	list_for_each_safe(l, next, &want->inode->locks->locks, link) {
		if (!same_owner(l, want) || l->start > want->end || want->start > l->end)
			continue;
		if (l->start < want->start && l->end > want->end) {
			struct file_lock *rest = *half;
			*half = nullptr;
			*rest = *l;
			rest->start = want->end + 1;
			list_insert_after(&l->link, &rest->link);
			list_push_front(&all_locks, &rest->all);
			l->end = want->start - 1;
		} else if (l->start < want->start) {
			l->end = want->start - 1;
		} else if (l->end > want->end) {
			l->start = want->end + 1;
		} else {
			discard(l);
		}
	}
}

/* Puts a lock, whose range none of its owner's has any more, in its place, and joins it with neighbours of its type. */
static void insert(struct file_lock *mine) REQUIRES(locks_lock)
{
	struct list *locks = &mine->inode->locks->locks, *before = locks->prev;
	struct file_lock *l, *next;
	bool found = false;

	list_for_each_safe(l, next, locks, link) {
		if (!same_owner(l, mine))
			continue;
		if (l->type == mine->type && (l->end + 1 == mine->start || mine->end + 1 == l->start)) {
			mine->start = MIN(mine->start, l->start);
			mine->end = MAX(mine->end, l->end);
			before = l->link.prev;
			found = true;
			discard(l);
		} else if (l->start < mine->start || !found) {
			before = l->start < mine->start ? &l->link : l->link.prev;
			found = true;
		}
	}
	list_insert_after(before, &mine->link);
	list_push_front(&all_locks, &mine->all);
}

/* A whole file's lock of another kind is given up before the new one is asked for (flock(2)). False: it is had. */
static bool give_up_whole(const struct file_lock *want, bool *changed) REQUIRES(locks_lock)
{
	struct file_lock *l;

	list_for_each(l, &want->inode->locks->locks, link) {
		if (!same_owner(l, want))
			continue;
		if (l->type == want->type)
			return false;
		discard(l);
		*changed = true;
		break;
	}
	return true;
}

static int apply_locked(const struct file_lock *want, struct file_lock **mine, struct file_lock **half, bool *changed)
	REQUIRES(locks_lock)
{
	if (want->whole && !give_up_whole(want, changed))
		return 0;
	if (want->type != F_UNLCK && find_conflict(want) != nullptr)
		return -EAGAIN;
	if (!want->whole)
		cut(want, half);
	*changed = true;
	if (want->type == F_UNLCK)
		return 0;
	struct blocked *b;
	list_for_each(b, &all_blocked, link)
		b->recheck |= b->want->inode == want->inode && conflicts(want, b->want);
	**mine = *want;
	insert(*mine);
	*mine = nullptr;
	return 0;
}

/* Sets or removes the lock if nothing is in the way: -EAGAIN. */
static int apply(const struct file_lock *want)
{
	struct file_lock *mine = kmalloc(sizeof(*mine)), *half = kmalloc(sizeof(*half));
	int error = mine == nullptr || half == nullptr ? -ENOMEM : 0;
	bool changed = false;

	if (error == 0) {
		mutex_lock(&locks_lock);
		error = apply_locked(want, &mine, &half, &changed);
		mutex_unlock(&locks_lock);
	}
	kfree(mine);
	kfree(half);
	if (changed)
		wait_wake_all(&want->inode->locks->changed);
	return error;
}

/* Processes wait in circles; who may use an open file description is not known. */
static bool is_process_lock(const struct file_lock *l)
{
	return !l->whole && l->pid != -1;
}

/* Marks, in search number `searches`, who waits for a lock of this owner's; more than before: true. */
static bool mark_waiters(const void *owner) REQUIRES(locks_lock)
{
	struct file_lock *l;
	struct blocked *b;
	bool more = false;

	list_for_each(b, &all_blocked, link) {
		if (b->visited == searches || !is_process_lock(b->want))
			continue;
		list_for_each(l, &b->want->inode->locks->locks, link) {
			if (l->owner == owner && conflicts(l, b->want)) {
				b->visited = searches;
				more = true;
				break;
			}
		}
	}
	return more;
}

/* Whether `mine` would wait for an owner that, through however many others, waits for it. */
static bool closes_circle(const struct blocked *mine) REQUIRES(locks_lock)
{
	const struct file_lock *want = mine->want;
	struct file_lock *l;
	struct blocked *b;
	bool more;

	if (!is_process_lock(want))
		return false;
	searches++;
	/* From those that wait for the caller on to those that wait for these, until nobody new is found. */
	(void)mark_waiters(want->owner);
	do {
		more = false;
		list_for_each(b, &all_blocked, link) {
			if (b->visited == searches && b->want->owner != want->owner)
				more |= mark_waiters(b->want->owner);
		}
	} while (more);
	list_for_each(l, &want->inode->locks->locks, link) {
		if (!conflicts(l, want) || !is_process_lock(l))
			continue;
		list_for_each(b, &all_blocked, link) {
			if (b->visited == searches && b->want->owner == l->owner)
				return true;
		}
	}
	return false;
}

/* Nothing is in the way any more, or waiting is of no use. */
static bool wait_is_over(struct blocked *b)
{
	mutex_lock(&locks_lock);
	bool over = find_conflict(b->want) == nullptr;
	if (!over && b->recheck) {
		b->recheck = false;
		over = b->deadlock = closes_circle(b);
	}
	over |= b->deadlock;
	mutex_unlock(&locks_lock);
	return over;
}

static int wait_for_others(const struct file_lock *want)
{
	struct blocked b = {.want = want, .recheck = true};

	mutex_lock(&locks_lock);
	list_push_back(&all_blocked, &b.link);
	mutex_unlock(&locks_lock);
	int error = wait_event_interruptible(&want->inode->locks->changed, wait_is_over(&b));
	mutex_lock(&locks_lock);
	list_remove(&b.link);
	mutex_unlock(&locks_lock);
	return b.deadlock ? -EDEADLK : error;
}

int file_lock_set(const struct file_lock *want, bool wait)
{
	int error = ensure_list(want->inode);

	while (error == 0) {
		error = apply(want);
		if (error != -EAGAIN || !wait)
			return error;
		error = wait_for_others(want);
	}
	return error;
}

int file_lock_test(const struct file_lock *want, struct file_lock *found)
{
	int error = ensure_list(want->inode);

	if (error != 0)
		return error;
	mutex_lock(&locks_lock);
	const struct file_lock *l = find_conflict(want);
	if (l != nullptr)
		*found = *l;
	else
		found->type = F_UNLCK;
	mutex_unlock(&locks_lock);
	return 0;
}

static void release(struct inode *i, const void *owner, bool records)
{
	struct file_lock *l, *next;

	mutex_lock(&locks_lock);
	list_for_each_safe(l, next, &i->locks->locks, link) {
		if (l->owner == owner && (records || l->whole || l->pid == -1))
			discard(l);
	}
	mutex_unlock(&locks_lock);
	wait_wake_all(&i->locks->changed);
}

void file_locks_release_owner(struct inode *i, const void *owner)
{
	/* The descriptor is gone before the list is looked at; set_record_lock looks the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (i->locks != nullptr && !list_empty(&i->locks->locks))
		release(i, owner, true);
}

void file_locks_release_file(struct file *f)
{
	if (f->inode != nullptr && f->inode->locks != nullptr)
		release(f->inode, f, false);
}

static void show_lock(struct text_buffer *b, unsigned number, const char *prefix, const struct file_lock *l)
{
	uint64_t dev = l->inode->sb->dev;

	text_printf(b, "%u: %s%s ADVISORY  %s %d %02x:%02x:%lu ", number, prefix,
		    l->whole	   ? "FLOCK "
		    : l->pid == -1 ? "OFDLCK"
				   : "POSIX ",
		    l->type == F_WRLCK ? "WRITE" : "READ", l->pid, dev_major(dev), dev_minor(dev), l->inode->ino);
	if (l->whole)
		text_printf(b, "0 EOF\n");
	else if (l->end == LOCK_TO_THE_END)
		text_printf(b, "%lu EOF\n", l->start);
	else
		text_printf(b, "%lu %lu\n", l->start, l->end);
}

/* Hangs each that waits below the lock that is first in its way; one look at each, however many locks there are. */
static void sort_blocked(void) REQUIRES(locks_lock)
{
	struct file_lock *l;

	list_for_each(l, &all_locks, all)
		l->waiters = nullptr;
	for (struct list *n = all_blocked.prev; n != &all_blocked; n = n->prev) {
		struct blocked *b = container_of(n, struct blocked, link);

		l = find_conflict(b->want);
		b->shown_next = l != nullptr ? l->waiters : nullptr;
		if (l != nullptr)
			l->waiters = b;
	}
}

/* Each lock, and below it who waits for it first. */
static int show_locks(struct text_buffer *out, void *)
{
	const struct file_lock *l;
	unsigned number = 0;

	mutex_lock(&locks_lock);
	sort_blocked();
	list_for_each(l, &all_locks, all) {
		show_lock(out, ++number, "", l);
		for (const struct blocked *b = l->waiters; b != nullptr; b = b->shown_next)
			show_lock(out, number, "-> ", b->want);
	}
	mutex_unlock(&locks_lock);
	return 0;
}

PROC_FILE(locks, .component = &component_vfs, .name = "locks", .mode = 0444, .show = show_locks);
