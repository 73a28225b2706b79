/* SPDX-License-Identifier: MIT */
/* Frames that the device gives (82574 datasheet, 3.2): one to a buffer, each buffer a page of the interface's. */
#include "e1000e.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/fault_point.h>
#include <lib/types.h>

/* So that what follows the 14 bytes of Ethernet's header is at a multiple of four. */
constexpr uint32_t SHIFT = 2;
static_assert(E1000E_BUFFER <= NET_FRAME_PART_MAX);

int e1000e_ring_open(struct device *dev, struct ring *r)
{
	int error = dma_alloc(dev, (size_t)RING * E1000E_DESCRIPTOR, &r->memory);

	return error < 0 ? error : dma_table_open(dev, RING, 1, &r->lent);
}

int e1000e_receiver_open(struct device *dev, struct card *c)
{
	struct receiver *r = &c->receiver;
	int error = e1000e_ring_open(dev, &r->ring);

	if (error < 0)
		return error;
	mmio_write32(&c->registers, E1000E_RDBAL, (uint32_t)r->ring.memory.address);
	mmio_write32(&c->registers, E1000E_RDBAH, (uint32_t)(r->ring.memory.address >> 32));
	mmio_write32(&c->registers, E1000E_RDLEN, RING * E1000E_DESCRIPTOR);
	mmio_write32(&c->registers, E1000E_RDH, 0);
	mmio_write32(&c->registers, E1000E_RDT, 0);
	return 0;
}

static volatile struct e1000e_received *descriptor(const struct receiver *r, uint32_t number)
{
	return (volatile struct e1000e_received *)r->ring.memory.at + number % RING;
}

/* Lends a buffer to the device. */
static bool give(const struct card *c, struct receiver *r)
{
	uint32_t at = r->given % RING;
	struct net_frame *f = r->ring.frames[at];

	if (f == nullptr && (f = netdev_buffer(c->net)) == nullptr)
		return false;
	r->ring.frames[at] = f;
	struct dma_list *list = dma_map(r->ring.lent, at, DMA_FROM_DEVICE, 0);
	uint32_t offset = (uint32_t)(f->data - SHIFT - (unsigned char *)page_address(f->page));
	if (dma_list_add(list, f->page, offset, E1000E_BUFFER) != 0 || dma_list_ready(list) != 0) {
		dma_unmap(r->ring.lent, at, false);
		return false;
	}
	volatile struct e1000e_received *d = descriptor(r, r->given);
	d->address = FAULT_POINT_ADDRESS(driver_e1000e_address, list->segments[0].address);
	d->status = 0;
	r->given++;
	return true;
}

void e1000e_receiver_fill(struct card *c)
{
	struct receiver *r = &c->receiver;
	uint32_t before = r->given;

	while (e1000e_receiver_lacks(c) && give(c, r))
		;
	if (r->given == before)
		return;
	dma_barrier();
	mmio_write32(&c->registers, E1000E_RDT, r->given % RING);
}

bool e1000e_receiver_lacks(const struct card *c)
{
	return c->receiver.given - c->receiver.taken < RING - 1;
}

bool e1000e_receiver_has(const struct card *c)
{
	const struct receiver *r = &c->receiver;

	return r->given != r->taken &&
	       __atomic_load_n(&descriptor(r, r->taken)->status, __ATOMIC_ACQUIRE) & E1000E_DONE;
}

static void take(struct card *c, struct receiver *r)
{
	volatile struct e1000e_received *at = descriptor(r, r->taken);
	/* In a copy: without an IOMMU the device could write to it yet. */
	struct e1000e_received d = {.length = at->length, .status = at->status, .errors = at->errors};
	uint32_t place = r->taken++ % RING;
	struct net_frame *f = r->ring.frames[place];

	r->ring.frames[place] = nullptr;
	dma_unmap(r->ring.lent, place, true);
	f->data -= SHIFT;
	enum e1000e_verdict v = e1000e_read(&d, &f->length);
	if (v == E1000E_BAD || v == E1000E_NONE) {
		netdev_discard(c->net, f, true);
		return;
	}
	if (v == E1000E_CHECKED)
		f->flags = NET_FRAME_GOOD;
	FAULT_POINT(driver_e1000e_receive);
	netdev_receive(c->net, f);
}

bool e1000e_receiver_look(struct card *c)
{
	uint32_t done = 0;

	for (; done < RECEIVE_BATCH && e1000e_receiver_has(c); done++)
		take(c, &c->receiver);
	if (done == 0)
		return false;
	e1000e_receiver_fill(c);
	netdev_receive_end(c->net);
	return done == RECEIVE_BATCH;
}
