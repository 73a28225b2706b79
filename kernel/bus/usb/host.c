/* SPDX-License-Identifier: MIT */
/*
 * Host controllers (kernel/bus/usb_host.h): entering their functions, which ends with their round, and root hubs.
 *
 * When a round ends: nobody comes in any more, who is inside comes out, the controller is halted by its registers, and
 * only then the devices below rest and what they were lent is taken back. All of that is in the controller's own
 * thread, which handles no event meanwhile; so whoever waits for one is woken and told that it will not come.
 */
#include "usb_internal.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

constexpr uint64_t QUIET_NS = 60'000'000'000;
constexpr unsigned BUSES_MAX = 64;

static uint32_t state_of(const struct usb_host *h)
{
	return __atomic_load_n(&h->state, __ATOMIC_SEQ_CST);
}

static uint32_t inside(const struct usb_host *h)
{
	return __atomic_load_n(&h->inside, __ATOMIC_SEQ_CST);
}

void usb_host_fault(struct usb_host *h)
{
	device_fail(h->dev, "a fault in a function of the controller's driver");
}

static void set_state(struct usb_host *h, enum usb_host_state state)
{
	__atomic_store_n(&h->state, state, __ATOMIC_SEQ_CST);
	wait_wake_all(&h->quiet);
}

static struct usb_host *host_of(struct resource *r)
{
	return container_of(r, struct usb_host, resource);
}

static void host_rests(struct resource *r)
{
	struct usb_host *h = host_of(r);

	/* Closing already, where a fault ended the call before this one. */
	if (state_of(h) == USB_HOST_OPEN || state_of(h) == USB_HOST_CLOSING) {
		set_state(h, USB_HOST_CLOSING);
		(void)guard_run_void(h->ops->component, h->ops->wake(h->dev));
		if (wait_event_patiently(&h->quiet, inside(h) == 0, QUIET_NS) != 0)
			log_error("usb: somebody does not come back from %s", device_name(h->dev));
		bool halted = guard_run(h->ops->component, h->ops->halt(h->dev)) == 1;
		set_state(h, halted ? USB_HOST_HALTED : USB_HOST_LOUD);
	}
	if (h->root != nullptr)
		usb_device_rest(h->root);
}

static void host_goes(struct resource *r)
{
	struct usb_host *h = host_of(r);

	if (h->root != nullptr) {
		usb_device_end(h->root);
		usb_device_free(h->root);
	}
	kfree(h);
}

static const struct resource_ops host_ops = {.name = "usb host",
					     .component = &component_usb,
					     .suspend = host_rests,
					     .release = host_goes,
					     .gone = host_goes};

/* What a root hub says of itself: it has no endpoint, since its ports are registers. */
static void fill_root(struct usb_device *u)
{
	static const unsigned char descriptors[] = {
		18,
		USB_DESCRIPTOR_DEVICE,
		0,
		2,
		USB_CLASS_HUB,
		0,
		1,
		64,
		0,
		0,
		0,
		0,
		0,
		1,
		0,
		0,
		0,
		1,
		9,
		USB_DESCRIPTOR_CONFIGURATION,
		18,
		0,
		1,
		1,
		0,
		0xe0,
		0,
		9,
		USB_DESCRIPTOR_INTERFACE,
		0,
		0,
		0,
		USB_CLASS_HUB,
		0,
		0,
		0,
	};

	memcpy(u->descriptors, descriptors, sizeof(descriptors));
	u->descriptor_bytes = sizeof(descriptors);
	u->identity.speed = USB_HIGH;
	(void)usb_read_device(descriptors, USB_DEVICE_BYTES, USB_HIGH, &u->identity.facts);
	(void)usb_read_configuration(descriptors + USB_DEVICE_BYTES, sizeof(descriptors) - USB_DEVICE_BYTES, USB_HIGH,
				     &u->configuration);
	strlcpy(u->identity.product, "root hub", sizeof(u->identity.product));
	strlcpy(u->identity.serial, device_name(u->host->dev), sizeof(u->identity.serial));
	u->number = 1;
}

