/* SPDX-License-Identifier: MIT */
/*
 * What is plugged in: a device is found out about in the thread of the hub that it is in, then it and its interfaces
 * are devices. Nothing that it says is believed. One that rests (its hub, or the controller, begins anew) is found out
 * about once more, and goes on if it says the same as before.
 */
#include "usb_internal.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/mem/slab.h>
#include <lib/crc32.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint16_t ENGLISH = 0x409;

static int refuse(const struct usb_device *u, struct device *hub, const char *wrong)
{
	log_error("usb: %s: what is in port %u is not usable: %s", device_name(hub), u->port, wrong);
	return -ENXIO;
}

/* --- asking --- */

static int get_descriptor(struct usb_device *u, struct device *hub, uint16_t what, uint16_t index, void *out, size_t n)
{
	struct usb_setup setup = {.type = USB_TO_HOST,
				  .request = USB_GET_DESCRIPTOR,
				  .value = what,
				  .index = index,
				  .length = (uint16_t)n};

	memset(out, 0, n);
	return usb_control_of(u, hub, &setup, out);
}

static void read_text(struct usb_device *u, struct device *hub, uint8_t index, char out[USB_STRING_MAX])
{
	unsigned char bytes[255];

	out[0] = '\0';
	if (index == 0)
		return;
	int n = get_descriptor(u, hub, (uint16_t)(USB_DESCRIPTOR_STRING << 8 | index), ENGLISH, bytes, sizeof(bytes));
	if (n > 0)
		usb_read_string(bytes, (size_t)n, out);
}

/* How long packets of endpoint 0 are, which one of full speed has to be asked with the shortest. */
static int read_packet_max(struct usb_device *u, struct device *hub)
{
	constexpr size_t FIRST = 8, AT = 7;
	unsigned char bytes[FIRST];
	int n = get_descriptor(u, hub, USB_DESCRIPTOR_DEVICE << 8, 0, bytes, sizeof(bytes));

	if (n < 0)
		return n;
	if (n < (int)FIRST)
		return refuse(u, hub, "its device descriptor is none");
	uint8_t packet_max = bytes[AT];
	if (packet_max != 8 && packet_max != 16 && packet_max != 32 && packet_max != 64)
		return refuse(u, hub, "the packets of its endpoint 0 have no size that can be");
	return packet_max == FIRST ? 0 : USB_HOST_CALL(u->host, set_packet, u->slot, packet_max);
}

static int read_configuration(struct usb_device *u, struct device *hub)
{
	unsigned char head[USB_CONFIGURATION_HEAD_BYTES];
	int n = get_descriptor(u, hub, USB_DESCRIPTOR_CONFIGURATION << 8, 0, head, sizeof(head));

	if (n < 0)
		return n;
	size_t bytes = usb_configuration_bytes(head, (size_t)n);
	if (bytes == 0 || bytes > USB_CONTROL_MAX)
		return refuse(u, hub, "its configuration descriptor is none, or too long");
	unsigned char *all = kmalloc(bytes);
	if (all == nullptr)
		return -ENOMEM;
	n = get_descriptor(u, hub, USB_DESCRIPTOR_CONFIGURATION << 8, 0, all, bytes);
	if (n >= 0) {
		const char *wrong = usb_read_configuration(all, (size_t)n, u->identity.speed, &u->configuration);
		size_t room = MIN((size_t)n, sizeof(u->descriptors) - u->descriptor_bytes);

		memcpy(u->descriptors + u->descriptor_bytes, all, room);
		u->descriptor_bytes += room;
		u->descriptor_sum = crc32_add(u->descriptor_sum, all, (size_t)n);
		n = wrong != nullptr ? refuse(u, hub, wrong) : 0;
	}
	kfree(all);
	return n;
}

static int identify(struct usb_device *u, struct device *hub)
{
	unsigned char bytes[USB_DEVICE_BYTES];
	struct usb_identity *id = &u->identity;
	int n = u->identity.speed == USB_FULL ? read_packet_max(u, hub) : 0;

	if (n == 0)
		n = get_descriptor(u, hub, USB_DESCRIPTOR_DEVICE << 8, 0, bytes, sizeof(bytes));
	if (n < 0)
		return n;
	const char *wrong = usb_read_device(bytes, (size_t)n, id->speed, &id->facts);
	if (wrong != nullptr)
		return refuse(u, hub, wrong);
	memcpy(u->descriptors, bytes, sizeof(bytes));
	u->descriptor_bytes = sizeof(bytes);
	u->descriptor_sum = crc32_add(0, bytes, sizeof(bytes));
	n = read_configuration(u, hub);
	if (n < 0)
		return n;
	read_text(u, hub, id->facts.maker_text, id->maker);
	read_text(u, hub, id->facts.product_text, id->product);
	read_text(u, hub, id->facts.serial_text, id->serial);
	return 0;
}

