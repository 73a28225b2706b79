/* SPDX-License-Identifier: MIT */
/* What is in the ports of a hub (kernel/bus/usb_host.h): owned by the hub's interface, and kept through its rounds. All
 * is the hub's thread's. */
#include "usb_internal.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>

struct usb_ports {
	struct resource resource;
	struct device *hub; /* borrowed: it owns this */
	unsigned count;
	struct usb_device *in[USB_PORTS_MAX + 1]; /* from 1; nullptr: none */
	bool rests[USB_PORTS_MAX + 1];
};

static struct usb_ports *ports_of(struct resource *r)
{
	return container_of(r, struct usb_ports, resource);
}

static void ports_rest(struct resource *r)
{
	struct usb_ports *p = ports_of(r);

	for (unsigned port = 1; port <= USB_PORTS_MAX; port++) {
		if (p->in[port] == nullptr)
			continue;
		p->rests[port] = true;
		usb_device_rest(p->in[port]);
	}
}

static void drop(struct usb_ports *p, unsigned port)
{
	struct usb_device *u = p->in[port];

	if (u == nullptr)
		return;
	if (u->whole)
		log_info("usb: %s is gone", device_name(u->dev));
	/* It is in there until nothing of it is left that this bus could still give back after a fault. */
	usb_device_end(u);
	p->in[port] = nullptr;
	p->rests[port] = false;
	usb_device_free(u);
}

static void ports_go(struct resource *r)
{
	struct usb_ports *p = ports_of(r);

	for (unsigned port = 1; port <= USB_PORTS_MAX; port++)
		drop(p, port);
	kfree(p);
}

static const struct resource_ops ports_ops = {
	.name = "usb ports", .component = &component_usb, .suspend = ports_rest, .release = ports_go, .gone = ports_go};

int usb_ports_begin(struct device *hub, unsigned count, struct usb_ports **out)
{
	struct resource *kept = device_kept(hub, &ports_ops, nullptr);
	struct usb_ports *p = kept != nullptr ? ports_of(kept) : kmalloc(sizeof(*p));

	if (p == nullptr)
		return -ENOMEM;
	p->hub = hub;
	p->count = count <= USB_PORTS_MAX ? count : USB_PORTS_MAX;
	*out = p;
	int error = kept != nullptr ? 0 : device_own(hub, &p->resource, &ports_ops);
	if (error < 0)
		kfree(p);
	for (unsigned port = p->count + 1; port <= USB_PORTS_MAX && error == 0; port++)
		drop(p, port);
	return error;
}

bool usb_ports_has(const struct usb_ports *p, unsigned port)
{
	return p->in[port] != nullptr && p->in[port]->whole && !p->rests[port];
}

bool usb_ports_was_pulled(const struct usb_ports *p, unsigned port)
{
	const struct usb_device *u = p->in[port];

	return u != nullptr && p->rests[port] && usb_is_root(p->hub) && u->round == u->host->round;
}

int usb_ports_found(struct usb_ports *p, unsigned port, enum usb_speed speed)
{
	int error = -ESTALE;

	/* A fault ended what was done about it before. */
	if (p->in[port] != nullptr && !p->in[port]->whole)
		drop(p, port);
	if (p->in[port] != nullptr) {
		error = usb_device_resume(p->hub, p->in[port], speed);
		if (error == 0)
			p->rests[port] = false;
		/* It may answer the next time; another one needs a reset first. */
		else if (error == -ESTALE || error == -ENXIO)
			drop(p, port);
		return error;
	}
	return usb_device_create(p->hub, usb_device_of(p->hub), port, speed, &p->in[port]);
}

void usb_ports_empty(struct usb_ports *p, unsigned port)
{
	drop(p, port);
}
