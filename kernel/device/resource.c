/* SPDX-License-Identifier: MIT */
/*
 * What a device owns (struct resource, kernel/device/device.h). Each step takes one resource under the lock and calls
 * its function without, so that a fault in one leaves the list whole and the others are served.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>

int device_own(struct device *dev, struct resource *r, const struct resource_ops *ops)
{
	int error = -ENODEV;

	spin_lock(&dev->lock);
	if (dev->open) {
		r->ops = ops;
		r->device = dev;
		r->suspended = false;
		list_push_front(&dev->resources, &r->link);
		dev->resource_count++;
		error = 0;
	}
	spin_unlock(&dev->lock);
	return error;
}

bool device_disown(struct resource *r)
{
	struct device *dev = r->device;

	spin_lock(&dev->lock);
	bool had = !list_empty(&r->link);
	if (had) {
		list_remove(&r->link);
		dev->resource_count--;
	}
	spin_unlock(&dev->lock);
	return had;
}

void device_give_back(struct resource *r)
{
	if (device_disown(r))
		r->ops->release(r);
}

struct resource *device_kept(struct device *dev, const struct resource_ops *ops, struct resource *after)
{
	struct resource *found = nullptr, *r;
	bool beyond = after == nullptr;

	spin_lock(&dev->lock);
	list_for_each(r, &dev->resources, link) {
		if (beyond && r->ops == ops) {
			found = r;
			break;
		}
		beyond = beyond || r == after;
	}
	spin_unlock(&dev->lock);
	return found;
}

void device_open(struct device *dev, bool open)
{
	struct resource *r;

	spin_lock(&dev->lock);
	dev->open = open;
	list_for_each(r, &dev->resources, link) {
		if (open)
			r->suspended = false;
	}
	spin_unlock(&dev->lock);
}

/* A thread that faults several times without ever having parked is taken for one that does nothing else. */
static void breathe(void)
{
	(void)thread_park(1);
}

static bool try_to(struct resource *r, const struct resource_ops *ops, void (*fn)(struct resource *r))
{
	bool done = guard_run_void(ops->component, fn(r));

	if (!done)
		breathe();
	return done;
}

static void call(struct device *dev, struct resource *r, void (*fn)(struct resource *r), const char *what)
{
	/* The resource may be freed by it, or spoilt already. */
	const struct resource_ops *ops = r->ops;

	/* What is suspended stays, and who it belongs to relies on it: once more. So `suspend` may be called again. */
	if (try_to(r, ops, fn) || (fn == ops->suspend && try_to(r, ops, fn)))
		return;
	dev->lost++;
	log_error("device: %s: %s: fault in %s, it is lost", dev->name, ops->name, what);
}

static struct resource *take_unsuspended(struct device *dev)
{
	struct resource *found = nullptr, *r;

	spin_lock(&dev->lock);
	list_for_each(r, &dev->resources, link) {
		if (r->ops->suspend != nullptr && !r->suspended) {
			r->suspended = true;
			found = r;
			break;
		}
	}
	spin_unlock(&dev->lock);
	return found;
}

void device_suspend_all(struct device *dev)
{
	for (struct resource *r; (r = take_unsuspended(dev)) != nullptr;)
		call(dev, r, r->ops->suspend, "suspend");
}

/* The newest; without `kept`, of those that are not. */
static struct resource *take_newest(struct device *dev, bool kept)
{
	struct resource *found = nullptr, *r;

	spin_lock(&dev->lock);
	list_for_each(r, &dev->resources, link) {
		if (kept || r->ops->gone == nullptr) {
			found = r;
			break;
		}
	}
	if (found != nullptr) {
		list_remove(&found->link);
		dev->resource_count--;
	}
	spin_unlock(&dev->lock);
	return found;
}

void device_release_all(struct device *dev)
{
	for (struct resource *r; (r = take_newest(dev, false)) != nullptr;)
		call(dev, r, r->ops->release, "release");
}

void device_gone_all(struct device *dev)
{
	for (struct resource *r; (r = take_newest(dev, true)) != nullptr;)
		call(dev, r, r->ops->gone != nullptr ? r->ops->gone : r->ops->release, "gone");
}