static int add_root(struct usb_host *h)
{
	struct usb_device *u = kmalloc(sizeof(*u));
	char name[DEVICE_NAME_MAX];
	int error = -EEXIST;

	if (u == nullptr)
		return -ENOMEM;
	u->node.device = u;
	u->host = h;
	fill_root(u);
	for (h->bus = 1; h->bus <= BUSES_MAX && error == -EEXIST; h->bus++) {
		snprintf(name, sizeof(name), "usb%u", h->bus);
		error = device_add_get(h->dev, &usb_bus, name, &u->node, &u->dev);
		if (error == 0)
			break;
	}
	if (error < 0) {
		kfree(u);
		return error;
	}
	h->root = u;
	return usb_device_add_interfaces(u);
}

static int host_create(struct device *dev, const struct usb_host_ops *ops, unsigned ports, struct usb_host **out)
{
	struct usb_host *h = kmalloc(sizeof(*h));

	if (h == nullptr)
		return -ENOMEM;
	h->dev = dev;
	h->ops = ops;
	h->ports = ports;
	h->round = 1;
	h->state = USB_HOST_OPEN;
	wait_queue_init(&h->quiet);
	int error = device_own(dev, &h->resource, &host_ops);
	if (error < 0) {
		kfree(h);
		return error;
	}
	*out = h;
	/* What was added before an error is the device's, which gives it back. */
	return add_root(h);
}

int usb_host_begin(struct device *dev, const struct usb_host_ops *ops, unsigned ports, struct usb_host **out)
{
	struct resource *kept = device_kept(dev, &host_ops, nullptr);
	void *before;

	if (kept == nullptr)
		return host_create(dev, ops, ports, out);
	struct usb_host *h = *out = host_of(kept);
	h->ports = ports;
	h->round++;
	set_state(h, USB_HOST_OPEN);
	if (h->root == nullptr)
		return add_root(h);
	struct device *hub = h->root->interfaces[0];
	return hub != nullptr ? device_go_on(hub, device_bus_data(hub), &before) : usb_device_add_interfaces(h->root);
}

void usb_host_port_changed(struct usb_host *h)
{
	struct usb_device *root = __atomic_load_n(&h->root, __ATOMIC_ACQUIRE);

	if (root != nullptr && root->interfaces[0] != nullptr)
		device_wake(root->interfaces[0]);
}

/* --- the root hub, for its driver --- */

bool usb_is_root(const struct device *dev)
{
	return usb_device_of(dev)->above == nullptr;
}

bool usb_is_there(const struct device *dev)
{
	const struct usb_device *u = usb_device_of(dev);

	return state_of(u->host) == USB_HOST_OPEN &&
	       (u->above == nullptr || (u->slot != nullptr && u->round == u->host->round));
}

unsigned usb_root_ports(const struct device *dev)
{
	return usb_device_of(dev)->host->ports;
}

static int read_port(struct usb_host *h, unsigned port, uint32_t *out, enum usb_speed *speed)
{
	*out = 0;
	*speed = USB_HIGH;
	if (!usb_enter(h))
		return -ENODEV;
	/* No port has so many bits that it would look like an error. */
	long status = guard_run(h->ops->component, h->ops->port(h->dev, port, speed));
	if (status == -EFAULT)
		USB_HOST_FAULT(h);
	usb_leave(h);
	*out = status > 0 ? (uint32_t)status : 0;
	return status >= 0 ? 0 : -ENODEV;
}

int usb_root_port(struct device *dev, unsigned port, uint32_t *status, enum usb_speed *speed)
{
	return read_port(usb_device_of(dev)->host, port, status, speed);
}

void usb_root_set_port(struct device *dev, unsigned port, enum usb_port_feature feature, bool set)
{
	struct usb_host *h = usb_device_of(dev)->host;

	if (!usb_enter(h))
		return;
	if (!guard_run_void(h->ops->component, h->ops->set_port(h->dev, port, feature, set)))
		USB_HOST_FAULT(h);
	usb_leave(h);
}

int usb_set_hub(struct device *dev, const struct usb_hub_facts *hub)
{
	struct usb_device *u = usb_device_of(dev);

	return u->slot != nullptr ? USB_HOST_CALL(u->host, set_hub, u->slot, hub) : -ENODEV;
}
