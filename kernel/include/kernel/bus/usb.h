/* SPDX-License-Identifier: MIT */
/*
 * The USB bus (USB 2.0, USB 3.2): a device for each that is plugged in, "1-2.3" (bus 1, port 3 of the hub at port 2),
 * and below it one for each interface of its configuration, "1-2.3:1.0", which is what drivers are for. A driver's
 * match is a list of struct usb_match that ends with a class of 0.
 *
 *	attach:  usb_find_endpoint(dev, USB_BULK, true); usb_control(dev, …); usb_submit(dev, &transfer)
 *	serve:   if (usb_is_done(&transfer)) …; device_wait(dev, deadline)
 *
 * A transfer that is done wakes the device's thread, which looks at all that it has under way. At the end of a round
 * the bus takes back what is. What devices say is not believed: their descriptors are checked (lib/usb_descriptor.h),
 *and what a transfer brings is the driver's to check.
 */
#ifndef KERNEL_BUS_USB_H
#define KERNEL_BUS_USB_H

#include <kernel/device/device.h>
#include <lib/list.h>
#include <lib/usb_descriptor.h>

extern const struct bus usb_bus;

/* A row fits if each number does. */
enum : uint16_t { USB_ANY = 0xffff };
struct usb_match {
	uint16_t class, subclass, protocol; /* of the interface; the last two may be USB_ANY */
};

/* What the whole device says of itself; lives as long as dev. */
struct usb_identity {
	struct usb_device_facts facts;
	enum usb_speed speed;
	char maker[USB_STRING_MAX], product[USB_STRING_MAX], serial[USB_STRING_MAX]; /* may be empty */
};
const struct usb_identity *usb_identity(const struct device *dev);
/* Of an interface: borrowed, as what follows. */
const struct usb_interface_facts *usb_interface(const struct device *dev);
/* Its first endpoint of that type and direction, or nullptr. */
const struct usb_endpoint_facts *usb_find_endpoint(const struct device *dev, enum usb_transfer_type type, bool in);
/* Where it is, for people: "usb-0000:00:04.0-2.3". */
void usb_path(const struct device *dev, char *out, size_t size);

/*
 * A request to endpoint 0, whose data (setup->length bytes of them, at most USB_CONTROL_MAX) are copied. Result: how
 * many bytes there were, or a negative errno: -EPIPE (the device refuses), -EPROTO, -EOVERFLOW, -EIO (it does not
 * work), -ETIMEDOUT, -ECANCELED (the round is to end), -ENODEV (it, or its controller, is gone). In a thread of dev;
 * waits.
 */
constexpr size_t USB_CONTROL_MAX = 4096;
[[nodiscard]] int usb_control(struct device *dev, const struct usb_setup *setup, void *data) NOT_ELEVATED;

/* A piece of memory that the driver lent to the device, or allocated for it (kernel/device/dma.h). */
struct usb_piece {
	uint64_t address;
	uint32_t length;
};
enum usb_transfer_state : uint32_t { USB_IDLE, USB_GIVEN, USB_DONE };
/* The driver's memory: of its private data, which stay until the bus has taken the transfer back. */
struct usb_transfer {
	const struct usb_endpoint_facts *endpoint; /* of the interface; not endpoint 0 */
	const struct usb_piece *pieces;		   /* only read while it is submitted */
	unsigned piece_count;
	/* when it is done: how much was transferred, and 0 or as usb_control() */
	uint32_t actual;
	int error;
	/* the bus's */
	uint32_t state; /* atomic: enum usb_transfer_state */
	struct device *device;
	struct list link;
	uint32_t first, count, length; /* the controller's: places in its ring */
};
constexpr unsigned USB_PIECES_MAX = 160;
/* Hands it to the device behind those that the endpoint has. -EBUSY: it has as many as it can; -EPIPE: it is halted;
 * -ENODEV: the controller is gone; -EINVAL: a piece is none. Any thread; does not sleep. */
[[nodiscard]] int usb_submit(struct device *dev, struct usb_transfer *t) NOT_ELEVATED;
static inline bool usb_is_done(const struct usb_transfer *t)
{
	return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == USB_DONE;
}
static inline bool usb_is_given(const struct usb_transfer *t)
{
	return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == USB_GIVEN;
}
/* All transfers of the endpoint are done, those that were under way with -ECANCELED, and it takes others. 0, or
 * -ENODEV: it does not stop, and its memory is still the device's. In a thread of dev; waits. */
[[nodiscard]] int usb_cancel(struct device *dev, const struct usb_endpoint_facts *e) NOT_ELEVATED;
/* The same for one that is halted, on both sides (USB 2.0, 9.4.5). Errors: as usb_control(). */
[[nodiscard]] int usb_clear_halt(struct device *dev, const struct usb_endpoint_facts *e) NOT_ELEVATED;

#endif
