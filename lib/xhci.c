/* SPDX-License-Identifier: MIT */
/* The layout and the arithmetic of xHCI (lib/xhci.h). */
#include <abi/errno.h>
#include <lib/string.h>
#include <lib/types.h>
#include <lib/xhci.h>

const char *xhci_read_capabilities(const uint32_t *registers, size_t range, struct xhci_capabilities *out)
{
	uint32_t structure = registers[XHCI_HCSPARAMS1 / 4], more = registers[XHCI_HCSPARAMS2 / 4],
		 can = registers[XHCI_HCCPARAMS1 / 4];

	*out = (struct xhci_capabilities){
		.operational = registers[0] & 0xff,
		.version = (uint16_t)(registers[0] >> 16),
		.slots = (uint8_t)structure,
		.ports = (uint8_t)(structure >> 24),
		.scratchpads = (uint16_t)((more >> 21 & 31) << 5 | more >> 27),
		.context_bytes = can & 4 ? 64 : 32,
		.address_bits = can & 1 ? 64 : 32,
		.extended = can >> 16 << 2,
		.doorbells = registers[XHCI_DBOFF / 4] & ~3u,
		.runtime = registers[XHCI_RTSOFF / 4] & ~31u,
	};
	if (registers[0] == UINT32_MAX)
		return "nobody answers";
	if (out->operational < XHCI_CAPABILITY_BYTES || out->operational % 4 != 0)
		return "its registers have no place";
	if (out->slots == 0 || out->ports == 0)
		return "it has no slots, or no ports";
	if ((uint64_t)out->operational + XHCI_PORTSC + (uint64_t)out->ports * XHCI_PORT_BYTES > range)
		return "registers of its ports are out of reach";
	if ((uint64_t)out->runtime + XHCI_RUNTIME_BYTES > range || out->runtime < out->operational)
		return "its runtime registers are out of reach";
	if ((uint64_t)out->doorbells + 4 * (out->slots + 1ull) > range || out->doorbells < out->operational)
		return "its doorbells are out of reach";
	if (out->extended + 4ull > range)
		out->extended = 0;
	return nullptr;
}

uint32_t xhci_next_extended(uint32_t at, uint32_t word, size_t range)
{
	uint32_t step = (word >> 8 & 0xff) << 2;

	return step == 0 || word == UINT32_MAX || (uint64_t)at + step + 4 > range ? 0 : at + step;
}

int xhci_error(uint8_t completion)
{
	switch (completion) {
	case XHCI_SUCCESS:
	case XHCI_SHORT_PACKET: return 0;
	case XHCI_STALL: return -EPIPE;
	case XHCI_BABBLE: return -EOVERFLOW;
	case XHCI_TRANSACTION_ERROR:
	case XHCI_SPLIT_ERROR: return -EPROTO;
	default: return -EIO;
	}
}

bool xhci_halts(uint8_t completion)
{
	return completion == XHCI_STALL || completion == XHCI_BABBLE || completion == XHCI_TRANSACTION_ERROR ||
	       completion == XHCI_BUFFER_ERROR || completion == XHCI_SPLIT_ERROR;
}

/* --- rings --- */

void xhci_ring_begin(struct xhci_ring *r, void *at, uint64_t address, size_t bytes)
{
	memset(at, 0, bytes);
	*r = (struct xhci_ring){
		.at = at, .address = address, .entries = (uint32_t)(bytes / sizeof(struct xhci_trb)), .cycle = 1};
	r->at[r->entries - 1] = (struct xhci_trb){.parameter = address, .control = XHCI_TYPE(XHCI_LINK) | XHCI_TOGGLE};
}

/* The word with the cycle bit is the last that is written of each. */
static void put_control(struct xhci_trb *t, uint32_t control)
{
	__atomic_store_n(&t->control, control, __ATOMIC_RELEASE);
}

uint32_t xhci_ring_put(struct xhci_ring *r, const struct xhci_trb *t, bool held)
{
	uint32_t place = r->enqueue;
	struct xhci_trb *to = &r->at[place];

	to->parameter = t->parameter;
	to->status = t->status;
	put_control(to, (t->control & ~(uint32_t)XHCI_CYCLE) | (held ? r->cycle ^ 1 : r->cycle));
	if (++r->enqueue == r->entries - 1) {
		struct xhci_trb *link = &r->at[r->enqueue];

		put_control(link, XHCI_TYPE(XHCI_LINK) | XHCI_TOGGLE | (t->control & XHCI_CHAIN) | r->cycle);
		r->enqueue = 0;
		r->cycle ^= 1;
	}
	return place;
}

