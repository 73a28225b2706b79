/* SPDX-License-Identifier: MIT */
/* libFuzzer: any bytes as each kind of descriptor of a USB device, and a good configuration with any changes; what is
 * believed of them holds. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/usb_descriptor.h>

static const unsigned char disk[] = {
	9, 2, 62, 0, 1, 1, 0, 0xc0, 0,	9,  4, 0, 0, 2, 8, 6, 80, 0, 7, 5, 0x81, 2, 0, 4,  0,	 6, 48, 15, 4,	0,  0,
	7, 5, 2,  2, 0, 4, 0, 6,    48, 15, 0, 0, 0, 9, 4, 1, 0,  1, 3, 1, 1,	 0, 9, 33, 0x11, 1, 0,	1,  34, 63, 0,
};

static void configuration(const uint8_t *data, size_t size, enum usb_speed speed)
{
	struct usb_configuration c;

	if (usb_read_configuration(data, size, speed, &c) != nullptr)
		return;
	assert(c.value != 0 && c.interface_count > 0 && c.interface_count <= USB_INTERFACES_MAX);
	assert(c.endpoint_count <= USB_ENDPOINTS_MAX);
	for (unsigned i = 0; i < c.interface_count; i++)
		assert(c.interfaces[i].first_endpoint + c.interfaces[i].endpoint_count <= c.endpoint_count);
	for (unsigned i = 0; i < c.endpoint_count; i++) {
		const struct usb_endpoint_facts *e = &c.endpoints[i];

		assert(e->number >= 1 && e->number <= 15 && e->packet_max >= 1 && e->packet_max <= 1024);
		assert(e->transactions <= 2 && e->burst <= 15 && e->streams <= 16);
		assert(usb_interval(speed, e) <= 18);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct usb_device_facts d;
	struct usb_hub_facts h;
	char text[USB_STRING_MAX];

	if (size < 1)
		return 0;
	enum usb_speed speed = (enum usb_speed)(1 + data[0] % 4);
	bool super = speed == USB_SUPER;
	data++;
	size--;
	if (usb_read_device(data, size, speed, &d) == nullptr)
		assert(d.packet_max >= 8 && d.packet_max <= 512 && d.configurations > 0);
	configuration(data, size, speed);
	unsigned char changed[sizeof(disk)];
	memcpy(changed, disk, sizeof(changed));
	for (size_t at = 0; at + 1 < size; at += 2)
		changed[data[at] % sizeof(changed)] = data[at + 1];
	configuration(changed, sizeof(changed), speed);
	if (usb_read_hub(data, size, super, &h) == nullptr)
		assert(h.ports >= 1 && h.ports <= USB_PORTS_MAX && h.think <= 3);
	usb_read_string(data, size, text);
	assert(strlen(text) < USB_STRING_MAX);
	return 0;
}
