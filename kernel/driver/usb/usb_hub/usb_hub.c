/* SPDX-License-Identifier: MIT */
/*
 * Hubs (USB 2.0, 11; USB 3.2, 10): what comes into their ports, and goes. A root hub's ports are registers of the
 * controller, any other's are asked by requests to its endpoint 0, and its interrupt endpoint tells which have changed.
 * What is in a port is the bus's (kernel/bus/usb_host.h). All is the hub's thread's.
 */
#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/usb_host.h>
#include <kernel/device/dma.h>
#include <kernel/thread/component.h>
#include <lib/types.h>

DEFINE_COMPONENT(usb_hub, .asks_devices = true,
		 .users = "what is in its ports begins anew with it; open disks and input devices stay");

constexpr uint64_t MS = 1'000'000;
/* Times of 7.1.7.3 and 7.1.7.5, and how often, at most, something is asked that may take long. */
constexpr uint64_t DEBOUNCE_NS = 100 * MS, LOOK_NS = 10 * MS, RECOVERY_NS = 20 * MS;
constexpr unsigned LOOKS_MAX = 100, TRIES_MAX = 3, ERRORS_MAX = 5, CLEARS_MAX = 8;
enum : unsigned { STATUS_BYTES = 4, BITMAP_BYTES = (USB_PORTS_MAX + 8) / 8 };

struct hub {
	struct device *dev;
	struct usb_ports *ports;
	bool root, super;
	unsigned count, errors;
	unsigned news;			   /* changes that were seen */
	uint32_t stuck[USB_PORTS_MAX + 1]; /* changes that stay, however often they are cleared */
	uint8_t clears[USB_PORTS_MAX + 1]; /* how often in a row there were some */
	struct usb_transfer status;	   /* of the interrupt endpoint */
	struct dma_buffer memory;
	struct usb_piece piece;
};

static int sleep_ns(struct hub *h, uint64_t ns)
{
	uint64_t deadline = clock_monotonic_ns() + ns;
	int error;

	do
		error = device_wait(h->dev, deadline);
	while (error == 0);
	return error == -ETIMEDOUT ? 0 : error;
}

/* --- ports --- */

static int request(struct hub *h, uint8_t type, uint8_t what, uint16_t value, unsigned port, void *data, uint16_t n)
{
	struct usb_setup setup = {.type = (uint8_t)(type | USB_OF_CLASS),
				  .request = what,
				  .value = value,
				  .index = (uint16_t)port,
				  .length = n};

	return usb_control(h->dev, &setup, data);
}

static int set_port(struct hub *h, unsigned port, enum usb_port_feature feature, bool set)
{
	if (!h->root)
		return request(h, USB_OF_OTHER, set ? USB_SET_FEATURE : USB_CLEAR_FEATURE, feature, port, nullptr, 0);
	usb_root_set_port(h->dev, port, feature, set);
	return 0;
}

static int read_port(struct hub *h, unsigned port, uint32_t *status, enum usb_speed *speed)
{
	unsigned char bytes[STATUS_BYTES] = {};

	if (h->root)
		return usb_root_port(h->dev, port, status, speed);
	int n = request(h, USB_TO_HOST | USB_OF_OTHER, USB_GET_STATUS, 0, port, bytes, sizeof(bytes));
	if (n < 0)
		return n;
	*status = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
	*speed = h->super		   ? USB_SUPER
		 : *status & USB_PORT_LOW  ? USB_LOW
		 : *status & USB_PORT_HIGH ? USB_HIGH
					   : USB_FULL;
	return 0;
}

