/* SPDX-License-Identifier: MIT */
/*
 * USB devices and their interfaces in /sys, as Linux has them
 * (Documentation/ABI/testing/sysfs-bus-usb, stable/sysfs-bus-usb). The argument of a file is the device.
 */
#include "usb_internal.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/mem/text.h>
#include <lib/string.h>
#include <lib/types.h>

#define SHOWS(function, format, ...)                                                                                   \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		const struct usb_device *u = usb_device_of(arg);                                                       \
                                                                                                                       \
		text_printf(b, format "\n", __VA_ARGS__);                                                              \
		return 0;                                                                                              \
	}
#define SHOWS_FACT(function, format, field) SHOWS(function, format, u->identity.facts.field)
SHOWS_FACT(show_vendor, "%04x", vendor)
SHOWS_FACT(show_product, "%04x", product)
SHOWS_FACT(show_release, "%04x", release)
SHOWS_FACT(show_class, "%02x", class)
SHOWS_FACT(show_subclass, "%02x", subclass)
SHOWS_FACT(show_protocol, "%02x", protocol)
SHOWS_FACT(show_packet_max, "%u", packet_max)
SHOWS_FACT(show_configurations, "%u", configurations)
SHOWS(show_version, "%2x.%02x", u->identity.facts.version >> 8, u->identity.facts.version & 0xff)
SHOWS(show_bus, "%u", u->host->bus)
SHOWS(show_number, "%u", u->number)
SHOWS(show_value, "%u", u->configuration.value)
SHOWS(show_attributes, "%02x", u->configuration.attributes)
SHOWS(show_power, "%umA", u->configuration.power *(u->identity.speed == USB_SUPER ? 8u : 2u))
SHOWS(show_maker, "%s", u->identity.maker)
SHOWS(show_product_text, "%s", u->identity.product)
SHOWS(show_serial, "%s", u->identity.serial)
SHOWS(show_ports, "%u", u->above == nullptr ? u->host->ports : 0)

static int show_interfaces(struct text_buffer *b, void *arg)
{
	const struct usb_configuration *c = &usb_device_of(arg)->configuration;
	unsigned count = 0;

	for (unsigned n = 0; n < c->interface_count; n++)
		count += c->interfaces[n].alternate == 0;
	text_printf(b, "%2u\n", count);
	return 0;
}

/* In Mbit/s. */
static int show_speed(struct text_buffer *b, void *arg)
{
	static const char *const speeds[] = {
		[USB_FULL] = "12", [USB_LOW] = "1.5", [USB_HIGH] = "480", [USB_SUPER] = "5000"};

	text_printf(b, "%s\n", speeds[usb_device_of(arg)->identity.speed]);
	return 0;
}

/* Which ports lead to it. */
static int show_path(struct text_buffer *b, void *arg)
{
	/* Shown before the bus itself is told of it. */
	const char *ports = strchr(device_name(arg), '-');

	text_printf(b, "%s\n", ports != nullptr ? ports + 1 : "0");
	return 0;
}

static long read_descriptors(void *to, size_t n, uint64_t pos, void *arg)
{
	const struct usb_device *u = usb_device_of(arg);

	if (pos >= u->descriptor_bytes)
		return 0;
	n = MIN(n, (size_t)(u->descriptor_bytes - pos));
	memcpy(to, u->descriptors + pos, n);
	return (long)n;
}

#define SHOWS_INTERFACE(function, format, field)                                                                       \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		text_printf(b, format "\n", usb_node_of(arg)->interface->field);                                       \
		return 0;                                                                                              \
	}
SHOWS_INTERFACE(show_interface_number, "%02x", number)
SHOWS_INTERFACE(show_interface_class, "%02x", class)
SHOWS_INTERFACE(show_interface_subclass, "%02x", subclass)
SHOWS_INTERFACE(show_interface_protocol, "%02x", protocol)
SHOWS_INTERFACE(show_alternate, "%2u", alternate)
SHOWS_INTERFACE(show_endpoints, "%02x", endpoint_count)

#define ENTRY(entry_name, ...) {.component = &component_usb, .name = (entry_name), .mode = 0444, __VA_ARGS__}
static const struct node_file of_device[] = {
	ENTRY("idVendor", .show = show_vendor),
	ENTRY("idProduct", .show = show_product),
	ENTRY("bcdDevice", .show = show_release),
	ENTRY("bDeviceClass", .show = show_class),
	ENTRY("bDeviceSubClass", .show = show_subclass),
	ENTRY("bDeviceProtocol", .show = show_protocol),
	ENTRY("bMaxPacketSize0", .show = show_packet_max),
	ENTRY("bNumConfigurations", .show = show_configurations),
	ENTRY("bConfigurationValue", .show = show_value),
	ENTRY("bNumInterfaces", .show = show_interfaces),
	ENTRY("bmAttributes", .show = show_attributes),
	ENTRY("bMaxPower", .show = show_power),
	ENTRY("version", .show = show_version),
	ENTRY("speed", .show = show_speed),
	ENTRY("busnum", .show = show_bus),
	ENTRY("devnum", .show = show_number),
	ENTRY("devpath", .show = show_path),
	ENTRY("maxchild", .show = show_ports),
	ENTRY("descriptors", .read_at = read_descriptors, .size = sizeof(((struct usb_device *)nullptr)->descriptors)),
	{},
};
static const struct node_file maker_file[] = {ENTRY("manufacturer", .show = show_maker), {}};
static const struct node_file product_file[] = {ENTRY("product", .show = show_product_text), {}};
static const struct node_file serial_file[] = {ENTRY("serial", .show = show_serial), {}};
static const struct node_file of_interface[] = {
	ENTRY("bInterfaceNumber", .show = show_interface_number),
	ENTRY("bAlternateSetting", .show = show_alternate),
	ENTRY("bNumEndpoints", .show = show_endpoints),
	ENTRY("bInterfaceClass", .show = show_interface_class),
	ENTRY("bInterfaceSubClass", .show = show_interface_subclass),
	ENTRY("bInterfaceProtocol", .show = show_interface_protocol),
	{},
};

int usb_entries(struct device *dev, struct tree_node *directory)
{
	const struct usb_node *node = usb_node_of(dev);
	const struct usb_identity *id = &node->device->identity;

	if (node->interface != nullptr)
		return tree_add_files(directory, of_interface, dev);
	int error = tree_add_files(directory, of_device, dev);
	/* A string that it does not have is no file. */
	if (error == 0 && id->maker[0] != '\0')
		error = tree_add_files(directory, maker_file, dev);
	if (error == 0 && id->product[0] != '\0')
		error = tree_add_files(directory, product_file, dev);
	if (error == 0 && id->serial[0] != '\0')
		error = tree_add_files(directory, serial_file, dev);
	return error;
}

void usb_uevent(struct device *dev, struct text_buffer *b)
{
	const struct usb_node *node = usb_node_of(dev);
	const struct usb_device_facts *f = &node->device->identity.facts;

	text_printf(b, "DEVTYPE=%s\nPRODUCT=%x/%x/%x\nTYPE=%u/%u/%u\n",
		    node->interface == nullptr ? "usb_device" : "usb_interface", f->vendor, f->product, f->release,
		    f->class, f->subclass, f->protocol);
	if (node->interface == nullptr)
		text_printf(b, "BUSNUM=%03u\nDEVNUM=%03u\n", node->device->host->bus, node->device->number);
	else
		text_printf(b, "INTERFACE=%u/%u/%u\n", node->interface->class, node->interface->subclass,
			    node->interface->protocol);
}
