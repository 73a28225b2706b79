/* SPDX-License-Identifier: MIT */
/*
 * Character devices: which operations a number has. Drivers register at any time; the table serves device nodes
 * anywhere, also such as mknod made. Opening a node finds the driver by number and gives the file its operations. The
 * node in /dev is devfs's, which hears of every device that comes and goes.
 */
#include "internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>

struct chrdev {
	struct list link;
	struct chrdev_info info;
	const struct file_ops *ops;
	void *private_data;
};

static struct mutex table_lock = MUTEX_INIT(table_lock, RANK_FS);
static struct list table GUARDED_BY(&table_lock) = LIST_INIT(table);
static int (*change_node)(const struct chrdev_info *d, bool there); /* devfs's; set once, at boot */

static struct chrdev *find_device(uint32_t major, uint32_t minor) REQUIRES(table_lock)
{
	struct chrdev *d;

	list_for_each(d, &table, link) {
		if (d->info.major == major && d->info.minor == minor)
			return d;
	}
	return nullptr;
}

void chrdev_set_nodes(int (*change)(const struct chrdev_info *d, bool there))
{
	change_node = change;
}

int chrdev_register(const char *name, uint32_t major, uint32_t minor, uint32_t mode, const struct file_ops *ops,
		    void *private_data)
{
	return chrdev_register_linked(name, nullptr, major, minor, mode, ops, private_data);
}

int chrdev_register_linked(const char *name, const char *link, uint32_t major, uint32_t minor, uint32_t mode,
			   const struct file_ops *ops, void *private_data)
{
	KASSERT(ops->component != nullptr);
	struct chrdev *d = kmalloc(sizeof(*d));
	if (d == nullptr)
		return -ENOMEM;
	*d = (struct chrdev){.info = {name, major, minor, mode, link}, .ops = ops, .private_data = private_data};
	mutex_lock(&table_lock);
	bool taken = find_device(major, minor) != nullptr;
	if (!taken)
		list_push_back(&table, &d->link);
	mutex_unlock(&table_lock);
	if (taken) {
		kfree(d);
		return -EEXIST;
	}
	int error = change_node != nullptr ? change_node(&d->info, true) : 0;
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
	if (change_node != nullptr)
		(void)change_node(&d->info, false);
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
