/* SPDX-License-Identifier: MIT */
/*
 * The tree of devices (kernel/device/device.h): one list in the order of adding, in which parents come before their
 * children. A device is on it until it was removed, and in memory until the last reference is gone; it holds one on its
 * parent, and its thread one on it.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/tree.h>
#include <lib/string.h>

/* What does not end by then is left behind: far beyond what a busy host takes. */
constexpr uint64_t REMOVE_LIMIT_NS = 60'000'000'000;
constexpr uint64_t SETTLE_LIMIT_NS = 60'000'000'000;

struct spinlock devices_lock = SPINLOCK_INIT(RANK_NONE);
struct list devices = LIST_INIT(devices);
struct wait_queue device_changes = WAIT_QUEUE_INIT(device_changes);
static uint32_t last_id; /* devices_lock */

/* Of a device that could not be added. */
static const struct bus no_bus = {.name = "none"};

struct device *device_get(struct device *dev)
{
	__atomic_fetch_add(&dev->references, 1, __ATOMIC_RELAXED);
	return dev;
}

void device_put(struct device *dev)
{
	while (dev != nullptr && __atomic_sub_fetch(&dev->references, 1, __ATOMIC_ACQ_REL) == 0) {
		struct device *parent = dev->parent;

		tree_put(dev->directory);
		if (dev->bus->release != nullptr)
			(void)guard_run_void(dev->bus->component, dev->bus->release(dev, dev->bus_data));
		kfree(dev);
		dev = parent;
	}
}

static struct device *find_locked(const char *name)
{
	struct device *dev;

	list_for_each(dev, &devices, link) {
		if (strcmp(dev->name, name) == 0)
			return dev;
	}
	return nullptr;
}

/* Into the tree, if its name and its parent let it. */
static int list_device(struct device *dev)
{
	int error = 0;

	spin_lock(&devices_lock);
	if (find_locked(dev->name) != nullptr) {
		error = -EEXIST;
	} else if (dev->parent != nullptr && dev->parent->gone) {
		error = -ENODEV;
	} else {
		dev->id = ++last_id;
		list_push_back(&devices, &dev->link);
	}
	spin_unlock(&devices_lock);
	return error;
}

static void unlist(struct device *dev)
{
	spin_lock(&devices_lock);
	list_remove(&dev->link);
	__atomic_store_n(&dev->unlisted, true, __ATOMIC_RELEASE);
	spin_unlock(&devices_lock);
	wait_wake_all(&device_changes);
}

int device_add_get(struct device *parent, const struct bus *bus, const char *name, void *bus_data, struct device **out)
{
	size_t length = strlen(name);

	if (length == 0 || length >= DEVICE_NAME_MAX)
		return -EINVAL;
	struct device *dev = kmalloc(sizeof(*dev));
	if (dev == nullptr)
		return -ENOMEM;
	dev->references = 2; /* the tree's and the caller's, before anybody can remove it */
	dev->bus = bus;
	dev->bus_data = bus_data;
	dev->parent = parent != nullptr ? device_get(parent) : nullptr;
	memcpy(dev->name, name, length);
	spin_init(&dev->lock, RANK_NONE);
	list_init(&dev->link);
	list_init(&dev->resources);
	dev->driver = driver_find(dev);
	dev->state = dev->driver != nullptr ? DEVICE_ATTACHING : DEVICE_UNBOUND;
	int error = device_show(dev);
	if (error == 0)
		error = list_device(dev);
	if (error == 0 && dev->driver != nullptr) {
		spin_lock(&dev->lock);
		dev->starting = true;
		spin_unlock(&dev->lock);
		error = device_start(dev);
		if (error < 0)
			unlist(dev);
	}
	if (error < 0) {
		device_hide(dev);
		/* Somebody who walked by may have a reference, but the bus data stay the caller's. */
		dev->bus = &no_bus;
		device_put(dev);
		device_put(dev);
		return error;
	}
	*out = dev;
	return 0;
}

int device_add(struct device *parent, const struct bus *bus, const char *name, void *bus_data, struct device **out)
{
	struct device *dev;
	int error = device_add_get(parent, bus, name, bus_data, &dev);

	if (error < 0)
		return error;
	if (out != nullptr)
		*out = dev;
	device_put(dev);
	return 0;
}

/* The newest device directly below one, with a reference, or nullptr. */
static struct device *last_child(const struct device *parent)
{
	struct device *found = nullptr, *dev;

	spin_lock(&devices_lock);
	list_for_each(dev, &devices, link) {
		if (dev->parent == parent)
			found = dev;
	}
	if (found != nullptr)
		(void)device_get(found);
	spin_unlock(&devices_lock);
	return found;
}

static bool has_thread(struct device *dev)
{
	spin_lock(&dev->lock);
	bool has = dev->thread != nullptr || dev->starting;
	spin_unlock(&dev->lock);
	return has;
}

