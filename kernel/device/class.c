/* SPDX-License-Identifier: MIT */
/* Objects of classes in /sys (kernel/device/class.h). */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/device/class.h>
#include <kernel/mem/text.h>
#include <lib/string.h>

static int show_number(struct text_buffer *b, void *arg)
{
	const struct class_entry *e = arg;

	text_printf(b, "%u:%u\n", e->major, e->minor);
	return 0;
}

static int show_uevent(struct text_buffer *b, void *arg)
{
	const struct class_entry *e = arg;

	if (e->has_number)
		text_printf(b, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", e->major, e->minor,
			    e->node != nullptr ? e->node : e->name);
	if (e->type != nullptr)
		text_printf(b, "DEVTYPE=%s\n", e->type);
	return e->uevent != nullptr ? e->uevent(b, e->uevent_arg) : 0;
}

static const struct node_file of_all[] = {
	{.component = &component_device, .name = "uevent", .mode = 0444, .show = show_uevent},
	{},
};
static const struct node_file of_numbered[] = {
	{.component = &component_device, .name = "dev", .mode = 0444, .show = show_number},
	{},
};

/* Where e's directory is: in its parent's; else in one of the class's name in its device's. */
static struct tree_node *place_of(const struct class_entry *e)
{
	struct tree_node *above = e->parent != nullptr	 ? e->parent->directory
				  : e->device != nullptr ? e->device->directory
							 : tree_path(&sys_tree, "devices/virtual");

	return above != nullptr && e->parent == nullptr ? tree_path(above, e->class) : above;
}

/* Whether it is a part of a disk, as a partition is. */
static bool is_part(const struct class_entry *e)
{
	return e->block && e->parent != nullptr && strcmp(e->parent->class, e->class) == 0;
}

/* The directories with links to e; in that order they are given back, nullptr at those that have none. */
enum { LINK_CLASS, LINK_NUMBER, LINK_BLOCK, LINKS };

static struct tree_node *directory_of_link(const struct class_entry *e, int which, char *name, size_t size)
{
	struct tree_node *classes = tree_path(&sys_tree, "class");

	strlcpy(name, e->name, size);
	switch (which) {
	case LINK_CLASS: return classes != nullptr ? tree_path(classes, e->class) : nullptr;
	case LINK_BLOCK: return e->block && !is_part(e) ? tree_path(&sys_tree, "block") : nullptr;
	default: snprintf(name, size, "%u:%u", e->major, e->minor);
	}
	return e->has_number ? tree_path(&sys_tree, e->block ? "dev/block" : "dev/char") : nullptr;
}

static int add_links(struct class_entry *e)
{
	int error = 0;

	for (int n = 0; error == 0 && n < LINKS; n++) {
		char name[CLASS_NAME_MAX];
		struct tree_node *dir = directory_of_link(e, n, name, sizeof(name));

		if (dir == nullptr)
			continue;
		error = tree_add_link(dir, name, e->directory);
		if (error == 0)
			e->links |= 1u << n;
		if (error == 0 && n == LINK_CLASS)
			error = tree_add_link(e->directory, "subsystem", dir);
	}
	struct tree_node *above = is_part(e)		 ? nullptr
				  : e->parent != nullptr ? e->parent->directory
				  : e->device != nullptr ? e->device->directory
							 : nullptr;
	if (error == 0 && above != nullptr)
		error = tree_add_link(e->directory, "device", above);
	return error;
}

void class_add(struct class_entry *e, const struct node_file *files, void *arg)
{
	struct tree_node *place = place_of(e);

	int error = place != nullptr ? tree_add_directory(place, e->name, &e->directory) : -ENOMEM;
	if (error == 0)
		error = tree_add_files(e->directory, of_all, e);
	if (error == 0 && e->has_number)
		error = tree_add_files(e->directory, of_numbered, e);
	if (error == 0 && files != nullptr)
		error = tree_add_files(e->directory, files, arg);
	if (error == 0)
		error = add_links(e);
	/* The device may be on its way out. */
	if (error != 0 && error != -ENODEV)
		log_warn("device: %s: /sys does not show all of it: error %d", e->name, -error);
}

void class_remove(struct class_entry *e)
{
	for (int n = 0; n < LINKS; n++) {
		char name[CLASS_NAME_MAX];

		if (e->links & 1u << n)
			tree_remove_name(directory_of_link(e, n, name, sizeof(name)), name);
	}
	e->links = 0;
	tree_remove(e->directory);
	tree_put(e->directory);
	e->directory = nullptr;
}
