/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of USB devices (USB 2.0, 9.5 to 9.6 and 11.23.2; USB 3.2, 9.6; HID 1.11, 6.2.1): what a device says of
 * itself, checked. Nothing of it is believed: lengths, counts and numbers are what a stranger wrote. Pure.
 */
#ifndef LIB_USB_DESCRIPTOR_H
#define LIB_USB_DESCRIPTOR_H

#include <stddef.h>
#include <stdint.h>

/* Types of descriptors. */
enum usb_descriptor_type : uint8_t {
	USB_DESCRIPTOR_DEVICE = 1,
	USB_DESCRIPTOR_CONFIGURATION = 2,
	USB_DESCRIPTOR_STRING = 3,
	USB_DESCRIPTOR_INTERFACE = 4,
	USB_DESCRIPTOR_ENDPOINT = 5,
	USB_DESCRIPTOR_HID = 0x21,
	USB_DESCRIPTOR_HID_REPORT = 0x22,
	USB_DESCRIPTOR_HUB = 0x29,
	USB_DESCRIPTOR_SUPER_HUB = 0x2a,
	USB_DESCRIPTOR_COMPANION = 0x30,
};

/* As the Speed field of hubs and host controllers numbers them (xHCI 1.2, 7.2.2.1.1). */
enum usb_speed : uint8_t { USB_FULL = 1, USB_LOW = 2, USB_HIGH = 3, USB_SUPER = 4 };

/* Classes (usb.org, Defined Class Codes). */
enum usb_class : uint8_t { USB_CLASS_HID = 3, USB_CLASS_STORAGE = 8, USB_CLASS_HUB = 9 };

constexpr size_t USB_DEVICE_BYTES = 18, USB_CONFIGURATION_HEAD_BYTES = 9, USB_HUB_BYTES_MAX = 71;
constexpr unsigned USB_INTERFACES_MAX = 16; /* of one configuration, their alternates counted */
constexpr unsigned USB_ENDPOINTS_MAX = 32;  /* of one configuration */
constexpr unsigned USB_PORTS_MAX = 255;	    /* of one hub: a byte of its descriptor */
constexpr size_t USB_STRING_MAX = 96;	    /* with the end */

struct usb_device_facts {
	uint16_t version, vendor, product, release; /* version and release: binary coded decimals */
	uint8_t class, subclass, protocol;
	uint16_t packet_max;			       /* of endpoint 0, in bytes */
	uint8_t maker_text, product_text, serial_text; /* indices of strings; 0: none */
	uint8_t configurations;
};

enum usb_transfer_type : uint8_t { USB_CONTROL, USB_ISOCHRONOUS, USB_BULK, USB_INTERRUPT };
struct usb_endpoint_facts {
	uint8_t number; /* 1 to 15 */
	bool in;
	enum usb_transfer_type type;
	uint16_t packet_max;  /* bytes */
	uint8_t transactions; /* further ones of a microframe: 0 to 2 */
	uint8_t interval;     /* as the device says it: see usb_interval() */
	uint8_t burst;	      /* SuperSpeed: packets of a burst, from 0 */
	uint8_t streams;      /* SuperSpeed bulk: 2 to the power of it; 0: none */
};
struct usb_interface_facts {
	uint8_t number, alternate, class, subclass, protocol, text;
	uint8_t first_endpoint, endpoint_count; /* of the configuration's */
	uint16_t report_bytes;			/* of a HID: its report descriptor; 0: none */
};
struct usb_configuration {
	uint8_t value, attributes, power;
	uint16_t total_bytes;
	uint8_t interface_count, endpoint_count;
	struct usb_interface_facts interfaces[USB_INTERFACES_MAX];
	struct usb_endpoint_facts endpoints[USB_ENDPOINTS_MAX];
};
struct usb_hub_facts {
	uint8_t ports;
	uint16_t power_ms; /* from power on to power good */
	bool individual;   /* power is switched port by port */
	uint8_t think;	   /* of its transaction translator, as the slot context has it */
};

/* nullptr, or what is wrong. */
const char *usb_read_device(const unsigned char *bytes, size_t n, enum usb_speed speed, struct usb_device_facts *out);
/* How many bytes the whole configuration has, by its first USB_CONFIGURATION_HEAD_BYTES; 0: those are none. */
size_t usb_configuration_bytes(const unsigned char *bytes, size_t n);
/* The whole one. Descriptors that are not understood are passed over; of a pair of endpoints, or of alternates, with
 * one number only the first is taken, and so of endpoints of different interfaces. nullptr, or what is wrong. */
const char *usb_read_configuration(const unsigned char *bytes, size_t n, enum usb_speed speed,
				   struct usb_configuration *out);
/* super: of a SuperSpeed hub. nullptr, or what is wrong. */
const char *usb_read_hub(const unsigned char *bytes, size_t n, bool super, struct usb_hub_facts *out);
/* A string descriptor (UTF-16) as UTF-8, without what does not print; empty if it is none. */
void usb_read_string(const unsigned char *bytes, size_t n, char out[USB_STRING_MAX]);

/* What a hub or device says of speeds in the words of packets: the largest of endpoint 0 before it was asked. */
uint16_t usb_first_packet_max(enum usb_speed speed);
/* The interval of an interrupt endpoint as 2 to the power of n microframes of 125 us, 0 to 15 (xHCI 1.2, 6.2.3.6). */
uint8_t usb_interval(enum usb_speed speed, const struct usb_endpoint_facts *e);

/* A request to endpoint 0 (USB 2.0, 9.3). */
struct usb_setup {
	uint8_t type, request;
	uint16_t value, index, length;
};
static_assert(sizeof(struct usb_setup) == 8);
enum : uint8_t { USB_TO_HOST = 0x80, USB_OF_CLASS = 0x20, USB_OF_INTERFACE = 1, USB_OF_ENDPOINT = 2, USB_OF_OTHER = 3 };
enum : uint8_t {
	USB_GET_STATUS = 0,
	USB_CLEAR_FEATURE = 1,
	USB_SET_FEATURE = 3,
	USB_GET_DESCRIPTOR = 6,
	USB_SET_CONFIGURATION = 9,
	USB_SET_INTERFACE = 11,
	USB_SET_HUB_DEPTH = 12,
};
enum : uint16_t { USB_ENDPOINT_HALT = 0 };

/* A hub's port: wPortStatus and wPortChange (USB 2.0, 11.24.2.7; USB 3.2, 10.16.2.6). */
enum : uint32_t {
	USB_PORT_CONNECTED = 1 << 0,
	USB_PORT_ENABLED = 1 << 1,
	USB_PORT_OVER_CURRENT = 1 << 3,
	USB_PORT_RESETTING = 1 << 4,
	USB_PORT_LOW = 1 << 9,
	USB_PORT_HIGH = 1 << 10,
	USB_PORT_CHANGED = 0xffff0000,
};
enum : unsigned { USB_PORT_CHANGE_SHIFT = 16 };
/* Features of a port (USB 2.0, table 11-17; USB 3.2, table 10-17). */
enum usb_port_feature : uint16_t {
	USB_FEATURE_ENABLE = 1,
	USB_FEATURE_RESET = 4,
	USB_FEATURE_POWER = 8,
	USB_FEATURE_C_CONNECTION = 16,
	USB_FEATURE_C_ENABLE = 17,
	USB_FEATURE_C_OVER_CURRENT = 19,
	USB_FEATURE_C_RESET = 20,
	USB_FEATURE_C_LINK_STATE = 25,
	USB_FEATURE_C_CONFIG_ERROR = 26,
	USB_FEATURE_C_WARM_RESET = 29,
};

#endif