void xhci_ring_release(struct xhci_ring *r, uint32_t place)
{
	put_control(&r->at[place], r->at[place].control ^ XHCI_CYCLE);
}

uint64_t xhci_ring_dequeue(const struct xhci_ring *r)
{
	return (r->address + r->enqueue * sizeof(struct xhci_trb)) | r->cycle;
}

bool xhci_ring_place(const struct xhci_ring *r, uint64_t address, uint32_t *place)
{
	uint64_t offset = address - r->address;

	if (address < r->address || offset % sizeof(struct xhci_trb) != 0 ||
	    offset / sizeof(struct xhci_trb) >= r->entries - 1)
		return false;
	*place = (uint32_t)(offset / sizeof(struct xhci_trb));
	return true;
}

uint32_t xhci_ring_distance(const struct xhci_ring *r, uint32_t first, uint32_t place)
{
	return place >= first ? place - first : place + (r->entries - 1) - first;
}

void xhci_events_begin(struct xhci_events *e, const void *at, size_t bytes)
{
	*e = (struct xhci_events){.at = at, .entries = (uint32_t)(bytes / sizeof(struct xhci_trb)), .cycle = 1};
}

bool xhci_events_take(struct xhci_events *e, struct xhci_trb *out)
{
	const volatile struct xhci_trb *t = &e->at[e->dequeue];
	uint32_t control = __atomic_load_n(&t->control, __ATOMIC_ACQUIRE);

	if ((control & XHCI_CYCLE) != e->cycle)
		return false;
	*out = (struct xhci_trb){.parameter = t->parameter, .status = t->status, .control = control};
	if (++e->dequeue == e->entries) {
		e->dequeue = 0;
		e->cycle ^= 1;
	}
	return true;
}

uint32_t xhci_packets_left(uint32_t total, uint32_t done, uint32_t packet_max)
{
	constexpr uint32_t MOST = 31;

	return done >= total ? 0 : MIN((total - done + packet_max - 1) / packet_max, MOST);
}

/* --- contexts --- */

void xhci_fill_slot(uint32_t *context, const struct xhci_slot_facts *f)
{
	context[0] = (f->route & 0xfffff) | (uint32_t)f->speed << 20 | (f->is_hub ? 1u << 26 : 0) |
		     (uint32_t)f->last_endpoint << 27;
	context[1] = (uint32_t)f->root_port << 16 | (uint32_t)f->hub_ports << 24;
	context[2] = f->translator_slot | (uint32_t)f->translator_port << 8 | (uint32_t)f->think << 16;
	context[3] = 0;
}

enum : uint32_t { CONTROL_ENDPOINT = 4, ERRORS = 3, CONTROL_AVERAGE = 8, BULK_AVERAGE = 3072 };

static void fill(uint32_t *context, uint32_t type, uint32_t packet_max, uint32_t burst, uint64_t dequeue)
{
	context[1] = ERRORS << 1 | type << 3 | burst << 8 | packet_max << 16;
	context[2] = (uint32_t)dequeue;
	context[3] = (uint32_t)(dequeue >> 32);
}

void xhci_fill_control(uint32_t *context, uint16_t packet_max, uint64_t dequeue)
{
	context[0] = 0;
	fill(context, CONTROL_ENDPOINT, packet_max, 0, dequeue);
	context[4] = CONTROL_AVERAGE;
}

void xhci_fill_endpoint(uint32_t *context, enum usb_speed speed, const struct usb_endpoint_facts *e, uint64_t dequeue)
{
	/* Of isochronous, bulk and interrupt; in is 4 more (6.2.3). */
	static const uint32_t types[] = {[USB_CONTROL] = 4, [USB_ISOCHRONOUS] = 1, [USB_BULK] = 2, [USB_INTERRUPT] = 3};
	uint32_t burst = speed == USB_SUPER ? e->burst : e->transactions;
	uint32_t payload = e->packet_max * (burst + 1);

	context[0] = (uint32_t)usb_interval(speed, e) << 16;
	fill(context, types[e->type] + (e->in && e->type != USB_CONTROL ? 4 : 0), e->packet_max, burst, dequeue);
	/* Only what has a share of each interval says how much (4.14.2). */
	if (e->type == USB_BULK)
		context[4] = BULK_AVERAGE;
	else
		context[4] = MIN(payload, 0xffffu) | MIN(payload, 0xffffu) << 16;
}
