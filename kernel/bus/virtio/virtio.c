/* SPDX-License-Identifier: MIT */
/*
 * The virtio bus (kernel/bus/virtio.h): names, matching, interrupts by way of the transport's bus; reset, features and
 * configuration (Virtual I/O Device 1.2, 2.1 to 2.5 and 3.1). A device's registers are used by its own thread only, but
 * for notifications.
 */
#include "transport.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/device/dma.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

DEFINE_COMPONENT(
	virtio, .asks_devices = true,
	.users = "as those of the driver in whose thread it was; a transport that begins anew has its driver do so");

/* How long a reset may take: a device of a host that is busy with others is slow, one that is broken never does it. */
constexpr uint64_t RESET_NS = 30'000'000'000, RESET_LOOK_NS = 200'000;
constexpr unsigned CONFIG_TRIES = 1000;
constexpr uint64_t RING_FEATURES =
	VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM;

static bool matches(const struct device *dev, const struct driver *driver)
{
	const uint32_t *types = driver->match;

	for (; *types != VIRTIO_TYPE_NONE; types++)
		if (*types == virtio_transport_of(dev)->type)
			return true;
	return false;
}

/* Interrupts are the transport's: its index-th wakes the thread that asks, which is the virtio device's. */
static int attach_irq(struct device *dev, unsigned index, uint32_t *handle)
{
	struct device *carrier = device_parent(dev);
	const struct bus *bus = device_bus(carrier);
	struct device_line line = {};

	*handle = 0;
	if (virtio_transport_of(dev)->ops->wakes)
		return index == 0 ? 0 : -ENOENT;
	if (bus->attach_irq != nullptr)
		return bus->attach_irq(carrier, index, handle);
	int error = bus->line != nullptr ? bus->line(carrier, index, &line) : -ENOENT;
	if (error < 0)
		return error;
	long result = nucleus_irq_attach(line.gsi, line.flags);
	if (result < 0)
		return (int)result;
	*handle = (uint32_t)result;
	return 0;
}

static void release_irq(struct device *dev, unsigned index, uint32_t handle)
{
	const struct bus *bus = device_bus(device_parent(dev));

	if (handle == 0)
		return;
	if (bus->attach_irq != nullptr)
		bus->release_irq(device_parent(dev), index, handle);
	else
		(void)nucleus_irq_detach(handle);
}

/* One that was pulled out answers all ones. */
static bool is_cut_off(const struct virtio_transport *t)
{
	return t->ops->cut_off != nullptr && t->ops->cut_off(t);
}

bool virtio_reset(struct device *dev)
{
	const struct virtio_transport *t = virtio_transport_of(dev);
	uint64_t deadline = clock_monotonic_ns() + RESET_NS, now;
	bool permit = false, done;

	t->ops->set_status(t, 0);
	while (!(done = t->ops->status(t) == 0) && !(t->ops->status(t) == UINT8_MAX && is_cut_off(t)) &&
	       (now = clock_monotonic_ns()) < deadline)
		permit |= thread_park(now + RESET_LOOK_NS) == 0;
	if (permit)
		thread_unpark(thread_current());
	return done;
}

static void silence(struct device *dev)
{
	const struct virtio_transport *t = virtio_transport_of(dev);

	if (virtio_reset(dev) || is_cut_off(t))
		return;
	log_error("virtio: %s does not reset: what it was given is not used again", device_name(dev));
	device_not_silent(dev);
}

static void release(struct device *, void *bus_data)
{
	kfree(bus_data);
}

const struct bus virtio_bus = {
	.name = "virtio",
	.component = &component_virtio,
	.matches = matches,
	.attach_irq = attach_irq,
	.release_irq = release_irq,
	.silence = silence,
	.release = release,
};

/* --- the device that a transport carries --- */

struct carried {
	struct resource resource; /* the transport's, for as long as that is there */
	struct device *device;	  /* a reference */
	uint32_t type;
};

static struct carried *carried_of(struct resource *r)
{
	return container_of(r, struct carried, resource);
}

static void carried_rests(struct resource *r)
{
	if (carried_of(r)->device != nullptr)
		device_rest(carried_of(r)->device);
}

static void carried_goes(struct resource *r)
{
	struct carried *c = carried_of(r);

	if (c->device != nullptr)
		device_remove(c->device);
	device_put(c->device);
	kfree(c);
}

static const struct resource_ops carried_ops = {.name = "virtio device",
						.component = &component_virtio,
						.suspend = carried_rests,
						.release = carried_goes,
						.gone = carried_goes};

