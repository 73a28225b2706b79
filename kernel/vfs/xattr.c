/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes (xattr(7)): read where the filesystem has them (inode_ops.attribute_get); on the others, and to
 * be written, EOPNOTSUPP, and an empty list, with the checks in front that Linux makes on such a filesystem: the file,
 * the mount, the flags, the name, the value, the permission.
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>

enum : uint32_t { XATTR_CREATE = 1, XATTR_REPLACE = 2 };
enum : size_t { XATTR_NAME_SIZE = 256, XATTR_SIZE_MAX = 65536 };

/* What a call names: a path or a descriptor, with a reference. */
struct target {
	struct file_ref ref;
	struct path path; /* dentry nullptr: the reference counts */
	struct inode *inode;
	struct mount *mount; /* may be nullptr */
};

static int target_of_path(struct target *t, user_addr text, bool follow)
{
	*t = (struct target){};
	int error = path_lookup_user(AT_FDCWD, text, follow ? (uint32_t)WALK_FOLLOW : 0, &t->path);
	if (error == 0) {
		t->inode = t->path.dentry->inode;
		t->mount = t->path.mount;
	}
	return error;
}

static int target_of_fd(struct target *t, int fd)
{
	*t = (struct target){};
	int error = file_ref_get(fd, &t->ref);
	if (error == 0) {
		t->inode = t->ref.file->inode;
		t->mount = t->ref.file->path.mount;
	}
	return error;
}

