/* SPDX-License-Identifier: MIT */
/*
 * What the files of the xHCI driver share: xhci.c (the controller's rounds and events), command.c, slot.c (devices and
 * their contexts), transfer.c (rings of endpoints), port.c.
 *
 * The device's thread takes events, and only it; all else is called by the bus, in threads of the devices below,
 * several at a time. `lock` is for what both know: rings, what is under way in them, and the command. Who waits does so
 * on `wait`, for something that the events' thread does, or for the end of the round (`over`).
 */
#ifndef XHCI_XHCI_H
#define XHCI_XHCI_H

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/bus/usb_host.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/thread/component.h>
#include <lib/xhci.h>

DECLARE_COMPONENT(xhci);

enum : unsigned { SLOTS_MAX = 64, ENDPOINTS = 32, RING_BYTES = 4096, EVENT_BYTES = 4096 };
constexpr uint64_t COMMAND_NS = 5'000'000'000, CONTROL_NS = 5'000'000'000;

/* An endpoint's ring, and what is under way in it, in its order. */
struct pipe {
	struct dma_buffer memory; /* empty: there is no such endpoint */
	struct xhci_ring ring;
	struct list given;
	uint32_t used; /* entries that transfers have */
	uint16_t packet_max;
	bool halted;
	bool stopping; /* its transfers are being taken back: it takes no others */
};

struct slot {
	struct resource resource; /* of the controller's round */
	struct xhci *xhci;
	uint8_t id;
	struct xhci_slot_facts facts;
	struct dma_buffer contexts; /* a page of the device's, and two of what is told of it */
	struct dma_buffer data;	    /* of requests to endpoint 0 */
	bool asking;		    /* there is such a request */
	bool answered;
	bool lost; /* it was given up: the ring is to be cleared first */
	int error; /* of it */
	uint32_t first, count, residue;
	struct pipe pipes[ENDPOINTS]; /* by index (xhci_endpoint_index) */
};

struct xhci {
	struct device *dev;
	struct mmio registers;
	struct xhci_capabilities can;
	struct irq irq;
	struct usb_host *host;
	struct dma_buffer pointers, scratchpads, segments, event_memory, command_memory;
	struct dma_buffer pages[16]; /* that the controller has for itself, as many to a buffer as fit */
	struct xhci_events events;
	struct wait_queue wait;
	bool over; /* atomic: the round ends */
	struct spinlock lock;
	/* all below: under lock */
	struct slot *slots[SLOTS_MAX + 1];
	struct xhci_ring commands;
	bool commanding, commanded; /* one is under way; it was answered */
	uint64_t command_at;	    /* its address */
	struct xhci_trb answer;
};

static inline uint32_t operational_read(const struct xhci *x, uint32_t reg)
{
	return mmio_read32(&x->registers, x->can.operational + reg);
}
static inline void operational_write(const struct xhci *x, uint32_t reg, uint32_t value)
{
	mmio_write32(&x->registers, x->can.operational + reg, value);
}
static inline bool is_over(const struct xhci *x)
{
	return __atomic_load_n(&x->over, __ATOMIC_ACQUIRE);
}
/* The controller is told that there is something for it. */
void xhci_ring_bell(const struct xhci *x, uint8_t slot, uint8_t target);

/* --- command.c --- */
/* Gives a command and waits for its end. 0, a positive xhci_completion, or -ENODEV: the round is over. *slot (may be
 * nullptr): which the answer names. */
[[nodiscard]] int xhci_command(struct xhci *x, const struct xhci_trb *t, uint8_t *slot);
/* By the events' thread. */
void xhci_command_event(struct xhci *x, const struct xhci_trb *e);
/* The result of a command as a negative errno. */
[[nodiscard]] int xhci_command_error(const struct xhci *x, const char *what, int result);

/* --- slot.c: struct usb_host_ops --- */
int slot_address(struct device *dev, const struct usb_place *place, void **out);
int slot_set_packet(struct device *dev, void *slot, uint16_t packet_max);
int slot_configure(struct device *dev, void *slot, const struct usb_endpoint_facts *endpoints, unsigned count);
int slot_set_hub(struct device *dev, void *slot, const struct usb_hub_facts *hub);
void slot_forget(struct device *dev, void *slot);
uint8_t slot_number(struct device *dev, void *slot);

/* --- transfer.c --- */
[[nodiscard]] int pipe_open(struct xhci *x, struct pipe *p, uint16_t packet_max);
int transfer_control(struct device *dev, void *slot, struct device *who, const struct usb_setup *setup, void *data);
int transfer_submit(struct device *dev, void *slot, struct usb_transfer *t);
int transfer_cancel(struct device *dev, void *slot, const struct usb_endpoint_facts *e);
/* By the events' thread. */
void xhci_transfer_event(struct xhci *x, const struct xhci_trb *e);

/* --- port.c --- */
uint32_t port_status(struct device *dev, unsigned port, enum usb_speed *speed);
void port_set(struct device *dev, unsigned port, enum usb_port_feature feature, bool set);

#endif
