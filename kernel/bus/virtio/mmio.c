/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO (Virtual I/O Device 1.2, 4.2): a driver of the platform bus that adds the virtio device behind a
 * range of registers. Version 2, and version 1 (4.2.4), which has 32 features, queues by page number and no generation
 * of the configuration.
 */
#include "mmio_registers.h"
#include "transport.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/bus/platform.h>
#include <kernel/device/mmio.h>
#include <kernel/mem/slab.h>
#include <nucleus/layout.h>

struct mmio_transport {
	struct virtio_transport transport; /* first: the bus frees it */
	struct mmio registers;
};
static_assert(offsetof(struct mmio_transport, transport) == 0);

static const struct mmio *registers(const struct virtio_transport *t)
{
	return &((const struct mmio_transport *)t)->registers;
}

static uint8_t status(const struct virtio_transport *t)
{
	return (uint8_t)mmio_read32(registers(t), MMIO_STATUS);
}

static void set_status(const struct virtio_transport *t, uint8_t value)
{
	mmio_write32(registers(t), MMIO_STATUS, value);
}

static uint64_t features(const struct virtio_transport *t)
{
	const struct mmio *m = registers(t);
	uint64_t value;

	mmio_write32(m, MMIO_DEVICE_FEATURES_SEL, 0);
	value = mmio_read32(m, MMIO_DEVICE_FEATURES);
	if (t->legacy)
		return value;
	mmio_write32(m, MMIO_DEVICE_FEATURES_SEL, 1);
	return value | (uint64_t)mmio_read32(m, MMIO_DEVICE_FEATURES) << 32;
}

static void set_features(const struct virtio_transport *t, uint64_t value)
{
	const struct mmio *m = registers(t);

	mmio_write32(m, MMIO_DRIVER_FEATURES_SEL, 0);
	mmio_write32(m, MMIO_DRIVER_FEATURES, (uint32_t)value);
	if (t->legacy) {
		mmio_write32(m, MMIO_GUEST_PAGE_SIZE, PAGE_SIZE);
		return;
	}
	mmio_write32(m, MMIO_DRIVER_FEATURES_SEL, 1);
	mmio_write32(m, MMIO_DRIVER_FEATURES, (uint32_t)(value >> 32));
}

static int queue_max(const struct virtio_transport *t, unsigned index)
{
	const struct mmio *m = registers(t);

	mmio_write32(m, MMIO_QUEUE_SEL, index);
	if (mmio_read32(m, t->legacy ? MMIO_QUEUE_PFN : MMIO_QUEUE_READY) != 0)
		return -EBUSY;
	uint32_t max = mmio_read32(m, MMIO_QUEUE_NUM_MAX);
	return max > VIRTIO_RING_MAX ? (int)VIRTIO_RING_MAX : (int)max;
}

static void write_address(const struct mmio *m, enum virtio_mmio_register low, uint64_t address)
{
	mmio_write32(m, low, (uint32_t)address);
	mmio_write32(m, low + 4, (uint32_t)(address >> 32));
}

static int queue_start(const struct virtio_transport *t, unsigned index, const struct virtio_queue_place *place,
		       uint64_t *notify_at)
{
	const struct mmio *m = registers(t);

	*notify_at = 0;
	mmio_write32(m, MMIO_QUEUE_SEL, index);
	mmio_write32(m, MMIO_QUEUE_NUM, place->size);
	if (t->legacy) {
		mmio_write32(m, MMIO_QUEUE_ALIGN, PAGE_SIZE);
		mmio_write32(m, MMIO_QUEUE_PFN, (uint32_t)(place->descriptors >> PAGE_SHIFT));
		return mmio_read32(m, MMIO_QUEUE_PFN) != 0 ? 0 : -EIO;
	}
	write_address(m, MMIO_QUEUE_DESC_LOW, place->descriptors);
	write_address(m, MMIO_QUEUE_DRIVER_LOW, place->available);
	write_address(m, MMIO_QUEUE_DEVICE_LOW, place->used);
	mmio_write32(m, MMIO_QUEUE_READY, 1);
	return mmio_read32(m, MMIO_QUEUE_READY) != 0 ? 0 : -EIO;
}

static void notify(const struct virtio_transport *t, unsigned index, uint64_t)
{
	mmio_write32(registers(t), MMIO_QUEUE_NOTIFY, index);
}

static uint32_t interrupts(const struct virtio_transport *t)
{
	const struct mmio *m = registers(t);
	uint32_t why = mmio_read32(m, MMIO_INTERRUPT_STATUS) & (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG);

	if (why != 0)
		mmio_write32(m, MMIO_INTERRUPT_ACK, why);
	return why;
}

static uint32_t generation(const struct virtio_transport *t)
{
	return t->legacy ? 0 : mmio_read32(registers(t), MMIO_CONFIG_GENERATION);
}

static uint32_t config(const struct virtio_transport *t, unsigned offset, unsigned bytes)
{
	const struct mmio *m = registers(t);

	switch (bytes) {
	case 1: return mmio_read8(m, MMIO_CONFIG + offset);
	case 2: return mmio_read16(m, MMIO_CONFIG + offset);
	default: return mmio_read32(m, MMIO_CONFIG + offset);
	}
}

static void config_write8(const struct virtio_transport *t, unsigned offset, uint8_t value)
{
	mmio_write8(registers(t), MMIO_CONFIG + offset, value);
}

static const struct virtio_transport_ops mmio_ops = {
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
};

/* What is behind the registers: -ENODEV for an empty slot, of which a machine may have many. */
static int identify(struct device *dev, const struct mmio *m, struct virtio_transport *t)
{
	if (m->bytes < MMIO_CONFIG || mmio_read32(m, MMIO_MAGIC) != MMIO_MAGIC_VALUE) {
		log_error("virtio: %s: no virtio device is there", device_name(dev));
		return -ENODEV;
	}
	uint32_t version = mmio_read32(m, MMIO_VERSION);
	t->type = mmio_read32(m, MMIO_DEVICE_ID);
	if (t->type == VIRTIO_TYPE_NONE)
		return -ENODEV;
	if (version != MMIO_VERSION_LEGACY && version != MMIO_VERSION_MODERN) {
		log_error("virtio: %s: version %u is unknown", device_name(dev), version);
		return -ENODEV;
	}
	t->legacy = version == MMIO_VERSION_LEGACY;
	t->config_bytes = m->bytes - MMIO_CONFIG;
	return 0;
}

static int attach(struct device *dev)
{
	struct mmio_transport *t = kmalloc(sizeof(*t));
	struct device *carried;

	if (t == nullptr)
		return -ENOMEM;
	t->transport.ops = &mmio_ops;
	int error = mmio_map(dev, 0, &t->registers);
	if (error == 0)
		error = identify(dev, &t->registers, &t->transport);
	if (error == 0)
		error = virtio_carry(dev, &t->transport, &carried);
	if (error < 0)
		kfree(t);
	return error;
}

static const char *const names[] = {"virtio,mmio", nullptr};

DRIVER(virtio_mmio, .component = &component_virtio, .bus = &platform_bus, .match = names, .wants = WANTS_MMIO,
       .attach = attach);
