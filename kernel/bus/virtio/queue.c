/* SPDX-License-Identifier: MIT */
/*
 * Queues of virtio devices (kernel/bus/virtio.h): the memory of a split ring, its place told to the device, and
 * requests by lib/virtio_ring.h under the queue's lock. Where indirect descriptors were agreed on, each descriptor of
 * the ring has a table of its own, so that a request takes one descriptor whatever its pieces are.
 */
#include "transport.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/log.h>
#include <kernel/device/dma.h>
#include <kernel/mem/slab.h>
#include <lib/types.h>
#include <nucleus/layout.h>

/* Legacy transports take the ring's page number, of 32 bits (4.2.4). */
constexpr unsigned LEGACY_BITS = 32 + PAGE_SHIFT;

static void release_queue(struct resource *r)
{
	struct virtio_queue *q = container_of(r, struct virtio_queue, resource);

	kfree(q->slots);
	kfree(q);
}

static const struct resource_ops queue_ops = {
	.name = "virtio queue", .component = &component_virtio, .release = release_queue};

/* A power of two: at least `wanted` if the device's ring can be that long. */
static unsigned choose_size(unsigned device_max, unsigned wanted)
{
	unsigned size = 1;

	while (size < wanted && size * 2 <= device_max)
		size *= 2;
	return size;
}

int virtio_queue_max(struct device *dev, unsigned index)
{
	const struct virtio_transport *t = virtio_transport_of(dev);
	int max = t->ops->queue_max(t, index);

	return max == 0 ? -ENOENT : max;
}

/* How long the ring is, and how many requests fit. False: not one. A request without a table needs a descriptor for
 * each piece, and one with a table may not have more pieces than the ring has entries either (2.7.5.3.1). */
static bool set_sizes(struct virtio_queue *q, unsigned device_max, unsigned requests)
{
	bool indirect = (q->features & VIRTIO_F_INDIRECT_DESC) != 0;
	unsigned wanted = indirect ? MAX(requests, q->segments) : requests * q->segments;

	q->ring_size = choose_size(device_max, wanted);
	q->requests = MIN(requests, indirect ? q->ring_size : q->ring_size / q->segments);
	return q->ring_size >= q->segments && q->requests > 0;
}

static int queue_memory(struct virtio_queue *q, const struct virtio_transport *t, struct virtio_queue_place *place)
	NO_THREAD_SAFETY
{
	struct virtio_ring_layout layout = virtio_ring_layout(q->ring_size, t->legacy ? PAGE_SIZE : 4);
	int error = t->legacy ? dma_limit(q->device, LEGACY_BITS) : 0;

	if (error == 0)
		error = dma_alloc(q->device, layout.bytes, &q->memory);
	if (error == 0 && q->features & VIRTIO_F_INDIRECT_DESC)
		error = dma_alloc(q->device, (size_t)q->requests * q->segments * sizeof(struct virtio_descriptor),
				  &q->tables);
	if (error < 0)
		return error;
	virtio_ring_init(&q->ring, q->ring_size, q->memory.at, &layout, q->slots,
			 (q->features & VIRTIO_F_EVENT_IDX) != 0);
	*place = (struct virtio_queue_place){
		.size = q->ring_size,
		.descriptors = q->memory.address,
		.available = q->memory.address + layout.available,
		.used = q->memory.address + layout.used,
	};
	return 0;
}

int virtio_queue_open(struct device *dev, unsigned index, uint64_t features, unsigned requests, unsigned segments,
		      struct virtio_queue **out)
{
	const struct virtio_transport *t = virtio_transport_of(dev);
	struct virtio_queue_place place;
	int max = virtio_queue_max(dev, index);

	*out = nullptr;
	if (max < 0)
		return max;
	struct virtio_queue *q = kmalloc(sizeof(*q));
	if (q == nullptr)
		return -ENOMEM;
	q->device = dev;
	q->index = index;
	q->features = features;
	q->segments = segments;
	spin_init(&q->lock, RANK_VIRTIO);
	int error = set_sizes(q, (unsigned)max, requests) ? 0 : -EINVAL;
	if (error == 0 && (q->slots = kmalloc(q->ring_size * sizeof(*q->slots))) == nullptr)
		error = -ENOMEM;
	if (error == 0)
		error = device_own(dev, &q->resource, &queue_ops);
	if (error < 0) {
		release_queue(&q->resource);
		return error;
	}
	/* What fails from here on goes with the round, which attach ends by the error. */
	error = queue_memory(q, t, &place);
	if (error == 0)
		error = t->ops->queue_start(t, index, &place, &q->notify_at);
	if (error == 0)
		*out = q;
	return error;
}

bool virtio_queue_add(struct virtio_queue *q, unsigned number, const struct virtio_piece *pieces, unsigned readable,
		      unsigned writable, void *token)
{
	struct virtio_descriptor *table = nullptr;
	size_t offset = (size_t)number * q->segments * sizeof(*table);

	KASSERT(number < q->requests && readable + writable <= q->segments);
	if (q->tables.at != nullptr)
		table = (struct virtio_descriptor *)((char *)q->tables.at + offset);
	spin_lock(&q->lock);
	bool added = virtio_ring_add(&q->ring, pieces, readable, writable, table, q->tables.address + offset, token);
	spin_unlock(&q->lock);
	return added;
}

void virtio_queue_kick(struct virtio_queue *q)
{
	const struct virtio_transport *t = virtio_transport_of(q->device);

	spin_lock(&q->lock);
	bool wanted = virtio_ring_publish(&q->ring);
	spin_unlock(&q->lock);
	if (!wanted)
		return;
	dma_barrier();
	t->ops->notify(t, q->index, q->notify_at);
}

void *virtio_queue_take(struct virtio_queue *q, uint32_t *written)
{
	spin_lock(&q->lock);
	void *token = virtio_ring_take(&q->ring, written);
	bool broken = q->ring.broken;
	spin_unlock(&q->lock);
	if (broken)
		device_fail(q->device, "the device wrote nonsense into a ring");
	return token;
}

bool virtio_queue_listen(struct virtio_queue *q)
{
	spin_lock(&q->lock);
	bool more = virtio_ring_interrupts_on(&q->ring);
	spin_unlock(&q->lock);
	return more;
}

bool virtio_queue_listen_late(struct virtio_queue *q, uint16_t left)
{
	spin_lock(&q->lock);
	bool more = virtio_ring_interrupts_late(&q->ring, left);
	spin_unlock(&q->lock);
	return more;
}
