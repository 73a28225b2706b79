/* SPDX-License-Identifier: MIT */
/*
 * Human interface devices of USB (HID 1.11): keyboards, mice, tablets. What the device can do is in its report
 * descriptor (lib/hid_report.h); its reports come through the interrupt endpoint, and lamps go to it by requests. All
 * is the device's thread's.
 */
#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/usb.h>
#include <kernel/device/dma.h>
#include <kernel/input/input.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <lib/bitmap.h>
#include <lib/hid_usage.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(usb_hid, .asks_devices = true,
		 .users = "events are lost until the device is attached anew; keys that are down come up");

/* Requests (7.2). */
enum : uint8_t { SET_REPORT = 9, SET_IDLE = 10, SET_PROTOCOL = 11 };
enum : uint16_t { REPORT_PROTOCOL = 1, OUTPUT_REPORT = 2 << 8 };
enum : uint8_t { BOOT = 1 };
enum : uint16_t { BUS_OF_USB = 3 };
enum : unsigned { UNDER_WAY = 2, ERRORS_MAX = 10, REPORT_BYTES = 1024, DESCRIPTOR_MAX = 4096 };
static_assert(REPORT_BYTES >= HID_REPORT_MAX);

struct hid {
	struct device *dev;
	const struct usb_endpoint_facts *endpoint;
	struct dma_buffer memory; /* of the reports under way */
	struct usb_transfer transfers[UNDER_WAY];
	struct usb_piece pieces[UNDER_WAY];
	struct input_device *input;
	struct hid_state state;
	unsigned next, errors; /* next: which is done first */
	uint32_t report_bytes;
	bool has_leds;
	uint8_t led_report;
	uint32_t leds; /* as the device was told */
	struct hid_report report;
	struct input_capabilities can;
	char name[2 * USB_STRING_MAX], phys[64], link[2 * USB_STRING_MAX + 32];
};

static int request(struct hid *h, uint8_t what, uint16_t value, void *data, size_t n)
{
	struct usb_setup setup = {.type = USB_OF_CLASS | USB_OF_INTERFACE,
				  .request = what,
				  .value = value,
				  .index = usb_interface(h->dev)->number,
				  .length = (uint16_t)n};

	return usb_control(h->dev, &setup, data);
}

/* --- what it can do --- */

static int read_report_descriptor(struct hid *h)
{
	const struct usb_interface_facts *i = usb_interface(h->dev);
	size_t n = MIN(i->report_bytes, (uint16_t)DESCRIPTOR_MAX);
	struct usb_setup setup = {.type = USB_TO_HOST | USB_OF_INTERFACE,
				  .request = USB_GET_DESCRIPTOR,
				  .value = USB_DESCRIPTOR_HID_REPORT << 8,
				  .index = i->number,
				  .length = (uint16_t)n};
	unsigned char *bytes = n != 0 ? kmalloc(n) : nullptr;
	const char *wrong = "it has no report descriptor";

	if (n != 0 && bytes == nullptr)
		return -ENOMEM;
	int got = n != 0 ? usb_control(h->dev, &setup, bytes) : 0;
	if (got > 0)
		wrong = hid_read_report_descriptor(bytes, (size_t)got, &h->report);
	kfree(bytes);
	if (got < 0 && got != -EPIPE)
		return got;
	if (wrong == nullptr && h->report.bytes_max[HID_INPUT] == 0)
		wrong = "it has no reports";
	if (wrong == nullptr)
		return 0;
	log_error("%s: not usable as an input device: %s", device_name(h->dev), wrong);
	return -ENODEV;
}

static void add_event(void *arg, const struct hid_field *f, uint16_t type, uint16_t code)
{
	struct input_capabilities *c = arg;
	unsigned max;
	uint64_t *words = input_bits_of(&c->can, type, &max);

	if (words == nullptr || code > max)
		return;
	bitmap_set(&c->can.ev, type);
	bitmap_set(words, code);
	if (type == EV_ABS)
		c->absinfo[code] = (struct input_absinfo){.minimum = f->minimum, .maximum = f->maximum};
	if (type == EV_KEY && (f->application == HID_KEYBOARD || f->application == HID_KEYPAD))
		bitmap_set(&c->can.ev, EV_REP);
}

/* As others name such links: what is no letter or number is a line. */
static void put_link(struct hid *h)
{
	const struct usb_identity *id = usb_identity(h->dev);
	uint32_t application = h->report.fields[0].application;
	const char *kind = application == HID_KEYBOARD ? "-kbd" : application == HID_MOUSE ? "-mouse" : "";

	snprintf(h->link, sizeof(h->link), "usb-%s_%s-event%s", id->maker, id->product, kind);
	for (char *c = h->link; *c != '\0'; c++) {
		bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');

		if (!plain && *c != '-' && *c != '.')
			*c = '_';
	}
}

