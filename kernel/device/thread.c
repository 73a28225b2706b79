/* SPDX-License-Identifier: MIT */
/*
 * Further threads of a driver (kernel/device/thread.h). The record has two owners, the thread and the device: one that
 * does not come back when it should is left behind with it.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/device/thread.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>

constexpr uint64_t END_LIMIT_NS = 60'000'000'000;

struct device_thread {
	struct resource resource;
	struct device *device; /* counted */
	void (*fn)(struct device *dev, void *arg);
	void *arg;
	uint32_t owners; /* atomic */
	bool returned;	 /* fn has, without a fault */
	struct spinlock lock;
	struct thread *thread GUARDED_BY(&lock); /* while it runs */
};

static void put_record(struct device_thread *t)
{
	if (__atomic_sub_fetch(&t->owners, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	device_put(t->device);
	kfree(t);
}

void device_thread_wake(struct device_thread *t)
{
	spin_lock(&t->lock);
	if (t->thread != nullptr)
		thread_unpark(t->thread);
	spin_unlock(&t->lock);
}

static bool has_ended(struct device_thread *t)
{
	spin_lock(&t->lock);
	bool ended = t->thread == nullptr;
	spin_unlock(&t->lock);
	return ended;
}

static void run(void *arg)
{
	struct device_thread *t = arg;
	struct device *dev = t->device;

	t->returned = guard_run_void(dev->driver->component, t->fn(dev, t->arg));
}

/* It is gone, wherever it faulted. */
static void run_over(void *arg)
{
	struct device_thread *t = arg;
	struct device *dev = t->device;

	if (!t->returned)
		device_fail(dev, "fault in a thread");
	else if (!device_stopping(dev))
		device_fail(dev, "a thread returned");
	device_irqs_leave(dev);
	spin_lock(&t->lock);
	t->thread = nullptr;
	spin_unlock(&t->lock);
	wait_wake_all(&device_changes);
	thread_told();
	put_record(t);
}

/* It is the device's round that ends: so must the thread. */
static void suspend_thread(struct resource *r)
{
	struct device_thread *t = container_of(r, struct device_thread, resource);

	device_thread_wake(t);
	if (wait_event_patiently(&device_changes, has_ended(t), END_LIMIT_NS) != 0) {
		log_error("device: %s: a thread of %s does not end", t->device->name, t->device->driver->name);
		/* It may still use it, and tell the device of memory that the device had. */
		t->device->private = nullptr;
		t->device->lost++;
		device_not_silent(t->device);
	}
}

static void release_thread(struct resource *r)
{
	put_record(container_of(r, struct device_thread, resource));
}

static const struct resource_ops thread_ops = {
	.name = "thread", .component = &component_device, .suspend = suspend_thread, .release = release_thread};

int device_thread_start(struct device *dev, const char *name, void (*fn)(struct device *dev, void *arg), void *arg,
			struct device_thread **out)
{
	struct device_thread *t = kmalloc(sizeof(*t));
	struct thread *thread;

	if (t == nullptr)
		return -ENOMEM;
	t->device = device_get(dev);
	t->fn = fn;
	t->arg = arg;
	t->owners = 2;
	t->returned = false;
	spin_init(&t->lock, RANK_NONE);
	int error = thread_create(name, dev->driver->component, 0, run, t, &thread);
	if (error < 0) {
		device_put(dev);
		kfree(t);
		return error;
	}
	thread->over = run_over;
	spin_lock(&t->lock);
	t->thread = thread;
	spin_unlock(&t->lock);
	error = device_own(dev, &t->resource, &thread_ops);
	/* Started in any case: a thread that was made has to end. The round of this one is over. */
	thread_start(thread);
	if (error < 0)
		put_record(t);
	else if (out != nullptr)
		*out = t;
	return error;
}
