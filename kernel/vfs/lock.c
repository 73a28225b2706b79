/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks: record locks of processes (fcntl F_SETLK), of open file descriptions (F_OFD_SETLK), and flock(2).
 *
 * One mutex guards all of them (they are rare and short). An owner is a file table for a process's record locks, a
 * struct file for the others; locks of one owner never conflict. Ranges are inclusive. A waiter is noted with the owner
 * it waits for, so that a cycle of processes waiting for each other is refused (EDEADLK).
 */
#include "lock.h"

#include "internal.h"
#include "table.h"

#include <kernel/process.h>
#include <kernel/syscall.h>

struct file_lock {
	struct list link;
	const void *owner;
	int32_t pid; /* -1: an open file description's */
	int16_t type;
	bool whole; /* flock */
	uint64_t start, end;
};
struct file_lock_list {
	struct list locks;
	struct wait_queue changed;
};
struct blocked { /* on the waiter's stack */
	struct list link;
	const void *owner, *waits_for;
};

static struct mutex locks_lock = MUTEX_INIT(locks_lock, RANK_FILE_LOCK);
static struct list blocked_owners GUARDED_BY(&locks_lock) = LIST_INIT(blocked_owners);

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

static struct file_lock *find_conflict(struct inode *i, const struct file_lock *want) REQUIRES(locks_lock)
{
	struct file_lock *l;