/* Says that the changes were seen: those that the hub can have. */
static int clear_changes(struct hub *h, unsigned port, uint32_t status)
{
	static const struct {
		uint8_t usb2, super; /* features; 0: none */
	} features[] = {
		{USB_FEATURE_C_CONNECTION, USB_FEATURE_C_CONNECTION},
		{USB_FEATURE_C_ENABLE, 0},
		{18, 0}, /* suspend */
		{USB_FEATURE_C_OVER_CURRENT, USB_FEATURE_C_OVER_CURRENT},
		{USB_FEATURE_C_RESET, USB_FEATURE_C_RESET},
		{0, USB_FEATURE_C_WARM_RESET},
		{0, USB_FEATURE_C_LINK_STATE},
		{0, USB_FEATURE_C_CONFIG_ERROR},
	};
	int error = 0;

	for (unsigned bit = USB_PORT_CHANGE_SHIFT; bit < 32 && h->root && error == 0; bit++)
		if (status >> bit & 1)
			error = set_port(h, port, (enum usb_port_feature)bit, false);
	for (unsigned n = 0; n < ARRAY_LEN(features) && !h->root && error >= 0; n++) {
		uint8_t feature = h->super ? features[n].super : features[n].usb2;

		if ((status >> (USB_PORT_CHANGE_SHIFT + n) & 1) != 0 && feature != 0)
			error = set_port(h, port, (enum usb_port_feature)feature, false);
	}
	return error;
}

/*
 * How the port is, without changes that were seen: they are cleared. What still is there after it was cleared again and
 * again is no news, until it was seen to go.
 */
static int take_changes(struct hub *h, unsigned port, uint32_t *status, enum usb_speed *speed)
{
	enum usb_speed ignored;
	uint32_t raw, after;
	int error = read_port(h, port, &raw, speed);

	if (error < 0)
		return error;
	h->stuck[port] &= raw;
	*status = raw & ~h->stuck[port];
	error = clear_changes(h, port, raw);
	if ((*status & USB_PORT_CHANGED) == 0) {
		h->clears[port] = 0;
		return error;
	}
	h->news++;
	if (error < 0 || ++h->clears[port] < CLEARS_MAX)
		return error;
	h->clears[port] = 0;
	error = read_port(h, port, &after, &ignored);
	h->stuck[port] |= error < 0 ? 0 : after & raw & USB_PORT_CHANGED;
	if (h->stuck[port] != 0)
		log_warn("%s: port %u: what it tells (%#x) stays, however often it is heard, and is not heard any more",
			 device_name(h->dev), port, h->stuck[port]);
	return error;
}

/* Until its contacts are quiet (7.1.7.3). *there: whether something is in it then. What never is quiet is taken for
 * nothing: the other ports go on. */
static int debounce(struct hub *h, unsigned port, bool *there)
{
	enum usb_speed speed;
	uint32_t status = 0;

	for (unsigned n = 0; n < LOOKS_MAX; n++) {
		int error = sleep_ns(h, DEBOUNCE_NS);

		if (error == 0)
			error = take_changes(h, port, &status, &speed);
		if (error < 0)
			return error;
		*there = (status & USB_PORT_CONNECTED) != 0;
		if ((status >> USB_FEATURE_C_CONNECTION & 1) == 0)
			return 0;
	}
	log_warn("%s: port %u: what is in it comes and goes", device_name(h->dev), port);
	*there = false;
	return 0;
}

/* The device in it answers at address 0 afterwards. -ENXIO: it does not come back. */
static int reset_port(struct hub *h, unsigned port, enum usb_speed *speed)
{
	uint32_t status = 0;
	int error = set_port(h, port, USB_FEATURE_RESET, true);

	for (unsigned n = 0; n < LOOKS_MAX && error >= 0; n++) {
		error = sleep_ns(h, LOOK_NS);
		if (error == 0)
			error = read_port(h, port, &status, speed);
		if ((status & USB_PORT_RESETTING) == 0 && (status >> USB_FEATURE_C_RESET & 1) != 0)
			break;
	}
	if (error >= 0)
		error = clear_changes(h, port, status & ~(1u << USB_FEATURE_C_CONNECTION));
	if (error >= 0)
		error = sleep_ns(h, RECOVERY_NS);
	if (error >= 0)
		error = read_port(h, port, &status, speed);
	if (error < 0)
		return error;
	return status & USB_PORT_CONNECTED && status & USB_PORT_ENABLED ? 0 : -ENXIO;
}

