/* SPDX-License-Identifier: MIT */
/*
 * Inodes: life, times, permissions, changes of attributes, stat.
 *
 * Permissions follow POSIX.1-2017 XBD 4.5 with the capabilities of capabilities(7). Attributes are read without the
 * lock (each is one word) and changed under inode->lock. Several inode locks are taken in ascending address (rank
 * RANK_INODE).
 */
#include "internal.h"

#include "page_cache_internal.h"

#include <kernel/base/clock.h>
#include <kernel/base/subject.h>
#include <kernel/base/wait.h>
#include <kernel/thread/guard.h>

enum : int64_t { RELATIVE_ATIME_NS = 86400ll * 1000000000ll };

static uint64_t last_serial;
static void (*deleted_hook)(void);

void inode_set_deleted_hook(void (*hook)(void))
{
	deleted_hook = hook;
}

int64_t inode_now(void)
{
	return clock_realtime_ns();
}

uint64_t superblock_new_ino(struct superblock *sb)
{
	return __atomic_add_fetch(&sb->next_ino, 1, __ATOMIC_RELAXED);
}

struct inode *inode_create(struct superblock *sb, uint32_t mode, const struct inode_ops *ops,
			   const struct file_ops *file_ops)
{
	struct inode *i = kmalloc(sizeof(*i));

	if (i == nullptr)
		return nullptr;
	const struct file_ops *special = inode_special_ops(mode);
	i->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	i->sb = sb;
	i->ops = ops;
	i->file_ops = special != nullptr ? special : file_ops;
	i->refs = 1;
	i->mode = mode;
	i->nlink = 1;
	i->ino = superblock_new_ino(sb);
	i->atime_ns = i->mtime_ns = i->ctime_ns = i->btime_ns = inode_now();
	mutex_init(&i->lock, RANK_INODE);
	return i;
}

void inode_get(struct inode *i)
{
	__atomic_fetch_add(&i->refs, 1, __ATOMIC_RELAXED);
}

/* Its references before. */
static uint32_t put(struct inode *i)
{
	uint32_t before = __atomic_fetch_sub(&i->refs, 1, __ATOMIC_ACQ_REL);

	if (before != 1)
		return before;
	if (i->sb->ops->evict != nullptr)
		(void)guard_run_void(i->sb->type->component, i->sb->ops->evict(i));
	file_locks_free(i);
	kfree(i);
	return before;
}

/* Nobody can come to it any more: the list of dirty caches (flusher.c) need not keep it. */
static bool is_deleted_and_listed(const struct inode *i)
{
	return i->cache != nullptr && i->nlink == 0 && __atomic_load_n(&i->cache->listed, __ATOMIC_RELAXED);
}

void inode_put(struct inode *i)
{
	if (i == nullptr)
		return;
	bool deleted = is_deleted_and_listed(i);
	if (put(i) == 2 && deleted)
		deleted_hook();
}

