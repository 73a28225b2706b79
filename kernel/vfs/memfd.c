/* SPDX-License-Identifier: MIT */
/* memfd_create(2): a file of a tmpfs that is mounted nowhere. The name is for /proc/PID/fd only. */
#include "internal.h"
#include "super.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>

static struct mutex memfd_lock = MUTEX_INIT(memfd_lock, RANK_MOUNT - 1);
static struct mount *memfd_mount GUARDED_BY(&memfd_lock);

enum : size_t { MEMFD_NAME_MAX = 249 };

static struct mount *memfd_filesystem(void)
{
	mutex_lock(&memfd_lock);
	if (memfd_mount == nullptr)
		memfd_mount = mount_internal(filesystem_find("tmpfs"));
	struct mount *m = memfd_mount;
	mutex_unlock(&memfd_lock);
	return m;
}

/* The label that the file gets is the dentry's name, which lives as long as the file. */
static int create(const char *name, size_t length, uint32_t mode, uint32_t seals, struct file **out)
{
	struct mount *m = memfd_filesystem();
	struct subject *p = subject_current();
	struct inode *i;

	if (m == nullptr)
		return -ENOMEM;
	struct make_request r = {.mode = S_IFREG | mode,
				 .uid = p != nullptr ? p->cred.fsuid : 0,
				 .gid = p != nullptr ? p->cred.fsgid : 0};
	int error = guard_run(inode_component(m->sb->root), m->sb->root->ops->make_unnamed(m->sb->root, &r, &i));
	if (error != 0)
		return error;
	i->seals = seals;
	struct name n = name_make(name, length);
	struct path path = {m, dentry_create(m->sb, m->root, &n, i)};
	if (path.dentry == nullptr) {
		inode_put(i);
		return -ENOMEM;
	}
	error = file_open_inode(&path, O_RDWR, true, out);
	if (error == 0) {
		(*out)->label = path.dentry->name;
		(*out)->object.unnamed = true;
	}
	dentry_put(path.dentry);
	return error;
}

int file_create_memory(const char *label, uint64_t size, struct file **out)
{
	char name[40];
	int n = scnprintf(name, sizeof(name), "/dev/%s", label);

	int error = create(name, (size_t)n, 0600, F_SEAL_SEAL, out);
	if (error != 0)
		return error;
	error = inode_truncate((*out)->inode, size);
	if (error != 0)
		file_put(*out);
	return error;
}

static long sys_memfd_create(user_addr name_at, uint32_t flags)
{
	static const char prefix[] = "/memfd:";
	enum : size_t { PREFIX = sizeof(prefix) - 1 };
	char name[PREFIX + MEMFD_NAME_MAX + 1];
	struct file *f;

	if (flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC))
		return syscall_refuse_flags(NR_memfd_create, flags);
	if ((flags & MFD_NOEXEC_SEAL) && (flags & MFD_EXEC))
		return -EINVAL;
	memcpy(name, prefix, PREFIX);
	long length = copy_string_from_user(name + PREFIX, name_at, MEMFD_NAME_MAX + 1);
	if (length < 0)
		return length == -ENAMETOOLONG ? -EINVAL : length;
	int error = create(name, PREFIX + (size_t)length, flags & MFD_NOEXEC_SEAL ? 0666 : 0777,
			   flags & MFD_NOEXEC_SEAL     ? F_SEAL_EXEC
			   : flags & MFD_ALLOW_SEALING ? 0u
						       : (uint32_t)F_SEAL_SEAL,
			   &f);
	if (error != 0)
		return error;
	int fd = file_install(f, flags & MFD_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(memfd_create);
