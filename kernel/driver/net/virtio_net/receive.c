/* SPDX-License-Identifier: MIT */
/*
 * Frames that the device gives (Virtual I/O Device 1.2, 5.1.6.4). A buffer is a page; a frame fills one or, if that was
 * agreed on, several. Each that was filled is replaced at once; if there is none to replace it with, the frame is lost
 * and its buffer used again. Of what the device wrote everything is checked, in a copy where it could change it yet.
 */
#include "virtio_net.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <lib/string.h>
#include <lib/types.h>

/* Before the header, so that what follows the 14 bytes of Ethernet's is at a multiple of four. */
constexpr uint32_t SHIFT = 2;

int receiver_open(struct device *dev, struct card *c, unsigned queue)
{
	struct receiver *r = &c->receiver;
	/* A buffer is one piece: tables would only be one thing more to read. */
	int error = virtio_queue_open(dev, queue, c->features & ~VIRTIO_F_INDIRECT_DESC, RECEIVE_BUFFERS, 1, &r->queue);

	if (error == 0)
		error = dma_table_open(dev, r->queue->requests, 1, &r->lent);
	if (error < 0)
		return error;
	r->count = r->queue->requests;
	r->idle = 0;
	for (uint32_t i = 0; i < r->count; i++)
		r->slots[i].next = i + 1;
	return 0;
}

/* Lends the slot's buffer to the device. */
static bool lend(struct receiver *r, uint32_t number)
{
	struct net_frame *f = r->slots[number].frame;
	struct dma_list *list = dma_map(r->lent, number, DMA_FROM_DEVICE, 0);
	uint32_t offset = (uint32_t)(f->data - (unsigned char *)page_address(f->page));

	if (dma_list_add(list, f->page, offset, NET_FRAME_PART_MAX) == 0 && dma_list_ready(list) == 0) {
		struct virtio_piece piece = {FAULT_POINT_ADDRESS(driver_virtio_net_address, list->segments[0].address),
					     list->segments[0].length};

		if (virtio_queue_add(r->queue, number, &piece, 0, 1, &r->slots[number]))
			return true;
	}
	dma_unmap(r->lent, number, false);
	return false;
}

static struct net_frame *new_buffer(const struct card *c)
{
	struct net_frame *f = netdev_buffer(c->net);

	if (f != nullptr)
		f->data -= SHIFT;
	return f;
}

static bool fill(const struct card *c, struct receiver *r, uint32_t number)
{
	struct slot *s = &r->slots[number];

	if (s->frame == nullptr)
		s->frame = new_buffer(c);
	return s->frame != nullptr && lend(r, number);
}

void receiver_fill(struct card *c)
{
	struct receiver *r = &c->receiver;

	while (r->idle < r->count && fill(c, r, r->idle))
		r->idle = r->slots[r->idle].next;
	virtio_queue_kick(r->queue);
}

bool receiver_lacks(const struct card *c)
{
	return c->receiver.idle < c->receiver.count;
}

/* What has come of the frame is not used. */
static void discard(const struct card *c, struct receiver *r, bool bad)
{
	struct net_frame *f = r->first;

	while (f != nullptr) {
		struct net_frame *more = f->more;

		netdev_discard(c->net, f, bad && f == r->first);
		f = more;
	}
	r->first = r->last = nullptr;
}

/* All buffers of a frame are there. */
static void finish(struct card *c, struct receiver *r)
{
	struct virtio_net_frame h;
	struct net_frame *f = r->first;

	if (r->drop) {
		discard(c, r, false);
		netdev_count_missed(c->net, 1);
		return;
	}
	if (!virtio_net_header_read(r->header, c->features, r->total, &h)) {
		discard(c, r, true);
		return;
	}
	if (h.needs_checksum) {
		f->flags = NET_FRAME_CHECKSUM;
		f->checksum_start = h.start;
		f->checksum_offset = h.offset;
	} else if (h.checked) {
		f->flags = NET_FRAME_GOOD;
	}
	r->first = r->last = nullptr;
	FAULT_POINT(driver_virtio_net_receive);
	netdev_receive(c->net, f);
}

/* The first buffer of a frame begins with its header. False: the device errs. */
static bool begin(struct card *c, struct receiver *r, struct net_frame *f, uint32_t written)
{
	/* In a copy: without an IOMMU the device could write to it yet. */
	memcpy(r->header, f->data, c->header_bytes);
	r->wanted = virtio_net_buffers(r->header, written, c->features, MIN(r->count, NET_FRAME_PARTS_MAX));
	if (r->wanted == 0)
		return false;
	r->total = 0;
	r->drop = false;
	return true;
}

/* A buffer was filled, and is no longer lent. `keep`: there is another one in its place. */
static void take(struct device *dev, struct card *c, struct net_frame *f, uint32_t written, bool keep)
{
	struct receiver *r = &c->receiver;
	uint32_t skip = 0;

	if (r->wanted == 0) {
		if (!begin(c, r, f, written)) {
			device_fail(dev, "it gives a frame without a header, or of no buffer");
			if (keep)
				netdev_discard(c->net, f, true);
			return;
		}
		skip = c->header_bytes;
	}
	if (keep) {
		f->data += skip;
		f->length = written - skip;
		r->total += f->length;
		if (r->first == nullptr)
			r->first = f;
		else
			r->last->more = f;
		r->last = f;
	}
	r->drop |= !keep;
	if (--r->wanted == 0)
		finish(c, r);
}

bool receiver_look(struct device *dev, struct card *c)
{
	struct receiver *r = &c->receiver;
	struct slot *s;
	uint32_t written, done = 0;

	for (; done < RECEIVE_BATCH && (s = virtio_queue_take(r->queue, &written)) != nullptr; done++) {
		uint32_t number = (uint32_t)(s - r->slots);
		struct net_frame *f = s->frame, *fresh = new_buffer(c);

		dma_unmap(r->lent, number, true);
		take(dev, c, f, written, fresh != nullptr);
		s->frame = fresh != nullptr ? fresh : f;
		if (!lend(r, number)) {
			s->next = r->idle;
			r->idle = number;
		}
	}
	if (done == 0)
		return false;
	virtio_queue_kick(r->queue);
	netdev_receive_end(c->net);
	return done == RECEIVE_BATCH;
}
