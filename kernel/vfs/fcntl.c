/* SPDX-License-Identifier: MIT */
/*
 * fcntl(2), and ioctl(2) with the commands that every file has.
 */
#include "internal.h"
#include "lock.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/async.h>
#include <kernel/file/pipe.h>
#include <kernel/file/table.h>
#include <kernel/thread/guard.h>

enum : uint32_t {
	FIONREAD = 0x541b,
	FIONBIO = 0x5421,
	FIONCLEX = 0x5450,
	FIOCLEX = 0x5451,
	FIOASYNC = 0x5452,
	FIOQSIZE = 0x5460
};
enum : uint32_t { CHANGEABLE = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT };

static void change_flags(struct file *f, uint32_t clear, uint32_t set)
{
	/* Two threads may change different flags at once. */
	__atomic_fetch_and(&f->flags, ~clear, __ATOMIC_RELAXED);
	__atomic_fetch_or(&f->flags, set, __ATOMIC_RELAXED);
}

static long set_status_flags(int fd, struct file *f, uint32_t flags)
{
	/* A pipe's end keeps what it writes apart; a block device goes past its cache. */
	bool knows = f->inode != nullptr && (S_ISFIFO(f->inode->mode) || S_ISBLK(f->inode->mode));
	if (!knows && (flags & ~f->flags & O_DIRECT) != 0)
		return syscall_refuse_flags(NR_fcntl, flags);
	if (f->inode != nullptr && (flags & O_NOATIME & ~f->flags) && !inode_owner_or_capable(file_node(f)))
		return -EPERM;
	if ((flags ^ f->flags) & O_ASYNC) {
		int error = async_set(fd, f, flags & O_ASYNC);
		if (error != 0)
			return error;
	}
	change_flags(f, CHANGEABLE & ~flags, flags & CHANGEABLE);
	return 0;
}

/* The number is an int, whatever else is in its register. */
static long duplicate(struct file *f, uint32_t lowest, bool close_on_exec)
{
	if (lowest >= process_rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	file_get(f);
	int fd = file_install_from(f, (int)lowest, close_on_exec);
	if (fd < 0)
		file_put(f);
	return fd;
}

uint32_t file_shown_flags(const struct file *f)
{
	bool named = f->path.dentry != nullptr && !(f->mode & FILE_PATH);
	bool in_memory = f->path.dentry == nullptr && f->inode != nullptr && S_ISREG(f->inode->mode);

	return named || in_memory ? f->flags | O_LARGEFILE : f->flags;
}

static long seals_command(struct file *f, uint32_t command, uint64_t arg)
{
	enum : uint32_t {
		KNOWN = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC
	};
	struct inode *i = f->inode;

	if (command == F_ADD_SEALS && arg > UINT32_MAX)
		return -EINVAL;
	if (command == F_ADD_SEALS && !(f->mode & FILE_WRITE))
		return -EPERM;
	/* Only memory files carry a label that is a path. */
	if (i == nullptr || !S_ISREG(i->mode) || f->label == nullptr)
		return -EINVAL;
	if (command == F_GET_SEALS)
		return i->seals;
	if (arg & ~(uint64_t)KNOWN)
		return -EINVAL;
	return inode_add_seals(i, (uint32_t)arg);
}

static long do_fcntl(int fd, struct file *f, uint32_t command, uint64_t arg)
{
	switch (command) {
	case F_DUPFD: return duplicate(f, (uint32_t)arg, false);
	case F_DUPFD_CLOEXEC: return duplicate(f, (uint32_t)arg, true);
	case F_GETFD: return file_get_cloexec(fd) ? FD_CLOEXEC : 0;
	case F_SETFD: file_set_cloexec(fd, arg & FD_CLOEXEC); return 0;
	case F_GETFL: return file_shown_flags(f);
	default: break;
	}
	if (f->mode & FILE_PATH)
		return -EBADF;
	switch (command) {
	case F_SETFL: return set_status_flags(fd, f, (uint32_t)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW: return file_lock_command(fd, f, command, USER_ADDR(arg));
	case F_SETOWN:
	case F_GETOWN:
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_SETSIG:
	case F_GETSIG: return async_command(f, command, arg);
	/* Nobody can take a lease: F_SETLEASE is EINVAL, as of filesystems that give none. */
	case F_GETLEASE: return F_UNLCK;
	case F_SETPIPE_SZ: return pipe_set_size(f, arg);
	case F_GETPIPE_SZ: return pipe_get_size(f);
	case F_ADD_SEALS:
	case F_GET_SEALS: return seals_command(f, command, arg);
	default: return syscall_refuse_flags(NR_fcntl, command);
	}
}

static long sys_fcntl(int fd, uint32_t command, uint64_t arg)
{
	struct file_ref r;

	int error = file_ref_get_any(fd, &r);
	if (error != 0)
		return error;
	long result = do_fcntl(fd, r.file, command, arg);
	file_ref_put(r);
	return result;
}
SYSCALL(fcntl);

static long regular_ioctl(struct file *f, uint32_t command, user_addr arg)
{
	struct inode *i = f->inode;

	if (command == FIONREAD) {
		int32_t left = (int32_t)(i->size - MIN(f->position, i->size));
		return put_user(arg, left);
	}
	if (command == FIOQSIZE) {
		int64_t size = (int64_t)i->size;
		return put_user(arg, size);
	}
	return -ENOTTY;
}

static long do_ioctl(int fd, struct file *f, uint32_t command, uint64_t arg)
{
	int32_t on;

	switch (command) {
	case FIOCLEX:
	case FIONCLEX: file_set_cloexec(fd, command == FIOCLEX); return 0;
	case FIONBIO:
		if (get_user(on, USER_ADDR(arg)) != 0)
			return -EFAULT;
		change_flags(f, on ? 0 : (uint32_t)O_NONBLOCK, on ? (uint32_t)O_NONBLOCK : 0);
		return 0;
	case FIOASYNC:
		if (get_user(on, USER_ADDR(arg)) != 0)
			return -EFAULT;
		if ((on != 0) == ((f->flags & O_ASYNC) != 0))
			return 0;
		return f->ops->async != nullptr ? async_set(fd, f, on != 0) : -ENOTTY;
	default:
		if (f->ops->ioctl != nullptr)
			return guard_run(f->ops->component, f->ops->ioctl(f, command, arg));
		if (f->inode != nullptr && S_ISREG(f->inode->mode))
			return regular_ioctl(f, command, USER_ADDR(arg));
		return -ENOTTY;
	}
}

static long sys_ioctl(int fd, uint32_t command, uint64_t arg)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	long result = do_ioctl(fd, r.file, command, arg);
	file_ref_put(r);
	return result;
}
SYSCALL(ioctl);