/* The endpoints that its interfaces have before anybody chooses an alternate, then the configuration (xHCI 1.2, 4.3.5).
 */
static int configure(struct usb_device *u, struct device *hub)
{
	const struct usb_configuration *c = &u->configuration;
	struct usb_endpoint_facts endpoints[USB_ENDPOINTS_MAX];
	struct usb_setup setup = {.request = USB_SET_CONFIGURATION, .value = c->value};
	unsigned count = 0;

	for (unsigned i = 0; i < c->interface_count; i++) {
		const struct usb_interface_facts *f = &c->interfaces[i];

		for (unsigned n = 0; n < f->endpoint_count && f->alternate == 0; n++)
			endpoints[count++] = c->endpoints[f->first_endpoint + n];
	}
	int error = USB_HOST_CALL(u->host, configure, u->slot, endpoints, count);
	return error < 0 ? error : usb_control_of(u, hub, &setup, nullptr);
}

/* --- its place --- */

static void find_place(struct usb_device *u, enum usb_speed speed)
{
	constexpr unsigned PORT_MAX = 15;
	const struct usb_device *above = u->above;
	struct usb_place *p = &u->place;

	u->identity.speed = speed;
	*p = (struct usb_place){.speed = speed, .root_port = (uint8_t)u->port};
	if (above->above == nullptr)
		return;
	p->root_port = above->place.root_port;
	p->route = above->place.route | MIN(u->port, PORT_MAX) << 4 * (above->depth - 1);
	if (speed != USB_LOW && speed != USB_FULL)
		return;
	if (above->identity.speed == USB_HIGH) {
		p->translator = above->slot;
		p->translator_port = (uint8_t)u->port;
	} else {
		p->translator = above->place.translator;
		p->translator_port = above->place.translator_port;
	}
}

static void forget(struct usb_device *u)
{
	struct usb_host *h = u->host;
	void *slot = u->slot;

	if (slot == nullptr)
		return;
	FAULT_POINT(driver_usb_forget);
	/* Else the slot went with the controller's round. */
	if (usb_enter(h)) {
		u->slot = nullptr;
		if (u->round == h->round && !guard_run_void(h->ops->component, h->ops->forget(h->dev, slot)))
			USB_HOST_FAULT(h);
		usb_leave(h);
	}
	u->slot = nullptr;
}

/* Up to where its descriptors are known. */
static int meet(struct usb_device *u, struct device *hub, enum usb_speed speed)
{
	struct usb_host *h = u->host;

	find_place(u, speed);
	u->round = h->round;
	int error = USB_HOST_CALL(h, address, &u->place, &u->slot);
	if (error < 0)
		return error;
	int number = USB_HOST_CALL(h, number, u->slot);
	if (number < 0)
		return number;
	u->number = (uint8_t)number;
	FAULT_POINT(driver_usb_met);
	return identify(u, hub);
}

static struct usb_device *create(struct usb_device *above, unsigned port)
{
	struct usb_device *u = kmalloc(sizeof(*u));

	if (u == nullptr)
		return nullptr;
	u->node.device = u;
	u->host = above->host;
	u->above = above;
	u->port = port;
	u->depth = above->depth + 1;
	return u;
}

/* --- its devices --- */

void usb_node_release(struct device *, void *bus_data)
{
	struct usb_node *node = bus_data;

	if (node->interface != nullptr)
		kfree(node);
	else
		kfree(node->device);
}

static int add_interface(struct usb_device *u, const struct usb_interface_facts *f, struct device **out)
{
	char name[DEVICE_NAME_MAX];
	struct usb_node *node = kmalloc(sizeof(*node));

	if (node == nullptr)
		return -ENOMEM;
	*node = (struct usb_node){.device = u, .interface = f};
	if (u->above != nullptr)
		snprintf(name, sizeof(name), "%s:%u.%u", device_name(u->dev), u->configuration.value, f->number);
	else
		snprintf(name, sizeof(name), "%u-0:%u.%u", u->host->bus, u->configuration.value, f->number);
	int error = device_add_get(u->dev, &usb_bus, name, node, out);
	if (error < 0)
		kfree(node);
	return error;
}

