/* SPDX-License-Identifier: MIT */
/*
 * Devices as the controller knows them (xHCI 1.2, 4.3, 4.5): a slot has a page of contexts that the controller writes,
 * and pages by which it is told of changes. One thread at a time is in here for a slot: the hub's whose port the device
 * is in, but for set_hub, which is the device's own.
 */
#include "xhci.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { PAGE = 4096, CONTROL_ENDPOINT = 1, INPUT_AT = PAGE, CONTEXTS_BYTES = 3 * PAGE };

static void slot_release(struct resource *r)
{
	kfree(container_of(r, struct slot, resource));
}

static const struct resource_ops slot_ops = {
	.name = "xhci slot", .component = &component_xhci, .release = slot_release};

/* The n-th of what the controller is told: 0 says which are changed, then the slot's, then those of endpoints. */
static uint32_t *input(const struct slot *s, uint32_t n)
{
	return xhci_context((char *)s->contexts.at + INPUT_AT, n, s->xhci->can.context_bytes);
}

static void begin_input(struct slot *s, uint32_t added)
{
	memset((char *)s->contexts.at + INPUT_AT, 0, CONTEXTS_BYTES - INPUT_AT);
	input(s, 0)[1] = added;
	xhci_fill_slot(input(s, 1), &s->facts);
}

/* As the controller has it now, to be told once more with a change (4.6.7). */
static void copy_context(struct slot *s, uint32_t n)
{
	memcpy(input(s, n + 1), xhci_context(s->contexts.at, n, s->xhci->can.context_bytes), 20);
}

static int tell(struct slot *s, enum xhci_trb_type type, const char *what)
{
	struct xhci_trb t = {.parameter = s->contexts.address + INPUT_AT,
			     .control = XHCI_TYPE(type) | (uint32_t)s->id << 24};

	return xhci_command_error(s->xhci, what, xhci_command(s->xhci, &t, nullptr));
}

static int create(struct xhci *x, struct slot **out)
{
	struct slot *s = kmalloc(sizeof(*s));
	int error = s != nullptr ? device_own(x->dev, &s->resource, &slot_ops) : -ENOMEM;

	*out = nullptr;
	if (error < 0) {
		kfree(s);
		return error;
	}
	s->xhci = x;
	for (unsigned n = 0; n < ENDPOINTS; n++)
		list_init(&s->pipes[n].given);
	*out = s;
	error = dma_alloc(x->dev, CONTEXTS_BYTES, &s->contexts);
	if (error == 0)
		error = dma_alloc(x->dev, USB_CONTROL_MAX, &s->data);
	return error;
}

/* Into the table by which events find it. */
static int enter(struct xhci *x, struct slot *s, uint8_t id)
{
	uint64_t *pointers = x->pointers.at;

	if (id == 0 || id > SLOTS_MAX || id > x->can.slots || x->slots[id] != nullptr) {
		device_fail(x->dev, "the controller names a slot that it cannot");
		return -ENODEV;
	}
	s->id = id;
	pointers[id] = s->contexts.address;
	spin_lock(&x->lock);
	x->slots[id] = s;
	spin_unlock(&x->lock);
	return 0;
}

static int enable(struct slot *s)
{
	struct xhci_trb t = {.control = XHCI_TYPE(XHCI_ENABLE_SLOT)};
	constexpr int NO_SLOTS = 9;
	uint8_t id = 0;
	int result = xhci_command(s->xhci, &t, &id);

	if (result == NO_SLOTS) {
		log_error("%s: it takes no more devices", device_name(s->xhci->dev));
		return -ENOSPC;
	}
	int error = xhci_command_error(s->xhci, "enabling a slot", result);
	return error < 0 ? error : enter(s->xhci, s, id);
}

int slot_address(struct device *dev, const struct usb_place *place, void **out)
{
	struct xhci *x = device_private(dev);
	const struct slot *translator = place->translator;
	struct slot *s;
	int error = create(x, &s);

	/* From here on it is to be forgotten. */
	*out = s;
	if (error == 0)
		error = pipe_open(x, &s->pipes[CONTROL_ENDPOINT], usb_first_packet_max(place->speed));
	if (error == 0)
		error = enable(s);
	if (error < 0)
		return error;
	s->facts = (struct xhci_slot_facts){.route = place->route,
					    .speed = place->speed,
					    .root_port = place->root_port,
					    .last_endpoint = CONTROL_ENDPOINT,
					    .translator_slot = translator != nullptr ? translator->id : 0,
					    .translator_port = place->translator_port};
	begin_input(s, 3);
	xhci_fill_control(input(s, 2), s->pipes[CONTROL_ENDPOINT].packet_max,
			  xhci_ring_dequeue(&s->pipes[CONTROL_ENDPOINT].ring));
	return tell(s, XHCI_ADDRESS_DEVICE, "addressing a device");
}

