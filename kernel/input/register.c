/* SPDX-License-Identifier: MIT */
/*
 * Input devices come and go (kernel/input/input.h). One that has a device is that one's resource, kept through its
 * rounds. Of those that are there, the lowest free number is its node's; /sys counts on.
 */
#include "input_internal.h"

#include <abi/errno.h>
#include <abi/signal.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

static struct spinlock devices_lock = SPINLOCK_INIT(RANK_NONE);
static struct input_device *devices[INPUT_DEVICES_MAX] GUARDED_BY(&devices_lock);
static unsigned next_number GUARDED_BY(&devices_lock);
/* Not the devices' own: who walks the table of character devices may still read one that has gone. */
static char node_names[INPUT_DEVICES_MAX][sizeof("input/event255")];

static bool is_ready(const struct input_device *i)
{
	return i != nullptr && __atomic_load_n(&i->ready, __ATOMIC_ACQUIRE);
}

struct input_device *input_of_minor(uint32_t minor)
{
	uint32_t slot = minor >= 256 ? minor - 256 + 32 : minor - 64;
	struct input_device *i = nullptr;

	if (slot >= INPUT_DEVICES_MAX)
		return nullptr;
	spin_lock(&devices_lock);
	i = is_ready(devices[slot]) ? devices[slot] : nullptr;
	if (i != nullptr)
		input_get(i);
	spin_unlock(&devices_lock);
	return i;
}

struct input_device *input_each(struct input_device *after)
{
	struct input_device *best = nullptr;
	unsigned from = after != nullptr ? after->number + 1 : 0;

	spin_lock(&devices_lock);
	for (unsigned n = 0; n < INPUT_DEVICES_MAX; n++) {
		struct input_device *i = devices[n];

		if (is_ready(i) && i->number >= from && (best == nullptr || i->number < best->number))
			best = i;
	}
	if (best != nullptr)
		input_get(best);
	spin_unlock(&devices_lock);
	if (after != nullptr)
		input_put(after);
	return best;
}

/* --- going --- */

static void suspend(struct resource *r)
{
	struct input_device *i = container_of(r, struct input_device, resource);

	input_release_keys(i);
	spin_lock(&i->lock);
	i->suspended = true;
	i->repeat_key = 0;
	spin_unlock(&i->lock);
}

void input_gone(struct input_device *i)
{
	spin_lock(&i->lock);
	i->going = true;
	spin_unlock(&i->lock);
	input_release_keys(i);
	spin_lock(&i->lock);
	i->gone = true;
	i->output = nullptr;
	i->repeat_key = 0;
	spin_unlock(&i->lock);
	(void)timer_cancel(&i->repeat);
	for (const struct input_listener *l = __input_listeners_start; l < __input_listeners_end; l++) {
		if (l->gone != nullptr && input_concerns(l, i))
			(void)guard_run_void(l->component, l->gone(i));
	}
	input_wake(i, POLL_HUP);
	chrdev_unregister(INPUT_MAJOR, input_minor(i->slot));
	class_remove(&i->event_entry);
	class_remove(&i->entry);
	spin_lock(&devices_lock);
	if (devices[i->slot] == i)
		devices[i->slot] = nullptr;
	spin_unlock(&devices_lock);
	input_put(i);
}

static void resource_gone(struct resource *r)
{
	input_gone(container_of(r, struct input_device, resource));
}

static const struct resource_ops input_resource = {.name = "input device",
						   .component = &component_input,
						   .suspend = suspend,
						   .release = resource_gone,
						   .gone = resource_gone};

/* --- coming --- */

static bool capabilities_are_good(const struct input_capabilities *c)
{
	if (c->name == nullptr || c->name[0] == '\0')
		return false;
	for (unsigned axis = 0; axis <= ABS_MAX; axis++) {
		if (bitmap_test(&c->can.abs, axis) && c->absinfo[axis].minimum > c->absinfo[axis].maximum)
			return false;
	}
	return true;
}

/* What a device says of itself is shown in lines and between quotes. */
static void take_text(char *to, const char *from, size_t size)
{
	strlcpy(to, from != nullptr ? from : "", size);
	for (; *to != '\0'; to++) {
		if (*to < ' ' || *to == '"' || *to == 0x7f)
			*to = '?';
	}
}

static void take_link(char *to, const char *from)
{
	constexpr char folder[] = "input/by-id/";

	to[0] = '\0';
	if (from == nullptr)
		return;
	memcpy(to, folder, sizeof(folder));
	to += sizeof(folder) - 1;
	take_text(to, from, INPUT_TEXT_MAX - sizeof(folder) + 1);
	for (; *to != '\0'; to++) {
		if (*to == '/' || *to == ' ' || (unsigned char)*to >= 0x80)
			*to = '_';
	}
}