/* A new one. It is owned before there is a device: afterwards t is not the caller's any more. */
static int carry(struct device *parent, struct virtio_transport *t, struct device **out)
{
	char name[DEVICE_NAME_MAX];
	struct carried *c = kmalloc(sizeof(*c));
	int error = c != nullptr ? device_own(parent, &c->resource, &carried_ops) : -ENOMEM;

	if (error < 0) {
		kfree(c);
		return error;
	}
	c->type = t->type;
	error = -EEXIST;
	for (unsigned n = 0; error == -EEXIST && n < 1000; n++) {
		scnprintf(name, sizeof(name), "virtio%u", n);
		/* It may be gone, with t, before this returns: what is above may be taken away. */
		error = device_add_get(parent, &virtio_bus, name, t, out);
	}
	if (error == 0) {
		c->device = *out;
	} else if (device_disown(&c->resource)) {
		kfree(c);
	}
	return error;
}

int virtio_carry(struct device *parent, struct virtio_transport *t, struct device **out)
{
	struct resource *kept = device_kept(parent, &carried_ops, nullptr);
	struct carried *c = kept != nullptr ? carried_of(kept) : nullptr;
	void *before;

	if (c != nullptr && c->type == t->type && device_go_on(c->device, t, &before) == 0) {
		kfree(before);
		*out = c->device;
		return 0;
	}
	if (c != nullptr && device_disown(kept))
		carried_goes(kept);
	return carry(parent, t, out);
}

static void add_status(const struct virtio_transport *t, uint8_t bits)
{
	t->ops->set_status(t, t->ops->status(t) | bits);
}

int virtio_begin(struct device *dev, uint64_t wanted, uint64_t *accepted)
{
	const struct virtio_transport *t = virtio_transport_of(dev);
	uint64_t offered;

	*accepted = 0;
	if (!virtio_reset(dev))
		return -EIO;
	add_status(t, VIRTIO_STATUS_ACKNOWLEDGE);
	add_status(t, VIRTIO_STATUS_DRIVER);
	offered = t->ops->features(t);
	if (!t->legacy && !(offered & VIRTIO_F_VERSION_1)) {
		log_error("virtio: %s offers features %llx, which are none of version 1", device_name(dev),
			  (unsigned long long)offered);
		add_status(t, VIRTIO_STATUS_FAILED);
		return -ENODEV;
	}
	if (device_is_confined(dev) && !(offered & VIRTIO_F_ACCESS_PLATFORM)) {
		log_warn("virtio: %s goes past the IOMMU: it is not confined, and reaches all memory",
			 device_name(dev));
		device_confine(dev, 0);
	}
	offered &= (wanted | RING_FEATURES) & (t->legacy ? UINT32_MAX : UINT64_MAX);
	t->ops->set_features(t, offered);
	if (!t->legacy) {
		add_status(t, VIRTIO_STATUS_FEATURES_OK);
		if (!(t->ops->status(t) & VIRTIO_STATUS_FEATURES_OK)) {
			log_error("virtio: %s does not agree to features %llx", device_name(dev),
				  (unsigned long long)offered);
			add_status(t, VIRTIO_STATUS_FAILED);
			return -ENODEV;
		}
	}
	*accepted = offered;
	return 0;
}

void virtio_ready(struct device *dev)
{
	add_status(virtio_transport_of(dev), VIRTIO_STATUS_DRIVER_OK);
}

static void read_field(const struct virtio_transport *t, const struct virtio_field *f, unsigned char *out, size_t bytes)
{
	size_t end = (size_t)f->offset + f->bytes;

	if (end > t->config_bytes || end > bytes)
		return;
	for (unsigned done = 0; done < f->bytes;) {
		unsigned part = MIN(f->bytes - done, 4u);
		uint32_t value = t->ops->config(t, f->offset + done, part);

		memcpy(out + f->offset + done, &value, part);
		done += part;
	}
}

int virtio_config_read(struct device *dev, const struct virtio_field *fields, unsigned count, unsigned char *out,
		       size_t bytes)
{
	const struct virtio_transport *t = virtio_transport_of(dev);

	for (unsigned tries = 0; tries < CONFIG_TRIES; tries++) {
		uint32_t before = t->ops->generation(t);

		memset(out, 0, bytes);
		for (unsigned i = 0; i < count; i++)
			read_field(t, &fields[i], out, bytes);
		if (t->ops->generation(t) == before)
			return 0;
	}
	return -EIO;
}

void virtio_config_write8(struct device *dev, unsigned offset, uint8_t value)
{
	const struct virtio_transport *t = virtio_transport_of(dev);

	if (offset < t->config_bytes)
		t->ops->config_write8(t, offset, value);
}

uint32_t virtio_interrupts(struct device *dev)
{
	const struct virtio_transport *t = virtio_transport_of(dev);
	uint32_t why = t->ops->interrupts(t);

	/* A device that wants to be reset says so by an interrupt for its configuration (2.1.2). */
	if (why & VIRTIO_INTERRUPT_CONFIG && t->ops->status(t) & VIRTIO_STATUS_NEEDS_RESET)
		device_fail(dev, "the device asks for a reset");
	return why;
}