static int register_input(struct hid *h)
{
	const struct usb_identity *id = usb_identity(h->dev);
	char path[48];

	usb_path(h->dev, path, sizeof(path));
	snprintf(h->phys, sizeof(h->phys), "%s/input%u", path, usb_interface(h->dev)->number);
	if (id->maker[0] != '\0' || id->product[0] != '\0')
		snprintf(h->name, sizeof(h->name), "%s%s%s", id->maker,
			 id->maker[0] != '\0' && id->product[0] != '\0' ? " " : "", id->product);
	else
		snprintf(h->name, sizeof(h->name), "HID %04x:%04x", id->facts.vendor, id->facts.product);
	put_link(h);
	h->can.name = h->name;
	h->can.phys = h->phys;
	h->can.uniq = id->serial;
	h->can.link = h->link;
	h->can.id = (struct input_id){.bustype = BUS_OF_USB,
				      .vendor = id->facts.vendor,
				      .product = id->facts.product,
				      .version = id->facts.release};
	hid_each_event(&h->report, add_event, &h->can);
	return input_register(h->dev, &h->can, &h->input);
}

/* --- reports --- */

static int ask(struct hid *h, unsigned n)
{
	h->pieces[n] = (struct usb_piece){h->memory.address + n * REPORT_BYTES, h->report_bytes};
	h->transfers[n].endpoint = h->endpoint;
	h->transfers[n].pieces = &h->pieces[n];
	h->transfers[n].piece_count = 1;
	return usb_submit(h->dev, &h->transfers[n]);
}

static void emit(void *arg, uint16_t type, uint16_t code, int32_t value)
{
	struct hid *h = arg;

	input_event(h->input, type, code, value);
}

static void take(struct hid *h, unsigned n)
{
	/* Copied before it is looked at: the device could change it. */
	unsigned char report[REPORT_BYTES];
	size_t bytes = MIN(h->transfers[n].actual, h->report_bytes);

	FAULT_POINT(driver_usb_hid_report);
	memcpy(report, (const unsigned char *)h->memory.at + n * REPORT_BYTES, bytes);
	if (hid_take_report(&h->report, &h->state, report, bytes, emit, h))
		input_sync(h->input);
}

/* One that is done, in the order in which they were asked for. False: there is none. */
static bool take_next(struct hid *h)
{
	struct usb_transfer *t = &h->transfers[h->next];

	if (!usb_is_done(t))
		return false;
	int error = t->error;
	if (error == 0) {
		h->errors = 0;
		take(h, h->next);
	} else if (++h->errors > ERRORS_MAX) {
		device_fail(h->dev, "the device's reports do not come");
		return false;
	}
	if (error < 0)
		error = usb_clear_halt(h->dev, h->endpoint);
	/* All of them were taken back. */
	for (unsigned n = 0; n < UNDER_WAY && error >= 0; n++) {
		if (usb_is_done(&h->transfers[n]) && (n == h->next || h->transfers[n].error == -ECANCELED))
			error = ask(h, n);
	}
	h->next = (h->next + 1) % UNDER_WAY;
	if (error < 0 && error != -ECANCELED && !device_stopping(h->dev))
		device_fail(h->dev, "the device does not go on");
	return error >= 0;
}

static void tell_leds(struct hid *h)
{
	unsigned char report[HID_REPORT_MAX];
	uint32_t leds = input_leds(h->input);

	if (!h->has_leds || leds == h->leds)
		return;
	h->leds = leds;
	size_t n = hid_put_leds(&h->report, h->led_report, leds, report, sizeof(report));
	int error = n != 0 ? request(h, SET_REPORT, OUTPUT_REPORT | h->led_report, report, n) : 0;
	if (error < 0 && error != -ECANCELED && error != -ENODEV)
		log_warn("%s: its lamps cannot be set (%d)", device_name(h->dev), error);
}

static void serve(struct device *dev)
{
	struct hid *h = device_private(dev);

	while (!device_stopping(dev)) {
		while (take_next(h))
			;
		tell_leds(h);
		(void)device_wait(dev, 0);
	}
}

static int attach(struct device *dev)
{
	struct hid *h = device_private(dev);

	h->dev = dev;
	h->endpoint = usb_find_endpoint(dev, USB_INTERRUPT, true);
	if (h->endpoint == nullptr)
		return -ENODEV;
	int error = read_report_descriptor(h);
	/* Which it may refuse: it has only one protocol, or cannot be silent. */
	if (error == 0 && usb_interface(dev)->subclass == BOOT)
		error = request(h, SET_PROTOCOL, REPORT_PROTOCOL, nullptr, 0);
	if (error >= 0 || error == -EPIPE)
		error = request(h, SET_IDLE, 0, nullptr, 0);
	if (error < 0 && error != -EPIPE)
		return error;
	/* Of whole packets, of any size, so that none is more than there is room for. */
	uint32_t packet = h->endpoint->packet_max, packets = (h->report.bytes_max[HID_INPUT] + packet - 1) / packet;
	h->report_bytes = MIN(packets * packet, (uint32_t)REPORT_BYTES);
	h->has_leds = hid_find_leds(&h->report, &h->led_report);
	error = dma_alloc(dev, UNDER_WAY * REPORT_BYTES, &h->memory);
	if (error == 0)
		error = register_input(h);
	for (unsigned n = 0; n < UNDER_WAY && error == 0; n++)
		error = ask(h, n);
	return error;
}

static const struct usb_match matches[] = {{USB_CLASS_HID, USB_ANY, USB_ANY}, {}};

DRIVER(usb_hid, .component = &component_usb_hid, .bus = &usb_bus, .match = matches, .private_bytes = sizeof(struct hid),
       .wants = WANTS_DMA, .attach = attach, .serve = serve);
