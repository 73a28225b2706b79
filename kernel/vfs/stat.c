/* SPDX-License-Identifier: MIT */
/*
 * What a file is: stat(2) in its forms, statx(2), access(2), readlink(2), statfs(2).
 *
 * An empty path with AT_EMPTY_PATH names the descriptor, which may be a pipe or another file without a path.
 */
#include "internal.h"
#include "super.h"

#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>

/* Files without an inode (eventfd, epoll): one anonymous inode for all, as elsewhere. */
static void fill_anonymous(struct stat *out)
{
	*out = (struct stat){.st_mode = 0600, .st_nlink = 1, .st_blksize = 4096, .st_ino = 1};
}

static void file_fill_stat(struct file *f, struct stat *out)
{
	struct inode *i = file_node(f);

	if (i != nullptr)
		inode_fill_stat(i, out);
	else
		fill_anonymous(out);
}

static int stat_descriptor(int fd, struct stat *out, struct mount **mount)
{
	struct file_ref r;

	int error = file_ref_get_any(fd, &r);
	if (error != 0)
		return error;
	file_fill_stat(r.file, out);
	*mount = r.file->path.mount;
	file_ref_put(r);
	return 0;
}

/* *is_root: a mount's root; *mount_id for statx. */
struct stat_result {
	struct stat stat;
	uint32_t mount_id;
	bool is_root;
	int64_t btime_ns;
};

static int stat_at(int dirfd, user_addr text, uint32_t flags, struct stat_result *out)
{
	struct path_text t;
	struct path p;

	int error = path_text_get(&t, text);
	if (error != 0)
		return error;
	*out = (struct stat_result){};
	if (*t.text == '\0' && (flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD) {
		struct mount *mount = nullptr;
		error = stat_descriptor(dirfd, &out->stat, &mount);
		path_text_free(&t);
		return error;
	}
	uint32_t walk = flags & AT_SYMLINK_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW;
	if (flags & AT_EMPTY_PATH)
		walk |= WALK_EMPTY;
	error = path_lookup(dirfd, t.text, walk, &p);
	path_text_free(&t);
	if (error != 0)
		return error;
	inode_fill_stat(p.dentry->inode, &out->stat);
	out->mount_id = p.mount->id;
	out->is_root = p.dentry == p.mount->root;
	out->btime_ns = p.dentry->inode->btime_ns;
	path_put(&p);
	return 0;
}

static long stat_user(int dirfd, user_addr text, user_addr at, uint32_t flags)
{
	struct stat_result result;

	int error = stat_at(dirfd, text, flags, &result);
	return error != 0 ? error : put_user(at, result.stat);
}

static long sys_newfstatat(int dirfd, user_addr text, user_addr at, uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return syscall_refuse_flags(NR_newfstatat, flags);
	return stat_user(dirfd, text, at, flags);
}
SYSCALL(newfstatat);

static long sys_stat(user_addr text, user_addr at)
{
	return stat_user(AT_FDCWD, text, at, 0);
}
SYSCALL_LEGACY(stat);

static long sys_lstat(user_addr text, user_addr at)
{
	return stat_user(AT_FDCWD, text, at, AT_SYMLINK_NOFOLLOW);
}
SYSCALL_LEGACY(lstat);

static long sys_fstat(int fd, user_addr at)
{
	struct mount *mount;
	struct stat s;

	int error = stat_descriptor(fd, &s, &mount);
	return error != 0 ? error : put_user(at, s);
}
SYSCALL(fstat);

static void fill_statx(const struct stat_result *r, struct statx *x)
{
	const struct stat *s = &r->stat;

	*x = (struct statx){
		.mask = STATX_BASIC_STATS | (r->btime_ns != 0 ? STATX_BTIME : 0) |
			(r->mount_id != 0 ? STATX_MNT_ID : 0),
		.blksize = (uint32_t)s->st_blksize,
		.attributes = r->is_root ? STATX_ATTR_MOUNT_ROOT : 0,
		.attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.nlink = (uint32_t)s->st_nlink,
		.uid = s->st_uid,
		.gid = s->st_gid,
		.mode = (uint16_t)s->st_mode,
		.ino = s->st_ino,
		.size = (uint64_t)s->st_size,
		.blocks = (uint64_t)s->st_blocks,
		.atime = {s->st_atime_s, (uint32_t)s->st_atime_ns, 0},
		.btime = {r->btime_ns / 1000000000, (uint32_t)(r->btime_ns % 1000000000), 0},
		.ctime = {s->st_ctime_s, (uint32_t)s->st_ctime_ns, 0},
		.mtime = {s->st_mtime_s, (uint32_t)s->st_mtime_ns, 0},
		.rdev_major = dev_major(s->st_rdev),
		.rdev_minor = dev_minor(s->st_rdev),
		.dev_major = dev_major(s->st_dev),
		.dev_minor = dev_minor(s->st_dev),
		.mnt_id = r->mount_id,
	};
}

static long sys_statx(int dirfd, user_addr text, uint32_t flags, uint32_t mask, user_addr at)
{
	struct stat_result result;
	struct statx x;

	if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) ||
	    (mask & STATX_RESERVED) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return syscall_refuse_flags(NR_statx, flags);
	int error = stat_at(dirfd, text, flags, &result);
	if (error != 0)
		return error;
	fill_statx(&result, &x);
	return put_user(at, x);
}
SYSCALL(statx);

