/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI (Virtual I/O Device 1.2, 4.1): a driver of the PCI bus that adds the virtio device behind a function.
 * Modern devices, and transitional ones by their modern registers. The function is this component's, so its interrupt
 * comes to the thread here, which notes why and wakes the virtio device's own: one message for all queues, or the wire.
 */
#include "transport.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/mem/slab.h>
#include <lib/virtio_pci.h>

enum : uint32_t { MSIX_CONTROL = 2, MSIX_ENABLE = 1 << 15 }; /* PCI 3.0, 6.8.2.3 */

struct pci_transport {
	struct virtio_transport transport; /* first: the bus frees it */
	struct virtio_pci_layout layout;
	struct mmio bar[VIRTIO_PCI_BARS];
	const struct device *function;
	bool messages;
	uint32_t pending; /* atomic: VIRTIO_INTERRUPT_* that the device has not been told of */
};
static_assert(offsetof(struct pci_transport, transport) == 0);

struct pci_carrier {
	struct pci_transport *transport;
	struct device *carried;
	struct irq irq;
	uint32_t generation;
};

static const struct pci_transport *of(const struct virtio_transport *t)
{
	return (const struct pci_transport *)t;
}

/* The BAR with the registers of that kind, and where in it. */
static const struct mmio *bar_of(const struct pci_transport *p, enum virtio_pci_kind kind)
{
	return &p->bar[p->layout.range[kind].bar];
}

static size_t at(const struct pci_transport *p, enum virtio_pci_kind kind, size_t reg)
{
	return p->layout.range[kind].offset + reg;
}

static uint32_t read(const struct virtio_transport *t, enum virtio_pci_register reg, unsigned bytes)
{
	const struct mmio *m = bar_of(of(t), VIRTIO_PCI_COMMON);
	size_t where = at(of(t), VIRTIO_PCI_COMMON, reg);

	switch (bytes) {
	case 1: return mmio_read8(m, where);
	case 2: return mmio_read16(m, where);
	default: return mmio_read32(m, where);
	}
}

static void write16(const struct virtio_transport *t, enum virtio_pci_register reg, uint16_t value)
{
	mmio_write16(bar_of(of(t), VIRTIO_PCI_COMMON), at(of(t), VIRTIO_PCI_COMMON, reg), value);
}

static void write32(const struct virtio_transport *t, uint32_t reg, uint32_t value)
{
	mmio_write32(bar_of(of(t), VIRTIO_PCI_COMMON), at(of(t), VIRTIO_PCI_COMMON, reg), value);
}

static void write_address(const struct virtio_transport *t, enum virtio_pci_register reg, uint64_t address)
{
	write32(t, reg, (uint32_t)address);
	write32(t, (uint32_t)reg + 4, (uint32_t)(address >> 32));
}

static uint8_t status(const struct virtio_transport *t)
{
	return (uint8_t)read(t, PCI_COMMON_DEVICE_STATUS, 1);
}

static void set_status(const struct virtio_transport *t, uint8_t value)
{
	mmio_write8(bar_of(of(t), VIRTIO_PCI_COMMON), at(of(t), VIRTIO_PCI_COMMON, PCI_COMMON_DEVICE_STATUS), value);
}

static uint64_t features(const struct virtio_transport *t)
{
	uint64_t value;

	write32(t, PCI_COMMON_DEVICE_FEATURE_SELECT, 0);
	value = read(t, PCI_COMMON_DEVICE_FEATURE, 4);
	write32(t, PCI_COMMON_DEVICE_FEATURE_SELECT, 1);
	return value | (uint64_t)read(t, PCI_COMMON_DEVICE_FEATURE, 4) << 32;
}

static void set_features(const struct virtio_transport *t, uint64_t value)
{
	write32(t, PCI_COMMON_DRIVER_FEATURE_SELECT, 0);
	write32(t, PCI_COMMON_DRIVER_FEATURE, (uint32_t)value);
	write32(t, PCI_COMMON_DRIVER_FEATURE_SELECT, 1);
	write32(t, PCI_COMMON_DRIVER_FEATURE, (uint32_t)(value >> 32));
	/* A reset has taken the message from the configuration, too. */
	if (of(t)->messages)
		write16(t, PCI_COMMON_CONFIG_MSIX_VECTOR, 0);
}

