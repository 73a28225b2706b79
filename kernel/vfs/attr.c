/* SPDX-License-Identifier: MIT */
/*
 * Changing what a file is: chmod, chown, utimes, truncate, fallocate; and the sync family.
 */
#include "internal.h"
#include "super.h"

#include <abi/signal.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

/* What those hear of a change who watch the file: of one time alone, that it was read or written. */
static uint32_t event_of(const struct attributes *a)
{
	uint32_t times = a->mask & (ATTR_ATIME | ATTR_MTIME);

	if (a->mask & (ATTR_MODE | ATTR_UID | ATTR_GID))
		return IN_ATTRIB;
	return times == ATTR_ATIME ? IN_ACCESS : times == ATTR_MTIME ? IN_MODIFY : times != 0 ? IN_ATTRIB : 0;
}

/* d: the name that it is changed by, or nullptr. */
static int change(struct dentry *d, struct inode *i, const struct attributes *a)
{
	int error = inode_setattr(i, a);

	if (error == 0)
		watch_object(d, i, event_of(a));
	return error;
}

static int change_path(const struct path *p, const struct attributes *a)
{
	int error = mount_check_write(p->mount);

	return error != 0 ? error : change(p->dentry, p->dentry->inode, a);
}

static long change_at(int dirfd, user_addr text, uint32_t walk, const struct attributes *a)
{
	struct path p;

	int error = path_lookup_user(dirfd, text, walk, &p);
	if (error != 0)
		return error;
	error = change_path(&p, a);
	path_put(&p);
	return error;
}

static long change_descriptor(int fd, const struct attributes *a)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	if (r.file->path.dentry != nullptr)
		error = change_path(&r.file->path, a);
	else if (file_node(r.file) != nullptr)
		error = change(nullptr, file_node(r.file), a);
	else
		error = -EINVAL;
	file_ref_put(r);
	return error;
}

static long sys_fchmodat(int dirfd, user_addr text, uint32_t mode)
{
	return change_at(dirfd, text, WALK_FOLLOW, &(struct attributes){.mask = ATTR_MODE, .mode = mode});
}
SYSCALL(fchmodat);

static long sys_chmod(user_addr text, uint32_t mode)
{
	return sys_fchmodat(AT_FDCWD, text, mode);
}
SYSCALL_LEGACY(chmod);

static long sys_fchmod(int fd, uint32_t mode)
{
	return change_descriptor(fd, &(struct attributes){.mask = ATTR_MODE, .mode = mode});
}
SYSCALL(fchmod);

/* -1 leaves that half as it is. */
static struct attributes owner_change(uint32_t uid, uint32_t gid)
{
	return (struct attributes){
		.mask = ATTR_OWNERSHIP | (uid != UINT32_MAX ? ATTR_UID : 0) | (gid != UINT32_MAX ? ATTR_GID : 0),
		.uid = uid,
		.gid = gid,
	};
}

static long sys_fchownat(int dirfd, user_addr text, uint32_t uid, uint32_t gid, uint32_t flags)
{
	struct attributes a = owner_change(uid, gid);

	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return syscall_refuse_flags(NR_fchownat, flags);
	uint32_t walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW) |
			(flags & AT_EMPTY_PATH ? (uint32_t)WALK_EMPTY : 0);
	return change_at(dirfd, text, walk, &a);
}
SYSCALL(fchownat);

static long sys_chown(user_addr text, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(AT_FDCWD, text, uid, gid, 0);
}
SYSCALL_LEGACY(chown);

static long sys_lchown(user_addr text, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(AT_FDCWD, text, uid, gid, AT_SYMLINK_NOFOLLOW);
}
SYSCALL_LEGACY(lchown);

static long sys_fchown(int fd, uint32_t uid, uint32_t gid)
{
	struct attributes a = owner_change(uid, gid);

	return change_descriptor(fd, &a);
}
SYSCALL(fchown);

struct user_time {
	int64_t seconds, fraction; /* nanoseconds or microseconds */
};
enum : int64_t { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe, NS_PER_S = 1000000000 };

