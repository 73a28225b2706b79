/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of a device (kernel/device/irq.h). The nucleus wakes the thread that attached an interrupt, and lets go of
 * it when that thread ends, so another thread of a driver need not give its own back.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/device/irq.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <nucleus/calls.h>

struct interrupt {
	struct resource resource;
	unsigned index;
	uint32_t handle;
	bool attached, by_bus;
};

static void release_interrupt(struct resource *r)
{
	struct interrupt *i = container_of(r, struct interrupt, resource);
	struct device *dev = r->device;

	if (i->attached && i->by_bus)
		dev->bus->release_irq(dev, i->index, i->handle);
	else if (i->attached)
		(void)nucleus_irq_detach(i->handle);
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
	i->resource.device = dev;
	error = dev->bus->attach_irq != nullptr ? attach_by_bus(dev, i) : attach_line(dev, i);
	i->attached = error == 0;
	if (error == 0)
		error = device_own(dev, &i->resource, &interrupt_ops);
	if (error < 0) {
		release_interrupt(&i->resource);
		return error;
	}
	irq->handle = i->handle;
	/* It is an interrupt's thread from here on. */
	(void)nucleus_thread_set_priority(thread_page_current()->handle, PRIORITY_INTERRUPT);
	return 0;
}

int irq_wait(struct irq *irq, uint64_t deadline_ns)
{
	return device_wait(irq->device, deadline_ns);
}

void irq_done(struct irq *irq)
{
	if (irq->handle != 0)
		(void)nucleus_irq_done(irq->handle);
}
