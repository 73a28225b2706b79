/* SPDX-License-Identifier: MIT */
/*
 * Frames for the device (Virtual I/O Device 1.2, 5.1.6.2). The header stands in the headroom of the frame itself, so
 * that a frame of one part is one piece of memory. What the device has sent is freed when more is given to it, and at
 * an interrupt once it has sent all that it has: one for a burst.
 *
 * Locks: `lock` for the free slots; senders and the driver's thread free what was sent.
 */
#include "virtio_net.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <lib/types.h>

static void slot_give(struct sender *s, uint32_t number)
{
	s->slots[number].frame = nullptr;
	spin_lock(&s->lock);
	s->slots[number].next = s->free;
	s->free = number;
	s->busy--;
	spin_unlock(&s->lock);
}

static uint32_t slot_take(struct sender *s)
{
	spin_lock(&s->lock);
	uint32_t number = s->free;
	if (number < s->count) {
		s->free = s->slots[number].next;
		s->busy++;
	}
	spin_unlock(&s->lock);
	return number;
}

bool sender_is_busy(struct card *c)
{
	struct sender *s = &c->sender;

	spin_lock(&s->lock);
	bool busy = s->busy > 0;
	spin_unlock(&s->lock);
	return busy;
}

int sender_open(struct device *dev, struct card *c, unsigned queue, uint32_t mtu) NO_THREAD_SAFETY
{
	struct sender *s = &c->sender;
	bool parts = c->features & (VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6) ||
		     mtu + NETDEV_HEADER > NET_FRAME_PART_MAX;
	unsigned pieces = (c->features & VIRTIO_F_VERSION_1 ? 0 : 1) + (parts ? NET_FRAME_PARTS_MAX : 1);
	uint64_t features = pieces > 2 ? c->features : c->features & ~VIRTIO_F_INDIRECT_DESC;
	int error = virtio_queue_open(dev, queue, features, SEND_FRAMES, pieces, &s->queue);

	if (error == 0)
		error = dma_table_open(dev, s->queue->requests, parts ? NET_FRAME_PARTS_MAX : 1, &s->lent);
	if (error < 0)
		return error;
	s->count = s->queue->requests;
	spin_init(&s->lock, RANK_VIRTIO);
	s->busy = s->free = s->count;
	for (uint32_t i = s->count; i-- > 0;)
		slot_give(s, i);
	return 0;
}

static void write_header(const struct card *c, struct net_frame *f)
{
	static const enum virtio_net_gso kinds[] = {[NET_GSO_NONE] = VIRTIO_NET_GSO_NONE,
						    [NET_GSO_TCP4] = VIRTIO_NET_GSO_TCP4,
						    [NET_GSO_TCP6] = VIRTIO_NET_GSO_TCP6};
	struct virtio_net_frame h = {.needs_checksum = (f->flags & NET_FRAME_CHECKSUM) != 0,
				     .gso = kinds[f->gso],
				     .headers = f->gso_headers,
				     .gso_size = f->gso_size,
				     .start = f->checksum_start,
				     .offset = f->checksum_offset};

	virtio_net_header_write(f->data, c->header_bytes, &h);
}

/* Lends all parts of the frame, with the header. How many pieces, or a negative errno. */
static int lend(const struct card *c, struct sender *s, uint32_t number, const struct net_frame *f)
{
	struct dma_list *list = dma_map(s->lent, number, DMA_TO_DEVICE, 0);
	struct virtio_piece *p = s->pieces;
	int error = 0;

	for (const struct net_frame *part = f; part != nullptr && error == 0; part = part->more)
		if (part->length > 0)
			error = dma_list_add(list, part->page,
					     (uint32_t)(part->data - (unsigned char *)page_address(part->page)),
					     part->length);
	if (error == 0)
		error = dma_list_ready(list);
	if (error < 0)
		return error;
	for (unsigned i = 0; i < list->count; i++) {
		*p = (struct virtio_piece){list->segments[i].address, list->segments[i].length};
		if (i == 0 && !(c->features & VIRTIO_F_VERSION_1)) {
			p[1] = (struct virtio_piece){p->address + c->header_bytes, p->length - c->header_bytes};
			p->length = c->header_bytes;
			p++;
		}
		p++;
	}
	return (int)(p - s->pieces);
}

static bool hand_over(struct card *c, struct sender *s, uint32_t number, struct net_frame *f)
{
	if (!net_frame_push(f, c->header_bytes))
		return false;
	write_header(c, f);
	int pieces = lend(c, s, number, f);
	s->slots[number].frame = f;
	FAULT_POINT(driver_virtio_net_transmit);
	if (pieces > 0 && virtio_queue_add(s->queue, number, s->pieces, (unsigned)pieces, 0, &s->slots[number]))
		return true;
	dma_unmap(s->lent, number, false);
	return false;
}

/* Frees what was sent. Whether there was something. */
static bool reclaim(struct card *c, struct sender *s)
{
	struct slot *slot;
	uint32_t written;
	bool any = false;

	while ((slot = virtio_queue_take(s->queue, &written)) != nullptr) {
		uint32_t number = (uint32_t)(slot - s->slots);
		struct net_frame *f = slot->frame;

		dma_unmap(s->lent, number, true);
		slot_give(s, number);
		netdev_sent(c->net, f, net_frame_pull(f, c->header_bytes));
		any = true;
	}
	return any;
}

/* Hands frames over as long as there is room. False: there is none left. */
static bool hand_over_all(struct card *c, struct sender *s)
{
	uint32_t number;

	while ((number = slot_take(s)) < s->count) {
		struct net_frame *f = netdev_take(c->net, 0);

		if (f != nullptr && hand_over(c, s, number, f))
			continue;
		slot_give(s, number);
		if (f == nullptr)
			return true;
		netdev_sent(c->net, f, false);
	}
	return false;
}

void sender_transmit(struct device *dev, void *, unsigned)
{
	struct card *c = device_private(dev);
	struct sender *s = &c->sender;
	bool room, again;

	do {
		(void)reclaim(c, s);
		room = hand_over_all(c, s);
		virtio_queue_kick(s->queue);
		/* With a full ring there is more to be sent: not only when all of it has been. */
		again = virtio_queue_listen_late(s->queue, room ? 0 : s->count / 4);
	} while (again && !device_stopping(dev));
}

bool sender_look(struct card *c)
{
	struct sender *s = &c->sender;

	if (reclaim(c, s))
		netdev_room(c->net, 0);
	/* The interrupt that transmit asked for may have come before the end. */
	return virtio_queue_listen_late(s->queue, 0);
}
