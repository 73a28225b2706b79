/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of a device (kernel/device/irq.h). The nucleus wakes the thread that attached an interrupt, and takes it
 * back from that thread only. So a further thread of a driver gives its own back before it ends.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/device/irq.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <nucleus/calls.h>

struct interrupt {
	struct resource resource;
	const struct thread *owner; /* who opened it */
	unsigned index;
	uint32_t handle;
	bool attached, by_bus;
};

static void detach(struct device *dev, struct interrupt *i)
{
	if (i->attached && i->by_bus)
		dev->bus->release_irq(dev, i->index, i->handle);
	else if (i->attached)
		(void)nucleus_irq_detach(i->handle);
	i->attached = false;
}

static void release_interrupt(struct resource *r)
{
	struct interrupt *i = container_of(r, struct interrupt, resource);

	detach(r->device, i);
	kfree(i);
}

static const struct resource_ops interrupt_ops = {
	.name = "interrupt", .component = &component_device, .release = release_interrupt};

static int attach_line(struct device *dev, struct interrupt *i)
{
	struct device_line line;
	int error = device_line(dev, i->index, &line);

	if (error < 0)
		return error;
	long handle = nucleus_irq_attach(line.gsi, line.flags);
	if (handle < 0)
		return (int)handle;
	i->handle = (uint32_t)handle;
	return 0;
}

static int attach_by_bus(struct device *dev, struct interrupt *i)
{
	i->by_bus = true;
	return (int)guard_run(dev->bus->component, dev->bus->attach_irq(dev, i->index, &i->handle));
}

static int attach(struct device *dev, struct interrupt *i)
{
	int error = dev->bus->attach_irq != nullptr ? attach_by_bus(dev, i) : attach_line(dev, i);

	i->attached = error == 0;
	return error;
}

int irq_open(struct device *dev, unsigned index, struct irq *irq)
{
	*irq = (struct irq){.device = dev};
	int error = device_may(dev, WANTS_IRQ);
	if (error < 0)
		return error;
	struct interrupt *i = kmalloc(sizeof(*i));
	if (i == nullptr)
		return -ENOMEM;
	i->index = index;
	i->owner = thread_current();
	i->resource.device = dev;
	error = attach(dev, i);
	if (error == 0)
		error = device_own(dev, &i->resource, &interrupt_ops);
	if (error < 0) {
		release_interrupt(&i->resource);
		return error;
	}
	irq->handle = i->handle;
	irq->opened = i;
	/* It is an interrupt's thread from here on. */
	(void)nucleus_thread_set_priority(thread_page_current()->handle, PRIORITY_INTERRUPT);
	return 0;
}

static struct interrupt *take_own(struct device *dev)
{
	struct interrupt *found = nullptr;
	struct resource *r;

	spin_lock(&dev->lock);
	list_for_each(r, &dev->resources, link) {
		struct interrupt *i = container_of(r, struct interrupt, resource);

		if (r->ops == &interrupt_ops && i->owner == thread_current()) {
			found = i;
			list_remove(&r->link);
			dev->resource_count--;
			break;
		}
	}
	spin_unlock(&dev->lock);
	return found;
}

void device_irqs_leave(struct device *dev)
{
	for (struct interrupt *i; (i = take_own(dev)) != nullptr;)
		release_interrupt(&i->resource);
}

int irq_wait(struct irq *irq, uint64_t deadline_ns)
{
	return device_wait(irq->device, deadline_ns);
}

uint32_t irq_done(struct irq *irq)
{
	long came = irq->handle != 0 ? nucleus_irq_done(irq->handle) : 0;

	return came > 0 ? (uint32_t)came : 0;
}

/* The calling thread goes on there when it is next scheduled. */
static int move_to(uint32_t cpu)
{
	const volatile struct thread_page *page = thread_page_current();
	long error = nucleus_thread_set_affinity(page->handle, 1ull << cpu);

	while (error == 0 && page->cpu != cpu)
		thread_yield();
	return (int)error;
}

/* The nucleus routes an interrupt to the CPU that attaches it. */
int irq_affinity(struct irq *irq, uint32_t cpu)
{
	if (cpu >= boot_info()->cpu_count)
		return -EINVAL;
	if (irq->handle == 0)
		return -EBADF;
	int error = move_to(cpu);
	if (error < 0)
		return error;
	/* A message that is the thread's already may follow it, and keeps its handle. */
	if (irq->opened->by_bus && attach_by_bus(irq->device, irq->opened) == 0)
		return 0;
	irq->opened->handle = irq->handle;
	detach(irq->device, irq->opened);
	error = attach(irq->device, irq->opened);
	irq->handle = error == 0 ? irq->opened->handle : 0;
	thread_unpark(thread_current());
	return error;
}
