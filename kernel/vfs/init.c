/* SPDX-License-Identifier: MIT */
/*
 * Boot of the filesystems: the root tmpfs, the initramfs in it, devfs on /dev.
 */
#include "internal.h"
#include "mount.h"
#include "pipe.h"

#include "../fs/devfs/devfs.h"
#include "../fs/devfs/memory.h"
#include "../fs/procfs/procfs.h"
#include "../fs/tmpfs/tmpfs.h"

#include <kernel/component.h>
#include <kernel/init.h>
#include <kernel/log.h>
#include <kernel/page.h>
#include <lib/cpio.h>

DEFINE_COMPONENT(vfs, .stage = STAGE_FS);

/* Directories that an archive names by their files alone. */
static int make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int error = vfs_make_at(path, S_IFDIR | 0755, 0, nullptr);
		*slash = '/';
		if (error != 0 && error != -EEXIST)
			return error;
	}
	return 0;
}

static int write_file(const char *path, const struct cpio_entry *e)
{
	struct file *f;

	int error = file_open_path(path, O_WRONLY | O_CREAT | O_TRUNC, e->mode & S_IALLUGO, &f);
	if (error != 0)
		return error;
	long n = e->size > 0 ? file_write_at(f, e->data, e->size, 0) : 0;
	file_put(f);
	return n == (long)e->size ? 0 : n < 0 ? (int)n : -ENOSPC;
}

static int make_link(const char *path, const struct cpio_entry *e)
{
	char *target = kmalloc(e->size + 1);

	if (target == nullptr)
		return -ENOMEM;
	memcpy(target, e->data, e->size);
	int error = vfs_make_at(path, S_IFLNK | S_IRWXUGO, 0, target);
	kfree(target);
	return error;
}

static int set_attributes(const char *path, const struct cpio_entry *e)
{
	struct attributes a = {
		.mask = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME, .uid = e->uid, .gid = e->gid,
		.atime_ns = (int64_t)e->mtime * 1000000000, .mtime_ns = (int64_t)e->mtime * 1000000000,
	};
	struct path p;

	int error = path_lookup(AT_FDCWD, path, 0, &p);
	if (error != 0)
		return error;
	error = inode_setattr(p.dentry->inode, &a);
	/* After the owner, whose change takes set-id bits away. */
	if (error == 0 && !S_ISLNK(e->mode))
		error = inode_setattr(p.dentry->inode, &(struct attributes){ .mask = ATTR_MODE, .mode = e->mode });
	path_put(&p);
	return error;
}

static int unpack_entry(char *path, const struct cpio_entry *e)
{
	int error = make_parents(path);

	if (error != 0)
		return error;
	switch (e->mode & S_IFMT) {
	case S_IFDIR:
		error = vfs_make_at(path, S_IFDIR | (e->mode & S_IALLUGO), 0, nullptr);
		error = error == -EEXIST ? 0 : error;
		break;
	case S_IFREG:
		error = write_file(path, e);
		break;
	case S_IFLNK:
		error = make_link(path, e);
		break;
	default:
		error = vfs_make_at(path, e->mode, make_dev(e->rdev_major, e->rdev_minor), nullptr);
	}
	return error != 0 ? error : set_attributes(path, e);
}

/* Directories once more, when nothing is made in them any more: their times. */
static int unpack_times(char *path, const struct cpio_entry *e)
{
	return S_ISDIR(e->mode) ? set_attributes(path, e) : 0;
}

static int for_each_entry(struct cpio_reader *r, int (*step)(char *path, const struct cpio_entry *e), uint32_t *count)
{
	struct cpio_entry e;
	int error = 0;
	char *path = kmalloc(PATH_MAX);

	if (path == nullptr)
		return -ENOMEM;
	for (*count = 0; error == 0 && cpio_next(r, &e) == CPIO_ENTRY; ++*count) {
		int n = snprintf(path, PATH_MAX, "/%.*s", (int)e.name_length, e.name);

		if (n >= (int)PATH_MAX)
			error = -ENAMETOOLONG;
		else if (n > 1 && strcmp(path, "/.") != 0)
			error = step(path, &e);
		if (error != 0)
			log_error("vfs: initramfs: cannot make %s: error %d", path, -error);
	}
	kfree(path);
	return error;
}

int initramfs_unpack(const void *archive, size_t bytes)
{
	struct cpio_reader reader;
	uint32_t count;

	cpio_open(&reader, archive, bytes);
	int error = for_each_entry(&reader, unpack_entry, &count);
	if (error == 0 && reader.error != nullptr) {
		log_error("vfs: initramfs: %s at byte %zu", reader.error, reader.offset);
		error = -EINVAL;
	}
	if (error != 0)
		return error;
	log_info("vfs: %u files from an initramfs of %zu KiB", count, bytes / 1024);
	cpio_open(&reader, archive, bytes);
	return for_each_entry(&reader, unpack_times, &count);
}

static void unpack_boot_archive(void)
{
	const struct boot_info *boot = boot_info();

	if (boot->initramfs_bytes == 0) {
		log_warn("vfs: the loader gave no initramfs: / is empty");
		return;
	}
	(void)initramfs_unpack(page_window(boot->initramfs_pfn), boot->initramfs_bytes);
	page_adopt_kernel(boot->initramfs_pfn, (boot->initramfs_bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

int vfs_init(void)
{
	static const char *const steps[] = { "dentry cache", "pipes", "root", "devfs" };
	int step = 0;

	tmpfs_register();
	devfs_register();
	procfs_register();
	memory_devices_register();
	int error = dentry_cache_init();
	if (error == 0)
		error = (step++, pipe_init());
	if (error == 0)
		error = (step++, mount_root("tmpfs", "mode=755"));
	if (error == 0) {
		step++;
		unpack_boot_archive();
		error = vfs_make_at("/dev", S_IFDIR | 0755, 0, nullptr);
		if (error == 0 || error == -EEXIST)
			error = mount_filesystem("devtmpfs", "devtmpfs", "/dev", MS_NOSUID, "");
	}
	if (error != 0)
		log_error("vfs: %s: error %d", steps[step], -error);
	return error;
}