/* Errors after which the hub's round goes on, with the other ports: they are the device's, or the port's. */
static bool is_its_own(const struct hub *h, int error)
{
	return error != -ECANCELED && !device_stopping(h->dev) && usb_is_there(h->dev);
}

static int take_in(struct hub *h, unsigned port)
{
	enum usb_speed speed = USB_FULL;
	bool there = false;
	int error = debounce(h, port, &there);

	for (unsigned n = 0; n < TRIES_MAX && there && error >= 0; n++) {
		error = reset_port(h, port, &speed);
		if (error >= 0)
			error = usb_ports_found(h->ports, port, speed);
		if (error >= 0 || !is_its_own(h, error))
			return error;
		log_warn("%s: port %u: the device does not answer as it is to (%d)", device_name(h->dev), port, error);
		error = 0;
	}
	if (error >= 0)
		usb_ports_empty(h->ports, port);
	return error;
}

static int look(struct hub *h, unsigned port)
{
	enum usb_speed speed;
	uint32_t status = 0;

	FAULT_POINT(driver_usb_hub_port);
	int error = take_changes(h, port, &status, &speed);
	if (error < 0)
		return error;
	if (status >> USB_FEATURE_C_OVER_CURRENT & 1 && status & USB_PORT_OVER_CURRENT)
		log_error("%s: port %u: too much current", device_name(h->dev), port);
	bool came = (status >> USB_FEATURE_C_CONNECTION & 1) != 0;
	if (!(status & USB_PORT_CONNECTED) ||
	    (came && (usb_ports_has(h->ports, port) || usb_ports_was_pulled(h->ports, port))))
		usb_ports_empty(h->ports, port);
	if (!(status & USB_PORT_CONNECTED) || usb_ports_has(h->ports, port))
		return 0;
	return take_in(h, port);
}

/* A port that may have changed. An error is of all of the round. */
static int look_at(struct hub *h, unsigned port)
{
	int error = look(h, port);

	if (error >= 0 || !is_its_own(h, error))
		return MIN(error, 0);
	log_warn("%s: port %u does not answer (%d), and is left for the others", device_name(h->dev), port, error);
	return 0;
}

/* --- the hub --- */

/* What it tells of itself, and not of a port (USB 2.0, 11.24.2.6; its changes are features 0 and 1, 11.24.2). */
static int look_at_itself(struct hub *h)
{
	enum : unsigned { POWER, CURRENT, CHANGES };
	unsigned char bytes[STATUS_BYTES] = {};
	int error = request(h, USB_TO_HOST, USB_GET_STATUS, 0, 0, bytes, sizeof(bytes));

	for (unsigned change = POWER; change < CHANGES && error >= 0; change++)
		if (bytes[2] >> change & 1)
			error = request(h, 0, USB_CLEAR_FEATURE, (uint16_t)change, 0, nullptr, 0);
	if (bytes[2] >> CURRENT & 1 && bytes[0] >> CURRENT & 1)
		log_error("%s: too much current in all ports", device_name(h->dev));
	return error < 0 && !is_its_own(h, error) ? error : 0;
}

static int ask_for_status(struct hub *h)
{
	const struct usb_endpoint_facts *e = usb_find_endpoint(h->dev, USB_INTERRUPT, true);

	if (e == nullptr)
		return -ENODEV;
	h->piece = (struct usb_piece){h->memory.address, MIN((uint32_t)e->packet_max, (uint32_t)BITMAP_BYTES)};
	h->status.endpoint = e;
	h->status.pieces = &h->piece;
	h->status.piece_count = 1;
	return usb_submit(h->dev, &h->status);
}