static int queue_max(const struct virtio_transport *t, unsigned index)
{
	if (index >= read(t, PCI_COMMON_NUM_QUEUES, 2))
		return 0;
	write16(t, PCI_COMMON_QUEUE_SELECT, (uint16_t)index);
	if (read(t, PCI_COMMON_QUEUE_ENABLE, 2) != 0)
		return -EBUSY;
	uint32_t max = read(t, PCI_COMMON_QUEUE_SIZE, 2);
	return max > VIRTIO_RING_MAX ? (int)VIRTIO_RING_MAX : (int)max;
}

static int queue_start(const struct virtio_transport *t, unsigned index, const struct virtio_queue_place *place,
		       uint64_t *notify_at)
{
	uint32_t offset;

	write16(t, PCI_COMMON_QUEUE_SELECT, (uint16_t)index);
	if (!virtio_pci_notify_at(&of(t)->layout, (uint16_t)read(t, PCI_COMMON_QUEUE_NOTIFY_OFF, 2), &offset) ||
	    at(of(t), VIRTIO_PCI_NOTIFY, offset) % sizeof(uint16_t) != 0)
		return -EIO;
	*notify_at = at(of(t), VIRTIO_PCI_NOTIFY, offset);
	write16(t, PCI_COMMON_QUEUE_SIZE, (uint16_t)place->size);
	if (of(t)->messages) {
		write16(t, PCI_COMMON_QUEUE_MSIX_VECTOR, 0);
		if (read(t, PCI_COMMON_QUEUE_MSIX_VECTOR, 2) != 0)
			return -EIO;
	}
	write_address(t, PCI_COMMON_QUEUE_DESC, place->descriptors);
	write_address(t, PCI_COMMON_QUEUE_DRIVER, place->available);
	write_address(t, PCI_COMMON_QUEUE_DEVICE, place->used);
	write16(t, PCI_COMMON_QUEUE_ENABLE, 1);
	return read(t, PCI_COMMON_QUEUE_ENABLE, 2) == 1 ? 0 : -EIO;
}

static void notify(const struct virtio_transport *t, unsigned index, uint64_t notify_at)
{
	mmio_write16(bar_of(of(t), VIRTIO_PCI_NOTIFY), notify_at, (uint16_t)index);
}

static uint32_t interrupts(const struct virtio_transport *t)
{
	return __atomic_exchange_n(&((struct pci_transport *)t)->pending, 0, __ATOMIC_ACQ_REL);
}

static uint32_t generation(const struct virtio_transport *t)
{
	return read(t, PCI_COMMON_CONFIG_GENERATION, 1);
}

static uint32_t config(const struct virtio_transport *t, unsigned offset, unsigned bytes)
{
	const struct mmio *m = bar_of(of(t), VIRTIO_PCI_DEVICE);
	size_t where = at(of(t), VIRTIO_PCI_DEVICE, offset);

	switch (bytes) {
	case 1: return mmio_read8(m, where);
	case 2: return mmio_read16(m, where);
	default: return mmio_read32(m, where);
	}
}

static void config_write8(const struct virtio_transport *t, unsigned offset, uint8_t value)
{
	mmio_write8(bar_of(of(t), VIRTIO_PCI_DEVICE), at(of(t), VIRTIO_PCI_DEVICE, offset), value);
}

static bool cut_off(const struct virtio_transport *t)
{
	return pci_is_cut_off(of(t)->function);
}

static const struct virtio_transport_ops pci_ops = {
	.wakes = true,
	.status = status,
	.set_status = set_status,
	.features = features,
	.set_features = set_features,
	.queue_max = queue_max,
	.queue_start = queue_start,
	.notify = notify,
	.interrupts = interrupts,
	.generation = generation,
	.config = config,
	.config_write8 = config_write8,
	.cut_off = cut_off,
};

/* --- the driver of the function --- */

