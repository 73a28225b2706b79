/* SPDX-License-Identifier: MIT */
/*
 * Frames for the device (82574 datasheet, 3.3), each in one piece. They are given by whoever has them sent, under the
 * driver's guard; what was sent is freed when more is given, and at an interrupt.
 *
 * Locks: `lock` for the numbers; senders and the driver's thread free what was sent.
 */
#include "e1000e.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <lib/types.h>

/* A device that has sent none of its frames for so long, with a link, is stuck: it obeys nobody's flow control, and a
 * full ring takes it 310 ms at 10 Mbit/s. */
constexpr uint64_t STUCK_NS = 2'000'000'000;

int e1000e_sender_open(struct device *dev, struct card *c) NO_THREAD_SAFETY
{
	struct sender *s = &c->sender;
	int error = e1000e_ring_open(dev, &s->ring);

	if (error < 0)
		return error;
	spin_init(&s->lock, RANK_VIRTIO);
	mmio_write32(&c->registers, E1000E_TDBAL, (uint32_t)s->ring.memory.address);
	mmio_write32(&c->registers, E1000E_TDBAH, (uint32_t)(s->ring.memory.address >> 32));
	mmio_write32(&c->registers, E1000E_TDLEN, RING * E1000E_DESCRIPTOR);
	mmio_write32(&c->registers, E1000E_TDH, 0);
	mmio_write32(&c->registers, E1000E_TDT, 0);
	return 0;
}

static volatile struct e1000e_sent *descriptor(const struct sender *s, uint32_t number)
{
	return (volatile struct e1000e_sent *)s->ring.memory.at + number % RING;
}

/* The oldest that was sent, and is free now; nullptr: there is none. */
static struct net_frame *take_sent(struct sender *s)
{
	struct net_frame *f = nullptr;

	spin_lock(&s->lock);
	uint32_t at = s->done % RING;
	if (s->done != s->given && __atomic_load_n(&descriptor(s, s->done)->status, __ATOMIC_ACQUIRE) & E1000E_DONE) {
		f = s->ring.frames[at];
		s->ring.frames[at] = nullptr;
		dma_unmap(s->ring.lent, at, true);
		s->done++;
	}
	spin_unlock(&s->lock);
	return f;
}

static bool reclaim(struct card *c)
{
	struct net_frame *f;
	bool any = false;

	while ((f = take_sent(&c->sender)) != nullptr) {
		netdev_sent(c->net, f, true);
		any = true;
	}
	return any;
}

/* A place for one more; RING: there is none. Only who transmits takes one. */
static uint32_t place(struct sender *s)
{
	spin_lock(&s->lock);
	uint32_t at = s->given - s->done < RING - 1 ? s->given % RING : RING;
	spin_unlock(&s->lock);
	return at;
}

static bool hand_over(struct sender *s, uint32_t at, struct net_frame *f)
{
	struct dma_list *list = dma_map(s->ring.lent, at, DMA_TO_DEVICE, 0);
	uint32_t offset = (uint32_t)(f->data - (unsigned char *)page_address(f->page));

	if (dma_list_add(list, f->page, offset, f->length) != 0 || dma_list_ready(list) != 0) {
		dma_unmap(s->ring.lent, at, false);
		return false;
	}
	volatile struct e1000e_sent *d = descriptor(s, at);
	d->address = list->segments[0].address;
	d->length = (uint16_t)f->length;
	d->sum_offset = d->sum_start = 0;
	d->special = 0;
	d->command = E1000E_SEND_WHOLE | E1000E_SEND_CRC | E1000E_SEND_REPORT;
	d->status = 0;
	FAULT_POINT(driver_e1000e_transmit);
	spin_lock(&s->lock);
	s->ring.frames[at] = f;
	s->given++;
	spin_unlock(&s->lock);
	return true;
}

/* Hands frames over as long as there is room. False: there is none left. */
static bool hand_over_all(struct device *dev, struct card *c, struct sender *s)
{
	uint32_t at, last = RING;

	while ((at = place(s)) < RING) {
		struct net_frame *f = netdev_take(c->net, 0);

		if (f == nullptr)
			break;
		if (hand_over(s, at, f))
			last = at;
		else
			netdev_sent(c->net, f, false);
	}
	if (last == RING)
		return at < RING;
	/* The device is told once of all that there is now; unheard, it has a ring that is stuck. */
	dma_barrier();
	if (!FAULT_POINT_DUE(driver_e1000e_unheard))
		mmio_write32(&c->registers, E1000E_TDT, (last + 1) % RING);
	/* Whoever finds out that the device is stuck has to know that it has something to do. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&s->watched, __ATOMIC_RELAXED))
		device_wake(dev);
	return at < RING;
}

void e1000e_sender_transmit(struct device *dev, void *, unsigned)
{
	struct card *c = device_private(dev);

	do
		(void)reclaim(c);
	while (!hand_over_all(dev, c, &c->sender) && reclaim(c) && !device_stopping(dev));
}

bool e1000e_sender_look(struct card *c)
{
	if (!reclaim(c))
		return false;
	netdev_room(c->net, 0);
	return true;
}

bool e1000e_sender_is_busy(struct device *dev, struct card *c)
{
	struct sender *s = &c->sender;
	uint64_t now = clock_monotonic_ns();

	/* Before it is looked: what is given later wakes the thread. */
	__atomic_store_n(&s->watched, false, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	spin_lock(&s->lock);
	uint32_t given = s->given, done = s->done;
	spin_unlock(&s->lock);
	if (given == done || !c->link)
		s->still_ns = 0;
	else if (s->still_ns == 0 || done != s->seen)
		s->still_ns = now;
	else if (now - s->still_ns >= STUCK_NS)
		device_fail(dev, "it sends nothing more: its ring is stuck");
	s->seen = done;
	__atomic_store_n(&s->watched, given != done, __ATOMIC_RELAXED);
	return given != done;
}
