/* SPDX-License-Identifier: MIT */
/*
 * devfs ("devtmpfs" to mount(2)): one tmpfs for the whole system in which every registered character device has a node.
 *
 * Drivers call chrdev_register at any time after vfs_init; the table of numbers serves device nodes anywhere, also such
 * as mknod made on other filesystems. Opening a node finds the driver by number and gives the file its operations.
 */
#include "devfs.h"
#include "../tmpfs/tmpfs.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

DEFINE_COMPONENT(devfs, .stage = STAGE_FS);

struct chrdev {
	struct list link;
	struct chrdev_info info;
	const struct file_ops *ops;
	void *private_data;
};

static struct mutex table_lock = MUTEX_INIT(table_lock, RANK_FS);
static struct list table GUARDED_BY(&table_lock) = LIST_INIT(table);
static struct superblock *instance; /* set once, before any driver registers */

static struct chrdev *find_device(uint32_t major, uint32_t minor) REQUIRES(table_lock)
{
	struct chrdev *d;

	list_for_each(d, &table, link) {
		if (d->info.major == major && d->info.minor == minor)
			return d;
	}
	return nullptr;
}

/* The directory that holds the last component of name, made if need be; *last is that component. */
static int find_parent(const char *name, struct inode **out, const char **last)
{
	struct inode *dir = instance->root;
	const char *slash;

	inode_get(dir);
	while ((slash = strchr(name, '/')) != nullptr) {
		struct name n = name_make(name, (size_t)(slash - name));
		struct make_request r = {.mode = S_IFDIR | 0755};
		struct inode *next;

		mutex_lock(&dir->lock);
		int error = dir->ops->lookup(dir, &n, &next);
		if (error == -ENOENT)
			error = dir->ops->make(dir, &n, &r, &next);
		mutex_unlock(&dir->lock);
		inode_put(dir);
		if (error != 0)
			return error;
		dir = next;
		name = slash + 1;
	}
	*out = dir;
	*last = name;
	return 0;
}

/* Makes or (r == nullptr) removes a node. A negative dentry of the name may be cached: devfs asks for none. */
static int change_node(const char *name, const struct make_request *r)
{
	struct inode *dir, *made;
	const char *last;

	if (instance == nullptr)
		return 0;
	int error = find_parent(name, &dir, &last);
	if (error != 0)
		return error;
	struct name n = name_make(last, strlen(last));
	mutex_lock(&dir->lock);
	if (r != nullptr) {
		error = dir->ops->lookup(dir, &n, &made);
		if (error == -ENOENT)
			error = dir->ops->make(dir, &n, r, &made);
		if (error == 0)
			inode_put(made);
	} else {
		error = dir->ops->lookup(dir, &n, &made);
		if (error == 0) {
			error = dir->ops->unlink(dir, &n, made);
			inode_put(made);
		}
	}
	mutex_unlock(&dir->lock);
	inode_put(dir);
	return error;
}

int chrdev_register(const char *name, uint32_t major, uint32_t minor, uint32_t mode, const struct file_ops *ops,
		    void *private_data)
{
	KASSERT(ops->component != nullptr);
	struct chrdev *d = kmalloc(sizeof(*d));
	if (d == nullptr)
		return -ENOMEM;
	*d = (struct chrdev){.info = {name, major, minor, mode}, .ops = ops, .private_data = private_data};
	mutex_lock(&table_lock);
	bool taken = find_device(major, minor) != nullptr;
	if (!taken)
		list_push_back(&table, &d->link);
	mutex_unlock(&table_lock);
	if (taken) {
		kfree(d);
		return -EEXIST;
	}
	struct make_request r = {.mode = S_IFCHR | mode, .rdev = make_dev(major, minor)};
	int error = change_node(name, &r);
	if (error != 0) {
		mutex_lock(&table_lock);
		list_remove(&d->link);
		mutex_unlock(&table_lock);
		kfree(d);
	}
	return error;
}

void chrdev_unregister(uint32_t major, uint32_t minor)
{
	mutex_lock(&table_lock);
	struct chrdev *d = find_device(major, minor);
	if (d != nullptr)
		list_remove(&d->link);
	mutex_unlock(&table_lock);
	if (d == nullptr)
		return;
	(void)change_node(d->info.name, nullptr);
	kfree(d);
}

bool chrdev_at(uint32_t index, struct chrdev_info *out)
{
	struct chrdev *d;
	bool found = false;

	mutex_lock(&table_lock);
	list_for_each(d, &table, link) {
		if (index-- == 0) {
			*out = d->info;
			found = true;
			break;
		}
	}
	mutex_unlock(&table_lock);
	return found;
}

int chrdev_open(struct file *f)
{
	uint64_t dev = f->inode->rdev;

	mutex_lock(&table_lock);
	struct chrdev *d = find_device(dev_major(dev), dev_minor(dev));
	const struct file_ops *ops = d != nullptr ? d->ops : nullptr;
	void *private_data = d != nullptr ? d->private_data : nullptr;
	mutex_unlock(&table_lock);
	if (ops == nullptr)
		return -ENXIO;
	f->ops = ops;
	f->private_data = private_data;
	return ops->open != nullptr ? guard_run(ops->component, ops->open(f)) : 0;
}

int devfs_add_link(const char *name, const char *target)
{
	struct make_request r = {.mode = S_IFLNK | S_IRWXUGO, .target = target};

	return change_node(name, &r);
}

static int populate(void)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
	};
	static const struct {
		const char *name;
		uint32_t mode;
	} directories[] = {{"pts", 0755}, {"shm", 01777}};
	int error = 0;

	for (size_t n = 0; n < ARRAY_LEN(links) && error == 0; n++)
		error = devfs_add_link(links[n].name, links[n].target);
	for (size_t n = 0; n < ARRAY_LEN(directories) && error == 0; n++) {
		struct make_request r = {.mode = S_IFDIR | directories[n].mode};
		error = change_node(directories[n].name, &r);
	}
	return error;
}

static int devfs_fill(struct superblock *sb, const struct mount_options *o)
{
	struct mount_options mine = {.source = o->source, .data = "mode=755", .flags = o->flags};
	struct chrdev_info info;

	int error = tmpfs_fill(sb, &mine);
	if (error != 0)
		return error;
	sb->root->uid = sb->root->gid = 0;
	sb->behaviour |= SB_NO_NEGATIVE | SB_VALIDATE;
	instance = sb;
	error = populate();
	for (uint32_t n = 0; error == 0 && chrdev_at(n, &info); n++) {
		struct make_request r = {.mode = S_IFCHR | info.mode, .rdev = make_dev(info.major, info.minor)};
		error = change_node(info.name, &r);
	}
	return error;
}

static struct filesystem devfs = {
	.name = "devtmpfs", .component = &component_devfs, .fill = devfs_fill, .single = true};

void devfs_register(void)
{
	filesystem_register(&devfs);
}