/* explicit_times: setting to chosen values is for the owner; "now" is for anyone who may write (POSIX). */
static int times_change(const struct user_time t[2], struct attributes *a, bool *explicit_times)
{
	int64_t now = inode_now();

	*explicit_times = false;
	for (int n = 0; n < 2; n++) {
		int64_t *out = n == 0 ? &a->atime_ns : &a->mtime_ns;

		if (t[n].fraction == UTIME_OMIT) {
			*explicit_times = true;
			continue;
		}
		a->mask |= n == 0 ? ATTR_ATIME : ATTR_MTIME;
		if (t[n].fraction == UTIME_NOW) {
			*out = now;
			continue;
		}
		if (t[n].fraction < 0 || t[n].fraction >= NS_PER_S)
			return -EINVAL;
		*explicit_times = true;
		if (__builtin_mul_overflow(t[n].seconds, NS_PER_S, out))
			*out = t[n].seconds < 0 ? INT64_MIN / NS_PER_S * NS_PER_S : INT64_MAX / NS_PER_S * NS_PER_S;
		else
			*out += t[n].fraction;
	}
	return 0;
}

static int set_times(const struct path *p, struct inode *i, const struct user_time t[2])
{
	struct attributes a = {};
	bool explicit_times;

	int error = times_change(t, &a, &explicit_times);
	if (error != 0 || a.mask == 0)
		return error;
	if (p->mount != nullptr && mount_check_write(p->mount) != 0)
		return -EROFS;
	if (!inode_owner_or_capable(i)) {
		if (explicit_times)
			return -EPERM;
		error = inode_permission(i, W_OK, false);
		if (error != 0)
			return error;
	}
	return change(p->dentry, i, &a);
}

static long times_at(int dirfd, user_addr text, const struct user_time t[2], uint32_t flags)
{
	struct path p;

	if (text.value == 0 && dirfd != AT_FDCWD) {
		struct file_ref r;
		int error = file_ref_get(dirfd, &r);
		if (error != 0)
			return error;
		error = file_node(r.file) != nullptr ? set_times(&r.file->path, file_node(r.file), t) : -EINVAL;
		file_ref_put(r);
		return error;
	}
	uint32_t walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW) |
			(flags & AT_EMPTY_PATH ? (uint32_t)WALK_EMPTY : 0);
	int error = path_lookup_user(dirfd, text, walk, &p);
	if (error != 0)
		return error;
	error = set_times(&p, p.dentry->inode, t);
	path_put(&p);
	return error;
}

static long sys_utimensat(int dirfd, user_addr text, user_addr times, uint32_t flags)
{
	struct user_time t[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};

	if (times.value != 0 && copy_from_user(t, times, sizeof(t)) != 0)
		return -EFAULT;
	if (t[0].fraction == UTIME_OMIT && t[1].fraction == UTIME_OMIT)
		return 0;
	if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) ||
	    (text.value == 0 && dirfd != AT_FDCWD && flags != 0))
		return syscall_refuse_flags(NR_utimensat, flags);
	return times_at(dirfd, text, t, flags);
}
SYSCALL(utimensat);

static long sys_futimesat(int dirfd, user_addr text, user_addr times)
{
	struct user_time t[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};

	if (times.value != 0) {
		if (copy_from_user(t, times, sizeof(t)) != 0)
			return -EFAULT;
		for (int n = 0; n < 2; n++) {
			if (t[n].fraction < 0 || t[n].fraction >= 1000000)
				return -EINVAL;
			t[n].fraction *= 1000;
		}
	}
	return times_at(dirfd, text, t, 0);
}
SYSCALL_LEGACY(futimesat);

static long sys_utimes(user_addr text, user_addr times)
{
	return sys_futimesat(AT_FDCWD, text, times);
}
SYSCALL_LEGACY(utimes);

