/* SPDX-License-Identifier: MIT */
/*
 * devfs ("devtmpfs" to mount(2)): one tmpfs for the whole system in which every device has a node.
 *
 * The tables of devices are kernel/vfs/chrdev.c's and kernel/block/blkdev.c's, which say here what came and went.
 */
#include "../tmpfs/tmpfs.h"
#include "devpts.h"
#include "memory.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/log.h>
#include <kernel/block/blkdev.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

DEFINE_COMPONENT(devfs, .stage = STAGE_FS, .users = "the call is EFAULT",
		 .stays = "it has no thread, and its data are the nodes of devices that are there");

static struct superblock *instance; /* set once, before any driver registers */

constexpr size_t LINK_TARGET_MAX = 64; /* with the end; names of nodes are shorter */

static const char pts_folder[] = "pts/"; /* devpts's, once that is mounted */

/* The directory that holds the last component of name, made if need be; *last is that component. */
static int find_parent(const char *name, struct inode **out, const char **last)
{
	struct inode *dir = strncmp(name, pts_folder, sizeof(pts_folder) - 1) == 0 ? devpts_directory() : nullptr;
	const char *slash;

	if (dir != nullptr) {
		name += sizeof(pts_folder) - 1;
	} else {
		dir = instance->root;
		inode_get(dir);
	}
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
	struct make_request mine = r != nullptr ? *r : (struct make_request){};
	if (r != nullptr && dir->sb != instance)
		devpts_adjust(&mine);
	mutex_lock(&dir->lock);
	if (r != nullptr) {
		error = dir->ops->lookup(dir, &n, &made);
		if (error == -ENOENT)
			error = dir->ops->make(dir, &n, &mine, &made);
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

/* A link to a node, by the way up to the root. One of that name which leads elsewhere is another device's. */
static void change_link(const char *link, const char *node, bool there)
{
	char target[LINK_TARGET_MAX], found[LINK_TARGET_MAX];
	struct make_request r = {.mode = S_IFLNK | S_IRWXUGO, .target = target};
	const char *last;
	size_t at = 0;
	struct inode *dir, *i = nullptr;

	for (const char *slash = strchr(link, '/'); slash != nullptr; slash = strchr(slash + 1, '/'))
		at += (size_t)snprintf(target + at, sizeof(target) - at, "../");
	snprintf(target + at, sizeof(target) - at, "%s", node);
	if (there) {
		(void)change_node(link, &r);
		return;
	}
	if (instance == nullptr || find_parent(link, &dir, &last) != 0)
		return;
	struct name n = name_make(last, strlen(last));
	mutex_lock(&dir->lock);
	bool mine = false;
	if (dir->ops->lookup(dir, &n, &i) == 0 && i->ops->readlink != nullptr) {
		long length = i->ops->readlink(i, found, sizeof(found));
		mine = length == (long)strlen(target) && memcmp(found, target, (size_t)length) == 0;
	}
	if (mine)
		(void)dir->ops->unlink(dir, &n, i);
	mutex_unlock(&dir->lock);
	if (i != nullptr)
		inode_put(i);
	inode_put(dir);
}

/* A device has come or gone: see chrdev_set_nodes. */
static int change_device(const struct chrdev_info *d, bool there)
{
	struct make_request r = {.mode = S_IFCHR | d->mode, .rdev = make_dev(d->major, d->minor)};

	if (d->link != nullptr && !there)
		change_link(d->link, d->name, false);
	int error = change_node(d->name, there ? &r : nullptr);
	if (error == 0 && d->link != nullptr && there)
		change_link(d->link, d->name, true);
	return error;
}

/* The same of a block device. */
static int change_block_device(const struct blkdev_info *d, bool there)
{
	struct make_request r = {.mode = S_IFBLK | 0600, .rdev = make_dev(d->major, d->minor)};

	return change_node(d->name, there ? &r : nullptr);
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
	struct blkdev_info block;
	struct chrdev_info info;

	int error = tmpfs_fill(sb, &mine);
	if (error != 0)
		return error;
	sb->root->uid = sb->root->gid = 0;
	sb->behaviour |= SB_NO_NEGATIVE | SB_VALIDATE;
	instance = sb;
	error = populate();
	for (uint32_t n = 0; error == 0 && chrdev_at(n, &info); n++)
		error = change_device(&info, true);
	for (uint32_t n = 0; error == 0 && blkdev_at(n, &block); n++)
		error = change_block_device(&block, true);
	return error;
}

static int devfs_init(void)
{
	chrdev_set_nodes(change_device);
	(void)blkdev_set_nodes(change_block_device);
	memory_devices_register();
	return 0;
}

FILESYSTEM(devfs, .name = "devtmpfs", .component = &component_devfs, .init = devfs_init, .fill = devfs_fill,
	   .single = true);