int slot_set_packet(struct device *, void *slot, uint16_t packet_max)
{
	struct slot *s = slot;
	struct pipe *p = &s->pipes[CONTROL_ENDPOINT];

	p->packet_max = packet_max;
	begin_input(s, 2);
	xhci_fill_control(input(s, 2), packet_max, xhci_ring_dequeue(&p->ring));
	return tell(s, XHCI_EVALUATE_CONTEXT, "changing the packets of a device");
}

int slot_configure(struct device *dev, void *slot, const struct usb_endpoint_facts *endpoints, unsigned count)
{
	struct xhci *x = device_private(dev);
	struct slot *s = slot;
	uint32_t added = 1;

	for (unsigned n = 0; n < count; n++) {
		const struct usb_endpoint_facts *e = &endpoints[n];
		uint8_t index = xhci_endpoint_index(e->number, e->in);

		/* Nobody would use it. */
		if (e->type == USB_ISOCHRONOUS || e->type == USB_CONTROL || (added >> index & 1) != 0)
			continue;
		int error = pipe_open(x, &s->pipes[index], e->packet_max);
		if (error < 0)
			return error;
		added |= 1u << index;
		s->facts.last_endpoint = MAX(s->facts.last_endpoint, index);
	}
	if (added == 1)
		return 0;
	begin_input(s, added);
	for (unsigned n = 0; n < count; n++) {
		uint8_t index = xhci_endpoint_index(endpoints[n].number, endpoints[n].in);

		if (added >> index & 1)
			xhci_fill_endpoint(input(s, index + 1u), s->facts.speed, &endpoints[n],
					   xhci_ring_dequeue(&s->pipes[index].ring));
	}
	return tell(s, XHCI_CONFIGURE_ENDPOINT, "configuring a device");
}

int slot_set_hub(struct device *, void *slot, const struct usb_hub_facts *hub)
{
	struct slot *s = slot;

	s->facts.is_hub = true;
	s->facts.hub_ports = hub->ports;
	s->facts.think = s->facts.speed == USB_HIGH ? hub->think : 0;
	begin_input(s, 1);
	/* Its address and state are the controller's. */
	copy_context(s, 0);
	uint32_t *context = input(s, 1);
	context[0] |= 1u << 26;
	context[1] = (context[1] & 0xffffff) | (uint32_t)s->facts.hub_ports << 24;
	context[2] |= (uint32_t)s->facts.think << 16;
	context[3] = 0;
	return tell(s, XHCI_CONFIGURE_ENDPOINT, "making a device a hub");
}

uint8_t slot_number(struct device *, void *slot)
{
	return (uint8_t)(((const struct slot *)slot)->id + 1);
}

void slot_forget(struct device *dev, void *slot)
{
	struct xhci *x = device_private(dev);
	struct slot *s = slot;
	struct xhci_trb t = {.control = XHCI_TYPE(XHCI_DISABLE_SLOT) | (uint32_t)s->id << 24};

	/* Without an answer all stays the controller's, until it is halted; and so it does with one that it refuses:
	 * then it is halted, or such slots would become ever more. */
	if (s->id != 0) {
		int error = xhci_command_error(x, "disabling a slot", xhci_command(x, &t, nullptr));

		if (error < 0 && error != -ENODEV)
			device_fail(x->dev, "the controller does not let a slot go");
		if (error < 0)
			return;
		spin_lock(&x->lock);
		x->slots[s->id] = nullptr;
		spin_unlock(&x->lock);
		((uint64_t *)x->pointers.at)[s->id] = 0;
	}
	for (unsigned n = 0; n < ENDPOINTS; n++)
		dma_free(dev, &s->pipes[n].memory);
	dma_free(dev, &s->data);
	dma_free(dev, &s->contexts);
	device_give_back(&s->resource);
}