	list_for_each(l, &i->locks->locks, link) {
		if (l->whole == want->whole && l->owner != want->owner && l->start <= want->end &&
		    want->start <= l->end && (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	}
	return nullptr;
}

/* Takes want's range away from the owner's other locks; `half` is for one that is cut in two. */
static void cut(struct inode *i, const struct file_lock *want, struct file_lock **half) REQUIRES(locks_lock)
{
	struct file_lock *l, *next;

	list_for_each_safe(l, next, &i->locks->locks, link) {
		if (l->whole != want->whole || l->owner != want->owner || l->start > want->end || want->start > l->end)
			continue;
		if (l->start < want->start && l->end > want->end) {
			struct file_lock *rest = *half;
			*half = nullptr;
			*rest = *l;
			rest->start = want->end + 1;
			list_insert_after(&l->link, &rest->link);
			l->end = want->start - 1;
		} else if (l->start < want->start) {
			l->end = want->start - 1;
		} else if (l->end > want->end) {
			l->start = want->end + 1;
		} else {
			list_remove(&l->link);
			kfree(l);
		}
	}
}

/* Joins with the owner's neighbours of the same type. */
static void join(struct inode *i, struct file_lock *mine) REQUIRES(locks_lock)
{
	struct file_lock *l, *next;

	list_for_each_safe(l, next, &i->locks->locks, link) {
		if (l == mine || l->whole != mine->whole || l->owner != mine->owner || l->type != mine->type)
			continue;
		bool before = l->end != UINT64_MAX && l->end + 1 == mine->start;
		bool after = mine->end != UINT64_MAX && mine->end + 1 == l->start;
		if (!before && !after)
			continue;
		mine->start = MIN(mine->start, l->start);
		mine->end = MAX(mine->end, l->end);
		list_remove(&l->link);
		kfree(l);
	}
}

/* Sets or removes the lock. -EAGAIN with the owner in the way in *blocker. */
static int apply(struct inode *i, const struct file_lock *want, const void **blocker)
{
	struct file_lock *mine = kmalloc(sizeof(*mine)), *half = kmalloc(sizeof(*half));
	int error = mine == nullptr || half == nullptr ? -ENOMEM : 0;

	if (error == 0) {
		mutex_lock(&locks_lock);
		struct file_lock *conflict = want->type != F_UNLCK ? find_conflict(i, want) : nullptr;
		if (conflict != nullptr) {
			*blocker = conflict->owner;
			error = -EAGAIN;
		} else {
			cut(i, want, &half);
			if (want->type != F_UNLCK) {
				*mine = *want;
				list_push_back(&i->locks->locks, &mine->link);
				join(i, mine);
				mine = nullptr;
			}
		}
		mutex_unlock(&locks_lock);
	}
	kfree(mine);
	kfree(half);
	if (error == 0)
		wait_wake_all(&i->locks->changed);
	return error;
}

/* Whether waiting for `blocker` would close a circle of waiting owners. */
static bool would_deadlock(const void *owner, const void *blocker) REQUIRES(locks_lock)
{
	struct blocked *b;
	bool found = true;

	for (int steps = 0; found && steps < 64; steps++) {
		if (blocker == owner)
			return true;
		found = false;
		list_for_each(b, &blocked_owners, link) {
			if (b->owner == blocker) {
				blocker = b->waits_for;
				found = true;
				break;
			}
		}
	}
	return false;
}

static bool still_conflicts(struct inode *i, const struct file_lock *want)
{
	mutex_lock(&locks_lock);
	bool conflict = find_conflict(i, want) != nullptr;
	mutex_unlock(&locks_lock);
	return conflict;
}

static int wait_for_owner(struct inode *i, const struct file_lock *want, const void *blocker)
{
	struct blocked b = {.owner = want->owner, .waits_for = blocker};
	bool deadlock;

	mutex_lock(&locks_lock);
	deadlock = !want->whole && want->pid != -1 && would_deadlock(want->owner, blocker);
	list_push_back(&blocked_owners, &b.link);
	mutex_unlock(&locks_lock);
	int error = deadlock ? -EDEADLK : wait_event_interruptible(&i->locks->changed, !still_conflicts(i, want));
	mutex_lock(&locks_lock);
	list_remove(&b.link);
	mutex_unlock(&locks_lock);
	return error;
}

static int set_lock(struct inode *i, const struct file_lock *want, bool wait)
{
	const void *blocker;
	int error = ensure_list(i);

	while (error == 0) {
		error = apply(i, want, &blocker);
		if (error != -EAGAIN || !wait)
			return error;
		error = wait_for_owner(i, want, blocker);
	}
	return error;
}

static void release(struct inode *i, const void *owner, bool records)
{
	struct file_lock *l, *next;

	mutex_lock(&locks_lock);
	list_for_each_safe(l, next, &i->locks->locks, link) {
		if (l->owner == owner && (records || l->whole || l->pid == -1)) {
			list_remove(&l->link);
			kfree(l);
		}
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

/* The range of a struct flock, relative to the file's position or end. */
static int range_of(struct file *f, const struct flock *user, struct file_lock *out)
{
	int64_t base, start, last = INT64_MAX;

	switch (user->l_whence) {
	case SEEK_SET: base = 0; break;
	case SEEK_CUR: base = (int64_t)f->position; break;
	case SEEK_END: base = (int64_t)f->inode->size; break;
	default: return -EINVAL;
	}
	if (__builtin_add_overflow(base, user->l_start, &start))
		return -EOVERFLOW;
	if (user->l_len > 0 && __builtin_add_overflow(start, user->l_len - 1, &last))
		return -EOVERFLOW;
	if (user->l_len < 0) {
		last = start - 1;
		start += user->l_len;
	}
	if (start < 0)
		return -EINVAL;
	out->start = (uint64_t)start;
	out->end = user->l_len == 0 ? UINT64_MAX : (uint64_t)last;
	return 0;
}

static int decode(struct file *f, const struct flock *user, bool description, struct file_lock *out)
{
	if (f->inode == nullptr || f->inode->ops == nullptr)
		return -EINVAL;
	if (user->l_type != F_RDLCK && user->l_type != F_WRLCK && user->l_type != F_UNLCK)
		return -EINVAL;
	if (description && user->l_pid != 0)
		return -EINVAL;
	*out = (struct file_lock){
		.owner = description ? (const void *)f : file_lock_owner(),
		.pid = description ? -1 : (int32_t)process_current()->pid,
		.type = user->l_type,
	};
	return range_of(f, user, out);
}

static long get_lock(struct file *f, user_addr at, struct flock *user, const struct file_lock *want)
{
	int error = ensure_list(f->inode);

	if (error != 0)
		return error;
	mutex_lock(&locks_lock);
	struct file_lock *conflict = find_conflict(f->inode, want);
	if (conflict == nullptr) {
		user->l_type = F_UNLCK;
	} else {
		*user = (struct flock){
			.l_type = conflict->type,
			.l_whence = SEEK_SET,
			.l_start = (int64_t)conflict->start,
			.l_pid = conflict->pid,
			.l_len = conflict->end == UINT64_MAX ? 0 : (int64_t)(conflict->end - conflict->start + 1),
		};
	}
	mutex_unlock(&locks_lock);
	return copy_to_user(at, user, sizeof(*user));
}

/*
 * A record lock that was granted after another thread had closed the descriptor would be nobody's to release: the
 * close had looked for locks before.
 */
static long set_record_lock(int fd, struct file *f, struct file_lock *want, bool wait)
{
	int error = set_lock(f->inode, want, wait);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (error != 0 || want->type == F_UNLCK || file_is_at(f, fd))
		return error;
	want->type = F_UNLCK;
	(void)set_lock(f->inode, want, false);
	return -EBADF;
}

long file_lock_command(int fd, struct file *f, uint32_t command, user_addr at)
{
	bool description = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
	struct file_lock want;
	struct flock user;

	if (copy_from_user(&user, at, sizeof(user)) != 0)
		return -EFAULT;
	int error = decode(f, &user, description, &want);
	if (error != 0)
		return error;
	if (command == F_GETLK || command == F_OFD_GETLK)
		return user.l_type == F_UNLCK ? -EINVAL : get_lock(f, at, &user, &want);
	if ((want.type == F_RDLCK && !(f->mode & FILE_READ)) || (want.type == F_WRLCK && !(f->mode & FILE_WRITE)))
		return -EBADF;
	f->locked |= description;
	if (description)
		return set_lock(f->inode, &want, command == F_OFD_SETLKW);
	return set_record_lock(fd, f, &want, command == F_SETLKW);
}

static long sys_flock(int fd, uint32_t operation)
{
	struct file_ref r;
	bool wait = !(operation & LOCK_NB);
	struct file_lock want = {.whole = true, .end = UINT64_MAX};

	switch (operation & ~(uint32_t)LOCK_NB) {
	case LOCK_SH: want.type = F_RDLCK; break;
	case LOCK_EX: want.type = F_WRLCK; break;
	case LOCK_UN: want.type = F_UNLCK; break;
	default: return -EINVAL;
	}
	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	want.owner = r.file;
	want.pid = (int32_t)process_current()->pid;
	if (r.file->inode == nullptr) {
		error = -EBADF;
	} else {
		r.file->locked = true;
		error = set_lock(r.file->inode, &want, wait);
	}
	file_ref_put(r);
	return error;
}
SYSCALL(flock);