bool inode_put_unless_last(struct inode *i, bool known)
{
	uint32_t refs = __atomic_load_n(&i->refs, __ATOMIC_RELAXED);

	bool tell = !known && is_deleted_and_listed(i);
	do {
		if (refs == 1)
			return false;
	} while (!__atomic_compare_exchange_n(&i->refs, &refs, refs - 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (refs == 2 && tell)
		deleted_hook();
	return true;
}

void inode_touch(struct inode *i, uint32_t which)
{
	int64_t now = inode_now();

	if (which & ATTR_ATIME) {
		/* Relative atime: often enough to tell whether a file was read since it was written. */
		if (i->atime_ns <= i->mtime_ns || i->atime_ns <= i->ctime_ns || now - i->atime_ns > RELATIVE_ATIME_NS)
			i->atime_ns = now;
		return;
	}
	if (which & ATTR_MTIME)
		i->mtime_ns = now;
	i->ctime_ns = now;
}

static bool in_group(const struct credentials *c, uint32_t gid, bool real)
{
	if ((real ? c->gid : c->fsgid) == gid)
		return true;
	return c->groups != nullptr && process_in_group(gid);
}

bool inode_group_or_capable(uint32_t gid)
{
	struct subject *p = subject_current();

	return p == nullptr || in_group(&p->cred, gid, false) || capable(CAP_FSETID);
}

static bool may_override(const struct inode *i, uint32_t mask, bool real, const struct credentials *c)
{
	/* access(2) asks what the real user could do: his capabilities are those of root, or none. */
	bool override = real ? c->uid == 0 : capable(CAP_DAC_OVERRIDE);
	bool search = override || (!real && capable(CAP_DAC_READ_SEARCH));

	if (S_ISDIR(i->mode))
		return override || (search && !(mask & W_OK));
	if (override)
		return !(mask & X_OK) || (i->mode & S_IXUGO);
	return search && mask == R_OK;
}

int inode_permission(struct inode *i, uint32_t mask, bool real)
{
	struct subject *p = subject_current();
	uint32_t mode = i->mode;

	if ((mask & W_OK) && (i->sb->flags & MS_RDONLY) && (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
		return -EROFS;
	if (p == nullptr)
		return 0;
	if (i->ops->refresh != nullptr) {
		(void)guard_run_void(inode_component(i), i->ops->refresh(i));
		mode = i->mode;
	}
	const struct credentials *c = &p->cred;
	if ((real ? c->uid : c->fsuid) == i->uid)
		mode >>= 6;
	else if (((mode >> 3) ^ mode) & 7 && in_group(c, i->gid, real))
		mode >>= 3;
	if ((mask & ~mode & 7) == 0 || may_override(i, mask, real, c))
		return 0;
	if (i->ops->allowed != nullptr && guard_run(inode_component(i), i->ops->allowed(i)) == true)
		return 0;
	return -EACCES;
}

bool inode_owner_or_capable(const struct inode *i)
{
	struct subject *p = subject_current();

	return p == nullptr || p->cred.fsuid == i->uid || capable(CAP_FOWNER);
}

static int setattr_check(const struct inode *i, const struct attributes *a)
{
	struct subject *p = subject_current();

	if (i->sb->flags & MS_RDONLY)
		return -EROFS;
	if (p == nullptr)
		return 0;
	if ((a->mask & ATTR_UID) && a->uid != i->uid && !capable(CAP_CHOWN))
		return -EPERM;
	if ((a->mask & ATTR_UID) && p->cred.fsuid != i->uid && !capable(CAP_CHOWN))
		return -EPERM;
	if ((a->mask & ATTR_GID) && !capable(CAP_CHOWN) &&
	    (p->cred.fsuid != i->uid || (a->gid != i->gid && !in_group(&p->cred, a->gid, false))))
		return -EPERM;
	if ((a->mask & ATTR_MODE) && !inode_owner_or_capable(i))
		return -EPERM;
	if ((a->mask & ATTR_MODE) && (i->seals & F_SEAL_EXEC) && ((a->mode ^ i->mode) & S_IXUGO))
		return -EPERM;
	return 0;
}

/* Without the set-id bits. Set-group-id without execution marked files for mandatory locks once: who is of the group
 * keeps it. */
static uint32_t mode_without_privilege(uint32_t mode, uint32_t gid)
{
	mode &= ~S_ISUID;
	return (mode & S_IXGRP) || !inode_group_or_capable(gid) ? mode & ~S_ISGID : mode;
}

void inode_drop_privilege(struct inode *i)
{
	uint32_t mode = mode_without_privilege(i->mode, i->gid);

	if (mode != i->mode && subject_current() != nullptr && S_ISREG(mode) && !capable(CAP_FSETID))
		i->mode = mode;
}

/* The mode after the change: who gives a file away loses its set-id bits; setgid is for members of the group only. */
static uint32_t setattr_mode(const struct inode *i, const struct attributes *a)
{
	struct subject *p = subject_current();
	uint32_t mode = i->mode;

	if (a->mask & ATTR_MODE)
		mode = (mode & S_IFMT) | (a->mode & S_IALLUGO);
	if (p == nullptr)
		return mode;
	if ((a->mask & ATTR_OWNERSHIP) && !S_ISDIR(mode))
		mode = mode_without_privilege(mode, i->gid);
	uint32_t gid = a->mask & ATTR_GID ? a->gid : i->gid;
	if ((a->mask & ATTR_MODE) && (mode & S_ISGID) && !inode_group_or_capable(gid))
		mode &= ~S_ISGID;
	return mode;
}

int inode_setattr(struct inode *i, const struct attributes *a)
{
	mutex_lock(&i->lock);
	struct attributes change = *a;
	change.mode = setattr_mode(i, a);
	if (change.mode != i->mode)
		change.mask |= ATTR_MODE;
	int error = setattr_check(i, &change);
	if (error == 0 && i->ops->setattr != nullptr)
		error = guard_run(inode_component(i), i->ops->setattr(i, &change));
	if (error == 0) {
		i->mode = change.mode;
		if (change.mask & ATTR_UID)
			i->uid = change.uid;
		if (change.mask & ATTR_GID)
			i->gid = change.gid;
		if (change.mask & ATTR_ATIME)
			i->atime_ns = change.atime_ns;
		if (change.mask & ATTR_MTIME)
			i->mtime_ns = change.mtime_ns;
		i->ctime_ns = inode_now();
	}
	mutex_unlock(&i->lock);
	return error;
}

int inode_truncate(struct inode *i, uint64_t size)
{
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode) || i->ops->truncate == nullptr)
		return -EINVAL;
	mutex_lock(&i->lock);
	int error = 0;
	if ((size < i->size && (i->seals & F_SEAL_SHRINK)) || (size > i->size && (i->seals & F_SEAL_GROW)))
		error = -EPERM;
	if (error == 0)
		error = guard_run(inode_component(i), i->ops->truncate(i, size));
	if (error == 0) {
		inode_drop_privilege(i);
		inode_touch(i, ATTR_MTIME);
	}
	mutex_unlock(&i->lock);
	return error;
}

void inode_fill_stat(struct inode *i, struct stat *out)
{
	if (i->ops->refresh != nullptr)
		(void)guard_run_void(inode_component(i), i->ops->refresh(i));
	*out = (struct stat){
		.st_dev = i->sb->dev,
		.st_ino = i->ino,
		.st_nlink = i->nlink,
		.st_mode = i->mode,
		.st_uid = i->uid,
		.st_gid = i->gid,
		.st_rdev = i->rdev,
		.st_size = (int64_t)i->size,
		.st_blksize = i->sb->block_size,
		.st_blocks = (int64_t)i->blocks,
		.st_atime_s = i->atime_ns / 1000000000,
		.st_atime_ns = (uint64_t)(i->atime_ns % 1000000000),
		.st_mtime_s = i->mtime_ns / 1000000000,
		.st_mtime_ns = (uint64_t)(i->mtime_ns % 1000000000),
		.st_ctime_s = i->ctime_ns / 1000000000,
		.st_ctime_ns = (uint64_t)(i->ctime_ns % 1000000000),
	};
}

bool inode_writable_get(struct inode *i)
{
	int32_t n = __atomic_load_n(&i->changers, __ATOMIC_RELAXED);

	while (n >= 0)
		if (__atomic_compare_exchange_n(&i->changers, &n, n + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	return false;
}

void inode_writable_put(struct inode *i)
{
	__atomic_fetch_sub(&i->changers, 1, __ATOMIC_RELEASE);
}

/* Of all inodes: writes to files that were sealed meanwhile are rare. */
static struct wait_queue writes_ended = WAIT_QUEUE_INIT(writes_ended);

/* A write is counted before it asks for seals, seals are set before writes are counted: one of the two sees the other.
 */
bool inode_write_begin(struct inode *i)
{
	__atomic_fetch_add(&i->writes, 1, __ATOMIC_SEQ_CST);
	if (likely(!(__atomic_load_n(&i->seals, __ATOMIC_SEQ_CST) & F_SEALS_WRITE)))
		return true;
	inode_write_end(i);
	return false;
}

void inode_write_end(struct inode *i)
{
	uint32_t left = __atomic_sub_fetch(&i->writes, 1, __ATOMIC_SEQ_CST);

	if (unlikely(left == 0 && (__atomic_load_n(&i->seals, __ATOMIC_SEQ_CST) & F_SEALS_WRITE)))
		wait_wake_all(&writes_ended);
}

static int add_seals(struct inode *i, uint32_t seals) REQUIRES(i -> lock)
{
	int32_t none = 0;

	if (i->seals & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(i->seals & F_SEAL_WRITE) &&
	    !__atomic_compare_exchange_n(&i->changers, &none, -1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -EBUSY;
	__atomic_fetch_or(&i->seals, seals, __ATOMIC_SEQ_CST);
	return 0;
}

int inode_add_seals(struct inode *i, uint32_t seals)
{
	mutex_lock(&i->lock);
	/* What stays executable is not to change either. */
	if ((seals & F_SEAL_EXEC) && (i->mode & S_IXUGO))
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEALS_WRITE;
	int error = add_seals(i, seals & ~(uint32_t)F_SEAL_SEAL);
	mutex_unlock(&i->lock);
	/* Outside the lock, which a write needs to end. */
	if (error == 0 && (seals & F_SEALS_WRITE))
		error = wait_event_interruptible(&writes_ended, __atomic_load_n(&i->writes, __ATOMIC_SEQ_CST) == 0);
	/* Last, so that the call can be begun again after a signal. */
	if (error == 0)
		__atomic_fetch_or(&i->seals, seals & F_SEAL_SEAL, __ATOMIC_SEQ_CST);
	return error;
}

static void sort_by_address(struct inode **list, uint32_t count)
{
	for (uint32_t n = 1; n < count; n++) {
		struct inode *i = list[n];
		uint32_t at = n;
		for (; at > 0 && (uintptr_t)list[at - 1] > (uintptr_t)i; at--)
			list[at] = list[at - 1];
		list[at] = i;
	}
}

/* Sorts the caller's list, so that inodes_unlock finds the same order. The analysis cannot follow a set of locks. */
void inodes_lock(struct inode **list, uint32_t count) NO_THREAD_SAFETY
{
	sort_by_address(list, count);
	for (uint32_t n = 0; n < count; n++) {
		if (list[n] != nullptr && (n == 0 || list[n] != list[n - 1]))
			mutex_lock(&list[n]->lock);
	}
}

void inodes_unlock(struct inode **list, uint32_t count) NO_THREAD_SAFETY
{
	for (uint32_t n = count; n-- > 0;) {
		if (list[n] != nullptr && (n == 0 || list[n] != list[n - 1]))
			mutex_unlock(&list[n]->lock);
	}
}
