/* SPDX-License-Identifier: MIT */
/* Names in the root of a filesystem that has one instance, for calls that know its files by another name than a path
 * (mq_open(2)). It need not be mounted. */
#include "internal.h"
#include "super.h"

#include <kernel/base/subject.h>
#include <kernel/vfs/open.h>

/* By a mount of it that no path leads to, and which lives as long as what is opened by it. References. */
static int root_of(const char *type, struct path *out)
{
	struct filesystem *fs = filesystem_find(type);

	if (fs == nullptr || !fs->single)
		return -ENODEV;
	out->mount = mount_internal(fs);
	if (out->mount == nullptr)
		return -ENOMEM;
	out->dentry = out->mount->root;
	dentry_get(out->dentry);
	return 0;
}

/* *created: it was not there. */
static int find_or_create(struct path *root, const struct name *n, uint32_t flags, uint32_t mode, const void *wanted,
			  struct dentry **d, bool *created)
{
	int error = dentry_lookup(root->dentry, n, d);

	if (error != 0)
		return error;
	if (dentry_negative(*d) && (flags & O_CREAT)) {
		mutex_lock(&root->dentry->inode->lock);
		dentry_put(*d);
		error = dentry_lookup_locked(root->dentry, n, d);
		if (error == 0 && dentry_negative(*d)) {
			error = vfs_create_file(root, *d, mode, wanted);
			*created = error == 0;
			if (error != 0)
				dentry_put(*d);
		}
		mutex_unlock(&root->dentry->inode->lock);
		return error;
	}
	if (!dentry_negative(*d))
		return 0;
	dentry_put(*d);
	return -ENOENT;
}

int file_open_below(const char *type, const char *name, uint32_t flags, uint32_t mode, const void *wanted,
		    struct file **out)
{
	struct name n = name_make(name, strlen(name));
	bool created = false;
	struct path root;
	struct dentry *d;

	if (n.length > NAME_MAX)
		return -ENAMETOOLONG;
	int error = root_of(type, &root);
	if (error != 0)
		return error;
	error = find_or_create(&root, &n, flags, mode, wanted, &d, &created);
	if (error == 0) {
		if (!created && (flags & O_CREAT) && (flags & O_EXCL))
			error = -EEXIST;
		else
			error = file_open_inode(&(struct path){root.mount, d}, flags & ~(uint32_t)(O_CREAT | O_EXCL),
						created, out);
		dentry_put(d);
	}
	path_put(&root);
	return error;
}

int path_remove_below(const char *type, const char *name)
{
	struct walk w = {.last_kind = LAST_NAME, .last = name_make(name, strlen(name))};
	int error = root_of(type, &w.at);

	if (error != 0)
		return error;
	error = vfs_remove_last(&w, false);
	path_put(&w.at);
	return error;
}
