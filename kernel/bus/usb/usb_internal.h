/* SPDX-License-Identifier: MIT */
/*
 * What the files of the USB bus share: usb.c (names, matching, silence), host.c (controllers, and how their functions
 * are called), device.c (what is plugged in), ports.c (what is in the ports of a hub), sys.c (/sys).
 */
#ifndef BUS_USB_USB_INTERNAL_H
#define BUS_USB_USB_INTERNAL_H

#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/bus/usb_host.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/tree.h>

DECLARE_COMPONENT(usb);

constexpr unsigned USB_DEPTH_MAX = 6; /* hubs between a device and its controller, the root hub among them (4.1.1) */

/* OPEN: its functions may be entered; HALTED: it reaches no memory; LOUD: it may. */
enum usb_host_state : uint32_t { USB_HOST_OPEN, USB_HOST_CLOSING, USB_HOST_HALTED, USB_HOST_LOUD };
struct usb_host {
	struct resource resource; /* the controller's, kept */
	struct device *dev;	  /* the controller; borrowed: it owns this */
	const struct usb_host_ops *ops;
	unsigned bus, ports;
	uint32_t round;	 /* of the controller: what slots are of */
	uint32_t inside; /* atomic: threads that are in its functions */
	uint32_t state;	 /* atomic: enum usb_host_state */
	struct wait_queue quiet;
	struct usb_device *root;
};

/* What the bus has of its devices: one that is plugged in, or one of its interfaces. */
struct usb_node {
	struct usb_device *device;
	const struct usb_interface_facts *interface; /* nullptr: the device itself */
};

struct usb_device {
	struct usb_node node;
	struct usb_host *host;
	struct device *dev; /* a reference of whoever made it */
	struct usb_device
		*above; /* the hub that it is in; nullptr: a root hub. It lives longer: its struct device is above */
	unsigned port, depth; /* depth: hubs above it */
	struct usb_place place;
	struct usb_identity identity;
	struct usb_configuration configuration;
	unsigned char descriptors[1024]; /* as it said them: its own and its configuration's, as far as there is room */
	size_t descriptor_bytes;
	uint32_t descriptor_sum; /* of all of the configuration */
	uint8_t number;
	void *slot; /* the controller's, of that round; nullptr: none */
	uint32_t round;
	struct device *interfaces[USB_INTERFACES_MAX]; /* references */
	bool whole;				       /* its devices are there */
	struct usb_device *now; /* what was found in its place, until it is known to be the same; nullptr: nothing */
};

static inline struct usb_node *usb_node_of(const struct device *dev)
{
	return device_bus_data(dev);
}
static inline struct usb_device *usb_device_of(const struct device *dev)
{
	return usb_node_of(dev)->device;
}

/* --- host.c --- */
/* Into the controller's functions, and out of them. False: its round is over. What is between the two is under a guard,
 * and neither is a function, so that who has entered leaves even where this bus faults. */
[[nodiscard]] static inline bool usb_enter(struct usb_host *h)
{
	__atomic_fetch_add(&h->inside, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&h->state, __ATOMIC_SEQ_CST) == USB_HOST_OPEN)
		return true;
	if (__atomic_sub_fetch(&h->inside, 1, __ATOMIC_SEQ_CST) == 0)
		wait_wake_all(&h->quiet);
	return false;
}
static inline void usb_leave(struct usb_host *h)
{
	if (__atomic_sub_fetch(&h->inside, 1, __ATOMIC_SEQ_CST) == 0 &&
	    __atomic_load_n(&h->state, __ATOMIC_SEQ_CST) != USB_HOST_OPEN)
		wait_wake_all(&h->quiet);
}
/* A fault in one of them: the controller begins anew. */
void usb_host_fault(struct usb_host *h);
#define USB_HOST_FAULT(h) ((void)guard_run_void(&component_usb, usb_host_fault(h)))
/* A function of the controller that yields an int, or -ENODEV. */
#define USB_HOST_CALL(h, function, ...)                                                                                \
	({                                                                                                             \
		struct usb_host *host_ = (h);                                                                          \
		int value_ = -ENODEV;                                                                                  \
		if (usb_enter(host_)) {                                                                                \
			value_ = (int)guard_run(host_->ops->component, host_->ops->function(host_->dev, __VA_ARGS__)); \
			if (value_ == -EFAULT) {                                                                       \
				USB_HOST_FAULT(host_);                                                                 \
				value_ = -ENODEV;                                                                      \
			}                                                                                              \
			usb_leave(host_);                                                                              \
		}                                                                                                      \
		value_;                                                                                                \
	})

/* --- device.c --- */
/* A device that was just reset at its place: its address, descriptors, configuration; then its devices are there. *out
 * is there before, not yet whole, so that a fault leaves nothing that nobody can give back. */
[[nodiscard]] int usb_device_create(struct device *hub, struct usb_device *above, unsigned port, enum usb_speed speed,
				    struct usb_device **out);
/* The same for one that rests: its devices go on. -ESTALE: it is another one. */
[[nodiscard]] int usb_device_resume(struct device *hub, struct usb_device *u, enum usb_speed speed);
/* All of its interfaces rest, and so what is below it. */
void usb_device_rest(struct usb_device *u);
/* It is gone: all but its memory, which usb_device_free() gives back; after a fault in it, it is called again. */
void usb_device_end(struct usb_device *u);
void usb_device_free(struct usb_device *u);
/* Its interfaces' devices; at the root for a root hub too. */
[[nodiscard]] int usb_device_add_interfaces(struct usb_device *u);
void usb_node_release(struct device *dev, void *bus_data);

/* --- usb.c --- */
/* usb_control() of any device, in a thread of `who`. */
[[nodiscard]] int usb_control_of(struct usb_device *u, struct device *who, const struct usb_setup *setup, void *data);

/* --- sys.c --- */
int usb_entries(struct device *dev, struct tree_node *directory);
void usb_uevent(struct device *dev, struct text_buffer *b);

#endif