static int begin(struct hub *h)
{
	unsigned char bytes[USB_HUB_BYTES_MAX];
	struct usb_hub_facts facts;
	uint16_t what = (uint16_t)((h->super ? USB_DESCRIPTOR_SUPER_HUB : USB_DESCRIPTOR_HUB) << 8);
	int n = request(h, USB_TO_HOST, USB_GET_DESCRIPTOR, what, 0, bytes, sizeof(bytes));

	if (n < 0)
		return n;
	const char *wrong = usb_read_hub(bytes, (size_t)n, h->super, &facts);
	if (wrong != nullptr) {
		log_error("%s: not usable as a hub: %s", device_name(h->dev), wrong);
		return -ENODEV;
	}
	h->count = facts.ports;
	int error = usb_set_hub(h->dev, &facts);
	if (error >= 0 && h->super)
		error = request(h, 0, USB_SET_HUB_DEPTH, (uint16_t)(usb_depth(h->dev) - 1), 0, nullptr, 0);
	for (unsigned port = 1; port <= h->count && error >= 0; port++)
		error = set_port(h, port, USB_FEATURE_POWER, true);
	if (error >= 0)
		error = sleep_ns(h, facts.power_ms * MS);
	if (error >= 0)
		error = dma_alloc(h->dev, BITMAP_BYTES, &h->memory);
	return error < 0 ? error : 0;
}

static int attach(struct device *dev)
{
	struct hub *h = device_private(dev);

	h->dev = dev;
	h->root = usb_is_root(dev);
	h->super = usb_identity(dev)->speed == USB_SUPER;
	if (h->root)
		h->count = MIN(usb_root_ports(dev), USB_PORTS_MAX);
	int error = h->root ? 0 : begin(h);
	if (error == 0)
		error = usb_ports_begin(dev, h->count, &h->ports);
	for (unsigned port = 1; port <= h->count && error >= 0; port++) {
		if (h->root)
			(void)set_port(h, port, USB_FEATURE_POWER, true);
		error = look_at(h, port);
	}
	if (error >= 0 && !h->root)
		error = ask_for_status(h);
	return error < 0 ? error : 0;
}

/* Whether any has changed. */
static bool look_at_root(struct hub *h)
{
	enum usb_speed speed;
	uint32_t status;
	bool any = false;

	for (unsigned port = 1; port <= h->count && !device_stopping(h->dev); port++) {
		/* Of a controller that ends the devices rest, and so does the hub, in a moment. */
		if (usb_root_port(h->dev, port, &status, &speed) < 0)
			return false;
		h->stuck[port] &= status; /* what went is heard again */
		if ((status & USB_PORT_CHANGED & ~h->stuck[port]) == 0) {
			h->clears[port] = 0;
			continue;
		}
		any = true;
		if (look_at(h, port) < 0)
			return false;
	}
	return any;
}

static bool look_at_status(struct hub *h)
{
	const unsigned char *bits = h->memory.at;

	if (!usb_is_done(&h->status))
		return false;
	int error = h->status.error;
	unsigned news = h->news;
	h->errors = error == 0 ? 0 : h->errors + 1;
	/* Other errors than a stall halt it, too (xHCI 1.2, 4.10.2). */
	if (error < 0)
		error = usb_clear_halt(h->dev, h->status.endpoint);
	for (unsigned port = 1; port <= h->count && error >= 0; port++) {
		if (port / 8 < h->status.actual && bits[port / 8] >> port % 8 & 1)
			error = look_at(h, port);
	}
	if (error >= 0 && h->status.actual > 0 && bits[0] & 1)
		error = look_at_itself(h);
	/* One that tells and has nothing to tell is not asked as fast as it answers. */
	if (error >= 0 && h->news == news)
		error = sleep_ns(h, DEBOUNCE_NS);
	error = ask_for_status(h);
	if (error < 0 || h->errors > ERRORS_MAX) {
		device_fail(h->dev, "the hub does not tell of its ports");
		return false;
	}
	return true;
}

static void serve(struct device *dev)
{
	struct hub *h = device_private(dev);

	while (!device_stopping(dev)) {
		if (h->root ? look_at_root(h) : look_at_status(h))
			continue;
		(void)device_wait(dev, 0);
	}
}

static const struct usb_match matches[] = {{USB_CLASS_HUB, USB_ANY, USB_ANY}, {}};

DRIVER(usb_hub, .component = &component_usb_hub, .bus = &usb_bus, .match = matches, .private_bytes = sizeof(struct hub),
       .wants = WANTS_DMA, .attach = attach, .serve = serve);
