/* SPDX-License-Identifier: MIT */
/* /proc/hardware: the tree of devices as a table; written to, it begins one anew: restart NAME. And how a component
 * begins anew whose devices they are. */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/node.h>
#include <kernel/device/restart.h>
#include <kernel/mem/text.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t RESTART_LIMIT_NS = 60'000'000'000;

const char *device_state_name(enum device_state state)
{
	static const char *const names[] = {"unbound", "attaching", "up",   "ending",
					    "pausing", "absent",    "down", "gone"};

	return (uint32_t)state < ARRAY_LEN(names) ? names[state] : "?";
}

void device_get_info(struct device *dev, struct device_info *out)
{
	*out = (struct device_info){
		.state = __atomic_load_n(&dev->state, __ATOMIC_ACQUIRE),
		.error = __atomic_load_n(&dev->error, __ATOMIC_RELAXED),
		.faults = __atomic_load_n(&dev->faults, __ATOMIC_RELAXED),
		.restarts = __atomic_load_n(&dev->restarts, __ATOMIC_RELAXED),
		.lost = __atomic_load_n(&dev->lost, __ATOMIC_RELAXED),
	};
	spin_lock(&dev->lock);
	out->resources = dev->resource_count;
	spin_unlock(&dev->lock);
}

static int show_hardware(struct text_buffer *b, void *)
{
	text_printf(b, "%-20s %-16s %-10s %-12s %-9s %6s %8s %9s %4s\n", "name", "below", "bus", "driver", "state",
		    "faults", "restarts", "resources", "lost");
	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev)) {
		struct device_info i;

		device_get_info(dev, &i);
		text_printf(b, "%-20s %-16s %-10s %-12s %-9s %6u %8u %9u %4u\n", dev->name,
			    dev->parent != nullptr ? dev->parent->name : "-", dev->bus->name,
			    dev->driver != nullptr ? dev->driver->name : "-", device_state_name(i.state), i.faults,
			    i.restarts, i.resources, i.lost);
	}
	return 0;
}

/* Looked at in this order: a round says that it attaches, then that nobody asks any more. */
bool device_restarting(const struct device *dev)
{
	return !device_flag(&dev->gone) &&
	       (device_flag(&dev->asked) || __atomic_load_n(&dev->state, __ATOMIC_ACQUIRE) == DEVICE_ATTACHING);
}

static int restart(struct device *dev)
{
	int error = device_restart(dev);

	if (error < 0)
		return error;
	error = wait_event_interruptible_deadline(&device_changes, !device_restarting(dev),
						  clock_monotonic_ns() + RESTART_LIMIT_NS);
	if (error < 0)
		return error;
	return __atomic_load_n(&dev->state, __ATOMIC_ACQUIRE) == DEVICE_UP ? 0 : -EIO;
}

/* "restart NAME" */
static long write_hardware(const char *text, size_t n, void *)
{
	static const char verb[] = "restart ";
	constexpr size_t verb_length = sizeof(verb) - 1;
	char name[DEVICE_NAME_MAX] = "";
	size_t length = n > 0 && text[n - 1] == '\n' ? n - 1 : n;

	if (length < verb_length || memcmp(text, verb, verb_length) != 0)
		return -EINVAL;
	if (length - verb_length >= sizeof(name))
		return -ENOENT;
	memcpy(name, text + verb_length, length - verb_length);
	struct device *dev = device_find(name);
	if (dev == nullptr)
		return -ENOENT;
	int error = restart(dev);
	device_put(dev);
	return error != 0 ? error : (long)n;
}

PROC_FILE(hardware, .component = &component_device, .name = "hardware", .mode = 0644, .show = show_hardware,
	  .write = write_hardware);

static uint32_t restart_component(struct component *c)
{
	uint32_t asked = 0;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev))
		asked += dev->driver != nullptr && dev->driver->component == c && device_restart(dev) == 0;
	if (asked > 0)
		__atomic_fetch_add(&c->restarts, 1, __ATOMIC_RELAXED);
	return asked;
}

static bool component_restarting(const struct component *c)
{
	bool some = false;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev))
		some = some || (dev->driver != nullptr && dev->driver->component == c && device_restarting(dev));
	return some;
}

const struct component_parts device_component_parts = {.restart = restart_component,
						       .restarting = component_restarting};