static void read_capabilities(struct device *dev, struct virtio_pci_layout *l)
{
	for (uint32_t offset = 0; (offset = pci_find_capability(dev, PCI_CAP_VENDOR, offset)) != 0;) {
		unsigned char cap[VIRTIO_PCI_CAP_BYTES];
		size_t length = pci_config_read(dev, offset + 2, 1);

		for (size_t i = 0; i < sizeof(cap); i++)
			cap[i] = offset + i < PCI_CONFIG_BYTES
					 ? (unsigned char)pci_config_read(dev, offset + (uint32_t)i, 1)
					 : 0;
		virtio_pci_add(l, cap, length < sizeof(cap) ? length : sizeof(cap));
	}
}

/* Maps the BARs that the capabilities name. */
static int map(struct device *dev, struct pci_transport *p)
{
	uint64_t bytes[VIRTIO_PCI_BARS] = {};

	for (unsigned kind = VIRTIO_PCI_COMMON; kind < VIRTIO_PCI_KINDS; kind++) {
		unsigned bar = p->layout.range[kind].bar;

		if (p->layout.range[kind].length == 0 || p->bar[bar].bytes != 0)
			continue;
		int error = mmio_map(dev, bar, &p->bar[bar]);
		if (error < 0)
			return error;
		bytes[bar] = p->bar[bar].is_port ? 0 : p->bar[bar].bytes;
	}
	const char *wrong = virtio_pci_check(&p->layout, bytes);
	if (wrong != nullptr) {
		log_error("virtio: %s: %s", device_name(dev), wrong);
		return -ENODEV;
	}
	p->transport.config_bytes = p->layout.range[VIRTIO_PCI_DEVICE].length;
	return 0;
}

/* Messages, if the device has a table of them and the machine takes them; else the wire. */
static int open_interrupt(struct device *dev, struct pci_carrier *c)
{
	int error = irq_open(dev, 0, &c->irq);
	uint32_t table = error == 0 ? pci_find_capability(dev, PCI_CAP_MSIX, 0) : 0;

	c->transport->messages = table != 0 && (pci_config_read(dev, table + MSIX_CONTROL, 2) & MSIX_ENABLE) != 0;
	return error;
}

static int attach(struct device *dev)
{
	const struct pci_identity *id = pci_identity(dev);
	struct pci_carrier *c = device_private(dev);
	struct pci_transport *p = kmalloc(sizeof(*p));

	if (p == nullptr)
		return -ENOMEM;
	c->transport = p;
	p->transport.ops = &pci_ops;
	p->function = dev;
	p->transport.type = virtio_pci_type(id->device, id->subsystem);
	read_capabilities(dev, &p->layout);
	int error = p->transport.type == VIRTIO_TYPE_NONE ? -ENODEV : map(dev, p);
	if (error == 0)
		error = pci_master(dev);
	if (error == 0)
		error = open_interrupt(dev, c);
	if (error == 0)
		error = virtio_carry(dev, &p->transport, &c->carried);
	if (error < 0)
		kfree(p);
	return error;
}

/* A message does not say what it is for; the wire stays asserted until its status is read (4.1.4.5). */
static uint32_t why(struct pci_carrier *c)
{
	const struct pci_transport *p = c->transport;
	uint32_t now;

	if (!p->messages)
		return mmio_read8(bar_of(p, VIRTIO_PCI_ISR), at(p, VIRTIO_PCI_ISR, 0)) &
		       (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG);
	now = generation(&p->transport);
	if (now == c->generation && !(status(&p->transport) & VIRTIO_STATUS_NEEDS_RESET))
		return VIRTIO_INTERRUPT_QUEUE;
	c->generation = now;
	return VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG;
}

static void serve(struct device *dev)
{
	struct pci_carrier *c = device_private(dev);

	while (!device_stopping(dev)) {
		uint32_t bits = why(c);

		if (bits != 0) {
			__atomic_fetch_or(&c->transport->pending, bits, __ATOMIC_ACQ_REL);
			device_wake(c->carried);
		}
		irq_done(&c->irq);
		(void)irq_wait(&c->irq, 0);
	}
}

static const struct pci_match functions[] = {{.vendor = VIRTIO_PCI_VENDOR, .device = PCI_ANY}, {}};

DRIVER(virtio_pci, .component = &component_virtio, .bus = &pci_bus, .match = functions,
       .private_bytes = sizeof(struct pci_carrier), .wants = WANTS_MMIO | WANTS_IRQ | WANTS_DMA, .attach = attach,
       .serve = serve);
