/* SPDX-License-Identifier: MIT */
/*
 * Transfers (xHCI 1.2, 4.9 to 4.11): those of drivers, which nobody here waits for, and requests to endpoint 0, whose
 * data are copied through memory of the slot. A transfer has consecutive entries of its endpoint's ring; an event names
 * one of them. What an event names that is not under way (it was taken back meanwhile) is passed over.
 */
#include "xhci.h"

#include <abi/errno.h>
#include <arch/dma.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { CONTROL_ENDPOINT = 1, CHUNK = 65536, RESIDUE = 0xffffff };

int pipe_open(struct xhci *x, struct pipe *p, uint16_t packet_max)
{
	int error = p->memory.at == nullptr ? dma_alloc(x->dev, RING_BYTES, &p->memory) : 0;

	if (error < 0)
		return error;
	spin_lock(&x->lock);
	xhci_ring_begin(&p->ring, p->memory.at, p->memory.address, RING_BYTES);
	p->packet_max = packet_max;
	p->used = 0;
	p->halted = p->stopping = false;
	spin_unlock(&x->lock);
	return 0;
}

/* Entries of a piece: none crosses 64 KiB (6.4.1). */
static uint32_t chunk_of(uint64_t address, uint32_t length)
{
	return MIN(length, (uint32_t)(CHUNK - address % CHUNK));
}

static uint32_t entries_of(const struct usb_transfer *t)
{
	uint32_t count = 0;

	for (unsigned n = 0; n < t->piece_count; n++) {
		uint64_t first = t->pieces[n].address / CHUNK,
			 last = (t->pieces[n].address + t->pieces[n].length - 1) / CHUNK;

		count += (uint32_t)(last - first + 1);
	}
	return MAX(count, 1u);
}

struct putting {
	struct pipe *pipe;
	const struct usb_transfer *transfer;
	uint32_t done, left; /* bytes and entries */
};

static void put_one(struct putting *p, uint64_t address, uint32_t length)
{
	bool last = --p->left == 0, first = p->left + 1 == p->transfer->count;
	uint32_t after = xhci_packets_left(p->transfer->length, p->done + length, p->pipe->packet_max);
	struct xhci_trb trb = {.parameter = address,
			       .status = length | (last ? 0 : after) << 17,
			       .control = XHCI_TYPE(XHCI_NORMAL) | XHCI_SHORT_EVENT |
					  (last ? XHCI_COMPLETION_EVENT : XHCI_CHAIN)};

	(void)xhci_ring_put(&p->pipe->ring, &trb, first);
	p->done += length;
}

/* The controller sees them all at once. */
static void put(struct pipe *p, struct usb_transfer *t)
{
	struct putting w = {.pipe = p, .transfer = t, .left = t->count};

	t->first = p->ring.enqueue;
	if (t->piece_count == 0)
		put_one(&w, 0, 0);
	for (unsigned n = 0; n < t->piece_count; n++) {
		struct usb_piece piece = t->pieces[n];

		while (piece.length > 0) {
			uint32_t part = chunk_of(piece.address, piece.length);

			put_one(&w, piece.address, part);
			piece.address += part;
			piece.length -= part;
		}
	}
	p->used += t->count;
	dma_barrier();
	xhci_ring_release(&p->ring, t->first);
}

int transfer_submit(struct device *dev, void *slot, struct usb_transfer *t)
{
	struct xhci *x = device_private(dev);
	struct slot *s = slot;
	uint8_t index = xhci_endpoint_index(t->endpoint->number, t->endpoint->in);
	struct pipe *p = &s->pipes[index];
	uint32_t count = entries_of(t);
	int error = 0;

	FAULT_POINT(driver_xhci_submit);
	spin_lock(&x->lock);
	if (is_over(x) || p->memory.at == nullptr || usb_is_given(t))
		error = -ENODEV;
	else if (p->halted)
		error = -EPIPE;
	else if (p->stopping || p->used + count > p->ring.entries - 2)
		error = -EBUSY;
	if (error == 0) {
		t->count = count;
		__atomic_store_n(&t->state, USB_GIVEN, __ATOMIC_RELEASE);
		list_push_back(&p->given, &t->link);
		put(p, t);
		xhci_ring_bell(x, s->id, index);
	}
	spin_unlock(&x->lock);
	return error;
}

/* --- what becomes of them --- */

static void finish(struct pipe *p, struct usb_transfer *t, int error)
{
	list_remove(&t->link);
	p->used -= MIN(t->count, p->used);
	t->error = error;
	usb_transfer_done(t);
}

/* The transfer under way that has this place of the ring; nullptr: none. */
static struct usb_transfer *find(struct pipe *p, uint32_t place)
{
	struct usb_transfer *t;

	list_for_each(t, &p->given, link) {
		if (xhci_ring_distance(&p->ring, t->first, place) < t->count)
			return t;
	}
	return nullptr;
}