static long sys_utime(user_addr text, user_addr times)
{
	struct user_time t[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	int64_t seconds[2];

	if (times.value != 0) {
		if (copy_from_user(seconds, times, sizeof(seconds)) != 0)
			return -EFAULT;
		t[0] = (struct user_time){seconds[0], 0};
		t[1] = (struct user_time){seconds[1], 0};
	}
	return times_at(AT_FDCWD, text, t, 0);
}
SYSCALL_LEGACY(utime);

static int check_size_limit(int64_t length)
{
	if (length < 0)
		return -EINVAL;
	if ((uint64_t)length <= process_rlimit(RLIMIT_FSIZE))
		return 0;
	(void)subject_raise(SIGXFSZ);
	return -EFBIG;
}

static long sys_truncate(user_addr text, int64_t length)
{
	struct path p;

	int error = check_size_limit(length);
	if (error != 0)
		return error;
	error = path_lookup_user(AT_FDCWD, text, WALK_FOLLOW, &p);
	if (error != 0)
		return error;
	struct inode *i = p.dentry->inode;
	error = S_ISDIR(i->mode) ? -EISDIR : S_ISREG(i->mode) ? mount_check_write(p.mount) : -EINVAL;
	if (error == 0)
		error = inode_permission(i, W_OK, false);
	if (error == 0)
		error = inode_truncate(i, (uint64_t)length);
	if (error == 0)
		watch_object(p.dentry, i, IN_MODIFY);
	path_put(&p);
	return error;
}
SYSCALL(truncate);

static long sys_ftruncate(int fd, int64_t length)
{
	struct file_ref r;

	int error = check_size_limit(length);
	if (error != 0)
		return error;
	error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	if (!(r.file->mode & FILE_WRITE) || r.file->inode == nullptr)
		error = -EINVAL;
	else
		error = inode_truncate(r.file->inode, (uint64_t)length);
	if (error == 0)
		watch_file(r.file, IN_MODIFY);
	file_ref_put(r);
	return error;
}
SYSCALL(ftruncate);

static int allocate_inode(struct inode *i, uint32_t mode, uint64_t offset, uint64_t length)
{
	if (i->ops->allocate == nullptr)
		return -EOPNOTSUPP;
	mutex_lock(&i->lock);
	bool grows = !(mode & FALLOC_FL_KEEP_SIZE) && offset + length > i->size;
	bool writes = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	int error = (writes && (i->seals & F_SEALS_WRITE)) || (grows && (i->seals & F_SEAL_GROW)) ? -EPERM : 0;
	if (error == 0)
		error = guard_run(inode_component(i), i->ops->allocate(i, mode, offset, length));
	if (error == 0) {
		inode_touch(i, ATTR_MTIME);
		inode_drop_privilege(i);
	}
	mutex_unlock(&i->lock);
	return error;
}

int file_object_punch(struct vm_object *o, uint64_t offset, uint64_t length)
{
	struct inode *i = container_of(o, struct file, object)->inode;

	if (i == nullptr)
		return -EINVAL;
	return allocate_inode(i, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

/* The modes that there are, one at a time, and KEEP_SIZE with those that do not move what is behind. */
static bool is_allocate_mode(uint32_t mode)
{
	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_UNSHARE_RANGE: return true;
	case FALLOC_FL_PUNCH_HOLE: return mode & FALLOC_FL_KEEP_SIZE;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE: return !(mode & FALLOC_FL_KEEP_SIZE);
	default: return false;
	}
}

/* Collapsing, inserting and unsharing ranges are of filesystems with extents: refused last. */
static int check_allocate(const struct file *f, uint32_t mode, int64_t offset, int64_t length)
{
	constexpr uint32_t extents = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
	int64_t end;

	if (offset < 0 || length <= 0)
		return -EINVAL;
	if (!is_allocate_mode(mode)) {
		(void)syscall_refuse_flags(NR_fallocate, mode);
		return -EOPNOTSUPP;
	}
	if (!(f->mode & FILE_WRITE))
		return -EBADF;
	if (f->inode == nullptr || S_ISFIFO(f->inode->mode))
		return f->inode != nullptr ? -ESPIPE : -ENODEV;
	if (!S_ISREG(f->inode->mode))
		return S_ISDIR(f->inode->mode) ? -EISDIR : -ENODEV;
	if (__builtin_add_overflow(offset, length, &end))
		return -EFBIG;
	if (mode & extents) {
		(void)syscall_refuse_flags(NR_fallocate, mode);
		return -EOPNOTSUPP;
	}
	return check_size_limit(end);
}

static long sys_fallocate(int fd, uint32_t mode, int64_t offset, int64_t length)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	error = check_allocate(r.file, mode, offset, length);
	if (error == 0)
		error = allocate_inode(r.file->inode, mode, (uint64_t)offset, (uint64_t)length);
	if (error == 0)
		watch_file(r.file, IN_MODIFY);
	file_ref_put(r);
	return error;
}
SYSCALL(fallocate);
