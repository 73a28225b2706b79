/* SPDX-License-Identifier: MIT */
/*
 * What a transport gives the virtio bus: ways to the registers that every device has (Virtual I/O Device 1.2, 4). It
 * keeps them for a round; the bus's device comes to rest before it lets go of them.
 */
#ifndef VIRTIO_TRANSPORT_H
#define VIRTIO_TRANSPORT_H

#include <kernel/bus/virtio.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(virtio);

struct virtio_transport;

/* Addresses of a queue's parts for the device (2.6). */
struct virtio_queue_place {
	unsigned size;
	uint64_t descriptors, available, used;
};

struct virtio_transport_ops {
	/* Interrupts come to the transport's thread, which wakes the device's; else index n of the carrier's bus is the
	 * device's own. */
	bool wakes;
	uint8_t (*status)(const struct virtio_transport *t);
	void (*set_status)(const struct virtio_transport *t, uint8_t status);
	uint64_t (*features)(const struct virtio_transport *t);
	void (*set_features)(const struct virtio_transport *t, uint64_t features);
	/* Entries that the queue may have; 0: there is no such queue, or -EBUSY: it is in use. */
	int (*queue_max)(const struct virtio_transport *t, unsigned index);
	/* Enables the queue; *notify_at is what notify gets. 0 or a negative errno. */
	int (*queue_start)(const struct virtio_transport *t, unsigned index, const struct virtio_queue_place *place,
			   uint64_t *notify_at);
	void (*notify)(const struct virtio_transport *t, unsigned index, uint64_t notify_at);
	uint32_t (*interrupts)(const struct virtio_transport *t); /* and acknowledges them */
	uint32_t (*generation)(const struct virtio_transport *t);
	uint32_t (*config)(const struct virtio_transport *t, unsigned offset, unsigned bytes); /* 1, 2 or 4 */
	void (*config_write8)(const struct virtio_transport *t, unsigned offset, uint8_t value);
	/* May be nullptr: the device did not reset; takes its way to memory from it otherwise. False: it has it still.
	 */
	bool (*cut_off)(const struct virtio_transport *t);
};

struct virtio_transport {
	const struct virtio_transport_ops *ops;
	uint32_t type; /* virtio_type */
	bool legacy;   /* before 1.0: pages instead of addresses, no FEATURES_OK */
	size_t config_bytes;
};

/*
 * Adds the device that the transport's device carries, by the transport's attach. t is from kmalloc; on success it is
 * the bus's. The carried device is kept from one round of the transport to the next: it rests in between, and goes on
 * with the new t, so that a disk outlives a restart of either. It goes when its transport does, or when another kind of
 * device is behind the registers. *out is borrowed for the round. Errors as of device_add, device_own. May sleep.
 */
[[nodiscard]] int virtio_carry(struct device *parent, struct virtio_transport *t, struct device **out) NOT_ELEVATED;

/* The part of virtio_queue_open and virtio_begin that both know. */
static inline const struct virtio_transport *virtio_transport_of(const struct device *dev)
{
	return device_bus_data(dev);
}

#endif
