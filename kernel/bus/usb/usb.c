/* SPDX-License-Identifier: MIT */
/* The USB bus (kernel/bus/usb.h): which driver is for an interface, what a driver asks of its own, and the end of a
 * round: what it has under way is taken back. */
#include "usb_internal.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <lib/string.h>

DEFINE_COMPONENT(usb, .stays = "it has no thread, and what it keeps of a device goes with it",
		 .users = "as those of the driver in whose thread it was; a hub's driver looks at its ports anew");

static bool matches(const struct device *dev, const struct driver *driver)
{
	const struct usb_interface_facts *i = usb_node_of(dev)->interface;

	for (const struct usb_match *m = driver->match; i != nullptr && m->class != 0; m++) {
		if (m->class == i->class && (m->subclass == USB_ANY || m->subclass == i->subclass) &&
		    (m->protocol == USB_ANY || m->protocol == i->protocol))
			return true;
	}
	return false;
}

static const struct usb_endpoint_facts *endpoint(const struct device *dev, unsigned n)
{
	const struct usb_node *node = usb_node_of(dev);

	return &node->device->configuration.endpoints[node->interface->first_endpoint + n];
}

/* Whether the controller has nothing of the device, since it was halted or begins anew. Waits while that is decided. */
static bool is_halted(struct usb_host *h)
{
	(void)wait_event_patiently(&h->quiet, __atomic_load_n(&h->state, __ATOMIC_ACQUIRE) != USB_HOST_CLOSING,
				   60'000'000'000);
	return __atomic_load_n(&h->state, __ATOMIC_ACQUIRE) == USB_HOST_HALTED;
}

static void silence(struct device *dev)
{
	struct usb_node *node = usb_node_of(dev);
	struct usb_device *u = node->device;

	if (u->slot == nullptr || u->round != u->host->round)
		return;
	for (unsigned n = 0; n < node->interface->endpoint_count; n++) {
		int error = USB_HOST_CALL(u->host, cancel, u->slot, endpoint(dev, n));

		if (error < 0 && !is_halted(u->host)) {
			log_error("usb: %s: endpoint %u does not stop (%d): what it was given is not used again",
				  device_name(dev), endpoint(dev, n)->number, error);
			device_not_silent(dev);
		}
	}
}

const struct bus usb_bus = {
	.name = "usb",
	.component = &component_usb,
	.matches = matches,
	.silence = silence,
	.release = usb_node_release,
	.entries = usb_entries,
	.uevent = usb_uevent,
};

/* --- for drivers --- */

const struct usb_identity *usb_identity(const struct device *dev)
{
	return &usb_device_of(dev)->identity;
}

const struct usb_interface_facts *usb_interface(const struct device *dev)
{
	return usb_node_of(dev)->interface;
}

const struct usb_endpoint_facts *usb_find_endpoint(const struct device *dev, enum usb_transfer_type type, bool in)
{
	for (unsigned n = 0; n < usb_interface(dev)->endpoint_count; n++) {
		if (endpoint(dev, n)->type == type && endpoint(dev, n)->in == in)
			return endpoint(dev, n);
	}
	return nullptr;
}

void usb_path(const struct device *dev, char *out, size_t size)
{
	const struct usb_device *u = usb_device_of(dev);
	const char *name = device_name(u->dev), *port = strchr(name, '-');

	snprintf(out, size, "usb-%s-%s", device_name(u->host->dev), port != nullptr ? port + 1 : "0");
}

unsigned usb_depth(const struct device *dev)
{
	return usb_device_of(dev)->depth;
}

/* --- transfers --- */

static bool is_there(const struct usb_device *u)
{
	return u->slot != nullptr && u->round == u->host->round;
}

int usb_control_of(struct usb_device *u, struct device *who, const struct usb_setup *setup, void *data)
{
	if (setup->length > USB_CONTROL_MAX)
		return -EINVAL;
	return is_there(u) ? USB_HOST_CALL(u->host, control, u->slot, who, setup, data) : -ENODEV;
}

int usb_control(struct device *dev, const struct usb_setup *setup, void *data)
{
	return usb_control_of(usb_device_of(dev), dev, setup, data);
}

int usb_submit(struct device *dev, struct usb_transfer *t)
{
	struct usb_device *u = usb_device_of(dev);
	uint64_t length = 0;

	if (!is_there(u))
		return -ENODEV;
	for (unsigned n = 0; n < t->piece_count; n++)
		length += t->pieces[n].length != 0 ? t->pieces[n].length : UINT32_MAX;
	if (t->piece_count > USB_PIECES_MAX || length >= UINT32_MAX)
		return -EINVAL;
	t->length = (uint32_t)length;
	t->device = dev;
	t->actual = 0;
	t->error = 0;
	return USB_HOST_CALL(u->host, submit, u->slot, t);
}

void usb_transfer_done(struct usb_transfer *t)
{
	struct device *dev = t->device;

	__atomic_store_n(&t->state, USB_DONE, __ATOMIC_RELEASE);
	device_wake(dev);
}

int usb_cancel(struct device *dev, const struct usb_endpoint_facts *e)
{
	struct usb_device *u = usb_device_of(dev);

	return is_there(u) ? USB_HOST_CALL(u->host, cancel, u->slot, e) : -ENODEV;
}

int usb_clear_halt(struct device *dev, const struct usb_endpoint_facts *e)
{
	struct usb_setup setup = {.type = USB_OF_ENDPOINT,
				  .request = USB_CLEAR_FEATURE,
				  .value = USB_ENDPOINT_HALT,
				  .index = (uint16_t)(e->number | (e->in ? USB_TO_HOST : 0))};
	int error = usb_cancel(dev, e);

	return error < 0 ? error : usb_control(dev, &setup, nullptr);
}
