/* SPDX-License-Identifier: MIT */
/* Descriptors of USB devices, checked (lib/usb_descriptor.h). A walk steps by each descriptor's own length, which is at
 * least 2 and ends within the bytes, or it is over. */
#include <lib/string.h>
#include <lib/types.h>
#include <lib/usb_descriptor.h>

static uint16_t word(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

uint16_t usb_first_packet_max(enum usb_speed speed)
{
	return speed == USB_SUPER ? 512 : speed == USB_HIGH ? 64 : 8;
}

/* Endpoint 0's packets (9.6.1): a power of two of bytes, of which SuperSpeed says the exponent. */
static uint16_t control_packet_max(uint8_t said, enum usb_speed speed)
{
	if (speed == USB_SUPER)
		return said == 9 ? 512 : 0;
	if (speed == USB_HIGH)
		return said == 64 ? 64 : 0;
	if (speed == USB_LOW)
		return said == 8 ? 8 : 0;
	return said == 8 || said == 16 || said == 32 || said == 64 ? said : 0;
}

const char *usb_read_device(const unsigned char *bytes, size_t n, enum usb_speed speed, struct usb_device_facts *out)
{
	*out = (struct usb_device_facts){};
	if (n < USB_DEVICE_BYTES || bytes[0] < USB_DEVICE_BYTES || bytes[1] != USB_DESCRIPTOR_DEVICE)
		return "its device descriptor is none";
	*out = (struct usb_device_facts){
		.version = word(bytes + 2),
		.class = bytes[4],
		.subclass = bytes[5],
		.protocol = bytes[6],
		.packet_max = control_packet_max(bytes[7], speed),
		.vendor = word(bytes + 8),
		.product = word(bytes + 10),
		.release = word(bytes + 12),
		.maker_text = bytes[14],
		.product_text = bytes[15],
		.serial_text = bytes[16],
		.configurations = bytes[17],
	};
	if (out->packet_max == 0)
		return "the packets of its endpoint 0 have no size that can be";
	return out->configurations == 0 ? "it has no configuration" : nullptr;
}

size_t usb_configuration_bytes(const unsigned char *bytes, size_t n)
{
	if (n < USB_CONFIGURATION_HEAD_BYTES || bytes[0] < USB_CONFIGURATION_HEAD_BYTES ||
	    bytes[1] != USB_DESCRIPTOR_CONFIGURATION || word(bytes + 2) < bytes[0])
		return 0;
	return word(bytes + 2);
}

/* The packets that each speed allows (USB 2.0, 5.5 to 5.8; USB 3.2, 8.12.1); 0: none. */
static uint16_t packet_limit(enum usb_transfer_type type, enum usb_speed speed)
{
	static const uint16_t limits[][4] = {
		[USB_FULL] = {[USB_CONTROL] = 64, [USB_ISOCHRONOUS] = 1023, [USB_BULK] = 64, [USB_INTERRUPT] = 64},
		[USB_LOW] = {[USB_CONTROL] = 8, [USB_INTERRUPT] = 8},
		[USB_HIGH] = {[USB_CONTROL] = 64, [USB_ISOCHRONOUS] = 1024, [USB_BULK] = 512, [USB_INTERRUPT] = 1024},
		[USB_SUPER] =
			{[USB_CONTROL] = 512, [USB_ISOCHRONOUS] = 1024, [USB_BULK] = 1024, [USB_INTERRUPT] = 1024},
	};

	return limits[speed][type];
}

static bool has_endpoint(const struct usb_configuration *c, const struct usb_interface_facts *i,
			 const struct usb_endpoint_facts *e)
{
	for (unsigned k = 0; k < i->endpoint_count; k++) {
		const struct usb_endpoint_facts *other = &c->endpoints[i->first_endpoint + k];

		if (other->number == e->number && other->in == e->in)
			return true;
	}
	return false;
}

/* Whether the interface, or one of another number, has it already: alternates alone may share (9.6.6). */
static bool is_taken(const struct usb_configuration *c, const struct usb_interface_facts *of,
		     const struct usb_endpoint_facts *e)
{
	for (unsigned k = 0; k < c->interface_count; k++) {
		const struct usb_interface_facts *i = &c->interfaces[k];

		if ((i == of || i->number != of->number) && has_endpoint(c, i, e))
			return true;
	}
	return false;
}

/* Of the interface (nullptr: there is none before it). Whether it was taken. */
static bool add_endpoint(struct usb_configuration *c, struct usb_interface_facts *i, const unsigned char *at,
			 enum usb_speed speed)
{
	struct usb_endpoint_facts e = {.number = at[2] & 15,
				       .in = (at[2] & USB_TO_HOST) != 0,
				       .type = (enum usb_transfer_type)(at[3] & 3),
				       .packet_max = word(at + 4) & 0x7ff,
				       .transactions = speed == USB_HIGH ? at[5] >> 3 & 3 : 0,
				       .interval = at[6]};

	if (i == nullptr || e.number == 0 || e.packet_max == 0 || e.packet_max > packet_limit(e.type, speed) ||
	    e.transactions > 2 || c->endpoint_count == USB_ENDPOINTS_MAX || is_taken(c, i, &e))
		return false;
	if (e.type == USB_CONTROL || e.type == USB_BULK)
		e.transactions = 0;
	c->endpoints[c->endpoint_count++] = e;
	i->endpoint_count++;
	return true;
}

static struct usb_interface_facts *add_interface(struct usb_configuration *c, const unsigned char *at)
{
	for (unsigned k = 0; k < c->interface_count; k++) {
		if (c->interfaces[k].number == at[2] && c->interfaces[k].alternate == at[3])
			return nullptr;
	}
	if (c->interface_count == USB_INTERFACES_MAX)
		return nullptr;
	struct usb_interface_facts *i = &c->interfaces[c->interface_count++];
	*i = (struct usb_interface_facts){.number = at[2],
					  .alternate = at[3],
					  .class = at[5],
					  .subclass = at[6],
					  .protocol = at[7],
					  .text = at[8],
					  .first_endpoint = c->endpoint_count};
	return i;
}

/* bLength of each that is looked into; shorter ones are passed over. */
enum : uint8_t { INTERFACE_BYTES = 9, ENDPOINT_BYTES = 7, COMPANION_BYTES = 6, HID_BYTES = 9 };

struct walk {
	struct usb_interface_facts *interface;
	struct usb_endpoint_facts *endpoint; /* the last one, if it was taken */
};

static void look_at(struct usb_configuration *c, struct walk *w, const unsigned char *at, enum usb_speed speed)
{
	uint8_t bytes = at[0], type = at[1];

	if (type == USB_DESCRIPTOR_INTERFACE) {
		w->interface = bytes >= INTERFACE_BYTES ? add_interface(c, at) : nullptr;
		w->endpoint = nullptr;
	} else if (type == USB_DESCRIPTOR_ENDPOINT) {
		bool taken = bytes >= ENDPOINT_BYTES && add_endpoint(c, w->interface, at, speed);
		w->endpoint = taken ? &c->endpoints[c->endpoint_count - 1] : nullptr;
	} else if (type == USB_DESCRIPTOR_COMPANION && bytes >= COMPANION_BYTES && w->endpoint != nullptr) {
		w->endpoint->burst = MIN(at[2], (uint8_t)15);
		if (w->endpoint->type == USB_BULK)
			w->endpoint->streams = MIN((uint8_t)(at[3] & 31), (uint8_t)16);
	} else if (type == USB_DESCRIPTOR_HID && bytes >= HID_BYTES && w->interface != nullptr &&
		   w->interface->class == USB_CLASS_HID && at[6] == USB_DESCRIPTOR_HID_REPORT) {
		w->interface->report_bytes = word(at + 7);
	}
}

const char *usb_read_configuration(const unsigned char *bytes, size_t n, enum usb_speed speed,
				   struct usb_configuration *out)
{
	size_t total = usb_configuration_bytes(bytes, n);
	struct walk w = {};

	*out = (struct usb_configuration){};
	if (total == 0)
		return "its configuration descriptor is none";
	n = MIN(n, total);
	*out = (struct usb_configuration){
		.value = bytes[5], .attributes = bytes[7], .power = bytes[8], .total_bytes = (uint16_t)total};
	if (out->value == 0)
		return "its configuration has no number";
	for (size_t at = bytes[0]; at < n;) {
		uint8_t length = n - at >= 2 ? bytes[at] : 0;

		if (length < 2 || length > n - at)
			return "a descriptor of its configuration ends beyond it";
		look_at(out, &w, bytes + at, speed);
		at += length;
	}
	return out->interface_count == 0 ? "its configuration has no interface" : nullptr;
}

const char *usb_read_hub(const unsigned char *bytes, size_t n, bool super, struct usb_hub_facts *out)
{
	constexpr size_t LEAST = 7;
	uint8_t type = super ? USB_DESCRIPTOR_SUPER_HUB : USB_DESCRIPTOR_HUB;

	*out = (struct usb_hub_facts){};
	if (n < LEAST || bytes[0] < LEAST || bytes[1] != type)
		return "its hub descriptor is none";
	*out = (struct usb_hub_facts){.ports = bytes[2],
				      .individual = (bytes[3] & 3) == 1,
				      .think = super ? 0 : bytes[3] >> 5 & 3,
				      .power_ms = (uint16_t)(bytes[5] * 2)};
	if (out->ports == 0)
		return "it has no port";
	return super && out->ports > 15 ? "it has more ports than can be" : nullptr;
}

/* Without surrogates, which are as good as what does not print. */
static size_t put_utf8(char *out, uint16_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | c >> 12);
	out[1] = (char)(0x80 | (c >> 6 & 0x3f));
	out[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

void usb_read_string(const unsigned char *bytes, size_t n, char out[USB_STRING_MAX])
{
	size_t length = 0;

	out[0] = '\0';
	if (n < 2 || bytes[0] < 2 || bytes[1] != USB_DESCRIPTOR_STRING)
		return;
	n = MIN(n, (size_t)bytes[0]);
	for (size_t at = 2; at + 2 <= n && length + 4 < USB_STRING_MAX; at += 2) {
		uint16_t c = word(bytes + at);

		if (c == 0)
			break;
		if (c >= ' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0) && !(c >= 0xd800 && c < 0xe000))
			length += put_utf8(out + length, c);
	}
	while (length > 0 && out[length - 1] == ' ')
		length--;
	out[length] = '\0';
}

uint8_t usb_interval(enum usb_speed speed, const struct usb_endpoint_facts *e)
{
	constexpr unsigned LEAST = 3, MOST = 10; /* of those that count frames of 1 ms */
	unsigned n = 0;

	if (e->type != USB_INTERRUPT && e->type != USB_ISOCHRONOUS)
		return 0;
	if (speed == USB_HIGH || speed == USB_SUPER)
		return (uint8_t)(MIN(MAX(e->interval, (uint8_t)1), (uint8_t)16) - 1);
	if (e->type == USB_ISOCHRONOUS)
		return (uint8_t)(MIN(MAX(e->interval, (uint8_t)1), (uint8_t)16) + 2);
	while (n < MOST && 1u << (n + 1) <= e->interval * 8u)
		n++;
	return (uint8_t)MAX(n, LEAST);
}
