/* SPDX-License-Identifier: MIT */
/*
 * The USB bus's other side: what a host controller's driver gives it, and what the hub's driver takes.
 *
 * A controller's ports are those of a root hub, "usb1", which the hub's driver drives as any other: it finds out what
 * is in each port, resets it, and has the bus make a device of it. The bus asks the controller for all it does by
 * struct usb_host_ops. When the controller's round ends all that is below it rests, after the controller was halted; in
 * the next one, what answers from the same port as the same device goes on, and what does not is gone.
 */
#ifndef KERNEL_BUS_USB_HOST_H
#define KERNEL_BUS_USB_HOST_H

#include <kernel/bus/usb.h>

struct usb_device; /* one that is plugged in, or a root hub */
struct usb_host;   /* a controller; kept through its rounds */

/* What a controller has to know of a device. */
struct usb_place {
	uint32_t route;
	enum usb_speed speed;
	uint8_t root_port;
	void *translator; /* the slot of the hub that translates for a slow one; nullptr: none */
	uint8_t translator_port;
};

/*
 * Each runs under a guard of `component`, in any thread, several at a time; a fault in one fails the controller. Those
 * that wait end with -ENODEV once usb_host_wake() was called because the round ends. slot: the controller's record of a
 * device. Errors: as usb_control().
 */
struct usb_host_ops {
	struct component *component;
	/* A device in its default state gets an address. *slot is to be forgotten. -ENOSPC: it takes no more. */
	int (*address)(struct device *host, const struct usb_place *place, void **slot);
	/* The largest packet of endpoint 0 is another. */
	int (*set_packet)(struct device *host, void *slot, uint16_t packet_max);
	/* Its endpoints, of the configuration that the device has; and what is known of it as a hub (nullptr: none). */
	int (*configure)(struct device *host, void *slot, const struct usb_endpoint_facts *endpoints, unsigned count);
	int (*set_hub)(struct device *host, void *slot, const struct usb_hub_facts *hub);
	void (*forget)(struct device *host, void *slot);
	/* who: in whose thread it is, whose round may end. */
	int (*control)(struct device *host, void *slot, struct device *who, const struct usb_setup *setup, void *data);
	int (*submit)(struct device *host, void *slot, struct usb_transfer *t);
	/* Stops the endpoint and takes all of its transfers back. */
	int (*cancel)(struct device *host, void *slot, const struct usb_endpoint_facts *e);
	uint8_t (*number)(struct device *host, void *slot); /* of the device, 1 to 126 */
	/* A port of the root hub, from 1: as a hub tells it (USB_PORT_*), with its speed; and what is asked of it. */
	uint32_t (*port)(struct device *host, unsigned port, enum usb_speed *speed);
	void (*set_port)(struct device *host, unsigned port, enum usb_port_feature feature, bool set);
	/* By registers alone: it reaches no memory any more. Nobody is in any of the others. False: it does not say so.
	 */
	bool (*halt)(struct device *host);
	/* Whoever waits in one of the others comes back: the round is over. */
	void (*wake)(struct device *host);
};

/* By the controller's attach, when it runs: makes its root hub, or has it go on. *out is valid until the device is
 * gone. -ENOMEM, or as device_add(). */
[[nodiscard]] int usb_host_begin(struct device *dev, const struct usb_host_ops *ops, unsigned ports,
				 struct usb_host **out) NOT_ELEVATED;
/* Something has changed at a port of the root hub. Any thread. */
void usb_host_port_changed(struct usb_host *h);
/* A transfer is done; t->actual and t->error are set. By the controller, with its lock, under which nobody else takes t
 * back; t is not the controller's afterwards. */
void usb_transfer_done(struct usb_transfer *t);

/* --- for the hub's driver --- */

/* Whether the interface is of a root hub; then how many ports it has. */
bool usb_is_root(const struct device *dev);
unsigned usb_root_ports(const struct device *dev);
/* -ENODEV: the controller's round is over, which says nothing of what is in the port. */
[[nodiscard]] int usb_root_port(struct device *dev, unsigned port, uint32_t *status,
				enum usb_speed *speed) NOT_ELEVATED;
void usb_root_set_port(struct device *dev, unsigned port, enum usb_port_feature feature, bool set) NOT_ELEVATED;
/* Whether it, and its controller, are still there: an error is of what it was asked for, not of the end of a round. */
bool usb_is_there(const struct device *dev);
/* How many hubs are above it. */
unsigned usb_depth(const struct device *dev);
/* From here on the device is known to the controller as a hub. */
[[nodiscard]] int usb_set_hub(struct device *dev, const struct usb_hub_facts *hub) NOT_ELEVATED;

/* By the hub's attach: what was in its ports in the round before rests until it is found again. -ENOMEM, -ENODEV. */
struct usb_ports;
[[nodiscard]] int usb_ports_begin(struct device *hub, unsigned count, struct usb_ports **out) NOT_ELEVATED;
/* Whether there is a device in that port, and it is not one of the round before. */
bool usb_ports_has(const struct usb_ports *p, unsigned port);
/* Whether one of the round before can only have been pulled out meanwhile, where the port says that what is in it came:
 * of a root hub's, if the controller has not begun anew, which looks the same. */
bool usb_ports_was_pulled(const struct usb_ports *p, unsigned port);
/* A device was found in the port, reset and of that speed: it is the one that rests there, or a new one. Errors: as
 * usb_control(); the port then has no device. Waits. */
[[nodiscard]] int usb_ports_found(struct usb_ports *p, unsigned port, enum usb_speed speed) NOT_ELEVATED;
/* There is none in it. Waits until what was there is gone. */
void usb_ports_empty(struct usb_ports *p, unsigned port) NOT_ELEVATED;

#endif
