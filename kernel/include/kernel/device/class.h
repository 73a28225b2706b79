/* SPDX-License-Identifier: MIT */
/*
 * What programs find of devices in /sys (Linux, Documentation/ABI/testing/sysfs-devices, sysfs-class): each device has
 * a directory below that of its parent, /sys/devices/platform/… or, where the bus has no such name, /sys/devices/…,
 * with links between it, its bus and its driver. The core makes all of that; a bus adds its entries in bus->entries,
 * and a class its objects (a disk, a terminal) by class_add.
 */
#ifndef KERNEL_DEVICE_CLASS_H
#define KERNEL_DEVICE_CLASS_H

#include <kernel/device/device.h>
#include <kernel/vfs/tree.h>

constexpr size_t CLASS_NAME_MAX = 40; /* with the end */

/*
 * An object of a class: …/DEVICE/CLASS/NAME, or /sys/devices/virtual/CLASS/NAME without a device, and below another
 * object …/PARENT/NAME, with a link `device` to what it is an object of. With links from /sys/class/CLASS, and, if it
 * has a number, from /sys/dev/char or block, a file `dev`, and `uevent`. Memory is the caller's, zeroed but for the
 * first part, and stays until class_remove.
 */
struct class_entry {
	const char *class;	    /* "block", "tty", … */
	struct device *device;	    /* nullptr: none */
	struct class_entry *parent; /* nullptr: none; a partition's disk */
	bool block, has_number;
	uint32_t major, minor;
	const char *type; /* DEVTYPE of uevent: "disk", "partition"; nullptr: none */
	const char *node; /* its name below /dev; nullptr: as `name` */
	/* Further lines of uevent; nullptr: none. Under the guard of the device floor. */
	int (*uevent)(struct text_buffer *b, void *arg);
	void *uevent_arg;
	char name[CLASS_NAME_MAX];
	/* set by class_add */
	struct tree_node *directory; /* for entries of its own; nullptr: it is not shown */
	uint32_t links;
};
/* Shows it, with the files of a table (may be nullptr) that get arg. What cannot be shown for want of memory is not; so
 * there is no error. May sleep; RANK_FS and above is taken. */
void class_add(struct class_entry *e, const struct node_file *files, void *arg);
/* Returns when no function of its files runs any more; after that of what is below it. Also if it was never added. */
void class_remove(struct class_entry *e);

#endif
