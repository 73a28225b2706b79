/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices, whatever carries them (Virtual I/O Device 1.2): a bus whose devices are below the transport's (a
 *range of registers of the platform, a PCI function). A driver's match is a list of types that ends with
 *VIRTIO_TYPE_NONE.
 *
 *	attach:  virtio_begin(dev, features, &accepted); virtio_config_read(); virtio_queue_open() each; irq_open(dev,
 *0); virtio_ready() submit:  virtio_queue_add(q, …); virtio_queue_kick(q) serve:   virtio_interrupts(dev); do while
 *((token = virtio_queue_take(q, &n))) …; while (virtio_queue_listen(q)); irq_done(); irq_wait() detach:
 *virtio_reset(dev)
 *
 * The device is not trusted: what is wrong in a ring, or a device that asks for a reset, makes the round fail
 * (device_fail). All functions but those of queues: in the device's thread.
 */
#ifndef KERNEL_BUS_VIRTIO_H
#define KERNEL_BUS_VIRTIO_H

#include <kernel/base/lock.h>
#include <kernel/device/device.h>
#include <kernel/mem/dma.h>
#include <lib/virtio.h>
#include <lib/virtio_ring.h>

extern const struct bus virtio_bus;

/* Resets the device and agrees on features: those of `wanted` that it offers, and what rings need. -ENODEV: it does not
 * speak a version that is known, or does not agree; -EIO: it does not reset. */
[[nodiscard]] int virtio_begin(struct device *dev, uint64_t wanted, uint64_t *accepted) NOT_ELEVATED;
/* From here on the device works. */
void virtio_ready(struct device *dev) NOT_ELEVATED;
/* The device forgets its queues and reaches no memory any more. False: it does not say so (within a generous time). */
bool virtio_reset(struct device *dev) NOT_ELEVATED;

/* Reads these fields of the configuration, all of one time, each to its offset in `out` (of so many bytes; the rest is
 * zeroed). What the device's configuration is too short for is zero. -EIO: it never stays the same. */
[[nodiscard]] int virtio_config_read(struct device *dev, const struct virtio_field *fields, unsigned count,
				     unsigned char *out, size_t bytes) NOT_ELEVATED;
/* Writes a byte of the configuration; nothing where it is too short for that. */
void virtio_config_write8(struct device *dev, unsigned offset, uint8_t value) NOT_ELEVATED;
/* Why there was an interrupt: VIRTIO_INTERRUPT_*, perhaps more than was; and acknowledges it. Fails the round if the
 * device asks for a reset. */
uint32_t virtio_interrupts(struct device *dev) NOT_ELEVATED;

/* A queue, owned by the device. The lock is for what is below. */
struct virtio_queue {
	struct resource resource;
	struct device *device;
	unsigned index, requests; /* requests: how many fit, whatever their segments */
	unsigned ring_size, segments;
	uint64_t features;
	struct spinlock lock;
	struct virtio_ring ring GUARDED_BY(&lock);
	/* Not changed while it works. */
	struct dma_buffer memory, tables; /* the ring; an indirect table for each request, if they were agreed on */
	struct virtio_slot *slots;
	uint64_t notify_at; /* the transport's */
};

/* Entries of the index-th queue at most: no request can have more segments. -ENOENT: the device has no such queue;
 * -EBUSY: it is open. */
[[nodiscard]] int virtio_queue_max(struct device *dev, unsigned index) NOT_ELEVATED;
/* Opens the index-th queue, with the features that were accepted, for requests of up to `segments` pieces, up to
 * `requests` of them at a time (fewer if the ring is short: see there). *out is valid until the round ends. -ENOENT,
 * -EBUSY: as above; -EINVAL: it is too short; -ENOMEM. */
[[nodiscard]] int virtio_queue_open(struct device *dev, unsigned index, uint64_t features, unsigned requests,
				    unsigned segments, struct virtio_queue **out) NOT_ELEVATED;
/* Puts a request into the ring, first the pieces that the device reads; number: of those below `requests` that are not
 * under way. False: it is full. Any context, as what follows; the device learns of it by kick. */
[[nodiscard]] bool virtio_queue_add(struct virtio_queue *q, unsigned number, const struct virtio_piece *pieces,
				    unsigned readable, unsigned writable, void *token);
void virtio_queue_kick(struct virtio_queue *q);
/* A request that the device has finished, and how much it wrote; nullptr: none. */
void *virtio_queue_take(struct virtio_queue *q, uint32_t *written);
/* Asks for an interrupt at the next one that it finishes; true: it has finished one meanwhile. */
[[nodiscard]] bool virtio_queue_listen(struct virtio_queue *q);
/* The same for when it has finished all but `left` of those that it has now; true: it has. */
[[nodiscard]] bool virtio_queue_listen_late(struct virtio_queue *q, uint16_t left);

#endif
