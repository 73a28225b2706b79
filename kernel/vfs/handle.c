/* SPDX-License-Identifier: MIT */
/*
 * name_to_handle_at(2), open_by_handle_at(2): no filesystem here finds an inode by a number, so none gives handles out
 * (EOPNOTSUPP), and none is the file's that one claims to have (ESTALE).
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

enum : uint32_t { HANDLE_BYTES_MAX = 128 };

static long sys_name_to_handle_at(int dirfd, user_addr text, user_addr, user_addr, uint32_t flags)
{
	struct path p;

	if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return syscall_refuse_flags(NR_name_to_handle_at, flags);
	int error = path_lookup_user(dirfd, text,
				     (flags & AT_SYMLINK_FOLLOW ? (uint32_t)WALK_FOLLOW : 0) |
					     (flags & AT_EMPTY_PATH ? (uint32_t)WALK_EMPTY : 0),
				     &p);
	if (error != 0)
		return error;
	path_put(&p);
	return -EOPNOTSUPP;
}
SYSCALL(name_to_handle_at);

static long sys_open_by_handle_at(int mount_fd, user_addr handle)
{
	uint32_t head[2]; /* bytes, type */
	struct file_ref r;

	if (!capable(CAP_DAC_READ_SEARCH))
		return -EPERM;
	if (get_user(head, handle) != 0)
		return -EFAULT;
	if (head[0] == 0 || head[0] > HANDLE_BYTES_MAX)
		return -EINVAL;
	if (mount_fd == AT_FDCWD)
		return -ESTALE;
	int error = file_ref_get_any(mount_fd, &r);
	if (error != 0)
		return error;
	file_ref_put(r);
	return -ESTALE;
}
SYSCALL(open_by_handle_at);
