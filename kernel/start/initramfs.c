/* SPDX-License-Identifier: MIT */
/*
 * The initramfs: a cpio archive (lib/cpio.h) becomes files. Existing files are replaced, directories keep what is in
 * them. Runs in the boot thread, with all rights.
 */
#include "kernel/vfs/internal.h"

#include <kernel/base/log.h>
#include <lib/cpio.h>

struct first_name { /* of a file with several names */
	struct list link;
	uint32_t ino, dev_major, dev_minor;
	char path[];
};
struct unpack {
	struct cpio_reader reader;
	struct list names;
};

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

/* Names of one file: all but the last entry have no data, so each further name is a link to the first. */
static int link_to_first(struct unpack *u, const char *path, const struct cpio_entry *e, bool *linked)
{
	struct first_name *f;

	*linked = false;
	if (e->nlink < 2)
		return 0;
	list_for_each(f, &u->names, link) {
		if (f->ino == e->ino && f->dev_major == e->dev_major && f->dev_minor == e->dev_minor) {
			*linked = true;
			return vfs_link_at(f->path, path);
		}
	}
	f = kmalloc(sizeof(*f) + strlen(path) + 1);
	if (f == nullptr)
		return -ENOMEM;
	f->ino = e->ino;
	f->dev_major = e->dev_major;
	f->dev_minor = e->dev_minor;
	memcpy(f->path, path, strlen(path));
	list_push_back(&u->names, &f->link);
	return 0;
}

static int write_file(struct unpack *u, const char *path, const struct cpio_entry *e)
{
	struct file *f;
	bool linked;

	int error = link_to_first(u, path, e, &linked);
	if (error != 0 || (linked && e->size == 0))
		return error;
	error = file_open_path(path, O_WRONLY | O_CREAT | O_TRUNC, e->mode & S_IALLUGO, &f);
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
		.mask = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME,
		.uid = e->uid,
		.gid = e->gid,
		.atime_ns = (int64_t)e->mtime * 1000000000,
		.mtime_ns = (int64_t)e->mtime * 1000000000,
	};
	struct path p;

	int error = path_lookup(AT_FDCWD, path, 0, &p);
	if (error != 0)
		return error;
	error = inode_setattr(p.dentry->inode, &a);
	/* After the owner, whose change takes set-id bits away. */
	if (error == 0 && !S_ISLNK(e->mode))
		error = inode_setattr(p.dentry->inode, &(struct attributes){.mask = ATTR_MODE, .mode = e->mode});
	path_put(&p);
	return error;
}

static int unpack_entry(struct unpack *u, char *path, const struct cpio_entry *e)
{
	int error = make_parents(path);

	if (error != 0)
		return error;
	switch (e->mode & S_IFMT) {
	case S_IFDIR:
		error = vfs_make_at(path, S_IFDIR | (e->mode & S_IALLUGO), 0, nullptr);
		error = error == -EEXIST ? 0 : error;
		break;
	case S_IFREG: error = write_file(u, path, e); break;
	case S_IFLNK: error = make_link(path, e); break;
	default: error = vfs_make_at(path, e->mode, make_dev(e->rdev_major, e->rdev_minor), nullptr);
	}
	return error != 0 ? error : set_attributes(path, e);
}

/* Directories once more, when nothing is made in them any more: their times. */
static int unpack_times(struct unpack *, char *path, const struct cpio_entry *e)
{
	return S_ISDIR(e->mode) ? set_attributes(path, e) : 0;
}

typedef int (*unpack_step)(struct unpack *u, char *path, const struct cpio_entry *e);

static int for_each_entry(struct unpack *u, unpack_step step, uint32_t *count)
{
	struct cpio_entry e;
	int error = 0;
	char *path = kmalloc(PATH_MAX);

	if (path == nullptr)
		return -ENOMEM;
	for (*count = 0; error == 0 && cpio_next(&u->reader, &e) == CPIO_ENTRY; ++*count) {
		int n = snprintf(path, PATH_MAX, "/%.*s", (int)e.name_length, e.name);

		if (n >= (int)PATH_MAX)
			error = -ENAMETOOLONG;
		else if (n > 1 && strcmp(path, "/.") != 0)
			error = step(u, path, &e);
		if (error != 0)
			log_error("vfs: initramfs: cannot make %s: error %d", path, -error);
	}
	kfree(path);
	return error;
}

static void forget_names(struct unpack *u)
{
	while (!list_empty(&u->names)) {
		struct first_name *f = list_first(&u->names, struct first_name, link);

		list_remove(&f->link);
		kfree(f);
	}
}

int initramfs_unpack(const void *archive, size_t bytes)
{
	struct unpack u = {.names = LIST_INIT(u.names)};
	uint32_t count;

	cpio_open(&u.reader, archive, bytes);
	int error = for_each_entry(&u, unpack_entry, &count);
	forget_names(&u);
	if (error == 0 && u.reader.error != nullptr) {
		log_error("vfs: initramfs: %s at byte %zu", u.reader.error, u.reader.offset);
		error = -EINVAL;
	}
	if (error != 0)
		return error;
	log_info("vfs: %u files from an initramfs of %zu KiB", count, bytes / 1024);
	cpio_open(&u.reader, archive, bytes);
	return for_each_entry(&u, unpack_times, &count);
}