/* Bytes of the entries before that place, and of this one all but what is left. */
static uint32_t transferred(const struct pipe *p, const struct usb_transfer *t, uint32_t place, uint32_t left)
{
	uint32_t bytes = 0, at = t->first;

	for (uint32_t n = xhci_ring_distance(&p->ring, t->first, place) + 1; n > 0; n--) {
		uint32_t length = p->ring.at[at].status & 0x1ffff;

		bytes += n > 1 ? length : length - MIN(left, length);
		at = at + 1 == p->ring.entries - 1 ? 0 : at + 1;
	}
	return MIN(bytes, t->length);
}

static void control_event(struct xhci *x, struct slot *s, uint32_t place, const struct xhci_trb *e)
{
	const struct xhci_ring *r = &s->pipes[CONTROL_ENDPOINT].ring;
	uint8_t completion = xhci_completion_of(e);
	bool last = s->asking && place == (s->first + s->count - 1) % (r->entries - 1);

	if (!s->asking || s->answered || xhci_ring_distance(r, s->first, place) >= s->count)
		return;
	/* Fewer data came than were asked for; then comes how it went. */
	if (completion == XHCI_SHORT_PACKET && !last) {
		s->residue = e->status & RESIDUE;
		return;
	}
	s->error = xhci_error(completion);
	s->pipes[CONTROL_ENDPOINT].halted = xhci_halts(completion);
	s->answered = true;
	wait_wake_all(&x->wait);
}

static void pipe_event(struct pipe *p, uint32_t place, const struct xhci_trb *e)
{
	uint8_t completion = xhci_completion_of(e);
	struct usb_transfer *t = find(p, place);

	if (xhci_halts(completion))
		p->halted = true;
	if (t == nullptr)
		return;
	t->actual = transferred(p, t, place, e->status & RESIDUE);
	finish(p, t, xhci_error(completion));
}

void xhci_transfer_event(struct xhci *x, const struct xhci_trb *e)
{
	uint8_t id = xhci_slot_of(e), index = xhci_endpoint_of(e), completion = xhci_completion_of(e);
	uint32_t place;

	/* Where an endpoint was stopped; who had it stopped takes back what is under way. */
	if (completion == XHCI_STOPPED || completion == XHCI_STOPPED_LENGTH || completion == XHCI_STOPPED_SHORT)
		return;
	spin_lock(&x->lock);
	struct slot *s = id <= SLOTS_MAX ? x->slots[id] : nullptr;
	if (s != nullptr && s->pipes[index].memory.at != nullptr &&
	    xhci_ring_place(&s->pipes[index].ring, e->parameter, &place)) {
		if (index == CONTROL_ENDPOINT)
			control_event(x, s, place, e);
		else
			pipe_event(&s->pipes[index], place, e);
	}
	spin_unlock(&x->lock);
}

/* --- taking back --- */

/* The endpoint is stopped, or reset after a halt (4.6.8, 4.6.9): it does nothing more with its ring. One that halted
 * just now cannot be stopped. */
static int stop(struct xhci *x, const struct slot *s, uint8_t index, bool halted)
{
	uint32_t where = (uint32_t)s->id << 24 | (uint32_t)index << 16;
	struct xhci_trb reset = {.control = XHCI_TYPE(XHCI_RESET_ENDPOINT) | where},
			stop = {.control = XHCI_TYPE(XHCI_STOP_ENDPOINT) | where};
	int result = xhci_command(x, halted ? &reset : &stop, nullptr);

	if (result == XHCI_CONTEXT_STATE_ERROR)
		result = xhci_command(x, halted ? &stop : &reset, nullptr);
	/* Neither runs nor is halted: it is stopped already. */
	return result == XHCI_CONTEXT_STATE_ERROR ? 0 : xhci_command_error(x, "stopping an endpoint", result);
}

/* It goes on behind all that was put into the ring. */
static int skip(struct xhci *x, const struct slot *s, uint8_t index)
{
	struct xhci_trb t = {.parameter = xhci_ring_dequeue(&s->pipes[index].ring),
			     .control = XHCI_TYPE(XHCI_SET_DEQUEUE) | (uint32_t)s->id << 24 | (uint32_t)index << 16};

	return xhci_command_error(x, "moving an endpoint", xhci_command(x, &t, nullptr));
}

int transfer_cancel(struct device *dev, void *slot, const struct usb_endpoint_facts *e)
{
	struct xhci *x = device_private(dev);
	struct slot *s = slot;
	uint8_t index = xhci_endpoint_index(e->number, e->in);
	struct pipe *p = &s->pipes[index];
	struct usb_transfer *t;

	spin_lock(&x->lock);
	/* One that is stopping is somebody else's just now, or could not be stopped the last time. */
	bool halted = p->halted;
	bool nothing = p->memory.at == nullptr || (!halted && !p->stopping && list_empty(&p->given));
	p->stopping = !nothing;
	spin_unlock(&x->lock);
	if (nothing)
		return 0;
	int error = stop(x, s, index, halted);
	if (error == 0)
		error = skip(x, s, index);
	spin_lock(&x->lock);
	/* Also if the endpoint does not stop, and then takes no others: their memory goes with the driver's round, and
	 * an event that comes later must not find them. */
	while (!list_empty(&p->given)) {
		t = list_first(&p->given, struct usb_transfer, link);
		finish(p, t, error == 0 ? -ECANCELED : -ENODEV);
	}
	if (error == 0) {
		p->used = 0;
		p->halted = p->stopping = false;
	}
	spin_unlock(&x->lock);
	return error < 0 ? -ENODEV : 0;
}