static void target_put(struct target *t)
{
	if (t->path.dentry != nullptr)
		path_put(&t->path);
	else
		file_ref_put(t->ref);
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int permission(struct inode *i, const char *name, bool write)
{
	if (has_prefix(name, "security."))
		return write && !capable(CAP_SYS_ADMIN) ? -EPERM : 0;
	if (has_prefix(name, "system."))
		return 0;
	if (has_prefix(name, "trusted."))
		return capable(CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
	if (has_prefix(name, "user.")) {
		if (i == nullptr || (!S_ISREG(i->mode) && !S_ISDIR(i->mode)))
			return write ? -EPERM : -ENODATA;
		if (S_ISDIR(i->mode) && (i->mode & S_ISVTX) && write && !inode_owner_or_capable(i))
			return -EPERM;
	}
	return i != nullptr ? inode_permission(i, write ? W_OK : R_OK, false) : 0;
}

/* The name, then whether the caller may. */
static int check_name(const struct target *t, user_addr name_at, bool write, char name[XATTR_NAME_SIZE])
{
	long n = copy_string_from_user(name, name_at, XATTR_NAME_SIZE);

	if (n == 0 || n == -ENAMETOOLONG)
		return -ERANGE;
	return n < 0 ? (int)n : permission(t->inode, name, write);
}

/* No filesystem has the rest. */
static int refuse(const struct target *t, user_addr name_at, bool write)
{
	char name[XATTR_NAME_SIZE];

	int error = check_name(t, name_at, write, name);
	return error != 0 ? error : -EOPNOTSUPP;
}

/* What the filesystem gave, or would give (size 0). */
static long give(user_addr to, size_t size, const void *from, long n)
{
	if (n <= 0 || size == 0)
		return n;
	if ((size_t)n > size)
		return -ERANGE;
	return copy_to_user(to, from, (size_t)n) == 0 ? n : -EFAULT;
}

static long get(const struct target *t, user_addr name_at, user_addr value, size_t size)
{
	char name[XATTR_NAME_SIZE];
	struct inode *i = t->inode;

	if (i == nullptr || i->ops->attribute_get == nullptr)
		return refuse(t, name_at, false);
	int error = check_name(t, name_at, false, name);
	if (error != 0)
		return error;
	size_t room = MIN(size, XATTR_SIZE_MAX);
	void *bytes = kmalloc(MAX(room, (size_t)1));
	if (bytes == nullptr)
		return -ENOMEM;
	long n = give(value, size, bytes, guard_run(inode_component(i), i->ops->attribute_get(i, name, bytes, room)));
	kfree(bytes);
	return n;
}

static long list(const struct target *t, user_addr to, size_t size)
{
	struct inode *i = t->inode;

	if (i == nullptr || i->ops->attribute_list == nullptr)
		return 0;
	size_t room = MIN(size, XATTR_SIZE_MAX);
	char *names = kmalloc(MAX(room, (size_t)1));
	if (names == nullptr)
		return -ENOMEM;
	long n = give(to, size, names,
		      guard_run(inode_component(i), i->ops->attribute_list(i, names, room, capable(CAP_SYS_ADMIN))));
	kfree(names);
	return n;
}

static bool readable(user_addr at, size_t n)
{
	char bytes[256];

	for (size_t done = 0; done < n;) {
		size_t part = MIN(n - done, sizeof(bytes));

		if (copy_from_user(bytes, user_addr_add(at, done), part) != 0)
			return false;
		done += part;
	}
	return true;
}

static long set(const struct target *t, user_addr name_at, user_addr value, size_t size, uint32_t flags)
{
	char name[XATTR_NAME_SIZE];

	int error = t->mount != nullptr ? mount_check_write(t->mount) : 0;
	if (error != 0)
		return error;
	if (flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	long n = copy_string_from_user(name, name_at, sizeof(name));
	if (n == 0 || n == -ENAMETOOLONG)
		return -ERANGE;
	if (n < 0)
		return n;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (!readable(value, size))
		return -EFAULT;
	error = permission(t->inode, name, true);
	return error != 0 ? error : -EOPNOTSUPP;
}

static long set_path(user_addr text, bool follow, user_addr name, user_addr value, size_t size, uint32_t flags)
{
	struct target t;

	long error = target_of_path(&t, text, follow);
	if (error != 0)
		return error;
	error = set(&t, name, value, size, flags);
	target_put(&t);
	return error;
}

static long sys_setxattr(user_addr text, user_addr name, user_addr value, size_t size, uint32_t flags)
{
	return set_path(text, true, name, value, size, flags);
}
SYSCALL(setxattr);

static long sys_lsetxattr(user_addr text, user_addr name, user_addr value, size_t size, uint32_t flags)
{
	return set_path(text, false, name, value, size, flags);
}
SYSCALL(lsetxattr);

static long sys_fsetxattr(int fd, user_addr name, user_addr value, size_t size, uint32_t flags)
{
	struct target t;

	long error = target_of_fd(&t, fd);
	if (error != 0)
		return error;
	error = set(&t, name, value, size, flags);
	target_put(&t);
	return error;
}
SYSCALL(fsetxattr);

static long get_path(user_addr text, bool follow, user_addr name, user_addr value, size_t size)
{
	struct target t;

	long error = target_of_path(&t, text, follow);
	if (error != 0)
		return error;
	error = get(&t, name, value, size);
	target_put(&t);
	return error;
}

static long sys_getxattr(user_addr text, user_addr name, user_addr value, size_t size)
{
	return get_path(text, true, name, value, size);
}
SYSCALL(getxattr);

static long sys_lgetxattr(user_addr text, user_addr name, user_addr value, size_t size)
{
	return get_path(text, false, name, value, size);
}
SYSCALL(lgetxattr);

static long sys_fgetxattr(int fd, user_addr name, user_addr value, size_t size)
{
	struct target t;

	long error = target_of_fd(&t, fd);
	if (error != 0)
		return error;
	error = get(&t, name, value, size);
	target_put(&t);
	return error;
}
SYSCALL(fgetxattr);

static long list_path(user_addr text, bool follow, user_addr to, size_t size)
{
	struct target t;

	long error = target_of_path(&t, text, follow);
	if (error != 0)
		return error;
	error = list(&t, to, size);
	target_put(&t);
	return error;
}

static long sys_listxattr(user_addr text, user_addr to, size_t size)
{
	return list_path(text, true, to, size);
}
SYSCALL(listxattr);

static long sys_llistxattr(user_addr text, user_addr to, size_t size)
{
	return list_path(text, false, to, size);
}
SYSCALL(llistxattr);

static long sys_flistxattr(int fd, user_addr to, size_t size)
{
	struct target t;

	long error = target_of_fd(&t, fd);
	if (error != 0)
		return error;
	error = list(&t, to, size);
	target_put(&t);
	return error;
}
SYSCALL(flistxattr);

static long remove_path(user_addr text, bool follow, user_addr name)
{
	struct target t;

	long error = target_of_path(&t, text, follow);
	if (error != 0)
		return error;
	error = mount_check_write(t.mount);
	if (error == 0)
		error = refuse(&t, name, true);
	target_put(&t);
	return error;
}

static long sys_removexattr(user_addr text, user_addr name)
{
	return remove_path(text, true, name);
}
SYSCALL(removexattr);

static long sys_lremovexattr(user_addr text, user_addr name)
{
	return remove_path(text, false, name);
}
SYSCALL(lremovexattr);

static long sys_fremovexattr(int fd, user_addr name)
{
	struct target t;

	long error = target_of_fd(&t, fd);
	if (error != 0)
		return error;
	error = t.mount != nullptr ? mount_check_write(t.mount) : 0;
	if (error == 0)
		error = refuse(&t, name, true);
	target_put(&t);
	return error;
}
SYSCALL(fremovexattr);