int usb_device_add_interfaces(struct usb_device *u)
{
	const struct usb_configuration *c = &u->configuration;
	int error = 0;

	for (unsigned n = 0; n < c->interface_count && error == 0; n++) {
		if (c->interfaces[n].alternate == 0 && u->interfaces[n] == nullptr)
			error = add_interface(u, &c->interfaces[n], &u->interfaces[n]);
	}
	return error;
}

static int add_devices(struct usb_device *u)
{
	char name[DEVICE_NAME_MAX];

	if (u->above->above == nullptr)
		snprintf(name, sizeof(name), "%u-%u", u->host->bus, u->port);
	else
		snprintf(name, sizeof(name), "%s.%u", device_name(u->above->dev), u->port);
	int error = device_add_get(u->above->dev, &usb_bus, name, &u->node, &u->dev);
	if (error < 0) {
		u->dev = nullptr;
		return error;
	}
	log_info("usb: %s: %04x:%04x %s %s", device_name(u->dev), u->identity.facts.vendor, u->identity.facts.product,
		 u->identity.maker, u->identity.product);
	return usb_device_add_interfaces(u);
}

int usb_device_create(struct device *hub, struct usb_device *above, unsigned port, enum usb_speed speed,
		      struct usb_device **out)
{
	struct usb_device *u = create(above, port);

	if (u == nullptr)
		return -ENOMEM;
	*out = u;
	int error = u->depth > USB_DEPTH_MAX ? refuse(u, hub, "it is behind too many hubs") : meet(u, hub, speed);
	if (error == 0)
		error = configure(u, hub);
	if (error >= 0)
		error = add_devices(u);
	if (error < 0) {
		usb_device_end(u);
		*out = nullptr;
		usb_device_free(u);
		return error;
	}
	u->whole = true;
	return error;
}

/* What was found in its place is not it, or has become it. */
static void end_now(struct usb_device *u)
{
	struct usb_device *now = u->now;

	if (now == nullptr)
		return;
	forget(now);
	u->now = nullptr;
	kfree(now);
}

void usb_device_end(struct usb_device *u)
{
	end_now(u);
	u->whole = false;
	if (u->dev != nullptr)
		device_remove(u->dev);
	forget(u);
	for (unsigned n = 0; n < USB_INTERFACES_MAX; n++) {
		struct device *dev = u->interfaces[n];

		u->interfaces[n] = nullptr;
		device_put(dev);
	}
}

void usb_device_free(struct usb_device *u)
{
	if (u->dev == nullptr)
		kfree(u);
	else
		device_put(u->dev);
}

void usb_device_rest(struct usb_device *u)
{
	for (unsigned n = 0; n < USB_INTERFACES_MAX; n++) {
		if (u->interfaces[n] != nullptr)
			device_rest(u->interfaces[n]);
	}
}

/* All that it says. Its place is the same, and what was pulled out in a live round is gone (doc/usb.md). */
static bool is_same(const struct usb_device *a, const struct usb_device *b)
{
	return a->descriptor_sum == b->descriptor_sum && a->descriptor_bytes == b->descriptor_bytes &&
	       memcmp(a->descriptors, b->descriptors, a->descriptor_bytes) == 0 &&
	       a->identity.speed == b->identity.speed && strcmp(a->identity.serial, b->identity.serial) == 0 &&
	       strcmp(a->identity.maker, b->identity.maker) == 0 &&
	       strcmp(a->identity.product, b->identity.product) == 0;
}

int usb_device_resume(struct device *hub, struct usb_device *u, enum usb_speed speed)
{
	void *before;

	end_now(u);
	struct usb_device *now = u->now = create(u->above, u->port);
	if (now == nullptr)
		return -ENOMEM;
	forget(u);
	int error = meet(now, hub, speed);
	if (error == 0 && !is_same(u, now))
		error = -ESTALE;
	if (error == 0) {
		u->place = now->place;
		u->slot = now->slot;
		u->round = now->round;
		u->number = now->number;
		now->slot = nullptr;
		error = configure(u, hub);
	}
	end_now(u);
	for (unsigned n = 0; n < USB_INTERFACES_MAX && error >= 0; n++) {
		if (u->interfaces[n] != nullptr)
			error = device_go_on(u->interfaces[n], device_bus_data(u->interfaces[n]), &before);
	}
	return error < 0 ? error : 0;
}