static long access_user(int dirfd, user_addr text, uint32_t mode, uint32_t flags)
{
	bool real = !(flags & AT_EACCESS);
	struct path p;

	if (mode & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	uint32_t walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW) |
			(real ? (uint32_t)WALK_REAL_IDS : 0) | (flags & AT_EMPTY_PATH ? (uint32_t)WALK_EMPTY : 0);
	int error = path_lookup_user(dirfd, text, walk, &p);
	if (error != 0)
		return error;
	struct inode *i = p.dentry->inode;
	if ((mode & W_OK) && (S_ISREG(i->mode) || S_ISDIR(i->mode)))
		error = mount_check_write(p.mount);
	if (error == 0 && (mode & X_OK) && S_ISREG(i->mode) && (p.mount->flags & MS_NOEXEC))
		error = -EACCES;
	if (error == 0 && mode != 0)
		error = inode_permission(i, mode, real);
	path_put(&p);
	return error;
}

static long sys_faccessat2(int dirfd, user_addr text, uint32_t mode, uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return syscall_refuse_flags(NR_faccessat2, flags);
	return access_user(dirfd, text, mode, flags);
}
SYSCALL(faccessat2);

static long sys_faccessat(int dirfd, user_addr text, uint32_t mode)
{
	return access_user(dirfd, text, mode, 0);
}
SYSCALL(faccessat);

static long sys_access(user_addr text, uint32_t mode)
{
	return access_user(AT_FDCWD, text, mode, 0);
}
SYSCALL_LEGACY(access);

/* A link that is no path tells where it leads. */
static long read_magic_link(struct inode *i, char *out, size_t size)
{
	struct path to;

	int error = guard_run(inode_component(i), i->ops->follow(i, &to));
	if (error != 0)
		return error;
	long n = path_format(&to, out, size);
	path_put(&to);
	return n;
}

static long readlink_user(int dirfd, user_addr text, user_addr at, long size)
{
	struct path p;

	if (size <= 0)
		return -EINVAL;
	int error = path_lookup_user(dirfd, text, WALK_EMPTY, &p);
	if (error != 0)
		return error;
	struct inode *i = p.dentry->inode;
	char *target = nullptr;
	long n = S_ISLNK(i->mode) ? 0 : -EINVAL;
	char first = '/';
	/* What a descriptor names by an empty path is a link, or there is nothing of that name. */
	if (n != 0 && get_user(first, text) == 0 && first == '\0')
		n = -ENOENT;
	if (n == 0) {
		target = kmalloc(PATH_MAX);
		n = target == nullptr ? -ENOMEM : 0;
	}
	if (n == 0)
		n = i->ops->readlink != nullptr ? guard_run(inode_component(i), i->ops->readlink(i, target, PATH_MAX))
						: read_magic_link(i, target, PATH_MAX);
	path_put(&p);
	if (n > 0) {
		n = MIN(n, size);
		if (copy_to_user(at, target, (size_t)n) != 0)
			n = -EFAULT;
	}
	kfree(target);
	return n;
}

static long sys_readlinkat(int dirfd, user_addr text, user_addr at, long size)
{
	return readlink_user(dirfd, text, at, size);
}
SYSCALL(readlinkat);

static long sys_readlink(user_addr text, user_addr at, long size)
{
	return readlink_user(AT_FDCWD, text, at, size);
}
SYSCALL_LEGACY(readlink);

enum : int64_t { ANON_INODE_MAGIC = 0x09041934 };

static long statfs_mount(struct superblock *sb, uint32_t mount_flags, user_addr at)
{
	struct statfs s = {.bsize = sb->block_size, .namelen = NAME_MAX};

	int error = sb->ops->statfs != nullptr ? guard_run(sb->type->component, sb->ops->statfs(sb, &s)) : 0;
	if (error != 0)
		return error;
	s.frsize = s.bsize;
	s.fsid[0] = (int32_t)sb->dev;
	s.flags = ST_VALID | ((mount_flags | sb->flags) & 0x7df & ~(uint32_t)MS_REMOUNT);
	if (mount_flags & MS_RELATIME)
		s.flags |= ST_RELATIME;
	return put_user(at, s);
}

static long sys_statfs(user_addr text, user_addr at)
{
	struct path p;

	int error = path_lookup_user(AT_FDCWD, text, WALK_FOLLOW, &p);
	if (error != 0)
		return error;
	long result = statfs_mount(p.mount->sb, p.mount->flags, at);
	path_put(&p);
	return result;
}
SYSCALL(statfs);

static long sys_fstatfs(int fd, user_addr at)
{
	static const struct statfs anonymous = {
		.type = ANON_INODE_MAGIC, .bsize = 4096, .frsize = 4096, .namelen = NAME_MAX, .flags = ST_VALID};
	struct file_ref r;

	long result = file_ref_get_any(fd, &r);
	if (result != 0)
		return result;
	if (r.file->path.mount != nullptr)
		result = statfs_mount(r.file->path.mount->sb, r.file->path.mount->flags, at);
	else if (file_node(r.file) != nullptr)
		result = statfs_mount(file_node(r.file)->sb, 0, at);
	else
		result = put_user(at, anonymous);
	file_ref_put(r);
	return result;
}
SYSCALL(fstatfs);

/* As st_dev travels in 32 bits here. */
static long sys_ustat(uint32_t dev, user_addr at)
{
	struct {
		int32_t free_blocks;
		uint64_t free_inodes;
		char name[6], pack[6];
	} out = {};
	static_assert(sizeof(out) == 32);
	struct statfs s = {};
	struct superblock *sb = superblock_of_device(dev);

	if (sb == nullptr)
		return -EINVAL;
	int error = sb->ops->statfs != nullptr ? guard_run(sb->type->component, sb->ops->statfs(sb, &s)) : 0;
	superblock_put(sb);
	if (error != 0)
		return error;
	out.free_blocks = (int32_t)s.bfree;
	out.free_inodes = s.ffree;
	return put_user(at, out);
}
SYSCALL_LEGACY(ustat);