/* Nobody waits for the thread any longer: it puts its reference itself, which is put here if there is none (true). */
static bool leave_thread(struct device *dev)
{
	spin_lock(&dev->lock);
	bool lives = dev->abandoned = dev->thread != nullptr || dev->starting;
	bool put = dev->counted && !lives;
	spin_unlock(&dev->lock);
	if (lives)
		log_error("device: %s is gone, but %s does not come back from it", dev->name, dev->driver->name);
	if (put)
		device_put(dev);
	return !lives;
}

void device_remove(struct device *dev)
{
	spin_lock(&devices_lock);
	bool first = !__atomic_exchange_n(&dev->gone, true, __ATOMIC_ACQ_REL);
	spin_unlock(&devices_lock);
	if (!first) {
		(void)wait_event_patiently(&device_changes, device_flag(&dev->unlisted), REMOVE_LIMIT_NS);
		return;
	}
	for (struct device *child; (child = last_child(dev)) != nullptr; device_put(child))
		device_remove(child);
	/* Also if it faulted so often that the core had it stay down. */
	__atomic_store_n(&dev->service.again, true, __ATOMIC_RELEASE);
	device_wake(dev);
	(void)wait_event_patiently(&device_changes, !has_thread(dev), REMOVE_LIMIT_NS);
	if (leave_thread(dev)) {
		__atomic_store_n(&dev->state, DEVICE_GONE, __ATOMIC_RELEASE);
		device_gone_all(dev);
	}
	device_hide(dev);
	unlist(dev);
	device_put(dev);
}

/* Its round is over, or there is no thread that could have one. */
static bool has_come_to_rest(struct device *dev)
{
	spin_lock(&dev->lock);
	bool resting = dev->resting || (dev->thread == nullptr && !dev->starting);
	spin_unlock(&dev->lock);
	return resting;
}

void device_rest(struct device *dev)
{
	spin_lock(&dev->lock);
	__atomic_store_n(&dev->rests, true, __ATOMIC_RELEASE);
	spin_unlock(&dev->lock);
	device_wake(dev);
	if (wait_event_patiently(&device_changes, has_come_to_rest(dev), REMOVE_LIMIT_NS) != 0)
		log_error("device: %s is to rest, but %s does not come back from it", dev->name, dev->driver->name);
}

int device_go_on(struct device *dev, void *bus_data, void **before)
{
	spin_lock(&dev->lock);
	bool gone = device_is_gone(dev);
	if (!gone) {
		*before = dev->bus_data;
		dev->bus_data = bus_data;
		dev->resting = false;
		__atomic_store_n(&dev->rests, false, __ATOMIC_RELEASE);
	}
	spin_unlock(&dev->lock);
	if (gone)
		return -ENODEV;
	/* Also if it was absent, or down: behind other registers it may be there. */
	(void)device_restart(dev);
	return 0;
}

/* Those whose drivers want to know that power goes rest before; should it not go, they go on. */
static void tell_of_power(bool off)
{
	void *before;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev)) {
		if (dev->driver == nullptr || !dev->driver->hears_of_power)
			continue;
		if (off)
			device_rest(dev);
		else
			(void)device_go_on(dev, dev->bus_data, &before);
	}
}

struct device *device_each(struct device *after)
{
	struct device *found = nullptr, *dev;

	spin_lock(&devices_lock);
	list_for_each(dev, &devices, link) {
		if (after == nullptr || dev->id > after->id) {
			found = device_get(dev);
			break;
		}
	}
	spin_unlock(&devices_lock);
	device_put(after);
	return found;
}

struct device *device_find(const char *name)
{
	spin_lock(&devices_lock);
	struct device *dev = find_locked(name);
	if (dev != nullptr)
		(void)device_get(dev);
	spin_unlock(&devices_lock);
	return dev;
}

/* Whether each device that has a driver has had its first attach. */
static bool all_tried(void)
{
	bool all = true;
	struct device *dev;

	spin_lock(&devices_lock);
	list_for_each(dev, &devices, link)
		all = all && (dev->driver == nullptr || device_flag(&dev->tried) || device_flag(&dev->gone));
	spin_unlock(&devices_lock);
	return all;
}

void devices_settle(void)
{
	if (wait_event_patiently(&device_changes, all_tried(), SETTLE_LIMIT_NS) != 0)
		log_warn("device: some devices are still being attached");
}

const char *device_name(const struct device *dev)
{
	return dev->name;
}

struct device *device_parent(const struct device *dev)
{
	return dev->parent;
}

const struct bus *device_bus(const struct device *dev)
{
	return dev->bus;
}

const struct driver *device_driver(const struct device *dev)
{
	return dev->driver;
}

void *device_bus_data(const struct device *dev)
{
	return dev->bus_data;
}

void *device_private(const struct device *dev)
{
	return dev->private;
}

static int start_devices(void)
{
	component_set_parts(&device_component_parts);
	power_set_farewell(tell_of_power);
	devices_settle();
	return 0;
}

/* Boot goes on when the devices that the buses found have been tried: one of them is the console. */
DEFINE_COMPONENT(
	device, .stage = STAGE_DRIVER, .start = start_devices,
	.users = "who asked for something of a device gets EFAULT; a driver in whose thread it was begins anew",
	.stays =
		"it has no thread: drivers' threads run it, and they begin anew; its data are what they are begun anew by");