/* --- requests to endpoint 0 --- */

static bool take_turn(struct slot *s)
{
	spin_lock(&s->xhci->lock);
	bool mine = !s->asking;
	s->asking = true;
	spin_unlock(&s->xhci->lock);
	return mine;
}

static bool is_answered(struct slot *s)
{
	spin_lock(&s->xhci->lock);
	bool answered = s->answered;
	spin_unlock(&s->xhci->lock);
	return answered;
}

static void put_request(struct slot *s, const struct usb_setup *setup)
{
	struct pipe *p = &s->pipes[CONTROL_ENDPOINT];
	bool in = (setup->type & USB_TO_HOST) != 0;
	struct xhci_trb first = {.status = sizeof(*setup), .control = XHCI_TYPE(XHCI_SETUP) | XHCI_IMMEDIATE};
	struct xhci_trb data = {.parameter = s->data.address,
				.status = setup->length,
				.control = XHCI_TYPE(XHCI_DATA) | XHCI_SHORT_EVENT | (in ? XHCI_DATA_IN : 0)};
	/* Its direction is the other one (USB 2.0, 8.5.3). */
	struct xhci_trb end = {.control = XHCI_TYPE(XHCI_STATUS) | XHCI_COMPLETION_EVENT |
					  (in && setup->length != 0 ? 0 : XHCI_DATA_IN)};

	memcpy(&first.parameter, setup, sizeof(*setup));
	if (setup->length != 0)
		first.control |= in ? XHCI_SETUP_IN : XHCI_SETUP_OUT;
	s->count = setup->length != 0 ? 3 : 2;
	s->residue = 0;
	s->error = 0;
	s->answered = false;
	s->first = xhci_ring_put(&p->ring, &first, true);
	if (setup->length != 0)
		(void)xhci_ring_put(&p->ring, &data, false);
	(void)xhci_ring_put(&p->ring, &end, false);
	dma_barrier();
	xhci_ring_release(&p->ring, s->first);
	xhci_ring_bell(s->xhci, s->id, CONTROL_ENDPOINT);
}

/* After one that failed or was given up: endpoint 0 takes the next one. */
static int recover(struct slot *s, bool halted)
{
	int error = stop(s->xhci, s, CONTROL_ENDPOINT, halted);

	if (error == 0)
		error = skip(s->xhci, s, CONTROL_ENDPOINT);
	spin_lock(&s->xhci->lock);
	s->lost = error < 0;
	s->pipes[CONTROL_ENDPOINT].halted = false;
	spin_unlock(&s->xhci->lock);
	return error;
}

static void give_turn(struct slot *s)
{
	spin_lock(&s->xhci->lock);
	s->asking = false;
	spin_unlock(&s->xhci->lock);
	wait_wake_all(&s->xhci->wait);
}

/* With the turn. */
static int ask(struct slot *s, struct device *who, const struct usb_setup *setup, void *data)
{
	struct xhci *x = s->xhci;
	bool in = (setup->type & USB_TO_HOST) != 0;

	if (s->lost && recover(s, false) < 0)
		return -ENODEV;
	if (!in && setup->length != 0)
		memcpy(s->data.at, data, setup->length);
	spin_lock(&x->lock);
	put_request(s, setup);
	spin_unlock(&x->lock);
	int waited = wait_event_patiently(&x->wait, is_answered(s) || is_over(x) || device_stopping(who), CONTROL_NS);
	spin_lock(&x->lock);
	bool answered = s->answered, halted = s->pipes[CONTROL_ENDPOINT].halted;
	int error = s->error;
	uint32_t residue = MIN(s->residue, (uint32_t)setup->length);
	spin_unlock(&x->lock);
	if (is_over(x))
		return -ENODEV;
	if (!answered || halted) {
		int failed = recover(s, halted);

		if (failed < 0)
			return failed;
	}
	if (!answered)
		return waited < 0 ? -ETIMEDOUT : -ECANCELED;
	if (error < 0)
		return error;
	if (in)
		memcpy(data, s->data.at, setup->length - residue);
	return (int)(setup->length - residue);
}

int transfer_control(struct device *dev, void *slot, struct device *who, const struct usb_setup *setup, void *data)
{
	struct xhci *x = device_private(dev);
	struct slot *s = slot;
	bool mine = false;

	wait_event(&x->wait, is_over(x) || (mine = take_turn(s)));
	if (!mine)
		return -ENODEV;
	int result = ask(s, who, setup, data);
	give_turn(s);
	return result;
}