static void take_output(struct input_device *i, const struct input_capabilities *c)
{
	spin_lock(&i->lock);
	i->output = c->output;
	i->output_arg = c->arg;
	i->suspended = false;
	spin_unlock(&i->lock);
}

static void fill(struct input_device *i, const struct input_capabilities *c)
{
	take_text(i->name, c->name, sizeof(i->name));
	take_text(i->phys, c->phys, sizeof(i->phys));
	take_text(i->uniq, c->uniq, sizeof(i->uniq));
	take_link(i->link, c->link);
	i->id = c->id;
	i->properties = c->properties;
	i->can = c->can;
	bitmap_set(&i->can.ev, EV_SYN);
	bitmap_clear(i->can.key, 0); /* KEY_RESERVED is none */
	spin_init(&i->lock, RANK_INPUT);
	wait_queue_init(&i->readers);
	async_list_init(&i->async);
	timer_init(&i->repeat, input_timer);
	list_init(&i->resource.link);
	spin_lock(&i->lock);
	memcpy(i->absinfo, c->absinfo, sizeof(i->absinfo));
	list_init(&i->clients);
	if (bitmap_test(&i->can.ev, EV_REP)) {
		i->repeat_ms[REP_DELAY] = REPEAT_DELAY_MS;
		i->repeat_ms[REP_PERIOD] = REPEAT_PERIOD_MS;
	}
	spin_unlock(&i->lock);
	take_output(i, c);
}

static bool find_slot(struct input_device *i)
{
	unsigned slot = 0;

	spin_lock(&devices_lock);
	while (slot < INPUT_DEVICES_MAX && devices[slot] != nullptr)
		slot++;
	bool found = slot < INPUT_DEVICES_MAX;
	if (found) {
		devices[slot] = i;
		i->slot = slot;
		i->number = next_number++;
	}
	spin_unlock(&devices_lock);
	return found;
}

static void show(struct input_device *i)
{
	i->entry = (struct class_entry){.class = "input", .device = i->device};
	snprintf(i->entry.name, sizeof(i->entry.name), "input%u", i->number);
	class_add(&i->entry, input_files, i);
	tree_way(&sys_tree, i->entry.directory, i->place, sizeof(i->place));
	i->event_entry = (struct class_entry){.class = "input",
					      .device = i->device,
					      .parent = &i->entry,
					      .has_number = true,
					      .major = INPUT_MAJOR,
					      .minor = input_minor(i->slot),
					      .node = node_names[i->slot]};
	snprintf(i->event_entry.name, sizeof(i->event_entry.name), "event%u", i->slot);
	class_add(&i->event_entry, nullptr, nullptr);
}

/* The one that the device had in the round before. */
static struct input_device *find_kept(struct device *dev, const struct input_device *like)
{
	for (struct resource *r = nullptr; (r = device_kept(dev, &input_resource, r)) != nullptr;) {
		struct input_device *i = container_of(r, struct input_device, resource);

		if (strcmp(i->name, like->name) == 0 && strcmp(i->phys, like->phys) == 0 &&
		    memcmp(&i->id, &like->id, sizeof(i->id)) == 0 && memcmp(&i->can, &like->can, sizeof(i->can)) == 0)
			return i;
	}
	return nullptr;
}

static int resume(struct input_device *i, const struct input_capabilities *c, struct input_device **out)
{
	spin_lock(&i->lock);
	bool suspended = i->suspended;
	spin_unlock(&i->lock);
	if (!suspended)
		return -EEXIST;
	take_output(i, c);
	*out = i;
	return 0;
}

int input_register(struct device *dev, const struct input_capabilities *c, struct input_device **out)
{
	struct input_device *i;

	if (!capabilities_are_good(c))
		return -EINVAL;
	i = kmalloc(sizeof(*i));
	if (i == nullptr)
		return -ENOMEM;
	i->refs = 1;
	i->device = dev != nullptr ? device_get(dev) : nullptr;
	fill(i, c);
	struct input_device *kept = dev != nullptr ? find_kept(dev, i) : nullptr;
	if (kept != nullptr) {
		input_put(i);
		return resume(kept, c, out);
	}
	if (!find_slot(i)) {
		input_put(i);
		return -ENOSPC;
	}
	snprintf(node_names[i->slot], sizeof(node_names[i->slot]), "input/event%u", i->slot);
	show(i);
	__atomic_store_n(&i->ready, true, __ATOMIC_RELEASE);
	int error = chrdev_register_linked(node_names[i->slot], i->link[0] != '\0' ? i->link : nullptr, INPUT_MAJOR,
					   input_minor(i->slot), 0660, &evdev_ops, nullptr);
	if (error == 0 && dev != nullptr)
		error = device_own(dev, &i->resource, &input_resource);
	if (error < 0) {
		input_gone(i);
		return error;
	}
	log_info("%s: %s", i->entry.name, i->name);
	*out = i;
	return 0;
}
