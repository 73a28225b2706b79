/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks as processes ask for them: record locks of processes (fcntl F_SETLK), of open file descriptions
 * (F_OFD_SETLK), and flock(2). The table is lock_table.c's.
 */
#include "lock.h"

#include "internal.h"
#include "lock_table.h"
#include <kernel/file/table.h>

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

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
	if (start < 0)
		return -EINVAL;
	if (user->l_len > 0 && __builtin_add_overflow(start, user->l_len - 1, &last))
		return -EOVERFLOW;
	if (user->l_len < 0) {
		last = start - 1;
		start += user->l_len;
	}
	if (start < 0)
		return -EINVAL;
	out->start = (uint64_t)start;
	out->end = (uint64_t)last;
	return 0;
}

static int decode(struct file *f, const struct flock *user, bool description, struct file_lock *out)
{
	if (f->inode == nullptr || f->inode->ops == nullptr)
		return -EINVAL;
	*out = (struct file_lock){
		.inode = f->inode,
		.owner = description ? (const void *)f : file_lock_owner(),
		.pid = description ? -1 : (int32_t)subject_current()->pid,
		.type = user->l_type,
	};
	int error = range_of(f, user, out);
	if (error != 0)
		return error;
	return user->l_type != F_RDLCK && user->l_type != F_WRLCK && user->l_type != F_UNLCK ? -EINVAL : 0;
}

static long get_lock(user_addr at, struct flock *user, const struct file_lock *want)
{
	struct file_lock found;

	int error = file_lock_test(want, &found);
	if (error != 0)
		return error;
	user->l_type = found.type;
	if (found.type != F_UNLCK)
		*user = (struct flock){
			.l_type = found.type,
			.l_whence = SEEK_SET,
			.l_start = (int64_t)found.start,
			.l_pid = found.pid,
			.l_len = found.end == LOCK_TO_THE_END ? 0 : (int64_t)(found.end - found.start + 1),
		};
	return copy_to_user(at, user, sizeof(*user));
}

/*
 * A record lock that was granted after another thread had closed the descriptor would be nobody's to release: the
 * close had looked for locks before.
 */
static long set_record_lock(int fd, struct file *f, struct file_lock *want, bool wait)
{
	int error = file_lock_set(want, wait);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (error != 0 || want->type == F_UNLCK || file_is_at(f, fd))
		return error;
	want->type = F_UNLCK;
	(void)file_lock_set(want, false);
	return -EBADF;
}

long file_lock_command(int fd, struct file *f, uint32_t command, user_addr at)
{
	bool description = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
	struct file_lock want;
	struct flock user;

	if (copy_from_user(&user, at, sizeof(user)) != 0)
		return -EFAULT;
	bool get = command == F_GETLK || command == F_OFD_GETLK;
	if (get && user.l_type != F_RDLCK && user.l_type != F_WRLCK)
		return -EINVAL;
	int error = decode(f, &user, description, &want);
	if (error != 0)
		return error;
	if (!get &&
	    ((want.type == F_RDLCK && !(f->mode & FILE_READ)) || (want.type == F_WRLCK && !(f->mode & FILE_WRITE))))
		return -EBADF;
	if (description && user.l_pid != 0)
		return -EINVAL;
	if (get)
		return get_lock(at, &user, &want);
	f->locked |= description;
	if (description)
		return file_lock_set(&want, command == F_OFD_SETLKW);
	return set_record_lock(fd, f, &want, command == F_SETLKW);
}

static long sys_flock(int fd, uint32_t operation)
{
	struct file_ref r;
	bool wait = !(operation & LOCK_NB);
	struct file_lock want = {.whole = true, .end = LOCK_TO_THE_END};

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
	want.inode = r.file->inode;
	want.pid = (int32_t)subject_current()->pid;
	if (r.file->inode == nullptr) {
		error = -EBADF;
	} else {
		r.file->locked = true;
		error = file_lock_set(&want, wait);
	}
	file_ref_put(r);
	return error;
}
SYSCALL(flock);
